"""Programs for the tests of passes, with arrays to run them on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright import te, tir
from tilewright.tir.schedule import Schedule


@dataclass
class Program:
    """A function, the shapes and dtypes of its arrays, and which of them are results."""

    func: tir.PrimFunc
    shapes: list[tuple[tuple[int, ...], str]]
    results: int = 1

    def arrays(self, seed: int = 0) -> list[np.ndarray[Any, Any]]:
        """Random arguments; results are filled with rubbish."""
        random = np.random.default_rng(seed)
        made = []
        for position, (shape, dtype) in enumerate(self.shapes):
            if position >= len(self.shapes) - self.results:
                made.append(np.full(shape, 77).astype(dtype))
            elif dtype.startswith("float"):
                made.append(random.uniform(-2, 2, shape).astype(dtype))
            else:
                made.append(random.integers(0, 5, shape).astype(dtype))
        return made


def _matmul_func(m: Any, n: Any, k: Any, dtype: str = "float32") -> tir.PrimFunc:
    a = te.placeholder((m, k), dtype, name="A")
    b = te.placeholder((k, n), dtype, name="B")
    axis = te.reduce_axis((0, k), "k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, axis] * b[axis, j], axis=axis), name="C")
    return te.create_prim_func([a, b, c])


def tiled_matmul(m: int, n: int, k: int, dtype: str = "float32") -> Program:
    """Register tiles with tails, a local accumulator, vectors, unrolling, parallel rows."""
    schedule = Schedule(_matmul_func(m, n, k, dtype))
    _tile(schedule)
    shapes = [((m, k), dtype), ((k, n), dtype), ((m, n), dtype)]
    return Program(schedule.mod["main"], shapes)


def _tile(schedule: Any) -> None:
    block = schedule.get_block("C")
    i, j, k = schedule.get_loops(block)
    i_outer, i_inner = schedule.split(i, [None, 4])
    j_outer, j_inner = schedule.split(j, [None, 8])
    schedule.reorder(i_outer, j_outer, k, i_inner, j_inner)
    cached = schedule.cache_write(block, 0, "local")
    schedule.reverse_compute_at(cached, j_outer)
    schedule.vectorize(j_inner)
    schedule.unroll(i_inner)
    loops = schedule.get_loops(cached)
    schedule.vectorize(loops[-1])
    schedule.unroll(loops[-2])
    schedule.parallel(i_outer)
    schedule.decompose_reduction(block, k)


def symbolic_matmul(n: int) -> Program:
    """Rows unknown when compiled."""
    rows = te.size_var("n", "int64")
    schedule = Schedule(_matmul_func(rows, 8, 3))
    _tile(schedule)
    return Program(
        schedule.mod["main"], [((n, 3), "float32"), ((3, 8), "float32"), ((n, 8), "float32")]
    )


def padded_convolution() -> Program:
    """A padded input, computed where it is used, and a direct convolution with a stride."""
    a = te.placeholder((1, 5, 5, 3), name="A")
    w = te.placeholder((3, 3, 3, 4), name="W")
    padded = te.compute(
        (1, 7, 7, 3),
        lambda n, y, x, c: tir.if_then_else(
            tir.all(y >= 1, y < 6, x >= 1, x < 6), a[n, y - 1, x - 1, c], 0.0
        ),
        name="padded",
    )
    dy, dx, dc = (te.reduce_axis((0, e), name) for e, name in ((3, "dy"), (3, "dx"), (3, "dc")))
    out = te.compute(
        (1, 3, 3, 4),
        lambda n, y, x, f: te.sum(
            padded[n, y * 2 + dy, x * 2 + dx, dc] * w[dy, dx, dc, f], axis=[dy, dx, dc]
        ),
        name="conv",
    )
    schedule = Schedule(te.create_prim_func([a, w, out]))
    conv = schedule.get_block("conv")
    _, y, _, f, *_ = schedule.get_loops(conv)
    schedule.compute_at(schedule.get_block("padded"), y)
    schedule.reorder(*schedule.get_loops(conv)[4:], f)
    schedule.vectorize(f)
    shapes = [((1, 5, 5, 3), "float32"), ((3, 3, 3, 4), "float32"), ((1, 3, 3, 4), "float32")]
    return Program(schedule.mod["main"], shapes)


def softmax(rows: int = 3, columns: int = 10) -> Program:
    """A row's maximum, exponentials, their sum, the quotient."""
    x = te.placeholder((rows, columns), name="X")
    k = te.reduce_axis((0, columns), "k")
    largest = te.compute((rows,), lambda i: te.max(x[i, k], axis=k), name="largest")
    powers = te.compute((rows, columns), lambda i, j: tir.exp(x[i, j] - largest[i]), name="powers")
    l = te.reduce_axis((0, columns), "l")
    total = te.compute((rows,), lambda i: te.sum(powers[i, l], axis=l), name="total")
    out = te.compute((rows, columns), lambda i, j: powers[i, j] / total[i], name="out")
    schedule = Schedule(te.create_prim_func([x, out]))
    i, j = schedule.get_loops(schedule.get_block("out"))
    _, inner = schedule.split(j, [None, 4])
    for name in ("total", "powers", "largest"):
        schedule.compute_at(schedule.get_block(name), i)
    schedule.vectorize(inner)
    schedule.parallel(i)
    return Program(schedule.mod["main"], [((rows, columns), "float32")] * 2)


