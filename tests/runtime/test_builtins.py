"""Built-in packed functions, called as lowered programs call them: by their global names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilewright.ffi import Array, Shape, get_global_func
from tilewright.runtime import tensor
from tilewright.runtime.vm import BUILTINS
from tilewright.support.errors import ArgumentError, RuntimeFailure


def call(name: str, *args: Any) -> Any:
    return get_global_func(name)(*args)


def values(result: Any) -> Any:
    return (
        [r.numpy().tolist() for r in result]
        if isinstance(result, Array)
        else result.numpy().tolist()
    )


def test_every_builtin_is_global() -> None:
    assert all(get_global_func(name, allow_missing=True) is not None for name in BUILTINS)


def test_shapes() -> None:
    x = np.zeros((2, 3), "float32")
    assert call("vm.builtin.shape_of", x) == (2, 3)
    assert call("vm.builtin.tensor_to_shape", np.array([4, 5])) == (4, 5)
    assert call("relax.run.tensor_to_shape", np.array([4], "int32")) == (4,)
    assert values(call("relax.run.shape_to_tensor", Shape((7, 0)))) == [7, 0]
    with pytest.raises(ArgumentError, match="1-d integer tensor, found float32"):
        call("vm.builtin.tensor_to_shape", x)
    with pytest.raises(ArgumentError, match="expected a tensor, found int"):
        call("vm.builtin.shape_of", 3)


def test_reshape_shares_memory() -> None:
    x = tensor(np.arange(6))
    y = call("vm.builtin.reshape", x, Shape((3, -1)))
    y[0, 0] = 9
    assert y.shape == (3, 2) and x.numpy()[0] == 9
    assert call("vm.builtin.reshape", np.zeros((0, 3)), Shape((3, 0))).shape == (3, 0)
    for bad in [(4,), (-1, 4), (-1, -1), (-1, 0)]:
        with pytest.raises(ArgumentError, match="reshape"):
            call("vm.builtin.reshape", x, Shape(bad))


def test_values() -> None:
    x = tensor([1, 2])
    assert call("vm.builtin.copy", x).data_ptr() == x.data_ptr()
    assert call("vm.builtin.tensor_copy", x).data_ptr() != x.data_ptr()
    assert call("vm.builtin.null_value") is None
    assert call("vm.builtin.tuple_getitem", call("vm.builtin.make_tuple", 5, "a"), 1) == "a"
    assert call("vm.builtin.read_if_cond", np.array(True)) is True
    assert call("vm.builtin.to_device", x, 1, 0).data_ptr() == x.data_ptr()
    assert call("vm.builtin.to_device", x, 0).data_ptr() == x.data_ptr()
    assert call("vm.builtin.get_global_func", "vm.builtin.copy")(7) == 7
    with pytest.raises(ArgumentError, match="no device number 2"):
        call("vm.builtin.to_device", x, 2)
    assert call("vm.builtin.make_shape_tuple", 2, 3) == (2, 3)
    for bad in [((1,), 1), ((1,), -1), (1, 0)]:
        with pytest.raises(ArgumentError, match="tuple_getitem: no item"):
            call("vm.builtin.tuple_getitem", *bad)
    with pytest.raises(ArgumentError, match="expected a shape, found str"):
        call("vm.builtin.reshape", x, "shape")
    with pytest.raises(ArgumentError, match="not available"):
        call("vm.builtin.to_device", x, 8, 0)


def test_print(capsys: pytest.CaptureFixture[str]) -> None:
    call("relax.run.print", "x = {}, n = {}", np.array([1, 2]), 3)
    call("relax.run.print", np.array([1, 2]), 4)
    assert capsys.readouterr().out == "x = [1 2], n = 3\n[1 2] 4\n"


def test_assert() -> None:
    call("relax.run.assert_op", np.array(True), "fine")
    with pytest.raises(AssertionError, match="bad value 7"):
        call("relax.run.assert_op", np.array(False), "bad value {}", 7)
    with pytest.raises(AssertionError, match="assertion failed"):
        call("relax.run.assert_op", False)
    with pytest.raises(ArgumentError, match="boolean scalar, found int64"):
        call("relax.run.assert_op", np.array(3))


@pytest.mark.parametrize(
    "x", [np.array([[0, 2], [3, 0]]), np.zeros((0, 2)), np.array(5.0), np.array(0), np.zeros(3)]
)
def test_nonzero(x: np.ndarray) -> None:
    got = call("relax.run.nonzero", x).numpy()
    expected = np.argwhere(np.atleast_1d(x)).T if x.ndim == 0 else np.argwhere(x).T
    assert got.dtype == "int64"
    np.testing.assert_array_equal(got, expected)


def test_unique() -> None:
    x = np.array([3, 1, 3, 2, 1], "float32")
    assert values(call("relax.run.unique", x)) == [1, 2, 3]
    assert values(call("relax.run.unique", x, 1, 1, 1, 1)) == [
        [1, 2, 3], [1, 3, 0], [2, 0, 2, 1, 0], [2, 1, 2]
    ]  # fmt: skip
    assert values(call("relax.run.unique", x, 0, 1, 1, 1)) == [
        [3, 1, 2], [0, 1, 3], [0, 1, 0, 2, 1], [2, 2, 1]
    ]  # fmt: skip
    rows = np.array([[2, 1], [0, 0], [2, 1]])
    assert values(call("relax.run.unique", rows, 0, 0, 1, 0, 0)) == [[[2, 1], [0, 0]], [0, 1, 0]]
    assert values(call("relax.run.unique", rows, 1, 0, 0, 0, None)) == [0, 1, 2]


def test_multinomial() -> None:
    prob = np.array([[0.2, 0.8], [1.0, 0.0]], "float32")
    draws = np.array([[0.1], [0.3], [0.5]], "float32")
    rows = np.array([[0], [0], [1]])
    got = call("relax.run.multinomial_from_uniform", prob, draws, rows)
    assert values(got) == [[0], [1], [0]]
    with pytest.raises(RuntimeFailure, match="row that does not exist"):
        call("relax.run.multinomial_from_uniform", prob, draws, rows + 5)
