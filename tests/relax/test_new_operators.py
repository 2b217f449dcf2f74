"""Operators whose results' sizes depend on data, markers, facts of tensors, collectives: compiled,
legalized, printed."""

from typing import Any

import numpy as np
import pytest

import tilewright as tw
from tilewright import relax
from tilewright.ir import assert_structural_equal
from tilewright.relax import interpreter
from tilewright.relax import transform as T
from tilewright.relax.op import DECLARATIONS
from tilewright.script import from_source
from tilewright.support.errors import TVMError

from .helpers import module, random, tensor_var
from .test_op_declarations import as_input


def compiled(mod: Any, *args: Any) -> Any:
    vm = relax.VirtualMachine(tw.compile(mod, target="llvm"), tw.cpu())
    out = vm["main"](*[tw.nd.array(a) for a in args])
    return [o.numpy() for o in out] if not hasattr(out, "numpy") else out.numpy()


def test_unique_runs_compiled() -> None:
    x = tensor_var("x", [2, 3], "int32")
    mod = module([x], lambda bb: relax.op.unique(x, return_counts=True))
    values, counts = compiled(mod, np.array([[3, 1, 3], [3, 2, 1]], "int32"))
    assert values.tolist() == [1, 2, 3] and counts.tolist() == [2, 1, 3]


def test_nonzero_and_dynamic_slices_run_compiled() -> None:
    x, b, e, s = tensor_var("x", [4]), *(tensor_var(n, [1], "int64") for n in "bes")
    mod = module([x], lambda bb: relax.op.nonzero(x))
    assert compiled(mod, np.array([0, 2, 0, 1], "float32")).tolist() == [[1, 3]]
    mod = module([x, b, e, s], lambda bb: relax.op.dynamic_strided_slice(x, b, e, s))
    bounds = [np.array([v]) for v in (3, 0, -2)]
    assert compiled(mod, np.arange(4, dtype="float32"), *bounds).tolist() == [3, 1]


def test_legalized_unique_calls_the_runtime() -> None:
    x = tensor_var("x", [2, 3])
    mod = T.LegalizeOps()(module([x], lambda bb: relax.op.unique(x, axis=1)))
    text = str(mod)
    assert 'R.call_pure_packed("relax.run.unique", x' in text
    assert 'sinfo_args=(R.Tensor(dtype="float32", ndim=2),)' in text


def test_facts_of_tensors_are_numbers_when_known() -> None:
    x = tensor_var("x", [2, 3])
    inspect = relax.op.inspect
    assert inspect.tensor_shape_i(x, 1).struct_info.value.value == 3
    assert inspect.tensor_ndim(x).struct_info.value.value == 2
    assert inspect.tensor_dtype_bits(x).struct_info.value.value == 32
    mod = T.LegalizeOps()(module([x], lambda bb: inspect.tensor_dtype_code(x)))
    assert "R.prim_value(T.uint8(2))" in str(mod)
    unknown = relax.Var("y", relax.TensorStructInfo(None, "float32", ndim=2))
    mod = T.LegalizeOps()(module([unknown], lambda bb: inspect.tensor_shape_i(unknown, 1)))
    assert interpreter.run(mod, random(4, 7)) == 7
    with pytest.raises(TVMError, match="axis 2 is out of range"):
        inspect.tensor_shape_i(x, 2).struct_info  # noqa: B018


def test_strides_are_read_at_run_time() -> None:
    x = tensor_var("x", [2, 3])
    mod = T.LegalizeOps()(module([x], lambda bb: relax.op.inspect.tensor_stride_i(x, 0)))
    assert interpreter.run(mod, random(2, 3)) == 3


def test_checkpoints_are_the_values_themselves() -> None:
    x = tensor_var("x", [2, 3])

    def write(bb: Any) -> Any:
        y = bb.emit(relax.op.grad.start_checkpoint(x))
        return relax.op.grad.no_grad(bb.emit(relax.op.exp(y)))

    np.testing.assert_allclose(compiled(module([x], write), random(2, 3)), np.exp(random(2, 3)),
                               rtol=1e-6)  # fmt: skip


