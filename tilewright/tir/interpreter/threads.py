"""Threads of a device: blocks one after another, the threads of a block together.

A block whose threads wait for each other (barriers, values exchanged) is run by Python threads
in lockstep at the barriers; any other, thread after thread.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

from ...ir.functor import post_order_visit
from ...support.errors import RuntimeFailure
from ..expr import Call, IterVar, Var
from ..stmt import AttrStmt, For, Stmt
from .machine import Interpreter

WARP = 32
_PATIENCE = 60.0
WAITS = frozenset((
    "tir.tvm_storage_sync", "tir.tvm_thread_allreduce", "tir.tvm_warp_shuffle",
    "tir.tvm_warp_shuffle_up", "tir.tvm_warp_shuffle_down", "tir.ptx_wait_group",
))  # fmt: skip
Coordinates = dict[str, int]


class Group:
    """The threads of one block that run together: what they share and where they meet."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.barrier = threading.Barrier(count)
        self.lock = threading.Lock()
        self.shared: dict[Any, Any] = {}
        self.values: dict[int, Any] = {}
        self.failure: BaseException | None = None
        self.left = 0

    def wait(self) -> None:
        """Until every thread is here. Raises `RuntimeFailure` if one never comes."""
        if self.left:
            self.barrier.abort()
        self.barrier.wait(timeout=_PATIENCE)

    def leave(self) -> None:
        """A thread has run to its end: nobody may wait for it."""
        self.left += 1
        if self.barrier.n_waiting:
            self.barrier.abort()

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What the first thread makes; the same for all."""
        with self.lock:
            if key not in self.shared:
                self.shared[key] = make()
            return self.shared[key]

    def exchange(self, rank: int, value: Any) -> dict[int, Any]:
        """The values of all threads, by rank."""
        self.values[rank] = value
        self.wait()
        all_values = dict(self.values)
        self.wait()
        return all_values


class Thread:
    """One thread: its coordinates by tag, its place among those of its block, and the tags of
    the variables that hold its coordinates."""

    def __init__(self, group: Group, rank: int, coordinates: Coordinates) -> None:
        self.group, self.rank, self.coordinates = group, rank, coordinates
        self.tags: dict[Var, str] = {}


def run_axis(self: Interpreter, tag: str, var: Var, extent: int, body: Stmt) -> None:
    """Runs `body` for every index of a thread axis, or for the one that this thread has."""
    active = self.thread
    if active is not None and tag in active.coordinates:
        if active.coordinates[tag] < extent:
            self.env[var] = active.coordinates[tag]
            active.tags[var] = tag
            self.run(body)
    elif var in self.axes:
        self.run(body)
    elif tag.startswith("threadIdx") and _waits(body):
        _run_together(self, tag, extent, var, body)
    else:
        self.axes.add(var)
        for index in range(extent):
            self.env[var] = index
            self.run(body)
        self.axes.discard(var)


def _waits(body: Stmt) -> bool:
    found: list[Any] = []

    def look(node: Any) -> None:
        if isinstance(node, Call) and getattr(node.op, "name", "") in WAITS:
            found.append(node)

    post_order_visit(body, look)
    return bool(found)


def _inner_axes(self: Interpreter, body: Stmt) -> dict[str, int]:
    """The further thread axes within, with their extents."""
    found: dict[str, int] = {}

    def look(node: Any) -> None:
        axis, extent = axis_of(node)
        if axis is not None and axis.thread_tag.startswith("threadIdx"):
            found[axis.thread_tag] = max(found.get(axis.thread_tag, 0), int(self.eval(extent)))

    post_order_visit(body, look)
    return found


def axis_of(node: Any) -> tuple[IterVar | None, Any]:
    """The thread axis that a statement launches, and its extent."""
    if isinstance(node, AttrStmt) and node.attr_key in ("thread_extent", "virtual_thread"):
        return (node.node, node.value) if isinstance(node.node, IterVar) else (None, None)
    if isinstance(node, For) and node.thread_binding is not None:
        return node.thread_binding, node.extent
    return None, None


def _run_together(self: Interpreter, tag: str, extent: int, var: Var, body: Stmt) -> None:
    extents = {**_inner_axes(self, body), tag: extent}
    tags = sorted(extents)
    group = Group(math.prod(extents.values()))
    workers = []
    for rank in range(group.count):
        coordinates, rest = {}, rank
        for name in tags:
            rest, coordinates[name] = divmod(rest, extents[name])
        thread = Thread(group, rank, coordinates)
        workers.append(threading.Thread(target=_work, args=(self.fork(thread), var, tag, body)))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if group.failure is not None:
        raise group.failure


def _work(machine: Interpreter, var: Var, tag: str, body: Stmt) -> None:
    thread = machine.thread
    assert thread is not None
    try:
        machine.env[var] = thread.coordinates[tag]
        thread.tags[var] = tag
        machine.run(body)
        thread.group.leave()
    except threading.BrokenBarrierError:
        _fail(thread.group, RuntimeFailure("threads of a block do not meet at a barrier"))
    except BaseException as error:
        _fail(thread.group, error)
        thread.group.barrier.abort()


def _fail(group: Group, error: BaseException) -> None:
    with group.lock:
        group.failure = group.failure or error
