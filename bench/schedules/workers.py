"""Sequences in worker processes; one that dies is a failure of the sequence that it ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from .trial import Failure, Outcome, run

Job = tuple[str, int, int]
"""Program, seed, steps."""


class Worker:
    """A process that runs one sequence after another."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other,), daemon=True)
        self.process.start()
        other.close()
        self.job: Job | None = None

    def give(self, job: Job) -> None:
        """Starts a sequence."""
        self.job = job
        self.pipe.send(job)

    def take(self) -> Outcome:
        """The outcome of the sequence."""
        assert self.job is not None
        program, seed, _ = self.job
        try:
            made: Outcome = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(5)
            what = f"the process died (exit code {self.process.exitcode})"
            made = Outcome(program, seed, failure=Failure(program, seed, what, "", ""))
        self.job = None
        return made

    def close(self) -> None:
        """Ends the process."""
        self.pipe.close()
        self.process.join(2)
        if self.process.is_alive():
            self.process.terminate()


def serve(pipe: Connection) -> None:
    """Runs what comes until the other end closes."""
    while True:
        try:
            pipe.send(run(*pipe.recv()))
        except EOFError:
            return


def run_all(jobs: Sequence[Job], count: int) -> Iterator[Outcome]:
    """The outcomes of all jobs, as they come."""
    left = list(reversed(jobs))
    workers: dict[Any, Worker] = {}
    try:
        for _ in range(min(count, len(left))):
            worker = Worker()
            workers[worker.pipe] = worker
            worker.give(left.pop())
        while workers:
            for ready in wait(list(workers)):
                worker = workers.pop(ready)
                yield worker.take()
                if not worker.process.is_alive():
                    worker.close()
                    worker = Worker()
                if left:
                    worker.give(left.pop())
                    workers[worker.pipe] = worker
                else:
                    worker.close()
    finally:
        for worker in workers.values():
            worker.close()
