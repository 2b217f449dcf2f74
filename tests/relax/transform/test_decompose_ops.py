"""Operators of training as they are at inference."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright import relax
from tilewright.relax.interpreter import run
from tilewright.script import from_source

NORMALIZED = """
@I.ir_module
class M:
    @T.prim_func(private=True)
    def increase(x: T.Buffer((3,), "float32")):
        for i in range(3):
            with T.block("b"):
                v = T.axis.spatial(3, i)
                x[v] = x[v] + T.float32(1)

    @R.function
    def main(x: R.Tensor((2, 3), "float32"), v: R.Tensor((3,), "float32")):
        cls = M
        with R.dataflow():
            all = R.nn.batch_norm(x, v, v, v, v, axis=1)
            mean = all[1]
            more = R.call_tir_inplace(
                cls.increase, (mean,), inplace_indices=[0], out_sinfo=R.Tensor((3,), "float32")
            )
            result = R.add(more, v)
            R.output(result)
        return result
"""


@pytest.mark.parametrize("in_place", [True, False])
def test_a_running_mean_that_is_written_over_is_no_parameter(in_place: bool) -> None:
    call = NORMALIZED[
        NORMALIZED.index("R.call_tir_inplace") : NORMALIZED.index("            result")
    ]
    text = NORMALIZED if in_place else NORMALIZED.replace(call, "mean + R.const(1.0)\n")
    module = relax.transform.DecomposeOpsForInference()(from_source(text))
    assert ("batch_norm" in module.script()) is in_place
    vector = np.arange(1, 4).astype("float32")
    given = vector.copy()
    result = run(module, np.ones((2, 3), "float32"), given)
    assert np.array_equal(np.asarray(result), 2 * vector + 1)
    assert np.array_equal(given, vector)
