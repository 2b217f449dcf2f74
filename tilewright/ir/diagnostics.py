"""Errors of scripts and of IR as diagnostics, and who shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from ..support.errors import DiagnosticError
from ..support.span import Span


class DiagnosticLevel(IntEnum):
    """How bad it is."""

    BUG = 10
    ERROR = 20
    WARNING = 30
    NOTE = 40
    HELP = 50


@dataclass(frozen=True)
class Diagnostic:
    """One finding: how bad, where, and what."""

    level: DiagnosticLevel
    span: Span | None
    message: str


@dataclass(frozen=True)
class DiagnosticContext:
    """The findings that a renderer is given."""

    diagnostics: tuple[Diagnostic, ...]


Render = Callable[[DiagnosticContext], None]


class DiagnosticRenderer:
    """A function that shows diagnostics."""

    def __init__(self, render_func: Render) -> None:
        self.render_func = render_func

    def render(self, ctx: DiagnosticContext) -> None:
        """Shows the diagnostics of `ctx`."""
        self.render_func(ctx)


def override_renderer(render_func: Render | None) -> None:
    """Every `DiagnosticError` is also given to `render_func` from now on; None ends that."""
    if render_func is None:
        DiagnosticError.on_error = None
        return

    def show(error: DiagnosticError) -> None:
        found = Diagnostic(DiagnosticLevel.ERROR, error.span, error.message)
        render_func(DiagnosticContext((found,)))

    DiagnosticError.on_error = show
