"""Winograd convolutions: a few rows of tiles at a time, so that what is between stays in cache.

    parallel block of tile rows:
        for input channel block: pad; V = B^T d B          # by tiles, vectors over channels
        for tile of output channels:
            for point, register tile of tiles: M = V * U   # sums over input channels
            for tile: out = epilogue(A^T M A)

With fewer blocks than cores, V is made first and the tiles of output channels run in parallel.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...target.machine import MachineModel
from ...target.target import Target
from ...tir.function import PrimFunc
from ...tir.schedule import BlockRV, LoopRV, Schedule
from ..analysis import BlockInfo
from ..base import ScheduleRule
from .stages import block_infos, extent_of, inline_injective, vectorize_loop
from .tiling import RegisterTile, bytes_of, reduction_unroll, register_tile, worth_parallel

PRODUCT = "winograd_product"
STAGES = (
    "winograd_input_rows", "winograd_input", PRODUCT, "winograd_output_rows", "winograd_output",
)  # fmt: skip


class Winograd(ScheduleRule):
    """One Winograd convolution in blocked layout, of known height and width, with what follows."""

    def apply(self, func: PrimFunc, target: Target, tunable: bool) -> Schedule | None:
        """The function with its stages fused; None if it is something else."""
        sch = Schedule(func, error_render_level="fast")
        names = [info.name for info in block_infos(sch)]
        if any(names.count(stage) != 1 for stage in STAGES):
            return None
        inline_injective(sch, frozenset([*STAGES, "pad_temp"]))
        stages = _stages(sch)
        if stages is None:
            return None
        machine = MachineModel.of(target)
        plan = plan_of(machine, BlockInfo(sch, stages.product))
        return None if plan is None else _scheduled(sch, stages, plan, machine)


@dataclass(frozen=True)
class Stages:
    """The blocks that remain once what can be inlined is; `pad` is None without padding."""

    pad: BlockRV | None
    input_rows: BlockRV
    input: BlockRV
    product: BlockRV
    output_rows: BlockRV
    output: BlockRV
    last: BlockRV


def _stages(sch: Schedule) -> Stages | None:
    """The stages, if they are all there is."""
    infos = {info.name: info.block_rv for info in block_infos(sch)}
    others = [name for name in infos if name not in STAGES and name != "pad_temp"]
    if len(others) != 1:
        return None
    last = BlockInfo(sch, infos[others[0]])
    if not last.is_plain() or not last.is_injective() or len(last.iters) != 5:
        return None
    return Stages(infos.get("pad_temp"), *(infos[s] for s in STAGES), last.block_rv)


@dataclass(frozen=True)
class WinogradPlan:
    """`tile` outputs in each direction; `rows` tile rows in a block, of `blocks` in all."""

    tile: int
    rows: int
    blocks: int
    registers: RegisterTile
    work: int


def plan_of(machine: MachineModel, product: BlockInfo) -> WinogradPlan | None:
    """Sizes from the extents of the products; None if height or width is not known."""
    batch, columns, side, _, rows, width, lanes, inputs, inner = (i.extent for i in product.iters)
    if None in (columns, side, rows, width, lanes, inputs, inner):
        return None
    assert columns and side and rows and width and lanes and inputs and inner
    assert product.output is not None
    row_bytes = bytes_of(product.output.buffer.dtype, side * side * width * inputs * inner)
    blocks = -(-rows // max(1, min(rows, machine.l2.size // 2 // max(1, row_bytes))))
    if (batch or 1) * blocks < machine.cores and columns < machine.cores:
        blocks = min(rows, machine.cores)
    each = -(-rows // blocks)
    registers = register_tile(machine, lanes, [each, width], columns, whole=True)
    work = product.work() or side * side * columns * rows * width * lanes * inputs * inner
    return WinogradPlan(side - 2, each, (batch or machine.cores) * blocks, registers, work)


def _scheduled(
    sch: Schedule, stages: Stages, plan: WinogradPlan, machine: MachineModel
) -> Schedule:
    batch, channels, height, width, lanes = sch.get_loops(stages.last)
    dtype = BlockInfo(sch, stages.product).block.writes[0].buffer.dtype
    many = plan.blocks >= machine.cores
    block, row, y = sch.split(height, [None, plan.rows, plan.tile])
    column, x = sch.split(width, [None, plan.tile])
    group, vector = sch.split(channels, [None, plan.registers.vectors])
    sch.reorder(batch, block, group, row, column, vector, y, x, lanes)
    _write_tiles(sch, stages, vector)
    reduction = _multiply(sch, stages.product, group, plan.registers)
    _read_tiles(sch, stages, block)
    for loop in (y, x):
        sch.unroll(loop)
    sch.vectorize(lanes)
    if worth_parallel(machine, dtype, plan.work):
        outer = sch.fuse(batch, block) if many else group
        if extent_of(sch, outer) != 1:
            sch.parallel(outer)
    sch.decompose_reduction(stages.product, reduction)
    return sch


def _write_tiles(sch: Schedule, stages: Stages, at: LoopRV) -> None:
    """A tile of the output at a time, in registers."""
    for stage in (stages.output, stages.output_rows):
        sch.compute_at(stage, at)
        sch.set_scope(stage, 0, "local")
        _unroll(sch, stage, at)


def _read_tiles(sch: Schedule, stages: Stages, at: LoopRV) -> None:
    """All tiles of the block, a block of channels after the other."""
    sch.compute_at(stages.input, at, preserve_unit_loops=True)
    info = BlockInfo(sch, stages.input)
    _, y, x, channel, row, column, lane = info.loops[-7:]
    sch.reorder(channel, row, column, y, x, lane)
    sch.compute_at(stages.input_rows, column)
    sch.set_scope(stages.input_rows, 0, "local")
    _unroll(sch, stages.input_rows, column)
    for loop in (y, x):
        sch.unroll(loop)
    sch.vectorize(lane)
    if stages.pad is not None:
        sch.compute_at(stages.pad, channel)
        vectorize_loop(sch, sch.get_loops(stages.pad)[-1], extent_of(sch, lane) or 1)


def _multiply(sch: Schedule, product: BlockRV, at: LoopRV, tile: RegisterTile) -> LoopRV:
    """The products of one tile of output channels, a register tile after the other. Returns the
    outermost loop of the sums."""
    sch.compute_at(product, at, preserve_unit_loops=True)
    loops = BlockInfo(sch, product).loops[-9:]
    _, vectors, y, x, row, column, lane, outer, inner = loops
    rows, row_inner = sch.split(row, [None, tile.rows[0]])
    columns, column_inner = sch.split(column, [None, tile.rows[1]])
    factor = reduction_unroll(tile, extent_of(sch, inner))
    steps, unrolled = sch.split(inner, [None, factor])
    sch.reorder(
        y, x, rows, columns, outer, steps, unrolled, row_inner, column_inner, vectors, lane
    )
    kept = sch.cache_write(product, 0, "local")
    sch.reverse_compute_at(kept, columns)
    _unroll(sch, kept, columns)
    for loop in (unrolled, row_inner, column_inner, vectors):
        sch.unroll(loop)
    sch.vectorize(lane)
    return outer


def _unroll(sch: Schedule, block: BlockRV, under: LoopRV) -> None:
    """Unrolls the loops of `block` under the loop `under`, the last one vectorized."""
    loops = sch.get_loops(block)
    depth = next(k for k, loop in enumerate(loops) if sch.get(loop) is sch.get(under))
    *rest, last = loops[depth + 1 :]
    for loop in rest:
        sch.unroll(loop)
    sch.vectorize(last)
