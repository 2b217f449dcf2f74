"""Normalizations."""

from __future__ import annotations

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op


@onnx_op("BatchNormalization")
def batch_normalization(n: NodeContext) -> Result:
    """With running statistics; in training mode with those of the batch."""
    training = bool(n.attr("training_mode", 0)) and n.num_outputs > 1
    made = n.emit(
        R.nn.batch_norm(
            n[0], n[1], n[2], n[3], n[4], axis=1, epsilon=n.attr("epsilon", 1e-5),
            momentum=1.0 - n.attr("momentum", 0.9), training=training,
        )
    )  # fmt: skip
    if training:
        return [relax.TupleGetItem(made, i) for i in range(3)]
    return [relax.TupleGetItem(made, 0)]


@onnx_op("InstanceNormalization")
def instance_normalization(n: NodeContext) -> Result:
    """Each channel of each image on its own."""
    axes = list(range(2, n.rank(0)))
    return R.nn.instance_norm(n[0], n[1], n[2], 1, axes, epsilon=n.attr("epsilon", 1e-5))


@onnx_op("LayerNormalization")
def layer_normalization(n: NodeContext) -> Result:
    """Over all axes from `axis` on."""
    rank = n.rank(0)
    axes = list(range(n.axis(default=-1), rank))
    shape, epsilon = n.shape(0)[axes[0] :], n.attr("epsilon", 1e-5)
    is_plain = n.shape(1) == shape and (not n.has(2) or n.shape(2) == shape)
    scale = n[1] if is_plain else n.emit(R.ones(shape, n.dtype(1)))
    bias = n[2] if is_plain and n.has(2) else n.emit(R.zeros(shape, n.dtype(1)))
    made = n.emit(R.nn.layer_norm(n[0], scale, bias, axes=axes, epsilon=epsilon))
    if not is_plain:  # they are broadcast
        made = n.emit(R.multiply(made, n[1]))
        made = n.emit(R.add(made, n[2])) if n.has(2) else made
    if n.num_outputs == 1:
        return made
    mean = n.emit(R.mean(n[0], axes, keepdims=True))
    variance = n.emit(R.variance(n[0], axes, keepdims=True))
    inverse = R.rsqrt(n.emit(R.add(variance, n.const(epsilon, n.dtype(0)))))
    return [made, mean, inverse]


@onnx_op("GroupNormalization", since=21)
def group_normalization(n: NodeContext) -> Result:
    """Groups of channels of each image."""
    axes = list(range(2, n.rank(0)))
    groups = int(n.attr("num_groups"))
    return R.nn.group_norm(n[0], n[1], n[2], groups, 1, axes, epsilon=n.attr("epsilon", 1e-5))


@onnx_op("RMSNormalization")
@onnx_op("SimplifiedLayerNormalization")
@onnx_op("SimplifiedLayerNormalization", domain="com.microsoft")
def rms_normalization(n: NodeContext) -> Result:
    """Divided by the root of the mean square over all axes from `axis` on."""
    axes = list(range(n.axis(default=-1), n.rank(0)))
    shape, epsilon = n.shape(0)[axes[0] :], n.attr("epsilon", 1e-5)
    if n.shape(1) == shape:
        return R.nn.rms_norm(n[0], n[1], axes=axes, epsilon=epsilon)
    ones = n.emit(R.ones(shape, n.dtype(1)))
    return R.multiply(n.emit(R.nn.rms_norm(n[0], ones, axes=axes, epsilon=epsilon)), n[1])


@onnx_op("SkipLayerNormalization", domain="com.microsoft")
def skip_layer_normalization(n: NodeContext) -> Result:
    """Layer normalization of the sum of two inputs and an optional bias."""
    total = n.emit(R.add(n[0], n[1]))
    if n.has(4):
        total = n.emit(R.add(total, n[4]))
    beta = n[3] if n.has(3) else n.emit(R.zeros(n.shape(2), n.dtype(2)))
    axes = [n.rank(0) - 1]
    made = R.nn.layer_norm(total, n[2], beta, axes=axes, epsilon=n.attr("epsilon", 1e-12))
    return [made, None, None, total]


@onnx_op("LRN")
def lrn(n: NodeContext) -> Result:
    """Divided by a power of the sum of squares over neighbouring channels."""
    size, dtype = int(n.attr("size")), n.dtype(0)
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    rank = n.rank(0)
    square = n.emit(R.multiply(n[0], n[0]))
    flat = n.emit(R.expand_dims(square, 1))
    pads = [0, 0, 0, 0, before, after, *[0, 0] * (rank - 2)]
    padded = n.emit(R.nn.pad(flat, pads))
    channels = n.shape(0)[1]
    parts = []
    for offset in range(size):
        part = R.strided_slice(padded, [2], [offset], [offset + channels])
        parts.append(n.emit(part))
    total = parts[0]
    for part in parts[1:]:
        total = n.emit(R.add(total, part))
    total = n.emit(R.squeeze(total, [1]))
    alpha, beta, bias = n.attr("alpha", 1e-4), n.attr("beta", 0.75), n.attr("bias", 1.0)
    scaled = n.emit(R.multiply(total, n.const(alpha / size, dtype)))
    base = n.emit(R.add(scaled, n.const(bias, dtype)))
    return R.divide(n[0], n.emit(R.power(base, n.const(beta, dtype))))


@onnx_op("LpNormalization")
def lp_normalization(n: NodeContext) -> Result:
    """Divided by the p-norm over one axis; 0 where that is 0."""
    axis = [n.axis(default=-1)]
    if int(n.attr("p", 2)) == 1:
        norm = n.emit(R.sum(n.emit(R.abs(n[0])), axis, keepdims=True))
    else:
        squares = n.emit(R.multiply(n[0], n[0]))
        norm = n.emit(R.sqrt(n.emit(R.sum(squares, axis, keepdims=True))))
    zero = n.const(0, n.dtype(0))
    return R.where(n.emit(R.equal(norm, zero)), zero, n.emit(R.divide(n[0], norm)))