def elementwise_tail(size: int, dtype: str = "float32") -> Program:
    """A fused elementwise loop whose vector does not divide the length."""
    a = te.placeholder((size,), dtype, name="A")
    out = te.compute((size,), lambda i: a[i] * a[i] + 1, name="out")
    schedule = Schedule(te.create_prim_func([a, out]))
    (i,) = schedule.get_loops(schedule.get_block("out"))
    _, inner = schedule.split(i, [None, 8])
    schedule.vectorize(inner)
    return Program(schedule.mod["main"], [((size,), dtype)] * 2)


def symbolic_elementwise(size: int) -> Program:
    """The same with a length unknown when compiled."""
    n = te.size_var("n", "int64")
    a = te.placeholder((n,), name="A")
    out = te.compute((n,), lambda i: tir.max(a[i], 0.0) + tir.Cast("float32", i), name="out")
    schedule = Schedule(te.create_prim_func([a, out]))
    (i,) = schedule.get_loops(schedule.get_block("out"))
    outer, inner = schedule.split(i, [None, 8])
    schedule.vectorize(inner)
    schedule.parallel(outer)
    return Program(schedule.mod["main"], [((size,), "float32")] * 2)


def gather() -> Program:
    """Rows picked by an index array."""
    table = te.placeholder((6, 8), name="table")
    ids = te.placeholder((5,), "int64", name="ids")
    out = te.compute((5, 8), lambda i, j: table[ids[i], j], name="out")
    schedule = Schedule(te.create_prim_func([table, ids, out]))
    schedule.vectorize(schedule.get_loops(schedule.get_block("out"))[1])
    return Program(
        schedule.mod["main"], [((6, 8), "float32"), ((5,), "int64"), ((5, 8), "float32")]
    )


def transpose_reshape() -> Program:
    """Index arithmetic with quotients and rests, vectorized over a strided axis."""
    a = te.placeholder((4, 6, 10), name="A")
    out = te.compute(
        (240,), lambda i: a[i % 4, (i // 4) % 6, i // 24] + a[i // 60, i // 10 % 6, i % 10],
        name="out",
    )  # fmt: skip
    schedule = Schedule(te.create_prim_func([a, out]))
    (i,) = schedule.get_loops(schedule.get_block("out"))
    _, inner = schedule.split(i, [None, 4])
    schedule.vectorize(inner)
    return Program(schedule.mod["main"], [((4, 6, 10), "float32"), ((240,), "float32")])


def two_stages() -> Program:
    """A producer computed at its consumer's tile: its buffer can shrink."""
    a = te.placeholder((12, 8), name="A")
    doubled = te.compute((12, 8), lambda i, j: a[i, j] * 2.0, name="doubled")
    out = te.compute((10, 8), lambda i, j: doubled[i, j] + doubled[i + 2, j], name="out")
    schedule = Schedule(te.create_prim_func([a, out]))
    i, _ = schedule.get_loops(schedule.get_block("out"))
    outer, _ = schedule.split(i, [None, 5])
    schedule.compute_at(schedule.get_block("doubled"), outer)
    return Program(schedule.mod["main"], [((12, 8), "float32"), ((10, 8), "float32")])


PROGRAMS: dict[str, Callable[[], Program]] = {
    "matmul": lambda: tiled_matmul(6, 11, 3),
    "matmul_even": lambda: tiled_matmul(8, 16, 4),
    "matmul_int32": lambda: tiled_matmul(5, 9, 3, "int32"),
    "matmul_float64": lambda: tiled_matmul(3, 3, 3, "float64"),
    "symbolic_matmul_6": lambda: symbolic_matmul(6),
    "symbolic_matmul_8": lambda: symbolic_matmul(8),
    "symbolic_matmul_0": lambda: symbolic_matmul(0),
    "padded_convolution": padded_convolution,
    "softmax": softmax,
    "elementwise_27": lambda: elementwise_tail(27),
    "elementwise_5": lambda: elementwise_tail(5),
    "elementwise_float16": lambda: elementwise_tail(19, "float16"),
    "elementwise_int8": lambda: elementwise_tail(19, "int8"),
    "symbolic_elementwise_21": lambda: symbolic_elementwise(21),
    "symbolic_elementwise_3": lambda: symbolic_elementwise(3),
    "symbolic_elementwise_0": lambda: symbolic_elementwise(0),
    "gather": gather,
    "transpose_reshape": transpose_reshape,
    "two_stages": two_stages,
}
