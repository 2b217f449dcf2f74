"""FuseTransposeMatmul: a product with a transposed right side becomes one kernel."""

from __future__ import annotations

from typing import Any

from ... import topi
from ...ir.module import IRModule
from ...ir.transform import Pass
from ..analysis.effects import remove_all_unused
from ..base import Expr
from ..expr import Call, Function
from ..struct_info import TensorStructInfo
from ._calls import CallRewriter, is_call_of
from ._pass import module_level


class _Fuser(CallRewriter):
    def rewrite(self, call: Call) -> Expr | None:
        """A product whose right side has its last two axes swapped."""
        if not is_call_of(call, "matmul"):
            return None
        turned = self.producer(call.args[1], "permute_dims")
        if turned is None:
            return None
        infos = [call.args[0].struct_info, turned.args[0].struct_info]
        known = all(isinstance(i, TensorStructInfo) and i.dims is not None for i in infos)
        rank = infos[1].ndim
        if not known or rank < 2 or infos[0].ndim < 1 or not _is_swap(turned.attrs.axes, rank):
            return None

        def product(x: Any, w: Any) -> Any:
            return topi.nn.matmul(x, w, None, call.attrs.out_dtype, False, True)

        return self.builder_.call_te(
            product, call.args[0], turned.args[0], primfunc_name_hint="NT_matmul"
        )


def _is_swap(axes: Any, rank: int) -> bool:
    order = list(range(rank))[::-1] if axes is None else [a % rank for a in axes]
    return order == [*range(rank - 2), rank - 1, rank - 2]


def FuseTransposeMatmul() -> Pass:
    """`matmul(x, permute_dims(w))`  ->  `call_tir(NT_matmul, (x, w))`, which reads `w` in place."""

    def transform(mod: IRModule) -> IRModule:
        made = _Fuser(mod).transform()
        for gvar, func in made.items():
            if isinstance(func, Function) and gvar in mod and func is not mod[gvar]:
                made.update_func(gvar, remove_all_unused(func))
        return made

    return module_level("FuseTransposeMatmul", transform)
