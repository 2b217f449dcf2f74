"""Lowering to instructions: the virtual machine's results agree with the Relax interpreter."""

from typing import Any

import numpy as np
import pytest

from tilewright import relax, tir
from tilewright.ir.op import Op
from tilewright.ir.transform import Sequential
from tilewright.relax import interpreter
from tilewright.relax import transform as T
from tilewright.relax.dims import simplify, symbolic_vars
from tilewright.relax.vm_build import lower_to_executable
from tilewright.runtime.executable import CallKernel
from tilewright.runtime.module import FunctionModule
from tilewright.runtime.vm.machine import VirtualMachine
from tilewright.support.errors import ArgumentError, CompileError
from tilewright.support.span import model_span
from tilewright.tir import interpreter as tir_interpreter

from .helpers import module, random, tensor_var

n = tir.Var("n", "int64")


def machine(mod, pipeline=None) -> tuple[Any, VirtualMachine]:
    """The executable of a model, its kernels run by the TensorIR interpreter."""
    passes = relax.get_pipeline("default_build") if pipeline is None else pipeline
    executable, kernels = lower_to_executable(passes(mod))

    def kernel(func):
        def call(*args):
            arrays = [a.view_numpy() if hasattr(a, "view_numpy") else a for a in args]
            tir_interpreter.run(func, *arrays)

        return call

    executable.kernels = FunctionModule({v.name_hint: kernel(f) for v, f in kernels.items()})
    return executable, VirtualMachine(executable, executor="interpreter")


def as_numpy(value):
    if isinstance(value, (int, float, bool)):
        return value
    return value.numpy() if hasattr(value, "numpy") else tuple(as_numpy(v) for v in value)


def agree(mod, *args):
    """Runs both; returns the executable."""
    executable, vm = machine(mod)
    expected = interpreter.run(mod, *args)
    got = as_numpy(vm["main"](*args))
    compare(expected, got)
    return executable


def compare(expected, got):
    if isinstance(expected, tuple) and not all(isinstance(e, int) for e in expected):
        assert len(expected) == len(got)
        for a, b in zip(expected, got, strict=True):
            compare(a, b)
    else:
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


def test_the_slice_as_text() -> None:
    x, w = tensor_var("x", [n, 4]), tensor_var("w", [4, 8])
    bias = relax.const(np.ones(8, "float32"))
    mod = module([x, w], lambda bb: relax.op.nn.relu(relax.op.matmul(x, w) + bias))
    executable = agree(mod, random(3, 4), random(4, 8, seed=1))
    assert executable.functions["main"].as_text() == (
        "@main(x, w):  # 3 registers, 1 slots\n"
        "     0  check_tensor(%0, 'float32', 2, dims=[bind $0, 4], "
        "context='argument `x`')\n"
        "     1  check_tensor(%1, 'float32', 2, dims=[4, 8], context='argument `w`')\n"
        "     2  %2 = new_tensor([$0, 8], 'float32')\n"
        "     3  call_kernel('fused_matmul_add_relu', [%0, %1, const[0], %2], scalars=[$0], "
        "scalar_dtypes=['int64'])\n"
        "     4  ret(%2)"
    )


def test_intermediate_tensors_share_an_arena() -> None:
    x = tensor_var("x", [4, 4])

    def write(bb):
        y = x
        for _ in range(4):
            y = bb.emit(relax.op.nn.softmax(relax.op.matmul(y, x)))
        return y

    executable = agree(module([x], write), random(4, 4))
    text = executable.functions["main"].as_text()
    assert text.count("alloc_storage(128)") == 1 and text.count("alloc_storage") == 1


