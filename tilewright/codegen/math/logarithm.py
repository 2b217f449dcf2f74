"""log and what is made of it: log2, log10, log1p, asinh, acosh, atanh; log in double width."""

from __future__ import annotations

import math

from .exponential import LN2, LN2_PARTS, LOG10_2_PARTS
from .ops import N, Ops, high_part, polynomial, quick_two_sum, two_product, two_sum

SQRT_HALF_BITS = {"float32": 0x3F3504F3, "float64": 0x3FE6A09E667F3BCD}
LOG2E_PARTS = {
    "float32": (1.4423828125, 0.00031222838896340733),
    "float64": (1.4426950216293335, 1.9259629911266175e-08),
}
LOG10E_PARTS = {
    "float32": (0.434326171875, -3.168997174817235e-05),
    "float64": (0.4342944920063019, -1.0103050052231683e-08),
}
TWO_THIRDS_LOW = 3.700743415417188e-17
LN2_LONG_PARTS = (0.6931471805598903, 5.497923018708371e-14)


def split(m: Ops[N], x: N) -> tuple[N, N]:
    """`(k, f)` with `x = 2**k * (1 + f)` and `1 + f` in sqrt(1/2)..sqrt(2), for positive finite
    `x`."""
    bits = m.format.mantissa
    tiny = x < m.format.min_normal
    x = m.select(tiny, x * 2.0 ** (bits + 2), x)
    i = m.bits(x)
    k = (i - SQRT_HALF_BITS[m.format.name]) >> bits
    mantissa = m.from_bits(i - (k << bits))
    exponent = m.to_float(k)
    return m.select(tiny, exponent - (bits + 2.0), exponent), mantissa - 1.0


def tail(m: Ops[N], f: N, half_square: N) -> N:
    """`log(1 + f) - (f - f**2 / 2)`."""
    if m.format.name == "float32":
        return f * f * f * polynomial(m, f, "LOG")
    s = f / (f + 2.0)
    z = s * s
    return s * m.mad(z, polynomial(m, z, "ATANH"), half_square)


def with_limits(m: Ops[N], x: N, y: N) -> N:
    """`y`, except what a logarithm of 0, of a negative number, of infinity or of NaN is."""
    ordinary = (x > 0.0) & (x < math.inf)
    other = m.select(m.eq(x, 0.0), -math.inf, m.select(x > 0.0, x, m.const(math.nan)))
    return m.select(ordinary, y, other)


def log(m: Ops[N], x: N, correction: N | None = None) -> N:
    """The natural logarithm; of `x * (1 + correction)` for a tiny `correction`."""
    k, f = split(m, x)
    high, low = LN2_PARTS[m.format.name]
    half_square = f * f * 0.5
    rest = m.mad(k, low, tail(m, f, half_square))
    if correction is not None:
        rest = rest + correction
    return with_limits(m, x, m.mad(k, high, f - (half_square - rest)))


def log1p(m: Ops[N], x: N) -> N:
    """`log(1 + x)`, also for tiny `x`."""
    u = x + 1.0
    y = log(m, u, _lost(m, x, u) / u)
    return m.select(m.abs(x) < m.format.min_normal, x, y)


def _lost(m: Ops[N], x: N, u: N) -> N:
    """What `u = 1 + x` rounded away."""
    large = m.abs(x) > 1.0
    return m.select(large, 1.0 - (u - x), x - (u - 1.0))


def log2(m: Ops[N], x: N) -> N:
    """The logarithm to base 2."""
    k, f = split(m, x)
    return with_limits(m, x, _scaled(m, k, None, f, LOG2E_PARTS[m.format.name]))


def log10(m: Ops[N], x: N) -> N:
    """The logarithm to base 10."""
    k, f = split(m, x)
    high, low = LOG10_2_PARTS[m.format.name]
    return with_limits(m, x, _scaled(m, k * high, k * low, f, LOG10E_PARTS[m.format.name]))


def _scaled(m: Ops[N], head: N, rest: N | None, f: N, factor: tuple[float, float]) -> N:
    """`head + rest + factor * log(1 + f)`; the leading product is exact."""
    half_square = f * f * 0.5
    high = high_part(m, f - half_square)
    low = ((f - high) - half_square) + tail(m, f, half_square)
    product = high * factor[0]
    below = (low + high) * factor[1] + low * factor[0]
    if rest is not None:
        below = below + rest
    total = head + product
    return (below + ((head - total) + product)) + total


def asinh(m: Ops[N], x: N) -> N:
    """The inverse hyperbolic sine."""
    a = m.abs(x)
    huge = a > 2.0 ** (m.format.mantissa // 2 + 2)
    s = m.select(huge, 1.0, a)
    near = log1p(m, s + s * s / (m.sqrt(s * s + 1.0) + 1.0))
    return m.copysign(m.select(huge, log(m, a) + LN2, near), x)


def acosh(m: Ops[N], x: N) -> N:
    """The inverse hyperbolic cosine; NaN below 1."""
    huge = x > 2.0 ** (m.format.mantissa // 2 + 2)
    t = m.select(huge, 1.0, x - 1.0)
    near = log1p(m, t + m.sqrt(t * t + t * 2.0))
    y = m.select(huge, log(m, x) + LN2, near)
    return m.select(x < 1.0, m.const(math.nan), y)


def atanh(m: Ops[N], x: N) -> N:
    """The inverse hyperbolic tangent; infinite at 1 and -1, NaN beyond."""
    a = m.abs(x)
    return m.copysign(log1p(m, a * 2.0 / (1.0 - a)) * 0.5, x)


def log_pair(m: Ops[N], x: N) -> tuple[N, N]:
    """The natural logarithm of a positive finite float64 as a sum, exact to about 2**-66.

    With s = f / (2 + f) it is k ln 2 + 2 s + 2/3 s^3 + s^5 R(s^2), the first three in double width.
    """
    k, f = split(m, x)
    base = f + 2.0
    base_low = f - (base - 2.0)
    s = f / base
    p, p_low = two_product(m, s, base)
    s_low = (((f - p) - p_low) - s * base_low) / base
    z, z_low = two_product(m, s, s)
    z_low = z_low + s * s_low * 2.0
    cube, cube_low = two_product(m, z, s)
    cube_low = cube_low + z_low * s + z * s_low
    third, third_low = two_product(m, cube, m.const(2.0 / 3.0))
    third_low = third_low + cube_low * (2.0 / 3.0) + cube * TWO_THIRDS_LOW
    high, low = two_sum(k * LN2_LONG_PARTS[0], s + s)
    high, more = two_sum(high, third)
    rest = m.mad(cube * z, polynomial(m, z, "ATANH5"), third_low + s_low * 2.0)
    return quick_two_sum(high, (low + more) + (rest + k * LN2_LONG_PARTS[1]))
