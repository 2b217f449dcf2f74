"""The imperative builder of loop programs: statements are emitted in order, scopes by `with`.

```
ib = ir_builder.create()
A = ib.pointer("float32", name="A")
with ib.for_range(0, n, name="i") as i:
    with ib.if_scope(i % 2 == 0):
        A[i] = A[i] + 1
body = ib.get()
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ..ir.expr import IntImm, PrimExpr, as_scalar
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from . import op as O
from .buffer import Buffer, decl_buffer
from .expr import Broadcast, BufferLoad, IterVar, StringImm, Var, pointer
from .stmt import (
    Allocate,
    AttrStmt,
    BufferStore,
    Evaluate,
    For,
    ForKind,
    IfThenElse,
    LetStmt,
    Stmt,
    While,
    stmt_seq,
)  # fmt: skip

Close = Callable[[Stmt], Stmt]
KINDS = {
    "serial": ForKind.SERIAL, "parallel": ForKind.PARALLEL, "vectorize": ForKind.VECTORIZED,
    "vectorized": ForKind.VECTORIZED, "unroll": ForKind.UNROLLED, "unrolled": ForKind.UNROLLED,
}  # fmt: skip


class BufferVar:
    """Memory that is read by `A[i]` and written by `A[i] = value`, which emits a store."""

    def __init__(self, builder: IRBuilder, buffer: Buffer, content_type: str) -> None:
        self._builder, self._buffer, self._content_type = builder, buffer, content_type

    def asobject(self) -> Buffer:
        """The memory as a buffer, for calls."""
        return self._buffer

    @property
    def dtype(self) -> str:
        """The type of one element."""
        return self._content_type

    @property
    def data(self) -> Var:
        """The address."""
        return self._buffer.data

    def _indices(self, index: Any) -> tuple[PrimExpr, ...]:
        items = index if isinstance(index, (tuple, list)) else (index,)
        made = tuple(_expression(item) for item in items)
        if len(made) == 1 and self._buffer.ndim > 1 and dtype_of(made[0].dtype).lanes == 1:
            made = self._unflattened(made[0])
        lanes = dtype_of(self._content_type).lanes
        if lanes > 1 and dtype_of(self._buffer.dtype).lanes == 1:
            base = O.multiply(made[-1], lanes)
            return (*made[:-1], O.ramp(base, IntImm(base.dtype, 1), lanes))
        return made

    def _unflattened(self, index: PrimExpr) -> tuple[PrimExpr, ...]:
        """The indices of the element at `index`, counted in row-major order."""
        made: list[PrimExpr] = []
        for extent in reversed(self._buffer.shape[1:]):
            made.append(O.floormod(index, extent))
            index = O.floordiv(index, extent)
        return (index, *reversed(made))

    def __getitem__(self, index: Any) -> BufferLoad:
        return BufferLoad(self._buffer, self._indices(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        is_count = isinstance(value, int) and not isinstance(value, bool)
        made = _expression(value, dtype_of(self._content_type).element if is_count else None)
        mine, given = dtype_of(self._content_type).element, dtype_of(made.dtype).element
        if mine != given:
            raise ArgumentError(
                f"`{self._buffer.name}` holds {mine}, the value is {given}", hint="use astype"
            )
        indices = self._indices(index)
        lanes = dtype_of(indices[-1].dtype).lanes
        if lanes > 1 and dtype_of(made.dtype).lanes == 1:
            made = Broadcast(made, lanes)
        self._builder.emit(BufferStore(self._buffer, made, indices))


def _expression(value: Any, dtype: str | None = None) -> PrimExpr:
    made = value.var if isinstance(value, IterVar) else value
    return as_scalar(made, dtype)


class IRBuilder:
    """Collects statements. Made by `create()`; `get()` gives the program."""

    def __init__(self) -> None:
        self._scopes: list[list[Stmt | Close]] = [[]]

    # ---- statements -------------------------------------------------------------------------

    def emit(self, stmt: Stmt | PrimExpr | Close) -> None:
        """Adds a statement (an expression is evaluated for its effect), or a function that makes
        one of all that follows in this scope."""
        self._scopes[-1].append(Evaluate(stmt) if isinstance(stmt, PrimExpr) else stmt)

    def _pop(self) -> Stmt:
        body = stmt_seq()
        for entry in reversed(self._scopes.pop()):
            body = stmt_seq(entry, body) if isinstance(entry, Stmt) else entry(body)
        return body

    @contextmanager
    def _scope(self, close: Close, value: Any = None) -> Iterator[Any]:
        self._scopes.append([])
        yield value
        self.emit(close(self._pop()))

    def new_scope(self) -> AbstractContextManager[None]:
        """A scope of its own: what holds for the rest of it ends with it."""
        return self._scope(lambda body: body)

    def scope_attr(self, node: Any, attr_key: str, value: Any) -> None:
        """Puts what follows in this scope under an attribute, such as a thread's extent."""
        self.emit(lambda body: AttrStmt(node, attr_key, value, body))

    def let(self, var_name: str, value: Any) -> Var:
        """A name for `value` in what follows in this scope."""
        made = as_scalar(value)
        var = Var(var_name, made.dtype)
        self.emit(lambda body: LetStmt(var, made, body))
        return var

    # ---- control flow -----------------------------------------------------------------------

    def for_range(
        self, begin: Any, end: Any, name: str = "i", dtype: str | None = None,
        kind: str | ForKind = "serial",
    ) -> AbstractContextManager[Var]:  # fmt: skip
        """A loop over `begin..end`; `with` gives its variable."""
        low, stop = _expression(begin), _expression(end)
        chosen = dtype or ("int64" if "int64" in (low.dtype, stop.dtype) else low.dtype)
        low, stop = O.cast(low, chosen), O.cast(stop, chosen)
        extent = stop if O.is_const_int(low, 0) else O.simplified(O.subtract(stop, low))
        loop_kind = kind if isinstance(kind, ForKind) else KINDS.get(kind)
        if loop_kind is None:
            raise ArgumentError(f"unknown kind of loop {kind!r}", hint=f"one of {', '.join(KINDS)}")
        var = Var(name, chosen)
        return self._scope(lambda body: For(var, low, extent, loop_kind, body), var)

    def while_loop(self, condition: Any) -> AbstractContextManager[None]:
        """A loop as long as `condition` holds."""
        test = as_scalar(condition)
        return self._scope(lambda body: While(test, body))

    def if_scope(self, cond: Any) -> AbstractContextManager[None]:
        """What runs where `cond` holds."""
        test = as_scalar(cond)
        return self._scope(lambda body: IfThenElse(test, body))

    def else_scope(self) -> AbstractContextManager[None]:
        """What runs otherwise; it follows an `if_scope`."""
        last = self._scopes[-1][-1] if self._scopes[-1] else None
        if not isinstance(last, IfThenElse) or last.else_case is not None:
            raise ArgumentError("else_scope follows an if_scope directly")
        self._scopes[-1].pop()
        before = last
        return self._scope(lambda body: before.replace(else_case=body))

    # ---- memory -----------------------------------------------------------------------------

    def allocate(
        self, dtype: str, shape: Any, name: str = "buf",
        axis_separators: Sequence[int] | None = None, scope: str = "",
    ) -> BufferVar:  # fmt: skip
        """New memory of `shape` that lives for the rest of this scope."""
        dims = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        buffer = decl_buffer(
            dims, dtype, name, scope=scope, axis_separators=tuple(axis_separators or ())
        )
        self.emit(lambda body: Allocate(buffer.data, dtype, buffer.shape, IntImm("bool", 1), body))
        return BufferVar(self, buffer, dtype)

    def pointer(self, content_type: str, name: str = "ptr", scope: str = "") -> BufferVar:
        """An address that is given from outside; its size is not known."""
        data = Var(name, pointer(content_type, scope or "global"))  # type: ignore[arg-type]
        return BufferVar(self, decl_buffer((1,), content_type, name, data=data), content_type)

    def buffer_ptr(self, buf: Buffer) -> BufferVar:
        """A buffer that is there, to read and write by indices."""
        return BufferVar(self, buf, buf.dtype)

    def likely(self, expr: PrimExpr) -> PrimExpr:
        """`expr`, which is nearly always true."""
        return O.likely(expr)

    def get(self) -> Stmt:
        """All that was emitted, as one statement. Raises `ArgumentError` within a scope."""
        if len(self._scopes) != 1:
            raise ArgumentError("get() is called within a scope that is not closed")
        body = self._pop()
        self._scopes = [[]]
        return body


def create() -> IRBuilder:
    """A new builder."""
    return IRBuilder()
