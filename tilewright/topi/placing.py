"""Elements picked and placed by explicit positions: slices, index maps, tuples of indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import te
from ..ir.expr import IntImm, PrimExpr
from ..te.tensor import Tensor
from ..tir import op
from ..tir.index_map import IndexMap
from . import tag
from .scatter import scatter_nd
from .transform import transpose


def slice_from(
    x: Tensor, begin: Sequence[PrimExpr], strides: Sequence[int], extents: Sequence[Any]
) -> Tensor:
    """`out[i...] = x[begin + i * stride...]`; all of it must lie within `x`."""

    def element(*i: PrimExpr) -> PrimExpr:
        places = [
            op.add(op.cast(b, v.dtype), op.multiply(v, op.const(s, v.dtype)))
            for b, s, v in zip(begin, strides, i, strict=True)
        ]
        made: PrimExpr = x(*places)
        return made

    return te.compute(tuple(extents), element, "strided_slice", tag.INJECTIVE)


def index_map_transform(x: Tensor, index_map: IndexMap, pad_value: Any = None) -> Tensor:
    """`x` with each element where `index_map` sends it, the rest `pad_value` (default 0)."""
    shape = index_map.map_shape(x.shape)
    inverse, outside = index_map.non_surjective_inverse(x.shape)
    from ..tir.stmt_functor import substitute

    fill = op.const(0 if pad_value is None else pad_value, x.dtype)

    def element(*i: PrimExpr) -> PrimExpr:
        env = {v: op.cast(e, v.dtype) for v, e in zip(inverse.initial_indices, i, strict=True)}
        places = [substitute(e, env) for e in inverse.final_indices]
        value: PrimExpr = x(*places)
        if isinstance(outside, IntImm) and outside.value == 0:
            return value
        return op.if_then_else(substitute(outside, env), fill, value)

    return te.compute(tuple(shape), element, "layout_transform", tag.INJECTIVE)


def gather_nd_batched(data: Tensor, indices: Tensor, batch_dims: int = 0) -> Tensor:
    """Slices of `data` at the tuples in the last axis of `indices`, after `batch_dims` common
    axes (as ONNX GatherND); negative indices count from the end."""
    count = int(indices.shape[-1])  # type: ignore[call-overload]
    outer = len(indices.shape) - 1
    shape = (*indices.shape[:-1], *data.shape[batch_dims + count :])

    def element(*i: PrimExpr) -> PrimExpr:
        places: list[PrimExpr] = list(i[:batch_dims])
        for k in range(count):
            found = indices(*i[:outer], op.const(k, i[0].dtype if i else "int64"))
            extent = op.cast(data.shape[batch_dims + k], found.dtype)
            places.append(op.select(op.less(found, op.const(0, found.dtype)), found + extent, found))
        made: PrimExpr = data(*places, *i[outer:])
        return made

    return te.compute(shape, element, "gather_nd", tag.INJECTIVE)


def scatter_nd_into(data: Tensor, indices: Tensor, updates: Tensor, mode: str) -> Tensor:
    """`data` updated at the tuples in the last axis of `indices` (as ONNX ScatterND)."""
    rank = len(indices.shape)
    return scatter_nd(data, transpose(indices, [rank - 1, *range(rank - 1)]), updates, mode)


def einsum_terms(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the result; `...` is spelled out with upper-case ones."""
    text = subscripts.replace(" ", "")
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    wide = max(
        (r - len(t.replace("...", "")) for t, r in zip(terms, ranks, strict=True) if "..." in t),
        default=0,
    )
    unused = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in text][:wide]

    def spelled(term: str, rank: int) -> str:
        count = rank - len(term.replace("...", "")) if "..." in term else 0
        return term.replace("...", "".join(unused[wide - count :]))

    inputs = [spelled(t, r) for t, r in zip(terms, ranks, strict=True)]
    if arrow:
        return inputs, output.replace("...", "".join(unused))
    letters = sorted({c for t in inputs for c in t if c not in unused})
    once = [c for c in letters if sum(t.count(c) for t in inputs) == 1]
    return inputs, "".join(unused) + "".join(once)
