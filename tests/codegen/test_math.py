"""The elementary functions, compiled for vectors, are as exact as their table says."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilewright.codegen.llvm.codegen import Features
from tilewright.codegen.llvm.compile import Machine, host_machine
from tilewright.codegen.math import FUNCTIONS
from tilewright.codegen.math.tir_ops import expand
from tilewright.tir import Call

from .native import elementwise

Array = np.ndarray[Any, Any]
REFERENCES: dict[str, Callable[..., Array]] = {
    "exp": np.exp, "exp2": np.exp2, "exp10": lambda x: np.power(x.dtype.type(10), x),
    "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "atan": np.arctan, "asin": np.arcsin, "acos": np.arccos, "sinh": np.sinh,
    "cosh": np.cosh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "rsqrt": lambda x: 1 / np.sqrt(x), "pow": np.power, "atan2": np.arctan2,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
}  # fmt: skip
SPECIAL = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0,
           1e10, -1e10, 1e-10, 89.0, -104.0, 710.0, -746.0, 1.5707963)  # fmt: skip
COUNT = 1 << 15


def samples(dtype: type, seed: int) -> Array:
    """Any bits at all, moderate numbers, and the numbers where functions go wrong."""
    rng = np.random.default_rng(seed)
    bits = np.uint32 if dtype is np.float32 else np.uint64
    anything = rng.integers(0, np.iinfo(bits).max, COUNT, dtype=bits).view(dtype)
    moderate = (rng.standard_normal(COUNT) * 10 ** rng.uniform(-3, 3, COUNT)).astype(dtype)
    near_one = (1 + rng.standard_normal(COUNT) * 0.3).astype(dtype)
    info = np.finfo(dtype)
    edges = (*SPECIAL, info.max, -info.max, info.tiny, info.smallest_subnormal,
             -info.smallest_subnormal, np.nextafter(dtype(1), dtype(0)))  # fmt: skip
    return np.concatenate([anything, moderate, near_one, np.resize(np.array(edges, dtype), 64)])


def arguments(arity: int, dtype: type) -> list[Array]:
    """Samples for each argument; for two, every pair of special values as well."""
    if arity == 1:
        return [samples(dtype, 0)]
    x, y = (m.ravel() for m in np.meshgrid(*[np.array(SPECIAL, dtype)] * 2))
    small = np.random.default_rng(2).integers(-9, 9, (2, COUNT)).astype(dtype)
    pairs = [
        np.concatenate([samples(dtype, n), p, s])
        for n, p, s in zip((0, 1), (x, y), small, strict=True)
    ]
    return [p[: len(p) // 16 * 16] for p in pairs]


def error(value: Array, exact: Array) -> tuple[Array, Array]:
    """Units in the last place of `exact`, and where the two differ in kind: NaN, sign of zero."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(value.dtype)
        finite = np.isfinite(rounded) & np.isfinite(value)
        unit = np.spacing(np.abs(rounded)).astype(exact.dtype)
        distance = np.where(finite, np.abs(value.astype(exact.dtype) - exact) / unit, 0)
    same = (np.isnan(rounded) & np.isnan(value)) | (rounded == value)
    signs = (rounded == 0) & (value == 0) & (np.signbit(rounded) != np.signbit(value))
    return distance, ~(finite | same) | signs


def check(name: str, dtype: type, wide: type, lanes: int, bound: float, **options: Any) -> None:
    function = FUNCTIONS[name]
    args = arguments(function.arity, dtype)
    value = elementwise(
        lambda *x: Call(x[0].dtype, f"tir.{name}", x), *args, lanes=lanes, **options
    )
    with np.errstate(all="ignore"):
        exact = REFERENCES[name](*[a.astype(wide) for a in args])
    distance, wrong = error(value, exact)
    worst = int(np.argmax(distance))
    assert distance[worst] <= bound, [a[worst] for a in args]
    assert not wrong.any(), [(*[a[i] for a in args], value[i]) for i in np.flatnonzero(wrong)[:5]]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_vectors(name: str) -> None:
    check(name, np.float32, np.float64, 16, FUNCTIONS[name].ulp[0])


@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="no wider type for reference")
@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"erf"}))
def test_float64_vectors(name: str) -> None:
    check(name, np.float64, np.longdouble, 8, FUNCTIONS[name].ulp[1])


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="x86-64 only")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_without_fused_operations(name: str) -> None:
    machine = Machine(host_machine().triple, "x86-64")
    options = {"features": Features(False, False, 128), "machine": machine}
    check(name, np.float32, np.float64, 16, max(1.7, FUNCTIONS[name].ulp[0]), **options)


def test_erf_of_float64() -> None:
    x = samples(np.float64, 0)
    value = elementwise(lambda v: Call(v.dtype, "tir.erf", (v,)), x, lanes=8)
    with np.errstate(all="ignore"):
        distance, wrong = error(value, REFERENCES["erf"](x))
    assert distance.max() <= 2 and not wrong.any()


@pytest.mark.parametrize("lanes", [1, 4, 32])
def test_other_widths_agree_with_16_lanes(lanes: int) -> None:
    x = samples(np.float32, 3)
    for name in ("exp", "sin", "tanh", "pow"):
        args = [x, x[::-1].copy()][: FUNCTIONS[name].arity]

        def value(lanes: int, name: str = name, args: list[Array] = args) -> Array:
            return elementwise(lambda *v: Call(v[0].dtype, f"tir.{name}", v), *args, lanes=lanes)

        assert np.array_equal(value(lanes), value(16), equal_nan=True), name


def test_float16_goes_through_float32() -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    value = elementwise(lambda v: Call(v.dtype, "tir.exp", (v,)), x, lanes=16)
    with np.errstate(all="ignore"):
        distance, wrong = error(value, np.exp(x.astype(np.float64)))
    assert distance.max() <= 0.51 and not wrong.any()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_expansion_in_tir_is_as_exact(name: str) -> None:
    """Within one unit of the machine's expansion, which may use fused operations."""
    for dtype in (np.float32, np.float64):
        args = [a[:2048] for a in arguments(FUNCTIONS[name].arity, dtype)]
        args = [np.concatenate([a, b[-64:]]) for a, b in
                zip(args, arguments(FUNCTIONS[name].arity, dtype), strict=True)]  # fmt: skip
        direct = elementwise(lambda *x: Call(x[0].dtype, f"tir.{name}", x), *args, lanes=8)
        expanded = elementwise(
            lambda *x: expand(Call(x[0].dtype, f"tir.{name}", x)), *args, lanes=8
        )
        distance, wrong = error(expanded, direct)
        bound = 2 * FUNCTIONS[name].ulp[dtype is np.float64]
        assert distance.max() <= bound and not wrong.any(), args[0][np.argmax(distance)]
