"""Sequences and optional values, whose length and presence are known while importing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op
from ..values import Absent, Items

Expr = relax.Expr


@onnx_op("SequenceConstruct")
def sequence_construct(n: NodeContext) -> Result:
    """A sequence of the inputs."""
    return Items(tuple(n.value(i) for i in range(n.num_inputs)))


@onnx_op("SequenceEmpty")
def sequence_empty(n: NodeContext) -> Result:
    """A sequence of nothing."""
    return Items(())


def _position(n: NodeContext, index: int, size: int, last: int) -> int:
    found = int(n.require_constant(index, "the position").reshape(-1)[0])
    if not -size <= found <= last:
        raise n.error(f"position {found} in a sequence of {size}")
    return found + size if found < 0 else found


@onnx_op("SequenceAt")
def sequence_at(n: NodeContext) -> Result:
    """An item."""
    items = n.items(0)
    return items[_position(n, 1, len(items), len(items) - 1)]


@onnx_op("SequenceInsert")
def sequence_insert(n: NodeContext) -> Result:
    """The sequence with one more item, at a position or at the end."""
    items = n.items(0)
    place = _position(n, 2, len(items), len(items)) if n.has(2) else len(items)
    return Items((*items[:place], n.value(1), *items[place:]))


@onnx_op("SequenceErase")
def sequence_erase(n: NodeContext) -> Result:
    """The sequence without one item, by default the last."""
    items = n.items(0)
    if not items:
        raise n.error("an item of an empty sequence is erased")
    place = _position(n, 1, len(items), len(items) - 1) if n.has(1) else len(items) - 1
    return Items((*items[:place], *items[place + 1 :]))


@onnx_op("SequenceLength")
def sequence_length(n: NodeContext) -> Result:
    """The number of items."""
    return np.asarray(len(n.items(0)), "int64")


@onnx_op("ConcatFromSequence")
def concat_from_sequence(n: NodeContext) -> Result:
    """The items joined along an axis, or stacked along a new one."""
    exprs = [n.importer.as_expr(item) for item in n.items(0)]
    if not exprs:
        raise n.error("an empty sequence is joined")
    new = bool(n.attr("new_axis", 0))
    rank = exprs[0].struct_info.ndim + new
    axis = n.normalize_axis(int(n.attr("axis")), rank)
    if new:
        exprs = [n.emit(R.expand_dims(e, [axis])) for e in exprs]
    return exprs[0] if len(exprs) == 1 else R.concat(exprs, axis)


@onnx_op("SplitToSequence")
def split_to_sequence(n: NodeContext) -> Result:
    """Parts along an axis: of one size, of given sizes, or single slices."""
    axis = n.axis(default=0)
    size = n.shape(0)[axis]
    sizes = n.require_constant(1, "the sizes of the parts") if n.has(1) else np.asarray(1)
    if sizes.ndim == 0:
        if not isinstance(size, int):
            raise n.error("a symbolic dimension is split into parts of one size")
        ends = list(range(int(sizes), size, int(sizes)))
    else:
        ends = [int(e) for e in np.cumsum(sizes)[:-1]]
    starts, stops = [0, *ends], [*ends, size]
    drop = not n.has(1) and not n.attr("keepdims", 1)
    parts: list[Any] = []
    for start, stop in zip(starts, stops, strict=True):
        part = n.emit(R.strided_slice(n[0], [axis], [start], [stop]))
        parts.append(n.emit(R.squeeze(part, [axis])) if drop else part)
    return Items(tuple(parts))


@onnx_op("Optional")
def optional(n: NodeContext) -> Result:
    """A value that may be absent."""
    return n.value(0) if n.has(0) else Absent()


@onnx_op("OptionalHasElement")
def optional_has_element(n: NodeContext) -> Result:
    """Whether there is a value."""
    return np.asarray(n.has(0) and not isinstance(n.value(0), Absent))


@onnx_op("OptionalGetElement")
def optional_get_element(n: NodeContext) -> Result:
    """The value that is there."""
    value = n.value(0)
    if isinstance(value, Absent):
        raise n.error("the value of an absent optional is taken")
    return value
