"""What a figure is, how it is taken, and the table of all that is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and the budget it has to keep. `count`: the nodes, lines or kernels it is of."""

    group: str
    name: str
    value: float
    unit: str
    budget: float
    count: int = 1

    @property
    def kept(self) -> bool:
        """Whether the value is within the budget."""
        return self.value <= self.budget

    @property
    def verdict(self) -> str:
        """`kept`, or how far it is missed: `missed, 1.5 times`."""
        return "kept" if self.kept else f"missed, {self.value / self.budget:.1f} times"


Measure = Callable[["Effort"], Iterator[Figure]]

GROUPS: dict[str, Measure] = {}
"""What is measured, by name, in the order of the table."""


def group(measure: Measure) -> Measure:
    """Declares a function that yields figures; its name is the group's."""
    GROUPS[measure.__name__] = measure
    return measure


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to measure: `repeat` times, the shortest counts; `kernels` in the sums over many."""

    repeat: int = 7
    kernels: int = 32

    def seconds(self, run: Callable[[], Any]) -> float:
        """The processor time of `run` on all its threads: other programs do not count."""
        return min(_once(run) for _ in range(self.repeat))

    def prepared(self, prepare: Callable[[], Callable[[], Any]]) -> float:
        """The same of what `prepare` returns, made anew each time."""
        return min(_once(prepare()) for _ in range(self.repeat))


def _once(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start
