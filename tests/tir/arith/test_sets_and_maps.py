"""Interval sets, iteration maps, regions, linear forms."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright import tir
from tilewright.ir.expr import Range
from tilewright.support.errors import ArgumentTypeError
from tilewright.tir import arith
from tilewright.tir.arith import Analyzer, IntervalSet
from tilewright.tir.arith.simplifier import same

i, j, k = (tir.Var(name, "int32") for name in "ijk")
n = tir.SizeVar("n", "int32")


def number(value: Any) -> Any:
    return value.value if isinstance(value, tir.IntImm) else value


def ends(made: arith.IntSet) -> tuple[Any, Any]:
    return number(made.min_value), number(made.max_value)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (i + j, (0, 24)),
        (i - j, (-15, 9)),
        (i * 3 + 1, (1, 28)),
        (i // 4, (0, 2)),
        (i % 4, (0, 3)),
        ((i + 4) % 16, (4, 13)),
        (tir.min(i, j), (0, 9)),
        (tir.max(i, 5), (5, 9)),
    ],
    ids=lambda e: "",
)
def test_values_of_expressions(expr: Any, expected: tuple[int, int]) -> None:
    domain = {i: IntervalSet(0, 9), j: IntervalSet(0, 15)}
    assert ends(Analyzer().int_set(expr, domain)) == expected


def test_symbolic_and_unbounded_sets() -> None:
    made = Analyzer().int_set(i * 2 + k, {i: IntervalSet(0, n - 1)})
    assert same(made.min_value, k) and same(made.max_value, arith.simplify(n * 2 + k - 2))
    half = IntervalSet(0, arith.pos_inf())
    made = Analyzer().int_set(i + 1, {i: half})
    assert number(made.min_value) == 1 and not made.has_upper_bound()


def iters(**extents: Any) -> dict[tir.Var, Range]:
    table = {"i": i, "j": j, "k": k}
    return {table[name]: Range(0, extent) for name, extent in extents.items()}


AFFINE = {
    "fuse": ([i * 16 + j], iters(i=8, j=16), True),
    "fuse and split": ([(i * 16 + j) // 4, (i * 16 + j) % 4], iters(i=8, j=16), True),
    "odd fuse and split": ([(i * 10 + j) // 15, (i * 10 + j) % 15], iters(i=3, j=10), True),
    "symbolic": ([i * n + j], iters(i=8, j=n), True),
    "predicate": ([i * 16 + j], iters(i=8, j=16), i * 16 + j < 100),
    "predicate within": ([(i * 16 + j) * 8 + k], iters(i=8, j=16, k=8), i * 16 + j < 100),
    "swap": ([j, i], iters(i=3, j=5), True),
    "offset": ([i + 7], iters(i=3), True),
}


@pytest.mark.parametrize("name", AFFINE)
def test_affine_maps(name: str) -> None:
    indices, domain, predicate = AFFINE[name]
    result = arith.detect_iter_map(indices, domain, predicate)
    assert result.indices and not result.errors
    for index, made in zip(indices, result.indices, strict=True):
        analyzer = Analyzer()
        for var, range_ in domain.items():
            analyzer.bind(var, range_)
        assert analyzer.can_prove_equal(arith.normalize_iter_map_to_expr(made), index)


NOT_AFFINE = {
    "overlaps": ([i * 16 + j, i], iters(i=8, j=16)),
    "scale": ([i * 32 + j], iters(i=8, j=16)),
    "multiplies": ([i * j], iters(i=8, j=16)),
    "divide": ([i // 3, i % 3], iters(i=8)),
}


@pytest.mark.parametrize("text", NOT_AFFINE)
def test_other_maps(text: str) -> None:
    result = arith.detect_iter_map(*NOT_AFFINE[text])
    assert not result.indices and text in result.errors[0]


def test_bijective_maps_use_every_iterator() -> None:
    assert arith.detect_iter_map([i], iters(i=4, j=4), True, "surjective").indices
    assert not arith.detect_iter_map([i], iters(i=4, j=4), True, "bijective").indices
    assert not arith.detect_iter_map([i // 2], iters(i=4), True, "bijective").indices


def test_inverse() -> None:
    a, b = tir.Var("a", "int32"), tir.Var("b", "int32")
    flat = i * 10 + j
    made = arith.detect_iter_map([flat // 15, flat % 15], iters(i=3, j=10), True, "bijective")
    inverse = arith.inverse_affine_iter_map(made.indices, [a, b])
    for x in range(3):
        for y in range(10):
            values = {a: (x * 10 + y) // 15, b: (x * 10 + y) % 15}
            found = [
                arith.simplify(tir.stmt_functor.substitute(inverse[v], values)) for v in (i, j)
            ]
            assert [number(f) for f in found] == [x, y]


def test_subspaces() -> None:
    pairs = arith.subspace_divide([i * 16 + j, k], iters(i=8, j=16, k=4), [j])
    assert [[number(mark.extent) for mark in pair] for pair in pairs[:2]] == [[8, 16], [4, 1]]
    assert arith.subspace_divide([i * 16 + j], iters(i=8, j=16), [i]) == []


def test_linear_forms() -> None:
    made = arith.detect_linear_equation(i * 3 + j * n + k + 5, [i, j])
    assert number(made[0]) == 3 and same(made[1], n) and same(made[2], arith.simplify(k + 5))
    assert arith.detect_linear_equation(i * i, [i]) == []
    low, high = arith.detect_clip_bound(tir.all(i * 2 + 1 < 10, i >= 3), [i])
    assert (number(low), number(high)) == (3, 4)


def test_regions() -> None:
    region = [Range(i * 8, 8), Range(j * 2, 3)]
    domain = {i: Range(0, 4), j: Range(0, 7)}
    assert [ends(s) for s in arith.estimate_region_upper_bound(region, domain)] == [
        (0, 31), (0, 14),
    ]  # fmt: skip
    gaps = arith.estimate_region_strict_bound([Range(i * 8, 4)], {i: Range(0, 4)})
    assert gaps is None
    assert ends(arith.estimate_region_lower_bound([Range(i * 8, 8)], {i: Range(0, 4)})[0]) == (
        0,
        31,
    )


def test_deduced_bounds() -> None:
    relaxed = {j: Range(0, 4)}
    assert ends(arith.deduce_bound(i, i * 4 + j < 18, {}, relaxed))[1] == 3
    assert ends(arith.deduce_bound(i, i * 4 + j >= 7, {}, relaxed))[0] == 2
    assert ends(arith.deduce_bound(i, tir.EQ(i + 3, 10), {}, {})) == (7, 7)
    assert arith.deduce_bound(i, tir.LT(i * i, 10), {}, {}).is_nothing()


def test_touched_domain() -> None:
    buffer = tir.decl_buffer((64,), name="A")
    store = tir.BufferStore(buffer, buffer[i + 2], (i * 2,))
    (box,) = arith.domain_touched(tir.For(i, 0, 10, 0, store), buffer, True, True)
    assert (number(box.min), number(box.extent)) == (0, 19)


def test_repeated_expressions() -> None:
    shared = i * 4 + j
    found = arith.detect_common_subexpr(shared * shared + (i * 4 + j), 3)
    assert any(same(expr, shared) and count == 3 for expr, count in found.items())


def test_sets_whose_lanes_the_machine_counts() -> None:
    rising = arith.IntSet.vector(tir.Ramp(5, 2, tir.vscale() * 4))
    assert (rising.min_value.value, rising.has_upper_bound()) == (5, False)
    falling = arith.IntSet.vector(tir.Ramp(5, -1, tir.vscale() * 4))
    assert (falling.has_lower_bound(), falling.max_value.value) == (False, 5)


def test_divisions_rounded_to_zero_by_one_number() -> None:
    x, n = tir.Var("x", "int32"), tir.Var("n", "int32")
    analyzer = Analyzer()
    analyzer.bind(n, Range(1, 100))

    def shown(expr: Any, lo: int, hi: int) -> list[str]:
        found = analyzer.int_set(expr, {x: arith.IntervalSet(lo, hi)})
        return [str(found.min_value), str(found.max_value)]

    assert shown(tir.truncdiv(x, n), 0, 10) == ["0", "T.Div(10, n)"]
    assert shown(tir.truncmod(x, n), 0, 10) == ["0", "n - 1"]
    assert shown(tir.truncmod(x, n), -7, 10) == ["1 - n", "n - 1"]
    assert shown(tir.truncmod(x, 5), -7, -1) == ["-4", "0"]


def test_unions_of_open_sets() -> None:
    infinite = arith.int_set.neg_inf(), arith.int_set.pos_inf()
    below, above = arith.IntervalSet(infinite[0], 0), arith.IntervalSet(1, infinite[1])
    empty = arith.IntervalSet(infinite[1], infinite[0])
    assert arith.int_set.union_lower_bound([empty, below, above]).is_everything()
    assert arith.int_set.union_lower_bound([empty]).is_nothing()
    beyond = arith.IntervalSet(3, infinite[1])
    assert arith.int_set.union_lower_bound([below, beyond]).max_value.value == 0


def test_regions_that_run_backwards_or_depend_on_one_another() -> None:
    domain = iters(i=4)
    (found,) = arith.estimate_region_lower_bound([Range.from_min_extent(1 - i, 4)], domain)
    assert (found.min_value.value, found.max_value.value) == (-2, 4)
    both = [Range.from_min_extent(i * 4, 8), Range.from_min_extent(i * 3, 5)]
    wide = iters(i=64)
    first, second = arith.estimate_region_upper_bound(both, wide, i < 63)
    assert (first.max_value.value, second.max_value.value) == (255, 190)


def test_bounds_of_vectors_and_of_integers_held_by_floats() -> None:
    analyzer = Analyzer()
    analyzer.bind(i, Range(0, 129))

    def shown(expr: Any) -> tuple[int, int]:
        found = analyzer.const_int_bound(expr)
        return found.min_value, found.max_value

    assert shown(tir.Broadcast(i, 4)) == (0, 128)
    assert shown(tir.Ramp(i, 2, 4) + tir.Broadcast(tir.const(2), 4)) == (2, 136)
    assert shown(tir.Ramp(i, -2, 4)) == (-6, 128)
    assert shown(i.astype("float32").astype("int32")) == (0, 128)
    assert shown(i.astype("bfloat16").astype("int64")) == (0, 128)
    assert shown((i * 2**20).astype("float32").astype("int32"))[0] < 0


def test_bounds_of_what_is_loaded_cannot_be_deduced() -> None:
    a = tir.Var("a", "int32")
    load = tir.BufferLoad(tir.decl_buffer([16], "int32"), [a])
    assert arith.deduce_bound(a, load < 10, {}, {}).is_nothing()


def test_touched_domain_of_vectors() -> None:
    buffer = tir.decl_buffer((n * 4,), name="A")
    store = tir.BufferStore(
        buffer, tir.Broadcast(tir.FloatImm("float32", 1), 4), [tir.Ramp(i * 4, 1, 4)]
    )
    (box,) = arith.domain_touched(tir.For(i, 0, n, 0, store), buffer, True, True)
    assert (number(box.min), str(box.extent)) == (0, "n * 4")


def test_presburger_sets_need_a_library() -> None:
    with pytest.raises(ArgumentTypeError, match="library of integer sets"):
        arith.PresburgerSet()
    assert issubclass(arith.PresburgerSet, arith.IntSet)
    assert not isinstance(arith.IntervalSet(0, 3), arith.PresburgerSet)
