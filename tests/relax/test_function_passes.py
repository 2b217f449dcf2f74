"""Passes between functions and between blocks, and analyses of programs."""

import numpy as np

from tilewright import relax, te, tir
from tilewright.ir import IRModule, assert_structural_equal
from tilewright.ir.transform import ApplyPassToFunction
from tilewright.relax import interpreter
from tilewright.relax import transform as T
from tilewright.relax.analysis import (
    all_vars,
    bound_vars,
    check_well_formed,
    computable_at_compile_time,
    defined_symbolic_vars,
    detect_recursion,
    estimate_memory_usage,
    free_vars,
    has_reshape_pattern,
    name_to_binding,
    remove_all_unused,
    udchain,
)
from tilewright.relax.utils import copy_with_new_vars

from .helpers import module, random, tensor_var

n = tir.Var("n", "int64")


def two_functions():
    k = tir.Var("k", "int64")
    a, unused = tensor_var("a", [k]), tensor_var("unused", [k])
    x = tensor_var("x", [n])
    bb = relax.BlockBuilder()
    with bb.function("double", [unused, a], private=True):
        gvar = bb.emit_func_output(bb.emit(relax.op.add(a, a)))
    with bb.function("main", [x]):
        y = bb.emit(gvar(x, x))
        bb.emit_func_output(bb.emit(gvar(y, y)))
    return bb.get()


def test_inline_private_functions() -> None:
    mod = T.InlinePrivateFunctions()(two_functions())
    assert mod.names() == ["main"]
    check_well_formed(mod)
    assert mod["main"].ret_struct_info == relax.TensorStructInfo([n])
    np.testing.assert_allclose(interpreter.run(mod, random(3)), random(3) * 4)


def test_remove_unused_parameters() -> None:
    mod = T.RemoveUnusedParameters()(two_functions())
    assert [p.name_hint for p in mod["double"].params] == ["a"]
    check_well_formed(mod)
    np.testing.assert_allclose(interpreter.run(mod, random(3)), random(3) * 4)


def test_update_param_struct_info_deduces_anew() -> None:
    x = tensor_var("x", [n])
    mod = module([x], lambda bb: relax.op.add(x, x))
    fixed = relax.TensorStructInfo([7])
    mod = T.UpdateParamStructInfo(lambda var: fixed if var.name_hint == "x" else None)(mod)
    assert mod["main"].ret_struct_info == fixed
    check_well_formed(mod)


def test_convert_to_dataflow() -> None:
    x = tensor_var("x", [4])
    bb = relax.BlockBuilder()
    with bb.function("main", [x], pure=False):
        y = bb.emit(relax.op.exp(x))
        z = bb.emit(relax.op.add(y, y))
        bb.emit(relax.op.print(z))
        bb.emit_func_output(bb.emit(relax.op.exp(z)))
    func = T.ConvertToDataflow()(bb.get())["main"]
    assert [type(b).__name__ for b in func.body.blocks] == ["DataflowBlock", "BindingBlock"]
    kinds = [type(b.var).__name__ for b in func.body.blocks[0].bindings]
    assert kinds == ["DataflowVar", "Var"]
    check_well_formed(func)


def test_copies_share_no_variable() -> None:
    func = two_functions()["double"]
    copy = copy_with_new_vars(func)
    assert_structural_equal(func, copy)
    assert not set(all_vars(func)) & set(all_vars(copy))
    assert not set(defined_symbolic_vars(func)) & set(defined_symbolic_vars(copy))


def test_variables_of_programs() -> None:
    x, w = tensor_var("x", [4]), tensor_var("w", [4])
    mod = module([x], lambda bb: relax.op.add(bb.emit(relax.op.exp(x)), w))
    func = mod["main"]
    assert free_vars(func) == [w]
    assert [v.name_hint for v in bound_vars(func)] == ["x", "lv", "gv"]
    assert list(name_to_binding(func)) == ["lv", "gv"]
    (block,) = func.body.blocks
    chain = {k.name_hint: [v.name_hint for v in vs] for k, vs in udchain(block).items()}
    assert chain == {"lv": ["gv"], "x": ["lv"], "gv": [], "w": ["gv"]}


