"""Matrices in compressed rows (`data`, `indices`, `indptr`, `shape`) times dense ones."""

from __future__ import annotations

from typing import Any, Protocol

from ... import te
from ...ir.expr import IntImm, PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ...tir.buffer import Buffer
from ...tir.expr import Var
from ...tir.stmt import For, ForKind, Stmt
from ..kinds import Sizes
from ..loops import load, nest, seq, store
from ..utils import require_rank

__all__ = ["csrmm", "csrmv", "dense"]


class Rows(Protocol):
    """A matrix of `shape` whose row `i` is `data[indptr[i]:indptr[i + 1]]` at the columns that
    `indices` names there."""

    data: Tensor
    indices: Tensor
    indptr: Tensor
    shape: Sizes


def _is_rows(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("data", "indices", "indptr", "shape"))


def _entries(pointers: Buffer, row: PrimExpr, body: Any) -> Stmt:
    """A loop over the entries of a row."""
    first = load(pointers, (row,))
    end = load(pointers, (row + 1,))
    k = Var("k", first.dtype)
    return For(k, first, op.subtract(end, first), ForKind.SERIAL, body(k))


def csrmm(a: Rows, b: Tensor, c: Tensor | None = None) -> Tensor:
    """`a @ b`, plus `c` for each row of the result on request."""
    if not _is_rows(a):
        raise ArgumentError(f"csrmm needs a matrix in compressed rows, found {type(a).__name__}")
    require_rank(b, 2, "csrmm")
    rows, columns = a.shape[0], b.shape[1]

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        data, indices, pointers, right = ins[:4]
        out = outs[0]

        def row(i: PrimExpr) -> Stmt:
            def add(k: PrimExpr) -> Stmt:
                column = load(indices, (k,))
                return nest(
                    [columns],
                    lambda j: store(
                        out, (i, j),
                        load(out, (i, j)) + load(data, (k,)) * load(right, (column, j)),
                    ),
                    "j",
                )  # fmt: skip

            start = load(ins[4], (i,)) if c is not None else IntImm("int32", 0)
            return seq(
                nest([columns], lambda j: store(out, (i, j), start), "j"),
                _entries(pointers, i, add),
            )

        return nest([rows], row)

    inputs = [a.data, a.indices, a.indptr, b, *([c] if c is not None else [])]
    made: Tensor = te.extern(
        [(rows, columns)], inputs, program, "csrmm", [a.data.dtype], tag="csrmm"
    )
    return made


def csrmv(a: Rows, x: Tensor, y: Tensor | None = None) -> Tensor:
    """`a @ x` of a column `x`, plus the one number `y` on request."""
    require_rank(x, 2, "csrmv")
    product = csrmm(a, x)
    if y is None:
        return product
    made: Tensor = te.compute(product.shape, lambda i, j: product(i, j) + y(0), "csrmv", "csrmv")
    return made


def dense(data: Any, weight: Any, bias: Tensor | None = None) -> Tensor:
    """`data @ weight.T + bias`, one of the two in compressed rows."""
    if _is_rows(data) == _is_rows(weight):
        raise ArgumentError("sparse.dense needs one matrix in compressed rows and one tensor")
    rows, other = (data, weight) if _is_rows(data) else (weight, data)
    flipped = te.compute((other.shape[1], other.shape[0]), lambda i, j: other(j, i), "T_transpose")
    product = csrmm(rows, flipped)
    columns = weight.shape[0]
    shape = (data.shape[0], columns)
    turned = rows is weight

    def element(i: PrimExpr, j: PrimExpr) -> PrimExpr:
        value = product(j, i) if turned else product(i, j)
        return value + bias(j) if bias is not None else value

    made: Tensor = te.compute(shape, element, "sparse_dense", "sparse_dense")
    return made
