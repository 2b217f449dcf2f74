"""How Relax passes are declared: factories, named as in TVM, around pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.module import IRModule
from ...ir.transform import (
    FunctionPass,
    ModulePass,
    Pass,
    PassContext,
    PassInfo,
    class_pass,
    make_function_pass,
)
from ..expr import DataflowBlock, Function

function_pass = make_function_pass(Function)


def module_level(name: str, transform: Callable[[IRModule], IRModule], opt_level: int = 0) -> Pass:
    """The pass `name` that applies `transform` to a module."""
    return ModulePass(lambda mod, _: transform(mod), PassInfo(opt_level, name))


def function_level(
    name: str, transform: Callable[[Function], Function], opt_level: int = 0
) -> Pass:
    """The pass `name` that applies `transform` to each Relax function."""
    return FunctionPass(
        lambda func, _mod, _ctx: transform(func), PassInfo(opt_level, name), Function
    )


def dataflowblock_pass(
    pass_func: Any = None,
    /,
    opt_level: int = 0,
    name: str | None = None,
    required: Sequence[str] | None = None,
    traceable: bool = False,
) -> Any:
    """Makes a pass on dataflow blocks: of a function `(block, mod, ctx) -> block`, or of a class
    with `transform_dataflowblock`."""

    def make(what: Any) -> Any:
        info = PassInfo(opt_level, name or what.__name__, tuple(required or ()), traceable)

        def on_functions(on_block: Callable[..., Any]) -> Pass:
            def transform(func: Function, mod: IRModule, ctx: PassContext) -> Function:
                blocks = tuple(
                    on_block(b, mod, ctx) if isinstance(b, DataflowBlock) else b
                    for b in func.body.blocks
                )
                return func.replace(body=func.body.replace(blocks=blocks))

            return FunctionPass(transform, info, Function)

        if isinstance(what, type):
            return class_pass(what, "transform_dataflowblock", on_functions)
        return on_functions(what)

    return make if pass_func is None else make(pass_func)
