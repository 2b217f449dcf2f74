"""Every way to run a model gives the same: the references, both executors, the exported files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tilewright as tw
from tilewright import relax
from tilewright.frontend.onnx import from_onnx
from tilewright.relax import interpreter
from tilewright.support.knobs import CACHE

from .models import convolution_model, reference, scaled_softplus

Arrays = list[np.ndarray[Any, Any]]
RNG = np.random.default_rng(7)
FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def weight(name: str, *shape: int) -> onnx.TensorProto:
    value = RNG.standard_normal(shape) / np.sqrt(shape[0])
    return numpy_helper.from_array(value.astype("float32"), name)


def integers(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, "int64"), name)


def model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, list[Any]]],
    outputs: dict[str, int],
    constants: list[onnx.TensorProto],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info(n, dtype, dims) for n, (dtype, dims) in inputs.items()],
        [helper.make_tensor_value_info(n, dtype, None) for n, dtype in outputs.items()],
        constants,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def transformer() -> onnx.ModelProto:
    """A block of two heads over 16 channels: norm, attention under a mask, residual, gelu."""
    heads = "Reshape", "Transpose"
    nodes = [node("LayerNormalization", "x g b", "h")]
    for part in "qkv":
        nodes += [
            node("MatMul", f"h w{part}", f"{part}0"),
            node(heads[0], f"{part}0 split", f"{part}1"),
            node(heads[1], f"{part}1", part, perm=[0, 2, 3, 1] if part == "k" else [0, 2, 1, 3]),
        ]
    nodes += [
        node("MatMul", "q k", "scores"), node("Mul", "scores scale", "scaled"),
        node("Unsqueeze", "mask axes", "mask4"), node("Cast", "mask4", "keep", to=TensorProto.BOOL),
        node("Where", "keep scaled low", "masked"), node("Softmax", "masked", "p", axis=-1),
        node("MatMul", "p v", "mixed"), node("Transpose", "mixed", "back", perm=[0, 2, 1, 3]),
        node("Reshape", "back join", "joined"), node("MatMul", "joined wo", "o"),
        node("Add", "o x", "r"), node("MatMul", "r w1", "u"),
        node("Mul", "u half", "u2"), node("Erf", "u2", "e"), node("Add", "e one", "e1"),
        node("Mul", "u e1", "gelu"), node("MatMul", "gelu w2", "d"), node("Add", "d r", "y"),
    ]  # fmt: skip
    constants = [
        weight("g", 16), weight("b", 16), *(weight(f"w{part}", 16, 16) for part in "qkvo"),
        weight("w1", 16, 40), weight("w2", 40, 16), integers("split", 0, 0, 2, 8),
        integers("join", 0, 0, 16), integers("axes", 1, 2),
        *(numpy_helper.from_array(np.float32(v), n)
          for n, v in {"scale": 8**-0.5, "low": -1e9, "half": 0.5**0.5, "one": 1.0}.items()),
    ]  # fmt: skip
    shapes = {"x": (FLOAT, ["n", "t", 16]), "mask": (INT, ["n", "t"])}
    return model(nodes, shapes, {"y": FLOAT}, constants)


def recurrent() -> onnx.ModelProto:
    """Two LSTM layers; the last also gives its states."""
    nodes = [
        node("LSTM", "x w1 r1", "s1", hidden_size=6), node("Squeeze", "s1 axis", "s2"),
        node("LSTM", "s2 w2 r2", "y h c", hidden_size=4),
    ]  # fmt: skip
    constants = [
        weight("w1", 1, 24, 5), weight("r1", 1, 24, 6), weight("w2", 1, 16, 6),
        weight("r2", 1, 16, 4), integers("axis", 1),
    ]  # fmt: skip
    return model(nodes, {"x": (FLOAT, [5, 2, 5])}, {"y": FLOAT, "h": FLOAT, "c": FLOAT}, constants)


def several() -> onnx.ModelProto:
    """Outputs of different types and ranks, one of them an input."""
    nodes = [
        node("Split", "x", "a b", axis=1), node("Add", "a b", "sum"),
        node("ReduceMax", "x", "top", keepdims=0), node("Shape", "x", "shape"),
        node("Greater", "a b", "more"), node("Identity", "x", "same"),
    ]  # fmt: skip
    outputs = {"sum": FLOAT, "top": FLOAT, "shape": INT, "more": TensorProto.BOOL, "same": FLOAT}
    return model(nodes, {"x": (FLOAT, ["n", 6])}, outputs, [])


def whole_numbers() -> onnx.ModelProto:
    """Integer arithmetic, with negative divisors, gathered by computed indices."""
    nodes = [
        node("Mod", "i three", "m"), node("Div", "i three", "d"), node("Abs", "m", "k"),
        node("Gather", "table k", "g"), node("Mul", "g d", "p"), node("Cast", "p", "y", to=FLOAT),
        node("ReduceSum", "p", "s", keepdims=0), node("ArgMax", "i", "top", axis=0, keepdims=0),
    ]  # fmt: skip
    constants = [integers("three", -3), integers("table", 7, -11, 1 << 40)]
    outputs = {"p": INT, "y": FLOAT, "s": INT, "top": INT}
    return model(nodes, {"i": (INT, ["n"])}, outputs, constants)


def sizes() -> onnx.ModelProto:
    """Two symbolic dimensions, multiplied, joined and cut."""
    nodes = [
        node("MatMul", "a b", "m"), node("Concat", "m m", "c", axis=0),
        node("Reshape", "c flat", "f"), node("Relu", "f", "y"), node("Slice", "c zero one", "z"),
    ]  # fmt: skip
    constants = [integers("flat", -1), integers("zero", 0), integers("one", 1)]
    shapes = {"a": (FLOAT, ["n", 7]), "b": (FLOAT, [7, "m"])}
    return model(nodes, shapes, {"y": FLOAT, "z": FLOAT}, constants)


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype("float32")


def mask(*rows: int) -> np.ndarray[Any, Any]:
    return np.array([[1] * row + [0] * (max(rows) - row) for row in rows], "int64")


PROGRAMS: dict[str, tuple[Callable[[], onnx.ModelProto], list[Arrays]]] = {
    "convolution": (lambda: convolution_model("n"), [[normal(n, 3, 13, 17)] for n in (1, 3, 0)]),
    "transformer": (
        transformer, [[normal(2, 5, 16), mask(5, 3)], [normal(1, 33, 16), mask(33)]],
    ),
    "recurrent": (recurrent, [[normal(5, 2, 5)]]),
    "several": (several, [[normal(n, 6)] for n in (1, 19)]),
    "integers": (whole_numbers, [[np.arange(-9, n, dtype="int64")] for n in (9, 40)]),
    "sizes": (sizes, [[normal(n, 7), normal(7, m)] for n, m in ((1, 1), (3, 17), (20, 2), (2, 0))]),
}  # fmt: skip


def arrays(result: Any) -> Arrays:
    """A result's tensors, whatever it is wrapped in."""
    if isinstance(result, np.ndarray):
        return [result]
    return [result.numpy()] if hasattr(result, "numpy") else [a for r in result for a in arrays(r)]


