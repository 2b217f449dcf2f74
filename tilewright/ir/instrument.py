"""Instruments: what watches passes run, by a `PassContext` or by DUMP, DIFF and VERIFY."""

from __future__ import annotations

import difflib
import functools
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..support import knobs
from .module import IRModule

if TYPE_CHECKING:
    from .transform import PassInfo


class PassInstrument:
    """Base of instruments; override what you need."""

    def enter_pass_ctx(self) -> None:
        """The context that holds the instrument is entered."""

    def exit_pass_ctx(self) -> None:
        """The context is left."""

    def should_run(self, mod: IRModule, info: PassInfo) -> bool:
        """Whether the pass is to run on `mod`."""
        return True

    def run_before_pass(self, mod: IRModule, info: PassInfo) -> None:
        """The pass is about to run on `mod`."""

    def run_after_pass(self, mod: IRModule, info: PassInfo) -> None:
        """The pass has made `mod`."""


_METHODS = ("enter_pass_ctx", "exit_pass_ctx", "should_run", "run_before_pass", "run_after_pass")


def pass_instrument(pi_cls: type | None = None) -> Any:
    """Makes an instrument of a class that has some of the methods of `PassInstrument`."""

    def make(cls: type) -> Any:
        missing = {m: getattr(PassInstrument, m) for m in _METHODS if not hasattr(cls, m)}
        return functools.wraps(cls, updated=())(type(cls.__name__, (cls, PassInstrument), missing))

    return make if pi_cls is None else make(pi_cls)


@dataclass(slots=True)
class _Timed:
    name: str
    start: float
    seconds: float = 0.0
    inner: list[_Timed] = field(default_factory=list)


class PassTimingInstrument(PassInstrument):
    """Takes the time of every pass; `render()` gives the tree as text."""

    def __init__(self) -> None:
        self._stack = [_Timed("root", 0.0)]

    def enter_pass_ctx(self) -> None:
        self._stack = [_Timed("root", 0.0)]

    def run_before_pass(self, mod: IRModule, info: PassInfo) -> None:
        self._stack.append(_Timed(info.name, time.perf_counter()))

    def run_after_pass(self, mod: IRModule, info: PassInfo) -> None:
        done = self._stack.pop()
        done.seconds = time.perf_counter() - done.start
        self._stack[-1].inner.append(done)

    def render(self) -> str:
        """A line a pass: milliseconds, share of the total, name; nested passes are indented."""
        rows: list[str] = []
        total = sum(t.seconds for t in self._stack[0].inner) or 1.0
        self._rows(self._stack[0].inner, 0, total, rows)
        return "\n".join(rows)

    def _rows(self, timed: Sequence[_Timed], depth: int, total: float, rows: list[str]) -> None:
        for t in timed:
            share = t.seconds / total
            rows.append(f"{t.seconds * 1e3:9.2f} ms {share:6.1%}  {'  ' * depth}{t.name}")
            self._rows(t.inner, depth + 1, total, rows)


def _print_module(when: str, mod: IRModule, info: PassInfo) -> None:
    """The module as script, under a remark that names the pass."""
    print(f"# {when} Running Pass: pass name: {info.name}\n{mod}")


class PrintBeforeAll(PassInstrument):
    """Prints the module before every pass."""

    def run_before_pass(self, mod: IRModule, info: PassInfo) -> None:
        _print_module("Before", mod, info)


class PrintAfterAll(PassInstrument):
    """Prints the module after every pass."""

    def run_after_pass(self, mod: IRModule, info: PassInfo) -> None:
        _print_module("After", mod, info)


class PassPrintingInstrument(PassInstrument):
    """Prints the module before and after the passes named."""

    def __init__(
        self,
        print_before_pass_names: Sequence[str] = (),
        print_after_pass_names: Sequence[str] = (),
    ) -> None:
        self.before = set(print_before_pass_names)
        self.after = set(print_after_pass_names)

    def run_before_pass(self, mod: IRModule, info: PassInfo) -> None:
        if info.name in self.before:
            _print_module("Before", mod, info)

    def run_after_pass(self, mod: IRModule, info: PassInfo) -> None:
        if info.name in self.after:
            _print_module("After", mod, info)


VERIFIERS: list[Callable[[IRModule], object]] = []
"""What `WellFormedInstrument` calls: each dialect's checker, which raises on a broken promise."""


class WellFormedInstrument(PassInstrument):
    """Checks after every pass that the module keeps the promises of its dialects."""

    def run_after_pass(self, mod: IRModule, info: PassInfo) -> None:
        for verify in VERIFIERS:
            verify(mod)


class DumpInstrument(PassInstrument):
    """Writes the module after every pass into a directory, one numbered file a pass."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)

    def run_after_pass(self, mod: IRModule, info: PassInfo) -> None:
        number = len(list(self.directory.glob("*.py")))
        name = re.sub(r"\W+", "_", info.name)
        (self.directory / f"{number:03}_{name}.py").write_text(str(mod) + "\n")


class DiffInstrument(PassInstrument):
    """Prints what each pass changed, as a unified diff of the script."""

    def __init__(self, stream: Any = None) -> None:
        self.before: list[str] = []
        self.stream = stream

    def run_before_pass(self, mod: IRModule, info: PassInfo) -> None:
        self.before.append(str(mod))

    def run_after_pass(self, mod: IRModule, info: PassInfo) -> None:
        old, new = self.before.pop().splitlines(), str(mod).splitlines()
        label = ("before " + info.name, "after " + info.name)
        for line in difflib.unified_diff(old, new, *label, lineterm=""):
            print(line, file=self.stream or sys.stderr)


_DIFF = DiffInstrument()


def knob_instruments() -> list[PassInstrument]:
    """The instruments that the settings DUMP, DIFF and VERIFY ask for."""
    chosen: list[PassInstrument] = []
    if knobs.DUMP.get():
        chosen.append(DumpInstrument(knobs.DUMP.get()))
    if knobs.DIFF.get():
        chosen.append(_DIFF)
    if knobs.VERIFY.get():
        chosen.append(WellFormedInstrument())
    return chosen
