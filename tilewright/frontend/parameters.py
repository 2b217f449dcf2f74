"""Weights apart from the module that they belong to."""

from __future__ import annotations

import numpy as np

from ..ir.module import IRModule
from ..relax.expr import Function
from ..runtime.constants import constant_tensor
from ..runtime.ndarray import Tensor


def detach_params(mod: IRModule) -> tuple[IRModule, dict[str, list[Tensor]]]:
    """The module without the attribute `params` of its functions, and these weights by function:
    what importers with `keep_params_in_input=True` leave in the attribute."""
    functions = dict(mod.functions)
    weights: dict[str, list[Tensor]] = {}
    for gvar, func in mod.items():
        if isinstance(func, Function) and "params" in func.attrs:
            given = func.attrs["params"]
            weights[gvar.name_hint] = [
                constant_tensor(p) if isinstance(p, np.ndarray) else p for p in given
            ]
            functions[gvar] = func.without_attr("params")
    return mod.with_functions(functions), weights
