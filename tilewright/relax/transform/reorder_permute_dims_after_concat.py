"""ReorderPermuteDimsAfterConcat: tensors that are all permuted alike are joined first."""

from __future__ import annotations

from ...ir.transform import Pass
from ..base import Expr
from ..expr import Call, Tuple, Var
from ..op import concat, permute_dims
from ._calls import CallRewriter, is_call_of, rewriting_pass


class _Reorderer(CallRewriter):
    def rewrite(self, call: Call) -> Expr | None:
        """A concatenation of permuted tensors."""
        if not is_call_of(call, "concat") or call.attrs.axis is None:
            return None
        items = call.args[0]
        if isinstance(items, Var):
            items = self.lookup_binding(items) or items
        if not isinstance(items, Tuple) or not items.items:
            return None
        turned = [self.producer(i, "permute_dims") for i in items.items]
        calls = [t for t in turned if t is not None]
        if len(calls) < len(items.items):
            return None
        rank = calls[0].struct_info.ndim
        orders = [_order(c, rank) for c in calls]
        if rank < 0 or any(o != orders[0] for o in orders):
            return None
        axis = orders[0][call.attrs.axis % rank]
        joined = concat(Tuple(tuple(c.args[0] for c in calls)), axis)
        return permute_dims(joined, calls[0].attrs.axes)


def _order(call: Call, rank: int) -> tuple[int, ...]:
    axes = call.attrs.axes
    return tuple(range(rank))[::-1] if axes is None else tuple(a % rank for a in axes)


def ReorderPermuteDimsAfterConcat() -> Pass:
    """`concat([permute_dims(a, p), permute_dims(b, p)], k)`  ->
    `permute_dims(concat([a, b], p[k]), p)`."""
    return rewriting_pass("ReorderPermuteDimsAfterConcat", lambda func: _Reorderer())
