"""Sums of products: matrix products and convolutions, by one register tile.

`out[.., row.., col] += left[row.., k..] * right[k.., col]`: `col` is contiguous in `out` and in
`right` and does not occur in `left`. A tile of rows by vectors of `col` accumulates in registers
while the reduction runs over it; each step loads the vectors once and broadcasts a value a row.

    parallel batch, column tile: row tile:
        acc[rows][vectors] = 0
        for k..: for k' in unrolled(8): acc += left[row, k] * right[k, vector]
        out[row, vector] = epilogue(acc)
"""

from __future__ import annotations

import math

from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...target.target import Target
from ...tir.function import PrimFunc
from ...tir.schedule import BlockRV, Schedule
from ...tir.transform.prefetch_ahead import PREFETCH_AHEAD, PREFETCH_NEXT
from ..analysis import Access, BlockInfo
from ..base import ScheduleRule, note
from .fallback import attempted, schedule_rest
from .packing import operand_to_pack, pack, place_packing
from .pixels import merge_pixels
from .reduction import borders
from .roles import (
    Roles,
    bytes_read,
    fetches_panels,
    plain_roles,
    plan,
    row_block,
    rows_around_columns,
    tiles_of_rows,
)
from .stages import (
    TOO_LITTLE,
    Whole,
    block_infos,
    extent_of,
    inline_injective,
    parallelize,
    vectorize_loop,
)
from .thin import schedule_thin, thin_product
from .tiles import TiledLoops, TileOrder, in_words, tile_loops
from .tiling import RegisterTile, bytes_of, kept_near, tiles_ahead, worth_parallel

MOST_READ = 4
"""How many times larger than the left side the right one may be that each core reads whole, where
the left one crosses to no other core for that."""


class Contractions(ScheduleRule):
    """Matrix products and convolutions whose vector axis is contiguous, with what surrounds them.

    Each contraction is tiled for registers; what follows it element by element is computed on
    the tile; what comes before it (padding, a cast) is computed once, in loops of its own.
    """

    def apply(self, func: PrimFunc, target: Target, tunable: bool) -> Schedule | None:
        """The function with all its contractions tiled; None if there is none that can be."""
        machine = MachineModel.of(target)
        sch = Schedule(func, error_render_level="fast")
        if not any(_is_ours(info, machine) for info in block_infos(sch)):
            return None
        inline_injective(sch)
        sch = merge_pixels(sch, machine)
        whole: Whole = []
        alone = sum(info.is_reduction() for info in block_infos(sch)) == 1

        def contraction(trial: Schedule, info: BlockInfo, machine: MachineModel) -> None:
            found = schedule_contraction(trial, info, machine)
            check = trial if alone else trial.copy()
            for block, loop in found:
                check.decompose_reduction(block, loop)  # raises if it will not apply
            whole.extend([] if alone else found)

        for info in block_infos(sch):
            sch = attempted(sch, info, machine, contraction)
        return schedule_rest(sch, machine, whole)


def _is_ours(info: BlockInfo, machine: MachineModel) -> bool:
    """True for a block that one of the ways to compute a contraction fits."""
    found = plain_roles(info) or operand_to_pack(info, None) or thin_product(info, machine)
    return found is not None


def schedule_contraction(sch: Schedule, info: BlockInfo, machine: MachineModel) -> Whole:
    """Tiles one contraction for registers; leaves any other block. Returns where its sums are to be
    decomposed."""
    if thin_product(info, machine) is not None:
        return schedule_thin(sch, info, machine)
    roles = plain_roles(info)
    found = operand_to_pack(info, roles)
    packed = pack(sch, info, found, machine) if found is not None else None
    if packed is not None:
        info = BlockInfo(sch, info.block_rv)
        roles = plain_roles(info)
    if roles is None:
        return []
    out = info.output
    if out is None:
        raise ScheduleError("a contraction has one store")
    tile = plan(machine, roles, out.buffer.dtype)
    around_columns = 0 if packed is not None else rows_around_columns(machine, roles, tile)
    sharing = machine if packed is None else None
    border = _border_to_share(sch, info, roles) if sharing is not None else None
    order = TileOrder(
        rows_outside=around_columns,
        sharing=sharing,
        by_rows=border is not None,
        block=row_block(machine, roles, tile) if packed is None else None,
    )
    nest = tile_loops(sch, info, roles, tile, order)
    around = nest.around
    if packed is not None:
        panels = around[: len(nest.batch) + len(nest.columns)]
        place_packing(sch, packed, panels, tile.lanes, machine)
        around = panels or around
    outside = around[:-1] or around
    if border is not None and nest.share is not None:
        outside = around[: around.index(nest.share) + 1]
        sch.compute_at(border, nest.share)
        vectorize_loop(sch, sch.get_loops(border)[-1], machine.lanes(out.buffer.dtype))
    threads = TOO_LITTLE
    if worth_parallel(machine, out.buffer.dtype, info.work()):
        threads = parallelize(sch, outside, machine, ragged=nest.ragged)
    words = in_words(sch, tile, nest.unrolled, out.buffer.dtype)
    copied = "" if packed is None else f", `{roles.right.buffer.name}` in panels"
    ahead = _fetch_ahead(sch, machine, roles, tile, nest)
    if packed is None and fetches_panels(machine, roles, tile):
        sch.annotate(nest.reduction, PREFETCH_NEXT, tiles_of_rows(roles, tile))
        ahead += ", panels fetched one ahead"
    note(sch, info.block_rv, f"{words}{copied}{ahead}, {threads}")
    return [(info.block_rv, nest.reduction)]


def _fetch_ahead(
    sch: Schedule, machine: MachineModel, roles: Roles, tile: RegisterTile, nest: TiledLoops
) -> str:
    """Lets the rows of a left side that the caches do not keep, besides a result of that size, be
    fetched before their turn; returns in words how far ahead."""
    size = bytes_read(roles, roles.left)
    extents = [i.extent for i in roles.reduction]
    if not roles.rows or size is None or 2 * size <= kept_near(machine) or None in extents:
        return ""
    inner = next((i for i in reversed(roles.reduction) if i.extent != 1), None)
    if inner is None or not roles.left.is_unit(inner.var):
        return ""
    steps = math.prod(e for e in extents if e is not None)
    run = bytes_of(roles.left.buffer.dtype, inner.extent or 1)
    ahead = tiles_ahead(machine, tile, steps, run)
    if ahead == 0 or extent_of(sch, nest.around[-1]) == 1:
        return ""
    sch.annotate(nest.around[-1], PREFETCH_AHEAD, ahead)
    return f", fetched {ahead} tiles ahead"


def _border_to_share(sch: Schedule, info: BlockInfo, roles: Roles) -> BlockRV | None:
    """The left side with a border, unless the right side is far larger: each core makes the part
    that it reads, which need not cross to it from another one, and reads all of the right."""
    left, right = (bytes_read(roles, side) for side in (roles.left, roles.right))
    found = [rv for rv in borders(sch, info) if _writes(sch, rv, roles.left)]
    if len(found) != 1 or left is None or right is None or right >= MOST_READ * left:
        return None
    return found[0]


def _writes(sch: Schedule, block: BlockRV, access: Access) -> bool:
    """True if the block writes the buffer that `access` reads."""
    return any(w.buffer is access.buffer for w in sch.get(block).writes)
