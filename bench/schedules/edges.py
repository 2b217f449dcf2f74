"""Programs at the edges of the language: types, sizes, bounds, nesting, several results."""

from __future__ import annotations

from functools import partial

from tilewright import te, tir, topi

from .corpus import Program, Tensors
from .corpus import program as _program

EDGES: dict[str, Program] = {}
"""The programs of this module by name."""

program = partial(_program, registry=EDGES)
HEAD = "@T.prim_func\ndef main"


def _product(a: te.Tensor, b: te.Tensor, dtype: str) -> te.Tensor:
    k = te.reduce_axis((0, a.shape[1]), "k")
    made: te.Tensor = te.compute(
        (a.shape[0], b.shape[1]),
        lambda i, j: te.sum(a[i, k].astype(dtype) * b[k, j].astype(dtype), axis=k),
        name="C",
    )
    return made


# ---- types ----------------------------------------------------------------------------------


@program()
def half_product() -> Tensors:
    """Sums kept in float16."""
    a, b = te.placeholder((6, 8), "float16", "A"), te.placeholder((8, 4), "float16", "B")
    return [a, b, topi.nn.relu(_product(a, b, "float16"))]


@program()
def bfloat16_product() -> Tensors:
    """Operands rounded to bfloat16, sums in float32."""
    a, b = te.placeholder((4, 6), "float32", "A"), te.placeholder((6, 8), "float32", "B")
    return [a, b, _product(topi.cast(a, "bfloat16"), topi.cast(b, "bfloat16"), "float32")]


@program(low=-100, below=100)
def requantize() -> Tensors:
    """int8 in and out, sums in int32, shifted and clipped."""
    a, b = te.placeholder((4, 6), "int8", "A"), te.placeholder((6, 8), "int8", "B")
    total = _product(a, b, "int32")
    shifted = topi.right_shift(total, tir.const(5, "int32"))
    return [a, b, topi.cast(topi.clip(shifted, -128, 127), "int8")]


