"""The living definition of TensorIR: runs any function, blocks or lowered, step by step in Python.

Integers are Python's, brought to their type after each step; floats are NumPy scalars of their
type; vectors are NumPy arrays. An access outside a buffer raises an error that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.functor import deep_recursion
from ...ir.module import IRModule
from ..function import PrimFunc
from . import calls, copies, exchange, expressions, statements
from .machine import Interpreter
from .memory import Memory, Pointer

__all__ = ["Interpreter", "Memory", "Pointer", "run"]


def run(
    func: PrimFunc | IRModule,
    *args: Any,
    externs: dict[str, Callable[..., Any]] | None = None,
) -> Any:
    """Runs `func` (or the function `main` of a module) on NumPy arrays, changed in place, and
    numbers; returns what it returns. `externs` gives the C functions it may call."""
    module = func if isinstance(func, IRModule) else None
    chosen: PrimFunc = module["main"] if module is not None else func  # type: ignore[assignment]
    with deep_recursion():
        return Interpreter(module, externs).call(chosen, args)
