"""Which layout images get, and that the same is computed in it."""

import numpy as np
import pytest

from tilewright import relax
from tilewright.relax import interpreter
from tilewright.relax.transform import BlockChannels
from tilewright.target import Target

from .helpers import module, names, random, tensor_var

WIDE = Target("llvm -mcpu=icelake-server -num-cores=2")
SPLITTING = Target("llvm -mcpu=znver4 -num-cores=2")
nn = relax.op.nn


def conv(bb, data, out, channels, taps=1, groups=1, **attrs):
    weight = relax.const(random(out, channels // groups, taps, taps, seed=out + taps))
    padding = taps // 2
    return bb.emit(nn.conv2d(data, weight, padding=padding, groups=groups, **attrs))


def in_blocks(write, shape, target=WIDE):
    """The module that `write` makes, with its channels in blocks; both compute the same."""
    x = tensor_var("x", shape)
    mod = module([x], lambda bb: write(bb, x))
    with target:
        made = BlockChannels()(mod)
    data = random(*shape, seed=3)
    want, got = interpreter.run(mod, data), interpreter.run(made, data)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())
    return made


def layouts(mod):
    return [
        b.value.attrs.out_layout or b.value.attrs.data_layout
        for b in mod["main"].body.bindings()
        if isinstance(b.value, relax.Call) and b.value.op.name == "relax.nn.conv2d"
    ]


def test_few_channels_are_read_as_they_lie():
    made = in_blocks(lambda bb, x: conv(bb, x, 32, 3, 3), (1, 3, 8, 8))
    assert names(made)[:2] == ["relax.reshape", "relax.nn.conv2d"]


@pytest.mark.parametrize(
    ("target", "out", "block"),
    [(SPLITTING, 24, 8), (SPLITTING, 40, 8), (SPLITTING, 32, 16), (SPLITTING, 120, 16),
     (WIDE, 24, 16)],
)  # fmt: skip
def test_the_block_of_output_channels(target, out, block):
    made = in_blocks(lambda bb, x: conv(bb, x, out, 32), (1, 32, 5, 5), target)
    assert layouts(made) == [f"NCHW{block}c"]


def test_what_follows_half_blocks_takes_them_as_they_are():
    def write(bb, x):
        narrow = bb.emit(nn.relu(conv(bb, x, 24, 32)))
        each = conv(bb, narrow, 24, 24, 3, 24)
        return bb.emit(relax.op.add(conv(bb, each, 24, 24), narrow))

    made = in_blocks(write, (1, 32, 5, 5), SPLITTING)
    assert layouts(made) == ["NCHW8c"] * 3
    between = ["nn.conv2d", "nn.relu", "nn.conv2d", "nn.conv2d", "add"]
    assert names(made)[1:6] == [f"relax.{name}" for name in between]


def shuffled(bb, data, channels, groups):
    _, _, h, w = data.struct_info.shape.values
    split = bb.emit(relax.op.reshape(data, (1, groups, channels // groups, h, w)))
    turned = bb.emit(relax.op.permute_dims(split, (0, 2, 1, 3, 4)))
    return bb.emit(relax.op.reshape(turned, (1, channels, h, w)))


def test_between_convolutions_in_small_groups_images_stay_plain():
    def write(bb, x):
        first = bb.emit(nn.relu(conv(bb, x, 24, 24, groups=4)))
        each = conv(bb, shuffled(bb, first, 24, 4), 24, 24, 3, 24)
        return bb.emit(relax.op.add(conv(bb, each, 24, 24, groups=4), x))

    made = in_blocks(write, (1, 24, 6, 6))
    assert layouts(made) == ["NCHW"] * 3
    assert "relax.layout_transform" not in names(made)


def test_a_depthwise_convolution_before_a_dense_one_is_in_blocks():
    def write(bb, x):
        first = conv(bb, x, 24, 24, groups=4)
        each = conv(bb, shuffled(bb, first, 24, 4), 24, 24, 3, 24)
        return conv(bb, each, 32, 24)

    assert layouts(in_blocks(write, (1, 24, 6, 6))) == ["NCHW", "NCHW16c", "NCHW16c"]


def test_concatenation_stays_plain_where_its_readers_do():
    def write(bb, x):
        dense = conv(bb, x, 16, 24)
        grouped = conv(bb, x, 8, 24, groups=4)
        both = bb.emit(relax.op.concat([dense, grouped], 1))
        return conv(bb, both, 24, 24, groups=4)

    made = in_blocks(write, (1, 24, 6, 6))
    assert layouts(made) == ["NCHW16c", "NCHW", "NCHW"]
    assert names(made).count("relax.layout_transform") == 2


def enlarged(bb, data, size, axis=3):
    places = relax.const(np.arange(2 * size) // 2)
    weights = relax.const(random(2 * size, 1) if axis == 2 else random(2 * size))
    return bb.emit(relax.op.multiply(bb.emit(relax.op.take(data, places, axis)), weights))


def test_an_image_that_is_made_larger_changes_its_layout_before():
    def write(bb, x):
        larger = enlarged(bb, enlarged(bb, x, 4), 4, 2)
        return conv(bb, bb.emit(relax.op.concat([larger, larger], 1)), 16, 64)

    made = in_blocks(write, (1, 32, 4, 4))
    found = [name.removeprefix("relax.") for name in names(made)]
    assert found[:7] == ["layout_transform", "take", "multiply", "take", "multiply", "concat",
                         "nn.conv2d"]  # fmt: skip


def test_an_image_that_is_made_larger_between_convolutions_stays_in_blocks():
    def write(bb, x):
        return conv(bb, enlarged(bb, conv(bb, x, 32, 32), 4), 16, 32)

    found = [name.removeprefix("relax.") for name in names(in_blocks(write, (1, 32, 4, 4)))]
    assert found[:5] == ["layout_transform", "nn.conv2d", "take", "multiply", "nn.conv2d"]


def test_an_image_that_is_also_read_in_the_plain_layout_stays_plain():
    def write(bb, x):
        larger = enlarged(bb, x, 4)
        return bb.emit(relax.op.add(conv(bb, larger, 32, 32), bb.emit(nn.softmax(larger))))

    assert names(in_blocks(write, (1, 32, 4, 4)))[0] == "relax.take"
