"""Checking the arguments of a call against the annotations of the function."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from ...support.errors import ArgumentTypeError

F = TypeVar("F", bound=Callable[..., Any])
Check = Callable[[Any, tuple[Any, ...]], bool]


def type_checked(function: F) -> F:
    """`function` with its arguments checked: a wrong one raises `ArgumentTypeError` (a `TypeError`)
    that names it, the type declared and the one given."""
    signature = inspect.signature(function)
    hints = typing.get_type_hints(function)

    @functools.wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            hint = hints.get(name, Any)
            parameter = signature.parameters[name]
            values = _values_of(parameter, value)
            default = parameter.default is value and value is None
            if not default and any(not matches(v, hint) for v in values):
                raise ArgumentTypeError(
                    f"{function.__qualname__}: argument `{name}`: expected {_name(hint)}, "
                    f"found {type(value).__name__}"
                )
        return function(*args, **options)

    return typing.cast(F, checked)


def _values_of(parameter: inspect.Parameter, value: Any) -> tuple[Any, ...]:
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return tuple(value)
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return tuple(value.values())
    return (value,)


def matches(value: Any, hint: Any) -> bool:
    """True if `value` is of the type that an annotation says."""
    if hint is Any or isinstance(hint, TypeVar) or hint is inspect.Parameter.empty:
        return True
    if hint is None:
        return value is None
    if hint is float:
        return isinstance(value, (float, int)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    check = _CHECKS.get(typing.get_origin(hint))
    if check is not None:
        return check(value, typing.get_args(hint))
    kind = typing.get_origin(hint) or hint
    return not isinstance(kind, type) or isinstance(value, kind)


def _union(value: Any, args: tuple[Any, ...]) -> bool:
    return any(matches(value, a) for a in args)


def _items(value: Any, args: tuple[Any, ...]) -> bool:
    listed = isinstance(value, collections.abc.Sequence) and not isinstance(value, (str, bytes))
    return listed and all(matches(v, args[0]) for v in value)


def _tuple(value: Any, args: tuple[Any, ...]) -> bool:
    if not isinstance(value, tuple):
        return False
    if len(args) == 2 and args[1] is Ellipsis:
        return all(matches(v, args[0]) for v in value)
    return len(value) == len(args) and all(map(matches, value, args))


def _mapping(value: Any, args: tuple[Any, ...]) -> bool:
    return isinstance(value, collections.abc.Mapping) and all(
        matches(k, args[0]) and matches(v, args[1]) for k, v in value.items()
    )


_CHECKS: dict[Any, Check] = {
    typing.Union: _union,
    types.UnionType: _union,
    list: _items,
    collections.abc.Sequence: _items,
    tuple: _tuple,
    dict: _mapping,
    collections.abc.Mapping: _mapping,
    collections.abc.Callable: lambda value, args: callable(value),
    typing.Literal: lambda value, args: value in args,
    typing.Annotated: lambda value, args: matches(value, args[0]),
}


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)) if isinstance(hint, type) else str(hint)
