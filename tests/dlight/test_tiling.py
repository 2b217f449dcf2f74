"""Tile sizes on machines with 16 vector registers of 256 bits and 32 of 512."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewright.dlight.cpu.tiling import (
    RegisterTile,
    divisor_up_to,
    fits,
    imbalance,
    parts,
    reduction_unroll,
    register_tile,
    step_cycles,
    tile_cycles,
    vector_lanes,
    worth_parallel,
)
from tilewright.target import MachineModel
from tilewright.tir.transform.partial_tiles import MOST_ROWS

from .kernels import AVX2, AVX512

WIDE, NARROW = MachineModel.of(AVX512), MachineModel.of(AVX2)
EXTENTS = st.one_of(st.none(), st.integers(1, 300))


def tile(machine, rows, vectors, **options):
    found = register_tile(machine, machine.lanes(), rows, vectors, **options)
    return found.rows, found.vectors


@pytest.mark.parametrize(
    ("machine", "rows", "vectors", "expected"),
    [
        (WIDE, (56, 56), 4, ((1, 14), 2)),
        (WIDE, (28, 28), 8, ((1, 14), 2)),
        (WIDE, (7, 7), 32, ((1, 7), 2)),
        (WIDE, (17, 17), 4, ((1, 11), 2)),
        (WIDE, (56, 56), 1, ((1, 28), 1)),
        (NARROW, (56, 56), 8, ((1, 6), 2)),
        (NARROW, (7, 7), 64, ((2, 7), 1)),
    ],
)
def test_tiles_of_convolutions(machine, rows, vectors, expected):
    assert tile(machine, rows, vectors, whole=True) == expected


@pytest.mark.parametrize(
    ("machine", "rows", "expected"),
    [
        (WIDE, 128, ((8,), 2)),
        (WIDE, None, ((8,), 2)),
        (WIDE, 1, ((1,), 4)),
        (NARROW, 128, ((4,), 3)),
        (NARROW, None, ((6,), 2)),
    ],
)
def test_tiles_of_matrix_products(machine, rows, expected):
    assert tile(machine, (rows,), 48, max_rows=8) == expected


@pytest.mark.parametrize(
    ("rows", "vectors", "cycles"), [(3, 2, 4.3), (4, 2, 4.8), (5, 2, 5.3), (6, 2, 6.1), (7, 2, 7.1)]
)
def test_few_sums_wait_for_each_other(rows, vectors, cycles):
    """Within 5 % of what a Zen 5 takes."""
    assert step_cycles(WIDE, rows, vectors) == pytest.approx(cycles, rel=0.05)


@given(st.lists(EXTENTS, max_size=2), EXTENTS, st.sampled_from([WIDE, NARROW]), st.booleans())
def test_a_tile_fits_the_registers_and_the_axes(rows, vectors, machine, whole):
    found = register_tile(machine, machine.lanes(), rows, vectors, whole=whole)
    assert len(found.rows) == len(rows)
    assert fits(machine, math.prod(found.rows), found.vectors) or found.count == 1
    assert all(s <= (e or MOST_ROWS) for e, s in zip(rows, found.rows, strict=True))
    assert vectors is None or found.vectors <= vectors
    assert not whole or vectors is None or vectors % found.vectors == 0


@given(st.integers(1, 500), st.integers(1, 64))
def test_parts_cover_an_axis(extent, size):
    assert sum(n * s for n, s in parts(extent, size)) == extent


@given(st.integers(1, 100), st.integers(1, 64))
def test_more_rows_take_no_fewer_cycles(rows, vectors):
    def cycles(n):
        return tile_cycles(WIDE, [n], vectors, (4,), 2)

    assert cycles(rows) <= cycles(rows + 4)


@given(st.integers(1, 1000), st.integers(1, 40))
def test_a_divisor_divides(extent, limit):
    found = divisor_up_to(extent, limit)
    assert extent % found == 0 and found <= limit


def test_the_unrolled_body_stays_small():
    large = register_tile(WIDE, 16, (56,), 2, whole=True)
    assert reduction_unroll(large, 512) * large.count <= 128
    assert reduction_unroll(large, 9) == 4
    assert reduction_unroll(large, 6) == 2
    assert reduction_unroll(large, None) == 1


@given(st.integers(1, 16), st.integers(1, 4), st.integers(0, 3000))
def test_sums_are_unrolled_whole_or_by_powers_of_two(rows, vectors, extent):
    steps = reduction_unroll(RegisterTile((rows,), vectors, 16), extent)
    assert 1 <= steps <= 8
    assert steps == extent or steps & (steps - 1) == 0


@pytest.mark.parametrize(
    ("dtype", "extent", "lanes"),
    [("float32", 100, 16), ("float32", 10, 10), ("float64", None, 8), ("int8", 1000, 64)],
)
def test_lanes(dtype, extent, lanes):
    assert vector_lanes(WIDE, dtype, extent) == lanes


def test_small_kernels_stay_on_one_thread():
    assert not worth_parallel(WIDE, "float32", 10_000)
    assert not worth_parallel(replace(WIDE, cores=64), "float32", 500_000)
    assert worth_parallel(WIDE, "float32", 10_000_000)
    assert worth_parallel(WIDE, "float32", None)


@pytest.mark.parametrize(
    ("parts", "cores", "work", "expected"),
    [(8, 2, None, 0), (9, 2, None, 1 / 9), (1, 2, None, 1), (7, 1, None, 0), (2, 2, 1.75, 1 / 7)],
)
def test_imbalance(parts, cores, work, expected):
    assert imbalance(parts, cores, work) == pytest.approx(expected)
