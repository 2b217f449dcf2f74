"""The checks of arguments: each compiled once, each failing with expected and given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tilewright.ffi import core
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import ArgumentError

from ..device import Device
from ..executable import BindDim, CheckedDim, CheckShape, CheckTensor, VMFunction
from .dims import compile_dim, describe

Slots = list[int]
DimCheck = Callable[[Sequence[int], Slots], None]


class Subject:
    """What is checked, for messages: the function, the argument, and what it should be."""

    def __init__(self, function: VMFunction, context: str, expected: str) -> None:
        self.function = function
        self.context = context
        self.expected = expected

    def fail(self, given: str, note: str = "") -> ArgumentError:
        """The error that says so."""
        where = f"{self.function.name}: {self.context}" if self.context else self.function.name
        return ArgumentError(f"{where}: expected {self.expected}, found {given}", note=note)


def describe_value(value: Any) -> str:
    """`float32 tensor of shape (2, 3)` and the like."""
    if isinstance(value, core.Tensor):
        where = value.device
        place = "" if where.type == "cpu" else f" on {where}"
        return f"{value.dtype} tensor of shape {value.shape}{place}"
    if isinstance(value, tuple):
        return f"{type(value).__name__.lower()} of {len(value)}"
    return f"{type(value).__name__} {value!r:.60}"


def _dim_text(dim: CheckedDim, function: VMFunction) -> str:
    if dim is None:
        return "any"
    return (
        function.slot_name(dim.slot.index) if isinstance(dim, BindDim) else describe(dim, function)
    )


def _shape_text(dims: Sequence[CheckedDim], function: VMFunction) -> str:
    inner = ", ".join(_dim_text(d, function) for d in dims)
    return f"({inner},)" if len(dims) == 1 else f"({inner})"


def _compile_dims(dims: Sequence[CheckedDim], function: VMFunction) -> list[tuple[int, Any, Any]]:
    """Rows (axis, slot to bind or None, value to equal or None)."""
    rows: list[tuple[int, Any, Any]] = []
    bound: set[int] = set()
    for axis, dim in enumerate(dims):
        if isinstance(dim, BindDim) and dim.slot.index in bound:
            rows.append((axis, None, compile_dim(dim.slot)))
        elif isinstance(dim, BindDim):
            bound.add(dim.slot.index)
            rows.append((axis, dim.slot.index, None))
        elif dim is not None:
            rows.append((axis, None, compile_dim(dim)))
    return rows


def _check_dims(
    rows: list[tuple[int, Any, Any]], shape: Sequence[int], slots: Slots
) -> tuple[int, int] | None:
    """Binds the slots; the first axis that does not fit with what it should be, or None."""
    for axis, slot, value in rows:
        if slot is not None:
            slots[slot] = shape[axis]
            continue
        expected = value(slots)
        if shape[axis] != expected:
            return axis, expected
    return None


def compile_check_tensor(
    check: CheckTensor, function: VMFunction, devices: Sequence[Device]
) -> Callable[[Any, Slots], None]:
    """A function that checks a value and binds slots as `check` says."""
    dims, dtype = check.dims, check.dtype
    rows = _compile_dims(dims, function)
    device = devices[check.device_index]
    place = (device.device_type, device.device_id)
    subject = Subject(function, check.context, _tensor_text(check, function))
    itemsize = dtype_of(dtype).bytes // dtype_of(dtype).lanes if dtype is not None else 1
    rank = len(dims) if dims and check.ndim < 0 else check.ndim

    def run(value: Any, slots: Slots) -> None:
        if not isinstance(value, core.Tensor):
            raise subject.fail(describe_value(value))
        shape = value.shape
        if (rank >= 0 and len(shape) != rank) or (dtype is not None and value.dtype != dtype):
            raise subject.fail(f"a {describe_value(value)}")
        wrong = _check_dims(rows, shape, slots)
        if wrong is not None:
            axis, expected = wrong
            note = f"dimension {axis} should be {expected}, found {shape[axis]}"
            raise subject.fail(f"a {describe_value(value)}", note)
        if value.__dlpack_device__() != place:
            raise subject.fail(f"a tensor on {value.device}", f"it should be on {device}")
        if not value.is_contiguous():
            raise subject.fail(
                f"a tensor with strides {value.strides}", "make it compact: tensor(x)"
            )
        if value.data_ptr() % itemsize:
            raise subject.fail("a misaligned tensor", "make it aligned: tensor(x)")

    return run


def _tensor_text(check: CheckTensor, function: VMFunction) -> str:
    dtype = f"{check.dtype} " if check.dtype else ""
    if check.dims or check.ndim == 0:
        return f"a {dtype}tensor of shape {_shape_text(check.dims, function)}"
    return f"a {dtype}tensor" + (f" of rank {check.ndim}" if check.ndim >= 0 else "")


def compile_check_shape(check: CheckShape, function: VMFunction) -> Callable[[Any, Slots], None]:
    """A function that checks a value and binds slots as `check` says."""
    rows = _compile_dims(check.dims, function)
    rank = len(check.dims)
    subject = Subject(function, check.context, f"a shape {_shape_text(check.dims, function)}")

    def run(value: Any, slots: Slots) -> None:
        if not isinstance(value, tuple) or not all(type(d) is int for d in value):
            raise subject.fail(describe_value(value))
        if len(value) != rank:
            raise subject.fail(f"the shape {tuple(value)}")
        wrong = _check_dims(rows, value, slots)
        if wrong is not None:
            axis, expected = wrong
            note = f"dimension {axis} should be {expected}, found {value[axis]}"
            raise subject.fail(f"the shape {tuple(value)}", note)

    return run
