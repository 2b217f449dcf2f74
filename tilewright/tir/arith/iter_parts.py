"""What detection of maps keeps in mind: bounds, padding, and why an index is no map."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.expr import PrimExpr
from .terms import Atom, Sum


class NotAffine(Exception):
    """An index is no map of iterations; the message says why. Never leaves this package."""


@dataclass(eq=False)
class Bound:
    """A predicate `terms < limit` or `terms >= limit`."""

    terms: dict[Atom, int]
    of: PrimExpr
    lower: Sum | None = None
    upper: Sum | None = None

    def is_part_of(self, other: Bound) -> bool:
        """True if some of the terms of `other` are these or multiples of these."""
        return len(self.terms) < len(other.terms) and self.terms.keys() <= other.terms.keys()


@dataclass(eq=False)
class Padded:
    """The values of a padded mark that its iterators reach: `extent` of them from `left`."""

    divisor: PrimExpr
    left: PrimExpr
    extent: PrimExpr
    turns: bool = False
    """They are the digits of a split that change places: all of them, and no more."""


@dataclass(frozen=True)
class Window:
    """What the terms of a sum are padded to: all of `divisor`, once `offset` is added."""

    divisor: PrimExpr
    offset: int
