"""Functions in processes of their own: one that dies, hangs or leaks harms nobody else."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import threading
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from typing import Any

from tilewright.support.errors import ArgumentError

Initializer = Callable[..., Any] | None


class StatusKind(IntEnum):
    """How a call ended."""

    RUNNING = 0
    COMPLETE = 1
    EXCEPTION = 2
    TIMEOUT = 3


MapResult = namedtuple("MapResult", ["status", "value"])
"""The status of one call of `map_with_error_catching`, and its result or exception."""


def kill_child_processes(pid: int) -> None:
    """Kills the children of a process, theirs first."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    for child in map(int, listed.stdout.split()):
        kill_child_processes(child)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 9)


def _serve(connection: Any, initializer: Initializer, arguments: Sequence[Any]) -> None:
    """The worker: takes calls and gives back results, until the pipe is closed."""
    if initializer is not None:
        initializer(*arguments)
    while True:
        try:
            function, args, kwargs = connection.recv()
        except EOFError:
            return
        try:
            answer = (True, function(*args, **kwargs))
        except Exception as error:
            answer = (False, error)
        connection.send(answer)


class PopenWorker:
    """One process that is given one call at a time: `send` and `recv`.

    It starts with the first call, and anew after `maximum_uses` calls or after it was killed.
    Functions and values are pickled, so functions are importable ones.
    """

    def __init__(
        self,
        initializer: Initializer = None,
        initargs: Sequence[Any] = (),
        maximum_uses: int | None = None,
        stdout: Any = None,
        stderr: Any = None,
    ) -> None:
        del stdout, stderr
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a function")
        self._initializer, self._initargs = initializer, tuple(initargs)
        self._maximum_uses = maximum_uses
        self._uses = 0
        self._process: Any = None
        self._pipe: Any = None
        self._timeout: float | None = None

    def send(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Starts `fn(*args, **kwargs)`; it may take `timeout` seconds."""
        if self._maximum_uses and self._uses >= self._maximum_uses:
            self.kill()
        if self._process is None or not self._process.is_alive():
            self._start()
        self._uses += 1
        self._timeout = timeout
        self._pipe.send((fn, tuple(args), kwargs or {}))

    def recv(self) -> Any:
        """The result of the call. Raises its exception, `TimeoutError` after `timeout` seconds,
        or `ChildProcessError` if the process ended."""
        if self._process is None:
            raise ArgumentError("nothing was sent to the worker")
        try:
            if not self._pipe.poll(self._timeout):
                self.kill()
                raise TimeoutError(f"the call took more than {self._timeout} seconds")
            fine, value = self._pipe.recv()
        except (EOFError, ConnectionResetError, BrokenPipeError):
            self.kill()
            raise ChildProcessError("the worker process ended during the call") from None
        if not fine:
            raise value
        return value

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._initializer, self._initargs), daemon=True
        )
        self._process.start()
        theirs.close()
        self._uses = 0

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and bool(self._process.is_alive())

    def join(self, timeout: float | None = None) -> None:
        """Waits for the process to end."""
        if self._process is not None:
            self._process.join(timeout)

    def kill(self) -> None:
        """Ends the process and its children."""
        process, self._process = self._process, None
        if process is not None:
            self._pipe.close()
            kill_child_processes(process.pid)
            process.kill()
            process.join()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.kill()


class PopenPoolExecutor:
    """A pool of workers: `submit`, and `map_with_error_catching`."""

    def __init__(
        self,
        max_workers: int | None = None,
        timeout: float | None = None,
        initializer: Initializer = None,
        initargs: Sequence[Any] = (),
        maximum_process_uses: int | None = None,
        stdout: Any = None,
        stderr: Any = None,
    ) -> None:
        del stdout, stderr
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a function")
        self._threads = ThreadPoolExecutor(max_workers or os.cpu_count() or 1)
        self._timeout = timeout
        self._worker = (initializer, initargs, maximum_process_uses)
        self._idle: list[PopenWorker] = []
        self._lock = threading.Lock()

    def _call(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        with self._lock:
            worker = self._idle.pop() if self._idle else PopenWorker(*self._worker)
        try:
            worker.send(fn, args, kwargs, self._timeout)
            return worker.recv()
        finally:
            with self._lock:
                self._idle.append(worker)

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        """Starts a call; the future has its result."""
        return self._threads.submit(self._call, fn, args, kwargs)

    def map_with_error_catching(
        self, fn: Callable[..., Any], iterator: Iterable[Any]
    ) -> Iterator[MapResult]:
        """`fn` of each item, in order: how it ended, and its result or exception."""
        for future in [self.submit(fn, item) for item in iterator]:
            try:
                yield MapResult(StatusKind.COMPLETE, future.result())
            except TimeoutError as error:
                yield MapResult(StatusKind.TIMEOUT, error)
            except Exception as error:
                yield MapResult(StatusKind.EXCEPTION, error)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._threads.shutdown(wait=True)
            for worker in self._idle:
                worker.kill()
