"""Steps that the CPU rules share: inlining around a block, epilogues, plain loops."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ...ir.expr import IntImm, PrimExpr
from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...tir.analysis.usual import usual_value
from ...tir.arith import Analyzer, detect_linear_equation
from ...tir.buffer import Buffer
from ...tir.expr import BufferLoad, Call, FloorDiv, FloorMod, Max, Min, Var
from ...tir.op import is_const_int
from ...tir.schedule import BlockRV, LoopRV, Schedule
from ..analysis import (
    Access,
    BlockInfo,
    IterInfo,
    collect,
    condition_variables,
    root_block,
    same_indices,
    variables,
)
from ..base import log_refusal, note
from .tiling import bytes_of, divisor_up_to, vector_lanes, worth_parallel

Whole = list[tuple[BlockRV, LoopRV]]
"""Scheduled reductions, and the loops at which they are to be decomposed: when all blocks are
scheduled, since a block can move only as long as every reduction around is whole."""

ONE_THREAD = "one thread"
TOO_LITTLE = "one thread (small)"

MAX_UNROLL_STORES = 64

COMMON_SIZE = 32
"""What a size that is known at run time only is taken for where a choice needs one."""

MAX_REPEATED = 16
"""Nodes of an expression that may be written out for each of its readers."""

MAX_INLINED = 64
"""Nodes by which expressions may grow; beyond them a value is computed on its own."""


def block_infos(sch: Schedule) -> list[BlockInfo]:
    """The blocks directly under the root, in order."""
    root = root_block(sch)
    return [] if root is None else [BlockInfo(sch, rv) for rv in sch.get_child_blocks(root)]


def extent_of(sch: Schedule, loop: LoopRV) -> int | None:
    """The extent of a loop, None if it is known at run time only."""
    extent = sch.get(loop).extent
    return extent.value if isinstance(extent, IntImm) else None


def usual_runs(extents: list[PrimExpr], size: int = COMMON_SIZE) -> int:
    """How often loops of these extents run what is in them, if all that is unknown is `size`."""
    return math.prod(usual_value(extent, size) for extent in extents)


def iter_values(sch: Schedule, block: BlockRV) -> tuple[PrimExpr, ...]:
    """What the axes of a block are bound to."""
    realize = sch.get_sref(block).realize
    return () if realize is None else realize.iter_values


def attempt(step: object, *args: object, **options: object) -> bool:
    """Calls a primitive; False, with nothing changed, if its conditions do not hold."""
    try:
        step(*args, **options)  # type: ignore[operator]
    except ScheduleError as why:
        log_refusal("a step", why)
        return False
    return True


def is_cheap(info: BlockInfo) -> bool:
    """True for a block worth computing again for each reader: it moves or does arithmetic on a
    few values, without calls of functions or values picked from several places by a table."""
    if info.store is None or _size(info) > MAX_REPEATED or _gathers(info) > 1:
        return False
    calls = [c for c in collect(info.store.value, Call) if _is_costly(c)]
    return not calls or not collect(info.store.value, BufferLoad)


def _gathers(info: BlockInfo) -> int:
    """At how many places it reads what a table says, along the axis that vectors go along."""
    if not info.iters:
        return 0
    last = info.iters[-1].var
    found: list[Access] = []
    for access in info.inputs:
        tables = [load for index in access.indices for load in collect(index, BufferLoad)]
        moving = any(v is last for table in tables for v in variables(table))
        if moving and not any(same_indices(access.indices, f.indices) for f in found):
            found.append(access)
    return len(found)


def _is_costly(call: object) -> bool:
    """True for a call that is more than a choice or a few instructions."""
    name = getattr(getattr(call, "op", None), "name", "")
    return name not in {"tir.if_then_else", "tir.likely", "tir.fabs", "tir.fma"}


def _size(info: BlockInfo) -> int:
    """How many operations and loads its store is made of."""
    return sum(not isinstance(e, (Var, IntImm)) for e in collect(info.store, PrimExpr))


def inline_injective(sch: Schedule, keep: frozenset[str] = frozenset()) -> None:
    """Inlines each injective block into its readers, unless it is costly and read at several
    places, feeds a reduction (but for what only splits dimensions), or is named in `keep`."""
    for rv in [info.block_rv for info in block_infos(sch)]:
        info = BlockInfo(sch, rv)  # what was inlined before has changed it
        if info.name in keep or not info.is_injective():
            continue
        consumers = [BlockInfo(sch, c) for c in sch.get_consumers(rv)]
        if not consumers or not all(_may_read_inlined(c, info) for c in consumers):
            continue
        if _growth(consumers, info) > MAX_INLINED:
            continue
        if is_cheap(info) or _places(consumers, info) <= 1:
            attempt(sch.compute_inline, rv)


def _may_read_inlined(consumer: BlockInfo, producer: BlockInfo) -> bool:
    """True for a reader of single elements, and for a sum over what lies where it lay before."""
    if not consumer.is_reduction():
        return consumer.is_injective()
    return consumer.contraction is None and _splits_dimensions(producer)


def _splits_dimensions(info: BlockInfo) -> bool:
    """True for a block that gives each element the place in memory that it has in its input, of
    fewer dimensions."""
    if info.store is None or info.output is None or not isinstance(info.store.value, BufferLoad):
        return False
    load, out = info.store.value, info.output
    if load.buffer.ndim >= out.buffer.ndim or collect(load.indices, FloorDiv, FloorMod):
        return False
    moved = _place(load.buffer, load.indices) - _place(out.buffer, out.indices)
    return is_const_int(Analyzer().simplify(moved), 0)


def _place(buffer: Buffer, indices: Sequence[PrimExpr]) -> PrimExpr:
    """The number of an element, counted along the dimensions from the last one."""
    place, *others = indices
    for extent, index in zip(buffer.shape[1:], others, strict=True):
        place = place * extent + index
    return place


def _growth(consumers: list[BlockInfo], producer: BlockInfo) -> int:
    """How many nodes the readers' expressions would gain."""
    written = producer.block.writes[0].buffer
    reads = sum(a.buffer is written for c in consumers for a in c.inputs)
    return reads * _size(producer)


