"""What the analyzer answers: residue classes, constant bounds, sets, and bounds of conditions."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

from tilewright import arith, ir, te, tir
from tilewright.support.errors import ArgumentError
from tilewright.tir.arith import Analyzer, ConstIntBound, IntervalSet, ModularSet
from tilewright.tir.stmt_functor import substitute

x, y = te.var("x", "int64"), te.var("y", "int64")
a, b, c, d = (te.var(name) for name in "abcd")
fld, flm = tir.floordiv, tir.floormod
NEG, POS = ConstIntBound.NEG_INF, ConstIntBound.POS_INF


CLASSES = [
    (x * 6 + y * 4, 2, 0),
    ((x * 4 + 2) * (y * 6 + 1), 4, 2),
    (flm(x * 128 + y * 4, 256), 4, 0),
    (flm(x * 8 + 4, y * 12), 4, 0),
    (tir.truncdiv(x * 4 + 2, 2), 2, 1),
    (x * 4 + 2 >> 1, 2, 1),
    (fld(x * 4 + 2, 2), 2, 1),
    (fld(x * 8 + 5, 2), 4, 2),
    (tir.min(x * 3, y * 9), 3, 0),
    (tir.max(x * 3 + 1, y * 9 + 4), 3, 1),
    (tir.Select(x > 0, x * 3 + 1, y * 9 + 2), 1, 0),
    (tir.if_then_else(x > 0, x * 3 + 1, y * 9 + 4), 3, 1),
    (a * 4 + b * 6 + 7, 2, 1),
    (fld(a * 4 + 1, b * 8 + 3), 1, 0),
    (a * 12 + 1 - b * 3 * 7 + 2, 3, 0),
    (tir.Let(x, y * 10, x + 1), 10, 1),
    (tir.bitwise_and(x * 16 + y * 4, 31), 4, 0),
    ((a * 12).astype("uint8"), 4, 0),
    ((a * 3).astype("int64"), 3, 0),
]


@pytest.mark.parametrize(("expr", "coeff", "base"), CLASSES, ids=lambda e: "")
def test_residue_class(expr: Any, coeff: int, base: int) -> None:
    assert Analyzer().modular_set(expr) == ModularSet(coeff, base)


def test_residue_class_under_conditions() -> None:
    analyzer = Analyzer()
    with analyzer.constraint_scope(tir.all(flm(a, 3) == 2, flm(a, 5) == 3, flm(a, 7) == 2)):
        assert analyzer.modular_set(a) == ModularSet(105, 23)
    with analyzer.constraint_scope(flm(b, 4) == 2):
        assert analyzer.modular_set(b + 1) == ModularSet(4, 3)
        with analyzer.constraint_scope(flm(a, 2) == 0):
            assert analyzer.modular_set(b + a * 2) == ModularSet(4, 2)
    assert analyzer.modular_set(b + 1) == ModularSet(1, 0)
    analyzer.update(a, ModularSet(8, 3))
    assert analyzer.modular_set(a * 2) == ModularSet(16, 6)


BOUNDS: list[tuple[Any, dict[Any, tuple[int, int]], tuple[int, int]]] = [
    (x, {}, (NEG, POS)),
    (te.var("z", "int8"), {}, (-128, 127)),
    (te.var("u", "uint8"), {}, (0, 255)),
    (x.astype("uint32"), {}, (0, 2**32 - 1)),
    (a.astype("int64"), {}, (-(2**31), 2**31 - 1)),
    (x - y, {x: (0, 4), y: (1, 10)}, (-10, 3)),
    (x * y, {x: (-3, 4), y: (-8, 2)}, (-32, 24)),
    (x * y, {x: (NEG, 4), y: (-8, 2)}, (NEG, POS)),
    (tir.truncdiv(x, y), {x: (-9, 4), y: (4, 10)}, (-2, 1)),
    (tir.truncdiv(x, y), {x: (-9, 4), y: (-2, 0)}, (-4, 9)),
    (tir.truncmod(x, y), {x: (-9, 4), y: (4, 10)}, (-9, 4)),
    (fld(x, y), {x: (-9, 4), y: (4, 10)}, (-3, 1)),
    (fld(x, y), {x: (-9, 9), y: (-2, 3)}, (-9, 9)),
    (fld(x, y), {x: (NEG, 9), y: (2, 3)}, (NEG, 4)),
    (fld(x, y), {x: (-5, 9), y: (2, POS)}, (-3, 4)),
    (flm(x, y), {y: (4, 10)}, (0, 9)),
    (tir.min(x, y), {x: (-9, 11), y: (4, 10)}, (-9, 10)),
    (tir.Select(x > 1, (y < 0).astype("int64"), y + 1), {x: (-9, 11), y: (4, 10)}, (0, 11)),
    (x >> y, {x: (-9, 4), y: (1, 2)}, (-5, 2)),
    (x << y, {x: (0, 11), y: (0, 2)}, (0, 44)),
    (x & y, {x: (-9, 11), y: (0, 10)}, (0, 10)),
]


@pytest.mark.parametrize(("expr", "known", "expected"), BOUNDS, ids=lambda e: "")
def test_constant_bounds(expr: Any, known: Any, expected: tuple[int, int]) -> None:
    analyzer = Analyzer()
    for var, ends in known.items():
        analyzer.update(var, ConstIntBound(*ends))
    found = analyzer.const_int_bound(expr)
    assert (found.min_value, found.max_value) == expected


def _random_expr(random: np.random.Generator, depth: int) -> Any:
    if depth == 0:
        return [x, y, tir.const(int(random.integers(-6, 7)), "int64")][random.integers(3)]
    kind = random.integers(9)
    left, right = _random_expr(random, depth - 1), _random_expr(random, depth - 1)
    divisor = tir.const(int(random.choice([-5, -2, 2, 3, 4])), "int64")
    made = [
        lambda: left + right, lambda: left - right, lambda: left * divisor,
        lambda: tir.FloorDiv(left, divisor), lambda: tir.FloorMod(left, divisor),
        lambda: tir.min(left, right), lambda: tir.max(left, right),
        lambda: tir.Select(tir.LT(left, right), left, divisor), lambda: left * right,
    ]  # fmt: skip
    return made[kind]()


def _value(expr: Any, env: dict[Any, int]) -> int:
    known = {v: tir.const(k, "int64") for v, k in env.items()}
    made = Analyzer().simplify(substitute(expr, known))
    assert isinstance(made, tir.IntImm)
    return int(made.value)


def test_every_value_lies_in_what_is_said_of_it() -> None:
    random = np.random.default_rng(7)
    for _ in range(60):
        expr = _random_expr(random, 3)
        lows = random.integers(-4, 4, 2)
        ends = {v: (int(low), int(low) + 3) for v, low in zip((x, y), lows, strict=True)}
        analyzer = Analyzer()
        for var, (low, high) in ends.items():
            analyzer.bind(var, ir.Range(low, high + 1))
        bound, residue = analyzer.const_int_bound(expr), analyzer.modular_set(expr)
        sets = {var: IntervalSet(tir.const(p, "int64"), tir.const(q, "int64"))
                for var, (p, q) in ends.items()}  # fmt: skip
        made = Analyzer().int_set(expr, sets)
        for p in range(ends[x][0], ends[x][1] + 1):
            for q in range(ends[y][0], ends[y][1] + 1):
                value = _value(expr, {x: p, y: q})
                assert bound.min_value <= value <= bound.max_value, expr
                assert (value - residue.base) % (residue.coeff or 1 << 62) == 0, expr
                if made.has_lower_bound():
                    assert _value(made.min_value, {}) <= value, expr
                if made.has_upper_bound():
                    assert value <= _value(made.max_value, {}), expr


TYPES = ("int8", "uint8", "int32", "uint32", "int64", "float32")


def _typed_expr(random: np.random.Generator, dtype: str, depth: int) -> Any:
    if depth == 0:
        return [te.var("p", dtype), te.var("q", dtype), tir.const(2, dtype)][random.integers(3)]
    left, right = (_typed_expr(random, dtype, depth - 1) for _ in range(2))
    makers = [tir.Add, tir.Sub, tir.Mul, tir.Min, tir.Max]
    if dtype != "float32":
        makers += [tir.FloorDiv, tir.FloorMod]
    made = makers[random.integers(len(makers))](left, right)
    if random.integers(3) == 0:
        return tir.Select(tir.And(tir.LE(left, right), tir.Not(tir.EQ(left, made))), made, left)
    return made


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("method", ["simplify", "rewrite_simplify", "canonical_simplify"])
def test_simplifying_twice_is_simplifying_once(method: str, dtype: str) -> None:
    random = np.random.default_rng(TYPES.index(dtype))
    for _ in range(12):
        expr = _typed_expr(random, dtype, 3)
        analyzer = Analyzer()
        once = getattr(analyzer, method)(expr)
        assert getattr(analyzer, method)(once) is once, expr


B, C, D = IntervalSet(2, 3), IntervalSet(10, 15), IntervalSet(-3, -1)
HINTS = {b: B, c: C, d: D}


@pytest.mark.parametrize(
    ("condition", "relaxed", "least", "most"),
    [
        ((-b) * a + c - d >= 0, {}, None, fld(d - c, b * -1)),
        (d * a + c - d >= 0, {}, None, fld(d - c, d)),
        (a * 4 + b < c, {}, None, fld(c - 1 - b, 4)),
        (c > a * 4 + b, {}, None, fld(c - 1 - b, 4)),
        ((-b) + a * c - d >= 0, {b: B, d: D}, fld(2 + c - 1, c), None),
        (tir.EQ(a, b), {}, b, b),
        (tir.EQ(a - c, b + d), {}, b + d + c, b + d + c),
        (tir.EQ(a * 5, -10), {}, -2, -2),
        (tir.EQ(10, a), {}, 10, 10),
    ],
    ids=lambda e: "",
)
def test_deduced_bounds_with_hints(condition: Any, relaxed: Any, least: Any, most: Any) -> None:
    made = arith.deduce_bound(a, condition, HINTS, relaxed)
    analyzer = Analyzer()
    for var, where in HINTS.items():
        analyzer.bind(var, where.range())
    for found, expected in ((made.min_value, least), (made.max_value, most)):
        if expected is None:
            assert str(found) in ("neg_inf", "pos_inf")
        else:
            assert analyzer.can_prove_equal(found, expected), (found, expected)


@pytest.mark.parametrize(
    ("condition", "relaxed"),
    [(tir.max(5, a * 4) < 0, {}), (tir.EQ(a, b), {b: B}), (tir.EQ(a * 4, b), {})],
    ids=lambda e: "",
)
def test_conditions_without_a_bound_give_the_empty_set(condition: Any, relaxed: Any) -> None:
    made = arith.deduce_bound(a, condition, HINTS, relaxed)
    assert (str(made.min_value), str(made.max_value)) == ("pos_inf", "neg_inf")
    assert made.is_nothing()


@pytest.mark.parametrize("ends", [(0, 4), (1, 5), (2, 6)])
@pytest.mark.parametrize("scale", [4, -4, 3])
@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
def test_deduced_bounds_hold_for_all_that_is_relaxed(ends: Any, scale: int, compare: Any) -> None:
    where = IntervalSet(*ends)
    made = arith.deduce_bound(a, compare(b + a * scale + 3, 17), {b: where}, {b: where})
    low = made.min_value.value if isinstance(made.min_value, tir.IntImm) else -40
    high = made.max_value.value if isinstance(made.max_value, tir.IntImm) else 40
    points = range(ends[0], ends[1] + 1)
    expected = [v for v in range(-40, 41) if all(compare(p + v * scale + 3, 17) for p in points)]
    assert list(range(low, high + 1)) == expected


def test_clip_bounds() -> None:
    made = arith.detect_clip_bound(tir.all(a < b * 6, a - 1 > 0), [a])
    assert made[0].value == 2 and str(made[1]) == "b * 6 - 1"
    assert arith.detect_clip_bound(tir.all(a < b * 6, a - 1 > 0), [a, b]) == []
    made = arith.detect_clip_bound(tir.all(a + 10 * c <= 20, b - 1 > 0), [a, b])
    assert made[0] is None and str(made[1]) == "20 - c * 10" and made[2].value == 2
    made = arith.detect_clip_bound(tir.Not(a > b * 6), [a])
    assert str(made[1]) == "b * 6"
    made = arith.detect_clip_bound(tir.all(tir.Min(a, b) > 3, a - 10 < 0), [a, b])
    assert [e and e.value for e in made] == [4, 9, 4, None]
    assert arith.detect_clip_bound(tir.any(a > 3, b > 3), [a, b]) == []


def test_linear_equations() -> None:
    detect = arith.detect_linear_equation
    four, rest = detect(a * 4 + b * 6 + 7, [a])
    assert four.value == 4 and str(rest) == "b * 6 + 7"
    assert detect(a * 4 * (a + 1), [a]) == [] and detect(b * 7, [a])[0].value == 0
    assert detect(a * b + 7, [a])[0] is b and len(detect(b * 7, [])) == 1


def test_extensions_are_flags() -> None:
    extension = arith.Extension
    analyzer = Analyzer()
    assert analyzer.enabled_extensions == extension.NoExtensions
    analyzer.enabled_extensions |= extension.TransitivelyProveInequalities
    analyzer.enabled_extensions |= extension.ComparisonOfProductAndSum
    assert extension.TransitivelyProveInequalities in analyzer.enabled_extensions
    assert extension.ConvertBooleanToAndOfOrs not in analyzer.enabled_extensions


def test_sets() -> None:
    ramp = arith.IntSet.vector(tir.Ramp(10, 3, 2))
    assert (ramp.min_value.value, ramp.max_value.value) == (10, 13)
    point = arith.IntSet.single_point(3)
    assert point.is_single_point() and not point.is_everything()
    joined = arith.int_set.union_lower_bound([IntervalSet(0, 3), IntervalSet(2, 9)])
    assert (joined.min_value.value, joined.max_value.value) == (0, 9)
    assert arith.int_set.neg_inf() is arith.neg_inf() and not IntervalSet(1, 2).is_nothing()


def test_users_give_ranges_by_their_ends() -> None:
    assert ir.Range(2, 10).extent.value == 8 and ir.Range(10).extent.value == 10
    assert ir.Range.from_min_extent(2, 8).min.value == 2
    assert isinstance(te.reduce_axis((0, 4)).dom, ir.Range) and not isinstance(3, ir.Range)


def test_touched_boxes_of_symbolic_loops() -> None:
    m = te.var("m")
    A, B_ = tir.decl_buffer((100, m), name="A"), tir.decl_buffer((100, m), name="B")
    i, j = te.var("i"), te.var("j")
    store = tir.BufferStore(A, B_[i - 1, j + 1] + A[i - 1, j - 1], (i, j))
    body = tir.For(i, 0, 100, 0, tir.For(j, 0, m, 0, store))
    touched = arith._ffi_api.DomainTouched
    asked = [(A, True, False), (A, False, True), (A, True, True), (B_, True, True)]
    boxes = [
        [(str(r.min), str(r.extent)) for r in touched(body, buffer, reads, writes)]
        for buffer, reads, writes in asked
    ]
    assert boxes == [
        [("-1", "100"), ("-1", "m")], [("0", "100"), ("0", "m")],
        [("-1", "101"), ("-1", "m + 1")], [("-1", "100"), ("1", "m")],
    ]  # fmt: skip


def test_bound_of_what_is_divided() -> None:
    made = arith.deduce_bound(a, fld(a, 4) < b, {b: arith.IntervalSet(1, 10)}, {})
    assert made.min_value is arith.neg_inf()
    for value in range(-9, 10):
        for limit in range(1, 11):
            assert (value // 4 < limit) == (value <= _at(made.max_value, limit))


def _at(expr: Any, limit: int) -> int:
    value = tir.const_value(arith.simplify(substitute(expr, {b: tir.const(limit, b.dtype)})))
    assert value is not None
    return int(value)


def test_an_equality_bounds_both_sides() -> None:
    assert [str(e) for e in arith.detect_clip_bound(tir.EQ(a, 3), [a])] == ["3", "3"]


def test_sets_of_choices_and_quotients() -> None:
    where = {a: arith.IntervalSet(0, 10), b: arith.IntervalSet(-5, 5)}
    for expr, expected in (
        (tir.Select(a < b, a, b), (-5, 10)),
        (tir.if_then_else(a < b, a + 1, b), (-5, 11)),
        (tir.truncdiv(b, 2), (-2, 2)),
    ):
        made = Analyzer().int_set(expr, where)
        assert (made.min_value.value, made.max_value.value) == expected


def test_what_differs_stays_different() -> None:
    n, i = tir.Var("n", "int32"), tir.Var("i", "int32")
    analyzer = Analyzer()
    with analyzer.constraint_scope(tir.NE(n * 2 + i, 5)):
        assert tir.op.is_const_int(analyzer.simplify(tir.NE(i + n * 2, 5)), 1)
        assert tir.op.is_const_int(analyzer.simplify(tir.EQ(n * 2, 5 - i)), 0)
        assert isinstance(analyzer.simplify(tir.EQ(n, i)), tir.EQ)
    assert isinstance(analyzer.simplify(tir.NE(n * 2 + i, 5)), tir.NE)


def test_buffers_that_look_alike_are_different_memory() -> None:
    i = tir.Var("i", "int64")
    a, b = (tir.decl_buffer((16,), "float32", name) for name in "ab")
    greater = tir.max(tir.BufferLoad(a, (i,)), tir.BufferLoad(b, (i,)))
    assert Analyzer().simplify(greater) is greater
    same = tir.max(tir.BufferLoad(a, (i,)), tir.BufferLoad(a, (i,)))
    assert isinstance(Analyzer().simplify(same), tir.BufferLoad)


def test_a_variable_has_one_meaning_unless_it_is_overridden() -> None:
    x, y = tir.Var("x", "int32"), tir.Var("y", "int32")
    analyzer = Analyzer()
    analyzer.bind(x, ir.Range(0, 8))
    analyzer.bind(x, ir.Range(0, 8))
    with pytest.raises(ArgumentError, match="something else was said of `x`"):
        analyzer.bind(x, ir.Range(0, 16))
    with pytest.raises(ArgumentError, match="something else was said of `x`"):
        analyzer.update(x, ConstIntBound(0, 15))
    assert analyzer.const_int_bound(x).max_value == 7
    analyzer.bind(x, ir.Range(0, 16), override=True)
    assert analyzer.const_int_bound(x).max_value == 15
    analyzer.bind(y, x + 1)
    analyzer.bind(y, 1 + x)
    with pytest.raises(ArgumentError, match="something else was said of `y`"):
        analyzer.bind(y, x + 2)
    assert analyzer.const_int_bound(y).max_value == 16


def test_bounds_of_wide_unsigned_numbers_know_that_they_wrap() -> None:
    wide = te.var("wide", "uint64")
    analyzer = Analyzer()
    assert analyzer.const_int_bound(wide + 5) == ConstIntBound(0, POS)
    assert analyzer.const_int_bound(wide // 4 + 5) == ConstIntBound(5, 2**62 + 4)
    as_signed = wide.astype("int64")
    assert analyzer.const_int_bound(as_signed) == ConstIntBound(NEG, POS)
    assert not analyzer.can_prove(as_signed >= 0)
    assert analyzer.can_prove((wide // 2).astype("int64") >= 0)
