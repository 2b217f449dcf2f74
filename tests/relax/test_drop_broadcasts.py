"""Operators read what they broadcast by themselves as it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilewright import relax
from tilewright.relax import interpreter
from tilewright.relax.transform import DeadCodeElimination, DropBroadcasts

from .helpers import module, names, random, tensor_var

op = relax.op
x = tensor_var("x", [2, 3, 4])
row = tensor_var("row", [3, 1])


def wide(bb: relax.BlockBuilder, value: Any) -> relax.Var:
    return bb.emit(op.broadcast_to(value, (2, 3, 4)))


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda bb: op.add(x, wide(bb, relax.const(0.5))), "add"),
        (lambda bb: op.subtract(wide(bb, row), x), "subtract"),
        (lambda bb: op.add(wide(bb, row), wide(bb, relax.const(2.0))), "broadcast_to add"),
        (lambda bb: op.add(row, wide(bb, relax.const(0.5))), "broadcast_to add"),
        (lambda bb: op.matmul(x, op.permute_dims(wide(bb, row), (0, 2, 1))),
         "broadcast_to permute_dims matmul"),
    ],
)  # fmt: skip
def test_broadcasts(write: Callable[[relax.BlockBuilder], Any], expected: str) -> None:
    mod = module([x, row], write)
    made = DeadCodeElimination()(DropBroadcasts()(mod))
    assert [name.removeprefix("relax.") for name in names(made)] == expected.split()
    values = [random(2, 3, 4, seed=5), random(3, 1, seed=6)]
    np.testing.assert_array_equal(interpreter.run(made, *values), interpreter.run(mod, *values))
