"""The axes of a sum of products by what they do, and the register tile for them.

`out[.., row.., col] += left[row.., k..] * right[k.., col]`: `col` is contiguous in `out` and in
`right` and does not occur in `left`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...target.machine import MachineModel
from ...tir.expr import IntImm, Var
from ..analysis import Access, BlockInfo, Contraction, IterInfo, variables
from .reduction import MAX_STRIDE
from .tiling import (
    RegisterTile,
    bytes_of,
    fetches_next,
    kept_near,
    register_tile,
    tile_cycles,
    vector_lanes,
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
    """True for an axis of the right side and the result alone along which the result is contiguous
    and the right side has a stride of at most `most`."""
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
    outer = (vectors == 1 or extent is None) and bool(roles.outer_columns)
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
    whole lines apart, may be many; of others as many as it has ways are fastest (measured with 8:
    114 GFLOP/s instead of 30 to 80 with 14 rows of 27 or 147 elements)."""
    if not roles.rows:
        return 1
    stride = roles.left.stride(roles.rows[-1].var)
    if not isinstance(stride, IntImm) or not 0 < stride.value <= 256:
        return max(4, machine.l1d.ways)
    apart = bytes_of(roles.left.buffer.dtype, stride.value)
    lines = apart <= machine.l1d.line or apart % machine.l1d.line == 0
    return 64 if lines else max(4, machine.l1d.ways)


def plain_roles(info: BlockInfo) -> Roles | None:
    found = info.contraction if info.is_plain() else None
    return roles_of(info, found) if found is not None else None


L2_COST, L3_COST = 0.2, 0.33
"""What a byte from the second and third cache costs, against one from memory."""


def rows_around_columns(machine: MachineModel, roles: Roles, tile: RegisterTile) -> int:
    """How many row axes run around the panels of columns.

    A left side that is too large for the caches comes from memory once for each panel, unless some
    of its rows run outside: then the rows within are read again from a cache, and so are all the
    panels for each row outside.
    """
    rows = [i.extent for i in roles.rows]
    left, right = bytes_read(roles, roles.left), bytes_read(roles, roles.right)
    if left is None or right is None or None in rows or left <= kept_near(machine):
        return 0

    def traffic(count: int) -> float:
        outer = math.prod(e for e in rows[:count] if e is not None)
        return _traffic(machine, roles, tile, outer)

    return min(range(max(1, len(rows))), key=traffic)


def row_block(machine: MachineModel, roles: Roles, tile: RegisterTile) -> int | None:
    """Of how many tiles of rows each block is that runs within one panel of columns, then within
    the next; None if all rows do.

    That is `rows_around_columns` where one axis numbers the rows: a block fills half of the second
    cache.
    """
    rows = [i.extent for i in roles.rows if i.extent != 1]
    left, near = bytes_read(roles, roles.left), machine.l2.size // 4
    if left is None or left <= kept_near(machine) or len(rows) != 1 or rows[0] is None:
        return None
    if roles.rows[-1].extent == 1 or near == 0:
        return None
    tiles = -(-rows[0] // tile.rows[-1])
    blocks = min(tiles, -(-left // near))
    if _traffic(machine, roles, tile, blocks) >= _traffic(machine, roles, tile, 1):
        return None
    return -(-tiles // blocks)


def fetches_panels(machine: MachineModel, roles: Roles, tile: RegisterTile) -> bool:
    """Whether each panel of columns is to be fetched while the tiles of the one before it are
    computed. A single row streams its matrix: that the machine does by itself."""
    right, steps = bytes_read(roles, roles.right), _steps(roles)
    in_groups = any(roles.right.period(i.var) for i in roles.rows)  # each reads panels of its own
    if right is None or steps is None or in_groups:
        return False
    tiles = tiles_of_rows(roles, tile)
    return fetches_next(machine, tile, roles.right.buffer.dtype, steps, tiles, right)


def tiles_of_rows(roles: Roles, tile: RegisterTile) -> int:
    """How many tiles of rows there are; 0 if that is not known."""
    rows = [i.extent for i in roles.rows]
    sizes = (*[1] * (len(rows) - len(tile.rows)), *tile.rows)
    return math.prod(-(-(e or 0) // size) for e, size in zip(rows, sizes, strict=True))


def _traffic(machine: MachineModel, roles: Roles, tile: RegisterTile, outer: int) -> float:
    """What it costs to read both sides again if the rows fall into `outer` parts, each of which
    meets all panels of columns before the next one does."""
    left, right = bytes_read(roles, roles.left), bytes_read(roles, roles.right)
    assert left is not None and right is not None
    columns = (roles.column, *roles.outer_columns)
    wide = math.prod(i.extent or 1 for i in columns)
    panels = -(-wide // (tile.vectors * tile.lanes))

    def cost(size: int) -> float:
        if size <= machine.l2.size // 2:
            return L2_COST
        return L3_COST if size <= kept_near(machine) else 1.0

    return (panels - 1) * left * cost(left // outer) + outer * right * cost(right)


def bytes_read(roles: Roles, access: Access) -> int | None:
    """The memory that an operand takes, if it is known: at most what its axes reach."""
    axes = (roles.column, *roles.outer_columns, *roles.rows, *roles.batch, *roles.reduction)
    extents = [i.extent for i in axes if i.var in access.variables]
    sizes = [d.value if isinstance(d, IntImm) else None for d in access.buffer.shape]
    if None in extents or None in sizes:
        return None
    reached = math.prod(e for e in extents if e is not None)
    return bytes_of(access.buffer.dtype, min(reached, math.prod(s for s in sizes if s is not None)))
