"""Simplification of every expression: sums by their canonical form, the rest by rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from math import gcd
from typing import Any

from ...ir.expr import FloatImm, IntImm, PrimExpr
from ...ir.node import Node, rebuild
from ...ir.structural import leaf_equal
from ...support.dtypes import dtype_of
from .. import op as O
from ..expr import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    And,
    BinaryOpExpr,
    Call,
    Cast,
    CmpExpr,
    Div,
    Let,
    Max,
    Min,
    Mod,
    Not,
    Or,
    Reduce,
    Select,
    SizeVar,
    StringImm,
    Var,
)  # fmt: skip
from .bounds import EVERYTHING
from .calls import choices_in, conditional_args, fold_call, has_guard
from .canonical import INDEX_TYPES, Canonical, is_movable
from .conditions import fixes_quotient, inequality_of, is_least_rest, sides, tightened
from .divide import is_negated
from .numbers import fits, is_one_value
from .reductions import simplify_reduce
from .rules import EXACT, INTEGER, LOGIC, MAKERS
from .terms import Atom, Binary, Opaque, Split, Sum, factors_of
from .vectors import simplify_vector

TRUE = IntImm("bool", 1)
FALSE = IntImm("bool", 0)
_TRUTHS: dict[bool | None, PrimExpr] = {True: TRUE, False: FALSE}


class Simplifier(Canonical):
    """Simplifies expressions under what is known about their variables."""

    def __init__(self) -> None:
        super().__init__()
        self.others: dict[int, tuple[PrimExpr, PrimExpr]] = {}
        self.truths: dict[Any, bool] = {}
        self.unequal: frozenset[Any] = frozenset()
        self.scopes = 0

    def simplify(self, expr: PrimExpr) -> PrimExpr:
        """`expr` in its simplest form; the same object if that is how it is written."""
        if expr.dtype in INDEX_TYPES:
            made = self.sum(expr).expr()
        else:
            made = self.other(expr)
        keeps = made is expr or same(made, expr) or self.is_pinned(expr)
        return expr if keeps else made

    def is_pinned(self, expr: Any) -> bool:
        """True of an index whose value only a condition says: its name is as short."""
        if not type(expr).is_variable or expr.dtype not in INDEX_TYPES or expr in self.bindings:
            return False
        lo, hi = self.bounds.variables.get(expr, EVERYTHING)
        return lo < hi

    def other(self, expr: PrimExpr) -> PrimExpr:
        """`expr`, which is no sum, with its parts simplified and by the rules."""
        known = self.others.get(id(expr))
        if known is not None:
            return known[1]
        made = _SIMPLIFY.get(type(expr), Simplifier._generic)(self, expr)
        self.others[id(expr)] = (expr, made)
        return made

    def is_informed(self) -> bool:
        """True within the scope of a condition: what it says is found out step by step."""
        return bool(self.bounds.facts or self.truths or self.unequal)

    def reset(self) -> None:
        """Forgets results that new knowledge may better."""
        self.memo, self.others = {}, {}
        self.bounds.cache = {}

    # ---- knowledge --------------------------------------------------------------------------

    @contextmanager
    def scope(self, condition: PrimExpr) -> Iterator[None]:
        """What follows from `condition` is known inside."""
        self.scopes += 1
        bounds = self.bounds
        saved = (self.memo, self.others, bounds.cache, bounds.known, bounds.facts, self.truths)
        bounds.known, bounds.facts = dict(bounds.known), list(bounds.facts)
        self.truths = dict(self.truths)
        residues, unequal = self.divider.residues, self.unequal
        self.divider.residues = dict(residues)
        try:
            self.reset()  # one part of the condition is read under another
            self.assume(condition)
            self.reset()
            yield
        finally:
            (self.memo, self.others, bounds.cache) = saved[:3]
            (bounds.known, bounds.facts, self.truths) = saved[3:]
            self.divider.residues, self.unequal = residues, unequal

    def assume(self, condition: PrimExpr) -> None:
        """Takes `condition` for granted from here on."""
        pending = [condition]
        while pending:
            one = pending.pop()
            if isinstance(one, Call) and getattr(one.op, "name", "") == "tir.likely":
                pending.append(one.args[0])  # type: ignore[arg-type]
            elif isinstance(one, And):
                pending += [one.a, one.b]
            elif isinstance(one, CmpExpr) and one.a.dtype in INDEX_TYPES:
                a, b = self.sum(one.a), self.sum(one.b)
                if a.may_wrap() or b.may_wrap():
                    self.truths[self.key(one)] = True
                else:
                    self._assume_comparison(type(one), a, b)
            else:
                self._assume_truth(one, pending)

    def _assume_truth(self, one: PrimExpr, pending: list[PrimExpr]) -> None:
        if isinstance(one, Not):
            turned = LOGIC.apply(one)
            if turned is not None:
                pending.append(turned)
            if turned is None or isinstance(one.a, (And, Or)):
                self.truths[self.key(one.a)] = False
        elif not isinstance(one, IntImm):
            self.truths[self.key(one)] = True

    def _assume_comparison(self, kind: type[PrimExpr], a: Sum, b: Sum) -> None:
        assume = self.bounds.assume_not_negative
        if kind is EQ:
            difference = self._with_rest_turned(self.terms.sub(a, b))
            for slack in (difference, difference.scaled(-1)):
                assume(slack)
                solved = self._without_quotient(slack)
                if solved is not None:
                    assume(solved)
            self._assume_residue(difference)
        elif kind is NE:
            self._assume_different(self.terms.sub(a, b))
        else:
            assume(self._slack(kind, a, b))

    def _assume_residue(self, difference: Sum) -> None:
        """`x % 4 == 1`, known from here on, tells of divisions of `x`."""
        if len(difference.terms) != 1:
            return
        ((atom, times),) = difference.terms.items()
        if isinstance(atom, Opaque) and isinstance(atom.of, Mod) and abs(times) == 1:
            self._assume_truncated(atom.of, -difference.const * times)
        if not isinstance(atom, Split) or atom.lower != 1 or atom.upper is None or abs(times) > 1:
            return
        base, rest = atom.base.single(), -difference.const * times
        if base is not None and 0 <= rest < atom.upper:
            self.divider.residues[base] = atom.upper, rest

    def _assume_truncated(self, rest: Mod, value: int) -> None:
        """`truncmod(x, 4) == -1` says that `x % 4 == 3`."""
        if isinstance(rest.b, IntImm) and abs(value) < rest.b.value:
            modulus = rest.b.value
            whole = O.floormod(rest.a, rest.b)
            self.assume(EQ(whole, IntImm(whole.dtype, value % modulus)))

    def _assume_different(self, difference: Sum) -> None:
        self.unequal |= {difference.key, difference.scaled(-1).key}
        lo, hi = self.bounds.of(difference)
        if lo == 0:
            self.bounds.assume_not_negative(difference.shifted(-1))
        elif hi == 0:
            self.bounds.assume_not_negative(difference.scaled(-1).shifted(-1))
        else:
            self.truths[self.key(self._equality_of(EQ, difference))] = False

    # ---- comparisons ------------------------------------------------------------------------

    def _slack(self, kind: type[PrimExpr], a: Sum, b: Sum) -> Sum:
        """What is not negative just where the inequality `kind` holds of `a` and `b`."""
        if kind in (GT, GE):
            a, b = b, a
        return self.terms.sub(b, a).shifted(-1 if kind in (LT, GT) else 0)

    def _comparison(self, expr: Any) -> PrimExpr:
        if expr.a.dtype not in INDEX_TYPES:
            return self._generic(expr)
        a, b = self.sum(expr.a), self.sum(expr.b)
        kind = type(expr)
        is_equality = kind in (EQ, NE)
        slack = self.terms.sub(a, b) if is_equality else self._slack(kind, a, b)
        is_one = is_equality and is_one_value([*slack.terms.values()], slack.const, slack.dtype)
        no_side_holds_both = not is_one and not fits(abs(slack.const) + 1, slack.dtype)
        if (no_side_holds_both or a.may_wrap() or b.may_wrap()) and a.key != b.key:
            sides = self._rebuilt(expr, (a.expr(), b.expr()))
            known = self._known_truth(sides)
            if known is None and no_side_holds_both:
                known = _TRUTHS.get(self.bounds.decided(kind, slack))
            return sides if known is None else known
        if is_equality:
            return self._equality(kind, slack)
        return self._inequality(slack, kind in (LT, GT))

    def _inequality(self, slack: Sum, strict: bool) -> PrimExpr:
        """`slack >= 0`, simplified; `strict` says how it was written."""
        if self.bounds.is_not_negative(slack):
            return TRUE
        if self.bounds.is_not_negative(slack.scaled(-1).shifted(-1)):
            return FALSE
        if self.bounds.known and self.bounds.told(slack)[1] == 0:
            return self._equality(EQ, slack.scaled(-1))
        if self.unequal and self._is_unequal(slack):
            return self._inequality(slack.shifted(-1), True)
        slack = self.divider._coarsen(slack, 0)[0]
        solved = self._without_quotient(slack)
        if solved is not None:
            return self._inequality(solved, strict)
        if is_least_rest(slack):
            return self.simplify(self._equality(EQ, slack))
        known = self._by_extremum(slack, strict)
        return inequality_of(slack, strict) if known is None else known

    def _without_quotient(self, slack: Sum) -> Sum | None:
        """`x // 4 < 7 -> x < 28`: the slack of the base, if there is nothing but a quotient."""
        if len(slack.terms) != 1:
            return None
        ((atom, sign),) = slack.terms.items()
        if abs(sign) != 1:
            return None
        least = -slack.const if sign > 0 else slack.const + 1  # of the quotient, or of its negation
        if isinstance(atom, Split) and atom.upper is None:
            base, first = atom.base, least * atom.lower
        elif isinstance(atom, Opaque) and isinstance(atom.of, Div):
            by, base = atom.of.b, self.sum(atom.of.a)
            if not isinstance(by, IntImm) or by.value <= 0 or base.may_wrap():
                return None
            first = least * by.value if least > 0 else (least - 1) * by.value + 1
        else:
            return None
        above = base.shifted(-first)
        return above if sign > 0 else above.scaled(-1).shifted(-1)

    def _by_extremum(self, slack: Sum, strict: bool) -> PrimExpr | None:
        """The inequality without its first minimum or maximum, if one side decides or drops."""
        found = [
            (a, c) for a, c in slack.terms.items() if isinstance(a, Binary) and a.kind in (Min, Max)
        ]
        if not found or len(found) > 2:
            return None
        atom, times = found[0]
        rest = Sum(
            slack.dtype, {a: c for a, c in slack.terms.items() if a is not atom}, slack.const
        )
        both = (times > 0) == (atom.kind is Min)
        a = self._inequality(self.terms.add(rest, atom.a, times), strict)
        if isinstance(a, IntImm) and bool(a.value) != both:
            return a
        other = self.terms.add(rest, atom.b, times)
        with self.scope(a if both else Not(a)):
            b = self._inequality(other, strict)
        if isinstance(a, IntImm) or (isinstance(b, IntImm) and bool(b.value) != both):
            return b
        return a if isinstance(b, IntImm) else None

    def _equality(self, kind: type[PrimExpr], difference: Sum) -> PrimExpr:
        """`difference == 0` (or `!= 0`), simplified."""
        yes, no = (TRUE, FALSE) if kind is EQ else (FALSE, TRUE)
        if not difference.terms:
            return yes if difference.const == 0 else no
        if difference.const % gcd(*difference.terms.values()):
            return no
        difference = self._with_rest_turned(difference)
        if self.unequal and self._is_unequal(difference):
            return no
        prove = self.bounds.is_not_negative
        above, below = prove(difference.shifted(-1)), prove(difference.scaled(-1).shifted(-1))
        if above or below:
            return no
        lo, hi = self.bounds.of(difference)
        if lo == hi == 0:
            return yes
        if kind is NE and self.bounds.known and 0 in self.bounds.told(difference):
            return self._inequality(difference.scaled(1 if lo == 0 else -1).shifted(-1), True)
        if self.truths and self._known_truth(self._equality_of(EQ, difference)) is FALSE:
            return no
        known = self._equal_quotient(kind, difference)
        if known is not None:
            return known
        coarse, fine, step = self.divider._coarsen(difference, 0)
        if step == 1:
            turned = self.divider._coarsen(difference.scaled(-1), 0)
            coarse, fine, step = turned if turned[2] > 1 else (coarse, fine, 1)
        if step > 1 and fine.terms:
            self.scopes += 1  # one may say something about the other
            join = O.logical_and if kind is EQ else O.logical_or
            return join(self._equality(kind, coarse), self._equality(kind, fine))
        return self._equality(kind, coarse) if step > 1 else self._equality_of(kind, coarse)

    def _is_unequal(self, difference: Sum) -> bool:
        """True if `difference` is known not to be 0, itself or with equal values exchanged."""
        if difference.key in self.unequal:
            return True
        of, sub = self.bounds.of, self.terms.sub
        return any(
            of(fact) == (0, 0) and sub(difference, fact).key in self.unequal
            for fact in self.bounds.facts
        )

    def _with_rest_turned(self, difference: Sum) -> Sum:
        """`-x % 4 == 1 -> x % 4 == 3`."""
        if len(difference.terms) != 1:
            return difference
        ((atom, times),) = difference.terms.items()
        if not isinstance(atom, Split) or atom.lower != 1 or atom.upper is None:
            return difference
        rest = -difference.const * times
        if abs(times) != 1 or not 0 <= rest < atom.upper or not is_negated(atom.base):
            return difference
        turned = self.divider.floormod(atom.base.scaled(-1), atom.upper)
        return turned.shifted(-(-rest % atom.upper))

    def _equal_quotient(self, kind: type[PrimExpr], difference: Sum) -> PrimExpr | None:
        """`x // 4 == 2 -> x < 12` where `x >= 8` is known; likewise from above."""
        if len(difference.terms) != 1:
            return None
        ((atom, times),) = difference.terms.items()
        if not isinstance(atom, Split) or atom.upper is not None or difference.const % times:
            return None
        from_first = atom.base.shifted(difference.const // times * atom.lower)
        to_last = from_first.scaled(-1).shifted(atom.lower - 1)
        for known, open_ in ((from_first, to_last), (to_last, from_first)):
            if self.bounds.is_not_negative(known):
                from_below = open_ is to_last
                if kind is EQ:
                    return self._inequality(open_, from_below)
                return self._inequality(open_.scaled(-1).shifted(-1), not from_below)
        return None

    def _equality_of(self, kind: type[PrimExpr], difference: Sum) -> PrimExpr:
        left = {a: c for a, c in difference.terms.items() if c > 0}
        right = {a: -c for a, c in difference.terms.items() if c < 0}
        const = -difference.const
        if not left:
            left, right, const = right, left, -const
        dtype = difference.dtype
        make: Callable[..., PrimExpr] = kind
        if not right:
            if const == 0 and len(left) == 1:
                return self._zero_factor(kind, next(iter(left)))
            if not fits(const, dtype):
                return FALSE if kind is EQ else TRUE
            return make(Sum(dtype, left, 0).expr(), IntImm(dtype, const))
        return make(*sides(dtype, left, right, const))

    def _zero_factor(self, kind: type[PrimExpr], atom: Atom) -> PrimExpr:
        """`atom == 0` (or `!= 0`); `x * y == 0 -> x == 0 or y == 0`."""
        first, *more = dict.fromkeys(factors_of(atom))
        if not more:
            make: Callable[..., PrimExpr] = kind
            return make(first.expr(), IntImm(first.dtype, 0))
        join = O.logical_or if kind is EQ else O.logical_and
        return reduce(join, [self._equality(kind, self.terms.of(f)) for f in (first, *more)])

    # ---- logic ------------------------------------------------------------------------------

    def _and(self, expr: Any) -> PrimExpr:
        if expr.dtype != "bool":
            return self._generic(expr)
        a = self.simplify(expr.a)
        if isinstance(a, IntImm):
            return self.simplify(expr.b) if a.value else a
        with self.scope(a):
            b = self.simplify(expr.b)
        if isinstance(b, IntImm):
            return a if b.value else b
        if fixes_quotient(b) or (b is not expr.b and fixes_quotient(a)):
            a, b = self._joined(a, b)
            if isinstance(a, IntImm):
                return b if a.value else a
            if isinstance(b, IntImm):
                return a if b.value else b
        a, b = tightened(a, b), tightened(b, a)
        return self._ruled(expr if a is expr.a and b is expr.b else And(a, b))

    def _joined(self, a: PrimExpr, b: PrimExpr) -> tuple[PrimExpr, PrimExpr]:
        """Both, each simplified under the other: `x % 8 == 4` and `x // 8 == 3` are `x == 28`."""
        with self.scope(b):
            made = self.simplify(a)
        if made is a or isinstance(made, IntImm):
            return made, b
        with self.scope(made):
            b = self.simplify(b)
        is_lower = isinstance(b, CmpExpr) and isinstance(b.a, IntImm)
        return (b, made) if is_lower else (made, b)

    def _or(self, expr: Any) -> PrimExpr:
        if expr.dtype != "bool":
            return self._generic(expr)
        a = self.simplify(expr.a)
        if isinstance(a, IntImm):
            return a if a.value else self.simplify(expr.b)
        with self.scope(Not(a)):
            b = self.simplify(expr.b)
        if isinstance(b, IntImm):
            return b if b.value else a
        return self._ruled(expr if a is expr.a and b is expr.b else Or(a, b))

    def _select(self, expr: Any) -> PrimExpr:
        condition = self.simplify(expr.condition)
        if isinstance(condition, IntImm):
            return self.simplify(expr.true_value if condition.value else expr.false_value)
        yes, no = self._branches(
            condition, expr.true_value, expr.false_value, are_both_computed=True
        )
        return self._ruled(self._rebuilt(expr, (condition, yes, no)))

    def _branches(
        self, condition: PrimExpr, yes: PrimExpr, no: PrimExpr, *, are_both_computed: bool = False
    ) -> tuple[PrimExpr, PrimExpr]:
        if condition.dtype != "bool":
            return self.simplify(yes), self.simplify(no)
        made = []
        for known, side in ((condition, yes), (Not(condition), no)):
            if are_both_computed and has_guard(side):  # whatever the condition
                made.append(self.simplify(side))
                continue
            with self.scope(known):
                made.append(self.simplify(side))
        for choice in choices_in(made):  # else read again, and those inside of them twice as often
            self.others.setdefault(id(choice), (choice, choice))
        return made[0], made[1]

    def _call_expr(self, expr: Any) -> PrimExpr:
        name = getattr(expr.op, "name", "")
        if name == "tir.if_then_else":
            return self._conditional(expr)
        args = tuple(self.simplify(a) if isinstance(a, PrimExpr) else a for a in expr.args)
        if name == "tir.likely" and isinstance(args[0], IntImm):
            return args[0]
        kept = all(a is b for a, b in zip(args, expr.args, strict=True))
        made: PrimExpr = expr if kept else rebuild(expr, {"args": args})
        return fold_call(name, made)

    def _cast_expr(self, expr: Any) -> PrimExpr:
        value = self.simplify(expr.value)
        if isinstance(value, (IntImm, FloatImm)):
            return O.cast(value, expr.dtype)
        made: PrimExpr = expr
        return made if value is expr.value else rebuild(made, {"value": value})

    def _conditional(self, expr: Any) -> PrimExpr:
        condition = self.simplify(expr.args[0])
        if isinstance(condition, IntImm):
            return self.simplify(expr.args[1 if condition.value else 2])
        yes, no = self._branches(condition, expr.args[1], expr.args[2])
        if same(yes, no):
            return yes
        inner = conditional_args(yes)
        if inner is not None and same(inner[2], no) and is_movable(inner[0]):
            condition, yes = self.simplify(And(condition, inner[0])), inner[1]
        args = (condition, yes, no)
        kept = all(a is b for a, b in zip(args, expr.args, strict=True))
        made: PrimExpr = expr if kept else rebuild(expr, {"args": args})
        return made

    # ---- everything else --------------------------------------------------------------------

    def _leaf(self, expr: Any) -> PrimExpr:
        truth = self.truths.get(expr) if self.truths and type(expr).is_variable else None
        if truth is not None:
            return TRUE if truth else FALSE
        bound = self.bindings.get(expr) if isinstance(expr, Var) else None
        made: PrimExpr = expr if bound is None else self.simplify(bound)
        return made

    def _let_expr(self, expr: Any) -> PrimExpr:
        value = self.simplify(expr.value)
        if isinstance(value, (IntImm, FloatImm, Var)) or expr.var.dtype in INDEX_TYPES:
            self.bindings[expr.var] = value
            return self.simplify(expr.body)
        body = self.simplify(expr.body)
        same_parts = value is expr.value and body is expr.body
        made: PrimExpr = expr
        return made if same_parts else rebuild(made, {"value": value, "body": body})

    def _generic(self, expr: PrimExpr) -> PrimExpr:
        parts = []
        for name in type(expr).walked:
            parts.append(self._part(getattr(expr, name)))
        made = self._rebuilt(expr, tuple(parts))
        return self._ruled(made)

    def _part(self, value: Any) -> Any:
        if isinstance(value, PrimExpr):
            return self.simplify(value)
        if isinstance(value, tuple):
            new = tuple(self._part(item) for item in value)
            return value if all(a is b for a, b in zip(new, value, strict=True)) else new
        return value

    def _rebuilt(self, expr: PrimExpr, parts: tuple[Any, ...]) -> PrimExpr:
        names = type(expr).walked
        if all(getattr(expr, n) is p for n, p in zip(names, parts, strict=True)):
            return expr
        if type(expr) in MAKERS:
            return MAKERS[type(expr)](*parts)
        return rebuild(expr, dict(zip(names, parts, strict=True)))

    def _ruled(self, expr: PrimExpr) -> PrimExpr:
        """`expr`, whose parts are simple, by the rules that hold of its type."""
        info = dtype_of(expr.dtype)
        truth = self._known_truth(expr) if expr.dtype == "bool" and self.truths else None
        if truth is not None:
            return truth
        made = EXACT.apply(expr)
        if made is None and info.is_bool and not _compares_floats(expr):
            made = LOGIC.apply(expr)
            if made is None:
                made = INTEGER.apply(expr)
        elif made is None and info.is_integral:
            made = INTEGER.apply(expr)
        if made is None and info.lanes > 1 and isinstance(expr, (BinaryOpExpr, CmpExpr, And, Or)):
            made = simplify_vector(self, expr)
        return expr if made is None else self.simplify(made)

    def _known_truth(self, expr: PrimExpr) -> PrimExpr | None:
        found = self.truths.get(self.key(expr))
        return None if found is None else TRUE if found else FALSE


def _compares_floats(expr: PrimExpr) -> bool:
    inner = getattr(expr, "a", expr)
    if isinstance(inner, CmpExpr):
        inner = inner.a
    return dtype_of(inner.dtype).is_float


def same(a: Any, b: Any) -> bool:
    """True if two expressions are written alike: the same variables, buffers and numbers."""
    if a is b:
        return True
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is IntImm:
        return bool(a.value == b.value and a.dtype == b.dtype)
    if kind is tuple:
        return len(a) == len(b) and all(map(same, a, b))
    if not isinstance(a, Node):
        return leaf_equal(a, b) if kind is float else bool(a == b)
    if kind.is_variable or (kind is Call and a.op is not b.op):  # type: ignore[attr-defined]
        return False
    if isinstance(a, PrimExpr) and a.dtype != b.dtype:
        return False
    for name in kind.walked:
        if name != "op" and not same(getattr(a, name), getattr(b, name)):
            return False
    return True


_SIMPLIFY: dict[type[PrimExpr], Callable[[Simplifier, Any], PrimExpr]] = {
    IntImm: Simplifier._leaf,
    FloatImm: Simplifier._leaf,
    StringImm: Simplifier._leaf,
    Var: Simplifier._leaf,
    SizeVar: Simplifier._leaf,
    EQ: Simplifier._comparison,
    NE: Simplifier._comparison,
    LT: Simplifier._comparison,
    LE: Simplifier._comparison,
    GT: Simplifier._comparison,
    GE: Simplifier._comparison,
    And: Simplifier._and,
    Or: Simplifier._or,
    Select: Simplifier._select,
    Call: Simplifier._call_expr,
    Cast: Simplifier._cast_expr,
    Let: Simplifier._let_expr,
    Reduce: simplify_reduce,
}
