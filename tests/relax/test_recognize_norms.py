"""Spelled-out normalizations become one operator, others stay."""

import numpy as np
import pytest

from tilewright import relax
from tilewright.relax import interpreter
from tilewright.relax.transform import RecognizeNorms

from .helpers import module, names, random, tensor_var

op = relax.op
x = tensor_var("x", [2, 3, 8])
gamma, beta = relax.const(random(8, seed=1)), relax.const(random(8, seed=2))


def layer(bb, axis=-1, exponent=2.0, divide=True):
    d = bb.emit(op.subtract(x, op.mean(x, axis=axis, keepdims=True)))
    if exponent:
        square = op.power(d, relax.const(exponent))
    else:
        square = op.multiply(d, d)
    moved = op.add(op.mean(square, axis=axis, keepdims=True), relax.const(1e-5))
    normal = op.divide(d, op.sqrt(moved)) if divide else op.multiply(d, op.rsqrt(moved))
    return op.add(op.multiply(normal, gamma), beta)


def rms(bb):
    second = op.mean(op.multiply(x, x), axis=[-1], keepdims=True)
    return op.multiply(gamma, op.multiply(x, op.rsqrt(op.add(second, relax.const(1e-6)))))


def inverse(numerator):
    second = op.add(op.mean(op.multiply(x, x), axis=-1, keepdims=True), relax.const(1e-6))
    return op.multiply(op.multiply(x, op.divide(relax.const(numerator), op.sqrt(second))), gamma)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (layer, ["relax.nn.layer_norm"]),
        (lambda bb: layer(bb, axis=[2], exponent=None), ["relax.nn.layer_norm"]),
        (lambda bb: layer(bb, divide=False), ["relax.nn.layer_norm"]),
        (rms, ["relax.nn.rms_norm"]),
        (lambda bb: inverse(1.0), ["relax.nn.rms_norm"]),
        (lambda bb: inverse(3.0), None),
        (lambda bb: layer(bb, axis=1), None),
        (lambda bb: layer(bb, exponent=4.0), None),
    ],
)
def test_recognition(write, expected) -> None:
    mod = module([x], write)
    made = RecognizeNorms()(mod)
    if expected is None:
        assert names(made) == names(mod)
    else:
        assert names(made) == expected
    value = random(2, 3, 8)
    np.testing.assert_allclose(
        interpreter.run(made, value), interpreter.run(mod, value), rtol=1e-4, atol=1e-5
    )
