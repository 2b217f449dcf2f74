"""Reductions: sums, extremes and means; pooling; convolutions of each channel by itself.

Where an axis that is kept is contiguous, it is the vector, and several vectors accumulate:

    parallel ..: for tile:
        acc[tile][lanes] = 0
        for k..: acc[tile] += a[k.., tile, lanes]
        out[tile, lanes] = epilogue(acc)

Reductions along rows are in `rows.py`.
"""

from __future__ import annotations

import math

from ...ir.expr import IntImm
from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...tir.expr import BufferLoad, Call
from ...tir.schedule import BlockRV, LoopRV, Schedule
from ...tir.transform.loop_partition import CHOICE, UNCUT
from ..analysis import Access, BlockInfo, IterInfo, collect, condition_variables, variables
from ..base import note
from .stages import (
    TOO_LITTLE,
    attempt,
    parallelize,
    unroll_tile,
    usual_runs,
    vectorize_loop,
    writeback,
)
from .tiling import (
    MAX_IMBALANCE,
    bytes_of,
    divisor_up_to,
    imbalance,
    kept_near,
    vector_lanes,
    worth_parallel,
)

MAX_STRIDE = 4
"""How far apart the lanes of a vector may be in memory and still be loaded together."""

MOST_SIDE_BY_SIDE = 8
"""Vectors that accumulate side by side: enough to hide the latency of additions."""

MOST_OF_UNKNOWN = 4
"""Rows side by side whose length and number are known at run time only: each number from 1 to this
has code of its own, for whole and for incomplete vectors."""

Chunk = tuple[LoopRV, int | None]
"""A loop, and how many of its iterations are one piece: None for all of an unknown number."""

MAX_TAPS = 128
"""Multiply-adds in the body of a window, of whose taps as many loops are unrolled."""


def schedule_reduction(sch: Schedule, info: BlockInfo, machine: MachineModel) -> LoopRV | None:
    """Schedules one reduction by the axis that is contiguous in memory. Returns the loop at which
    it is to be decomposed: when all blocks are scheduled, since a block can move only as long as
    every reduction around is whole."""
    if not info.is_plain() or not info.reduction:
        return None
    column = kept_vector(info) if info.output is not None and info.block.init is not None else None
    if column is not None:
        if _is_from_memory(info, column, machine) and not borders(sch, info):
            return _row_by_row(sch, info, column, machine)
        return _by_columns(sch, info, column, machine)
    _parallel_rows(sch, info, machine)
    return None


def kept_vector(info: BlockInfo) -> IterInfo | None:
    """The spatial axis that is contiguous in the output and in every input that has it, or that
    skips a few elements there."""
    for most in (1, MAX_STRIDE):
        for i in reversed(info.spatial):
            if i.extent == 1 or info.output is None or not info.output.is_unit(i.var):
                continue
            sources = [a for a in info.inputs if i.var in a.variables]
            if sources and all(_is_near(a, i, most) for a in sources):
                return i
    return None


def _is_near(access: Access, i: IterInfo, most: int) -> bool:
    """True if neighbours along the axis lie at most `most` elements apart."""
    stride = access.stride(i.var)
    return access.period(i.var) is None and isinstance(stride, IntImm) and 1 <= stride.value <= most


def reduced_vector(info: BlockInfo) -> IterInfo | None:
    """The reduction axis that is contiguous in an input."""
    for i in reversed(info.reduction):
        if i.extent != 1 and any(a.is_unit(i.var) for a in info.inputs):
            return i
    return None


def _loops(axes: list[IterInfo]) -> list[LoopRV]:
    """The loops of those axes that are loops."""
    return [i.loop_rv for i in axes if i.loop_rv is not None]