@program(below=250)
def uint8_sum() -> Tensors:
    """Unsigned bytes, summed in uint32."""
    x = te.placeholder((5, 8), "uint8", "X")
    k = te.reduce_axis((0, 8), "k")
    total = te.compute((5,), lambda i: te.sum(x[i, k].astype("uint32"), axis=k), name="total")
    return [x, te.compute((5,), lambda i: total[i] // tir.const(8, "uint32"), name="mean")]


@program(below=2)
def masked() -> str:
    """bool that is read, kept in between and written."""
    return f"""{HEAD}(X: T.Buffer((6, 8), "float32"), M: T.Buffer((6, 8), "bool"),
         Y: T.Buffer((6, 8), "float32"), K: T.Buffer((6, 8), "bool")):
    B = T.alloc_buffer((6, 8), "bool")
    for i, j in T.grid(6, 8):
        with T.block("low"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = X[vi, vj] < T.float32(1) and M[vi, vj]
    for i, j in T.grid(6, 8):
        with T.block("chosen"):
            vi, vj = T.axis.remap("SS", [i, j])
            Y[vi, vj] = T.Select(B[vi, vj], X[vi, vj], T.float32(9))
    for i, j in T.grid(6, 8):
        with T.block("kept"):
            vi, vj = T.axis.remap("SS", [i, j])
            K[vi, vj] = not B[vi, 7 - vj]
"""


@program(below=2)
def any_of() -> Tensors:
    """A reduction of bool."""
    x = te.placeholder((6, 8), "bool", "X")
    k = te.reduce_axis((0, 8), "k")
    either = te.comm_reducer(tir.any, lambda dtype: tir.const(0, dtype), name="either")
    found = te.compute((6,), lambda i: either(x[i, k], axis=k), name="found")
    return [
        x,
        te.compute(
            (6,), lambda i: tir.Select(found[i], tir.const(1.0), tir.const(2.0)), name="number"
        ),
    ]


@program(below=100)
def wide_integers() -> Tensors:
    """int64 values and indices."""
    n = tir.const(6, "int64")
    x = te.placeholder((n, n), "int64", "X")
    turned = te.compute((n, n), lambda i, j: x[j, i] * i + j, name="turned")
    return [x, topi.sum(turned, axis=1)]


# ---- blocks of several results --------------------------------------------------------------


@program()
def two_results() -> str:
    """A block that writes two buffers, one of them only for the next block."""
    return f"""{HEAD}(X: T.Buffer((6, 8), "float32"), Y: T.Buffer((6, 8), "float32"),
         Z: T.Buffer((6, 8), "float32")):
    B = T.alloc_buffer((6, 8), "float32")
    for i, j in T.grid(6, 8):
        with T.block("both"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = X[vi, vj] + T.float32(1)
            Y[vi, vj] = X[vi, vj] * T.float32(2)
    for i, j in T.grid(6, 8):
        with T.block("last"):
            vi, vj = T.axis.remap("SS", [i, j])
            Z[vi, vj] = B[vi, vj] * Y[5 - vi, vj]
"""


@program()
def moments() -> Tensors:
    """A reduction of two sums at once."""
    x = te.placeholder((6, 8), "float32", "X")
    k = te.reduce_axis((0, 8), "k")
    pair = te.comm_reducer(
        lambda a, b: (a[0] + b[0], a[1] + b[1]),
        lambda a, b: (tir.const(0, a), tir.const(0, b)),
        name="pair",
    )
    one, two = te.compute((6,), lambda i: pair((x[i, k], x[i, k] * x[i, k]), axis=k), name="sums")
    return [x, te.compute((6,), lambda i: two[i] * 8.0 - one[i] * one[i], name="spread")]


@program()
def two_outputs() -> Tensors:
    """Two results of the function, one read by the other."""
    x = te.placeholder((4, 6), "float32", "X")
    first = te.compute((4, 6), lambda i, j: x[i, j] + 1.0, name="first")
    return [x, first, te.compute((4, 6), lambda i, j: first[i, 5 - j] * 2.0, name="second")]


@program(below=6)
def histogram() -> str:
    """Sums at places that data decide."""
    return f"""{HEAD}(ids: T.Buffer((10,), "int32"), H: T.Buffer((6,), "int32")):
    for i in range(6):
        with T.block("zero"):
            vi = T.axis.spatial(6, i)
            H[vi] = 0
    for i in range(10):
        with T.block("count"):
            vi = T.axis.opaque(10, i)
            T.reads(ids[vi], H[0:6])
            T.writes(H[0:6])
            H[ids[vi]] = H[ids[vi]] + 1
"""


# ---- sizes and bounds -----------------------------------------------------------------------


@program()
def no_rows() -> Tensors:
    """An extent of zero."""
    a, b = te.placeholder((0, 6), "float32", "A"), te.placeholder((6, 4), "float32", "B")
    return [a, b, topi.nn.relu(_product(a, b, "float32"))]


@program()
def no_terms() -> Tensors:
    """A reduction over nothing."""
    a, b = te.placeholder((4, 0), "float32", "A"), te.placeholder((0, 6), "float32", "B")
    return [a, b, topi.add(_product(a, b, "float32"), tir.const(1.0, "float32"))]


@program()
def ones() -> Tensors:
    """Extents of one."""
    a, b = te.placeholder((1, 6), "float32", "A"), te.placeholder((6, 1), "float32", "B")
    return [a, b, topi.nn.relu(_product(a, b, "float32"))]


@program()
def scalar() -> Tensors:
    """Buffers without dimensions."""
    x = te.placeholder((8,), "float32", "X")
    k = te.reduce_axis((0, 8), "k")
    total = te.compute((), lambda: te.sum(x[k], axis=k), name="total")
    return [x, te.compute((8,), lambda i: x[i] * total[()], name="scaled")]


@program()
def lower_bounds() -> str:
    """Loops and axes that do not begin at zero."""
    return f"""{HEAD}(X: T.Buffer((10, 12), "float32"), Y: T.Buffer((10, 12), "float32")):
    B = T.alloc_buffer((10, 12), "float32")
    for i, j in T.grid(10, 12):
        with T.block("all"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = X[vi, vj] + T.float32(1)
    for i, j in T.grid(10, 12):
        with T.block("rim"):
            vi, vj = T.axis.remap("SS", [i, j])
            Y[vi, vj] = T.float32(0)
    for i in range(1, 9):
        for j in range(2, 10):
            with T.block("inner"):
                vi = T.axis.spatial((1, 9), i)
                vj = T.axis.spatial((2, 10), j)
                Y[vi, vj] = B[vi - 1, vj] + B[vi + 1, vj + 2]
"""


@program()
def guarded() -> str:
    """Blocks that do not run in every iteration."""
    return f"""{HEAD}(X: T.Buffer((10,), "float32"), Y: T.Buffer((10,), "float32")):
    B = T.alloc_buffer((10,), "float32")
    for o, i in T.grid(3, 4):
        with T.block("first"):
            vi = T.axis.spatial(10, o * 4 + i)
            T.where(o * 4 + i < 10)
            B[vi] = X[vi] + T.float32(1)
    for o, i in T.grid(4, 3):
        with T.block("last"):
            vi = T.axis.spatial(10, o * 3 + i)
            T.where(o * 3 + i < 10)
            Y[vi] = B[vi] * T.float32(2)
"""


@program()
def guarded_sum() -> str:
    """A reduction whose loops go too far."""
    return f"""{HEAD}(X: T.Buffer((6, 10), "float32"), Y: T.Buffer((6,), "float32")):
    for i, o, k in T.grid(6, 3, 4):
        with T.block("sum"):
            vi = T.axis.spatial(6, i)
            vk = T.axis.reduce(10, o * 4 + k)
            T.where(o * 4 + k < 10)
            with T.init():
                Y[vi] = T.float32(0)
            Y[vi] = Y[vi] + X[vi, vk]
"""


@program()
def upsample() -> Tensors:
    """Indices that are divided, the same ones more than once."""
    x = te.placeholder((4, 6), "float32", "X")
    return [x, te.compute((8, 12), lambda i, j: x[i // 2, j // 2] - x[i // 2, 5 - j // 2])]


@program(n=6)
def symbolic_window() -> Tensors:
    """Windows over an unknown length."""
    n = te.var("n", "int64")
    x = te.placeholder((n + 2,), "float32", "X")
    once = te.compute((n + 2,), lambda i: x[i] * 2.0, name="once")
    return [x, te.compute((n,), lambda i: once[i] + once[i + 1] + once[i + 2], name="window")]


@program(n=5, m=3)
def symbolic_guard() -> str:
    """Unknown extents that are rounded up."""
    return f"""{HEAD}(x: T.handle, y: T.handle):
    n, m = T.int32(), T.int32()
    X = T.match_buffer(x, (n, m), "float32")
    Y = T.match_buffer(y, (n, m), "float32")
    for i, j, k in T.grid((n + 3) // 4, m, 4):
        with T.block("copy"):
            vi = T.axis.spatial(n, i * 4 + k)
            vj = T.axis.spatial(m, j)
            T.where(i * 4 + k < n)
            Y[vi, vj] = X[vi, vj] + T.float32(1)
"""


# ---- nesting --------------------------------------------------------------------------------


@program()
def nested_product() -> str:
    """A product of tiles, each a block of its own."""
    return f"""{HEAD}(A: T.Buffer((8, 4), "float32"), B: T.Buffer((4, 8), "float32"),
         C: T.Buffer((8, 8), "float32")):
    for io, jo, ko in T.grid(4, 4, 2):
        with T.block("tile"):
            vio, vjo, vko = T.axis.remap("SSR", [io, jo, ko])
            with T.init():
                for i, j in T.grid(2, 2):
                    with T.block("zero"):
                        vi, vj = T.axis.remap("SS", [i, j])
                        C[vio * 2 + vi, vjo * 2 + vj] = T.float32(0)
            for i, j, k in T.grid(2, 2, 2):
                with T.block("update"):
                    vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                    C[vio * 2 + vi, vjo * 2 + vj] = (C[vio * 2 + vi, vjo * 2 + vj]
                        + A[vio * 2 + vi, vko * 2 + vk] * B[vko * 2 + vk, vjo * 2 + vj])
"""


@program()
def nested_buffer() -> str:
    """A block with a buffer and two stages of its own."""
    return f"""{HEAD}(X: T.Buffer((8, 6), "float32"), Y: T.Buffer((8, 6), "float32")):
    for i in range(4):
        with T.block("outer"):
            vo = T.axis.spatial(4, i)
            T.reads(X[vo * 2:vo * 2 + 2, 0:6])
            T.writes(Y[vo * 2:vo * 2 + 2, 0:6])
            B = T.alloc_buffer((2, 6), "float32")
            for j, k in T.grid(2, 6):
                with T.block("produce"):
                    vj, vk = T.axis.remap("SS", [j, k])
                    B[vj, vk] = X[vo * 2 + vj, vk] + T.float32(1)
            for j, k in T.grid(2, 6):
                with T.block("consume"):
                    vj, vk = T.axis.remap("SS", [j, k])
                    Y[vo * 2 + vj, vk] = B[1 - vj, 5 - vk] * T.float32(2)
"""


@program()
def matched() -> str:
    """A part of a buffer under a name of its own."""
    return f"""{HEAD}(X: T.Buffer((8, 6), "float32"), Y: T.Buffer((8, 6), "float32")):
    for i in range(4):
        with T.block("part"):
            vo = T.axis.spatial(4, i)
            T.reads(X[vo * 2:vo * 2 + 2, 0:6])
            T.writes(Y[vo * 2:vo * 2 + 2, 0:6])
            P = T.match_buffer(X[vo * 2:vo * 2 + 2, 0:6], (2, 6), "float32", offset_factor=1)
            for j, k in T.grid(2, 6):
                with T.block("copy"):
                    vj, vk = T.axis.remap("SS", [j, k])
                    Y[vo * 2 + vj, vk] = P[vj, vk] * T.float32(2)
"""


@program()
def inner_statements() -> str:
    """A block whose body is loops, a condition and a name."""
    return f"""{HEAD}(X: T.Buffer((6, 8), "float32"), Y: T.Buffer((6,), "float32")):
    B = T.alloc_buffer((6, 8), "float32")
    for i, j in T.grid(6, 8):
        with T.block("before"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = X[vi, vj] + T.float32(1)
    for i in range(6):
        with T.block("row"):
            vi = T.axis.spatial(6, i)
            T.reads(B[vi, 0:8])
            T.writes(Y[vi])
            Y[vi] = T.float32(0)
            for j in range(8):
                twice: T.float32 = B[vi, j] * T.float32(2)
                if j % 2 == 0:
                    Y[vi] = Y[vi] + twice
"""


@program()
def on_threads() -> str:
    """Loops that are bound to threads, memory that they share."""
    return f"""{HEAD}(X: T.Buffer((8, 4), "float32"), Y: T.Buffer((8, 4), "float32")):
    B = T.alloc_buffer((8, 4), "float32", scope="shared")
    for i in T.thread_binding(8, thread="blockIdx.x"):
        for j in T.thread_binding(4, thread="threadIdx.x"):
            with T.block("load"):
                vi, vj = T.axis.remap("SS", [i, j])
                B[vi, vj] = X[vi, vj] + T.float32(1)
        for j in T.thread_binding(4, thread="threadIdx.x"):
            with T.block("use"):
                vi, vj = T.axis.remap("SS", [i, j])
                Y[vi, vj] = B[vi, vj] * T.float32(2)
"""


# ---- what certain primitives ask for --------------------------------------------------------


@program()
def tiles() -> str:
    """A product and a scaling of the sizes that the bench's instructions have."""
    return f"""{HEAD}(A: T.Buffer((4, 4), "float32"), B: T.Buffer((4, 8), "float32"),
         Y: T.Buffer((4, 8), "float32")):
    C = T.alloc_buffer((4, 8), "float32")
    for i, j in T.grid(4, 8):
        with T.block("zero"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = T.float32(0)
    for i, j, k in T.grid(4, 8, 4):
        with T.block("update"):
            vi, vj, vk = T.axis.remap("SSR", [i, j, k])
            C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]
    for i, j in T.grid(4, 8):
        with T.block("twice"):
            vi, vj = T.axis.remap("SS", [i, j])
            Y[vi, vj] = C[vi, vj] * T.float32(2)
"""


@program()
def in_place_update() -> str:
    """A buffer that a block reads and writes, given from outside."""
    return f"""{HEAD}(X: T.Buffer((6, 8), "float32"), Y: T.Buffer((6, 8), "float32")):
    for i, j in T.grid(6, 8):
        with T.block("add"):
            vi, vj = T.axis.remap("SS", [i, j])
            Y[vi, vj] = Y[vi, vj] + X[vi, vj]
    for i, j in T.grid(6, 8):
        with T.block("scale"):
            vi, vj = T.axis.remap("SS", [i, j])
            Y[vi, vj] = Y[vi, vj] * T.float32(2)
"""


@program()
def pools() -> Tensors:
    """Windows after windows, which may roll."""
    x = te.placeholder((1, 1, 10, 10), "float32", "X")
    once = topi.nn.pool2d(x, (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), "max")
    return [x, topi.nn.pool2d(once, (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), "max")]
