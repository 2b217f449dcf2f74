"""Schedules of matrix products by the matrix units of GPUs, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tilewright.ir import IRModule
from tilewright.tir import PrimFunc
from tilewright.tir.schedule import BlockRV, LoopRV, Schedule

SIDE = 16
"""Rows and columns of the square that one instruction computes."""

Factors = Sequence[int | None]
LayoutMap = Callable[..., Any]


@dataclass
class _Product:
    """A product `C` while its schedule is made: loops over squares around the block `square`."""

    sch: Schedule
    square: BlockRV
    element: BlockRV
    threads: LoopRV
    to_shared: LoopRV
    to_warp: LoopRV
    warps: int
    depth: int

    def fetch(self, operand: int, scope: str, lanes: int, warp: int, in_dtype: str) -> BlockRV:
        """Copies the part of an operand that a block of threads needs, all threads together."""
        sch = self.sch
        block: BlockRV = sch.cache_read(self.square, operand, scope)
        sch.compute_at(block, self.to_shared)
        place = sch.fuse(*sch.get_loops(block)[-2:])
        width = 16 if in_dtype == "int8" else 8
        _, across, along, vector = sch.split(place, factors=[None, self.warps, warp, width])
        sch.bind(along, "threadIdx.x")
        sch.bind(across, "threadIdx.y")
        sch.vectorize(vector)
        if lanes:
            sch.storage_align(block, 0, axis=-2, factor=32, offset=lanes)
        return block

    def hold(self, operand: int, rows: int, columns: int) -> tuple[BlockRV, LoopRV]:
        """Keeps an operand in the registers of a warp; the copy, and the loops of one fragment."""
        block: BlockRV = self.sch.cache_read(self.square, operand, "warp")
        self.sch.compute_at(block, self.to_warp)
        return block, _tiled(self.sch, block, rows, columns)


def _tiled(sch: Schedule, block: BlockRV, rows: int, columns: int) -> LoopRV:
    """Splits the two inner loops of a copy by the shape of a fragment; the outer loop in it."""
    i, j = sch.get_loops(block)[-2:]
    i0, i1 = sch.split(i, factors=[None, rows])
    j0, j1 = sch.split(j, factors=[None, columns])
    sch.reorder(i0, j0, i1, j1)
    inner: LoopRV = i1
    return inner


def _blocked(
    workload: PrimFunc, depth: int, i_factors: Factors, j_factors: Factors, k_factors: Factors
) -> _Product:
    """The product by squares, its squares spread over the grid and the warps of a block."""
    sch = Schedule(IRModule({"main": workload}))  # type: ignore[dict-item]
    element = sch.get_block("C")
    tiles = [
        sch.split(loop, factors=[None, size])
        for loop, size in zip(sch.get_loops(element), (SIDE, SIDE, depth), strict=True)
    ]
    sch.reorder(*(outer for outer, _ in tiles), *(inner for _, inner in tiles))
    square = sch.blockize(tiles[0][1])
    (i, _), (j, _), (k, _) = tiles
    i0, i1, i2, i3, i4 = sch.split(i, factors=i_factors)
    j0, j1, j2, j3, j4 = sch.split(j, factors=j_factors)
    k0, k1, k2 = sch.split(k, factors=k_factors)
    sch.reorder(i0, j0, i1, j1, j2, i2, k0, k1, i3, j3, k2, i4, j4)
    sch.bind(sch.fuse(i0, j0), "blockIdx.x")
    sch.bind(sch.fuse(i1, j1), "blockIdx.y")
    threads = sch.fuse(j2, i2)
    sch.bind(threads, "threadIdx.y")
    warps = int(i_factors[2] or 1) * int(j_factors[2] or 1)
    return _Product(sch, square, element, threads, k0, k1, warps, depth)


def _scheduled(
    made: _Product, b_transposed: bool, in_dtype: str, scope: str, warp: int, align: int,
    maps: Sequence[LayoutMap], intrins: Sequence[str],
) -> Schedule:  # fmt: skip
    sch, square = made.sch, made.square
    for operand in (0, 1):
        made.fetch(operand, scope, align, warp, in_dtype)
    right = (SIDE, made.depth) if b_transposed else (made.depth, SIDE)
    a, a_loop = made.hold(0, SIDE, made.depth)
    b, b_loop = made.hold(1, *right)
    c = sch.cache_write(square, 0, "warp")
    sch.reverse_compute_at(c, made.threads)
    _tiled(sch, c, SIDE, SIDE)
    sch.decompose_reduction(square, sch.get_loops(square)[3])
    fill = sch.get_block("C_init")
    for block, side, index_map in zip((a, b, c), ("write", "write", "read"), maps, strict=True):
        sch.transform_layout(block, (side, 0), index_map)
    load_a, load_b, multiply, clear, store = intrins
    sch.tensorize(a_loop, load_a)
    sch.tensorize(b_loop, load_b)
    sch.tensorize(sch.get_loops(made.element)[-3], multiply)
    sch.tensorize(sch.get_loops(fill)[-2], clear)
    sch.tensorize(sch.get_loops(c)[-2], store)
    return sch


def mma_schedule(
    workload: PrimFunc, k_inner: int, in_dtype: str, b_transposed: bool, i_factors: Factors,
    j_factors: Factors, k_factors: Factors, index_map_A: LayoutMap, index_map_B: LayoutMap,
    index_map_C: LayoutMap, ldmatrix_a_intrin: str, ldmatrix_b_intrin: str, mma_intrin: str,
    mma_fill_intrin: str, mma_store_intrin: str, shared_scope: str = "shared",
) -> Schedule:  # fmt: skip
    """A product `C = A @ B` (of `B` transposed if so said) in 16x16 squares by NVIDIA's `mma`.

    `k_inner`: the depth of one instruction. The factors split the squares along each axis: five
    for rows and columns (grid, grid, warps, then within a warp), three for the depth. The maps lay
    the fragments out as the intrinsics named want them. Operands pass through `shared_scope`.
    """
    made = _blocked(workload, k_inner, i_factors, j_factors, k_factors)
    return _scheduled(
        made, b_transposed, in_dtype, shared_scope, 32, 8 if in_dtype == "float16" else 16,
        (index_map_A, index_map_B, index_map_C),
        (ldmatrix_a_intrin, ldmatrix_b_intrin, mma_intrin, mma_fill_intrin, mma_store_intrin),
    )  # fmt: skip


def mfma_schedule(
    workload: PrimFunc, k_inner: int, in_dtype: str, b_transposed: bool, i_factors: Factors,
    j_factors: Factors, k_factors: Factors, index_map_A: LayoutMap, index_map_B: LayoutMap,
    index_map_C: LayoutMap, ldmatrix_a_intrin: str, ldmatrix_b_intrin: str, mfma_intrin: str,
    mfma_fill_intrin: str, mfma_store_intrin: str, shared_scope: str = "shared",
) -> Schedule:  # fmt: skip
    """The same as `mma_schedule` by AMD's `mfma`, whose warps have 64 threads."""
    made = _blocked(workload, k_inner, i_factors, j_factors, k_factors)
    return _scheduled(
        made, b_transposed, in_dtype, shared_scope, 64, 0,
        (index_map_A, index_map_B, index_map_C),
        (ldmatrix_a_intrin, ldmatrix_b_intrin, mfma_intrin, mfma_fill_intrin, mfma_store_intrin),
    )  # fmt: skip
