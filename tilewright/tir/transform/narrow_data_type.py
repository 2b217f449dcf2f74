"""Index arithmetic in 32 bits where nothing can overflow."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import on
from ...ir.transform import Pass, PassContext
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from .. import op as O
from ..arith.rules import MAKERS
from ..buffer import Buffer
from ..expr import (
    Add,
    BufferLoad,
    Call,
    Cast,
    CmpExpr,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mul,
    Ramp,
    Select,
    Sub,
    Var,
)  # fmt: skip
from ..function import PrimFunc
from ..stmt import Allocate, BufferStore, DeclBuffer, For
from .base import prim_func_pass
from .scoped import ScopedRewriter

_LIMIT = 2**31 - 1
_ARITHMETIC = (Add, Sub, Mul, FloorDiv, FloorMod, Min, Max)


class _Narrow(ScopedRewriter):
    """Loops of `int64` whose range fits get `int32` variables; what is made of them follows."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.narrow: dict[Var, Var] = {}

    def _fits(self, expr: PrimExpr) -> bool:
        lo, hi = self.analyzer.engine.interval(expr)
        return lo >= -_LIMIT and hi <= _LIMIT

    @on(For)
    def loop(self, loop: For) -> Any:
        """for i: int64   ->   for i: int32"""
        var = loop.loop_var
        end = loop.min + loop.extent
        usable = var.dtype == "int64" and self._fits(loop.min) and self._fits(end)
        self.analyzer.bind(var, Range(loop.min, loop.extent), override=True)
        low, extent = self.rewrite(loop.min), self.rewrite(loop.extent)
        if usable:
            self.narrow[var] = var.copy_with_dtype("int32")
            low, extent = _int32(low), _int32(extent)
        elif low.dtype != var.dtype:
            low, extent = O.cast(low, var.dtype), O.cast(extent, var.dtype)
        return loop.replace(
            loop_var=self.narrow.get(var, var), min=low, extent=extent,
            body=self.rewrite(loop.body),
        )  # fmt: skip

    @on(Var)
    def variable(self, var: Var) -> PrimExpr:
        """A loop's variable in its new type."""
        return self.narrow.get(var, var)

    @on(*_ARITHMETIC)
    def arithmetic(self, expr: Any) -> PrimExpr:
        """Narrow if the value and its operands fit."""
        a, b = self.rewrite(expr.a), self.rewrite(expr.b)
        narrow = expr.dtype == "int64" and _can(a) and _can(b)
        if narrow and all(self._fits(e) for e in (expr, expr.a, expr.b)):
            return MAKERS[type(expr)](_int32(a), _int32(b))
        return MAKERS[type(expr)](_like(a, expr.a.dtype), _like(b, expr.b.dtype))

    @on(CmpExpr)
    def comparison(self, expr: Any) -> PrimExpr:
        """Both sides in one type."""
        a, b = self.rewrite(expr.a), self.rewrite(expr.b)
        if a.dtype != b.dtype:
            if _can(a) and _can(b) and self._fits(expr.a) and self._fits(expr.b):
                return MAKERS[type(expr)](_int32(a), _int32(b))
            a, b = _like(a, expr.a.dtype), _like(b, expr.b.dtype)
        return MAKERS[type(expr)](a, b)

    @on(Cast)
    def cast(self, expr: Cast) -> PrimExpr:
        """A widening that is not needed goes where the value is used."""
        value: PrimExpr = self.rewrite(expr.value)
        if expr.dtype == "int64" and value.dtype == "int32":
            return value
        return O.cast(value, expr.dtype)

    @on(Ramp)
    def ramp(self, expr: Ramp) -> PrimExpr:
        """Base and stride in one type."""
        base, stride = self.rewrite(expr.base), self.rewrite(expr.stride)
        if "int32" in (base.dtype, stride.dtype) and _can(base) and _can(stride):
            base, stride = _int32(base), _int32(stride)
        return Ramp(base, stride, expr.lanes)

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """Indices may be narrow."""
        return load.replace(
            indices=self.rewrite(load.indices), predicate=self.rewrite(load.predicate)
        )

    @on(BufferStore)
    def store(self, store: BufferStore) -> Any:
        """The value keeps its type."""
        return store.replace(
            indices=self.rewrite(store.indices),
            value=_like(self.rewrite(store.value), store.value.dtype),
            predicate=self.rewrite(store.predicate),
        )

    @on(Select)
    def select(self, expr: Select) -> PrimExpr:
        """Both values in one type."""
        yes, no = self.rewrite(expr.true_value), self.rewrite(expr.false_value)
        return O.select(self.rewrite(expr.condition), _like(yes, expr.dtype), _like(no, expr.dtype))

    @on(Call)
    def call(self, expr: Call) -> PrimExpr:
        """Arguments keep their types."""
        args = tuple(
            _like(self.rewrite(a), a.dtype) if isinstance(a, PrimExpr) else a for a in expr.args
        )
        return expr.replace(args=args)

    @on(Allocate, DeclBuffer)
    def memory(self, node: Any) -> Any:
        """Extents stay."""
        return node.replace(body=self.rewrite(node.body))

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers stay."""
        return buffer


def _can(value: PrimExpr) -> bool:
    return value.dtype == "int32" or isinstance(value, IntImm)


def _int32(value: PrimExpr) -> PrimExpr:
    if isinstance(value, IntImm):
        if not -_LIMIT <= value.value <= _LIMIT:
            raise CompileError(f"{value.value} does not fit into int32")
        return IntImm("int32", value.value)
    return O.cast(value, "int32")


def _like(value: PrimExpr, dtype: str) -> PrimExpr:
    if value.dtype == dtype or not dtype_of(dtype).is_integral:
        return value
    return O.cast(value, dtype)


def NarrowDataType(target_bits: int) -> Pass:
    """for i in range(int64(8)): A[i * 4]   ->   for i in range(8): A[i * 4], where it fits"""

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        return func.replace(body=_Narrow(target_bits).run(func.body))

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.NarrowDataType")
    return made
