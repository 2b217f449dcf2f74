"""Constructors that tell what is wrong with their arguments, from the declarations of the fields.

A required field that is not given and a field that is given something of another class are errors
that name the node, the field and what was given. Expressions (`PrimExpr`) may be given as numbers:
the node's own `__post_init__` converts them. What stands for a node (`asobject`) is taken as it.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from ..support.errors import ArgumentTypeError

_ONE = re.compile(r"(\w+)( \| None)?$")
_MANY = re.compile(r"tuple\[(\w+), \.\.\.\]$")

NOTHING = type("nothing", (), {"__repr__": lambda self: "nothing"})()
"""What a required field holds that was not given."""

Check = tuple[str, Callable[[Any], bool], str]
"""A field, whether a value fits, and what is expected."""


def checked(cls: type[Any], expression: str = "PrimExpr") -> None:
    """Lets the constructor of a declared class check what it is given."""
    checks = [made for field in _given(cls) if (made := _check(cls, field, expression)) is not None]
    required = [f for f in _given(cls) if _is_required(f)]
    cls.__signature__ = inspect.signature(cls)
    init = cls.__init__
    init.__defaults__ = (NOTHING,) * len(required) + (init.__defaults__ or ())
    own = cls.__post_init__
    if not checks:
        return  # `own` converts each field, and refuses what is no expression

    def check(self: Any) -> None:
        for name, fits, expected in checks:
            value = getattr(self, name)
            if not fits(value) and hasattr(value, "asobject"):
                value = value.asobject()
                setattr(self, name, value)
            if not fits(value):
                raise ArgumentTypeError(
                    f"`{name}` of {cls.type_key} is {expected}, found {_shown(value)}", self.span
                )
        own(self)

    cls.__post_init__ = check


def _given(cls: type[Any]) -> list[Any]:
    return [f for f in dataclasses.fields(cls) if f.init and not f.kw_only]


def _is_required(field: Any) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def _check(cls: type[Any], field: Any, expression: str) -> Check | None:
    """None for what may be left out, and for expressions of frequent nodes: they are checked
    where they are converted."""
    one, many = _ONE.match(field.type), _MANY.match(field.type)
    found = one or many
    kind = _class(cls, found)
    is_expression = found is not None and found.group(1) == expression
    if kind is not None and many is not None and not is_expression:
        return field.name, _items(kind, not _is_required(field)), f"a list of {kind.__name__}"
    if kind is not None and one is not None and not is_expression:
        kinds = (kind, type(None)) if one.group(2) else (kind,)
        return field.name, lambda value: isinstance(value, kinds), f"a {kind.__name__}"
    if (cls.is_frequent and is_expression) or not _is_required(field):
        return None
    return field.name, lambda value: value is not NOTHING, "needed"


def _class(cls: type[Any], found: re.Match[str] | None) -> type[Any] | None:
    """The node class that an annotation names; None for another kind of value."""
    named = vars(sys.modules[cls.__module__]).get(found.group(1)) if found is not None else None
    return named if isinstance(named, type) and hasattr(named, "type_key") else None


def _items(kind: type[Any], optional: bool) -> Callable[[Any], bool]:
    def fits(values: Any) -> bool:
        if values is None:
            return optional
        return isinstance(values, Iterable) and all(isinstance(value, kind) for value in values)

    return fits


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else type(value).__name__
