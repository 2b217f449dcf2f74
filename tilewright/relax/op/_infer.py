"""Struct-info rules that many operators share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ..base import StructInfo
from ..dims import Dims, is_different, is_equal
from ..struct_info import PrimStructInfo, ShapeStructInfo, TensorStructInfo, TupleStructInfo


def tensor(info: StructInfo | None, what: str = "the argument") -> TensorStructInfo:
    """`info` if it is a tensor's. Raises `CompileError` otherwise."""
    if not isinstance(info, TensorStructInfo):
        raise CompileError(
            f"{what} must be a tensor, found `{info}`",
            hint="give a variable of R.Tensor(...), or R.const(value, dtype)",
        )
    return info


def tensors(info: StructInfo | None, what: str = "the argument") -> list[TensorStructInfo]:
    """The items of a tuple of tensors."""
    if not isinstance(info, TupleStructInfo):
        raise CompileError(f"{what} must be a tuple of tensors, found `{info}`")
    return [tensor(item, f"item {i} of {what}") for i, item in enumerate(info.items)]


def shape(info: StructInfo | None, what: str = "the shape") -> ShapeStructInfo:
    """`info` if it is a shape's."""
    if not isinstance(info, ShapeStructInfo):
        raise CompileError(f"{what} must be a shape, found `{info}`")
    return info


def like(
    info: TensorStructInfo, dims: Sequence[Any] | None, ndim: int = -1, dtype: str | None = None
) -> TensorStructInfo:
    """A tensor on the device of `info`, with its dtype unless given."""
    given = None if dims is None else tuple(dims)
    return TensorStructInfo(given, info.dtype if dtype is None else dtype, info.vdevice, ndim)  # type: ignore[arg-type]


def made(
    dims: Sequence[Any] | None, dtype: str, vdevice: Any = None, ndim: int = -1
) -> TensorStructInfo:
    """A tensor of these dimensions (None: not known one by one)."""
    given: Any = None if dims is None else tuple(dims)
    return TensorStructInfo(given, dtype, vdevice, ndim)


def same_as_first(*infos: Any) -> StructInfo:
    """The result is like the first argument."""
    return tensor(infos[0], "the first argument")


def float_unary(*infos: Any) -> StructInfo:
    """Like the first argument, which must be floating."""
    info = tensor(infos[0], "the first argument")
    if info.dtype and not dtype_of(info.dtype).is_float:
        raise CompileError(f"the argument must be floating point, found {info.dtype}")
    return info


def with_dtype(dtype: str) -> Callable[..., StructInfo]:
    """The shape of the first argument, with `dtype`."""

    def infer(*infos: Any) -> StructInfo:
        info = tensor(infos[0], "the first argument")
        return TensorStructInfo(info.shape, dtype, info.vdevice, info.ndim)

    return infer


def common_dtype(*infos: TensorStructInfo) -> str:
    """The one dtype of all; "" if some are unknown. Raises `CompileError` if they differ."""
    known = {info.dtype for info in infos if info.dtype}
    if len(known) > 1:
        raise CompileError(
            f"the dtypes differ: {', '.join(info.dtype for info in infos)}",
            hint="convert one, as in R.astype(x, dtype), or give R.const(value, dtype)",
        )
    unknown = any(not info.dtype for info in infos)
    return "" if unknown or not known else known.pop()


def is_one(dim: PrimExpr) -> bool:
    """True for the constant 1."""
    return isinstance(dim, IntImm) and dim.value == 1


def broadcast_dims(a: Dims, b: Dims) -> Dims | None:
    """The shape of an elementwise result, as NumPy aligns shapes; None if it depends on unknowns.

    Raises `CompileError` if no values of the symbols make the two fit.
    """
    rank = max(len(a), len(b))
    one = IntImm("int64", 1)
    padded = [(one,) * (rank - len(s)) + tuple(s) for s in (a, b)]
    out: list[PrimExpr] = []
    for axis, (x, y) in enumerate(zip(*padded, strict=True)):
        if is_one(x) or is_equal(x, y):
            out.append(y)
        elif is_one(y):
            out.append(x)
        elif isinstance(x, IntImm) and isinstance(y, IntImm):
            raise CompileError(
                f"shapes {list(a)} and {list(b)} do not broadcast: axis {axis} has {x} and {y}",
                hint="sizes must be equal or 1; R.expand_dims and R.reshape add axes of 1",
            )
        else:
            return None
    return tuple(out)


