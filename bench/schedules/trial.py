"""One random sequence: every step verified, the result computed natively, the trace replayed."""

from __future__ import annotations

import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tilewright import tir
from tilewright.driver import build_tir
from tilewright.ir.functor import Rewriter, on
from tilewright.support.errors import ScheduleError
from tilewright.support.knobs import CACHE
from tilewright.tir import Buffer, For, ForKind, PrimFunc
from tilewright.tir.analysis import verify_well_formed
from tilewright.tir.schedule import Instruction, Schedule, Trace

from .corpus import CORPUS, Array, Program
from .edges import EDGES
from .steps import STEPS, Broken, Draw, Unsuitable, hide

PROGRAMS = {**CORPUS, **EDGES}
"""All programs by name."""

SECONDS = 60
"""What a sequence may take of the processor."""
HIDING = 0.05
"""How often the last step hides an access."""
QUICK = "llvm -opt-level 0"
"""Programs this small run for less time than their optimisation takes."""


@dataclass(slots=True)
class Failure:
    """A sequence that broke a promise, and the shortest part of its trace that still does."""

    program: str
    seed: int
    what: str
    detail: str
    trace: str


@dataclass(slots=True)
class Outcome:
    """What one sequence tried, by primitive, and how many seconds of the processor it took;
    `failure` if it broke a promise."""

    program: str
    seed: int
    tried: Counter[str] = field(default_factory=Counter)
    applied: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    failure: Failure | None = None


class _Plain(Rewriter):
    """What only devices have, as this machine has it: threads as loops, memory as one dimension."""

    @on(For)
    def loop(self, loop: For) -> For:
        """Runs one thread after another."""
        made = self.rewrite_children(loop)
        if made.kind != ForKind.THREAD_BINDING:
            return made
        return made.replace(kind=ForKind.SERIAL, thread_binding=None)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Without separated axes, the same everywhere."""
        if not buffer.axis_separators:
            return buffer
        return self.buffers.setdefault(buffer, buffer.replace(axis_separators=()))

    def __init__(self) -> None:
        self.buffers: dict[Buffer, Buffer] = {}


def native(func: PrimFunc, inputs: list[Array]) -> list[Array]:
    """The arrays after `func` has run on copies of `inputs`, compiled."""
    plain = _Plain().run(func).with_attr("tir.is_scheduled", True)
    arrays = [a.copy() for a in inputs]
    with CACHE.set("off"):
        build_tir(plain, target=QUICK)["main"](*arrays)
    return arrays


class Bench:
    """A program with its inputs and what it gives when it is not scheduled."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.func = program.make()
        self.inputs = program.inputs(self.func)
        self.wanted = native(Schedule(self.func).func, self.inputs)

    def schedule(self, seed: int, debug_mask: str = "all") -> Schedule:
        """A new schedule that checks itself after every step (`debug_mask="none"`: does not)."""
        return Schedule(self.func, seed=seed, debug_mask=debug_mask, error_render_level="fast")

    def check(self, sch: Schedule) -> None:
        """Raises `Broken` unless the result is the same and the trace gives the same text."""
        for got, wanted in zip(native(sch.func, self.inputs), self.wanted, strict=True):
            bound = self.program.tolerance
            if not np.allclose(got, wanted, rtol=bound, atol=bound, equal_nan=True):
                raise Broken(f"another result: {got.ravel()[:8]} instead of {wanted.ravel()[:8]}")
        self._replay(sch)

    def _replay(self, sch: Schedule) -> None:
        assert sch.trace is not None
        text = sch.mod.script()
        again, written, short = (self.schedule(0, "none") for _ in range(3))
        sch.trace.apply_to_schedule(again, remove_postproc=False)
        if again.mod.script() != text or str(again.trace) != str(sch.trace):
            raise Broken("the trace gives another text")
        exec("\n".join(sch.trace.as_python()), {"sch": written, **_names()})
        if written.mod.script() != text:
            raise Broken("the trace as Python gives another text")
        simple = sch.trace.simplified(remove_postproc=False)
        Trace.apply_json_to_schedule(simple.as_json(), short)
        if short.mod.script() != text:
            raise Broken("the simplified trace as JSON gives another text")


