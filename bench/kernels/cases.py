"""The kernels that are measured, with shapes from models: each as we, torch and NumPy write it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..peers import Array

Shape = tuple[int, ...]
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A computation on `inputs` and, last, `weights` (constants for us).

    `ours(op, ..)` takes the operators of Relax, `torch(torch, ..)` and `numpy(np, ..)` their
    modules. `flops` are those of the definition: an algorithm that needs fewer may pass the peak.
    `integers`: the arguments that hold indices below this bound. `images`: the first input has
    channels that torch may keep last.
    """

    family: str
    name: str
    inputs: tuple[Shape, ...]
    weights: tuple[Shape, ...]
    ours: Function
    torch: Function
    numpy: Function | None
    flops: int = 0
    integers: tuple[int, int] | None = None
    images: bool = False

    def arrays(self, seed: int = 0) -> list[Array]:
        """Random arguments; sums of products have a spread of about one."""
        rng = np.random.default_rng(seed)
        made: list[Array] = []
        for index, shape in enumerate((*self.inputs, *self.weights)):
            if self.integers and index == self.integers[0]:
                made.append(rng.integers(0, self.integers[1], shape))
                continue
            values = rng.standard_normal(shape, np.float32)
            if index >= len(self.inputs) and len(shape) > 1:
                values *= np.float32(self._scale(shape))
            made.append(values)
        return made

    def _scale(self, shape: Shape) -> float:
        terms = shape[0] if len(shape) == 2 else math.prod(shape[1:])
        return float(max(1, terms) ** -0.5)


def _label(*sizes: object) -> str:
    return "x".join(map(str, sizes))


# ---- products of matrices -------------------------------------------------------------------


def _transformer(rows: int, width: int) -> list[Shape]:
    """Projection, and the two layers of the feed-forward network."""
    return [(rows, width, width), (rows, width, 4 * width), (rows, 4 * width, width)]


def _swin(stage: int) -> list[Shape]:
    rows, width = 3136 >> 2 * stage, 96 << stage
    return [(rows, width, 3 * width), *_transformer(rows, width)]


def _bottleneck(stage: int) -> list[Shape]:
    """The 1x1 convolutions of a stage of ResNet-50 as products."""
    pixels, narrow = 3136 >> 2 * stage, 64 << stage
    return [(pixels, narrow, 4 * narrow), (pixels, 4 * narrow, narrow)]


MATMULS: tuple[Shape, ...] = (
    *(shape for rows in (32, 128, 512) for shape in _transformer(rows, 768)),  # BERT
    *_transformer(128, 384),  # MiniLM
    *_transformer(197, 768),  # ViT
    (128, 768, 2304), (128, 768, 50257),  # GPT-2
    *_transformer(1, 768), (1, 768, 2304), (1, 768, 50257),  # GPT-2, a token
    *_transformer(128, 512), (128, 512, 32128),  # T5
    *(shape for stage in range(4) for shape in _swin(stage)),
    *_transformer(1500, 384), *_transformer(1500, 512),  # Whisper
    *_transformer(50, 768),  # CLIP
    *_transformer(1829, 192),  # YOLOS
    *(shape for stage in range(4) for shape in _bottleneck(stage)),
    (1, 512, 1000), (1, 1280, 1000), (1, 2048, 1000), (8, 2048, 1000),  # classifiers
    (12544, 27, 32), (12544, 147, 64), (128, 768, 2), (1, 64, 128),
    (17, 31, 13), (100, 192, 92), (3136, 96, 3), (255, 255, 255),
    (64, 64, 64), (128, 128, 128), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024),
    (2048, 64, 2048),
)  # fmt: skip


def matmul() -> Iterator[Case]:
    """A matrix by constant weights."""
    for m, k, n in MATMULS:
        yield Case(
            "matmul", _label(m, k, n), ((m, k),), ((k, n),),
            lambda op, a, b: op.matmul(a, b),
            lambda torch, a, b: torch.matmul(a, b),
            lambda np, a, b: np.matmul(a, b),
            2 * m * k * n,
        )  # fmt: skip


def batched() -> Iterator[Case]:
    """Products of two activations: scores and values of attention, and small ones."""
    shapes = [
        (12, 128, 64, 128), (12, 128, 128, 64), (12, 512, 64, 512), (12, 197, 64, 197),
        (12, 197, 197, 64), (192, 49, 32, 49), (192, 49, 49, 32), (6, 1500, 64, 1500),
        (12, 1, 64, 128), (64, 16, 16, 16),
    ]  # fmt: skip
    for b, m, k, n in shapes:
        yield Case(
            "batched", _label(b, m, k, n), ((b, m, k), (b, k, n)), (),
            lambda op, x, y: op.matmul(x, y),
            lambda torch, x, y: torch.matmul(x, y),
            lambda np, x, y: np.matmul(x, y),
            2 * b * m * k * n,
        )  # fmt: skip


