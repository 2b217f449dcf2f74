"""Script of graph programs parses, and prints as it was."""

import numpy as np
import pytest

from tilewright import relax, tir
from tilewright.ir import IRModule
from tilewright.ir.op import Op
from tilewright.ir.structural import assert_structural_equal
from tilewright.relax.op import DECLARATIONS, Declaration
from tilewright.script import from_source
from tilewright.script import ir as I
from tilewright.script import relax as R
from tilewright.script import tir as T


def round_trip(mod: IRModule) -> None:
    assert_structural_equal(from_source(mod.script(show_meta=True)), mod)


@I.ir_module
class Module:
    I.module_attrs({"version": 2})

    @T.prim_func(private=True)
    def twice(x: T.handle, y: T.handle):
        n = T.int64()
        X = T.match_buffer(x, (n, T.int64(4)))
        Y = T.match_buffer(y, (n, T.int64(4)))
        for i, j in T.grid(n, T.int64(4)):
            with T.block("b"):
                vi, vj = T.axis.remap("SS", [i, j])
                Y[vi, vj] = X[vi, vj] * T.float32(2)

    @R.function(pure=False)
    def main(
        x: R.Tensor(("n", 4), "float32"), flag: R.Tensor((), "bool"), s: R.Shape(["n", "n + 1"])
    ) -> R.Tuple(R.Tensor(("n", 4), "float32"), R.Object):
        n = T.int64()
        R.func_attr({"num_input": 3})
        with R.dataflow():
            a = R.call_tir(cls.twice, (x,), out_sinfo=R.Tensor((n, 4), "float32"))
            b = R.nn.relu(R.add(a, R.const(1.5, "float32")))
            R.output(b)
        m = T.int64()
        c = R.match_cast(b, R.Tensor((m, 4), "float32"))
        if flag:
            d = R.multiply(c, c)
        else:
            d = c
        e = cls.helper(d)
        f: R.Object = R.call_packed("test.f", e, sinfo_args=R.Object)
        g = R.call_dps_packed("test.g", (e,), out_sinfo=[R.Tensor((m, 4), "float32")] * 2)
        h = (g[0], f)
        return h

    @R.function(private=True, pure=False)
    def helper(x: R.Tensor(dtype="float32", ndim=2)) -> R.Tensor(dtype="float32", ndim=2):
        @R.function
        def inner(y: R.Tensor(dtype="float32", ndim=2)) -> R.Tensor(dtype="float32", ndim=2):
            z = R.exp(y)
            return z

        w = inner(x)
        R.func_ret_value(w)


def test_a_module_parses_and_prints_again() -> None:
    assert Module.names() == ["twice", "main", "helper"]
    assert Module.attrs == {"version": 2}
    round_trip(Module)


def test_annotations_and_kinds_of_variables() -> None:
    main = Module["main"]
    names = {b.var.name_hint: b.var for b in main.body.bindings()}
    assert isinstance(names["a"], relax.DataflowVar)
    assert not isinstance(names["b"], relax.DataflowVar)
    assert isinstance(names["f"].struct_info, relax.ObjectStructInfo)
    assert names["c"].struct_info.dims[0] is not main.params[0].struct_info.dims[0]
    assert main.params[2].struct_info.values[0] is main.params[0].struct_info.dims[0]
    assert not Module["helper"].is_pure


def test_constants_come_back_through_metadata() -> None:
    bb = relax.BlockBuilder()
    values = [np.arange(6).astype(d).reshape(2, 3) for d in ("float32", "int8", "bool", "float16")]
    x = relax.Var("x", relax.TensorStructInfo((2, 3), "float32"))
    with bb.function("main", [x]):
        bb.emit_func_output(bb.emit(relax.Tuple((x, *(relax.const(v) for v in values)))))
    round_trip(bb.get())


