"""`RNN`, `GRU` and `LSTM`: the steps of the sequence one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op
from .control import MAX_ROUNDS

Expr = relax.Expr
Activation = Callable[[NodeContext, Expr, float, float], Expr]


def _affine(n: NodeContext, x: Expr, a: float, b: float) -> Expr:
    dtype = _dtype(x)
    scaled = n.emit(R.multiply(x, n.const(a, dtype)))
    return n.emit(R.add(scaled, n.const(b, dtype)))


def _dtype(x: Expr) -> str:
    info = x.struct_info
    assert isinstance(info, relax.TensorStructInfo)
    return info.dtype


def _softsign(n: NodeContext, x: Expr, a: float, b: float) -> Expr:
    return n.emit(R.divide(x, n.emit(R.add(n.emit(R.abs(x)), n.const(1, _dtype(x))))))


def _elu(n: NodeContext, x: Expr, a: float, b: float) -> Expr:
    low = n.emit(R.subtract(n.emit(R.exp(x)), n.const(1, _dtype(x))))
    negative = n.emit(R.multiply(low, n.const(a, _dtype(x))))
    return n.emit(R.where(n.emit(R.less(x, n.const(0, _dtype(x)))), negative, x))


def _scaled_tanh(n: NodeContext, x: Expr, a: float, b: float) -> Expr:
    inner = n.emit(R.tanh(n.emit(R.multiply(x, n.const(b, _dtype(x))))))
    return n.emit(R.multiply(inner, n.const(a, _dtype(x))))


def _thresholded(n: NodeContext, x: Expr, a: float, b: float) -> Expr:
    above = n.emit(R.greater(x, n.const(a, _dtype(x))))
    return n.emit(R.where(above, x, n.const(0, _dtype(x))))


ACTIVATIONS: dict[str, tuple[Activation, float, float]] = {
    "sigmoid": (lambda n, x, a, b: n.emit(R.sigmoid(x)), 0.0, 0.0),
    "tanh": (lambda n, x, a, b: n.emit(R.tanh(x)), 0.0, 0.0),
    "relu": (lambda n, x, a, b: n.emit(R.nn.relu(x)), 0.0, 0.0),
    "affine": (_affine, 1.0, 0.0),
    "leakyrelu": (lambda n, x, a, b: n.emit(R.nn.leakyrelu(x, a)), 0.01, 0.0),
    "thresholdedrelu": (_thresholded, 1.0, 0.0),
    "scaledtanh": (_scaled_tanh, 1.0, 1.0),
    "hardsigmoid": (
        lambda n, x, a, b: n.emit(R.clip(_affine(n, x, a, b), 0.0, 1.0)), 0.2, 0.5),
    "elu": (_elu, 1.0, 0.0),
    "softsign": (_softsign, 0.0, 0.0),
    "softplus": (lambda n, x, a, b: n.emit(R.nn.softplus(x)), 0.0, 0.0),
}  # fmt: skip
"""Each activation with the default of its two parameters, by its name in lower case."""


@dataclass
class Cell:
    """One direction of a recurrent operator: weights transposed, ready for a step."""

    n: NodeContext
    hidden: int
    activations: list[Callable[[Expr], Expr]]
    recurrent: Expr
    bias: Expr | None
    recurrent_bias: Expr | None
    peepholes: list[Expr]
    linear_before_reset: bool

    def clipped(self, x: Expr) -> Expr:
        """The argument of an activation within the operator's limit."""
        limit = self.n.attr("clip")
        return x if limit is None else self.n.emit(R.clip(x, -float(limit), float(limit)))

    def gates(self, x: Expr, count: int) -> list[Expr]:
        """Parts of equal size along the last axis."""
        if count == 1:
            return [x]
        parts = self.n.emit(R.split(x, count, 1))
        return [self.n.emit(relax.TupleGetItem(parts, i)) for i in range(count)]

    def add(self, *terms: Expr | None) -> Expr:
        """The sum of the terms that are there."""
        total: Expr | None = None
        for term in terms:
            if term is not None:
                total = term if total is None else self.n.emit(R.add(total, term))
        assert total is not None
        return total

    def mul(self, a: Expr, b: Expr) -> Expr:
        """The product."""
        return self.n.emit(R.multiply(a, b))

    def matmul(self, a: Expr, b: Expr) -> Expr:
        """The matrix product."""
        return self.n.emit(R.matmul(a, b))


