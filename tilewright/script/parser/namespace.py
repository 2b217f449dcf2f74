"""The namespaces of script, `T`, `R` and `I`: modules that hold public names and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from .arguments import checked


def published(title: str, *sources: ModuleType | Mapping[str, Any]) -> dict[str, Any]:
    """The names that modules list in `__all__`, and those of tables; functions check arguments.

    `title` is how messages call the namespace. The first source that has a name wins.
    """
    made: dict[str, Any] = {}
    for source in sources:
        table = source if isinstance(source, Mapping) else _listed(source)
        for name, value in table.items():
            made.setdefault(name, _checking(f"{title}.{name}", value))
    return made


def _listed(module: ModuleType) -> dict[str, Any]:
    return {name: getattr(module, name) for name in module.__all__}


def _checking(title: str, value: Any) -> Any:
    if not inspect.isfunction(value) or hasattr(value, "declared"):
        return value
    return checked(title)(value)


def names_of(namespace: Mapping[str, Any], more: Iterable[str] = ()) -> Callable[[], list[str]]:
    """`__dir__` of a namespace: its public names, and `more`, which it finds when asked."""
    return lambda: sorted({*(name for name in namespace if not name.startswith("_")), *more})
