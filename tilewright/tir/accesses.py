"""What the indices and the mask of a load or a store may be, and the type that follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..ir.expr import PrimExpr, as_scalar
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from .buffer import Buffer

__all__ = ["access_dtype", "as_indices", "check_predicate"]

_SCALARS = frozenset(("int32", "int64"))


def as_indices(indices: Sequence[object]) -> tuple[PrimExpr, ...]:
    """A tuple of expressions from expressions and plain integers."""
    try:
        items = iter(indices)
    except TypeError:
        raise ArgumentTypeError(
            f"expected a list or a tuple of expressions, found {type(indices).__name__}",
            hint="write [i, j]",
        ) from None
    return tuple(i if isinstance(i, PrimExpr) else as_scalar(i) for i in items)


def access_dtype(buffer: Buffer, indices: Sequence[PrimExpr]) -> str:
    """The dtype of a value loaded from or stored to `buffer` at `indices`.

    All but the last index are scalars; the last one's lanes multiply the buffer's. Raises
    `ArgumentError` for others, and for another number of indices than dimensions.
    """
    if len(indices) != len(buffer.shape):
        raise ArgumentError(
            f"buffer `{buffer.name}` has {len(buffer.shape)} dimensions, indexed with "
            f"{len(indices)}"
        )
    if not indices:
        return buffer.dtype
    for axis, index in enumerate(indices[:-1]):
        if index.dtype not in _SCALARS and dtype_of(index.dtype).lanes > 1:
            raise ArgumentError(
                f"index {axis} of buffer `{buffer.name}` is a vector ({index.dtype}): only the "
                "last one may be"
            )
    lanes = dtype_of(indices[-1].dtype).lanes
    if lanes == 1:
        return buffer.dtype
    info = dtype_of(buffer.dtype)
    return info.with_lanes(info.lanes * lanes)


def check_predicate(predicate: PrimExpr, accessed: str, span: Any) -> None:
    """Raises `ArgumentError` for a mask that has not one `bool` for each lane of `accessed`."""
    if not isinstance(predicate, PrimExpr):
        raise ArgumentTypeError(f"the mask of an access is a vector of bool, found {predicate!r}")
    mask, info = dtype_of(predicate.dtype), dtype_of(accessed)
    if not mask.is_bool or mask.lanes != info.lanes:
        raise ArgumentError(
            f"an access of {accessed} is masked by {dtype_of('bool').with_lanes(info.lanes)}, "
            f"found {predicate.dtype}",
            span,
        )
