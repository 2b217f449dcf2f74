"""Why a primitive does not apply, and how the user is told."""

from __future__ import annotations

from typing import Any, NoReturn

from ...ir.node import PRINTERS
from ...support.errors import ScheduleError
from ..function import PrimFunc
from ..stmt import Block, BlockRealize, For, Stmt
from .sref import StmtSRef


class Refusal(Exception):
    """A condition of a primitive that does not hold; `culprits` are what breaks it."""

    def __init__(self, why: str, culprits: tuple[Stmt, ...], hint: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.culprits = culprits
        self.hint = hint


def refuse(why: str, *culprits: StmtSRef | Stmt, hint: str = "") -> NoReturn:
    """Gives up the primitive; its caller raises `ScheduleError` with the program shown."""
    raise Refusal(why, tuple(_statement(c) for c in culprits), hint)


def _statement(culprit: StmtSRef | Stmt) -> Stmt:
    if isinstance(culprit, StmtSRef):
        if culprit.stmt is None:
            return Stmt()
        return culprit.stmt
    return culprit


def describe(stmt: Stmt) -> str:
    """What users call the statement: its kind and name."""
    if isinstance(stmt, Block):
        return f"block `{stmt.name_hint}`"
    if isinstance(stmt, BlockRealize):
        return f"block `{stmt.block.name_hint}`"
    if isinstance(stmt, For):
        return f"loop `{stmt.loop_var.name}`"
    return "a statement"


def schedule_error(
    primitive: str, refusal: Refusal, func: PrimFunc | None, level: str
) -> ScheduleError:
    """The error for users: primitive, reason, culprits, and the function with them marked."""
    if level == "none":
        return ScheduleError(f"{primitive}: the primitive does not apply here")
    culprits = [c for c in refusal.culprits if type(c) is not Stmt]
    message = f"{primitive}: {refusal.why}"
    if culprits:
        message += f"\n  at {', '.join(describe(c) for c in culprits)}"
    note = marked(func, culprits) if level == "detail" and func is not None else ""
    return ScheduleError(message, note=note, hint=refusal.hint)


def marked(func: PrimFunc, culprits: list[Stmt]) -> str:
    """The function's script with the culprits underlined; empty without a printer."""
    if "script" not in PRINTERS:
        return ""
    options: dict[str, Any] = {"obj_to_underline": culprits}
    try:
        text = func.script(**options)
    except TypeError:
        text = func.script()
    return "in the function\n" + text
