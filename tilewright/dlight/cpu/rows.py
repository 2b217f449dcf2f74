"""Reductions along rows, and what is computed of each row with them: sums, softmax, norms.

parallel row:
    for each reduction:
        acc[4][lanes] = 0
        for k: acc[4][lanes] += f(a[row, k, 4, lanes])
        total = sum of acc
    out[row, ..] = g(a[row, ..], totals)
"""

from __future__ import annotations

from ...ir.expr import IntImm, PrimExpr
from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...target.target import Target
from ...tir.function import PrimFunc
from ...tir.schedule import BlockRV, LoopRV, Schedule
from ...tir.transform.vectorize_loop import VECTOR_REDUCE
from ..analysis import BlockInfo, IterInfo, condition_variables, variables
from ..base import ScheduleRule, log_refusal, note
from .reduction import kept_vector, reduced_vector
from .stages import (
    TOO_LITTLE,
    Whole,
    attempt,
    block_infos,
    extent_of,
    flatten_axes,
    goes_on,
    inline_injective,
    iter_values,
    parallelize,
    usual_runs,
    vectorize_loop,
)
from .tiling import bytes_of, vector_lanes, worth_parallel

MAX_ACCUMULATORS = 4
ROUND_SIZE = 1 << 16
"""A size that all tiles divide: loops over them repeat nothing then but what they always repeat."""


class Rows(ScheduleRule):
    """Functions whose reductions all run along contiguous rows: all of a row at once."""

    def apply(self, func: PrimFunc, target: Target, tunable: bool) -> Schedule | None:
        """The function row by row; None if it is not of that kind."""
        machine = MachineModel.of(target)
        try:
            sch = Schedule(func, error_render_level="fast")
        except ScheduleError as why:
            log_refusal("Rows", why)
            return None
        inline_injective(sch)
        infos = block_infos(sch)
        reductions = [i for i in infos if not i.is_injective()]
        if not reductions or not all(i.is_plain() for i in infos):
            return None
        if not all(is_row_reduction(i) for i in reductions):
            return None
        if len(sch.get_consumers(infos[-1].block_rv)) or _outputs(func, infos) != 1:
            return None
        try:
            starts = schedule_rows(sch, infos, machine)
            for block, loop in starts or ():
                sch.decompose_reduction(block, loop)
        except ScheduleError as why:
            log_refusal("Rows", why)
            return None
        return None if starts is None else sch


def is_row_reduction(info: BlockInfo) -> bool:
    """True for a reduction along a contiguous axis, where no axis that is kept is contiguous."""
    return info.is_reduction() and kept_vector(info) is None and reduced_vector(info) is not None


def _outputs(func: PrimFunc, infos: list[BlockInfo]) -> int:
    """How many times the blocks write parameters of the function."""
    given = {b.data for b in func.buffers()}
    return sum(w.buffer.data in given for i in infos for w in i.block.writes)


def row_axes(info: BlockInfo) -> int:
    """How many dimensions of a reduction's result number its rows: all but trailing ones of 1."""
    kept = [i.extent for i in info.spatial]
    while kept and kept[-1] == 1:
        kept.pop()
    return len(kept)


def schedule_rows(sch: Schedule, infos: list[BlockInfo], machine: MachineModel) -> Whole | None:
    """Computes all blocks in the loop over rows of the last one. Returns where their sums are to be
    decomposed; None if it would repeat work."""
    reductions = [i for i in infos if i.is_reduction()]
    depth = min(row_axes(i) for i in reductions)
    last = infos[-1]
    depth = min(depth, len(last.spatial))
    works = [i.work() for i in infos]
    partials = {i.name: factor(sch, i, machine) for i in reductions}
    runs = [usual_runs(_around(sch, i), ROUND_SIZE) for i in infos]
    loops = sch.get_loops(last.block_rv)
    row = loops[depth - 1] if depth else sch.add_unit_loop(loops[0])
    order: list[BlockRV] = []
    for info in infos:
        order += [rv for rv in (partials.get(info.name), info.block_rv) if rv is not None]
    for rv in reversed(order[:-1]):
        sch.compute_at(rv, row, preserve_unit_loops=False)
    now = [usual_runs(_around(sch, info), ROUND_SIZE) for info in infos]
    if any(after > before for after, before in zip(now, runs, strict=True)):
        return None
    outside = max(1, depth)
    for rv in order:
        schedule_inner(sch, rv, outside, machine, rv in partials.values())
    summing = [rv for rv in order if sch.get(rv).init is not None]
    starts = [(rv, sch.get_loops(rv)[outside]) for rv in summing]
    dtype = last.block.writes[0].buffer.dtype
    total = None if None in works else sum(w for w in works if w is not None)
    threads = TOO_LITTLE
    if worth_parallel(machine, dtype, total):
        threads = parallelize(sch, sch.get_loops(last.block_rv)[:outside], machine)
    others = len(infos) - len(reductions)
    words = f"rows with {len(reductions)} sums and {others} other steps"
    note(sch, last.block_rv, f"{words}, {dtype}x{machine.lanes(dtype)}, {threads}")
    return starts


