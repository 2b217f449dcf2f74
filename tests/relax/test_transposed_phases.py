"""Transposed convolutions as ordinary ones: nothing is computed twice, and the same comes out."""

import numpy as np
import pytest

import tilewright as tw
from tilewright import relax
from tilewright.relax import interpreter
from tilewright.relax.analysis import check_well_formed
from tilewright.relax.transform import BlockChannels, TransposedConvPhases
from tilewright.target import Target
from tilewright.tir import Var

from .helpers import module, names, random, tensor_var

nn = relax.op.nn
WIDE = Target("llvm -mcpu=znver4 -num-cores=2")

CASES = [
    ((1, 4, 5, 6), (4, 3, 2, 2), {"strides": 2}),
    ((2, 4, 5, 6), (4, 3, 4, 4), {"strides": 2, "padding": 1}),
    ((1, 4, 5, 6), (4, 3, 3, 3), {"strides": 2, "padding": 1, "output_padding": 1}),
    ((1, 4, 5, 6), (4, 3, 3, 2), {"strides": [3, 2], "padding": [2, 0, 1, 1]}),
    ((1, 4, 5, 6), (4, 3, 2, 3), {"strides": [3, 5], "output_padding": [1, 3]}),
    ((1, 4, 5, 6), (4, 3, 3, 3), {"padding": 1}),
    ((1, 4, 5, 6), (4, 3, 3, 3), {"padding": [4, 3, 2, 3]}),
    ((1, 4, 5, 6), (4, 3, 3, 3), {"dilation": 2, "padding": 1}),
    ((1, 4, 5, 6), (4, 3, 3, 2), {"strides": 2, "dilation": [3, 2], "output_padding": [2, 1]}),
    ((1, 4, 5, 6), (4, 3, 3, 2), {"strides": [1, 4], "dilation": [2, 6], "padding": [2, 3, 2, 1]}),
    ((2, 6, 5, 6), (6, 2, 4, 3), {"strides": 2, "groups": 3, "padding": 1}),
    ((1, 4, 5, 6), (4, 1, 4, 4), {"strides": 2, "groups": 4, "padding": 1}),
    ((1, 4, 7), (4, 3, 4), {"strides": 2, "padding": [1, 0]}),
    ((1, 4, 3, 4, 5), (4, 3, 2, 3, 4), {"strides": [2, 1, 3], "padding": 1}),
    ((1, 4, 1, 1), (4, 3, 1, 1), {"strides": 4, "output_padding": 3}),
]  # fmt: skip


def transposed(x, w, attrs):
    rank = x.struct_info.ndim - 2
    return getattr(nn, f"conv{rank}d_transpose")(x, w, **attrs)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize(("shape", "filter", "attrs"), CASES)
def test_phases_compute_the_same(shape, filter, attrs, constant):
    x, w = tensor_var("x", shape), tensor_var("w", filter)
    given = [random(*shape), random(*filter, seed=1)]
    weight = relax.const(given[1]) if constant else w
    mod = module([x] if constant else [x, w], lambda bb: bb.emit(transposed(x, weight, attrs)))
    made = TransposedConvPhases()(mod)
    check_well_formed(made)
    assert not any("transpose" in name for name in names(made))
    given = given[:1] if constant else given
    want, got = interpreter.run(mod, *given), interpreter.run(made, *given)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)


def test_stride_one_is_one_convolution():
    x, w = tensor_var("x", (1, 4, 5, 6)), relax.const(random(4, 3, 3, 3))
    mod = module([x], lambda bb: bb.emit(nn.conv2d_transpose(x, w, padding=1)))
    assert names(TransposedConvPhases()(mod)) == ["relax.nn.conv2d"]


def test_windows_side_by_side_multiply_nothing_twice():
    x, w = tensor_var("x", (1, 4, 5, 6)), relax.const(random(4, 3, 2, 2))
    mod = module([x], lambda bb: bb.emit(nn.conv2d_transpose(x, w, strides=2)))
    made = TransposedConvPhases()(mod)
    moves = ["reshape", "permute_dims", "reshape"]
    assert names(made) == ["relax.nn.conv2d", *(f"relax.{move}" for move in moves)]
    conv = next(iter(made["main"].body.bindings())).value
    assert conv.args[1].array.shape == (12, 4, 1, 1)


@pytest.mark.parametrize(("filter", "attrs"), [
    ((32, 16, 4, 4), {"strides": 2, "padding": 1}),
    ((32, 24, 3, 3), {"strides": 2, "padding": 1, "output_padding": 1}),
    ((32, 20, 2, 3), {"strides": [2, 3]}),
])  # fmt: skip
def test_blocks_of_channels_stay_together(filter, attrs):
    x, w = tensor_var("x", (2, 32, 5, 6)), relax.const(random(*filter, seed=1))

    def write(bb):
        made = bb.emit(nn.conv2d_transpose(x, w, **attrs))
        return bb.emit(nn.relu(made))

    mod = module([x], write)
    with WIDE:
        made = BlockChannels()(mod)
    called = names(made)
    assert called.index("relax.permute_dims") < called.index("relax.nn.relu")
    assert called.index("relax.nn.relu") < called.index("relax.layout_transform", 1)
    data = random(2, 32, 5, 6, seed=2)
    want, got = interpreter.run(mod, data), interpreter.run(made, data)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize(("filter", "attrs"), [
    ((4, 3, 4, 4), {"strides": 2, "padding": 1}),
    ((4, 16, 3, 3), {"strides": 2, "padding": 1, "output_padding": 1}),
    ((4, 2, 3, 3), {"groups": 2, "strides": 3}),
])  # fmt: skip
def test_images_of_any_size_and_number(filter, attrs):
    n, height, width = Var("n", "int64"), Var("h", "int64"), Var("w", "int64")
    x, w = tensor_var("x", (n, 4, height, width)), relax.const(random(*filter, seed=1))
    mod = module([x], lambda bb: bb.emit(nn.conv2d_transpose(x, w, **attrs)))
    vm = relax.VirtualMachine(tw.compile(mod, "llvm"), tw.cpu())
    for shape in ((2, 4, 3, 5), (1, 4, 6, 1)):
        data = random(*shape, seed=3)
        want = interpreter.run(mod, data)
        np.testing.assert_allclose(vm["main"](data).numpy(), want, rtol=0, atol=1e-5)


def test_an_empty_image_is_left_alone():
    x, w = tensor_var("x", (1, 4, 0, 6)), relax.const(random(4, 3, 2, 2))
    mod = module([x], lambda bb: bb.emit(nn.conv2d_transpose(x, w, strides=2, padding=0)))
    assert names(TransposedConvPhases()(mod)) == ["relax.nn.conv2d_transpose"]
