"""BlockBuilder: emission, normal form, scopes, errors."""

import sys

import numpy as np
import pytest

from tilewright import relax, te, tir, topi
from tilewright.ir import assert_structural_equal
from tilewright.relax import interpreter
from tilewright.support.errors import ArgumentError, CompileError
from tilewright.support.span import model_span

from .helpers import module, random, tensor_var

n = tir.Var("n", "int64")


def test_nested_arguments_are_bound_to_variables() -> None:
    x = tensor_var("x", [n, 4])
    mod = module([x], lambda bb: relax.op.nn.relu(relax.op.add(x, relax.op.exp(x))))
    bindings = list(mod["main"].body.bindings())
    assert [b.var.name_hint for b in bindings] == ["lv", "lv1", "gv"]
    assert [type(b.var) for b in bindings] == [relax.DataflowVar, relax.DataflowVar, relax.Var]
    assert bindings[-1].value.args == (bindings[1].var,)
    assert mod["main"].ret_struct_info == relax.TensorStructInfo([n, 4])


def test_a_shared_subexpression_is_bound_once() -> None:
    x = tensor_var("x", [4])
    shared = relax.op.exp(x)
    mod = module([x], lambda bb: relax.op.add(shared, shared))
    assert len(list(mod["main"].body.bindings())) == 2


def test_emit_te_shares_equal_kernels_and_handles_symbols() -> None:
    x = tensor_var("x", [n, 4])

    def write(bb):
        a = bb.emit_te(topi.add, x, x)
        b = bb.emit_te(topi.add, a, x)
        return bb.emit_te(
            lambda t: te.compute((n * 2, 4), lambda i, j: t[i // 2, j], name="twice"), b
        )

    mod = module([x], write)
    assert sorted(mod.names()) == ["add", "main", "te_func"]
    value = random(3, 4)
    expected = np.repeat(value * 3, 2, axis=0)
    np.testing.assert_allclose(interpreter.run(mod, value), expected, rtol=1e-6)


def test_scalars_that_no_shape_gives_are_passed() -> None:
    x = tensor_var("x", [n * 2])
    s = relax.Var("s", relax.ShapeStructInfo([n]))
    mod = module([x, s], lambda bb: bb.emit_te(topi.add, x, x))
    call = next(mod["main"].body.bindings()).value
    assert call.args[2].values == (n,)
    np.testing.assert_array_equal(
        interpreter.run(mod, np.ones(6, "float32"), (3,)), np.full(6, 2, "float32")
    )


def test_match_cast_binds_dimensions() -> None:
    x = relax.Var("x", relax.TensorStructInfo(None, "float32", ndim=1))
    bb = relax.BlockBuilder()
    with bb.function("main", [x]):
        y = bb.match_cast(x, relax.TensorStructInfo([n]))
        z = bb.emit(relax.op.add(y, y))
        bb.emit_func_output(z)
    func = bb.get()["main"]
    assert z.struct_info == relax.TensorStructInfo([n])
    assert func.ret_struct_info == relax.TensorStructInfo(None, "float32", ndim=1)


def test_equal_programs_are_structurally_equal() -> None:
    def make(name):
        k = tir.Var(name, "int64")
        x = tensor_var(name, [k])
        return module([x], lambda bb: relax.op.add(x, x))

    assert_structural_equal(make("a"), make("b"))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda bb, x: None, "has no output"),
        (lambda bb, x: bb.emit_output(x), "outside of a dataflow block"),
        (lambda bb, x: bb.emit(relax.op.add(x, relax.const(np.ones(3, "float32")))), "broadcast"),
        (lambda bb, x: bb.emit(relax.op.add(x, relax.const(1))), "dtypes differ"),
    ],
)
def test_mistakes_are_errors(write, message) -> None:
    x = tensor_var("x", [4])
    bb = relax.BlockBuilder()
    with pytest.raises((ArgumentError, CompileError), match=message), bb.function("main", [x]):
        write(bb, x)


def test_errors_name_the_model_node() -> None:
    x = tensor_var("x", [4])
    bb = relax.BlockBuilder()
    span = model_span("ONNX node 'a' (Add)")
    wrong = relax.op.add(x, relax.const(np.ones(3, "float32")))
    with pytest.raises(CompileError, match="ONNX node 'a'"), bb.function("main", [x]), bb.at(span):
        bb.emit(wrong)


def test_emission_is_linear() -> None:
    x = tensor_var("x", [4])

    def calls(count: int) -> int:
        made = 0

        def note(_frame: object, event: str, _arg: object) -> None:
            nonlocal made
            made += event == "call"

        bb = relax.BlockBuilder()
        sys.setprofile(note)
        try:
            with bb.function("main", [x]):
                y = x
                for _ in range(count):
                    y = bb.emit(relax.op.add(y, x))
                bb.emit_func_output(y)
        finally:
            sys.setprofile(None)
        return made

    calls(10)
    assert calls(800) < 2.2 * calls(400)


def test_blocks_and_sequences_are_built_without_a_function() -> None:
    x = tensor_var("x", [2])
    bb = relax.BlockBuilder()
    bb._begin_binding_block()
    y = bb.emit(relax.op.exp(x))
    block = bb._end_block()
    assert [b.var for b in block.bindings] == [y]
    nested = relax.SeqExpr([block], relax.op.exp(relax.op.exp(y)))
    made = relax.BlockBuilder().normalize(nested)
    assert isinstance(made, relax.SeqExpr) and isinstance(made.body, relax.Var)
    assert len(made.blocks[0].bindings) == 3
