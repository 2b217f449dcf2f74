"""PackWeights: matrix products with constant weights read them in the order of their memory.

    y = matmul(x, W)    W: (k, n)
->  y = packed_matmul(x, W')    W': (n / width, k, width)

A few columns are panels of one each: products with them go along the sum.
"""

from __future__ import annotations

from typing import Any

from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ...target import Target
from ...target.machine import MachineModel
from .. import op as R
from ..base import Expr
from ..expr import Call, Constant, const
from ..expr_functor import PyExprMutator
from ..op.nn.packed import pack_columns
from ._pass import module_level

VECTORS = 2
"""Vectors of a panel: two of them and up to fourteen rows fill the registers of any machine."""

FEW = 4
"""Columns that so often fit into a vector are too few to be one."""


class _Packer(PyExprMutator):
    def __init__(self, mod: IRModule, lanes: Any) -> None:
        super().__init__(mod)
        self.lanes = lanes
        self.packed: dict[tuple[int, int], Constant] = {}

    def visit_call_(self, op: Call) -> Expr:
        """A product whose right side is a constant matrix."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or call.op is not Op.get("relax.matmul"):
            return call
        weight = call.args[1]
        if not isinstance(weight, Constant) or weight.array.ndim != 2 or not weight.array.size:
            return call
        if getattr(call.args[0].struct_info, "ndim", -1) < 2:
            return call
        made = R.nn.packed_matmul(
            call.args[0], self._panels(weight), weight.array.shape[1], call.attrs.out_dtype
        )
        return made.replace(span=call.span)

    def _panels(self, weight: Constant) -> Constant:
        lanes = self.lanes(weight.dtype)
        width = 1 if FEW * weight.array.shape[1] <= lanes else VECTORS * lanes
        key = (id(weight.array), width)
        if key not in self.packed:
            self.packed[key] = const(pack_columns(weight.array, width))
        return self.packed[key]


def PackWeights(lanes: int | None = None) -> Pass:
    """Packs constant right sides of matrix products into panels of two vectors of columns.

    `lanes`: of a vector; by default those of the current target's machine model.
    """

    def transform(mod: IRModule) -> IRModule:
        if lanes is not None:
            return _Packer(mod, lambda dtype: lanes).transform()
        target = Target.current(allow_none=True)
        if target is None or target.kind.name != "llvm":
            return mod
        return _Packer(mod, MachineModel.of(target).lanes).transform()

    return module_level("PackWeights", transform)
