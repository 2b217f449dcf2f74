"""Where convolutions go Winograd's way, and that they compute the same there."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tilewright import relax
from tilewright.dlight.analysis import collect
from tilewright.ir.transform import PassContext
from tilewright.relax import interpreter
from tilewright.relax.transform import BlockChannels, blocked_layout
from tilewright.relax.transform.winograd_choice import Window, best_tile
from tilewright.target import MachineModel, Target
from tilewright.tir.expr import Var

from .helpers import module, names, random, tensor_var

AVX512 = Target("llvm -mcpu=icelake-server -num-cores=2")
MACHINE = MachineModel.of(AVX512)


@pytest.mark.parametrize(
    ("channels", "out", "size", "expected"),
    [
        (64, 64, 56, 4),
        (128, 128, 28, 4),
        (512, 512, 28, 4),
        (512, 512, 7, 2),
        (512, 512, 1, None),
        (16, 64, 56, None),
        (64, 16, 56, None),
        (64, 64, 0, None),
    ],
)
def test_choice(channels, out, size, expected):
    assert best_tile(MACHINE, Window(1, channels, out, size, size), "float32") == expected


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "bfloat16"])
def test_only_float32(dtype):
    assert best_tile(MACHINE, Window(1, 64, 64, 56, 56), dtype) is None


def blocked(shape, out=40, taps=3, **attrs):
    x = tensor_var("x", shape)
    weight = relax.const(random(out, shape[1], taps, taps, seed=1))
    mod = module([x], lambda bb: relax.op.nn.conv2d(x, weight, **attrs))
    with AVX512:
        return mod, BlockChannels()(mod)


WINOGRAD, DIRECT = "relax.nn.conv2d_winograd", "relax.nn.conv2d"


@pytest.mark.parametrize(
    ("shape", "attrs", "chosen"),
    [
        ((1, 40, 13, 14), {"padding": 1}, WINOGRAD),
        ((2, 64, 12, 9), {"padding": [0, 1, 2, 0]}, WINOGRAD),
        ((1, 64, 12, 12), {"strides": 2}, DIRECT),
        ((1, 64, 24, 24), {"dilation": 2, "padding": 2}, WINOGRAD),
        ((1, 64, 7, 7), {"dilation": 6, "padding": 6}, DIRECT),
        ((1, 64, 12, 12), {"taps": 5}, DIRECT),
    ],
)
def test_convolutions(shape, attrs, chosen):
    mod, made = blocked(shape, **attrs)
    assert chosen in names(made)
    x = random(*shape, seed=2)
    want, got = interpreter.run(mod, x), interpreter.run(made, x)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


def test_it_is_left_out_on_request():
    with PassContext(config={"relax.BlockChannels.winograd": False}):
        _, made = blocked((1, 64, 12, 12), padding=1)
    assert DIRECT in names(made) and WINOGRAD not in names(made)


def check_dilated(shape, out=32, **attrs):
    """The dilated convolution in phases, whether that is faster or not, computes the same."""
    x, weight = tensor_var("x", shape), relax.const(random(out, shape[1], 3, 3, seed=1))
    mod = module([x], lambda bb: relax.op.nn.conv2d(x, weight, **attrs))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocked_layout, "best_tile", lambda *arguments: 2)
        with AVX512:
            made = BlockChannels()(mod)
    assert WINOGRAD in names(made) and DIRECT not in names(made)
    data = random(*shape, seed=2)
    want, got = interpreter.run(mod, data), interpreter.run(made, data)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * max(1, np.abs(want).max()))


@settings(max_examples=30)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 4)),
    st.tuples(st.integers(1, 13), st.integers(1, 13)),
    st.tuples(*[st.integers(0, 4)] * 4),
    st.integers(1, 2),
)
@example((2, 2), (12, 12), (2, 2, 2, 2), 1)
@example((3, 2), (11, 7), (1, 3, 4, 0), 2)
def test_dilated_convolutions_in_phases(dilation, size, padding, batch):
    assume(dilation != (1, 1))
    out = [n + padding[k] + padding[k + 2] - 2 * dilation[k] for k, n in enumerate(size)]
    assume(min(out) >= 1)
    check_dilated((batch, 16, *size), padding=list(padding), dilation=list(dilation))


def test_dilated_convolutions_of_any_batch():
    x = tensor_var("x", (Var("n", "int64"), 64, 28, 28))
    weight = relax.const(random(64, 64, 3, 3, seed=1))
    mod = module([x], lambda bb: relax.op.nn.conv2d(x, weight, dilation=2, padding=2))
    with AVX512:
        made = BlockChannels()(mod)
    assert WINOGRAD in names(made)
    data = random(3, 64, 28, 28, seed=2)
    want, got = interpreter.run(mod, data), interpreter.run(made, data)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("shape", [("n", 64, 12, 12), (1, 64, "h", 12), ("n", 64, "h", "w")])
def test_sizes_known_at_run_time(shape):
    dims = [Var(d, "int64") if isinstance(d, str) else d for d in shape]
    mod, made = blocked(dims, padding=1)
    assert WINOGRAD in names(made)
    x = random(*({"n": 2, "h": 7, "w": 9}.get(d, d) for d in shape), seed=2)
    want, got = interpreter.run(mod, x), interpreter.run(made, x)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


def test_deep_in_a_network_the_usual_image_is_small():
    height, width = Var("h", "int64"), Var("w", "int64")
    deep = [1, 512, (height + 31) // 32, (width + 31) // 32]
    weight = relax.const(random(512, 512, 3, 3))
    for dims, tile in ((deep, 2), ([1, 512, height, width], 4)):
        x = tensor_var("x", dims)
        mod = module([x], lambda bb, x=x: relax.op.nn.conv2d(x, weight, padding=1))
        with AVX512:
            made = BlockChannels()(mod)
        weights = [c for c in collect(made["main"], relax.Constant) if c.array.ndim == 6]
        assert [c.array.shape[1] - 2 for c in weights] == [tile]


def test_a_dilated_convolution_of_any_size_stays_direct():
    x = (1, 64, Var("h", "int64"), 24)
    assert DIRECT in names(blocked(x, dilation=2, padding=2)[1])


def test_without_a_target_nothing_is_chosen():
    x = tensor_var("x", (1, 64, 12, 12))
    mod = module([x], lambda bb: relax.op.nn.conv2d(x, relax.const(random(64, 64, 3, 3))))
    assert WINOGRAD not in names(BlockChannels(16)(mod))
