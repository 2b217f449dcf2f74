"""Traces: what was done to a schedule, as data that can be printed, saved, changed and replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ...ir.expr import PrimExpr
from ...script.parser.arguments import explained
from ...support.errors import ArgumentError, TVMError
from ...support.public import shown_package
from ..expr import Var
from ..index_map import IndexMap
from .instruction import Instruction
from .trace_json import (
    decision_to_json,
    instruction_from_json,
    instruction_to_json,
    trace_from_json,
    values_from_json,
)
from .trace_text import statement

if TYPE_CHECKING:
    from .schedule import Schedule

Decisions = dict[Instruction, Any]
DecisionProvider = Callable[[Instruction, list[Any], list[Any], Any], Any]


class Trace:
    """The instructions applied to a schedule, in order, with the decisions of those that sample."""

    @explained("Trace")
    def __init__(
        self, insts: Iterable[Instruction] = (), decisions: Decisions | None = None
    ) -> None:
        self.insts = list(insts)
        self.decisions: Decisions = dict(decisions or {})

    # ---- changing ---------------------------------------------------------------------------

    def append(self, inst: Instruction, decision: Any = None) -> None:
        """Adds an instruction at the end."""
        self.insts.append(inst)
        if decision is not None:
            self.decisions[inst] = decision

    def pop(self) -> Instruction | None:
        """Removes the last instruction and returns it; None if there is none."""
        if not self.insts:
            return None
        last = self.insts.pop()
        self.decisions.pop(last, None)
        return last

    def get_decision(self, inst: Instruction) -> Any:
        """The decision of an instruction that samples; None if it has none."""
        return self.decisions.get(inst)

    def with_decision(self, inst: Instruction, decision: Any, remove_postproc: bool) -> Trace:
        """A trace with one decision changed."""
        kept = self._without_postproc() if remove_postproc else self.insts
        return Trace(kept, {**self.decisions, inst: decision})

    def copy(self) -> Trace:
        """A trace that can be continued apart from this one."""
        return Trace(self.insts, self.decisions)

    def _without_postproc(self) -> list[Instruction]:
        for k, inst in enumerate(self.insts):
            if inst.kind.is_postproc:
                return self.insts[:k]
        return self.insts

    def simplified(self, remove_postproc: bool) -> Trace:
        """The trace without instructions that only look and whose results nobody uses."""
        used: set[int] = set()
        kept: list[Instruction] = []
        insts = self._without_postproc() if remove_postproc else self.insts
        for inst in reversed(insts):
            wanted = not inst.kind.is_pure or any(id(out) in used for out in inst.outputs)
            if not wanted:
                continue
            kept.append(inst)
            used.update(id(v) for item in (*inst.inputs, *inst.attrs) for v in _variables(item))
        kept.reverse()
        return Trace(kept, {i: self.decisions[i] for i in kept if i in self.decisions})

    # ---- replaying --------------------------------------------------------------------------

    def apply_to_schedule(
        self,
        sch: Schedule,
        remove_postproc: bool,
        decision_provider: DecisionProvider | None = None,
    ) -> None:
        """Does to `sch` what was done to the schedule that this trace comes from.

        `decision_provider(inst, inputs, attrs, decision)` may change each decision on the way.
        """
        known: dict[int, Any] = {}
        for inst in self._without_postproc() if remove_postproc else self.insts:
            values = {k: _replayed(v, known) for k, v in inst.values().items()}
            decision = self.decisions.get(inst)
            if decision_provider is not None and inst.kind.is_sampling:
                inputs = [_replayed(v, known) for v in inst.inputs]
                decision = decision_provider(inst, inputs, inst.attrs, decision)
            outputs = sch.apply(inst.kind, values, decision)
            if len(outputs) != len(inst.outputs):
                raise ArgumentError(
                    f"{inst.kind.name} gave {len(outputs)} results where the trace has "
                    f"{len(inst.outputs)}: the trace is of another program"
                )
            known.update((id(old), new) for old, new in zip(inst.outputs, outputs, strict=True))

    # ---- text -------------------------------------------------------------------------------

    def as_python(self, remove_postproc: bool = False) -> list[str]:
        """The Python statements, one an instruction."""
        names: dict[int, str] = {}
        insts = self._without_postproc() if remove_postproc else self.insts
        return [statement(inst, self.decisions.get(inst), names) for inst in insts]

    def __str__(self) -> str:
        begin = f"# from {shown_package()} import tir\ndef apply_trace(sch: tir.Schedule) -> None:"
        return "\n".join([begin, *(f"  {line}" for line in self.as_python() or ["pass"])])

    __repr__ = __str__

    def show(self, style: str | None = None, black_format: bool = False) -> None:
        """Prints the trace as a Python function."""
        print(self)

    # ---- JSON -------------------------------------------------------------------------------

    def as_json(self, remove_postproc: bool = False) -> list[Any]:
        """Plain data: the instructions, each `[kind, inputs, attrs, outputs]`, and the decisions,
        each `[index, decision]`. Random variables are names, `b0` of a block, `l1` of a loop."""
        names: dict[int, str] = {}
        insts = self._without_postproc() if remove_postproc else self.insts
        rows = [instruction_to_json(inst, names) for inst in insts]
        decisions = [
            [k, decision_to_json(self.decisions[inst])]
            for k, inst in enumerate(insts)
            if inst in self.decisions
        ]
        return [rows, decisions]

    @staticmethod
    def apply_json_to_schedule(json_obj: Any, sch: Schedule) -> None:
        """Replays on `sch` what `as_json` (or its text), TVM's as well, describes.

        Raises `ArgumentError` for what is not a trace, and `ScheduleError` for a primitive that
        does not apply; either names the place of the instruction, from 0.
        """
        rows, decisions = trace_from_json(json_obj)
        known: dict[str, Any] = {}
        for k, row in enumerate(rows):
            try:
                _apply_row(row, decisions.get(k), known, sch)
            except TVMError as error:
                kind = row[0] if isinstance(row, (list, tuple)) and row else "?"
                raise type(error)(
                    f"instruction {k} ({kind}): {error.message}",
                    error.span,
                    note=error.note,
                    hint=error.hint,
                ) from None


def _apply_row(row: Any, decision: Any, known: dict[str, Any], sch: Schedule) -> None:
    inst = instruction_from_json(row, known)
    if decision is not None and not inst.kind.is_sampling:
        raise ArgumentError("it has a decision, but does not sample")
    made = sch.apply(inst.kind, values_from_json(inst, sch), decision)
    names = row[3]
    if len(made) != len(names):
        raise ArgumentError(
            f"it gave {len(made)} results where the trace has {len(names)}: the trace is of "
            "another program"
        )
    known.update(zip(names, made, strict=True))


def _variables(value: Any) -> Iterable[Any]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _variables(item)
    elif isinstance(value, dict):
        yield from _variables(tuple(value.values()))
    elif isinstance(value, PrimExpr) and not isinstance(value, Var):
        from .poly import variables_in

        yield from variables_in(value)
    elif isinstance(value, IndexMap):
        yield from value.free_variables
    else:
        yield value


def _replayed(value: Any, known: dict[int, Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_replayed(item, known) for item in value)
    if isinstance(value, dict):
        return {k: _replayed(v, known) for k, v in value.items()}
    if isinstance(value, PrimExpr) and not isinstance(value, Var):
        from .rewrite import substitute

        bound = {v: known[id(v)] for v in _variables(value) if id(v) in known}
        return substitute(value, bound) if bound else value
    if isinstance(value, IndexMap):
        return value.with_values({v: known[id(v)] for v in value.free_variables if id(v) in known})
    return known.get(id(value), value)
