"""The passes keep the meaning of programs; what they make is what they promise."""

import numpy as np
import pytest

from tilewright import relax, tir
from tilewright.ir.transform import PassContext
from tilewright.relax import interpreter
from tilewright.relax import transform as T

from .helpers import module, names, random, tensor_var

n = tir.Var("n", "int64")


def run_all(mod, *args):
    """Runs the program after each pass of the default build and compares."""
    expected = interpreter.run(mod, *args)
    for step in relax.get_pipeline("default_build").passes:
        mod = step(mod)
        got = interpreter.run(mod, *args)
        for a, b in zip(flat(expected), flat(got), strict=True):
            assert np.shape(a) == np.shape(b), step.info.name
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6, err_msg=step.info.name)
    return mod


def flat(value):
    return list(value) if isinstance(value, tuple) else [value]


def fused(mod):
    for step in (T.LegalizeOps(), T.AnnotateTIROpPattern(), T.FuseOps(), T.FuseTIR()):
        mod = step(mod)
    return mod


def test_symbolic_program_with_views_and_several_outputs() -> None:
    x, w = tensor_var("x", [n, 4]), tensor_var("w", [4, 8])

    def write(bb):
        y = bb.emit(relax.op.nn.relu(relax.op.matmul(x, w) + relax.const(np.ones(8, "float32"))))
        z = bb.emit(relax.op.nn.softmax(relax.op.reshape(y, [n * 2, 4])))
        return relax.Tuple([relax.op.sum(y, axis=1), z, relax.op.exp(z)])

    mod = run_all(module([x, w], write), random(3, 4), random(4, 8, seed=1))
    assert "fused_matmul_add_relu" in mod.names() and "reshape" not in mod.names()


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1)])
def test_constants_of_one_element_give_the_result_their_dimensions(shape) -> None:
    x, one = tensor_var("x", shape), relax.const(np.full((1, 1, 1), 2, "float32"))

    def write(bb):
        y = bb.emit(relax.op.add(bb.emit(relax.op.multiply(x, one)), relax.const(1.0)))
        return relax.op.where(relax.op.greater(y, one), one, y)

    run_all(module([x], write), np.asarray(random(*shape), "float32"))


def test_convolutions_with_batch_norm_and_a_residual() -> None:
    x = tensor_var("x", [1, 2, 4, 4])

    def vector(seed):
        return relax.const(random(2, seed=seed) + 1)

    def conv_bn(bb, y, seed):
        w = relax.const(random(2, 2, 3, 3, seed=seed))
        y = bb.emit(relax.op.nn.conv2d(y, w, padding=1))
        parts = [vector(seed + i) for i in range(4)]
        return bb.emit(bb.emit(relax.op.nn.batch_norm(y, *parts, axis=1))[0])

    def write(bb):
        y = bb.emit(relax.op.nn.relu(conv_bn(bb, x, 1)))
        return relax.op.nn.relu(relax.op.add(conv_bn(bb, y, 7), conv_bn(bb, x, 13)))

    mod = run_all(module([x], write), random(1, 2, 4, 4))
    kernels = [v.name_hint for v in mod if v.name_hint != "main"]
    assert len(kernels) == 3 and all(k.startswith("fused_conv2d") for k in kernels)
    assert all(k.count("conv2d") == 1 for k in kernels)


def test_heavy_operations_are_not_fused_with_each_other() -> None:
    x, w = tensor_var("x", [4, 4]), tensor_var("w", [4, 4])
    mod = fused(
        module(
            [x, w],
            lambda bb: relax.op.add(relax.op.matmul(x, w), relax.op.matmul(relax.op.exp(x), w)),
        )
    )
    assert sorted(n.count("matmul") for n in names(mod)) == [0, 1, 1]


def test_diamonds_of_elementwise_operations_become_one_kernel() -> None:
    x = tensor_var("x", [n, 4])

    def write(bb):
        a = bb.emit(relax.op.exp(x))
        return relax.op.multiply(relax.op.add(a, x), relax.op.nn.relu(a))

    mod = fused(module([x], write))
    assert len(names(mod)) == 1
    np.testing.assert_allclose(
        interpreter.run(mod, random(2, 4)),
        (lambda v: (np.exp(v) + v) * np.maximum(np.exp(v), 0))(random(2, 4)),
        rtol=1e-5,
    )


