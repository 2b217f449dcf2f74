"""Programs that the schedule's tests transform."""

from __future__ import annotations

from tilewright import te, tir
from tilewright.tir import PrimFunc


def matmul(n: int = 12, m: int = 20, k: int = 9) -> PrimFunc:
    """C = A @ B"""
    a = te.placeholder((n, k), name="A")
    b = te.placeholder((k, m), name="B")
    r = te.reduce_axis((0, k), name="k")
    c = te.compute((n, m), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    return te.create_prim_func([a, b, c])


def matmul_relu(n: int = 12, m: int = 10, k: int = 8) -> PrimFunc:
    """D = max(A @ B, 0)"""
    a = te.placeholder((n, k), name="A")
    b = te.placeholder((k, m), name="B")
    r = te.reduce_axis((0, k), name="k")
    c = te.compute((n, m), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    d = te.compute((n, m), lambda i, j: tir.max(c[i, j], tir.const(0.0, "float32")), name="D")
    return te.create_prim_func([a, b, d])


def elementwise(n: int = 16, m: int = 6) -> PrimFunc:
    """B = A * 2; C = B + 1; D = C - A"""
    a = te.placeholder((n, m), name="A")
    b = te.compute((n, m), lambda i, j: a[i, j] * 2.0, name="B")
    c = te.compute((n, m), lambda i, j: b[i, j] + 1.0, name="C")
    d = te.compute((n, m), lambda i, j: c[i, j] - a[i, j], name="D")
    return te.create_prim_func([a, d])


def symbolic_sum(m: int = 6) -> PrimFunc:
    """B[i] = sum of A[i, :], with n rows; then C = B * 2"""
    n = te.var("n", "int64")
    a = te.placeholder((n, m), name="A")
    r = te.reduce_axis((0, m), name="k")
    b = te.compute((n,), lambda i: te.sum(a[i, r], axis=r), name="B")
    c = te.compute((n,), lambda i: b[i] * 2.0, name="C")
    return te.create_prim_func([a, c])


def symbolic_matmul(m: int = 6, k: int = 4) -> PrimFunc:
    """D = max(A @ B, 0) with n rows; E = transpose(D) + 1"""
    n = te.var("n", "int64")
    a = te.placeholder((n, k), name="A")
    b = te.placeholder((k, m), name="B")
    r = te.reduce_axis((0, k), name="k")
    c = te.compute((n, m), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    d = te.compute((n, m), lambda i, j: tir.max(c[i, j], tir.const(0.0, "float32")), name="D")
    e = te.compute((m, n), lambda j, i: d[i, j] + 1.0, name="E")
    return te.create_prim_func([a, b, e])


def conv2d(size: int = 7, channels: int = 3, out: int = 4, stride: int = 1) -> PrimFunc:
    """A padded 3x3 convolution with bias and relu."""
    x = te.placeholder((1, channels, size, size), name="X")
    w = te.placeholder((out, channels, 3, 3), name="W")
    bias = te.placeholder((out,), name="bias")
    zero = tir.const(0.0, "float32")
    pad = te.compute(
        (1, channels, size + 2, size + 2),
        lambda n, c, h, v: tir.if_then_else(
            tir.all(h >= 1, h < size + 1, v >= 1, v < size + 1), x[n, c, h - 1, v - 1], zero
        ),
        name="pad",
    )
    rc = te.reduce_axis((0, channels), name="rc")
    ry = te.reduce_axis((0, 3), name="ry")
    rx = te.reduce_axis((0, 3), name="rx")
    rows = (size - 1) // stride + 1
    conv = te.compute(
        (1, out, rows, rows),
        lambda n, o, h, v: te.sum(
            pad[n, rc, h * stride + ry, v * stride + rx] * w[o, rc, ry, rx], axis=[rc, ry, rx]
        ),
        name="conv",
    )
    added = te.compute((1, out, rows, rows), lambda n, o, h, v: conv[n, o, h, v] + bias[o],
                       name="added")  # fmt: skip
    relu = te.compute((1, out, rows, rows), lambda *i: tir.max(added[i], zero), name="relu")
    return te.create_prim_func([x, w, bias, relu])
