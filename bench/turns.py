"""One process a peer, taking turns: nobody's threads run, or spin, while another is measured."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

from .peers import PEERS, Array, Inputs

REST = 0.02
"""Seconds between two turns, for spinning workers to go to sleep."""


@dataclass(slots=True)
class Measurement:
    """What was found out about one peer: seconds to build, seconds of each run, or the error."""

    peer: str
    build: float = 0.0
    times: list[float] = field(default_factory=list)
    outputs: list[Array] = field(default_factory=list)
    error: str = ""

    @property
    def median(self) -> float:
        """The median time of a run in seconds."""
        return median(self.times)

    @property
    def best(self) -> float:
        """The shortest time of a run in seconds."""
        return min(self.times)


def measure(
    peers: Sequence[str],
    file: str,
    threads: int,
    inputs: Inputs,
    *,
    rounds: int = 5,
    seconds: float = 0.5,
) -> list[Measurement]:
    """Measures `peers` on a model in `rounds` of one turn each, `seconds` long (one run at least).

    A peer that fails is reported by its `error`; the others go on.
    """
    workers = [_Worker(peer, file, threads, inputs) for peer in peers]
    try:
        for worker in workers:  # one after the other: builds use all cores
            worker.build()
        for turn in range(rounds):
            first = turn % max(1, len(workers))
            for worker in workers[first:] + workers[:first]:
                worker.turn(seconds)
        return [worker.result for worker in workers]
    finally:
        for worker in workers:
            worker.close()


class _Worker:
    """A peer in a process of its own, driven by messages."""

    def __init__(self, peer: str, file: str, threads: int, inputs: Inputs) -> None:
        context = get_context("spawn")
        self.result = Measurement(peer)
        self.pipe, other = context.Pipe()
        arguments = (other, peer, file, threads, dict(inputs))
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        other.close()

    def build(self) -> None:
        self.result.build, self.result.outputs = self._ask("build", (0.0, []))

    def turn(self, seconds: float) -> None:
        if not self.result.error:
            time.sleep(REST)
            self.result.times += self._ask(seconds, [])

    def _ask(self, request: object, otherwise: Any) -> Any:
        """The answer to a request; `otherwise` if the process reports an error or has died."""
        try:
            self.pipe.send(request)
            answer = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(5)
            answer = f"the process died (exit code {self.process.exitcode})"
        if isinstance(answer, str):
            self.result.error = answer
            return otherwise
        return answer

    def close(self) -> None:
        self.pipe.close()
        self.process.join(2)
        if self.process.is_alive():
            self.process.terminate()


def _serve(pipe: Connection, peer: str, file: str, threads: int, inputs: Inputs) -> None:
    """Answers `build` and then turns of so many seconds, until the other end closes."""
    _use_cores(threads)
    try:
        pipe.recv()
        start = time.perf_counter()
        run, fetch = PEERS[peer](file, threads, inputs)
        built = time.perf_counter() - start
        run()
        pipe.send((built, fetch()))
        while True:
            pipe.send(_run_for(run, pipe.recv()))
    except EOFError:
        return
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})"
        pipe.send(message)


def _run_for(run: Any, seconds: float) -> list[float]:
    """The times of runs that fill `seconds`, after one that is not counted."""
    run()
    times: list[float] = []
    left = seconds
    while left > 0:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
        left -= times[-1]
    return times


def _use_cores(count: int) -> None:
    """Keeps this process on its first `count` cores, where the system lets it."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:count])
