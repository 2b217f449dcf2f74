import math

import ml_dtypes
import numpy as np
import pytest

from tests.topi.evaluator import check, evaluate
from tilewright import topi

rng = np.random.default_rng(1)
erf = np.vectorize(math.erf, otypes=["float64"])
UNARY = {
    "negative": np.negative, "abs": np.abs, "sign": np.sign, "exp": np.exp, "expm1": np.expm1,
    "exp2": np.exp2, "sin": np.sin, "cos": np.cos, "tan": np.tan, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "floor": np.floor,
    "ceil": np.ceil, "trunc": np.trunc, "round": np.rint, "isnan": np.isnan, "isinf": np.isinf,
    "isfinite": np.isfinite, "square": np.square, "logical_not": np.logical_not,
    "identity": lambda x: x, "erf": lambda x: erf(x).astype(x.dtype),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}  # fmt: skip
POSITIVE = {
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x), "reciprocal": np.reciprocal,
}  # fmt: skip
UNIT = {"asin": np.arcsin, "acos": np.arccos, "atanh": np.arctanh}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*UNARY, *POSITIVE, *UNIT, "acosh"])
def test_floats(name, dtype):
    x = rng.uniform(-3, 3, (3, 5))
    if name in POSITIVE:
        x = np.abs(x) + 0.1
    if name in UNIT:
        x = x / 3.1
    if name == "acosh":
        x = np.abs(x) + 1
    reference = {**UNARY, **POSITIVE, **UNIT, "acosh": np.arccosh}[name]
    check(getattr(topi, name), reference, x.astype(dtype), rtol=1e-5)


def test_special_values():
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, 1.5, 2.5, -0.5], "float32")
    for name in ("sign", "round", "isnan", "isinf", "isfinite", "abs"):
        check(getattr(topi, name), UNARY[name], x)


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8"])
def test_integers_and_cast(dtype):
    x = rng.integers(0 if dtype == "uint8" else -5, 9, (7,)).astype(dtype)
    for name in ("sign", "abs"):
        check(getattr(topi, name), UNARY[name], x)
    check(lambda t: topi.cast(t, "float32"), lambda v: v.astype("float32"), x)
    check(lambda t: topi.cast(t, "bool"), lambda v: v.astype("bool"), x)
    check(topi.bitwise_not, np.invert, x)


def test_bfloat16_keeps_its_type():
    x = rng.random((3, 2)).astype(ml_dtypes.bfloat16)
    check(topi.exp, np.exp, x, rtol=1e-2)


def test_clip():
    x = np.array([-3.0, np.nan, 0.5, 9.0], "float32")
    check(lambda t: topi.clip(t, -1, 2), lambda v: np.clip(v, -1, 2), x)
    check(lambda t: topi.clip(t, None, 2), lambda v: np.minimum(v, 2), x)
    y = np.array([-100, 5, 100], "int8")
    check(lambda t: topi.clip(t, -1000, 50), lambda v: np.clip(v, -128, 50), y)


def test_full_and_zero_sizes():
    check(lambda t: topi.full_like(t, 3), lambda v: np.full_like(v, 3), np.zeros((2, 0), "int32"))
    check(lambda t: topi.full((2, 3), "float16", 1.5),
          lambda v: np.full((2, 3), 1.5, "float16"), np.zeros(()))  # fmt: skip
    check(topi.exp, np.exp, np.zeros((0, 4), "float32"))


def test_fixed_point_multiply_and_ceil_log2():
    x = np.array([1, 2, 3, 4, 5, 1000], "int32")
    check(topi.ceil_log2, lambda v: np.ceil(np.log2(v)).astype("int32"), x)
    check(lambda t: topi.fixed_point_multiply(t, 1 << 30, 2), lambda v: v * 2, x)


def test_reinterpret():
    x = rng.random(5).astype("float32")
    check(lambda t: topi.reinterpret(t, "int32"), lambda v: v.view("int32"), x)


FAST = {
    "fast_exp": (np.exp, 87, 5e-7), "fast_tanh": (np.tanh, 12, 1e-6), "fast_erf": (erf, 5, 1e-5),
}  # fmt: skip


@pytest.mark.parametrize("name", FAST)
def test_fast_functions_are_close_enough(name):
    exact, bound, tolerance = FAST[name]
    x = np.linspace(-bound, bound, 4001, dtype="float32")
    check(getattr(topi, name), lambda v: exact(v.astype("float64")).astype("float32"), x,
          rtol=tolerance, atol=1e-7 if name == "fast_exp" else tolerance,
          shapes=("static",))  # fmt: skip


@pytest.mark.parametrize("name", FAST)
def test_fast_functions_end_where_the_exact_ones_do(name):
    x = np.float32([-1e30, -200, 200, 1e30])
    ends = (0, np.inf) if name == "fast_exp" else (-1, 1)
    np.testing.assert_array_equal(evaluate(getattr(topi, name), x), np.repeat(ends, 2))


def test_fast_functions_of_wider_types_are_the_exact_ones():
    x = np.linspace(-3, 3, 5)
    for name, (exact, *_) in FAST.items():
        check(getattr(topi, name), exact, x, rtol=1e-9, atol=1e-12, shapes=("static",))
