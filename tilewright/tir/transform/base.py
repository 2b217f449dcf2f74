"""How the passes of TensorIR are declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.transform import Pass, PassContext, make_function_pass
from ..function import PrimFunc

prim_func_pass = make_function_pass(PrimFunc)
"""Makes a pass over PrimFuncs of a function `(func, mod, ctx) -> func`, or of a class."""


def factory(function: Callable[[PrimFunc], PrimFunc]) -> Callable[[], Pass]:
    """The pass, as a factory in TVM's way, whose work on one function is `function`."""

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        return function(func)

    name = f"tir.{function.__name__}"
    made: Pass = prim_func_pass(transform, opt_level=0, name=name)

    def make() -> Pass:
        return made

    make.__name__ = make.__qualname__ = function.__name__
    make.__doc__ = function.__doc__
    make.apply = function  # type: ignore[attr-defined]
    return make
