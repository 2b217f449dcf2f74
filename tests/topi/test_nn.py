import math

import numpy as np
import pytest

from tests.topi.evaluator import check, evaluate, given
from tilewright import te, topi
from tilewright.support.errors import ArgumentError
from tilewright.topi import testing as ref

rng = np.random.default_rng(7)
X = rng.standard_normal((2, 6, 5, 4)).astype("float32")
erf = np.vectorize(math.erf, otypes=["float32"])


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0), "relu6": lambda x: np.clip(x, 0, 6),
    "silu": lambda x: x / (1 + np.exp(-x)), "mish": lambda x: x * np.tanh(softplus(x)),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2).astype("f4"))) / 2, "softplus": softplus,
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3))),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "celu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "thresholded_relu": lambda x: np.where(x > 1, x, 0),
    "shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    check(getattr(topi.nn, name), lambda v: ACTIVATIONS[name](v).astype("f4"), X, rtol=1e-5)


def test_activations_with_parameters():
    check(
        lambda t: topi.nn.leaky_relu(t, 0.1), lambda v: np.where(v > 0, v, v * np.float32(0.1)), X
    )
    slope = rng.random(6).astype("float32")
    check(topi.nn.prelu, lambda v, s: np.where(v > 0, v, v * s[:, None, None]), X, slope)
    check(topi.nn.bias_add, lambda v, s: v + s[:, None, None], X, slope)
    check(lambda t: topi.nn.dropout(t), lambda v: [v, np.ones_like(v)], X)


@pytest.mark.parametrize(
    "left, right",
    [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (4, 5)),
        ((4,), (4, 5)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((3, 4), (4,)),
        ((4,), (4,)),
    ],
)
def test_matmul_broadcasts(left, right):
    a, b = rng.random(left), rng.random(right)
    check(topi.nn.matmul, lambda x, y: np.asarray(np.matmul(x, y)), a, b, shapes=("static",))


def test_dense_and_batches():
    a, w, b = (rng.random(s).astype("float32") for s in ((3, 4), (5, 4), (5,)))
    check(topi.nn.dense, lambda x, y, z: x @ y.T + z, a, w, b, rtol=1e-5)
    x, y = rng.random((2, 3, 4)), rng.random((2, 5, 4))
    check(topi.nn.batch_matmul, ref.batch_matmul, x, y)
    check(lambda p, q: topi.nn.batch_matmul(p, q, None, None, True, False),
          lambda p, q: p.swapaxes(1, 2) @ q, x, rng.random((2, 3, 5)))  # fmt: skip
    small = rng.integers(-128, 127, (2, 300)).astype("int8")
    check(lambda p, q: topi.nn.dense(p, q, None, "int32"),
          lambda p, q: p.astype("int32") @ q.astype("int32").T, small, small)  # fmt: skip


PADS = [((0, 0, 1, 2), (0, 0, 2, 1)), ((1, 0, 0, 3), None), ((0, 0, 0, 0), (0, 0, 3, 3))]


@pytest.mark.parametrize("before, after", PADS)
def test_pad(before, after):
    widths = list(zip(before, after or before, strict=True))
    for function, mode in (
        (topi.nn.reflect_pad, "reflect"), (topi.nn.replicate_pad, "edge"),
        (topi.nn.circular_pad, "wrap"), (topi.nn.mirror_pad, "symmetric"),
    ):  # fmt: skip
        check(lambda t, f=function: f(t, before, after), lambda v, m=mode: np.pad(v, widths, m), X)
    check(lambda t: topi.nn.pad(t, before, after, 2.0),
          lambda v: np.pad(v, widths, constant_values=2), X)  # fmt: skip


def test_pad_far_beyond_the_edge_and_crop():
    x = np.arange(3.0)
    for function, mode in ((topi.nn.reflect_pad, "reflect"), (topi.nn.circular_pad, "wrap")):
        check(lambda t, f=function: f(t, [7], [8]), lambda v, m=mode: np.pad(v, (7, 8), m), x)
    check(lambda t: topi.nn.pad(t, [-1], [2]), lambda v: np.array([1.0, 2.0, 0, 0]), x)
    check(lambda t: topi.nn.reflect_pad(t, [2], [2]), lambda v: np.pad(v, 2, "reflect"), x[:1],
          shapes=("static",))  # fmt: skip


