"""The namespace `T` of the builder: `from tilewright.script.ir_builder import tir as T`.

It is the namespace of script, except that each name acts at once on the innermost `IRBuilder`:
`T.reads(...)` tells the block, `T.axis.spatial(...)` gives the variable, `T.serial(...)` is a
scope for `with` or for `__enter__`.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

from ..ir.ir_builder import finish_function
from ..script.ir_builder.base import FRAGMENTS, IRBuilder
from ..script.parser.arguments import checked
from . import script
from . import stmt as S
from .forms import DataTypeName, TirForm, writing
from .script_rules import in_order
from .writer import Writer


def _fragment(builder: IRBuilder) -> Any:
    made = builder.facts.get("writer")
    return None if made is None else made.body.finish()


FRAGMENTS.append(_fragment)


class PrimFuncFrame:
    """`with T.prim_func():`, in which `T.arg`, `T.func_name` and the statements stand."""

    def __init__(self, is_private: bool) -> None:
        self.writer = Writer(private=is_private)

    def __enter__(self) -> PrimFuncFrame:
        facts = IRBuilder.current().facts
        self._outer = facts.get("writer")
        facts["writer"] = self.writer
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        builder = IRBuilder.current()
        builder.facts.pop("writer")
        if self._outer is not None:
            builder.facts["writer"] = self._outer
        if kind is None:
            finish_function(builder, self.writer.name, self.writer.function())


@checked("T.prim_func")
def prim_func(is_private: bool = False) -> PrimFuncFrame:
    """A function; a private one has no global symbol."""
    return PrimFuncFrame(is_private)


def perform(made: Any) -> Any:
    """Does at once what script does where a value stands."""
    if isinstance(made, TirForm):
        return made.perform(writing())
    if isinstance(made, S.Stmt):
        return writing().emit(made)
    return made


def _performed(value: Any) -> Any:
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**{k: _performed(v) for k, v in vars(value).items()})
    if isinstance(value, (type, DataTypeName)) or not callable(value):
        return value

    @functools.wraps(value)
    def call(*args: Any, **named: Any) -> Any:
        args, named = in_order(value, list(args), named)
        return perform(value(*args, **named))

    return call


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _named(name)


@functools.cache
def _named(name: str) -> Any:
    return _performed(getattr(script, name))


def __dir__() -> list[str]:
    return sorted({"prim_func", *dir(script)})
