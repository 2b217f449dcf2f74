"""Constants of functions kept in the module, each once."""

from __future__ import annotations

from typing import Any

from ...ir.functor import Rewriter, on
from ...ir.module import IRModule
from ...ir.structural import arrays_equal
from ...ir.transform import PassContext
from ...support.arrays import as_constant
from ..function import PrimFunc
from ..stmt import CONSTANT_INDEX, AllocateConst
from .base import module_factory

CONSTANTS = "constants"


class _Extract(Rewriter):
    def __init__(self, constants: list[Any]) -> None:
        self.constants = constants

    @on(AllocateConst)
    def allocate(self, node: AllocateConst) -> AllocateConst:
        """The constant gets its place in the module's list."""
        new: AllocateConst = self.rewrite_children(node)
        annotations = {**new.annotations, CONSTANT_INDEX: self._place(node)}
        return new.replace(annotations=annotations)

    def _place(self, node: AllocateConst) -> int:
        for place, known in enumerate(self.constants):
            if arrays_equal(as_constant(known), node.array):
                return place
        self.constants.append(node.data)
        return len(self.constants) - 1


@module_factory
def ExtractPrimFuncConstants(mod: IRModule, ctx: PassContext) -> IRModule:
    """allocate_const(data)   ->   the same with `irmod_storage_idx`, its place in the module's
    attribute `constants`, a list of tensors where equal data stands once"""
    constants = list((mod.attrs or {}).get(CONSTANTS, ()))
    before = len(constants)
    extract = _Extract(constants)
    out = {
        var: func.replace(body=extract.run(func.body)) if isinstance(func, PrimFunc) else func
        for var, func in mod.items()
    }
    made = mod.with_functions(out)
    return made if len(constants) == before else made.with_attr(CONSTANTS, constants)
