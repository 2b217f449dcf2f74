"""Loads of global memory under a condition, as one instruction of NVIDIA devices."""

from __future__ import annotations

from typing import Any

from ...ir.functor import Rewriter, on
from ...ir.transform import Pass, PassContext
from ...support.dtypes import dtype_of
from .. import op as O
from ..expr import BufferLoad, Call
from ..function import PrimFunc
from ..stmt import BufferStore, Evaluate, Stmt, stmt_seq
from .base import prim_func_pass


class _Inject(Rewriter):
    @on(BufferStore)
    def store(self, store: BufferStore) -> Stmt:
        """L[i] = A[j] if c else 0   ->   L[i] = 0; ptx_ldg32(L, c, A[j], i)"""
        value = store.value
        is_choice = isinstance(value, Call) and getattr(value.op, "name", "") == "tir.if_then_else"
        if not is_choice or store.buffer.scope() != "local" or len(store.indices) != 1:
            return store
        choice: Any = value
        condition, load, other = choice.args
        is_load = isinstance(load, BufferLoad) and load.buffer.scope() == "global"
        info = dtype_of(store.value.dtype)
        if not is_load or O.const_value(other) is None or (info.bits, info.lanes) != (32, 1):
            return store
        call = O.ptx_ldg32(store.buffer.dtype, store.buffer.data, condition, load, store.indices[0])
        return stmt_seq(store.replace(value=other), Evaluate(call))


def InjectPTXLDG32(enable_inject_ptx_intrin: bool = True) -> Pass:
    """A pass that makes `L[i] = 0; ptx_ldg32(L, c, A[j], i)` of `L[i] = A[j] if c else 0`.

    For `L` flat and local, `A` global, elements of 32 bits and a constant; with
    `enable_inject_ptx_intrin=False` nothing changes.
    """

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        if not enable_inject_ptx_intrin:
            return func
        return func.replace(body=_Inject().run(func.body))

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.InjectPTXLDG32")
    return made
