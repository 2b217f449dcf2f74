"""Checks on schedules for tests."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.module import IRModule
from ...ir.structural import assert_structural_equal
from ...support.errors import ArgumentError
from ..function import PrimFunc
from .schedule import Schedule
from .trace import Trace


def assert_structural_equal_ignore_global_symbol(
    func1: PrimFunc | IRModule, func2: PrimFunc | IRModule, *args: object, **kwargs: bool
) -> None:
    """Raises `ValueError` unless the two are equal up to the functions' own names."""
    assert_structural_equal(_nameless(func1), _nameless(func2), *args, **kwargs)  # type: ignore[arg-type]


def _nameless(value: PrimFunc | IRModule) -> PrimFunc | IRModule:
    if isinstance(value, PrimFunc):
        made: PrimFunc = value.without_attr("global_symbol")
        return made
    return value.with_functions(
        {v: _nameless(f) if isinstance(f, PrimFunc) else f for v, f in value.items()}  # type: ignore[misc]
    )


def verify_trace_roundtrip(
    sch: Schedule,
    mod: PrimFunc | IRModule,
    *,
    debug_mask: str | int = "all",
    text_format: str | Sequence[str] = ("python", "json"),
) -> Schedule:
    """Replays the schedule's trace on `mod` through its text, and raises unless the result is the
    same. Returns the last schedule made."""
    formats = (text_format,) if isinstance(text_format, str) else tuple(text_format)
    made = sch
    for name in formats:
        if name not in ("python", "json"):
            raise ArgumentError(f"a trace is written as python or json, not {name}")
        if sch.trace is None:
            raise ArgumentError("the schedule keeps no trace")
        made = Schedule(mod, debug_mask=debug_mask)
        if name == "json":
            Trace.apply_json_to_schedule(sch.trace.as_json(), made)
        else:
            scope = {"sch": made}
            exec("\n".join(sch.trace.as_python()), scope)
        assert_structural_equal_ignore_global_symbol(made.mod, sch.mod)
    return made
