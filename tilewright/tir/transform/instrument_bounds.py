"""Checks before every statement that its accesses lie within their buffers."""

from __future__ import annotations

from typing import Any

from ...ir.expr import PrimExpr
from ...ir.functor import Visitor, on
from ...support.dtypes import dtype_of
from .. import op as O
from ..arith import Analyzer
from ..buffer import Buffer
from ..expr import BufferLoad, Call, Let, Ramp, Select, StringImm
from ..function import PrimFunc
from ..stmt import AssertStmt, BufferStore, Evaluate, For, IfThenElse, LetStmt, Stmt, While
from .base import factory
from .scoped import ScopedRewriter


class _Accesses(Visitor):
    """Collects what must hold for the accesses of an expression to be inside."""

    def __init__(self, analyzer: Analyzer) -> None:
        self.analyzer = analyzer
        self.guards: list[PrimExpr] = []
        self.found: list[tuple[Buffer, PrimExpr]] = []

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> None:
        """A buffer itself is no access."""

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> None:
        """A load, and the loads of its indices."""
        self.visit(load.indices)
        self.access(load.buffer, load.indices, load.predicate)

    def access(
        self, buffer: Buffer, indices: tuple[PrimExpr, ...], predicate: PrimExpr | None
    ) -> None:
        """Every index within its dimension; masked lanes are not looked at."""
        if predicate is not None or len(indices) != buffer.ndim:
            return
        conditions = []
        for index, extent in zip(indices, buffer.shape, strict=True):
            for place in _ends(index):
                conditions += [place >= 0, place < extent]
        inside = self.analyzer.simplify(O.every(conditions))
        if not O.is_const_int(inside, 1):
            for guard in reversed(self.guards):
                inside = O.logical_or(O.logical_not(guard), inside)
            self.found.append((buffer, inside))

    @on(Select)
    def select(self, expr: Select) -> None:
        """Both values are computed."""
        self.visit((expr.condition, expr.true_value, expr.false_value))

    @on(Call)
    def call(self, call: Call) -> None:
        """Of `if_then_else` only the value taken is computed; an address is no access."""
        name = getattr(call.op, "name", "")
        if name == "tir.address_of":
            return
        if name != "tir.if_then_else" or _is_vector(call.args[0]):
            self.visit(call.args)
            return
        condition, yes, no = call.args
        self.visit(condition)
        self._guarded(condition, yes)
        self._guarded(O.logical_not(condition), no)

    def _guarded(self, condition: Any, value: Any) -> None:
        self.guards.append(condition)
        with self.analyzer.constraint_scope(condition):
            self.visit(value)
        self.guards.pop()

    @on(Let)
    def let(self, let: Let) -> None:
        """Within a name's scope its value is meant: only the value is looked at here."""
        self.visit(let.value)


def _is_vector(expr: Any) -> bool:
    return dtype_of(expr.dtype).lanes > 1


def _ends(index: PrimExpr) -> list[PrimExpr]:
    """The scalars that lie in bounds if all of `index` does; none for a vector of any lanes."""
    if isinstance(index, Ramp):
        last = O.add(index.base, O.multiply(index.stride, index.lanes - 1))
        return [index.base, last] if not _is_vector(index.base) else []
    return [] if _is_vector(index) else [index]


class _Instrument(ScopedRewriter):
    def _checked(self, stmt: Stmt, *parts: Any, store: BufferStore | None = None) -> Stmt:
        finder = _Accesses(self.analyzer)
        finder.walk(parts)
        if store is not None:
            finder.access(store.buffer, store.indices, store.predicate)
        for buffer, inside in reversed(finder.found):
            text = StringImm(f"access outside buffer `{buffer.name}`")
            stmt = AssertStmt(inside, text, stmt)
        return stmt

    @on(BufferStore)
    def store(self, store: BufferStore) -> Stmt:
        """A[i] = B[j]   ->   assert j < n; assert i < n; A[i] = B[j]"""
        return self._checked(store, store.value, store.indices, store=store)

    @on(Evaluate)
    def evaluate(self, stmt: Evaluate) -> Stmt:
        """What is evaluated for its effect."""
        return self._checked(stmt, stmt.value)

    @on(LetStmt)
    def let(self, let: LetStmt) -> Stmt:
        """A named value."""
        made: LetStmt = super().let(let)
        return self._checked(made, let.value)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Stmt:
        """A condition."""
        made: Stmt = super().branch(branch)
        return self._checked(made, branch.condition)

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """The bounds of a loop."""
        made: Stmt = super().loop(loop)
        return self._checked(made, loop.min, loop.extent)

    @on(While)
    def repeat(self, loop: While) -> Stmt:
        """The condition of a loop is checked for its first run."""
        made: Stmt = loop.replace(body=self.rewrite(loop.body))
        return self._checked(made, loop.condition)

    @on(PrimExpr, Buffer)
    def leaf(self, node: Any) -> Any:
        """Expressions stay."""
        return node


@factory
def InstrumentBoundCheckers(func: PrimFunc) -> PrimFunc:
    """A[i] = B[j]   ->   assert 0 <= j < n; assert 0 <= i < n; A[i] = B[j]

    What is proved to lie inside is not checked.
    """
    return func.replace(body=_Instrument().run(func.body))