def attention() -> Iterator[Case]:
    """Scaled dot-product attention: batch, tokens, heads, channels of a head."""
    for b, s, h, d in (
        (1, 128, 12, 64), (1, 197, 12, 64), (1, 512, 12, 64), (1, 1500, 6, 64), (1, 8192, 1, 64),
    ):  # fmt: skip

        def theirs(torch: Any, q: Any, k: Any, v: Any) -> Any:
            turned = (t.transpose(1, 2) for t in (q, k, v))
            out = torch.nn.functional.scaled_dot_product_attention(*turned)
            return out.transpose(1, 2)

        shape = (b, s, h, d)
        yield Case(
            "attention", _label(*shape), (shape, shape, shape), (),
            lambda op, q, k, v: op.nn.attention(q, k, v), theirs, None, 4 * b * h * s * s * d,
        )  # fmt: skip


# ---- images ---------------------------------------------------------------------------------

CONVOLUTIONS = {  # channels in, size, channels out, window, stride, groups, dilation
    "conv3x3": [(64, 56, 64, 3, 1, 1, 1), (128, 28, 128, 3, 1, 1, 1), (256, 14, 256, 3, 1, 1, 1),
                (512, 7, 512, 3, 1, 1, 1)],
    "conv1x1": [(64, 56, 256, 1, 1, 1, 1), (256, 56, 64, 1, 1, 1, 1), (1024, 14, 256, 1, 1, 1, 1),
                (512, 7, 2048, 1, 1, 1, 1), (24, 56, 144, 1, 1, 1, 1)],
    "conv7x7": [(3, 224, 64, 7, 2, 1, 1)],
    "strided": [(3, 224, 32, 3, 2, 1, 1), (128, 56, 128, 3, 2, 1, 1), (256, 56, 512, 1, 2, 1, 1)],
    "grouped": [(128, 56, 128, 3, 1, 32, 1), (256, 28, 256, 3, 1, 32, 1),
                (104, 28, 104, 3, 1, 13, 1)],
    "depthwise": [(96, 112, 96, 3, 2, 96, 1), (144, 56, 144, 3, 1, 144, 1),
                  (384, 14, 384, 3, 1, 384, 1), (240, 28, 240, 5, 1, 240, 1),
                  (96, 56, 96, 7, 1, 96, 1)],
    "dilated": [(256, 28, 256, 3, 1, 1, 2), (512, 14, 512, 3, 1, 1, 4)],
}  # fmt: skip


