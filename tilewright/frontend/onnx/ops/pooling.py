"""Pooling."""

from __future__ import annotations

from typing import Any

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op
from .linear import window
from .placing import max_pool_with_indices

_LAYOUTS = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
_MAX: dict[int, Any] = {1: R.nn.max_pool1d, 2: R.nn.max_pool2d, 3: R.nn.max_pool3d}
_AVERAGE: dict[int, Any] = {1: R.nn.avg_pool1d, 2: R.nn.avg_pool2d, 3: R.nn.avg_pool3d}


def _kernel(n: NodeContext) -> list[int]:
    kernel = [int(k) for k in n.attr("kernel_shape")]
    if n.rank(0) != len(kernel) + 2 or len(kernel) not in _LAYOUTS:
        raise n.error(f"kernel {kernel} for data of rank {n.rank(0)}")
    return kernel


def _window(n: NodeContext, kernel: list[int]) -> tuple[list[int], list[int], list[Any]]:
    """Strides, dilations and padding; no window lies in padding alone."""
    strides, dilations, padding = window(n, kernel)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    if any(p >= r for p, r in zip(padding, reach * 2, strict=True) if isinstance(p, int)):
        raise n.error(f"pads {padding} must be smaller than the window of {reach}")
    sizes, rank = n.shape(0)[2:], len(kernel)
    for size, before, after, r in zip(sizes, padding[:rank], padding[rank:], reach, strict=True):
        if all(isinstance(v, int) for v in (size, before, after)) and size + before + after < r:
            raise n.error(f"a window of {reach} is larger than data of {sizes} with pads {padding}")
    return strides, dilations, padding


@onnx_op("MaxPool")
def max_pool(n: NodeContext) -> Result:
    """The largest of each window."""
    kernel = _kernel(n)
    strides, dilations, padding = _window(n, kernel)
    made = n.emit(
        _MAX[len(kernel)](
            n[0], kernel, strides, padding, dilations, bool(n.attr("ceil_mode", 0)),
            layout=_LAYOUTS[len(kernel)],
        )
    )  # fmt: skip
    if n.num_outputs == 1:
        return made
    n.static_shape(0)  # whose places are counted
    shape: Any = made.struct_info
    outs = [int(size) for size in shape.shape[2:]]
    return max_pool_with_indices(n, kernel, strides, dilations, padding, outs)


@onnx_op("AveragePool")
def average_pool(n: NodeContext) -> Result:
    """The mean of each window, padding counted or not."""
    kernel = _kernel(n)
    strides, dilations, padding = _window(n, kernel)
    return _AVERAGE[len(kernel)](
        n[0], kernel, strides, padding, dilations, bool(n.attr("ceil_mode", 0)),
        count_include_pad=bool(n.attr("count_include_pad", 0)), layout=_LAYOUTS[len(kernel)],
    )  # fmt: skip


def _spatial(n: NodeContext) -> list[int]:
    return list(range(2, n.rank(0)))


@onnx_op("GlobalAveragePool")
def global_average_pool(n: NodeContext) -> Result:
    """The mean of each channel."""
    return R.mean(n[0], _spatial(n), keepdims=True)


@onnx_op("GlobalMaxPool")
def global_max_pool(n: NodeContext) -> Result:
    """The largest of each channel."""
    return R.max(n[0], _spatial(n), keepdims=True)


@onnx_op("GlobalLpPool")
def global_lp_pool(n: NodeContext) -> Result:
    """The p-norm of each channel."""
    p, dtype = float(n.attr("p", 2)), n.dtype(0)
    powers = n.emit(R.power(n.emit(R.abs(n[0])), n.const(p, dtype)))
    total = n.emit(R.sum(powers, _spatial(n), keepdims=True))
    return R.power(total, n.const(1.0 / p, dtype))


@onnx_op("LpPool")
def lp_pool(n: NodeContext) -> Result:
    """The p-norm of each window."""
    p, dtype = float(n.attr("p", 2)), n.dtype(0)
    kernel = _kernel(n)
    strides, dilations, padding = _window(n, kernel)
    powers = n.emit(R.power(n.emit(R.abs(n[0])), n.const(p, dtype)))
    mean = n.emit(
        _AVERAGE[len(kernel)](
            powers, kernel, strides, padding, dilations, bool(n.attr("ceil_mode", 0)),
            count_include_pad=True, layout=_LAYOUTS[len(kernel)],
        )
    )  # fmt: skip
    count = 1
    for k in kernel:
        count *= k
    total = n.emit(R.multiply(mean, n.const(count, dtype)))
    return R.power(total, n.const(1.0 / p, dtype))


_ = relax
