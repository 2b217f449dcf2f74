"""Index arithmetic for schedules: integer polynomials over loop variables of known range.

An atom of a `Poly` is a variable, a quotient, a remainder, a minimum, a maximum or anything opaque;
`Space` gives each a number, so that equal expressions meet and cancel. It answers what regions and
predicates of primitives ask in microseconds; what it cannot answer is left to `arith`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, KeysView, Mapping
from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...support.dtypes import dtype_of
from .. import op as T
from ..expr import (
    Add,
    Call,
    Cast,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mul,
    SizeVar,
    Sub,
    Var,
)
from .polynomial import ONE as ONE
from .polynomial import Interval as Interval
from .polynomial import Monomial as Monomial
from .polynomial import Poly as Poly
from .polynomial import constant as constant
from .polynomial import plus as plus
from .polynomial import times as times
from .polynomial import value_of as value_of
from .polynomial import without


@dataclass(slots=True, eq=False)
class Atom:
    """A factor of monomials: `kind` over polynomials `args`, or a plain expression."""

    kind: str
    expr: PrimExpr | None
    args: tuple[Poly, ...]
    variables: frozenset[int]


class Space:
    """Polynomials over variables, some with a range (`bind`), the rest free.

    Sizes (variables named in shapes, given as `sizes`) are not negative.
    """

    def __init__(self, sizes: Iterable[Var] = ()) -> None:
        self.atoms: list[Atom] = []
        self.index: dict[object, int] = {}
        self.ranges: dict[int, Interval] = {}
        self.sizes = {id(v) for v in sizes}
        self.env: dict[int, Poly] = {}
        self.kept: list[PrimExpr] = []  # what `index` knows by `id` stays alive
        self.vscale: int | None = None  # what `vscale()` is taken for; None: it is `lanes`
        self.lanes: Monomial | None = None

    # ---- making -----------------------------------------------------------------------------

    def is_bound(self, var: Var) -> bool:
        """True for the variable of a loop or an axis; False for a size."""
        return self._variable(var) in self.ranges or id(var) in self.env

    def bind(self, var: Var, low: PrimExpr, extent: PrimExpr) -> None:
        """Declares that `var` lies in `[low, low + extent)`."""
        start = self.poly(low)
        end = plus(plus(start, self.poly(extent)), constant(-1))
        self.ranges[self._variable(var)] = (start, end)

    def define(self, var: Var, value: PrimExpr) -> None:
        """Makes `var` stand for `value` in what is read from now on."""
        self.env[id(var)] = self.poly(value)

    def _variable(self, var: Var) -> int:
        known = self.index.get(id(var))
        if known is None:
            known = self.index[id(var)] = len(self.atoms)
            self.atoms.append(Atom("var", var, (), frozenset((known,))))
        return known

    def scale_of_vectors(self, expr: PrimExpr) -> Poly:
        """`vscale()`, one number wherever it stands."""
        if self.vscale is not None:
            return constant(self.vscale)
        if self.lanes is None:
            self.lanes = (len(self.atoms),)
            self.atoms.append(Atom("vscale", expr, (), frozenset()))
        return {self.lanes: 1}

    def _intern(self, kind: str, args: tuple[Poly, ...]) -> Poly:
        key = (kind, *(frozenset(a.items()) for a in args))
        known = self.index.get(key)
        if known is None:
            inside: frozenset[int] = frozenset()
            for a in args:
                inside |= self.variables(a)
            known = self.index[key] = len(self.atoms)
            self.atoms.append(Atom(kind, None, args, inside))
        return {(known,): 1}

    def opaque(self, expr: PrimExpr) -> Poly:
        """`expr` as an atom of its own, with defined variables replaced."""
        used = variables_in(expr)
        meant = [(v, self.env[id(v)]) for v in used if id(v) in self.env]
        key = ("opaque", id(expr), *((id(v), frozenset(p.items())) for v, p in meant))
        known = self.index.get(key)
        if known is None:
            from ..stmt_functor import substitute

            inside = frozenset(self._variable(v) for v in used if id(v) not in self.env)
            for _, p in meant:
                inside |= self.variables(p)
            written = substitute(expr, {v: self.expr(p, v.dtype) for v, p in meant})
            known = self.index[key] = len(self.atoms)
            self.atoms.append(Atom("opaque", written, (), inside))
            self.kept.append(expr)
        return {(known,): 1}

    def poly(self, expr: PrimExpr) -> Poly:
        """`expr` as a polynomial, defined variables replaced."""
        read = _READ.get(type(expr))
        return read(self, expr) if read is not None else self.opaque(expr)

    def variables(self, p: Poly) -> frozenset[int]:
        """The numbers of the variables that `p` depends on."""
        out: frozenset[int] = frozenset()
        for m in p:
            for a in m:
                out |= self.atoms[a].variables
        return out

    # ---- quotients and remainders -----------------------------------------------------------

    def quotient(self, p: Poly, d: Poly) -> Poly:
        """`p // d` for positive `d`."""
        whole, rest = self._divide(p, d)
        if not rest or self._within(rest, d):
            return whole
        if rest == {ONE: -1}:  # `d` is 1 at least
            return plus(whole, rest)
        return plus(whole, self._reduced_quotient(rest, d))

    def remainder(self, p: Poly, d: Poly) -> Poly:
        """`p % d` for positive `d`."""
        rest = self._divide(p, d)[1]
        if not rest or self._within(rest, d):
            return rest
        c = value_of(d)
        if c is not None:
            single = self._single(rest, "%")
            if single is not None:
                inner = value_of(single[1])
                if inner is not None and inner % c == 0:
                    return self.remainder(single[0], d)
            coarse, fine, step = self._coarsen(rest, c)
            if step > 1:
                return plus(fine, self.remainder(coarse, constant(c // step)), step)
        return self._intern("%", (rest, d))

    def _reduced_quotient(self, rest: Poly, d: Poly) -> Poly:
        c = value_of(d)
        if c is not None:
            single = self._single(rest, "//") or self._rounded_twice(rest)
            if single is not None:
                return self.quotient(single[0], times(single[1], d))
            single = self._single(rest, "%")
            if single is not None and value_of(single[1]) is not None:
                whole, left = divmod(value_of(single[1]) or 0, c)
                if left == 0:
                    return self.remainder(self.quotient(single[0], d), constant(whole))
            coarse, _, step = self._coarsen(rest, c)
            if step > 1:
                return self.quotient(coarse, constant(c // step))
        return self._intern("//", (rest, d))

    def _coarsen(self, p: Poly, c: int) -> tuple[Poly, Poly, int]:
        """`p = step * coarse + fine` with `0 <= fine < step` and `step` a divisor of `c`, the
        largest that works; a step of 1 if none does."""
        terms = sorted(((m, k) for m, k in p.items() if m), key=lambda term: -abs(term[1]))
        step, const = c, p.get(ONE, 0)
        for count, (_, coefficient) in enumerate(terms, 1):
            step = math.gcd(step, coefficient)
            if step == 1:
                break
            fine = dict(terms[count:])
            fine = plus(fine, constant(const % step))
            if not fine or self._within(fine, constant(step)):
                coarse = {m: k // step for m, k in terms[:count]}
                return plus(coarse, constant(const // step)), fine, step
        return p, {}, 1

    def _divide(self, p: Poly, d: Poly) -> tuple[Poly, Poly]:
        """`p` as `whole * d + rest`, term by term."""
        if len(d) != 1:
            return (constant(1), {}) if p == d and p else ({}, p)
        ((dm, dc),) = d.items()
        whole: Poly = {}
        rest: Poly = {}
        for m, c in p.items():
            left = without(m, dm)
            if left is None:
                rest[m] = c
                continue
            if m == dm == ONE:
                q, r = divmod(c, dc)
            else:
                q, r = (c // dc, 0) if c % dc == 0 else (0, c)
            if q:
                whole[left] = whole.get(left, 0) + q
            if r:
                rest[m] = r
        low = {m: c % dc for m, c in rest.items() if c % dc} if dm == ONE else rest
        if low != rest and self._within(low, d):  # 45 * x // 2 of x below 2 is 22 * x
            return plus(whole, {m: c // dc for m, c in rest.items()}), low
        return whole, rest

    def _within(self, p: Poly, d: Poly) -> bool:
        return self.nonneg(p) and self.nonneg(plus(plus(d, p, -1), constant(-1)))

    def _single(self, p: Poly, kind: str) -> tuple[Poly, Poly] | None:
        """The arguments of the atom that `p` is, if it is of that kind."""
        if len(p) != 1:
            return None
        ((m, c),) = p.items()
        if c != 1 or len(m) != 1 or self.atoms[m[0]].kind != kind:
            return None
        args = self.atoms[m[0]].args
        return args[0], args[1]

    def _rounded_twice(self, p: Poly) -> tuple[Poly, Poly] | None:
        """(x, d) of `(y + c) // d + w`, which is `x // d`."""
        whole = p.get(ONE, 0)
        single = self._single(plus(p, constant(-whole)), "//")
        if single is None or ONE not in single[0]:
            return None
        return plus(single[0], single[1], whole), single[1]

    def joined(self, p: Poly) -> Poly:
        """`p` with `k*d * (x // d) + k * (x % d)` written as `k * x`."""
        for m, k in list(p.items()):
            if len(m) != 1 or self.atoms[m[0]].kind != "%" or p.get(m) != k:
                continue
            x, d = self.atoms[m[0]].args
            high = times(times(self.quotient(x, d), d), constant(k))
            low = times({m: 1}, constant(k))
            both = plus(high, low)
            if high and all(p.get(t) == c for t, c in both.items()):
                p = plus(plus(p, both, -1), x, k)
                return self.joined(p)
        return p

    # ---- bounds -----------------------------------------------------------------------------

    def relax(self, p: Poly, free: Callable[[int], bool] | None = None, depth: int = 8) -> Interval:
        """Bounds of `p` over the ranges of its variables; all of them, or those that `free` says.

        The bounds do not depend on relaxed variables.
        """
        is_free = free or self.ranges.__contains__
        low: Poly | None = {}
        high: Poly | None = {}
        for m, c in p.items():
            if not any(is_free(v) for a in m for v in self.atoms[a].variables):
                low = None if low is None else plus(low, {m: c})
                high = None if high is None else plus(high, {m: c})
                continue
            a, b = self._relax_monomial(m, is_free, depth)
            if c < 0:
                a, b = b, a
            low = None if low is None or a is None else plus(low, a, c)
            high = None if high is None or b is None else plus(high, b, c)
        if depth:
            low = self._again(low, is_free, depth, 0)
            high = self._again(high, is_free, depth, 1)
        return low, high

    def _again(
        self, p: Poly | None, free: Callable[[int], bool], depth: int, side: int
    ) -> Poly | None:
        if p is None or not any(free(v) for v in self.variables(p)):
            return p
        return self.relax(p, free, depth - 1)[side]

    def _relax_monomial(self, m: Monomial, free: Callable[[int], bool], depth: int) -> Interval:
        low: Poly = constant(1)
        high: Poly | None = constant(1)
        if len(m) == 1:
            return self._relax_atom(m[0], free, depth)
        for a in m:
            if any(free(v) for v in self.atoms[a].variables):
                x, y = self._relax_atom(a, free, depth)
            else:
                x = y = {(a,): 1}
            if x is None or not self.nonneg(x):
                return None, None
            low = times(low, x)
            high = None if high is None or y is None else times(high, y)
        return low, high

    def _relax_atom(self, a: int, free: Callable[[int], bool], depth: int) -> Interval:
        atom = self.atoms[a]
        if atom.kind == "var":
            return self.ranges.get(a, (None, None))
        if atom.kind == "opaque" or not depth:
            return None, None
        parts = [self.relax(p, free, depth - 1) for p in atom.args]
        return _RELAX[atom.kind](self, parts)

    def nonneg(self, p: Poly) -> bool:
        """True if `p` is provably never negative."""
        known = value_of(p)
        if known is not None:
            return known >= 0
        low = self.relax(p)[0]
        if low is None:
            return False
        if self._lowest(low) >= 0 or self._lowest(self._unrounded(low)) >= 0:
            return True
        scale = self._scale_of_quotients(low)  # whole numbers: what is above -1 is 0 at least
        return self._lowest(self._unrounded({m: k * scale for m, k in low.items()})) > -scale

    def _lowest(self, p: Poly) -> float:
        total: float = 0
        for m, c in p.items():
            if m == ONE:
                total += c
            elif c < 0 or not all(self._is_size(a) for a in m):
                return float("-inf")
        return total

    def _is_size(self, a: int) -> bool:
        atom = self.atoms[a]
        if atom.kind == "var":
            if a in self.ranges:
                low = self.ranges[a][0]
                return low is not None and self._lowest(low) >= 0
            return isinstance(atom.expr, SizeVar) or id(atom.expr) in self.sizes
        if atom.kind == "opaque":
            return False
        if atom.kind in ("%", "vscale"):
            return True
        if atom.kind == "max":
            return any(self._lowest(p) >= 0 for p in atom.args)
        return all(self._lowest(p) >= 0 for p in atom.args)

    def _scale_of_quotients(self, p: Poly) -> int:
        """The least factor by which each `k * (x // c)` in `p` becomes a multiple of `c`."""
        scale = 1
        for m, k in p.items():
            if len(m) == 1 and self.atoms[m[0]].kind == "//":
                c = value_of(self.atoms[m[0]].args[1])
                scale = math.lcm(scale, c // math.gcd(k, c)) if c else scale
        return scale

    def _unrounded(self, p: Poly) -> Poly:
        """A lower bound of `p` in which `c * (x // c)` has become `x` or `x - (c - 1)`."""
        out = p
        for m, k in p.items():
            if len(m) != 1 or self.atoms[m[0]].kind != "//":
                continue
            x, d = self.atoms[m[0]].args
            c = value_of(d)
            if c is None or k % c:
                continue
            q = k // c
            out = plus(plus(out, {m: k}, -1), x, q)
            if q > 0:
                out = plus(out, constant(-(c - 1) * q))
        return out

    # ---- back to expressions ----------------------------------------------------------------

    def expr(self, p: Poly, dtype: str = "int32") -> PrimExpr:
        """`p` as an expression of `dtype`, a positive term first if there is one."""
        total: PrimExpr | None = None
        rest = p.get(ONE, 0)
        terms = [(m, c) for m, c in p.items() if m != ONE]
        if terms and terms[0][1] < 0:
            terms.sort(key=lambda term: term[1] < 0)
            if terms[0][1] < 0 and rest > 0:
                total, rest = IntImm(dtype, rest), 0
        for m, c in terms:
            if total is None:
                total = self._term(m, c, dtype)
            elif c < 0:
                total = total - self._term(m, -c, dtype)
            else:
                total = total + self._term(m, c, dtype)
        if total is None:
            return IntImm(dtype, rest)
        return total + rest if rest > 0 else total - (-rest) if rest < 0 else total

    def _term(self, m: Monomial, scale: int, dtype: str) -> PrimExpr:
        """`scale * m`; a multiple of `vscale()` stays one factor."""
        rest = without(m, self.lanes) if self.lanes else None
        if rest and self.lanes:
            return self._product(rest, dtype) * self._term(self.lanes, scale, dtype)
        term = self._product(m, dtype)
        return term * scale if scale != 1 else term

    def _product(self, m: Monomial, dtype: str) -> PrimExpr:
        out: PrimExpr | None = None
        for a in sorted(m, key=lambda a: a not in self.ranges):  # loops before what they scale
            factor = self._atom_expr(a, dtype)
            out = factor if out is None else out * factor
        if out is None:
            raise ValueError("an empty product")
        return out

    def _atom_expr(self, a: int, dtype: str) -> PrimExpr:
        atom = self.atoms[a]
        if atom.expr is not None:
            return atom.expr if atom.expr.dtype == dtype else T.cast(atom.expr, dtype)
        if atom.kind == "%":
            inner = self._single(atom.args[0], "//")
            if inner is not None:
                x, low = inner
                return (
                    self.expr(x, dtype)
                    % self.expr(times(low, atom.args[1]), dtype)
                    // self.expr(low, dtype)
                )
        first, second = (self.expr(p, dtype) for p in atom.args)
        return _WRITE[atom.kind](first, second)

    def simplify(self, expr: PrimExpr) -> PrimExpr:
        """`expr`, an integer, in normal form; the same object if that is not shorter."""
        if isinstance(expr, (Var, IntImm)):
            return expr
        return self.expr(self.joined(self.poly(expr)), expr.dtype)

    def can_prove_less(self, a: PrimExpr, b: PrimExpr) -> bool:
        """True if `a < b` for all values in range."""
        return self.nonneg(plus(plus(self.poly(b), self.poly(a), -1), constant(-1)))


def variables_in(expr: object) -> KeysView[Var]:
    """The variables in an expression or regions, each once, in the order of their first use."""
    from ...ir.functor import post_order_visit

    found: dict[Var, None] = {}
    post_order_visit(expr, lambda n: found.setdefault(n) if isinstance(n, Var) else None)
    return found.keys()


def _read_var(space: Space, expr: Var) -> Poly:
    known = space.env.get(id(expr))
    return known if known is not None else {(space._variable(expr),): 1}


def _read_division(quotient: bool) -> Callable[[Space, FloorDiv], Poly]:
    def read(space: Space, expr: FloorDiv) -> Poly:
        x, d = space.poly(expr.a), space.poly(expr.b)
        c = value_of(d)
        if c is not None and c <= 0:
            return space.opaque(expr)
        x = space.joined(x)
        return space.quotient(x, d) if quotient else space.remainder(x, d)

    return read


def _read_extreme(kind: str) -> Callable[[Space, Min], Poly]:
    def read(space: Space, expr: Min) -> Poly:
        x, y = space.poly(expr.a), space.poly(expr.b)
        if space.nonneg(plus(x, y, -1)):
            return y if kind == "min" else x
        if space.nonneg(plus(y, x, -1)):
            return x if kind == "min" else y
        return space._intern(kind, (x, y))

    return read


def _read_cast(space: Space, expr: Cast) -> Poly:
    if dtype_of(expr.dtype).is_int and dtype_of(expr.value.dtype).is_int:
        return space.poly(expr.value)
    return space.opaque(expr)


def _read_call(space: Space, expr: Call) -> Poly:
    name = getattr(expr.op, "name", "")
    if name == "tir.vscale":
        return space.scale_of_vectors(expr)
    if name == "tir.likely" and isinstance(expr.args[0], PrimExpr):
        return space.poly(expr.args[0])
    return space.opaque(expr)


_READ: Mapping[type, Callable[[Space, Any], Poly]] = {
    IntImm: lambda s, e: constant(e.value),
    Var: _read_var,
    SizeVar: _read_var,
    Add: lambda s, e: s.joined(plus(s.poly(e.a), s.poly(e.b))),
    Sub: lambda s, e: plus(s.poly(e.a), s.poly(e.b), -1),
    Mul: lambda s, e: times(s.poly(e.a), s.poly(e.b)),
    FloorDiv: _read_division(True),
    FloorMod: _read_division(False),
    Min: _read_extreme("min"),
    Max: _read_extreme("max"),
    Cast: _read_cast,
    Call: _read_call,
}


def _relax_quotient(space: Space, parts: list[Interval]) -> Interval:
    (low, high), (d, e) = parts
    if d is None or d != e:
        return None, None
    return (
        None if low is None else space.quotient(low, d),
        None if high is None else space.quotient(high, d),
    )


def _relax_remainder(space: Space, parts: list[Interval]) -> Interval:
    (low, high), (d, e) = parts
    if d is None or d != e:
        return constant(0), None if e is None else plus(e, constant(-1))
    if low is not None and high is not None:
        first, last = space.quotient(low, d), space.quotient(high, d)
        if first == last:
            return space.remainder(low, d), space.remainder(high, d)
    return constant(0), plus(d, constant(-1))


def _relax_extreme(kind: str) -> Callable[[Space, list[Interval]], Interval]:
    def pick(space: Space, a: Poly | None, b: Poly | None) -> Poly | None:
        if a is None or b is None:
            return None
        if space.nonneg(plus(a, b, -1)):
            return b if kind == "min" else a
        if space.nonneg(plus(b, a, -1)):
            return a if kind == "min" else b
        return space._intern(kind, (a, b))

    def relax(space: Space, parts: list[Interval]) -> Interval:
        (a, b), (c, d) = parts
        return pick(space, a, c), pick(space, b, d)

    return relax


_RELAX: dict[str, Callable[[Space, list[Interval]], Interval]] = {
    "//": _relax_quotient,
    "%": _relax_remainder,
    "min": _relax_extreme("min"),
    "max": _relax_extreme("max"),
}
_WRITE: dict[str, Callable[[PrimExpr, PrimExpr], PrimExpr]] = {
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "min": T.min,
    "max": T.max,
}
