"""When allocations of one kind of memory are in use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Visitor, on, post_order_visit
from ...ir.node import children
from ...ir.type import PointerType
from ...support.dtypes import dtype_of
from .. import op as O
from ..expr import Call, Var
from ..stmt import Allocate, AttrStmt, DeclBuffer, For, LetStmt, Stmt, While


def scope_of(var: object) -> str:
    """The memory that an address points to."""
    kind = getattr(var, "type_annotation", None)
    return kind.storage_scope if isinstance(kind, PointerType) else ""


@dataclass(eq=False)
class Life:
    """An allocation of constant size (or not), from its first to its last use."""

    node: Allocate
    size: PrimExpr
    first: int = -1
    last: int = -1
    offset: PrimExpr | None = None

    def meets(self, other: Life) -> bool:
        """True if both are in use at one time."""
        return other.first <= self.last and self.first <= other.last


class Lives(Visitor):
    """Numbers statements in order; a use in a loop lasts as long as the loop, unless the memory is
    allocated in it, and a copy that goes on by itself until somebody waits for all of them."""

    def __init__(self, *scopes: str, around: Iterable[Allocate] = ()) -> None:
        self.scopes = scopes
        self.found: dict[Var, Life] = {}
        self.clock = 0
        self.copied: set[Var] = set()
        for node in around:
            self._add(node)

    def includes(self, scope: str) -> bool:
        """True for memory whose lives are looked for."""
        return scope in self.scopes

    def measure(self, body: Stmt) -> dict[Var, Life]:
        """The lives within `body`."""
        self.walk(body)
        self._wait()
        return self.found

    def _wait(self) -> None:
        for var in self.copied:
            self.found[var].last = max(self.found[var].last, self.clock)
        self.copied.clear()

    @on(LetStmt)
    def let(self, node: LetStmt) -> None:
        """Memory is in use as long as its address has a name."""
        self.statement(node)
        if node.var.dtype == "handle":
            post_order_visit(node.value, lambda n: self.use(n) if isinstance(n, Var) else None)

    @on(Call)
    def call(self, call: Call) -> None:
        """Copies that go on by themselves, and the wait for them."""
        self.visit(call.args)
        name = getattr(call.op, "name", "")
        if name == "tir.ptx_cp_async" and call.args[0] in self.found:
            self.copied.add(call.args[0])  # type: ignore[arg-type]
        elif name == "tir.ptx_wait_group" and O.is_const_int(call.args[0], 0):
            self._wait()

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """A wait that is not lowered yet."""
        if node.attr_key == "async_wait_inflight_count" and O.is_const_int(node.value, 0):
            self._wait()
        self.statement(node)

    @on(Allocate)
    def allocate(self, node: Allocate) -> None:
        """An allocation in the scope."""
        self._add(node)
        self.visit(node.body)

    def _add(self, node: Allocate) -> None:
        if self.includes(scope_of(node.buffer_var)):
            size: PrimExpr = IntImm("int32", dtype_of(node.dtype).bytes)
            for extent in node.extents:
                size = O.multiply(size, extent)
            self.found[node.buffer_var] = Life(node, O.simplified(size))

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> None:
        """A declaration is no use."""
        self.visit(node.body)

    @on(Stmt)
    def statement(self, stmt: Stmt) -> None:
        """Everything that a statement with others inside uses is used to its end."""
        known = set(self.found)
        self.clock += 1
        begin = self.clock
        for child in children(stmt):
            self.visit(child)
        self.clock += 1
        if _repeats(stmt):
            for var in known:
                life = self.found[var]
                if life.last >= begin:
                    life.last = self.clock
                    life.first = min(life.first, begin)

    @on(Var)
    def use(self, var: Var) -> None:
        """A use of an address."""
        life = self.found.get(var)
        if life is not None:
            life.first = self.clock if life.first < 0 else life.first
            life.last = self.clock


def _repeats(stmt: Stmt) -> bool:
    return isinstance(stmt, (For, While))
