"""Copies from global to shared memory that run asynchronously on NVIDIA devices."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...support.dtypes import dtype_of
from .. import op as O
from ..arith.vectors import affine
from ..expr import Broadcast, BufferLoad, Call, Ramp
from ..function import PrimFunc
from ..stmt import AttrStmt, BufferStore, Evaluate, Stmt
from .base import factory
from .pipeline_emit import ASYNC_SCOPE

SIZES = (4, 8, 16)
"""How many bytes one instruction copies."""


class _Inject(Rewriter):
    def __init__(self) -> None:
        self.is_async = False

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """Within the scope, copies are asynchronous; the scope goes."""
        if node.attr_key != ASYNC_SCOPE:
            return self.rewrite_children(node)
        before, self.is_async = self.is_async, True
        body: Stmt = self.rewrite(node.body)
        self.is_async = before
        return body

    @on(BufferStore)
    def store(self, store: BufferStore) -> Stmt:
        """S[i] = A[j]   ->   ptx_cp_async(S, i, A, j, bytes)"""
        if not self.is_async or not store.buffer.scope().startswith("shared"):
            return store
        predicate, load = _copied(store.value)
        if load is None or load.buffer.scope() != "global":
            return store
        target, source = _place(store), _place(load)
        size = dtype_of(store.value.dtype).bytes
        if target is None or source is None or size not in SIZES:
            return store
        args: list[Any] = [
            store.buffer.data,
            target,
            load.buffer.data,
            source,
            IntImm("int32", size),
        ]
        if predicate is not None:
            args.append(predicate)
        return Evaluate(Call(store.buffer.dtype, "tir.ptx_cp_async", tuple(args)))


def _copied(value: PrimExpr) -> tuple[Any, BufferLoad | None]:
    """The load that `value` is, with its condition where it is zero otherwise."""
    if isinstance(value, BufferLoad):
        return None, value
    if isinstance(value, Call) and getattr(value.op, "name", "") == "tir.if_then_else":
        condition, yes, no = value.args
        zero = no.value if isinstance(no, Broadcast) else no
        if isinstance(yes, BufferLoad) and O.const_value(zero) == 0:
            return condition, yes
    return None, None


def _place(access: Any) -> PrimExpr | None:
    """Where an access to flat memory begins; None for one that is not one piece."""
    if len(access.indices) != 1:
        return None
    (index,) = access.indices
    if isinstance(index, Ramp):
        parts = affine(index)
        return index.base if parts is not None and O.is_const_int(parts[1], 1) else None
    made: PrimExpr | None = None if dtype_of(index.dtype).lanes > 1 else index
    return made


@factory
def InjectPTXAsyncCopy(func: PrimFunc) -> PrimFunc:
    """attr(async_scope): S[i] = A[j]   ->   ptx_cp_async(S, i, A, j, bytes)

    Copies of 4, 8 or 16 bytes from global to shared memory; one that is zero where a condition
    fails gets the condition as its last argument. Others stay as they are.
    """
    return func.replace(body=_Inject().run(func.body))
