"""Vectors whose lanes lie where a quotient says, which is known at run time only."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
import pytest

from tilewright import tir
from tilewright.codegen.llvm.codegen import Features, emit_module
from tilewright.tir import (
    Broadcast,
    BufferLoad,
    BufferStore,
    PrimExpr,
    PrimFunc,
    Ramp,
    Var,
    const,
    decl_buffer,
)

from .native import Compiled

LANES, SIZE = 16, 40


def kernel(dtype: str = "float32", lanes: int = LANES, *, masked: bool = False) -> PrimFunc:
    """y[l] = x[row + min((n * l + 3) // 7, last)], in the first `count` lanes only if `masked`."""
    x, y = decl_buffer((SIZE,), dtype, "x"), decl_buffer((lanes,), dtype, "y")
    row, n, last, count = (Var(name, "int64") for name in ("row", "n", "last", "count"))

    def i64(value: int) -> PrimExpr:
        return const(value, "int64")

    each = Ramp(i64(0), i64(1), lanes)
    quotient = Ramp(i64(3), n, lanes) // Broadcast(i64(7), lanes)
    index = Broadcast(row, lanes) + tir.min(quotient, Broadcast(last, lanes))
    mask = each < Broadcast(count, lanes) if masked else None
    store = BufferStore(y, BufferLoad(x, [index], mask), [each], mask)
    return PrimFunc([x.data, y.data, row, n, last, count], store)


def expected(x: np.ndarray[Any, Any], lanes: int, row: int, n: int, last: int) -> Any:
    return x[row + np.minimum((n * np.arange(lanes) + 3) // 7, last)]


@pytest.mark.parametrize("lanes", [8, 16])
@pytest.mark.parametrize("dtype", ["float32", "int32", "float64", "int8"])
def test_lanes_near_and_far(dtype: str, lanes: int) -> None:
    run = Compiled({"kernel": kernel(dtype, lanes)})
    x = np.arange(SIZE).astype(dtype)
    for row, n, last in ((0, 0, 9), (3, 2, 9), (3, 7, 30), (3, 11, 34), (1, 14, 36),
                         (0, 7, 3), (5, 15, 34), (2, 40, 34)):  # fmt: skip
        y = np.zeros(lanes, dtype)
        run("kernel", x, y, row, n, last, lanes)
        assert np.array_equal(y, expected(x, lanes, row, n, last))


def test_lanes_left_out_are_neither_read_nor_in_the_way() -> None:
    """Those that a mask leaves out lie far from the others, and outside of the array."""
    run = Compiled({"kernel": kernel(masked=True)})
    x = np.arange(SIZE, dtype=np.float32)
    for n, count in ((2, 0), (2, 1), (7, 15), (20, 7), (50, 5), (50, 1)):
        y = np.full(LANES, -1, np.float32)
        run("kernel", x, y, 2, n, 1 << 40, count)
        assert np.array_equal(y[:count], expected(x, count, 2, n, SIZE))
        assert (y[count:] == -1).all()


@pytest.mark.parametrize("masked", [False, True])
def test_nothing_before_the_first_lane_or_behind_the_last_is_read(masked: bool) -> None:
    """The array begins and ends at pages that cannot be read."""
    page = mmap.mmap(-1, 3 * mmap.PAGESIZE)
    whole = np.frombuffer(page, np.float32)
    for side in (0, 2):
        address = ctypes.c_void_p(whole.ctypes.data + side * mmap.PAGESIZE)
        ctypes.CDLL(None).mprotect(address, mmap.PAGESIZE, 0)
    run, size = Compiled({"kernel": kernel(masked=masked)}), mmap.PAGESIZE // 4
    for count in (6, 30):
        for x in (whole[size : size + count], whole[2 * size - count : 2 * size]):
            x[:] = np.arange(count)
            for n in (0, 2, 6, 11, 100):
                y = np.zeros(LANES, np.float32)
                run("kernel", x, y, 1, n, count - 2, LANES)
                assert np.array_equal(y, expected(x, LANES, 1, n, count - 2))


@pytest.mark.parametrize(("bits", "lanes", "name"), [
    (512, 16, "avx512.permvar.sf"), (512, 16, "vpermi2var.ps"),
    (512, 8, "avx2.permps"), (256, 8, "avx2.permps"),
    (256, 16, ""), (0, 8, ""),
])  # fmt: skip
def test_lanes_are_permuted_where_the_machine_can(bits: int, lanes: int, name: str) -> None:
    text = emit_module({"kernel": kernel(lanes=lanes)}, Features(permute_bits=bits))
    assert ("llvm.x86" in text) == bool(name)
    assert name in text


def test_what_a_table_says_is_loaded_lane_by_lane() -> None:
    table, x = decl_buffer((8,), "int32", "table"), decl_buffer((8,), "float32", "x")
    each = Ramp(const(0, "int32"), const(1, "int32"), 8)
    where = BufferLoad(table, [each]) // Broadcast(const(2, "int32"), 8)
    store = BufferStore(x, BufferLoad(x, [where]), [each])
    text = emit_module(
        {"kernel": PrimFunc([table.data, x.data], store)}, Features(permute_bits=512)
    )
    assert "llvm.x86" not in text