def _by_columns(sch: Schedule, info: BlockInfo, column: IterInfo, machine: MachineModel) -> LoopRV:
    """Neighbouring columns accumulate side by side, in vectors; the first loop of the reduction."""
    assert info.output is not None and column.loop_rv is not None
    dtype = info.output.buffer.dtype
    lanes = vector_lanes(machine, dtype, column.extent)
    others = [i for i in info.spatial if i is not column]
    border = borders(sch, info)
    reduce_loops = _loops(info.reduction)
    is_short = len(_unrolled(info, 1)) == len(reduce_loops)
    side_by_side = _side_by_side(column, others, lanes, machine, is_short)
    width = math.prod(n or 1 for n in side_by_side)
    unrolled = _unrolled(info, width)
    asked: list[LoopRV] = []
    sizes = [BlockInfo(sch, rv) for rv in border]
    chunk: Chunk | None = _chunk(info, others, sizes, machine) if border else None
    if border and unrolled and all(_is_plain_border(sch, info, rv, column) for rv in border):
        chunk = _rows_in_place(others, machine)
        if chunk is not None and chunk[1] is None:
            asked = unrolled[1:]
            unrolled = unrolled[:1]
        for rv in border:
            sch.compute_inline(rv)
        border = []
    outer, within = [], _loops(others)
    if chunk is not None:
        place = within.index(chunk[0])
        part, rows = sch.split(chunk[0], [None, chunk[1]] if chunk[1] else [1, None])
        outer, within = [*within[:place], part], [rows, *within[place + 1 :]]
        if asked:
            sch.annotate(rows, UNCUT, 1)
            for loop in asked:
                sch.annotate(loop, CHOICE, 1)
        sch.reorder(*outer, rows)
        # What the chunk needs of its borders is written just before, into the cache: whole rows,
        # of which it is known what they are while no loop is cut into tiles.
        for block in border:
            sch.compute_at(block, part)
    within, tile, vector = _columns(sch, column, others, lanes, side_by_side, within)
    sch.reorder(*within, *reduce_loops, *tile, vector)
    outer = outer or within or [sch.add_unit_loop(reduce_loops[0])]
    here = (within or outer)[-1]
    depth = len(sch.get_loops(info.block_rv)) - len((*reduce_loops, *tile, vector))
    after = writeback(sch, info, here)
    for loop in (*unrolled, *tile):
        attempt(sch.unroll, loop)
    attempt(sch.vectorize, vector)
    unroll_tile(sch, after, depth, lanes)
    for block in border if chunk is not None else []:
        vectorize_loop(sch, sch.get_loops(block)[-1], machine.lanes(dtype))
    threads = TOO_LITTLE
    if worth_parallel(machine, dtype, info.work()):
        threads = parallelize(sch, outer, machine)
    border_text = f", borders by {chunk[1]} rows" if chunk is not None and border else ""
    words = f"reduction by {width} {dtype}x{lanes}{border_text}, {threads}"
    note(sch, info.block_rv, words)
    return reduce_loops[0]


def _is_from_memory(info: BlockInfo, column: IterInfo, machine: MachineModel) -> bool:
    """True if the one input does not stay in the caches, and steps of the sum are so far apart that
    the vectors of a tile are a small piece of what lies between them: reading piece after piece
    is then several times slower than reading all in order."""
    assert info.output is not None
    work, dtype = info.work(), info.output.buffer.dtype
    sources = [a for a in info.inputs if a.buffer is not info.output.buffer]
    if work is None or column.extent is None or len(sources) != 1:
        return False
    step = sources[0].stride(info.reduction[-1].var)
    vectors = column.extent // machine.lanes(dtype)
    return (
        isinstance(step, IntImm)
        and step.value >= column.extent
        and vectors > 2 * MOST_SIDE_BY_SIDE
        and bytes_of(sources[0].buffer.dtype, work) > kept_near(machine)
    )


