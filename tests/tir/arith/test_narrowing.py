"""Conditions in a scope, conditions made stronger, and systems as conditions."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tilewright import arith, tir
from tilewright.ir import Range
from tilewright.support.errors import ArgumentError
from tilewright.tir.stmt_functor import substitute

i, j, n, x, y = (tir.Var(name, "int32") for name in ("i", "j", "n", "x", "y"))
memory = tir.decl_buffer((8,), "int32", name="A")


def test_a_condition_holds_within_its_scope() -> None:
    known = arith.Analyzer()
    scope = known.constraint_scope(x < 8)
    assert isinstance(scope, arith.ConstraintScope)
    assert not known.can_prove(x < 8)
    with scope:
        assert known.can_prove(x < 8) and not known.can_prove(x < 7)
        with known.constraint_scope(tir.EQ(x % 4, 0)):
            assert known.can_prove(tir.EQ(x % 2, 0)) and known.can_prove(x < 8)
        assert not known.can_prove(tir.EQ(x % 2, 0))
    assert not known.can_prove(x < 8)
    with pytest.raises(ArgumentError, match="a condition is of bool, found x of int32"):
        known.constraint_scope(x)


@pytest.mark.parametrize("name", ["Bijective", "Surjective", "NoCheck"])
def test_levels_have_names(name: str) -> None:
    level = getattr(arith.IterMapLevel, name)
    assert arith.IterMapLevel.from_str(name) is arith.IterMapLevel.from_str(name.lower()) is level


def test_other_levels_are_refused() -> None:
    with pytest.raises(ArgumentError, match="no check level is called 'some'") as found:
        arith.IterMapLevel.from_str("some")
    assert "there are bijective, surjective, nocheck" in str(found.value)


NARROWED: list[tuple[Any, bool | None]] = [
    (i < n, None), (n <= i, None), (i + j < n, None), (i - j < n, None), (n < i * 3 - j, None),
    (i * -2 <= n, None), (i // 2 < n, None), (n < j // -2, None),
    (tir.all(n > 0, i < 7), None), (tir.any(n > 9, i < n), None), (tir.Not(i < n), None),
    (tir.Not(tir.all(i < n, n > 2)), None), (tir.NE(i, n), None), (tir.EQ(i, n), False),
    (n < memory[i], False), (i * j < n, False), (i // n < 4, False),
    (i < 7, True), (i < 6, False), (tir.NE(n, 3), None),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "constant"), NARROWED, ids=lambda v: str(v))
def test_what_holds_whatever_the_parameters_are(condition: Any, constant: bool | None) -> None:
    ranges = {i: Range(0, 7), j: Range(2, 5)}
    made = arith.narrow_predicate_expression(condition, ranges)
    seen: set[tir.Var] = set()
    tir.stmt_functor.post_order_visit(
        made, lambda e: seen.add(e) if isinstance(e, tir.Var) else None
    )
    assert seen <= {n}
    held = []
    for value in range(-12, 25):
        told = arith.Analyzer().simplify(substitute(made, {n: tir.const(value)}))
        held.append(told.value == 1)
        if held[-1]:
            for a, b in itertools.product(range(7), range(2, 5)):
                at = {n: tir.const(value), i: tir.const(a), j: tir.const(b)}
                assert arith.Analyzer().simplify(substitute(condition, at)).value == 1
    assert any(held) != all(held) if constant is None else all(h == constant for h in held)


def test_nothing_is_simplified_in_what_is_narrowed() -> None:
    made = arith.narrow_predicate_expression(i < n, {i: Range(0, 7)})
    assert str(made) == "6 < n"
    free = tir.EQ(n, 3)
    assert arith.narrow_predicate_expression(free, {i: Range(0, 7)}) is free


def solutions(conditions: list[Any], ranges: dict[tir.Var, range]) -> set[tuple[int, ...]]:
    found = set()
    for point in itertools.product(*ranges.values()):
        at = {v: tir.const(p) for v, p in zip(ranges, point, strict=True)}
        values = [arith.Analyzer().simplify(substitute(c, at)).value for c in conditions]
        if all(values):
            found.add(point)
    return found


@pytest.mark.parametrize(
    "conditions",
    [[x + y <= 20, x - y >= 10], [x * 2 <= y * 3, x >= 1], [tir.EQ(x + y, 7), x > y],
     [x + y < 3, x - y < 3, -x < 2]],
    ids=lambda conditions: " ".join(map(str, conditions)),
)  # fmt: skip
def test_a_system_as_conditions_has_the_same_solutions(conditions: list[Any]) -> None:
    ranges = {y: Range(0, 9)}
    made = arith.solve_inequalities_as_condition([x, y], ranges, conditions)
    box = {x: range(-5, 25), y: range(-3, 12)}
    inside = [y >= 0, y < 9]
    assert solutions(made, box) == solutions([*conditions, *inside], box) != set()


def test_a_system_without_solutions_is_false() -> None:
    (made,) = arith.solve_inequalities_as_condition([x], {}, [x < 3, x > 5])
    assert isinstance(made, tir.IntImm) and made.value == 0 and made.dtype == "bool"


def test_sets_of_values_by_name() -> None:
    known = arith.Analyzer()
    made = arith.eval_set(known, x * 2 + n, {x: Range(1, 5)})
    assert (str(made.min_value), str(made.max_value)) == ("n + 2", "n + 8")
    everything = arith.eval_set(known, memory[x], {x: Range(1, 5)})
    assert everything.is_everything()