def test_tensors_of_symbolic_sizes_take_turns_in_places_of_the_largest() -> None:
    """Of seven tensors at most three are alive at once; `wide` and its sum lie in one place."""
    k = tir.Var("k", "int64")
    x, y = tensor_var("x", [n, 4]), tensor_var("y", [k, 4])

    def write(bb):
        wide = bb.emit(relax.op.nn.softmax(relax.op.concat([x, x, x], axis=1)))
        small = bb.emit(relax.op.sum(relax.op.nn.softmax(wide), axis=1, keepdims=True))
        square = bb.emit(relax.op.matmul(x, relax.op.permute_dims(y)))
        return relax.op.add(relax.op.nn.softmax(square), small)

    mod = module([x, y], write)
    for rows, columns in [(3, 5), (5, 1), (1, 40), (0, 3), (17, 2)]:
        agree(mod, random(rows, 4), random(columns, 4, seed=1))
    steps = (T.LegalizeOps(), T.RewriteDataflowReshape(), T.ToNonDataflow(), T.CallTIRRewrite())
    main = Sequential([*steps, T.StaticPlanBlockMemory()])(mod)["main"]
    calls = [b.value for b in main.body.bindings() if isinstance(b.value, relax.Call)]
    (storage,) = [c for c in calls if c.op is Op.get("relax.memory.alloc_storage")]
    (size,) = storage.args[0].values
    for rows, columns in [(16, 64), (64, 4), (160, 16)]:
        given = {
            v: tir.const({"n": rows, "k": columns}[v.name], "int64") for v in symbolic_vars(size)
        }
        places = (max(48 * rows, 16 * columns, 4 * rows * columns), 48 * rows, 4 * rows * columns)
        known = simplify(tir.stmt_functor.substitute(size, given))
        assert known.value == 64 + sum(-(-p // 64) * 64 for p in places)


def test_views_copy_nothing_and_outputs_are_their_own() -> None:
    x = tensor_var("x", [n, 4])

    def write(bb):
        y = bb.emit(relax.op.reshape(relax.op.nn.softmax(x), [n * 4]))
        return relax.Tuple([relax.op.exp(y), relax.op.reshape(x, [4, n])])

    executable = agree(module([x], write), random(3, 4))
    text = executable.functions["main"].as_text()
    assert "call_packed" not in text and text.count("call_kernel('reshape") == 1


def test_conditions() -> None:
    x = tensor_var("x", [4])
    c = tensor_var("c", [], "bool")
    bb = relax.BlockBuilder()
    with bb.function("main", [x, c]):
        y = bb.emit(relax.If(c, relax.op.exp(x), relax.op.nn.relu(relax.op.exp(x) + x)))
        bb.emit_func_output(bb.emit(relax.op.add(y, x)))
    for condition in (True, False):
        agree(bb.get(), random(4), np.array(condition))


def test_local_functions_and_closures() -> None:
    x = tensor_var("x", [4])
    a = tensor_var("a", [4])
    bb = relax.BlockBuilder()
    with bb.function("main", [x]):
        y = bb.emit(relax.op.exp(x))
        local = bb.emit(relax.Function([a], relax.op.add(a, y)), "local")
        plain = bb.emit(relax.Function([a], relax.op.nn.relu(a)), "plain")
        bb.emit_func_output(bb.emit(plain(bb.emit(local(x)))))
    executable = agree(bb.get(), random(4))
    assert sorted(executable.functions) == ["main", "main_local", "main_plain"]


def test_calls_of_functions_with_symbolic_parameters() -> None:
    bb = relax.BlockBuilder()
    k = tir.Var("k", "int64")
    a = tensor_var("a", [k])
    with bb.function("double", [a], private=True):
        gvar = bb.emit_func_output(bb.emit(relax.op.add(a, a)))
    x = tensor_var("x", [n])
    with bb.function("main", [x]):
        bb.emit_func_output(bb.emit(gvar(relax.op.concat([x, x], axis=0))))
    assert bb.get()["main"].ret_struct_info == relax.TensorStructInfo([n * 2])
    agree(bb.get(), random(3))


def test_match_cast_binds_and_checks() -> None:
    x = relax.Var("x", relax.TensorStructInfo(None, "float32", ndim=2))
    bb = relax.BlockBuilder()
    with bb.function("main", [x]):
        y = bb.match_cast(x, relax.TensorStructInfo([n, 4]))
        bb.emit_func_output(bb.emit(relax.op.add(y, y)))
    agree(bb.get(), random(3, 4))
    with pytest.raises(ArgumentError, match="match_cast"):
        machine(bb.get())[1]["main"](random(3, 5))


def test_tuples_shapes_and_scalars_as_arguments() -> None:
    info = relax.TensorStructInfo([n, 2])
    t = relax.Var("t", relax.TupleStructInfo([info, info]))
    s = relax.Var("s", relax.ShapeStructInfo([tir.Var("m", "int64"), 2]))

    def write(bb):
        return relax.Tuple([relax.op.add(t[0], t[1]), relax.op.shape_of(t[0]), s])

    agree(module([t, s], write), (random(3, 2), random(3, 2, seed=1)), (5, 2))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((3, 5), (4, 8)), "argument `x`"),
        (((3, 4), (4, 7)), "argument `w`"),
        (((4,), (4, 8)), "argument `x`"),
    ],
)
def test_wrong_arguments_are_named(shapes, message) -> None:
    x, w = tensor_var("x", [n, 4]), tensor_var("w", [4, 8])
    vm = machine(module([x, w], lambda bb: relax.op.matmul(x, w)))[1]
    with pytest.raises(ArgumentError, match=message):
        vm["main"](*(random(*s) for s in shapes))


