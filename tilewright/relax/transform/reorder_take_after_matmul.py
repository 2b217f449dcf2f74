"""ReorderTakeAfterMatmul: rows of a table of weights are chosen after the product."""

from __future__ import annotations

from ...ir.expr import IntImm
from ...ir.transform import Pass
from ..base import Expr
from ..expr import Call, const
from ..op import add, arange, matmul, multiply, permute_dims, reshape, take
from ..struct_info import TensorStructInfo
from ._calls import CallRewriter, is_call_of, rewriting_pass


class _Reorderer(CallRewriter):
    def rewrite(self, call: Call) -> Expr | None:
        """A product with chosen columns, or with one chosen matrix for each of a batch."""
        if not is_call_of(call, "matmul"):
            return None
        chosen = self.producer(call.args[1], "take")
        if chosen is None:
            return None
        left, (table, indices) = call.args[0], chosen.args
        infos = [e.struct_info for e in (left, table, indices)]
        if not all(isinstance(i, TensorStructInfo) and i.dims is not None for i in infos):
            return None
        ranks = [i.ndim for i in infos]
        if ranks[2] != 1 or chosen.attrs.axis is None:
            return None
        axis = chosen.attrs.axis % ranks[1]
        dtype = call.attrs.out_dtype
        if axis == ranks[1] - 1 and ranks[1] > 1:
            whole = matmul(left, table, dtype)
            return take(whole, indices, max(ranks[0], ranks[1]) - 1, chosen.attrs.mode)
        is_table = isinstance(infos[1].dims[0], IntImm)
        if axis == 0 and is_table and ranks[:2] == [3, 3] and chosen.attrs.mode == "fast":
            return self._each(left, table, indices, dtype)
        return None

    def _each(self, left: Expr, table: Expr, indices: Expr, dtype: str | None) -> Expr:
        """`left[b] @ table[indices[b]]`: every row with every matrix, then one of them each."""
        batch, rows, _ = left.struct_info.dims
        count, inner, columns = table.struct_info.dims
        side = reshape(permute_dims(table, (1, 0, 2)), (inner, count * columns))
        every = reshape(matmul(left, side, dtype), (batch, rows, count, columns))
        apart = permute_dims(every, (0, 2, 1, 3))
        flat = reshape(apart, (batch * count, rows, columns))
        kind = indices.struct_info.dtype
        places = arange(IntImm("int64", 0), batch, IntImm("int64", 1), kind)
        start = multiply(places, const(count.value, kind))
        return take(flat, add(start, indices), 0)


def ReorderTakeAfterMatmul() -> Pass:
    """`matmul(x, take(w, i, axis=last))`  ->  `take(matmul(x, w), i, axis=last)`, and, for a batch
    with a matrix of its own each, `matmul(x, take(w, i, axis=0))`  ->  products with all matrices,
    of which one is taken: less memory is moved where the table is small."""
    return rewriting_pass("ReorderTakeAfterMatmul", lambda func: _Reorderer())
