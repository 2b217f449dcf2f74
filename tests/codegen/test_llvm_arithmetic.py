"""Arithmetic of compiled code equals NumPy's, for every dtype, scalar and vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import tilewright
from tilewright import tir
from tilewright.ir.expr import PrimExpr
from tilewright.script import from_source
from tilewright.tir import const
from tilewright.tir.expr import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    Add,
    And,
    Call,
    Cast,
    Div,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mod,
    Mul,
    Not,
    Or,
    Select,
    Shuffle,
    Sub,
)

from .native import elementwise

Array = np.ndarray[Any, Any]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64", "bfloat16"]
NARROW = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3", "float8_e3m4", "float8_e4m3fnuz",
          "float8_e5m2fnuz", "float8_e4m3b11fnuz", "float6_e2m3fn", "float6_e3m2fn",
          "float4_e2m1fn"]  # fmt: skip
COUNT = 256


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name)) if hasattr(ml_dtypes, name) else np.dtype(name)


def integers(name: str, seed: int) -> Array:
    info = np.iinfo(name)
    rng = np.random.default_rng(seed)
    wide = rng.integers(info.min, info.max, COUNT // 2, dtype=name, endpoint=True)
    small = rng.integers(max(-9, info.min), 9, COUNT // 2 - 8).astype(name)
    edges = np.array([0, 0, 1, info.max, info.min, info.min, info.max, 2], name)
    return np.concatenate([wide, small, edges if seed % 2 else edges[::-1]])


def floats(name: str, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(COUNT) * 10 ** rng.uniform(-2, 2, COUNT)
    values[:12] = (0, -0.0, np.inf, -np.inf, np.nan, 1, np.nan, 2, np.inf, 0.5, 3, -1)
    return np.roll(values, 5 * seed).astype(dtype_of(name))


def c_divide(a: Array, b: Array) -> tuple[Array, Array]:
    """Quotient and remainder rounded towards zero; by zero both are 0."""
    x, y = [int(v) for v in a], [int(v) for v in b]
    quotient = [0 if q == 0 else abs(p) // abs(q) * (1 if (p < 0) == (q < 0) else -1)
                for p, q in zip(x, y, strict=True)]  # fmt: skip
    rest = [0 if q == 0 else p - q * d for p, q, d in zip(x, y, quotient, strict=True)]
    return wrap(quotient, a.dtype), wrap(rest, a.dtype)


def floor_divide(a: Array, b: Array) -> tuple[Array, Array]:
    x, y = [int(v) for v in a], [int(v) for v in b]
    quotient = [0 if q == 0 else p // q for p, q in zip(x, y, strict=True)]
    rest = [0 if q == 0 else p % q for p, q in zip(x, y, strict=True)]
    return wrap(quotient, a.dtype), wrap(rest, a.dtype)


def wrap(values: list[int], dtype: np.dtype[Any]) -> Array:
    bits = dtype.itemsize * 8
    return np.array([v & ((1 << bits) - 1) for v in values], f"uint{bits}").view(dtype)


INTEGER_CASES: dict[str, tuple[Callable[..., PrimExpr], Callable[..., Array]]] = {
    "add": (Add, lambda a, b: a + b),
    "sub": (Sub, lambda a, b: a - b),
    "mul": (Mul, lambda a, b: a * b),
    "div": (Div, lambda a, b: c_divide(a, b)[0]),
    "mod": (Mod, lambda a, b: c_divide(a, b)[1]),
    "floordiv": (FloorDiv, lambda a, b: floor_divide(a, b)[0]),
    "floormod": (FloorMod, lambda a, b: floor_divide(a, b)[1]),
    "min": (Min, np.minimum),
    "max": (Max, np.maximum),
    "eq": (EQ, np.equal), "ne": (NE, np.not_equal), "lt": (LT, np.less),
    "le": (LE, np.less_equal), "gt": (GT, np.greater), "ge": (GE, np.greater_equal),
    "and": (tir.bitwise_and, np.bitwise_and),
    "or": (tir.bitwise_or, np.bitwise_or),
    "xor": (tir.bitwise_xor, np.bitwise_xor),
}  # fmt: skip


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype: str, lanes: int) -> None:
    a, b = integers(dtype, 0), integers(dtype, 1)
    for name, (make, reference) in INTEGER_CASES.items():
        with np.errstate(all="ignore"):
            expected = reference(a, b)
        assert np.array_equal(elementwise(make, a, b, lanes=lanes), expected), name


@pytest.mark.parametrize("divisor", [1, 2, 3, 7, 8, 64, -1, -2, -3, -8, 0])
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_division_by_a_constant(dtype: str, divisor: int) -> None:
    a = integers(dtype, 0)
    b = np.full_like(a, divisor)
    for make, reference, part in (
        (Div, c_divide, 0), (Mod, c_divide, 1), (FloorDiv, floor_divide, 0),
        (FloorMod, floor_divide, 1),
    ):  # fmt: skip
        value = elementwise(lambda x, make=make: make(x, const(divisor, dtype)), a)
        assert np.array_equal(value, reference(a, b)[part]), make.__name__


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize("dtype", [*FLOATS, *NARROW])
def test_floats(dtype: str, lanes: int) -> None:
    a, b = floats(dtype, 0), floats(dtype, 1)
    cases: dict[Callable[..., PrimExpr], Callable[..., Array]] = {
        Add: np.add, Sub: np.subtract, Mul: np.multiply, Div: np.divide, Min: np.minimum,
        Max: np.maximum, EQ: np.equal, NE: np.not_equal, LT: np.less, LE: np.less_equal,
        GT: np.greater, GE: np.greater_equal,
    }  # fmt: skip
    for make, reference in cases.items():
        with np.errstate(all="ignore"):
            expected = reference(a, b)
        value = elementwise(make, a, b, lanes=lanes)
        assert np.array_equal(as_double(value), as_double(expected), equal_nan=True), make.__name__


def as_double(x: Array) -> Array:
    with np.errstate(all="ignore"):
        return x.astype(np.float64)


def any_floats(dtype: str, count: int, seed: int) -> Array:
    """Floats of any bits, and of nearby sizes, with special values among them."""
    rng = np.random.default_rng(seed)
    size = np.dtype(dtype).itemsize
    bits = rng.integers(0, 256, count * size, dtype=np.uint8).view(dtype)
    near = (rng.standard_normal(count) * 10 ** rng.uniform(-3, 4, count)).astype(dtype)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1, 5, 1e-45, -7], dtype)
    return np.concatenate([bits, near, rng.choice(special, count)])


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_remainders(dtype: str, lanes: int) -> None:
    a, b = any_floats(dtype, 800, 0), any_floats(dtype, 800, 1)
    b[1600:] = np.roll(b, 300)[1600:]
    with np.errstate(all="ignore"):
        rest = elementwise(Mod, a, b, lanes=lanes)
        assert np.array_equal(rest, np.fmod(a, b), equal_nan=True)
        zero = rest == 0
        assert np.array_equal(np.signbit(rest[zero]), np.signbit(a[zero]))
        finite = np.isfinite(a) & np.isfinite(b)
        value = elementwise(FloorMod, a, b, lanes=lanes)[finite]
        assert np.array_equal(value, np.mod(a, b)[finite], equal_nan=True)


@pytest.mark.parametrize("lanes", [1, 16])
def test_max_with_a_constant_keeps_nan(lanes: int) -> None:
    a = floats("float32", 0)
    for left in (True, False):
        zero = const(0.0, "float32" if lanes == 1 else f"float32x{lanes}")
        value = elementwise(
            lambda x, zero=zero, left=left: Max(zero, x) if left else Max(x, zero), a, lanes=lanes
        )
        assert np.array_equal(value, np.maximum(a, np.float32(0)), equal_nan=True)


@pytest.mark.parametrize("target", [*INTEGERS, "float16", "float32", "float64", "bfloat16", "bool"])
@pytest.mark.parametrize("source", [*INTEGERS, "float16", "float32", "float64", "bfloat16", "bool"])
def test_casts(source: str, target: str) -> None:
    if source == "bool":
        a = np.arange(COUNT) % 3 == 0
    else:
        a = integers(source, 0) if source in INTEGERS else floats(source, 0)
    value = elementwise(lambda x: Cast(target, x), a)
    vector = elementwise(lambda x: Cast(f"{target}x16", x), a, lanes=16)
    assert np.array_equal(as_double(value), as_double(vector), equal_nan=True)
    assert np.array_equal(as_double(value), as_double(converted(a, target)), equal_nan=True)


def converted(a: Array, target: str) -> Array:
    """A cast with saturation from floats to integers, NaN becoming 0."""
    if a.dtype.kind not in "iub" and target in INTEGERS:
        info = np.iinfo(target)
        exact = [0 if np.isnan(v) else v for v in a.astype(np.float64)]
        whole = [info.max if v >= info.max else info.min if v <= info.min else int(v)
                 for v in exact]  # fmt: skip
        return np.array(whole, target)
    if target == "bfloat16" and a.dtype.kind in "iu":
        return np.array([nearest_bfloat(int(v)) for v in a], ml_dtypes.bfloat16)
    if target == "bfloat16" and a.dtype == np.float64:
        return np.array([nearest_bfloat(v) for v in a], ml_dtypes.bfloat16)
    with np.errstate(all="ignore"):
        return a.astype(dtype_of(target))


def nearest_bfloat(v: Any) -> float:
    """`v` rounded once to 8 significant bits."""
    if v == 0 or (isinstance(v, np.floating) and not np.isfinite(v)):
        return float(v)
    from fractions import Fraction

    exact = Fraction(int(v)) if isinstance(v, int) else Fraction(float(v))
    exponent = int(np.floor(np.log2(abs(float(exact)))))
    exponent += (abs(exact) >= Fraction(2) ** (exponent + 1)) - (
        abs(exact) < Fraction(2) ** exponent
    )
    unit = Fraction(2) ** (exponent - 7)
    return float(round(exact / unit) * unit)


@pytest.mark.parametrize("dtype", ["bfloat16", *NARROW])
def test_casts_from_float32_to_narrow_floats(dtype: str) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 32, 1 << 14, dtype=np.uint64).astype(np.uint32).view(np.float32)
    near = (rng.standard_normal(1 << 14) * 10 ** rng.uniform(-4, 4, 1 << 14)).astype(np.float32)
    a = np.concatenate([bits, near, floats("float32", 0)])
    value = elementwise(lambda x: Cast(f"{dtype}x16", x), a, lanes=16)
    with np.errstate(all="ignore"):
        expected = a.astype(dtype_of(dtype))
    if dtype.startswith(("float4", "float6")):  # which have no NaN
        value, expected = value[~np.isnan(a)], expected[~np.isnan(a)]
    assert np.array_equal(as_double(value), as_double(expected), equal_nan=True)
    zero = as_double(expected) == 0
    assert np.array_equal(np.signbit(as_double(value)[zero]), np.signbit(as_double(expected)[zero]))


@pytest.mark.parametrize("dtype", ["bfloat16", *NARROW])
def test_every_narrow_value_survives_a_round_trip(dtype: str) -> None:
    kind = dtype_of(dtype)
    bits = {"float4_e2m1fn": 4, "float6_e2m3fn": 6, "float6_e3m2fn": 6}.get(
        dtype, 8 * kind.itemsize
    )
    a = np.resize(np.arange(1 << bits, dtype=f"uint{8 * kind.itemsize}"), 1 << max(bits, 8)).view(
        kind
    )
    wide = elementwise(lambda x: Cast("float32x16", x), a, lanes=16)
    assert np.array_equal(wide, a.astype(np.float32), equal_nan=True)
    back = elementwise(lambda x: Cast(f"{dtype}x16", x), wide, lanes=16)
    assert np.array_equal(as_double(back), as_double(a), equal_nan=True)


@pytest.mark.parametrize("lanes", [1, 16])
def test_logic(lanes: int) -> None:
    a, b = np.arange(COUNT) % 2 == 0, np.arange(COUNT) % 3 == 0
    assert np.array_equal(elementwise(And, a, b, lanes=lanes), a & b)
    assert np.array_equal(elementwise(Or, a, b, lanes=lanes), a | b)
    assert np.array_equal(elementwise(Not, a, lanes=lanes), ~a)
    x, y = integers("int32", 0), integers("int32", 1)
    value = elementwise(lambda c, p, q: Select(c, p, q), a, x, y, lanes=lanes)
    assert np.array_equal(value, np.where(a, x, y))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_shifts_beyond_the_width_do_not_wander(dtype: str) -> None:
    bits = np.dtype(dtype).itemsize * 8
    a = integers(dtype, 0)
    by = (np.arange(COUNT) % (bits + 4)).astype(dtype)
    left = [int(v) << int(s) for v, s in zip(a, by, strict=True)]
    right = [int(v) >> int(s) for v, s in zip(a, by, strict=True)]
    assert np.array_equal(elementwise(tir.shift_left, a, by), wrap(left, a.dtype))
    assert np.array_equal(elementwise(tir.shift_right, a, by, lanes=4), wrap(right, a.dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_rounding_and_predicates(dtype: str) -> None:
    a = floats(dtype, 0)
    wide = as_double(a)
    for name, reference in {
        "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint, "fabs": np.abs,
        "sqrt": np.sqrt, "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite,
    }.items():  # fmt: skip
        result = "bool" if name.startswith("is") else dtype
        value = elementwise(
            lambda x, n=name, r=result: Call(f"{r}x8", f"tir.{n}", (x,)), a, lanes=8
        )
        with np.errstate(all="ignore"):
            expected = reference(wide).astype(dtype_of(result))
        assert np.array_equal(as_double(value), as_double(expected), equal_nan=True), name


def test_integer_intrinsics() -> None:
    a = integers("int32", 0)
    ones = [bin(int(v) & 0xFFFFFFFF).count("1") for v in a]
    assert np.array_equal(elementwise(tir.popcount, a), np.array(ones, np.int32))
    zeros = [32 - (int(v) & 0xFFFFFFFF).bit_length() for v in a]
    assert np.array_equal(elementwise(tir.clz, a), np.array(zeros, np.int32))
    assert np.array_equal(elementwise(tir.bitwise_not, a), ~a)
    with np.errstate(all="ignore"):
        assert np.array_equal(elementwise(tir.abs, a, lanes=4), np.abs(a))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_pairs(dtype: str) -> None:
    a, b = floats(dtype, 0), floats(dtype, 1)
    for name, reference in {"nextafter": np.nextafter, "copysign": np.copysign}.items():
        value = elementwise(
            lambda x, y, n=name: Call(f"{dtype}x8", f"tir.{n}", (x, y)), a, b, lanes=8
        )
        assert np.array_equal(value, reference(a, b), equal_nan=True), name
    with np.errstate(all="ignore"):
        value = elementwise(lambda x, y: Call(dtype, "tir.hypot", (x, y)), a, b)
        assert np.allclose(value, np.hypot(a, b), rtol=4e-16 if dtype == "float64" else 3e-7,
                           equal_nan=True)  # fmt: skip
    big = np.full(4, np.finfo(dtype).max / 2, dtype)
    assert np.isfinite(elementwise(lambda x: Call(dtype, "tir.hypot", (x, x)), big)).all()


def test_reinterpret() -> None:
    a = integers("int32", 0)
    value = elementwise(lambda x: tir.reinterpret("float32", x), a)
    assert np.array_equal(value.view(np.int32), a)
    h = np.arange(COUNT, dtype=np.uint16) * 257
    value = elementwise(lambda x: tir.reinterpret("bfloat16", x), h)
    assert np.array_equal(value.astype(np.float32), h.view(ml_dtypes.bfloat16).astype(np.float32),
                          equal_nan=True)  # fmt: skip


def test_shuffle_picks_lanes() -> None:
    a, b = integers("int32", 0), integers("int32", 1)
    picks = [3, 3, 0, 7, 4, 5, 1, 2]
    value = elementwise(
        lambda x, y: Shuffle((x, y), [const(p, "int32") for p in [*picks[:4], 8, 9, 15, 12]]),
        a, b, lanes=8,
    )  # fmt: skip
    x, y = a.reshape(-1, 8), b.reshape(-1, 8)
    expected = np.concatenate([x[:, picks[:4]], y[:, [0, 1, 7, 4]]], 1).ravel()
    assert np.array_equal(value, expected)


def test_shuffles_of_conversions_from_different_types() -> None:
    """LLVM 22 has a pass that aborts the process on this one."""
    a, b = floats("float32", 0), floats("float64", 1)
    picks = [const(p, "int32") for p in (0, 4, 1, 5)]
    value = elementwise(
        lambda x, y: Shuffle((Cast("int32x4", x), Cast("int32x4", y)), picks), a, b, lanes=4
    )
    x, y = (converted(v, "int32").reshape(-1, 4) for v in (a, b))
    assert np.array_equal(value, np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1).ravel())


def test_deep_nests_of_calls() -> None:
    def nest(x: PrimExpr) -> PrimExpr:
        for _ in range(1500):
            x = Call("float32", "tir.sqrt", (x,))
        return x

    assert np.array_equal(elementwise(nest, np.array([0, 1], np.float32)), [0, 1])


def test_long_sums_do_not_recurse() -> None:
    def long_sum(x: PrimExpr) -> PrimExpr:
        total = x
        for _ in range(5000):
            total = Add(total, x)
        return total

    a = np.arange(4, dtype=np.int32)
    assert np.array_equal(elementwise(long_sum, a), a * 5001)


@pytest.mark.parametrize(("name", "dtype", "reference"), [
    ("add", "float32", np.sum), ("max", "float32", np.max), ("min", "float32", np.min),
    ("add", "int32", np.sum), ("max", "int32", np.max), ("min", "uint8", np.min),
])  # fmt: skip
def test_vector_reductions(name: str, dtype: str, reference: Callable[..., Any]) -> None:
    a = np.random.default_rng(0).integers(0, 200, 16).astype(dtype)
    value = elementwise(
        lambda x: tir.Broadcast(Call(dtype, f"tir.vector_reduce_{name}", (x,)), 16), a, lanes=16
    )
    assert np.array_equal(value, np.full(16, reference(a), dtype))


ZEROS = """
@T.prim_func
def main(A: T.Buffer((4,), "float32"), B: T.Buffer((6,), "float32")):
    B[0] = T.float32(0.0)
    B[1] = T.float32(-0.0)
    B[2] = T.Select(A[0] > T.float32(0), T.float32(0.0), T.float32(-0.0))
    B[3] = T.if_then_else(A[0] > T.float32(0), T.float32(-0.0), T.float32(0.0))
    B[4] = T.float32(1.0) / (A[1] * T.float32(-0.0))
    B[5] = T.float32(1.0) / (A[1] * T.float32(0.0))
"""


@pytest.mark.parametrize("target", ["llvm", "c"])
def test_zeros_keep_their_signs(target: str) -> None:
    result = tilewright.nd.array(np.zeros(6, "float32"))
    data = tilewright.nd.array(np.array([-1, 2, 3, 4], "float32"))
    tilewright.build(from_source(ZEROS), target=target)["main"](data, result)
    assert str(result.numpy().tolist()) == "[0.0, -0.0, -0.0, 0.0, -inf, inf]"
