"""Transposes and what else reads along one axis and writes along another: by square tiles.

parallel ..: for some tiles of u, tile of v: for tile of u:
    fetch the lines of the next tiles of v, if they are in memory
    near[v, u] = a[.., v, u]           # whole vectors along u
    out[.., u, v] = f(near[v, u])      # whole vectors along v

Every line of memory is read and written once, also where its neighbours along the other axis
compete for the same places in the caches. `TurnTiles` turns `near` by shuffles.
"""

from __future__ import annotations

import math

from ...ir.expr import IntImm
from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...tir.schedule import LoopRV, Schedule
from ...tir.transform.prefetch_ahead import PREFETCH_AHEAD
from ...tir.transform.turn_tiles import MOST_ROWS
from ..analysis import Access, BlockInfo, IterInfo, condition_variables, same_indices
from ..base import note
from .stages import TOO_LITTLE, extent_of, parallelize, vectorize_loop
from .tiling import bytes_of, kept_near, worth_parallel

SEVERAL = 8
"""Tiles side by side that are read from memory together: 512 bytes of a row, so that a page is
opened for more than one line."""

Turn = tuple[int, IterInfo, IterInfo]


def turned_input(info: BlockInfo, lanes: int) -> Turn | None:
    """(which read, the axis along which it lies, the axis along which the result lies) of the one
    input that has to be turned; None if there is none or several."""
    if info.output is None or condition_variables(info.block.body):
        return None
    written = [i for i in info.spatial if info.output.is_unit(i.var) and i.extent != 1]
    if len(written) != 1 or not _is_long(written[0], lanes):
        return None
    (column,) = written
    found: list[Turn] = []
    seen: list[Access] = []
    for access in info.inputs:
        if any(a.buffer is access.buffer and same_indices(a.indices, access.indices) for a in seen):
            continue
        seen.append(access)
        turn = _turn(info, access, column, lanes)
        if turn is not None:
            found.append(turn)
        elif column.var in access.variables and not access.is_unit(column.var):
            return None
    return found[0] if len(found) == 1 else None


def _turn(info: BlockInfo, access: Access, column: IterInfo, lanes: int) -> Turn | None:
    """Which read goes along which axis, while the result goes along `column`; None if no other
    axis is contiguous in it."""
    far = access.stride(column.var)
    if far is None or access.period(column.var):
        return None
    if isinstance(far, IntImm) and far.value < lanes:  # a distance known at run time only is far
        return None
    reads = [k for k, r in enumerate(info.block.reads) if r.buffer is access.buffer]
    along = [
        i
        for i in info.spatial
        if i is not column
        and access.is_unit(i.var)
        and (access.period(i.var) or lanes) % lanes == 0  # tiles do not cross from chunk to chunk
    ]
    if len(reads) != 1 or len(along) != 1 or not _is_long(along[0], lanes):
        return None
    return reads[0], along[0], column


def _is_long(axis: IterInfo, lanes: int) -> bool:
    """True for a loop of a vector or more."""
    return axis.loop_rv is not None and (axis.extent is None or axis.extent >= lanes)


def comes_from_memory(machine: MachineModel, access: Access) -> bool:
    """Whether a tensor is so large that the caches do not keep it from one kernel to the next."""
    sizes = [d.value if isinstance(d, IntImm) else None for d in access.buffer.shape]
    known = [s for s in sizes if s is not None]
    if len(known) < len(sizes):
        return False
    return bytes_of(access.buffer.dtype, math.prod(known)) > kept_near(machine)


def schedule_turning(sch: Schedule, info: BlockInfo, machine: MachineModel) -> None:
    """Tiles a block that turns an input; another block raises `ScheduleError`."""
    if info.output is None:
        raise ScheduleError("the block has no output")
    dtype = info.output.buffer.dtype
    lanes = min(machine.lanes(dtype), MOST_ROWS)
    place, along, column = turned_input(info, lanes) or (0, None, None)
    if along is None or column is None or along.loop_rv is None or column.loop_rv is None:
        raise ScheduleError("no input has to be turned")
    others = [i.loop_rv for i in info.iters if i not in (along, column) and i.loop_rv is not None]
    rows, row = sch.split(along.loop_rv, [None, lanes])
    columns, vector = sch.split(column.loop_rv, [None, lanes])
    inner = [columns]
    if comes_from_memory(machine, info.output):
        sch.annotate(columns, PREFETCH_AHEAD, 2)
        rows, several = sch.split(rows, [None, SEVERAL])
        inner.append(several)
    around: list[LoopRV] = [*others, rows]
    sch.reorder(*around, *inner, row, vector)
    near = sch.cache_read(info.block_rv, place, "local")
    sch.compute_at(near, inner[-1])
    read = sch.get_loops(near)[-2:]
    vectorize_loop(sch, read[-1], lanes)
    sch.vectorize(vector)
    for loop in (read[0], row):  # the tile stays in registers
        sch.unroll(loop)
    threads = TOO_LITTLE
    if worth_parallel(machine, dtype, info.work()):
        pieces = [extent_of(sch, loop) for loop in around]
        if None not in pieces and math.prod(p or 1 for p in pieces) < machine.cores:
            around.append(columns)
        threads = parallelize(sch, around, machine)
    note(sch, info.block_rv, f"turned by {lanes}x{lanes} {dtype}, {threads}")
