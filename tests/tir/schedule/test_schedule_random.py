"""Random legal sequences of primitives keep what a program computes."""

import random
import time

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tests.tir.schedule.programs import (
    conv2d,
    elementwise,
    matmul,
    matmul_relu,
    symbolic_matmul,
)
from tilewright.ir import assert_structural_equal
from tilewright.tir import Schedule, ScheduleError

PROGRAMS = {
    "matmul": lambda: matmul(4, 6, 5),
    "matmul_relu": lambda: matmul_relu(6, 4, 3),
    "elementwise": lambda: elementwise(6, 4),
    "symbolic_matmul": lambda: symbolic_matmul(3, 2),
    "conv2d": lambda: conv2d(size=4, channels=2, out=2),
}
SECONDS = 2.5


def blocks_of(sch: Schedule) -> list:
    return sch.get_child_blocks("root")


def loops_of(sch: Schedule, rng: random.Random) -> list:
    return sch.get_loops(rng.choice(blocks_of(sch)))


def split(sch: Schedule, rng: random.Random) -> None:
    sch.split(rng.choice(loops_of(sch, rng)), [None, rng.randint(1, 4)])


def fuse(sch: Schedule, rng: random.Random) -> None:
    loops = loops_of(sch, rng)
    at = rng.randrange(len(loops) - 1)
    sch.fuse(*loops[at : at + 2])


def reorder(sch: Schedule, rng: random.Random) -> None:
    loops = loops_of(sch, rng)
    sch.reorder(*rng.sample(loops, 2))


def move(sch: Schedule, rng: random.Random) -> None:
    name = rng.choice(["compute_at", "reverse_compute_at"])
    getattr(sch, name)(rng.choice(blocks_of(sch)), rng.choice(loops_of(sch, rng)))


def inline(sch: Schedule, rng: random.Random) -> None:
    name = rng.choice(["compute_inline", "reverse_compute_inline"])
    getattr(sch, name)(rng.choice(blocks_of(sch)))


def cache(sch: Schedule, rng: random.Random) -> None:
    name = rng.choice(["cache_read", "cache_write"])
    getattr(sch, name)(rng.choice(blocks_of(sch)), 0, "local")


def decompose(sch: Schedule, rng: random.Random) -> None:
    block = rng.choice(blocks_of(sch))
    sch.decompose_reduction(block, rng.choice(sch.get_loops(block)))


def run_at_once(sch: Schedule, rng: random.Random) -> None:
    name = rng.choice(["parallel", "vectorize", "unroll"])
    getattr(sch, name)(rng.choice(loops_of(sch, rng)))


STEPS = [split, split, fuse, reorder, move, move, inline, cache, decompose, run_at_once]


@pytest.mark.parametrize("name", PROGRAMS)
def test_random_sequences(name):
    start = time.monotonic()
    done = 0
    for seed in range(60):
        rng = random.Random(seed)
        func = PROGRAMS[name]()
        sch = Schedule(func, error_render_level="fast")
        for _ in range(8):
            before = sch.mod
            try:
                rng.choice(STEPS)(sch, rng)
                done += 1
            except (ScheduleError, IndexError, ValueError):
                assert sch.mod is before
        assert_same_result(func, sch.func, n=7)
        again = Schedule(func)
        sch.trace.apply_to_schedule(again, remove_postproc=False)
        assert_structural_equal(sch.mod, again.mod)
        if time.monotonic() - start > SECONDS:
            break
    assert done >= 4
