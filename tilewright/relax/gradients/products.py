"""Gradients of products of matrices and of convolutions."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm
from ...support.errors import CompileError
from .. import op as O
from ..base import Expr
from ..expr import Call
from ..op.nn.convolution import listed, pads
from ._table import dims_of, fit, gradient

Result = list["Expr | None"]


def _swapped(x: Expr) -> Expr:
    rank = len(dims_of(x))
    return O.permute_dims(x, (*range(rank - 2), rank - 1, rank - 2))


@gradient("matmul")
def matmul(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """d(A B) = dA B + A dB; vectors are matrices of one row or column."""
    a, b = call.args
    single_a, single_b = len(dims_of(a)) == 1, len(dims_of(b)) == 1
    left = O.expand_dims(a, 0) if single_a else a
    right = O.expand_dims(b, 1) if single_b else b
    if single_b:
        grad = O.expand_dims(grad, -1)
    if single_a:
        grad = O.expand_dims(grad, -2)
    left, right, grad = (builder.emit(e) if isinstance(e, Call) else e for e in (left, right, grad))
    to_left = fit(builder.emit(O.matmul(grad, _swapped(right))), left)
    to_right = fit(builder.emit(O.matmul(_swapped(left), grad)), right)
    return [
        O.squeeze(to_left, 0) if single_a else to_left,
        O.squeeze(to_right, 1) if single_b else to_right,
    ]


def _static(dims: Any) -> list[int]:
    if not all(isinstance(d, IntImm) for d in dims):
        raise CompileError("the gradient of a convolution needs static sizes")
    return [d.value for d in dims]


def _to(x: Expr, have: str, want: str) -> Expr:
    return x if have == want else O.permute_dims(x, tuple(have.index(c) for c in want))


@gradient("nn.conv2d")
def conv2d(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Data: the transposed convolution; weight: the data convolved with the gradient, strides and
    dilation exchanged."""
    attrs = call.attrs
    if attrs.groups != 1:
        raise CompileError("the gradient of a grouped convolution is not known", call.span)
    out_layout = attrs.get("out_layout") or attrs.data_layout
    x = builder.emit(_to(call.args[0], attrs.data_layout, "NCHW"))
    w = builder.emit(_to(call.args[1], attrs.kernel_layout, "OIHW"))
    g = builder.emit(_to(grad, out_layout, "NCHW"))
    strides, dilation = listed(attrs.strides, 2), listed(attrs.dilation, 2)
    before, after = pads(attrs.padding, 2)
    sizes, kernel, out = (_static(dims_of(e)[2:]) for e in (x, w, g))
    rest = [
        sizes[k] - ((out[k] - 1) * strides[k] - before[k] - after[k]
                    + (kernel[k] - 1) * dilation[k] + 1)
        for k in range(2)
    ]  # fmt: skip
    padding = (*before, *after)
    to_data = O.nn.conv2d_transpose(
        g, w, tuple(strides), padding, tuple(rest), tuple(dilation), 1, "NCHW", "IOHW"
    )
    turned = builder.emit(O.permute_dims(x, (1, 0, 2, 3)))
    weights = builder.emit(O.permute_dims(g, (1, 0, 2, 3)))
    wide = builder.emit(
        O.nn.conv2d(turned, weights, tuple(dilation), padding, tuple(strides), 1, "NCHW", "OIHW")
    )
    cut = builder.emit(O.strided_slice(wide, [2, 3], [0, 0], kernel))
    to_weight = builder.emit(O.permute_dims(cut, (1, 0, 2, 3)))
    return [
        _to(builder.emit(to_data), "NCHW", attrs.data_layout),
        _to(to_weight, "OIHW", attrs.kernel_layout),
    ]
