"""Why a primitive does not apply, and how the user is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from ...ir.node import PRINTERS
from ...support.errors import ScheduleError
from ..function import PrimFunc
from ..stmt import Block, BlockRealize, For, Stmt
from .sref import StmtSRef

Culprit = StmtSRef | Stmt


class Refusal(Exception):
    """A condition of a primitive that does not hold; `culprits` are what breaks it."""

    def __init__(self, why: str, culprits: tuple[Culprit, ...], hint: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.culprits = culprits
        self.hint = hint


def refuse(why: str, *culprits: Culprit, hint: str = "") -> NoReturn:
    """Gives up the primitive; its caller raises `ScheduleError` with the program shown."""
    raise Refusal(why, culprits, hint)


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
    culprits = [s for s in map(_statement, refusal.culprits) if s is not None]
    message = f"{primitive}: {refusal.why}"
    if culprits:
        message += f"\n  at {', '.join(describe(c) for c in culprits)}"
    note = marked(func, refusal.culprits) if level == "detail" and func is not None else ""
    return ScheduleError(message, note=note, hint=refusal.hint)


def _statement(culprit: Culprit) -> Stmt | None:
    """The statement as the program holds it: the realization of a block."""
    if isinstance(culprit, StmtSRef):
        return culprit.node if culprit.stmt is not None else None
    return culprit


def marked(func: PrimFunc, culprits: Sequence[Culprit]) -> str:
    """The function's script with a remark at each culprit; empty without a printer."""
    if "script" not in PRINTERS:
        return ""
    notes: dict[Stmt, str] = {}
    for culprit in culprits:
        stmt = _statement(culprit)
        if stmt is not None:
            notes[stmt] = f"here: {describe(stmt)}"
    return "in the function\n" + func.script(obj_to_annotate=notes)
