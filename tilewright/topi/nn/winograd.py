"""Convolutions by square windows as products of transformed tiles (Winograd's algorithm).

Of the polynomials that a tile and a kernel are, the product is known by its values at a few points
(Toom and Cook): an output tile of m x m by windows of k x k takes (m + k - 1)^2 multiplications a
channel, not k^2 m^2.

    V = B^T d B,  U = G g G^T,  M = sum over input channels of U * V,  Y = A^T M A
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ... import te
from ...ir.expr import IntImm, PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ..kinds import Operand, Padding
from ..utils import const_or_none, get_const_int, index_dtype, offset, reduce_over, require_rank
from .conv import padded
from .utils import get_pad_tuple_generic

__all__ = ["conv2d_winograd_NCHWc", "pack_winograd", "winograd_matrices"]

Matrix = np.ndarray[Any, Any]

POINTS: dict[int, tuple[float, ...]] = {
    2: (0, 1),
    3: (0, 1, -1),
    4: (0, 1, -1, 2),
    5: (0, 5 / 8, -5 / 8, 3 / 2, -3 / 2),
    6: (0, 1, -1, 2, -2, 1 / 2),
    7: (0, 1, -1, 2, -2, 1 / 2, -1 / 2),
    8: (0, 1, -1, 2, -2, 1 / 2, -1 / 2, 6 / 7),
    9: (0, 7 / 6, -7 / 6, 5 / 2, -5 / 2, 1 / 2, -1 / 2, 4 / 5, -4 / 5),
}
"""Where the polynomials are evaluated, infinity apart, by how many places they need.

