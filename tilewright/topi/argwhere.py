"""Where a condition holds: how often, and the coordinates."""

from __future__ import annotations

from .. import te
from ..ir.expr import IntImm, PrimExpr
from ..te.tensor import Tensor
from ..tir import op
from ..tir.buffer import Buffer
from ..tir.stmt import Stmt
from .kinds import Sizes
from .loops import load, nest, seq, store, when
from .math import cast
from .reduction import sum as total
from .utils import as_tuple, index_dtype

__all__ = ["argwhere", "nonzero_count"]


def nonzero_count(condition: Tensor, dtype: str = "int64") -> Tensor:
    """How many elements of `condition` are not zero, a tensor of no dimensions."""
    made: Tensor = total(cast(cast(condition, "bool"), dtype))
    return made


def argwhere(output_shape: Sizes, condition: Tensor, dtype: str = "int32") -> Tensor:
    """The coordinates of the elements of `condition` that are not zero, one row each, in order.

    `output_shape` is (how many, dimensions), or a tensor of that shape; further ones are left out.
    """
    shape = output_shape.shape if isinstance(output_shape, Tensor) else as_tuple(output_shape)
    kind = index_dtype(condition)

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        source, out, count = ins[0], outs[0], outs[1]
        here = [op.const(0, kind)]

        def visit(*i: PrimExpr) -> Stmt:
            row = load(count, here)
            rows = [store(out, [row, op.const(k, kind)], index) for k, index in enumerate(i)]
            value = load(source, i)
            holds = op.not_equal(value, op.const(0, value.dtype))
            fits = op.less(row, op.cast(out.shape[0], kind))
            return when(op.logical_and(holds, fits), seq(*rows, store(count, here, row + 1)))

        return seq(store(count, here, 0), nest(source.shape, visit, "i"))

    made: Tensor = te.extern(
        [list(shape), [IntImm(kind, 1)]], [condition], program, "argwhere", [dtype, kind],
        tag="argwhere",
    )[0]  # fmt: skip
    return made
