"""Static types, converters of arguments, the well-formedness instrument, detached weights."""

import numpy as np
import pytest

import tilewright as tw
from tilewright import relax
from tilewright.ir import FuncType, PrimType, TupleType, structural_equal
from tilewright.ir.transform import PassContext, module_pass
from tilewright.relax.analysis import get_static_type
from tilewright.relax.frontend import detach_params
from tilewright.relax.ir.instrument import WellFormedInstrument
from tilewright.relax.utils import args_converter
from tilewright.support.errors import TVMError

from .helpers import module, tensor_var


def test_static_types_forget_dimensions() -> None:
    tensor = relax.TensorStructInfo((2, 3), "float16")
    tuple_ = relax.TupleStructInfo((tensor, relax.ShapeStructInfo(ndim=2)))
    func = relax.FuncStructInfo((tensor,), relax.PrimStructInfo("int64"))
    rows = [
        (tensor, relax.TensorType(2, "float16")),
        (tuple_, TupleType((relax.TensorType(2, "float16"), relax.ShapeType(2)))),
        (func, FuncType((relax.TensorType(2, "float16"),), PrimType("int64"))),
        (relax.FuncStructInfo.opaque_func(), relax.PackedFuncType()),
        (relax.ObjectStructInfo(), relax.ObjectType()),
    ]
    for info, expected in rows:
        assert structural_equal(get_static_type(info), expected)


def test_arguments_become_expressions() -> None:
    @args_converter.to_expr("x")
    @args_converter.to_list_expr("many")
    def f(x, many, other):
        return x, many, other

    x, many, other = f(1, [2, "a"], 3)
    assert isinstance(x, relax.PrimValue) and other == 3
    assert [type(m) for m in many] == [relax.PrimValue, relax.StringImm]


def test_auto_goes_by_annotations() -> None:
    @args_converter.auto
    def f(x: relax.Expr, y: "relax.Expr | None" = None, n: int = 0, z: "list[relax.Expr]" = ()):
        return x, y, n, z

    x, y, n, z = f("a", None, 4, [1])
    assert isinstance(x, relax.StringImm) and y is None and n == 4
    assert isinstance(z[0], relax.PrimValue)


def test_a_pass_that_breaks_a_module_is_named() -> None:
    x = tensor_var("x", [2])
    mod = module([x], lambda bb: relax.op.exp(x))

    @module_pass(opt_level=0, name="Breaks")
    def broken(mod, ctx):
        main = mod["main"]
        return tw.IRModule({"main": main.replace(params=())})

    refused = pytest.raises(TVMError, match=r"not well-formed after Breaks: .*`x`")
    with PassContext(instruments=[WellFormedInstrument()]), refused:
        broken(mod)


def test_detached_weights() -> None:
    x = tensor_var("x", [2])
    mod = module([x], lambda bb: relax.op.exp(x))
    weight = tw.nd.array(np.ones(2, "float32"))
    mod["main"] = mod["main"].with_attr("params", [weight])
    bare, params = detach_params(mod)
    assert "params" not in bare["main"].attrs and "params" in mod["main"].attrs
    assert params["main"] == [weight]
