"""Index maps: results, shapes, inverses."""

import numpy as np
import pytest

from tilewright.ir import assert_structural_equal
from tilewright.support.errors import ArgumentError
from tilewright.tir import IndexMap, Var, const
from tilewright.tir.arith import Analyzer
from tilewright.tir.stmt_functor import substitute


def test_mapping_of_indices_and_shapes():
    m = IndexMap.from_func(lambda n, c, h, w: [n, c // 4, h, w, c % 4])
    assert [int(d) for d in m.map_shape([1, 8, 5, 6])] == [1, 2, 5, 6, 4]
    x = [int(i) for i in m.map_indices([0, 6, 3, 2])]
    assert x == [0, 1, 3, 2, 2]
    assert m.as_python() == "lambda n, c, h, w: (n, c // 4, h, w, c % 4,)"


def test_inverse():
    m = IndexMap.from_func(lambda i, j: [j // 4, i, j % 4])
    back = m.inverse([3, 8])
    expected = IndexMap.from_func(lambda a, b, c: [b, a * 4 + c])
    assert back.is_equivalent_to(expected)
    array = np.arange(24).reshape(3, 8)
    again = back.map_ndarray(m.map_ndarray(array))
    np.testing.assert_array_equal(again, array)


def test_inverse_of_a_fusion():
    m = IndexMap.from_func(lambda i, j: [i * 8 + j])
    back = m.inverse([3, 8])
    assert back.is_equivalent_to(IndexMap.from_func(lambda a: [a // 8, a % 8]))


def test_inverse_that_does_not_exist():
    m = IndexMap.from_func(lambda i: [i // 4, i % 4])
    with pytest.raises(ArgumentError, match="no inverse"):
        m.inverse([14])


def test_non_surjective_inverse_says_what_is_padding():
    m = IndexMap.from_func(lambda i: [i // 4, i % 4])
    back, padding = m.non_surjective_inverse([14])
    assert back.is_equivalent_to(IndexMap.from_func(lambda a, b: [a * 4 + b]))
    a, b = back.initial_indices
    for x in range(4):
        for y in range(4):
            at = {a: const(x, a.dtype), b: const(y, b.dtype)}
            assert Analyzer().simplify(substitute(padding, at)).value == (x * 4 + y >= 14)
    none = m.non_surjective_inverse([16])[1]
    assert none.value == 0
    assert [int(d) for d in m.map_shape([14])] == [4, 4]


def test_array_with_padding():
    m = IndexMap.from_func(lambda i: [i // 4, i % 4])
    out = m.map_ndarray(np.arange(1, 7))
    np.testing.assert_array_equal(out, [[1, 2, 3, 4], [5, 6, 0, 0]])


def test_symbolic_shape():
    n = Var("n", "int64")
    m = IndexMap.from_func(lambda i, j: [j, i])
    assert m.map_shape([n, 4])[1] is n
    back = m.inverse([n, 4])
    assert back.is_equivalent_to(IndexMap.from_func(lambda a, b: [b, a]))


def test_variadic_functions_and_separators():
    m = IndexMap.from_func(lambda *i: [*i[:-1], i[-1] // 8, i[-1] % 8], ndim=3)
    assert [int(d) for d in m.map_shape([2, 3, 16])] == [2, 3, 2, 8]
    with pytest.raises(ArgumentError, match="ndim is needed"):
        IndexMap.from_func(lambda *i: i)
    made, separators = IndexMap.from_func_with_separators(
        lambda i, j: [i, IndexMap.AXIS_SEPARATOR, j]
    )
    assert len(made.final_indices) == 2
    assert separators == [1]


def test_wrong_number_of_indices():
    m = IndexMap.from_func(lambda i, j: [j, i])
    with pytest.raises(ArgumentError, match="takes 2 indices, given 1"):
        m.map_indices([1])
    with pytest.raises(ArgumentError, match="takes 2 dimensions"):
        m.map_shape([1])


def test_a_map_of_nothing_reads_back() -> None:
    nothing = IndexMap.from_func(lambda: ())
    assert nothing.as_python() == "lambda : ()"
    assert eval(nothing.as_python())() == ()


def test_the_shape_of_a_map_of_sizes_that_are_not_known() -> None:
    n = Var("n", "int64")
    flat = IndexMap.from_func(lambda i, j: i * n + j, index_dtype="int64")
    (extent,) = flat.map_shape((const(32, "int64"), n))
    assert_structural_equal(extent, n * 32)
    loose = IndexMap.from_func(lambda i: i * Var("m", "int64"), index_dtype="int64")
    with pytest.raises(ArgumentError, match="has no bounds"):
        loose.map_shape((n,))