def _rnn_step(c: Cell, x: Expr, state: list[Expr]) -> list[Expr]:
    total = c.add(x, c.matmul(state[0], c.recurrent), c.recurrent_bias)
    return [c.activations[0](c.clipped(total))]


def _gru_step(c: Cell, x: Expr, state: list[Expr]) -> list[Expr]:
    """Gates in the order update, reset, hidden."""
    n, previous = c.n, state[0]
    size = c.hidden
    xs = c.gates(x, 3)
    first = n.emit(R.strided_slice(c.recurrent, [1], [0], [2 * size]))
    last = n.emit(R.strided_slice(c.recurrent, [1], [2 * size], [3 * size]))
    biases = c.gates(c.recurrent_bias, 3) if c.recurrent_bias is not None else [None] * 3
    hs = c.gates(c.matmul(previous, first), 2)
    update = c.activations[0](c.clipped(c.add(xs[0], hs[0], biases[0])))
    reset = c.activations[0](c.clipped(c.add(xs[1], hs[1], biases[1])))
    if c.linear_before_reset:
        inner = c.mul(reset, c.add(c.matmul(previous, last), biases[2]))
        hidden = c.add(xs[2], inner)
    else:
        hidden = c.add(xs[2], c.matmul(c.mul(reset, previous), last), biases[2])
    new = c.activations[1](c.clipped(hidden))
    one = n.const(1, _dtype(x))
    kept = c.mul(n.emit(R.subtract(one, update)), new)
    return [c.add(kept, c.mul(update, previous))]


def _lstm_step(c: Cell, x: Expr, state: list[Expr]) -> list[Expr]:
    """Gates in the order input, output, forget, cell."""
    n, (previous, cell) = c.n, state
    total = c.add(x, c.matmul(previous, c.recurrent), c.recurrent_bias)
    i, o, f, g = c.gates(total, 4)
    if c.peepholes:
        i = c.add(i, c.mul(c.peepholes[0], cell))
        f = c.add(f, c.mul(c.peepholes[2], cell))
    i = c.activations[0](c.clipped(i))
    if n.attr("input_forget", 0):
        f = n.emit(R.subtract(n.const(1, _dtype(x)), i))
    else:
        f = c.activations[0](c.clipped(f))
    new = c.add(c.mul(f, cell), c.mul(i, c.activations[1](c.clipped(g))))
    if c.peepholes:
        o = c.add(o, c.mul(c.peepholes[1], new))
    o = c.activations[0](c.clipped(o))
    return [c.mul(o, c.activations[2](new)), new]


@dataclass(frozen=True)
class Kind:
    """What differs between the operators."""

    gates: int
    states: int
    defaults: tuple[str, ...]
    step: Callable[[Cell, Expr, list[Expr]], list[Expr]]


KINDS = {
    "RNN": Kind(1, 1, ("Tanh",), _rnn_step),
    "GRU": Kind(3, 1, ("Sigmoid", "Tanh"), _gru_step),
    "LSTM": Kind(4, 2, ("Sigmoid", "Tanh", "Tanh"), _lstm_step),
}


@onnx_op("RNN", "GRU", "LSTM")
def recurrent(n: NodeContext) -> Result:
    """Y (steps, directions, batch, hidden) and the last states (directions, batch, hidden)."""
    kind = KINDS[n.op_type]
    batch_first = bool(n.attr("layout", 0))
    x = n.emit(R.permute_dims(n[0], [1, 0, 2])) if batch_first else n[0]
    info = x.struct_info
    assert isinstance(info, relax.TensorStructInfo) and info.dims is not None
    steps, batch = n.static_shape(0)[1 if batch_first else 0], info.dims[1]
    if steps > MAX_ROUNDS:
        raise n.error(f"{steps} steps; at most {MAX_ROUNDS} are supported")
    hidden = int(n.attr("hidden_size", n.static_shape(2)[2]))
    direction = n.attr("direction", "forward")
    backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    rows: list[Any] = []
    lasts: list[list[Expr]] = []
    for number, backward in enumerate(backwards):
        cell = _cell(n, kind, number, hidden)
        state = [_initial(n, 5 + s, number, batch, hidden, batch_first) for s in range(kind.states)]
        row, last = _direction(n, kind, cell, x, number, backward, state, steps)
        rows.append(row)
        lasts.append(last)
    outputs: list[Any] = [_joined(n, [n.emit(R.stack(row, 0)) for row in rows], 1)]
    outputs += [_joined(n, [last[s] for last in lasts], 0) for s in range(kind.states)]
    if batch_first:
        outputs[0] = n.emit(R.permute_dims(outputs[0], [2, 0, 1, 3]))
        outputs[1:] = [n.emit(R.permute_dims(o, [1, 0, 2])) for o in outputs[1:]]
    return outputs


