"""Convolutions whose weights were transformed ahead for Winograd's algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import topi
from ....ir.expr import IntImm
from ....support.errors import CompileError
from ....topi.nn.winograd import pack_winograd, winograd_matrices
from ...base import Expr
from ...dims import as_dim, simplify
from .. import _infer
from .._declare import Sample, op, sample
from .._samples import array
from . import _reference as reference
from .convolution import pads


def _infer_winograd(data: Any, weight: Any, padding: Any) -> Any:
    x, w = _infer.tensor(data, "the data"), _infer.tensor(weight, "the weight")
    if x.ndim not in (-1, 5) or w.ndim != 6 or w.dims is None:
        raise CompileError(
            f"a Winograd convolution takes data of 5 dimensions and a weight of 6 known ones, "
            f"found {x.ndim} and {w.ndim}"
        )
    dtype = _infer.common_dtype(x, w)
    if x.dims is None:
        return _infer.like(x, None, 5, dtype)
    blocks, side, _, inputs, inner, outer = w.dims
    if not isinstance(side, IntImm) or side.value not in (4, 6):
        raise CompileError(f"a weight for Winograd's algorithm has 4 or 6 points, found {side}")
    _infer.require_equal(x.dims[1], inputs, "the blocks of input channels")
    _infer.require_equal(x.dims[4], inner, "the channels of a block")
    before, after = pads(padding, 2)
    spatial = [simplify(x.dims[2 + k] + as_dim(before[k]) + as_dim(after[k]) - 2) for k in range(2)]
    return _infer.like(x, (x.dims[0], blocks, *spatial, outer), dtype=dtype)


def _reference(data: Any, weight: Any, padding: Any) -> Any:
    blocks, side, _, inputs, inner, outer = weight.shape
    back = np.linalg.pinv(winograd_matrices(side - 2)[1])
    points = weight.astype(np.float64).transpose(0, 5, 3, 4, 1, 2)
    plain = np.einsum("ri,ocij,sj->ocrs", back, points.reshape(
        blocks * outer, inputs * inner, side, side), back)  # fmt: skip
    before, after = pads(padding, 2)
    return reference.conv(
        data, plain, [1, 1], [*before, *after], [1, 1], 1,
        f"NCHW{inner}c", "OIHW", f"NCHW{outer}c", str(data.dtype),
    )  # fmt: skip


def _samples() -> list[Sample]:
    weight = array((6, 4, 3, 3), seed=1)
    return [
        sample(array((2, 2, 7, 6, 2)), pack_winograd(weight, 4, 2, 3), padding=1),
        sample(array((1, 1, 5, 3, 4)), pack_winograd(weight, 2, 4, 6)),
        sample(array((1, 2, 4, 8, 2)), pack_winograd(weight, 4, 2, 2), padding=[2, 0, 1, 1]),
    ]


@op(
    "nn.conv2d_winograd",
    infer=_infer_winograd,
    lower=lambda data, weight, padding: topi.nn.conv2d_winograd_NCHWc(
        data, weight, [n for side in pads(padding, 2) for n in side]
    ),
    reference=_reference,
    samples=_samples,
    pattern="out_elemwise_fusable",
    tolerance=1e-4,
)
def conv2d_winograd(data: Expr, weight: Expr, padding: int | Sequence[int] = 0) -> Expr:
    """The convolution of `data` (NCHW[x]c) with 3 x 3 windows at stride 1, giving NCHW[y]c.

    `weight`: as `pack_winograd` makes it, (O / y, tile + 2, tile + 2, I / x, x, y): with tiles of
    2 or 4 outputs there are 2.25 or 4 times fewer multiplications, and as many times more weights
    as (tile + 2)^2 is more than 9.
    """


__all__ = ["conv2d_winograd", "pack_winograd"]
