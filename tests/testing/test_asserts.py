"""What tests compare with; and nothing here imports pytest before it is needed."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tilewright import testing, tir
from tilewright.ir import Range
from tilewright.support.errors import ArgumentError


def test_arrays_of_another_shape_are_not_close() -> None:
    testing.assert_allclose([1.0, 2.0], np.array([1.0, 2.0 + 1e-9]))
    with pytest.raises(AssertionError):
        testing.assert_allclose(np.zeros((1, 2)), np.zeros(2))


def test_expressions_are_equal_if_it_can_be_proved() -> None:
    x = tir.Var("x", "int32")
    testing.assert_prim_expr_equal((x + 1) * 2, x * 2 + 2)
    testing.assert_prim_expr_equal(*(tir.call_extern("int32", "f", x + 3) for _ in range(2)))
    with pytest.raises(ValueError, match="are not equal"):
        testing.assert_prim_expr_equal(x, x + 1)


def test_a_false_claim_comes_with_an_example() -> None:
    x, y = tir.Var("x", "int32"), tir.Var("y", "int32")
    ranges = {x: Range(0, 5), y: Range(0, 3)}
    testing.check_bool_expr_is_true(x + y < 7, ranges)
    testing.check_bool_expr_is_true(x < 2, ranges, cond=x + y < 2)
    with pytest.raises(AssertionError, match="is false for x = 4, y = 2"):
        testing.check_bool_expr_is_true(x + y < 6, ranges)


def system(variables: list[tir.Var], extents: list[int], *relations: object) -> SimpleNamespace:
    ranges = {v: Range(0, e) for v, e in zip(variables, extents, strict=True)}
    return SimpleNamespace(variables=variables, ranges=ranges, relations=list(relations))


def test_two_systems_with_the_same_solutions_are_consistent() -> None:
    x, y, n = (tir.Var(name, "int32") for name in "xyn")
    one = system([x, y], [4, 4], tir.op.equal(x, y))
    other = system([n], [4])
    there, back = {x: n, y: n}, {n: x}
    fine = SimpleNamespace(src=one, dst=other, src_to_dst=there, dst_to_src=back)
    testing.check_int_constraints_trans_consistency(fine)
    short = SimpleNamespace(src=one, dst=system([n], [3]), src_to_dst=there, dst_to_src=back)
    with pytest.raises(AssertionError):
        testing.check_int_constraints_trans_consistency(short)


def test_gradients_are_compared_with_differences() -> None:
    x = np.linspace(-1, 1, 6).reshape(2, 3)

    def cube(a: np.ndarray) -> np.ndarray:
        return a**3

    testing.check_numerical_grads(cube, [x], [3 * x**2])
    testing.check_numerical_grads(lambda a, b: a * b, {"a": x, "b": x}, {"a": x, "b": x})
    with pytest.raises(AssertionError, match=r"gradient of 0 is wrong, most at \(0, 0\)"):
        testing.check_numerical_grads(cube, [x], [3 * x**2 - np.array([[9, 0, 0], [0, 0, 0]])])


def test_marks_carry_the_feature_and_its_parents() -> None:
    names = [mark.name for mark in testing.requires_cudnn.marks()]
    assert names == ["cudnn", "cuda", "gpu", "skipif"]
    with pytest.raises(ArgumentError, match="unknown degree of support"):
        testing.requires_cuda.marks("somehow")


def test_a_version_that_is_not_there_skips() -> None:
    @testing.requires_llvm_minimum_version(1000)
    def test() -> None: ...

    skips = [m for m in test.pytestmark if m.name == "skipif" and m.args[0]]  # type: ignore
    assert "needs LLVM 1000" in skips[0].kwargs["reason"]


def test_errors_come_back_through_the_boundary() -> None:
    def fail() -> None:
        raise ValueError("callback error")

    with pytest.raises(ValueError, match="callback error"):
        testing.test_wrap_callback(fail)()
    with pytest.raises(ValueError, match="expect x and y to be equal"):
        testing.ErrorTest(0, 1)
    with pytest.raises(KeyError):
        testing.test_raise_error("KeyError", "no")
    assert testing.echo("x") == "x" and testing.ErrorTest(0, 0) == 0


def test_pytest_is_imported_only_when_it_is_used() -> None:
    code = "import sys, tilewright.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_many_assignments_are_tried_by_compiled_code() -> None:
    names = [tir.Var(f"x{k}", "int32") for k in range(4)]
    ranges = {var: Range(-20, 21) for var in names}
    total = names[0] + names[1] + names[2] + names[3]
    testing.check_bool_expr_is_true(total <= 80, ranges)
    with pytest.raises(AssertionError, match="x0 = 20, x1 = 20, x2 = 20, x3 = 20"):
        testing.check_bool_expr_is_true(total < 80, ranges)
    triangle = {names[0]: Range(5, 105), names[1]: Range(0, names[0] + 1)}
    testing.check_bool_expr_is_true(names[1] <= names[0], triangle)
    with pytest.raises(AssertionError, match="x0 = 5, x1 = 5"):
        testing.check_bool_expr_is_true(names[1] < names[0], triangle)
