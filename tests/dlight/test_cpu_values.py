"""Whatever the default rules make of a function computes what the function computes."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tilewright import te, tir, topi

from .kernels import check_functions, check_same, schedule


def tensor(*shape, dtype="float32", name="x"):
    return te.placeholder(shape, dtype, name)


def unary(function, *shape, dtype="float32"):
    x = tensor(*shape, dtype=dtype)
    return [x, function(x)]


def binary(function, a, b, dtype="float32"):
    x, y = tensor(*a, dtype=dtype), tensor(*b, dtype=dtype, name="y")
    return [x, y, function(x, y)]


def convolution(data, kernel, stride=1, padding=0, dilation=1, groups=1, dtype="float32"):
    x, w = tensor(*data, dtype=dtype), tensor(*kernel, dtype=dtype, name="w")
    made = topi.nn.conv(x, w, stride, padding, dilation, groups)
    return [x, w, topi.nn.relu(made)]


def pointwise(data, kernel):
    x, w, made = convolution(data, kernel)
    b = tensor(1, kernel[0], 1, 1, name="b")
    r = tensor(data[0], kernel[0], *data[2:], name="r")
    return [x, w, b, r, topi.nn.relu(topi.add(topi.add(made, b), r))]


def blocked(data, kernel, stride=1, padding=0, dilation=1, groups=1, dtype="float32"):
    x, w = tensor(*data, dtype=dtype), tensor(*kernel, dtype=dtype, name="w")
    b = tensor(1, kernel[0], 1, 1, kernel[5], dtype=dtype, name="b")
    made = topi.nn.group_conv2d_NCHWc(x, w, stride, padding, dilation, groups, *_layouts(kernel))
    return [x, w, b, topi.nn.relu(topi.add(made, b))]


def _layouts(kernel):
    return f"NCHW{kernel[4]}c", f"NCHW{kernel[5]}c"


def depthwise(data, kernel, stride=1, padding=0):
    x, w = tensor(*data), tensor(*kernel, name="w")
    layout = f"NCHW{kernel[5]}c"
    made = topi.nn.depthwise_conv2d_NCHWc(x, w, stride, padding, 1, layout, layout)
    return [x, w, topi.clip(made, 0.0, 6.0)]


def matmul(a, b, transpose_a=False, transpose_b=False, dtype="float32", out=None):
    x, y = tensor(*a, dtype=dtype), tensor(*b, dtype=dtype, name="y")
    return [x, y, topi.nn.matmul(x, y, None, out, transpose_a, transpose_b)]


def doubled(x):
    for _ in range(24):
        x = topi.multiply(topi.add(x, x), te.const(0.5, "float32"))
    return x


def layer_norm(shape):
    x = tensor(*shape)
    g, b = tensor(shape[-1], name="g"), tensor(shape[-1], name="b")
    return [x, g, b, topi.nn.layer_norm(x, g, b, [len(shape) - 1])]


CASES = {
    "add same": lambda: binary(topi.add, (3, 5, 7), (3, 5, 7)),
    "add bias last": lambda: binary(topi.add, (9, 20), (20,)),
    "add bias channel": lambda: binary(topi.add, (2, 6, 5, 5), (6, 1, 1)),
    "add outer": lambda: binary(topi.add, (17, 1), (1, 33)),
    "add scalar": lambda: binary(topi.add, (40,), ()),
    "rank 0": lambda: binary(topi.multiply, (), ()),
    "size 1": lambda: binary(topi.multiply, (1, 1), (1, 1)),
    "empty": lambda: binary(topi.add, (0, 5), (0, 5)),
    "int8": lambda: binary(topi.add, (100,), (100,), "int8"),
    "uint16": lambda: binary(topi.multiply, (37,), (37,), "uint16"),
    "float16": lambda: binary(topi.add, (100,), (100,), "float16"),
    "bfloat16": lambda: binary(topi.multiply, (100,), (100,), "bfloat16"),
    "float64": lambda: binary(topi.multiply, (5, 33), (5, 33), "float64"),
    "large add": lambda: binary(topi.add, (300, 1024), (300, 1024)),
    "chain": lambda: unary(lambda x: topi.tanh(topi.add(topi.exp(x), x)), 6, 50),
    "doublings": lambda: unary(doubled, 40),
    "mish": lambda: unary(lambda x: topi.multiply(x, topi.tanh(topi.log(topi.exp(x)))), 70),
    "sigmoid": lambda: unary(topi.sigmoid, 19),
    "cast": lambda: unary(lambda x: topi.cast(x, "int32"), 4, 30),
    "compare": lambda: binary(topi.greater, (4, 30), (4, 30)),
    "transpose": lambda: unary(lambda x: topi.transpose(x, (0, 2, 1)), 2, 33, 20),
    "transpose of tiles": lambda: unary(lambda x: topi.transpose(x, (0, 2, 1)), 2, 48, 64),
    "transpose with rests": lambda: unary(lambda x: topi.transpose(x, (1, 0)), 37, 83),
    "transpose of int8": lambda: unary(lambda x: topi.transpose(x, (1, 0)), 70, 130, dtype="int8"),
    "transpose into a sum": lambda: binary(
        lambda x, y: topi.tanh(topi.add(topi.transpose(x, (1, 0)), y)), (40, 50), (50, 40)
    ),
    "transpose 4d": lambda: unary(lambda x: topi.transpose(x, (0, 2, 3, 1)), 2, 16, 5, 7),
    "reshape": lambda: unary(lambda x: topi.reshape(x, (6, 20)), 2, 3, 20),
    "concat": lambda: binary(lambda x, y: topi.concatenate([x, y], 1), (3, 17), (3, 18)),
    "pad": lambda: unary(lambda x: topi.nn.pad(x, [0, 0, 1, 1], [0, 0, 1, 1]), 1, 3, 6, 30),
    "slice": lambda: unary(lambda x: topi.strided_slice(x, [0, 1], [3, 30], [1, 2]), 3, 30),
    "from blocks": lambda: unary(
        lambda x: te.compute((2, 20, 5, 7), lambda n, c, h, w: x[n, c // 8, h, w, c % 8]),
        2, 3, 5, 7, 8),
    "take": lambda: [
        (x := tensor(50, 20)),
        (i := te.placeholder((7,), "uint8", "i")),
        topi.take(x, i, 0),
    ],
    "sum last": lambda: unary(lambda x: topi.sum(x, -1), 9, 130),
    "sum last odd": lambda: unary(lambda x: topi.sum(x, -1), 3, 77),
    "sum first": lambda: unary(lambda x: topi.sum(x, 0), 30, 70),
    "sum middle": lambda: unary(lambda x: topi.sum(x, 1), 3, 12, 40),
    "sum all": lambda: unary(lambda x: topi.sum(x), 30, 70),
    "sum keepdims": lambda: unary(lambda x: topi.sum(x, (1, 2), True), 2, 7, 9, 16),
    "sum of images": lambda: unary(lambda x: topi.sum(x, (2, 3)), 1, 3, 128, 128),
    "sum empty axis": lambda: unary(lambda x: topi.sum(x, 1), 4, 0),
    "mean": lambda: unary(lambda x: topi.mean(x, -1), 8, 50),
    "max last": lambda: unary(lambda x: topi.max(x, -1), 8, 50),
    "max int8": lambda: unary(lambda x: topi.max(x, -1), 8, 50, dtype="int8"),
    "prod": lambda: unary(lambda x: topi.prod(x, 0), 4, 50),
    "argmax last": lambda: unary(lambda x: topi.argmax(x, 1), 8, 50),
    "argmin first": lambda: unary(lambda x: topi.argmin(x, 0), 8, 50),
    "place last": lambda: unary(lambda x: topi.place_of(topi.max, x, 1, False), 8, 50),
    "place first": lambda: unary(lambda x: topi.place_of(topi.min, x, 0, True), 30, 70),
    "place middle": lambda: unary(lambda x: topi.place_of(topi.max, x, 1, False), 2, 33, 20),
    "cumsum": lambda: unary(lambda x: topi.cumsum(x, 1), 8, 50),
    "softmax": lambda: unary(topi.nn.softmax, 5, 77),
    "softmax axis": lambda: unary(lambda x: topi.nn.softmax(x, 1), 2, 9, 20),
    "softmax long": lambda: unary(topi.nn.softmax, 12, 64, 128),
    "log softmax": lambda: unary(topi.nn.log_softmax, 3, 100),
    "layer norm": lambda: layer_norm((2, 6, 100)),
    "layer norm 768": lambda: layer_norm((16, 768)),
    "max pool": lambda: unary(
        lambda x: topi.nn.pool2d(x, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), "max", False, "NCHW"),
        1, 5, 14, 14),
    "avg pool": lambda: unary(
        lambda x: topi.nn.pool2d(x, (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), "avg", False, "NCHW"),
        1, 5, 13, 13),
    "max pool blocked": lambda: unary(
        lambda x: topi.nn.pool2d(x, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), "max", False, "NCHW16c"),
        1, 2, 14, 14, 16),
    "global pool": lambda: unary(lambda x: topi.nn.global_pool(x, "avg", "NCHW"), 2, 6, 7, 7),
    "conv": lambda: convolution((1, 4, 12, 12), (8, 4, 3, 3), 1, 1),
    "conv stride": lambda: convolution((2, 3, 15, 15), (8, 3, 5, 5), 2, 2),
    "conv groups": lambda: convolution((1, 8, 9, 9), (12, 4, 3, 3), 1, 1, 1, 2),
    "conv depthwise": lambda: convolution((1, 8, 9, 9), (8, 1, 3, 3), 1, 1, 1, 8),
    "conv nhwc oihw": lambda: [
        x := tensor(2, 7, 6, 4), w := tensor(6, 4, 3, 2, name="w"),
        topi.nn.conv(x, w, 1, 1, 1, 1, "NHWC", "OIHW")],
    "conv nhwc": lambda: [
        x := tensor(1, 9, 9, 8), w := tensor(3, 3, 8, 32, name="w"),
        topi.nn.conv(x, w, 1, 1, 1, 1, "NHWC", "HWIO")],
    "conv pointwise odd": lambda: convolution((2, 12, 7, 7), (20, 12, 1, 1)),
    "conv pointwise groups": lambda: convolution((1, 24, 7, 10), (32, 6, 1, 1), groups=4),
    "conv pointwise bias": lambda: pointwise((2, 12, 7, 7), (20, 12, 1, 1)),
    "conv depthwise rows": lambda: convolution((1, 8, 28, 28), (8, 1, 3, 3), 1, 1, 1, 8),
    "conv depthwise stride": lambda: convolution((1, 8, 30, 30), (8, 1, 3, 3), 2, 1, 1, 8),
    "conv1d": lambda: convolution((2, 4, 33), (8, 4, 3), 1, 1),
    "conv3d": lambda: convolution((1, 3, 6, 7, 8), (4, 3, 3, 3, 3), 1, 1),
    "blocked 3x3": lambda: blocked((1, 2, 14, 14, 16), (4, 2, 3, 3, 16, 16), 1, 1),
    "blocked 1x1": lambda: blocked((1, 2, 7, 7, 16), (4, 2, 1, 1, 16, 16)),
    "blocked stride": lambda: blocked((1, 2, 15, 15, 16), (2, 2, 3, 3, 16, 16), 2, 1),
    "blocked odd": lambda: blocked((2, 1, 19, 19, 16), (3, 1, 3, 3, 16, 16), 1, 1),
    "blocked dilated": lambda: blocked((1, 1, 20, 20, 16), (2, 1, 3, 3, 16, 16), 1, 2, 2),
    "blocked groups": lambda: blocked((1, 4, 8, 8, 16), (4, 2, 3, 3, 16, 16), 1, 1, 1, 2),
    "blocked by 8": lambda: blocked((1, 3, 9, 9, 8), (4, 3, 3, 3, 8, 8), 1, 1),
    "blocked by 3": lambda: blocked((1, 1, 23, 23, 3), (2, 1, 7, 7, 3, 16), 2, 3),
    "blocked bfloat16": lambda: blocked(
        (1, 2, 7, 7, 16), (2, 2, 3, 3, 16, 16), 1, 1, 1, 1, "bfloat16"),
    "depthwise": lambda: depthwise((1, 3, 14, 14, 16), (3, 1, 3, 3, 1, 16), 1, 1),
    "depthwise stride": lambda: depthwise((1, 2, 15, 15, 16), (2, 1, 5, 5, 1, 16), 2, 2),
    "matmul": lambda: matmul((32, 48), (48, 64)),
    "matmul odd": lambda: matmul((29, 31), (31, 37)),
    "matmul tall": lambda: matmul((8203, 301), (301, 33)),
    "matmul row": lambda: matmul((1, 100), (100, 77)),
    "matmul column": lambda: matmul((33, 100), (100, 1)),
    "matmul dot": lambda: matmul((1, 100), (100, 1)),
    "matmul wide": lambda: matmul((7, 20), (20, 1000)),
    "matmul no depth": lambda: matmul((4, 0), (0, 5)),
    "matmul nt": lambda: matmul((17, 50), (40, 50), False, True),
    "matmul tn": lambda: matmul((50, 17), (50, 40), True, False),
    "matmul tt": lambda: matmul((50, 17), (40, 50), True, True),
    "matmul row nt": lambda: matmul((1, 50), (40, 50), False, True),
    "matmul batch": lambda: matmul((3, 20, 30), (3, 30, 40)),
    "matmul batch nt": lambda: matmul((3, 20, 30), (3, 40, 30), False, True),
    "matmul broadcast": lambda: matmul((2, 3, 20, 30), (30, 40)),
    "matmul int8": lambda: matmul((20, 30), (30, 40), dtype="int8", out="int32"),
    "matmul float64": lambda: matmul((20, 30), (30, 40), dtype="float64"),
    "matmul float16": lambda: matmul((20, 30), (30, 40), dtype="float16"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_same_values(name):
    narrow = "16" in name.split()[-1]
    check_same(CASES[name](), rtol=2e-2 if narrow else 1e-4, atol=2e-2 if narrow else 1e-4)


SYMBOLIC = {
    "add": lambda n: [x := tensor(n, 20), topi.add(x, x)],
    "add last": lambda n: [x := tensor(3, n), topi.exp(x)],
    "sum": lambda n: [x := tensor(n, 40), topi.sum(x, 1)],
    "sum of n": lambda n: [x := tensor(3, n), topi.sum(x, 1)],
    "softmax": lambda n: [x := tensor(4, n), topi.nn.softmax(x)],
    "sum of images": lambda n: [x := tensor(2, 3, n, n), topi.sum(x, [2, 3])],
    "sum of boxes": lambda n: [x := tensor(2, 3, 4, n), topi.sum(x, [1, 2, 3])],
    "group norm": lambda n: [
        x := tensor(1, 8, n, n), g := tensor(8, name="g"), b := tensor(8, name="b"),
        topi.nn.group_norm(x, g, b, 2, 1, [2, 3])],
    "layer norm": lambda n: [
        x := tensor(n, 64), g := tensor(64, name="g"), topi.nn.layer_norm(x, g, None, [1])],
    "matmul rows": lambda n: matmul((n, 24), (24, 64)),
    "matmul columns": lambda n: matmul((10, 24), (24, n)),
    "matmul depth": lambda n: matmul((10, n), (n, 48)),
    "matmul column": lambda n: matmul((16, n), (n, 1)),
    "matmul dot": lambda n: matmul((1, n), (n, 1)),
    "matmul nt": lambda n: matmul((n, 24), (n, 24), False, True),
    "transpose": lambda n: [x := tensor(n, n + 3), topi.transpose(x, (1, 0))],
    "transpose 4d": lambda n: [x := tensor(1, 3, n, n), topi.transpose(x, (0, 2, 3, 1))],
    "conv pointwise": lambda n: convolution((1, 12, n, n), (20, 12, 1, 1)),
    "conv pointwise bias": lambda n: pointwise((2, 12, n, n), (20, 12, 1, 1)),
    "conv 3x3": lambda n: convolution((1, 4, n, n), (8, 4, 3, 3), 1, 1),
    "conv 3x3 stride": lambda n: convolution((1, 4, n, n), (8, 4, 3, 3), 2, 1),
    "conv depthwise": lambda n: convolution((1, 8, n, n), (8, 1, 3, 3), 1, 1, 1, 8),
    "conv depthwise stride": lambda n: convolution((1, 8, n, n), (8, 1, 5, 5), 2, 2, 1, 8),
    "max pool": lambda n: unary(
        lambda x: topi.nn.pool2d(x, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), "max", False, "NCHW"),
        1, 5, n, n),
    "avg pool": lambda n: unary(
        lambda x: topi.nn.pool2d(x, (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), "avg", False, "NCHW"),
        1, 5, n, n),
    "resize": lambda n: unary(
        lambda x: topi.image.resize2d(x, (0.0,) * 4, (9, 20), "NCHW", "linear"), 1, 5, n, n),
    "relu of images": lambda n: unary(topi.nn.relu, 1, 5, n, n),
    "conv batch": lambda n: blocked((n, 1, 9, 9, 16), (2, 1, 3, 3, 16, 16), 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", SYMBOLIC)
@pytest.mark.parametrize("n", [0, 1, 7, 33])
def test_same_values_with_symbolic_shapes(name, n):
    if n or name != "resize":  # an image without pixels has nothing to show
        check_same(SYMBOLIC[name](tir.Var("n", "int64")), n=n)


SIDES = st.integers(1, 20)


@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (5, 2)])
def test_windows_of_channels_by_themselves_at_any_size(taps, stride):
    """One kernel for heights and widths below, at and above those of its tiles."""
    height, width = te.var("h", "int64"), te.var("w", "int64")
    data, kernel = (1, 2, height, width, 16), (2, 1, taps, taps, 1, 16)
    func = te.create_prim_func(depthwise(data, kernel, stride, taps // 2))
    made = schedule(func)
    for sizes in [(1, 1), (2, 9), (5, 7), (8, 16), (3, 17), (16, 15), (4, 33)]:
        check_functions(func, made, h=sizes[0], w=sizes[1])


@settings(max_examples=3)
@given(SIDES, SIDES, st.sampled_from([1, 2, 3, 5, 7]), st.integers(1, 3), st.integers(0, 3))
@example(14, 17, 3, 2, 1)
@example(9, 20, 7, 1, 3)
@example(1, 1, 3, 1, 1)
def test_windows_of_channels_by_themselves(height, width, taps, stride, padding):
    assume(min(height, width) + 2 * padding >= taps)
    check_same(depthwise((1, 2, height, width, 16), (2, 1, taps, taps, 1, 16), stride, padding))
    x = tensor(1, 2, height, width, 16)
    pads = (min(padding, taps // 2),) * 4
    assume(min(height, width) + 2 * pads[0] >= taps)
    for kind in ("max", "avg"):
        window = ((taps, taps), (stride, stride), (1, 1), pads, kind, False, "NCHW16c")
        check_same([x, topi.nn.pool2d(x, *window)])
