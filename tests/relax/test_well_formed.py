"""Every promise: a program that breaks it is found, and passes keep them all."""

import pytest

from tilewright import relax, tir
from tilewright.ir import IRModule
from tilewright.relax.analysis import check_well_formed, problems, well_formed
from tilewright.relax.expr import (
    BindingBlock,
    DataflowBlock,
    DataflowVar,
    Function,
    If,
    SeqExpr,
    Var,
    VarBinding,
)
from tilewright.support.errors import CompileError

from .helpers import module, tensor_var

n, m = tir.Var("n", "int64"), tir.Var("m", "int64")
T4 = relax.TensorStructInfo([4])
x = Var("x", T4)


def function(bindings, body, block=BindingBlock, params=(x,), **options) -> Function:
    return Function(tuple(params), SeqExpr((block(tuple(bindings)),), body), T4, **options)


def bind(name, value, info=T4, kind=Var):
    return VarBinding(kind(name, info), value)


def broken():
    exp = bind("y", relax.op.exp(x))
    lv = bind("lv", relax.op.exp(x), kind=DataflowVar)
    print_ = bind("p", relax.op.print(x), relax.TupleStructInfo([]))
    c = Var("c", relax.TensorStructInfo([], "bool"))
    choice = bind("y", If(c, x, x))
    wide = relax.TensorStructInfo([n])
    symbolic = bind("y", relax.op.zeros([n], "float32"), wide)
    return {
        "is used where it is not defined": function([bind("y", relax.op.exp(Var("z", T4)))], x),
        "is bound twice": function([exp, exp], exp.var),
        "as an argument": function([bind("y", relax.op.exp(relax.op.exp(x)))], x),
        "no variable": function([exp], relax.op.exp(x)),
        "outside of a dataflow block": function([lv], x),
        "has side effects": function([print_], x, DataflowBlock, is_pure=False),
        "stands in a dataflow block": function([choice], x, DataflowBlock, (x, c)),
        "is declared pure": function([print_], x),
        "is not bound": function([symbolic], x),
        "its value": function([bind("y", relax.op.exp(x), relax.TensorStructInfo([5]))], x),
        "is ill-typed": function([bind("y", relax.op.add(x, relax.const(1)))], x),
        "dataflow variable": function([], lv.var, params=(lv.var,)),
        "two parameters": function([], x, params=(x, x)),
    }


@pytest.mark.parametrize("message", list(broken()))
def test_a_broken_promise_is_found(message) -> None:
    func = broken()[message]
    assert any(message in p for p in problems(func)), problems(func)
    assert not well_formed(func)
    with pytest.raises(CompileError, match=message):
        check_well_formed(func)


def test_a_dataflow_variable_does_not_leave_its_block() -> None:
    lv = bind("lv", relax.op.exp(x), kind=DataflowVar)
    assert any("lv" in p for p in problems(function([lv], lv.var, DataflowBlock)))


def test_modules() -> None:
    gvar = relax.GlobalVar("missing")
    gvar._struct_info = relax.FuncStructInfo([T4], T4)
    func = function([bind("y", relax.Call(gvar, (x,)))], x)
    assert problems(IRModule({"main": func})) == ["main: the module has no function `missing`"]
    named = function([], x, attrs={"global_symbol": "other"})
    assert "global symbol 'other'" in problems(IRModule({"main": named}))[0]


def test_passes_keep_every_promise() -> None:
    a = tensor_var("a", [n, 4])

    def write(bb):
        y = bb.emit(relax.op.nn.relu(relax.op.matmul(a, relax.op.permute_dims(a))))
        return relax.Tuple([relax.op.sum(y, axis=1), relax.op.reshape(y, [n * n])])

    mod = module([a], write)
    check_well_formed(mod)
    for step in relax.get_pipeline("default_build").passes:
        mod = step(mod)
        assert problems(mod) == [], step.info.name
