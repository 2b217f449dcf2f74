"""Forms that become smaller: what each family of rules makes of an expression, and its value."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tilewright import arith, ir, tir
from tilewright.support.errors import TVMError
from tilewright.tir.arith import Analyzer
from tilewright.tir.arith.simplifier import same

from .test_simplify import evaluate

x, y, z = (tir.Var(name, "int32") for name in "xyz")
p = tir.Var("p", "bool")
fld, flm, tdiv, tmod = tir.floordiv, tir.floormod, tir.truncdiv, tir.truncmod
VALUES = [-9, -4, -1, 0, 1, 3, 8]


def check(expr: Any, expected: Any, known: Any = True) -> None:
    """`expr` becomes `expected` where `known` holds, stays so, and both have the same values."""
    analyzer = Analyzer()
    with analyzer.constraint_scope(tir.const(known, "bool") if known is True else known):
        made = analyzer.simplify(expr)
        assert same(made, expected), f"{expr} became {made}"
        assert analyzer.simplify(made) is made
    for values in itertools.product(VALUES, repeat=3):
        env = dict(zip("xyz", values, strict=True))
        if known is True or evaluate(known, env):
            assert evaluate(expr, env) == evaluate(expected, env), env


def simplified(expr: Any, known: Any = None) -> Any:
    analyzer = Analyzer()
    with analyzer.constraint_scope(tir.const(True) if known is None else known):
        return analyzer.simplify(expr)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (tir.const(3, "int32"), "float32", tir.const(3.0, "float32")),
        (tir.const(-7, "int32"), "uint8", tir.const(249, "uint8")),
        (tir.const(2.75, "float32"), "int32", tir.const(2, "int32")),
        (tir.const(2.0, "float16"), "bool", tir.const(True)),
        (tir.EQ(x, x), "float16", tir.const(1.0, "float16")),
    ],
    ids=str,
)
def test_conversions_of_constants_fold(value: Any, dtype: str, expected: Any) -> None:
    assert same(simplified(tir.Cast(dtype, value)), expected)


@pytest.mark.parametrize(
    ("value", "dtype", "zeros"), [(0, "int32", 32), (5, "int64", 61), (-1, "int8", 0)]
)
def test_leading_zeros_of_constants_fold(value: int, dtype: str, zeros: int) -> None:
    assert same(simplified(tir.clz(tir.const(value, dtype))), tir.const(zeros, "int32"))


def test_rounded_logarithms() -> None:
    """The bits that hold a number, by logarithm and by leading zeros."""
    analyzer = Analyzer()

    def bits(value: Any) -> Any:
        return tir.Cast("int32", tir.ceil(tir.log2(tir.Cast("float64", value))))

    for value, expected in [(1, 0), (14, 4), (16, 4), (17, 5)]:
        assert same(analyzer.simplify(bits(tir.const(value))), tir.const(expected))
    analyzer.bind(x, ir.Range(1000, 1020))
    for most, least in [(10, 10), (11, 10)]:
        bound = analyzer.const_int_bound(bits(x))
        assert (bound.min_value, bound.max_value) == (least, most)
        bound = analyzer.const_int_bound(32 - tir.clz(x - 1))
        assert (bound.min_value, bound.max_value) == (least, most)
        analyzer.bind(x, ir.Range(1000, 1030), override=True)
    assert same(analyzer.simplify(tir.floor(tir.Cast("float32", tir.const(3)))), tir.const(3.0))


def test_nested_conditions_with_one_alternative_join() -> None:
    inner = tir.if_then_else(tir.LT(y, 3), x, z)
    made = simplified(tir.if_then_else(tir.LT(x, 5), inner, z))
    assert same(made, tir.if_then_else(tir.And(tir.LT(x, 5), tir.LT(y, 3)), x, z))


FLAGS = tir.decl_buffer((8,), "bool")


@pytest.mark.parametrize("unsafe", [FLAGS[x], tir.EQ(flm(x, y), 0)], ids=str)
def test_conditions_that_need_protection_stay_nested(unsafe: Any) -> None:
    guarded = tir.if_then_else(tir.NE(y, 0), tir.if_then_else(unsafe, x, z), z)
    assert same(simplified(guarded), guarded)


def lanes(base: Any, stride: int = 1, count: int = 4) -> Any:
    return tir.Ramp(base, tir.const(stride), count)


def spread(value: Any, count: int = 4) -> Any:
    return tir.Broadcast(tir.const(value) if isinstance(value, int) else value, count)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (tdiv(lanes(x * 8 + 2), spread(8)), spread(x)),
        (tmod(lanes(x * 8 + 2), spread(8)), lanes(tir.const(2))),
        (tdiv(lanes(x, 6), spread(3)), lanes(tdiv(x, 3), 2)),
        (flm(lanes(x * 8 + 13, 15), spread(8)), tir.FloorMod(lanes(tir.const(5), 15), spread(8))),
    ],
    ids=str,
)
def test_divided_ramps(expr: Any, expected: Any) -> None:
    assert same(simplified(expr, tir.GE(x, 0)), simplified(expected, tir.GE(x, 0)))


@pytest.mark.parametrize("kind", [tir.Div, tir.Mod])
def test_ramps_through_zero_stay_divided(kind: Any) -> None:
    truncated = kind(lanes(x, 6), spread(3))
    assert same(simplified(truncated), truncated)


@pytest.mark.parametrize("kind", [tir.Div, tir.Mod, tir.FloorDiv, tir.FloorMod])
def test_a_ramp_divided_by_zero_is_refused(kind: Any) -> None:
    with pytest.raises(TVMError, match="by zero"):
        simplified(kind(lanes(tir.const(1)), spread(0)))


def test_operations_on_broadcasts_are_done_once() -> None:
    v = tir.Var("v", "int32x4")
    made = simplified(tir.Min(tir.Min(v, spread(x)), spread(y)))
    assert same(made, tir.Min(v, spread(tir.Min(x, y))))
    both = tir.And(tir.LT(spread(x), spread(y)), spread(p))
    assert same(simplified(both), spread(tir.And(tir.LT(x, y), p)))


def test_a_number_divided_by_itself() -> None:
    assert same(simplified(tir.Div(x, x)), tir.const(1))


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (z - tir.min(x + z, y), tir.Max(0 - x, z - y)),
        (tir.min(x - 5, y) + 5, tir.Min(x, y + 5)),
        (tir.max(y, x - z * 3) * 2 + z * 6, tir.Max(y + z * 3, x) * 2),
        (tir.max(x, y) - x, tir.Max(tir.const(0), y - x)),
        (tir.max(y + 2, x + 9) - tir.max(x, y - 7), tir.const(9)),
        (tir.max(y, x) * tir.min(x, y), y * x),
    ],
    ids=str,
)
def test_extremes_in_sums(expr: Any, expected: Any) -> None:
    check(expr, expected)


@pytest.mark.parametrize("what", [tir.Select(p, x, y) - x, tir.min(x, y) - x], ids=str)
def test_a_choice_takes_in_what_cancels(what: Any) -> None:
    analyzer = Analyzer()
    assert analyzer.can_prove(tir.EQ(simplified(what) + x, what + x))
    assert not isinstance(simplified(what), tir.Sub)


def test_choices_by_one_condition_join() -> None:
    two = tir.Select(tir.LT(x, 0), y, 3) - tir.Select(tir.LT(x, 0), 1, z)
    check(two, tir.Select(tir.LT(x, 0), y - 1, 3 - z))


@pytest.mark.parametrize(("div", "mod"), [(fld, flm), (tdiv, tmod)])
def test_halves_of_divisions(div: Any, mod: Any) -> None:
    check(div(x, 3) * 3 + mod(x, 3), x)
    check(x - div(x, 3) * 3, mod(x, 3))
    check(div(x + y, 4) * 4 - y, x - mod(x + y, 4))
    check(z + x * 3 - div(x - y, 4) * 12, simplified(z + mod(x - y, 4) * 3 + y * 3))
    check(div(y, -5) * -5 - y, simplified(0 - mod(y, -5)))


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (fld(x + 7, 5) - fld(x, 5), fld(flm(x, 5) + 7, 5)),
        (fld(flm(x, 3) + 5, 3) + fld(x, 3), fld(x + 5, 3)),
        (flm(x, 2) + y + flm(x + 3, 2), y + 1),
        (fld(x, 2) + flm(x, 2), fld(x + 1, 2)),
        (fld(x + 1, 2) - flm(x, 2), fld(x, 2)),
    ],
    ids=str,
)
def test_quotients_that_differ_by_a_constant(expr: Any, expected: Any) -> None:
    check(expr, expected)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (flm(x - flm(x, 6), 6), tir.const(0)),
        (fld(x - flm(x, 6), 6), fld(x, 6)),
        (fld(x - flm(x, 12), 3), fld(x, 12) * 4),
        (flm(x + flm(x * 5, 6), 6), tir.const(0)),
        (fld(flm(x, 2) * 7 + 5, 4), flm(x, 2) * 2 + 1),
        (flm(flm(x, 2) * 5 + 2, 4), flm(x, 2) + 2),
        (fld(tir.min(x * 6, y), 3), tir.Min(x * 2, fld(y, 3))),
        (fld(fld(flm(x, 16), 2) + 1, 3), fld(flm(x, 16) + 2, 6)),
        (flm(tir.max(x - 3, y) + 7, 4), flm(tir.Max(x, y + 3), 4)),
    ],
    ids=str,
)
def test_divided_sums(expr: Any, expected: Any) -> None:
    check(expr, expected)


@pytest.mark.parametrize(
    ("divisor", "quotient", "rest"), [(16, x * 6, x * 4 + y), (30, x * 3, x * 10 + y)]
)
def test_multiples_come_out_of_quotients_where_the_rest_is_small(
    divisor: int, quotient: Any, rest: Any
) -> None:
    known = tir.all(x >= 0, x < 2, y >= 0, y < 9)
    for made, expected in ((fld, quotient), (flm, rest)):
        check(made(x * 100 + y, divisor), expected, known)


def test_rests_of_unknown_divisors() -> None:
    assert same(simplified(flm(x - flm(x, y), y)), tir.const(0))
    assert same(simplified(fld(x - flm(x, y), y)), fld(x, y))


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (tir.min(tir.max(x, y), tir.min(y, z)), tir.Min(y, z)),
        (tir.min(tir.max(x, y), tir.max(z, x)), tir.Max(tir.Min(y, z), x)),
        (tir.max(tir.max(tir.max(x, y), z * 2), y), tir.Max(tir.Max(x, y), z * 2)),
        (tir.max(5 - x, 2), 5 - tir.Min(x, 3)),
        (tir.max(0 - tir.min(x, 2), -1), 0 - tir.Min(x, 1)),
        (tir.max(fld(x, 7), fld(y, 7)), fld(tir.Max(x, y), 7)),
        (tir.max(tdiv(x, -7), tdiv(y, -7)), tdiv(tir.Min(x, y), -7)),
        (tir.min(tdiv(x + 3, 4) * 4, x), x),
        (tir.Min(tir.Select(x < y, x, 1), tir.Select(x < y, z, y)),
         tir.Select(x < y, tir.Min(x, z), tir.Min(1, y))),
        (tir.Max(0, tir.Min(x, 6)), tir.Max(0, tir.Min(x, 6))),
        (tir.min(tir.Min(1, x), 3), tir.Min(1, x)),
        (tir.min(tir.min(x, 1), y), tir.Min(tir.Min(x, y), 1)),
        (tir.Min(3, 5 - x), 5 - tir.Max(2, x)),
        (tir.max(2 - x * 4, 0) + x * 4, tir.Max(x * 4, 2)),
    ],
    ids=str,
)  # fmt: skip
def test_extremes(expr: Any, expected: Any) -> None:
    check(expr, expected)


def test_an_extreme_beyond_both_sides_of_another_drops() -> None:
    check(tir.min(fld(x + 3, 4) * 4, tir.max(x, 4)), tir.Max(x, 4), x > 0)


@pytest.mark.parametrize(
    ("quotient", "rest", "expected"),
    [
        (2, tir.EQ(flm(x, 6), 5), tir.EQ(x, 17)),
        (-2, tir.EQ(flm(x, 6), 5), tir.EQ(x, -7)),
        (1, flm(x, 6) < 4, tir.And(tir.LE(6, x), tir.LT(x, 10))),
        (1, tir.LE(4, flm(x, 6)), tir.And(tir.LE(10, x), tir.LT(x, 12))),
    ],
    ids=str,
)
def test_quotient_and_rest_together_are_a_range(quotient: int, rest: Any, expected: Any) -> None:
    whole = tir.EQ(fld(x, 6), quotient)
    made = simplified(tir.And(whole, rest))
    check(tir.And(whole, rest), made)
    assert same(made, expected) or {str(made.a), str(made.b)} == {str(expected.a), str(expected.b)}
    assert str(simplified(tir.And(rest, whole))) == str(made)


def test_a_rest_that_is_not_positive_is_zero() -> None:
    check(tir.GE(fld(x, 4) * 4, x), tir.EQ(flm(x, 4), 0))


def test_products_are_compared_at_their_ends_and_without_what_they_share() -> None:
    bounded = tir.all(x > 0, y > 0, x < 64, y < 64)
    assert same(simplified(x * y < (x + y) * 32, bounded), tir.const(True))
    assert not same(simplified(x * y < (x + y) * 31, bounded), tir.const(True))
    assert same(simplified(z * x < z * y, tir.all(x < y, z > 0)), tir.const(True))
    assert not same(simplified(z * x < z * y, tir.all(x < y, z >= 0)), tir.const(True))


def test_multiples_of_an_unknown_number() -> None:
    above = tir.GE(fld(x + y - 1, y) * y, x)
    assert same(simplified(above, y > 0), tir.const(True))
    assert not same(simplified(above), tir.const(True))


def test_repeated_calls_are_common_subexpressions() -> None:
    root = tir.floor(tir.Var("r", "float32"))
    found = arith.detect_common_subexpr(root * 2.0 + root * root, 3)
    assert [(same(expr, root), times) for expr, times in found.items()] == [(True, 3)]


def test_proofs_with_choices_among_the_facts_end() -> None:
    chosen = tir.Select(tir.NE(z, x), x, tir.const(2))
    among = tir.And(tir.GE(x - y + z, chosen), tir.EQ(z - y, y - x))
    made = simplified(among)
    for values in itertools.product(VALUES, repeat=3):
        env = dict(zip("xyz", values, strict=True))
        assert bool(evaluate(made, env)) == bool(evaluate(among, env)), env
    least = tir.Min(x, y * 3)
    other = tir.Select(tir.NE(x * 2 + z, least), tir.Max(x, z), y * 4 - tir.Max(y, x))
    assert same(simplified(other, tir.GE(z, 7)), simplified(simplified(other), tir.GE(z, 7)))


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (tdiv(x, 8) * 8 + tmod(tdiv(x, 2), 4) * 2 + tmod(x, 2), x),
        (tmod(tdiv(tmod(x, 24), 2), 3), tmod(tdiv(x, 2), 3)),
        (tmod(tmod(x, 24), 6), tmod(x, 6)),
        (tdiv(x * 48 + 16, 16), x * 3 + 1),
        (tdiv(x * 4 + 6, -8), tdiv(x * 2 + 3, -4)),
        (tmod(x * 4 + 6, 8), tmod(x * 2 + 3, 4) * 2),
    ],
    ids=str,
)
def test_truncated_divisions(expr: Any, expected: Any) -> None:
    check(expr, expected)


def test_narrowing_conversions_of_sums_that_fit() -> None:
    i, j = tir.Var("i", "int64"), tir.Var("j", "int64")
    analyzer = Analyzer()
    analyzer.bind(i, ir.Range(tir.const(0, "int64"), tir.const(50, "int64")))
    step = tir.Cast("int32", i * 3 + 2) - tir.Cast("int32", i) * 3
    assert same(analyzer.simplify(step), tir.const(2))
    wide = tir.Cast("int32", j + 2) - tir.Cast("int32", j)
    assert same(analyzer.simplify(wide), wide)


@pytest.mark.parametrize(("bound", "least"), [(x < 23, 20), (tir.LE(x, 16), 14), (x < -9, -10)])
def test_a_bound_goes_down_to_the_last_number_with_the_rest(bound: Any, least: int) -> None:
    rest = flm(x, 6) < 2
    expected = tir.LT(x, tir.const(least))
    check(tir.And(bound, rest), tir.And(expected, rest))
    check(tir.And(rest, bound), tir.And(rest, expected))


def test_conjunctions_lean_to_the_left() -> None:
    q, r = tir.Var("q", "bool"), tir.Var("r", "bool")
    assert same(simplified(tir.And(p, tir.And(q, r))), tir.And(tir.And(p, q), r))
    assert same(simplified(tir.Or(p, tir.Or(q, r))), tir.Or(tir.Or(p, q), r))


def test_knowledge_that_contradicts_itself_does_no_harm() -> None:
    analyzer = Analyzer()
    analyzer.bind(x, ir.Range(-1, 1))
    with analyzer.constraint_scope(tir.GE(x + y, y + 2)):
        assert analyzer.simplify(tir.min(fld(flm(x, 2), 2), y)) is not None


def test_what_a_condition_says_is_forgotten_of_its_own_parts() -> None:
    """The parts of a condition are read one after the other, each under those before."""
    analyzer, f = Analyzer(), tir.Var("f", "int32")
    analyzer.bind(f, ir.Range(0, 4))
    rest = f % 2
    with analyzer.constraint_scope(tir.all(rest.equal(0), (f // 2).equal(0))):
        assert analyzer.can_prove(rest.equal(0))
    assert str(analyzer.simplify(rest * 8 + f // 2)) == "f % 2 * 8 + f // 2"


def test_narrowing_conversions_that_overflow_on_the_way_stay() -> None:
    i, j = tir.Var("i", "int64"), tir.Var("j", "int64")
    analyzer = Analyzer()
    analyzer.update(i, arith.ConstIntBound(0, 2**31 - 1))
    analyzer.update(j, arith.ConstIntBound(0, 10))
    whole = tir.Cast("int32", i + j - tir.const(100, "int64"))
    assert same(analyzer.simplify(whole), whole)


def test_a_square_is_zero_where_its_root_is() -> None:
    check(x * x != 0, x != 0)
    check(x * y * x == 0, tir.Or(x == 0, y == 0))


def test_what_a_multiple_leaves_of_a_rest_is_a_rest_of_the_whole() -> None:
    rest = tmod(x, 8)
    check(rest - tdiv(rest, 4) * 4, tmod(x, 4))
    check(rest < tdiv(rest, -4) * -4, tmod(x, 4) < 0)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize("choose", [tir.Select, tir.if_then_else])
def test_choices_within_one_another_are_each_read_once(choose: Any, dtype: str) -> None:
    """A table of forty entries, each behind what the one before is not."""
    made = tir.const(0, dtype)
    for k in range(40):
        made = choose(x > k, tir.const(k, dtype), made + tir.const(1, dtype))
    simpler = Analyzer().simplify(made)
    for value in (-3, 0, 1, 20, 40, 100):
        assert evaluate(simpler, {"x": value}) == evaluate(made, {"x": value})


def test_a_condition_that_holds_the_choice_that_it_decides() -> None:
    """The interval of a choice asks its condition, which knows of that interval."""
    least = tir.min(y, z)
    inner = tir.Select(least <= 1, 0, tir.Select(x < least, x, 0))
    whole = tir.Select(inner <= z, inner, y)
    made = Analyzer().simplify(whole)
    for values in itertools.product(VALUES, repeat=3):
        env = dict(zip("xyz", values, strict=True))
        assert evaluate(made, env) == evaluate(whole, env), env
