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

    All but the last index are scalars; the last one's lanes multiply the buffer's.
    """
    if not indices:
        return buffer.dtype
    lanes = dtype_of(indices[-1].dtype).lanes
    if lanes == 1:
        return buffer.dtype
    info = dtype_of(buffer.dtype)
    return info.with_lanes(info.lanes * lanes)


def check_predicate(predicate: PrimExpr, accessed: str, span: Any) -> None:
    """Raises `ArgumentError` for a mask that has not one `bool` for each lane of `accessed`."""
    mask, info = dtype_of(predicate.dtype), dtype_of(accessed)
    if not mask.is_bool or mask.lanes != info.lanes:
        raise ArgumentError(
            f"an access of {accessed} is masked by {dtype_of('bool').with_lanes(info.lanes)}, "
            f"found {predicate.dtype}",
            span,
        )
