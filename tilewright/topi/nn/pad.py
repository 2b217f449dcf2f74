"""Tensors with a border: of a constant, mirrored, repeated or wrapped around."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.expr import PrimExpr, as_scalar
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..utils import as_dim, compute, const_or_none, offset

__all__ = ["circular_pad", "mirror_pad", "pad", "reflect_pad", "replicate_pad"]


def _amounts(data: Tensor, before: Sequence[Any], after: Any, who: str) -> list[tuple[Any, Any]]:
    behind = before if after is None else after
    if len(before) != data.ndim or len(behind) != data.ndim:
        raise ArgumentError(
            f"{who}: {len(before)} and {len(behind)} amounts for {data.ndim} dimensions"
        )
    return [(_amount(b), _amount(a)) for b, a in zip(before, behind, strict=True)]


def _amount(value: Any) -> Any:
    constant = const_or_none(value)
    return value if constant is None else constant


def _grown(dim: PrimExpr, before: Any, after: Any) -> PrimExpr:
    if isinstance(before, int) and isinstance(after, int):
        made: PrimExpr = offset(dim, before + after)
        return made
    return op.add(op.add(dim, as_dim(before, dim.dtype)), as_dim(after, dim.dtype))


def _shifted(index: PrimExpr, before: Any) -> PrimExpr:
    if isinstance(before, int):
        made: PrimExpr = offset(index, -before)
        return made
    return op.subtract(index, as_dim(before, index.dtype))


def pad(
    data: Tensor,
    pad_before: Sequence[Any],
    pad_after: Sequence[Any] | None = None,
    pad_value: Any = 0.0,
    name: str = "PadInput",
    attrs: dict[str, Any] | None = None,
    tag_name: str = tag.INJECTIVE,
) -> Tensor:
    """`data` with `pad_value` around it; negative amounts cut away."""
    amounts = _amounts(data, pad_before, pad_after, "pad")
    value = pad_value() if isinstance(pad_value, Tensor) else as_scalar(pad_value, data.dtype)
    value = op.cast(value, data.dtype)
    shape = [_grown(d, b, a) for d, (b, a) in zip(data.shape, amounts, strict=True)]

    def element(*i: PrimExpr) -> PrimExpr:
        inside: PrimExpr = op.const(1, "bool")
        own = []
        for index, dim, (before, after) in zip(i, data.shape, amounts, strict=True):
            if not isinstance(before, int) or before > 0:
                first = as_dim(before, index.dtype)
                inside = op.logical_and(inside, op.greater_equal(index, first))
            if not isinstance(after, int) or after > 0:
                end = op.add(dim, as_dim(before, dim.dtype)) if before != 0 else dim
                inside = op.logical_and(inside, op.less(index, end))
            own.append(_shifted(index, before))
        return op.if_then_else(inside, data(*own), value)

    return compute(shape, element, name, tag_name, **(attrs or {}))


def _bordered(
    data: Tensor,
    pad_before: Sequence[Any],
    pad_after: Sequence[Any] | None,
    name: str,
    place: Callable[[PrimExpr, PrimExpr], PrimExpr],
) -> Tensor:
    """`data` with a border whose elements `place(index, extent)` finds inside."""
    amounts = _amounts(data, pad_before, pad_after, name)
    shape = [_grown(d, b, a) for d, (b, a) in zip(data.shape, amounts, strict=True)]

    def element(*i: PrimExpr) -> PrimExpr:
        own = []
        for index, dim, (before, after) in zip(i, data.shape, amounts, strict=True):
            shifted = _shifted(index, before)
            untouched = _at_most_zero(before) and _at_most_zero(after)
            own.append(shifted if untouched else place(shifted, dim))
        return data(*own)

    return compute(shape, element, name, tag.INJECTIVE)


def _at_most_zero(value: Any) -> bool:
    return isinstance(value, int) and value <= 0


def _mirror(index: PrimExpr, extent: PrimExpr, edge: int) -> PrimExpr:
    """The place of `index` when the border mirrors, the edge element repeated if `edge`.

    Borders longer than the tensor go to and fro.
    """
    one = const_or_none(extent) == 1 and not edge
    if one:
        return op.const(0, index.dtype)
    period = offset(op.multiply(extent, 2), 0 if edge else -2)
    if const_or_none(extent) is None and not edge:
        period = op.max(period, op.const(1, period.dtype))
    turned = op.floormod(index, period)
    return op.select(
        op.less(turned, extent), turned, op.subtract(offset(period, -1 if edge else 0), turned)
    )


def mirror_pad(
    data: Tensor,
    pad_before: Sequence[Any],
    pad_after: Sequence[Any] | None = None,
    mode: str = "SYMMETRIC",
    name: str = "MirrorPadInput",
) -> Tensor:
    """`data` with a border that mirrors it, with the edge (`SYMMETRIC`) or without (`REFLECT`)."""
    if mode not in ("SYMMETRIC", "REFLECT"):
        raise ArgumentError(f"mirror_pad: mode is SYMMETRIC or REFLECT, found {mode!r}")
    edge = int(mode == "SYMMETRIC")
    return _bordered(data, pad_before, pad_after, name, lambda i, n: _mirror(i, n, edge))


def reflect_pad(
    data: Tensor,
    pad_before: Sequence[Any],
    pad_after: Sequence[Any] | None = None,
    name: str = "ReflectPadInput",
) -> Tensor:
    """`data` with a border that mirrors it, the edge elements not repeated."""
    return _bordered(data, pad_before, pad_after, name, lambda i, n: _mirror(i, n, 0))


def replicate_pad(
    data: Tensor,
    pad_before: Sequence[Any],
    pad_after: Sequence[Any] | None = None,
    name: str = "ReplicatePadInput",
) -> Tensor:
    """`data` with a border that repeats its edge elements."""

    def clamp(index: PrimExpr, extent: PrimExpr) -> PrimExpr:
        return op.max(op.min(index, offset(extent, -1)), op.const(0, index.dtype))

    return _bordered(data, pad_before, pad_after, name, clamp)


def circular_pad(
    data: Tensor,
    pad_before: Sequence[Any],
    pad_after: Sequence[Any] | None = None,
    name: str = "CircularPadInput",
) -> Tensor:
    """`data` with a border that begins again at the other end."""
    return _bordered(data, pad_before, pad_after, name, op.floormod)
