"""Families of kernels, each a function that draws a model of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from .draws import Model, Size

FAMILIES: dict[str, Callable[[Model], None]] = {}


def family(function: Callable[[Model], None]) -> Callable[[Model], None]:
    """Lists a family under its function's name."""
    FAMILIES[function.__name__] = function
    return function


# Matrix products.


@family
def product(m: Model) -> None:
    """Any rows, depth and columns; batches that broadcast; an epilogue or none."""
    batch = [m.size(4) for _ in range(m.integer(0, 2))]
    rows, depth, columns = m.size(70), m.size(130, 0), m.size(130)
    left = m.operand([*batch, rows, depth])
    right = m.operand([*batch, depth, columns] if m.flag() else [depth, columns])
    made = m.node("MatMul", left, right)
    if m.flag():
        made = m.node("Add", made, m.operand([columns]))
    if m.flag():
        m.node(m.one_of("Relu", "Tanh", "Gelu"), made)


@family
def thin_product(m: Model) -> None:
    """One of rows, depth and columns is small, the others are large."""
    sizes = [m.size(300, 16) for _ in range(3)]
    sizes[m.integer(0, 2)] = m.size(5, 0)
    rows, depth, columns = sizes
    m.node("MatMul", m.operand([rows, depth]), m.operand([depth, columns]))


@family
def transposed_product(m: Model) -> None:
    """Gemm with its flags, and batches with an operand transposed before."""
    rows, depth, columns = m.size(70), m.size(100), m.size(100)
    if m.flag():
        first, second = m.flag(), m.flag()
        left = m.operand([depth, rows] if first else [rows, depth])
        right = m.operand([columns, depth] if second else [depth, columns])
        bias = m.operand(m.one_of([columns], [rows, columns], [rows, Size(1)], [Size(1)]))
        m.node(
            "Gemm", left, right, bias, transA=int(first), transB=int(second), alpha=0.5, beta=2.0
        )
        return
    batch = [m.size(3), m.size(3)]
    left, right = m.input([*batch, rows, depth]), m.input([*batch, columns, depth])
    m.node("MatMul", left, m.node("Transpose", right, perm=[0, 1, 3, 2]))


@family
def whole_number_product(m: Model) -> None:
    """Of some depth: ONNX Runtime leaves the sums of nothing unwritten."""
    rows, depth, columns = m.size(40), m.size(70), m.size(70)
    left = m.input([rows, depth], m.one_of("uint8", "int8"))
    right = m.operand([depth, columns], "int8")
    m.node("MatMulInteger", left, right)


# Convolutions and pooling.


def _window(m: Model, axes: int, most: int) -> list[int]:
    return [m.integer(1, most) for _ in range(axes)]


def _image(m: Model, kernel: Sequence[int], dilations: Sequence[int], most: int) -> list[Size]:
    """Spatial sizes that hold a window."""
    least = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    return [m.size(most + low, low) for low in least]


