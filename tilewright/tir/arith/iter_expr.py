"""The form of affine iterations: marks, splits of them, and sums of splits."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import reduce
from typing import ClassVar

from ...ir.expr import PrimExpr, as_scalar
from ...ir.functor import post_order_visit
from ...ir.node import Node, node
from ...support.errors import ArgumentError, ArgumentTypeError
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
        found = table.get(name.replace("_", "").lower())
        if found is None:
            raise ArgumentError(
                f"no check level is called {name!r}", hint=f"there are {', '.join(table)}"
            )
        return found


@node("arith.IterMapExpr")
class IterMapExpr(PrimExpr):
    """The base of the expressions of iteration maps."""


@node("arith.IterMark")
class IterMark(Node):
    """`source`, a variable or a sum, that runs through all of `[0, extent)`."""

    is_checked: ClassVar[bool] = True
    source: PrimExpr
    extent: PrimExpr

    def __post_init__(self) -> None:
        if not isinstance(self.source, PrimExpr):
            raise ArgumentTypeError(f"the source of a mark is an expression, found {self.source!r}")
        _as_scalars(self, self.source.dtype, "extent")


@node("arith.IterSplitExpr")
class IterSplitExpr(IterMapExpr):
    """`(source // lower_factor) % extent * scale`."""

    is_checked: ClassVar[bool] = True
    source: IterMark
    lower_factor: PrimExpr
    extent: PrimExpr
    scale: PrimExpr

    def __post_init__(self) -> None:
        self.dtype = self.source.source.dtype
        _as_scalars(self, self.dtype, "lower_factor", "extent", "scale")


@node("arith.IterSumExpr")
class IterSumExpr(IterMapExpr):
    """The sum of `args` and of `base`, which does not iterate."""

    is_checked: ClassVar[bool] = True
    args: tuple[IterSplitExpr, ...]
    base: PrimExpr

    def __post_init__(self) -> None:
        self.args = tuple(self.args)  # type: ignore[misc]
        _as_scalars(self, self.args[0].dtype if self.args else "int32", "base")
        self.dtype = self.base.dtype


def _as_scalars(node: Node, dtype: str, *fields: str) -> None:
    """Makes numbers among `fields` constants of `dtype`."""
    for name in fields:
        setattr(node, name, as_scalar(getattr(node, name), dtype))


def normalize_iter_map_to_expr(expr: PrimExpr) -> PrimExpr:
    """An iteration map written out as plain arithmetic, its sums in their order."""
    if isinstance(expr, IterSumExpr):
        parts = [normalize_iter_map_to_expr(arg) for arg in expr.args]
        total = reduce(O.add, parts) if parts else expr.base
        return O.add(total, expr.base) if parts else total
    if isinstance(expr, IterSplitExpr):
        return _split_value(expr)
    return expr


def is_whole(split: IterSplitExpr) -> bool:
    """True if a split ends where its mark does: it needs no modulus."""
    end = O.multiply(split.lower_factor, split.extent)
    return O.is_const_int(O.simplified(O.equal(end, split.source.extent)), 1)


def _split_value(split: IterSplitExpr) -> PrimExpr:
    value = normalize_iter_map_to_expr(split.source.source)
    if not is_whole(split):
        value = O.floormod(value, O.multiply(split.lower_factor, split.extent))
    return O.multiply(O.floordiv(value, split.lower_factor), split.scale)


def variables_of(exprs: Sequence[PrimExpr]) -> list[Var]:
    """The variables in `exprs`, in the order in which they are met."""
    found: dict[Var, None] = {}
    post_order_visit(tuple(exprs), lambda n: found.setdefault(n) if isinstance(n, Var) else None)
    return list(found)


def var_of(split: IterSplitExpr) -> Var | None:
    """The variable, if the split is all of one."""
    source = split.source.source
    return source if isinstance(source, Var) else None
