"""ONNX's own backend tests, run against `Backend`: each in a worker process with a time limit.

A test that crashes its worker, or hangs, is a failure of that test only.
"""

from __future__ import annotations

import glob
import multiprocessing
import multiprocessing.connection
import os
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from onnx.backend.test.case.test_case import TestCase

KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted", "real")
TIME_LIMIT = 120.0
"""Seconds that one test may take."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test ended: `passed`, `failed` or `skipped`, and why.

    `fixed` counts the inputs whose values had to be compiled in (see `backend`).
    """

    name: str
    kind: str
    operator: str
    status: str
    reason: str = ""
    seconds: float = 0.0
    fixed: int = 0


def collect(kinds: Sequence[str] = KINDS, pattern: str = "") -> list[TestCase]:
    """The tests of these kinds whose name contains the regular expression, sorted by name."""
    from onnx.backend.test.loader import load_model_tests

    found: dict[tuple[str, str], TestCase] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in kinds:
            for case in load_model_tests(kind=kind):
                if re.search(pattern, case.name):
                    found[kind, case.name] = case
    return [found[key] for key in sorted(found)]


def run_case(case: TestCase) -> Outcome:
    """Runs one test in this process."""
    start = time.perf_counter()
    operator = operator_of(case)
    fixed = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reason = _skip_reason(case)
            if not reason:
                fixed = _check(case)
        status = "skipped" if reason else "passed"
    except Exception as error:  # every failure of a test is a result
        status, reason = "failed", f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - start
    return Outcome(case.name, case.kind, operator, status, reason, seconds, fixed)


def operator_of(case: TestCase) -> str:
    """The operator that a test is about: that of the model's first node, or the kind of models."""
    try:
        model = _model(case) if case.kind != "real" else None
    except Exception:
        model = None
    if model is None or not model.graph.node:
        return case.kind
    operators = [n.op_type for n in model.graph.node]
    if case.name.endswith("_expanded") or "_expanded_ver" in case.name:
        return re.sub(r"_expanded.*$", "", case.name).removeprefix("test_") + " (expanded)"
    return next((o for o in operators if o not in ("Constant", "Identity")), operators[0])


def _local(case: TestCase) -> Path | None:
    """Where the file of a test that is kept with the package onnx lies."""
    if case.url and case.url.startswith("onnx/backend/test/data/light/"):
        return Path(onnx.__file__).parent.parent / case.url
    return None


def _skip_reason(case: TestCase) -> str:
    local = _local(case)
    if local is not None:
        return "" if local.is_file() else "the model is not part of this package onnx"
    return "the model has to be downloaded" if case.url and case.model_dir is None else ""


def _model(case: TestCase) -> onnx.ModelProto:
    if case.model is not None:
        return case.model
    local = _local(case)
    return onnx.load(local if local is not None else Path(str(case.model_dir)) / "model.onnx")


def _check(case: TestCase) -> int:
    """Raises unless the backend gives the test's outputs; the number of inputs compiled in."""
    from onnx.backend.test.runner import Runner

    from .backend import Backend

    model = _model(case)
    rep = Backend.prepare(model)
    for inputs, outputs in _data_sets(case, model):
        Runner.assert_similar_outputs(outputs, rep.run(inputs), case.rtol, case.atol, case.name)
    return len(rep.fixed)


def _data_sets(case: TestCase, model: onnx.ModelProto) -> Iterator[tuple[list[Any], list[Any]]]:
    from onnx.backend.test.runner import Runner, _normalize_tensor

    if case.data_sets is not None:
        for inputs, outputs in case.data_sets:
            yield [_normalize_tensor(v) for v in inputs], [_normalize_tensor(v) for v in outputs]
        return
    local = _local(case)
    if local is not None:
        constants = {i.name for i in model.graph.initializer}
        free = [i for i in model.graph.input if i.name not in constants]
        data = [Runner.generate_dummy_data(i, seed=0, name=case.name) for i in free]
        stored = local.with_name(f"{local.stem}_output_0.pb")
        expected = onnx.numpy_helper.to_array(onnx.load_tensor(stored))
        yield data, [expected]
        return
    for folder in sorted(glob.glob(os.path.join(str(case.model_dir), "test_data_set_*"))):
        yield (
            _protos(folder, "input", [i.type for i in model.graph.input]),
            _protos(folder, "output", [o.type for o in model.graph.output]),
        )


