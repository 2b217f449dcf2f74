"""The form of affine iterations: marks, splits of them, and sums of splits."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from ...ir.expr import PrimExpr
from ...ir.functor import post_order_visit
from ...ir.node import Node, node
from .. import op as O
from ..expr import Var


class IterMapLevel(IntEnum):
    """What `detect_iter_map` demands: each point met once, each at least once, or nothing."""

    Bijective = 0
    Surjective = 1
    NoCheck = 3

    @staticmethod
    def from_str(name: str) -> IterMapLevel:
        """The level called `bijective`, `surjective` or `no_check`."""
        table = {level.name.lower(): level for level in IterMapLevel}
        return table[name.replace("_", "").lower()]


@node("arith.IterMapExpr")
class IterMapExpr(PrimExpr):
    """The base of the expressions of iteration maps."""


@node("arith.IterMark")
class IterMark(Node):
    """`source`, a variable or a sum, that runs through all of `[0, extent)`."""

    source: PrimExpr
    extent: PrimExpr


@node("arith.IterSplitExpr")
class IterSplitExpr(IterMapExpr):
    """`(source // lower_factor) % extent * scale`."""

    source: IterMark
    lower_factor: PrimExpr
    extent: PrimExpr
    scale: PrimExpr

    def __post_init__(self) -> None:
        self.dtype = self.source.source.dtype


@node("arith.IterSumExpr")
class IterSumExpr(IterMapExpr):
    """The sum of `args` and of `base`, which does not iterate."""

    args: tuple[IterSplitExpr, ...]
    base: PrimExpr

    def __post_init__(self) -> None:
        self.args = tuple(self.args)  # type: ignore[misc]
        self.dtype = self.base.dtype


def normalize_iter_map_to_expr(expr: PrimExpr) -> PrimExpr:
    """An iteration map written out as plain arithmetic."""
    if isinstance(expr, IterSumExpr):
        total = expr.base
        for arg in expr.args:
            total = O.add(total, normalize_iter_map_to_expr(arg))
        return O.simplified(total)
    if isinstance(expr, IterSplitExpr):
        return O.simplified(_split_value(expr))
    return expr


def _split_value(split: IterSplitExpr) -> PrimExpr:
    value: Any = normalize_iter_map_to_expr(split.source.source)
    value = O.floordiv(value, split.lower_factor)
    whole = O.simplified(O.floordiv(split.source.extent, split.lower_factor))
    if not O.is_const_int(O.simplified(O.equal(whole, split.extent)), 1):
        value = O.floormod(value, split.extent)
    return O.multiply(value, split.scale)


def variables_of(exprs: Sequence[PrimExpr]) -> list[Var]:
    """The variables in `exprs`, in the order in which they are met."""
    found: dict[Var, None] = {}
    post_order_visit(tuple(exprs), lambda n: found.setdefault(n) if isinstance(n, Var) else None)
    return list(found)


def var_of(split: IterSplitExpr) -> Var | None:
    """The variable, if the split is all of one."""
    source = split.source.source
    return source if isinstance(source, Var) else None
