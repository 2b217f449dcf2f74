"""What is passed at a call: the right answer, or an error that names the argument; then go on."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tilewright as tw
from tilewright import relax
from tilewright.frontend.onnx import from_onnx
from tilewright.support.errors import ArgumentError

from .models import convolution_model, image, reference

Array = np.ndarray[Any, Any]
EXECUTORS = ("native", "interpreter")


def sum_model() -> onnx.ModelProto:
    """`y = relu(a + b)`, both of shape (n, 4)."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["s"]), helper.make_node("Relu", ["s"], ["y"])],
        "sum",
        [info("a", TensorProto.FLOAT, ["n", 4]), info("b", TensorProto.FLOAT, ["n", 4])],
        [info("y", TensorProto.FLOAT, ["n", 4])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture(scope="module", params=EXECUTORS)
def run(request: pytest.FixtureRequest) -> Any:
    """The model's function, by each executor."""
    made = tw.compile(from_onnx(sum_model()), "llvm")
    return relax.VirtualMachine(made, tw.cpu(), executor=request.param)["main"]


def ones(*shape: int, dtype: str = "float32") -> Array:
    return np.ones(shape, dtype)


def read_only() -> Array:
    array = ones(2, 4)
    array.flags.writeable = False
    return array


def misaligned() -> Array:
    array = np.empty(2 * 4 * 4 + 1, np.uint8)[1:].view("float32").reshape(2, 4)
    array[...] = 1
    return array


@pytest.mark.parametrize(
    "array",
    [
        read_only(), misaligned(), ones(2, 8)[:, ::2], ones(2, 4)[::-1],
        np.asfortranarray(ones(2, 4)), np.broadcast_to(np.float32(1), (2, 4)),
        ones(2, 4, dtype=">f4"), ones(4, 2).T,
    ],
    ids=["read-only", "misaligned", "strided", "reversed", "fortran", "broadcast", "swapped", "T"],
)  # fmt: skip
def test_any_layout_of_memory_gives_the_right_answer(run: Any, array: Array) -> None:
    other = np.arange(8, dtype="float32").reshape(2, 4)
    np.testing.assert_array_equal(run(array, other).numpy(), other + 1)
    np.testing.assert_array_equal(run(other, array).numpy(), other + 1)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((ones(2, 4), ones(3, 4)), r"`b`.*\n.*dimension 0 should be 2, found 3"),
        ((ones(0, 4), ones(1, 4)), r"`b`.*\n.*dimension 0 should be 0, found 1"),
        ((ones(2, 4, 1), ones(2, 4)), r"`a`.*found a float32 tensor of shape \(2, 4, 1\)"),
        ((ones(4), ones(2, 4)), r"`a`.*shape \(4,\)"),
        ((ones(2, 5), ones(2, 5)), r"`a`.*\n.*dimension 1 should be 4, found 5"),
        ((ones(2, 4), ones(2, 4, dtype="int32")), r"`b`.*found an? int32"),
        ((ones(2, 4, dtype="float16"), ones(2, 4)), r"`a`.*found a float16"),
        ((ones(2, 4),), r"takes 2 arguments \(a, b\), 1 given"),
        ((ones(2, 4), ones(2, 4), ones(2, 4)), r"takes 2 arguments \(a, b\), 3 given"),
        ((1.0, ones(2, 4)), r"`a`.*found float"),
        ((np.float32(1), ones(2, 4)), r"`a`.*shape \(\)"),
        ((None, ones(2, 4)), r"`a`.*None"),
        (((ones(2, 4),), ones(2, 4)), r"`a`.*tuple"),
        ((object(), ones(2, 4)), r"`a`.*object"),
        (({}, ones(2, 4)), r"`a`.*(map|dict)"),
        ((1 << 70, ones(2, 4)), r"`a`"),
        ((ones(2, 4, dtype="complex64"), ones(2, 4)), "complex64"),
        ((np.array([["text"] * 4]), ones(1, 4)), "unknown dtype"),
        ((np.array([[None] * 4]), ones(1, 4)), "unknown dtype 'object'"),
    ],
)
def test_wrong_arguments_are_named_and_the_next_call_works(
    run: Any, args: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(ArgumentError, match=said):
        run(*args)
    np.testing.assert_array_equal(run(ones(2, 4), ones(2, 4)).numpy(), 2 * ones(2, 4))


def test_names_of_arguments(run: Any) -> None:
    assert run(b=ones(1, 4), a=-ones(1, 4)).numpy().max() == 0
    with pytest.raises(ArgumentError, match=r"no parameter c\n.*its parameters are a, b"):
        run(a=ones(1, 4), c=ones(1, 4))
    with pytest.raises(ArgumentError, match="a given by position and by name"):
        run(ones(1, 4), a=ones(1, 4))
    with pytest.raises(ArgumentError, match="no value for b"):
        run(a=ones(1, 4))


def test_an_array_that_no_memory_holds_is_an_error(run: Any) -> None:
    huge = np.lib.stride_tricks.as_strided(ones(1), (1 << 40, 4), (0, 0))
    with pytest.raises(MemoryError):
        run(huge, huge)
    assert run(ones(1, 4), ones(1, 4)).numpy().max() == 2


def test_an_answer_that_no_memory_holds_is_an_error() -> None:
    n = tw.tir.SizeVar("n", "int64")
    x = relax.Var("x", relax.TensorStructInfo((n, 1), "float32"))
    y = relax.Var("y", relax.TensorStructInfo((1, n), "float32"))
    builder = relax.BlockBuilder()
    with builder.function("main", [x, y]):
        builder.emit_func_output(builder.emit(relax.op.add(x, y)))
    made = tw.compile(builder.get(), "llvm")
    big = 1 << 22  # 4 million squared: 64 TiB
    for executor in EXECUTORS:
        run = relax.VirtualMachine(made, tw.cpu(), executor=executor)["main"]
        with pytest.raises((MemoryError, RuntimeError, ValueError), match=r"(?i)memory|allocat"):
            run(ones(big, 1), ones(1, big))
        assert run(ones(2, 1), ones(1, 2)).numpy().max() == 2


def test_not_a_number_and_infinity_pass_through(run: Any) -> None:
    x = np.array([[np.nan, np.inf, -np.inf, -0.0]], "float32")
    np.testing.assert_array_equal(run(x, ones(1, 4)).numpy(), [[np.nan, np.inf, 0, 1]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_a_network_spreads_what_is_no_number_as_the_reference_does(value: float) -> None:
    model = convolution_model("n")
    x = image(2)
    x[0, 0, 0, 0] = value
    run = relax.VirtualMachine(tw.compile(from_onnx(model), "llvm"), tw.cpu())["main"]
    ours, theirs = run(x).numpy(), reference(model, x)[0]
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-4)  # its neighbour is untouched
    assert np.isnan(ours[0]).any() == np.isnan(theirs[0]).any()


def test_names_of_functions() -> None:
    vm = relax.VirtualMachine(tw.compile(from_onnx(sum_model()), "llvm"), tw.cpu())
    with pytest.raises(ArgumentError, match=r"no function 'nope'\n.*main"):
        vm["nope"]
    with pytest.raises(ArgumentError, match="name is a string, found int"):
        vm[3]  # type: ignore[index]
    for given in (3, "model.so", None, []):
        with pytest.raises(ArgumentError, match="expects an Executable or a Module"):
            relax.VirtualMachine(given, tw.cpu())
    with pytest.raises(ArgumentError, match="cuda:7"):
        relax.VirtualMachine(tw.compile(from_onnx(sum_model()), "llvm"), tw.cuda(7))


def test_eight_threads_share_a_machine(run: Any) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(1, 120):
            x = np.full((turn % 17, 4), number, "float32")
            if turn % 13 == 0:
                try:
                    run(x, ones(20, 4))
                    wrong.append((number, turn, "no error"))
                except ArgumentError:
                    pass
            y = run(x, x).numpy()
            if y.shape != x.shape or not (y == 2 * number).all():
                wrong.append((number, turn, y))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_eight_threads_share_a_network() -> None:
    model = convolution_model("n")
    run = relax.VirtualMachine(tw.compile(from_onnx(model), "llvm"), tw.cpu())["main"]
    inputs = [image(i % 3 + 1, seed=i) for i in range(8)]
    expected = [run(x).numpy() for x in inputs]
    results: list[list[Array]] = [[] for _ in inputs]

    def work(i: int) -> None:
        results[i] = [run(inputs[i]).numpy() for _ in range(10)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, given in enumerate(results):
        assert len(given) == 10
        for value in given:
            np.testing.assert_array_equal(value, expected[i])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_machine_works_after_fork() -> None:
    model = convolution_model("n")
    run = relax.VirtualMachine(tw.compile(from_onnx(model), "llvm"), tw.cpu())["main"]
    x = image(8)
    expected = run(x).numpy()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if np.array_equal(run(x).numpy(), expected) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(run(x).numpy(), expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"relax_pipeline": "nope"}, "no pipeline 'nope'"),
        ({"tir_pipeline": "nope"}, "unknown pipeline 'nope'"),
        ({"params": {"q": ones(1)}}, "no parameter called 'q'"),
        ({"params": {"a": ones(3, 5)}}, "parameter `a`"),
        ({"target": "llvm -mfoo=3"}, "no option 'mfoo'"),
        ({"target": "llvm -mtriple=zork"}, "zork"),
        ({"target": "llvm -mcpu=zork"}, "processor 'zork'"),
        ({"target": "llvm -mattr=+zork"}, "feature 'zork'"),
        ({"target": {"kind": "llvm", "num-cores": -1}}, "num-cores"),
        ({"target": 3}, "found int"),
    ],
)
def test_wrong_options_of_compile_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        tw.compile(from_onnx(sum_model()), **{"target": "llvm", **options})


def test_negative_sizes_are_refused_at_import() -> None:
    with pytest.raises(ArgumentError, match="negative dimension -4"):
        from_onnx(sum_model(), {"a": [-4, 4]})
