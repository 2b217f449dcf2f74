"""Narrow floats stored as plain integers, for targets that know no such type."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.expr import FloatImm, IntImm, PrimExpr
from ...ir.functor import on
from ...ir.transform import Pass, PassContext
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from .. import op as O
from ..expr import BinaryOpExpr, Call, Cast, CmpExpr
from ..function import PrimFunc
from .base import prim_func_pass
from .narrow_floats import decoded, encoded, is_native, storage_of
from .stored_types import StoredTypes

_CARRIES = frozenset(("tir.if_then_else", "tir.type_annotation", "tir.undef"))


class _AsIntegers(StoredTypes):
    """Values of the chosen types are their bits; casts to and from them compute."""

    def __init__(self, chosen: Any, compute_pass: str) -> None:
        self.chosen, self.compute_pass = chosen, compute_pass

    def _is_narrow(self, dtype: str) -> bool:
        return bool(self.chosen(dtype_of(dtype).element))

    def _stored(self, dtype: str) -> str:
        return storage_of(dtype) if self._is_narrow(dtype) else dtype

    @on(FloatImm)
    def constant(self, value: FloatImm) -> PrimExpr:
        """The bits of a constant."""
        if not self._is_narrow(value.dtype):
            return value
        stored = self._stored(value.dtype)
        bits = np.asarray(value.value, dtype_of(value.dtype).numpy).reshape(1)
        return IntImm(stored, int(bits.view(dtype_of(stored).numpy)[0]))

    @on(Cast)
    def cast(self, expr: Cast) -> PrimExpr:
        """float32(a: bfloat16)   ->   reinterpret(a << 16)"""
        value: PrimExpr = self.rewrite(expr.value)
        source = expr.value.dtype
        if self._is_narrow(source):
            value = decoded(value, source)
        if self._is_narrow(expr.dtype):
            return encoded(O.cast(value, "float32"), expr.dtype)
        return O.cast(value, expr.dtype)

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """Bits that are read as bits are what they are; other calls must not compute narrow."""
        new: Call = self.rewrite_children(call)
        name = getattr(call.op, "name", "")
        if name == "tir.reinterpret":
            target = self._stored(call.dtype)
            value: Any = new.args[0]
            return value if value.dtype == target else O.reinterpret(target, value)
        if not self._is_narrow(call.dtype):
            return new
        if name not in _CARRIES:
            self._refuse(call)
        return new.replace(dtype=self._stored(call.dtype))

    @on(BinaryOpExpr, CmpExpr)
    def binary(self, expr: Any) -> PrimExpr:
        """Arithmetic in a narrow type is for another pass."""
        if self._is_narrow(expr.a.dtype):
            self._refuse(expr)
        made: PrimExpr = self.rewrite_children(expr)
        return made

    def _refuse(self, expr: PrimExpr) -> None:
        raise CompileError(
            f"`{expr}` computes in {expr.dtype}", expr.span, hint=f"run {self.compute_pass} before"
        )


def _legalized(func: PrimFunc, chosen: Any, name: str) -> PrimFunc:
    if any(chosen(dtype_of(b.dtype).element) for b in func.buffer_map.values()):
        raise CompileError(
            "the function takes arrays of a narrow type; their callers would see other types",
            func.span, hint="run MakePackedAPI or MakeUnpackedAPI before",
        )  # fmt: skip
    rewriter = _AsIntegers(chosen, name.replace("Storage", "Compute"))
    params = tuple(rewriter.variable(p) for p in func.params)
    return func.replace(params=params, body=rewriter.run(func.body))


def _storage(name: str, chosen: Any, native: str) -> Pass:
    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        if is_native(func, native):
            return func
        return _legalized(func, chosen, name)

    made: Pass = prim_func_pass(transform, opt_level=0, name=f"tir.{name}")
    return made


def BF16StorageLegalize() -> Pass:
    """A: bfloat16; float32(A[i])   ->   A: uint16; reinterpret(uint32(A[i]) << 16)

    After `BF16ComputeLegalize` and a pass that makes parameters of arrays.
    """
    return _storage("BF16StorageLegalize", lambda dtype: dtype == "bfloat16", "bfloat16")


def FP8StorageLegalize() -> Pass:
    """The same for the types of 8 bits, stored as `uint8`."""
    return _storage("FP8StorageLegalize", lambda dtype: dtype.startswith("float8"), "float8")
