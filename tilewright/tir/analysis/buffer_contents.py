"""What buffers are known to hold at each place of a function.

Known is what was stored, what `T.assume` says, and what a branch was taken for. Each fact says of a
set of elements which value they hold, and stands until they may have been written:

    for i in range(16): A[i] = i    # A[x] == x, where 0 <= x < 16
    A[4] = 0                        # A[x] == x, where x != 4;  A[x] == 0, where x == 4

In a loop, what holds before it is taken to hold in each iteration where no earlier one writes
something else; that is looked for again and again until nothing changes. Functions on the same
memory by way of different parameters are as in other passes: parameters do not overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, Visitor, on, post_order_visit
from ...ir.node import Node, children
from ...ir.structural import structural_equal
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import INDEX_TYPES, reads_memory
from ..arith.int_set import mentions
from ..arith.rules import LOGIC, MAKERS
from ..buffer import Buffer
from ..expr import (
    EQ,
    And,
    BinaryOpExpr,
    BufferLoad,
    Call,
    CmpExpr,
    Not,
    Or,
    Var,
)
from ..stmt import (
    Allocate,
    AttrStmt,
    Block,
    BlockRealize,
    BufferStore,
    Evaluate,
    For,
    ForKind,
    IfThenElse,
    LetStmt,
    Stmt,
    While,
)
from ..stmt_functor import substitute
from .buffer_facts import (
    Binder,
    Fact,
    Known,
    Write,
    all_writes,
    are_plain,
    are_same,
    by_lane,
    iterations,
    wholes,
)
from .clauses import ALWAYS, NEVER, Cases, Clauses, clauses_of, replaced
from .effects import has_effects, is_left_early

_ROUNDS = 4
_MOST_PIECES = 8


class BufferContents(Visitor):
    """What is known at each statement of `body`; `at(stmt)` tells it.

    `known` is known before, if the body is one that stands, or could, in that of `around`.
    """

    def __init__(
        self, body: Stmt, known: Known | None = None, around: BufferContents | None = None
    ) -> None:
        self.analyzer: Analyzer = Analyzer() if around is None else around.analyzer
        self.cases = Cases(self.analyzer)
        self.names: dict[Var, PrimExpr] = {} if around is None else dict(around.names)
        self.axes: dict[Buffer, tuple[Var, ...]] = {} if around is None else around.axes
        self.facts: tuple[Fact, ...] = () if known is None else known.facts
        self.given: tuple[Clauses, ...] = () if known is None else known.given
        self.writes: list[Write] = []
        self.found: dict[int, Known] = {}
        self.body = body
        self.walk(body)
        for stmt in _repeated(body):
            self.found.pop(stmt, None)

    def at(self, stmt: Stmt) -> Known:
        """What is known before `stmt`, a store, branch or call of the body; nothing of a statement
        that stands at several places."""
        return self.found.get(id(stmt), Known())

    # ---- questions -----------------------------------------------------------------------------

    def resolved(self, expr: PrimExpr, known: Known, analyzer: Analyzer) -> PrimExpr:
        """`expr` with the loads replaced whose value is known, for all that `analyzer` knows."""
        plain = substitute(expr, self.names)
        made: PrimExpr = _Resolve(self, known, Cases(analyzer)).run(plain)
        return expr if made is plain else made

    def truth_of(self, condition: PrimExpr, known: Known, analyzer: Analyzer) -> bool | None:
        """Whether a condition without loads holds, by the conditions known at a place."""
        if not known.given:
            return None
        plain, cases = substitute(condition, self.names), Cases(analyzer)
        for truth, made in ((True, plain), (False, O.logical_not(plain))):
            clauses = clauses_of(made)
            if clauses is not None and cases.proves(clauses, known.given):
                return truth
        return None

    def value_of(self, load: BufferLoad, known: Known, cases: Cases) -> PrimExpr | None:
        """The value of a load, if it is known."""
        held = [f for f in known.facts if f.buffer is load.buffer]
        if not held or load.predicate is not None or not are_plain(load.indices):
            return None
        at = self._at(load.buffer, load.indices)
        found: list[tuple[PrimExpr, Clauses]] = []
        for fact in held:
            value = cases.analyzer.simplify(substitute(fact.value, at))
            where = replaced(fact.where, at)
            for place, (other, clauses) in enumerate(found):
                if structural_equal(value, other):
                    found[place] = (other, (*clauses, *where))
                    break
            else:
                found.append((value, where))
        for value, clauses in found:
            if cases.proves(clauses, known.given):
                return value
        return None

    def _at(self, buffer: Buffer, indices: Sequence[PrimExpr]) -> dict[Var, PrimExpr]:
        return dict(zip(self.axes_of(buffer), indices, strict=True))

    def axes_of(self, buffer: Buffer) -> tuple[Var, ...]:
        """The variables that stand for the indices of a buffer's elements."""
        if buffer not in self.axes:
            axes = tuple(Var(f"x{n}", e.dtype) for n, e in enumerate(buffer.shape))
            self.axes[buffer] = axes
            for axis, extent in zip(axes, buffer.shape, strict=True):
                self.analyzer.bind(axis, Range(IntImm(extent.dtype, 0), extent), override=True)
        return self.axes[buffer]

    # ---- statements ----------------------------------------------------------------------------

    def _note(self, stmt: Stmt) -> None:
        self.found[id(stmt)] = Known(self.facts, self.given)

    @on(PrimExpr, Buffer)
    def leaf(self, node: Any) -> None:
        """Statements alone are looked at."""

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """What was known of the elements goes; their new value may be known."""
        self._note(store)
        self._heed_effects(store.value, store.indices, store.predicate)
        indices, value, binders = by_lane(store.buffer, *self._plain(store.indices, store.value))
        if indices is None or not are_plain(indices):
            self._write(Write(store.buffer))
            return
        where = (tuple(map(O.equal, self.axes_of(store.buffer), indices)),)
        pieces = () if value is None or store.predicate is not None else self._pieces(value)
        self._write(Write(store.buffer, where, indices, pieces, binders))
        for clauses, held in pieces:
            fact = Fact(store.buffer, self.cases.both(where, clauses), held)
            self.facts += self._outside((fact,), binders)

    def _pieces(self, value: PrimExpr) -> tuple[tuple[Clauses, PrimExpr], ...]:
        """The values that an expression has, and where, without loads; those that are not known
        are left out."""
        loads = _loads(value)
        pieces: list[tuple[Clauses, PrimExpr]] = [(ALWAYS, value)]
        for load in loads:
            options = self._options(load)
            pieces = [
                (self.cases.both(where, clauses), _with_load(made, load, known))
                for where, made in pieces
                for clauses, known in options
            ][:_MOST_PIECES]
        simple = ((where, self.analyzer.simplify(made)) for where, made in pieces if where)
        return tuple((where, made) for where, made in simple if not reads_memory(made))

    def _options(self, load: BufferLoad) -> list[tuple[Clauses, PrimExpr]]:
        if load.predicate is not None or not are_plain(load.indices):
            return [(ALWAYS, load)]
        at = self._at(load.buffer, load.indices)
        found = [f for f in self.facts if f.buffer is load.buffer]
        known = [(replaced(f.where, at), substitute(f.value, at)) for f in found]
        return [*known, (ALWAYS, load)]

    @on(Evaluate)
    def evaluate(self, stmt: Evaluate) -> None:
        """An assumption is known from here on; a call with effects may write whatever there is."""
        self._note(stmt)
        call = stmt.value
        if not isinstance(call, Call) or getattr(call.op, "name", "") != "tir.assume":
            self._heed_effects(call)
            return
        (condition,) = self._plain(call.args[0])
        self.facts += self._assumed(condition)
        self._give(condition)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """In a case its condition holds; after it is known what is in each case, where it holds."""
        self._note(branch)
        self._heed_effects(branch.condition)
        (condition,) = self._plain(branch.condition)
        otherwise = self.analyzer.simplify(O.logical_not(condition))
        before = self.facts
        yes = self._case(condition, branch.then_case)
        self.facts = before
        no = self._case(otherwise, branch.else_case)
        one, other = clauses_of(condition), clauses_of(otherwise)
        if reads_memory(condition) or one is None or other is None:
            self.facts = self._in_both(yes, no)
        else:
            self.facts = self._in_either(yes, one, no, other)

    def _case(self, condition: PrimExpr, body: Stmt | None) -> tuple[Fact, ...]:
        given, outer = self.given, self.writes
        self.writes = []
        if body is not None:
            self.facts += self._assumed(condition)
            self._give(condition)
            pure = O.const(1, "bool") if reads_memory(condition) else condition
            with self.analyzer.constraint_scope(pure):
                self.visit(body)
        self.given = given
        clauses = None if reads_memory(condition) else clauses_of(condition)
        for write in self.writes:  # the condition goes without saying until here
            outer.append(replace(write, where=self.cases.at_most(write.where, clauses)))
        self.writes = outer
        return self.facts

    def _give(self, condition: PrimExpr) -> None:
        clauses = None if reads_memory(condition) else clauses_of(condition)
        if clauses is not None:
            self.given = (*self.given, clauses)

    def _in_both(self, yes: tuple[Fact, ...], no: tuple[Fact, ...]) -> tuple[Fact, ...]:
        kept: list[Fact] = [fact for fact in yes if fact in no]
        for fact in yes:
            for other in no:
                is_known = fact is not other and fact.buffer is other.buffer
                if is_known and self._same(fact.value, other.value):
                    where = self.cases.both(fact.where, other.where)
                    kept.append(replace(fact, where=where))
        return tuple(fact for fact in kept if fact.where)

    def _in_either(
        self, yes: tuple[Fact, ...], one: Clauses, no: tuple[Fact, ...], other: Clauses
    ) -> tuple[Fact, ...]:
        kept: list[Fact] = [fact for fact in yes if fact in no]
        for facts, clauses in ((yes, one), (no, other)):
            for fact in facts:
                if fact not in kept:
                    kept.append(replace(fact, where=self.cases.both(fact.where, clauses)))
        merged: list[Fact] = []
        for fact in kept:
            for place, known in enumerate(merged):
                if known.origin is fact.origin and known.value is fact.value:
                    where = self.cases.reduced((*known.where, *fact.where))
                    merged[place] = replace(known, where=where)
                    break
            else:
                merged.append(fact)
        return tuple(fact for fact in merged if fact.where)

    def _assumed(self, condition: PrimExpr) -> tuple[Fact, ...]:
        """What `c or A[i] == v` tells of `A`."""
        if isinstance(condition, Not):
            turned = LOGIC.apply(condition)
            return () if turned is None else self._assumed(turned)
        if isinstance(condition, And):
            return (*self._assumed(condition.a), *self._assumed(condition.b))
        parts = _disjuncts(condition)
        made = (self._equal(one, [p for p in parts if p is not one]) for one in parts)
        return tuple(fact for fact in made if fact is not None and fact.where)

    def _equal(self, equality: Any, others: list[PrimExpr]) -> Fact | None:
        if not isinstance(equality, EQ) or any(reads_memory(other) for other in others):
            return None
        load, value = equality.a, equality.b
        if not isinstance(load, BufferLoad):
            load, value = value, load
        if not isinstance(load, BufferLoad) or not are_plain(load.indices) or reads_memory(value):
            return None
        where: Clauses = (tuple(map(O.equal, self.axes_of(load.buffer), load.indices)),)
        unless = clauses_of(O.some(others))
        if unless is None:
            return None
        return Fact(load.buffer, self.cases.without(where, unless), value)

    # ---- scopes --------------------------------------------------------------------------------

    @on(For)
    def loop(self, loop: For) -> None:
        """What holds before, unless it is written in it, and what each iteration leaves."""
        self._heed_effects(loop.min, loop.extent)
        var, (low, extent) = loop.loop_var, self._plain(loop.min, loop.extent)
        self.analyzer.bind(var, Range(low, extent), override=True)
        ordered = loop.kind in (ForKind.SERIAL, ForKind.UNROLLED, ForKind.VECTORIZED)
        if not ordered or is_left_early(loop.body) or reads_memory(low) or reads_memory(extent):
            self._unordered(loop.body)
            return
        end = self.analyzer.simplify(O.add(low, extent))
        before, outer, given = self.facts, self.writes, self.given
        known = before
        for round_ in range(_ROUNDS + 1):
            self.facts, self.writes, self.given = known, [], given
            self.visit(loop.body)
            again = self._less(before, iterations(self.writes, var, low, var))
            if are_same(again, known):
                break
            is_last = round_ == _ROUNDS - 1
            known = self._less(before, wholes(self.writes)) if is_last else again
        left = self._left(before, iterations(self.writes, var, O.add(var, 1), end), loop, end)
        whole = [replace(w, binders=(*w.binders, (var, low, end))) for w in self.writes]
        self.facts = (*self._less(before, whole), *left)
        self.writes, self.given = [*outer, *whole], given

    def _left(
        self, before: tuple[Fact, ...], later: list[Write], loop: For, end: PrimExpr
    ) -> tuple[Fact, ...]:
        """What iterations tell that later ones leave."""
        old = {fact.origin for fact in before}
        new = tuple(fact for fact in self.facts if fact.origin not in old)
        (low,) = self._plain(loop.min)
        return self._outside(self._less(new, later), ((loop.loop_var, low, end),))

    def _outside(self, facts: tuple[Fact, ...], binders: Iterable[Binder]) -> tuple[Fact, ...]:
        """Facts without variables that are no longer in scope."""
        for var, low, end in binders:
            made: list[Fact] = []
            for fact in facts:
                for where, witness in self.cases.witnessed(fact.where, var, low, end):
                    held = fact.value
                    if witness is not None:
                        held = self.analyzer.simplify(substitute(held, {var: witness}))
                    if where and not mentions(held, {var}):
                        made.append(replace(fact, where=where, value=held))
            facts = tuple(made)
        return facts

    @on(While)
    def repeat(self, loop: While) -> None:
        """Nothing is known of what a loop of unknown length writes."""
        self._unordered(loop.body)

    @on(BlockRealize)
    def block(self, realize: BlockRealize) -> None:
        """A block's axes are their values. Nothing is known of what a block writes that has a
        predicate, or is a reduction."""
        block = realize.block
        for axis, value in zip(block.iter_vars, realize.iter_values, strict=True):
            (plain,) = self._plain(value)
            if not reads_memory(plain):
                self.names[axis.var] = plain
        if block.init is None and O.is_const_int(realize.predicate, 1) and not block.match_buffers:
            self.visit(block.body)
        else:
            self._unordered(block.body, block)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """Threads run in no order."""
        if node.attr_key in ("thread_extent", "virtual_thread"):
            self._unordered(node.body)
        else:
            self.visit(node.body)

    def _unordered(self, body: Stmt, around: Any = None) -> None:
        """A body that runs any number of times, in any order."""
        writes = all_writes(body if around is None else around)
        before = self._less(self.facts, writes)
        outer, given = self.writes, self.given
        self.facts, self.writes = before, []
        self.visit(body)
        self.facts, self.writes, self.given = before, [*outer, *writes], given

    @on(LetStmt)
    def let(self, let: LetStmt) -> None:
        """A name is its value, if that does not change."""
        self._heed_effects(let.value)
        (value,) = self._plain(let.value)
        if not reads_memory(value) and let.var.dtype != "handle":
            self.names[let.var] = value
            self.visit(let.body)
            return
        outer, self.writes = self.writes, []
        if let.var.dtype == "handle":  # another name of memory
            self._write(Write(None))
        self.visit(let.body)
        binder = (let.var, None, None)
        self.facts = self._outside(self.facts, (binder,))
        self.writes = [*outer, *(replace(w, binders=(*w.binders, binder)) for w in self.writes)]
        if let.var.dtype == "handle":
            self._write(Write(None))

    @on(Allocate)
    def allocate(self, node: Allocate) -> None:
        """Memory is known as long as it is there."""
        self.visit(node.body)
        self.facts = tuple(f for f in self.facts if f.buffer.data is not node.buffer_var)

    # ---- writes --------------------------------------------------------------------------------

    def _plain(self, *values: Any) -> Any:
        return tuple(self._plain(*v) if isinstance(v, tuple) else self._named(v) for v in values)

    def _named(self, value: PrimExpr) -> PrimExpr:
        made: PrimExpr = substitute(value, self.names)
        return made

    def _heed_effects(self, *values: Any) -> None:
        if any(_has_effects(value) for value in values):
            self._write(Write(None))

    def _write(self, write: Write) -> None:
        self.writes.append(write)
        self.facts = self._less(self.facts, [write])

    def _less(self, facts: tuple[Fact, ...], writes: Iterable[Write]) -> tuple[Fact, ...]:
        """What is left of `facts` after `writes`."""
        for write in writes:
            kept: list[Fact] = []
            for fact in facts:
                gone = self._changed(fact, write)
                where = fact.where if gone == NEVER else self.cases.without(fact.where, gone)
                if where:
                    kept.append(fact if where is fact.where else replace(fact, where=where))
            facts = tuple(kept)
        return facts

    def _changed(self, fact: Fact, write: Write) -> Clauses:
        """Where, at most, `write` makes a fact untrue."""
        if write.buffer is None:
            return ALWAYS
        if write.buffer.data is not fact.buffer.data:
            return NEVER
        if write.buffer is not fact.buffer or not write.indices:
            return ALWAYS
        where = write.where
        held = substitute(fact.value, self._at(fact.buffer, write.indices))
        for clauses, value in write.pieces:
            if self._same(value, held):
                where = self.cases.at_most_without(where, clauses)
        for var, low, end in write.binders:
            where = self.cases.somewhere(where, var, low, end)
        return where

    def _same(self, a: PrimExpr, b: PrimExpr) -> bool:
        if a is b or structural_equal(a, b):
            return True
        is_integral = a.dtype in INDEX_TYPES and b.dtype == a.dtype
        return is_integral and self.analyzer.can_prove_equal(a, b)