def _protos(folder: str, what: str, types: Sequence[onnx.TypeProto]) -> list[Any]:
    count = len(glob.glob(os.path.join(folder, f"{what}_*.pb")))
    return [_proto(Path(folder, f"{what}_{i}.pb").read_bytes(), types[i]) for i in range(count)]


def _proto(data: bytes, kind: onnx.TypeProto) -> Any:
    if kind.HasField("sequence_type"):
        return onnx.numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind.HasField("optional_type"):
        return onnx.numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(data))


# ---- many tests --------------------------------------------------------------------------------


def run_all(
    cases: Sequence[TestCase],
    jobs: int = 0,
    report: Callable[[Outcome], None] = lambda outcome: None,
    limit: float = TIME_LIMIT,
) -> list[Outcome]:
    """The outcomes of all tests, in their order; `jobs` worker processes (0: one a core)."""
    pool = _Pool(cases, limit)
    outcomes: dict[int, Outcome] = {}
    try:
        for index, outcome in pool.run(jobs or os.cpu_count() or 1):
            outcomes[index] = outcome
            report(outcome)
    finally:
        pool.close()
    return [outcomes[i] for i in range(len(cases))]


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: multiprocessing.connection.Connection
    current: int = -1
    since: float = 0.0


class _Pool:
    """Worker processes that inherit the tests; one that dies is replaced."""

    def __init__(self, cases: Sequence[TestCase], limit: float) -> None:
        self.cases = cases
        self.limit = limit
        self.context: Any = multiprocessing.get_context("fork")
        self.workers: list[_Worker] = []

    def run(self, jobs: int) -> Iterator[tuple[int, Outcome]]:
        """Index and outcome of every test as they end."""
        waiting = list(range(len(self.cases)))[::-1]
        self.workers = [self._start() for _ in range(min(jobs, len(waiting)))]
        for worker in self.workers:
            self._give(worker, waiting)
        while any(w.current >= 0 for w in self.workers):
            busy = [w for w in self.workers if w.current >= 0]
            ready = multiprocessing.connection.wait([w.pipe for w in busy], timeout=1.0)
            for place, worker in enumerate(self.workers):
                if worker.current < 0:
                    continue
                outcome = self._outcome(worker, worker.pipe in ready)
                if outcome is None:
                    continue
                yield worker.current, outcome
                if not worker.process.is_alive():
                    worker = self.workers[place] = self._start()
                self._give(worker, waiting)

    def _start(self) -> _Worker:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=_serve, args=(self.cases, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _give(self, worker: _Worker, waiting: list[int]) -> None:
        worker.current = waiting.pop() if waiting else -1
        worker.since = time.monotonic()
        if worker.current >= 0:
            worker.pipe.send(worker.current)

    def _outcome(self, worker: _Worker, ready: bool) -> Outcome | None:
        if ready:
            try:
                received: Outcome = worker.pipe.recv()
                return received
            except (EOFError, OSError):
                worker.process.join()
                return self._lost(worker, f"the process ended with {worker.process.exitcode}")
        if time.monotonic() - worker.since > self.limit:
            worker.process.kill()
            worker.process.join()
            return self._lost(worker, f"took longer than {self.limit:g} s")
        return None

    def _lost(self, worker: _Worker, reason: str) -> Outcome:
        case = self.cases[worker.current]
        seconds = time.monotonic() - worker.since
        return Outcome(case.name, case.kind, operator_of(case), "failed", reason, seconds)

    def close(self) -> None:
        """Ends the workers."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.join()


def _serve(cases: Sequence[TestCase], pipe: multiprocessing.connection.Connection) -> None:
    while True:
        try:
            index = pipe.recv()
        except EOFError:
            return
        pipe.send(run_case(cases[index]))


def counts(outcomes: Iterable[Outcome]) -> dict[str, Counter[str]]:
    """The number of outcomes of each status, by kind of test and in total."""
    table: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        table.setdefault(outcome.kind, Counter())[outcome.status] += 1
    table["total"] = sum(table.values(), Counter())
    return table