def _row_by_row(sch: Schedule, info: BlockInfo, column: IterInfo, machine: MachineModel) -> LoopRV:
    """All columns of a step of the sum, or as many as stay in the first cache, then the next step:
    memory is read in its order. Each core has steps of its own, whose sums are added at the end:

    parallel part: for k: for vector: sums[part, vector] += a[part, k, vector]
    for vector: out[vector] = sums[0, vector] + sums[1, vector] + ..
    """
    assert info.output is not None
    parts = math.prod(i.extent or 1 for i in info.spatial if i is not column)
    parts *= -(-(column.extent or 1) // _kept_columns(column, info.output, machine))
    if parts >= machine.cores:
        return _along_rows(sch, info, machine)
    first = next(i for i in info.reduction if i.extent != 1)
    assert first.loop_rv is not None
    part, _ = sch.split(first.loop_rv, [machine.cores, None])
    apart = sch.rfactor(part, 0)
    steps = _along_rows(sch, BlockInfo(sch, apart), machine)
    added = BlockInfo(sch, info.block_rv)
    result = _by_columns(sch, added, kept_vector(added) or column, machine)
    sch.decompose_reduction(apart, steps)
    return result


def _kept_columns(column: IterInfo, output: Access, machine: MachineModel) -> int:
    """How many columns' sums stay in the first cache, in whole vectors."""
    dtype = output.buffer.dtype
    lanes = vector_lanes(machine, dtype, column.extent)
    most = machine.l1d.size // 2 // bytes_of(dtype, lanes)
    return lanes * row_tile(-(-(column.extent or 1) // lanes), most)


def _along_rows(sch: Schedule, info: BlockInfo, machine: MachineModel) -> LoopRV:
    """The kept axis, in parts, is innermost; its neighbours are vectors. Returns the outermost loop
    of the sum."""
    column = kept_vector(info)
    if column is None or column.loop_rv is None or info.output is None:
        raise ScheduleError("no kept axis is contiguous")
    dtype = info.output.buffer.dtype
    lanes = vector_lanes(machine, dtype, column.extent)
    outer = _loops([i for i in info.spatial if i is not column])
    reduce_loops = _loops(info.reduction)
    kept = _kept_columns(column, info.output, machine)
    around, vector, lane = sch.split(column.loop_rv, [None, kept // lanes, lanes])
    outer.append(around)
    sch.reorder(*outer, *reduce_loops, vector, lane)
    attempt(sch.vectorize, lane)
    threads = parallelize(sch, outer, machine)
    note(sch, info.block_rv, f"reduction row by row, {dtype}x{lanes}, {threads}")
    return reduce_loops[0]


def _unrolled(info: BlockInfo, width: int) -> list[LoopRV]:
    """The innermost loops of the sum that stand side by side, `width` results each."""
    count, found = width, []
    for i in reversed(info.reduction):
        count *= i.extent or MAX_TAPS
        if count > MAX_TAPS or i.loop_rv is None:
            break
        found.append(i.loop_rv)
    return found


def _side_by_side(
    column: IterInfo, others: list[IterInfo], lanes: int, machine: MachineModel, is_short: bool
) -> tuple[int | None, int | None]:
    """How many vectors of a row, or how many rows, accumulate side by side.

    Of a short sum (`is_short`) the processor itself runs several at once: then columns of unknown
    number are vector by vector, since a wide tile would be mostly beyond the end of a short row.
    """
    most = min(MOST_SIDE_BY_SIDE, machine.vector_registers // 2)
    by_vector = column.extent is None and is_short
    if not by_vector and (column.extent is None or column.extent >= 2 * lanes):
        vectors = None if column.extent is None else -(-column.extent // lanes)
        return most if vectors is None else row_tile(vectors, most), None
    moved = _moved(others)
    if moved is None:
        return None, None
    if moved.extent is None and by_vector:
        most = min(most, MOST_OF_UNKNOWN)
    return None, row_tile(moved.extent, most)


def _moved(others: list[IterInfo]) -> IterInfo | None:
    """The axis of rows: the last that moves."""
    found = next((i for i in reversed(others) if i.extent != 1), None)
    return None if found is None or found.loop_rv is None else found


def _columns(
    sch: Schedule,
    column: IterInfo,
    others: list[IterInfo],
    lanes: int,
    side_by_side: tuple[int | None, int | None],
    outer: list[LoopRV],
) -> tuple[list[LoopRV], list[LoopRV], LoopRV]:
    """(loops around a tile, among them `outer`, loops over its vectors, lanes)."""
    assert column.loop_rv is not None
    vectors, rows = side_by_side
    if vectors is not None:
        around, within, vector = sch.split(column.loop_rv, [None, vectors, lanes])
        return [*outer, around], [within], vector
    outer = list(outer)
    vector = column.loop_rv
    if column.extent is None or column.extent > lanes:
        around, vector = sch.split(column.loop_rv, [None, lanes])
        outer.append(around)
    moved = _moved(others)
    if moved is None or moved.loop_rv is None or rows is None:
        return outer, [], vector
    around, within = sch.split(moved.loop_rv, [None, rows])
    outer[outer.index(moved.loop_rv)] = around
    return outer, [within], vector


def borders(sch: Schedule, info: BlockInfo) -> list[BlockRV]:
    """The injective blocks that only this one reads: its input with a border, as a rule."""
    found = []
    for rv in sch.get_producers(info.block_rv):
        if BlockInfo(sch, rv).is_injective() and len(sch.get_consumers(rv)) == 1:
            found.append(rv)
    return found


def _is_plain_border(sch: Schedule, info: BlockInfo, border: BlockRV, column: IterInfo) -> bool:
    """True for an input with a border and nothing else, which is no matter of single lanes: then
    a window reads the input itself, and loops are cut where the border begins."""
    block = BlockInfo(sch, border)
    value = None if block.store is None else block.store.value
    if not isinstance(value, Call) or getattr(value.op, "name", "") != "tir.if_then_else":
        return False
    if not isinstance(value.args[1], BufferLoad) or collect(value.args[2], BufferLoad):
        return False
    written = block.block.writes[0].buffer
    places = {k for a in info.inputs if a.buffer is written for k, i in enumerate(a.indices)
              if column.var in variables(i)}  # fmt: skip
    chosen = condition_variables(block.block.body)
    return all(i.var not in chosen for k, i in enumerate(block.iters) if k in places)


def _rows_in_place(others: list[IterInfo], machine: MachineModel) -> Chunk | None:
    """The axis of rows, and how many run in a loop of their own, whose first and last ones see the
    border: all, which is None where their number is not known, or as many as give each core its
    share."""
    rows = [i for i in others if i.extent != 1]
    if len(rows) < 2:
        return None
    row, loop, extent = rows[-2], rows[-2].loop_rv, rows[-2].extent
    if loop is None:
        return None
    outside = math.prod(i.extent or 1 for i in others[: others.index(row)])
    if extent is None:
        return (loop, None) if outside >= machine.cores else None
    most = extent if outside >= 2 * machine.cores else extent * outside // (2 * machine.cores)
    return loop, _even(extent, max(1, most), outside, machine.cores)


def _chunk(
    info: BlockInfo, others: list[IterInfo], sizes: list[BlockInfo], machine: MachineModel
) -> tuple[LoopRV, int] | None:
    """The axis to cut so that the border blocks of a chunk fit in a part of the second cache,
    and by how much; None if that is not known. Of the first cache, if chunks share nothing."""
    rows = [i for i in others if i.extent != 1]
    if len(rows) < 2:
        return None
    row = rows[-2]
    outside = math.prod(i.extent or 1 for i in others[: others.index(row)])
    total = sum(bytes_of(b.block.writes[0].buffer.dtype, usual_runs([i.dom for i in b.iters]))
                for b in sizes)  # fmt: skip
    each = max(1, total // max(1, outside * (row.extent or 1)))
    near = machine.l1d.size // 2
    apart = each <= near and all(
        row.var not in a.variables or row.var in a.indices for a in info.inputs
    )
    most = max(1, (near if apart else machine.l2.size // 4) // each)
    if apart and any(i.extent is None for b in sizes for i in b.iters):
        most = 1  # what shares nothing loses nothing by being computed at the smallest pieces
    if outside < 2 * machine.cores:
        most = min(most, max(1, (row.extent or 1) * outside // (2 * machine.cores)))
    if row.loop_rv is None:
        return None
    return row.loop_rv, _even(row.extent or 1, most, outside, machine.cores)


def _even(extent: int, most: int, outside: int, cores: int) -> int:
    """The largest divisor of `extent` up to `most` by which cores have equally much to do, where
    there are `outside` times as many parts."""
    found = [n for n in range(most, 0, -1) if extent % n == 0]
    uneven = {n: imbalance(outside * extent // n, cores) for n in found}
    return next(
        (n for n in found if uneven[n] <= MAX_IMBALANCE), min(found, key=uneven.__getitem__)
    )


def row_tile(extent: int | None, most: int) -> int:
    """How many neighbours accumulate side by side: a divisor if one is large enough."""
    if extent is None or extent <= most:
        return extent or most
    divisor = divisor_up_to(extent, most)
    return divisor if 2 * divisor >= most else most


def _parallel_rows(sch: Schedule, info: BlockInfo, machine: MachineModel) -> None:
    """The kept axes outside and parallel, the reduction inside and serial."""
    outer, inner = _loops(info.spatial), _loops(info.reduction)
    if not outer:
        return
    if inner:
        attempt(sch.reorder, *outer, *inner)
    dtype = info.block.writes[0].buffer.dtype if info.block.writes else "float32"
    threads = TOO_LITTLE
    if worth_parallel(machine, dtype, _scalar_work(info, machine, dtype)):
        threads = parallelize(sch, outer, machine)
    note(sch, info.block_rv, f"one value after the other, no vectors, {threads}")


def _scalar_work(info: BlockInfo, machine: MachineModel, dtype: str) -> int | None:
    """The work as worth_parallel counts it, in vectors, of a block that has none."""
    work = info.work()
    return None if work is None else work * machine.lanes(dtype)


__all__ = ["kept_vector", "reduced_vector", "row_tile", "schedule_reduction"]
