"""Operators that rearrange elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...ir.expr import IntImm, PrimExpr
from ...support.errors import CompileError
from ..base import Expr, ShapeExpr
from ..dims import as_dims, is_different, is_equal, product, simplify
from ..struct_info import TensorStructInfo, TupleStructInfo
from . import _infer
from ._declare import Sample, Shape, Tensors, op, sample
from ._samples import array


def _infer_reshape(x: Any, shape: Any) -> TensorStructInfo:
    info, target = _infer.tensor(x), _infer.shape(shape)
    if target.values is None:
        return _infer.like(info, None, target.ndim)
    if info.dims is not None:
        have, want = product(info.dims), product(target.values)
        if is_different(have, want):
            raise CompileError(
                f"{list(info.dims)} has {have} elements, {list(target.values)} has {want}",
                hint="write -1 for the size that follows from the others",
            )
        _infer.require_equal(have, want, "the numbers of elements")
    return _infer.like(info, target.values)


def _reshape_samples() -> list[Sample]:
    return [
        sample(array((2, 3, 4)), (6, 4)),
        sample(
            array((2, 3)),
            (3, 2, 1),
        ),
        sample(array(()), (1, 1)),
        sample(array((0, 3)), (3, 0)),
    ]


def reshaped_dims(dims: tuple[PrimExpr, ...], target: tuple[Any, ...]) -> tuple[PrimExpr, ...]:
    """`target` with -1 (the rest, at most once) and 0 (as in the input) filled in."""
    given = [d.value if isinstance(d, IntImm) else d for d in as_dims(target)]
    if given.count(-1) > 1 or any(isinstance(d, int) and d < -1 for d in given):
        raise CompileError(f"a new shape has one -1 at most and nothing below: {given}")
    copies = not _has_zero(dims)
    out = [dims[i] if d == 0 and copies and i < len(dims) else d for i, d in enumerate(given)]
    if -1 in given:
        hole = given.index(-1)
        out[hole] = _left_over(product(dims), product(as_dims(out[:hole] + out[hole + 1 :])), given)
    return as_dims(out)


def _left_over(total: PrimExpr, rest: PrimExpr, given: list[Any]) -> PrimExpr:
    if isinstance(rest, IntImm) and rest.value == 0:
        raise CompileError(f"-1 in {given} is not determined: other dimensions are 0")
    if isinstance(total, IntImm) and isinstance(rest, IntImm) and total.value % rest.value:
        raise CompileError(f"{total} elements do not divide into {given}")
    return simplify(total // rest)


def _has_zero(dims: tuple[PrimExpr, ...]) -> bool:
    return any(isinstance(d, IntImm) and d.value == 0 for d in dims)


@op(
    "reshape",
    infer=_infer_reshape,
    lower=lambda x, shape: topi.reshape(x, shape),
    reference=lambda x, shape: np.reshape(x, shape),
    samples=_reshape_samples,
    pattern="injective",
)
def _reshape(x: Expr, shape: Shape) -> Expr:
    """The elements of `x` in row-major order, as `shape`."""


def reshape(x: Expr, shape: Shape) -> Expr:
    """The elements of `x` in row-major order, as `shape`.

    In a list, one -1 stands for what is left over and 0 for the input's dimension at that place.
    """
    if isinstance(shape, (list, tuple)) and isinstance(x, Expr):
        info = _infer.tensor(x.struct_info)
        if any(isinstance(d, (int, IntImm)) and int(d) <= 0 for d in shape):
            if info.dims is None:
                raise CompileError("relax.reshape: -1 or 0 needs an input whose shape is known")
            return _reshape(x, ShapeExpr(reshaped_dims(info.dims, tuple(shape))))
    return _reshape(x, shape)


def _infer_concat(tensors: Any, axis: int | None) -> TensorStructInfo:
    infos = _infer.tensors(tensors, "`tensors`")
    if not infos:
        raise CompileError("nothing to concatenate")
    dtype = _infer.common_dtype(*infos)
    ranks = {i.ndim for i in infos if i.ndim != -1}
    if len(ranks) > 1:
        raise CompileError(f"the tensors have {sorted(ranks)} dimensions")
    rank = ranks.pop() if ranks else -1
    if axis is None:
        if rank not in (1, -1):
            raise CompileError(f"axis=None needs vectors, found {rank} dimensions")
        axis = 0
    axis = _infer.normalize_axis(axis, rank)
    if rank == -1 or any(i.dims is None for i in infos):
        return _infer.like(infos[0], None, rank, dtype)
    return _infer.like(infos[0], _joined([i.dims for i in infos], axis), dtype=dtype)


def _joined(shapes: list[Any], axis: int) -> list[PrimExpr]:
    out: list[PrimExpr] = []
    for place in range(len(shapes[0])):
        column = [s[place] for s in shapes]
        if place == axis:
            total: PrimExpr = IntImm("int64", 0)
            for dim in column:
                total = total + dim
            out.append(simplify(total))
            continue
        for dim in column[1:]:
            if not is_equal(column[0], dim):
                _infer.require_equal(column[0], dim, f"dimensions of axis {place}")
        out.append(next((d for d in column if isinstance(d, IntImm)), column[0]))
    return out


@op(
    "concat",
    infer=_infer_concat,
    lower=lambda tensors, axis: topi.concatenate(tensors, 0 if axis is None else axis),
    reference=lambda tensors, axis: np.concatenate(tensors, 0 if axis is None else axis),
    samples=lambda: [
        sample((array((2, 3)), array((2, 2), seed=1)), axis=1),
        sample((array((2, 3)), array((0, 3)), array((1, 3))), axis=-2),
        sample((array((3,), "int32"), array((2,), "int32")), axis=None),
    ],
)
def concat(tensors: Tensors, axis: int | None = 0) -> Expr:
    """The tensors strung together along `axis`; None: they are vectors."""


def _infer_meshgrid(tensors: Any, indexing: str) -> TupleStructInfo:
    infos = _infer.tensors(tensors, "`tensors`")
    if not infos:
        raise CompileError("meshgrid of no tensors")
    if indexing not in ("ij", "xy"):
        raise CompileError(f"indexing is ij or xy, found {indexing!r}")
    for info in infos:
        if info.ndim not in (0, 1, -1):
            raise CompileError(f"meshgrid takes vectors, found {info.ndim} dimensions")
    dtype = _infer.common_dtype(*infos)
    dims: list[Any] | None = None
    if all(i.dims is not None for i in infos):
        dims = [i.dims[0] if i.dims else IntImm("int64", 1) for i in infos]
        if indexing == "xy" and len(dims) > 1:
            dims[:2] = dims[1::-1]
    return TupleStructInfo(tuple(_infer.like(i, dims, len(infos), dtype) for i in infos))


@op(
    "meshgrid",
    infer=_infer_meshgrid,
    lower=lambda tensors, indexing: topi.meshgrid(tensors, indexing),
    reference=lambda tensors, indexing: tuple(np.meshgrid(*tensors, indexing=indexing)),
    samples=lambda: [
        sample((array((3,)), array((4,), seed=1), array((2,), seed=2))),
        sample((array((3,)), array((4,), seed=1)), "xy"),
        sample((array((5,), "int32"),)),
    ],
    pattern="injective",
)
def meshgrid(tensors: Tensors, indexing: str = "ij") -> Expr:
    """The coordinates of a grid over vectors, one tensor each; `xy` swaps the first two axes."""


def _reverse_sequence(data: Any, seq_lengths: Any, seq_axis: int, batch_axis: int) -> Any:
    along, batch = seq_axis % data.ndim, batch_axis % data.ndim
    out = data.copy()
    for b, length in enumerate(seq_lengths):
        where: list[Any] = [slice(None)] * data.ndim
        where[batch], where[along] = b, slice(0, int(length))
        part = data[tuple(where)]
        out[tuple(where)] = np.flip(part, along - (batch < along))
    return out


def _infer_reverse_sequence(
    data: Any, seq_lengths: Any, seq_axis: int, batch_axis: int
) -> TensorStructInfo:
    info, lengths = _infer.tensor(data), _infer.tensor(seq_lengths, "`seq_lengths`")
    along = _infer.normalize_axis(seq_axis, info.ndim)
    batch = _infer.normalize_axis(batch_axis, info.ndim)
    if info.ndim != -1 and along == batch:
        raise CompileError(f"seq_axis and batch_axis are both {along}")
    if lengths.ndim not in (1, -1):
        raise CompileError(f"`seq_lengths` is a vector, found {lengths.ndim} dimensions")
    if info.dims is not None and lengths.dims is not None:
        _infer.require_equal(lengths.dims[0], info.dims[batch], "the number of lengths")
    return info


@op(
    "reverse_sequence",
    infer=_infer_reverse_sequence,
    lower=lambda data, seq_lengths, seq_axis, batch_axis: topi.reverse_sequence(
        data, seq_lengths, seq_axis, batch_axis
    ),
    reference=_reverse_sequence,
    samples=lambda: [
        sample(array((3, 4, 2)), np.array([1, 4, 0], "int64")),
        sample(array((4, 3)), np.array([2, 3, 4], "int32"), 0, -1),
    ],
    pattern="injective",
)
def reverse_sequence(data: Expr, seq_lengths: Expr, seq_axis: int = 1, batch_axis: int = 0) -> Expr:
    """The first `seq_lengths[b]` elements along `seq_axis` backwards, the others as they are."""


def _infer_size(expr: Any) -> TensorStructInfo:
    return TensorStructInfo((), "int64", _infer.tensor(expr).vdevice)  # type: ignore[arg-type]


@op(
    "size",
    infer=_infer_size,
    lower=lambda expr: topi.ndarray_size(expr, "int64"),
    reference=lambda expr: np.array(expr.size, "int64"),
    samples=lambda: [sample(array((3, 4))), sample(array(())), sample(array((0, 2)))],
)
def size(expr: Expr) -> Expr:
    """The number of elements, a scalar tensor of int64."""