def test_raw_calls_stand_where_a_constructor_would_make_another() -> None:
    x = relax.Var("x", relax.TensorStructInfo((2,), "float32"))
    call = relax.Call(Op.get("relax.exp"), (x,), {"odd": 1})
    y = relax.Var("y", x.struct_info)
    body = relax.SeqExpr((relax.BindingBlock((relax.VarBinding(y, call),)),), y)
    func = relax.Function((x,), body, x.struct_info, attrs={"global_symbol": "main"})
    assert "R.call_op(" in func.script()
    round_trip(IRModule({"main": func}))


SAMPLED = [d for d in DECLARATIONS.values() if d.samples is not None]


def as_param(value: object, params: list[relax.Var]) -> object:
    if isinstance(value, np.ndarray):
        params.append(relax.Var(f"p{len(params)}", relax.const(value).struct_info))
        return params[-1]
    if isinstance(value, tuple) and any(isinstance(v, np.ndarray) for v in value):
        return relax.Tuple(tuple(as_param(v, params) for v in value))
    return value


@pytest.mark.parametrize("declared", SAMPLED, ids=lambda d: d.name)
def test_every_operator(declared: Declaration) -> None:
    for sample in declared.samples():
        params: list[relax.Var] = []
        args = [as_param(a, params) for a in sample.args]
        bb = relax.BlockBuilder()
        call = declared.make(*args, **sample.attrs)
        with bb.function("main", params):
            with bb.dataflow():
                out = bb.emit_output(call)
            bb.emit_func_output(out)
        round_trip(bb.get())
        assert "R.call_op(" not in bb.get().script()


def test_symbolic_variables_of_other_types() -> None:
    n = tir.SizeVar("n", "int64")
    x = relax.Var("x", relax.TensorStructInfo((n, n * 2 + 1), "float8_e4m3fn"))
    func = relax.Function((x,), relax.SeqExpr((), x), attrs={"global_symbol": "main"})
    round_trip(IRModule({"main": func}))


def test_struct_info_under_the_names_of_constructors() -> None:
    from tilewright.script.parser.relax import entry

    text = """
@R.function
def f(x: R.Object) -> R.Tensor:
    y = R.match_cast(x, STRUCT_INFO)
    return y
"""
    for name in ("R.Tensor", "kind"):
        made = from_source(
            text.replace("STRUCT_INFO", name), extra_vars={"kind": entry.TensorProxy}
        )
        assert made.body.blocks[0].bindings[0].struct_info == relax.TensorStructInfo(dtype="")


def test_functions_of_the_runtime_belong_to_the_module_that_names_them() -> None:
    text = """
@I.ir_module
class Module:
    scale = R.ExternFunc("lib.scale")

    @R.function(pure=False)
    def main(x: R.Tensor((4,), "float32"), n: R.Shape(["n"])) -> R.Object:
        y = cls.scale(x)
        R.vm.call_tir_dyn("lib.kernel", (x, x, n))
        return y
"""
    mod = from_source(text)
    assert mod["scale"].global_symbol == "lib.scale"
    assert mod["main"].body.blocks[0].bindings[0].value.op is mod.get_global_var("scale")
    kernel = mod["main"].body.blocks[0].bindings[1].value.args[0]
    assert isinstance(kernel, relax.ExternFunc) and kernel.global_symbol == "lib.kernel"
    round_trip(mod)


def test_python_may_look_at_the_devices_of_a_signature_before_they_are_known() -> None:
    @I.ir_module
    class Devices:
        I.module_global_infos({"vdevice": [I.vdevice("llvm"), I.vdevice("c")]})

        @R.function
        def main(x: R.Tensor((4,), "float32", "c:0")) -> R.Tensor((4,), "float32", "c:0"):
            return x

    (param,) = Devices["main"].params
    assert param.struct_info.vdevice is Devices.global_infos["vdevice"][1]


def test_what_is_returned_inside_a_dataflow_block_leaves_it() -> None:
    text = """
@R.function
def main(x: R.Tensor((4,), "float32")):
    with R.dataflow():
        a = R.add(x, x)
        b = R.multiply(a, a)
        {last}
"""
    inside = from_source(text.format(last="return b"))
    after = from_source(text.format(last="R.output(b)") + "    return b")
    assert_structural_equal(inside, after)
