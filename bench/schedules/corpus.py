"""The programs that random schedules transform: small, of every shape that models have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright import te, tir, topi
from tilewright.script.parser import from_source
from tilewright.tir import PrimFunc
from tilewright.tir.arith import Analyzer
from tilewright.tir.schedule.poly import variables_in
from tilewright.tir.schedule.rewrite import substitute

Array = np.ndarray[Any, Any]
Tensors = list[Any]


@dataclass(frozen=True, slots=True)
class Program:
    """A function to schedule. Floats are small integers, so that sums are exact in any order;
    `tolerance` is for functions that leave the integers. `sizes`: values of symbolic dimensions.
    Inputs that are integers lie in [`low`, `below`)."""

    name: str
    make: Callable[[], PrimFunc]
    tolerance: float
    sizes: Mapping[str, int]
    below: int
    low: int = 0

    def inputs(self, func: PrimFunc, seed: int = 0) -> list[Array]:
        """An array for each buffer."""
        rng = np.random.default_rng(seed)
        made = []
        for buffer in func.buffers():
            shape = [self._size(d) for d in buffer.shape]
            low, high = (-3, 4) if "float" in buffer.dtype else (self.low, self.below)
            made.append(rng.integers(low, high, shape).astype(buffer.dtype))
        return made

    def _size(self, extent: Any) -> int:
        known = {v: tir.const(self.sizes[v.name], v.dtype) for v in variables_in(extent)}
        value = Analyzer().simplify(substitute(extent, known))
        if not isinstance(value, tir.IntImm):
            raise TypeError(f"the extent {extent} is not known")
        return value.value


CORPUS: dict[str, Program] = {}
"""The programs of this module by name."""


def program(
    tolerance: float = 0.0,
    below: int = 4,
    low: int = 0,
    registry: dict[str, Program] = CORPUS,
    **sizes: int,
) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Declares a program: a function that returns its tensors, results last, or its script."""

    def declare(function: Callable[[], Any]) -> Callable[[], Any]:
        def make() -> PrimFunc:
            made = function()
            func = from_source(made) if isinstance(made, str) else te.create_prim_func(made)
            if not isinstance(func, PrimFunc):
                raise TypeError(f"{function.__name__} is not a single function")
            return func

        name = function.__name__
        registry[name] = Program(name, make, tolerance, sizes, below, low)
        return function

    return declare


def _in(*shape: Any, dtype: str = "float32", name: str = "X") -> Any:
    return te.placeholder(shape, dtype, name)


def _matmul(a: Any, b: Any, dtype: str | None = None) -> Any:
    k = te.reduce_axis((0, a.shape[1]), "k")
    kind = dtype or a.dtype
    return te.compute(
        (a.shape[0], b.shape[1]),
        lambda i, j: te.sum(a[i, k].astype(kind) * b[k, j].astype(kind), axis=k),
        name="C",
    )


@program()
def matmul() -> Tensors:
    """One reduction."""
    a, b = _in(8, 9, name="A"), _in(9, 12, name="B")
    return [a, b, _matmul(a, b)]


@program()
def matmul_bias_relu() -> Tensors:
    """A reduction with consumers."""
    a, b, bias = _in(6, 8, name="A"), _in(8, 10, name="B"), _in(10, name="bias")
    return [a, b, bias, topi.nn.relu(topi.add(_matmul(a, b), bias))]


@program()
def matmul_int8() -> Tensors:
    """A reduction of another type than its operands."""
    a, b = _in(4, 8, dtype="int8", name="A"), _in(8, 16, dtype="int8", name="B")
    return [a, b, _matmul(a, b, "int32")]


@program()
def two_matmuls() -> Tensors:
    """A reduction that feeds another."""
    a, b, c = _in(6, 4, name="A"), _in(4, 5, name="B"), _in(5, 8, name="D")
    return [a, b, c, _matmul(_matmul(a, b), c)]


@program()
def batch_matmul() -> Tensors:
    """Three data-parallel axes."""
    a, b = _in(2, 4, 6, name="A"), _in(2, 6, 5, name="B")
    k = te.reduce_axis((0, 6), "k")
    c = te.compute((2, 4, 5), lambda n, i, j: te.sum(a[n, i, k] * b[n, k, j], axis=k), name="C")
    return [a, b, c]


@program()
def gemv() -> Tensors:
    """One data-parallel axis."""
    a, x = _in(16, 12, name="A"), _in(12)
    k = te.reduce_axis((0, 12), "k")
    return [a, x, te.compute((16,), lambda i: te.sum(a[i, k] * x[k], axis=k), name="y")]


