"""From an ONNX model to results: agreement, dynamic sizes, export, errors, memory."""

from __future__ import annotations

import gc
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import tilewright as tw
from tilewright import relax, te, tir
from tilewright.driver.kernels import machine_of
from tilewright.frontend.onnx import from_onnx
from tilewright.support.errors import ArgumentError, ImportModelError
from tilewright.support.knobs import CACHE
from tilewright.target import Target

from .models import convolution_model, image, reference, scaled_softplus


def machine(model: onnx.ModelProto, **options: Any) -> relax.VirtualMachine:
    return relax.VirtualMachine(tw.compile(from_onnx(model), "llvm"), tw.cpu(), **options)


def gap(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> float:
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("executor", ["native", "interpreter"])
def test_a_model_agrees_with_onnx_runtime(executor: str) -> None:
    model = convolution_model()
    result = machine(model, executor=executor)["main"](image()).numpy()
    assert gap(result, reference(model, image())[0]) < 1e-5


def test_one_compiled_model_serves_every_batch() -> None:
    model = convolution_model("n")
    vm = machine(model)
    for batch in (1, 2, 5, 3):
        x = image(batch)
        assert gap(vm["main"](x).numpy(), reference(model, x)[0]) < 1e-5
    assert vm["main"](image(0)).numpy().shape == (0, 10)


@pytest.mark.parametrize("target", ["llvm -mcpu=x86-64-v3", "llvm -mcpu=x86-64-v2"])
def test_narrower_processors_give_the_same_results(target: str) -> None:
    model = convolution_model()
    vm = relax.VirtualMachine(tw.compile(from_onnx(model), target), tw.cpu())
    assert gap(vm["main"](image()).numpy(), reference(model, image())[0]) < 1e-5


FRESH = """
import sys
import numpy as np
import tilewright as tw
vm = tw.relax.VirtualMachine(tw.runtime.load_module(sys.argv[1]), tw.cpu(), executor=sys.argv[3])
data = np.load(sys.argv[2])
assert np.array_equal(vm["main"](data["x"]).numpy(), data["y"])
assert "torch" not in sys.modules and "onnx" not in sys.modules
"""


@pytest.mark.parametrize(("suffix", "executor"), [(".so", "native"), (".so", "interpreter"),
                                                  (".tw", "native")])  # fmt: skip
def test_an_exported_library_runs_in_a_fresh_process(
    tmp_path: Path, suffix: str, executor: str
) -> None:
    made = tw.compile(from_onnx(convolution_model()), "llvm")
    expected = relax.VirtualMachine(made, tw.cpu())["main"](image()).numpy()
    library = made.export_library(tmp_path / f"model{suffix}")
    np.savez(tmp_path / "data.npz", x=image(), y=expected)
    command = [sys.executable, "-c", FRESH, library, str(tmp_path / "data.npz"), executor]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((), r"takes 1 argument \(x\), 0 given"),
        ((image(), image()), r"takes 1 argument \(x\), 2 given"),
        ((np.zeros((1, 3, 13), "float32"),), r"found a float32 tensor of shape \(1, 3, 13\)"),
        ((np.zeros((1, 3, 13, 18), "float32"),), "18"),
        ((np.zeros((1, 3, 13, 17), "float64"),), "float64"),
        ((image().transpose(0, 1, 3, 2),), "17"),
        (("text",), "str"),
        ((None,), "None"),
    ],
)
def test_wrong_arguments_are_refused_and_the_machine_stays_usable(
    wrong: tuple[Any, ...], said: str
) -> None:
    model = convolution_model()
    vm = SHARED.setdefault("vm", machine(model))
    with pytest.raises((ArgumentError, TypeError, ValueError), match=said):
        vm["main"](*wrong)
    assert gap(vm["main"](image()).numpy(), reference(model, image())[0]) < 1e-5


SHARED: dict[str, Any] = {}


def test_strided_and_misaligned_arrays_give_the_right_answer_or_an_error() -> None:
    model = convolution_model()
    vm = machine(model)
    expected = reference(model, image())[0]
    raw = np.empty(image().nbytes + 1, np.uint8)
    odd = raw[1:].view("float32").reshape(image().shape)
    odd[...] = image()
    spaced = np.zeros((1, 3, 13, 34), "float32")[..., ::2]
    spaced[...] = image()
    for x in (odd, spaced, np.asfortranarray(image())):
        try:
            result = vm["main"](x).numpy()
        except ArgumentError as error:
            assert "x" in str(error)
        else:
            assert gap(result, expected) < 1e-5


