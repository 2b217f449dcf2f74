"""The rule that always succeeds: each block by what it is, at least left as it is."""

from __future__ import annotations

from collections.abc import Callable

from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...target.target import Target
from ...tir.expr import IterVarType
from ...tir.function import PrimFunc
from ...tir.schedule import Schedule
from ...tir.stmt import ForKind
from ..analysis import BlockInfo, variables
from ..base import ScheduleRule, log_refusal
from .images import schedule_images
from .reduction import schedule_reduction
from .rows import is_row_reduction, schedule_rows
from .stages import (
    Whole,
    attempt,
    block_infos,
    inline_injective,
    iter_values,
    schedule_injective,
)
from .turning import schedule_turning

Step = Callable[[Schedule, BlockInfo, MachineModel], None]


class Fallback(ScheduleRule):
    """Inlines what is computed element by element; then loops over each block that is left:
    vectors along the contiguous axis, threads along the outer ones where the work is worth it."""

    def apply(self, func: PrimFunc, target: Target, tunable: bool) -> Schedule | None:
        """The function with what can be scheduled scheduled. None only for a function without
        blocks, which is a schedule already."""
        machine = MachineModel.of(target)
        try:
            sch = Schedule(func, error_render_level="fast")
        except ScheduleError as why:
            log_refusal("Fallback", why)
            return None
        inline_injective(sch)
        return schedule_rest(schedule_images(sch, machine), machine)


def schedule_rest(sch: Schedule, machine: MachineModel, done: Whole | None = None) -> Schedule:
    """Schedules the blocks of which no loop runs in a special way yet, each by itself; decomposes
    all reductions, those scheduled before (`done`) too. The reductions come first: they take with
    them what only they read."""
    whole: Whole = list(done or [])
    for name in [i.name for i in sorted(block_infos(sch), key=BlockInfo.is_injective)]:
        info = next((i for i in block_infos(sch) if i.name == name), None)
        if info is not None and not is_scheduled(sch, info):
            sch = schedule_alone(sch, info, machine, whole)
    for block, loop in whole:
        sch.decompose_reduction(block, loop)
    for info in block_infos(sch):
        begin_apart(sch, info)
    return sch


def begin_apart(sch: Schedule, info: BlockInfo) -> None:
    """Lets a reduction that may have no steps at all write its first value before them: as a part
    of the first step it would never be written."""
    if info.block.init is None or all(i.extent for i in info.reduction):
        return
    values = dict(
        zip(sch.get(info.block_rv).iter_vars, iter_values(sch, info.block_rv), strict=True)
    )
    summed = {v for axis, value in values.items() if axis.iter_type == IterVarType.CommReduce
              for v in variables(value)}  # fmt: skip
    steps = [loop for loop in info.loops if sch.get(loop).loop_var in summed]
    if steps:
        attempt(sch.decompose_reduction, info.block_rv, steps[0])


def schedule_alone(sch: Schedule, info: BlockInfo, machine: MachineModel, whole: Whole) -> Schedule:
    """Schedules one block; leaves it as it is where a step does not apply."""

    def reduction(trial: Schedule, info: BlockInfo, machine: MachineModel) -> None:
        loop = schedule_reduction(trial, info, machine)
        if loop is not None:
            whole.extend(_checked(trial, [(info.block_rv, loop)]))

    def row(trial: Schedule, info: BlockInfo, machine: MachineModel) -> None:
        found = schedule_rows(trial, [info], machine)
        if found is None:
            raise ScheduleError("rows would be summed up several times")
        whole.extend(_checked(trial, found))

    if not info.is_injective():
        made = attempted(sch, info, machine, row) if is_row_reduction(info) else sch
        return attempted(sch, info, machine, reduction) if made is sch else made
    if info.is_plain():
        made = attempted(sch, info, machine, schedule_turning)
        if made is not sch:
            return made
    return attempted(sch, info, machine, schedule_injective)


def _checked(sch: Schedule, found: Whole) -> Whole:
    """What is to be decomposed; raises `ScheduleError` if it will not apply."""
    trial = sch.copy()
    for block, loop in found:
        trial.decompose_reduction(block, loop)
    return found


def attempted(sch: Schedule, info: BlockInfo, machine: MachineModel, step: Step) -> Schedule:
    """The schedule after `step`, or as it was if one of the step's primitives does not apply."""
    trial = sch.copy()
    try:
        step(trial, BlockInfo(trial, info.block_rv), machine)
    except ScheduleError as why:
        log_refusal(f"{step.__name__} of block {info.name}", why)
        return sch
    return trial


def is_scheduled(sch: Schedule, info: BlockInfo) -> bool:
    """True if one of the loops around the block is parallel, a vector, or unrolled."""
    return any(sch.get(loop).kind != ForKind.SERIAL for loop in info.loops)
