"""The operations of `codegen.math` as TensorIR expressions, for back ends without their own.

`expand(call)` gives the expression of an elementary function: a graph whose nodes are shared, to be
emitted once each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.ir.expr import PrimExpr
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import CompileError
from tilewright.tir import const, reinterpret
from tilewright.tir.expr import EQ, Call, Cast, Not, Select

from .ops import F32, F64, Scalar, scale_by_halves
from .table import FUNCTIONS


def expand(call: Call) -> PrimExpr:
    """The elementary function `call` as arithmetic, shifts, selections and square roots.

    Types narrower than float32 are computed in it. Raises `CompileError` for other operators.
    """
    function = FUNCTIONS.get(call.op.name.removeprefix("tir."))
    if function is None:
        raise CompileError(f"{call.op.name} is not an elementary function", call.span)
    info = dtype_of(call.dtype)
    computed = "float64" if info.element == "float64" else "float32"
    math = TirMath(computed, info.lanes)
    args = [a for a in call.args if isinstance(a, PrimExpr)]
    if info.element == computed:
        return function.expand(math, *args)
    wide = [Cast(math.dtype, a) for a in args]
    return Cast(call.dtype, function.expand(math, *wide))


class TirMath:
    """`math.Ops` for expressions of float32 or float64 with `lanes` lanes."""

    def __init__(self, element: str, lanes: int, *, has_fma: bool = False) -> None:
        self.format = F64 if element == "float64" else F32
        self.lanes = lanes
        self.dtype = dtype_of(element).with_lanes(lanes)
        self.integer = dtype_of(element.replace("float", "int")).with_lanes(lanes)
        self.has_fma = has_fma

    def _lift(self, value: PrimExpr | Scalar, dtype: str) -> PrimExpr:
        return value if isinstance(value, PrimExpr) else const(value, dtype)

    def const(self, value: float) -> PrimExpr:
        return const(value, self.dtype)

    def mad(self, a: PrimExpr, b: PrimExpr | float, c: PrimExpr | float) -> PrimExpr:
        return a * self._lift(b, self.dtype) + self._lift(c, self.dtype)

    def fma(self, a: PrimExpr, b: PrimExpr, c: PrimExpr) -> PrimExpr:
        return Call(self.dtype, "tir.fma", (a, b, c))

    def sqrt(self, x: PrimExpr) -> PrimExpr:
        return Call(self.dtype, "tir.sqrt", (x,))

    def abs(self, x: PrimExpr) -> PrimExpr:
        return Call(self.dtype, "tir.fabs", (x,))

    def copysign(self, x: PrimExpr, sign: PrimExpr) -> PrimExpr:
        return Call(self.dtype, "tir.copysign", (x, sign))

    def eq(self, a: PrimExpr, b: PrimExpr | Scalar) -> PrimExpr:
        return EQ(a, self._lift(b, a.dtype))

    def not_(self, condition: PrimExpr) -> PrimExpr:
        return Not(condition)

    def select(self, condition: PrimExpr, a: PrimExpr | Scalar, b: PrimExpr | Scalar) -> PrimExpr:
        dtype = (a if isinstance(a, PrimExpr) else b).dtype  # type: ignore[union-attr]
        return Select(condition, self._lift(a, dtype), self._lift(b, dtype))

    def bits(self, x: PrimExpr) -> PrimExpr:
        return reinterpret(self.integer, x)

    def from_bits(self, i: PrimExpr) -> PrimExpr:
        return reinterpret(self.dtype, i)

    def to_float(self, i: PrimExpr) -> PrimExpr:
        return Cast(self.dtype, i)

    def scale(self, x: PrimExpr, n: PrimExpr) -> PrimExpr:
        return scale_by_halves(self, x, n)

    def table(self, values: Sequence[float], index: PrimExpr) -> PrimExpr:
        """A binary tree of selections on the bits of the index."""
        items: list[PrimExpr] = [self.const(v) for v in values]
        bit = 0
        while len(items) > 1:
            even = self.eq((index >> bit) & 1, 0)
            items = [
                self.select(even, a, items[n + 1]) if n + 1 < len(items) else a
                for n, a in list(enumerate(items))[::2]
            ]
            bit += 1
        return items[0]

    def rarely(
        self,
        condition: PrimExpr,
        slow: Callable[[], tuple[PrimExpr, ...]],
        fast: tuple[PrimExpr, ...],
    ) -> tuple[PrimExpr, ...]:
        return tuple(Select(condition, s, f) for s, f in zip(slow(), fast, strict=True))

    def double(self) -> TirMath:
        return TirMath("float64", self.lanes, has_fma=self.has_fma)

    def widen(self, x: PrimExpr) -> PrimExpr:
        return Cast(dtype_of("float64").with_lanes(self.lanes), x)

    def narrow(self, x: PrimExpr) -> PrimExpr:
        return Cast(self.dtype, x)

    def narrow_int(self, i: PrimExpr) -> PrimExpr:
        return Cast(self.integer, i)
