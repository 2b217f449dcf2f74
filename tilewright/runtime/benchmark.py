"""Timing: run a function many times and summarize how long it took."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat as repeated
from typing import Any

import numpy as np

from tilewright.ffi import get_global_func
from tilewright.support.errors import ArgumentError

from .device import Device


@dataclass(frozen=True)
class BenchmarkResult:
    """Seconds per run, one entry for each measurement, and their summary."""

    results: tuple[float, ...]

    def __init__(self, results: Sequence[float]) -> None:
        object.__setattr__(self, "results", tuple(float(r) for r in results))

    @property
    def mean(self) -> float:
        """The mean in seconds."""
        return statistics.fmean(self.results)

    @property
    def median(self) -> float:
        """The median in seconds."""
        return statistics.median(self.results)

    @property
    def min(self) -> float:
        """The shortest in seconds."""
        return min(self.results)

    @property
    def max(self) -> float:
        """The longest in seconds."""
        return max(self.results)

    @property
    def std(self) -> float:
        """The standard deviation (of the population) in seconds."""
        return statistics.pstdev(self.results)

    def __repr__(self) -> str:
        return (
            f"BenchmarkResult(min={self.min}, mean={self.mean}, median={self.median}, "
            f"max={self.max}, std={self.std}, results={self.results})"
        )

    def __str__(self) -> str:
        titles = ("mean", "median", "max", "min", "std")
        head = "".join(f"{title + ' (ms)':>14}" for title in titles)
        row = "".join(f"{getattr(self, title) * 1e3:14.4f}" for title in titles)
        return f"Execution time over {len(self.results)} measurements:\n{head}\n{row}"


class Evaluator:
    """Calling it with the function's arguments measures; see `Module.time_evaluator`."""

    def __init__(
        self,
        function: Callable[..., Any],
        dev: Device | None = None,
        *,
        number: int = 10,
        repeat: int = 1,
        min_repeat_ms: float = 0,
        limit_zero_time_iterations: int = 100,
        cooldown_interval_ms: float = 0,
        repeats_to_cooldown: int = 1,
        cache_flush_bytes: int = 0,
        f_preproc: str | Callable[..., Any] = "",
    ) -> None:
        for name, value in (("number", number), ("repeat", repeat)):
            if value < 1:
                raise ArgumentError(f"time_evaluator needs {name} >= 1, found {value}")
        self._function = function
        self._synchronize = _synchronizer(dev)
        self._number = number
        self._repeat = repeat
        self._least_seconds = min_repeat_ms / 1e3
        self._limit_zero = limit_zero_time_iterations
        self._cooldown = cooldown_interval_ms / 1e3
        self._repeats_to_cooldown = max(1, repeats_to_cooldown)
        self._flush = np.zeros(cache_flush_bytes // 8, np.int64) if cache_flush_bytes else None
        self._prepare = _callable(f_preproc)

    def __call__(self, *args: Any) -> BenchmarkResult:
        """The times of `repeat` measurements, after one run to warm up."""
        self._function(*args)
        self._synchronize()
        number = self._number
        results = []
        for index in range(self._repeat):
            self._before(args)
            seconds = self._measure(number, args)
            attempts = 0
            while seconds < self._least_seconds and not (
                seconds <= 0 and attempts >= self._limit_zero
            ):
                number = self._grown(number, seconds)
                attempts += 1
                self._before(args)
                seconds = self._measure(number, args)
            results.append(seconds / number)
            if self._cooldown and (index + 1) % self._repeats_to_cooldown == 0:
                time.sleep(self._cooldown)
        return BenchmarkResult(results)

    def _before(self, args: tuple[Any, ...]) -> None:
        if self._prepare is not None:
            self._prepare(*args)
        if self._flush is not None:
            self._flush += 1

    def _measure(self, number: int, args: tuple[Any, ...]) -> float:
        function = self._function
        start = time.perf_counter()
        for _ in repeated(None, number):
            function(*args)
        self._synchronize()
        return time.perf_counter() - start

    def _grown(self, number: int, seconds: float) -> int:
        factor = self._least_seconds / seconds if seconds > 0 else 2.0
        return int(max(number * factor + 1, number * 1.618))


def _callable(function: str | Callable[..., Any]) -> Callable[..., Any] | None:
    if isinstance(function, str):
        named: Callable[..., Any] | None = get_global_func(function) if function else None
        return named
    return function


def _synchronizer(dev: Device | None) -> Callable[[], None]:
    if dev is None or dev.type == "cpu":
        return lambda: None
    return dev.sync
