"""Padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import topi
from ....support.errors import CompileError
from ...base import Expr
from ...dims import as_dim, simplify
from .. import _infer
from .._declare import op, sample
from .._samples import array


def _pairs(pad_width: Any) -> list[tuple[Any, Any]]:
    flat = [w for p in pad_width for w in (p if isinstance(p, (tuple, list)) else (p,))]
    return list(zip(flat[::2], flat[1::2], strict=True))


def _infer_pad(data: Any, pad_width: Any, pad_mode: str, pad_value: float) -> Any:
    info = _infer.tensor(data)
    pairs = _pairs(pad_width)
    if info.ndim != -1 and len(pairs) != info.ndim:
        raise CompileError(f"{len(pairs)} pairs of widths for {info.ndim} dimensions")
    if pad_mode not in _NUMPY:
        raise CompileError(f"pad_mode {pad_mode!r} is none of {', '.join(_NUMPY)}")
    if info.dims is None:
        return info
    return _infer.like(
        info,
        [simplify(as_dim(a) + d + as_dim(b)) for (a, b), d in zip(pairs, info.dims, strict=True)],
    )


_NUMPY = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _lower(data: Any, pad_width: Any, pad_mode: str, pad_value: float) -> Any:
    before, after = map(list, zip(*_pairs(pad_width), strict=True))
    if pad_mode == "constant":
        return topi.nn.pad(data, before, after, pad_value)
    kinds = {"reflect": topi.nn.reflect_pad, "replicate": topi.nn.replicate_pad,
             "circular": topi.nn.circular_pad}  # fmt: skip
    return kinds[pad_mode](data, before, after)


def _reference(data: Any, pad_width: Any, pad_mode: str, pad_value: float) -> Any:
    if pad_mode == "constant":
        return np.pad(data, _pairs(pad_width), constant_values=pad_value)
    return np.pad(data, _pairs(pad_width), mode=_NUMPY[pad_mode])  # type: ignore[call-overload]


@op(
    "nn.pad",
    infer=_infer_pad,
    lower=_lower,
    reference=_reference,
    samples=lambda: [
        sample(array((2, 3)), (1, 0, 2, 1), "constant", 1.5),
        sample(array((4, 5)), ((1, 2), (2, 2)), "reflect"),
        sample(array((4, 5)), (1, 2, 0, 0), "replicate"),
        sample(array((4, 5)), (1, 2, 2, 0), "circular"),
    ],
    pattern="injective",
)
def pad(
    data: Expr, pad_width: Sequence[Any], pad_mode: str = "constant", pad_value: float = 0.0
) -> Expr:
    """`data` grown by pairs of widths (before, after) an axis: by a constant, or by its own
    values reflected, replicated from the edge, or round in a circle."""
