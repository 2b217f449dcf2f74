"""Products with few columns, or of few rows by a transposed matrix: vectors go along the sum.

A vector of columns would be mostly empty, and turning a matrix round for a few rows costs more than
the product. Where both sides are contiguous along the sum (a small one is copied so), each result
has a vector of partial sums, and those of a vector of neighbouring results are added up together.

    parallel tile of results:
        for rows, columns that fit in registers:
            acc[rows][columns][lanes] = 0
            for k: acc += left[row, k, lanes] * right[column, k, lanes]
            partial[rows, columns, lanes] = acc
        for vector of results: out[result] = sum of partial[result, lanes]
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.expr import PrimExpr
from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...tir.expr import Var
from ...tir.schedule import BlockRV, LoopRV, Schedule
from ...tir.transform.vectorize_loop import VECTOR_REDUCE
from ..analysis import Access, BlockInfo, IterInfo, variables
from ..base import note
from .packing import pays_to_turn
from .stages import (
    TOO_LITTLE,
    Whole,
    extent_of,
    goes_on,
    iter_values,
    parallelize,
    unroll_tile,
    vectorize_loop,
    writeback,
)
from .tiling import (
    FMA_LATENCY,
    LOAD_PORTS,
    RegisterTile,
    fits,
    parts,
    reduction_unroll,
    worth_parallel,
)

MERGE_CYCLES = 4
"""What it takes to add up the partial sums of one result, together with those of a vector."""

MAX_COLUMNS = 8
"""Columns, far apart in memory, that are read side by side."""

UNEVEN = 1.1
"""What parts of which the last one is smaller may save, to be preferred to equal ones."""


@dataclass(frozen=True, eq=False)
class Thin:
    """The axes of a product whose vectors go along `summed`. `out[.., row, column]` is contiguous
    along `column`; there may be one row only. `turned`: the read of the right side if that has to
    be copied to be contiguous along the sum."""

    right: Access
    summed: IterInfo
    row: IterInfo | None
    column: IterInfo
    turned: int | None


def thin_product(info: BlockInfo, machine: MachineModel) -> Thin | None:
    """The axes of such a product; None if it is none, or if vectors of columns are faster."""
    found = info.contraction if info.is_plain() else None
    if found is None or info.output is None or any(i.extent == 0 for i in info.iters):
        return None
    lanes = machine.lanes(info.output.buffer.dtype)
    for left, right in ((found.left, found.right), (found.right, found.left)):
        made = _axes(info, left, right, lanes)
        if made is not None and _is_faster(info, made, machine, lanes):
            return made
    return None


def _axes(info: BlockInfo, left: Access, right: Access, lanes: int) -> Thin | None:
    """The axes of a thin product of these sides; None if it is not one."""
    out = info.output
    assert out is not None
    summed = next((i for i in info.reduction if i.extent != 1 and left.is_unit(i.var)), None)
    column = next((i for i in info.spatial if i.extent != 1 and out.is_unit(i.var)), None)
    if summed is None or column is None or column.var in left.variables:
        return None
    if not right.moves(column.var) or left.period(summed.var) or right.period(summed.var):
        return None
    rows = [i for i in info.spatial if left.moves(i.var) and i.var not in right.variables]
    row = next((i for i in reversed(rows) if i.extent != 1), None)
    few = column.extent is not None and column.extent < lanes
    if few and (row is None or not goes_on(out, row.var, column.var, column.dom)):
        return None
    turned = None if right.is_unit(summed.var) else _read_of_matrix(info, right)
    if turned is None and not right.is_unit(summed.var):
        return None
    return Thin(right, summed, row, column, turned)


def _read_of_matrix(info: BlockInfo, access: Access) -> int | None:
    """Which read the operand is, if two of its indices are axes and the others fixed."""
    places = [k for k, r in enumerate(info.block.reads) if r.buffer is access.buffer]
    axes = [i for i in access.indices if variables(i)]
    plain = len(axes) == 2 and all(isinstance(i, Var) for i in axes)
    return places[0] if plain and len(places) == 1 else None


def _is_faster(info: BlockInfo, thin: Thin, machine: MachineModel, lanes: int) -> bool:
    """Whether it takes fewer cycles than vectors of columns, which load and multiply once a row
    and step however few columns there are."""
    columns, steps = thin.column.extent, thin.summed.extent
    if steps is not None and steps < 2 * lanes:
        return False
    if columns is None or columns >= lanes:
        return thin.turned is None and not pays_to_turn(info, thin.right)
    steps = steps or 16 * lanes
    ports = machine.fma_ports
    along = columns * (-(-steps // lanes) / ports + MERGE_CYCLES)
    return along < steps / min(LOAD_PORTS, 2 * ports if machine.splits else ports)


def schedule_thin(sch: Schedule, info: BlockInfo, machine: MachineModel) -> Whole:
    """Schedules such a product; returns where its sums are to be decomposed. Raises `ScheduleError`
    for any other block."""
    thin = thin_product(info, machine)
    if thin is None or thin.summed.loop_rv is None or info.output is None:
        raise ScheduleError("the block is no thin product")
    if thin.turned is not None:
        _turn(sch, info, thin)
    dtype = info.output.buffer.dtype
    lanes = machine.lanes(dtype)
    _, inner = sch.split(thin.summed.loop_rv, [None, lanes])
    partial: BlockRV = sch.rfactor(inner, info.output.buffer.ndim)
    sch.set_scope(partial, 0, "local")
    kept: BlockRV = sch.cache_write(partial, 0, "local")
    around, tile = _tile_results(sch, info, thin, machine, lanes)
    after = writeback(sch, info, around[-1])
    for block in (kept, partial):
        sch.compute_at(block, around[-1], preserve_unit_loops=False)
    words, first = _partial_sums(sch, partial, kept, len(around), tile, dtype)
    vectors = _sum_up(sch, info.block_rv, len(around), lanes)
    _in_vectors(sch, after, len(around), lanes)
    threads = TOO_LITTLE
    if worth_parallel(machine, dtype, info.work()):
        ragged = around[-1:] if thin.column.extent is None else []
        threads = parallelize(sch, around, machine, ragged=ragged)
    note(sch, info.block_rv, f"{words}, {threads}")
    return [(partial, first), (info.block_rv, vectors)]


def _turn(sch: Schedule, info: BlockInfo, thin: Thin) -> None:
    """Copies the right side so that it is contiguous along the sum: `b[k, n]` as `c[n, k]`."""
    first, second = (k for k, i in enumerate(thin.right.indices) if variables(i))

    def layout(*i: Var) -> list[PrimExpr]:
        turned: list[PrimExpr] = list(i)
        turned[first], turned[second] = i[second], i[first]
        return turned

    copy = sch.cache_read(info.block_rv, thin.turned, "global")
    sch.transform_layout(copy, ("write", 0), layout)


def _tile_results(
    sch: Schedule, info: BlockInfo, thin: Thin, machine: MachineModel, lanes: int
) -> tuple[list[LoopRV], RegisterTile]:
    """(loops around a tile of results, what of it accumulates in registers at once).

    A tile is a vector of rows by all the few columns, or all the few rows by a vector of columns.
    """
    own = BlockInfo(sch, info.block_rv)
    loops = {
        old.var: new.loop_rv
        for old, new in zip(info.spatial, own.spatial, strict=True)
        if new.loop_rv is not None
    }
    column = loops.pop(thin.column.var)
    rows = [] if thin.row is None else [loops.pop(thin.row.var)]
    (lane,) = (i.loop_rv for i in own.reduction)
    columns = extent_of(sch, column)
    if columns is not None and columns < lanes:
        tall = min(lanes, extent_of(sch, rows[0]) or lanes)
        around, rows[0] = sch.split(rows[0], [None, tall])
        sizes = (tall, columns)
    else:
        around, column = sch.split(column, [None, lanes])
        sizes = (extent_of(sch, rows[0]) or 1 if rows else 1, lanes)
    outer = [*loops.values(), around]
    sch.reorder(*outer, *rows, column, lane)
    return outer, part_in_registers(machine, *sizes, lanes)


def part_in_registers(machine: MachineModel, rows: int, columns: int, lanes: int) -> RegisterTile:
    """The part of a tile of results with the fewest cycles among those that fit."""
    found = [
        (r, c)
        for r in range(1, rows + 1)
        for c in range(1, columns + 1)
        if columns % c == 0 and _may_be_part(r, c, rows, columns, lanes)
        if fits(machine, max(r, c), min(r, c))
    ]

    def cost(tile: tuple[int, int]) -> tuple[float, ...]:
        r, c = tile
        cycles = sum(n * _step_cycles(machine, own, c) for n, own in parts(rows, r))
        uneven = UNEVEN if rows % r else 1
        return (round(cycles * (columns // c) * uneven, 6), (r + c) / (r * c), -r)

    r, c = min(found, key=cost)
    return RegisterTile((r,), c, lanes)


def _may_be_part(r: int, c: int, rows: int, columns: int, lanes: int) -> bool:
    """Few columns divide a vector of rows evenly. A vector of columns takes any part of the rows,
    the last may be smaller; those columns that are read again for other rows are fewer."""
    if columns < lanes:
        return rows % r == 0
    return c <= (MAX_COLUMNS if r == rows else MAX_COLUMNS // 2)


def _step_cycles(machine: MachineModel, rows: int, columns: int) -> float:
    """Cycles for one vector of the sum of so many results. A load counts twice: rows of any length
    lie across two lines mostly."""
    ports = machine.fma_ports
    loads = 2 * (rows + columns) / min(LOAD_PORTS, ports)
    return max(rows * columns / ports, loads, float(FMA_LATENCY))


def _partial_sums(
    sch: Schedule,
    partial: BlockRV,
    kept: BlockRV,
    outside: int,
    tile: RegisterTile,
    dtype: str,
) -> tuple[str, LoopRV]:
    """The loops of the partial sums in a tile of results, and of the copies that are `kept` of
    them; returns in words what was decided, and the first loop of the sums."""
    loops = sch.get_loops(partial)[outside:]
    results, lane = _result_loops(sch, partial, loops)
    sums = [loop for loop in loops if loop not in (*results, lane)]
    far: list[LoopRV] = []
    near: list[LoopRV] = []
    for loop, size in zip(results, (*tile.rows, tile.vectors)[-len(results) :], strict=True):
        outer, inner = sch.split(loop, [None, size])
        far.append(outer)
        near.append(inner)
    steps = reduction_unroll(tile, extent_of(sch, sums[-1]))
    sums[-1:] = sch.split(sums[-1], [None, steps])
    sch.reorder(*far, *sums, *near, lane)
    sch.reverse_compute_at(kept, far[-1])
    for loop in (sums[-1], *near):
        sch.unroll(loop)
    sch.vectorize(lane)
    unroll_tile(sch, kept, outside + len(far), tile.lanes)
    rows = tile.rows[0] if len(results) > 1 else 1
    words = f"{rows} by {tile.vectors} results, {dtype}x{tile.lanes} along the sum by {steps}"
    return words, sums[0]


def _result_loops(
    sch: Schedule, partial: BlockRV, loops: list[LoopRV]
) -> tuple[list[LoopRV], LoopRV]:
    """(the loops over rows and columns of a tile, the one over the lanes of a partial sum)."""
    of = {sch.get(loop).loop_var: loop for loop in loops}
    block = sch.get(partial)
    axes = [axis.var for axis in block.iter_vars]
    values = dict(zip(axes, iter_values(sch, partial), strict=True))
    written = [v for index in block.body.indices for v in variables(index)]
    found = [of[v] for axis in written for v in variables(values[axis]) if v in of]
    return found[:-1], found[-1]


def _sum_up(sch: Schedule, block: BlockRV, outside: int, lanes: int) -> LoopRV:
    """A vector of neighbouring results at once; the loop over such vectors."""
    *results, lane = sch.get_loops(block)[outside:]
    result = sch.fuse(*results) if len(results) > 1 else results[0]
    vectors: LoopRV
    vectors, vector = sch.split(result, [None, lanes])
    sch.vectorize(vector)
    sch.annotate(lane, VECTOR_REDUCE, 1)
    return vectors


def _in_vectors(sch: Schedule, after: BlockRV, outside: int, lanes: int) -> None:
    """What follows, or a copy: along the results where they go on in memory."""
    results = sch.get_loops(after)[outside:]
    result = sch.fuse(*results) if len(results) > 1 else results[0]
    vectorize_loop(sch, result, lanes)
