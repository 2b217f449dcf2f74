"""exp and what is made of it: exp2, exp10, expm1, sigmoid, tanh, sinh, cosh, erf."""

from __future__ import annotations

from .ops import N, Ops, clamp, nearest, polynomial, two_product, two_sum

LOG2E = 1.4426950408889634
LN2 = 0.6931471805599453
# A head with trailing zeros, so that its product with a small integer is exact, and the rest.
LN2_PARTS = {
    "float32": (0.693145751953125, 1.4286068203094173e-06),
    "float64": (0.6931471805601177, -1.7239444525614835e-13),
}
LOG10_2_PARTS = {
    "float32": (0.301025390625, 4.605038981195214e-06),
    "float64": (0.3010299956640665, -8.532344317057107e-14),
}
LN10_PARTS = (2.3025850653648376, 2.7629208037533617e-08)
LOG2_10 = 3.321928094887362
EXP_RANGE = {"float32": (-104.0, 89.0), "float64": (-746.0, 710.0)}
EXP2_RANGE = {"float32": (-151.0, 128.5), "float64": (-1076.0, 1024.5)}
EXP10_RANGE = {"float32": (-46.0, 39.0), "float64": (-324.5, 309.0)}
EXPM1_LOW = {"float32": -18.0, "float64": -39.0}
TANH_HIGH = {"float32": 10.0, "float64": 22.0}
TANH_SMALL = 0.625  # below, the polynomial TANH
ERF_HIGH = {"float32": 4.0, "float64": 6.0}
SQUARING_FROM = {"float32": 88.0, "float64": 709.0}


def reduced(m: Ops[N], x: N) -> tuple[N, N]:
    """`(n, r)` with `x = n * ln 2 + r` and |r| <= ln 2 / 2."""
    high, low = LN2_PARTS[m.format.name]
    n = m.mad(x, LOG2E, m.format.magic) - m.format.magic
    return n, m.mad(n, -low, m.mad(n, -high, x))


def expm1_reduced(m: Ops[N], r: N) -> N:
    """`exp(r) - 1` for |r| <= ln 2 / 2."""
    return m.mad(r * r, polynomial(m, r, "EXP"), r)


def exp(m: Ops[N], x: N) -> N:
    """e to the `x`."""
    n, r = reduced(m, clamp(m, x, *EXP_RANGE[m.format.name]))
    return m.scale(expm1_reduced(m, r) + 1.0, n)


def exp_sum(m: Ops[N], high: N, low: N) -> N:
    """e to the `high + low`, for a `low` far smaller than one."""
    n, r = reduced(m, clamp(m, high, *EXP_RANGE[m.format.name]))
    return m.scale(expm1_reduced(m, r + low) + 1.0, n)


def exp2(m: Ops[N], x: N) -> N:
    """Two to the `x`."""
    x = clamp(m, x, *EXP2_RANGE[m.format.name])
    n = nearest(m, x)
    f = x - n
    high, low = LN2_PARTS[m.format.name]
    return m.scale(expm1_reduced(m, m.mad(f, high, f * low)) + 1.0, n)


def exp10(m: Ops[N], x: N) -> N:
    """Ten to the `x`."""
    x = clamp(m, x, *EXP10_RANGE[m.format.name])
    n = nearest(m, x * LOG2_10)
    high, low = LOG10_2_PARTS[m.format.name]
    f = m.mad(n, -low, m.mad(n, -high, x))
    r = m.mad(f, LN10_PARTS[0], f * LN10_PARTS[1])
    return m.scale(expm1_reduced(m, r) + 1.0, n)


def expm1(m: Ops[N], x: N) -> N:
    """`exp(x) - 1`, also for tiny `x`."""
    low, high = EXPM1_LOW[m.format.name], EXP_RANGE[m.format.name][1]
    n, r = reduced(m, clamp(m, x, low, high))
    half = m.scale(m.const(0.5), n)  # half of 2^n, which may overflow itself
    y = m.mad(half, expm1_reduced(m, r), half - 0.5) * 2.0
    return m.select(m.abs(x) < m.format.min_normal, x, y)


