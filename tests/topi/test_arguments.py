"""What arguments operators take, and the errors for those that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.topi.evaluator import evaluate
from tilewright import te, topi
from tilewright.runtime.container import Array
from tilewright.support.errors import ArgumentError
from tilewright.te import placeholder as P

A = P((2, 3, 4), name="A")
IMAGE = P((1, 4, 6, 6), name="image")
SCALAR = P((), name="scalar")
INDICES = P((2, 3), "int32", "indices")
WINDOW = ([2, 2], [2, 2], [1, 1], [0, 0, 0, 0])


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda of: topi.transpose(A, of([2, 0, 1])), (4, 2, 3)),
        (lambda of: topi.reshape(A, of([4, -1])), (4, 6)),
        (lambda of: topi.sum(A, of([0, 2])), (3,)),
        (lambda of: topi.flip(A, of([1])), (2, 3, 4)),
        (lambda of: topi.tile(A, of([2, 1])), (2, 6, 4)),
        (lambda of: topi.expand_dims(A, of([0, 2])), (1, 2, 1, 3, 4)),
        (lambda of: topi.full(of([5, 2]), "int32", 1), (5, 2)),
        (lambda of: topi.strided_slice(A, of([1]), of([3]), of([1]), of([2])), (2, 3, 2)),
        (lambda of: topi.nn.pool2d(IMAGE, *map(of, WINDOW), "max"), (1, 4, 3, 3)),
        (lambda of: topi.nn.conv2d(IMAGE, P((8, 4, 3, 3)), of([1, 1]), of([1, 0, 1, 0]),
                                   of([1, 1])), (1, 8, 6, 4)),
        (lambda of: topi.image.resize2d(IMAGE, of([0.0] * 4), of([3, 12])), (1, 4, 3, 12)),
        (lambda of: te.compute(of([2, 3]), lambda i, j: i + j), (2, 3)),
    ],
)  # fmt: skip
def test_a_list_may_be_an_array_of_the_runtime(
    call: Callable[[Any], Any], shape: tuple[int, ...]
) -> None:
    assert tuple(map(int, call(list).shape)) == shape
    assert tuple(map(int, call(Array).shape)) == shape


WRONG: list[tuple[str, Callable[[], Any]]] = [
    ("axis 0 is out of range for 0 dimensions", lambda: topi.max(SCALAR, 0)),
    ("axis 0 is out of range for 0 dimensions", lambda: topi.nn.softmax(SCALAR, 0)),
    ("constant integer", lambda: topi.sort(A, 0, [1, 2])),
    ("needs a dimension", lambda: topi.flatten(SCALAR)),
    ("found None", lambda: topi.split(A, None)),
    ("2 bounds for 1 dimensions", lambda: topi.dynamic_strided_slice(
        P((4,)), *[P((2,), "int64")] * 3, [1, 1])),
    ("beginnings", lambda: topi.strided_set(A, P((4,)), [0], [1])),
    ("batch_dims of -1", lambda: topi.gather_nd(A, INDICES, -1)),
    ("indices need a dimension", lambda: topi.scatter_nd(A, P((), "int32"), A)),
    ("`indices` needs 3 dimensions", lambda: topi.take_along_axis(A, INDICES, 0)),
    ("align of RIGHT_LEFT", lambda: topi.matrix_set_diag(A, P((2, 3)), 0, "LEFT")),
    ("axes needs 2 numbers", lambda: topi.tensordot(A, A, [1, 2, 0])),
    ("window_size must be positive", lambda: topi.hamming_window(0, True, 0.5, 0.5, "float32")),
    ("hop_length", lambda: topi.stft(P((2, 9)), 4, 0, 4, P((4,)), False, True)),
    ("of shape (3), expected (4)", lambda: topi.stft(P((2, 9)), 4, 2, 4, P((3,)), False, True)),
    ("of shape (5), expected (4)", lambda: topi.nn.bias_add(IMAGE, P((5,)), 1)),
    ("of shape (5), expected (4)", lambda: topi.nn.prelu(IMAGE, P((5,)), 1)),
    ("of shape (3), expected (4)", lambda: topi.nn.scale_shift_nchw(IMAGE, P((4,)), P((3,)))),
    ("of shape (6), expected (5)", lambda: topi.nn.nll_loss(
        P((2, 5)), P((2,), "int32"), P((6,)), "sum", -1)),
    ("block's size must be positive", lambda: topi.nn.depth_to_space(IMAGE, 0)),
    ("for 4 dimensions", lambda: topi.nn.batch_to_space_nd(IMAGE, [2, 2], [0], [0, 0])),
    ("scales must be positive", lambda: topi.nn.upsampling(IMAGE, 0, 2)),
    ("has no dimension H", lambda: topi.nn.upsampling(IMAGE, 2, 2, "NCW")),
    ("pooling of NCHW", lambda: topi.nn.global_pool(A, "avg")),
    ("pooling of NCHW4c", lambda: topi.nn.pool2d(IMAGE, *WINDOW, "max", False, "NCHW4c")),
    ("output_size must be positive", lambda: topi.nn.adaptive_pool(IMAGE, (0, 2), "max")),
    ("has 0 of the dimensions", lambda: topi.nn.adaptive_pool(A, (1,), "max", "NC")),
    ("size must be positive", lambda: topi.nn.lrn(IMAGE, 0)),
    ("words are integers", lambda: topi.nn.bitpack(P((8,), "int32"), 1, 0, 1, "float32")),
    ("kernel needs 1 numbers", lambda: topi.nn.get_pad_tuple1d(1, (3, 3))),
    ("scales must be positive", lambda: topi.nn.upsampling3d(A, 2, float("inf"), 2, "DHW")),
    ("pooling of NCHW", lambda: topi.nn.pool_grad(A, IMAGE, 2, 2, [0] * 4, "avg")),
    ("ishape needs 4 numbers", lambda: topi.nn.depthwise_conv2d_backward_input_nhwc(
        IMAGE, IMAGE, None, [1, 2], 1, 0)),
    ("of shape (), expected (4)", lambda: topi.nn.batch_norm(
        IMAGE, *[P((4,))] * 3, P(()))),
    ("of shape (3), expected (4)", lambda: topi.nn.layer_norm(A, P((4,)), P((3,)), -1)),
    ("of shape (3), expected (4)", lambda: topi.nn.group_norm(IMAGE, P((3,)), None, 2, 1, [2, 3])),
    ("of shape (8, 3), expected (8, 2)", lambda: topi.nn.lstm(A, P((8, 4)), P((8, 3)))),
    ("operand is a tensor", lambda: topi.einsum("ij->ji", None)),
    ("output_shape of 0", lambda: topi.dynamic_strided_slice(
        P((4,)), *[P((1,), "int64")] * 3, [])),
    ("`boxes` is of shape (2, 5)", lambda: topi.image.crop_and_resize(
        IMAGE, P((2, 5), name="boxes"), P((2,), "int32"), (2, 2))),
    ("roi needs 4 numbers", lambda: topi.image.resize2d(IMAGE, [0.0, 1.0, 1.0], [2, 2])),
    ("of shape (2), expected (3)", lambda: topi.sparse_reshape(
        INDICES, P((2,), "int32"), P((2,), "int32"), (2, 2), (2,))),
    ("own layout", lambda: topi.nn.matmul(
        INDICES, INDICES, transpose_b=True, meta_schedule_original_shape=[3, 2])),
    ("resize of NCHW", lambda: topi.image.resize2d(A, [0.0] * 4, [2, 2])),
    ("expected (7, 5)", lambda: topi.vision.roi_align_nchw(IMAGE, P((7, 4)), 2, 1.0)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "call"), WRONG, ids=[text for text, _ in WRONG])
def test_what_does_not_fit_is_named(text: str, call: Callable[[], Any]) -> None:
    with pytest.raises(ArgumentError) as caught:
        call()
    assert text in str(caught.value)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_the_mean_of_small_integers_does_not_overflow(dtype: str) -> None:
    values = np.full((1, 1, 4, 4), 100, dtype)
    window = (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)
    for function in (
        lambda data: topi.nn.pool2d(data, *window, "avg", count_include_pad=False),
        lambda data: topi.nn.global_pool(data, "avg"),
        lambda data: topi.nn.adaptive_pool(data, (3, 3), "avg"),
    ):
        made = evaluate(function, values)
        assert made.dtype == dtype
        assert (made == 100).all()


def test_a_region_resized_to_one_pixel_shows_its_middle() -> None:
    values = np.arange(5, dtype="float32").reshape(1, 1, 5)
    made = evaluate(
        lambda data: topi.image.resize1d(
            data, [0.25, 0.75], [1], "NCW", "linear", "tf_crop_and_resize"
        ),
        values,
    )
    assert made.tolist() == [[[2.0]]]
