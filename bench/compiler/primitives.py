"""A use of each common primitive: what is made ready before, and the step that is timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tilewright.tir.schedule import Schedule

Step = Callable[[], Any]
Prepare = Callable[[Schedule], Step]

PRIMITIVES: dict[str, tuple[str, Prepare]] = {}
"""Of each primitive a program of the corpus, and the function that makes its step."""


def _step(prepare: Prepare) -> Prepare:
    PRIMITIVES[prepare.__name__] = ("matmul_bias_relu", prepare)
    return prepare


def _loops(sch: Schedule) -> list[Any]:
    loops: list[Any] = sch.get_loops(_sum(sch))
    return loops


def _sum(sch: Schedule) -> Any:
    return sch.get_child_blocks(sch.get_block("root"))[0]


def _last(sch: Schedule) -> Any:
    return sch.get_output_blocks("root")[0]


@_step
def get_loops(sch: Schedule) -> Step:
    block = _sum(sch)
    return lambda: sch.get_loops(block)


@_step
def split(sch: Schedule) -> Step:
    i, *_ = _loops(sch)
    return lambda: sch.split(i, [None, 2])


@_step
def fuse(sch: Schedule) -> Step:
    i, j, _ = _loops(sch)
    return lambda: sch.fuse(i, j)


@_step
def reorder(sch: Schedule) -> Step:
    i, j, k = _loops(sch)
    return lambda: sch.reorder(k, i, j)


@_step
def vectorize(sch: Schedule) -> Step:
    _, j, _ = _loops(sch)
    return lambda: sch.vectorize(j)


@_step
def unroll(sch: Schedule) -> Step:
    *_, k = _loops(sch)
    return lambda: sch.unroll(k)


@_step
def parallel(sch: Schedule) -> Step:
    i, *_ = _loops(sch)
    return lambda: sch.parallel(i)


@_step
def cache_read(sch: Schedule) -> Step:
    block = _sum(sch)
    return lambda: sch.cache_read(block, 0, "local")


@_step
def cache_write(sch: Schedule) -> Step:
    block = _sum(sch)
    return lambda: sch.cache_write(block, 0, "local")


@_step
def compute_at(sch: Schedule) -> Step:
    i, *_ = sch.get_loops(_last(sch))
    block = sch.get_producers(_last(sch))[0]
    return lambda: sch.compute_at(block, i)


@_step
def reverse_compute_at(sch: Schedule) -> Step:
    i, *_ = _loops(sch)
    block = sch.get_consumers(_sum(sch))[0]
    return lambda: sch.reverse_compute_at(block, i)


@_step
def compute_inline(sch: Schedule) -> Step:
    block = sch.get_producers(_last(sch))[0]
    return lambda: sch.compute_inline(block)


@_step
def transform_layout(sch: Schedule) -> Step:
    block = _sum(sch)
    return lambda: sch.transform_layout(block, ("write", 0), lambda i, j: (j, i))


@_step
def decompose_reduction(sch: Schedule) -> Step:
    block, (i, *_) = _sum(sch), _loops(sch)
    return lambda: sch.decompose_reduction(block, i)


@_step
def rfactor(sch: Schedule) -> Step:
    *_, k = _loops(sch)
    outer, _ = sch.split(k, [None, 2])
    return lambda: sch.rfactor(outer, 0)


@_step
def blockize(sch: Schedule) -> Step:
    _, j, _ = _loops(sch)
    return lambda: sch.blockize(j)


@_step
def annotate(sch: Schedule) -> Step:
    block = _sum(sch)
    return lambda: sch.annotate(block, "note", 1)
