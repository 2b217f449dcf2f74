"""Questions and records of arithmetic that scripts ask for by name."""

from tilewright import arith, tir
from tilewright.ir import Range

X, Y = tir.Var("x", "int32"), tir.Var("y", "int32")


def test_bounds_are_proved_by_name() -> None:
    known = arith.Analyzer()
    known.bind(X, Range(0, 10))
    assert known.can_prove_greater_equal(X, 0) and not known.can_prove_greater_equal(X, 1)
    assert known.can_prove_less(X, 10) and not known.can_prove_less(X, 9)
    assert known.const_int_bound_is_bound(X) and not known.const_int_bound_is_bound(Y)


def test_levels_and_strengths_have_the_numbers_of_the_field() -> None:
    assert [int(level) for level in arith.IterMapLevel] == [0, 1, 3]
    assert arith.ProofStrength(1) is arith.ProofStrength.SYMBOLIC_BOUND


def test_an_iteration_map_holds_its_sums_and_no_errors() -> None:
    found = arith.detect_iter_map([X // 4, X % 4], {X: Range(0, 16)})
    assert isinstance(found, arith.IterMapResult)
    assert len(found.indices) == 2 and not found.errors
    assert all(isinstance(index, arith.IterMapExpr) for index in found.indices)
    refused = arith.detect_iter_map([X // 4, X // 4], {X: Range(0, 16)})
    assert not refused.indices and refused.errors


def test_solved_equations_map_variables_both_ways() -> None:
    solved = arith.solve_linear_equations([tir.EQ(X + Y, 7)], [X, Y], {X: Range(0, 5)})
    assert isinstance(solved, arith.IntConstraintsTransform)
    (free,) = solved.dst.variables
    known = arith.Analyzer()
    back = tir.stmt_functor.substitute(solved.src_to_dst[X] + solved.src_to_dst[Y], {})
    assert known.can_prove_equal(back, 7)
    assert free in solved.dst_to_src and set(solved.src_to_dst) == {X, Y}


def test_an_interval_of_two_ends() -> None:
    made = arith.IntSet.interval(1, 5)
    assert (made.min_value.value, made.max_value.value) == (1, 5)
