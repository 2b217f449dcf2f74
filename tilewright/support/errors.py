"""The one family of exceptions: every error says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from .span import Span


class TVMError(RuntimeError):
    """Base of every error that tilewright raises on purpose.

    `message` says what was expected and what was given; `span` says where; `note` adds a fact;
    `hint` says what to do next.
    """

    _observers: ClassVar[list[Callable[[type[TVMError]], None]]] = []
    """Called with each class derived from this one: the boundary to compiled code wants to know."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for observe in TVMError._observers:
            observe(cls)

    def __init__(
        self, message: str = "", span: Span | None = None, *, note: str = "", hint: str = ""
    ) -> None:
        self.message = message
        self.span = span
        self.note = note
        self.hint = hint
        super().__init__(self._render())

    def _render(self) -> str:
        lines = [self.message]
        if self.span is not None:
            lines.append(f"  --> {self.span}")
            lines += [f"   {line}" for line in self.span.excerpt().splitlines()]
        if self.note:
            lines.append(f"  note: {self.note}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class InternalError(TVMError):
    """A broken promise between our own layers: always a defect of tilewright."""


class CompileError(TVMError):
    """A program that cannot be compiled as written."""


class DiagnosticError(CompileError):
    """A script, or a piece of IR, that breaks a rule of the language."""

    on_error: ClassVar[Callable[[DiagnosticError], None] | None] = None
    """Called with each of these errors as it is made, where somebody wants to show them."""

    def __init__(
        self, message: str = "", span: Span | None = None, *, note: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, span, note=note, hint=hint)
        if DiagnosticError.on_error is not None:
            DiagnosticError.on_error(self)


class ScheduleError(CompileError):
    """A schedule primitive whose conditions do not hold; the schedule is unchanged."""


class IllFormedError(CompileError, ValueError):
    """A program that breaks a promise of well-formedness."""


class ImpureError(CompileError, AssertionError):
    """A function with effects where none may be."""


class ImportModelError(CompileError):
    """A model file that cannot be imported: corrupt, inconsistent, or outside its format."""


class OpNotImplemented(ImportModelError, NotImplementedError):
    """A model uses operators that no importer row knows; lists all of them with their nodes."""


class ArgumentError(TVMError, ValueError):
    """A call with a wrong number, rank, shape, dtype, device or alignment of arguments."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of another type than the declared one."""


class ArgumentRangeError(ArgumentError, OverflowError):
    """A number that the declared type cannot hold."""


class NoSuchOptionError(ArgumentError, AttributeError):
    """A setting of a name that is not declared, or of another type than it has."""


class RuntimeFailure(TVMError):
    """A compiled program failed while it ran."""


def listing(items: Sequence[str], limit: int = 20) -> str:
    """`items` joined by commas, the tail beyond `limit` counted instead of shown."""
    head = ", ".join(items[:limit])
    return head if len(items) <= limit else f"{head} and {len(items) - limit} more"
