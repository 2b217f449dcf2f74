"""Every family of kernels, with sizes that Hypothesis draws, agrees with ONNX Runtime.

`pytest tests/dlight/test_cpu_families.py --hypothesis-profile many` tries hundreds a family.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tilewright as tw
from tilewright import relax
from tilewright.frontend.onnx import from_onnx
from tilewright.support.knobs import CACHE

from .draws import Array, Model
from .families import FAMILIES

EXAMPLES = 3
MANY = settings.get_current_profile_name() == "many"
CHOSEN = settings() if MANY else settings(max_examples=EXAMPLES, derandomize=True, database=None)


def expected(model: Model) -> list[Array]:
    """What ONNX Runtime computes, without rewriting the graph."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.finished().SerializeToString(), options)
    return session.run(None, model.inputs)


def results(model: Model) -> list[Array]:
    """What the default pipelines make of the model."""
    with CACHE.set("off"):
        made = tw.compile(from_onnx(model.finished()), "llvm")
    found: Any = relax.VirtualMachine(made, tw.cpu())["main"](*model.inputs.values())
    return [found.numpy()] if hasattr(found, "numpy") else [one.numpy() for one in found]


def check(found: Array, wanted: Array) -> None:
    """Equal whole numbers; others within 1e-4 of the largest value, float16 within 1e-2."""
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    if not np.issubdtype(wanted.dtype, np.floating):
        np.testing.assert_array_equal(found, wanted)
        return
    largest = np.abs(wanted).max(initial=0.0)
    tolerance = 1e-4 if wanted.dtype.itemsize > 2 else 1e-2
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * float(largest))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_agrees_with_onnx_runtime(name: str) -> None:
    @CHOSEN
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        model = Model(data.draw)
        FAMILIES[name](model)
        for found, wanted in zip(results(model), expected(model), strict=True):
            check(found, wanted)

    agree()
