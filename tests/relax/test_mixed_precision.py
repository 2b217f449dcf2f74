"""Heavy operations run in 16 bits, the rest in 32; results stay near."""

import numpy as np
import pytest

from tilewright import relax
from tilewright.relax import interpreter
from tilewright.relax import transform as T
from tilewright.relax.analysis import bindings_of, check_well_formed
from tilewright.support.errors import ArgumentError

from .helpers import module, random, tensor_var

op = relax.op
x = tensor_var("x", [4, 8])
w, b = relax.const(random(8, 8, seed=1)), relax.const(random(8, seed=2))


def model():
    def write(bb):
        y = bb.emit(op.nn.relu(op.add(op.matmul(x, w), b)))
        return op.nn.softmax(op.matmul(op.reshape(y, [4, 8]), w))

    return module([x], write)


def dtypes(func, name):
    """The dtype in which each call of an operator is computed: that of its first argument."""
    values = [v.value for v in bindings_of(func) if isinstance(v.value, relax.Call)]
    return [v.args[0].struct_info.dtype for v in values if v.op.name == f"relax.{name}"]


@pytest.mark.parametrize(
    ("out_dtype", "dtype", "relu"),
    [
        ("float32", "float16", "float32"),
        ("float16", "float16", "float16"),
        ("bfloat16", "bfloat16", "bfloat16"),
    ],
)
def test_precision(out_dtype, dtype, relu) -> None:
    mod = model()
    mixed = T.ToMixedPrecision(out_dtype, dtype=dtype)(mod)
    check_well_formed(mixed)
    func = mixed["main"]
    assert dtypes(func, "matmul") == [dtype, dtype]
    assert dtypes(func, "nn.relu") == [relu] and dtypes(func, "nn.softmax") == ["float32"]
    assert func.ret_struct_info == mod["main"].ret_struct_info
    got, expected = interpreter.run(mixed, random(4, 8)), interpreter.run(mod, random(4, 8))
    np.testing.assert_allclose(got, expected, rtol=0.03)
    folded = T.DeadCodeElimination()(T.FoldConstant()(mixed))
    np.testing.assert_allclose(interpreter.run(folded, random(4, 8)), got, rtol=1e-6)


def test_inputs_may_be_narrow() -> None:
    mixed = T.ToMixedPrecision(fp16_input_names=["x"])(model())
    check_well_formed(mixed)
    assert mixed["main"].params[0].struct_info.dtype == "float16"
    narrow = random(4, 8).astype("float16")
    np.testing.assert_allclose(
        interpreter.run(mixed, narrow), interpreter.run(model(), random(4, 8)), rtol=0.03
    )


def test_other_types_are_errors() -> None:
    with pytest.raises(ArgumentError, match="16-bit"):
        T.ToMixedPrecision(dtype="float64")
    with pytest.raises(ArgumentError, match="out_dtype"):
        T.ToMixedPrecision("int8")
