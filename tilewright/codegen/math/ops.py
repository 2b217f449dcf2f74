"""What an elementary function is written in: a few operations that every back end can emit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .coefficients import FLOAT32, FLOAT64

Scalar = int | float
Self = TypeVar("Self", bound="Number")


class Number(Protocol):
    """A float, an integer of the same width or a truth value, of one lane or of many."""

    def __add__(self: Self, other: Self | Scalar) -> Self: ...
    def __radd__(self: Self, other: Scalar) -> Self: ...
    def __sub__(self: Self, other: Self | Scalar) -> Self: ...
    def __rsub__(self: Self, other: Scalar) -> Self: ...
    def __mul__(self: Self, other: Self | Scalar) -> Self: ...
    def __rmul__(self: Self, other: Scalar) -> Self: ...
    def __truediv__(self: Self, other: Self | Scalar) -> Self: ...
    def __rtruediv__(self: Self, other: Scalar) -> Self: ...
    def __neg__(self: Self) -> Self: ...
    def __lt__(self: Self, other: Self | Scalar) -> Self: ...
    def __le__(self: Self, other: Self | Scalar) -> Self: ...
    def __gt__(self: Self, other: Self | Scalar) -> Self: ...
    def __ge__(self: Self, other: Self | Scalar) -> Self: ...
    def __and__(self: Self, other: Self | int) -> Self: ...
    def __or__(self: Self, other: Self | int) -> Self: ...
    def __lshift__(self: Self, other: int) -> Self: ...
    def __rshift__(self: Self, other: int) -> Self: ...


N = TypeVar("N", bound=Number)


@dataclass(frozen=True)
class Format:
    """A binary floating-point format and the constants that depend on it alone."""

    name: str
    mantissa: int  # stored bits
    bias: int
    coefficients: dict[str, tuple[float, ...]]

    @property
    def magic(self) -> float:
        """Adding this rounds a small number to an integer, held in the low bits of the sum."""
        return 1.5 * 2.0**self.mantissa

    @property
    def min_normal(self) -> float:
        """The smallest positive normal number."""
        return 2.0 ** (1 - self.bias)


F32 = Format("float32", 23, 127, FLOAT32)
F64 = Format("float64", 52, 1023, FLOAT64)


class Ops(Protocol[N]):
    """The operations beside the operators of `Number`, for one format and number of lanes."""

    format: Format
    has_fma: bool

    def const(self, value: float) -> N:
        """A float in every lane."""
        ...

    def mad(self, a: N, b: N | float, c: N | float) -> N:
        """`a * b + c`, rounded once or twice, whichever is faster."""
        ...

    def fma(self, a: N, b: N, c: N) -> N:
        """`a * b + c`, rounded once; use only under `has_fma`."""
        ...

    def sqrt(self, x: N) -> N:
        """The correctly rounded square root."""
        ...

    def abs(self, x: N) -> N:
        """`x` without its sign."""
        ...

    def copysign(self, x: N, sign: N) -> N:
        """`x` with the sign of `sign`."""
        ...

    def eq(self, a: N, b: N | Scalar) -> N:
        """`a == b`, lane by lane."""
        ...

    def not_(self, condition: N) -> N:
        """The opposite truth value."""
        ...

    def select(self, condition: N, a: N | Scalar, b: N | Scalar) -> N:
        """`a` where `condition`, else `b`; at least one of the two is not a Python number."""
        ...

    def bits(self, x: N) -> N:
        """The bits of a float as a signed integer."""
        ...

    def from_bits(self, i: N) -> N:
        """The float with these bits."""
        ...

    def to_float(self, i: N) -> N:
        """A signed integer, converted."""
        ...

    def scale(self, x: N, n: N) -> N:
        """`x * 2**n` rounded once, for an integral float `n` of at most 2.2 times the bias and
        `x` between 1/4 and 4."""
        ...

    def table(self, values: Sequence[float], index: N) -> N:
        """`values[index]`, lane by lane."""
        ...

    def rarely(
        self, condition: N, slow: Callable[[], tuple[N, ...]], fast: tuple[N, ...]
    ) -> tuple[N, ...]:
        """`slow()` where `condition`, else `fast`; may skip `slow` if no lane needs it."""
        ...

    def double(self) -> Ops[N]:
        """The same operations in float64."""
        ...

    def widen(self, x: N) -> N:
        """A float32 as a float64."""
        ...

    def narrow(self, x: N) -> N:
        """A float64 of `double()` rounded to float32."""
        ...

    def narrow_int(self, i: N) -> N:
        """The low half of an integer of `double()`."""
        ...


def polynomial(m: Ops[N], x: N, name: str) -> N:
    """The fitted polynomial `name`, by Horner's rule."""
    *rest, last = m.format.coefficients[name]
    out = m.mad(x, last, rest[-1])
    for c in reversed(rest[:-1]):
        out = m.mad(out, x, c)
    return out


def nearest(m: Ops[N], x: N) -> N:
    """`x` rounded to the nearest integer, for |x| < 2**(mantissa - 1)."""
    return (x + m.format.magic) - m.format.magic


def integer_bits(m: Ops[N], n: N) -> N:
    """Bits whose low end is the integral float `n`, for small `n`; never undefined."""
    return m.bits(n + m.format.magic)


def clamp(m: Ops[N], x: N, low: float, high: float) -> N:
    """`x` moved into `low..high`; NaN stays."""
    x = m.select(x < low, low, x)
    return m.select(x > high, high, x)


def power_of_two(m: Ops[N], i: N) -> N:
    """`2**i` for an integer `i` in the range of normal exponents."""
    return m.from_bits((i + m.format.bias) << m.format.mantissa)


def scale_by_halves(m: Ops[N], x: N, n: N) -> N:
    """`x * 2**n`, in two multiplications so that it rounds once; `Ops.scale` for any machine."""
    magic_bits = {23: 0x4B400000, 52: 0x4338000000000000}[m.format.mantissa]
    i = integer_bits(m, n) - magic_bits
    half = i >> 1
    return (x * power_of_two(m, half)) * power_of_two(m, i - half)


def two_sum(a: N, b: N) -> tuple[N, N]:
    """`a + b` and its rounding error."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def quick_two_sum(a: N, b: N) -> tuple[N, N]:
    """`a + b` and its rounding error, for |a| >= |b|."""
    s = a + b
    return s, b - (s - a)


def two_product(m: Ops[N], a: N, b: N) -> tuple[N, N]:
    """`a * b` and its rounding error."""
    p = a * b
    if m.has_fma:
        return p, m.fma(a, b, -p)
    a1, a0 = _halves(m, a)
    b1, b0 = _halves(m, b)
    return p, ((a1 * b1 - p) + a1 * b0 + a0 * b1) + a0 * b0


def high_part(m: Ops[N], x: N) -> N:
    """`x` with the lower half of its mantissa cleared."""
    return m.from_bits(m.bits(x) & -(1 << ((m.format.mantissa + 3) // 2)))


def _halves(m: Ops[N], x: N) -> tuple[N, N]:
    high = high_part(m, x)
    return high, x - high