def test_compound_dimensions_of_parameters_are_checked() -> None:
    x, y = tensor_var("x", [n * 2]), tensor_var("y", [n])
    mod = module([x, y], lambda bb: relax.op.concat([x, y], axis=0))
    agree(mod, random(6), random(3))
    with pytest.raises(ArgumentError, match="argument `x`"):
        machine(mod)[1]["main"](random(5), random(3))


def test_a_dimension_that_nothing_binds_is_an_error() -> None:
    x = tensor_var("x", [n * 2])
    with pytest.raises(CompileError, match="symbolic dimension"):
        machine(module([x], lambda bb: relax.op.add(x, x)))


def test_operators_without_kernels_are_named() -> None:
    x = relax.Var("x", relax.TensorStructInfo(None, "float32", ndim=2))
    with pytest.raises(CompileError, match=r"relax\.add has no kernel"):
        machine(module([x], lambda bb: relax.op.add(x, x)))


def test_zero_sized_tensors() -> None:
    x = tensor_var("x", [n, 4])
    mod = module([x], lambda bb: relax.op.nn.relu(relax.op.sum(relax.op.exp(x), axis=1)))
    agree(mod, random(0, 4))


def test_upper_bounds_make_memory_static() -> None:
    x = tensor_var("x", [n, 4])

    def write(bb):
        return relax.op.nn.softmax(relax.op.nn.softmax(x))

    mod = module([x], write)
    bounded = mod["main"].with_attr("tir_var_upper_bound", {"n": 8})
    mod = mod.with_functions(dict.fromkeys(mod, bounded))
    executable = agree(mod, random(3, 4))
    assert "alloc_storage(128)" in executable.functions["main"].as_text()


def test_kernels_with_several_results() -> None:
    x = tensor_var("x", [4, 6])

    def write(bb):
        parts = bb.emit(relax.op.split(relax.op.exp(x), 3, axis=1))
        return relax.op.add(relax.op.multiply(parts[0], parts[1]), relax.op.exp(parts[2]))

    agree(module([x], write), random(4, 6))


def test_items_of_tuple_parameters_and_results() -> None:
    info = relax.TensorStructInfo([n, 2])
    t = relax.Var("t", relax.TupleStructInfo([info, relax.TupleStructInfo([info])]))

    def write(bb):
        inner = bb.emit(t[1])
        both = bb.emit(relax.op.concat([t[0], inner[0]], axis=0))
        return relax.Tuple([inner, relax.Tuple([both, t[0]])])

    agree(module([t], write), (random(3, 2), (random(3, 2, seed=1),)))


def test_recursion() -> None:
    i = relax.Var("i", relax.TensorStructInfo([], "int32"))
    x = tensor_var("x", [2])
    bb = relax.BlockBuilder()
    gvar = relax.GlobalVar("loop")
    gvar._struct_info = relax.FuncStructInfo([i.struct_info, x.struct_info], x.struct_info)
    again = gvar(relax.op.subtract(i, relax.const(1)), relax.op.add(x, x))
    body = relax.If(relax.op.greater(i, relax.const(0)), again, x)
    mod = relax.transform.Normalize()(
        bb.get().with_functions({gvar: relax.Function([i, x], body, x.struct_info)})
    )
    with_main = relax.BlockBuilder(mod)
    with with_main.function("main", [x]):
        out = with_main.emit(with_main.get().get_global_var("loop")(relax.const(5), x))
        with_main.emit_func_output(out)
    value = random(2)
    _, vm = machine(with_main.get())
    np.testing.assert_allclose(as_numpy(vm["main"](value)), value * 32)


