import numpy as np
import pytest

from tests.topi.evaluator import check, evaluate
from tilewright import topi

rng = np.random.default_rng(10)


def iou(a, b):
    h = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    w = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    area = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b))
    return h * w / (area - h * w)


def suppressed(boxes, scores, most, overlap, least):
    rows = []
    for b, c in np.ndindex(*scores.shape[:2]):
        kept = []
        for n in np.argsort(-scores[b, c], kind="stable"):
            if scores[b, c, n] <= least or len(kept) == most:
                break
            if all(iou(boxes[b, n], boxes[b, k]) <= overlap for k in kept):
                kept.append(n)
        rows += [(b, c, n) for n in kept]
    return rows


@pytest.mark.parametrize("most", [2, 100, 0])
def test_non_max_suppression(most):
    corners = rng.random((2, 7, 2)).astype("float32")
    boxes = np.concatenate([corners, corners + rng.random((2, 7, 2)).astype("float32")], -1)
    scores = rng.random((2, 3, 7)).astype("float32")
    rows = suppressed(boxes, scores, most, 0.3, 0.2)
    for symbolic in (False, True):
        found, count = evaluate(
            lambda b, s: topi.vision.all_class_non_max_suppression(b, s, most, 0.3, 0.2),
            boxes, scores, symbolic=symbolic,
        )  # fmt: skip
        assert count[0] == len(rows)
        assert [tuple(r) for r in found[: len(rows)]] == rows
        assert not found[len(rows) :].any()


def test_limits_in_tensors_and_flipped_corners():
    boxes = np.array([[[1, 1, 0, 0], [0, 0, 1, 0.9], [2, 2, 3, 3]]], "float32")
    scores = np.array([[[0.9, 0.8, 0.7]]], "float32")
    found, count = evaluate(
        topi.vision.all_class_non_max_suppression, boxes, scores, np.array([5], "int64"),
        np.array([0.5], "float32"), np.array([0.0], "float32"),
    )  # fmt: skip
    assert count[0] == 2 and found[:2, 2].tolist() == [0, 2]
    centers = np.array([[[0.5, 0.5, 1, 1], [0.5, 0.45, 1, 0.9], [2.5, 2.5, 1, 1]]], "float32")
    found, count = evaluate(
        lambda b, s: topi.vision.all_class_non_max_suppression(
            b, s, 5, 0.5, 0.0, center_point_box=True
        ),
        centers, scores,
    )  # fmt: skip
    assert count[0] == 2 and found[:2, 2].tolist() == [0, 2]


@pytest.mark.parametrize("ratio", [2, 0])
@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("aligned", [False, True])
def test_roi_align(ratio, mode, aligned):
    x = rng.random((2, 1, 6, 7)).astype("float32")
    rois = np.array([[0, 1, 2, 5, 6], [1, -1, 0, 13, 4]], "float32")
    if mode == "max":
        return check_largest(x, rois, ratio, aligned)
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    node = helper.make_node(
        "RoiAlign", ["x", "r", "b"], ["y"], output_height=2, output_width=1, sampling_ratio=ratio,
        spatial_scale=0.5, mode=mode,
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
    )  # fmt: skip
    infos = [helper.make_tensor_value_info(n, t, None) for n, t in (("x", 1), ("r", 1), ("b", 7))]
    graph = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info("y", 1, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)])
    inputs = {"x": x, "r": rois[:, 1:], "b": rois[:, 0].astype("int64")}
    expected = ReferenceEvaluator(model).run(None, inputs)[0]
    check(lambda t, r: topi.vision.roi_align_nchw(t, r, (2, 1), 0.5, mode, ratio, aligned),
          lambda *_: expected.astype("float32"), x, rois, rtol=1e-4, atol=1e-5,
          shapes=("static",))  # fmt: skip


def check_largest(x, rois, ratio, aligned):
    """One cell a pixel: the largest of samples lies between the mean and the image's largest."""
    mean, high = (
        evaluate(
            lambda t, r, k=k: topi.vision.roi_align_nchw(t, r, 1, 0.5, k, ratio, aligned), x, rois
        )
        for k in ("avg", "max")
    )
    assert (high >= mean - 1e-6).all() and high.max() <= x.max() + 1e-6


def test_roi_pool():
    x = rng.random((1, 2, 6, 6)).astype("float32")
    rois = np.array([[0, 0, 0, 5, 5], [0, 2, 2, 3, 3]], "float32")
    found = evaluate(lambda t, r: topi.vision.roi_pool_nchw(t, r, 2, 1.0), x, rois)
    np.testing.assert_array_equal(found[0], x[0].reshape(2, 2, 3, 2, 3).max((2, 4)))
    np.testing.assert_array_equal(found[1], x[0, :, 2:4, 2:4])