class _Resolve(Rewriter):
    def __init__(self, contents: BufferContents, known: Known, cases: Cases) -> None:
        self.contents, self.known, self.cases = contents, known, cases

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers stay."""
        return buffer

    @on(BinaryOpExpr, CmpExpr)
    def binary(self, expr: Any) -> PrimExpr:
        """Constants that came in fold."""
        a, b = self.rewrite(expr.a), self.rewrite(expr.b)
        return expr if a is expr.a and b is expr.b else MAKERS[type(expr)](a, b)

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """A[i]   ->   what it holds"""
        new: BufferLoad = self.rewrite_children(load)
        value = self.contents.value_of(new, self.known, self.cases)
        return new if value is None else value


def _disjuncts(condition: Any) -> list[PrimExpr]:
    if isinstance(condition, Or):
        return [*_disjuncts(condition.a), *_disjuncts(condition.b)]
    return [condition]


def _loads(expr: PrimExpr) -> list[BufferLoad]:
    found: list[BufferLoad] = []
    post_order_visit(expr, lambda n: found.append(n) if isinstance(n, BufferLoad) else None)
    return found


def _with_load(expr: PrimExpr, load: BufferLoad, value: PrimExpr) -> PrimExpr:
    return expr if value is load else _Put(load, value).run(expr)


class _Put(Rewriter):
    def __init__(self, old: PrimExpr, new: PrimExpr) -> None:
        self.old, self.new = old, new

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """The value of the load."""
        return self.new if load is self.old else load


def _has_effects(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_has_effects(item) for item in value)
    return value is not None and has_effects(value)


def _repeated(body: Stmt) -> set[int]:
    """The statements that stand at several places."""
    seen: set[int] = set()
    twice: set[int] = set()
    pending: list[Node] = [body]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            twice.add(id(node))
        else:
            seen.add(id(node))
        pending.extend(child for child in children(node) if isinstance(child, (Stmt, Block)))
    return twice
