"""Systems of conditions on integers: what the solvers take and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm
from typing import Any

from ...ir.expr import PrimExpr, Range
from ...ir.node import Node, node
from ...support.errors import ArgumentError, ArgumentTypeError
from .. import op as O
from ..expr import EQ, GE, LE, Var
from .analyzer import Analyzer
from .int_set import Evaluator, as_domain
from .terms import Sum


def _items(owner: Node, name: str) -> tuple[Any, ...]:
    """The field `name` as a tuple. Raises `ArgumentTypeError` if it is no list."""
    value = getattr(owner, name)
    if value is not None and getattr(type(value), "__iter__", None) is None:
        raise ArgumentTypeError(f"`{name}` of {owner.type_key} is a list, found {value!r}")
    return tuple(value or ())


@node("arith.IntGroupBounds")
class IntGroupBounds(Node):
    """What holds of `coef * v`: it is at least each of `lower`, equals each of `equal`, and is
    at most each of `upper`. `coef` is positive."""

    coef: PrimExpr
    lower: tuple[PrimExpr, ...]
    equal: tuple[PrimExpr, ...]
    upper: tuple[PrimExpr, ...]

    def __post_init__(self) -> None:
        for name in ("lower", "equal", "upper"):
            setattr(self, name, _items(self, name))

    @staticmethod
    def from_range(rng: Range) -> IntGroupBounds:
        """The bounds of a variable that lies in `rng`."""
        one = O.const(1, rng.min.dtype)
        last = O.simplified(O.subtract(O.add(rng.min, rng.extent), 1))
        if O.is_const_int(rng.extent, 1):
            return IntGroupBounds(one, (), (rng.min,), ())
        return IntGroupBounds(one, (rng.min,), (), (last,))

    def find_best_range(self, ranges: Mapping[Var, Range] | None = None) -> Range | None:
        """The narrowest range around `v` whose extent can be told from `ranges`; else None."""
        return best_range(Analyzer(), self, ranges or {})

    def conditions(self, var: Var) -> list[PrimExpr]:
        """The bounds as conditions on `var`."""
        scaled = O.multiply(var, self.coef)
        return [
            *(EQ(scaled, e) for e in self.equal),
            *(GE(scaled, low) for low in self.lower),
            *(LE(scaled, high) for high in self.upper),
        ]


@node("arith.IntConstraints")
class IntConstraints(Node):
    """`variables` that lie in `ranges` and fulfil `relations`; other variables are parameters."""

    variables: tuple[Var, ...]
    ranges: dict[Var, Range]
    relations: tuple[PrimExpr, ...]

    def __post_init__(self) -> None:
        self.variables = _items(self, "variables")  # type: ignore[misc]
        if not isinstance(self.ranges or {}, Mapping):
            raise ArgumentTypeError(
                f"`ranges` of {self.type_key} says the range of each variable, found {self.ranges}"
            )
        self.ranges = dict(self.ranges or {})  # type: ignore[misc]
        self.relations = _items(self, "relations")  # type: ignore[misc]


@node("arith.IntConstraintsTransform")
class IntConstraintsTransform(Node):
    """Two systems with the same solutions, and the values of the variables of each in the other."""

    src: IntConstraints
    dst: IntConstraints
    src_to_dst: dict[Var, PrimExpr]
    dst_to_src: dict[Var, PrimExpr]


def as_constraints(
    relations: Any, variables: Sequence[Var] | None, ranges: Mapping[Var, Range] | None
) -> IntConstraints:
    """The arguments of a solver as one system."""
    if isinstance(relations, IntConstraints):
        return relations
    for one in relations:
        if not isinstance(one, PrimExpr):
            raise ArgumentError(
                f"a relation must be a condition, found {type(one).__name__}",
                hint="compare with tir.EQ(a, b), or with a <= b",
            )
    chosen = () if variables is None else tuple(variables)
    return IntConstraints(chosen, dict(ranges or {}), tuple(relations))


def impossible() -> IntConstraints:
    """The system without solutions."""
    return IntConstraints((), {}, (O.const(0, "bool"),))


def without_solution(src: IntConstraints) -> IntConstraintsTransform:
    """The transform of a system that has no solutions."""
    return IntConstraintsTransform(src, impossible(), {}, {})


def scaled_bounds(
    dtype: str, lower: list[tuple[int, Sum]], upper: list[tuple[int, Sum]]
) -> tuple[int, list[Sum], list[Sum]]:
    """Bounds `c * v >= sum` and `c * v <= sum` brought to one coefficient."""
    common = lcm(*(c for c, _ in (*lower, *upper))) if lower or upper else 1
    return (
        common,
        [total.scaled(common // c) for c, total in lower],
        [total.scaled(common // c) for c, total in upper],
    )


def best_range(
    analyzer: Analyzer, bounds: IntGroupBounds, ranges: Mapping[Var, Range]
) -> Range | None:
    """The narrowest range that `bounds` allow when other variables run through `ranges`."""
    coef = bounds.coef
    if bounds.equal:
        start = analyzer.simplify(O.floordiv(bounds.equal[0], coef))
        return Range(start, O.const(1, start.dtype))
    evaluator = Evaluator(analyzer, as_domain(analyzer, ranges))
    best: tuple[PrimExpr, Sum] | None = None
    for low in bounds.lower:
        start = analyzer.simplify(O.floordiv(O.add(low, coef - 1), coef))
        for high in bounds.upper:
            length = O.subtract(O.floordiv(high, coef), start) + 1
            most = evaluator.of(analyzer.sum(length))[1]
            if most is None or most.holds_data() or analyzer.sum(start).holds_data():
                continue
            if best is None or _is_less(analyzer, most, best[1]):
                best = start, most
    return None if best is None else Range(best[0], best[1].expr())


def _is_less(analyzer: Analyzer, a: Sum, b: Sum) -> bool:
    engine = analyzer.engine
    return engine.bounds.is_not_negative(engine.terms.sub(b, a).shifted(-1))