@program()
def conv2d() -> Tensors:
    """Padding, windows, bias and relu."""
    x, w, bias = _in(1, 3, 6, 6), _in(4, 3, 3, 3, name="W"), _in(4, 1, 1, name="bias")
    return [x, w, bias, topi.nn.relu(topi.add(topi.nn.conv2d(x, w, 1, 1, 1), bias))]


@program()
def conv2d_strided() -> Tensors:
    """Windows two apart."""
    x, w = _in(1, 2, 9, 9), _in(4, 2, 3, 3, name="W")
    return [x, w, topi.nn.conv2d(x, w, 2, 1, 1)]


@program()
def conv2d_dilated() -> Tensors:
    """Windows with holes."""
    x, w = _in(1, 2, 8, 8), _in(2, 2, 3, 3, name="W")
    return [x, w, topi.nn.conv2d(x, w, 1, 2, 2)]


@program()
def conv2d_nhwc() -> Tensors:
    """Channels last."""
    x, w = _in(1, 6, 6, 4), _in(3, 3, 4, 4, name="W")
    return [x, w, topi.nn.conv2d(x, w, 1, 0, 1, data_layout="NHWC")]


@program()
def depthwise() -> Tensors:
    """Each channel with its own window."""
    x, w = _in(1, 4, 6, 6), _in(4, 1, 3, 3, name="W")
    return [x, w, topi.nn.depthwise_conv2d_nchw(x, w, 1, 1, 1)]


@program()
def conv1d() -> Tensors:
    """A window over one dimension."""
    x, w = _in(1, 4, 12), _in(4, 4, 3, name="W")
    return [x, w, topi.nn.conv1d(x, w, 1, (1, 1), 1)]


@program()
def max_pool() -> Tensors:
    """A maximum over windows."""
    x = _in(1, 2, 8, 8)
    return [x, topi.nn.pool2d(x, (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), "max")]


@program(tolerance=1e-5)
def average_pool() -> Tensors:
    """Windows that overlap, with padding."""
    x = _in(1, 2, 7, 7)
    return [x, topi.nn.pool2d(x, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), "avg")]


@program(tolerance=1e-5)
def mean_of_images() -> Tensors:
    """Two reduced axes, the sizes powers of two: split anywhere, their fusion stays affine."""
    x = _in(3, 8, 8)
    return [x, topi.mean(x, axis=[1, 2])]


@program(tolerance=1e-5, n=5)
def symbolic_mean_of_images() -> Tensors:
    """Two reduced axes of unknown size."""
    n = te.var("n", "int64")
    x = _in(2, n, n)
    return [x, topi.mean(x, axis=[1, 2])]


@program(tolerance=1e-5)
def softmax() -> Tensors:
    """Two reductions over rows."""
    x = _in(6, 10)
    return [x, topi.nn.softmax(x)]


@program(tolerance=2e-4)
def layer_norm() -> Tensors:
    """Moments over rows."""
    x, gamma, beta = _in(6, 8), _in(8, name="gamma"), _in(8, name="beta")
    return [x, gamma, beta, topi.nn.layer_norm(x, gamma, beta, [1])]


@program(tolerance=1e-4)
def rms_norm() -> Tensors:
    """One moment over rows."""
    x, weight = _in(6, 8), _in(8, name="weight")
    return [x, weight, topi.nn.rms_norm(x, weight, [1])]


@program(tolerance=1e-4)
def attention() -> Tensors:
    """Scores, softmax, mixture."""
    q, k, v = (_in(1, 5, 2, 4, name=n) for n in ("Q", "K", "V"))
    return [q, k, v, topi.nn.attention(q, k, v)]


@program()
def argmax() -> Tensors:
    """A reduction of pairs."""
    x = _in(5, 8)
    return [x, topi.argmax(x, axis=1)]


@program()
def scan() -> str:
    """Sums along an axis whose steps depend on one another."""
    return """
@T.prim_func
def main(X: T.Buffer((6, 8), "float32"), Y: T.Buffer((6, 8), "float32")):
    S = T.alloc_buffer((6, 8), "float32")
    for i in range(6):
        with T.block("first"):
            vi = T.axis.spatial(6, i)
            S[vi, 0] = X[vi, 0]
    for i, k in T.grid(6, 7):
        with T.block("next"):
            vi = T.axis.spatial(6, i)
            vk = T.axis.opaque(7, k)
            S[vi, vk + 1] = S[vi, vk] + X[vi, vk + 1]
    for i, k in T.grid(6, 8):
        with T.block("scaled"):
            vi, vk = T.axis.remap("SS", [i, k])
            Y[vi, vk] = S[vi, vk] * T.float32(2)
"""


