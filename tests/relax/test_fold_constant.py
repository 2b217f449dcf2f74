"""How large a result may be that is computed once and kept."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.relax import transform as T
from tilewright.relax.block_builder import BlockBuilder
from tilewright.relax.expr import Constant, Var, const
from tilewright.relax.op import add, matmul, take
from tilewright.relax.struct_info import TensorStructInfo


def biased(weights: int) -> int:
    """How many of the constants of a function are left as they were, if it adds a table of 8
    columns looked up 20,000 times to a product with so many weights."""
    table, places = np.ones((32, 8), "float32"), np.zeros(20_000, "int64")
    x = Var("x", TensorStructInfo((20_000, weights // 8), "float32"))
    builder = BlockBuilder()
    with builder.function("main", [x]):
        with builder.dataflow():
            bias = builder.emit(take(const(table), const(places), axis=0))
            product = builder.emit(matmul(x, const(np.ones((weights // 8, 8), "float32"))))
            out = builder.emit_output(add(product, bias))
        builder.emit_func_output(out)
    folded = T.FoldConstant()(builder.get())
    values = [b.value for block in folded["main"].body.blocks for b in block.bindings]
    constants = [a for v in values for a in v.args if isinstance(a, Constant)]
    return sum(c.array.size == 160_000 for c in constants)


@pytest.mark.parametrize(("weights", "kept"), [(8_000, 0), (1_600_000, 1)])
def test_large_results_are_kept_beside_larger_constants(weights: int, kept: int) -> None:
    assert biased(weights) == kept
