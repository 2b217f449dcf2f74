"""Algebra as data: a rule is two expressions and a condition on the constants within.

The letters of a pattern match anything of the same type; `c0`, `c1`... match constants only.
Rules hold for scalars and vectors of every dtype unless a rule set says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...ir.expr import IntImm, PrimExpr, as_scalar
from ...ir.functor import post_order_visit
from ...ir.structural import structural_equal
from .. import op as O
from ..buffer import Buffer
from ..expr import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    Add,
    And,
    BufferLoad,
    Div,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mod,
    Mul,
    Not,
    Or,
    Select,
    Sub,
    Var,
)  # fmt: skip

Binding: TypeAlias = "dict[str, PrimExpr]"


def _difference(a: PrimExpr, b: PrimExpr) -> PrimExpr:
    """`a - b`; one of constants without a sign wraps, where writing it down is a mistake."""
    y = O.const_value(b)
    if a.dtype.startswith("u") and y is not None and O.const_value(a) == 0:
        return O.folded(-y, a.dtype)
    return O.subtract(a, b)


MAKERS: dict[type[PrimExpr], Callable[..., PrimExpr]] = {
    Add: O.add, Sub: _difference, Mul: O.multiply, FloorDiv: O.floordiv, FloorMod: O.floormod,
    Div: O.truncdiv, Mod: O.truncmod, Min: O.min, Max: O.max, EQ: O.equal, NE: O.not_equal,
    LT: O.less, LE: O.less_equal, GT: O.greater, GE: O.greater_equal, And: O.logical_and,
    Or: O.logical_or, Not: O.logical_not, Select: O.select,
}  # fmt: skip
"""The folding constructor of each kind of node that rules are made of."""

OPERANDS: dict[type[PrimExpr], tuple[str, ...]] = {
    kind: ("a", "b") for kind in MAKERS if kind not in (Not, Select)
} | {Not: ("a",), Select: ("condition", "true_value", "false_value")}


@dataclass(frozen=True, slots=True)
class Rule:
    """`before -> after` where `when` holds of the constants named in its parameters."""

    before: PrimExpr
    after: PrimExpr
    when: Callable[..., bool] | None = None

    def __repr__(self) -> str:
        return f"{self.before} -> {self.after}"

    def constants(self, bound: Binding) -> dict[str, int]:
        """The numbers that the constant letters stand for."""
        return {
            name: int(O.const_value(value) or 0)
            for name, value in bound.items()
            if is_constant_letter(name)
        }

    def apply(self, value: PrimExpr) -> PrimExpr | None:
        """What `value` becomes, or None if the rule does not fit."""
        bound: Binding = {}
        if not match(self.before, value, bound):
            return None
        if self.when is not None:
            names = self.when.__code__.co_varnames[: self.when.__code__.co_argcount]
            numbers = self.constants(bound)
            if not self.when(**{name: numbers[name] for name in names}):
                return None
        return instantiate(self.after, bound, value.dtype)


def rule(before: PrimExpr, after: Any, when: Callable[..., bool] | None = None) -> Rule:
    """Declares a rule; a plain number stands for a constant of the type at hand."""
    return Rule(before, after if isinstance(after, PrimExpr) else as_scalar(after), when)


class RuleSet:
    """Rules tried in order, found by the kind of their outermost node.

    `types` says which types the letters `x y z c0 c1` may have (`p q r` are conditions); `wraps`
    that they hold of arithmetic that overflows too.
    """

    def __init__(self, *rules: Rule, types: tuple[str, ...], wraps: bool = True) -> None:
        self.rules = rules
        self.types = types
        self.wraps = wraps
        self.by_kind: dict[type[PrimExpr], list[Rule]] = {}
        for each in rules:
            self.by_kind.setdefault(type(each.before), []).append(each)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def apply(self, value: PrimExpr) -> PrimExpr | None:
        """`value` by the first rule that fits, or None."""
        for each in self.by_kind.get(type(value), ()):
            made = each.apply(value)
            if made is not None:
                return made
        return None


def is_constant_letter(name: str) -> bool:
    """`c0`, `c1`..."""
    return name[0] == "c" and name[1:].isdigit()


def match(pattern: PrimExpr, value: PrimExpr, bound: Binding) -> bool:
    """True if `value` has the form of `pattern`; what the letters stand for goes to `bound`."""
    kind = type(pattern)
    if kind is Var:
        return _match_letter(pattern.name, value, bound)  # type: ignore[attr-defined]
    if kind is IntImm:
        return bool(O.const_value(value) == pattern.value)  # type: ignore[attr-defined]
    if type(value) is not kind:
        return False
    return all(
        match(getattr(pattern, name), getattr(value, name), bound) for name in OPERANDS[kind]
    )


def _match_letter(name: str, value: PrimExpr, bound: Binding) -> bool:
    if is_constant_letter(name) and not isinstance(O.const_value(value), int):
        return False
    known = bound.get(name)
    if known is None:
        bound[name] = value
        return True
    return known is value or (structural_equal(known, value) and _buffers(known) == _buffers(value))


def _buffers(expr: PrimExpr) -> list[Buffer]:
    """The buffers that are read, in order: two that look alike are different memory."""
    found: list[Buffer] = []
    post_order_visit(expr, lambda n: found.append(n.buffer) if isinstance(n, BufferLoad) else None)
    return found


def instantiate(pattern: PrimExpr, bound: Binding, dtype: str) -> PrimExpr:
    """`pattern` with its letters replaced, in the types of what they stand for."""
    kind = type(pattern)
    if kind is Var:
        return bound[pattern.name]  # type: ignore[attr-defined]
    if kind is IntImm:
        return O.folded(pattern.value, dtype)  # type: ignore[attr-defined]
    parts: list[Any] = [getattr(pattern, name) for name in OPERANDS[kind]]
    inner = next((bound[p.name].dtype for p in parts if type(p) is Var), dtype)
    made = [
        part.value if type(part) is IntImm else instantiate(part, bound, inner) for part in parts
    ]
    return MAKERS[kind](*(O.folded(p, inner) if isinstance(p, int) else p for p in made))


def _letters(names: str, dtype: str) -> list[Any]:
    return [Var(name, dtype) for name in names.split()]


_x, _y, _z, _c0, _c1 = _letters("x y z c0 c1", "int32")
_p, _q, _r = _letters("p q r", "bool")
_zero, _one = IntImm("int32", 0), IntImm("int32", 1)

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")

LOGIC = RuleSet(
    rule(Not(Not(_p)), _p),
    rule(Not(LT(_x, _y)), LE(_y, _x)),
    rule(Not(LE(_x, _y)), LT(_y, _x)),
    rule(Not(GT(_x, _y)), LE(_x, _y)),
    rule(Not(GE(_x, _y)), LT(_x, _y)),
    rule(Not(EQ(_x, _y)), NE(_x, _y)),
    rule(Not(NE(_x, _y)), EQ(_x, _y)),
    rule(Not(And(_p, _q)), Or(Not(_p), Not(_q))),
    rule(Not(Or(_p, _q)), And(Not(_p), Not(_q))),
    rule(And(_p, And(_q, _r)), And(And(_p, _q), _r)),
    rule(Or(_p, Or(_q, _r)), Or(Or(_p, _q), _r)),
    rule(And(_p, _p), _p),
    rule(Or(_p, _p), _p),
    rule(And(_p, Not(_p)), False),
    rule(Or(_p, Not(_p)), True),
    types=INTEGERS,
)
"""Conditions; the comparisons under `Not` are integer ones (NaN forbids them for floats)."""

EXACT = RuleSet(
    rule(Min(_x, _x), _x),
    rule(Max(_x, _x), _x),
    rule(Min(Min(_x, _y), _x), Min(_x, _y)),
    rule(Min(Min(_x, _y), _y), Min(_x, _y)),
    rule(Max(Max(_x, _y), _x), Max(_x, _y)),
    rule(Max(Max(_x, _y), _y), Max(_x, _y)),
    rule(GT(_x, _y), LT(_y, _x)),
    rule(GE(_x, _y), LE(_y, _x)),
    rule(Select(_p, _x, _x), _x),
    rule(Select(Not(_p), _x, _y), Select(_p, _y, _x)),
    rule(Select(_p, Select(_p, _x, _y), _z), Select(_p, _x, _z)),
    rule(Select(_p, _x, Select(_p, _y, _z)), Select(_p, _x, _z)),
    types=(*INTEGERS, *FLOATS, "bool"),
)
"""Rules that hold of every type, floats with NaN included."""

INTEGER = RuleSet(
    rule(Sub(_x, _x), 0),
    rule(Sub(Add(_x, _y), _y), _x),
    rule(Sub(Add(_x, _y), _x), _y),
    rule(Add(Sub(_x, _y), _y), _x),
    rule(Div(_x, _one), _x),
    rule(Mod(_x, _one), 0),
    rule(FloorDiv(_x, _one), _x),
    rule(FloorMod(_x, _one), 0),
    rule(Min(Min(_x, _c0), _c1), Min(_x, Min(_c0, _c1))),
    rule(Max(Max(_x, _c0), _c1), Max(_x, Max(_c0, _c1))),
    rule(Min(Max(_x, _y), _y), _y),
    rule(Max(Min(_x, _y), _y), _y),
    rule(EQ(_x, _x), True),
    rule(NE(_x, _x), False),
    rule(LE(_x, _x), True),
    rule(LT(_x, _x), False),
    rule(GE(_x, _x), True),
    rule(GT(_x, _x), False),
    types=INTEGERS,
)
"""Integers that are no indices (narrow, unsigned) and vectors: what holds in modular arithmetic."""

REWRITTEN = RuleSet(
    rule(Sub(_x, _c0), Add(_x, Sub(_zero, _c0)), when=lambda c0: c0 > 0),
    rule(Add(Mul(_x, _c0), Mul(_y, _c0)), Mul(Add(_x, _y), _c0)),
    rule(Sub(Mul(_x, _c0), Mul(_y, _c0)), Mul(Sub(_x, _y), _c0)),
    rule(
        Sub(Mul(_x, _c0), Mul(_y, _c1)),
        Mul(Sub(Sub(_zero, _x), _y), _c1),
        when=lambda c0, c1: c0 == -c1,
    ),
    rule(Sub(_x, Mul(_y, _c0)), Add(_x, Mul(_y, Sub(_zero, _c0))), when=lambda c0: c0 > 0),
    rule(
        Sub(_c0, FloorMod(_x, _c1)),
        Add(Mul(FloorMod(_x, _c1), Sub(_zero, _one)), _c0),
        when=lambda c0, c1: c0 > 0 and c1 != 0,
    ),
    types=("int32", "int64"),
)
"""How `Analyzer.rewrite_simplify` writes sums: a constant is added, a common one is outside."""

REWRITTEN_INDICES = RuleSet(
    rule(
        FloorMod(Add(Mul(_x, _c0), _y), _c1),
        FloorMod(Add(Mul(_x, FloorMod(_c0, _c1)), _y), _c1),
        when=lambda c0, c1: c0 > c1 > 0,
    ),
    rule(
        FloorMod(Add(_x, Mul(_y, _c0)), _c1),
        FloorMod(Add(_x, Mul(_y, FloorMod(_c0, _c1))), _c1),
        when=lambda c0, c1: c0 > c1 > 0,
    ),
    rule(FloorDiv(Sub(_zero, _x), _c0), FloorDiv(_x, Sub(_zero, _c0)), when=lambda c0: c0 > 0),
    rule(
        And(LE(Mul(_y, _c0), _x), LT(_x, Add(Mul(_y, _c0), _c0))),
        EQ(_y, FloorDiv(_x, _c0)),
        when=lambda c0: c0 > 0,
    ),
    rule(
        And(LT(_x, Add(Mul(_y, _c0), _c0)), LE(Mul(_y, _c0), _x)),
        EQ(_y, FloorDiv(_x, _c0)),
        when=lambda c0: c0 > 0,
    ),
    types=("int32", "int64"),
    wraps=False,
)
"""How `Analyzer.rewrite_simplify` writes divisions of indices: factors within a rest are small, a
sign is that of the divisor, both ends of a quotient's multiples are an equality."""

CANONICAL = RuleSet(
    rule(
        FloorMod(Sub(_zero, _x), _c0),
        Mul(FloorMod(_x, Sub(_zero, _c0)), Sub(_zero, _one)),
        when=lambda c0: c0 > 0,
    ),
    rule(
        Sub(_zero, Mod(_x, _c0)),
        Mul(Mod(_x, Sub(_zero, _c0)), Sub(_zero, _one)),
        when=lambda c0: c0 > 0,
    ),
    rule(
        Mod(Div(_x, _c0), _c1),
        Div(Mod(_x, Mul(_c0, _c1)), _c0),
        when=lambda c0, c1: c0 > 0 and c1 > 0,
    ),
    types=("int32", "int64"),
    wraps=False,
)
"""How `Analyzer.canonical_simplify` writes rests of indices: a sign is outside, a rest inside."""
