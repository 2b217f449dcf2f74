"""OptimizeLayoutTransform: a change of layout and the way back cancel."""

from __future__ import annotations

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.transform import Pass
from ...tir.arith import Analyzer
from ...tir.expr import Var as TirVar
from ...tir.index_map import IndexMap
from ..base import Expr
from ..dims import all_equal, is_equal
from ..expr import Call
from ..struct_info import TensorStructInfo
from ._calls import CallRewriter, is_call_of, rewriting_pass


def _undoes(second: IndexMap, first: IndexMap, rank: int, dims: tuple[PrimExpr, ...]) -> bool:
    """True if `second` after `first` gives every index of a tensor of these dimensions back."""
    analyzer = Analyzer()
    indices = [TirVar(f"i{k}", "int64") for k in range(rank)]
    for var, dim in zip(indices, dims, strict=True):
        if isinstance(dim, IntImm):
            analyzer.bind(var, Range(IntImm("int64", 0), dim))
    back = second.map_indices(first.map_indices(indices))
    if len(back) != rank:
        return False
    return all(is_equal(analyzer.simplify(b), i) for b, i in zip(back, indices, strict=True))


class _Canceller(CallRewriter):
    def rewrite(self, call: Call) -> Expr | None:
        """A change of layout of a changed layout."""
        if not is_call_of(call, "layout_transform"):
            return None
        before = self.producer(call.args[0], "layout_transform")
        if before is None:
            return None
        source = before.args[0]
        have, want = source.struct_info, call.struct_info
        if not isinstance(have, TensorStructInfo) or not isinstance(want, TensorStructInfo):
            return None
        if have.dims is None or want.dims is None or not all_equal(have.dims, want.dims):
            return None
        maps = call.attrs.index_map, before.attrs.index_map
        return source if _undoes(*maps, have.ndim, have.dims) else None


def OptimizeLayoutTransform() -> Pass:
    """`layout_transform(layout_transform(x, f), g)`  ->  `x`, where `g` undoes `f`."""
    return rewriting_pass("OptimizeLayoutTransform", lambda func: _Canceller())
