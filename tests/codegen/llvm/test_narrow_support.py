"""Conversions to and from 16-bit floats on processors that have none."""

from __future__ import annotations

import ctypes
import platform

import ml_dtypes
import numpy as np
import pytest

from tilewright.codegen.llvm.compile import Machine, compile_module, host_machine
from tilewright.codegen.llvm.elf import read_symbols
from tilewright.codegen.llvm.jit import load_objects, support_library

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 only")

LOOP = """
define void @convert(ptr %x, ptr %y, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %px = getelementptr FROM, ptr %x, i64 %i
  %py = getelementptr TO, ptr %y, i64 %i
  %a = load FROM, ptr %px
  %b = OP FROM %a to TO
  store TO %b, ptr %py
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}
"""
BITS = np.random.default_rng(0).integers(0, 1 << 64, 200_000, np.uint64)
CASES = {
    "__extendhfsf2": ("half", "float", "fpext", np.float16, np.float32),
    "__truncsfhf2": ("float", "half", "fptrunc", np.float32, np.float16),
    "__truncdfhf2": ("double", "half", "fptrunc", np.float64, np.float16),
    "__truncsfbf2": ("float", "bfloat", "fptrunc", np.float32, ml_dtypes.bfloat16),
    "__truncdfbf2": ("double", "bfloat", "fptrunc", np.float64, ml_dtypes.bfloat16),
}


def inputs(source: type, target: type) -> np.ndarray:
    """All bit patterns of 16 bits; otherwise random ones, and values around the target's ties."""
    if source is np.float16:
        return np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    every = np.arange(1 << 16, dtype=np.uint16).view(target).astype(source)
    with np.errstate(all="ignore"):
        middle = (every + np.roll(every, 1)) / 2
        up, down = np.nextafter(middle, source(np.inf)), np.nextafter(middle, source(0))
        values = [every, middle, up, down]
    random = BITS.astype(np.uint32).view(np.float32) if source is np.float32 else BITS.view(source)
    return np.concatenate([*values, random.astype(source)])


@pytest.mark.parametrize("symbol", CASES)
def test_conversion_rounds_to_nearest_even(symbol: str) -> None:
    source, target, op, np_source, np_target = CASES[symbol]
    text = LOOP.replace("FROM", source).replace("TO", target).replace("OP", op)
    data = compile_module(text, Machine(host_machine().triple))  # the plainest x86-64
    assert symbol in read_symbols(data).undefined
    module = load_objects([data], {symbol: support_library()[symbol]})
    with np.errstate(all="ignore"):
        x = inputs(np_source, np_target)
        if symbol == "__truncdfbf2":  # the reference rounds twice, through float32
            x = x[x.astype(np.float32).astype(np.float64) == x]
        expected = x.astype(np_target)
    got = np.empty(len(x), np_target)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    function(module.address("convert"))(x.ctypes.data, got.ctypes.data, len(x))
    number = ~np.isnan(expected.astype(np.float32))
    bits = np.dtype(f"u{np.dtype(np_target).itemsize}")
    np.testing.assert_array_equal(got.view(bits)[number], expected.view(bits)[number])
    assert np.isnan(got.astype(np.float32)[~number]).all()


def test_a_double_is_rounded_once_to_bfloat16() -> None:
    tie = 1.0 + 2.0**-8  # halfway between two bfloat16; float32 cannot tell what lies just above
    text = LOOP.replace("FROM", "double").replace("TO", "bfloat").replace("OP", "fptrunc")
    module = load_objects([compile_module(text, Machine(host_machine().triple))])
    x = np.array([tie, tie + 2.0**-40, tie - 2.0**-40, -tie - 2.0**-40])
    got = np.empty(4, ml_dtypes.bfloat16)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    function(module.address("convert"))(x.ctypes.data, got.ctypes.data, 4)
    above = 1.0 + 2.0**-7
    assert got.astype(float).tolist() == [1.0, above, 1.0, -above]
