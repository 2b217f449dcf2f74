"""Operators of gradients: what is not followed, where values are computed again, and the gradients
of operators that no others express."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...ir.expr import PrimExpr
from ...te import compute
from ...tir import op as tir_op
from ..base import Expr
from . import _infer
from ._declare import Sample, op, sample
from ._samples import array
from .gather import _infer_take
from .nn.convolution import listed, pads
from .nn.loss import check_nll, weights_of
from .nn.pooling import _infer_pool


def _marker(name: str, doc: str) -> Any:
    def declare(input: Expr) -> Expr:
        raise NotImplementedError

    declare.__name__, declare.__doc__ = name, doc
    return op(
        f"grad.{name}",
        infer=lambda input: input,
        decompose=lambda input: input,
        reference=lambda input: input,
        samples=lambda: [sample(array((2, 3)))],
    )(declare)


no_grad = _marker("no_grad", "`input`, through which no gradient flows.")
start_checkpoint = _marker(
    "start_checkpoint",
    "`input` at the beginning of a stage whose inner values are computed again for gradients.",
)
end_checkpoint = _marker(
    "end_checkpoint", "`input` at the end of such a stage: a value that is kept."
)


def _infer_nll_backward(
    output_grad: Any, predictions: Any, targets: Any, weights: Any, reduction: str,
    ignore_index: int,
) -> Any:  # fmt: skip
    _infer.tensor(output_grad, "`output_grad`")
    return check_nll(predictions, targets, weights, reduction)


def _lower_nll_backward(
    output_grad: Any, predictions: Any, targets: Any, weights: Any, reduction: str,
    ignore_index: int,
) -> Any:  # fmt: skip
    each = weights_of(predictions, weights)
    dtype = predictions.dtype
    batched = predictions.ndim > 1

    def weight_of(t: PrimExpr) -> PrimExpr:
        used = tir_op.not_equal(t, tir_op.const(ignore_index, t.dtype))
        made: PrimExpr = tir_op.if_then_else(used, each(t), tir_op.const(0, dtype))
        return made

    factors = compute(targets.shape, lambda *i: weight_of(targets(*i)), name="nll_weights")
    total = topi.sum(factors) if reduction == "mean" else None

    def element(*i: PrimExpr) -> PrimExpr:
        place, own = (i[1], (i[0], *i[2:])) if batched else (i[0], ())
        grad = output_grad(*own) if reduction == "none" else output_grad()
        scaled = tir_op.multiply(-grad, factors(*own))
        if total is not None:
            scaled = tir_op.div(scaled, total())
        hit = tir_op.equal(tir_op.cast(place, targets.dtype), targets(*own))
        made: PrimExpr = tir_op.select(hit, scaled, tir_op.const(0, dtype))
        return made

    return compute(predictions.shape, element, name="nll_loss_backward")


def _nll_backward(
    output_grad: Any, predictions: Any, targets: Any, weights: Any, reduction: str,
    ignore_index: int,
) -> Any:  # fmt: skip
    each = weights_of(predictions, weights)
    axis = 1 if predictions.ndim > 1 else 0
    used = targets != ignore_index
    factors = np.where(used, each[np.where(used, targets, 0)], 0)
    scaled = -output_grad * factors / (factors.sum() if reduction == "mean" else 1)
    classes = np.arange(predictions.shape[axis]).reshape(
        [-1 if i == axis else 1 for i in range(predictions.ndim)]
    )
    hit = classes == np.expand_dims(targets, axis)
    return np.where(hit, np.expand_dims(scaled, axis), 0).astype(predictions.dtype)


def _nll_samples() -> list[Sample]:
    images, places = array((2, 3, 4, 2)), array((2, 4, 2), "int64", low=0, high=0.4)
    rows = np.array([1, 0, 2, 2], "int64")
    each = array((3,), seed=2, low=0.1, high=1.0)
    one = np.array(0.7, "float32")
    return [
        sample(one, images, places, each),
        sample(array((2, 4, 2), seed=5), images, places, None, "none"),
        sample(one, array((4, 3)), rows, each, "sum", 2),
        sample(one, array((3,)), np.array(1, "int32"), None, "mean"),
    ]


@op(
    "grad.nll_loss_backward",
    infer=_infer_nll_backward,
    lower=_lower_nll_backward,
    reference=_nll_backward,
    samples=_nll_samples,
)
def nll_loss_backward(
    output_grad: Expr,
    predictions: Expr,
    targets: Expr,
    weights: Expr | None = None,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Expr:
    """The gradient of `nn.nll_loss` with respect to `predictions`, given that of its result."""


def _pool_backward(kind: str) -> Any:
    def arguments(
        output_grad: Any, data: Any, pool_size: Any, strides: Any, padding: Any, dilation: Any,
        ceil_mode: bool, count_include_pad: bool, layout: str, out_layout: str | None,
    ) -> tuple[Any, ...]:  # fmt: skip
        before, after = pads(padding, 2)
        return (output_grad, data, listed(pool_size, 2), listed(strides, 2), listed(dilation, 2),
                [*before, *after], kind, ceil_mode, layout, count_include_pad)  # fmt: skip

    def infer(output_grad: Any, data: Any, *rest: Any) -> Any:
        grad, pooled = _infer.tensor(output_grad), _infer_pool(2)(data, *rest)
        _infer.common_dtype(grad, pooled)
        for axis, (a, b) in enumerate(zip(grad.dims or (), pooled.dims or (), strict=False)):
            _infer.require_equal(a, b, f"dimension {axis} of the result and its gradient")
        return _infer.tensor(data, "`data`")

    def declare(
        output_grad: Expr,
        data: Expr,
        pool_size: tuple[int, int] = (1, 1),
        strides: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        dilation: tuple[int, int] = (1, 1),
        ceil_mode: bool = False,
        count_include_pad: bool = False,
        layout: str = "NCHW",
        out_layout: str | None = None,
    ) -> Expr:
        raise NotImplementedError

    def samples() -> list[Sample]:
        x = array((2, 3, 7, 6))
        rows = [((2, 2), (2, 2)), ((3, 3), (2, 2), (1, 1, 1, 1)),
                ((3, 2), (1, 2), (1, 0, 0, 1), (2, 1)),
                ((3, 3), (2, 2), (1, 1, 1, 1), (1, 1), True, True)]  # fmt: skip
        made = []
        for row in rows:
            shape = _infer_pool(2)(_info(x), *_filled(row)).static_shape
            made.append(sample(array(shape, seed=1), x, *row))
        return made

    declare.__name__ = f"{kind}_pool2d_backward"
    declare.__doc__ = f"The gradient of `nn.{kind}_pool2d` with respect to `data`."
    return op(
        f"grad.{kind}_pool2d_backward",
        infer=infer,
        lower=lambda *args: _lower_pool_grad(*arguments(*args)),
        reference=lambda *args: _pool_grad(*arguments(*args)),
        samples=samples,
    )(declare)


def _info(x: Any) -> Any:
    return _infer.made(x.shape, str(x.dtype))


def _filled(row: Any) -> tuple[Any, ...]:
    defaults = ((1, 1), (1, 1), (0, 0, 0, 0), (1, 1), False, False, "NCHW", None)
    return (*row, *defaults[len(row) :])


def _windows(size: int, count: int, kernel: int, stride: int, dilation: int, before: int) -> Any:
    """For each window the places within the input, and how many it has with the padding."""
    for w in range(count):
        start = w * stride - before
        yield [start + k * dilation for k in range(kernel) if 0 <= start + k * dilation < size]


def _lower_pool_grad(
    output_grad: Any, data: Any, kernel: Any, stride: Any, dilation: Any, padding: Any, kind: str,
    ceil_mode: bool, layout: str, count_include_pad: bool,
) -> Any:  # fmt: skip
    return topi.nn.pool_grad(
        output_grad, data, kernel, stride, padding, kind, ceil_mode, count_include_pad, layout,
        dilation,
    )  # fmt: skip


def _pool_grad(
    output_grad: Any, data: Any, kernel: Any, stride: Any, dilation: Any, padding: Any, kind: str,
    ceil_mode: bool, layout: str, count_include_pad: bool,
) -> Any:  # fmt: skip
    out = np.zeros(data.shape, "float64")
    h, w = layout.index("H"), layout.index("W")
    x, grad, target = (np.moveaxis(a, (h, w), (-2, -1)) for a in (data, output_grad, out))
    rows, columns = (
        list(_windows(data.shape[axis], output_grad.shape[axis], kernel[k], stride[k], dilation[k],
                      padding[k]))
        for k, axis in enumerate((h, w))
    )  # fmt: skip
    for i, j in np.ndindex(len(rows), len(columns)):
        part = x[..., rows[i], :][..., columns[j]]
        if not part.shape[-1] * part.shape[-2]:
            continue
        for outer in np.ndindex(*part.shape[:-2]):
            share, own = grad[outer][i, j], target[outer]
            if kind == "max":
                r, c = np.unravel_index(part[outer].argmax(), part.shape[-2:])
                own[rows[i][r], columns[j][c]] += share
            else:
                count = part.shape[-1] * part.shape[-2]
                if count_include_pad:
                    sizes = [
                        sum(1 for t in range(kernel[k])
                            if place * stride[k] + t * dilation[k]
                            < size + padding[k] + padding[k + 2])
                        for k, (place, size) in enumerate(((i, x.shape[-2]), (j, x.shape[-1])))
                    ]  # fmt: skip
                    count = sizes[0] * sizes[1]
                for r in rows[i]:
                    own[r, columns[j]] += share / count
    return out.astype(data.dtype)


max_pool2d_backward = _pool_backward("max")
avg_pool2d_backward = _pool_backward("avg")


def _infer_take_backward(output_grad: Any, x: Any, indices: Any, axis: int | None) -> Any:
    grad, taken = _infer.tensor(output_grad), _infer_take(x, indices, axis, "fast")
    for place, (a, b) in enumerate(zip(grad.dims or (), taken.dims or (), strict=False)):
        _infer.require_equal(a, b, f"dimension {place} of the result and its gradient")
    return _infer.tensor(x, "`x`")


def _take_backward(output_grad: Any, x: Any, indices: Any, axis: int | None) -> Any:
    out = np.zeros(x.shape, x.dtype)
    place = 0 if axis is None else axis % x.ndim
    count = np.ndim(indices)
    moved = np.moveaxis(output_grad, range(place, place + count), range(count))
    target = np.moveaxis(out, place, 0)
    for at in np.ndindex(*np.shape(indices)):
        target[min(max(int(indices[at]), 0), x.shape[place] - 1)] += moved[at]
    return out


@op(
    "grad.take_backward",
    infer=_infer_take_backward,
    lower=lambda output_grad, x, indices, axis: topi.take_grad(
        output_grad, x, indices, 0 if axis is None else axis
    ),
    reference=_take_backward,
    samples=lambda: [
        sample(array((3, 4)), array((5, 4), seed=1), np.array([0, 2, 2]), 0),
        sample(array((2, 2, 3)), array((2, 5), seed=1)[:, :], np.array([[1, 1, 4], [0, 1, 2]]), 1),
        sample(array((3,)), array((5,), seed=1), np.array([4, 0, 4], "int32"), None),
    ],
)
def take_backward(output_grad: Expr, x: Expr, indices: Expr, axis: int | None = None) -> Expr:
    """The gradient of `take` with respect to `x`: each slice of `output_grad` added where it came
    from."""
