"""Narrow floats computed in a wider type, or stored as plain integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import FloatImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.transform import Pass, PassContext
from ...support.dtypes import dtype_of
from .. import op as O
from ..arith.rules import MAKERS
from ..expr import BinaryOpExpr, Broadcast, BufferLoad, Call, Cast, CmpExpr, Let, Select, Var
from ..function import PrimFunc
from ..stmt import BufferStore, LetStmt
from .base import prim_func_pass
from .narrow_floats import is_native

Chooses = Callable[[str], bool]


class _Widen(Rewriter):
    """Values of the chosen types are `wide` between their load and their store."""

    def __init__(self, chosen: Chooses, wide: str) -> None:
        self.chosen, self.wide = chosen, wide
        self.renamed: dict[Var, Var] = {}

    def _wide(self, dtype: str) -> str:
        info = dtype_of(dtype)
        return dtype_of(self.wide).with_lanes(info.lanes) if self.chosen(info.element) else dtype

    @on(Var)
    def variable(self, var: Var) -> PrimExpr:
        """A name for a wide value."""
        return self.renamed.get(var, var)

    @on(FloatImm)
    def constant(self, value: FloatImm) -> PrimExpr:
        """A constant in the wide type."""
        return FloatImm(self._wide(value.dtype), value.value)

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """What is loaded is widened."""
        new = self.rewrite_children(load)
        return O.cast(new, self._wide(load.dtype))

    @on(BufferStore)
    def store(self, store: BufferStore) -> Any:
        """What is stored is narrowed."""
        value = O.cast(self.rewrite(store.value), store.value.dtype)
        return store.replace(
            value=value, indices=self.rewrite(store.indices),
            predicate=self.rewrite(store.predicate),
        )  # fmt: skip

    @on(BinaryOpExpr, CmpExpr)
    def binary(self, expr: Any) -> PrimExpr:
        """Computed wide."""
        return MAKERS[type(expr)](self.rewrite(expr.a), self.rewrite(expr.b))

    @on(Select)
    def select(self, expr: Select) -> PrimExpr:
        """Chosen wide."""
        parts = (expr.condition, expr.true_value, expr.false_value)
        return O.select(*(self.rewrite(part) for part in parts))

    @on(Broadcast)
    def broadcast(self, expr: Broadcast) -> PrimExpr:
        """Wide in every lane."""
        return Broadcast(self.rewrite(expr.value), expr.lanes)

    @on(Cast)
    def cast(self, expr: Cast) -> PrimExpr:
        """A cast to a narrow type rounds, then goes on wide."""
        value = self.rewrite(expr.value)
        wide = self._wide(expr.dtype)
        return O.cast(value if wide == expr.dtype else O.cast(value, expr.dtype), wide)

    @on(Call)
    def call(self, expr: Call) -> PrimExpr:
        """Intrinsics compute wide; other calls keep their types."""
        name = getattr(expr.op, "name", "")
        pure = name == "tir.if_then_else" or getattr(expr.op, "attributes", {}).get("numpy")
        args = tuple(self.rewrite(a) for a in expr.args)
        if pure:
            return expr.replace(dtype=self._wide(expr.dtype), args=args)
        back = tuple(
            O.cast(new, old.dtype) if isinstance(old, PrimExpr) and self.chosen(old.dtype) else new
            for new, old in zip(args, expr.args, strict=True)
        )
        return O.cast(expr.replace(args=back), self._wide(expr.dtype))

    @on(LetStmt, Let)
    def let(self, let: Any) -> Any:
        """A name for a wide value is wide."""
        value = self.rewrite(let.value)
        if self.chosen(let.var.dtype):
            self.renamed[let.var] = let.var.copy_with_dtype(value.dtype)
        var = self.renamed.get(let.var, let.var)
        return let.replace(var=var, value=value, body=self.rewrite(let.body))


def _compute(name: str, chosen: Chooses, wide: str, native: str = "") -> Pass:
    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        if native and is_native(func, native):
            return func
        return func.replace(body=_Widen(chosen, wide).run(func.body))

    made: Pass = prim_func_pass(transform, opt_level=0, name=name)
    return made


def BF16ComputeLegalize() -> Pass:
    """C = a + b in bfloat16   ->   C = bfloat16(float32(a) + float32(b))

    Functions for CUDA from sm_80 on stay.
    """
    return _compute("tir.BF16ComputeLegalize", lambda d: d == "bfloat16", "float32", "bfloat16")


def FP16ComputeLegalize() -> Pass:
    """The same for float16."""
    return _compute("tir.FP16ComputeLegalize", lambda d: d == "float16", "float32")


def FP8ComputeLegalize(promote_dtype: str = "float32") -> Pass:
    """The same for the types of 8 bits, computed in `promote_dtype`; CUDA from sm_89 on stays."""
    return _compute(
        "tir.FP8ComputeLegalize", lambda d: d.startswith("float8"), promote_dtype, "float8"
    )