Those for five places lose the least accuracy: about 3e-6 of the largest value in float32 in two
dimensions. Those for eight and nine are fractions a / b up to 8 that were searched one pair at a
time for the least error along one dimension, 2e-6; ten lose 8e-6, and in two dimensions too much.
"""


@cache
def winograd_matrices(tile: int, kernel: int = 3) -> tuple[Matrix, Matrix, Matrix]:
    """(A^T, G, B^T) of F(tile, kernel), in float64."""
    points = POINTS.get(tile + kernel - 2)
    if points is None or min(tile, kernel) < 1:
        raise ArgumentError(
            f"Winograd: tiles of {tile} outputs by kernels of {kernel}",
            hint=f"both are positive, and their sum is from {min(POINTS) + 2} to {max(POINTS) + 2}",
        )
    others = [[q for q in points if q != p] for p in points]
    last = [float(i == tile - 1) for i in range(tile)]
    at = [[p**i for p in points] + [last[i]] for i in range(tile)]
    g = [
        [p**k / np.prod([p - q for q in rest]) for k in range(kernel)]
        for p, rest in zip(points, others, strict=True)
    ]
    bt = [[*np.poly(rest)[::-1], 0.0] for rest in others]
    whole = np.poly(points)[::-1]
    return np.array(at), np.array([*g, [*[0.0] * (kernel - 1), 1.0]]), np.array([*bt, whole])


def pack_winograd(weight: Matrix, tile: int, inner: int, outer: int) -> Matrix:
    """OIHW (k x k) transformed and in blocks, channels padded with zeros to whole blocks:
    (O / outer, tile + k - 1, tile + k - 1, I / inner, inner, outer). Computed in float64."""
    out, channels, kernel, _ = weight.shape
    whole = np.pad(weight, [(0, -out % outer), (0, -channels % inner), (0, 0), (0, 0)])
    taps = whole.reshape(-1, outer, whole.shape[1], kernel * kernel)
    g = winograd_matrices(tile, kernel)[1]
    side = len(g)
    both = np.kron(g, g)
    made = np.empty((len(taps), side * side, taps.shape[2] * outer), weight.dtype)
    for block, source in zip(made, taps, strict=True):  # one at a time: they stay in cache
        block[:] = both @ source.transpose(2, 1, 0).reshape(kernel * kernel, -1).astype(np.float64)
    return made.reshape(len(taps), side, side, -1, inner, outer)


def conv2d_winograd_NCHWc(
    data: Tensor, weight: Tensor, padding: Padding = 0, kernel: int = 3
) -> Tensor:
    """The convolution of NCHW[x]c with windows of `kernel` x `kernel`, stride 1, giving NCHW[y]c.

    `weight`: as `pack_winograd` makes it, (O / y, side, side, I / x, x, y) where the side is
    tile + kernel - 1.
    """
    require_rank(data, 5, "conv2d_winograd_NCHWc")
    require_rank(weight, 6, "conv2d_winograd_NCHWc")
    side = get_const_int(weight.shape[1])
    tile = side - kernel + 1
    at, _, bt = winograd_matrices(tile, kernel)
    dtype = index_dtype(data, weight)
    batch, _, height, width, _ = data.shape
    before, after = get_pad_tuple_generic(padding, [kernel, kernel], [1, 1])
    extents = [
        offset(d, b + a - kernel + 1)
        for d, b, a in zip((height, width), before, after, strict=True)
    ]
    counts = [op.floordiv(offset(e, tile - 1), tile) for e in extents]
    source = _padded_to_tiles(data, before, after, extents, counts, tile)
    products = _products(_transformed(source, bt, counts, tile), weight, counts, dtype)
    tiles = _restored(products, at)
    made: Tensor = te.compute(
        (batch, weight.shape[0], *extents, weight.shape[5]),
        lambda nn, ff, yy, xx, ff_b: tiles(
            nn, ff, op.floordiv(yy, tile), op.floordiv(xx, tile),
            op.floormod(yy, tile), op.floormod(xx, tile), ff_b,
        ),
        "winograd",
        "conv2d_winograd",
    )  # fmt: skip
    return made


def _padded_to_tiles(
    data: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    extents: Sequence[Any],
    counts: Sequence[Any],
    tile: int,
) -> Tensor:
    """`data` padded as asked and until whole tiles cover it."""
    behind: list[Any] = []
    for have, extent, count in zip(after, extents, counts, strict=True):
        size = const_or_none(extent)
        if size is not None:
            behind.append(have + -size % tile)
        else:
            behind.append(op.add(op.subtract(op.multiply(count, tile), extent), have))
    return padded(data, [2, 3], before, behind)


def _transformed(source: Tensor, bt: Matrix, counts: Sequence[Any], tile: int) -> Tensor:
    """B^T d B of each tile: (batch, side, side, blocks, tile rows, tile columns, block)."""
    batch, blocks, _, _, block = source.shape
    side = len(bt)

    def along_rows(n: Any, c: Any, h: Any, w: Any, y: Operand, x: Operand, b: Any) -> PrimExpr:
        column = op.add(op.multiply(w, tile), x)
        row = op.multiply(h, tile)
        return row_of(bt, y, lambda k: source(n, c, op.add(row, k), column, b))

    rows = te.compute(
        (batch, blocks, *counts, side, side, block), along_rows, "winograd_input_rows"
    )
    made: Tensor = te.compute(
        (batch, side, side, blocks, *counts, block),
        lambda n, y, x, c, h, w, b: row_of(bt, x, lambda k: rows(n, c, h, w, y, k, b)),
        "winograd_input",
    )
    return made


def _products(data: Tensor, weight: Tensor, counts: Sequence[Any], dtype: str) -> Tensor:
    """The sums over input channels: (batch, blocks, side, side, tile rows, columns, block)."""
    blocks, side, _, inputs, inner, block = weight.shape
    rc, ri = reduce_over(inputs, "rc", dtype), reduce_over(inner, "ri", dtype)

    def element(n: Any, f: Any, y: Operand, x: Operand, h: Any, w: Any, b: Any) -> PrimExpr:
        product = op.multiply(data(n, y, x, rc, h, w, ri), weight(f, y, x, rc, ri, b))
        made: PrimExpr = te.sum(product, [rc, ri])
        return made

    shape = (data.shape[0], blocks, side, side, *counts, block)
    made: Tensor = te.compute(shape, element, "winograd_product")
    return made


def _restored(products: Tensor, at: Matrix) -> Tensor:
    """A^T M A of each tile: (batch, blocks, tile rows, tile columns, tile, tile, block)."""
    batch, blocks, _, side, rows, columns, block = products.shape
    tile = len(at)
    half = te.compute(
        (batch, blocks, rows, columns, tile, side, block),
        lambda n, f, h, w, y, x, b: row_of(at, y, lambda k: products(n, f, k, x, h, w, b)),
        "winograd_output_rows",
    )
    made: Tensor = te.compute(
        (batch, blocks, rows, columns, tile, tile, block),
        lambda n, f, h, w, y, x, b: row_of(at, x, lambda k: half(n, f, h, w, y, k, b)),
        "winograd_output",
    )
    return made


# ---- products with constant matrices ----------------------------------------------------------


def row_of(matrix: Matrix, index: PrimExpr, value: Callable[[PrimExpr], PrimExpr]) -> PrimExpr:
    """Row `index` of `matrix` times the vector of `value(0), value(1), ..`.

    A choice among sums, one a row: where the loop over rows is unrolled, the sum of each remains,
    and sums for the points p and -p share their even and their odd parts.
    """
    values = [value(IntImm(index.dtype, k)) for k in range(matrix.shape[1])]
    sums = linear(matrix, values)
    made = sums[-1]
    for k in reversed(range(len(sums) - 1)):
        made = op.select(op.equal(index, IntImm(index.dtype, k)), sums[k], made)
    return made


def linear(matrix: Matrix, values: Sequence[PrimExpr]) -> list[PrimExpr]:
    """`matrix` times `values`, written with common parts."""
    columns = _opposite(matrix.T)
    if columns:
        return linear(*_with_sums(matrix, list(values), columns))
    rows = _opposite(matrix)
    made = {}
    for i, j in rows:
        same = matrix[i] * matrix[j] > 0
        even, odd = _dot(matrix[i] * same, values), _dot(matrix[i] * ~same, values)
        made[i], made[j] = op.add(even, odd), op.subtract(even, odd)
    return [made[i] if i in made else _dot(row, values) for i, row in enumerate(matrix)]


def _opposite(rows: Matrix) -> list[tuple[int, int]]:
    """Pairs of rows that differ in the signs of some entries only, but not of all."""
    found: list[tuple[int, int]] = []
    used: set[int] = set()
    for i, a in enumerate(rows):
        for j in range(i + 1, len(rows)):
            signs = a * rows[j]
            opposite = np.allclose(abs(a), abs(rows[j])) and signs.min() < 0 < signs.max()
            if opposite and not used & {i, j}:
                found.append((i, j))
                used |= {i, j}
    return found


def _with_sums(
    matrix: Matrix, values: list[PrimExpr], pairs: list[tuple[int, int]]
) -> tuple[Matrix, list[PrimExpr]]:
    """The same product of the sums and differences of the values of each pair."""
    columns = [*matrix.T]
    for i, j in pairs:
        columns[i], columns[j] = (columns[i] + columns[j]) / 2, (columns[i] - columns[j]) / 2
        values[i], values[j] = op.add(values[i], values[j]), op.subtract(values[i], values[j])
    return np.stack(columns, 1), values


def _dot(row: Matrix, values: Sequence[PrimExpr]) -> PrimExpr:
    """The sum of the products, entries of one first, those of zero left out."""
    terms = [(float(c), v) for c, v in zip(row, values, strict=True) if abs(c) > 1e-12]
    terms.sort(key=lambda term: term[0] != 1)
    parts = [v if c == 1 else op.multiply(v, op.const(c, v.dtype)) for c, v in terms]
    made = parts[0]
    for part in parts[1:]:
        made = op.add(made, part)
    return made
