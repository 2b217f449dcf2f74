"""The loops of a tiled sum of products, whatever the tile."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...tir.schedule import LoopRV, Schedule
from ..analysis import BlockInfo, IterInfo
from .roles import Roles
from .stages import extent_of, unroll_tile, writeback
from .tiling import MAX_IMBALANCE, RegisterTile, imbalance, reduction_unroll


@dataclass(frozen=True, eq=False)
class TiledLoops:
    """The loops of a tiled contraction: those around a tile (`ragged` are those whose last
    iteration is not full, `share` the one over shares of rows), the first of its reduction, and the
    unrolled one."""

    batch: list[LoopRV]
    columns: list[LoopRV]
    ragged: list[LoopRV]
    share: LoopRV | None
    around: list[LoopRV]
    reduction: LoopRV
    unrolled: LoopRV


@dataclass(frozen=True)
class TileOrder:
    """In which order tiles are computed.

    `outside`: how many loops there are around those of the contraction. `rows_outside`: how many of
    the row axes run around the panels of columns; the others run within each panel. `sharing`: the
    machine among whose cores rows are to be shared where columns do not divide evenly, or in any
    case (`by_rows`). `block`: how many of the last loop over tiles of rows run within a panel of
    columns before the next panel, if not all.
    """

    outside: int = 0
    rows_outside: int = 0
    sharing: MachineModel | None = None
    by_rows: bool = False
    block: int | None = None


def tile_loops(
    sch: Schedule, info: BlockInfo, roles: Roles, tile: RegisterTile, order: TileOrder
) -> TiledLoops:
    """Tiles the loops of `roles`, the accumulators in registers and what follows in the tile."""
    columns, vectors, vector = _split_columns(sch, roles, tile)
    row_tiles, row_inner = _split_rows(sch, roles, tile)
    reduce_loops, unrolled = _split_reduction(sch, roles, tile)
    batch = [_loop(i) for i in roles.batch]
    ragged = _ragged(roles, tile, columns, row_tiles)
    share: LoopRV | None = None
    if order.sharing is not None and not order.rows_outside and order.block is None:
        leading = [] if order.by_rows else [*batch, *columns]
        share = _row_share(sch, roles, tile, leading, row_tiles, ragged, order.sharing)
    shares = [] if share is None else [share]
    first_rows, last_rows = row_tiles[: order.rows_outside], row_tiles[order.rows_outside :]
    around = [*batch, *shares, *first_rows, *columns, *last_rows]
    sch.reorder(*around, *reduce_loops, unrolled, *row_inner, *vectors, vector)
    if not around:
        around = [sch.add_unit_loop(reduce_loops[0] if reduce_loops else unrolled)]
    after = writeback(sch, info, around[-1])
    for loop in (unrolled, *row_inner, *vectors):
        sch.unroll(loop)
    sch.vectorize(vector)
    unroll_tile(sch, after, order.outside + len(around), tile.lanes)
    first = (reduce_loops or [unrolled])[0]
    made = TiledLoops(batch, columns, ragged, share, around, first, unrolled)
    if order.block is not None:  # after the copies, which have to see whole tiles
        _block_rows(sch, made, order.block)
    return made


def _block_rows(sch: Schedule, nest: TiledLoops, block: int) -> None:
    """Lets only `block` tiles of rows run within a panel of columns before the next panel."""
    around, columns = nest.around, nest.columns
    tiles = extent_of(sch, around[-1])
    whole = around[-1] not in nest.ragged and tiles is not None and tiles % block == 0
    outer, around[-1] = sch.split(around[-1], [None, block])
    if not whole:
        nest.ragged.append(outer)
    sch.reorder(outer, *columns, around[-1])
    around.insert(len(around) - 1 - len(columns), outer)


def in_words(sch: Schedule, tile: RegisterTile, unrolled: LoopRV, dtype: str) -> str:
    """The tile of a schedule, for people."""
    rows = "x".join(str(n) for n in tile.rows if n > 1) or "1"
    text = f"{rows} rows by {tile.vectors} {dtype}x{tile.lanes}"
    steps = extent_of(sch, unrolled) or 1
    return f"{text}, sum by {steps}" if steps > 1 else text


def _ragged(
    roles: Roles, tile: RegisterTile, columns: list[LoopRV], row_tiles: list[LoopRV]
) -> list[LoopRV]:
    """The loops over tiles of which the last is not full."""
    found = []
    wide = roles.column.extent
    if columns and (wide is None or (wide > tile.lanes and wide % (tile.vectors * tile.lanes))):
        found += columns[-2:] if wide is None and roles.outer_columns else columns[-1:]
    first = len(roles.rows) - len(tile.rows)
    sizes = zip(row_tiles[first:], roles.rows[first:], tile.rows, strict=True)
    return found + [l for l, i, n in sizes if i.extent is None or i.extent % n]


def _row_share(
    sch: Schedule,
    roles: Roles,
    tile: RegisterTile,
    leading: list[LoopRV],
    row_tiles: list[LoopRV],
    ragged: list[LoopRV],
    machine: MachineModel,
) -> LoopRV | None:
    """A loop that gives each core its share of the rows, taken off the first loop over tiles of
    them that has some; None if the `leading` loops, over batch and columns, can be shared as
    evenly."""
    extents = [extent_of(sch, loop) for loop in leading]
    total = math.prod(e or 1 for e in extents)
    wide = roles.column.extent
    if machine.cores == 1 or None in extents or not row_tiles or wide is None:
        return None
    full = max(1.0, wide / (tile.vectors * tile.lanes))
    work = total * full / math.ceil(full) if leading else total
    k = next((k for k, loop in enumerate(row_tiles) if extent_of(sch, loop) != 1), 0)
    rows = extent_of(sch, row_tiles[k])
    if total >= 16 * machine.cores or rows is None or rows % machine.cores:
        return None
    if row_tiles[k] in ragged or imbalance(total, machine.cores, work) <= MAX_IMBALANCE:
        return None
    share: LoopRV
    share, row_tiles[k] = sch.split(row_tiles[k], [machine.cores, None])
    return share


def _loop(i: IterInfo) -> LoopRV:
    """The loop of an axis. Raises `ScheduleError` if it is not one loop."""
    if i.loop_rv is None:
        raise ScheduleError(f"the axis {i} is not one loop")
    return i.loop_rv


def _split_columns(
    sch: Schedule, roles: Roles, tile: RegisterTile
) -> tuple[list[LoopRV], list[LoopRV], LoopRV]:
    """(loops over column tiles, vectors of a tile, lanes of a vector)."""
    column = _loop(roles.column)
    outer = [_loop(i) for i in roles.outer_columns]
    extent = extent_of(sch, column)
    if extent is None and outer:  # vectors below each other: a short row fills one of them
        across, lanes = sch.split(column, [None, tile.lanes])
        around, vectors = sch.split(outer[-1], [None, tile.vectors])
        return [*outer[:-1], around, across], [vectors], lanes
    if extent is None or extent > tile.lanes:
        around, vectors, lanes = sch.split(column, [None, tile.vectors, tile.lanes])
        return [*outer, around], [vectors], lanes
    if not outer:
        return [], [], column
    around, vectors = sch.split(outer[-1], [None, tile.vectors])
    return [*outer[:-1], around], [vectors], column


def _split_rows(
    sch: Schedule, roles: Roles, tile: RegisterTile
) -> tuple[list[LoopRV], list[LoopRV]]:
    """(loops over row tiles, rows of a tile)."""
    loops = [_loop(i) for i in roles.rows]
    untiled = loops[: len(loops) - len(tile.rows)]
    outer, inner = list(untiled), []
    for loop, size in zip(loops[len(untiled) :], tile.rows, strict=True):
        around, within = sch.split(loop, [None, size])
        outer.append(around)
        inner.append(within)
    return outer, inner


def _split_reduction(
    sch: Schedule, roles: Roles, tile: RegisterTile
) -> tuple[list[LoopRV], LoopRV]:
    """(loops of the reduction, its unrolled innermost steps). Raises `ScheduleError` for a sum of
    one step that is no loop."""
    loops = [_loop(i) for i in roles.reduction]
    if not loops:
        raise ScheduleError("the sum is no loop")
    factor = reduction_unroll(tile, extent_of(sch, loops[-1]))
    around, steps = sch.split(loops[-1], [None, factor])
    return [*loops[:-1], around], steps