def broadcast(*infos: TensorStructInfo, dtype: str | None = None) -> TensorStructInfo:
    """The result of an elementwise operation on tensors that broadcast together."""
    result = common_dtype(*infos) if dtype is None else dtype
    vdevice = next((i.vdevice for i in infos if i.vdevice is not None), None)
    ranks = [i.ndim for i in infos]
    rank = -1 if -1 in ranks else max(ranks)
    total: Dims | None = ()
    for info in infos:
        dims = info.dims
        total = None if total is None or dims is None else broadcast_dims(total, dims)
    if total is None:
        first = infos[0].shape
        if first is not None and all(i.shape is first for i in infos):
            return TensorStructInfo(first, result, vdevice, rank)
    return TensorStructInfo(total, result, vdevice, rank)  # type: ignore[arg-type]


def operands(a: StructInfo | None, b: StructInfo | None) -> tuple[TensorStructInfo, ...]:
    """Two tensors; one of them may be a number (`R.prim_value`), which counts as a tensor of no
    dimensions. Raises `CompileError` for other arguments."""
    if isinstance(a, PrimStructInfo) and isinstance(b, TensorStructInfo):
        a = made((), a.dtype)
    elif isinstance(b, PrimStructInfo) and isinstance(a, TensorStructInfo):
        b = made((), b.dtype)
    return tensor(a, "the first argument"), tensor(b, "the second argument")


def binary(a: Any, b: Any, *rest: Any) -> StructInfo:
    """Two tensors that broadcast, or one and a number; the result has their dtype."""
    return broadcast(*operands(a, b))


def comparison(a: Any, b: Any) -> StructInfo:
    """Two tensors that broadcast, or one and a number; the result is boolean."""
    x, y = operands(a, b)
    common_dtype(x, y)
    return broadcast(x, y, dtype="bool")


def normalize_axis(axis: int, ndim: int, what: str = "axis") -> int:
    """`axis` counted from the front. Raises `CompileError` if it is out of range."""
    if ndim == -1:
        return axis
    if not -ndim <= axis < ndim:
        raise CompileError(
            f"{what} {axis} is out of range for a tensor of {ndim} dimensions",
            hint=f"write an axis from {-ndim} to {ndim - 1}" if ndim else "a scalar has no axes",
        )
    return axis % ndim


def normalize_axes(axes: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """The axes counted from the front, sorted; all if `axes` is None. Repeats are errors."""
    if axes is None:
        return tuple(range(ndim))
    listed = (axes,) if isinstance(axes, int) else tuple(axes)
    out = tuple(sorted(normalize_axis(axis, ndim) for axis in listed))
    if len(set(out)) != len(out):
        raise CompileError(f"an axis is given twice in {list(listed)}")
    return out


def reduction(x: Any, axis: Any, keepdims: bool, dtype: str | None = None) -> TensorStructInfo:
    """`x` reduced over `axis` (None: all); reduced axes stay with extent 1 if `keepdims`."""
    info = tensor(x)
    if info.ndim == -1:
        done = axis is None and not keepdims
        return like(info, () if done else None, dtype=dtype)
    gone = normalize_axes(axis, info.ndim)
    rank = info.ndim if keepdims else info.ndim - len(gone)
    if info.dims is None:
        return like(info, () if rank == 0 else None, rank, dtype)
    one = IntImm("int64", 1)
    dims = [one if i in gone else d for i, d in enumerate(info.dims) if keepdims or i not in gone]
    return like(info, dims, dtype=dtype)


_UNPROVED: ContextVar[list[tuple[PrimExpr, PrimExpr]] | None] = ContextVar("unproved", default=None)


@contextmanager
def unproved() -> Iterator[list[tuple[PrimExpr, PrimExpr]]]:
    """Collects the dimensions that rules inside require to be equal and cannot prove to be."""
    found: list[tuple[PrimExpr, PrimExpr]] = []
    token = _UNPROVED.set(found)
    try:
        yield found
    finally:
        _UNPROVED.reset(token)


def require_equal(a: PrimExpr, b: PrimExpr, what: str) -> None:
    """Raises `CompileError` if the two dimensions are proved to differ; what is not proved
    either way is for the program to check when it runs (see `unproved`)."""
    if is_different(a, b):
        raise CompileError(
            f"{what}: {a} and {b} differ",
            hint="R.permute_dims exchanges axes, R.reshape gives another shape",
        )
    collected = _UNPROVED.get()
    if collected is not None and not is_equal(a, b):
        collected.append((a, b))
