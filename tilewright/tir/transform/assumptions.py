"""What `T.assume(c or A[i] == v)` says of memory, and branches that it makes unnecessary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.expr import PrimExpr, Range
from ...ir.functor import Rewriter, Visitor, on, post_order_visit
from ...ir.node import Node
from ...ir.structural import structural_equal
from .. import op as O
from ..arith import Analyzer
from ..arith.int_set import mentions
from ..arith.rules import MAKERS
from ..buffer import Buffer
from ..expr import EQ, BufferLoad, Call, Or, Var
from ..function import PrimFunc
from ..stmt import Block, BufferStore, Evaluate, For, IfThenElse, Stmt
from ..stmt_functor import substitute
from .base import factory
from .scoped import ScopedRewriter


@dataclass(eq=False)
class _Fact:
    """`buffer[variables] == value` unless `exception` holds, for all values of the variables."""

    buffer: Buffer
    variables: tuple[Var, ...]
    exception: PrimExpr
    value: PrimExpr


class _Facts(Visitor):
    """Collects assumptions; a store to the buffer after one takes it back."""

    def __init__(self) -> None:
        self.found: dict[Buffer, _Fact] = {}
        self.ranges: dict[Var, Range] = {}
        self.analyzer = Analyzer()

    @on(For)
    def loop(self, loop: For) -> None:
        """The range of a loop."""
        self.ranges[loop.loop_var] = Range(loop.min, loop.extent)
        self.analyzer.bind(loop.loop_var, self.ranges[loop.loop_var], override=True)
        self.visit(loop.body)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """Within a branch its condition holds."""
        with self.analyzer.constraint_scope(branch.condition):
            self.visit(branch.then_case)
        with self.analyzer.constraint_scope(O.logical_not(branch.condition)):
            self.visit(branch.else_case)

    @on(Block)
    def block(self, block: Block) -> None:
        """The ranges of axes."""
        for axis in block.iter_vars:
            if axis.dom is not None:
                self.ranges[axis.var] = axis.dom
                self.analyzer.bind(axis.var, axis.dom, override=True)
        self.visit((block.init, block.body))

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """What was assumed of the buffer holds no longer, unless the store is an exception."""
        fact = self.found.get(store.buffer)
        if fact is None:
            return
        at = dict(zip(fact.variables, store.indices, strict=True))
        if not self.analyzer.can_prove(substitute(fact.exception, at)):
            del self.found[store.buffer]

    @on(Evaluate)
    def evaluate(self, stmt: Evaluate) -> None:
        """assume(c or A[i] == v)"""
        call = stmt.value
        if not isinstance(call, Call) or getattr(call.op, "name", "") != "tir.assume":
            return
        parts = _disjuncts(call.args[0])
        for part in parts:
            fact = self._fact(part, [p for p in parts if p is not part])
            if fact is not None:
                self.found[fact.buffer] = fact

    def _fact(self, equality: Any, rest: list[PrimExpr]) -> _Fact | None:
        if not isinstance(equality, EQ):
            return None
        load, value = equality.a, equality.b
        if not isinstance(load, BufferLoad):
            load, value = value, load
        if not isinstance(load, BufferLoad) or not all(isinstance(i, Var) for i in load.indices):
            return None
        variables: Any = load.indices
        whole = all(
            v in self.ranges and _covers(self.ranges[v], extent)
            for v, extent in zip(variables, load.buffer.shape, strict=True)
        )
        if not whole or len(set(variables)) < len(variables):
            return None
        return _Fact(load.buffer, variables, O.any(*rest), value)


def _disjuncts(condition: Any) -> list[PrimExpr]:
    if isinstance(condition, Or):
        return [*_disjuncts(condition.a), *_disjuncts(condition.b)]
    return [condition]


def _covers(range_: Range, extent: PrimExpr) -> bool:
    analyzer = Analyzer()
    return analyzer.can_prove(O.all(range_.min <= 0, range_.min + range_.extent >= extent))


class _Known(Rewriter):
    """Replaces loads whose value is assumed, under what `analyzer` knows."""

    def __init__(self, facts: dict[Buffer, _Fact], analyzer: Analyzer) -> None:
        self.facts, self.analyzer = facts, analyzer

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """A[i]   ->   v, where the exception is known not to hold"""
        fact = self.facts.get(load.buffer)
        if fact is None or load.predicate is not None:
            return load
        at = dict(zip(fact.variables, load.indices, strict=True))
        if self.analyzer.can_prove(O.logical_not(substitute(fact.exception, at))):
            value: PrimExpr = substitute(fact.value, at)
            return value
        return load


class _Reduce(ScopedRewriter):
    def __init__(self, facts: dict[Buffer, _Fact]) -> None:
        super().__init__()
        self.facts = facts

    def _value(self, value: PrimExpr, condition: PrimExpr) -> PrimExpr:
        """`value` where `condition` holds."""
        with self.analyzer.constraint_scope(condition):
            made = _Known(self.facts, self.analyzer).run(self.analyzer.simplify(value))
            return _folded(self.analyzer.simplify(made))

    def _is_safe(self, value: Node) -> bool:
        """True if all loads of `value` lie inside wherever it stands."""
        loads: list[BufferLoad] = []
        post_order_visit(value, lambda n: loads.append(n) if isinstance(n, BufferLoad) else None)
        return all(
            self.analyzer.can_prove(O.all(index >= 0, index < extent))
            for load in loads
            for index, extent in zip(load.indices, load.buffer.shape, strict=True)
        )


class _Choices(_Reduce):
    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """if_then_else(c, f(A[i]), v)   ->   f(A[i]), if f(A[i]) is v wherever c fails"""
        new: Any = self.rewrite_children(call)
        if getattr(new.op, "name", "") != "tir.if_then_else" or new.args[0].dtype != "bool":
            return new  # type: ignore[no-any-return]
        condition, yes, no = new.args
        otherwise = O.logical_not(condition)
        reads = mentions(yes, set(self.facts))
        if reads and self._is_safe(yes) and _same(
            self._value(yes, otherwise), self._value(no, otherwise)
        ):  # fmt: skip
            made: PrimExpr = yes
            return made
        return new  # type: ignore[no-any-return]


class _Branches(_Reduce):
    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Stmt:
        """if c: A[i] = f   ->   A[i] = f, if f is what A[i] holds wherever c fails"""
        new: IfThenElse = super().branch(branch)
        then, other = new.then_case, new.else_case
        if not isinstance(then, BufferStore) or then.predicate is not None:
            return new
        expected: PrimExpr
        if other is None:
            expected = BufferLoad(then.buffer, then.indices)
        elif isinstance(other, BufferStore) and _same_place(then, other):
            expected = other.value
        else:
            return new
        otherwise = O.logical_not(new.condition)
        safe = self._is_safe(then.value) and self._is_safe(
            BufferLoad(then.buffer, then.indices)
        )  # fmt: skip
        made, wanted = self._value(then.value, otherwise), self._value(expected, otherwise)
        return then if safe and _same(made, wanted) else new


def _same_place(a: BufferStore, b: BufferStore) -> bool:
    return a.buffer is b.buffer and all(map(structural_equal, a.indices, b.indices))


def _same(a: PrimExpr, b: PrimExpr) -> bool:
    return structural_equal(a, b)


class _FoldZeros(Rewriter):
    @on(PrimExpr)
    def expression(self, expr: PrimExpr) -> PrimExpr:
        """x * 0.0 stays, since x may be infinite; 0.0 + 0.0 and the like are computed."""
        new: Any = self.rewrite_children(expr)
        a, b = getattr(new, "a", None), getattr(new, "b", None)
        if type(new) not in MAKERS or O.const_value(a) is None or O.const_value(b) is None:
            return new  # type: ignore[no-any-return]
        made: PrimExpr = MAKERS[type(new)](a, b)
        return made


def _folded(expr: PrimExpr) -> PrimExpr:
    made: PrimExpr = _FoldZeros().run(expr)
    return made


def _facts(func: PrimFunc) -> dict[Buffer, _Fact]:
    finder = _Facts()
    finder.walk(func.body)
    return finder.found


@factory
def UseAssumeToReduceBranches(func: PrimFunc) -> PrimFunc:
    """assume(i < 14 or A[i] == 0); B[i] = if_then_else(i < 14, A[i], 0)   ->   B[i] = A[i]

    A choice goes where what would be computed in excess is the other value, by what is assumed of
    the memory it reads.
    """
    facts = _facts(func)
    return func if not facts else func.replace(body=_Choices(facts).run(func.body))


@factory
def ReduceBranchingThroughOvercompute(func: PrimFunc) -> PrimFunc:
    """assume(i < 14 or A[i] == 0); if i < 14: B[i] = A[i] else: B[i] = 0   ->   B[i] = A[i]

    A branch around a store goes where the store does no harm when the condition fails: it stores
    what the other case stores, or what is assumed to be there.
    """
    facts = _facts(func)
    return func if not facts else func.replace(body=_Branches(facts).run(func.body))