POOLS = [
    ((3, 3), (2, 2), (1, 1), (1, 1, 1, 1), False), ((2, 3), (1, 2), (1, 1), (0, 1, 1, 0), False),
    ((3, 3), (2, 2), (1, 1), (0, 0, 0, 0), True), ((3, 2), (2, 3), (1, 1), (1, 1, 1, 1), True),
    ((2, 2), (1, 1), (2, 2), (1, 0, 0, 1), False), ((2, 2), (2, 2), (2, 1), (1, 1, 1, 1), True),
    ((50, 41), (3, 2), (1, 1), (30, 20, 25, 22), False),  # larger than the image
    ((50, 41), (3, 2), (1, 1), (30, 20, 25, 22), True),
    ((9, 30), (2, 1), (5, 2), (22, 29, 20, 31), False),
    ((2, 2), (9, 1), (9, 9), (7, 5, 3, 5), True),
]  # fmt: skip


@pytest.mark.parametrize("kernel, stride, dilation, padding, ceil", POOLS)
@pytest.mark.parametrize("kind, counted", [("max", True), ("avg", True), ("avg", False)])
def test_pool2d(kernel, stride, dilation, padding, ceil, kind, counted):
    expected = ref.poolnd_python(X, kernel, stride, dilation, padding[:2], padding[2:], kind,
                                 counted, ceil)  # fmt: skip
    check(lambda t: topi.nn.pool2d(t, kernel, stride, dilation, padding, kind, ceil,
                                   count_include_pad=counted),
          lambda v: expected, X, rtol=1e-5)  # fmt: skip
    check(lambda t: topi.nn.pool2d(t, kernel, stride, dilation, padding, kind, ceil, "NHWC",
                                   counted),
          lambda v: expected.transpose(0, 2, 3, 1), np.ascontiguousarray(X.transpose(0, 2, 3, 1)),
          rtol=1e-5, shapes=("static",))  # fmt: skip


@pytest.mark.parametrize("kernel, stride, dilation, padding, ceil", POOLS)
def test_largest_elements_and_their_places(kernel, stride, dilation, padding, ceil):
    window = (kernel, stride, dilation, padding, ceil)
    values, places = evaluate(lambda t: topi.nn.max_pool_with_indices(t, *window), X)
    expected = ref.poolnd_python(X, *window[:3], padding[:2], padding[2:], "max", True, ceil)
    np.testing.assert_array_equal(values, expected)
    flat = X.reshape(2, 6, -1)
    inside = np.isfinite(expected).reshape(2, 6, -1)
    safe = np.where(inside, places.reshape(2, 6, -1), 0)
    found = np.take_along_axis(flat, safe, 2)
    np.testing.assert_array_equal(found[inside], expected.reshape(2, 6, -1)[inside])


def test_a_window_is_cut_to_its_image():
    x = te.placeholder((1, 1, 7, 7))
    made = topi.nn.pool2d(x, (1280, 640), (1, 1), (1, 1), (640, 320, 640, 320), "avg")
    (total,) = made.op.input_tensors
    assert [int(axis.dom.extent) for axis in total.op.reduce_axis] == [7 + 7, 7 + 7]


def test_pool_of_any_rank():
    check(
        lambda t: topi.nn.pool(t, 2, 2, 1, 0, "max"),
        lambda v: ref.poolnd_python(v, (2, 2), (2, 2), (1, 1), (0, 0), (0, 0), "max"),
        X,
    )
    check(lambda t: topi.nn.adaptive_pool(t, 3, "avg", "NCW"),
          lambda v: ref.adaptive_pool_python(v, (3,), "avg"), X[..., 0], rtol=1e-5)  # fmt: skip