def test_an_output_is_not_swallowed_by_a_kernel() -> None:
    x = tensor_var("x", [4])

    def write(bb):
        a = bb.emit(relax.op.exp(x))
        return relax.Tuple([a, bb.emit(relax.op.nn.relu(a))])

    assert len(names(fused(module([x], write)))) == 2


def test_max_depth_limits_kernels() -> None:
    x = tensor_var("x", [4])

    def write(bb):
        y = x
        for _ in range(6):
            y = bb.emit(relax.op.exp(y))
        return y

    with PassContext(config={"relax.FuseOps.max_depth": 2}):
        assert len(names(fused(module([x], write)))) >= 3
    assert len(names(fused(module([x], write)))) == 1


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (lambda x: relax.op.exp(x), T.OpPatternKind.ELEMENTWISE),
        (lambda x: relax.op.add(x, relax.const(np.ones(4, "float32"))), T.OpPatternKind.BROADCAST),
        (lambda x: relax.op.permute_dims(x), T.OpPatternKind.INJECTIVE),
        (lambda x: relax.op.sum(x, axis=1), T.OpPatternKind.COMM_REDUCE),
        (lambda x: relax.op.matmul(x, x), T.OpPatternKind.OUT_EWISE_FUSABLE),
        (lambda x: relax.op.nn.softmax(x), T.OpPatternKind.COMM_REDUCE),
    ],
)
def test_pattern_kinds(write, kind) -> None:
    x = tensor_var("x", [4, 4])
    mod = T.AnnotateTIROpPattern()(T.LegalizeOps()(module([x], lambda bb: write(x))))
    (kernel,) = [f for v, f in mod.items() if v.name_hint != "main"]
    assert kernel.attrs["op_pattern"] == kind


def test_fold_constant_and_common_subexpressions() -> None:
    x = tensor_var("x", [4])
    one = relax.const(np.ones(4, "float32"))

    def write(bb):
        a = bb.emit(relax.op.add(x, relax.op.add(one, one)))
        b = bb.emit(relax.op.add(x, relax.op.add(one, one)))
        bb.emit(relax.op.exp(b))
        return relax.op.multiply(a, b)

    mod = module([x], write)
    for step in (T.FoldConstant(), T.EliminateCommonSubexpr(), T.DeadCodeElimination()):
        mod = step(mod)
    assert [n.removeprefix("relax.") for n in map(op_name, values(mod))] == ["add", "multiply"]
    np.testing.assert_array_equal(values(mod)[0].args[1].array, np.full(4, 2, "float32"))


def values(mod):
    return [b.value for b in mod["main"].body.bindings()]


def op_name(call):
    return call.op.name


def test_canonicalize_bindings_removes_copies() -> None:
    x = tensor_var("x", [4])

    def write(bb):
        a = bb.emit(x)
        t = bb.emit(relax.Tuple([a, bb.emit(relax.op.exp(a))]))
        return bb.emit(t[1])

    mod = T.CanonicalizeBindings()(module([x], write))
    (binding,) = mod["main"].body.bindings()
    assert op_name(binding.value) == "relax.exp" and binding.var is mod["main"].body.body


def test_bind_params_and_symbolic_vars() -> None:
    x, w = tensor_var("x", [n, 4]), tensor_var("w", [4])
    mod = module([x, w], lambda bb: relax.op.add(x, w))
    value = random(4)
    bound = T.BindParams("main", {"w": value})(mod)
    assert [p.name_hint for p in bound["main"].params] == ["x"]
    np.testing.assert_allclose(interpreter.run(bound, random(2, 4)), random(2, 4) + value)
    fixed = T.BindSymbolicVars({"n": 3})(bound)
    assert fixed["main"].ret_struct_info == relax.TensorStructInfo([3, 4])
    with pytest.raises(ValueError, match="no parameter called 'v'"):
        T.BindParams("main", {"v": value})(mod)
    with pytest.raises(ValueError, match="parameter `w`"):
        T.BindParams("main", {"w": random(5)})(mod)
    with pytest.raises(ValueError, match="no symbolic dimension"):
        T.BindSymbolicVars({"k": 3}, "main")(mod)


def test_operators_stay_where_legalization_is_switched_off() -> None:
    x = tensor_var("x", [4])
    mod = module([x], lambda bb: bb.emit(relax.op.exp(x)))
    with PassContext(config={"relax.transform.apply_legalize_ops": False}):
        assert op_name(values(T.LegalizeOps()(mod))[0]) == "relax.exp"
    assert op_name(values(T.LegalizeOps()(mod))[0]) == "relax.call_tir"
