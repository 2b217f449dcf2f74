"""What callers may pass to a function, turned into what registers hold, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tilewright.ffi import Array, Shape, core
from tilewright.support.errors import ArgumentError, listing

from ..executable import VMFunction
from ..ndarray import Tensor, from_dlpack, from_numpy, tensor


def prepare(value: Any) -> Any:
    """The argument as a register holds it; memory is shared wherever it can be.

    NumPy arrays that are compact, aligned, writable and of native byte order are not copied.
    """
    convert = _CONVERTERS.get(type(value))
    return _prepare_other(value) if convert is None else convert(value)


def _prepare_other(value: Any) -> Any:
    for cls, convert in _CONVERTERS.items():
        if isinstance(value, cls):
            return convert(value)
    return _from_foreign(value) if hasattr(value, "__dlpack__") else value


def _from_foreign(value: Any) -> Any:
    """Another package's tensor: shared, or copied where it is not compact, as NumPy arrays are."""
    shared = from_dlpack(value)
    return shared if shared.is_contiguous() else tensor(shared)


_KINDS = {"iu": "1248", "f": "248", "b": "1"}
_DIRECT = frozenset(
    np.dtype(f"{kind}{size}") for kinds, sizes in _KINDS.items()
    for kind in kinds for size in sizes
)  # fmt: skip


def _from_array(array: np.ndarray[Any, Any]) -> Any:
    if not array.flags.carray:  # compact, aligned and writable
        return tensor(array)
    if array.dtype in _DIRECT:
        return core.from_dlpack(array)
    return from_numpy(array) if array.dtype.isnative else tensor(array)


def _from_items(value: Any) -> tuple[Any, ...]:
    return tuple(prepare(item) for item in value)


def _same(value: Any) -> Any:
    return value


_CONVERTERS: dict[type, Callable[[Any], Any]] = {
    np.generic: lambda value: tensor(np.asarray(value)),  # before float: np.float64 is one
    np.ndarray: _from_array,
    **dict.fromkeys((Tensor, int, float, bool, str, type(None), Shape), _same),
    core.Tensor: from_dlpack,  # made before this package was imported, or by another one
    **dict.fromkeys((tuple, list, Array), _from_items),
}


def own(value: Any) -> Any:
    """The argument as a register holds it, sharing no memory with NumPy arrays."""
    if isinstance(value, np.ndarray):
        return tensor(value)
    if isinstance(value, (tuple, list, Array)) and not isinstance(value, Shape):
        return tuple(own(item) for item in value)
    return prepare(value)


def result(value: Any) -> Any:
    """What a caller gets for the value of a register: tuples become ffi arrays, as in TVM."""
    if type(value) is tuple:
        return Array([result(item) for item in value])
    return value


def unpack(value: Any) -> Any:
    """Nested ffi arrays as nested tuples."""
    if isinstance(value, (Array, list)) or type(value) is tuple:
        return tuple(unpack(item) for item in value)
    return value


def bind(function: VMFunction, args: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments in the order of the parameters. Raises `ArgumentError` if they do not fit."""
    params = function.params
    if not named:
        if len(args) != len(params):
            raise ArgumentError(_wrong_number(function, len(args)))
        return tuple(args)
    unknown = [name for name in named if name not in params]
    if unknown:
        raise ArgumentError(
            f"{function.name} has no parameter {listing(unknown)}",
            hint=f"its parameters are {listing(params) or 'none'}",
        )
    twice = [name for name in params[: len(args)] if name in named]
    if twice:
        raise ArgumentError(f"{function.name}: {listing(twice)} given by position and by name")
    missing = [name for name in params[len(args) :] if name not in named]
    if missing or len(args) > len(params):
        raise ArgumentError(
            f"{function.name}: no value for {listing(missing)}"
            if missing
            else _wrong_number(function, len(args))
        )
    return (*args, *(named[name] for name in params[len(args) :]))


def _wrong_number(function: VMFunction, given: int) -> str:
    expected = len(function.params)
    plural = "" if expected == 1 else "s"
    names = f" ({listing(function.params)})" if function.params else ""
    return f"{function.name} takes {expected} argument{plural}{names}, {given} given"