def _around(sch: Schedule, info: BlockInfo) -> list[PrimExpr]:
    """The extents of the loops around the block."""
    return [sch.get(loop).extent for loop in sch.get_loops(info.block_rv)]


def factor(sch: Schedule, info: BlockInfo, machine: MachineModel) -> BlockRV | None:
    """Splits a reduction into partial ones by lane; the block of those, None if it is too short."""
    axis = reduced_vector(info)
    if axis is None or axis.loop_rv is None or info.output is None:
        return None
    dtype = info.output.buffer.dtype
    loop = _fused_reduction(sch, info, axis)
    lanes = machine.lanes(dtype)
    extent = extent_of(sch, loop)
    if extent is not None and extent < 2 * lanes:
        return None
    width = MAX_ACCUMULATORS if extent is None else max(1, min(MAX_ACCUMULATORS, extent // lanes))
    _, inner = sch.split(loop, [None, width * lanes])
    partial: BlockRV = sch.rfactor(inner, info.output.buffer.ndim)
    sch.set_scope(partial, 0, "local")
    return partial


def _fused_reduction(sch: Schedule, info: BlockInfo, last: IterInfo) -> LoopRV:
    """The loops of neighbouring reduced dimensions as one, where they are contiguous."""
    assert last.loop_rv is not None
    axes = info.reduction[: info.reduction.index(last) + 1]
    if info.reduction[-1] is not last:
        return last.loop_rv
    chosen = [last]
    for outer in reversed(axes[:-1]):
        inner = chosen[0]
        if not all(goes_on(a, outer.var, inner.var, inner.dom) for a in info.inputs):
            break
        chosen.insert(0, outer)
    if len(chosen) > 1 and any(i.extent is None for i in chosen):
        flatten_axes(sch, info, chosen)
        flat: LoopRV = sch.get_loops(info.block_rv)[-1]
        return flat
    loops = [i.loop_rv for i in chosen if i.loop_rv is not None]
    return sch.fuse(*loops) if len(loops) > 1 else last.loop_rv


def schedule_inner(
    sch: Schedule, rv: BlockRV, outside: int, machine: MachineModel, is_partial: bool
) -> None:
    """The loops of one block within the row."""
    loops = sch.get_loops(rv)[outside:]
    if not loops:
        return
    block = sch.get(rv)
    dtype = block.writes[0].buffer.dtype
    if is_partial:
        _partial(sch, rv, loops, machine.lanes(dtype))
    elif block.init is not None:
        sch.annotate(loops[-1], VECTOR_REDUCE, machine.lanes(dtype))
    else:
        vector = _fuse_contiguous(sch, rv, loops)
        vectorize_loop(sch, vector, vector_lanes(machine, dtype, extent_of(sch, vector)))
        _keep_near(sch, rv, machine)


def _partial(sch: Schedule, rv: BlockRV, loops: list[LoopRV], lanes: int) -> None:
    """[k.., lane] -> [k.., vector, lane], whatever order `rfactor` has left."""
    block = sch.get(rv)
    values = iter_values(sch, rv)
    spatial = {
        v
        for axis, value in zip(block.iter_vars, values, strict=True)
        if axis.iter_type == 0
        for v in variables(value)
    }
    lane = next(l for l in reversed(loops) if sch.get(l).loop_var in spatial)
    rest = [l for l in loops if l is not lane]
    wide, vector = sch.split(lane, [None, lanes])
    sch.reorder(*rest, wide, vector)
    sch.unroll(wide)
    sch.vectorize(vector)


def _fuse_contiguous(sch: Schedule, rv: BlockRV, loops: list[LoopRV]) -> LoopRV:
    """The innermost loops as one, as far as the block's accesses go on from one to the next."""
    info = BlockInfo(sch, rv)
    by_loop = {i.loop_rv: i for i in info.iters}
    fixed = condition_variables(info.block.body)
    accesses = [a for a in (info.output, *info.inputs) if a is not None]
    chosen = [loops[-1]]
    for loop in reversed(loops[:-1]):
        outer, inner = by_loop.get(loop), by_loop.get(chosen[0])
        if outer is None or inner is None or {outer.var, inner.var} & fixed:
            break
        if not all(goes_on(a, outer.var, inner.var, inner.dom) for a in accesses):
            break
        chosen.insert(0, loop)
    return sch.fuse(*chosen) if len(chosen) > 1 else chosen[0]


def _keep_near(sch: Schedule, rv: BlockRV, machine: MachineModel) -> None:
    """Memory of one row only lies on the stack if it is small."""
    buffer = sch.get(rv).writes[0].buffer
    sizes = [d.value for d in buffer.shape[-1:] if isinstance(d, IntImm)]
    small = sizes and bytes_of(buffer.dtype, sizes[0]) <= machine.l1d.size // 4
    if small and sch.get_consumers(rv):
        attempt(sch.set_scope, rv, 0, "local")


__all__ = ["Rows", "row_axes", "schedule_rows"]
