"""What the operators share: axes, dimensions, constants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from .. import te
from ..ir.expr import IntImm, PrimExpr, PrimExprLike, Range, as_scalar
from ..ir.structural import structural_equal
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..te.reducer import as_tuple
from ..te.tensor import Tensor, as_shape
from ..tir import op
from ..tir.expr import IterVar, Var
from ..tir.op import simplified
from .kinds import Axes, Sizes

Dim: TypeAlias = "PrimExpr | int"
Indices: TypeAlias = "Sequence[PrimExpr]"


def get_const_int(expr: Any) -> int:
    """`expr` as an `int`. Raises `ArgumentError` if it is not constant."""
    if isinstance(expr, (int, np.integer)):
        return int(expr)
    if isinstance(expr, PrimExpr):
        expr = expr if isinstance(expr, IntImm) else simplified(expr)
        if isinstance(expr, IntImm):
            return expr.value
    raise ArgumentError(f"expected a constant integer, found {expr}")


def get_const_float(expr: Any) -> float:
    """`expr` as a `float`. Raises `ArgumentError` if it is not constant."""
    if isinstance(expr, (int, float, np.number)):
        return float(expr)
    made = op.const_value(expr)
    if made is None:
        raise ArgumentError(f"expected a constant number, found {expr}")
    return float(made)


def get_const_tuple(in_tuple: Iterable[Any]) -> tuple[Any, ...]:
    """The values as `int`s where they are constant; variables and expressions stay."""
    return tuple(v.value if isinstance(v, IntImm) else v for v in in_tuple)


def const_or_none(value: Any) -> int | None:
    """`value` as an `int`, or None if it is not constant."""
    if isinstance(value, (int, np.integer)):
        return int(value)
    return value.value if isinstance(value, IntImm) else None


def simplify(expr: Any) -> Any:
    """`expr` simplified if it is an expression."""
    return simplified(expr) if isinstance(expr, PrimExpr) else expr


def equal_const_int(expr: Any, value: int) -> bool:
    """True if `expr` is the constant `value`."""
    return const_or_none(expr) == value


def same_dim(a: Dim, b: Dim) -> bool:
    """True if the two dimensions are known to be equal, whatever their integer types."""
    x, y = const_or_none(a), const_or_none(b)
    if x is not None or y is not None:
        return x == y
    return a is b or structural_equal(a, b)


def index_dtype(*tensors: Any) -> str:
    """The type of indices into `tensors`: `int64` if one has such a dimension, else `int32`."""
    wide = any(d.dtype == "int64" for t in tensors if isinstance(t, Tensor) for d in t.shape)
    return "int64" if wide else "int32"


def as_dim(value: Any, dtype: str) -> PrimExpr:
    """`value` as a dimension of type `dtype`."""
    if isinstance(value, IntImm):
        return value if value.dtype == dtype else IntImm(dtype, value.value)
    return op.cast(as_scalar(value, dtype), dtype)


def as_dims(values: Sizes, like: str) -> tuple[PrimExpr, ...]:
    """The values, one or several, as dimensions of type `like`."""
    return tuple(as_dim(v, like) for v in as_tuple(values))


def reduce_over(extent: Any, name: str, dtype: str) -> IterVar:
    """A new reduction axis from 0 to `extent` whose variable is of type `dtype`."""
    dom = Range(IntImm(dtype, 0), as_dim(extent, dtype))
    return IterVar(dom, Var(name, dtype), IterVar.CommReduce)


def normalize_axis(axis: Axes, ndim: int, what: str = "axis") -> int:
    """`axis` counted from the front. Raises `ArgumentError` if it is out of range."""
    value = get_const_int(axis)
    if not -ndim <= value < ndim:
        raise ArgumentError(f"{what} {value} is out of range for {ndim} dimensions")
    return value + ndim if value < 0 else value


def normalize_axes(axes: Axes, ndim: int) -> tuple[int, ...]:
    """The axes counted from the front, sorted, each once; all of them for None."""
    if axes is None:
        return tuple(range(ndim))
    given = as_tuple(axes)
    found = [normalize_axis(a, ndim) for a in given]
    if len(set(found)) != len(found):
        raise ArgumentError(f"an axis is named twice in {list(given)}")
    return tuple(sorted(found))


def product(dims: Iterable[Any], dtype: str = "int32") -> PrimExpr:
    """The product of dimensions, constants multiplied first."""
    constant = 1
    result: PrimExpr | None = None
    for dim in dims:
        value = const_or_none(dim)
        if value is not None:
            constant *= value
        else:
            result = dim if result is None else result * dim
    if result is None or constant == 0:
        return IntImm(dtype, constant)
    return result if constant == 1 else result * constant


def offset(value: Any, constant: int) -> Any:
    """`value + constant`, a negative constant subtracted."""
    if isinstance(value, IntImm):
        return IntImm(value.dtype, value.value + constant)
    if constant < 0:
        return value - (-constant)
    return value + constant if constant else value


def window_count(
    extent: Any, before: Any, after: Any, span: Any, stride: int, ceil_mode: bool = False
) -> Any:
    """How many windows of `span` elements, `stride` apart, fit into a padded dimension."""
    total = const_or_none(before), const_or_none(after), const_or_none(span)
    slack = stride - 1 if ceil_mode else 0
    if None not in total:
        constant = total[0] + total[1] - total[2] + stride + slack  # type: ignore[operator]
        made = offset(extent, constant)
    else:
        made = extent + before + after - span + (stride + slack)
    return made if stride == 1 else made // stride


def as_list(value: Any, count: int, what: str) -> list[Any]:
    """`value`, one number or a sequence of them, as `count` numbers."""
    given = list(as_tuple(value))
    if len(given) == 1:
        return given * count
    if len(given) != count:
        raise ArgumentError(f"{what} needs {count} numbers, found {len(given)}: {given}")
    return given


def as_tensor(value: Any, like: Tensor | None = None) -> Tensor:
    """`value`, a tensor or a number, as a tensor (a number has no dimensions)."""
    if isinstance(value, Tensor):
        return value
    constant = as_scalar(value, like.dtype if like is not None else None)
    made: Tensor = te.compute((), lambda: constant, name="T_constant")
    return made


def compute(
    shape: Sequence[Any], function: Callable[..., Any], name: str, tag: str, **attrs: Any
) -> Tensor:
    """`te.compute` of one output whose axes are `ax0`, `ax1`..."""
    dims = as_shape(list(shape))
    names = [f"ax{i}" for i in range(len(dims))]
    made: Tensor = te.compute(dims, lambda *i: function(*i), name, tag, attrs, varargs_names=names)
    return made


def flat_index(indices: Indices, shape: Sequence[PrimExpr], dtype: str = "int32") -> PrimExpr:
    """The row-major position of `indices`; dimensions of 1 contribute nothing."""
    result: PrimExpr | None = None
    for index, extent in zip(indices, shape, strict=True):
        if equal_const_int(extent, 1):
            continue
        result = index if result is None else result * extent + index
    return IntImm(dtype, 0) if result is None else result


def unflatten(flat: PrimExpr, shape: Sequence[PrimExpr]) -> list[PrimExpr]:
    """The indices at row-major position `flat`; 0 in dimensions of 1."""
    out: list[PrimExpr] = []
    inner: PrimExpr = IntImm(flat.dtype, 1)
    outermost = next((i for i, d in enumerate(shape) if not equal_const_int(d, 1)), None)
    for axis in reversed(range(len(shape))):
        extent = shape[axis]
        if equal_const_int(extent, 1):
            out.append(IntImm(extent.dtype, 0))
            continue
        quotient = flat // inner
        out.append(quotient if axis == outermost else quotient % extent)
        inner = extent if equal_const_int(inner, 1) else inner * extent
    return out[::-1]


def require_rank(tensor: Tensor, ranks: Any, who: str) -> None:
    """Raises `ArgumentError` unless `tensor` has one of `ranks` dimensions."""
    allowed = as_tuple(ranks)
    if tensor.ndim not in allowed:
        wanted = " or ".join(str(r) for r in allowed)
        raise ArgumentError(
            f"{who}: `{tensor.name}` needs {wanted} dimensions, found {tensor.ndim}"
        )


def _may_equal(a: Dim, b: Dim) -> bool:
    x, y = const_or_none(a), const_or_none(b)
    return x is None or y is None or x == y


def require_shape(tensor: Tensor, shape: Sequence[Dim], who: str) -> None:
    """Raises `ArgumentError` unless `tensor` may have `shape`: as many dimensions, and no constant
    that differs."""
    if tensor.ndim != len(shape) or not all(map(_may_equal, tensor.shape, shape)):
        raise ArgumentError(
            f"{who}: `{tensor.name}` is of shape {_shown(tensor.shape)}, expected {_shown(shape)}"
        )


def _shown(shape: Sequence[Dim]) -> str:
    sizes = (const_or_none(dim) for dim in shape)
    return f"({', '.join(str(d if n is None else n) for d, n in zip(shape, sizes, strict=True))})"


def truth(value: PrimExprLike) -> PrimExpr:
    """Whether a condition holds, or a number is not zero (NaN is not)."""
    value = as_scalar(value)
    if dtype_of(value.dtype).is_bool:
        return value
    return op.not_equal(value, op.const(0, value.dtype))


def is_float(dtype: str) -> bool:
    """True for floating-point types."""
    return dtype_of(dtype).is_float


def is_wide_float(dtype: str) -> bool:
    """True for types in which sums may be accumulated: float32 and float64."""
    info = dtype_of(dtype)
    return info.is_float and info.bits >= 32


from .helpers import *  # noqa: E402
