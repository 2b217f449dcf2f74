"""All shared memory of a kernel in one allocation, used again where lives do not meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, Visitor, on
from ...ir.node import children
from ...ir.transform import PassContext
from ...support.dtypes import dtype_of
from .. import op as O
from ..buffer import Buffer
from ..expr import BufferLoad, Call, Var, pointer
from ..function import PrimFunc
from ..stmt import Allocate, AttrStmt, BufferStore, DeclBuffer, For, Stmt, While
from .base import context_factory
from .config import MERGE_STATIC_SMEM
from .thread_sync import scope_of

ALIGNMENT = 16
NAMES = {"shared.dyn": "buf_dyn_shmem", "shared": "buf_shmem"}


@dataclass(eq=False)
class _Life:
    """An allocation of constant size (or not), from its first to its last use."""

    node: Allocate
    size: PrimExpr
    first: int = -1
    last: int = -1
    offset: PrimExpr | None = None


class _Lives(Visitor):
    """Numbers statements in order; a use in a loop lasts as long as the loop, unless the memory is
    allocated in it."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.found: dict[Var, _Life] = {}
        self.clock = 0

    @on(Allocate)
    def allocate(self, node: Allocate) -> None:
        """An allocation in the scope."""
        if scope_of(node.buffer_var) == self.scope:
            size: PrimExpr = IntImm("int32", dtype_of(node.dtype).bytes)
            for extent in node.extents:
                size = O.multiply(size, extent)
            self.found[node.buffer_var] = _Life(node, O.simplified(size))
        self.visit(node.body)

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


def _placed(lives: list[_Life]) -> PrimExpr:
    """Gives each life its offset; returns how many bytes there are in all.

    Memory whose size is not known lies behind the rest, side by side.
    """
    known = [life for life in lives if isinstance(life.size, IntImm)]
    top = 0
    placed: list[_Life] = []
    for life in sorted(known, key=lambda x: (-_bytes(x), x.first)):
        offset = 0
        for other in sorted(placed, key=_start):
            meets = other.first <= life.last and life.first <= other.last
            if meets and offset + _bytes(life) > _start(other) and offset < _start(other) + _bytes(
                other
            ):  # fmt: skip
                offset = -(-(_start(other) + _bytes(other)) // ALIGNMENT) * ALIGNMENT
        life.offset = IntImm("int32", offset)
        placed.append(life)
        top = max(top, offset + _bytes(life))
    total: PrimExpr = IntImm("int32", top)
    for life in lives:
        if life.offset is None:
            total = O.multiply(O.ceildiv(total, ALIGNMENT), ALIGNMENT)
            life.offset = O.simplified(total)
            total = O.add(total, O.cast(life.size, "int32"))
    return O.simplified(total)


def _bytes(life: _Life) -> int:
    return int(O.const_value(life.size) or 0)


def _start(life: _Life) -> int:
    return int(O.const_value(life.offset) or 0)


class _Merge(Rewriter):
    def __init__(self, lives: dict[Var, _Life], merged: Var) -> None:
        self.lives, self.merged = lives, merged

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """The memory is part of the one allocation."""
        if node.buffer_var in self.lives:
            body: Stmt = self.rewrite(node.body)
            return body
        return self.rewrite_children(node)

    @on(Var)
    def address(self, var: Var) -> Var:
        """An address handed out whole: the one of the allocation."""
        return self.merged if var in self.lives else var

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A view of the one allocation, long enough for what lies before."""
        if buffer.data not in self.lives:
            return buffer
        known = self._variables.get(id(buffer))
        if known is None:
            first = buffer.shape[0] if buffer.shape else IntImm("int32", 1)
            size = O.simplified(O.add(first, self._elements(buffer)))
            made = buffer.replace(data=self.merged, shape=(size, *buffer.shape[1:]))
            known = self._variables[id(buffer)] = (buffer, made)
        return known[1]  # type: ignore[return-value]

    def _elements(self, buffer: Buffer) -> PrimExpr:
        offset = self.lives[buffer.data].offset
        assert offset is not None
        return O.simplified(O.floordiv(offset, max(1, dtype_of(buffer.dtype).bytes)))

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """A[i]   ->   A[i + offset]"""
        new = self.rewrite_children(access)
        if new.buffer is access.buffer or len(new.indices) != 1:
            return new
        index = O.add(new.indices[0], self._elements(access.buffer))
        return new.replace(indices=(O.simplified(index),))

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """An address moved by the offset."""
        new: Call = self.rewrite_children(call)
        name = getattr(call.op, "name", "")
        if name != "tir.tvm_access_ptr" or call.args[1] not in self.lives:
            return new
        marker, data, offset, *rest = new.args
        size = max(1, dtype_of(getattr(marker, "dtype", "int8")).bytes)
        before = self.lives[call.args[1]].offset  # type: ignore[index]
        moved = O.add(offset, O.floordiv(before, size))
        return new.replace(args=(marker, data, O.simplified(moved), *rest))


class _Kernels(Rewriter):
    def __init__(self, scope: str) -> None:
        self.scope = scope

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """The outermost launch: its memory is allocated at its beginning."""
        if node.attr_key != "thread_extent":
            return self.rewrite_children(node)
        finder = _Lives(self.scope)
        finder.walk(node.body)
        lives = list(finder.found.values())
        if len(lives) < 2:
            return node
        total = _placed(lives)
        merged = Var(NAMES[self.scope], "handle", type_annotation=pointer("uint8", self.scope))
        body: Stmt = _Merge(finder.found, merged).run(node.body)
        made = Allocate(merged, "uint8", (total,), IntImm("bool", 1), body)
        return node.replace(body=made)


@context_factory
def MergeSharedMemoryAllocations(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """allocate A; allocate B; use A; use B   ->   allocate buf: A at 0, B at 0 or behind A

    Dynamic shared memory (`shared.dyn`) of each launch; with the option `tir.merge_static_smem`
    static shared memory as well. Arrays must be flat.
    """
    body = _Kernels("shared.dyn").run(func.body)
    if ctx.config.get(MERGE_STATIC_SMEM):
        body = _Kernels("shared").run(body)
    return func.replace(body=body)