def compare(ours: Arrays, theirs: Arrays, name: str) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype), name
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_ways_agree(program: str, tmp_path: Path) -> None:
    build, cases = PROGRAMS[program]
    given = build()
    mod = from_onnx(given)
    made = tw.compile(mod, "llvm")
    files = [made.export_library(tmp_path / f"model.{suffix}") for suffix in ("so", "tw")]
    programs = {"compiled": made, **{Path(f).suffix: tw.runtime.load_module(f) for f in files}}
    ways = {
        f"{name}, {executor}": relax.VirtualMachine(source, tw.cpu(), executor=executor)["main"]
        for name, source in programs.items()
        for executor in ("native", "interpreter")
    }
    for inputs in cases:
        if all(x.size for x in inputs):
            expected = [np.asarray(r) for r in reference(given, *inputs)]
        else:
            expected = arrays(interpreter.run(mod, *inputs))
        compare(arrays(interpreter.run(mod, *inputs)), expected, "references")
        for name, run in ways.items():
            compare(arrays(run(*inputs)), expected, name)


def test_nested_tuples_come_back_nested() -> None:
    x = relax.Var("x", relax.TensorStructInfo((3,), "float32"))
    builder = relax.BlockBuilder()
    with builder.function("main", [x]):
        with builder.dataflow():
            twice = builder.emit(relax.op.add(x, x))
            inner = builder.emit(relax.Tuple([twice, relax.Tuple([x, twice])]))
            out = builder.emit_output(relax.Tuple([inner, relax.op.exp(x)]))
        builder.emit_func_output(out)
    mod, value = builder.get(), normal(3)
    made = tw.compile(mod, "llvm")
    results = [interpreter.run(mod, value)]
    for executor in ("native", "interpreter"):
        results.append(relax.VirtualMachine(made, tw.cpu(), executor=executor)["main"](value))
    for (first, (second, third)), fourth in results:
        wanted = [value + value, value, value + value, np.exp(value)]
        compare(arrays([first, second, third, fourth]), wanted, "tuples")


def test_four_threads_compile_at_once() -> None:
    """Each from import to result, with nothing from the cache."""
    cases = [(scaled_softplus("n"), normal(3, 12)), (convolution_model("n"), normal(2, 3, 13, 17)),
             (scaled_softplus(3), normal(3, 12)), (several(), normal(2, 6))]  # fmt: skip

    def work(case: tuple[onnx.ModelProto, np.ndarray[Any, Any]]) -> Arrays:
        with CACHE.set("off"):
            made = tw.compile(from_onnx(case[0]), "llvm")
        return arrays(relax.VirtualMachine(made, tw.cpu())["main"](case[1]))

    with ThreadPoolExecutor(4) as pool:
        for (given, x), ours in zip(cases, pool.map(work, cases), strict=True):
            compare(ours, [np.asarray(r) for r in reference(given, x)], given.graph.name)
