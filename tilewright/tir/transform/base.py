"""How the passes of TensorIR are declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ...ir.functor import Rewriter
from ...ir.module import IRModule
from ...ir.transform import ModulePass, Pass, PassContext, PassInfo, make_function_pass
from ..function import PrimFunc
from ..stmt import Allocate, AllocateConst

S = TypeVar("S", Allocate, AllocateConst)

prim_func_pass = make_function_pass(PrimFunc)
"""Makes a pass over PrimFuncs of a function `(func, mod, ctx) -> func`, or of a class."""


def retyped(rewriter: Rewriter, node: S, dtype: str, **changes: Any) -> S:
    """An allocation whose parts `rewriter` rewrites, now of elements of `dtype`."""
    parts = {name: rewriter.rewrite(getattr(node, name)) for name in type(node).walked}
    return node.replace(**{**parts, "dtype": dtype, **changes})


Transform = Callable[[PrimFunc, Any, PassContext], PrimFunc]


def factory(function: Callable[[PrimFunc], PrimFunc]) -> Callable[[], Pass]:
    """The pass, as a factory in TVM's way, whose work on one function is `function`."""
    return _factory(function, lambda func, mod, ctx: function(func))


def context_factory(function: Callable[[PrimFunc, PassContext], PrimFunc]) -> Callable[[], Pass]:
    """The same for a function that heeds the options of the context."""
    return _factory(function, lambda func, mod, ctx: function(func, ctx))


def _factory(function: Callable[..., PrimFunc], transform: Transform) -> Callable[[], Pass]:
    name = f"tir.{function.__name__}"
    made: Pass = prim_func_pass(transform, opt_level=0, name=name)

    def make() -> Pass:
        return made

    make.__name__ = make.__qualname__ = function.__name__
    make.__doc__ = function.__doc__
    make.apply = function  # type: ignore[attr-defined]
    return make


def module_factory(function: Callable[[IRModule, PassContext], IRModule]) -> Callable[[], Pass]:
    """The pass, as a factory, whose work on a whole module is `function`."""
    made = ModulePass(function, PassInfo(0, f"tir.{function.__name__}"))

    def make() -> Pass:
        return made

    make.__name__ = make.__qualname__ = function.__name__
    make.__doc__ = function.__doc__
    make.apply = function  # type: ignore[attr-defined]
    return make
