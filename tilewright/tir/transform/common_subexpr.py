"""Equal expressions computed once, under a name."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...ir.expr import PrimExpr
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import Node, children
from ...ir.transform import Pass, PassContext
from ..arith.canonical import is_movable
from ..buffer import Buffer
from ..expr import Broadcast, BufferLoad, Call, Let, Ramp, Reduce, Shuffle, Var
from ..function import PrimFunc
from ..stmt import Block, LetStmt, Stmt
from .base import prim_func_pass
from .config import DISABLE_CSE
from .simplify import Simplifying

_NEVER = (BufferLoad, Call, Reduce, Let, Ramp, Broadcast, Shuffle)


class _Keys:
    """Numbers expressions so that equal ones have equal numbers."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}
        self.known: dict[int, tuple[PrimExpr, int]] = {}
        self.facts: dict[int, tuple[PrimExpr, int, frozenset[Var]]] = {}

    def number(self, expr: PrimExpr) -> int:
        """The number of `expr`."""
        known = self.known.get(id(expr))
        if known is not None:
            return known[1]
        if type(expr).is_variable:
            key: Any = id(expr)
        else:
            values = [self._value(getattr(expr, f.name)) for f in type(expr).compared]
            key = (type(expr), *values)
        number = self.numbers.setdefault(key, len(self.numbers))
        self.known[id(expr)] = (expr, number)
        return number

    def _value(self, value: Any) -> Any:
        if isinstance(value, PrimExpr):
            return self.number(value)
        if isinstance(value, tuple):
            return tuple(self._value(item) for item in value)
        return id(value) if isinstance(value, (Node, dict)) else value

    def is_candidate(self, expr: PrimExpr) -> bool:
        """True for a computation that may be moved to its own name."""
        if not any(isinstance(child, PrimExpr) for child in children(expr)):
            return False
        number = self.number(expr)
        if number not in self.facts:
            self.facts[number] = (expr, _size(expr), _variables(expr))
        return not _contains(expr, _NEVER) and is_movable(expr)


class _Replace(Rewriter):
    """Puts a name in the place of every expression of one number."""

    def __init__(self, keys: _Keys, number: int, var: Var) -> None:
        self.keys, self.wanted, self.var = keys, number, var

    @on(Buffer, Var)
    def leaf(self, node: Node) -> Node:
        """Buffers and variables stay."""
        return node

    @on(PrimExpr)
    def expression(self, expr: PrimExpr) -> PrimExpr:
        """x + y   ->   cse_v1"""
        if self.keys.number(expr) == self.wanted:
            return self.var
        return self.rewrite_children(expr)


class _Eliminate(Rewriter):
    """At each statement, names what it computes more than once and none of its parts does."""

    def __init__(self) -> None:
        self.keys = _Keys()
        self.counts: dict[int, tuple[Stmt, Counter[int]]] = {}
        self.made = 0

    @on(Buffer, PrimExpr)
    def leaf(self, node: Node) -> Node:
        """Only statements are looked at."""
        return node

    @on(Stmt)
    def statement(self, stmt: Stmt) -> Stmt:
        """A[x + y] = x + y   ->   let cse_v1 = x + y; A[cse_v1] = cse_v1"""
        names: list[tuple[Var, PrimExpr]] = []
        while True:
            chosen = self._choose(stmt, names)
            if chosen is None:
                break
            expr = self.keys.facts[chosen][0]
            self.made += 1
            var = Var(f"cse_v{self.made}", expr.dtype)
            replace = _Replace(self.keys, chosen, var)
            stmt = replace.run(stmt)
            names = [(var, expr), *((n, replace.run(value)) for n, value in names)]
        made: Stmt = self.rewrite_children(stmt)
        for var, value in reversed(names):
            made = LetStmt(var, value, made)
        return made

    def _choose(self, stmt: Stmt, names: list[tuple[Var, PrimExpr]]) -> int | None:
        """The largest computation that is done twice here."""
        if isinstance(stmt, Block):
            return None
        total = Counter(self._count(stmt))
        for _, value in names:
            total.update(self._of_expression(value))
        parts = [self._count(part) for part in _parts(stmt)]
        found = [
            number
            for number, count in total.items()
            if count > 1 and all(part[number] < count for part in parts)
        ]
        return max(found, key=lambda n: (self.keys.facts[n][1], -n), default=None)

    def _count(self, stmt: Stmt) -> Counter[int]:
        """How often each computation is done by `stmt`, of variables that it does not define."""
        known = self.counts.get(id(stmt))
        if known is not None:
            return known[1]
        total: Counter[int] = Counter()
        for child in children(stmt):
            if isinstance(child, Stmt):
                total.update(self._count(child))
            elif isinstance(child, PrimExpr):
                total.update(self._of_expression(child))
        own = _defined(stmt)
        if own:
            for number in [n for n in total if self.keys.facts[n][2] & own]:
                del total[number]
        self.counts[id(stmt)] = (stmt, total)
        return total

    def _of_expression(self, expr: PrimExpr) -> Counter[int]:
        found: Counter[int] = Counter()
        pending: list[Node] = [expr]
        while pending:
            node = pending.pop()
            if isinstance(node, PrimExpr) and self.keys.is_candidate(node):
                found[self.keys.number(node)] += 1
            if not isinstance(node, (Buffer, Var)):
                pending.extend(children(node))
        return found


def _parts(stmt: Stmt) -> list[Stmt]:
    """The statements within `stmt` where a name may be bound instead. What does not use the
    variable of a `let` is bound before that: they are those of its body."""
    while isinstance(stmt, LetStmt):
        stmt = stmt.body
    return [child for child in children(stmt) if isinstance(child, Stmt)]


def _defined(stmt: Stmt) -> set[Var]:
    own = [getattr(stmt, f.name) for f in type(stmt).fields if f.is_definition]
    return {var for var in own if isinstance(var, Var)}


def _size(expr: Node) -> int:
    return 1 + sum(_size(child) for child in children(expr))


def _variables(expr: PrimExpr) -> frozenset[Var]:
    found: set[Var] = set()
    post_order_visit(expr, lambda n: found.add(n) if isinstance(n, Var) else None)
    return frozenset(found)


def _contains(expr: Node, kinds: tuple[type, ...]) -> bool:
    return isinstance(expr, kinds) or any(_contains(child, kinds) for child in children(expr))


def CommonSubexprElimTIR(enable_cse_tir: bool = True, identify_equiv_terms: bool = False) -> Pass:
    """A[x + y] = x + y   ->   let cse_v1 = x + y; A[cse_v1] = cse_v1

    The name is bound at the innermost statement around all uses, and before the `let`s that have
    that as their body. With `identify_equiv_terms` expressions are simplified first, so that terms
    equal up to arithmetic are found. Without `enable_cse_tir`, or with the option
    `tir.disable_cse_tir`, nothing changes.
    """

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        if not enable_cse_tir or ctx.config.get(DISABLE_CSE):
            return func
        body = Simplifying().run(func.body) if identify_equiv_terms else func.body
        made = _Eliminate().run(body)
        return func if made is body else func.replace(body=made)

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.CommonSubexprElimTIR")
    return made
