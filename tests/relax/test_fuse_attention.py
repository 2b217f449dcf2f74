"""Two products with a reduction of rows between them are one kernel."""

from typing import Any

import numpy as np
import pytest

from tilewright import relax
from tilewright.relax import interpreter
from tilewright.relax import transform as T

from .helpers import module, names, random, tensor_var

op = relax.op
q, k = tensor_var("q", [1, 2, 9, 8]), tensor_var("k", [1, 2, 8, 7])
v, mask = tensor_var("v", [1, 2, 7, 8]), tensor_var("mask", [1, 1, 9, 7])


def fused(mod: Any) -> Any:
    for step in (T.LegalizeOps(), T.AnnotateTIROpPattern(), T.FuseOps()):
        mod = step(mod)
    return mod


def weights(bb: relax.BlockBuilder) -> relax.Var:
    scores = bb.emit(op.add(bb.emit(op.matmul(q, k)), mask))
    return bb.emit(op.nn.softmax(scores))


def plain(bb: relax.BlockBuilder) -> Any:
    return op.matmul(weights(bb), v)


def without_empty_rows(bb: relax.BlockBuilder) -> Any:
    w = weights(bb)
    kept = bb.emit(op.where(bb.emit(op.isnan(w)), relax.const(0.0), w))
    return op.permute_dims(bb.emit(op.matmul(kept, v)), [0, 2, 1, 3])


def weights_are_a_result_too(bb: relax.BlockBuilder) -> Any:
    w = weights(bb)
    return op.add(bb.emit(op.matmul(w, v)), bb.emit(op.sum(w, axis=[-1], keepdims=True)))


def without_rows(bb: relax.BlockBuilder) -> Any:
    return op.matmul(bb.emit(op.nn.relu(bb.emit(op.matmul(q, k)))), v)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (plain, ["fused_matmul_add_softmax_matmul1"]),
        (without_empty_rows, ["fused_matmul_add_softmax_isnan_where_matmul1", "permute_dims"]),
        (weights_are_a_result_too, ["fused_matmul_add", "softmax", "fused_matmul1_add1", "sum"]),
        (without_rows, ["fused_matmul_relu", "matmul1"]),
    ],
)
def test_groups(write: Any, expected: list[str]) -> None:
    mod = module([q, k, v, mask], write)
    made = fused(mod)
    assert sorted(names(made)) == sorted(expected)
    given = (random(1, 2, 9, 8), random(1, 2, 8, 7, seed=1), random(1, 2, 7, 8, seed=2),
             random(1, 1, 9, 7, seed=3))  # fmt: skip
    np.testing.assert_allclose(
        interpreter.run(T.FuseTIR()(made), *given), interpreter.run(mod, *given), rtol=1e-5
    )


def test_a_bias_of_the_shape_of_the_scores_may_be_shared() -> None:
    def twice(bb: relax.BlockBuilder) -> Any:
        bias = bb.emit(op.broadcast_to(mask, [1, 2, 9, 7]))
        queries = q
        for _ in range(2):
            scores = bb.emit(op.add(bb.emit(op.matmul(queries, k)), bias))
            queries = bb.emit(op.matmul(bb.emit(op.nn.softmax(scores)), v))
        return op.nn.relu(queries)

    made = fused(module([q, k, v, mask], twice))
    kernels = [name for name in names(made) if "softmax" in name]
    assert kernels and all(name.startswith("fused_matmul_add_softmax_matmul1") for name in kernels)
    given = (random(1, 2, 9, 8), random(1, 2, 8, 7, seed=1), random(1, 2, 7, 8, seed=2),
             random(1, 1, 9, 7, seed=3))  # fmt: skip
    expected = interpreter.run(module([q, k, v, mask], twice), *given)
    np.testing.assert_allclose(interpreter.run(T.FuseTIR()(made), *given), expected, rtol=1e-5)


def test_few_queries_are_three_kernels() -> None:
    few, limits = tensor_var("q", [1, 2, 7, 8]), tensor_var("mask", [1, 1, 7, 7])

    def write(bb: relax.BlockBuilder) -> Any:
        scores = bb.emit(op.add(bb.emit(op.matmul(few, k)), limits))
        return op.matmul(bb.emit(op.nn.softmax(scores)), v)

    made = fused(module([few, k, v, limits], write))
    assert sorted(names(made)) == ["fused_matmul_add", "matmul1", "softmax"]


def test_products_with_weights_are_no_attention() -> None:
    x = tensor_var("x", [5, 8])
    first, second = relax.const(random(8, 7)), relax.const(random(7, 8, seed=1))

    def write(bb: relax.BlockBuilder) -> Any:
        rows = bb.emit(op.nn.softmax(bb.emit(op.matmul(x, first))))
        return op.matmul(rows, second)

    assert names(fused(module([x], write))) == ["matmul", "softmax", "matmul1"]
