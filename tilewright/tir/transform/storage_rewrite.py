"""Memory used again: allocations whose lives do not meet share one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import IntImm
from ...ir.functor import Rewriter, Visitor, on
from ...ir.transform import PassContext
from ...ir.type import PointerType
from ...support.dtypes import dtype_of
from ..expr import Var
from ..function import PrimFunc
from ..stmt import Allocate, DeclBuffer, SeqStmt, Stmt
from ..stmt_functor import substitute
from .base import context_factory
from .config import DISABLE_STORAGE_REWRITE


@dataclass(eq=False)
class _Life:
    """One allocation: the statements of its scope during which it is used."""

    node: Allocate
    first: int = -1
    last: int = -1
    uses: list[int] = field(default_factory=list)


class _Uses(Visitor):
    def __init__(self) -> None:
        self.found: set[Var] = set()

    @on(Var)
    def variable(self, var: Var) -> None:
        """An address in use."""
        self.found.add(var)


def _bytes(node: Allocate) -> int | None:
    if len(node.extents) != 1 or not isinstance(node.extents[0], IntImm):
        return None
    return node.extents[0].value * max(1, dtype_of(node.dtype).bytes)


def _scope(node: Allocate) -> str:
    kind = node.buffer_var.type_annotation
    return kind.storage_scope if isinstance(kind, PointerType) else ""


class _Share(Rewriter):
    """Looks at each run of nested allocations around one sequence of statements."""

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """allocate A; allocate B; {use A; use B} -> allocate A; {use A; use A}"""
        chain, body = _open(node)
        body = self.rewrite(body)
        lives = [_Life(n) for n in chain if isinstance(n, Allocate)]
        if len(lives) > 1 and isinstance(body, SeqStmt):
            self._measure(lives, body)
            return self._assign(chain, lives, body)
        return _close(chain, body)

    def _measure(self, lives: list[_Life], body: SeqStmt) -> None:
        by_var = {life.node.buffer_var: life for life in lives}
        for position, stmt in enumerate(body.seq):
            uses = _Uses()
            uses.walk(stmt)
            for var in uses.found & set(by_var):
                life = by_var[var]
                life.first = position if life.first < 0 else life.first
                life.last = position

    def _assign(self, chain: list[Any], lives: list[_Life], body: Stmt) -> Stmt:
        free: list[_Life] = []
        replaced: dict[Var, Var] = {}
        ordered = sorted((life for life in lives if life.first >= 0), key=lambda x: x.first)
        for life in ordered:
            size = _bytes(life.node)
            if size is None or _scope(life.node) not in ("", "global"):
                continue
            home = next((f for f in free if self._fits(f, life, size)), None)
            if home is None:
                free.append(life)
            else:
                home.last = life.last
                replaced[life.node.buffer_var] = home.node.buffer_var
        if not replaced:
            return _close(chain, body)
        kept = [n for n in chain if not (isinstance(n, Allocate) and n.buffer_var in replaced)]
        allocations = [n for n in kept if isinstance(n, Allocate)]
        views = [n for n in kept if isinstance(n, DeclBuffer)]
        made: Stmt = substitute(_close(views, body), replaced)
        return _close(allocations, made)

    def _fits(self, home: _Life, life: _Life, size: int) -> bool:
        return (
            home.last < life.first
            and home.node.dtype == life.node.dtype
            and (_bytes(home.node) or 0) >= size
        )


def _open(node: Stmt) -> tuple[list[Any], Stmt]:
    """The allocations and declarations directly around a statement."""
    chain: list[Any] = []
    while isinstance(node, (Allocate, DeclBuffer)):
        chain.append(node)
        node = node.body
    return chain, node


def _close(chain: list[Any], body: Stmt) -> Stmt:
    for node in reversed(chain):
        body = node.replace(body=body)
    return body


@context_factory
def StorageRewrite(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """allocate A; allocate B; use A; use B   ->   allocate A; use A; use A in place of B

    The option `tir.disable_storage_rewrite` turns it off.
    """
    if ctx.config.get(DISABLE_STORAGE_REWRITE):
        return func
    return func.replace(body=_Share().run(func.body))
