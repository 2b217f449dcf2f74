"""Integer polynomials: a `Poly` maps monomials (sorted tuples of atoms) to coefficients."""

from __future__ import annotations

Monomial = tuple[int, ...]
Poly = dict[Monomial, int]
Interval = tuple["Poly | None", "Poly | None"]
"""Inclusive bounds; None where there is none."""

ONE: Monomial = ()


def constant(value: int) -> Poly:
    """The polynomial `value`."""
    return {ONE: value} if value else {}


def plus(a: Poly, b: Poly, scale: int = 1) -> Poly:
    """`a + scale * b`"""
    out = dict(a)
    for m, c in b.items():
        total = out.get(m, 0) + scale * c
        if total:
            out[m] = total
        else:
            out.pop(m, None)
    return out


def times(a: Poly, b: Poly) -> Poly:
    """`a * b`"""
    out: Poly = {}
    for ma, ca in a.items():
        for mb, cb in b.items():
            m = tuple(sorted(ma + mb)) if ma and mb else ma or mb
            total = out.get(m, 0) + ca * cb
            if total:
                out[m] = total
            else:
                out.pop(m, None)
    return out


def value_of(p: Poly) -> int | None:
    """The number that `p` is; None if it has variables."""
    if not p:
        return 0
    return p[ONE] if len(p) == 1 and ONE in p else None


def without(m: Monomial, d: Monomial) -> Monomial | None:
    """`m / d`; None if `d` does not divide it."""
    if not d:
        return m
    left = list(m)
    for a in d:
        if a not in left:
            return None
        left.remove(a)
    return tuple(left)
