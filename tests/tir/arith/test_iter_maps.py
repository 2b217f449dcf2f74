"""Maps of iterations beyond the plain ones: starts, padding, overlaps, and their inverses."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tilewright import arith, ir, te, tir
from tilewright.support.errors import ArgumentError
from tilewright.tir.stmt_functor import substitute

x, y, z = (te.var(name) for name in "xyz")
n = te.size_var("n")
FIVE = {n: tir.const(5)}


def value(expr: Any, env: Any) -> Any:
    made = arith.simplify(substitute(expr, {**env, **FIVE}))
    assert isinstance(made, tir.IntImm), made
    return made.value


def points(domain: dict[tir.Var, ir.Range]) -> Any:
    spans = [range(value(r.min, {}), value(r.min + r.extent, {})) for r in domain.values()]
    for point in itertools.product(*spans):
        yield dict(zip(domain, map(tir.const, point), strict=True))


ROUND_TRIPS: list[tuple[list[Any], dict[Any, Any]]] = [
    ([(x * 16 + y) // 4, (x * 16 + y) % 4], {x: (0, 2), y: (0, 16)}),
    ([(x * 10 + y) // 15, (x * 10 + y) % 15], {x: (0, 3), y: (0, 10)}),
    ([x * 10 + y], {x: (2, 5), y: (3, 13)}),
    ([(x - 2) // 3, (x - 2) % 3, y], {x: (2, 11), y: (-4, 1)}),
    ([x * n + y], {x: (0, 3), y: (0, n)}),
    ([(x * n + y) // 4, (x * n + y) % 4], {x: (0, 8), y: (0, n)}),
    ([x // n, x % n], {x: (0, n * 3)}),
    ([z, y * n + x], {x: (0, n), y: (0, 3), z: (n, n + 4)}),
    ([10 - x, y + 7], {x: (0, 8), y: (1, 2)}),
]


@pytest.mark.parametrize(("indices", "ends"), ROUND_TRIPS, ids=lambda e: "")
def test_inverse_of_a_detected_map(indices: list[Any], ends: Any) -> None:
    domain = {var: ir.Range(*pair) for var, pair in ends.items()}
    made = arith.detect_iter_map(indices, domain, True, "bijective")
    assert made.indices, made.errors
    outputs = [te.var(f"o{k}") for k in range(len(indices))]
    inverse = arith.inverse_affine_iter_map(made.indices, outputs)
    for env in points(domain):
        at = {o: tir.const(value(i, env)) for o, i in zip(outputs, indices, strict=True)}
        for var, back in inverse.items():
            assert value(back, at) == env[var].value
        for index, made_index in zip(indices, made.indices, strict=True):
            plain = arith.normalize_iter_map_to_expr(made_index)
            assert value(plain, env) == value(index, env)


PADDED: list[tuple[list[Any], tuple[int, Any], str, list[Any]]] = [
    ([x // 3], (1, 10), "surjective", [4]),
    ([(x + 3) // 4], (0, 13), "surjective", [4]),
    ([(x + 3) % 4], (0, 4), "surjective", [4]),
    ([x % 3], (0, 10), "surjective", [3]),
    ([(x + 1) // 4, (x + 1) % 4], (0, 10), "no_check", [3, 4]),
    ([x // 8, x // 4 % 2, x % 4], (0, 10), "no_check", [2, 2, 4]),
]


@pytest.mark.parametrize(("indices", "ends", "level", "extents"), PADDED, ids=lambda e: "")
def test_divisions_that_leave_a_rest_are_padded(
    indices: list[Any], ends: Any, level: str, extents: list[int]
) -> None:
    domain = {x: ir.Range(*ends)}
    made = arith.detect_iter_map(indices, domain, True, level)
    assert [index.args[0].extent.value for index in made.indices] == extents
    wide = {x: ir.Range(ends[0] - 4, ends[1] + 8)}
    for env in points(wide):
        inside = ends[0] <= env[x].value < ends[1]
        if inside:
            assert not value(made.padding_predicate, env)
            for index, found in zip(indices, made.indices, strict=True):
                assert value(arith.normalize_iter_map_to_expr(found), env) == value(index, env)


def test_padding_of_symbolic_extents() -> None:
    made = arith.detect_iter_map([x // 4, x % 4], {x: ir.Range(0, n)}, True, "no_check")
    assert str(made.indices[0].args[0].extent) == "(n + 3) // 4"
    assert str(made.padding_predicate) == "n % 4 != 0 and (x // 4 == n // 4 and x % 4 >= n % 4)"


REFUSED: list[tuple[list[Any], dict[Any, Any], str]] = [
    ([x // 4, x % 4], {x: (0, 10)}, "surjective"),
    ([(x + 3) % 4], {x: (0, 2)}, "surjective"),
    ([x // 3], {x: (0, 10)}, "bijective"),
    ([x - y], {x: (0, 4), y: (0, 4)}, "surjective"),
    ([x * 2 + y], {x: (0, 4), y: (0, 16)}, "bijective"),
    ([x * 32 + y], {x: (0, 4), y: (0, 16)}, "surjective"),
]


@pytest.mark.parametrize(("indices", "ends", "level"), REFUSED, ids=lambda e: "")
def test_maps_that_miss_or_repeat_points_are_refused(
    indices: list[Any], ends: Any, level: str
) -> None:
    domain = {var: ir.Range(*pair) for var, pair in ends.items()}
    made = arith.detect_iter_map(indices, domain, True, level)
    assert not made.indices and made.errors


def test_overlapping_sums_are_surjective() -> None:
    made = arith.detect_iter_map([x * 2 + y], {x: ir.Range(0, 4), y: ir.Range(0, 16)})
    assert made.indices[0].args[0].extent.value == 22
    bounded = arith.detect_iter_map([x + y], {x: ir.Range(0, 10), y: ir.Range(0, 2)}, x + y < 5)
    assert bounded.indices[0].args[0].extent.value == 5


def test_iterators_of_extent_one_stay_on_request() -> None:
    domain = {x: ir.Range(0, 1), y: ir.Range(0, 4)}
    short = arith.detect_iter_map([x * 4 + y], domain)
    assert len(short.indices[0].args) == 1
    made = arith.detect_iter_map([x, y], domain, simplify_trivial_iterators=False)
    assert [index.args[0].extent.value for index in made.indices] == [1, 4]


def test_subspaces_of_iterators_that_start_late() -> None:
    domain = {x: ir.Range(1, 5), y: ir.Range(0, 4), z: ir.Range(3, 9)}
    pairs = arith.subspace_divide([x * 4 + y, z], domain, [y, z])
    extents = [[mark.extent.value for mark in pair] for pair in pairs[:2]]
    assert extents == [[4, 4], [1, 6]]
    assert str(arith.normalize_iter_map_to_expr(pairs[0][0].source)) == "x - 1"


def test_symbolic_subspaces() -> None:
    pairs = arith.subspace_divide([x * n + y], {x: ir.Range(0, 4), y: ir.Range(0, n)}, [y])
    assert pairs[0][0].extent.value == 4 and pairs[0][1].extent is n


def test_a_fused_iterator_with_a_limit_splits_again() -> None:

    fused = x * 4 + y
    made = arith.detect_iter_map(
        [tir.FloorDiv(fused, tir.const(3)), tir.FloorMod(fused, tir.const(3))],
        {x: ir.Range.from_min_extent(0, 8), y: ir.Range.from_min_extent(0, 4)},
        fused < 30,
    )
    assert not made.errors and len(made.indices) == 2


def iters(**extents: int) -> dict[tir.Var, ir.Range]:
    return {te.var(name): ir.Range(0, extent) for name, extent in extents.items()}


def _extents(indices: list[Any], domain: dict[tir.Var, ir.Range], predicate: Any = True) -> Any:
    """Base, extent and scale of each index; the errors if there are none."""
    found = arith.detect_iter_map(indices, domain, predicate)
    if not found.indices:
        return found.errors
    return [(str(i.base), *((str(s.extent), str(s.scale)) for s in i.args)) for i in found.indices]


def test_predicates_within_predicates() -> None:
    domain = iters(i=11, j=5, k=2)
    i, j, k = domain
    inner = tir.all(j * 2 + k >= 1, j * 2 + k < 9)
    whole = i * 8 + j * 2 + k
    assert _extents([whole], domain, inner) == [("1", ("88", "1"))]
    both = tir.all(inner, whole >= 3, whole < 25)
    assert _extents([whole], domain, both) == [("3", ("22", "1"))]
    assert _extents([i], domain, i * 2 < 7) == [("0", ("4", "1"))]
    assert _extents([i // 2], domain, i < 6) == [("0", ("3", "1"))]


def test_limits_that_are_not_known_end_where_iterators_do() -> None:
    domain = iters(i=8)
    (i,) = domain
    n = tir.SizeVar("n", "int32")
    assert _extents([i], domain, i < n) == [("0", ("T.min(8, n)", "1"))]
    (found,) = (
        arith.estimate_region_strict_bound([ir.Range.from_min_extent(i, 1)], domain, i * 1 + n >= 3)
        or ()
    )
    analyzer = arith.Analyzer()
    assert analyzer.can_prove_equal(found.min_value, tir.max(3 - n, 0))
    assert analyzer.can_prove_equal(found.max_value, 7)


def test_predicates_on_sums_that_no_index_holds() -> None:
    domain = iters(i=8, j=16)
    i, j = domain
    assert "there is a predicate" in _extents([i, j], domain, i * 16 + j < 100)[0]
    assert "there is a predicate" in _extents([i], domain, i * 16 + j < 100)[0]
    assert _extents([i], domain, j < 5) == [("0", ("8", "1"))]


def test_divisors_do_not_iterate() -> None:
    domain = iters(i=24, j=8)
    i, j = domain
    assert "divided by an iterator" in _extents([i // (j % 6)], domain)[0]


def test_parts_of_padding_with_other_offsets() -> None:
    domain = iters(i=176)
    (i,) = domain
    assert _extents([(i + 80) // 2 % 16, (i + 80) % 2], domain) == [
        ("0", ("16", "1")),
        ("0", ("2", "1")),
    ]
    assert "does not divide" in _extents([(i + 80) // 32, (i + 80) % 32], domain)[0]


def test_splits_that_follow_one_another_are_one() -> None:
    n = tir.SizeVar("n", "int64")
    x = tir.Var("x", "int64")
    domain = {x: ir.Range(0, n * n * 32)}
    index = (x // (n * n) * n + x % (n * n) // n) * n + x % n
    assert arith.iter_map_simplify([index], domain)[0] is x
    made = arith.normalize_to_iter_sum(x // 4 * 4 + x % 4 + 3, domain)
    assert str(arith.normalize_iter_map_to_expr(made)) == "x + T.int64(3)"
    part = arith.normalize_to_iter_sum(x // 5, {x: ir.Range(0, tir.const(4096, "int64"))}).args[0]
    assert (part.source.source, int(part.extent)) == (x, 820)


def test_the_largest_scale_comes_first() -> None:
    domain = iters(i=4, j=4, k=3)
    i, j, k = domain
    n = tir.SizeVar("n", "int32")
    made = arith.normalize_to_iter_sum(k + tir.max(j, n) + (i * 4 + 2) * n, domain)
    assert [str(s.scale) for s in made.args] == ["n * 4", "1"]
    assert arith.Analyzer().can_prove_equal(made.base, tir.max(j, n) + n * 2)


def test_predicates_of_both_spaces_do_not_divide() -> None:
    domain = iters(i=8, j=4)
    i, j = domain
    assert not arith.subspace_divide([i * 4 + j], domain, [j], i * 4 + j < 30)
    assert len(arith.subspace_divide([i * 4 + j], domain, [j], i < 5)) == 2
    outer, inner = arith.subspace_divide([i * 4 + j], domain, [j], j < 4)[0]
    assert (int(outer.extent), int(inner.extent)) == (8, 4)


def test_numbers_in_maps_written_by_hand() -> None:
    x = tir.Var("x", "int64")
    split = arith.IterSplitExpr(arith.IterMark(x, 10), 5, 2, 3)
    made = arith.IterSumExpr([split], 0)
    assert str(arith.normalize_iter_map_to_expr(made)) == "x // T.int64(5) * T.int64(3)"


def test_bounded_sums_that_are_divided() -> None:
    domain = iters(i=5, j=32)
    i, j = domain
    flat = i * 32 + j
    assert _extents([flat % 16], domain, tir.all(flat >= 1, flat <= 32)) == [("0", ("16", "1"))]
    within = tir.all(flat >= 1, flat < 65)
    assert _extents([(flat - 1) // 16, (flat - 1) % 16], domain, within) == [
        ("0", ("4", "1")),
        ("0", ("16", "1")),
    ]
    parts = tir.all(flat < 96, flat // 12 < 5)
    assert _extents([flat // 12], domain, parts) == [("0", ("5", "1"))]


def test_predicates_of_quotients_bound_them_alone() -> None:
    domain = iters(i=8, j=2, k=2)
    i, j, k = domain
    flat = i * 4 + j * 2 + k
    assert _extents([flat // 2, k], domain, flat // 2 < 3) == [("0", ("3", "1")), ("0", ("2", "1"))]
    both = tir.all(flat // 4 >= 3, flat >= 3)
    assert "there is a predicate" in _extents([flat], domain, both)[0]
    assert "no value is within" in _extents([i], domain, tir.all(i < 2, i >= 4))[0]


def test_iterators_of_one_value_stay_on_request() -> None:
    domain = iters(i=1, j=1, k=32)
    i, j, k = domain
    flat = i + j + k // 4 * 4 + k % 4
    (short,) = arith.iter_map_simplify([flat], domain)
    assert str(short) == "k"
    (whole,) = arith.iter_map_simplify([flat], domain, simplify_trivial_iterators=False)
    assert str(whole) == "i + j + k"


def test_a_sum_under_a_predicate_is_one_mark() -> None:
    """The mark of `i * 8 + j < 30` holds the iterators, no mark of all 40 values between."""
    domain = iters(i=5, j=8)
    i, j = domain
    flat = i * 8 + j
    (index,) = arith.detect_iter_map([flat], domain, flat < 30).indices
    mark = index.args[0].source
    assert str(mark.extent) == "30"
    assert [str(arith.normalize_iter_map_to_expr(s)) for s in mark.source.args] == ["i * 8", "j"]


def test_spaces_that_only_a_predicate_keeps_apart() -> None:
    domain = iters(i=4, j=3, k=2)
    i, j, k = domain
    flat = i * 5 + j * 2 + k
    assert not arith.subspace_divide([flat], domain, [j, k])
    (outer, inner), conditions = arith.subspace_divide([flat], domain, [j, k], j * 2 + k < 5)
    assert (int(outer.extent), int(inner.extent)) == (4, 5)
    assert str(arith.normalize_iter_map_to_expr(outer.source)) == "i"
    assert str(arith.normalize_iter_map_to_expr(inner.source)) == "j * 2 + k"
    assert [str(mark.extent) for mark in conditions] == ["T.bool(True)", "j * 2 + k < 5"]


def test_the_inner_part_of_a_quotient_that_does_not_come_out_even() -> None:
    """`x // 2` of five values stays a quotient, although the iterator counts as padded to six."""
    domain = {x: ir.Range(0, 5), y: ir.Range(0, 6)}
    for index in (x // 2, x // 2 * -1, x // 2 * 3):
        for inner_iter, place in ((x, 1), (y, 0)):
            pair = arith.subspace_divide([index], domain, [inner_iter])[0]
            assert pair[1 - place].extent == 1
            assert pair[place].extent == 3
            made = arith.normalize_iter_map_to_expr(pair[place].source)
            assert all(value(made, env) == value(index, env) for env in points(domain))


def test_arguments_of_the_wrong_kind_are_named() -> None:
    domain = {x: ir.Range(0, 3)}
    mistakes: list[tuple[str, Any]] = [
        ("`indices` is a list or a tuple", lambda: arith.detect_iter_map(x, domain)),
        ("each value a Range", lambda: arith.detect_iter_map([x], {x: (0, 3)})),
        ("no check level is called 'most'", lambda: arith.detect_iter_map([x], domain, 1, "most")),
        ("`sub_iters` is a list", lambda: arith.subspace_divide([x], domain, x)),
        ("that detect_iter_map gives", lambda: arith.inverse_affine_iter_map([x], [y])),
        ("`equations` is a list", lambda: arith.solve_linear_equations(x + y, [x])),
        ("`variables` is a list", lambda: arith.solve_linear_inequalities([x < y], x)),
        ("`var_list` is a list", lambda: arith.detect_linear_equation(x * 2, x)),
    ]
    for message, call in mistakes:
        with pytest.raises(ArgumentError, match=message):
            call()


def test_digits_of_one_iterator_that_begin_at_different_places() -> None:
    indices = [(x + 1) % 3, ((x + 10) // 3 + 2) % 4, ((x + 10) // 3 // 4 + 3) % 5]
    domain = iters(x=240)
    (iterator,) = domain
    written = [substitute(index, {x: iterator}) for index in indices]
    for order in itertools.permutations(written):
        made = arith.detect_iter_map(order, domain, True, "surjective")
        assert made.indices, made.errors
        maps = [arith.normalize_iter_map_to_expr(index) for index in made.indices]
        for env in itertools.islice(points(domain), 0, 240, 7):
            assert [value(e, env) for e in maps] == [value(e, env) for e in order]
    both = [iterator % 4, (iterator + 1) % 4]
    assert not arith.detect_iter_map(both, domain, True, "surjective").indices


@pytest.mark.parametrize("k", range(4))
def test_a_rest_does_not_shorten_what_another_index_shares(k):
    base, fused = x * 4 + y, y * 2 + x
    indices = [
        [base % 8, base], [fused % 8 % 4, fused], [fused + 4, fused % 6 % 3 * 2],
        [(y * 4 + x) % 8 % 3, (y * 4 + x) // 6 + 4],
    ][k]  # fmt: skip
    domain = {x: ir.Range(0, 6), y: ir.Range(0, 4)}
    found = arith.detect_iter_map(indices, domain, True, arith.IterMapLevel.NoCheck)
    assert found.indices
    made = [arith.normalize_iter_map_to_expr(index) for index in found.indices]
    for at in points(domain):
        assert [value(e, at) for e in made] == [value(e, at) for e in indices], at
    assert not arith.detect_iter_map(indices, domain, True, arith.IterMapLevel.Bijective).indices
