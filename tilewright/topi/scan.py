"""Running sums and products along an axis: loop programs."""

from __future__ import annotations

from collections.abc import Callable

from .. import te
from ..ir.expr import PrimExpr
from ..support.dtypes import dtype_of
from ..te.tensor import Tensor
from ..tir import op
from ..tir.buffer import Buffer
from ..tir.stmt import Stmt
from .loops import Cell, cells, load, loop, nest, seq, store
from .transform import reshape
from .utils import index_dtype, normalize_axis, offset, product

__all__ = [
    "cumprod", "cumsum", "scanop",
]  # fmt: skip

Binary = Callable[[PrimExpr, PrimExpr], PrimExpr]


def scanop(
    data: Tensor,
    binop: Binary,
    identity_value: int | float,
    op_name: str,
    axis: int | None = None,
    dtype: str | None = None,
    exclusive: bool | None = None,
    reverse: bool = False,
) -> Tensor:
    """`binop` of all elements up to each one along `axis` (None: of the tensor as one dimension).

    `exclusive` leaves the element itself out; `reverse` begins at the end.
    """
    if axis is None:
        data, axis = reshape(data, [product(data.shape, index_dtype(data))]), 0
    place = normalize_axis(axis, data.ndim)
    result = dtype or data.dtype
    info = dtype_of(result)
    running = "float32" if info.is_float and info.bits < 32 else result
    extent = data.shape[place]

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        source, target = ins[0], outs[0]

        def row(total: Cell, outer: tuple[PrimExpr, ...]) -> Stmt:
            def step(k: PrimExpr) -> Stmt:
                along = op.subtract(offset(extent, -1), k) if reverse else k
                at = [*outer[:place], along, *outer[place:]]
                value = op.cast(load(source, at), running)
                advance = total.set(binop(total.get(), value))
                emit = store(target, at, total.get())
                return seq(emit, advance) if exclusive else seq(advance, emit)

            return seq(total.set(identity_value), loop(extent, step, "k"))

        others = [d for k, d in enumerate(data.shape) if k != place]
        return cells([running], lambda total: nest(others, lambda *o: row(total, o), "i"), "total")

    made: Tensor = te.extern([data.shape], [data], program, op_name, [result], tag=op_name)
    return made


def cumsum(
    data: Tensor,
    axis: int | None = None,
    dtype: str | None = None,
    exclusive: bool | None = None,
    reverse: bool = False,
) -> Tensor:
    """The running sum along `axis`; see `scanop`."""
    dtype = _counted(data, dtype)
    return scanop(data, op.add, 0, "cumsum_generic", axis, dtype, exclusive, reverse)


def cumprod(
    data: Tensor,
    axis: int | None = None,
    dtype: str | None = None,
    exclusive: bool | None = None,
    reverse: bool = False,
) -> Tensor:
    """The running product along `axis`; see `scanop`."""
    dtype = _counted(data, dtype)
    return scanop(data, op.multiply, 1, "cumprod_generic", axis, dtype, exclusive, reverse)


def _counted(data: Tensor, dtype: str | None) -> str | None:
    return dtype or ("int32" if data.dtype == "bool" else None)
