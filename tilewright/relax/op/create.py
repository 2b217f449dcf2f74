"""Operators that make tensors: filled, counted, triangular."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...ir.expr import IntImm, PrimExpr, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ...tir import op as tir_op
from ..base import Expr
from ..dims import as_dim, simplify
from ..expr import PrimValue
from ..struct_info import PrimStructInfo, TensorStructInfo
from . import _infer
from ._declare import Prim, Shape, op, sample
from ._samples import array


def _infer_full(shape: Any, fill_value: Any, dtype: str | None) -> TensorStructInfo:
    target, fill = _infer.shape(shape), _infer.tensor(fill_value, "`fill_value`")
    if fill.ndim not in (0, -1):
        raise CompileError(f"`fill_value` is a scalar, found {fill.ndim} dimensions")
    return _infer.made(target.values, dtype or fill.dtype, None, target.ndim)


@op(
    "full",
    infer=_infer_full,
    lower=lambda shape, fill_value, dtype: topi.full(
        shape, dtype or fill_value.dtype, fill_value()
    ),
    reference=lambda shape, fill_value, dtype: np.full(
        shape, fill_value, dtype_of(dtype or str(fill_value.dtype)).numpy
    ),
    samples=lambda: [sample((2, 3), np.array(1.5, "float32"), "float32"),
                     sample((), np.array(3, "int64"), None)],
)  # fmt: skip
def full(shape: Shape, fill_value: Expr, dtype: str | None = None) -> Expr:
    """A tensor of `shape` with `fill_value`, a scalar tensor or a number, everywhere."""


def _like(x: Any, dtype: str | None) -> TensorStructInfo:
    info = _infer.tensor(x)
    return TensorStructInfo(info.shape, dtype or info.dtype, info.vdevice, info.ndim)


@op(
    "full_like",
    infer=lambda x, fill_value, dtype: _like(x, dtype),
    lower=lambda x, fill_value, dtype: topi.full(x.shape, dtype or x.dtype, fill_value()),
    reference=lambda x, fill_value, dtype: np.full_like(x, fill_value, dtype),
    samples=lambda: [sample(array((2, 3)), np.array(1.5, "float32"))],
)
def full_like(x: Expr, fill_value: Expr, dtype: str | None = None) -> Expr:
    """A tensor of the shape of `x` with `fill_value` everywhere."""


def _filled(name: str, value: int, doc: str) -> Any:
    def declare(shape: Shape, dtype: str = "float32") -> Expr:
        raise NotImplementedError

    declare.__name__, declare.__doc__ = name, f"A tensor of `shape` with {doc} everywhere."
    return op(
        name,
        infer=lambda shape, dtype: _infer.made(
            _infer.shape(shape).values, dtype, None, _infer.shape(shape).ndim
        ),
        lower=lambda shape, dtype: topi.full(shape, dtype, tir_op.const(value, dtype)),
        reference=lambda shape, dtype: np.full(shape, value, dtype_of(dtype).numpy),
        samples=lambda: [sample((2, 3), "float32"), sample((0,), "int32")],
    )(declare)


def _filled_like(name: str, value: int, doc: str) -> Any:
    def declare(x: Expr, dtype: str | None = None) -> Expr:
        raise NotImplementedError

    declare.__name__, declare.__doc__ = name, f"A tensor of the shape of `x` with {doc}."
    return op(
        name,
        infer=_like,
        lower=lambda x, dtype: topi.full(
            x.shape, dtype or x.dtype, tir_op.const(value, dtype or x.dtype)
        ),
        reference=lambda x, dtype: np.full_like(x, value, dtype),
        samples=lambda: [sample(array((2, 3)))],
    )(declare)


ones = _filled("ones", 1, "ones")
zeros = _filled("zeros", 0, "zeros")
ones_like = _filled_like("ones_like", 1, "ones")
zeros_like = _filled_like("zeros_like", 0, "zeros")


def _prim(info: Any, what: str) -> PrimExpr:
    if not isinstance(info, PrimStructInfo) or info.value is None:
        raise CompileError(f"`{what}` must be a scalar known when compiling, found `{info}`")
    return info.value


def _count(start: PrimExpr, stop: PrimExpr, step: PrimExpr) -> PrimExpr:
    if isinstance(step, IntImm) and step.value == 0:
        raise CompileError("the step of arange is 0")
    parts = [tir_op.const_value(p) for p in (start, stop, step)]
    first, last, by = parts
    if first is not None and last is not None and by is not None:
        return IntImm("int64", max(0, int(np.ceil((last - first) / by))))
    lo, hi, stride = (as_dim(p) for p in (start, stop, step))
    return simplify(tir_op.max(tir_op.ceildiv(hi - lo, stride), 0))


@op(
    "arange",
    infer=lambda start, end, step, dtype: _infer.made(
        (_count(_prim(start, "start"), _prim(end, "end"), _prim(step, "step")),), dtype
    ),
    lower=lambda start, end, step, dtype: topi.arange(start, end, step, dtype),
    reference=lambda start, end, step, dtype: np.arange(start, end, step).astype(
        dtype_of(dtype).numpy
    ),
    samples=lambda: [
        sample(0, 5, 1, "int64"),
        sample(1, 9, 2, "float32"),
        sample(5, 0, -2, "int32"),
    ],
)  # fmt: skip
def _arange(start: Prim, end: Prim, step: Prim, dtype: str) -> Expr:
    """Numbers from `start` by `step`, as long as they are before `end`."""


def arange(start: Prim, end: Prim | None = None, step: Prim = 1, dtype: str | None = None) -> Expr:
    """Numbers from `start` by `step`, as long as they are before `end` (from 0 if it is None)."""
    if end is None:
        start, end = 0, start
    if dtype is None:
        kinds = [getattr(as_scalar_of(v), "dtype", "int64") for v in (start, end, step)]
        dtype = next((k for k in kinds if dtype_of(k).is_float), "int64")
    return _arange(as_prim(start), as_prim(end), as_prim(step), dtype)


def _infer_eye(n: Any, m: Any, k: Any, dtype: str) -> TensorStructInfo:
    rows = as_dim(_prim(n, "n"))
    return _infer.made((rows, rows if m is None else as_dim(_prim(m, "m"))), dtype)


@op(
    "eye",
    infer=_infer_eye,
    lower=lambda n, m, k, dtype: topi.eye(n, m, k, dtype),
    reference=lambda n, m, k, dtype: np.eye(n, m, k, dtype_of(dtype).numpy),
    samples=lambda: [sample(3, None, 0), sample(3, 5, 1, "int32"), sample(4, 3, -2, "float64")],
)
def eye(n: Prim, m: Prim | None = None, k: Prim = 0, dtype: str = "float32") -> Expr:
    """A matrix of `n` rows and `m` columns (None: `n`) with ones on diagonal `k`, 0 elsewhere."""


def _infer_eye_like(x: Any, k: Any, dtype: str | None) -> TensorStructInfo:
    info = _like(x, dtype)
    if info.ndim not in (2, -1):
        raise CompileError(f"a matrix has 2 dimensions, found {info.ndim}")
    return info


@op(
    "eye_like",
    infer=_infer_eye_like,
    lower=lambda x, k, dtype: topi.eye(x.shape[0], x.shape[1], k, dtype or x.dtype),
    reference=lambda x, k, dtype: np.eye(
        x.shape[0], x.shape[1], k, dtype_of(dtype or str(x.dtype)).numpy
    ),
    samples=lambda: [sample(array((3, 4)), 0), sample(array((3, 4)), 1, "int32")],
)
def eye_like(x: Expr, k: Prim = 0, dtype: str | None = None) -> Expr:
    """A matrix of the shape of `x` with ones on diagonal `k`, 0 elsewhere."""


def _lower_hamming(size: Any, periodic: Any, alpha: float, beta: float, dtype: str) -> Any:
    whole = size if periodic else size - 1
    place = topi.arange(tir_op.const(0, "int64"), size, tir_op.const(1, "int64"), "int64")
    step = tir_op.const(2 * np.pi, "float64") / tir_op.cast(tir_op.max(whole, 1), "float64")
    wave = topi.cos(topi.cast(topi.multiply(topi.cast(place, "float64"), step), "float64"))
    scaled = topi.multiply(wave, tir_op.const(beta, "float64"))
    made = topi.subtract(tir_op.const(alpha, "float64"), scaled)
    single = tir_op.less_equal(size, tir_op.const(1, "int64"))
    return topi.cast(topi.where(single, topi.full_like(made, 1.0), made), dtype)


def _hamming(size: int, periodic: Any, alpha: float, beta: float, dtype: str) -> Any:
    if size == 1:
        return np.ones(1, dtype_of(dtype).numpy)
    whole = size if periodic else size - 1
    wave = alpha - beta * np.cos(2 * np.pi * np.arange(size) / whole)
    return wave.astype(dtype_of(dtype).numpy)


def _infer_hamming(size: Any, periodic: Any, alpha: Any, beta: Any, dtype: str) -> Any:
    if not dtype_of(dtype).is_float:
        raise CompileError(f"a window is floating point, found {dtype}")
    return _infer.made((as_dim(_prim(size, "window_size")),), dtype)


@op(
    "hamming_window",
    infer=_infer_hamming,
    lower=_lower_hamming,
    reference=_hamming,
    samples=lambda: [
        sample(7, True, 0.54, 0.46, "float32"),
        sample(8, False, 0.5, 0.5, "float64"),
        sample(1, True, 0.54, 0.46, "float32"),
    ],
)
def hamming_window(
    window_size: Prim, periodic: bool, alpha: float, beta: float, dtype: str
) -> Expr:
    """`alpha - beta * cos(2 pi i / n)`, `n` being `window_size` if `periodic`, else one less."""


def as_scalar_of(value: Any) -> Any:
    """The scalar expression that a number, expression or PrimValue stands for."""
    return value.value if isinstance(value, PrimValue) else as_scalar(value)


def as_prim(value: Any) -> Any:
    """`value` as a PrimValue; integers become int64."""
    scalar = as_scalar_of(value)
    return PrimValue(IntImm("int64", scalar.value) if isinstance(scalar, IntImm) else scalar)


@op(
    "tril",
    infer=lambda x, k: _infer.tensor(x),
    lower=lambda x, k: topi.trilu(x, tir_op.const(k, "int64"), False),
    reference=lambda x, k: np.tril(x, k),
    samples=lambda: [sample(array((3, 4)), 0), sample(array((2, 4, 4)), -1)],
)
def tril(x: Expr, k: int = 0) -> Expr:
    """The lower triangles of the last two axes, up to diagonal `k`; 0 elsewhere."""


@op(
    "triu",
    infer=lambda x, k: _infer.tensor(x),
    lower=lambda x, k: topi.trilu(x, tir_op.const(k, "int64"), True),
    reference=lambda x, k: np.triu(x, k),
    samples=lambda: [sample(array((3, 4)), 0), sample(array((2, 4, 4)), 2)],
)
def triu(x: Expr, k: int = 0) -> Expr:
    """The upper triangles of the last two axes, from diagonal `k`; 0 elsewhere."""


__all__ = [
    "arange", "eye", "eye_like", "full", "full_like", "hamming_window", "ones", "ones_like", "tril",
    "triu", "zeros", "zeros_like",
]  # fmt: skip
