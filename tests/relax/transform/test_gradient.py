"""Gradients against finite differences, for every operator that has one; how they are written."""

from typing import Any

import numpy as np
import pytest

import tilewright as tw
from tilewright import relax
from tilewright.relax import interpreter
from tilewright.relax import transform as T
from tilewright.relax.analysis import check_well_formed
from tilewright.relax.gradients import GRADIENTS
from tilewright.relax.gradients.elementwise import nothing
from tilewright.relax.op import DECLARATIONS, Declaration, Sample, sample
from tilewright.relax.op._samples import array
from tilewright.relax.training.utils import register_te_gradient
from tilewright.support.dtypes import dtype_name
from tilewright.support.errors import TVMError

from ..helpers import module, random, tensor_var
from ..rewrites import read

OWN: dict[str, list[Sample]] = {
    "relax.clip": [sample(array((2, 3)), -1.0, 0.5)],
    "relax.astype": [sample(array((2, 3)), "float64")],
    "relax.prod": [sample(array((2, 3), low=0.5), 1, False)],
    "relax.power": [sample(array((2, 3), low=0.5), array((3,), seed=1))],
    "relax.broadcast_to": [sample(array((3, 1)), (2, 3, 4))],
    "relax.take": [
        sample(array((5, 3)), np.array([[0, 4], [2, 2]]), 0),
        sample(array((2, 5)), np.array(3), 1),
    ],
    "relax.where": [sample(array((3, 4), "bool"), array((3, 4)), array((4,), seed=2))],
    "relax.nn.max_pool2d": [sample(array((1, 2, 5, 4)), 3, 2, 1, ceil_mode=True)],
    "relax.nn.avg_pool2d": [sample(array((1, 2, 5, 4)), 3, 2, 1, ceil_mode=True)],
    "relax.nn.conv2d": [
        sample(array((1, 2, 7, 6)), array((3, 2, 3, 2), seed=1), (2, 1), (1, 0, 1, 1)),
        sample(array((1, 6, 5, 2)), array((2, 2, 2, 3), seed=1), 1, 1, 2, 1, "NHWC", "HWIO"),
    ],
}
FOLLOWED = [
    DECLARATIONS[name]
    for name, rule in GRADIENTS.items()
    if rule is not nothing and name in DECLARATIONS and (DECLARATIONS[name].samples or name in OWN)
]


def wide(value: Any) -> Any:
    """Floats in double precision."""
    if isinstance(value, tuple):
        return tuple(map(wide, value))
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value, "float64") if value.dtype.kind == "f" else np.asarray(value)
    return value


def scalar_module(declared: Declaration, case: Sample) -> tuple[Any, list[Any]]:
    """`main` that sums the operator's result, weighted; its arguments."""
    params: list[relax.Var] = []
    values: list[Any] = []

    def parameter(value: Any) -> Any:
        if isinstance(value, tuple) and any(isinstance(v, np.ndarray) for v in value):
            return relax.Tuple(tuple(parameter(v) for v in value))
        if not isinstance(value, np.ndarray):
            return value
        info = relax.TensorStructInfo(value.shape, dtype_name(value.dtype))
        params.append(relax.Var(f"p{len(params)}", info))
        values.append(value)
        return params[-1]

    call = declared.make(*[parameter(wide(a)) for a in case.args], **case.attrs)

    def write(bb: Any) -> Any:
        out = bb.emit(call)
        if isinstance(out.struct_info, relax.TupleStructInfo):
            out = bb.emit(out[0])
        weight = np.asarray(array(out.struct_info.static_shape, out.struct_info.dtype, 9, 0.5))
        return relax.op.sum(bb.emit(relax.op.multiply(out, relax.const(weight))))

    return module(params, write), values


def difference(mod: Any, values: list[Any], which: int) -> Any:
    """The gradient of `main` by central differences."""
    step = 1e-5
    base = values[which]
    out = np.zeros(base.shape)
    for place in np.ndindex(*base.shape):
        sides = []
        for sign in (1, -1):
            moved = base.copy()
            moved[place] += sign * step
            args = [moved if i == which else v for i, v in enumerate(values)]
            sides.append(float(interpreter.run(mod, *args)))
        out[place] = (sides[0] - sides[1]) / (2 * step)
    return out


@pytest.mark.parametrize("declared", FOLLOWED, ids=lambda d: d.name)
def test_gradient_agrees_with_differences(declared: Declaration) -> None:
    cases = OWN.get(declared.name) or list(declared.samples())  # type: ignore[misc]
    cases = [c for c in cases if is_floating(c)][:4]
    assert cases
    for case in cases:
        mod, values = scalar_module(declared, case)
        made = T.Gradient("main")(mod)
        check_well_formed(made)
        _, grads = interpreter.run(made, *values, entry="main_adjoint")
        for index, value in enumerate(values):
            followed = value.dtype.kind == "f" and index < followed_arguments(declared)
            if followed and value.size:
                expected = difference(mod, values, index)
                np.testing.assert_allclose(grads[index], expected, rtol=1e-5, atol=1e-6)


def is_floating(case: Sample) -> bool:
    flat = [a for arg in case.args for a in (arg if isinstance(arg, tuple) else (arg,))]
    arrays = [a for a in flat if isinstance(a, (np.ndarray, np.generic))]
    return any(a.dtype == np.float32 for a in arrays) and max(a.size for a in arrays) < 130


