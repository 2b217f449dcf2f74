"""Script in colours, for terminals and notebooks."""

from __future__ import annotations

import sys
from typing import Any

from ..support.errors import ArgumentError

STYLES = {"light": "default", "dark": "monokai", "ansi": "ansi_dark"}
"""The styles that TVM names, as the highlighter calls them; any other is passed on."""


def cprint(printable: Any, style: str | None = None, black_format: bool | None = None) -> None:
    """Prints a node, or script text, with its syntax in colours where the output has them.

    `style` is `light`, `dark`, `ansi`, or a style of Pygments. With `black_format` the text goes
    through the formatter `black` first, which must be installed.
    """
    text = printable if isinstance(printable, str) else printable.script()
    if black_format:
        text = _format(text)
    from rich.console import Console
    from rich.syntax import Syntax

    console = Console()
    if console.is_terminal or _in_notebook():
        theme = STYLES.get(style or "ansi", style or "ansi")
        console.print(Syntax(text, "python", theme=theme, background_color="default"))
    else:
        print(text)


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _format(code_str: str, formatter: str | None = "black") -> str:
    """`code_str` as the formatter writes it; itself for no formatter."""
    if formatter is None:
        return code_str
    if formatter != "black":
        raise ArgumentError(f"script knows the formatter black, found {formatter!r}")
    try:
        import black  # type: ignore[import-not-found]
    except ImportError:
        raise ArgumentError(
            "black is not installed", hint="pip install black, or leave black_format out"
        ) from None
    return str(black.format_str(code_str, mode=black.Mode()))
