"""sin, cos, tan with arguments of any size, and their inverses."""

from __future__ import annotations

import math

from .ops import N, Ops, integer_bits, nearest, polynomial, quick_two_sum, two_sum

TWO_OVER_PI = 0.6366197723675814
PI_HALVES = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)  # 33, 33, 53 bits
PI_HALF, PI_HALF_LOW = 1.5707963267948966, 6.123233995736766e-17
TAN_PI_8 = 0.41421356237309503
FAST_LIMIT = 2.0**20
# 2 / pi = sum of the items times 2**(-28 (i + 1)), times 2**(-24 (i + 1)) in the long table.
CHUNKS = (170891318, 240010261, 44024437, 131200308, 232525238, 43358524, 70845471)
# fmt: off
LONG_CHUNKS = (
    0xA2F983, 0x6E4E44, 0x1529FC, 0x2757D1, 0xF534DD, 0xC0DB62, 0x95993C, 0x439041, 0xFE5163,
    0xABDEBB, 0xC561B7, 0x246E3A, 0x424DD2, 0xE00649, 0x2EEA09, 0xD1921C, 0xFE1DEB, 0x1CB129,
    0xA73EE8, 0x8235F5, 0x2EBB44, 0x84E99C, 0x7026B4, 0x5F7E41, 0x3991D6, 0x398353, 0x39F49C,
    0x845F8B, 0xBDF928, 0x3B1FF8, 0x97FFDE, 0x05980F, 0xEF2F11, 0x8B5A0A, 0x6D1F6D, 0x367ECF,
    0x27CB09, 0xB74F46, 0x3F669E, 0x5FEA2D, 0x7527BA, 0xC7EBE5, 0xF17B3D, 0x0739F7, 0x8A5292,
    0xEA6BFB, 0x5FB11F, 0x8D5D08, 0x560330, 0x46FC7B, 0x6BABF0, 0xCFBC20,
)
# fmt: on
LONG_STEPS = 9


def _near(m: Ops[N], x: N) -> tuple[N, N]:
    """`(n, r)` with `x = n pi / 2 + r`, for |x| <= FAST_LIMIT: three exact steps."""
    n = nearest(m, x * TWO_OVER_PI)
    first = x - n * PI_HALVES[0]
    step = n * PI_HALVES[1]
    second = first - step
    rest = (first - second) - step
    return n, second + (rest - n * PI_HALVES[2])


def _quarter(m: Ops[N], n: N, y: N, p: N) -> tuple[N, N]:
    """Adds the product `p`, modulo 4, to the number of quadrants `n + y`, |y| <= 1/2."""
    p = p - _rounded(m, p * 0.25) * 4.0
    y = y + p
    k = nearest(m, y)
    return n + k, y - k


def _rounded(m: Ops[N], x: N) -> N:
    """`x` rounded to an integer, of any size."""
    return m.select(m.abs(x) < 2.0**51, nearest(m, x), x)


def _far_short(m: Ops[N], x: N) -> tuple[N, N]:
    """`(n modulo 4, r)` for a float32 of any size: x times 2/pi in exact products of 52 bits."""
    n = y = x * 0.0
    for i, chunk in enumerate(CHUNKS):
        n, y = _quarter(m, n, y, x * (chunk * 2.0 ** (-28 * (i + 1))))
    return n, y * PI_HALF


def _far_long(m: Ops[N], x: N) -> tuple[N, N]:
    """`(n modulo 4, r)` for a float64 of at least FAST_LIMIT, after Payne and Hanek.

    Chunks of 2/pi that contribute whole turns are skipped: those before number `(e - 54) / 24`.
    """
    exponent = ((m.bits(x) >> 52) & 0x7FF) - 1023
    start = m.to_float(exponent) * (1.0 / 24.0) - (54.0 / 24.0 + 0.5)
    start = nearest(m, m.select(start < 0.0, 0.0, start))
    start = m.select(m.abs(x) < math.inf, start, 0.0)
    index = integer_bits(m, start) & 0x3F
    x = _shifted(m, x, index)
    high = m.from_bits(m.bits(x) & -(1 << 27))
    low = x - high
    n = y = y_low = x * 0.0
    for i in range(LONG_STEPS):
        chunk = m.table([float(c) for c in LONG_CHUNKS], index + i) * 2.0 ** (-24 * (i + 1))
        for part in (high, low):
            p = part * chunk
            p = p - _rounded(m, p * 0.25) * 4.0
            y, more = two_sum(y, p)
            y, y_low = quick_two_sum(y, y_low + more)
            k = nearest(m, y)
            n, y = n + k, y - k
    return n, y * PI_HALF + (y_low * PI_HALF + y * PI_HALF_LOW)


def _shifted(m: Ops[N], x: N, index: N) -> N:
    """`x * 2**(-24 * index)`, a power of at least 2**-960."""
    return x * m.from_bits(((index * -24) + 1023) << 52)


def quadrant(m: Ops[N], x: N) -> tuple[N, N]:
    """`(q, r)`: an integer whose two low bits count quarter turns, and the angle left over, in the
    format of `m`. float32 is reduced in float64."""
    if m.format.name == "float64":
        n, r = m.rarely(m.abs(x) > FAST_LIMIT, lambda: _far_long(m, x), _near(m, x))
        return integer_bits(m, n), r
    q, r = quadrant_wide(m, x)
    return m.narrow_int(q), m.narrow(r)


