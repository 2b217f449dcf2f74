"""Reductions taken apart: buffers, values and the operation that combines two of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...ir.expr import PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.structural import structural_equal
from .. import expr as E
from .. import op as T
from ..buffer import Buffer
from ..expr import BufferLoad, Var
from ..stmt import Block, BufferStore, LetStmt, SeqStmt, Stmt, stmt_seq
from ..stmt_functor import substitute

OPERATIONS: dict[type[PrimExpr], Callable[[Any, Any], PrimExpr]] = {
    E.Add: T.add,
    E.Mul: T.multiply,
    E.Min: T.min,
    E.Max: T.max,
}
"""The commutative operations that a reduction may be."""

ORDERINGS = (E.LT, E.LE, E.GT, E.GE)


@dataclass(frozen=True)
class Factored:
    """`stores[k].buffer[stores[k].indices] = results[k]`, all at once, from `identities` on:
    `results` says what the components `left` and `right` combine to; `values` are what a step of
    the reduction combines with what is kept."""

    stores: tuple[BufferStore, ...]
    values: tuple[PrimExpr, ...]
    identities: tuple[PrimExpr, ...]
    left: tuple[Var, ...]
    right: tuple[Var, ...]
    results: tuple[PrimExpr, ...]

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """The buffers that are reduced to."""
        return tuple(s.buffer for s in self.stores)

    @property
    def operation(self) -> type[PrimExpr]:
        """The kind of the first component's operation."""
        return type(self.results[0])

    def combine(self, a: Sequence[PrimExpr], b: Sequence[PrimExpr]) -> tuple[PrimExpr, ...]:
        """The operation on two values, component by component."""
        env = {**dict(zip(self.left, a, strict=True)), **dict(zip(self.right, b, strict=True))}
        return tuple(substitute(r, env) for r in self.results)


class NotFactored(Exception):
    """A block is no reduction that can be taken apart; the message says why."""


def reduction_of(block: Block) -> Factored:
    """The parts of the reduction that the block is: a store, or several of values computed before
    any of them, as the position and value of a largest element are. Raises `NotFactored`."""
    updates, wanted = _stores(block.body), _stores(block.init)
    starts = [next((i for i in wanted if i.buffer is u.buffer), None) for u in updates]
    if len(wanted) != len(updates) or any(s is None for s in starts):
        raise NotFactored("the reduction's `init` does not store what its steps store")
    if not all(
        structural_equal(u.indices, s.indices) for u, s in zip(updates, starts, strict=True) if s
    ):
        raise NotFactored("the reduction's `init` stores to other elements than its steps")
    identities = tuple(s.value for s in starts if s is not None)
    left = tuple(Var(f"x{k}", u.value.dtype) for k, u in enumerate(updates))
    right = tuple(Var(f"y{k}", u.value.dtype) for k, u in enumerate(updates))
    own = _OwnLoads(updates, left)
    kept = [own.run(u.value) for u in updates]
    values = tuple(_value(e, x) for e, x in zip(kept, left, strict=True))
    results = tuple(_Exchange(values, right).run(e) for e in kept)
    if not _is_known(left, right, results):
        raise NotFactored(
            "the reduction is not a sum, product, minimum, maximum or choice of these"
        )
    return Factored(tuple(updates), values, identities, left, right, results)


def _stores(stmt: Stmt | None) -> list[BufferStore]:
    """The stores of a body, named values put in their places; in the order of the names if all
    their values have one."""
    names: dict[Var, PrimExpr] = {}
    while isinstance(stmt, LetStmt):
        names[stmt.var] = substitute(stmt.value, names)
        stmt = stmt.body
    parts = stmt.seq if isinstance(stmt, SeqStmt) else (stmt,)
    found = [part for part in parts if isinstance(part, BufferStore)]
    if len(found) != len(parts):
        raise NotFactored("the reduction is more than stores of its results")
    if len(found) > 1 and any(not isinstance(s.value, Var) for s in found) and names:
        raise NotFactored("the reduction's results are not all computed before they are stored")
    if all(s.value in names for s in found):
        order = list(names)
        found.sort(key=lambda s: order.index(s.value))  # type: ignore[arg-type]
    return [s.replace(value=substitute(s.value, names)) for s in found]


