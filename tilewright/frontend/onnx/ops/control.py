"""`If`, `Loop` and `Scan`, whose bodies are graphs.

A condition or a number of rounds that is known while importing is followed: the branch is imported
in place, the body once a round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from .... import relax
from ....ir.expr import PrimExpr
from ....relax import op as R
from ..node import ConstantNeeded, NodeContext, Result
from ..registry import onnx_op
from ..values import Items, Known, element_dtype

MAX_ROUNDS = 4096
"""Loops that go round more often than this are refused: each round is code of its own."""

Value = Any


@onnx_op("If")
def if_(n: NodeContext) -> Result:
    """The outputs of one of two graphs."""
    condition = n.require_constant(0, "the condition")
    branch = n.attr("then_branch" if condition.reshape(-1)[0] else "else_branch")
    return n.importer.subgraph(branch, [])


@onnx_op("Loop")
def loop(n: NodeContext) -> Result:
    """A body repeated up to a number of rounds while a condition holds.

    The last outputs are what the rounds gave, stacked.
    """
    body: onnx.GraphProto = n.attr("body")
    rounds = int(n.require_constant(0, "the number of rounds").reshape(-1)[0]) if n.has(0) else None
    going = bool(n.require_constant(1, "the condition").reshape(-1)[0]) if n.has(1) else True
    carried = [n.value(i) for i in range(2, n.num_inputs)]
    rows: list[list[Value]] = []
    count = 0
    while going and (rounds is None or count < rounds):
        if count >= MAX_ROUNDS:
            raise n.error(f"the loop goes round more than {MAX_ROUNDS} times")
        inputs = [np.asarray(count, "int64"), np.asarray(going), *carried]
        condition, *outputs = n.importer.subgraph(body, inputs)
        carried, row = outputs[: len(carried)], outputs[len(carried) :]
        rows.append(row)
        count += 1
        if rounds is None or n.has(1):
            going = _known_condition(n, body, condition)
    extra = len(body.output) - 1 - len(carried)
    stacked = [
        _stacked(n, [row[i] for row in rows], 0, body.output[1 + len(carried) + i])
        for i in range(extra)
    ]
    return [*carried, *stacked]


def _known_condition(n: NodeContext, body: onnx.GraphProto, condition: Value) -> bool:
    if isinstance(condition, np.ndarray) and condition.dtype != object:
        return bool(condition.reshape(-1)[0])
    error = ConstantNeeded("the condition of the loop is computed when the model runs", n.span)
    error.names = (body.output[0].name, *[name for name in n.proto.input if name])
    raise error


@onnx_op("SequenceMap")
def sequence_map(n: NodeContext) -> Result:
    """A body applied to the items of a sequence, with items of others and with tensors."""
    body: onnx.GraphProto = n.attr("body")
    values = [n.value(i) for i in range(n.num_inputs)]
    rows = []
    for i, item in enumerate(n.items(0)):
        others = [v.items[i] if isinstance(v, Items) else v for v in values[1:]]
        rows.append(n.importer.subgraph(body, [item, *others]))
    return [Items(tuple(row[i] for row in rows)) for i in range(len(body.output))]


@onnx_op("Scan", since=9)
def scan(n: NodeContext) -> Result:
    """A body applied to each slice of some inputs in turn, with state carried from one to the
    next."""
    count = int(n.attr("num_scan_inputs"))
    states = n.num_inputs - count
    ranks = [n.rank(states + i) for i in range(count)]
    given = n.attr("scan_input_axes", [0] * count)
    axes = [n.normalize_axis(int(a), r) for a, r in zip(given, ranks, strict=True)]
    backwards = n.attr("scan_input_directions", [0] * count)
    values = [n.value(i) for i in range(n.num_inputs)]
    return _scan(n, values[:states], values[states:], axes, backwards)


@onnx_op("Scan", since=8)
def scan_batched(n: NodeContext) -> Result:
    """The older form: each item of a batch on its own."""
    if n.has(0):
        raise n.error("Scan with lengths of sequences is not supported")
    count = int(n.attr("num_scan_inputs"))
    values = [n.value(i) for i in range(1, n.num_inputs)]
    states = len(values) - count
    size = n.shape(1)[0]
    if isinstance(size, PrimExpr):
        raise n.error("Scan needs a constant batch size")
    directions = n.attr("directions", [0] * count)
    rows = []
    for item in range(size):
        picked = [slice_at(n, v, item, 0) for v in values]
        rows.append(_scan(n, picked[:states], picked[states:], [0] * count, directions))
    outputs = n.attr("body").output
    return [_stacked(n, [row[i] for row in rows], 0, proto) for i, proto in enumerate(outputs)]


def _scan(
    n: NodeContext, state: list[Value], scanned: list[Value], axes: list[int], backwards: Any
) -> list[Value]:
    body: onnx.GraphProto = n.attr("body")
    length = _length(n, scanned[0], axes[0])
    rows = []
    for step in range(length):
        slices = [
            slice_at(n, value, length - 1 - step if back else step, axis)
            for value, axis, back in zip(scanned, axes, backwards, strict=True)
        ]
        outputs = n.importer.subgraph(body, [*state, *slices])
        state, row = outputs[: len(state)], outputs[len(state) :]
        rows.append(row)
    extra = len(body.output) - len(state)
    places = n.attr("scan_output_axes", [0] * extra)
    reverse = n.attr("scan_output_directions", [0] * extra)
    stacked = [
        _stacked(
            n, [row[i] for row in (rows[::-1] if reverse[i] else rows)], int(places[i]),
            body.output[len(state) + i],
        )
        for i in range(extra)
    ]  # fmt: skip
    return [*state, *stacked]


def _length(n: NodeContext, value: Value, axis: int) -> int:
    if isinstance(value, np.ndarray):
        return int(value.shape[axis])
    shape = value.struct_info.static_shape
    if shape is None:
        raise n.error("Scan needs a constant number of steps")
    if shape[axis] > MAX_ROUNDS:
        raise n.error(f"Scan over {shape[axis]} steps; at most {MAX_ROUNDS} are supported")
    return int(shape[axis])


def slice_at(n: NodeContext, value: Value, index: int, axis: int) -> Value:
    """One slice of a tensor, its axis dropped."""
    if isinstance(value, np.ndarray):
        return value.take(index, axis=axis)
    part = n.emit(R.strided_slice(value, [axis], [index], [index + 1]))
    return n.emit(R.squeeze(part, [axis]))


def _stacked(n: NodeContext, items: list[Value], axis: int, proto: onnx.ValueInfoProto) -> Value:
    """Values of the rounds along a new axis; an empty tensor if there were none."""
    if not items:
        return _none(proto)
    if all(isinstance(item, np.ndarray) and item.dtype != object for item in items):
        return np.stack(items, axis)
    exprs = [n.importer.as_expr(item) for item in items]
    rank = exprs[0].struct_info.ndim
    place = axis + rank + 1 if axis < 0 else axis
    wide = [n.emit(R.expand_dims(e, [place])) for e in exprs]
    return wide[0] if len(wide) == 1 else n.emit(R.concat(wide, place))


def _none(proto: onnx.ValueInfoProto) -> Known:
    tensor = proto.type.tensor_type
    dims = [d.dim_value for d in tensor.shape.dim]
    return np.zeros((0, *dims), element_dtype(tensor.elem_type))


_ = relax