def _convolution(family: str, row: tuple[int, ...]) -> Case:
    inputs, size, outputs, window, stride, groups, dilation = row
    pad = dilation * (window - 1) // 2
    out = (size + 2 * pad - dilation * (window - 1) - 1) // stride + 1
    name = f"{inputs}@{size}-{outputs} {window}x{window}"
    name += f" s{stride}" * (stride > 1) + f" g{groups}" * (groups > 1)
    options = {"padding": pad, "groups": groups, "dilation": dilation}
    return Case(
        family, name + f" d{dilation}" * (dilation > 1),
        ((1, inputs, size, size),), ((outputs, inputs // groups, window, window),),
        lambda op, x, w: op.nn.conv2d(x, w, strides=stride, **options),
        lambda torch, x, w: torch.nn.functional.conv2d(x, w, stride=stride, **options),
        None, 2 * out * out * outputs * (inputs // groups) * window * window, images=True,
    )  # fmt: skip


def convolutions(family: str) -> Iterator[Case]:
    """The convolutions of a family of `CONVOLUTIONS`."""
    return (_convolution(family, row) for row in CONVOLUTIONS[family])


def transposed() -> Iterator[Case]:
    """Transposed convolutions that double the image."""
    for inputs, size, outputs, window, pad in (
        (256, 14, 128, 4, 1), (64, 56, 3, 4, 1), (128, 28, 64, 2, 0),
    ):  # fmt: skip
        options = {"padding": pad}
        yield Case(
            "transposed", f"{inputs}@{size}-{outputs} {window}x{window} s2",
            ((1, inputs, size, size),), ((inputs, outputs, window, window),),
            lambda op, x, w, o=options: op.nn.conv2d_transpose(x, w, strides=2, **o),
            lambda torch, x, w, o=options: torch.nn.functional.conv_transpose2d(
                x, w, stride=2, **o
            ),
            None, 2 * inputs * size * size * outputs * window * window, images=True,
        )  # fmt: skip


def pooling() -> Iterator[Case]:
    """Windows of the largest and of the mean, and the mean of a whole image."""
    for c, size, window, pad in ((64, 112, 3, 1), (192, 28, 2, 0)):
        options = {"padding": pad}
        yield Case(
            "pooling", f"max {c}@{size} {window}x{window} s2", ((1, c, size, size),), (),
            lambda op, x, w=window, o=options: op.nn.max_pool2d(x, (w, w), strides=2, **o),
            lambda torch, x, w=window, o=options: torch.nn.functional.max_pool2d(
                x, w, stride=2, **o
            ),
            None, images=True,
        )  # fmt: skip
    yield Case(
        "pooling", "mean 128@56 2x2 s2", ((1, 128, 56, 56),), (),
        lambda op, x: op.nn.avg_pool2d(x, (2, 2), strides=2),
        lambda torch, x: torch.nn.functional.avg_pool2d(x, 2),
        lambda np, x: x.reshape(1, 128, 28, 2, 28, 2).mean((3, 5)), images=True,
    )  # fmt: skip
    yield Case(
        "pooling", "mean 2048@7", ((1, 2048, 7, 7),), (),
        lambda op, x: op.mean(x, [2, 3]),
        lambda torch, x: torch.mean(x, (2, 3)),
        lambda np, x: x.mean((2, 3)), images=True,
    )  # fmt: skip


def resize() -> Iterator[Case]:
    """Images made larger, by weights of neighbours and by copies."""
    for channels, size, target, mode in (
        (256, 16, 128, "bilinear"), (256, 64, 128, "bilinear"), (256, 64, 128, "nearest"),
    ):  # fmt: skip
        ours = "linear" if mode == "bilinear" else "nearest_neighbor"
        start = "half_pixel" if mode == "bilinear" else "asymmetric"
        yield Case(
            "resize", f"{mode} {channels}@{size}-{target}", ((1, channels, size, size),), (),
            lambda op, x, n=target, m=ours, c=start: op.image.resize2d(
                x, (n, n), method=m, coordinate_transformation_mode=c, rounding_method="floor"
            ),
            lambda torch, x, n=target, m=mode: torch.nn.functional.interpolate(x, (n, n), mode=m),
            None, images=True,
        )  # fmt: skip


# ---- rows and elements ----------------------------------------------------------------------


def softmax() -> Iterator[Case]:
    """Along rows: scores, classes, a vocabulary."""

    def by_numpy(np: Any, x: Array) -> Array:
        e: Array = np.exp(x - x.max(-1, keepdims=True))
        shares: Array = e / e.sum(-1, keepdims=True)
        return shares

    for shape in ((1536, 128), (12, 197, 197), (9408, 49), (1, 1000), (128, 50257)):
        yield Case(
            "softmax", _label(*shape), (shape,), (),
            lambda op, x: op.nn.softmax(x, -1),
            lambda torch, x: torch.softmax(x, -1), by_numpy,
        )  # fmt: skip


def layer_norm() -> Iterator[Case]:
    """Along rows, with scale and shift."""

    def by_numpy(np: Any, x: Array, gamma: Array, beta: Array) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        variance = np.square(centred).mean(-1, keepdims=True)
        scaled: Array = centred / np.sqrt(variance + 1e-5) * gamma + beta
        return scaled

    for rows, width in ((128, 768), (197, 768), (3136, 96), (128, 384), (1, 512)):
        yield Case(
            "layer_norm", _label(rows, width), ((rows, width),), ((width,), (width,)),
            lambda op, x, g, b: op.nn.layer_norm(x, g, b, [-1]),
            lambda torch, x, g, b: torch.nn.functional.layer_norm(x, g.shape, g, b), by_numpy,
        )  # fmt: skip


def gather() -> Iterator[Case]:
    """Rows of an embedding table."""
    for rows, width, count in ((30522, 768, 128), (50257, 768, 512), (1000, 16, 8)):
        yield Case(
            "gather", _label(rows, width, count), ((count,),), ((rows, width),),
            lambda op, i, t: op.take(t, i, axis=0),
            lambda torch, i, t: torch.nn.functional.embedding(i, t),
            lambda np, i, t: np.take(t, i, 0), integers=(0, rows),
        )  # fmt: skip


def transpose() -> Iterator[Case]:
    """Orders of dimensions that models change."""
    for shape, order in (
        ((1, 128, 12, 64), (0, 2, 1, 3)), ((1, 12, 128, 64), (0, 1, 3, 2)),
        ((1024, 1024), (1, 0)), ((1, 64, 56, 56), (0, 2, 3, 1)),
    ):  # fmt: skip
        yield Case(
            "transpose", f"{_label(*shape)} {''.join(map(str, order))}", (shape,), (),
            lambda op, x, o=order: op.permute_dims(x, list(o)),
            lambda torch, x, o=order: x.permute(o).contiguous(),
            lambda np, x, o=order: np.ascontiguousarray(x.transpose(o)),
        )  # fmt: skip


def elementwise() -> Iterator[Case]:
    """Activations and sums."""
    shape = (128, 3072)
    functions: dict[str, tuple[Function, Function, Function | None]] = {
        "add": (lambda op, x, y: op.add(x, y), lambda t, x, y: x + y, lambda n, x, y: x + y),
        "gelu": (lambda op, x: op.nn.gelu(x), lambda t, x: t.nn.functional.gelu(x), None),
        "silu": (
            lambda op, x: op.nn.silu(x), lambda t, x: t.nn.functional.silu(x),
            lambda n, x: x / (1 + n.exp(-x)),
        ),
        "tanh": (lambda op, x: op.tanh(x), lambda t, x: t.tanh(x), lambda n, x: n.tanh(x)),
        "exp": (lambda op, x: op.exp(x), lambda t, x: t.exp(x), lambda n, x: n.exp(x)),
        "relu": (
            lambda op, x: op.nn.relu(x), lambda t, x: t.relu(x), lambda n, x: n.maximum(x, 0),
        ),
    }  # fmt: skip
    for name, (ours, theirs, by_numpy) in functions.items():
        inputs = (shape, shape) if name == "add" else (shape,)
        yield Case("elementwise", f"{name} {_label(*shape)}", inputs, (), ours, theirs, by_numpy)


def memory() -> Iterator[Case]:
    """What only moves data, from the second cache, from the third, and from memory."""
    rows_of = {"in L2": 64, "in L3": 1024, "in memory": 16384}
    each: dict[str, tuple[int, Function, Function, Function]] = {
        "add": (2, lambda op, x, y: op.add(x, y), lambda t, x, y: x + y, lambda n, x, y: x + y),
        "relu": (
            1, lambda op, x: op.nn.relu(x), lambda t, x: t.relu(x), lambda n, x: n.maximum(x, 0)
        ),
        "sum of rows": (
            1, lambda op, x: op.sum(x, 1), lambda t, x: x.sum(1), lambda n, x: x.sum(1)
        ),
        "sum of columns": (
            1, lambda op, x: op.sum(x, 0), lambda t, x: x.sum(0), lambda n, x: x.sum(0)
        ),
        "largest of rows": (
            1, lambda op, x: op.max(x, 1), lambda t, x: x.amax(1), lambda n, x: x.max(1)
        ),
        "halves joined": (
            2, lambda op, x, y: op.concat([x, y], 1), lambda t, x, y: t.cat([x, y], 1),
            lambda n, x, y: n.concatenate([x, y], 1),
        ),
        "half": (
            1, lambda op, x: op.strided_slice(x, [1], [0], [512]),
            lambda t, x: x[:, :512].contiguous(),
            lambda n, x: n.ascontiguousarray(x[:, :512]),
        ),
        "turned": (
            1, lambda op, x: op.permute_dims(x, [1, 0]), lambda t, x: x.t().contiguous(),
            lambda n, x: n.ascontiguousarray(x.T),
        ),
    }  # fmt: skip
    for level, rows in rows_of.items():
        for name, (count, ours, theirs, by_numpy) in each.items():
            inputs = ((rows, 1024),) * count
            yield Case("memory", f"{name} {level}", inputs, (), ours, theirs, by_numpy)


def scans() -> Iterator[Case]:
    """Sorting and running sums along rows."""
    for shape in ((64, 1024), (1, 65536)):
        yield Case(
            "scan", f"cumsum {_label(*shape)}", (shape,), (),
            lambda op, x: op.cumsum(x, 1),
            lambda torch, x: torch.cumsum(x, 1), lambda np, x: np.cumsum(x, 1),
        )  # fmt: skip
        yield Case(
            "scan", f"sort {_label(*shape)}", (shape,), (),
            lambda op, x: op.sort(x, 1),
            lambda torch, x: torch.sort(x, 1)[0], lambda np, x: np.sort(x, 1),
        )  # fmt: skip


FAMILIES: dict[str, Callable[[], Iterator[Case]]] = {
    "matmul": matmul,
    "batched": batched,
    "attention": attention,
    **{family: lambda f=family: convolutions(f) for family in CONVOLUTIONS},  # type: ignore[misc]
    "transposed": transposed,
    "pooling": pooling,
    "resize": resize,
    "softmax": softmax,
    "layer_norm": layer_norm,
    "gather": gather,
    "transpose": transpose,
    "elementwise": elementwise,
    "memory": memory,
    "scan": scans,
}


def cases(families: list[str], shapes: list[str]) -> list[Case]:
    """The cases of the families whose names hold one of the texts, all if there are none."""
    every = [case for family in families for case in FAMILIES[family]()]
    return [case for case in every if not shapes or any(text in case.name for text in shapes)]
