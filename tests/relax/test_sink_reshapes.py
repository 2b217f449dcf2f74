"""What follows a product element by element moves before the reshape of its result."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilewright import relax, tir
from tilewright.relax import interpreter
from tilewright.relax.transform import CanonicalizeBindings, DeadCodeElimination, SinkReshapes

from .helpers import module, names, random, tensor_var

op = relax.op
x = tensor_var("x", [2, 3, 4])
residual = tensor_var("residual", [2, 3, 6])
weight, bias = relax.const(random(4, 6, seed=1)), relax.const(random(6, seed=2))


def sunk(mod: Any) -> Any:
    for step in (SinkReshapes(), CanonicalizeBindings(), DeadCodeElimination()):
        mod = step(mod)
    return mod


def linear(bb: relax.BlockBuilder) -> relax.Var:
    flat = bb.emit(op.reshape(x, (6, 4)))
    product = bb.emit(op.matmul(flat, weight))
    return bb.emit(op.reshape(product, (2, 3, 6)))


def activated(bb: relax.BlockBuilder) -> Any:
    biased = bb.emit(op.add(linear(bb), bias))
    cubed = bb.emit(op.power(biased, relax.const(3.0)))
    return op.multiply(op.tanh(bb.emit(op.add(biased, cubed))), relax.const(0.5))


def summed(bb: relax.BlockBuilder) -> Any:
    total = bb.emit(op.add(residual, linear(bb)))
    wide = bb.emit(op.reshape(bias, (1, 1, 6)))
    return op.add(bb.emit(op.nn.relu(total)), bb.emit(op.add(total, wide)))


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (activated, "reshape matmul add power add tanh multiply reshape"),
        (summed, "reshape matmul reshape add nn.relu add add reshape"),
        (lambda bb: op.add(linear(bb), relax.const(random(3, 1, seed=3))),
         "reshape matmul reshape add"),
        (lambda bb: op.nn.relu(bb.emit(op.reshape(linear(bb), (3, 12)))),
         "reshape matmul reshape nn.relu"),
    ],
)  # fmt: skip
def test_elementwise_operators_move_before_reshapes(
    write: Callable[[Any], Any], expected: str
) -> None:
    mod = module([x, residual], write)
    made = sunk(mod)
    assert [name.removeprefix("relax.") for name in names(made)] == expected.split()
    given = random(2, 3, 4, seed=4), random(2, 3, 6, seed=5)
    np.testing.assert_array_equal(interpreter.run(made, *given), interpreter.run(mod, *given))


def test_symbolic_rows_move_too() -> None:
    n = tir.Var("n", "int64")
    rows = tensor_var("rows", [n, 3, 4])

    def write(bb: relax.BlockBuilder) -> Any:
        product = bb.emit(op.matmul(bb.emit(op.reshape(rows, (n * 3, 4))), weight))
        return op.nn.relu(bb.emit(op.reshape(product, (n, 3, 6))))

    made = sunk(module([rows], write))
    assert names(made)[-2:] == ["relax.nn.relu", "relax.reshape"]


def test_a_reshape_of_a_reshape_is_one_and_one_to_the_same_shape_none() -> None:
    made = sunk(
        module([x], lambda bb: op.nn.relu(bb.emit(op.reshape(bb.emit(op.flatten(x)), (2, 3, 4)))))
    )
    assert names(made) == ["relax.nn.relu"]
