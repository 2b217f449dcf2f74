"""The table of elementary functions: name, arity, expansion in each format, measured error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import exponential as e
from . import logarithm as l
from . import power
from . import trigonometric as t
from .ops import N, Ops

Expansion = Callable[..., Any]


@dataclass(frozen=True)
class MathFunction:
    """An elementary function. `ulp` is the largest error seen in float32 and in float64, rounded
    up, in units of the last place of the exact result; `inline` says that the expansion is short
    enough to repeat at every use.

    The float32 errors of those computed in float32 are over all 2**32 arguments, on a machine with
    fused multiply-add and scaling by powers of two; the others over millions of random ones. All
    agree with C99 on zeros and their signs, infinities, NaN and denormals.
    """

    name: str
    arity: int
    float32: Expansion
    float64: Expansion
    ulp: tuple[float, float]
    inline: bool = False

    def expand(self, m: Ops[N], *args: N) -> N:
        """The value of the function in the format of `m`."""
        expansion = self.float32 if m.format.name == "float32" else self.float64
        result: N = expansion(m, *args)
        return result


def through_double(f: Expansion) -> Expansion:
    """The float32 form of a float64 expansion: compute in float64, round once."""

    def expansion(m: Ops[N], *args: N) -> N:
        return m.narrow(f(m.double(), *[m.widen(a) for a in args]))

    return expansion


def rsqrt(m: Ops[N], x: N) -> N:
    """The reciprocal of the square root."""
    return 1.0 / m.sqrt(x)


def _row(name: str, both: Expansion, ulp: tuple[float, float], inline: bool) -> MathFunction:
    return MathFunction(name, 1, both, both, ulp, inline)


def _wide(name: str, f: Expansion, ulp: float, arity: int = 1) -> MathFunction:
    return MathFunction(name, arity, through_double(f), f, (0.51, ulp))


FUNCTIONS: dict[str, MathFunction] = {
    row.name: row
    for row in (
        _row("exp", e.exp, (1.02, 1.1), True),
        _row("exp2", e.exp2, (1.01, 1.1), True),
        _row("sigmoid", e.sigmoid, (1.7, 1.7), True),
        MathFunction("tanh", 1, e.tanh_float32, e.tanh, (1.34, 2.1), True),
        _row("erf", e.erf, (1.22, 1.4), True),
        _row("rsqrt", rsqrt, (1.50, 1.5), True),
        _row("log", l.log, (0.87, 0.9), True),
        _row("log2", l.log2, (0.89, 0.9), False),
        _row("sin", t.sin, (1.50, 2.6), False),
        _row("cos", t.cos, (1.50, 2.6), False),
        MathFunction("tan", 1, t.tan_float32, t.tan, (0.51, 4.0)),
        MathFunction("pow", 2, power.pow_float32, power.pow, (0.51, 2.0)),
        _wide("exp10", e.exp10, 1.5),
        _wide("expm1", e.expm1, 2.2),
        _wide("sinh", e.sinh, 3.0),
        _wide("cosh", e.cosh, 1.6),
        _wide("log10", l.log10, 0.8),
        _wide("log1p", l.log1p, 1.0),
        _wide("asinh", l.asinh, 2.0),
        _wide("acosh", l.acosh, 2.0),
        _wide("atanh", l.atanh, 2.0),
        _wide("atan", t.atan, 2.0),
        _wide("atan2", t.atan2, 2.0, 2),
        _wide("asin", t.asin, 2.4),
        _wide("acos", t.acos, 1.5),
    )
}