def test_pool_in_other_layouts():
    expected = ref.poolnd_python(X, (2, 2), (2, 2), (1, 1), (0, 0), (0, 0), "max")
    packed = X.reshape(2, 3, 2, 5, 4).transpose(0, 1, 3, 4, 2)
    check(lambda t: topi.nn.pool2d(t, 2, 2, 1, 0, "max", layout="NCHW2c"),
          lambda v: expected.reshape(2, 3, 2, 2, 2).transpose(0, 1, 3, 4, 2),
          np.ascontiguousarray(packed), shapes=("static",))  # fmt: skip
    x1, x3 = X[..., 0], X.reshape(2, 2, 3, 5, 4)
    check(
        lambda t: topi.nn.pool1d(t, 3, 2, 1, (1, 1), "avg"),
        lambda v: ref.poolnd_python(v, [3], [2], [1], [1], [1], "avg"),
        x1,
        rtol=1e-5,
    )
    check(lambda t: topi.nn.pool3d(t, (2, 3, 2), (1, 2, 2), 1, [0] * 6, "max"),
          lambda v: ref.poolnd_python(v, (2, 3, 2), (1, 2, 2), (1,) * 3, [0] * 3, [0] * 3, "max"),
          x3)  # fmt: skip
    with pytest.raises(ArgumentError, match="pool_type"):
        topi.nn.pool2d(given(X), 2, 2, 1, 0, "mean")


@pytest.mark.parametrize("size", [(1, 1), (5, 2), (3, 3), (2, 4)])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_adaptive_pool(size, kind):
    check(lambda t: topi.nn.adaptive_pool(t, size, kind),
          lambda v: ref.adaptive_pool_python(v, size, kind), X, rtol=1e-5)  # fmt: skip
    check(lambda t: topi.nn.global_pool(t, kind),
          lambda v: ref.adaptive_pool_python(v, (1, 1), kind), X, rtol=1e-5)  # fmt: skip


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_softmax(axis):
    x = X * 30
    check(lambda t: topi.nn.softmax(t, axis), lambda v: ref.softmax_python(v, axis), x, rtol=1e-5)
    check(lambda t: topi.nn.log_softmax(t, axis), lambda v: ref.log_softmax_python(v, axis), x,
          rtol=1e-5, atol=1e-5)  # fmt: skip


def test_norms():
    c = [rng.random(6).astype("float32") + 0.5 for _ in range(4)]
    check(
        lambda *t: topi.nn.batch_norm(*t, 1, 1e-5),
        lambda *v: [ref.batch_norm_python(*v, 1, 1e-5), v[3], v[4]],
        X,
        *c,
        rtol=1e-4,
        atol=1e-5,
    )
    g, b = rng.random((5, 4)).astype("float32"), rng.random((5, 4)).astype("float32")
    check(
        lambda *t: topi.nn.layer_norm(*t, [2, 3]),
        lambda *v: ref.layer_norm_python(*v, (2, 3)),
        X + 100,
        g,
        b,
        rtol=1e-3,
        atol=1e-4,
    )
    check(lambda *t: topi.nn.rms_norm(*t, [2, 3]),
          lambda *v: ref.rms_norm_python(*v, (2, 3)), X, g, rtol=1e-5)  # fmt: skip
    for groups in (1, 2, 6):
        check(
            lambda *t, k=groups: topi.nn.group_norm(*t, k, 1, [2, 3]),
            lambda *v, k=groups: ref.group_norm_python(*v, k),
            X,
            *c[:2],
            rtol=1e-4,
            atol=1e-5,
        )
    check(lambda *t: topi.nn.instance_norm(*t, 1, [2, 3]),
          lambda *v: ref.group_norm_python(*v, 6), X, *c[:2], rtol=1e-4, atol=1e-5)  # fmt: skip
    check(lambda t: topi.nn.l2_normalize(t, 1e-6, [1]),
          lambda v: v / np.sqrt((v * v).sum(1, keepdims=True)), X, rtol=1e-5)  # fmt: skip
    for size in (3, 4):
        check(lambda t, s=size: topi.nn.lrn(t, s, 1, 0.1, 0.75, 2.0),
              lambda v, s=size: ref.lrn_python(v, s, 1, 2.0, 0.1, 0.75), X, rtol=1e-5)  # fmt: skip