def followed_arguments(declared: Declaration) -> int:
    """Arguments after these get no gradient, although they are floats."""
    return {"relax.nn.nll_loss": 1, "relax.collapse_sum_like": 1, "relax.nn.dropout": 1}.get(
        declared.name, 99
    )


NETWORK = """
    @R.function
    def main(x: R.Tensor((3, 4), "float32"), w: R.Tensor((4, 5), "float32"),
             b: R.Tensor((5,), "float32"), t: R.Tensor((3,), "int64")):
        with R.dataflow():
            p = R.matmul(x, w)
            q = R.add(p, b)
            r = R.nn.relu(q)
            s = R.nn.log_softmax(r)
            loss = R.nn.nll_loss(s, t)
            R.output(loss)
        return loss
"""


def test_the_adjoint_gives_the_result_and_the_gradients() -> None:
    mod = read(NETWORK)
    made = T.Gradient("main", require_grads=list(mod["main"].params[1:3]))(mod)
    check_well_formed(made)
    assert made["main_adjoint"].attrs["global_symbol"] == "main_adjoint"
    info = made["main_adjoint"].ret_struct_info
    assert [i.static_shape for i in info.items[1].items] == [(4, 5), (5,)]
    args = (random(3, 4), random(4, 5, seed=1), random(5, seed=2), np.array([0, 4, 2]))
    vm = relax.VirtualMachine(tw.compile(made, target="llvm"), tw.cpu())
    loss, grads = vm["main_adjoint"](*[tw.nd.array(a) for a in args])
    expected, wanted = interpreter.run(made, *args, entry="main_adjoint")
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-5)
    for a, b in zip(grads, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-4, atol=1e-6)


def test_values_between_checkpoints_are_computed_again() -> None:
    body = """
    @R.function
    def main(x: R.Tensor((3,), "float32")):
        with R.dataflow():
            a = R.grad.start_checkpoint(x)
            b = R.sin(a)
            c = R.exp(b)
            d = R.grad.end_checkpoint(c)
            e = R.multiply(d, d)
            f = R.sum(e)
            R.output(f)
        return f
    """
    made = T.Gradient("main")(read(body))
    names = [b.var.name_hint for b in made["main_adjoint"].body.bindings()]
    assert "b_cp" in names and "c_cp" in names and "d_cp" not in names
    plain = body.replace("R.grad.start_checkpoint(x)", "x").replace("R.grad.end_checkpoint(c)", "c")
    x = random(3)
    _, (grad,) = interpreter.run(made, x, entry="main_adjoint")
    other = T.Gradient("main")(read(plain))
    _, (expected,) = interpreter.run(other, x, entry="main_adjoint")
    np.testing.assert_allclose(grad, expected, rtol=1e-6)


def test_one_of_several_results_is_differentiated() -> None:
    mod = read("""
    @R.function
    def main(x: R.Tensor((3,), "float32"), y: R.Tensor((3,), "float32")):
        with R.dataflow():
            a = R.exp(x)
            b = R.sum(a)
            c = R.sum(y)
            R.output(a, b, c)
        return (a, c, b)
    """)
    made = T.Gradient("main", target_index=2)(mod)
    x = random(3)
    (a, _, _), grads = interpreter.run(made, x, x, entry="main_adjoint")
    np.testing.assert_allclose(grads[0], a)
    assert grads[1].tolist() == [0, 0, 0]


def test_kernels_with_a_gradient_of_their_own() -> None:
    x = tensor_var("x", [3])
    bb = relax.BlockBuilder()
    with bb.function("main", [x]):
        with bb.dataflow():
            double = bb.emit_te_with_grad(
                lambda a: tw.te.compute(a.shape, lambda i: a[i] * 2.0, name="double"), x,
                te_grad_name="test.double", te_grad_kwargs={"factor": 2.0},
            )  # fmt: skip
            out = bb.emit_output(relax.op.sum(double))
        bb.emit_func_output(out)

    def backward(grad: Any, a: Any, factor: float) -> Any:
        return tw.te.compute(a.shape, lambda i: grad[i] * factor, name="double_grad")

    register_te_gradient("test.double", backward)
    made = T.Gradient("main")(bb.get())
    _, (grad,) = interpreter.run(made, random(3), entry="main_adjoint")
    assert grad.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("loss = R.nn.nll_loss(s, t)", "loss = R.exp(s)", "only a scalar of floats"),
        ("p = R.matmul(x, w)", "p = R.matmul(R.nn.rms_norm(x, R.const([1.0, 1.0, 1.0, 1.0], "
         "'float32'), axes=[-1]), w)", "no gradient of .*rms_norm"),
    ],
)  # fmt: skip
def test_what_has_no_gradient_is_an_error(old: str, new: str, message: str) -> None:
    with pytest.raises(TVMError, match=message):
        T.Gradient("main")(read(NETWORK.replace(old, new)))


def test_a_gradient_is_asked_of_parameters() -> None:
    with pytest.raises(TVMError, match="`z` is no parameter"):
        T.Gradient("main", require_grads=tensor_var("z", [1]))(read(NETWORK))
