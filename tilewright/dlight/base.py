"""`ScheduleRule` and the pass that applies rules to every function that has no schedule yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..ir.module import IRModule
from ..ir.transform import PassContext, module_pass
from ..support.errors import ArgumentError
from ..target.target import Target
from ..tir.function import PrimFunc
from ..tir.schedule import Schedule

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

    A function with `tir.is_scheduled` stays; one with a target of its own is scheduled for that.
    Without a target in either place, for this machine.
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
            if isinstance(func, PrimFunc) and not func.attrs.get("tir.is_scheduled"):
                func = scheduled(func, _target_of(func, current), self.rules)
            functions[var] = func
        return mod.with_functions(functions)


def _target_of(func: PrimFunc, current: Target) -> Target:
    own = func.attrs.get("target")
    return own if isinstance(own, Target) else current


def scheduled(func: PrimFunc, target: Target, rules: Sequence[ScheduleRule]) -> PrimFunc:
    """`func` as the first rule that fits schedules it, marked so; itself if none does."""
    for rule in rules:
        made = rule.apply(func, target, False)
        if isinstance(made, list):
            made = made[0] if made else None
        if made is not None:
            return mark_scheduled(made.func)
    return func


def mark_scheduled(func: PrimFunc) -> PrimFunc:
    """`func` with the attribute by which it is left alone from now on."""
    return func.replace(attrs={**func.attrs, "tir.is_scheduled": True})
