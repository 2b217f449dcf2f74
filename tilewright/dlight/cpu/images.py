"""Two elementwise steps, image by image: what lies between them stays in the caches.

for c, y, x: near[c, y, x] = f(a, ..)                  written to memory as a whole, and read again
for c, y, x: out[c, y, x] = g(near[c, .., x], ..)
->  parallel c:
        for y, x: near[y, x] = f(a, ..)
        for y, x: out[c, y, x] = g(near[.., x], ..)
"""

from __future__ import annotations

import math

from ...ir.functor import pre_order_visit
from ...ir.node import Node
from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...tir.arith.int_set import mentions
from ...tir.expr import Max, Min
from ...tir.schedule import BlockRV, LoopRV, Schedule
from ...tir.transform.loop_partition import CLAMPS
from ..analysis import BlockInfo
from ..base import log_refusal, note
from .stages import (
    COMMON_SIZE,
    TOO_LITTLE,
    block_infos,
    extent_of,
    parallelize,
    picks_by_formula,
    vectorize_loop,
)
from .tiling import bytes_of, vector_lanes, worth_parallel


def schedule_images(sch: Schedule, machine: MachineModel) -> Schedule:
    """Schedules each elementwise block with the one elementwise block that reads it, image by
    image; other blocks stay as they are."""
    for info in block_infos(sch):
        reader = _reader(sch, info)
        if reader is None:
            continue
        shared = _shared_axes(info, reader, machine)
        if shared == 0:
            continue
        trial = sch.copy()
        try:
            _together(trial, info.block_rv, reader.block_rv, shared, machine)
        except ScheduleError as why:
            log_refusal(f"image by image, block {info.name}", why)
            continue
        sch = trial
    return sch


def _reader(sch: Schedule, info: BlockInfo) -> BlockInfo | None:
    """The one block that reads the result, if both are elementwise and the loops are their own."""
    consumers = sch.get_consumers(info.block_rv)
    if len(consumers) != 1 or sch.get_producers(info.block_rv):
        return None
    reader = BlockInfo(sch, consumers[0])
    pair = (info, reader)
    plain = all(i.is_injective() and i.is_plain() and i.output is not None for i in pair)
    return reader if plain and not sch.get_consumers(reader.block_rv) else None


def _shared_axes(info: BlockInfo, reader: BlockInfo, machine: MachineModel) -> int:
    """How many leading axes number images, as many as leave an image that fits into half of the
    second cache; 0 if the whole result fits into the first, or no image does."""
    assert info.output is not None and reader.output is not None
    dtype = info.output.buffer.dtype
    sizes = [COMMON_SIZE if i.extent is None else i.extent for i in info.iters]
    if bytes_of(dtype, math.prod(sizes)) <= machine.l1d.size:
        return 0
    count = 0
    for k, i in enumerate(reader.iters[: len(sizes) - 1]):
        reads = [a for a in reader.inputs if a.buffer is info.output.buffer]
        own = k < len(info.iters) and info.output.indices[k] is info.iters[k].var
        if not own or any(a.indices[k] is not i.var for a in reads):
            break
        if i.extent is None or i.extent != info.iters[k].extent:
            break
        count = k + 1
        rest = bytes_of(dtype, math.prod(sizes[count:]))
        if math.prod(sizes[:count]) >= machine.cores and rest <= machine.l1d.size:
            break
    fits = bytes_of(dtype, math.prod(sizes[count:])) <= machine.l2.size // 2
    return count if fits and math.prod(sizes[:count]) > 1 else 0


def _together(
    sch: Schedule, first: BlockRV, reader: BlockRV, shared: int, machine: MachineModel
) -> None:
    """Computes the first block image by image within the loop over images of its reader."""
    info = BlockInfo(sch, reader)
    assert info.output is not None
    loops: list[LoopRV] = [i.loop_rv for i in info.iters if i.loop_rv is not None]
    if len(loops) != len(info.iters):
        raise ScheduleError("the reader's axes are not loops")
    sch.reorder(*loops)
    around = sch.fuse(*loops[:shared]) if shared > 1 else loops[0]
    sch.compute_at(first, around)
    at_rows = False
    for block in (first, reader):
        *_, row, last = sch.get_loops(block)
        dtype = sch.get(block).writes[0].buffer.dtype
        has_rows = sch.get(row).loop_var is not sch.get(around).loop_var
        by_formula = has_rows and _goes_by_columns(BlockInfo(sch, block), machine)
        vectors = vectorize_loop(sch, last, vector_lanes(machine, dtype, extent_of(sch, last)))
        if vectors and by_formula:
            sch.reorder(*vectors, row)  # what it picks is computed once for all rows
            at_rows = at_rows or block is first
    threads = TOO_LITTLE
    if worth_parallel(machine, info.output.buffer.dtype, info.work()):
        threads = parallelize(sch, [around], machine)
    if not at_rows:
        _part_borders(sch, first)
    note(sch, reader, f"images, {threads}")


def _goes_by_columns(info: BlockInfo, machine: MachineModel) -> bool:
    """Whether what is picked along the last axis is to be computed once for all rows: it comes from
    a formula, or stops at borders at places known at run time only and lanes can be permuted as
    computed, which needs no loops for borders."""
    if picks_by_formula(info):
        return True
    assert info.output is not None
    can_permute = machine.has("avx2") and bytes_of(info.output.buffer.dtype, 1) == 4
    return can_permute and info.iters[-1].extent is None and _stops(info)


def _part_borders(sch: Schedule, block: BlockRV) -> None:
    """Where indices along the vectors stop at the borders, the first and the last vectors of a row
    get loops of their own: between them no index is compared, so that neighbours are loaded at
    once."""
    *_, outer, _ = sch.get_loops(block)
    extent = extent_of(sch, outer)
    if not _stops(BlockInfo(sch, block)):
        return
    if extent is None:
        sch.annotate(outer, CLAMPS, 1)
    elif extent > 2:
        sch.loop_partition(outer, [1, extent - 2, None])


def _stops(info: BlockInfo) -> bool:
    """True if an index that depends on the last axis is a minimum or a maximum."""
    across = info.iters[-1].var
    found: list[bool] = []

    def look(node: Node) -> bool:
        if isinstance(node, (Min, Max)):
            found.append(mentions(node, (across,)))
        return True

    for access in info.inputs:
        for index in access.indices:
            pre_order_visit(index, look)
    return any(found)