def test_what_depends_on_weights_alone() -> None:
    x, w = tensor_var("x", [4]), tensor_var("w", [4])
    mod = module([x, w], lambda bb: relax.op.add(x, bb.emit(relax.op.exp(w))))
    func = mod["main"].with_attr("num_input", 1)
    assert [v.name_hint for v in computable_at_compile_time(func)] == ["w", "lv"]


def test_detect_recursion() -> None:
    assert detect_recursion(two_functions()) == []
    x = tensor_var("x", [4])
    a, b = relax.GlobalVar("a"), relax.GlobalVar("b")
    for gvar in (a, b):
        gvar._struct_info = relax.FuncStructInfo([x.struct_info], x.struct_info)
    functions = {a: relax.Function([x], b(x)), b: relax.Function([x], a(x))}
    mod = relax.BlockBuilder().get().with_functions(functions)
    assert [[v.name_hint for v in group] for group in detect_recursion(mod)] == [["a", "b"]]


def test_memory_usage() -> None:
    x = tensor_var("x", [4, 4])

    def write(bb):
        y = x
        for _ in range(4):
            y = bb.emit(relax.op.nn.softmax(relax.op.matmul(y, x)))
        return y

    planned = relax.get_pipeline("default_build")(module([x], write))
    text = estimate_memory_usage(planned)
    assert "8 tensors, 512 bytes in all" in text and "2 storages, 192 bytes in all" in text