class _OwnLoads(Rewriter):
    """Loads of what is kept as variables."""

    def __init__(self, stores: Sequence[BufferStore], left: Sequence[Var]) -> None:
        self.pairs = list(zip(stores, left, strict=True))

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """The component, if it is one."""
        for store, var in self.pairs:
            if load.buffer is store.buffer and structural_equal(load.indices, store.indices):
                return var
        made: BufferLoad = self.rewrite_children(load)
        return made


class _Exchange(Rewriter):
    """Values as variables, wherever they occur."""

    def __init__(self, values: Sequence[PrimExpr], right: Sequence[Var]) -> None:
        self.pairs = list(zip(values, right, strict=True))

    @on(PrimExpr)
    def expr(self, expr: PrimExpr) -> PrimExpr:
        """The variable of the value, or the expression with its parts exchanged."""
        for value, var in self.pairs:
            if expr.dtype == value.dtype and structural_equal(expr, value):
                return var
        made: PrimExpr = self.rewrite_children(expr)
        return made


def _value(result: PrimExpr, own: Var) -> PrimExpr:
    """What a step combines with what is kept: the other operand, or the other choice."""
    sides: tuple[PrimExpr, ...] = ()
    if isinstance(result, E.BinaryOpExpr):
        sides = (result.a, result.b)
    elif isinstance(result, E.Select):
        sides = (result.true_value, result.false_value)
    for kept, other in (sides, sides[::-1]) if sides else ():
        if kept is own:
            return other
    raise NotFactored("the reduction does not update what it stores to")


def _is_known(left: tuple[Var, ...], right: tuple[Var, ...], results: tuple[PrimExpr, ...]) -> bool:
    """True for operations whose order does not matter: each component for itself by one of
    `OPERATIONS`, or all chosen by one comparison of a component (ties by another)."""
    if all(_is_operation(r, x, y) for r, x, y in zip(results, left, right, strict=True)):
        return True
    chosen = [r for r in results if isinstance(r, E.Select)]
    if len(chosen) != len(results):
        return False
    same = all(structural_equal(r.condition, chosen[0].condition) for r in chosen)
    ours = [r.true_value is x and r.false_value is y
            for r, x, y in zip(chosen, left, right, strict=True)]  # fmt: skip
    theirs = [r.true_value is y and r.false_value is x
              for r, x, y in zip(chosen, left, right, strict=True)]  # fmt: skip
    pairs = list(zip(left, right, strict=True))
    return same and (all(ours) or all(theirs)) and _is_order(chosen[0].condition, pairs)


def _is_operation(result: PrimExpr, x: Var, y: Var) -> bool:
    return (
        type(result) in OPERATIONS
        and isinstance(result, E.BinaryOpExpr)
        and {result.a, result.b} == {x, y}
    )


def _is_order(condition: PrimExpr, pairs: list[tuple[Var, Var]]) -> bool:
    """`x1 > y1`, or `x1 > y1 or x1 == y1 and x0 < y0`."""
    if isinstance(condition, E.Or):
        tie = condition.b
        return (
            _compares(condition.a, ORDERINGS, pairs)
            and isinstance(tie, E.And)
            and _compares(tie.a, (E.EQ,), pairs)
            and _compares(tie.b, ORDERINGS, pairs)
        )
    return _compares(condition, ORDERINGS, pairs)


def _compares(
    expr: PrimExpr, kinds: tuple[type[PrimExpr], ...], pairs: list[tuple[Var, Var]]
) -> bool:
    if type(expr) not in kinds or not isinstance(expr, E.CmpExpr):
        return False
    return (expr.a, expr.b) in pairs or (expr.b, expr.a) in pairs


def store_all(
    buffers: Sequence[Buffer], indices: Sequence[tuple[PrimExpr, ...]], values: Sequence[PrimExpr]
) -> Stmt:
    """A store of the value, or of several, all computed before any is stored."""
    if len(buffers) == 1:
        return BufferStore(buffers[0], values[0], indices[0])
    names = [Var(f"v_{b.name}", v.dtype) for b, v in zip(buffers, values, strict=True)]
    stores = [BufferStore(b, n, i) for b, n, i in zip(buffers, names, indices, strict=True)]
    body = stmt_seq(stores)
    for name, value in zip(reversed(names), reversed(list(values)), strict=True):
        body = LetStmt(name, value, body)
    return body
