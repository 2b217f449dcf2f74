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
from dataclasses import dataclass

from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...target.target import Target
from ...tir.expr import IntImm, Var
from ...tir.function import PrimFunc
from ...tir.schedule import LoopRV, Schedule
from ..analysis import Access, BlockInfo, Contraction, IterInfo, variables
from ..base import ScheduleRule, note
from .fallback import attempted, schedule_rest
from .packing import operand_to_pack, pack, place_packing
from .pixels import merge_pixels
from .reduction import MAX_STRIDE
from .stages import (
    TOO_LITTLE,
    block_infos,
    extent_of,
    inline_injective,
    parallelize,
    unroll_tile,
    writeback,
)
from .tiling import (
    MAX_IMBALANCE,
    RegisterTile,
    bytes_of,
    imbalance,
    reduction_unroll,
    register_tile,
    tile_cycles,
    vector_lanes,
    worth_parallel,
)

NARROWER = 0.95
"""The share of the time that half vectors may take to be preferred."""


@dataclass(frozen=True, eq=False)
class Roles:
    """The axes of a contraction by what they do: see the module's text."""

    left: Access
    right: Access
    column: IterInfo
    outer_columns: list[IterInfo]
    rows: list[IterInfo]
    batch: list[IterInfo]
    reduction: list[IterInfo]


def roles_of(info: BlockInfo, found: Contraction) -> Roles | None:
    """The axes sorted; None if no axis can be a vector without gathering far elements."""
    for most, left, right in (
        (1, found.left, found.right),
        (1, found.right, found.left),
        (MAX_STRIDE, found.left, found.right),
        (MAX_STRIDE, found.right, found.left),
    ):
        column = next(
            (i for i in info.spatial if _is_column(i, found.out, left, right, most)), None
        )
        if column is None:
            continue
        others = [i for i in info.spatial if i is not column]
        columns = [i for i in others if right.moves(i.var) and not left.moves(i.var)]
        rows = [i for i in others if left.moves(i.var) and not right.moves(i.var)]
        batch = [i for i in others if i not in columns and i not in rows]
        spatial = {i.var for i in info.spatial}
        reduction = _reduction_order(info.reduction, left, right, spatial)
        made = Roles(left, right, column, columns, rows, batch, reduction)
        return None if _is_window(made, spatial) else made
    return None


def _is_window(roles: Roles, spatial: set[Var]) -> bool:
    """True for sums over the taps of a window alone whose vectors serve one result each: a
    convolution of each channel by itself."""
    if any(i.extent != 1 for i in roles.rows):
        return False
    taps = _windows(roles.left, roles.right, spatial)
    return all(i.extent == 1 or i.var in taps for i in roles.reduction)


def _is_column(i: IterInfo, out: Access, left: Access, right: Access, most: int) -> bool:
    if i.extent == 1 or i.var in left.variables or out.period(i.var) is not None:
        return False
    stride = right.stride(i.var)
    near = isinstance(stride, IntImm) and 1 <= stride.value <= most
    return near and out.is_unit(i.var)


def _reduction_order(
    axes: list[IterInfo], left: Access, right: Access, spatial: set[Var]
) -> list[IterInfo]:
    """Taps of a window first: neighbours must not share broadcasts across the unrolled body."""
    windows = _windows(left, right, spatial)
    last = [i for i in axes if i.var not in windows]
    if not last:
        return axes
    innermost = next((i for i in reversed(last) if i.extent != 1), last[-1])
    return [*(i for i in axes if i is not innermost), innermost]


def _windows(left: Access, right: Access, spatial: set[Var]) -> set[Var]:
    """The variables in indices that move with a spatial axis: its own, and those of taps."""
    return {
        v
        for access in (left, right)
        for index in access.indices
        if any(s in spatial and access.moves(s) for s in variables(index))
        for v in variables(index)
    }


def plan(machine: MachineModel, roles: Roles, dtype: str) -> RegisterTile:
    """The register tile for these axes.

    Of half vectors, if more of those are full and the machine loses no speed by them.
    """
    cycles, tile = _plan(machine, roles, dtype)
    half = machine.halved()
    if half is None or roles.column.extent is None or _most_vectors(roles) > 4:
        return tile
    narrow, small = _plan(half, roles, dtype)
    return small if narrow < NARROWER * cycles else tile


