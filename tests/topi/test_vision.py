import numpy as np
import pytest

from tests.topi.evaluator import check, evaluate
from tilewright import te, topi
from tilewright.support.errors import ArgumentError

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


def boxes_with_scores(batch=2, number=9, classes=3):
    data = np.empty((batch, number, 6), "float32")
    data[..., 0] = rng.integers(-1, classes, (batch, number))
    data[..., 1] = rng.random((batch, number)) - 0.2
    data[..., 2:4] = rng.random((batch, number, 2))
    data[..., 4:6] = data[..., 2:4] + rng.random((batch, number, 2))
    return data


def first_valid(data, least, class_at, score_at):
    counts, rows, places = [], np.full_like(data, -1), np.full(data.shape[:2], -1, "int32")
    for b, batch in enumerate(data):
        stay = [
            n
            for n, row in enumerate(batch)
            if row[score_at] > least and (class_at < 0 or row[class_at] >= 0)
        ]
        counts.append(len(stay))
        rows[b, : len(stay)], places[b, : len(stay)] = batch[stay], stay
    return np.array(counts, "int32"), rows, places


@pytest.mark.parametrize(("least", "class_at", "score_at"), [(0.1, 0, 1), (0.3, -1, 1), (0, -1, 0)])
def test_boxes_with_a_score_and_a_class_come_first(least, class_at, score_at):
    data = boxes_with_scores()
    expected = first_valid(data, least, class_at, score_at)
    for symbolic in (False, True):
        found = evaluate(
            lambda d: topi.vision.get_valid_counts(d, least, class_at, score_at),
            data, symbolic=symbolic,
        )  # fmt: skip
        for made, wanted in zip(found, expected, strict=True):
            np.testing.assert_array_equal(made, wanted)


def chosen(data, counts, most=-1, overlap=0.5, force=False, top_k=-1, class_at=0):
    """The rows by falling score with -1 for what goes, and where the rows that stay were."""
    rows, places = np.full_like(data, -1), [[] for _ in data]
    for b, batch in enumerate(data):
        count = counts[b] if top_k <= 0 else min(counts[b], top_k)
        order = np.argsort(-batch[: counts[b], 1], kind="stable")[:count]
        rows[b, :count] = batch[order]
        kept = []
        for j, n in enumerate(order):
            if 0 <= most <= len(kept):
                rows[b, j] = -1
            elif any(
                (force or class_at < 0 or rows[b, k, class_at] == rows[b, j, class_at])
                and iou(rows[b, k, 2:], rows[b, j, 2:]) >= overlap
                for k in kept
            ):
                rows[b, j, 1] = -1
                rows[b, j, 0] = -1 if class_at >= 0 else rows[b, j, 0]
            else:
                kept.append(j)
                places[b].append(n)
    return rows, places


@pytest.mark.parametrize(
    "options",
    [
        {}, {"most": 2}, {"overlap": 0.2, "force": True}, {"top_k": 3, "overlap": 0.1},
        {"class_at": -1, "overlap": 0.3}, {"most": 0},
    ],
)  # fmt: skip
def test_boxes_that_overlap_a_better_one_go(options):
    counts, data, origin = first_valid(boxes_with_scores(), 0, 0, 1)
    rows, places = chosen(data, counts, **options)
    names = {
        "most": "max_output_size", "overlap": "iou_threshold", "force": "force_suppress",
        "class_at": "id_index",
    }  # fmt: skip
    given = {names.get(key, key): value for key, value in options.items()}

    def found(**more):
        return evaluate(
            lambda d, c, i: topi.vision.non_max_suppression(d, c, i, **given, **more),
            data, counts, origin,
        )  # fmt: skip

    made = found(return_indices=False)
    np.testing.assert_array_equal(made, rows)
    marker = 1 if options.get("class_at") == -1 else 0
    packed = found(return_indices=False, invalid_to_bottom=True)
    entries, number = found()
    for b in range(len(data)):
        stay = rows[b][rows[b, :, marker] >= 0]
        np.testing.assert_array_equal(packed[b, : len(stay)], stay)
        assert (packed[b, len(stay) :] == -1).all()
        assert number[b, 0] == len(places[b])
        wanted = [origin[b, n] for n in places[b]]
        assert entries[b].tolist() == wanted + [-1] * (data.shape[1] - len(wanted))


def test_limits_of_boxes_in_tensors_and_no_threshold():
    counts, data, origin = first_valid(boxes_with_scores(), 0, 0, 1)
    entries, number = evaluate(
        topi.vision.non_max_suppression, data, counts, origin, np.array([2], "int32"),
        np.array([0.0], "float32"),
    )  # fmt: skip
    np.testing.assert_array_equal(entries, origin)
    np.testing.assert_array_equal(number[:, 0], counts)
    with pytest.raises(ArgumentError, match="boxes have 3 dimensions"):
        evaluate(topi.vision.get_valid_counts, data[0])


def test_columns_of_boxes_lie_in_their_rows() -> None:
    data = te.placeholder((1, 3, 6), "float32", "data")
    with pytest.raises(ArgumentError, match="rows of 6 elements, score_index is 6"):
        topi.vision.get_valid_counts(data, score_index=6)
    with pytest.raises(ArgumentError, match="rows of 6 elements, id_index is 7"):
        topi.vision.get_valid_counts(data, id_index=7)
    count = te.placeholder((1,), "int32", "count")
    indices = te.placeholder((1, 3), "int32", "indices")
    with pytest.raises(ArgumentError, match="last_coordinate is 6"):
        topi.vision.non_max_suppression(data, count, indices, coord_start=3)
    with pytest.raises(ArgumentError, match="score_index is -1"):
        topi.vision.non_max_suppression(data, count, indices, score_index=-1)
