"""Calls around loops and functions that tell a profiler when they begin and end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm
from ...ir.functor import Rewriter, on
from ...ir.node import children
from ...ir.transform import PassContext
from ..expr import Call
from ..function import PrimFunc
from ..stmt import Evaluate, For, ForKind, SeqStmt, Stmt, stmt_seq
from .base import context_factory
from .config import (
    PROFILE_MAX_DEPTH,
    PROFILE_MIN_HEIGHT,
    PROFILE_NO_FUNCTION,
    PROFILE_RESET_IDS,
    PROFILE_SIBLINGS,
)  # fmt: skip

_NEXT = [0]


@dataclass(eq=False)
class _Loop:
    """What is known of a loop: its number, how deep it lies, how deep loops go within."""

    number: int
    depth: int
    height: int = 0
    has_siblings: bool = False
    in_parallel: bool = False


class _Loops:
    """Numbers the loops of a function from the outside inwards, in order."""

    def __init__(self, first: int) -> None:
        self.next = first
        self.found: dict[int, _Loop] = {}

    def look(
        self, stmt: Stmt, depth: int = 0, siblings: bool = False, parallel: bool = False
    ) -> int:
        """The height of the loops in `stmt`, itself included."""
        if isinstance(stmt, For):
            loop = _Loop(self.next, depth, 0, siblings, parallel)
            self.next += 1
            self.found[id(stmt)] = loop
            parallel = parallel or stmt.kind == ForKind.PARALLEL
            inner = self.look(stmt.body, depth + 1, False, parallel)
            loop.height = inner
            return inner + 1
        parts = [part for part in children(stmt) if isinstance(part, Stmt)]
        if isinstance(stmt, SeqStmt):
            siblings = sum(_has_loop(part) for part in parts) > 1
        return max((self.look(p, depth, siblings, parallel) for p in parts), default=0)


def _has_loop(stmt: Stmt) -> bool:
    if isinstance(stmt, For):
        return True
    return any(_has_loop(part) for part in children(stmt) if isinstance(part, Stmt))


class _Instrument(Rewriter):
    def __init__(self, loops: _Loops, config: dict[str, Any]) -> None:
        self.loops = loops
        self.siblings_only = config.get(PROFILE_SIBLINGS, True)
        self.max_depth = config.get(PROFILE_MAX_DEPTH, 0)
        self.min_height = config.get(PROFILE_MIN_HEIGHT, 1)

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """for i: f   ->   start(id); for i: f; end(id)"""
        new: Stmt = self.rewrite_children(loop)
        known = self.loops.found[id(loop)]
        return _wrapped(known.number, new) if self._is_chosen(known) else new

    def _is_chosen(self, loop: _Loop) -> bool:
        if loop.in_parallel or loop.height < self.min_height:
            return False
        if self.siblings_only:
            return loop.has_siblings
        return not self.max_depth or loop.depth < self.max_depth

    @on(SeqStmt)
    def sequence(self, node: SeqStmt) -> Stmt:
        """One sequence of all."""
        return stmt_seq(*[self.rewrite(part) for part in node.seq])


def _wrapped(number: int, body: Stmt) -> Stmt:
    start, end = (
        Evaluate(Call("handle", f"tir.{which}_profile_intrinsic", (IntImm("int32", number),)))
        for which in ("start", "end")
    )
    return stmt_seq(start, body, end)


@context_factory
def InstrumentProfileIntrinsics(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """for i: f   ->   start_profile_intrinsic(id); for i: f; end_profile_intrinsic(id)

    Loops are numbered from the outside inwards. Options: `tir.lwp_disable_func_prof` (functions
    are not measured), `tir.instr_siblings` (only loops with siblings are, the default),
    `tir.lwp_max_depth` (else: how deep; 0 for any), `tir.lwp_min_height` (loops within, at least
    1), `tir.reset_start_id` (numbers begin anew). Loops within parallel ones are not measured.
    """
    if ctx.config.get(PROFILE_RESET_IDS):
        _NEXT[0] = 0
    number = _NEXT[0]
    loops = _Loops(number + 1)
    loops.look(func.body)
    _NEXT[0] = loops.next
    body = _Instrument(loops, ctx.config).run(func.body)
    if not ctx.config.get(PROFILE_NO_FUNCTION):
        body = _wrapped(number, body)
    return func.replace(body=body)