def test_batch_norm_in_training():
    c = [rng.random(6).astype("float32") + 0.5 for _ in range(4)]
    m, s = X.mean((0, 2, 3)), X.var((0, 2, 3))
    check(lambda *t: topi.nn.batch_norm(*t, 1, 1e-5, training=True, momentum=0.2),
          lambda x, g, b, mean, var: [ref.batch_norm_python(x, g, b, m, s, 1, 1e-5),
                                      mean * np.float32(0.8) + m * np.float32(0.2),
                                      var * np.float32(0.8) + s * np.float32(0.2)],
          X, *c, rtol=1e-4, atol=1e-5)  # fmt: skip


def test_space_and_depth():
    x = rng.random((2, 8, 4, 6)).astype("float32")
    n, c, h, w = x.shape
    for mode, shape, order in (("DCR", (n, 2, 2, c // 4, h, w), (0, 3, 4, 1, 5, 2)),
                               ("CRD", (n, c // 4, 2, 2, h, w), (0, 1, 4, 2, 5, 3))):  # fmt: skip
        expected = x.reshape(shape).transpose(order).reshape(n, c // 4, h * 2, w * 2)
        check(lambda t, m=mode: topi.nn.depth_to_space(t, 2, "NCHW", m), lambda v, e=expected: e, x)
    deep = x.reshape(n, c, 2, 2, 3, 2).transpose(0, 3, 5, 1, 2, 4).reshape(n, c * 4, 2, 3)
    check(lambda t: topi.nn.space_to_depth(t, 2), lambda v: deep, x)
    check(
        lambda t: topi.nn.dilate(t, (1, 1, 2, 3)), lambda v: ref.dilate_python(v, (1, 1, 2, 3)), x
    )

    def roundtrip(t):
        split = topi.nn.space_to_batch_nd(t, [2, 2], [1, 0], [1, 0])
        return topi.nn.batch_to_space_nd(split, [2, 2], [1, 0], [1, 0])

    y = rng.random((1, 4, 6, 3)).astype("float32")
    check(roundtrip, lambda v: v, y, shapes=("static",))


def attention(q, k, v, mask=None):
    q, k, v = (x.astype("f8").transpose(0, 2, 1, 3) for x in (q, k, v))
    k, v = (np.repeat(x, q.shape[1] // k.shape[1], 1) for x in (k, v))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    return (ref.softmax_python(scores, -1) @ v).transpose(0, 2, 1, 3).astype("float32")


def test_attention():
    q, k, v = (rng.standard_normal(s).astype("float32")
               for s in ((1, 3, 4, 8), (1, 5, 2, 8), (1, 5, 2, 6)))  # fmt: skip
    check(topi.nn.attention, attention, q, k, v, rtol=1e-4, atol=1e-5, shapes=("static",))
    mask = np.arange(5) <= np.arange(3)[:, None] + 2
    check(
        lambda *t: topi.nn.attention(*t, causal_mask="BottomRight"),
        lambda *a: attention(*a, mask),
        q,
        k,
        v,
        rtol=1e-4,
        atol=1e-5,
        shapes=("static",),
    )


def test_losses():
    p, t, w = X[..., 0], rng.integers(0, 6, (2, 5)), rng.random(6).astype("float32")
    t[0, 0] = -1
    at = np.clip(t, 0, 5)
    picked = -np.take_along_axis(p, at[:, None], 1)[:, 0] * w[at] * (t >= 0)
    check(lambda *a: topi.nn.nll_loss(*a, "none", -1), lambda *_: picked, p, t, w)
    check(
        lambda *a: topi.nn.nll_loss(*a, "mean", -1),
        lambda *_: np.float32(picked.sum() / (w[at] * (t >= 0)).sum()),
        p,
        t,
        w,
        rtol=1e-5,
    )
