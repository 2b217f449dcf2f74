"""Operators at the edges: dimensions of one and zero, odd sizes, other types, symbolic shapes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.topi.evaluator import check, run
from tilewright import te, topi
from tilewright.topi import testing as ref

rng = np.random.default_rng(11)
FLOATS, ALL = ("float16", "float32", "float64"), ("int8", "uint8", "int32", "int64", "float32")


def made(shape, dtype):
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 5, shape).astype(dtype)


IMAGES = [(1, 1, 1, 1), (2, 3, 5, 7), (0, 2, 4, 3), (1, 4, 9, 2)]
ONE_INPUT = {
    "max_pool2d": (
        lambda x: topi.nn.pool2d(x, (2, 3), (1, 2), (1, 1), (1, 1, 1, 1), "max"),
        lambda x: ref.poolnd_python(x, (2, 3), (1, 2), (1, 1), (1, 1), (1, 1), "max",
                                    dtype=str(x.dtype)), IMAGES, ("float32", "int32")),
    "avg_pool2d": (
        lambda x: topi.nn.pool2d(x, (2, 1), (2, 1), (1, 1), (1, 0, 0, 0), "avg",
                                 count_include_pad=False),
        lambda x: ref.poolnd_python(x, (2, 1), (2, 1), (1, 1), (1, 0), (0, 0), "avg", False),
        IMAGES, ("float32",)),
    "softmax": (lambda x: topi.nn.softmax(x, 1), lambda x: ref.softmax_python(x, 1), IMAGES,
                FLOATS),
    "log_softmax": (lambda x: topi.nn.log_softmax(x, -1), lambda x: ref.log_softmax_python(x, -1),
                    IMAGES, ("float32", "float64")),
    "collapse_sum": (lambda x: topi.collapse_sum(x, (x.shape[1], 1, x.shape[3])),
                     lambda x: x.sum((0, 2), dtype=x.dtype)[:, None], IMAGES, ALL),
    "strided_slice": (lambda x: topi.strided_slice(x, [0, 0, -1], [1, 9, -9], [1, 1, -2]),
                      lambda x: ref.strided_slice_python(x, [0, 0, -1], [1, 9, -9], [1, 1, -2]),
                      IMAGES, ALL),
    "cumsum": (lambda x: topi.gpu.cumsum(x, 2), lambda x: x.cumsum(2, dtype=x.dtype), IMAGES,
               ("int32", "int64", "float32")),
    "sort": (lambda x: topi.gpu.sort(x, 3, 0), lambda x: -np.sort(-x, 3), IMAGES[2:],
             ("int32", "int64", "float32")),
    "resize2d": (lambda x: topi.image.resize2d(x, None, (2, 6), "NCHW", "nearest_neighbor",
                                               "asymmetric"),
                 lambda x: x[:, :, [0, 0]].repeat(6, 3), [(1, 2, 1, 1), (0, 2, 1, 1)], ALL),
}  # fmt: skip
ROWS = [
    pytest.param(name, shape, dtype, id=f"{name}-{'x'.join(map(str, shape))}-{dtype}")
    for name, (_, _, shapes, dtypes) in ONE_INPUT.items()
    for shape in shapes
    for dtype in dtypes
]


@pytest.mark.parametrize(("name", "shape", "dtype"), ROWS)
def test_one_input(name, shape, dtype):
    function, reference, _, _ = ONE_INPUT[name]
    data = made(shape, dtype)
    rough = 4e-3 if dtype == "float16" else 1e-5
    shapes = ("static",) if name in ("strided_slice", "resize2d") else ("static", "symbolic")
    check(function, reference, data, rtol=rough, atol=rough, shapes=shapes)


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize(("length", "new"), [(1, 1), (5, 2), (4, 0), (3, 3)])
def test_fifo_buffer(dtype, length, new):
    data, buffer = made((2, new), dtype), made((2, length), dtype)
    check(lambda x, b: topi.nn.fifo_buffer(x, b, -1),
          lambda x, b: np.concatenate([b, x], 1)[:, new:], data, buffer)  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (0, 3, 2, 2), (2, 5, 3, 1)])
def test_products_of_batches(dtype, sizes):
    batch, m, k, n = sizes
    x, y = made((batch, m, k), dtype), made((batch, n, k), dtype)
    rough = 4e-3 if dtype == "float16" else 1e-5
    check(topi.nn.batch_matmul, ref.batch_matmul, x, y, rtol=rough, atol=rough)


@pytest.mark.parametrize("options", [(1, 0, 1, 1, 1, True), (1, 1, 1, 1, 1, False)])
def test_correlation_of_single_pixels(options):
    one, two = made((1, 1, 1, 1), "float32"), made((1, 1, 1, 1), "float32")
    check(
        lambda a, b: topi.nn.correlation_nchw(a, b, *options),
        lambda a, b: ref.correlation_nchw_python(a, b, *options),
        one,
        two,
        rtol=1e-5,
    )


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 4)])
def test_gradient_of_pooling_with_one_window(shape):
    data = made(shape, "float32")
    kernel, padding = shape[2:], (0, 0, 0, 0)
    grad = made((*shape[:2], 1, 1), "float32")
    for kind in ("max", "avg"):
        check(lambda g, x, k=kind: topi.nn.pool_grad(g, x, kernel, 1, padding, k),
              lambda g, x, k=kind: ref.pool_grad_nchw(x, g, kernel, (1, 1), padding, k, False),
              grad, data, rtol=1e-5, atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (2, 1, 3, 2)])
def test_lstm_with_symbolic_sizes(sizes):
    steps, batch, features, size = sizes
    arrays = [made(s, "float32") for s in
              ((steps, batch, features), (4 * size, features), (4 * size, size))]  # fmt: skip
    check(lambda *v: list(topi.nn.lstm(*v)), lambda *v: list(ref.lstm_python(*v)), *arrays,
          rtol=1e-4, atol=1e-5)  # fmt: skip


def test_simulated_quantization_by_a_type_that_the_program_holds() -> None:
    codes = topi.nn.SQNN_DTYPE_TO_CODE
    x = np.array([[-300.0, -1.3, 2.6, 200.0]], "float32")
    data = te.placeholder(x.shape, name="x")
    kind = te.placeholder((), "int32", "kind")
    quantized = topi.nn.simulated_quantize(data, kind, 0.5)
    func = te.create_prim_func([data, kind, quantized])
    for dtype, low, high in (("int8", -128, 127), ("uint8", 0, 255), ("int32", -600, 400)):
        out = run(func, [x, np.int32(codes[dtype])])[0]
        np.testing.assert_array_equal(out, np.clip(np.round(x / 0.5), low, high))
    np.testing.assert_array_equal(run(func, [x, np.int32(codes["disable"])])[0], x)