@program(below=7)
def gather() -> Tensors:
    """Places that data decide."""
    table, ids = _in(7, 6, name="table"), _in(5, dtype="int32", name="ids")
    rows = te.compute((5, 6), lambda i, j: table[ids[i], j], name="rows")
    return [table, ids, topi.nn.relu(topi.multiply(rows, te.const(2.0, "float32")))]


@program()
def pad_and_sum() -> Tensors:
    """Padding before a reduction."""
    x = _in(5, 6)
    padded = topi.nn.pad(x, (1, 2), (2, 0), 1.0)
    return [x, topi.sum(padded, axis=1)]


@program()
def transpose_reshape() -> Tensors:
    """Copies only."""
    x = _in(4, 6)
    return [x, topi.reshape(topi.transpose(topi.multiply(x, te.const(2.0, "float32"))), (3, 8))]


@program()
def concatenate() -> Tensors:
    """Two sources of one result."""
    x, y = _in(4, 3), _in(4, 5, name="Y")
    return [x, y, topi.nn.relu(topi.concatenate([topi.negative(x), y], 1))]


@program()
def diamond() -> Tensors:
    """A producer with two consumers that meet again."""
    x = _in(8, 6)
    base = te.compute((8, 6), lambda i, j: x[i, j] + 1.0, name="base")
    left = te.compute((8, 6), lambda i, j: base[i, j] * 2.0, name="left")
    right = te.compute((8, 6), lambda i, j: base[7 - i, j] - 3.0, name="right")
    return [x, te.compute((8, 6), lambda i, j: left[i, j] + right[i, j], name="both")]


@program(tolerance=1e-5)
def siblings() -> Tensors:
    """Two reductions of the same rows, which may share their loops."""
    x = _in(6, 8)
    k, m = te.reduce_axis((0, 8), "k"), te.reduce_axis((0, 8), "m")
    total = te.compute((6,), lambda i: te.sum(x[i, k], axis=k), name="total")
    most = te.compute((6,), lambda i: te.max(x[i, m], axis=m), name="most")
    return [x, te.compute((6, 8), lambda i, j: x[i, j] * total[i] - most[i], name="both")]


@program()
def in_place() -> str:
    """A buffer that is changed where it is."""
    return """
@T.prim_func
def main(X: T.Buffer((6, 8), "float32"), Y: T.Buffer((6, 8), "float32")):
    B = T.alloc_buffer((6, 8), "float32")
    for i, j in T.grid(6, 8):
        with T.block("first"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = X[vi, vj] + T.float32(1)
    for i, j in T.grid(6, 8):
        with T.block("again"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = B[vi, vj] * X[vi, 7 - vj]
    for i, j in T.grid(6, 8):
        with T.block("last"):
            vi, vj = T.axis.remap("SS", [i, j])
            Y[vi, vj] = B[vi, vj] - T.float32(2)
"""


@program()
def stencil() -> Tensors:
    """Each place from its neighbours, twice."""
    x = _in(16)
    once = te.compute((14,), lambda i: x[i] + x[i + 1] + x[i + 2], name="once")
    return [x, te.compute((12,), lambda i: once[i] + once[i + 1] + once[i + 2], name="twice")]


@program(n=7)
def symbolic_matmul() -> Tensors:
    """An extent that is not known."""
    n = te.var("n", "int64")
    a, b = _in(n, 6, name="A"), _in(6, 8, name="B")
    return [a, b, topi.nn.relu(_matmul(a, b))]


@program(n=5, m=9, tolerance=1e-5)
def symbolic_softmax() -> Tensors:
    """Two extents that are not known."""
    x = _in(te.var("n", "int64"), te.var("m", "int64"))
    return [x, topi.nn.softmax(x)]


@program(n=10)
def symbolic_sum() -> Tensors:
    """A reduction of unknown length."""
    x = _in(4, te.var("n", "int64"))
    return [x, topi.multiply(topi.sum(x, axis=1), te.const(2.0, "float32"))]


@program()
def triangle() -> str:
    """A loop whose extent depends on another."""
    return """
@T.prim_func
def main(X: T.Buffer((6, 6), "float32"), Y: T.Buffer((6,), "float32")):
    for i in range(6):
        with T.block("zero"):
            vi = T.axis.spatial(6, i)
            Y[vi] = T.float32(0)
        for j in range(i + 1):
            with T.block("add"):
                vi = T.axis.spatial(6, i)
                vj = T.axis.reduce(6, j)
                Y[vi] = Y[vi] + X[vi, vj]
"""
