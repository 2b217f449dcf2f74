"""`ScheduleRule` and the pass that applies rules to every function that has no schedule yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ..ir.functor import Rewriter, on
from ..ir.module import IRModule
from ..ir.transform import PassContext, module_pass
from ..support.errors import ArgumentError, ScheduleError
from ..target.target import Target
from ..tir.analysis.inside import require_inside
from ..tir.expr import Var
from ..tir.function import SCHEDULE_REASON, PrimFunc
from ..tir.schedule import BlockRV, Schedule
from ..tir.stmt import Block, BufferStore
from .own_schedule import has_own_schedule
from .versions import chosen_by_size, with_size

LOG = logging.getLogger("tilewright.dlight")
"""Says at level DEBUG which rules and steps did not apply, and why."""

REASON = SCHEDULE_REASON
"""The attribute of a scheduled function that says which rule took it, and what it decided."""

AS_WRITTEN = "loops as they were written"
"""What is said of a function whose loops are no blocks that a rule schedules: sorts, scans."""

Made = Schedule | list[Schedule] | None
Apply = Callable[[PrimFunc, Target, bool], Made]


class ScheduleRule:
    """A way to schedule functions of one kind."""

    def apply(self, func: PrimFunc, target: Target, tunable: bool) -> Made:
        """The scheduled function; None where the rule does not fit.

        A list of schedules is a space to search; without a search its first is taken.
        `tunable` asks for a schedule whose decisions are samples.
        """
        raise NotImplementedError

    def special(self, func: PrimFunc, target: Target) -> tuple[Var, Sequence[int]] | None:
        """A size, known at run time only, and values of it for which the rules after this one make
        a much faster schedule of `func` than this rule does for any size; None if there is none.
        """
        return None

    @staticmethod
    def from_callable(name: str) -> Callable[[Apply], ScheduleRule]:
        """A decorator that makes a rule called `name` of a function."""

        def decorate(function: Apply) -> ScheduleRule:
            def apply(self: ScheduleRule, func: PrimFunc, target: Target, tunable: bool) -> Made:
                return function(func, target, tunable)

            made: ScheduleRule = type(name, (ScheduleRule,), {"apply": apply})()
            return made

        return decorate


@module_pass(opt_level=0, name="ApplyDefaultSchedule")
class ApplyDefaultSchedule:
    """Schedules every loop program by the first of the rules that fits, under a target.

    A function that has a schedule (`has_own_schedule`) stays; one with a target of its own is
    scheduled for that. Without a target in either place, for this machine. Raises `CompileError`
    for an access that surely leaves its buffer, before a split hides it behind a condition.
    """

    def __init__(self, *rules: ScheduleRule) -> None:
        for k, rule in enumerate(rules):
            if not isinstance(rule, ScheduleRule):
                raise ArgumentError(
                    f"ApplyDefaultSchedule: rule {k} is a {type(rule).__name__}, "
                    "not a ScheduleRule",
                    hint="call the class: dlight.cpu.Fallback()",
                )
        self.rules = rules

    def transform_module(self, mod: IRModule, _: PassContext) -> IRModule:
        """`mod` with every loop program scheduled for which a rule fits."""
        current = Target.current(allow_none=True) or Target("llvm")
        functions = {}
        for var, func in mod.items():
            if isinstance(func, PrimFunc) and not has_own_schedule(func):
                require_inside(func)
                func = scheduled(func, _target_of(func, current), self.rules)
            functions[var] = func
        return mod.with_functions(functions)


def _target_of(func: PrimFunc, current: Target) -> Target:
    """The function's own target, else the current one."""
    own = func.attrs.get("target")
    return own if isinstance(own, Target) else current


def scheduled(func: PrimFunc, target: Target, rules: Sequence[ScheduleRule]) -> PrimFunc:
    """`func` as the first rule that fits schedules it, marked so; itself if none does."""
    for k, rule in enumerate(rules):
        made = rule.apply(func, target, False)
        if isinstance(made, list):
            made = made[0] if made else None
        if made is not None:
            chosen = with_reason(made.func, type(rule).__name__)
            special = rule.special(func, target)
            if special is not None:
                size, values = special
                for value in sorted(values, reverse=True):  # the smallest is asked for first
                    other = scheduled(with_size(func, size, value), target, rules[k + 1 :])
                    chosen = _with_special(chosen, other, size, value)
            return mark_scheduled(chosen)
    return func


def _with_special(func: PrimFunc, other: PrimFunc, size: Var, value: int) -> PrimFunc:
    """Both schedules in one function, and what was decided for both."""
    reason = f"{func.attrs[REASON]}; where {size.name} is {value}, {other.attrs[REASON]}"
    both = chosen_by_size(func, other, size, value)
    return both.replace(attrs={**both.attrs, REASON: reason})


def mark_scheduled(func: PrimFunc) -> PrimFunc:
    """`func` with the attribute by which it is left alone from now on."""
    return func.replace(attrs={**func.attrs, "tir.is_scheduled": True})


# ---- what was decided, in words -------------------------------------------------------------


def log_refusal(what: str, why: ScheduleError) -> None:
    """Says in the log that a rule or step leaves the program as it was, and why."""
    LOG.debug("%s does not apply: %s", what, why.message)


def note(sch: Schedule, block: BlockRV, text: str) -> None:
    """Notes on a block what a rule decided about it, for `with_reason`.

    The note goes with the block: a step that is undone takes its notes along.
    """
    sch.annotate(block, REASON, text)


def with_reason(func: PrimFunc, rule: str) -> PrimFunc:
    """`func` without the notes on its blocks; they stand in its attribute, after the rule's name.

    block "C" {tir.schedule_reason: "6x2 vectors"}   ->   {tir.schedule_reason: "Rule: 6x2 vectors"}
    """
    notes = _Notes()
    body = notes.run(func.body)
    found = "; ".join(dict.fromkeys(notes.found))
    reason = f"{rule}: {found or AS_WRITTEN}"
    return func.replace(body=body, attrs={**func.attrs, REASON: reason})


class _Notes(Rewriter):
    """Takes the notes from the blocks, in order."""

    def __init__(self) -> None:
        self.found: list[str] = []

    @on(Block)
    def block(self, block: Block) -> object:
        """The block without its note."""
        text = block.annotations.get(REASON)
        if text is not None:
            self.found.append(str(getattr(text, "value", text)))
            rest = {key: value for key, value in block.annotations.items() if key != REASON}
            block = block.replace(annotations=rest)
        return self.rewrite_children(block)

    @on(BufferStore)
    def store(self, store: BufferStore) -> BufferStore:
        """Holds no block."""
        return store
