"""Winograd convolutions: the plan from sizes, and that its schedule computes the same."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tilewright import te, topi
from tilewright.dlight.cpu.winograd import Sizes, plan_of
from tilewright.target import MachineModel, Target
from tilewright.tir.expr import Var
from tilewright.topi.nn.winograd import pack_winograd
from tilewright.topi.testing import conv_python

from .kernels import AVX512, Kernel, check_same, random_array, schedule

MACHINE = replace(MachineModel.of(AVX512), cores=1)


def convolution(n, channels, out, height, width, tile=4, padding=1, lanes=16, residual=False):
    x = te.placeholder((n, channels, height, width, lanes), "float32", "x")
    shape = (out, tile + 2, tile + 2, channels, lanes, lanes)
    u, b = te.placeholder(shape, "float32", "u"), te.placeholder((1, out, 1, 1, lanes), name="b")
    made = topi.add(topi.nn.conv2d_winograd_NCHWc(x, u, padding), b)
    inputs = [x, u, b]
    if residual:
        inputs.append(te.placeholder(made.shape, "float32", "r"))
        made = topi.add(made, inputs[-1])
    return [*inputs, topi.nn.relu(made)]


def is_fused(func):
    """Whether the tiles of the output stay in registers until the last block has read them."""
    lines = str(func).splitlines()
    kept = [line for line in lines if "winograd_output" in line and "alloc_buffer" in line]
    return 'scope="local"' in kept[0]


@pytest.mark.parametrize(
    "case",
    [
        {"n": 1, "channels": 2, "out": 3, "height": 7, "width": 7, "residual": True},
        {"n": 2, "channels": 1, "out": 2, "height": 9, "width": 18, "padding": 0},
        {"n": 1, "channels": 1, "out": 1, "height": 1, "width": 1},
        {"n": 3, "channels": 1, "out": 4, "height": 8, "width": 5, "tile": 2},
        {"n": 1, "channels": 2, "out": 2, "height": 40, "width": 36},
        {"n": 6, "channels": 32, "out": 32, "height": 4, "width": 7},
        {"n": 1, "channels": 3, "out": 5, "height": 40, "width": 40},
    ],
    ids=str,
)
def test_the_schedule_computes_the_same(case):
    made = check_same(convolution(**case), rtol=2e-3, atol=2e-3)
    assert is_fused(made)


def test_plans_of_both_orders_compute_the_same(monkeypatch):
    from tilewright.dlight.cpu import winograd

    def by_point(machine, sizes):
        return replace(plan_of(machine, sizes), by_point=True)

    monkeypatch.setattr(winograd, "plan_of", by_point)
    check_same(convolution(1, 2, 4, 12, 9), rtol=2e-3, atol=2e-3)


def test_batch_known_at_run_time():
    made = check_same(convolution(Var("n", "int64"), 1, 2, 6, 7), rtol=2e-3, atol=2e-3, n=3)
    assert is_fused(made)


OPEN_SIZES = [(1, 1), (7, 7), (9, 33), (30, 14), (4, 57), (0, 5), (5, 0)]


@pytest.mark.parametrize(("tile", "batch", "padding"), [(4, 1, 1), (2, Var("n", "int64"), 0)])
def test_height_and_width_known_at_run_time(tile, batch, padding):
    h, w = Var("h", "int64"), Var("w", "int64")
    made = te.create_prim_func(convolution(batch, 3, 4, h, w, tile, padding))
    assert is_fused(schedule(made))
    kernel = Kernel(schedule(made))
    weight = random_array((64, 48, 3, 3), "float32")
    bias = random_array((1, 4, 1, 1, 16), "float32")
    packed = pack_winograd(weight, tile, 16, 16)
    for height, width in OPEN_SIZES:
        n, extra = batch if isinstance(batch, int) else 2, 2 - 2 * padding
        x = random_array((n, 3, height + extra, width + extra, 16), "float32", 1)
        got = np.full((n, 4, height, width, 16), 7, "float32")
        sizes = {"n": n, "h": x.shape[2], "w": x.shape[3]}
        scalars = [sizes[p.name] for p in kernel.func.params if p.dtype != "handle"]
        kernel(x, packed, bias, got, *scalars)
        if not got.size:
            continue
        plain = x.transpose(0, 1, 4, 2, 3).reshape(n, 48, *x.shape[2:4])
        zeros = [padding] * 2
        want = conv_python(plain, weight, [1, 1], zeros, zeros, [1, 1], 1)
        want = want.reshape(n, 4, 16, height, width).transpose(0, 1, 3, 4, 2)
        np.testing.assert_allclose(got, np.maximum(want + bias, 0), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["znver5", "znver4", "skylake-avx512", "x86-64-v3", "cortex-a76"])
def test_blocks_within_an_image_are_whole_register_tiles(name):
    """Else a tile at the end of a block would reach into the next."""
    machine = MachineModel.of(Target(f"llvm -mcpu={name}"))
    lanes = machine.lanes("float32")
    for batch, blocks, rows, channels in itertools.product((1, 6), (2, 5), range(1, 16), (33, 64)):
        plan = plan_of(machine, Sizes(batch, blocks, 6, rows, rows, lanes, channels, "float32"))
        images, height, _ = plan.registers.rows
        assert plan.rows == rows or plan.rows % height == 0, (batch, blocks, rows, channels)
        assert plan.images == batch or plan.images % images == 0, (batch, blocks, rows, channels)


def test_few_columns_that_are_not_known_are_multiplied_by_more_vectors():
    sizes = Sizes(1, 16, 6, 4, 4, 16, 256, "float32", is_open=True)
    open_plan, fixed_plan = (plan_of(MACHINE, replace(sizes, is_open=k)) for k in (True, False))
    assert open_plan.registers.rows == (1, 1, 4) and open_plan.registers.vectors == 4
    assert fixed_plan.registers.vectors == 2
    assert plan_of(MACHINE, replace(sizes, columns=14)).registers.vectors == 2


def test_rows_known_at_run_time_run_in_blocks_that_stay_in_cache():
    h, w = Var("h", "int64"), Var("w", "int64")
    many = replace(MACHINE, l2=replace(MACHINE.l2, size=1 << 20))
    few = Sizes(1, 4, 6, 14, 14, 16, 64, "float32", True)
    assert plan_of(many, few).rows == 1  # the second cache keeps the weights, too
    larger = Sizes(1, 16, 6, 4, 4, 16, 256, "float32", True)
    assert plan_of(many, larger).rows > 4  # those of a usual image: larger ones count, too
    text = str(schedule(te.create_prim_func(convolution(1, 4, 4, h, w)), AVX512))
    assert "T.where" in text and "T.parallel" in text


def plan(channels, size, machine=MACHINE):
    tiles = -(-size // 4)
    found = plan_of(machine, Sizes(1, channels // 16, 6, tiles, tiles, 16, channels, "float32"))
    return found.rows, found.by_point


def test_plans_keep_blocks_in_cache_until_the_weights_are_too_large():
    machine = replace(MACHINE, l2=replace(MACHINE.l2, size=2 << 20))
    assert plan(64, 56, machine)[0] < 14
    assert plan(128, 28, machine) == (7, False)
    assert plan(512, 28, machine) == (7, False)
    assert plan(2048, 28, machine) == (7, True)


def test_small_images_share_the_weights_that_they_read():
    sizes = Sizes(16, 32, 6, 1, 1, 16, 512, "float32")
    found = plan_of(MACHINE, sizes)
    assert (found.images, found.rows, found.blocks) == (16, 1, 1)
    assert plan_of(MACHINE, replace(sizes, batch=None)).images == 1
    assert plan_of(MACHINE, Sizes(8, 4, 6, 14, 14, 16, 64, "float32")).images == 1


def test_few_blocks_run_in_parallel_inside():
    func = te.create_prim_func(convolution(1, 16, 16, 14, 14))
    assert str(schedule(func, AVX512)).count("T.parallel") >= 2
