"""Checks of what users give to the functions on iterations and systems."""

from __future__ import annotations

from typing import Any

from ...ir.expr import PrimExpr
from ...support.errors import ArgumentTypeError


def require_sequence(name: str, value: Any) -> None:
    """Raises `ArgumentTypeError` if the argument `name` is one expression, or no collection."""
    if isinstance(value, PrimExpr) or not hasattr(value, "__iter__"):
        raise ArgumentTypeError(
            f"`{name}` is a list, found {type(value).__name__}: {value}",
            hint="write [...] around a single one",
        )