def _plan(machine: MachineModel, roles: Roles, dtype: str) -> tuple[float, RegisterTile]:
    """(cycles of a step of the reduction for each result along the columns, register tile)."""
    column = roles.column
    period = roles.right.period(column.var)
    lanes = vector_lanes(machine, dtype, period or column.extent)
    extent = column.extent
    vectors = None if extent is None else -(-extent // lanes)
    if period is not None and extent is not None:
        vectors = -(-extent // period) * (period // lanes)  # the last panel is padded
    groups = [roles.right.period(i.var) for i in roles.rows[-2:]]
    rows = [g or i.extent for g, i in zip(groups, roles.rows[-2:], strict=True)]
    outer = vectors == 1 and bool(roles.outer_columns)
    if outer:
        last = roles.outer_columns[-1]
        vectors = roles.left.period(last.var) or last.extent
    limit = (period or extent or 16 * lanes) // lanes if vectors != 1 and not outer else 4
    steps = _steps(roles)
    tile = register_tile(
        machine,
        lanes,
        rows,
        vectors,
        max_rows=_row_limit(machine, roles),
        max_vectors=max(1, min(_most_vectors(roles), limit)),
        whole=outer or period is not None,
        exact=[g is not None for g in groups],
        steps=steps,
    )
    results = (extent or lanes) * (vectors or 1 if outer else 1)
    return tile_cycles(machine, rows, vectors, tile.rows, tile.vectors, steps) / results, tile


def _steps(roles: Roles) -> int | None:
    """The length of the reduction; None if it is not known or there is one row."""
    if _most_vectors(roles) > 4:
        return None
    extents = [i.extent for i in roles.reduction]
    return None if None in extents else math.prod(e for e in extents if e is not None)


def _most_vectors(roles: Roles) -> int:
    """A single row streams its matrix: the wider, the longer each run in memory."""
    return 16 if all(i.extent == 1 for i in roles.rows) else 4


def _row_limit(machine: MachineModel, roles: Roles) -> int:
    """Rows far apart in memory compete for the ways of the first cache. Those of blocked images,
    whole lines apart, may be many; of others eight are fastest (measured: 114 GFLOP/s instead of 30
    to 80 with 14 rows of 27 or 147 elements)."""
    if not roles.rows:
        return 1
    stride = roles.left.stride(roles.rows[-1].var)
    if not isinstance(stride, IntImm) or not 0 < stride.value <= 256:
        return max(4, min(8, machine.l1d.ways))
    apart = bytes_of(roles.left.buffer.dtype, stride.value)
    lines = apart <= machine.l1d.line or apart % machine.l1d.line == 0
    return 64 if lines else max(4, min(8, machine.l1d.ways))


class Contractions(ScheduleRule):
    """Matrix products and convolutions whose vector axis is contiguous, with what surrounds them.

    Each contraction is tiled for registers; what follows it element by element is computed on
    the tile; what comes before it (padding, a cast) is computed once, in loops of its own.
    """

    def apply(self, func: PrimFunc, target: Target, tunable: bool) -> Schedule | None:
        """The function with all its contractions tiled; None if there is none that can be."""
        machine = MachineModel.of(target)
        sch = Schedule(func, error_render_level="fast")
        if not any(plain_roles(info) or operand_to_pack(info, None) for info in block_infos(sch)):
            return None
        inline_injective(sch)
        sch = merge_pixels(sch, machine)
        for info in block_infos(sch):
            sch = attempted(sch, info, machine, schedule_contraction)
        return schedule_rest(sch, machine)


def plain_roles(info: BlockInfo) -> Roles | None:
    found = info.contraction if info.is_plain() else None
    return roles_of(info, found) if found is not None else None


def schedule_contraction(sch: Schedule, info: BlockInfo, machine: MachineModel) -> None:
    """Tiles one contraction for registers; leaves any other block."""
    roles = plain_roles(info)
    found = operand_to_pack(info, roles)
    packed = pack(sch, info, found, machine) if found is not None else None
    if packed is not None:
        info = BlockInfo(sch, info.block_rv)
        roles = plain_roles(info)
    if roles is None:
        return
    out = info.output
    if out is None:
        raise ScheduleError("a contraction has one store")
    tile = plan(machine, roles, out.buffer.dtype)
    around_columns = 0 if packed is not None else rows_around_columns(machine, roles, tile)
    sharing = machine if packed is None else None
    nest = tile_loops(sch, info, roles, tile, rows_outside=around_columns, sharing=sharing)
    around = nest.around
    if packed is not None:
        panels = around[: len(nest.batch) + len(nest.columns)]
        place_packing(sch, packed, panels, tile.lanes)
        around = panels or around
    threads = TOO_LITTLE
    if worth_parallel(machine, out.buffer.dtype, info.work()):
        threads = parallelize(sch, around[:-1] or around, machine, ragged=nest.ragged)
    words = in_words(sch, tile, nest.unrolled, out.buffer.dtype)
    copied = "" if packed is None else f", `{roles.right.buffer.name}` in panels"
    note(sch, info.block_rv, f"{words}{copied}, {threads}")
    sch.decompose_reduction(info.block_rv, nest.reduction)


L2_COST, L3_COST = 0.2, 0.33
"""What a byte from the second and third cache costs, against one from memory."""


def rows_around_columns(machine: MachineModel, roles: Roles, tile: RegisterTile) -> int:
    """How many row axes run around the panels of columns.

    A left side that is too large for the caches comes from memory once for each panel, unless some
    of its rows run outside: then the rows within are read again from a cache, and so are all the
    panels for each row outside.
    """
    rows = [i.extent for i in roles.rows]
    left, right = _bytes_read(roles, roles.left), _bytes_read(roles, roles.right)
    near = max(machine.l2.size, machine.l3.size // 4)
    if left is None or right is None or None in rows or left <= near:
        return 0
    columns = (roles.column, *roles.outer_columns)
    wide = math.prod(i.extent or 1 for i in columns)
    panels = -(-wide // (tile.vectors * tile.lanes))

    def cost(size: int) -> float:
        if size <= machine.l2.size // 2:
            return L2_COST
        return L3_COST if size <= near else 1.0

    def traffic(count: int) -> float:
        outer = math.prod(e for e in rows[:count] if e is not None)
        again = (panels - 1) * left * cost(left // outer)
        return again + outer * right * cost(right)

    return min(range(max(1, len(rows))), key=traffic)


def _bytes_read(roles: Roles, access: Access) -> int | None:
    """The memory that an operand takes, if it is known: at most what its axes reach."""
    axes = (roles.column, *roles.outer_columns, *roles.rows, *roles.batch, *roles.reduction)
    extents = [i.extent for i in axes if i.var in access.variables]
    sizes = [d.value if isinstance(d, IntImm) else None for d in access.buffer.shape]
    if None in extents or None in sizes:
        return None
    reached = math.prod(e for e in extents if e is not None)
    return bytes_of(access.buffer.dtype, min(reached, math.prod(s for s in sizes if s is not None)))


@dataclass(frozen=True, eq=False)
class TiledLoops:
    """The loops of a tiled contraction: those around a tile (`ragged` are those whose last
    iteration is not full), the first of its reduction, and the unrolled one."""

    batch: list[LoopRV]
    columns: list[LoopRV]
    ragged: list[LoopRV]
    around: list[LoopRV]
    reduction: LoopRV
    unrolled: LoopRV


def tile_loops(
    sch: Schedule,
    info: BlockInfo,
    roles: Roles,
    tile: RegisterTile,
    outside: int = 0,
    rows_outside: int = 0,
    sharing: MachineModel | None = None,
) -> TiledLoops:
    """Tiles the loops of `roles`, the accumulators in registers and what follows in the tile.

    `outside`: how many loops there are around those of `roles`. `rows_outside`: how many of the
    row axes run around the panels of columns; the others run within each panel. `sharing`: the
    machine among whose cores rows are to be shared where columns do not divide evenly.
    """
    columns, vectors, vector = _split_columns(sch, roles, tile)
    row_tiles, row_inner = _split_rows(sch, roles, tile)
    reduce_loops, unrolled = _split_reduction(sch, roles, tile)
    batch = [_loop(i) for i in roles.batch]
    ragged = _ragged(roles, tile, columns, row_tiles)
    shares: list[LoopRV] = []
    if sharing is not None and not rows_outside:
        leading = [*batch, *columns]
        share = _row_share(sch, roles, tile, leading, row_tiles, ragged, sharing)
        shares = [] if share is None else [share]
    around = [*batch, *shares, *row_tiles[:rows_outside], *columns, *row_tiles[rows_outside:]]
    sch.reorder(*around, *reduce_loops, unrolled, *row_inner, *vectors, vector)
    if not around:
        around = [sch.add_unit_loop(reduce_loops[0] if reduce_loops else unrolled)]
    after = writeback(sch, info, around[-1])
    for loop in (unrolled, *row_inner, *vectors):
        sch.unroll(loop)
    sch.vectorize(vector)
    unroll_tile(sch, after, outside + len(around), tile.lanes)
    first = (reduce_loops or [unrolled])[0]
    return TiledLoops(batch, columns, ragged, around, first, unrolled)


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
        found.append(columns[-1])
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
    them; None if the `leading` loops, over batch and columns, can be shared as evenly."""
    extents = [extent_of(sch, loop) for loop in leading]
    total = math.prod(e or 1 for e in extents)
    wide = roles.column.extent
    if machine.cores == 1 or None in extents or not row_tiles or wide is None:
        return None
    full = max(1.0, wide / (tile.vectors * tile.lanes))
    work = total * full / math.ceil(full)
    rows = extent_of(sch, row_tiles[0])
    if total >= 16 * machine.cores or rows is None or rows % machine.cores:
        return None
    if row_tiles[0] in ragged or imbalance(total, machine.cores, work) <= MAX_IMBALANCE:
        return None
    share: LoopRV
    share, row_tiles[0] = sch.split(row_tiles[0], [machine.cores, None])
    return share


def _loop(i: IterInfo) -> LoopRV:
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
    """(loops of the reduction, its unrolled innermost steps)."""
    loops = [_loop(i) for i in roles.reduction]
    factor = reduction_unroll(tile, extent_of(sch, loops[-1]))
    around, steps = sch.split(loops[-1], [None, factor])
    return [*loops[:-1], around], steps
