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
from tilewright.script import ir as I
from tilewright.script import relax as R
from tilewright.script import tir as S
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
    told = bind("y", relax.op.exp(x), relax.TensorStructInfo([n]))
    forced = {"relax.force_pure": True}
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
        "what is told of `y`": function([told], x),
        "is declared impure": function([], x, is_pure=False, attrs=forced),
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


def calls(**changes):
    """A kernel `(A: n, B: 2 * n)` with the scalar `k`, called as told."""

    @I.ir_module(check_well_formed=False)
    class Module:
        @S.prim_func
        def double(a: S.handle, b: S.handle, k: S.int64):  # noqa: N805
            n = S.int64()
            A = S.match_buffer(a, (n,), "int8")
            B = S.match_buffer(b, (2 * n,), "int8")
            for i in range(n):
                B[i] = A[i]

        @R.function
        def main(
            a: R.Tensor((3,), "int8"),  # noqa: N805
            w: R.Tensor((3, 1), "int8"),
            f: R.Tensor((3,), "float32"),
        ):
            return a

    gvar, main = Module.get_global_var("double"), Module["main"]
    a, wide, other = main.params
    given = changes.get("given", "a")
    args = {"a": [a], "wide": [wide], "other": [other], "tuple": [relax.Tuple([a, a])]}[given]
    out = relax.TensorStructInfo([changes.get("size", 6)], "int8")
    op = relax.op.call_tir(gvar, args, out, [tir.IntImm("int64", 1)])
    y = Var("y", out)
    body = SeqExpr((BindingBlock((VarBinding(y, op),)),), y)
    Module[Module.get_global_var("main")] = Function(main.params, body, attrs=main.attrs)
    return Module


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 5}, "argument 1: dimension `T.int64(5)` where `T.int64(6)` is needed"),
        ({"given": "wide"}, "argument 0: 2 dimensions where 1 are needed"),
        ({"given": "other"}, "argument 0: dtype "),
        ({"given": "tuple"}, "argument 0: `R.Tuple"),
    ],
)
def test_kernels_get_what_they_take(change, message) -> None:
    assert problems(calls()) == []
    (found,) = problems(calls(**change))
    assert message in found


def test_a_kernel_overwrites_what_is_as_large_as_the_result() -> None:
    @I.ir_module(check_well_formed=False)
    class Module:
        @S.prim_func
        def add_one(A: S.Buffer((4,), "int8")):  # noqa: N805
            for i in range(4):
                A[i] = A[i] + S.int8(1)

        @R.function
        def main(a: R.Tensor((4,), "int8")):  # noqa: N805
            return R.call_tir_inplace(Module.add_one, a, [0], R.Tensor((5,), "int8"))

    assert "overwrites argument 0" in problems(Module)[0]


def test_a_local_function_may_bind_dimensions_of_its_own() -> None:
    @R.function
    def main():
        @R.function
        def local(x: R.Tensor(["m", "n"], "int8")):
            return x

        return local

    assert problems(main) == []


def test_no_call_in_a_dataflow_block_has_side_effects_even_if_purity_is_forced() -> None:
    print_ = bind("p", relax.op.print(x), relax.TupleStructInfo([]), DataflowVar)
    func = function([print_], x, DataflowBlock, attrs={"relax.force_pure": True})
    assert "side effects" in problems(func)[0]
