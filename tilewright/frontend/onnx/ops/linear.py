"""Matrix products and convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ....tir.op import ceildiv, simplified
from ..node import NodeContext, Result
from ..registry import onnx_op

Expr = relax.Expr


@onnx_op("MatMul")
def matmul(n: NodeContext) -> Result:
    """The product of matrices, batches broadcast as in NumPy."""
    return R.matmul(n[0], n[1])


@onnx_op("Gemm")
def gemm(n: NodeContext) -> Result:
    """`alpha * a b + beta * c`, either matrix transposed first."""
    if n.rank(0) != 2 or n.rank(1) != 2:
        raise n.error(f"Gemm multiplies matrices, found ranks {n.rank(0)} and {n.rank(1)}")
    dtype = n.dtype(0)
    a = n.emit(R.permute_dims(n[0])) if n.attr("transA", 0) else n[0]
    b = n.emit(R.permute_dims(n[1])) if n.attr("transB", 0) else n[1]
    result = n.emit(R.matmul(a, b))
    alpha, beta = n.attr("alpha", 1.0), n.attr("beta", 1.0)
    if alpha != 1.0:
        result = n.emit(R.multiply(result, n.const(alpha, dtype)))
    if not n.has(2) or beta == 0.0:
        return result
    c = n[2] if beta == 1.0 else n.emit(R.multiply(n[2], n.const(beta, dtype)))
    return R.add(result, c)


@onnx_op("Einsum")
def einsum(n: NodeContext) -> Result:
    """A sum of products in index notation."""
    return R.einsum(n.inputs(), n.attr("equation").replace(" ", ""))


_LAYOUTS = {1: ("NCW", "OIW"), 2: ("NCHW", "OIHW"), 3: ("NCDHW", "OIDHW")}
_CONV: dict[int, Any] = {1: R.nn.conv1d, 2: R.nn.conv2d, 3: R.nn.conv3d}


def _pads(n: NodeContext, rank: int) -> list[int]:
    pads = [int(p) for p in n.attr("pads", [])] or [0] * (2 * rank)
    if len(pads) != 2 * rank:
        raise n.error(f"pads {pads} for {rank} dimensions, expected {2 * rank} numbers")
    return pads


def spatial_padding(
    n: NodeContext, kernel: list[int], strides: list[int], dilations: list[int]
) -> list[Any]:
    """Padding at the beginnings, then at the ends, from `pads` or `auto_pad`."""
    rank = len(kernel)
    auto = n.attr("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        return _pads(n, rank)
    if auto == "VALID":
        return [0] * (2 * rank)
    begins, ends = [], []
    for size, k, s, d in zip(n.shape(0)[2:], kernel, strides, dilations, strict=True):
        reach = d * (k - 1) + 1
        if isinstance(size, int):
            total: Any = max((-(-size // s) - 1) * s + reach - size, 0)
            small = total // 2
        elif s == 1:
            total = reach - 1
            small = total // 2
        else:
            total = simplified((ceildiv(size, s) - 1) * s + reach - size)
            raise n.error(f"auto_pad {auto} of a symbolic dimension with stride {s}: {total}")
        begins.append(small if auto == "SAME_UPPER" else total - small)
        ends.append(total - small if auto == "SAME_UPPER" else small)
    return begins + ends


def window(n: NodeContext, kernel: list[int]) -> tuple[list[int], list[int], list[Any]]:
    """Strides, dilations and padding of a sliding window."""
    rank = len(kernel)
    strides = [int(s) for s in n.attr("strides", [1] * rank)] or [1] * rank
    dilations = [int(d) for d in n.attr("dilations", [1] * rank)] or [1] * rank
    if len(strides) != rank or len(dilations) != rank:
        raise n.error(f"strides {strides} and dilations {dilations} of a kernel {kernel}")
    return strides, dilations, spatial_padding(n, kernel, strides, dilations)


def _kernel(n: NodeContext, weight: list[Any]) -> list[int]:
    kernel = [int(k) for k in n.attr("kernel_shape", weight[2:]) or weight[2:]]
    if kernel != list(weight[2:]):
        raise n.error(f"kernel_shape is {kernel}, the weight has {list(weight[2:])}")
    return kernel


@onnx_op("Conv")
def conv(n: NodeContext) -> Result:
    """A convolution of 1, 2 or 3 spatial dimensions, grouped, with an optional bias."""
    weight = n.shape(1)
    rank = len(weight) - 2
    if rank not in _CONV or n.rank(0) != rank + 2:
        raise n.error(
            f"data of rank {n.rank(0)} with a weight of rank {len(weight)}",
            hint="both need the same rank, from 3 to 5",
        )
    kernel = _kernel(n, weight)
    strides, dilations, padding = window(n, kernel)
    layout, kernel_layout = _LAYOUTS[rank]
    result = n.emit(
        _CONV[rank](
            n[0], n[1], strides=strides, padding=padding, dilation=dilations,
            groups=int(n.attr("group", 1)), data_layout=layout, kernel_layout=kernel_layout,
        )
    )  # fmt: skip
    return with_bias(n, result, 2, rank)


def with_bias(n: NodeContext, result: Expr, index: int, rank: int) -> Expr:
    """`result` plus an optional bias a channel."""
    if not n.has(index):
        return result
    channels = n.shape(index)[0]
    bias = n.constant(index)
    if bias is not None:
        shaped: Expr = n.const(bias.reshape(1, -1, *[1] * rank), n.dtype(index))
    else:
        shaped = n.emit(R.reshape(n[index], [1, channels, *[1] * rank]))
    return R.add(result, shaped)


_TRANSPOSED_LAYOUTS = {1: ("NCW", "IOW"), 2: ("NCHW", "IOHW"), 3: ("NCDHW", "IODHW")}


@onnx_op("ConvTranspose")
def conv_transpose(n: NodeContext) -> Result:
    """The transpose of a convolution."""
    functions: dict[int, Any] = {
        1: R.nn.conv1d_transpose, 2: R.nn.conv2d_transpose, 3: R.nn.conv3d_transpose,
    }  # fmt: skip
    weight = n.shape(1)
    rank = len(weight) - 2
    kernel = _kernel(n, weight)
    strides = [int(s) for s in n.attr("strides", [1] * rank)] or [1] * rank
    dilations = [int(d) for d in n.attr("dilations", [1] * rank)] or [1] * rank
    extra = [int(p) for p in n.attr("output_padding", [0] * rank)]
    padding = _transposed_padding(n, kernel, strides, dilations, extra)
    layout, kernel_layout = _TRANSPOSED_LAYOUTS[rank]
    crop = list(padding)
    padding = [max(p, 0) for p in padding]
    result = n.emit(
        functions[rank](
            n[0], n[1], strides=strides, padding=padding, output_padding=extra,
            dilation=dilations, groups=int(n.attr("group", 1)), data_layout=layout,
            kernel_layout=kernel_layout,
        )
    )  # fmt: skip
    if any(p < 0 for p in crop):
        grow = [0, 0, *[max(-p, 0) for p in crop[:rank]], 0, 0, *[max(-p, 0) for p in crop[rank:]]]
        pairs = [x for i in range(rank + 2) for x in (grow[i], grow[i + rank + 2])]
        result = n.emit(R.nn.pad(result, pairs))
    return with_bias(n, result, 2, rank)


def _transposed_padding(
    n: NodeContext, kernel: list[int], strides: list[int], dilations: list[int], extra: list[int]
) -> list[int]:
    rank = len(kernel)
    wanted = n.attr("output_shape")
    auto = n.attr("auto_pad", "NOTSET")
    if wanted is None and auto in ("NOTSET", "", "VALID"):
        return _pads(n, rank)
    sizes = n.static_shape(0)[2:]
    begins, ends = [], []
    for i in range(rank):
        reach = dilations[i] * (kernel[i] - 1) + 1
        target = int(wanted[-rank + i]) if wanted is not None else sizes[i] * strides[i]
        total = strides[i] * (sizes[i] - 1) + extra[i] + reach - target
        small = int(np.floor(total / 2))
        begins.append(small if auto != "SAME_LOWER" else total - small)
        ends.append(total - begins[-1])
        if auto not in ("SAME_UPPER", "SAME_LOWER"):
            begins[-1], ends[-1] = total - total // 2, total // 2
    return begins + ends
