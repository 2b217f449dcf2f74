"""Normalizations as arithmetic, which has gradients."""

import numpy as np
import pytest

from tilewright.relax import interpreter
from tilewright.relax import transform as T
from tilewright.relax.analysis import check_well_formed

from ..helpers import random
from ..rewrites import check_meaning, read

BATCH = """
    @R.function
    def main(x: R.Tensor((2, 3, 4), "float32"), g: R.Tensor((3,), "float32"),
             b: R.Tensor((3,), "float32"), m: R.Tensor((3,), "float32"),
             v: R.Tensor((3,), "float32")):
        with R.dataflow():
            t = R.nn.batch_norm(x, g, b, m, v, axis=1, momentum=0.2, training=True)
            out = (t[0], t[1], t[2])
            R.output(out)
        return out
"""
LAYER = """
    @R.function
    def main(x: R.Tensor((2, 3, 4), "float32"), g: R.Tensor((3, 4), "float32"),
             b: R.Tensor((3, 4), "float32")):
        with R.dataflow():
            t = R.nn.layer_norm(x, g, b, axes=[-2, -1])
            out = R.sum(t)
            R.output(out)
        return out
"""


@pytest.mark.parametrize(
    ("body", "shapes"),
    [(BATCH, [(2, 3, 4), (3,), (3,), (3,), (3,)]), (LAYER, [(2, 3, 4), (3, 4), (3, 4)])],
)
def test_the_arithmetic_means_the_same(body: str, shapes: list[tuple[int, ...]]) -> None:
    mod = read(body)
    made = T.DecomposeOpsForTraining("main")(mod)
    check_well_formed(made)
    assert "_norm" not in made.script()
    check_meaning(mod, made, *(random(*s, seed=i) for i, s in enumerate(shapes)))


def test_layer_norm_has_a_gradient_then() -> None:
    made = T.Gradient("main")(T.DecomposeOpsForTraining()(read(LAYER)))
    args = (random(2, 3, 4), random(3, 4, seed=1), random(3, 4, seed=2))
    _, (_, _, to_beta) = interpreter.run(made, *args, entry="main_adjoint")
    np.testing.assert_allclose(to_beta, np.full((3, 4), 2.0))
