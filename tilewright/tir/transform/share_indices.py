"""Index arithmetic ordered so that loops share it: invariant parts first, equal parts one object.

Code generators emit an expression object once in the scope where it is first used, so sharing
objects eliminates common subexpressions without naming them; a sum that begins with the variables
of the outer loops can be hoisted piece by piece.
"""

from __future__ import annotations

from typing import Any

from ...ir.expr import FloatImm, IntImm, PrimExpr
from ...ir.functor import on, post_order_visit
from .. import op as O
from ..arith.canonical import INDEX_TYPES
from ..arith.terms import Atom, Sum
from ..expr import Add, BufferLoad, Call, Mul, Ramp, Select, SizeVar, Sub, Var
from ..function import PrimFunc
from ..stmt import BufferStore, For, Stmt
from .base import factory
from .simplify import Simplifying


class _Share(Simplifying):
    def __init__(self) -> None:
        super().__init__()
        self.depth: dict[Var, int] = {}
        self.depths: dict[Atom, int] = {}
        self.shared: dict[Any, PrimExpr] = {}
        self.ramps: dict[Any, PrimExpr] = {}

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """Counts how deep a variable is bound."""
        self.depth[loop.loop_var] = len(self.depth) + 1
        return super().loop(loop)

    @on(PrimExpr)
    def expression(self, expr: PrimExpr) -> PrimExpr:
        """Integers go to the analyzer; in other values the loads are looked for."""
        if expr.dtype in INDEX_TYPES or type(expr) in _WHOLE or "bool" in expr.dtype:
            return self.analyzer.simplify(expr)
        results = self.analyzer.engine.others
        known = results.get(id(expr))
        if known is None:
            made = self._load(expr) if isinstance(expr, BufferLoad) else self.rewrite_children(expr)
            known = results[id(expr)] = (expr, made)
        return known[1]

    def _load(self, load: BufferLoad) -> PrimExpr:
        if load.predicate is not None or len(load.indices) != 1:
            return self.analyzer.simplify(load)
        return load.replace(indices=(self.index(load.indices[0]),))

    @on(BufferStore)
    def store(self, store: BufferStore) -> Stmt:
        """The index in order."""
        if len(store.indices) != 1:
            return super().store(store)
        return store.replace(
            indices=(self.index(store.indices[0]),),
            value=self.rewrite(store.value),
            predicate=self.rewrite(store.predicate),
        )

    def index(self, index: PrimExpr) -> PrimExpr:
        """`index` with its terms from the outermost loop's inwards."""
        if isinstance(index, Ramp):
            base = self.index(index.base)
            stride = self.analyzer.simplify(index.stride)
            key = (id(base), O.const_value(stride), index.lanes)
            if key[1] is None:
                return index.replace(base=base, stride=stride)
            if key not in self.ramps:
                self.ramps[key] = Ramp(base, stride, index.lanes)
            return self.ramps[key]
        if index.dtype not in INDEX_TYPES:
            return self.analyzer.simplify(index)
        return self._ordered(self.analyzer.sum(index))

    def _ordered(self, total: Sum) -> PrimExpr:
        terms = sorted(total.terms.items(), key=lambda item: self._depth(item[0]))
        made: PrimExpr | None = None
        if terms and terms[0][1] < 0:
            positive = next((t for t in terms if t[1] > 0), None)
            if positive is not None:
                terms.remove(positive)
                terms.insert(0, positive)
        for atom, coefficient in terms:
            made = self._chained(made, atom, coefficient, total.dtype)
        if made is None:
            return self._constant(total.dtype, total.const)
        if total.const == 0:
            return made
        key = (id(made), total.const)
        if key not in self.shared:
            const = IntImm(total.dtype, abs(total.const))
            self.shared[key] = Add(made, const) if total.const > 0 else Sub(made, const)
        return self.shared[key]

    def _constant(self, dtype: str, value: int) -> PrimExpr:
        key = (dtype, value)
        if key not in self.shared:
            self.shared[key] = IntImm(dtype, O.wrap(value, dtype))
        return self.shared[key]

    def _chained(
        self, before: PrimExpr | None, atom: Atom, coefficient: int, dtype: str
    ) -> PrimExpr:
        key = (id(before), atom, coefficient)
        known = self.shared.get(key)
        if known is None:
            size = abs(coefficient) if before is not None else coefficient
            term = self._term(atom, size, dtype)
            if before is None:
                known = term
            else:
                known = Add(before, term) if coefficient > 0 else Sub(before, term)
            self.shared[key] = known
        return known

    def _term(self, atom: Atom, coefficient: int, dtype: str) -> PrimExpr:
        if coefficient == 1:
            return atom.expr()
        key = (atom, coefficient)
        if key not in self.shared:
            self.shared[key] = Mul(atom.expr(), IntImm(dtype, O.wrap(coefficient, dtype)))
        return self.shared[key]

    def _depth(self, atom: Atom) -> int:
        known = self.depths.get(atom)
        if known is None:
            found = [0]

            def look(node: Any) -> None:
                if isinstance(node, Var):
                    found.append(self.depth.get(node, 0))

            post_order_visit(atom.expr(), look)
            known = self.depths[atom] = max(found)
        return known


_WHOLE = (Select, Call, Var, SizeVar, IntImm, FloatImm)


@factory
def ShareIndices(func: PrimFunc) -> PrimFunc:
    """A[i + j * 4] in a loop over j, then i   ->   A[j * 4 + i], equal parts one object"""
    return func.replace(body=_Share().run(func.body))
