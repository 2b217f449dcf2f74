"""A few words for writing loop programs of `te.extern`: loops, conditions, scratch memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.expr import IntImm, PrimExpr, as_scalar
from ..tir import op
from ..tir.buffer import Buffer, decl_buffer
from ..tir.expr import BufferLoad, Var
from ..tir.stmt import (
    Allocate,
    BufferStore,
    DeclBuffer,
    For,
    ForKind,
    IfThenElse,
    LetStmt,
    Stmt,
    While,
    stmt_seq,
)

seq = stmt_seq


def loop(
    extent: Any, body: Callable[[Var], Stmt], name: str = "i", kind: ForKind = ForKind.SERIAL
) -> Stmt:
    """`for name in range(extent): body(name)`."""
    end = as_scalar(extent)
    var = Var(name, end.dtype)
    return For(var, IntImm(end.dtype, 0), end, kind, body(var))


def nest(extents: Sequence[Any], body: Callable[..., Stmt], name: str = "i") -> Stmt:
    """Loops over all `extents`, the first outermost, around `body(i0, i1, ...)`."""
    ends = [as_scalar(e) for e in extents]
    variables = [Var(f"{name}{k}", e.dtype) for k, e in enumerate(ends)]
    stmt = body(*variables)
    for var, end in zip(reversed(variables), reversed(ends), strict=True):
        stmt = For(var, IntImm(end.dtype, 0), end, ForKind.SERIAL, stmt)
    return stmt


def when(condition: PrimExpr, then: Stmt, otherwise: Stmt | None = None) -> Stmt:
    """`then` if `condition`, else `otherwise`; folds a constant condition."""
    value = op.const_value(condition)
    if value is None:
        return IfThenElse(condition, then, otherwise)
    return then if value else (otherwise if otherwise is not None else stmt_seq())


def repeat_while(condition: PrimExpr, body: Stmt) -> Stmt:
    """`body` as long as `condition` holds."""
    return While(condition, body)


def let(value: PrimExpr, body: Callable[[Var], Stmt], name: str = "t") -> Stmt:
    """`body` of a variable that holds `value`."""
    var = Var(name, value.dtype)
    return LetStmt(var, value, body(var))


def store(buffer: Buffer, indices: Sequence[Any], value: Any) -> Stmt:
    """`buffer[indices] = value`, converted to the buffer's type."""
    made = op.cast(as_scalar(value, buffer.dtype), buffer.dtype)
    return BufferStore(buffer, made, tuple(indices))


def load(buffer: Buffer, indices: Sequence[Any]) -> PrimExpr:
    """`buffer[indices]`."""
    return BufferLoad(buffer, tuple(indices))


def scratch(
    shape: Sequence[Any],
    dtype: str,
    body: Callable[[Buffer], Stmt],
    name: str = "scratch",
    scope: str = "global",
) -> Stmt:
    """`body` of a new array that lives as long as it runs."""
    buffer = decl_buffer(list(shape), dtype, name, scope=scope)
    inner = DeclBuffer(buffer, body(buffer))
    return Allocate(buffer.data, dtype, buffer.shape, op.const(1, "bool"), inner)


class Cell:
    """A local variable of a loop program: one element of scratch memory."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer

    def get(self) -> PrimExpr:
        """Its value."""
        return BufferLoad(self.buffer, (op.const(0),))

    def set(self, value: Any) -> Stmt:
        """The statement that gives it `value`."""
        return store(self.buffer, (op.const(0),), value)


def cells(dtypes: Sequence[str], body: Callable[..., Stmt], name: str = "cell") -> Stmt:
    """`body` of local variables of these types."""
    buffers = [decl_buffer((1,), d, f"{name}{k}", scope="local") for k, d in enumerate(dtypes)]
    stmt = body(*[Cell(b) for b in buffers])
    for buffer in reversed(buffers):
        inner = DeclBuffer(buffer, stmt)
        stmt = Allocate(buffer.data, buffer.dtype, buffer.shape, op.const(1, "bool"), inner)
    return stmt