def _joined(n: NodeContext, parts: list[Expr], axis: int) -> Expr:
    wide = [n.emit(R.expand_dims(p, [axis])) for p in parts]
    return wide[0] if len(wide) == 1 else n.emit(R.concat(wide, axis))


def _direction(
    n: NodeContext, kind: Kind, cell: Cell, x: Expr, number: int, backward: bool,
    state: list[Expr], steps: int,
) -> tuple[list[Expr], list[Expr]]:  # fmt: skip
    """The output of every step and the last state."""
    weight = n.emit(R.permute_dims(_item(n, n[1], number), [1, 0]))
    projected = n.emit(R.matmul(x, weight))
    if cell.bias is not None:
        projected = n.emit(R.add(projected, cell.bias))
    outputs: list[Any] = [None] * steps
    for step in range(steps - 1, -1, -1) if backward else range(steps):
        part = n.emit(R.strided_slice(projected, [0], [step], [step + 1]))
        new = kind.step(cell, n.emit(R.squeeze(part, [0])), state)
        out = new[0]
        if n.has(4):
            inside = n.emit(R.greater(n[4], n.const(step, n.dtype(4))))
            inside = n.emit(R.expand_dims(inside, [1]))
            new = [n.emit(R.where(inside, a, b)) for a, b in zip(new, state, strict=True)]
            out = n.emit(R.where(inside, out, n.const(0, _dtype(out))))
        state = new
        outputs[step] = out
    return outputs, state


def _item(n: NodeContext, x: Expr, index: int) -> Expr:
    part = n.emit(R.strided_slice(x, [0], [index], [index + 1]))
    return n.emit(R.squeeze(part, [0]))


def _initial(
    n: NodeContext, index: int, number: int, batch: Any, hidden: int, batch_first: bool
) -> Expr:
    if not n.has(index):
        return n.emit(R.zeros([batch, hidden], n.dtype(0)))
    x = n.emit(R.permute_dims(n[index], [1, 0, 2])) if batch_first else n[index]
    return _item(n, x, number)


def _cell(n: NodeContext, kind: Kind, number: int, hidden: int) -> Cell:
    recurrent = n.emit(R.permute_dims(_item(n, n[2], number), [1, 0]))
    bias = recurrent_bias = None
    if n.has(3):
        both = _item(n, n[3], number)
        size = kind.gates * hidden
        bias = n.emit(R.strided_slice(both, [0], [0], [size]))
        recurrent_bias = n.emit(R.strided_slice(both, [0], [size], [2 * size]))
        recurrent_bias = n.emit(R.expand_dims(recurrent_bias, [0]))
    peepholes = []
    if kind.states == 2 and n.has(7):
        whole = _item(n, n[7], number)
        peepholes = [
            n.emit(R.strided_slice(whole, [0], [k * hidden], [(k + 1) * hidden])) for k in range(3)
        ]
    return Cell(
        n, hidden, _activations(n, kind, number), recurrent, bias, recurrent_bias, peepholes,
        bool(n.attr("linear_before_reset", 0)),
    )  # fmt: skip


def _activations(n: NodeContext, kind: Kind, number: int) -> list[Callable[[Expr], Expr]]:
    count = len(kind.defaults)
    names = n.attr("activations") or list(kind.defaults) * (number + 1)
    alphas, betas = list(n.attr("activation_alpha", [])), list(n.attr("activation_beta", []))
    made = []
    for place, name in enumerate(names):
        found = ACTIVATIONS.get(name.lower())
        if found is None:
            raise n.error(f"the activation {name} is not known")
        function, a, b = found
        if name.lower() in _WITH_ALPHA and alphas:
            a = float(alphas.pop(0))
        if name.lower() in _WITH_BETA and betas:
            b = float(betas.pop(0))
        if number * count <= place < (number + 1) * count:
            made.append(_bound(n, function, a, b))
    return made


_WITH_ALPHA = ("affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu")
_WITH_BETA = ("affine", "scaledtanh", "hardsigmoid")


def _bound(n: NodeContext, function: Activation, a: float, b: float) -> Callable[[Expr], Expr]:
    return lambda x: function(n, x, a, b)


__all__ = ["np"]
