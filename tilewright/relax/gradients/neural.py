"""Gradients of activations, normalizations, pooling and losses."""

from __future__ import annotations

from typing import Any

from .. import op as O
from ..base import Expr
from ..expr import Call
from ._table import dims_of, gradient, number, one_over_count

Result = list["Expr | None"]


@gradient("nn.relu")
def relu(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Only where the argument is positive."""
    x = call.args[0]
    return [O.where(O.greater(x, number(0, x)), grad, O.zeros_like(grad))]


@gradient("nn.leakyrelu")
def leakyrelu(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Times alpha where the argument is not positive."""
    x = call.args[0]
    less = O.multiply(grad, number(call.attrs.alpha, x))
    return [O.where(O.greater(x, number(0, x)), grad, less)]


@gradient("nn.silu")
def silu(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """d(x s) = s + x s (1 - s), s = sigmoid(x)"""
    x = call.args[0]
    s = builder.emit(O.sigmoid(x))
    slope = O.add(s, O.multiply(O.multiply(x, s), O.subtract(number(1, x), s)))
    return [O.multiply(grad, slope)]


@gradient("nn.gelu")
def gelu(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """d(x P(x)) = P(x) + x p(x), with the normal distribution's P and its density p"""
    x = call.args[0]
    scaled = O.multiply(x, number(0.7071067811865476, x))
    below = O.multiply(O.add(O.erf(scaled), number(1, x)), number(0.5, x))
    bell = O.exp(O.multiply(O.multiply(x, x), number(-0.5, x)))
    density = O.multiply(bell, number(0.3989422804014327, x))
    return [O.multiply(grad, O.add(below, O.multiply(x, density)))]


@gradient("nn.softmax")
def softmax(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """d s = s (g - sum(s g))"""
    total = O.sum(O.multiply(grad, var), call.attrs.axis, True)
    return [O.multiply(O.subtract(grad, total), var)]


@gradient("nn.log_softmax")
def log_softmax(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """g - exp(y) sum(g)"""
    total = O.sum(grad, call.attrs.axis, True)
    return [O.subtract(grad, O.multiply(O.exp(var), total))]


@gradient("nn.cross_entropy_with_logits")
def cross_entropy(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Each side gets the negative of the other, divided by the number of rows."""
    x, y = call.args
    scale = O.negative(grad)
    if len(dims_of(x)) > 1:
        scale = O.multiply(scale, one_over_count(x, 0))
    scale = builder.emit(scale)
    return [O.multiply(scale, y), O.multiply(scale, x)]


@gradient("nn.nll_loss")
def nll_loss(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """To the predictions; weights are taken as given."""
    predictions, targets = call.args[:2]
    weights = call.args[2] if len(call.args) > 2 else None
    made = O.grad.nll_loss_backward(
        grad, predictions, targets, weights, call.attrs.reduction, call.attrs.ignore_index
    )
    return [made, *(None for _ in call.args[1:])]


def _pool(name: str) -> None:
    def rule(var: Any, call: Call, grad: Any, builder: Any) -> Result:
        make = getattr(O.grad, f"{name}_backward")
        return [make(grad, call.args[0], **call.attrs)]

    gradient(f"nn.{name}")(rule)


_pool("max_pool2d")
_pool("avg_pool2d")


@gradient("nn.dropout")
def dropout(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """The operator gives its argument as it is."""
    return [grad[0]]