def test_reshape_patterns() -> None:
    a = te.placeholder((4, 6), name="a")
    same = te.compute((2, 12), lambda i, j: a[(i * 12 + j) // 6, (i * 12 + j) % 6])
    other = te.compute((6, 4), lambda i, j: a[j, i])
    assert has_reshape_pattern(te.create_prim_func([a, same]))
    assert not has_reshape_pattern(te.create_prim_func([a, other]))


def weighted():
    x, w, b = tensor_var("x", [n, 4]), tensor_var("w", [4, 4]), tensor_var("b", [4])

    def write(bb):
        wt = bb.emit(relax.op.permute_dims(w))
        moved = bb.emit(relax.op.exp(b))
        y = bb.emit(relax.op.add(relax.op.matmul(x, wt), moved))
        return relax.op.add(y, b)

    mod = module([x, w, b], write)
    return mod.with_functions({v: f.with_attr("num_input", 1) for v, f in mod.items()})


def test_lift_transform_params() -> None:
    mod = weighted()
    lifted = T.LiftTransformParams()(mod)
    check_well_formed(lifted)
    args = random(3, 4), random(4, 4, seed=1), random(4, seed=2)
    prepared = interpreter.run(lifted, args[1:], entry="main_transform_params")
    assert len(prepared) == len(lifted["main"].params) - 1 == 3
    np.testing.assert_allclose(
        interpreter.run(lifted, args[0], *prepared), interpreter.run(mod, *args), rtol=1e-6
    )


def test_bundle_model_params() -> None:
    mod = weighted()
    bundled = T.BundleModelParams()(mod)
    check_well_formed(bundled)
    args = random(3, 4), random(4, 4, seed=1), random(4, seed=2)
    assert [p.name_hint for p in bundled["main"].params] == ["x", "model_params"]
    np.testing.assert_allclose(
        interpreter.run(bundled, args[0], args[1:]), interpreter.run(mod, *args), rtol=1e-6
    )


def test_normalize_tells_calls_what_they_call() -> None:
    from tilewright.ir import load_json, save_json

    mod = T.Normalize()(load_json(save_json(two_functions())))
    check_well_formed(mod)
    np.testing.assert_allclose(interpreter.run(mod, random(3)), random(3) * 4)


def test_dataflow_block_passes_may_be_classes() -> None:
    @T.dataflowblock_pass(opt_level=1, name="Seen")
    class Seen:
        def __init__(self, seen: list[relax.DataflowBlock]) -> None:
            self.seen = seen

        def transform_dataflowblock(self, block, mod, context) -> relax.DataflowBlock:
            self.seen.append(block)
            return block

    bb = relax.BlockBuilder()
    x = tensor_var("x", [3])
    with bb.function("main", [x]):
        with bb.dataflow():
            doubled = bb.emit_output(relax.op.add(x, x))
        bb.emit_func_output(doubled)
    seen: list[relax.DataflowBlock] = []
    made = Seen(seen)
    assert made.info.name == "Seen" and made.instance.seen is seen
    assert_structural_equal(made(bb.get()), bb.get())
    assert [len(block.bindings) for block in seen] == [1]


def test_what_depends_on_dimensions_of_inputs_is_not_known_at_compile_time() -> None:
    k = tir.Var("k", "int64")
    x, w, u = tensor_var("x", [n]), tensor_var("w", [k]), relax.Var("u", relax.TensorStructInfo())
    bb = relax.BlockBuilder()
    with bb.function("main", [x, w, u], attrs={"num_input": 1}):
        m = tir.Var("m", "int64")
        cast = bb.match_cast(u, relax.TensorStructInfo([m]), "cast")
        ones = [bb.emit(relax.op.ones([size], "float32"), f"of_{size.name}") for size in (n, k, m)]
        bb.emit_func_output(relax.Tuple([cast, *ones]))
    func = bb.get()["main"]
    names = lambda found: [v.name_hint for v in found]  # noqa: E731
    assert names(computable_at_compile_time(func)) == ["w", "u", "cast", "of_k", "of_m"]
    assert names(computable_at_compile_time(func, through_casts=False)) == ["w", "u", "of_k"]


def test_neighbouring_blocks_are_one_after_normalizing() -> None:
    x = tensor_var("x", [n])
    y, z = tensor_var("y", [n]), tensor_var("z", [n])
    blocks = [
        relax.BindingBlock([relax.VarBinding(y, relax.op.exp(x))]),
        relax.BindingBlock([relax.VarBinding(z, relax.op.exp(y))]),
    ]
    func = relax.Function([x], relax.SeqExpr(blocks, z))
    (block,) = T.Normalize()(IRModule({"main": func}))["main"].body.blocks
    assert [b.var for b in block.bindings] == [y, z]


def test_unused_bindings_of_a_sequence_go() -> None:
    x = tensor_var("x", [n])
    binding = relax.VarBinding(tensor_var("y", [n]), relax.op.exp(x))
    seq = relax.SeqExpr([relax.BindingBlock([binding])], x)
    assert remove_all_unused(seq).blocks == ()


def operators(func: relax.Function) -> list[str]:
    """The operators that a function calls, in order."""
    called: list[str] = []
    relax.analysis.post_order_visit(
        func, lambda e: called.append(str(e.op)) if isinstance(e, relax.Call) else None
    )
    return called


def test_passes_on_some_functions_leave_the_others_as_they_are():
    mod = two_functions()
    legal = ApplyPassToFunction(T.LegalizeOps(), "double")(mod)
    assert legal["main"] is mod["main"] and legal.names() == ["double", "main", "add"]
    assert operators(mod["double"]) == ['Op.get("relax.add")']
    assert operators(legal["double"]) == ['Op.get("relax.call_tir")']
    assert "global_symbol" not in legal["double"].attrs
    check_well_formed(legal)
    kept = ApplyPassToFunction(T.DeadCodeElimination(), "double")(mod)
    assert kept.names() == mod.names()  # though nobody calls it in what the pass sees
    inlined = ApplyPassToFunction(T.InlinePrivateFunctions(), "main")(mod)
    assert_structural_equal(inlined, mod)  # it sees a name in place of the body
