"""The namespace `T` of the builder: `from tilewright.script.ir_builder import tir as T`.

It is the namespace of script, except that each name acts at once on the innermost `IRBuilder`:
`T.reads(...)` tells the block, `T.axis.spatial(...)` gives the variable, `T.serial(...)` is a
scope for `with` or for `__enter__`.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

from ..script.ir_builder.base import FRAGMENTS, IRBuilder
from . import script
from . import stmt as S
from .forms import BufferForm, DataTypeName, TirForm
from .function import PrimFunc
from .writer import Writer


def writer() -> Writer:
    """What the innermost builder writes with; a new one where there is no function."""
    facts = IRBuilder.current().facts
    made: Writer = facts.setdefault("writer", Writer())
    return made


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
            finish(builder, self.writer.name, self.writer.function())


def finish(builder: IRBuilder, name: str, func: PrimFunc) -> None:
    """Adds the function to the module being built, or makes it the builder's result."""
    define = builder.facts.get("define")
    if define is None:
        builder.done(func)
    else:
        define(name, func)


def prim_func(is_private: bool = False) -> PrimFuncFrame:
    """A function; a private one has no global symbol."""
    return PrimFuncFrame(is_private)


def perform(made: Any) -> Any:
    """Does at once what script does where a value stands."""
    if isinstance(made, BufferForm) and made.how == "Buffer":
        return made.make("")
    if isinstance(made, TirForm):
        return made.perform(writer())
    if isinstance(made, S.Stmt):
        return writer().emit(made)
    return made


def _performed(value: Any) -> Any:
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**{k: _performed(v) for k, v in vars(value).items()})
    if isinstance(value, (type, DataTypeName)) or not callable(value):
        return value

    @functools.wraps(value)
    def call(*args: Any, **named: Any) -> Any:
        return perform(value(*args, **named))

    return call


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    made = _performed(getattr(script, name))
    globals()[name] = made
    return made


def __dir__() -> list[str]:
    return sorted({*globals(), *vars(script)})