def sigmoid(m: Ops[N], x: N) -> N:
    """`1 / (1 + exp(-x))`; the smaller tail keeps its relative accuracy."""
    low = EXP_RANGE[m.format.name][0]
    a = -m.abs(x)
    n, r = reduced(m, m.select(a < low, low, a))
    e = m.scale(expm1_reduced(m, r) + 1.0, n)
    d = e + 1.0
    lost = e - (d - 1.0)
    q = m.select(x < 0.0, e, 1.0) / d
    return m.mad(q * lost, m.mad(d, 0.5, -1.457), q)  # 1 / d to 5 % is enough for what was lost


def quotient(m: Ops[N], a: N, b: N, b_low: N) -> N:
    """`a / (b + b_low)`, for a `b_low` that `b` lost by rounding: nearly correctly rounded."""
    inverse = 1.0 / b
    q = a * inverse
    if m.has_fma:
        rest = m.fma(-q, b, a)
    else:
        product, lost = two_product(m, q, b)
        rest = (a - product) - lost
    return m.mad(rest - q * b_low, inverse, q)


def tanh(m: Ops[N], x: N) -> N:
    """The hyperbolic tangent, as `t / (t + 2)` with `t = exp(2 |x|) - 1`."""
    a = m.abs(x)
    high = TANH_HIGH[m.format.name]
    a = m.select(a > high, high, a)
    n, r = reduced(m, a + a)
    power = m.scale(m.const(1.0), n)
    t = m.mad(power, expm1_reduced(m, r), power - 1.0)
    d, d_low = two_sum(t, m.const(2.0))
    y = m.select(a < m.format.min_normal, a, quotient(m, t, d, d_low))
    return m.copysign(y, x)


def tanh_float32(m: Ops[N], x: N) -> N:
    """The hyperbolic tangent: a polynomial for small arguments, `1 - 2 / (exp(2 |x|) + 1)` for
    others, where rounding errors of the quotient count half or less."""
    a = m.abs(x)
    high = TANH_HIGH[m.format.name]
    b = m.select(a > high, high, a)
    z = a * a
    small = m.mad(a * z, polynomial(m, z, "TANH"), a)
    n, r = reduced(m, b + b)
    large = 1.0 - 2.0 / (m.scale(expm1_reduced(m, r) + 1.0, n) + 1.0)
    return m.copysign(m.select(a < TANH_SMALL, small, large), x)


def sinh(m: Ops[N], x: N) -> N:
    """The hyperbolic sine."""
    a = m.abs(x)
    t = expm1(m, a)
    small = (t + t / (t + 1.0)) * 0.5
    y = m.select(a < SQUARING_FROM[m.format.name], small, _half_exp(m, a))
    return m.copysign(y, x)


def cosh(m: Ops[N], x: N) -> N:
    """The hyperbolic cosine."""
    a = m.abs(x)
    e = exp(m, a)
    return m.select(a < SQUARING_FROM[m.format.name], e * 0.5 + 0.5 / e, _half_exp(m, a))


def _half_exp(m: Ops[N], a: N) -> N:
    """`exp(a) / 2`, which is finite a little longer than `exp(a)`."""
    low, high = EXP_RANGE[m.format.name]
    n, r = reduced(m, clamp(m, a, low, high + 1.0))
    return m.scale(expm1_reduced(m, r) + 1.0, n - 1.0)


def erf(m: Ops[N], x: N) -> N:
    """The error function: a polynomial below 1, `1 - exp(-G(|x|))` above."""
    high = ERF_HIGH[m.format.name]
    a = m.abs(x)
    a = m.select(a > high, high, a)
    small = m.mad(a, polynomial(m, a * a, "ERF"), a)
    n, r = reduced(m, -polynomial(m, a - 1.0, "LOG_ERFC"))
    power = m.scale(m.const(1.0), n)
    large = 1.0 - m.mad(power, expm1_reduced(m, r), power)
    return m.copysign(m.select(a < 1.0, small, large), x)
