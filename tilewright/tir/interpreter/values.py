"""Values when interpreted: integers are Python's, floats NumPy scalars, vectors NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...support.dtypes import DType, dtype_of
from ...support.errors import RuntimeFailure
from ..op import wrap
from ..op.arithmetic import c_div


def number_of(value: Any, dtype: str) -> Any:
    """An argument as a value of `dtype`."""
    info = dtype_of(dtype)
    if info.is_bool:
        return bool(value)
    if info.is_integral:
        return int(value)
    return info.numpy.type(value) if info.is_float else value


def as_scalar_of(value: Any) -> Any:
    """A NumPy scalar as the interpreter holds it."""
    kind = getattr(value, "dtype", np.dtype(object)).kind
    return int(value) if kind in "iu" else bool(value) if kind == "b" else value


def convert(value: Any, source: str, target: str) -> Any:
    """`value` as `target`: floats to integers round towards zero and saturate, NaN gives 0."""
    info = dtype_of(dtype_of(target).element)
    from_float = dtype_of(source).is_float
    if isinstance(value, np.ndarray):
        if from_float and info.is_integral and not info.is_bool:
            lanes = [convert(v, dtype_of(source).element, info.name) for v in value]
            return np.array(lanes, info.numpy)
        with np.errstate(all="ignore"):
            return _rounded_once(value, info)
    if info.is_bool:
        return bool(value)
    if info.is_integral:
        if not from_float:
            return wrap(int(value), info.name)
        if math.isnan(float(value)):
            return 0
        if math.isinf(float(value)):
            return int(info.max_value if value > 0 else info.min_value)
        return int(min(max(int(float(value)), info.min_value), info.max_value))
    with np.errstate(all="ignore"):
        if info.code == "float":
            return info.numpy.type(value)
        return _rounded_once(np.asarray(float(value)), info)[()]


def _rounded_once(value: Any, info: DType) -> Any:
    """`value` as `info` says. What is wider than float32 would be rounded twice on its way to a
    narrow float: it is rounded to odd first, which leaves a trace of what was cut off."""
    kind = info.numpy
    plain = not info.is_float or info.code == "float"
    if plain or value.dtype.itemsize < 4 or value.dtype == np.float32:
        return value.astype(kind)
    wide = value.astype(np.float64)
    near = wide.astype(np.float32)
    back = near.astype(np.float64)
    inexact = (back != wide) & ~np.isnan(wide)
    odd = (near.view(np.int32) - (np.abs(back) > np.abs(wide))) | 1
    return np.where(inexact, odd.astype(np.int32).view(np.float32), near).astype(kind)


def quotient(a: Any, b: Any) -> Any:
    """`a / b`, of integers rounded towards zero."""
    if isinstance(a, int):
        if b == 0:
            raise RuntimeFailure("integer division by zero")
        return c_div(a, b)
    return a / b


def floor_quotient(a: Any, b: Any) -> Any:
    """`a // b`."""
    if isinstance(b, int) and b == 0:
        raise RuntimeFailure("integer division by zero")
    return a // b


def floor_rest(a: Any, b: Any) -> Any:
    """`a % b`, with the sign of `b`."""
    if isinstance(b, int) and b == 0:
        raise RuntimeFailure("integer division by zero")
    return a % b


def vector_quotient(a: Any, b: Any) -> Any:
    """`quotient` lane by lane."""
    if np.asarray(a).dtype.kind in "iu":
        return np.trunc(np.asarray(a, np.float64) / b)
    return np.asarray(a) / b


def smaller(a: Any, b: Any) -> Any:
    """The smaller one; NaN if either is."""
    return a if a != a or a < b else b


def larger(a: Any, b: Any) -> Any:
    """The larger one; NaN if either is."""
    return a if a != a or a > b else b
