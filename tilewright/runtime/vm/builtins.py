"""Packed functions that lowered programs call, under TVM's global names.

`@builtin(name)` files a function here (where the interpreter finds it without crossing the ABI) and
in the process-wide table of global functions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from tilewright.ffi import Array, Shape, get_global_func, register_func
from tilewright.support.errors import ArgumentError, RuntimeFailure

from ..device import cpu, device
from ..ndarray import Tensor, empty, tensor

BUILTINS: dict[str, Callable[..., Any]] = {}
F = TypeVar("F", bound=Callable[..., Any])


def builtin(name: str) -> Callable[[F], F]:
    """Registers a function for lowered programs."""

    def register(function: F) -> F:
        BUILTINS[name] = function
        if get_global_func(name, allow_missing=True) is None:
            register_func(name, function)
        return function

    return register


def _expect_tensor(value: Any, name: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise ArgumentError(f"{name}: expected a tensor, found {type(value).__name__}")
    return value


# ---- shapes ------------------------------------------------------------------------------------


@builtin("vm.builtin.shape_of")
def shape_of(value: Tensor) -> Any:
    """The shape of a tensor."""
    return Shape(_expect_tensor(value, "shape_of").shape)


@builtin("vm.builtin.reshape")
def reshape(value: Tensor, shape: Sequence[int]) -> Tensor:
    """A tensor of another shape over the same memory; one dimension may be -1."""
    source = _expect_tensor(value, "reshape")
    dims = _filled(source, _dims(shape, "reshape"))
    if int(np.prod(dims, dtype=object)) != source.numel():
        raise ArgumentError(
            f"reshape: cannot view a tensor of shape {source.shape} as {tuple(shape)}"
        )
    return source._create_view(tuple(dims))


def _dims(shape: Any, name: str) -> list[int]:
    if not isinstance(shape, (tuple, list, Array)) or not all(isinstance(d, int) for d in shape):
        raise ArgumentError(f"{name}: expected a shape, found {type(shape).__name__}")
    return [int(d) for d in shape]


def _filled(source: Tensor, dims: list[int]) -> list[int]:
    if dims.count(-1) != 1:
        return dims
    known = int(np.prod([d for d in dims if d != -1], dtype=object))
    if known == 0 or source.numel() % known:
        raise ArgumentError(f"reshape: {source.shape} does not divide into {tuple(dims)}")
    return [source.numel() // known if d == -1 else d for d in dims]


@builtin("relax.run.tensor_to_shape")
@builtin("vm.builtin.tensor_to_shape")
def tensor_to_shape(value: Tensor) -> Any:
    """The shape whose dimensions are the elements of a 1-d integer tensor."""
    source = _expect_tensor(value, "tensor_to_shape")
    array = source.numpy()
    if source.ndim != 1 or array.dtype.kind not in "iu":
        raise ArgumentError(
            f"tensor_to_shape: expected a 1-d integer tensor, found {source.dtype} "
            f"of shape {source.shape}"
        )
    return Shape([int(d) for d in array])


@builtin("relax.run.shape_to_tensor")
def shape_to_tensor(shape: Sequence[int]) -> Tensor:
    """A 1-d int64 tensor of the dimensions."""
    return tensor(np.array(_dims(shape, "shape_to_tensor"), np.int64))


@builtin("vm.builtin.make_shape_tuple")
def make_shape(*dims: int) -> Any:
    """The shape of these dimensions."""
    return Shape([int(d) for d in dims])


# ---- values ------------------------------------------------------------------------------------


@builtin("vm.builtin.copy")
def copy(value: Any) -> Any:
    """The value itself."""
    return value


@builtin("vm.builtin.null_value")
def null_value() -> None:
    """None."""


@builtin("vm.builtin.get_global_func")
def global_function(name: str) -> Any:
    """The global function called `name`."""
    return get_global_func(str(name))


@builtin("vm.builtin.make_tuple")
def make_tuple(*items: Any) -> Any:
    """The values as a tuple."""
    return tuple(items)


@builtin("vm.builtin.tuple_getitem")
def tuple_getitem(values: Sequence[Any], index: int) -> Any:
    """`values[index]`."""
    if not isinstance(values, (tuple, Array)) or not 0 <= index < len(values):
        raise ArgumentError(f"tuple_getitem: no item {index} in {type(values).__name__}")
    return values[index]


@builtin("vm.builtin.read_if_cond")
def read_if_cond(condition: Any) -> bool:
    """The condition as a truth value."""
    return bool(condition.item()) if isinstance(condition, Tensor) else bool(condition)


@builtin("vm.builtin.to_device")
def to_device(value: Tensor, device_type: int, device_id: int | None = None) -> Tensor:
    """A copy of the tensor on the device, or the tensor itself if it lies there.

    One number instead of two counts the program's devices; 0 is the host.
    """
    source = _expect_tensor(value, "to_device")
    if device_id is None and device_type != 0:
        raise ArgumentError(f"to_device: the program has no device number {device_type}")
    target = cpu(0) if device_id is None else device(int(device_type), int(device_id))
    return source if source.device == target else source.copyto(target)


@builtin("vm.builtin.alloc_tensor_heap")
def alloc_tensor(shape: Sequence[int], dtype: str) -> Tensor:
    """An uninitialized tensor."""
    return empty(tuple(shape), str(dtype))


@builtin("vm.builtin.tensor_copy")
def tensor_copy(value: Tensor) -> Tensor:
    """A copy of the tensor."""
    return tensor(_expect_tensor(value, "tensor_copy"))


@builtin("vm.builtin.call_tir_dyn")
def call_tir_dyn(function: Callable[..., Any], *args: Any) -> None:
    """Calls a kernel with the tensors given, then the dimensions of the shape that comes last."""
    *tensors, dims = args
    function(*tensors, *(int(d) for d in dims))


# ---- effects -----------------------------------------------------------------------------------


def _shown(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.numpy()
    return tuple(map(_shown, value)) if isinstance(value, (tuple, Array)) else value


def _formatted(text: Any, values: Sequence[Any]) -> str:
    shown = [_shown(value) for value in values]
    if isinstance(text, str) and text:
        return text.format(*shown)
    return " ".join(map(str, shown))


@builtin("relax.run.print")
def run_print(text: Any, *values: Any) -> None:
    """Prints `text.format(*values)`, or the values alone if the text is empty."""
    if not isinstance(text, str):
        text, values = "", (text, *values)
    sys.stdout.write(_formatted(text, values) + "\n")


@builtin("relax.run.assert_op")
def run_assert(condition: Any, text: Any = "", *values: Any) -> None:
    """Raises `AssertionError` with `text.format(*values)` unless the condition holds."""
    if isinstance(condition, Tensor):
        if condition.ndim or str(condition.dtype) != "bool":
            raise ArgumentError(
                f"assert: expected a boolean scalar, found {condition.dtype} "
                f"of shape {condition.shape}"
            )
        condition = condition.item()
    if not condition:
        message = _formatted(text, values)
        raise AssertionError(message or "assertion failed")


# ---- results whose shape depends on the data ---------------------------------------------------


@builtin("relax.run.nonzero")
def nonzero(value: Tensor) -> Tensor:
    """The indices of the nonzero elements: int64, one row a dimension, in row-major order."""
    array = _expect_tensor(value, "nonzero").view_numpy()
    rows = np.nonzero(array) if array.ndim else (np.zeros(int(array != 0), np.int64),)
    return tensor(np.stack(rows).astype(np.int64))


@builtin("relax.run.unique")
def unique(
    value: Tensor,
    sorted: int | bool = True,
    return_index: int | bool = False,
    return_inverse: int | bool = False,
    return_counts: int | bool = False,
    axis: int | None = None,
) -> Any:
    """The distinct elements (or slices along `axis`) and the extras asked for, as int64.

    Unsorted means: in order of first occurrence, as ONNX defines it.
    """
    source = _expect_tensor(value, "unique")
    array = source.numpy()
    values, index, inverse, counts = np.unique(
        array, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    if not sorted:
        order = np.argsort(index, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        values = np.take(values, order, axis=0 if axis is None else axis)
        index, inverse, counts = index[order], place[inverse], counts[order]
    inverse = inverse.reshape(-1) if axis is not None else inverse.reshape(array.shape).reshape(-1)
    asked = zip(
        (return_index, return_inverse, return_counts), (index, inverse, counts), strict=True
    )
    extras = [tensor(a.astype(np.int64)) for wanted, a in asked if wanted]
    return (tensor(values), *extras) if extras else tensor(values)


@builtin("relax.run.multinomial_from_uniform")
def multinomial_from_uniform(
    prob: Tensor, uniform_sample: Tensor, sample_indices: Tensor | None = None
) -> Tensor:
    """For each uniform sample the first index where the cumulative probability exceeds it."""
    weights = np.cumsum(prob.numpy().astype(np.float64), axis=-1)
    draws = uniform_sample.numpy().reshape(-1)
    rows = np.arange(len(draws)) if sample_indices is None else sample_indices.numpy().reshape(-1)
    if len(weights) == 0 or np.any(rows >= len(weights)):
        raise RuntimeFailure("multinomial: a sample refers to a row that does not exist")
    picked = (weights[rows] > draws[:, None]).argmax(axis=-1)
    return tensor(picked.astype(np.int64)[:, None])


__all__ = ["BUILTINS", "builtin"]
