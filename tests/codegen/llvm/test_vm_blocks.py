"""The memory of large results is used again, never while anybody still has it."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from tests.codegen.llvm.kernels import executable, function
from tilewright.codegen.llvm.vm_blocks import KEPT, LARGE, SLOTS
from tilewright.runtime import Tensor, cpu, empty
from tilewright.runtime.executable import (
    BindScalar,
    CallKernel,
    NewTensor,
    Reg,
    Ret,
    Slot,
)
from tilewright.runtime.vm import VirtualMachine

N = Slot(0)


@pytest.fixture(scope="module")
def fill():
    """`fill(source, n)`: a new tensor of n numbers; its first ones are those of `source`."""
    made = executable(
        function(
            "x n",
            [
                BindScalar(N, Reg(1)),
                NewTensor(Reg(3), (N,), "float32"),
                CallKernel("add", (Reg(0), Reg(0), Reg(3)), (1024,)),
                Ret(Reg(3)),
            ],
            slots=("n",),
        )
    )
    return VirtualMachine(made, cpu())["main"]


def source(value: float) -> Tensor:
    made = empty((1024,), "float32")
    made.copyfrom(np.full(1024, value, "float32"))
    return made


LENGTH = LARGE // 4 + 1000


def test_a_freed_block_is_used_again(fill):
    first = fill(source(1), LENGTH)
    address = first.data_ptr()
    del first
    assert fill(source(2), LENGTH).data_ptr() == address


def test_a_view_keeps_the_block(fill):
    array = fill(source(1), LENGTH).view_numpy()
    gc.collect()
    other = fill(source(5), LENGTH)
    assert other.data_ptr() != array.ctypes.data
    np.testing.assert_array_equal(array[:1024], 2)


def test_results_that_live_at_once_never_share(fill):
    alive = [fill(source(k), LENGTH + 10 * k) for k in range(3 * SLOTS)]
    assert len({each.data_ptr() for each in alive}) == len(alive)
    del alive[::2]
    alive += [fill(source(100 + k), LENGTH) for k in range(SLOTS)]
    assert len({each.data_ptr() for each in alive}) == len(alive)
    wanted = [*range(1, 3 * SLOTS, 2), *range(100, 100 + SLOTS)]
    assert [float(each.numpy()[0]) / 2 for each in alive] == wanted


def test_a_much_larger_or_smaller_block_is_no_use(fill):
    small = fill(source(1), LENGTH)
    address = small.data_ptr()
    del small
    large = fill(source(1), 4 * LENGTH)
    assert large.data_ptr() != address
    del large
    np.testing.assert_array_equal(fill(source(3), LENGTH).numpy()[:1024], 6)


def test_a_block_too_large_to_be_kept(fill):
    huge = fill(source(1), KEPT // 4 + 1)
    del huge
    np.testing.assert_array_equal(fill(source(4), KEPT // 4 + 1).numpy()[:1024], 8)


def test_threads_never_share_a_block(fill):
    wrong: list[int] = []

    def work(seed: int) -> None:
        for k in range(60):
            value = 64 * seed + k
            made = fill(source(value), LENGTH + 5000 * (k % 3))
            if not np.all(made.numpy()[:1024] == 2 * value):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