def _names() -> dict[str, Any]:
    return {"tir": tir, "T": tir, "nan": float("nan"), "inf": float("inf")}


_BENCHES: dict[str, Bench] = {}


def bench_of(name: str) -> Bench:
    """The program's bench, made once a process."""
    if name not in _BENCHES:
        _BENCHES[name] = Bench(PROGRAMS[name])
    return _BENCHES[name]


def run(name: str, seed: int, steps: int = 10) -> Outcome:
    """Takes `steps` random steps on a program and checks all promises."""
    outcome = Outcome(name, seed)
    bench = bench_of(name)
    sch = bench.schedule(seed)
    draw = Draw(sch, random.Random(seed))
    outcome.tried, outcome.applied = draw.tried, draw.applied
    start = time.process_time()
    try:
        with limited(SECONDS):
            for _ in range(steps):
                _step(sch, draw, draw.rng.choice(STEPS)[1])
            if draw.flip(HIDING):
                _step(sch, draw, hide)
            bench.check(sch)
    except Exception as error:
        outcome.failure = _failure(bench, sch, draw, outcome, error)
    outcome.seconds = time.process_time() - start
    return outcome


def _step(sch: Schedule, draw: Draw, take: Callable[[Draw], None]) -> None:
    try:
        take(draw)
    except (Unsuitable, ScheduleError):
        draw.last = None
        return
    draw.last = None
    verify(sch)


def verify(sch: Schedule) -> None:
    """Raises unless the program keeps all rules of the language."""
    verify_well_formed(sch.func)


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises `Broken` in what takes longer, in time of the processor: others may be busy too."""

    def late(*_: Any) -> None:
        raise Broken(f"not finished after {seconds} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


# ---- what failed, in short ------------------------------------------------------------------


def _failure(
    bench: Bench, sch: Schedule, draw: Draw, outcome: Outcome, error: Exception
) -> Failure:
    assert sch.trace is not None
    insts = list(sch.trace.insts)
    attempted = draw.attempted() if draw.last is not None else None
    if attempted is not None:
        insts.append(attempted)
    trace = Trace(insts, sch.trace.decisions)
    what = _kind_of(error)
    with limited(SECONDS):
        trace = reduced(bench, trace, what)
    return Failure(outcome.program, outcome.seed, what, _detail(error), str(trace))


def _kind_of(error: Exception) -> str:
    if isinstance(error, Broken):
        return str(error).split(":")[0]
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.filename.rsplit('/', 1)[-1]}:{place.name}"


def _detail(error: Exception) -> str:
    text = "".join(traceback.format_exception(error))
    return text[-1500:]


def reduced(bench: Bench, trace: Trace, what: str) -> Trace:
    """The trace without the instructions that the failure does not need."""

    def still_fails(insts: list[Instruction]) -> bool:
        return outcome_of(bench, Trace(insts, trace.decisions)) == what

    insts = list(trace.insts)
    if not still_fails(insts):
        return trace
    try:
        insts = _without_needless(insts, still_fails)
    except Broken:  # too late
        return trace
    return Trace(insts, trace.decisions).simplified(remove_postproc=False)


def _without_needless(
    insts: list[Instruction], still_fails: Callable[[list[Instruction]], bool]
) -> list[Instruction]:
    k = len(insts) - 1
    while k >= 0:
        fewer = insts[:k] + insts[k + 1 :]
        if still_fails(fewer):
            insts = fewer
        k -= 1
    return insts


def outcome_of(bench: Bench, trace: Trace) -> str:
    """What is wrong when the trace is applied; empty if nothing is, or it does not apply."""
    sch = bench.schedule(0)
    try:
        trace.apply_to_schedule(sch, remove_postproc=False)
    except ScheduleError:
        return ""
    except Exception as error:
        return _kind_of(error)
    try:
        verify(sch)
        bench.check(sch)
    except Exception as error:
        return _kind_of(error)
    return ""
