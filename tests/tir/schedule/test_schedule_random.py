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
SECONDS = 1.5


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


def factor(sch: Schedule, rng: random.Random) -> None:
    sch.rfactor(rng.choice(loops_of(sch, rng)), rng.randint(0, 1))


def block_of_loops(sch: Schedule, rng: random.Random) -> None:
    sch.blockize(rng.choice(loops_of(sch, rng)), preserve_unit_iters=rng.random() < 0.5)


MAPS = [
    lambda *i: [*i[1:], i[0]],
    lambda *i: [*i[:-1], i[-1] // 2, i[-1] % 2],
    lambda *i: [i[0] // 3, *i[1:], i[0] % 3],
]


def intermediate(sch: Schedule, block: object) -> bool:
    """Whether the block writes a buffer that is allocated in the function."""
    buffers = sch.get(block).writes
    return bool(buffers) and buffers[0].buffer not in sch.func.buffer_map.values()


def layout(sch: Schedule, rng: random.Random) -> None:
    block = rng.choice(blocks_of(sch))
    if intermediate(sch, block):
        pad = rng.choice([None, 0.0])
        sch.transform_layout(block, ("write", 0), rng.choice(MAPS), pad_value=pad)


def axes(sch: Schedule, rng: random.Random) -> None:
    sch.transform_block_layout(rng.choice(blocks_of(sch)), rng.choice(MAPS))


def index_again(sch: Schedule, rng: random.Random) -> None:
    sch.reindex(rng.choice(blocks_of(sch)), (rng.choice(["read", "write"]), 0))


def pad(sch: Schedule, rng: random.Random) -> None:
    block = rng.choice(blocks_of(sch))
    name = rng.choice(["pad_einsum", "decompose_padding"])
    if name == "pad_einsum":
        count = len(sch.get(block).iter_vars)
        sch.pad_einsum(block, [rng.choice([1, 2, 4]) for _ in range(count)])
    else:
        sch.decompose_padding(block, rng.choice(sch.get_loops(block)))


def copy_tile(sch: Schedule, rng: random.Random) -> None:
    block = rng.choice(blocks_of(sch))
    name = rng.choice(["read_at", "write_at"])
    getattr(sch, name)(rng.choice(sch.get_loops(block)), block, 0, "local")


STEPS = [split, split, fuse, reorder, move, move, inline, cache, decompose, run_at_once]
MORE = [*STEPS, factor, block_of_loops, layout, axes, index_again, pad, copy_tile]


@pytest.mark.parametrize("steps", [STEPS, MORE], ids=["loops", "all"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_random_sequences(name, steps):
    start = time.monotonic()
    done = 0
    for seed in range(60):
        rng = random.Random(seed)
        func = PROGRAMS[name]()
        sch = Schedule(func, error_render_level="fast")
        for _ in range(8):
            before = sch.mod
            try:
                rng.choice(steps)(sch, rng)
                done += 1
            except (ScheduleError, IndexError, ValueError):
                assert sch.mod is before
        assert_same_result(func, sch.func, n=7)
        again = Schedule(func)
        sch.trace.apply_to_schedule(again, remove_postproc=False)
        assert_structural_equal(sch.mod, again.mod)
        if seed >= 3 and time.monotonic() - start > SECONDS:
            break
    assert done >= 4