def quadrant_wide(m: Ops[N], x: N) -> tuple[N, N]:
    """`quadrant` of a float32 with the result in float64."""
    d, wide = m.double(), m.widen(x)
    n, r = d.rarely(d.abs(wide) > FAST_LIMIT, lambda: _far_short(d, wide), _near(d, wide))
    return integer_bits(d, n), r


def _sin_cos(m: Ops[N], r: N) -> tuple[N, N]:
    z = r * r
    sine = m.mad(r * z, polynomial(m, z, "SIN"), r)
    half = z * 0.5
    top = 1.0 - half  # and what that rounded away:
    cosine = top + m.mad(z * z, polynomial(m, z, "COS"), (1.0 - top) - half)
    return sine, cosine


def _turned(m: Ops[N], q: N, sine: N, cosine: N) -> N:
    """The sine of `q` quarter turns more."""
    value = m.select(m.eq(q & 1, 0), sine, cosine)
    return m.select(m.eq(q & 2, 0), value, -value)


def sin(m: Ops[N], x: N) -> N:
    """The sine of `x` radians."""
    q, r = quadrant(m, x)
    return m.select(m.eq(x, 0.0), x, _turned(m, q, *_sin_cos(m, r)))


def cos(m: Ops[N], x: N) -> N:
    """The cosine of `x` radians."""
    q, r = quadrant(m, x)
    return _turned(m, q + 1, *_sin_cos(m, r))


def _tan(m: Ops[N], q: N, r: N) -> N:
    sine, cosine = _sin_cos(m, r)
    even = m.eq(q & 1, 0)
    return m.select(even, sine, -cosine) / m.select(even, cosine, sine)


def tan(m: Ops[N], x: N) -> N:
    """The tangent of `x` radians."""
    return m.select(m.eq(x, 0.0), x, _tan(m, *quadrant(m, x)))


def tan_float32(m: Ops[N], x: N) -> N:
    """The tangent of `x` radians, in float64 up to the end."""
    y = m.narrow(_tan(m.double(), *quadrant_wide(m, x)))
    return m.select(m.eq(x, 0.0), x, y)


def atan(m: Ops[N], x: N) -> N:
    """The inverse tangent: reduced by the reciprocal, then by tan(pi / 8)."""
    a = m.abs(x)
    return m.copysign(_atan_ratio(m, a, m.const(1.0)), x)


def _atan_ratio(m: Ops[N], a: N, b: N) -> N:
    """`atan(a / b)` for positive `a` and `b`: the quotient is taken once, after the reduction.

    a / b below tan(pi/8):  0    + atan(a / b)
    up to tan(3 pi / 8):    pi/4 + atan((a - b) / (a + b))
    above:                  pi/2 + atan(-b / a)
    """
    low = a <= b * TAN_PI_8
    high = a * TAN_PI_8 > b
    over = m.select(low, a, m.select(high, -b, a - b))
    under = m.select(low, b, m.select(high, a, a + b))
    t = over / under
    z = t * t
    part = t * z * polynomial(m, z, "ATAN")
    base = m.select(low, 0.0, m.select(high, m.const(PI_HALF), PI_HALF / 2))
    rest = m.select(low, 0.0, m.select(high, m.const(PI_HALF_LOW), PI_HALF_LOW / 2))
    return base + (t + (part + rest))


def atan2(m: Ops[N], y: N, x: N) -> N:
    """The angle of the point `(x, y)`, in -pi..pi."""
    a, b = m.abs(y), m.abs(x)
    both_zero, both_infinite = m.eq(a, 0.0) & m.eq(b, 0.0), m.eq(a, math.inf) & m.eq(b, math.inf)
    large = m.select(a > b, a, b)
    factor = m.select(large > 2.0**1000, m.const(2.0**-100), 1.0)
    factor = m.select(large < 2.0**-900, 2.0**100, factor)
    a, b = a * factor, b * factor
    a = m.select(both_zero, 0.0, m.select(both_infinite, 1.0, a))
    b = m.select(both_zero | both_infinite, 1.0, b)
    angle = _atan_ratio(m, a, b)
    backwards = (PI_HALF * 2 - angle) + PI_HALF_LOW * 2
    return m.copysign(m.select(m.bits(x) < 0, backwards, angle), y)


def asin(m: Ops[N], x: N) -> N:
    """The inverse sine; NaN beyond 1 and -1."""
    a = m.abs(x)
    small = a <= 0.5
    z = m.select(small, a * a, (1.0 - a) * 0.5)
    root = m.select(small, a, m.sqrt(z))
    value = m.mad(root * z, polynomial(m, z, "ASIN"), root)
    folded = PI_HALF / 2 - ((value + value - PI_HALF / 2) - PI_HALF_LOW)
    return m.copysign(m.select(small, value, folded), x)


def acos(m: Ops[N], x: N) -> N:
    """The inverse cosine; NaN beyond 1 and -1."""
    a = m.abs(x)
    small = a <= 0.5
    z = m.select(small, a * a, (1.0 - a) * 0.5)
    root = m.select(small, x, m.sqrt(z))
    value = m.mad(root * z, polynomial(m, z, "ASIN"), root)
    twice = value + value
    right = m.select(x < 0.0, (PI_HALF * 2 - twice) + PI_HALF_LOW * 2, twice)
    return m.select(small, PI_HALF - (value - PI_HALF_LOW), right)
