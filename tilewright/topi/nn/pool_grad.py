"""Gradients of pooling: loop programs that walk the windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ...tir.buffer import Buffer
from ...tir.stmt import Stmt
from ..loops import Cell, cells, load, nest, seq, store, when
from ..utils import offset
from .pooling import _Window

__all__ = ["pool_grad"]


def pool_grad(
    grad: Tensor,
    data: Tensor,
    kernel: Any,
    stride: Any,
    dilation: Any,
    padding: Any,
    pool_type: str,
    ceil_mode: bool = False,
    layout: str = "NCHW",
    count_include_pad: bool = True,
) -> Tensor:
    """The gradient of `pool2d` with respect to `data`, given that of its result: it goes to the
    first largest element of each window (`max`), or in equal parts to all (`avg`)."""
    if pool_type not in ("max", "avg"):
        raise ArgumentError(f"pool_type is max or avg, found {pool_type!r}")
    window = _Window(data, kernel, stride, dilation, padding, layout, 2)
    taps = [op.const(k, window.dtype) for k in window.kernel]

    def source(i: Sequence[PrimExpr], tap: Sequence[PrimExpr]) -> list[PrimExpr]:
        own = list(i)
        for k, place in enumerate(window.places):
            reach = op.multiply(op.cast(tap[k], i[place].dtype), window.dilation[k])
            start = offset(op.multiply(i[place], window.stride[k]), -window.before[k])
            own[place] = op.add(start, reach)
        return own

    def inside(at: Sequence[PrimExpr]) -> PrimExpr:
        return op.all(*[
            op.logical_and(op.greater_equal(at[p], 0), op.less(at[p], window.extents[k]))
            for k, p in enumerate(window.places)
        ])  # fmt: skip

    def largest(given: Buffer, values: Buffer, out: Buffer, i: Sequence[PrimExpr]) -> Stmt:
        def search(best: Cell, row: Cell, column: Cell) -> Stmt:
            def tap(a: PrimExpr, b: PrimExpr) -> Stmt:
                at = source(i, (a, b))
                better = op.logical_or(
                    op.less(row.get(), 0), op.greater(load(values, at), best.get())
                )
                found = seq(best.set(load(values, at)), row.set(a), column.set(b))
                return when(inside(at), when(better, found))

            to = source(i, (row.get(), column.get()))
            add = store(out, to, load(out, to) + load(given, i))
            return seq(row.set(-1), nest(taps, tap, "t"), when(op.greater_equal(row.get(), 0), add))

        return cells([data.dtype, window.dtype, window.dtype], search, "best")

    def shared(given: Buffer, out: Buffer, i: Sequence[PrimExpr]) -> Stmt:
        count = window.count(i, count_include_pad, ceil_mode)
        number = op.const(count, data.dtype) if isinstance(count, int) else op.cast(
            count, data.dtype
        )  # fmt: skip

        def tap(a: PrimExpr, b: PrimExpr) -> Stmt:
            to = source(i, (a, b))
            return when(inside(to), store(out, to, load(out, to) + load(given, i) / number))

        return nest(taps, tap, "t")

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        given, values, out = ins[0], ins[1], outs[0]
        clear = nest(data.shape, lambda *i: store(out, i, op.const(0, data.dtype)), "c")

        def visit(*i: PrimExpr) -> Stmt:
            if pool_type == "max":
                return largest(given, values, out, i)
            return shared(given, out, i)

        return seq(clear, nest(grad.shape, visit, "i"))

    made: Tensor = te.extern(
        [data.shape], [grad, data], program, f"{pool_type}_pool_grad", [data.dtype],
        tag="pool_grad",
    )[0]  # fmt: skip
    return made
