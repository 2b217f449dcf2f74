"""Random programs: the virtual machine agrees with the interpreter, every promise is kept."""

import random as python_random

import numpy as np
import pytest

from tilewright import relax, tir
from tilewright.relax import interpreter
from tilewright.relax.analysis import problems

from .helpers import random, tensor_var
from .test_vm_build import as_numpy, compare, machine

op = relax.op


class Writer:
    """Emits random operations on tensors of shape (rows, 4)."""

    def __init__(self, seed: int) -> None:
        self.rng = python_random.Random(seed)
        self.n = tir.Var("n", "int64")
        self.rows = self.n if seed % 2 else 3
        self.bb = relax.BlockBuilder()
        self.weights = [relax.const(random(4, 4, seed=i)) for i in range(3)]
        self.vectors = [relax.const(random(4, seed=i + 10)) for i in range(3)]

    def steps(self):
        return [
            lambda a, b: op.add(a, b),
            lambda a, b: op.multiply(a, b),
            lambda a, b: op.nn.relu(a),
            lambda a, b: op.tanh(a),
            lambda a, b: op.add(a, self.rng.choice(self.vectors)),
            lambda a, b: op.multiply(a, relax.const(0.5)),
            lambda a, b: op.matmul(a, self.rng.choice(self.weights)),
            lambda a, b: op.nn.softmax(a),
            lambda a, b: op.subtract(a, op.mean(b, axis=1, keepdims=True)),
            lambda a, b: op.permute_dims(op.permute_dims(a)),
            lambda a, b: op.reshape(op.tanh(op.reshape(a, [self.rows * 2, 2])), [self.rows, 4]),
            lambda a, b: op.concat([op.split(a, 2, axis=1)[1], op.split(b, 2, axis=1)[0]], axis=1),
            lambda a, b: self.bb.emit(relax.Tuple([a, b]))[self.rng.randrange(2)],
            lambda a, b: (
                op.add(op.add(self.weights[0], self.weights[1]), self.weights[2])
                if self.rows == 4
                else op.add(a, op.add(self.vectors[0], self.vectors[1]))
            ),
        ]

    def write(self):
        """A function of two tensors with some outputs."""
        x, y = tensor_var("x", [self.rows, 4]), tensor_var("y", [self.rows, 4])
        values = [x, y]
        with self.bb.function("main", [x, y]):
            with self.bb.dataflow():
                for _ in range(self.rng.randrange(4, 14)):
                    a, b = self.rng.choice(values[-5:]), self.rng.choice(values)
                    values.append(self.bb.emit(self.rng.choice(self.steps())(a, b)))
                count = self.rng.randrange(1, 4)
                outputs = [self.bb.emit_output(op.tanh(v)) for v in values[-count:]]
                outputs.append(self.bb.emit_output(values[-1]))
            self.bb.emit_func_output(relax.Tuple(outputs))
        return self.bb.get()


@pytest.mark.parametrize("seed", range(24))
def test_random_programs(seed: int) -> None:
    mod = Writer(seed).write()
    args = random(3, 4), random(3, 4, seed=1)
    expected = interpreter.run(mod, *args)
    built = relax.get_pipeline("default_build")(mod)
    assert problems(built) == []
    compare(expected, interpreter.run(built, *args))
    got = as_numpy(machine(mod)[1]["main"](*args))
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-4, atol=1e-5)
