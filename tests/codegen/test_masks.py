"""The arms of a vector condition: each lane takes its own, also where an arm mixes lanes."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from bench.fuzz import RUNNERS
from tilewright.support.c_compiler import find_c_compiler
from tilewright.tir import (
    BufferLoad,
    BufferStore,
    Call,
    PrimExpr,
    PrimFunc,
    Ramp,
    Shuffle,
    const,
    decl_buffer,
    interpreter,
)

LANES = 8


def lanes_from(first: int, stride: int = 1) -> PrimExpr:
    return Ramp(const(first, "int32"), const(stride, "int32"), LANES)


def chosen(arm: str) -> PrimFunc:
    """`out[0:8] = if_then_else(test[0:8], arm, other[0:8])`, nested for `arm` "nested"."""
    test, data, out = (
        decl_buffer((16,), dtype, name)
        for dtype, name in (("bool", "test"), ("int32", "data"), ("int32", "out"))
    )
    mask = BufferLoad(test, [lanes_from(0)])
    low, high = BufferLoad(data, [lanes_from(0)]), BufferLoad(data, [lanes_from(8)])
    picks = [const(n, "int32") for n in (9, 1, 0, 15, 12, 4, 3, 2)]
    mixed: PrimExpr = Shuffle((low, high), picks)
    if arm == "nested":
        inner = BufferLoad(test, [lanes_from(8)])
        mixed = Call(low.dtype, "tir.if_then_else", (inner, mixed, high + 1))
    if arm == "reversed":
        mixed = BufferLoad(data, [lanes_from(15, -1)])
    value = Call(low.dtype, "tir.if_then_else", (mask, mixed, high))
    return PrimFunc((test.data, data.data, out.data), BufferStore(out, value, [lanes_from(0)]))


@pytest.mark.parametrize("runner", ["llvm", "c"])
@pytest.mark.parametrize("arm", ["shuffled", "nested", "reversed"])
def test_lanes_may_cross_under_a_condition(runner: str, arm: str) -> None:
    if runner == "c" and find_c_compiler() is None:
        pytest.skip("no C compiler")
    func = chosen(arm)
    address = RUNNERS[runner]({"chosen": func})
    entry = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(address("chosen") or 0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        test, data = rng.random(16) < 0.5, rng.integers(-99, 99, 16).astype("int32")
        expected, found = np.zeros(16, "int32"), np.zeros(16, "int32")
        interpreter.run(func, test, data, expected)
        entry(test.ctypes.data, data.ctypes.data, found.ctypes.data)
        np.testing.assert_array_equal(found, expected)
