"""Executables written by hand, and blocks edited by hand."""

import numpy as np
import pytest

import tilewright as tw
from tilewright import relax
from tilewright.ir import assert_structural_equal
from tilewright.relax.analysis import check_well_formed
from tilewright.relax.binding_rewrite import DataflowBlockRewrite
from tilewright.support.errors import TVMError

from .rewrites import read


@tw.register_global_func("test.relaxops.add", override=True)
def add(a, b):
    return tw.nd.array(a.numpy() + b.numpy())


def machine(ib):
    return relax.VirtualMachine(ib.get(), tw.cpu())


def test_calls_constants_and_shapes() -> None:
    ib = relax.ExecBuilder()
    with ib.function("main", num_inputs=1):
        ib.emit_call(
            "test.relaxops.add",
            args=[ib.r(0), ib.convert_constant(np.full(3, 2, "float32"))],
            dst=ib.r(1),
        )
        ib.emit_call("vm.builtin.reshape", args=[ib.r(1), ib.convert_constant([3, 1])], dst=ib.r(2))
        ib.emit_ret(ib.r(2))
    out = machine(ib)["main"](tw.nd.array(np.arange(3, dtype="float32"))).numpy()
    np.testing.assert_array_equal(out, [[2], [3], [4]])


def test_jumps_count_the_instructions_that_were_written() -> None:
    ib = relax.ExecBuilder()
    with ib.function("twice", num_inputs=1):
        ib.emit_call("test.relaxops.add", args=[ib.r(0), ib.r(0)], dst=ib.r(1))
        ib.emit_ret(ib.r(1))
    with ib.function("main", num_inputs=2):
        ib.emit_if(ib.r(0), 3)
        ib.emit_call("twice", args=[ib.r(1)], dst=ib.r(2))
        ib.emit_goto(2)
        ib.emit_call("vm.builtin.reshape", args=[ib.r(1), ib.convert_constant([2])], dst=ib.r(2))
        ib.emit_ret(ib.r(2))
    vm = machine(ib)
    x = tw.nd.array(np.array([1, 2], "float32"))
    assert vm["main"](tw.nd.array(np.array(True)), x).numpy().tolist() == [2, 4]
    assert vm["main"](tw.nd.array(np.array(False)), x).numpy().tolist() == [1, 2]
    assert "twice" in ib.get().as_text()


def test_functions_are_values() -> None:
    ib = relax.ExecBuilder()
    with ib.function("twice", num_inputs=1):
        ib.emit_call("test.relaxops.add", args=[ib.r(0), ib.r(0)], dst=ib.r(1))
        ib.emit_ret(ib.r(1))
    with ib.function("main", num_inputs=1):
        ib.emit_call(
            "vm.builtin.invoke_closure", args=[ib.vm_state(), ib.f("twice"), ib.r(0)], dst=ib.r(1)
        )
        ib.emit_ret(ib.r(1))
    assert machine(ib)["main"](tw.nd.array(np.array([1.0], "float32"))).numpy().tolist() == [2]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda ib: ib.emit_goto(5), "instruction 0 jumps to 5"),
        (lambda ib: ib.emit_call("f"), "does not return"),
        (lambda ib: ib.emit_ret(object()), "is no constant"),
    ],
)
def test_mistakes_are_named(write, message: str) -> None:
    ib = relax.ExecBuilder()
    with pytest.raises(TVMError, match=message):
        with ib.function("main"):
            write(ib)
        ib.get()


def test_instructions_stand_in_functions() -> None:
    with pytest.raises(TVMError, match="no function to write to"):
        relax.ExecBuilder().emit_ret(None)


BODY = """
    @R.function
    def main(x: R.Tensor((4,), "float32"), y: R.Tensor((4,), "float32")):
        with R.dataflow():
            a = R.exp(x)
            b = R.negative(a)
            c = R.add(b, y)
            R.output(c)
        return c
"""


def edit():
    mod = read(BODY)
    func = mod["main"]
    return mod, func, DataflowBlockRewrite(func.body.blocks[0], func)


def test_bindings_are_replaced_added_and_removed() -> None:
    mod, func, rewrite = edit()
    x, _ = func.params
    a, b, _ = (binding.var for binding in func.body.blocks[0].bindings)
    rewrite.replace_all_uses(b, x)
    rewrite.add(relax.Tuple([x, a]), name="pair", is_dfvar=True)
    rewrite.remove_unused(b)
    after = rewrite.mutate_irmodule(mod)
    names = [binding.var.name_hint for binding in after["main"].body.bindings()]
    assert names == ["a", "c", "pair"]
    check_well_formed(after)
    rewrite.remove_all_unused()
    assert_structural_equal(
        rewrite.mutate_irmodule(mod),
        read(BODY.replace("a = R.exp(x)", "pass").replace("b = R.negative(a)", "pass")
             .replace("R.add(b, y)", "R.add(x, y)")),
    )  # fmt: skip
    assert_structural_equal(mod, read(BODY))


def test_outputs_may_be_added() -> None:
    _, func, rewrite = edit()
    rewrite.add(relax.op.exp(func.params[0]), name="a")
    last = rewrite.mutated_dfb().bindings[-1].var
    assert last.name_hint == "a1" and not isinstance(last, relax.DataflowVar)
    assert rewrite.mutated_root_fn().body.blocks[0] is rewrite.mutated_dfb()


def test_what_is_used_is_not_removed() -> None:
    _, func, rewrite = edit()
    with pytest.raises(TVMError, match="`a` is still used"):
        rewrite.remove_unused(func.body.blocks[0].bindings[0].var)
    other = relax.Var("z", relax.ObjectStructInfo())
    rewrite.remove_unused(other, allow_undef=True)
    with pytest.raises(TVMError, match="does not bind `z`"):
        rewrite.remove_unused(other)
