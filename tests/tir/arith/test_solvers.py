"""Systems of linear equations and inequalities: known forms, and all solutions by counting."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tilewright import arith, ir, te, tir
from tilewright.support.errors import ArgumentError
from tilewright.tir.stmt_functor import substitute

x, y, z, n = (te.var(name) for name in "xyzn")
EQ, GE, LE = tir.EQ, tir.GE, tir.LE


def names(table: Any) -> dict[str, str]:
    return {key.name: str(value) for key, value in table.items()}


def spans(table: Any) -> dict[str, tuple[str, str]]:
    return {key.name: (str(r.min), str(r.extent)) for key, r in table.items()}


def test_nothing_to_solve_for_changes_nothing() -> None:
    made = arith.solve_linear_equations([EQ(x + y, 20), EQ(x - y, 10)])
    assert not made.src_to_dst and not made.dst_to_src
    assert ir.structural_equal(made.src, made.dst)


def test_one_solution() -> None:
    made = arith.solve_linear_equations([EQ(x + y, 20), EQ(x - y, 10)], [x, y])
    assert names(made.src_to_dst) == {"x": "15", "y": "5"} and not made.dst.variables


def test_fewer_equations_than_variables_leave_parameters() -> None:
    made = arith.solve_linear_equations([EQ(x + y + z, 15), EQ(x + y, 10)], [x, y, z])
    (n0,) = made.dst.variables
    assert ir.structural_equal(made.src_to_dst[x], n0 + 10)
    assert ir.structural_equal(made.src_to_dst[y], -n0)
    assert ir.structural_equal(made.src_to_dst[z], tir.const(5))


def test_ranges_follow_and_what_they_miss_is_a_relation() -> None:
    ranges = {x: ir.Range(-5, 5), y: ir.Range(0, 10)}
    made = arith.solve_linear_equations([EQ(x + y, 0)], [x, y], ranges)
    assert len(made.dst.variables) == 1
    assert names(made.src_to_dst) == {"x": "n0", "y": "n0 * -1"}
    assert spans(made.dst.ranges) == {"n0": ("-9", "10")}
    assert [str(r) for r in made.dst.relations] == ["-5 <= n0"]


def test_contradictions_have_no_solution() -> None:
    made = arith.solve_linear_equations([EQ(x + y, 0), EQ(x - y, 0), EQ(x, 5)], [x, y])
    assert [str(r) for r in made.dst.relations] == ["T.bool(False)"]
    assert not made.src_to_dst and not made.dst_to_src
    assert arith.solve_linear_equations([EQ(x * 2, 5)], [x]).dst.relations[0].value == 0


def test_symbolic_right_sides_say_when_they_divide() -> None:
    made = arith.solve_linear_equations([EQ(x * 4 + y * 6, z)], [x, y])
    assert [str(r) for r in made.dst.relations] == ["z % 2 == 0"]


def points(ranges: dict[tir.Var, ir.Range]) -> Any:
    spans_ = [range(r.min.value, r.min.value + r.extent.value) for r in ranges.values()]
    for point in itertools.product(*spans_):
        yield dict(zip(ranges, point, strict=True))


def value(expr: Any, env: dict[tir.Var, int]) -> int:
    made = arith.simplify(substitute(expr, {v: tir.const(c) for v, c in env.items()}))
    assert isinstance(made, tir.IntImm), made
    return int(made.value)


def holds(system: arith.IntConstraints, env: dict[tir.Var, int]) -> bool:
    for var, range_ in system.ranges.items():
        low = value(range_.min, env)
        if not low <= env[var] < low + value(range_.extent, env):
            return False
    return all(value(relation, env) for relation in system.relations)


def check(made: Any, ranges: dict[tir.Var, ir.Range]) -> int:
    """Counts the solutions of `src`; each maps to one of `dst` and back."""
    found = 0
    for env in points(ranges):
        if not all(value(r, env) for r in made.src.relations):
            continue
        found += 1
        there = {v: value(made.dst_to_src[v], env) for v in made.dst.variables}
        assert holds(made.dst, {**env, **there}), (env, there)
        for var in made.src.variables:
            assert value(made.src_to_dst[var], {**env, **there}) == env[var]
    return found


def _sum(random: np.random.Generator, variables: list[tir.Var]) -> Any:
    total: Any = tir.const(int(random.integers(-6, 7)))
    for var in variables:
        total = total + var * int(random.integers(-4, 5))
    return total


def _ranges(random: np.random.Generator) -> dict[tir.Var, ir.Range]:
    return {
        var: ir.Range.from_min_extent(int(random.integers(-5, 3)), int(random.integers(1, 7)))
        for var in (x, y, z)
    }


@pytest.mark.parametrize("seed", range(4))
def test_all_solutions_of_equations(seed: int) -> None:
    random = np.random.default_rng(seed)
    for count in (1, 2):
        ranges = _ranges(random)
        env = next(iter(points(ranges)))
        left = [_sum(random, [x, y, z]) for _ in range(count)]
        equations = [EQ(side, value(side, env)) for side in left]
        assert check(arith.solve_linear_equations(equations, [x, y, z], ranges), ranges)


@pytest.mark.parametrize("seed", range(4))
def test_all_solutions_of_inequalities(seed: int) -> None:
    random = np.random.default_rng(seed)
    ranges = _ranges(random)
    conditions = [LE(_sum(random, [x, y, z]), 0) for _ in range(2)]
    made = arith.solve_linear_inequalities(conditions, [x, y, z], ranges)
    moved = arith.solve_linear_inequalities(conditions, [x, y, z], ranges, deskew_range=True)
    bounds = arith._ffi_api.SolveInequalitiesAsCondition([x, y, z], ranges, conditions)
    for env in points(ranges):
        expected = all(value(c, env) for c in conditions)
        assert all(value(c, env) for c in bounds) == expected
        if expected or made.variables:
            assert holds(made, env) == expected
        there = {v: value(moved.dst_to_src[v], env) for v in moved.dst.variables}
        if expected:
            assert holds(moved.dst, {**env, **there})
            assert all(value(e, {**env, **there}) == env[v] for v, e in moved.src_to_dst.items())


def test_two_variables_bound_each_other() -> None:
    ranges = {x: ir.Range(-100, 100), y: ir.Range(0, 10)}
    problem = [LE(x + y, 20), GE(x - y, 10)]
    bounds = arith._ffi_api.SolveInequalitiesAsCondition([x, y], ranges, problem)
    expected = [x >= y + 10, x <= 20 - y, y >= 0, y <= 5]
    assert all(ir.structural_equal(a, b) for a, b in zip(bounds, expected, strict=True))
    made = arith.solve_linear_inequalities(problem, [x, y], ranges)
    assert spans(made.ranges) == {"y": ("0", "6"), "x": ("y + 10", "11")}
    moved = arith.solve_linear_inequalities(problem, [x, y], ranges, deskew_range=True)
    x_new, y_new = moved.dst.variables
    assert ir.structural_equal(moved.dst.relations[0], y_new * 2 + x_new <= 10)
    assert ir.structural_equal(moved.src_to_dst[x], x_new + (y_new + 10))
    assert ir.structural_equal(moved.dst_to_src[x_new], x - y - 10)


def test_bounds_that_meet_are_values() -> None:
    problem = [GE(x + y, 10), GE(x - y, 2), LE(x, 6)]
    made = arith.solve_linear_inequalities(problem, [x, y])
    assert spans(made.ranges) == {"y": ("4", "1"), "x": ("6", "1")} and not made.relations
    moved = arith.solve_linear_inequalities(problem, [x, y], deskew_range=True)
    assert not moved.dst.variables and names(moved.src_to_dst) == {"x": "6", "y": "4"}


def test_what_is_not_linear_stays() -> None:
    problem = [LE(x, 6), GE(x, 6), GE(x - z * y, 0), LE(x - z * y, 0)]
    made = arith.solve_linear_inequalities(problem, [x, y, z])
    assert spans(made.ranges) == {"x": ("6", "1")}
    assert [str(r) for r in made.relations] == [
        "x == z * y", "6 - z * y <= 0", "z * y - 6 <= 0",
    ]  # fmt: skip


@pytest.mark.parametrize("deskew", [False, True])
def test_inequalities_without_solution(deskew: bool) -> None:
    problem = [-x - 4 <= -5 * x + 2, x * 4 + 5 <= x * 5]
    made = arith.solve_linear_inequalities(problem, [x], {x: ir.Range(-20, 21)}, deskew)
    system = made.dst if deskew else made
    assert not system.variables and [str(r) for r in system.relations] == ["T.bool(False)"]


def test_extents_that_depend_on_data_give_no_range() -> None:
    free = te.var("fv", "float32")
    limit = tir.Cast("int32", tir.log(free) + 1.0)
    made = arith.solve_linear_inequalities([x > 3], [x], {x: ir.Range.from_min_extent(0, limit)})
    assert not made.ranges and len(made.relations) == 3


def test_parameters_may_bound_variables() -> None:
    made = arith.solve_linear_inequalities([x > 3, x * 2 < n], [x], {})
    assert spans(made.ranges) == {"x": ("4", "(n - 7) // 2")}
    assert [str(r) for r in made.relations] == ["9 - n <= 0"]


def test_group_bounds_of_a_range() -> None:
    bounds = arith.IntGroupBounds.from_range(ir.Range(2, 10))
    best = bounds.find_best_range()
    assert (best.min.value, best.extent.value) == (2, 8)
    assert not arith.IntGroupBounds(tir.const(1), (x,), (), ()).find_best_range()


def test_relations_must_be_conditions() -> None:
    with pytest.raises(ArgumentError, match="must be a condition"):
        arith.solve_linear_equations([3], [x])


i, m = te.var("i"), te.var("m")
b = te.var("b", "bool")
DATA = tir.decl_buffer((16,), "int32", name="D")
FALSE = tir.const(False)
NARROWED = [
    (b, b),
    (i > 5, i > 5),
    (i > m, i > 7),
    (i < m, i < 0),
    (m <= i, LE(7, i)),
    (EQ(i, m), tir.all(i <= 0, LE(7, i))),
    (tir.NE(i, m), tir.any(i < 0, tir.LT(7, i))),
    (i // 4 > m, i // 4 > 7),
    (i + m < 10, tir.Add(i, tir.const(7)) < 10),
    (i - m < 10, tir.Sub(i, tir.const(0)) < 10),
    (tir.Not(i < m), tir.Not(i < 7)),
    (EQ(i % 8, m), None),
    (EQ(i // m, 0), FALSE),
    (tir.GT(m % 3, 1), FALSE),
    (tir.GT(DATA[i], 0), FALSE),
    (tir.Or(DATA[i] > 0, i <= m), tir.Or(FALSE, i <= 0)),
]


@pytest.mark.parametrize(("before", "after"), NARROWED, ids=lambda e: "")
def test_conditions_narrowed_to_free_parameters(before: Any, after: Any) -> None:
    made = arith._ffi_api.NarrowPredicateExpression(before, {m: ir.Range(0, 8)})
    if after is not None:
        assert ir.structural_equal(made, after), made
    if before is not b and "D[" not in str(before):
        for at in range(-20, 20):
            if value(made, {i: at}):
                assert all(value(before, {i: at, m: free}) for free in range(8) if free or at // 9)
