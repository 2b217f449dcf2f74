"""Winograd convolutions: a few rows of tiles at a time, so that what is between stays in cache.

    parallel block of tile rows:
        for input channel block: pad; V = B^T d B          # by tiles, vectors over channels
        for group of output channels:
            for point, register tile of tiles: M = V * U   # sums over input channels
            for tile: out = epilogue(A^T M A)

Where the weights U are too large to be read for every few rows, the blocks are larger and go
point by point: then V and M leave the cache, but U is read once.

        for point, group of output channels, register tile of tiles: M = V * U
        for group of output channels, tile: out = epilogue(A^T M A)

Small images are taken several at a time. With fewer blocks than cores, what is inside of a block
runs in parallel.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

from ...target.machine import MachineModel
from ...target.target import Target
from ...tir.analysis.usual import USUAL_IMAGE
from ...tir.function import PrimFunc
from ...tir.schedule import BlockRV, LoopRV, Schedule
from ...tir.transform.loop_partition import UNCUT
from ...tir.transform.prefetch_ahead import PREFETCH_NEXT
from ..analysis import BlockInfo
from ..base import ScheduleRule, note
from .stages import TOO_LITTLE, attempt, block_infos, extent_of, inline_injective, vectorize_loop
from .tiling import (
    MEMORY_BYTES,
    RegisterTile,
    bytes_of,
    fetches_next,
    fits,
    reduction_unroll,
    register_tile,
    tile_cycles,
    worth_parallel,
)

NEAR = 24
"""Bytes in a cycle from a third cache that holds them."""

SHARED = 0.25
"""The share of the shorter of two times by which work and loads that overlap take longer."""

PASSES = 4
"""How often all points of a tile cross the second cache's border when they do not fit: V and M are
written and read, each point in a place of its own."""

SCALES = (1, 2, 4)
"""How many times a usual image's height and width those images have that a plan is made for where
they are not known."""

USUAL_NUMBERS = 16 * USUAL_IMAGE
"""Channels times the height, or the width, of a usual image in the middle of a network."""

PRODUCT = "winograd_product"
STAGES = (
    "winograd_input_rows", "winograd_input", PRODUCT, "winograd_output_rows", "winograd_output",
)  # fmt: skip

GATHER = "winograd"
"""The image put together from its tiles; what follows reads the tiles themselves."""


class Winograd(ScheduleRule):
    """One Winograd convolution in blocked layout, with what follows."""

    def apply(self, func: PrimFunc, target: Target, tunable: bool) -> Schedule | None:
        """The function with its stages fused; None if it is something else."""
        sch = Schedule(func, error_render_level="fast")
        names = [info.name for info in block_infos(sch)]
        if any(names.count(stage) != 1 for stage in STAGES):
            return None
        inline_injective(sch, frozenset([*STAGES, GATHER, "pad_temp"]))
        for info in block_infos(sch):
            if info.name == GATHER and sch.get_consumers(info.block_rv):
                attempt(sch.compute_inline, info.block_rv)
        stages = _stages(sch)
        if stages is None:
            return None
        sizes = sizes_of(BlockInfo(sch, stages.product))
        if sizes is None:
            return None
        machine = MachineModel.of(target)
        return _scheduled(sch, stages, plan_of(machine, sizes), machine)


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
    rows, points, product, halves, tiles = (infos[stage] for stage in STAGES)
    return Stages(infos.get("pad_temp"), rows, points, product, halves, tiles, last.block_rv)


@dataclass(frozen=True)
class Sizes:
    """The extents of the products: output blocks of `lanes` channels, points in each direction,
    tile rows and columns, input channels. `batch` is None if it is not known; `is_open`: whether
    rows or columns are not, and stand for usual ones."""

    batch: int | None
    blocks: int
    side: int
    rows: int
    columns: int
    lanes: int
    channels: int
    dtype: str
    is_open: bool = False

    def scaled(self, by: int) -> Sizes:
        """The sizes of an image `by` times as high and wide, known."""
        rows, columns = (math.ceil((n - 0.5) * by) for n in (self.rows, self.columns))
        return replace(self, rows=rows, columns=columns, is_open=False)

    def bytes_of(self, each: int, channels: int) -> int:
        """The memory of all points of `each` x `channels` numbers."""
        return bytes_of(self.dtype, self.side**2 * each * channels)


@dataclass(frozen=True)
class WinogradPlan:
    """`rows` tile rows of `images` images in each of `blocks` blocks; `by_point`: whether the
    product goes through all channels for a point, or through all points for a group of channels;
    `tiles`: how many register tiles go through the weights of a point and group while those of the
    next are fetched; None if that is not worth it."""

    tile: int
    images: int
    rows: int
    blocks: int
    by_point: bool
    registers: RegisterTile
    cycles: float
    tiles: int | None


def sizes_of(product: BlockInfo) -> Sizes | None:
    """The extents; None if there are no products. Rows and columns that are not known are those of
    a usual image of so many channels."""
    batch, blocks, side, _, rows, columns, lanes, outer, inner = (i.extent for i in product.iters)
    if not (blocks and side and lanes and outer and inner) or product.output is None:
        return None
    if 0 in (batch, rows, columns):
        return None
    usual = math.ceil(max(1, USUAL_NUMBERS // (outer * inner)) / (side - 2))
    return Sizes(
        batch, blocks, side, rows or usual, columns or usual, lanes, outer * inner,
        product.output.buffer.dtype, None in (rows, columns),
    )  # fmt: skip


def plan_of(machine: MachineModel, sizes: Sizes) -> WinogradPlan:
    """The plan of the fewest cycles among those whose blocks are of equal size: some rows of an
    image, or some images."""
    if sizes.is_open:
        return _plan_of_open(machine, sizes)
    blocks = [(1, n) for n in _divisors(sizes.rows)]
    blocks += [(n, sizes.rows) for n in _divisors(sizes.batch or 1) if n > 1]
    plans = []
    for images, rows in blocks:
        extents = (images, rows, sizes.columns)
        tile = _register_tile(machine, sizes, extents)
        plans += [_plan(machine, sizes, images, rows, way, tile) for way in (False, True)]
    return min(plans, key=lambda plan: plan.cycles)


def _plan_of_open(machine: MachineModel, sizes: Sizes) -> WinogradPlan:
    """The plan that loses least, in the mean over a usual image and larger ones, to the plan that
    each of these would have if it were known. Its tiles are of one row."""
    images = [sizes.scaled(by) for by in SCALES]
    best = [plan_of(machine, image).cycles for image in images]
    tiles: set[RegisterTile] = set()
    for image in images:
        tile = register_tile(machine, sizes.lanes, (1, 1, image.columns), sizes.blocks, whole=True)
        wide = replace(tile, vectors=2 * tile.vectors)
        fitting = fits(machine, math.prod(tile.rows), wide.vectors)
        tiles |= {tile, wide} if fitting and sizes.blocks % wide.vectors == 0 else {tile}
    heights = sorted({n for image in images for n in _divisors(image.rows)})

    def loss(way: tuple[int, bool, RegisterTile]) -> float:
        plans = (_plan(machine, image, 1, *way) for image in images)
        return sum(plan.cycles / known for plan, known in zip(plans, best, strict=True))

    ordered = sorted(tiles, key=lambda tile: (tile.rows, tile.vectors))
    found = min(itertools.product(heights, (False, True), ordered), key=loss)
    return _plan(machine, images[0], 1, *found)


def _register_tile(
    machine: MachineModel, sizes: Sizes, extents: tuple[int, int, int]
) -> RegisterTile:
    """The register tile for blocks of so many images, tile rows and columns. Blocks that are a part
    of the batch or of an image are whole tiles: one that reached into the next would write
    there."""
    tile = register_tile(
        machine, sizes.lanes, extents, sizes.blocks, whole=True, steps=sizes.channels
    )
    images, rows, columns = extents
    cuts_images = images < (sizes.batch or 1) and images % tile.rows[0] != 0
    cuts_rows = rows < sizes.rows and rows % tile.rows[1] != 0
    if not (cuts_images or cuts_rows):
        return tile
    smaller = (1 if cuts_images else images, 1 if cuts_rows else rows, columns)
    return _register_tile(machine, sizes, smaller)


def _divisors(extent: int) -> list[int]:
    """The divisors of `extent` in rising order."""
    return [n for n in range(1, extent + 1) if extent % n == 0]


def _plan(
    machine: MachineModel, sizes: Sizes, images: int, rows: int, by_point: bool, tile: RegisterTile
) -> WinogradPlan:
    """The plan for blocks of so many images and rows of tiles, with the cycles that it takes."""
    blocks = (sizes.batch or machine.cores) // images * math.ceil(sizes.rows / rows)
    extents = (images, sizes.rows, sizes.columns)
    steps = tile_cycles(machine, extents, sizes.blocks, tile.rows, tile.vectors, sizes.channels)
    work = (sizes.batch or machine.cores) // images * steps * sizes.side**2 * sizes.channels
    tiles = images * min(rows, sizes.rows) * sizes.columns
    weights, spilled = _traffic(machine, sizes, tiles, blocks, by_point, tile.vectors)
    cycles = max(work, weights) + SHARED * min(work, weights) + spilled
    idle = math.ceil(blocks / machine.cores) * machine.cores / blocks
    each = cycles * (idle if blocks >= machine.cores else 1)
    kernels = sizes.bytes_of(sizes.channels, sizes.blocks * sizes.lanes)
    count = -(-tiles // math.prod(tile.rows))
    fetches = fetches_next(machine, tile, sizes.dtype, sizes.channels, count, kernels)
    fetching = count if fetches else None
    return WinogradPlan(sizes.side - 2, images, rows, blocks, by_point, tile, each, fetching)


def _traffic(
    machine: MachineModel, sizes: Sizes, tiles: int, blocks: int, by_point: bool, vectors: int
) -> tuple[float, float]:
    """The cycles in which weights, and what of the blocks of so many tiles does not fit into the
    second cache, come from beyond it."""
    out, group = sizes.blocks * sizes.lanes, vectors * sizes.lanes
    weights = sizes.bytes_of(sizes.channels, out)
    data = sizes.bytes_of(tiles, sizes.channels)
    held = data + sizes.bytes_of(tiles, out if by_point else group)
    again = 1 if held + weights <= machine.l2.size else blocks
    if held <= machine.l2.size * 3 // 4:
        return again * weights / MEMORY_BYTES, 0
    if by_point:
        return again * weights / MEMORY_BYTES, blocks * PASSES * held / MEMORY_BYTES
    rate = NEAR if held <= machine.l3.size // 4 else MEMORY_BYTES
    return again * weights / MEMORY_BYTES, blocks * data * (out // group + 1) / rate


def _scheduled(
    sch: Schedule, stages: Stages, plan: WinogradPlan, machine: MachineModel
) -> Schedule:
    """The stages in the loops of the plan."""
    batch, channels, height, width, lanes = sch.get_loops(stages.last)
    dtype = BlockInfo(sch, stages.product).block.writes[0].buffer.dtype
    height_is_open = extent_of(sch, height) is None
    block, row, y = sch.split(height, [None, plan.rows, plan.tile])
    column, x = sch.split(width, [None, plan.tile])
    group, vector = sch.split(channels, [None, plan.registers.vectors])
    images: list[LoopRV] = []
    if plan.images > 1:
        batch, *images = sch.split(batch, [None, plan.images])
    sch.reorder(batch, block, group, *images, row, column, vector, y, x, lanes)
    _write_tiles(sch, stages, vector)
    product = _multiply(sch, stages.product, block if plan.by_point else group, plan)
    transform = _read_tiles(sch, stages, block)
    for loop in (y, x):
        sch.unroll(loop)
    sch.vectorize(lanes)
    threads = TOO_LITTLE
    if worth_parallel(machine, dtype, int(plan.cycles * machine.lanes(dtype))):
        if plan.blocks >= machine.cores:
            block = sch.fuse(batch, block)
            parallel = [block]
        else:
            parallel = [transform, group, *([product.points] if plan.by_point else [])]
        for loop in parallel:
            if extent_of(sch, loop) != 1:
                sch.parallel(loop)
        threads = f"parallel over {plan.blocks if plan.blocks >= machine.cores else 'its insides'}"
    if height_is_open:
        sch.annotate(block, UNCUT, 1)
    ahead = ""
    if plan.tiles is not None:
        sch.annotate(product.reduction, PREFETCH_NEXT, plan.tiles)
        ahead = ", panels fetched one ahead"
    note(sch, stages.product, f"{_in_words(plan, dtype)}{ahead}, {threads}")
    sch.decompose_reduction(stages.product, product.reduction)
    return sch


def _in_words(plan: WinogradPlan, dtype: str) -> str:
    """The plan, for people."""
    tile = plan.registers
    rows = "x".join(map(str, tile.rows[tile.rows[0] == 1 :]))
    order = "point by point" if plan.by_point else "by groups of channels"
    images = f" of {plan.images} images" if plan.images > 1 else ""
    return (
        f"F({plan.tile}x{plan.tile}) by {plan.rows} rows of tiles{images}, {order}, "
        f"{rows} tiles by {tile.vectors} {dtype}x{tile.lanes}"
    )


def _write_tiles(sch: Schedule, stages: Stages, at: LoopRV) -> None:
    """A tile of the output at a time, in registers."""
    for stage in (stages.output, stages.output_rows):
        sch.compute_at(stage, at)
        sch.set_scope(stage, 0, "local")
        _unroll(sch, stage, at)


def _read_tiles(sch: Schedule, stages: Stages, at: LoopRV) -> LoopRV:
    """All tiles of the block, a block of channels after the other. Returns the loop over those."""
    sch.compute_at(stages.input, at, preserve_unit_loops=True)
    info = BlockInfo(sch, stages.input)
    image, y, x, channel, row, column, lane = info.loops[-7:]
    sch.reorder(channel, image, row, column, y, x, lane)
    sch.compute_at(stages.input_rows, column)
    sch.set_scope(stages.input_rows, 0, "local")
    _unroll(sch, stages.input_rows, column)
    for loop in (y, x):
        sch.unroll(loop)
    sch.vectorize(lane)
    if stages.pad is not None:
        sch.compute_at(stages.pad, image)
        vectorize_loop(sch, sch.get_loops(stages.pad)[-1], extent_of(sch, lane) or 1)
    return channel


@dataclass(frozen=True)
class Product:
    """The loop over points, outermost in the product, and the outermost one of the sums."""

    points: LoopRV
    reduction: LoopRV


def _multiply(sch: Schedule, product: BlockRV, at: LoopRV, plan: WinogradPlan) -> Product:
    """The products, a register tile after the other."""
    tile = plan.registers
    sch.compute_at(product, at, preserve_unit_loops=True)
    image, blocks, y, x, row, column, lane, outer, inner = BlockInfo(sch, product).loops[-9:]
    group, vectors = sch.split(blocks, [None, tile.vectors])
    pairs = zip((image, row, column), tile.rows, strict=True)
    tiles, within = zip(*(sch.split(loop, [None, n]) for loop, n in pairs), strict=True)
    steps, unrolled = sch.split(inner, [None, reduction_unroll(tile, extent_of(sch, inner))])
    sch.reorder(y, x, group, *tiles, outer, steps, unrolled, *within, vectors, lane)
    points = sch.fuse(y, x)
    kept = sch.cache_write(product, 0, "local")
    sch.reverse_compute_at(kept, tiles[-1])
    _unroll(sch, kept, tiles[-1])
    for loop in (unrolled, *within, vectors):
        sch.unroll(loop)
    sch.vectorize(lane)
    return Product(points, outer)


def _unroll(sch: Schedule, block: BlockRV, under: LoopRV) -> None:
    """Unrolls the loops of `block` under the loop `under`, the last one vectorized."""
    loops = sch.get_loops(block)
    depth = next(k for k, loop in enumerate(loops) if sch.get(loop) is sch.get(under))
    *rest, last = loops[depth + 1 :]
    for loop in rest:
        sch.unroll(loop)
    sch.vectorize(last)
