"""Writing into a tensor at indices that another tensor holds: loop programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import te
from ..ir.expr import PrimExpr
from ..support.errors import ArgumentError
from ..te.tensor import Tensor
from ..tir import op
from ..tir.buffer import Buffer
from ..tir.stmt import IfThenElse, Stmt
from .broadcast import broadcast_index, broadcast_shapes
from .loops import load, nest, seq, store
from .utils import get_const_int, is_float, normalize_axis

__all__ = [
    "index_put", "scatter_add", "scatter_elements", "scatter_nd", "scatter_nd_into", "take_grad",
]  # fmt: skip

Combine = Callable[[PrimExpr, PrimExpr], PrimExpr]

REDUCTIONS: dict[str, Combine] = {
    "update": lambda old, new: new,
    "none": lambda old, new: new,
    "add": op.add,
    "sub": op.subtract,
    "mul": op.multiply,
    "min": op.min,
    "max": op.max,
}
"""How a new value meets the one that is there."""


def _combine(reduction: str, who: str) -> Combine:
    if reduction not in REDUCTIONS:
        known = ", ".join([*REDUCTIONS, "mean"])
        raise ArgumentError(f"{who}: reduction is one of {known}, found {reduction!r}")
    return REDUCTIONS[reduction]


def _wrapped(index: PrimExpr, extent: PrimExpr) -> PrimExpr:
    """A negative index counted from the end."""
    wide = op.cast(index, extent.dtype)
    return op.select(op.less(wide, 0), op.add(wide, extent), wide)


def _placed(out: Buffer, to: Sequence[PrimExpr], count: int, write: Stmt) -> Stmt:
    """`write` if the first `count` indices lie within `out`: nothing is written beside it."""
    inside = [
        op.logical_and(op.greater_equal(i, 0), op.less(i, op.cast(extent, i.dtype)))
        for i, extent in zip(to[:count], out.shape, strict=False)
    ]
    return IfThenElse(op.every(inside), write)


def _copy(source: Buffer, target: Buffer) -> Stmt:
    return nest(source.shape, lambda *i: store(target, i, load(source, i)), "c")


def scatter_elements(
    data: Tensor, indices: Tensor, updates: Tensor, axis: int = 0, reduction: str = "update"
) -> Tensor:
    """`data` with each of `updates` written at its index along `axis`, in its own row.

    `reduction` combines it with what is there: update, add, mul, min, max, or mean (with the
    original element counted in; that of integers is rounded down, as in PyTorch). Negative
    indices count from the end.
    """
    place = normalize_axis(axis, data.ndim)
    if indices.ndim != data.ndim or updates.ndim != data.ndim:
        raise ArgumentError(
            f"scatter_elements: data, indices and updates have {data.ndim}, {indices.ndim} and "
            f"{updates.ndim} dimensions, expected the same"
        )
    mean = reduction == "mean"
    combine = op.add if mean else _combine(reduction, "scatter_elements")
    extent = data.shape[place]

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        given, where, new = ins
        out = outs[0]

        def target(i: Sequence[PrimExpr]) -> list[PrimExpr]:
            index = _wrapped(load(where, i), extent)
            return [*i[:place], index, *i[place + 1 :]]

        def update(*i: PrimExpr) -> Stmt:
            to = target(i)
            write = store(out, to, combine(load(out, to), load(new, i)))
            if mean:
                write = seq(write, store(outs[1], to, load(outs[1], to) + 1))
            return _placed(out, to, len(to), write)

        steps = [_copy(given, out), nest(where.shape, update, "i")]
        if mean:
            steps.insert(0, nest(given.shape, lambda *i: store(outs[1], i, 1), "c"))
            steps.append(nest(given.shape, lambda *i: store(out, i, _mean(out, outs[1], i)), "d"))
        return seq(*steps)

    shapes = [data.shape, data.shape] if mean else [data.shape]
    dtypes = [data.dtype, "int32"] if mean else [data.dtype]
    made = te.extern(
        shapes, [data, indices, updates], program, "scatter_elements.generic", dtypes,
        tag="scatter_elements.generic",
    )  # fmt: skip
    result: Tensor = made[0] if len(shapes) > 1 else made
    return result


def _mean(total: Buffer, count: Buffer, i: Sequence[PrimExpr]) -> PrimExpr:
    value = load(total, i)
    divide = op.div if is_float(value.dtype) else op.floordiv
    return divide(value, op.cast(load(count, i), value.dtype))


def scatter_nd(data: Tensor, indices: Tensor, updates: Tensor, mode: str = "update") -> Tensor:
    """`data` with slices replaced: `indices[k, ...]` is the index of the `k`-th dimension of the
    slice `updates[...]`. `mode`: update, add, mul, min or max, in the order of the indices."""
    return _scatter_nd(data, indices, updates, mode, False)


def scatter_nd_into(
    data: Tensor, indices: Tensor, updates: Tensor, reduction: str = "update"
) -> Tensor:
    """`scatter_nd` with the coordinates in the last dimension of `indices`, as in ONNX."""
    return _scatter_nd(data, indices, updates, reduction, True)


def _scatter_nd(
    data: Tensor, indices: Tensor, updates: Tensor, reduction: str, last: bool
) -> Tensor:
    combine = _combine(reduction, "scatter_nd")
    if not indices.ndim:
        raise ArgumentError("scatter_nd: indices need a dimension, found none")
    depth = get_const_int(indices.shape[-1 if last else 0])
    outer = indices.ndim - 1
    if depth > data.ndim or updates.ndim != outer + data.ndim - depth:
        raise ArgumentError(
            f"scatter_nd: updates of {updates.ndim} dimensions do not fit coordinates of {depth} "
            f"into {data.ndim} dimensions"
        )

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        given, where, new = ins
        out = outs[0]

        def coordinate(k: int, i: Sequence[PrimExpr]) -> PrimExpr:
            which = op.const(k, where.shape[-1 if last else 0].dtype)
            at = [*i[:outer], which] if last else [which, *i[:outer]]
            return _wrapped(load(where, at), data.shape[k])

        def update(*i: PrimExpr) -> Stmt:
            to = [*(coordinate(k, i) for k in range(depth)), *i[outer:]]
            return _placed(out, to, depth, store(out, to, combine(load(out, to), load(new, i))))

        return seq(_copy(given, out), nest(new.shape, update, "i"))

    made: Tensor = te.extern(
        [data.shape], [data, indices, updates], program, "scatter_nd.generic", [data.dtype],
        tag="scatter_nd.generic",
    )  # fmt: skip
    return made


def index_put(
    data: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False
) -> Tensor:
    """`data` with `data[indices[0], indices[1], ...] = values` (`accumulate`: `+=`), where the
    index tensors broadcast and the values broadcast to what they pick."""
    given = list(indices)
    if not given or len(given) > data.ndim:
        raise ArgumentError(f"index_put: {len(given)} index tensors for {data.ndim} dimensions")
    front = broadcast_shapes(*[t.shape for t in given])
    whole = [*front, *data.shape[len(given) :]]

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        source, *places, new = ins
        out = outs[0]

        def update(*i: PrimExpr) -> Stmt:
            head = i[: len(front)]
            to: list[PrimExpr] = [
                _wrapped(load(p, broadcast_index(head, front, p.shape)), data.shape[k])
                for k, p in enumerate(places)
            ]
            to += i[len(front) :]
            value = load(new, broadcast_index(i, whole, new.shape))
            write = store(out, to, load(out, to) + value if accumulate else value)
            return _placed(out, to, len(places), write)

        return seq(_copy(source, out), nest(whole, update, "i"))

    made: Tensor = te.extern(
        [data.shape], [data, *given, values], program, "index_put", [data.dtype], tag="index_put"
    )
    return made


def scatter_add(data: Tensor, indices: Tensor, updates: Tensor, axis: int = 0) -> Any:
    """`scatter_elements` that adds."""
    return scatter_elements(data, indices, updates, axis, "add")


def take_grad(grad: Tensor, data: Tensor, indices: Tensor, axis: int) -> Tensor:
    """The gradient of `take(data, indices, axis)`: zeros of the shape of `data`, with each slice of
    `grad` added where it came from; indices outside are those of the nearest end."""
    place = normalize_axis(axis, data.ndim)
    count = indices.ndim
    extent = data.shape[place]

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        given, where = ins
        out = outs[0]

        def update(*i: PrimExpr) -> Stmt:
            at = op.cast(load(where, i[place : place + count]), extent.dtype)
            last = op.subtract(extent, op.const(1, extent.dtype))
            held = op.max(op.min(at, last), op.const(0, extent.dtype))
            to = [*i[:place], held, *i[place + count :]]
            return store(out, to, load(out, to) + load(given, i))

        clear = nest(data.shape, lambda *i: store(out, i, op.const(0, data.dtype)), "c")
        return seq(clear, nest(grad.shape, update, "i"))

    made: Tensor = te.extern(
        [data.shape], [grad, indices], program, "take_grad", [data.dtype], tag="take_grad"
    )
    return made
