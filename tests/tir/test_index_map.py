"""Index maps: results, shapes, inverses."""

import numpy as np
import pytest

from tilewright.ir import Range, assert_structural_equal
from tilewright.runtime.ndarray import Tensor, tensor
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


def holds(condition, axes, at):
    env = {a: const(x, a.dtype) for a, x in zip(axes, at, strict=True)}
    return bool(Analyzer().simplify(substitute(condition, env)).value)


@pytest.mark.parametrize(
    ("function", "shape", "padding"),
    [
        (lambda i: [(i + 1) // 4, (i + 1) % 4], [14],
         "axis0 == 0 and axis1 < 1 or axis0 == 3 and axis1 == 3"),
        (lambda i: [(i + 3) // 16, (i + 3) % 4, (i + 3) // 4 % 4], [10],
         "axis1 + axis2 * 4 < 3 or 13 <= axis1 + axis2 * 4"),
        (lambda i, j: [(i + 1) // 2, j // 8, (i + 1) % 2, j % 8], [5, 13],
         "axis0 == 0 and axis2 < 1 or axis1 == 1 and 5 <= axis3"),
        (lambda i, j: [(i * 3 + j) // 4, (i * 3 + j) % 4], [3, 3], "axis0 == 2 and 1 <= axis1"),
        (lambda i: [i // 4, i % 4], [3], "axis1 == 3"),
        (lambda i: [i // 4, i % 4], [1], "1 <= axis1"),
    ],
)  # fmt: skip
def test_padding_before_and_after_what_is_mapped(function, shape, padding):
    m = IndexMap.from_func(function, index_dtype="int32")
    back, condition = m.non_surjective_inverse(shape)
    assert str(condition) == padding
    outer = [int(d) for d in m.map_shape(shape)]
    reached = {}
    for at in np.ndindex(*shape):
        reached[tuple(int(i) for i in m.map_indices(at))] = at
    for at in np.ndindex(*outer):
        assert holds(condition, back.initial_indices, at) == (at not in reached)
        if at in reached:
            assert tuple(int(i) for i in back.map_indices(at)) == reached[at]


def test_maps_on_which_two_indices_meet_have_no_padded_inverse():
    with pytest.raises(ArgumentError, match="no inverse"):
        IndexMap.from_func(lambda i: [i // 4]).non_surjective_inverse([14])
    with pytest.raises(ArgumentError, match="no inverse"):
        IndexMap.from_func(lambda i, j: [i + j]).non_surjective_inverse([3, 3])


def test_groups_are_whole_however_few_indices_there_are():
    m = IndexMap.from_func(lambda c: [c // 16, c % 16], index_dtype="int32")
    assert [int(d) for d in m.map_shape([3])] == [1, 16]
    n = Var("n", "int32")
    outer, inner = m.map_shape([n])
    assert str(outer) == "(n + 15) // 16"
    assert inner.value == 16


def test_groups_of_a_size_that_is_not_known():
    n = Var("n", "int64")
    m = IndexMap.from_func(lambda i: [i // n, i % n])
    back, padding = m.non_surjective_inverse([16])
    assert back.is_equivalent_to(IndexMap.from_func(lambda a, b: [a * n + b]))
    assert_structural_equal(m.map_shape([16])[1], n)
    env = {n: const(5, "int64")}
    for at in np.ndindex(4, 5):
        beyond = substitute(padding, env)
        assert holds(beyond, back.initial_indices, at) == (at[0] * 5 + at[1] >= 16)


def test_tensors_are_mapped_to_tensors():
    m = IndexMap.from_func(lambda i: [i // 4, i % 4])
    out = m.map_tensor(tensor(np.arange(1, 7)))
    assert isinstance(out, Tensor)
    np.testing.assert_array_equal(out.numpy(), [[1, 2, 3, 4], [5, 6, 0, 0]])


def test_maps_of_other_index_types_may_be_equivalent():
    short = IndexMap.from_func(lambda i: [i // 4, i % 4], index_dtype="int32")
    long = IndexMap.from_func(lambda i: [i // 4, i - i // 4 * 4], index_dtype="int64")
    assert short.is_equivalent_to(long)
    assert long.is_equivalent_to(short)
    assert not short.is_equivalent_to(IndexMap.from_func(lambda i: [i // 4, i % 2]))


def test_shapes_and_inverses_agree_on_what_is_padded():
    m = IndexMap.from_func(lambda i, j: [(i * 4 + j) // 4 % 3, (i * 4 + j) % 4, (i * 4 + j) // 12])
    back, padding = m.non_surjective_inverse([1, 4])
    outer = [int(d) for d in m.map_shape([1, 4])]
    reached = {tuple(int(i) for i in m.map_indices([0, k])) for k in range(4)}
    for at in np.ndindex(*outer):
        assert holds(padding, back.initial_indices, at) == (at not in reached)


def test_a_map_may_be_the_identity():
    assert IndexMap.from_func(lambda i, j: [i, j]).is_identity
    assert IndexMap.from_func(lambda: ()).is_identity
    for other in (lambda i, j: [j, i], lambda i, j: [i], lambda i: [i, 0], lambda i, j: [i, j + 0]):
        made = IndexMap.from_func(other)
        assert made.is_identity == (made.as_python() == "lambda i, j: (i, j,)")


def test_variables_of_the_surroundings_may_be_given_values():
    n, m = Var("n", "int64"), Var("m", "int64")
    made = IndexMap.from_func(lambda i: [i // n, i % n + m])
    assert made.free_variables == [n, m]
    given = made.with_values({n: const(4, "int64")})
    assert given.free_variables == [m] and made.free_variables == [n, m]
    assert given.as_python() == "lambda i: (i // 4, i % 4 + m,)"
    assert made.with_values({}) is made
    assert IndexMap.from_func(lambda i: [i]).free_variables == []


@pytest.mark.parametrize(
    ("function", "ranges", "expected"),
    [
        (lambda i: [i // 4, i % 4], [(0, 16)], [(0, 4), (0, 4)]),
        (lambda i: [i // 4, i % 4], [(8, 8)], [(2, 2), (0, 4)]),
        (lambda i: [i * 2 + 1], [(3, 5)], [(7, 9)]),
        (lambda i: [-i], [(2, 4)], [(-5, 4)]),
        (lambda i, j: [i + j, j], [(0, 4), (10, 2)], [(10, 5), (10, 2)]),
    ],
)  # fmt: skip
def test_ranges_are_mapped_to_the_box_around_the_results(function, ranges, expected):
    m = IndexMap.from_func(function)
    given = [Range.from_min_extent(const(a, "int64"), const(n, "int64")) for a, n in ranges]
    found = m.map_ranges(given)
    assert [(r.min.value, r.extent.value) for r in found] == expected
    met = [m.map_indices([a + k for (a, _), k in zip(ranges, at, strict=True)])
           for at in np.ndindex(*[n for _, n in ranges])]  # fmt: skip
    for axis, (low, extent) in enumerate(expected):
        values = [int(at[axis]) for at in met]
        assert (min(values), max(values) - min(values) + 1) == (low, extent)


def test_as_many_ranges_as_indices():
    with pytest.raises(ArgumentError, match="takes 2 ranges, given 1"):
        IndexMap.from_func(lambda i, j: [j, i]).map_ranges([Range(0, 4)])


def test_an_array_laid_out_anew_is_filled_where_nothing_goes():
    m = IndexMap.from_func(lambda i, j: [i, j // 4, j % 4])
    source = np.arange(10, dtype="int16").reshape(2, 5)
    out = m.map_array(source, -1)
    assert out.dtype == np.int16
    np.testing.assert_array_equal(out[:, 0], source[:, :4])
    np.testing.assert_array_equal(out[:, 1], [[4, -1, -1, -1], [9, -1, -1, -1]])
