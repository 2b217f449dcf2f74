"""Constants of functions kept in the module, each once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.functor import Rewriter, on
from ...ir.module import IRModule
from ...ir.transform import PassContext
from ..function import PrimFunc
from ..stmt import AllocateConst
from .base import module_factory

CONSTANTS, INDEX = "constants", "irmod_storage_idx"


class _Extract(Rewriter):
    def __init__(self, constants: list[Any]) -> None:
        self.constants = constants

    @on(AllocateConst)
    def allocate(self, node: AllocateConst) -> AllocateConst:
        """The constant gets its place in the module's list."""
        new: AllocateConst = self.rewrite_children(node)
        annotations = {**new.annotations, INDEX: self._place(_array(node.data))}
        return new.replace(annotations=annotations)

    def _place(self, data: Any) -> int:
        for place, known in enumerate(self.constants):
            have = _array(known)
            if have.dtype == data.dtype and np.array_equal(have, data):
                return place
        self.constants.append(data)
        return len(self.constants) - 1


def _array(data: Any) -> Any:
    return data.numpy() if hasattr(data, "numpy") else np.asarray(data)


@module_factory
def ExtractPrimFuncConstants(mod: IRModule, ctx: PassContext) -> IRModule:
    """allocate_const(data)   ->   the same with `irmod_storage_idx`, its place in the module's
    attribute `constants`, where equal data stands once"""
    constants = list((mod.attrs or {}).get(CONSTANTS, ()))
    before = len(constants)
    extract = _Extract(constants)
    out = {
        var: func.replace(body=extract.run(func.body)) if isinstance(func, PrimFunc) else func
        for var, func in mod.items()
    }
    made = mod.with_functions(out)
    return made if len(constants) == before else made.with_attr(CONSTANTS, constants)
