"""RemoveRedundantReshape: of reshapes one after another only the last stays."""

from __future__ import annotations

from ...ir.transform import Pass
from ..base import Expr
from ..dims import all_equal
from ..expr import Call
from ..struct_info import TensorStructInfo
from ._calls import CallRewriter, is_call_of, rewriting_pass


class _Remover(CallRewriter):
    def rewrite(self, call: Call) -> Expr | None:
        """A reshape of a reshape, or one to the shape that there is."""
        if not is_call_of(call, "reshape"):
            return None
        source = call.args[0]
        while (before := self.producer(source, "reshape")) is not None:
            source = before.args[0]
        have, want = source.struct_info, call.struct_info
        if _is_same(have, want):
            return source
        return None if source is call.args[0] else call.replace(args=(source, *call.args[1:]))


def _is_same(a: object, b: object) -> bool:
    if not isinstance(a, TensorStructInfo) or not isinstance(b, TensorStructInfo):
        return False
    return a.dims is not None and b.dims is not None and all_equal(a.dims, b.dims)


def RemoveRedundantReshape() -> Pass:
    """`reshape(reshape(x, s), t)`  ->  `reshape(x, t)`; `reshape(x, shape of x)`  ->  `x`."""
    return rewriting_pass("RemoveRedundantReshape", lambda func: _Remover())
