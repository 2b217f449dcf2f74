"""Sorting as GPU scripts call it; the Thrust forms need that library's packed functions."""

from __future__ import annotations

from typing import Any

from ... import te
from ...ffi import get_global_func
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ..sort import argsort as plain_argsort
from ..sort import sort, topk
from ..utils import normalize_axis

__all__ = [
    "argsort", "argsort_thrust", "sort", "sort_thrust", "topk", "topk_thrust",
]  # fmt: skip

SORT = "tvm.contrib.thrust.sort"


def argsort(
    data: Tensor,
    axis: int = -1,
    is_ascend: Any = 1,
    dtype: str = "float32",
    ret_type: str = "indices",
) -> Any:
    """Where the elements in order along `axis` come from, as `dtype`; with `ret_type` "both",
    the elements in order and that. Raises `ArgumentError` for another `ret_type`."""
    places = plain_argsort(data, None, axis, is_ascend, dtype)
    if ret_type == "indices":
        return places
    if ret_type != "both":
        raise ArgumentError(f"argsort: ret_type is 'indices' or 'both', found {ret_type!r}")
    return [sort(data, axis, is_ascend), places]


def _thrust_sort(data: Tensor, axis: int, is_ascend: Any, dtype: str, workspace: Any) -> Any:
    """Values and their places, sorted along the last axis by the library."""
    if get_global_func(SORT, allow_missing=True) is None:
        raise ArgumentError(
            f"sorting with Thrust needs the packed function {SORT}, which is not registered",
            hint="topi.gpu.sort, argsort and topk need no library",
        )
    if normalize_axis(axis, data.ndim) != data.ndim - 1:
        raise ArgumentError("sorting with Thrust is along the last axis")
    extra = [workspace] if workspace is not None else []
    return te.extern(
        [data.shape, data.shape],
        [data, *extra],
        lambda ins, outs: op.call_packed(SORT, ins[0], outs[0], outs[1], is_ascend, *ins[1:]),
        name="sort_thrust",
        dtype=[data.dtype, dtype],
    )


def sort_thrust(
    data: Tensor, axis: int = -1, is_ascend: Any = 1, workspace: Tensor | None = None
) -> Tensor:
    """`sort` by Thrust. Raises `ArgumentError` where the library is missing."""
    made: Tensor = _thrust_sort(data, axis, is_ascend, "int32", workspace)[0]
    return made


def argsort_thrust(
    data: Tensor,
    axis: int = -1,
    is_ascend: Any = 1,
    dtype: str = "float32",
    ret_type: str = "indices",
    workspace: Tensor | None = None,
) -> Any:
    """`argsort` by Thrust. Raises `ArgumentError` where the library is missing."""
    values, places = _thrust_sort(data, axis, is_ascend, dtype, workspace)
    return {"indices": places, "values": values, "both": [values, places]}[ret_type]


def topk_thrust(
    data: Tensor,
    k: int = 1,
    axis: int = -1,
    ret_type: str = "both",
    is_ascend: Any = False,
    dtype: str = "int64",
    workspace: Tensor | None = None,
) -> Any:
    """`topk` by Thrust. Raises `ArgumentError` where the library is missing."""
    values, places = _thrust_sort(data, axis, is_ascend, dtype, workspace)
    shape = [*data.shape[:-1], k]
    first = [te.compute(shape, lambda *i, t=t: t(*i), "topk") for t in (values, places)]
    return {"values": first[0], "indices": first[1], "both": first}[ret_type]