def test_collectives_become_calls_of_the_runtime() -> None:
    x = tensor_var("x", [4, 6])

    def write(bb: Any) -> Any:
        a = bb.emit(relax.op.ccl.allreduce(x, "max"))
        b = bb.emit(relax.op.ccl.allgather(a, 2))
        c = bb.emit(relax.op.ccl.broadcast_from_worker0(b))
        return relax.op.ccl.scatter_from_worker0(c, 2, 1)

    mod = module([x], write)
    assert mod["main"].ret_struct_info.static_shape == (8, 3)
    text = str(T.LegalizeOps()(mod))
    assert 'R.call_dps_packed("runtime.disco.allreduce", (x, R.shape([3]), R.prim_value(' in text
    for name in ("allgather", "broadcast_from_worker0", "scatter_from_worker0"):
        assert f"runtime.disco.{name}" in text
    assert 'out_sinfo=R.Tensor((8, 3), dtype="float32")' in text


def test_a_scatter_along_an_inner_axis_sends_contiguous_parts() -> None:
    x = tensor_var("x", [2, 6])
    mod = T.LegalizeOps()(module([x], lambda bb: relax.op.ccl.scatter_from_worker0(x, 3, 1)))
    sent = []

    def scatter(data: Any, in_group: Any, out: Any) -> None:
        sent.append(data)
        out[...] = data[1]

    interpreter.PACKED["runtime.disco.scatter_from_worker0"] = scatter
    try:
        data = random(2, 6)
        np.testing.assert_array_equal(interpreter.run(mod, data), data[:, 2:4])
        assert sent[0].shape == (3, 2, 2)
    finally:
        del interpreter.PACKED["runtime.disco.scatter_from_worker0"]


SAMPLED = [d for d in DECLARATIONS.values() if d.samples is not None]


@pytest.mark.parametrize("declared", SAMPLED, ids=lambda d: d.name)
def test_calls_print_and_read_back(declared: Any) -> None:
    sample = next(iter(declared.samples()))
    call = declared.make(*[as_input(a) for a in sample.args], **sample.attrs)
    bb = relax.BlockBuilder()
    with bb.function("main", []):
        bb.emit_func_output(bb.emit(call))
    mod = bb.get()
    assert_structural_equal(from_source(mod.script(show_meta=True)), mod)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, i: relax.op.nn.nll_loss(x, i, reduction="all"), "is none, sum or mean, found"),
        (lambda x, i: relax.op.nn.nll_loss(x, x), "targets are integers, found float32"),
        (lambda x, i: relax.op.collapse_sum_to(x, (5,)), "cannot be collapsed to"),
        (lambda x, i: relax.op.quantize(i, relax.const(1.0), relax.const(0)), "only floats are"),
        (lambda x, i: relax.op.index_tensor(x, (x,)), "indices must be integers, found float32"),
        (lambda x, i: relax.op.index_tensor(x, (i, i, i)), "3 index tensors for 2 dimensions"),
        (lambda x, i: relax.op.meshgrid((x,)), "meshgrid takes vectors, found 2 dimensions"),
        (lambda x, i: relax.op.outer(x, x), "an outer product is of vectors"),
        (lambda x, i: relax.op.ccl.allreduce(x, "mean"), "op_type is one of sum, prod"),
        (lambda x, i: relax.op.ccl.scatter_from_worker0(x, 2, 1), "does not divide by 2"),
        (lambda x, i: relax.op.nn.pixel_shuffle(x, 2), "found 2 dimensions"),
        (lambda x, i: relax.op.unique(x, axis=2), "axis 2 is out of range"),
    ],
)  # fmt: skip
def test_misuse_is_an_error(make: Any, message: str) -> None:
    x, i = tensor_var("x", [4, 3]), tensor_var("i", [4], "int64")
    with pytest.raises(TVMError, match=message):
        make(x, i).struct_info  # noqa: B018
