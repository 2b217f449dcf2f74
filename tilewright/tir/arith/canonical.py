"""From expressions to canonical sums and back: the engine behind `Analyzer.simplify`."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.node import Node, children
from ...support.dtypes import dtype_of
from .. import op as O
from ..expr import (
    Add,
    BufferLoad,
    Call,
    CallEffectKind,
    Cast,
    Div,
    FloorDiv,
    FloorMod,
    Let,
    Max,
    Min,
    Mod,
    Mul,
    Select,
    Sub,
    Var,
)  # fmt: skip
from .bounds import Bounds, Interval, dtype_interval, intersect, opaque_interval, product
from .divide import Divider, is_negated
from .merge import Merging
from .numbers import SMALL, fits
from .terms import (
    OPPOSITE,
    Atom,
    Binary,
    Choice,
    Factored,
    Key,
    Opaque,
    Product,
    Split,
    Sum,
    Truncated,
    truncated,
)

INDEX_TYPES = ("int32", "int64")


def _power_shifted(expr: Any) -> int | None:
    """What a shift by a constant multiplies or divides by; None if the type does not hold it."""
    by = expr.args[1]
    if not isinstance(by, IntImm) or not 0 <= by.value < dtype_of(expr.dtype).bits:
        return None
    factor = 1 << by.value
    return factor if factor <= dtype_of(expr.dtype).max_value else None


class Canonical:
    """Turns index expressions into sums; `Simplifier` adds all other expressions."""

    def __init__(self) -> None:
        self.terms = Merging()
        self.bounds = Bounds(self.terms)
        self.divider = Divider(self.terms, self.bounds)
        self.terms.floordiv, self.terms.floormod = self.divider.floordiv, self.divider.floormod
        self.terms.extremum, self.terms.truncmod = self.extremum, self._truncmod_by
        self.terms.is_not_negative = self.bounds.is_not_negative
        self.bounds.interval_of = lambda of: opaque_interval(of, self.interval)
        self.bindings: dict[Var, PrimExpr] = {}
        self.memo: dict[int, tuple[PrimExpr, Sum]] = {}
        self.deciding = False
        """Between which sums to choose is being proved: proofs add sums, whose extrema meet."""

    def other(self, expr: PrimExpr) -> PrimExpr:
        """`expr`, which is no sum, with its parts simplified."""
        return expr

    def interval(self, expr: PrimExpr) -> Interval:
        """The constants between which `expr` lies."""
        if expr.dtype in INDEX_TYPES:
            total = self.sum(expr)
            if total.may_wrap():
                return dtype_interval("int32")
            made = self.bounds.of(total)
            if type(expr) is Mul and total.terms:  # its terms know nothing of each other
                factors: Any = expr
                made = intersect(made, product(self.interval(factors.a), self.interval(factors.b)))
            return made
        if isinstance(expr, IntImm):
            return (expr.value, expr.value)
        if not dtype_of(expr.dtype).is_integral:
            return dtype_interval("int64")
        if isinstance(expr, Var) and expr in self.bounds.variables:
            return self.bounds.variables[expr]
        return self._other_interval(expr)

    def _other_interval(self, expr: PrimExpr) -> Interval:
        plain = dtype_interval(expr.dtype)
        if type(expr) in (Add, Sub, Mul, FloorDiv, FloorMod, Min, Max) and "x" not in expr.dtype:
            wide = Canonical()
            sides: Any = expr
            parts = [self._stand_in(wide, part) for part in (sides.a, sides.b)]
            make: Callable[..., PrimExpr] = type(expr)
            made = wide.bounds.of(wide.sum(make(*parts)))
            return made if plain[0] <= made[0] and made[1] <= plain[1] else plain
        return opaque_interval(expr, self.interval)

    def _stand_in(self, wide: Canonical, part: PrimExpr) -> PrimExpr:
        made = Var("part", "int64")
        wide.bounds.variables[made] = self.interval(part)
        return made

    # ---- to sums ----------------------------------------------------------------------------

    def sum(self, expr: PrimExpr) -> Sum:
        """`expr`, of an index type, as a sum."""
        known = self.memo.get(id(expr))
        if known is not None:
            return known[1]
        made = _TO_SUM.get(type(expr), Canonical._opaque)(self, expr)
        self.memo[id(expr)] = (expr, made)
        return made

    def _constant(self, expr: Any) -> Sum:
        return Sum(expr.dtype, {}, expr.value)

    def _variable(self, expr: Any) -> Sum:
        bound = self.bindings.get(expr)
        if bound is not None:
            return self.sum(bound)
        return self._single(self.terms.opaque(expr, expr))

    def _single(self, atom: Atom) -> Sum:
        lo, hi = self.bounds.atom(atom)
        if lo == hi:
            return Sum(atom.dtype, {}, int(lo))
        return self.terms.of(atom)

    def _add(self, expr: Any) -> Sum:
        return self.terms.add(self.sum(expr.a), self.sum(expr.b))

    def _sub(self, expr: Any) -> Sum:
        return self.terms.sub(self.sum(expr.a), self.sum(expr.b))

    def _mul(self, expr: Any) -> Sum:
        a, b = self.sum(expr.a), self.sum(expr.b)
        made = self.terms.multiply(a, b)
        if made is None:
            return self.terms.of(self._atom_of(Mul(a.expr(), b.expr())))
        if len(made.terms) > 2:
            _remember_factors(a, b, made)
        return made

    def _floordiv(self, expr: Any) -> Sum:
        return self.divider.floordiv_by(self.sum(expr.a), self.sum(expr.b))

    def _floormod(self, expr: Any) -> Sum:
        return self.divider.floormod_by(self.sum(expr.a), self.sum(expr.b))

    def _truncdiv(self, expr: Any) -> Sum:
        a, b = self.sum(expr.a), self.sum(expr.b)
        if self._both_positive(a, b):
            return self._truncating(self.divider.floordiv_by, a, b)
        if not b.terms and b.const and not a.may_wrap():
            return self._truncdiv_by(a, b.const)
        if a.key == b.key and not a.may_wrap() and a.terms:
            return self.terms.const(1, a.dtype)
        return self._folded(O.truncdiv(a.expr(), b.expr()))

    def _truncmod(self, expr: Any) -> Sum:
        a, b = self.sum(expr.a), self.sum(expr.b)
        if self._both_positive(a, b):
            return self._truncating(self.divider.floormod_by, a, b)
        if not b.terms and b.const and fits(-b.const, b.dtype) and not a.may_wrap():
            return self._truncmod_by(a, abs(b.const))
        return self._folded(O.truncmod(a.expr(), b.expr()))

    def _truncating(self, divide: Callable[[Sum, Sum], Sum], a: Sum, b: Sum) -> Sum:
        """`divide(a, b)` of what is not negative, written as rounding to zero."""
        outside, self.terms.truncates = self.terms.truncates, True
        try:
            return divide(a, b)
        finally:
            self.terms.truncates = outside

    def _truncdiv_by(self, a: Sum, c: int) -> Sum:
        """`a / c` rounded to zero, for any sign of `a`: common factors cancel, quotients join."""
        common = gcd(c, a.const, *a.terms.values())
        a, c = _divided(a, common), c // common
        if abs(c) == 1:
            return a.scaled(c)
        lo, hi = self.bounds.of(a)
        if -abs(c) < lo and hi < abs(c):
            return self.terms.const(0, a.dtype)
        if lo >= 0:
            by = self.terms.const(abs(c), a.dtype)
            whole = self._truncating(self.divider.floordiv_by, a, by)
            return whole.scaled(1 if c > 0 else -1)
        inner = a.single()
        of = inner.of if isinstance(inner, Opaque) else None
        if isinstance(of, Div) and isinstance(of.b, IntImm) and of.b.value:
            return self._truncdiv_by(self.sum(of.a), of.b.value * c)
        return self._folded(O.truncdiv(a.expr(), IntImm(a.dtype, c)))

    def _truncmod_by(self, a: Sum, c: int) -> Sum:
        """What `a / c`, rounded to zero, leaves: common factors come out."""
        common = gcd(c, a.const, *a.terms.values())
        a, c = _divided(a, common), c // common
        if c == 1:
            return self.terms.const(0, a.dtype)
        lo, hi = self.bounds.of(a)
        if -c < lo and hi < c:
            return a.scaled(common)
        if lo >= 0:
            by = self.terms.const(c, a.dtype)
            return self._truncating(self.divider.floormod_by, a, by).scaled(common)
        if is_negated(a):
            return self._truncmod_by(a.scaled(-1), c).scaled(-common)
        whole = self._without_rest(a, c)
        if whole is not None:
            return self._truncmod_by(whole, c).scaled(common)
        return self._folded(O.truncmod(a.expr(), IntImm(a.dtype, c))).scaled(common)

    def _without_rest(self, a: Sum, c: int) -> Sum | None:
        """`x` for `x % m` and `x / d` for `(x % m) / d`, whose rests by `c` are the same."""
        parts = truncated(a)
        if parts is None or parts.by <= 0:
            return None
        inner = parts if parts.is_rest else truncated(parts.base)
        if inner is None or not inner.is_rest or inner.by % (c if parts.is_rest else c * parts.by):
            return None
        return inner.base if parts.is_rest else self._truncdiv_by(inner.base, parts.by)

    def _folded(self, made: PrimExpr) -> Sum:
        if isinstance(made, (Div, Mod)):
            return self._single(self._atom_of(made))
        return self.sum(made)

    def _both_positive(self, a: Sum, b: Sum) -> bool:
        prove = self.bounds.is_not_negative
        if a.may_wrap() or b.may_wrap():
            return False
        return prove(a) and prove(b.shifted(-1) if not b.terms else b)

    def _min(self, expr: Any) -> Sum:
        return self.extremum(Min, self.sum(expr.a), self.sum(expr.b))

    def _max(self, expr: Any) -> Sum:
        return self.extremum(Max, self.sum(expr.a), self.sum(expr.b))

    def extremum(self, kind: type[PrimExpr], a: Sum, b: Sum) -> Sum:
        """The smaller or larger of two sums; one of them if it can be told."""
        if a.may_wrap() or b.may_wrap():
            return a if a.key == b.key else self.terms.binary(kind, a, b, True)
        if a.terms == b.terms:
            return a if (a.const <= b.const) == (kind is Min) else b
        if not self.deciding:
            self.deciding = True
            try:
                decided = self._decided(kind, a, b)
            finally:
                self.deciding = False
            if decided is not None:
                return decided
        for one, other in ((a, b), (b, a)):
            made = self._absorbed(kind, one, other)
            if made is not None:
                return made
        made = self._bounded_last(kind, a.single(), b)
        if made is not None:
            return made
        made = self._extremum_within(kind, a.single(), b.single())
        if made is not None:
            return made
        return self._extremum_outside(kind, a, b)

    def _decided(self, kind: type[PrimExpr], a: Sum, b: Sum) -> Sum | None:
        """The one that is known to be the smaller or larger."""
        prove = self.bounds.is_not_negative
        difference = self.terms.sub(a, b)
        if prove(difference):
            return b if kind is Min else a
        if prove(difference.scaled(-1)):
            return a if kind is Min else b
        sign = 1 if kind is Min else -1
        for one, other in ((a, b), (b, a)):
            atom = one.single()
            if isinstance(atom, Binary) and atom.kind is OPPOSITE[kind]:
                beyond = (self.terms.sub(other, side).scaled(sign) for side in atom.parts())
                if all(map(prove, beyond)):
                    return one
        return None

    def _absorbed(self, kind: type[PrimExpr], one: Sum, other: Sum) -> Sum | None:
        """The minimum of an extremum `one` and `other`, if one drops or both share an operand."""
        atom = one.single()
        if not isinstance(atom, Binary) or atom.kind not in OPPOSITE:
            return None
        if atom.kind is kind:
            if not (other.terms or (atom.a.terms and atom.b.terms)):
                inner, bound = (atom.a, atom.b) if atom.a.terms else (atom.b, atom.a)
                limit = (min if kind is Min else max)(bound.const, other.const)
                return self.extremum(kind, inner, Sum(one.dtype, {}, limit))
            return one if _is_operand(kind, atom, other) else None
        if other.key in (atom.a.key, atom.b.key):
            return other
        beside = other.single()
        for side, rest in ((atom.a, atom.b), (atom.b, atom.a)):
            if isinstance(beside, Binary) and side.key in (beside.a.key, beside.b.key):
                if beside.kind is kind:  # `min(max(x, y), min(x, z))`
                    return other
                if beside.kind is atom.kind:  # `min(max(x, y), max(x, z))`
                    last = beside.b if side.key == beside.a.key else beside.a
                    return self.extremum(atom.kind, self.extremum(kind, rest, last), side)
        return None

    def _bounded_last(self, kind: type[PrimExpr], first: Any, b: Sum) -> Sum | None:
        """`min(min(x, 1), y) -> min(min(x, y), 1)`."""
        if not isinstance(first, Binary) or first.kind is not kind or first.b.terms:
            return None
        return self.extremum(kind, self.extremum(kind, first.a, b), first.b)

    def _extremum_within(self, kind: type[PrimExpr], a: Any, b: Any) -> Sum | None:
        """`min(x // c, y // c) -> min(x, y) // c`, and the like for choices by one condition."""
        if isinstance(a, Split) and isinstance(b, Split):
            if a.lower != b.lower or a.upper is not None or b.upper is not None:
                return None
            return self.divider.floordiv(self.extremum(kind, a.base, b.base), a.lower)
        if not isinstance(a, Opaque) or not isinstance(b, Opaque):
            return None
        one, other = a.parts_of, b.parts_of
        if isinstance(one, Truncated) and isinstance(other, Truncated):
            if one.by == other.by and not one.is_rest and not other.is_rest:
                inner = self.extremum(kind if one.by > 0 else OPPOSITE[kind], one.base, other.base)
                return self._truncdiv_by(inner, one.by)
        elif (
            isinstance(one, Choice) and isinstance(other, Choice) and one.is_by_condition_of(other)
        ):
            yes, no = self.extremum(kind, one.yes, other.yes), self.extremum(kind, one.no, other.no)
            return self.terms.choice(one.condition, one.key, yes, no)
        return None

    def _extremum_outside(self, kind: type[PrimExpr], a: Sum, b: Sum) -> Sum:
        """`min(x + z, y + z) -> min(x, y) + z`, `min(-4 * x, -8) -> max(x, 2) * -4`."""
        shared = {t: c for t, c in a.terms.items() if b.terms.get(t) == c} if b.terms else {}
        const = 0
        if a.terms and b.terms and a.const * b.const > 0:
            const = min(a.const, b.const, key=abs)
        if shared or const:
            outside = Sum(a.dtype, shared, const)
            inner = self.extremum(kind, self.terms.sub(a, outside), self.terms.sub(b, outside))
            return self.terms.add(inner, outside)
        factor = gcd(a.const, b.const, *a.terms.values(), *b.terms.values())
        if min(a.const, b.const, *a.terms.values(), *b.terms.values()) < -SMALL:
            return self.terms.binary(kind, a, b, True)  # its negation may not fit
        if not any(abs(c) == factor for c in (*a.terms.values(), *b.terms.values())):
            factor = 1
        if all(c < 0 for c in (*a.terms.values(), *b.terms.values())):
            if not (a.terms and b.terms) and (const := (a if a.terms else b).const):
                # `min(3 - x, 2) -> 3 - max(x, 1)`
                moved = self.extremum(kind, a.shifted(-const), b.shifted(-const))
                return self.terms.shifted(moved, const)
            factor, kind = -factor, OPPOSITE[kind]
        if factor == 1:
            return self.terms.binary(kind, a, b, True)
        made = self.extremum(kind, _divided(a, factor), _divided(b, factor))
        return made.scaled(factor)

    def _cast(self, expr: Any) -> Sum:
        if expr.value.dtype == "int32" and expr.dtype == "int64":
            inner = self.sum(expr.value)
            if inner.may_wrap():
                made = Cast("int64", inner.expr())
                return self.terms.of(self.terms.opaque(made, ("cast", inner.key)))
            terms = {self._widened(atom): c for atom, c in inner.terms.items()}
            return Sum("int64", terms, inner.const)
        if expr.value.dtype == "int64" and expr.dtype == "int32":
            return self._narrowed(expr)
        return self._opaque(expr)

    def _narrowed(self, expr: Any) -> Sum:
        """A sum of conversions, if each part and the whole fit."""
        inner, held = self.sum(expr.value), dtype_interval("int32")
        values = [self.bounds.of(inner), *map(self.bounds.atom, inner.terms)]
        if inner.single() is not None or any(lo < held[0] or hi > held[1] for lo, hi in values):
            return self._opaque(expr)
        parts = [self.bounds.of(self.terms.of(a, c)) for a, c in inner.terms.items()]
        parts.append((inner.const, inner.const))
        least, most = sum(min(lo, 0) for lo, _ in parts), sum(max(hi, 0) for _, hi in parts)
        if least < held[0] or most > held[1]:  # on the way to the sum
            return self._opaque(expr)
        made = Sum("int32", {}, inner.const)
        for atom, coefficient in inner.terms.items():
            made = self.terms.add(made, self._opaque(Cast("int32", atom.expr())), coefficient)
        return made

    def _widened(self, atom: Atom) -> Atom:
        made = atom.expr()
        return self.terms.opaque(Cast("int64", made), ("cast", atom))

    def _let(self, expr: Any) -> Sum:
        self.bindings[expr.var] = expr.value
        return self.sum(expr.body)

    def _call(self, expr: Any) -> Sum:
        name = getattr(expr.op, "name", "")
        if name == "tir.likely":
            return self.sum(expr.args[0])
        factor = _power_shifted(expr) if name in ("tir.shift_left", "tir.shift_right") else None
        if factor is not None and name == "tir.shift_left":
            return self.sum(expr.args[0]).scaled(factor)
        if factor is not None:
            return self.divider.floordiv(self.sum(expr.args[0]), factor)
        if name == "tir.fabs":
            of = self.sum(expr.args[0])
            lo, hi = self.interval(expr.args[0])
            if lo >= 0 or hi <= 0:
                return of if lo >= 0 else of.scaled(-1)
        return self._opaque(expr)

    def _opaque(self, expr: PrimExpr) -> Sum:
        made = self.other(expr)
        if made is not expr and type(made) in _TO_SUM and type(made) is not type(expr):
            return self.sum(made)
        return self._single(self._atom_of(made))

    def _atom_of(self, expr: Any) -> Opaque:
        if isinstance(expr, (Div, Mod)) and isinstance(expr.b, IntImm) and expr.b.value:
            parts = Truncated(self.sum(expr.a), expr.b.value, isinstance(expr, Mod))
            divide: Callable[..., PrimExpr] = type(expr)
            base = parts.base.expr()
            return self.terms.truncated_atom(
                expr if base is expr.a else divide(base, expr.b), parts
            )
        if isinstance(expr, Select):
            yes, no = self.sum(expr.true_value), self.sum(expr.false_value)
            choice = Choice(expr.condition, self.key(expr.condition), yes, no)
            return self.terms.choice_atom(expr, choice)
        return self.terms.opaque(expr, self._node_key(expr))

    # ---- keys -------------------------------------------------------------------------------

    def key(self, value: Any) -> Key:
        """Equal for expressions that compute the same; effects make a key of their own."""
        if isinstance(value, PrimExpr) and value.dtype in INDEX_TYPES:
            made = _TO_SUM.get(type(value))
            if made is not None and not isinstance(value, (Cast, Call)):
                total = self.sum(value)
                return value if self._keeps_name(value, total) else total.key
        if isinstance(value, Node):
            if type(value).is_variable:
                return value
            return self._node_key(value)
        if isinstance(value, (tuple, list)):
            return tuple(self.key(item) for item in value)
        return value if not isinstance(value, dict) else id(value)

    def _keeps_name(self, value: PrimExpr, total: Sum) -> bool:
        """True of a name that stays although a condition gives its value: what it is part of is
        kept for good, beyond the scope of the condition."""
        if not type(value).is_variable or not self.is_pinned(value):
            return False
        single = total.single()
        return not (isinstance(single, Opaque) and single.of is value)

    def is_pinned(self, expr: PrimExpr) -> bool:
        """Hook: whether an index is written by its name, whatever its value."""
        del expr
        return False

    def _node_key(self, value: Node) -> Key:
        if isinstance(value, Call):
            if effect_of(value) > CallEffectKind.ReadState:
                return id(value)
            return (Call, value.dtype, value.op, self.key(value.args))
        dtype = value.dtype if isinstance(value, PrimExpr) else None
        return (type(value), dtype, *(self.key(getattr(value, n)) for n in type(value).walked))


def _remember_factors(a: Sum, b: Sum, total: Sum) -> None:
    """Lets `total` be written as `a * b`, which it is, unless that is longer."""
    if _parts(total) < _parts(a) + _parts(b) or min(_parts(a), _parts(b)) < 2:
        return
    first = next((atom for atom in total.terms if isinstance(atom, Product)), None)
    if first is not None and all(known.total.key != total.key for known in first.of_sums):
        first.of_sums.append(Factored(a, b, total))


def _parts(total: Sum) -> int:
    return len(total.terms) + (total.const != 0)


def _is_operand(kind: type[PrimExpr], atom: Binary, total: Sum) -> bool:
    """True if `total` is one of those between which nested extrema choose."""
    pending = [atom]
    while pending:
        one = pending.pop()
        for side in (one.a, one.b):
            if side.key == total.key:
                return True
            inner = side.single()
            if isinstance(inner, Binary) and inner.kind is kind:
                pending.append(inner)
    return False


def _divided(total: Sum, by: int) -> Sum:
    """`total / by`, where `by` divides every coefficient."""
    if by == 1:
        return total
    return Sum(total.dtype, {a: c // by for a, c in total.terms.items()}, total.const // by)


def effect_of(call: Call) -> CallEffectKind:
    """What `call` may do; a call of an unknown function may do anything."""
    effect = getattr(call.op, "attributes", {}).get("effect", CallEffectKind.UpdateState)
    return CallEffectKind(effect)


def reads_memory(expr: Node) -> bool:
    """True if the value depends on memory (a load, or a call that reads state)."""
    if isinstance(expr, BufferLoad):
        return True
    if isinstance(expr, Call) and effect_of(expr) > CallEffectKind.Pure:
        return True
    return any(reads_memory(child) for child in children(expr))


def may_trap(expr: Node) -> bool:
    """True if computing `expr` where it was not computed before may fail: a division."""
    if isinstance(expr, (Div, Mod, FloorDiv, FloorMod)):
        divisor = expr.b
        if not isinstance(divisor, IntImm) or divisor.value == 0:
            return True
    return any(may_trap(child) for child in children(expr))


def is_movable(expr: Node) -> bool:
    """True if `expr` has the same value wherever its variables are defined, and never fails."""
    return not reads_memory(expr) and not may_trap(expr)


_TO_SUM: dict[type[PrimExpr], Callable[[Canonical, Any], Sum]] = {
    IntImm: Canonical._constant,
    Add: Canonical._add,
    Sub: Canonical._sub,
    Mul: Canonical._mul,
    FloorDiv: Canonical._floordiv,
    FloorMod: Canonical._floormod,
    Div: Canonical._truncdiv,
    Mod: Canonical._truncmod,
    Min: Canonical._min,
    Max: Canonical._max,
    Cast: Canonical._cast,
    Let: Canonical._let,
    Call: Canonical._call,
}


def _register_variables() -> None:
    from ..expr import SizeVar

    for kind in (Var, SizeVar):
        _TO_SUM[kind] = Canonical._variable


_register_variables()
