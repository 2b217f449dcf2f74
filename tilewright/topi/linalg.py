"""Products and contractions of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import te
from ..ir.expr import IntImm, PrimExpr
from ..support.errors import ArgumentError
from ..te.tensor import Tensor
from ..tir import op
from ..tir.expr import IterVar
from . import tag
from .broadcast import broadcast_dim
from .kinds import Axes
from .utils import (
    as_list,
    as_tuple,
    compute,
    const_or_none,
    equal_const_int,
    index_dtype,
    normalize_axis,
    reduce_over,
)

__all__ = [
    "einsum", "einsum_terms", "matmul", "tensordot",
]  # fmt: skip


def check_same(a: PrimExpr, b: PrimExpr, who: str) -> None:
    """Raises `ArgumentError` if the two dimensions are constants that differ."""
    x, y = const_or_none(a), const_or_none(b)
    if x is not None and y is not None and x != y:
        raise ArgumentError(f"{who}: the reduced dimensions are {x} and {y}")


def matmul(a: Tensor, b: Tensor, transp_a: bool = False, transp_b: bool = False) -> Tensor:
    """The product of two matrices, each of which may be given transposed."""
    if a.ndim != 2 or b.ndim != 2:
        raise ArgumentError(f"matmul needs two matrices, found {a.ndim} and {b.ndim} dimensions")
    rows, depth = (a.shape[1], a.shape[0]) if transp_a else (a.shape[0], a.shape[1])
    other, columns = (b.shape[1], b.shape[0]) if transp_b else (b.shape[0], b.shape[1])
    check_same(depth, other, "matmul")
    k = reduce_over(depth, "k", index_dtype(a, b))

    def element(i: PrimExpr, j: PrimExpr) -> PrimExpr:
        left = a(k, i) if transp_a else a(i, k)
        right = b(j, k) if transp_b else b(k, j)
        made: PrimExpr = te.sum(op.multiply(left, right), k)
        return made

    return compute([rows, columns], element, "T_matmul", "matmul")


def tensordot(a: Tensor, b: Tensor, axes: Axes = 2) -> Tensor:
    """The contraction of `a` and `b` over `axes`: a number (the last of `a` with the first of
    `b`), or a list for each."""
    if isinstance(axes, int):
        left = list(range(a.ndim - axes, a.ndim))
        right = list(range(axes))
    else:
        left, right = (list(as_tuple(x)) for x in as_list(axes, 2, "tensordot: axes"))
    left = [normalize_axis(x, a.ndim) for x in left]
    right = [normalize_axis(x, b.ndim) for x in right]
    if len(left) != len(right):
        raise ArgumentError(f"tensordot: {len(left)} axes of the first, {len(right)} of the second")
    for x, y in zip(left, right, strict=True):
        check_same(a.shape[x], b.shape[y], "tensordot")
    dtype = index_dtype(a, b)
    reduced = [reduce_over(a.shape[x], f"k{n}", dtype) for n, x in enumerate(left)]
    rest_a = [x for x in range(a.ndim) if x not in left]
    rest_b = [x for x in range(b.ndim) if x not in right]

    def element(*i: PrimExpr) -> PrimExpr:
        mine: list[Any] = [None] * a.ndim
        theirs: list[Any] = [None] * b.ndim
        for place, index in zip(rest_a, i, strict=False):
            mine[place] = index
        for place, index in zip(rest_b, i[len(rest_a) :], strict=True):
            theirs[place] = index
        for x, y, k in zip(left, right, reduced, strict=True):
            mine[x] = theirs[y] = k
        product = op.multiply(a(*mine), b(*theirs))
        return te.sum(product, reduced) if reduced else product

    shape = [*(a.shape[x] for x in rest_a), *(b.shape[x] for x in rest_b)]
    return compute(shape, element, "T_tensordot", "matmul" if reduced else tag.INJECTIVE)


def einsum_terms(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The labels of each operand and of the result; `...` is spelt out in letters of its own.

    `ranks` are the numbers of dimensions of the operands. Raises `ArgumentError` if they differ.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ArgumentError(f"einsum: {subscripts!r} names {len(terms)} operands of {len(ranks)}")
    widths = [rank - len(t.replace("...", "")) for t, rank in zip(terms, ranks, strict=True)]
    for term, width in zip(terms, widths, strict=True):
        if width < 0 or (width > 0 and "..." not in term):
            raise ArgumentError(f"einsum: {term!r} does not fit its operand in {subscripts!r}")
    most = max((w for t, w in zip(terms, widths, strict=True) if "..." in t), default=0)
    marks = "".join(chr(0x100 + n) for n in range(most))
    named = [t.replace("...", marks[most - w :]) for t, w in zip(terms, widths, strict=True)]
    if arrow:
        return named, right.replace("...", marks)
    letters = "".join(named)
    single = sorted({c for c in letters if letters.count(c) == 1 and c not in marks})
    return named, marks + "".join(single)


def einsum(subscripts: str, *operand: Any) -> Tensor:
    """Einstein's sum of the operands, as in NumPy; `...` and repeated labels are understood.

    More than two operands are contracted one pair after another.
    """
    given = operand[0] if len(operand) == 1 and isinstance(operand[0], Sequence) else operand
    tensors: list[Tensor] = list(given)
    for value in tensors:
        if not isinstance(value, Tensor):
            raise ArgumentError(f"einsum: an operand is a tensor, found {type(value).__name__}")
    terms, result = einsum_terms(subscripts, [t.ndim for t in tensors])
    for label in result:
        if not any(label in term for term in terms):
            raise ArgumentError(f"einsum: {label!r} of the result is in no operand")
    while len(tensors) > 2:
        later = set(result).union(*terms[2:])
        kept = "".join(dict.fromkeys(c for c in terms[0] + terms[1] if c in later))
        tensors[:2] = [_contract(tensors[:2], terms[:2], kept)]
        terms[:2] = [kept]
    return _contract(tensors, terms, result)


def _contract(tensors: list[Tensor], terms: list[str], result: str) -> Tensor:
    sizes: dict[str, PrimExpr] = {}
    for tensor, term in zip(tensors, terms, strict=True):
        for label, dim in zip(term, tensor.shape, strict=True):
            sizes[label] = broadcast_dim(sizes[label], dim) if label in sizes else dim
    dtype = index_dtype(*tensors)
    reduced: dict[str, IterVar] = {
        label: reduce_over(size, f"k{n}", dtype)
        for n, (label, size) in enumerate((c, s) for c, s in sizes.items() if c not in result)
    }

    def element(*i: PrimExpr) -> PrimExpr:
        place: dict[str, Any] = {**dict(zip(result, i, strict=True)), **reduced}
        value: PrimExpr | None = None
        for tensor, term in zip(tensors, terms, strict=True):
            own = [
                IntImm(d.dtype, 0)
                if equal_const_int(d, 1) and not equal_const_int(sizes[c], 1)
                else place[c]
                for c, d in zip(term, tensor.shape, strict=True)
            ]
            factor = tensor(*own)
            value = factor if value is None else op.multiply(value, factor)
        if value is None:
            raise ArgumentError("einsum needs at least one operand")
        return te.sum(value, list(reduced.values())) if reduced else value

    shape = [sizes[c] for c in result]
    return compute(shape, element, "T_einsum", "einsum" if reduced else tag.INJECTIVE)
