"""Prints script to the terminal."""

from __future__ import annotations

from typing import Any

from ..highlight import cprint
from .core import script


def show(
    node: object, style: str | None = None, black_format: bool | None = None, **options: Any
) -> None:
    """Prints `node` as script, in colours where the terminal has them; see `cprint`."""
    cprint(script(node, **options), style, black_format)
