"""What `R.name` builds for an operator: its constructor, found by name."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from ..script.parser.arguments import checked
from . import op as _op
from .distributed.device_mesh import device_mesh
from .expr import Call
from .op._declare import DECLARATIONS
from .script_infos import DTensor, as_info


def _with_infos(name: str) -> Any:
    inner: Any = _op
    for part in name.split("."):
        inner = getattr(inner, part)

    def call(*args: Any, **named: Any) -> Call:
        for key in ("out_sinfo", "sinfo_args"):
            if key in named:
                named[key] = _resolved(named[key])
        made: Call = inner(*(_resolved(a) for a in args), **named)
        return made

    call.__name__, call.__doc__, call.__wrapped__ = name, inner.__doc__, inner  # type: ignore[attr-defined]
    return call


def _resolved(value: Any) -> Any:
    if getattr(value, "is_struct_info", False):
        return as_info(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_resolved(v) for v in value)
    return value


_DESCRIBED = frozenset({
    "call_tir", "call_tir_inplace", "call_tir_with_grad", "call_dps_packed", "call_pure_packed",
    "dist.call_tir", "dist.call_tir_local_view", "call_inplace_packed", "call_builtin_with_ctx",
    "invoke_closure", "invoke_pure_closure",
})  # fmt: skip


BESIDE: dict[str, Any] = {"dist.DTensor": DTensor, "dist.device_mesh": device_mesh}
"""What namespaces have beside operators."""


class _Operators:
    """A namespace of operators, such as `R.nn`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        whole = f"{self._prefix}.{name}"
        found = BESIDE[whole] if whole in BESIDE else operator(whole)
        if found is None:
            raise AttributeError(f"script has no `R.{self._prefix}.{name}`")
        return found

    def __dir__(self) -> list[str]:
        start = f"relax.{self._prefix}."
        return [name[len(start) :] for name in DECLARATIONS if name.startswith(start)]


def operator_names() -> list[str]:
    """The names of the operators and of their namespaces."""
    return sorted({name.removeprefix("relax.").partition(".")[0] for name in DECLARATIONS})


def operator(name: str) -> Any:
    """What `R.name` builds: the constructor of an operator, a namespace of them, or None."""
    if name in _DESCRIBED:
        return _with_infos(name)
    declared = DECLARATIONS.get(f"relax.{name}")
    owner: Any = _op
    for part in name.split("."):
        owner = getattr(owner, part, None)
        if owner is None:
            return None if declared is None else declared.make
    if isinstance(owner, type(_op)):
        return _Operators(name)
    if not inspect.isroutine(owner):
        return None
    return _counting(f"R.{name}", owner)


@functools.cache
def _counting(title: str, make: Any) -> Any:
    """A constructor that checks the number of its arguments; their kinds it checks itself."""
    if not inspect.isfunction(make):
        return make
    return checked(title, by_kind=False)(make)
