"""Products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ..base import Expr
from ..struct_info import TensorStructInfo
from . import _infer
from ._declare import Sample, Tensors, op, sample
from ._samples import array


def _infer_matmul(x1: Any, x2: Any, out_dtype: str | None) -> TensorStructInfo:
    a, b = _infer.tensor(x1, "the first argument"), _infer.tensor(x2, "the second argument")
    dtype = out_dtype or _infer.common_dtype(a, b)
    if 0 in (a.ndim, b.ndim):
        raise CompileError("a product of matrices needs at least one dimension on each side")
    if -1 in (a.ndim, b.ndim):
        return _infer.like(a, None, dtype=dtype)
    vectors = (a.ndim == 1) + (b.ndim == 1)
    rank = max(a.ndim, b.ndim, 2) - vectors
    if a.dims is None or b.dims is None:
        return _infer.like(a, None, rank, dtype)
    inner = b.dims[-2] if b.ndim > 1 else b.dims[0]
    _infer.require_equal(a.dims[-1], inner, "the inner dimensions")
    batch = _infer.broadcast_dims(a.dims[:-2], b.dims[:-2])
    if batch is None:
        return _infer.like(a, None, rank, dtype)
    rows = a.dims[-2:-1] if a.ndim > 1 else ()
    columns = b.dims[-1:] if b.ndim > 1 else ()
    return _infer.like(a, (*batch, *rows, *columns), dtype=dtype)


def _matmul(x1: Any, x2: Any, out_dtype: str | None) -> Any:
    if not out_dtype:
        return np.matmul(x1, x2)
    wide = dtype_of(out_dtype).numpy
    return np.matmul(x1.astype(wide), x2.astype(wide))


def _matmul_samples() -> list[Sample]:
    shapes = [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((4,), (4, 5)),
              ((3, 4), (4,)), ((4,), (4,)), ((1, 0), (0, 2))]  # fmt: skip
    floats = [sample(array(a, seed=1), array(b, seed=2)) for a, b in shapes]
    narrow = (array((3, 4), "int8", 1), array((4, 5), "int8", 2))
    return [*floats, sample(*narrow, out_dtype="int32")]


@op(
    "matmul",
    infer=_infer_matmul,
    lower=lambda x1, x2, out_dtype: topi.nn.matmul(x1, x2, out_dtype=out_dtype),
    reference=_matmul,
    samples=_matmul_samples,
    onnx="MatMul",
)
def matmul(x1: Expr, x2: Expr, out_dtype: str | None = None) -> Expr:
    """The product of two tensors of matrices, batch dimensions broadcast (as `numpy.matmul`)."""


def linear(
    data: Expr, weight: Expr, bias: Expr | None = None, out_dtype: str | None = None
) -> Expr:
    """`data @ weight.T + bias`."""
    from .binary import add
    from .rearrange import permute_dims

    product = matmul(data, permute_dims(weight), out_dtype)
    return product if bias is None else add(product, bias)


def _infer_outer(x1: Any, x2: Any) -> TensorStructInfo:
    a, b = _infer.tensor(x1, "the first argument"), _infer.tensor(x2, "the second argument")
    for info in (a, b):
        if info.ndim not in (1, -1):
            raise CompileError(f"an outer product is of vectors, found {info.ndim} dimensions")
    dtype = _infer.common_dtype(a, b)
    if a.dims is None or b.dims is None:
        return _infer.like(a, None, 2, dtype)
    return _infer.like(a, (a.dims[0], b.dims[0]), dtype=dtype)


@op(
    "outer",
    infer=_infer_outer,
    lower=lambda x1, x2: topi.multiply(topi.expand_dims(x1, 1), x2),
    reference=np.outer,
    samples=lambda: [sample(array((3,)), array((4,), seed=1))],
)
def outer(x1: Expr, x2: Expr) -> Expr:
    """The products of all elements of one vector with all of another, a row for each of `x1`."""


def _infer_einsum(operands: Any, subscripts: str) -> TensorStructInfo:
    infos = _infer.tensors(operands, "`operands`")
    dtype = _infer.common_dtype(*infos)
    sizes, output = _einsum_sizes(infos, subscripts)
    if any(i.dims is None for i in infos):
        return _infer.like(infos[0], None, dtype=dtype)
    return _infer.like(infos[0], [sizes[letter] for letter in output], dtype=dtype)


def _einsum_sizes(infos: Any, subscripts: str) -> tuple[dict[str, Any], str]:
    inputs, output = topi.einsum_terms(subscripts, [i.ndim for i in infos])
    sizes: dict[str, Any] = {}
    for term, info in zip(inputs, infos, strict=True):
        for letter, dim in zip(term, info.dims or (), strict=False):
            if letter not in sizes or _infer.is_one(sizes[letter]):
                sizes[letter] = dim
            elif not _infer.is_one(dim):
                _infer.require_equal(sizes[letter], dim, f"dimensions `{letter}` of {subscripts}")
    return sizes, output


@op(
    "einsum",
    infer=_infer_einsum,
    lower=lambda operands, subscripts: topi.einsum(subscripts, *operands),
    reference=lambda operands, subscripts: np.einsum(subscripts, *operands),
    samples=lambda: [
        sample((array((2, 3)), array((3, 4), seed=1)), "ij,jk->ik"),
        sample((array((2, 3, 4)), array((2, 4, 5), seed=1)), "...ij,...jk->...ik"),
        sample((array((3, 3)),), "ii->"),
        sample((array((2, 3)), array((4,), seed=1)), "ij,k"),
    ],
)
def einsum(operands: Tensors, subscripts: str) -> Expr:
    """The sum of products that `subscripts` describes, as `numpy.einsum`."""
