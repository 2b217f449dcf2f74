"""Networks exported with torch, where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("transformers")

import numpy as np
import onnxruntime

from bench.zoo import exporters


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dynamic_export_takes_other_sizes(tmp_path: Path) -> None:
    file = tmp_path / "minilm.onnx"
    exporters.export("minilm", file, dynamic=True)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    tokens = np.arange(3 * 21).reshape(3, 21)
    feed = {"input_ids": tokens, "attention_mask": tokens * 0 + 1, "token_type_ids": tokens * 0}
    hidden, _ = session.run(None, feed)
    assert hidden.shape == (3, 21, 384)
    assert 0.5 < hidden.std() < 2
