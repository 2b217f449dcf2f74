"""What operators share: constants, shapes, padding, overlap of boxes, letters of einsum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.topi.evaluator import evaluate
from tilewright import te, tir, topi
from tilewright.support.errors import ArgumentError
from tilewright.topi import testing as ref

n = te.var("n")

PADS: list[tuple[Callable[[], Any], Any]] = [
    (lambda: topi.nn.get_pad_tuple(1, (3, 3)), (1, 1, 1, 1)),
    (lambda: topi.nn.get_pad_tuple((1, 2), (3, 3)), (1, 2, 1, 2)),
    (lambda: topi.nn.get_pad_tuple([0, 1, 2, 3], (3, 3)), (0, 1, 2, 3)),
    (lambda: topi.nn.get_pad_tuple("VALID", (3, 5)), (0, 0, 0, 0)),
    (lambda: topi.nn.get_pad_tuple("SAME", (3, 4)), (1, 2, 1, 1)),
    (lambda: topi.nn.get_pad_tuple1d(2, (3,)), (2, 2)),
    (lambda: topi.nn.get_pad_tuple1d((1, 2), (3,)), (1, 2)),
    (lambda: topi.nn.get_pad_tuple1d("SAME", (4,)), (2, 1)),
    (lambda: topi.nn.get_pad_tuple3d((1, 2, 3), (3, 3, 3)), (1, 2, 3, 1, 2, 3)),
    (lambda: topi.nn.get_pad_tuple3d((1, 2, 3, 4, 5, 6), (3, 3, 3)), (1, 2, 3, 4, 5, 6)),
    (lambda: topi.nn.get_pad_tuple3d("SAME", (2, 3, 4)), (1, 1, 2, 0, 1, 1)),
    (lambda: topi.nn.get_pad_tuple_generic((1, 2, 3, 4), (3, 3)), ([1, 2], [3, 4])),
    (lambda: topi.nn.get_pad_tuple_generic("SAME", (3, 4), (2, 3)), ([2, 5], [2, 4])),
    (lambda: topi.nn.get_pad_tuple_generic(tir.IntImm("int32", 2), (3, 3)), ([2, 2], [2, 2])),
]  # fmt: skip


@pytest.mark.parametrize(("call", "expected"), PADS, ids=range(len(PADS)))
def test_padding_before_and_after(call: Callable[[], Any], expected: Any) -> None:
    assert call() == expected


@pytest.mark.parametrize("size", [5, 8])
@pytest.mark.parametrize("taps", [1, 2, 3, 4])
def test_same_padding_keeps_the_size(size: int, taps: int) -> None:
    before, after = topi.nn.get_pad_tuple1d("SAME", (taps,))
    assert size + before + after - taps + 1 == size and 0 <= before - after <= 1


@pytest.mark.parametrize("padding", ["same", "FULL"])
def test_other_words_are_no_padding(padding: str) -> None:
    with pytest.raises(
        ArgumentError, match=f"padding is numbers, VALID or SAME, found '{padding}'"
    ):
        topi.nn.get_pad_tuple(padding, (3, 3))


def test_constants_as_numbers_of_python() -> None:
    for value, expected in ((3, 3.0), (1.5, 1.5), (tir.const(2, "int64"), 2.0),
                            (tir.const(0.5, "float16"), 0.5)):  # fmt: skip
        made = topi.utils.get_const_float(value)
        assert type(made) is float and made == expected
    with pytest.raises(ArgumentError, match="expected a constant number, found n"):
        topi.utils.get_const_float(n)
    with pytest.raises(ArgumentError, match="expected a constant integer, found n"):
        topi.utils.get_const_int(n)


def test_a_shape_that_does_not_fit_is_an_error_of_values() -> None:
    with pytest.raises(ValueError, match="a kernel of 3x3 is needed") as found:
        raise topi.InvalidShapeError("a kernel of 3x3 is needed")
    assert isinstance(found.value, ArgumentError)


def test_codes_of_simulated_types() -> None:
    nn = topi.nn
    codes = {"disable": nn.SQNN_DISABLE, "int8": nn.SQNN_INT8, "uint8": nn.SQNN_UINT8,
             "int32": nn.SQNN_INT32}  # fmt: skip
    assert codes == {"disable": 0, "int8": 1, "uint8": 2, "int32": 3} == nn.SQNN_DTYPE_TO_CODE
    assert {code: dtype for dtype, code in codes.items()} == nn.SQNN_CODE_TO_DTYPE


def test_how_many_elements_a_tensor_has() -> None:
    data = np.zeros((2, 3, 4), "int8")
    for count in (topi.tensor_size, topi.ndarray_size):
        made = evaluate(lambda a, count=count: count(a, "int64"), data)
        assert made.dtype == np.int64 and made.shape == () and made == 24


def overlap(first: Any, second: Any, center: bool = False) -> list[float]:
    """The overlap of boxes by element, computed by a program."""
    return evaluate(
        lambda a, b: te.compute(
            (len(first),),
            lambda i: topi.vision.intersection_over_union(
                [a[i, k] for k in range(4)], [b[i, k] for k in range(4)], center
            ),
        ),
        np.float32(first), np.float32(second),
    ).tolist()  # fmt: skip


def test_how_much_of_two_boxes_is_shared() -> None:
    whole = [0, 0, 4, 4]
    others = [whole, [0, 0, 2, 4], [2, 2, 6, 6], [4, 0, 8, 4], [5, 5, 6, 6], [4, 4, 0, 0]]
    expected = [1, 0.5, 4 / 28, 0, 0, 1]
    np.testing.assert_allclose(overlap([whole] * 6, others), expected, rtol=1e-6)
    np.testing.assert_allclose(overlap(others, [whole] * 6), expected, rtol=1e-6)
    assert overlap([[1, 1, 1, 1]], [[1, 1, 1, 1]]) == [0]


def test_boxes_by_center_and_size() -> None:
    first, second = [[2, 2, 4, 4], [2, 2, 4, 4]], [[3, 2, 4, 4], [2, 2, 2, 4]]
    np.testing.assert_allclose(overlap(first, second, center=True), [12 / 20, 0.5], rtol=1e-6)


@pytest.mark.parametrize("mode", [b"avg", b"max"])
def test_regions_of_the_other_layout(mode: bytes) -> None:
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 3, 8, 9)).astype("float32")
    rois = np.float32([[0, 1, 2, 7, 6], [1, 0, 0, 8, 7], [1, 3, 3, 4, 4]])
    options = ((2, 3), 0.5, 2, mode)
    made = ref.roi_align_nhwc_python(image.transpose(0, 2, 3, 1), rois, *options)
    assert made.shape == (3, 2, 3, 3)
    np.testing.assert_array_equal(
        made.transpose(0, 3, 1, 2), ref.roi_align_nchw_python(image, rois, *options)
    )
    flat = ref.roi_align_nhwc_python(np.full((1, 5, 5, 1), 7, "float32"), rois[:1] * 0.5, *options)
    np.testing.assert_array_equal(flat, np.full((1, 2, 3, 1), 7))


def test_tags_say_how_much_an_element_needs() -> None:
    tag = topi.tag
    kinds = (tag.ELEMWISE, tag.BROADCAST, tag.INJECTIVE, tag.COMM_REDUCE, "matmul")
    assert [tag.is_broadcast(kind) for kind in kinds] == [True, True, False, False, False]
    assert [tag.is_injective(kind) for kind in kinds] == [True, True, True, False, False]
    x = te.placeholder((2, 3), name="x")
    assert topi.exp(x).op.tag == tag.ELEMWISE and topi.add(x, x).op.tag == tag.BROADCAST
    assert topi.transpose(x).op.tag == tag.INJECTIVE and topi.sum(x, 1).op.tag == tag.COMM_REDUCE
