"""One row a model: ratios and their means."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from rich.console import Console

from bench.summary import Row, geometric_mean, means, summarized, summary_table


def _row(model: str, peer: str, median: float | None, threads: int = 1, **more: Any) -> Row:
    filled = {"difference": None, "agrees": None, "failure": "", **more}
    return Row(model, threads, peer, "1", 0.1, median, median, 1.0, **filled)


def _rows(model: str, ours: float | None, *peers: float | None, threads: int = 1) -> list[Row]:
    first = _row(model, "tilewright", ours, threads, difference=1e-6, agrees=True)
    names = ("onnxruntime", "openvino")
    return [first, *(_row(model, n, p, threads) for n, p in zip(names, peers, strict=True))]


def test_the_ratio_is_to_the_better_peer() -> None:
    (found,) = summarized(_rows("resnet50", 6.0, 12.0, 8.0))
    assert (found.ours_ms, found.ratio, found.difference) == (6.0, 0.75, 1e-6)
    assert found.peers_ms == {"onnxruntime": 12.0, "openvino": 8.0}
    assert found.family == "convolutional"


def test_a_peer_that_failed_is_not_the_better_one() -> None:
    (found,) = summarized(_rows("resnet50", 6.0, None, 8.0))
    assert (found.ratio, found.peers_ms["onnxruntime"]) == (0.75, None)
    (failed,) = summarized(_rows("resnet50", None, 5.0, 8.0))
    assert (failed.ours_ms, failed.ratio) == (None, None)


def test_means_are_geometric_by_family_and_threads() -> None:
    rows = [
        *_rows("resnet18", 1.0, 2.0, 3.0),
        *_rows("resnet50", 4.0, 2.0, 3.0),
        *_rows("bert_base", 1.0, 8.0, 9.0),
        *_rows("bert_base", 1.0, 8.0, 9.0, threads=2),
    ]
    found = {(m.family, m.threads): (m.models, m.ratio) for m in means(summarized(rows))}
    assert found == {
        ("convolutional", 1): (2, pytest.approx(1.0)),
        ("all", 1): (3, pytest.approx(0.5)),
    }


def test_the_mean_of_nothing_is_no_number() -> None:
    assert math.isnan(geometric_mean([]))


def test_the_table_shows_every_model_and_mean() -> None:
    summaries = summarized([*_rows("resnet18", 17.94, 24.5, 24.6), *_rows("mlp", 0.0123, 1.0, 2.0)])
    stream = io.StringIO()
    Console(width=120, file=stream).print(summary_table(summaries))
    text = stream.getvalue()
    lines = [line.replace("│", " ").split() for line in text.splitlines() if "resnet18" in line]
    assert lines == [["resnet18", "1", "17.9", "24.5", "24.6", "0.73", "1e-06"]]
    assert "0.0123" in text and "all (2), geometric mean" in text
