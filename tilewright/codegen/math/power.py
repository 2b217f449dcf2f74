"""pow with the special cases of C99."""

from __future__ import annotations

import math

from .exponential import exp, exp_sum
from .logarithm import log, log_pair
from .ops import N, Ops, high_part


def pow(m: Ops[N], x: N, y: N) -> N:
    """`x` to the `y` in float64: the logarithm in double width, then exp."""
    a = m.abs(x)
    high, low = log_pair(m, a)
    ordinary = (a > 0.0) & (a < math.inf)
    limit = m.select(m.eq(a, 0.0), -math.inf, a)
    high, low = m.select(ordinary, high, limit), m.select(ordinary, low, 0.0)
    product = high * y
    huge = m.abs(product) > 1000.0
    rest = m.select(huge, 0.0, _product_error(m, high, y, product) + low * y)
    return _with_cases(m, x, y, exp_sum(m, product, rest))


def pow_float32(m: Ops[N], x: N, y: N) -> N:
    """`x` to the `y`, through float64."""
    d = m.double()
    wide_x, wide_y = m.widen(x), m.widen(y)
    magnitude = exp(d, log(d, d.abs(wide_x)) * wide_y)
    return m.narrow(_with_cases(d, wide_x, wide_y, magnitude))


def _product_error(m: Ops[N], a: N, b: N, product: N) -> N:
    if m.has_fma:
        return m.fma(a, b, -product)
    a1, b1 = high_part(m, a), high_part(m, b)
    a0, b0 = a - a1, b - b1
    return ((a1 * b1 - product) + a1 * b0 + a0 * b1) + a0 * b0


def _with_cases(m: Ops[N], x: N, y: N, magnitude: N) -> N:
    """`magnitude = |x| ** y` with its sign, and 1 where C99 says so whatever the other operand."""
    size = m.abs(y)
    half = size * 0.5
    integral = m.eq(_whole(m, size), size)
    odd = integral & m.not_(m.eq(_whole(m, half), half))
    signed = m.select(odd, m.copysign(magnitude, x), magnitude)
    finite_negative = (x < 0.0) & (x > -math.inf)
    bad = finite_negative & (size < math.inf) & m.not_(integral)
    out = m.select(bad, m.const(math.nan), signed)
    one = m.eq(x, 1.0) | m.eq(y, 0.0) | (m.eq(x, -1.0) & m.eq(size, math.inf))
    return m.select(one, 1.0, out)


def _whole(m: Ops[N], a: N) -> N:
    """The positive `a` rounded to an integer; all large numbers are integers already."""
    limit = 2.0**m.format.mantissa
    return m.select(a < limit, (a + limit) - limit, a)