@pytest.mark.parametrize("length", [0, 1, 10, 100, 1000])
def test_files_that_are_cut_off_are_refused(tmp_path: Path, length: int) -> None:
    data = convolution_model().SerializeToString()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[:length])
    with pytest.raises(ImportModelError):
        tw.compile(from_onnx(path), "llvm")


def matmul(n: int | tir.Var = 64) -> tir.PrimFunc:
    a, b = te.placeholder((n, 64), "float32", "A"), te.placeholder((64, 48), "float32", "B")
    k = te.reduce_axis((0, 64), "k")
    c = te.compute((n, 48), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
    made: tir.PrimFunc = te.create_prim_func([a, b, c])
    return made


def test_one_loop_program_compiles_and_runs() -> None:
    a = np.random.default_rng(0).random((64, 64), np.float32)
    b = np.random.default_rng(1).random((64, 48), np.float32)
    for func in (matmul(), matmul(tir.SizeVar("n", "int64"))):
        out = tw.nd.array(np.zeros((64, 48), "float32"))
        tw.compile(func, "llvm")["main"](tw.nd.array(a), tw.nd.array(b), out)
        assert gap(out.numpy(), a @ b) < 1e-5


def test_the_optimisation_level_of_the_target_is_llvms() -> None:
    levels = {f"llvm -opt-level {k}": k for k in range(4)} | {"llvm": 3, "llvm -opt-level -1": 0}
    for name, level in levels.items():
        made = machine_of(Target(name))
        assert (made.passes, made.codegen) == (min(level, 1), level)
    ones = np.ones((64, 64), np.float32)
    out = tw.nd.array(np.zeros((64, 48), "float32"))
    compiled = tw.compile(matmul(), "llvm -opt-level 0")
    compiled["main"](tw.nd.array(ones), tw.nd.array(ones[:, :48].copy()), out)
    assert (out.numpy() == 64).all()


@pytest.mark.parametrize("compiled", [tw.compile, tw.build])
def test_one_loop_program_is_the_entry_whatever_its_name(compiled: Any) -> None:
    func = matmul().with_attr("global_symbol", "product")
    a, b = np.ones((64, 64), np.float32), np.ones((64, 48), np.float32)
    out = tw.nd.array(np.zeros((64, 48), "float32"))
    made = compiled(func, target="llvm")
    made(tw.nd.array(a), tw.nd.array(b), out)
    assert gap(out.numpy(), a @ b) < 1e-5
    with pytest.raises(ArgumentError, match="no function 'main'; it has product"):
        made["main"]


def test_a_kernel_checks_its_arguments() -> None:
    kernel = tw.compile(matmul(), "llvm")["main"]
    a, b = tw.nd.array(np.zeros((64, 64), "float32")), tw.nd.array(np.zeros((64, 48), "float32"))
    with pytest.raises((TypeError, ValueError), match="`C`"):
        kernel(a, b, tw.nd.array(np.zeros((64, 49), "float32")))
    with pytest.raises((TypeError, ValueError), match="`B`"):
        kernel(a, tw.nd.array(np.zeros((64, 48), "float64")), b)


def test_other_targets_are_refused_with_a_way_out() -> None:
    with pytest.raises(ArgumentError, match="no code generator"):
        tw.compile(matmul(), "cuda")
    with pytest.raises(ArgumentError, match="an IRModule or a function, found int"):
        tw.compile(3)  # type: ignore[arg-type]


def resident() -> float:
    """Megabytes that the process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_memory_stays_where_it_was() -> None:
    model = scaled_softplus("n")
    x = np.ones((2, 12), "float32")

    def cycle() -> Any:
        vm = machine(model)
        vm["main"](x)
        return vm

    with CACHE.set("off"):
        for _ in range(12):
            vm = cycle()
        gc.collect()
        before = resident()
        for _ in range(100 - 12):
            vm = cycle()
        gc.collect()
        grown = resident() - before
        assert grown < 6, f"compiling grew by {grown:.1f} MB in 88 cycles"
    given = tw.nd.array(x)
    run = vm["main"]
    for _ in range(1000):
        run(given)
    before = resident()
    for _ in range(100_000):
        run(given)
    assert resident() - before < 4


def product(inner: int | str) -> onnx.ModelProto:
    """`x @ w` with a constant weight of 7 rows."""
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], "product")
    kind = onnx.TensorProto.FLOAT
    weight = onnx.numpy_helper.from_array(np.ones((7, 5), "float32"), "w")
    graph = onnx.helper.make_graph(
        [node], "g",
        [onnx.helper.make_tensor_value_info("x", kind, ["n", inner])],
        [onnx.helper.make_tensor_value_info("y", kind, ["n", 5])],
        [weight],
    )  # fmt: skip
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])


@pytest.mark.parametrize("executor", ["native", "interpreter"])
def test_sizes_that_must_be_equal_are_checked_where_they_are_not_known(executor: str) -> None:
    vm = machine(product("d"), executor=executor)
    assert vm["main"](np.ones((2, 7), "float32")).numpy().tolist() == [[7.0] * 5] * 2
    for inner in (0, 1, 3, 100):
        with pytest.raises(ArgumentError, match=rf"should be 7, found {inner}"):
            vm["main"](np.ones((1, inner), "float32"))


def test_indices_outside_stay_inside_the_array() -> None:
    data = relax.Var("data", relax.TensorStructInfo((4, 3), "float32"))
    places = relax.Var("places", relax.TensorStructInfo((5,), "int64"))
    bb = relax.BlockBuilder()
    with bb.function("main", [data, places]):
        bb.emit_func_output(bb.emit(relax.op.take(data, places, 0)))
    vm = relax.VirtualMachine(tw.compile(bb.get(), "llvm"), tw.cpu())
    rows = np.arange(12, dtype="float32").reshape(4, 3)
    wild = np.array([0, 3, 4, 10**12, -(10**12)])
    assert np.array_equal(vm["main"](rows, wild).numpy(), rows[[0, 3, 3, 3, 0]])


def test_a_sum_of_thousands_of_terms() -> None:
    count = 2000
    source = te.placeholder((3, count), name="A")

    def total(i: Any) -> Any:
        made = source[i, 0]
        for k in range(1, count):
            made = made + source[i, k]
        return made

    func = te.create_prim_func([source, te.compute((3,), total)])
    given = np.ones((3, count), "float32")
    found = tw.nd.empty((3,), "float32")
    tw.compile(func)["main"](tw.nd.array(given), found)
    np.testing.assert_array_equal(found.numpy(), count)
    assert "float" in tw.compile(func, target="c").inspect_source()


def agrees(
    op: str, x: np.ndarray[Any, Any], outputs: list[str], weights: Any = (), **how: Any
) -> None:
    """A model of one node agrees with ONNX Runtime."""
    names = [f"w{k}" for k in range(len(weights))]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op, ["x", *names], outputs, **how)],
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x.shape)],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [onnx.numpy_helper.from_array(w, n) for n, w in zip(names, weights, strict=True)],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    made.ir_version = 8
    found: Any = machine(made)["main"](x)
    ours = list(found) if len(outputs) > 1 else [found]
    for mine, theirs in zip(ours, reference(made, x), strict=True):
        assert gap(mine.numpy(), theirs) < 1e-5


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 6)])
def test_places_of_largest_elements_in_windows_that_reach_beyond(size: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, *size)).astype("float32")
    how = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
    agrees("MaxPool", x, ["y", "i"], **how)
    agrees("MaxPool", x, ["y", "i"], pads=[0, 1, 1, 0], storage_order=1, **how)


@pytest.mark.parametrize(("scale", "bias"), [((33,), (33,)), ((1,), (3, 1)), ((3, 33), (1,))])
def test_scales_of_a_norm_are_broadcast(scale: tuple[int, ...], bias: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, s, b = (rng.standard_normal(k).astype("float32") for k in ((2, 3, 33), scale, bias))
    agrees("LayerNormalization", x, ["y"], [s, b], axis=1)


def test_code_of_another_architecture_is_not_run() -> None:
    other = "x86_64-linux-gnu" if platform.machine() == "aarch64" else "aarch64-linux-gnu"
    made = tw.compile(from_onnx(convolution_model()), {"kind": "llvm", "mtriple": other})
    with pytest.raises(ArgumentError, match=f"compiled for {other}, not for this machine"):
        relax.VirtualMachine(made, tw.cpu())["main"](image())
