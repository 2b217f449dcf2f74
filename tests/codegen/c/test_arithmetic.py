"""What C leaves undefined has a meaning: overflow, division, shifts, conversions, narrow floats."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tilewright import tir
from tilewright.support.dtypes import dtype_of
from tilewright.tir import Call, Cast, Div, FloorDiv, FloorMod, Mod
from tilewright.tir.expr import Add, Max, Min, Mul, Sub
from tilewright.tir.interpreter.values import convert

from .native import Elementwise, needs_compiler

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
NARROW = [
    "float16", "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn",
    "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float6_e2m3fn", "float6_e3m2fn",
    "float4_e2m1fn",
]  # fmt: skip
pytestmark = needs_compiler


def corners(dtype: str) -> np.ndarray[Any, Any]:
    info = dtype_of(dtype)
    least, most = int(info.min_value), int(info.max_value)
    values = {0, 1, 2, 7, most, most - 1, least, least + 1}
    values |= set() if info.is_uint else {-1, -2, -7}
    return np.array(sorted(values), info.numpy)


def pairs(dtype: str) -> list[np.ndarray[Any, Any]]:
    a, b = np.meshgrid(corners(dtype), corners(dtype))
    return [a.reshape(-1).copy(), b.reshape(-1).copy()]


def wrapped(dtype: str, values: list[int]) -> np.ndarray[Any, Any]:
    return np.array([tir.op.wrap(v, dtype) for v in values], dtype_of(dtype).numpy)


def quotient(a: int, b: int, floor: bool) -> int:
    if b == 0:
        return 0
    return a // b if floor else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def rest(a: int, b: int, floor: bool) -> int:
    return 0 if b == 0 else a - b * quotient(a, b, floor)


def test_integers_wrap_around_and_no_division_traps() -> None:
    loops = Elementwise()
    for dtype in INTEGERS:
        a, b = pairs(dtype)
        both = list(zip(a.tolist(), b.tolist(), strict=True))
        for make, meaning in (
            (Add, lambda x, y: x + y), (Sub, lambda x, y: x - y), (Mul, lambda x, y: x * y),
            (Min, min), (Max, max),
            (Div, lambda x, y: quotient(x, y, False)), (Mod, lambda x, y: rest(x, y, False)),
            (FloorDiv, lambda x, y: quotient(x, y, True)),
            (FloorMod, lambda x, y: rest(x, y, True)),
        ):  # fmt: skip
            loops.add(make, [a, b], wrapped(dtype, [meaning(x, y) for x, y in both]))
    for found, expected in loops.run():
        np.testing.assert_array_equal(found, expected)


def test_a_shift_by_the_width_or_more_gives_nothing_or_the_sign() -> None:
    loops = Elementwise()
    for dtype in INTEGERS:
        a = np.repeat(corners(dtype), 4)
        bits = dtype_of(dtype).bits
        b = np.tile(np.array([0, 1, bits - 1, bits], dtype_of(dtype).numpy), len(a) // 4)
        both = list(zip(a.tolist(), b.tolist(), strict=True))
        left = [0 if n >= bits else x << n for x, n in both]
        right = [x >> n for x, n in both]
        loops.add(lambda x, n: Call(x.dtype, "tir.shift_left", (x, n)), [a, b],
                  wrapped(dtype, left))  # fmt: skip
        loops.add(lambda x, n: Call(x.dtype, "tir.shift_right", (x, n)), [a, b],
                  wrapped(dtype, right))  # fmt: skip
    for found, expected in loops.run():
        np.testing.assert_array_equal(found, expected)


def test_floats_become_integers_saturated_and_nan_becomes_zero() -> None:
    values = [0.5, -0.5, 1e30, -1e30, np.inf, -np.inf, np.nan, 127.9, -128.9, 255.5, 2.0**31, 2**63]
    loops = Elementwise()
    for source in ("float32", "float64", "bfloat16"):
        a = np.array(values).astype(dtype_of(source).numpy)
        for target in INTEGERS:
            loops.add(lambda x, t=target: Cast(t, x), [a], convert(a, source, target))
    for found, expected in loops.run():
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", NARROW)
def test_every_narrow_number_is_read_and_written(dtype: str) -> None:
    info = dtype_of(dtype)
    storage = np.uint16 if info.bits == 16 else np.uint8
    codes = np.arange(1 << info.bits).astype(storage)
    narrow = codes.view(info.numpy)
    wide = np.concatenate([
        np.linspace(-500, 500, 4001), 2.0 ** np.arange(-40, 20), -(2.0 ** np.arange(-40, 20)),
        [np.inf, -np.inf, 1e38, -1e38, -0.0, 1 + 2.0**-9 + 2.0**-40],
    ])  # fmt: skip
    loops = Elementwise()
    with np.errstate(all="ignore"):
        loops.add(lambda x: Cast("float32", x), [narrow], narrow.astype(np.float32))
        loops.add(lambda x: Cast(dtype, x), [wide], convert(wide, "float64", dtype))
        single = wide.astype(np.float32)
        loops.add(lambda x: Cast(dtype, x), [single], single.astype(info.numpy), lanes=1)
    for found, expected in loops.run():
        with np.errstate(all="ignore"):
            a, b = found.astype(np.float64), expected.astype(np.float64)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a[a == a]), np.signbit(b[b == b]))


def test_elementary_functions_agree_with_numpy() -> None:
    x = np.linspace(-4, 4, 64)
    loops = Elementwise()
    for dtype, kind in (("float32", np.float32), ("float64", np.float64)):
        a = x.astype(kind)
        for make, meaning in (
            (tir.exp, np.exp), (tir.sin, np.sin), (tir.cos, np.cos), (tir.tanh, np.tanh),
            (tir.exp10, lambda v: 10.0**v), (tir.sigmoid, lambda v: 1 / (1 + np.exp(-v))),
            (tir.round, np.rint), (tir.trunc, np.trunc), (tir.floor, np.floor),
            (tir.atan, np.arctan), (tir.expm1, np.expm1), (tir.sinh, np.sinh),
        ):  # fmt: skip
            loops.add(make, [a], meaning(a.astype(np.float64)).astype(kind), lanes=8)
        assert dtype_of(dtype).numpy == kind
    for found, expected in loops.run():
        np.testing.assert_allclose(found, expected, rtol=3e-6 if found.itemsize == 4 else 1e-14)


def test_functions_of_narrow_floats_are_rounded_once() -> None:
    a = np.linspace(0.1, 4, 64).astype(ml_dtypes.bfloat16)
    loops = Elementwise()
    wide = a.astype(np.float32)
    loops.add(tir.sqrt, [a], np.sqrt(wide).astype(a.dtype))
    loops.add(lambda x: x * x + x, [a], ((wide * wide).astype(a.dtype) + a).astype(a.dtype))
    loops.add(lambda x: tir.nextafter(x, Cast("bfloat16", tir.const(9, "int32"))), [a],
              (a.view(np.uint16) + np.uint16(1)).view(a.dtype))  # fmt: skip
    for found, expected in loops.run():
        np.testing.assert_array_equal(found.view(np.uint16), expected.view(np.uint16))
