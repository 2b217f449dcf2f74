"""Plans of the arena: storage shares memory when, and only when, it is never needed at once."""

from __future__ import annotations

import random

import pytest

from tests.codegen.llvm.kernels import function
from tests.codegen.llvm.test_native_vm_random import Program
from tilewright.codegen.llvm.vm_memory import Plan, plan_memory
from tilewright.codegen.llvm.vm_registers import classify
from tilewright.runtime.executable import (
    AllocStorage,
    AllocTensor,
    BindScalar,
    CallKernel,
    Dim,
    DimOp,
    Executable,
    Imm,
    Instruction,
    Reg,
    Ret,
    Slot,
)
from tilewright.runtime.ndarray import empty

N = Slot(0)


def plan(code: list[Instruction]) -> Plan:
    built = function("x", code, registers=100, slots=("n",))
    return plan_memory(built, classify(built, Executable({})))


def chain(sizes: list[Dim]) -> list[Instruction]:
    """Kernels in a row, each reading what the one before it wrote."""
    code: list[Instruction] = [BindScalar(N, Reg(0))]
    previous = Reg(99)
    for i, size in enumerate(sizes):
        storage, result = Reg(2 * i + 1), Reg(2 * i + 2)
        code.append(AllocStorage(storage, size))
        code.append(AllocTensor(result, storage, 0, (4,), "float32"))
        inputs = (result,) if previous.index == 99 else (previous, result)
        code.append(CallKernel("k", inputs))
        previous = result
    return [*code, Ret(Imm(None))]


def test_a_chain_needs_two_places() -> None:
    found = plan(chain([100] * 6))
    assert [found.offsets[at] for at in sorted(found.offsets)] == [0, 128, 0, 128, 0, 128]
    assert found.static_bytes == 256


def test_a_large_block_does_not_go_into_a_small_gap() -> None:
    found = plan(chain([64, 64, 1000, 64]))
    assert [found.offsets[at] for at in sorted(found.offsets)] == [0, 64, 128, 0]


def test_symbolic_sizes_take_over_equal_ones() -> None:
    size, other = DimOp("mul", N, 16), DimOp("mul", N, 32)
    found = plan(chain([size, size, size, other, size, size]))
    assert found.reused == {7: 1, 13: 4, 16: 7}
    assert not found.offsets


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


@pytest.mark.parametrize("seed", range(30))
def test_random_chains_with_skips_never_share_what_lives(seed: int) -> None:
    rng = random.Random(seed)
    count = 20
    sizes = [rng.choice([0, 10, 64, 100, 1000]) for _ in range(count)]
    code: list[Instruction] = []
    last: dict[int, int] = {}
    for i, size in enumerate(sizes):
        code.append(AllocStorage(Reg(2 * i + 1), size))
        code.append(AllocTensor(Reg(2 * i + 2), Reg(2 * i + 1), 0, (1,), "int8"))
        inputs = [rng.randrange(i + 1) for _ in range(2)] + [i]
        code.append(CallKernel("k", tuple(Reg(2 * j + 2) for j in inputs)))
        last.update(dict.fromkeys(inputs, len(code) - 1))
    found = plan([*code, Ret(Imm(None))])
    for i in range(count):
        for j in range(i):
            if last[j] >= 3 * i:  # the tensor j is still needed when i is made
                a, b = found.offsets[3 * i], found.offsets[3 * j]
                assert not overlap((a, a + sizes[i]), (b, b + sizes[j]))
    assert found.static_bytes <= sum(-(-max(s, 1) // 64) * 64 for s in sizes)


def test_random_programs_share_memory() -> None:
    shared = 0
    for seed in range(50):
        built = Program(seed).build()
        constants = [empty((12,), "float32")]
        shared += len(plan_memory(built, classify(built, Executable({}, constants))).reused)
    assert shared
