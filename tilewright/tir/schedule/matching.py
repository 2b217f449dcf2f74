"""Comparing a block with the description of an instruction."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import deep_recursion
from ...ir.node import Node
from ..buffer import Buffer
from ..expr import BufferLoad, Call, IterVar, Var
from ..stmt import Block, BlockRealize, BufferStore, For, SeqStmt, Stmt
from .poly import Poly, Space, plus
from .rewrite import accesses


class Mismatch(Exception):
    """Where and why the two differ."""


class Matcher:
    """Walks a program and a description side by side.

    Variables and buffers of the description stand for those met at the same place; a buffer of
    the program may have more dimensions in front, and its accesses an offset, the same at all.
    """

    def __init__(self) -> None:
        self.space = Space()
        self.variables: dict[Var, Var] = {}
        self.buffers: dict[Buffer, Buffer] = {}
        self.offsets: dict[Buffer, list[Poly]] = {}

    def match(self, ours: Stmt, theirs: Stmt) -> None:
        """Raises `Mismatch` unless `ours` does what `theirs` describes."""
        with deep_recursion():
            self._stmt(ours, theirs)

    def _fail(self, ours: object, theirs: object) -> None:
        raise Mismatch(f"`{_short(ours)}` does not match `{_short(theirs)}`")

    # ---- statements -------------------------------------------------------------------------

    def _stmt(self, a: Any, b: Any) -> None:
        if type(a) is not type(b):
            self._fail(a, b)
        handler = _STATEMENTS.get(type(a))
        if handler is None:
            raise Mismatch(f"a {type(a).__name__} cannot be matched")
        handler(self, a, b)

    def _for(self, a: For, b: For) -> None:
        self._expr(a.extent, b.extent)
        self._expr(a.min, b.min)
        self.space.bind(a.loop_var, a.min, a.extent)
        self._bind(b.loop_var, a.loop_var)
        self._stmt(a.body, b.body)

    def _bind(self, theirs: Var, ours: Var) -> None:
        self.variables[theirs] = ours
        self.space.define(theirs, ours)

    def bind_axis(self, axis: IterVar) -> None:
        """Takes note of the range of one of the program's axes."""
        if axis.dom is not None:
            self.space.bind(axis.var, axis.dom.min, axis.dom.extent)

    def _seq(self, a: SeqStmt, b: SeqStmt) -> None:
        if len(a.seq) != len(b.seq):
            raise Mismatch(f"{len(a.seq)} statements where {len(b.seq)} are described")
        for x, y in zip(a.seq, b.seq, strict=True):
            self._stmt(x, y)

    def _realize(self, a: BlockRealize, b: BlockRealize) -> None:
        self._expr(a.predicate, b.predicate)
        pairs = self._axes(a, b)
        for ours, theirs in pairs:
            self.bind_axis(ours)
            self._bind(theirs.var, ours.var)
        self._block(a.block, b.block)

    def _axes(self, a: BlockRealize, b: BlockRealize) -> list[tuple[IterVar, IterVar]]:
        """The axes in pairs by what they are bound to; axes of one value may be left out."""
        ours = list(zip(a.block.iter_vars, a.iter_values, strict=True))
        theirs = list(zip(b.block.iter_vars, b.iter_values, strict=True))
        found = []
        for axis, value in theirs:
            p = self.space.poly(value)
            match = next(
                (k for k, (o, v) in enumerate(ours)
                 if o.iter_type == axis.iter_type and self.space.poly(v) == p),
                None,
            )  # fmt: skip
            if match is None:
                raise Mismatch(f"no axis of block `{a.block.name_hint}` is like `{axis.var.name}`")
            found.append((ours.pop(match)[0], axis))
        for axis, _ in ours:
            if axis.dom is None or not (
                isinstance(axis.dom.extent, IntImm) and axis.dom.extent.value == 1
            ):
                raise Mismatch(f"the axis `{axis.var.name}` is not in the description")
        return found

    def _block(self, a: Block, b: Block) -> None:
        if (a.init is None) != (b.init is None):
            raise Mismatch("one has an `init`, the other has none")
        if a.init is not None and b.init is not None:
            self._stmt(a.init, b.init)
        self._stmt(a.body, b.body)

    def _store(self, a: BufferStore, b: BufferStore) -> None:
        self._access(a.buffer, a.indices, b.buffer, b.indices)
        self._expr(a.value, b.value)

    # ---- expressions ------------------------------------------------------------------------

    def _expr(self, a: Any, b: Any) -> None:
        if type(a) is BufferLoad and type(b) is BufferLoad:
            self._access(a.buffer, a.indices, b.buffer, b.indices)
        elif not isinstance(a, Node) or not isinstance(b, Node):
            if a != b:
                self._fail(a, b)
        elif isinstance(a, PrimExpr) and isinstance(b, PrimExpr) and _is_index(a, b):
            if self.space.poly(a) != self.space.poly(b):
                self._fail(a, b)
        elif type(a) is not type(b):
            self._fail(a, b)
        elif isinstance(a, Var):
            if self.variables.get(b, b) is not a:  # type: ignore[call-overload]
                self._fail(a, b)
        else:
            self._fields(a, b)

    def _fields(self, a: Node, b: Node) -> None:
        if isinstance(a, Call) and isinstance(b, Call) and a.op is not b.op:
            self._fail(a, b)
        for info in type(a).compared:
            x, y = getattr(a, info.name), getattr(b, info.name)
            if isinstance(x, tuple) and isinstance(y, tuple):
                if len(x) != len(y):
                    self._fail(a, b)
                for p, q in zip(x, y, strict=True):
                    self._expr(p, q)
            elif info.name != "op":
                self._expr(x, y)
        if getattr(a, "dtype", None) != getattr(b, "dtype", None):
            self._fail(a, b)

    def _access(
        self, a: Buffer, mine: tuple[PrimExpr, ...], b: Buffer, yours: tuple[PrimExpr, ...]
    ) -> None:
        known = self.buffers.setdefault(b, a)
        if known is not a or a.dtype != b.dtype:
            raise Mismatch(f"buffer `{a.name}` does not match `{b.name}`")
        extra = len(mine) - len(yours)
        if extra < 0:
            raise Mismatch(f"buffer `{a.name}` has fewer dimensions than `{b.name}`")
        offset = [self.space.poly(i) for i in mine]
        for k, index in enumerate(yours):
            offset[extra + k] = plus(offset[extra + k], self.space.poly(index), -1)
        within = {self.space._variable(v) for v in self.variables.values()}
        if any(within & self.space.variables(p) for p in offset):
            raise Mismatch(f"buffer `{a.name}` is not accessed as `{b.name}` is, but for an offset")
        first = self.offsets.setdefault(b, offset)
        if first != offset:
            raise Mismatch(f"the accesses of buffer `{a.name}` do not match those of `{b.name}`")


def _is_index(a: PrimExpr, b: PrimExpr) -> bool:
    """True for integers that are computed from variables, not from data."""
    if a.dtype != b.dtype or a.dtype not in ("int32", "int64"):
        return False
    return not accesses(a).loads and not accesses(b).loads


def _short(value: object) -> str:
    text = str(value).splitlines()
    return text[0] if text else type(value).__name__


_STATEMENTS: dict[type[Stmt], Any] = {
    For: Matcher._for,
    SeqStmt: Matcher._seq,
    BlockRealize: Matcher._realize,
    BufferStore: Matcher._store,
}