def _convolution(
    m: Model, kernel: Sequence[int], channels: int, filters: int, *,
    groups: int = 1, strides: Sequence[int] = (), dilations: Sequence[int] = (), most: int = 20,
) -> None:  # fmt: skip
    """A convolution with pads of either side, then perhaps a residual sum and an activation."""
    axes = len(kernel)
    strides, dilations = strides or [1] * axes, dilations or [1] * axes
    pads = [m.integer(0, k // 2) for k in (*kernel, *kernel)]
    data = m.input([m.size(2), Size(channels), *_image(m, kernel, dilations, most)])
    weight = m.constant(m.values([filters, channels // groups, *kernel]))
    bias = [m.constant(m.values([filters]))] if m.flag() else []
    made = m.node(
        "Conv", data, weight, *bias, group=groups, pads=pads, strides=strides, dilations=dilations,
    )  # fmt: skip
    if m.flag():
        made = m.node(m.one_of("Relu", "Sigmoid", "HardSwish"), made)
    if m.flag():
        m.node("MaxPool", m.node("Add", made, made), kernel_shape=[1] * axes)


@family
def pointwise_convolution(m: Model) -> None:
    strides = [m.one_of(1, 1, 2)] * 2
    _convolution(m, [1, 1], m.fixed(70), m.fixed(70), strides=strides)


@family
def square_convolution(m: Model) -> None:
    """3x3 without strides: Winograd where it pays."""
    _convolution(m, [3, 3], m.fixed(48), m.fixed(48))


@family
def strided_convolution(m: Model) -> None:
    kernel = _window(m, 2, 7)
    strides = [m.integer(1, 4), m.integer(1, 4)]
    _convolution(m, kernel, m.fixed(33), m.fixed(33), strides=strides)


@family
def dilated_convolution(m: Model) -> None:
    dilations = [m.integer(1, 3), m.integer(1, 3)]
    _convolution(m, _window(m, 2, 4), m.fixed(33), m.fixed(33), dilations=dilations)


@family
def grouped_convolution(m: Model) -> None:
    groups = m.integer(2, 8)
    channels, filters = groups * m.fixed(17), groups * m.fixed(17)
    _convolution(
        m, _window(m, 2, 3), channels, filters, groups=groups, strides=[m.one_of(1, 2)] * 2
    )


@family
def depthwise_convolution(m: Model) -> None:
    channels, multiplier = m.fixed(65), m.one_of(1, 1, 1, 2)
    kernel, strides = _window(m, 2, 5), [m.integer(1, 3)] * 2
    _convolution(m, kernel, channels, channels * multiplier, groups=channels, strides=strides)


@family
def first_convolution(m: Model) -> None:
    """Few input channels."""
    strides = [m.integer(1, 4)] * 2
    _convolution(m, _window(m, 2, 7), m.integer(1, 4), m.fixed(65), strides=strides, most=40)


@family
def chained_convolutions(m: Model) -> None:
    """Layouts go from one to the next; a concatenation, a pooling or a norm stands between."""
    channels, filters = m.fixed(40), m.fixed(40)
    data = m.input([m.size(2), channels, m.size(16, 4), m.size(16, 4)])
    made = m.node("Conv", data, m.constant(m.values([filters, channels, 3, 3])), pads=[1] * 4)
    between = m.integer(0, 3)
    if between == 1:
        made, filters = m.node("Concat", made, data, axis=1), Size(filters + channels)
    elif between == 2:
        made = m.node("AveragePool", made, kernel_shape=[2, 2], strides=[2, 2])
    elif between == 3:
        statistics = [m.constant(np.abs(m.values([filters])) + 0.5) for _ in range(4)]
        made = m.node("Relu", m.node("BatchNormalization", made, *statistics))
    last = m.fixed(40)
    m.node("Conv", made, m.constant(m.values([last, filters, 1, 1])))


@family
def transposed_convolution(m: Model) -> None:
    groups = m.one_of(1, 1, 2)
    channels, filters = groups * m.fixed(17), m.fixed(17)
    axes = m.one_of(1, 2, 2)
    kernel = _window(m, axes, 4)
    strides = [m.integer(1, 3) for _ in kernel]
    pads = [m.integer(0, (k - 1) // 2) for k in (*kernel, *kernel)]
    data = m.input([m.size(2), Size(channels), *[m.size(12) for _ in kernel]])
    weight = m.constant(m.values([channels, filters, *kernel]))
    extra = [m.integer(0, stride - 1) for stride in strides]
    m.node(
        "ConvTranspose", data, weight, group=groups, strides=strides, pads=pads,
        output_padding=extra,
    )  # fmt: skip


@family
def line_and_volume_convolution(m: Model) -> None:
    kernel = _window(m, m.one_of(1, 3), 4)
    groups = m.one_of(1, 1, 2)
    channels, filters = groups * m.fixed(17), groups * m.fixed(17)
    strides = [m.integer(1, 2) for _ in kernel]
    _convolution(m, kernel, channels, filters, groups=groups, strides=strides, most=9)


@family
def pooling(m: Model) -> None:
    axes = m.one_of(1, 2, 2, 3)
    kernel = _window(m, axes, 4)
    kind = m.one_of("MaxPool", "AveragePool", "LpPool")
    counted = {"count_include_pad": int(m.flag())} if kind == "AveragePool" else {}
    data = m.input([m.size(3), m.size(40), *_image(m, kernel, [1] * axes, 15)])
    m.node(
        kind, data, kernel_shape=kernel, strides=[m.integer(1, 3) for _ in kernel],
        pads=[m.integer(0, (k - 1) // 2) for k in (*kernel, *kernel)],
        ceil_mode=int(m.flag()) if kind != "LpPool" else None, **counted,
    )  # fmt: skip


@family
def global_pooling(m: Model) -> None:
    data = m.input([m.size(3), m.size(70), m.size(20), m.size(20)])
    m.node(m.one_of("GlobalMaxPool", "GlobalAveragePool"), data)


# Reductions and norms.


def _tensor(m: Model, most: int = 4, high: int = 40, low: int = 1) -> list[Size]:
    return [m.size(high, low) for _ in range(m.integer(1, most))]


@family
def reduction(m: Model) -> None:
    shape = _tensor(m)
    axes = sorted({m.integer(0, len(shape) - 1) for _ in range(m.integer(1, len(shape)))})
    kinds = ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp", "LogSum")
    kind = m.one_of(*kinds)
    data = m.input(shape)
    if kind in ("LogSum", "Prod"):
        data = m.node("Sigmoid", data)
    m.node(f"Reduce{kind}", data, m.constant(axes), keepdims=int(m.flag()))


@family
def empty_reduction(m: Model) -> None:
    """The sum, product and count of nothing, and reductions with nothing left."""
    shape = _tensor(m, 3, 20, 0)
    shape[m.integer(0, len(shape) - 1)] = m.size(0, 0)
    axis = m.integer(0, len(shape) - 1)
    m.node(m.one_of("ReduceSum", "ReduceL1"), m.input(shape), m.constant([axis]))


@family
def arg_reduction(m: Model) -> None:
    shape = _tensor(m)
    axis = m.integer(-len(shape), len(shape) - 1)
    data = m.input(shape, values=m.values(shape, "int32", -3, 4).astype("float32"))
    m.node(
        m.one_of("ArgMax", "ArgMin"), data, axis=axis, keepdims=int(m.flag()),
        select_last_index=int(m.flag()),
    )  # fmt: skip


@family
def softmax(m: Model) -> None:
    shape = _small(_tensor(m, 4, 140))
    axis = m.integer(-len(shape), len(shape) - 1)
    m.node(m.one_of("Softmax", "LogSoftmax", "Hardmax"), m.input(shape), axis=axis)


def _small(shape: Sequence[Size]) -> list[Size]:
    """The last sizes, as long as they make no more than about 50,000 elements."""
    kept: list[Size] = []
    for size in reversed(shape):
        if np.prod([*kept, size]) > 50_000:
            break
        kept.insert(0, size)
    return kept


@family
def layer_norm(m: Model) -> None:
    shape = _tensor(m, 3, 100)
    axis = m.integer(0, len(shape) - 1)
    scale, shift = m.operand(shape[axis:]), m.operand(shape[axis:])
    data = m.input(shape)
    if m.flag():
        data = m.node("Add", data, m.input(shape))
    m.node("LayerNormalization", data, scale, shift, axis=axis)


@family
def group_norm(m: Model) -> None:
    groups, per = m.fixed(8), m.fixed(9)
    channels = Size(groups * per)
    data = m.input([m.size(3), channels, *[m.size(20) for _ in range(m.integer(1, 2))]])
    scale, shift = m.operand([channels]), m.operand([channels])
    if m.flag():
        m.node("InstanceNormalization", data, scale, shift)
        return
    m.node("GroupNormalization", data, scale, shift, num_groups=int(groups))


@family
def rms_norm(m: Model) -> None:
    """As exporters write it."""
    shape = _tensor(m, 3, 130)
    data = m.input(shape)
    square = m.node("Mul", data, data)
    mean = m.node("ReduceMean", square, m.constant([-1]), keepdims=1)
    eps = m.constant(np.array(1e-5, "float32"))
    root = m.node("Sqrt", m.node("Add", mean, eps))
    m.node("Mul", m.node("Div", data, root), m.operand(shape[-1:]))


@family
def attention(m: Model) -> None:
    """Two products with a softmax between: a scale, a mask, a causal mask or none."""
    batch, heads = m.size(2), m.size(4)
    queries, keys = m.size(70), m.size(70)
    depth, width = m.size(70), m.size(70)
    q = m.input([batch, heads, queries, depth])
    k = m.input([batch, heads, keys, depth])
    v = m.input([batch, heads, keys, width])
    scores = m.node("MatMul", q, m.node("Transpose", k, perm=[0, 1, 3, 2]))
    if m.flag():
        scores = m.node("Mul", scores, m.constant(np.array(0.125, "float32")))
    mask = m.integer(0, 3)
    if mask == 1:
        scores = m.node("Add", scores, m.input([queries, keys]))
    elif mask == 2:
        shape = [batch, Size(1), Size(1), keys]
        values = np.where(m.values(shape, "bool"), np.float32(0), np.float32(-1e4))
        scores = m.node("Add", scores, m.input(shape, values=values))
    elif mask == 3 and not m.dynamic:
        seen = np.tril(np.ones((queries, keys), bool))
        least = m.constant(np.array(-1e9, "float32"))
        scores = m.node("Where", m.constant(seen), scores, least)
    m.node("MatMul", m.node("Softmax", scores, axis=-1), v)


@family
def grouped_attention(m: Model) -> None:
    """Several heads of queries share a head of keys and values."""
    batch, shared, times = m.fixed(2), m.fixed(3), m.fixed(3)
    queries, keys, depth = m.size(33), m.size(50), m.fixed(40)
    q = m.input([batch, Size(shared * times), queries, depth])
    spread = m.constant(np.repeat(np.arange(shared), times))
    k, v = (m.input([batch, shared, keys, depth]) for _ in range(2))
    k, v = (m.node("Gather", one, spread, axis=1) for one in (k, v))
    scores = m.node("MatMul", q, m.node("Transpose", k, perm=[0, 1, 3, 2]))
    m.node("MatMul", m.node("Softmax", scores, axis=-1), v)


# Memory in another order.


def _dtype(m: Model) -> str:
    return m.one_of("float32", "float32", "float64", "float16", "int64", "int32", "uint8", "bool")


@family
def gather(m: Model) -> None:
    shape = _tensor(m)
    axis = m.integer(0, len(shape) - 1)
    places = _tensor(m, 2, 20, 0)
    rows = int(shape[axis])
    index = m.values(places, m.one_of("int32", "int64"), -rows, rows)
    given = m.input(places, values=index) if m.flag() else m.constant(index)
    m.node("Gather", m.operand(shape, _dtype(m)), given, axis=axis)


@family
def gather_elements(m: Model) -> None:
    shape = _tensor(m, 3, 20)
    axis = m.integer(0, len(shape) - 1)
    index = m.values(shape, "int64", -int(shape[axis]), int(shape[axis]))
    if m.flag():
        m.node("GatherElements", m.input(shape), m.input(shape, values=index), axis=axis)
        return
    index = np.argsort(m.values(shape), axis)  # writes to a place once
    inputs = m.input(shape), m.input(shape, values=index), m.input(shape)
    m.node("ScatterElements", *inputs, axis=axis)


@family
def gather_nd(m: Model) -> None:
    shape = _tensor(m, 4, 12)
    depth = m.integer(1, len(shape))
    places = _tensor(m, 2, 12)
    columns = [m.rng.integers(0, int(size), places) for size in shape[:depth]]
    index = np.stack(columns, -1).astype("int64")
    m.node("GatherND", m.input(shape), m.input([*places, Size(depth)], values=index))


@family
def transpose(m: Model) -> None:
    shape = _small(_tensor(m, 5, 70, 0))
    order = m.draw(st.permutations(range(len(shape))))
    made = m.node("Transpose", m.input(shape, _dtype(m)), perm=order)
    if m.flag() and np.prod(shape):
        m.node("Reshape", made, m.constant([-1]))


@family
def concat_and_split(m: Model) -> None:
    shape = _tensor(m, 4, 40)
    axis = m.integer(-len(shape), len(shape) - 1)
    dtype = _dtype(m)
    parts = []
    for _ in range(m.integer(1, 4)):
        part = list(shape)
        part[axis] = m.size(40, 0)
        parts.append(m.input(part, dtype))
    whole = m.node("Concat", *parts, axis=axis)
    if m.flag() or m.dynamic:
        return
    total = sum(int(m.inputs[part].shape[axis]) for part in parts)
    cut = m.integer(0, total)
    m.node("Split", whole, m.constant([cut, total - cut]), axis=axis, results=2)


@family
def slices_and_pads(m: Model) -> None:
    shape = _tensor(m, 4, 30)
    data = m.input(shape)
    axes = len(shape)
    if m.flag():
        before, after = ([m.integer(-3, 9) for _ in shape] for _ in range(2))
        steps = [m.one_of(1, 1, 2, 3, -1, -2) for _ in shape]
        lists = [m.constant(values) for values in (before, after, list(range(axes)), steps)]
        m.node("Slice", data, *lists)
        return
    mode = m.one_of("constant", "edge", "reflect", "wrap")
    most = [min(int(size) - 1 if mode == "reflect" else int(size), 5) for size in shape]
    pads = m.constant([m.integer(0, size) for size in [*most, *most]])
    m.node("Pad", data, pads, mode=mode)


@family
def resize(m: Model) -> None:
    """By scales, or to sizes: corners are aligned to sizes, where ONNX Runtime follows ONNX."""
    data = m.input([m.size(2), m.size(20), m.size(20), m.size(20)])
    mode, aligned = m.one_of("nearest", "linear", "cubic"), m.flag()
    if aligned and not m.dynamic:
        shape = m.inputs[data].shape
        target = ["", m.constant([*shape[:2], m.fixed(40), m.fixed(40)])]
    else:
        aligned = False
        scales = [1.0, 1.0, *[_scale(m, size) for size in m.shapes[data][2:]]]
        target = [m.constant(np.array(scales, "float32"))]
    places = "align_corners" if aligned else m.one_of("half_pixel", "asymmetric")
    m.node(
        "Resize", data, "", *target, mode=mode, coordinate_transformation_mode=places,
        nearest_mode=m.one_of("floor", "round_prefer_floor") if mode == "nearest" else None,
    )  # fmt: skip


def _scale(m: Model, size: int | str) -> float:
    """A whole one if the size is unknown; no size becomes 0."""
    if isinstance(size, str):
        return m.one_of(1.0, 2.0, 3.0)
    return max(m.one_of(0.5, 0.7, 1.0, 1.5, 2.0, 3.0), 1.0 / size)


# Elementwise chains; orders.

UNARY = ("Relu", "Tanh", "Sigmoid", "Erf", "Exp", "Neg", "Abs", "Floor", "Softplus", "Sin", "Cos",
         "HardSwish", "Elu", "LeakyRelu", "Gelu", "Mish", "Softsign", "Atan", "Round")  # fmt: skip
BINARY = ("Add", "Sub", "Mul", "Max", "Min")


@family
def elementwise_chain(m: Model) -> None:
    """Broadcasts of every kind between unary operators."""
    shape = _tensor(m, 4, 40, 0)
    made = m.input(shape)
    for _ in range(m.integer(1, 6)):
        if m.flag():
            made = m.node(m.one_of(*UNARY), m.node("Clip", made, *_bounds(m)))
            continue
        other = [size if m.flag() else Size(1) for size in shape][m.integer(0, len(shape)) :]
        pair = [made, m.operand(other)]
        made = m.node(m.one_of(*BINARY), *(pair if m.flag() else reversed(pair)))


def _bounds(m: Model) -> list[str]:
    return [m.constant(np.array(bound, "float32")) for bound in (-6, 6)]


@family
def whole_numbers(m: Model) -> None:
    """Chains of integers, and their comparisons."""
    shape, dtype = _tensor(m, 3, 70, 0), m.one_of("int64", "int32")
    made = m.input(shape, dtype)
    for _ in range(m.integer(1, 4)):
        other = [size if m.flag() else Size(1) for size in shape]
        made = m.node(m.one_of("Add", "Sub", "Mul", "Max", "Min"), made, m.input(other, dtype))
    if m.flag():
        m.node(m.one_of("Greater", "Equal", "LessOrEqual"), made, m.input(shape, dtype))


@family
def sort(m: Model) -> None:
    shape = _tensor(m, 3, 70)
    axis = m.integer(0, len(shape) - 1)
    count = m.constant([m.integer(0, int(shape[axis]))])
    values = m.rng.permutation(int(np.prod(shape))).reshape(shape)
    data = m.input(shape, values=values.astype(m.one_of("float32", "int64", "int32")))
    m.node("TopK", data, count, axis=axis, largest=int(m.flag()), results=2)


@family
def cumulative_sum(m: Model) -> None:
    shape = _tensor(m, 3, 70, 0)
    axis = m.constant(np.array(m.integer(-len(shape), len(shape) - 1), "int64"))
    data = m.input(shape, m.one_of("float32", "int64", "int32"))
    m.node("CumSum", data, axis, exclusive=int(m.flag()), reverse=int(m.flag()))
