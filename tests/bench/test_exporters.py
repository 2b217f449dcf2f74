"""Networks exported with torch, where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("transformers")

import numpy as np
import onnxruntime
import torch

from bench.zoo import exporters, weights
from bench.zoo.networks import NETWORKS


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


@pytest.mark.parametrize("name", ["mlp", "tabular"])
@pytest.mark.filterwarnings("ignore")
def test_small_networks_export_at_a_size(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.onnx"
    exporters.export(name, file, sizes={"batch": 8})
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert [i.shape[0] for i in session.get_inputs()] == [8] * len(NETWORKS[name].inputs)


def test_layers_are_scaled_to_a_spread() -> None:
    torch.manual_seed(0)
    small = torch.nn.Linear(8, 64)
    norm = torch.nn.BatchNorm1d(64)
    last = torch.nn.Linear(64, 32)
    model = torch.nn.Sequential(small, norm, last).eval()
    batch = 100 * torch.randn(256, 8) + 7
    weights.draw(model)
    weights.calibrate(model, lambda: model(batch), {"2": 0.125})
    with torch.no_grad():
        hidden = small(batch)
        assert abs(float(hidden.std()) - 1) < 1e-3
        torch.testing.assert_close(norm.running_mean, hidden.mean(0))
        assert abs(float(model(batch).std()) - 0.125) < 1e-3


def test_weights_that_an_embedding_shares_stay() -> None:
    table = torch.nn.Embedding(10, 4)
    head = torch.nn.Linear(4, 10, bias=False)
    head.weight = table.weight
    before = table.weight.detach().clone()
    model = torch.nn.Sequential(table, head).eval()
    weights.draw(model)
    weights.calibrate(model, lambda: model(torch.arange(10)), {})
    torch.testing.assert_close(table.weight.detach(), before, rtol=0, atol=0)
