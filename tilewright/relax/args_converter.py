"""Decorators that turn a function's arguments into Relax expressions before it runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ..support.errors import ArgumentError, ArgumentTypeError
from .base import Expr
from .expr import Tuple, as_expr

F = TypeVar("F", bound=Callable[..., Any])


def _listed(value: Any) -> list[Expr]:
    if isinstance(value, Tuple):
        return list(value.items)
    if not isinstance(value, (list, tuple)):
        raise ArgumentTypeError(f"expected a list of expressions, found {type(value).__name__}")
    return [as_expr(v) for v in value]


def _optional(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


_BY_ANNOTATION: dict[str, Callable[[Any], Any]] = {
    "Expr": as_expr,
    "Optional[Expr]": _optional(as_expr),
    "Expr|None": _optional(as_expr),
    "List[Expr]": _listed,
    "list[Expr]": _listed,
    "Optional[List[Expr]]": _optional(_listed),
    "list[Expr]|None": _optional(_listed),
}
"""What `auto` does with a parameter, by its annotation without spaces and module names."""


def _annotation(value: Any) -> str:
    text = value if isinstance(value, str) else inspect.formatannotation(value)
    parts = text.replace(" ", "").replace("RelaxExpr", "Expr")
    for sign in "[]|,":
        parts = parts.replace(sign, f" {sign} ")
    return "".join(p.rsplit(".", 1)[-1] for p in parts.split())


class ArgsConverter:
    """`@args_converter.to_expr("x")` and its kin, and `@args_converter.auto`, which goes by
    annotations (`Expr`, `Optional[Expr]`, `List[Expr]`, `Optional[List[Expr]]`)."""

    @staticmethod
    def convert(args_to_expr: list[str], args_to_list_expr: list[str]) -> Callable[[F], F]:
        """Converts some parameters to expressions and others to lists of them; None stays."""
        table = {name: _optional(as_expr) for name in args_to_expr}
        table.update({name: _optional(_listed) for name in args_to_list_expr})
        return lambda function: _converting(function, table)

    @staticmethod
    def to_expr(*arg_names: str) -> Callable[[F], F]:
        """Converts these parameters to expressions."""
        return ArgsConverter.convert(list(arg_names), [])

    @staticmethod
    def to_list_expr(*arg_names: str) -> Callable[[F], F]:
        """Converts these parameters to lists of expressions."""
        return ArgsConverter.convert([], list(arg_names))

    @staticmethod
    def auto(function: F) -> F:
        """Converts the parameters whose annotations ask for it."""
        table = {
            name: _BY_ANNOTATION[_annotation(p.annotation)]
            for name, p in inspect.signature(function).parameters.items()
            if _annotation(p.annotation) in _BY_ANNOTATION
        }
        return _converting(function, table)


def _converting(function: F, table: dict[str, Callable[[Any], Any]]) -> F:
    signature = inspect.signature(function)
    for name in table:
        if name not in signature.parameters:
            raise ArgumentError(f"`{function.__name__}` has no parameter `{name}`")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        for name, convert in table.items():
            if name not in bound.arguments:
                continue
            parameter, value = signature.parameters[name], bound.arguments[name]
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                bound.arguments[name] = tuple(convert(v) for v in value)
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                bound.arguments[name] = {key: convert(v) for key, v in value.items()}
            else:
                bound.arguments[name] = convert(value)
        return function(*bound.args, **bound.kwargs)

    return call  # type: ignore[return-value]


args_converter = ArgsConverter()
"""The converters, as programs use them."""