def _places(consumers: list[BlockInfo], producer: BlockInfo) -> int:
    """At how many places the result is read; one read for several results counts twice. (Equal
    places in one expression are computed once.)"""
    written = producer.block.writes[0].buffer
    total = 0
    for c in consumers:
        moving = {i.var for i in c.iters if i.extent != 1}
        results = c.output.variables & moving if c.output else moving
        found: list[Access] = []
        for a in c.inputs:
            if a.buffer is written and not any(same_indices(a.indices, f.indices) for f in found):
                found.append(a)
                total += 1 if results <= a.variables else 2
    return total


# ---- loops over injective blocks ------------------------------------------------------------


def schedule_injective(sch: Schedule, info: BlockInfo, machine: MachineModel) -> None:
    """Loops over an injective block: the outer ones parallel, the innermost vectorized.

    Neighbouring loops become one where every access goes on in memory from one to the next.
    """
    if not info.is_plain() or not info.loops or info.output is None:
        return
    count = contiguous_suffix(info)
    shared = _sharing_axis(info, count)
    order = [i.loop_rv for i in info.iters if i.loop_rv is not None]
    attempt(sch.reorder, *order) if len(order) > 1 else None
    *outer, vector = _fused_suffix(sch, info, order, count)
    dtype = info.output.buffer.dtype
    lanes = vector_lanes(machine, dtype, extent_of(sch, vector))
    around = vectorize_loop(sch, vector, lanes)
    if around and outer and picks_by_formula(info):
        sch.reorder(*around, outer[-1])  # what it picks is computed once for all rows
        around.append(outer.pop())
    outer += around
    if shared is not None and shared.loop_rv in outer:
        outer = _share_lines(sch, outer, shared, machine.l1d.line // bytes_of(dtype, 1))
    threads = TOO_LITTLE
    if worth_parallel(machine, dtype, info.work()) and outer:
        threads = parallelize(sch, outer, machine)
    note(sch, info.block_rv, f"elementwise {dtype}x{lanes}, {threads}")


def picks_by_formula(info: BlockInfo) -> bool:
    """True if places along the last axis are not such that vectors of them can be loaded: they
    come from sizes that are known at run time only, or are quotients at uneven distances."""
    column, axes = info.iters[-1].var, {i.var for i in info.iters}
    for access in info.inputs:
        for index in access.indices:
            while isinstance(index, (Max, Min)):  # held between borders
                index = index.a
            used = set(variables(index))
            if column not in used or access.stride(column) is not None:
                continue
            if used - axes or any(_is_uneven(q, column) for q in collect(index, FloorDiv)):
                return True
    return False


def _is_uneven(quotient: FloorDiv, column: Var) -> bool:
    """True for `14 * x // 25`: of neighbours some are 0 apart, others 1. Of `2 * x // 4` it is
    known at which."""
    linear = detect_linear_equation(quotient.a, [column])
    if not linear or not isinstance(linear[0], IntImm) or not isinstance(quotient.b, IntImm):
        return False
    return linear[0].value != 0 and quotient.b.value % linear[0].value != 0


def _fused_suffix(sch: Schedule, info: BlockInfo, order: list[LoopRV], count: int) -> list[LoopRV]:
    """The loops of the block, the last `count` as one. Axes of unknown length become one only of a
    block that nothing reads: for readers it could not be told which parts it has written."""
    axes = info.iters[len(info.iters) - count :]
    unknown = count > 1 and any(i.extent is None for i in axes[1:])
    if unknown and not sch.get_consumers(info.block_rv) and attempt(flatten_axes, sch, info, axes):
        return list(sch.get_loops(info.block_rv))
    while count > 1 and any(i.extent is None for i in axes[1 - count :]):
        count -= 1
    inner = order[len(order) - count :]
    return [*order[: len(order) - count], sch.fuse(*inner) if len(inner) > 1 else inner[0]]


def flatten_axes(sch: Schedule, info: BlockInfo, chosen: list[IterInfo]) -> None:
    """One axis of the block, the last, in place of neighbouring ones, and loops anew. Of a fused
    loop of unknown length each of those would be a quotient that no primitive sees through."""
    places = [info.iters.index(i) for i in chosen]

    def one_axis(*axes: PrimExpr) -> list[PrimExpr]:
        flat: PrimExpr = axes[places[0]]
        for place, each in zip(places[1:], chosen[1:], strict=True):
            flat = flat * each.dom + axes[place]
        return [*(axis for k, axis in enumerate(axes) if k not in places), flat]

    sch.transform_block_layout(info.block_rv, one_axis)


def _sharing_axis(info: BlockInfo, count: int) -> IterInfo | None:
    """The axis whose neighbours lie in the same lines of an input that the last `count` axes go
    through at a distance; None if there is none."""
    column = info.iters[-1]
    for access in info.inputs:
        stride = access.stride(column.var)
        if not isinstance(stride, IntImm) or stride.value < 2:
            continue
        for i in reversed(info.iters[: len(info.iters) - count]):
            if i.extent not in (None, 1) and access.is_unit(i.var):
                return i
    return None


def _share_lines(
    sch: Schedule, outer: list[LoopRV], shared: IterInfo, elements: int
) -> list[LoopRV]:
    """What lies in one line of an input is read in a row, just around the vectors. Returns the
    loops around that."""
    if shared.loop_rv is None:
        return outer
    place = outer.index(shared.loop_rv)
    around, within = sch.split(shared.loop_rv, [None, divisor_up_to(shared.extent, elements)])
    between = outer[place + 1 :]
    if between:
        sch.reorder(*between, within)
        return [*outer[:place], around, *between]
    return [*outer[:place], around]


def contiguous_suffix(info: BlockInfo) -> int:
    """How many of the last axes may be one loop: along them each access is contiguous, or stands
    still, and no choice between values depends on them."""
    chosen = condition_variables(info.block.body)
    accesses = [a for a in (info.output, *info.inputs) if a is not None]
    count = 1
    while count < len(info.iters):
        outer, inner = info.iters[-count - 1], info.iters[-count]
        if outer.var in chosen or info.iters[-1].var in chosen:
            break
        if not all(goes_on(a, outer.var, inner.var, inner.dom) for a in accesses):
            break
        count += 1
    return count


def goes_on(access: Access, outer: Var, inner: Var, extent: PrimExpr) -> bool:
    """True if `access` goes on in memory from the last value of `inner` to the next of `outer`."""
    high, low = access.stride(outer), access.stride(inner)
    if high is None or low is None or access.period(outer) or access.period(inner):
        return False
    return Analyzer().can_prove_equal(high, low * extent)


def vectorize_loop(sch: Schedule, loop: LoopRV, lanes: int) -> list[LoopRV]:
    """Vectorizes a loop by `lanes`; returns the loop around the vectors, if there is one."""
    extent = extent_of(sch, loop)
    if lanes <= 1 or extent == 1:
        return [loop]
    if extent is not None and extent <= lanes:
        attempt(sch.vectorize, loop)
        return []
    around, inner = sch.split(loop, [None, lanes])
    attempt(sch.vectorize, inner)
    return [around]


def parallelize(
    sch: Schedule, loops: list[LoopRV], machine: MachineModel, *, ragged: Iterable[LoopRV] = ()
) -> str:
    """Runs the outermost loops in parallel: as many, fused, as give each core some iterations.

    `ragged`: loops whose last iteration is incomplete. They stay loops of their own if the others
    are enough, because only then can the last iteration be told from the rest. Returns in words
    what was done.
    """
    apart = set(ragged)
    chosen: list[LoopRV] = []
    total = 1
    for loop in loops:
        extent = extent_of(sch, loop)
        if extent == 1 and not chosen:
            continue
        if chosen and apart & {loop, *chosen} and total >= machine.cores:
            break
        chosen.append(loop)
        total *= extent if extent is not None else machine.cores
        if extent is None or total >= 16 * machine.cores:
            break
    if not chosen:
        return ONE_THREAD
    while len(chosen) > 1 and not _fuses(sch, chosen):
        chosen.pop()
    loop = sch.fuse(*chosen) if len(chosen) > 1 else chosen[0]
    if not attempt(sch.parallel, loop):
        return ONE_THREAD
    extent = extent_of(sch, loop)
    return "parallel" if extent is None else f"parallel over {extent}"


def _fuses(sch: Schedule, loops: list[LoopRV]) -> bool:
    """Whether the loops are one that can run in parallel. Digits of a loop over several sizes that
    are not known are not always told apart."""
    if all(extent_of(sch, loop) is not None for loop in loops):
        return True
    trial = sch.copy()
    return attempt(lambda: trial.parallel(trial.fuse(*loops)))


# ---- inside a tile --------------------------------------------------------------------------


def unroll_tile(sch: Schedule, block: BlockRV, outside: int, lanes: int) -> None:
    """The loops of `block` but the `outside` outermost: the last vectorized, the rest unrolled."""
    loops = sch.get_loops(block)[outside:]
    if not loops:
        return
    *rest, last = loops
    rest += vectorize_loop(sch, last, lanes)
    sizes = [extent_of(sch, loop) for loop in rest]
    known = [s for s in sizes if s is not None]
    if len(known) == len(sizes) and math.prod(known) <= MAX_UNROLL_STORES:
        for loop in rest:
            attempt(sch.unroll, loop)


def writeback(sch: Schedule, info: BlockInfo, loop: LoopRV) -> BlockRV:
    """Keeps what `info` computes in registers and lets what follows it, or a copy, run in each
    iteration of `loop`. Returns that block."""
    follower = sole_follower(sch, info)
    if follower is not None and attempt(sch.reverse_compute_at, follower, loop):
        sch.set_scope(info.block_rv, 0, "local")
        return follower
    made: BlockRV = sch.cache_write(info.block_rv, 0, "local")
    sch.reverse_compute_at(made, loop)
    return made


def sole_follower(sch: Schedule, info: BlockInfo) -> BlockRV | None:
    """The block that reads the result at its own place, if no other block reads it."""
    consumers = sch.get_consumers(info.block_rv)
    if len(consumers) != 1 or info.output is None:
        return None
    follower = BlockInfo(sch, consumers[0])
    reads = [a for a in follower.inputs if a.buffer is info.output.buffer]
    one = len({tuple(map(id, a.indices)) for a in reads}) == 1
    return consumers[0] if one and follower.is_injective() else None