def test_packed_functions_and_effects(capsys) -> None:
    from tilewright.ffi import register_func

    @register_func("relax_test.twice", override=True)
    def twice(value):
        from tilewright.runtime.ndarray import tensor

        return tensor(value.numpy() * 2)

    x = tensor_var("x", [n])
    bb = relax.BlockBuilder()
    with bb.function("main", [x], pure=False):
        with bb.dataflow():
            y = bb.emit(relax.op.exp(x))
            y = bb.emit_output(
                relax.op.call_pure_packed("relax_test.twice", y, sinfo_args=x.struct_info)
            )
        bb.emit(relax.op.print(relax.op.shape_of(y), format="shape {}"))
        bb.emit(relax.op.assert_op(relax.const(True), format="never"))
        bb.emit_func_output(bb.emit(relax.op.add(y, x)))
    agree(bb.get(), random(3))
    assert capsys.readouterr().out.count("shape") == 2


def test_a_failed_assertion_stops_the_program() -> None:
    c = tensor_var("c", [], "bool")
    bb = relax.BlockBuilder()
    with bb.function("main", [c], pure=False):
        bb.emit(relax.op.assert_op(c, format="must hold"))
        bb.emit_func_output(c)
    with pytest.raises(Exception, match="must hold"):
        machine(bb.get())[1]["main"](np.array(False))


def test_constants_are_shared_with_the_executable() -> None:
    weight = random(64, 64)
    x = tensor_var("x", [2, 64])
    mod = module([x], lambda bb: relax.op.matmul(x, relax.const(weight)))
    executable, _ = machine(mod)
    assert executable.constants[0].data_ptr() == weight.ctypes.data


def test_memory_that_branches_use_is_not_reused() -> None:
    x, c = tensor_var("x", [4, 4]), tensor_var("c", [], "bool")
    bb = relax.BlockBuilder()
    with bb.function("main", [x, c]):
        a = bb.emit(relax.op.nn.softmax(x))
        b = bb.emit(relax.op.nn.softmax(a))
        yes = relax.op.add(relax.op.nn.softmax(b), a)
        no = relax.op.nn.softmax(relax.op.matmul(b, b))
        y = bb.emit(relax.If(c, yes, no))
        z = bb.emit(relax.op.nn.softmax(relax.op.add(y, a)))
        bb.emit_func_output(z)
    for condition in (True, False):
        agree(bb.get(), random(4, 4), np.array(condition))


def test_instructions_name_the_nodes_of_the_model() -> None:
    x, w = tensor_var("x", [4, 4]), tensor_var("w", [4, 4])

    def write(bb):
        with bb.at(model_span("node 'fc' (Gemm)")):
            y = bb.emit(relax.op.matmul(x, w))
            y = bb.emit(relax.op.add(y, relax.const(random(4))))
        with bb.at(model_span("node 'act' (Relu)")):
            y = bb.emit(relax.op.nn.relu(y))
        with bb.at(model_span("node 'prob' (Softmax)")):
            return bb.emit(relax.op.nn.softmax(y))

    executable, _ = machine(module([x, w], write))
    spans = [i.span for i in executable.functions["main"].instructions if type(i) is CallKernel]
    assert spans == ["node 'fc' (Gemm) + node 'act' (Relu)", "node 'prob' (Softmax)"]


def test_a_build_pipeline_written_out_pass_by_pass() -> None:
    steps = Sequential(
        [
            T.LegalizeOps(),
            T.RewriteDataflowReshape(),
            T.ToNonDataflow(),
            T.RemovePurityChecking(),
            T.CallTIRRewrite(),
            T.StaticPlanBlockMemory(),
            T.LowerAllocTensor(),
            T.KillAfterLastUse(),
            T.LowerRuntimeBuiltin(),
            T.ComputePrimValue(),
            T.VMShapeLower(),
            T.AttachGlobalSymbol(),
        ]
    )
    x = tensor_var("x", [n, 4])

    def write(bb):
        y = bb.emit(relax.op.nn.softmax(relax.op.exp(x)))
        z = bb.emit(relax.op.reshape(y, [n * 4]))
        return relax.Tuple([relax.op.exp(z), y])

    mod = module([x], write)
    executable, vm = machine(mod, steps)
    assert "kill_reg" in executable.functions["main"].as_text()
    compare(interpreter.run(mod, random(3, 4)), as_numpy(vm["main"](random(3, 4))))
