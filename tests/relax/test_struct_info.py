"""Struct info: construction, relations, symbolic shapes, deduction of calls."""

import numpy as np
import pytest

from tilewright import relax, tir
from tilewright.ir import VDevice
from tilewright.relax.analysis import (
    BaseCheckResult,
    collect_non_negative_expressions,
    definable_tir_vars_in_struct_info,
    erase_to_well_defined,
    struct_info_base_check,
    struct_info_lca,
)
from tilewright.script import tir as S
from tilewright.support.errors import ArgumentError, ArgumentTypeError, CompileError

n, m = tir.Var("n", "int64"), tir.Var("m", "int64")
T = relax.TensorStructInfo


def test_constructors_normalize_their_arguments() -> None:
    info = T([2, n], "float32")
    assert info.ndim == 2 and info.dims[1] is n and info.static_shape is None
    assert T([2, 3]).static_shape == (2, 3)
    assert T(ndim=3, dtype="").is_unknown_dtype()
    assert relax.ShapeStructInfo([n, 4]).ndim == 2
    assert relax.PrimStructInfo("int64").value is None
    assert relax.PrimStructInfo(value=n).dtype == "int64"
    assert relax.TupleStructInfo([info, info]).fields == (info, info)


@pytest.mark.parametrize(
    "make",
    [
        lambda: T([2, 3], ndim=3),
        lambda: T([2.5]),
        lambda: T([tir.Var("k", "int32")]),
        lambda: T([2], "float33"),
        lambda: relax.PrimStructInfo(),
        lambda: relax.TupleStructInfo([1]),
    ],
)
def test_wrong_arguments_are_errors(make) -> None:
    with pytest.raises(ArgumentError):
        make()


def test_equality_is_structural() -> None:
    assert T([n, 4]) == T([n, 4]) and T([n, 4]) != T([m, 4]) and T([2]) != T([2], "int32")
    assert hash(T([n, 4])) == hash(T([n, 4]))


@pytest.mark.parametrize(
    ("base", "derived", "expected"),
    [
        (relax.ObjectStructInfo(), T([2]), BaseCheckResult.PASS),
        (T([2]), relax.ObjectStructInfo(), BaseCheckResult.FAIL_L1),
        (T(ndim=2), T([n, 4]), BaseCheckResult.PASS),
        (T([n + 1]), T([1 + n]), BaseCheckResult.PASS),
        (T([n * 2]), T([n + n]), BaseCheckResult.PASS),
        (T([n]), T([n + 1]), BaseCheckResult.FAIL_L0),
        (T([n]), T([m]), BaseCheckResult.FAIL_L2),
        (T([2]), T([3]), BaseCheckResult.FAIL_L0),
        (T([2]), T(ndim=1), BaseCheckResult.FAIL_L2),
        (T([2]), T([2], "int32"), BaseCheckResult.FAIL_L0),
        (T([2]), relax.ShapeStructInfo([2]), BaseCheckResult.FAIL_L0),
        (relax.ShapeStructInfo(ndim=1), relax.ShapeStructInfo([n]), BaseCheckResult.PASS),
        (relax.TupleStructInfo([T(ndim=1)]), relax.TupleStructInfo([T([n])]), BaseCheckResult.PASS),
    ],
)
def test_base_check(base, derived, expected) -> None:
    assert struct_info_base_check(base, derived) == expected
    assert base.is_base_of(derived) == (expected == BaseCheckResult.PASS)


def test_lca() -> None:
    assert struct_info_lca(T([n, 4]), T([n, 4])) == T([n, 4])
    assert struct_info_lca(T([n, 4]), T([m, 4])) == T(ndim=2)
    assert struct_info_lca(T([2]), T([2], "int32")) == T([2], "")
    assert struct_info_lca(T([2]), relax.ShapeStructInfo([2])) == relax.ObjectStructInfo()


def test_erase_to_well_defined_forgets_unknown_dimensions() -> None:
    assert erase_to_well_defined(T([n, m]), {n: n}) == T(ndim=2)
    assert erase_to_well_defined(T([n, 4]), {n: m}) == T([m, 4])


def test_calling_a_function_with_symbolic_parameters() -> None:
    x = relax.Var("x", T([n, m]))
    func = relax.Function([x], relax.op.reshape(x, [n * m]))
    assert func(relax.Var("a", T([2, 3]))).struct_info == T([6])
    k = tir.Var("k", "int64")
    assert func(relax.Var("a", T([k, k]))).struct_info == T([k * k])
    assert func(relax.Var("a", T(ndim=2))).struct_info == T(ndim=1)
    with pytest.raises(CompileError, match="dimensions where 2 are needed"):
        _ = func(relax.Var("a", T([2]))).struct_info
    with pytest.raises(CompileError, match="takes 1 arguments, found 2"):
        _ = func(x, x).struct_info


def test_one_symbol_must_have_one_value() -> None:
    func = relax.Function([relax.Var("x", T([n])), relax.Var("y", T([n + 1]))], relax.Tuple([]))
    a, b = relax.Var("a", T([2])), relax.Var("b", T([3]))
    assert func(a, b).struct_info == relax.TupleStructInfo([])
    with pytest.raises(CompileError, match="argument 1"):
        _ = func(a, a).struct_info


def test_leaves_derive_their_own() -> None:
    assert relax.const(np.ones((2, 3), "int8")).struct_info == T([2, 3], "int8")
    assert relax.const(1.0).struct_info == T([], "float32")
    assert relax.ShapeExpr([n, 2]).struct_info == relax.ShapeStructInfo([n, 2])
    assert relax.Tuple([relax.const(1)]).struct_info == relax.TupleStructInfo([T([], "int32")])
    with pytest.raises(IndexError):
        relax.Var("t", relax.TupleStructInfo([T([2])]))[1]


def test_constants_share_memory() -> None:
    array = np.arange(6, dtype="float32")
    value = relax.const(array)
    assert np.shares_memory(value.array, array) and np.array_equal(value.data.numpy(), array)
    with pytest.raises(ValueError, match="read-only"):
        value.array[0] = 1


def test_derived_results_and_dimensions() -> None:
    from tilewright.relax.analysis import (
        collect_non_negative_expressions,
        derive_call_ret_struct_info,
    )

    x = relax.Var("x", T([2, 3]))
    func = relax.FuncStructInfo([T([n, m])], T([n + m]))
    call = relax.Call(relax.Var("f", func), (x,))
    assert derive_call_ret_struct_info(func, call) == T([5])
    both = relax.TupleStructInfo([T([n, n * 2]), relax.ShapeStructInfo([n])])
    assert [str(e) for e in collect_non_negative_expressions(both)] == ["n", "n * T.int64(2)"]


def test_kernels_tell_their_parameters_and_whether_they_write_to_them() -> None:
    @S.prim_func
    def scale(x: S.handle, k: S.int32, Y: S.Buffer((4,), "float32"), address: S.handle):
        n = S.int64()
        X = S.match_buffer(x, (n, 2), "int8")
        for i in range(4):
            Y[i] = S.Cast("float32", X[0, 0]) + S.Cast("float32", k)

    @S.prim_func
    def product(k: S.int32) -> S.int32:
        return k * k

    info = scale.struct_info
    assert [str(p) for p in info.params] == [
        'R.Tensor((n, 2), dtype="int8")', 'R.Prim("int32")', 'R.Tensor((4,), dtype="float32")',
        "R.Object",
    ]  # fmt: skip
    assert not info.purity and str(info.ret) == "R.Tuple"
    assert product.struct_info.purity and str(product.struct_info.ret) == 'R.Prim("int32")'


def test_the_size_of_a_kernels_array_may_be_narrow() -> None:
    @S.prim_func
    def copy(x: S.handle, Y: S.Buffer((4,), "float32")):
        n = S.int32()
        X = S.match_buffer(x, (n,), "float32")
        Y[0] = X[0]

    assert copy.struct_info.params[0].ndim == 1 and copy.struct_info.params[0].dims is None


def test_a_number_is_an_operand_like_a_tensor_without_dimensions() -> None:
    x = relax.Var("x", T([2, n], "float32"))
    one = relax.PrimValue(tir.FloatImm("float32", 1.0))
    assert str(relax.op.add(x, one).struct_info) == 'R.Tensor((2, n), dtype="float32")'
    assert relax.op.less(one, x).struct_info.dtype == "bool"
    with pytest.raises(CompileError, match="must be a tensor"):
        _ = relax.op.add(one, one).struct_info


def test_slices_of_shapes_and_tuples_are_their_parts() -> None:
    shape = relax.ShapeExpr([1, 2, 3, 4])
    assert [int(dim) for dim in shape[2:]] == [3, 4]
    assert int(shape[-1]) == 4
    pair = relax.Tuple([relax.const(1), shape])
    assert pair[1:] == (shape,)
    with pytest.raises(ArgumentTypeError, match="dimension of a shape is chosen by an integer"):
        shape["a"]  # type: ignore[index]
    with pytest.raises(IndexError, match="item 2 of a tuple of 2"):
        pair[2]


def test_a_function_returns_what_its_body_gives_unless_it_is_told_something_else() -> None:
    x = relax.Var("x", T([2, n], "float32"))
    body = relax.SeqExpr((), x)
    less = relax.Function((x,), body, T(ndim=2, dtype=""))
    other = relax.Function((x,), body, T([2, m], "float32"))
    assert str(less.ret_struct_info) == 'R.Tensor((2, n), dtype="float32")'
    assert other.ret_struct_info.dims[1] is m


def test_the_result_keeps_dimensions_that_a_cast_and_a_parameter_know() -> None:
    x, shape = relax.Var("x", T(dtype="")), relax.Var("s", relax.ShapeStructInfo([n]))
    y = relax.Var("y", T([n], "int8"))
    cast = relax.BindingBlock((relax.MatchCast(y, x, y.struct_info),))
    seq = relax.SeqExpr((cast,), y)
    assert relax.Function((x, shape), seq).ret_struct_info.dims[0] is n
    assert relax.Function((x,), seq).ret_struct_info.dims is None


def test_tensors_of_two_devices_are_no_common_value() -> None:
    a, b = (T(ndim=2, vdevice=VDevice("llvm", number)) for number in (0, 1))
    assert struct_info_base_check(a, b) == BaseCheckResult.FAIL_L0
    assert struct_info_base_check(a, T(ndim=2)) == BaseCheckResult.FAIL_L1
    assert struct_info_base_check(T(ndim=2), b) == BaseCheckResult.PASS


def test_what_the_parameters_of_a_function_tell() -> None:
    func = relax.FuncStructInfo([T([n, m + 2]), relax.TupleStructInfo([relax.PrimStructInfo(m)])])
    assert definable_tir_vars_in_struct_info(func) == [n, m]
    assert [str(e) for e in collect_non_negative_expressions(func)] == ["n", "m + T.int64(2)"]
    other = relax.FuncStructInfo([T([n, 3]), relax.ObjectStructInfo()])
    assert str(struct_info_lca(func, other).params[0]) == 'R.Tensor(dtype="float32", ndim=2)'


def test_a_scope_for_tests_knows_dimensions() -> None:
    builder = relax.BlockBuilder()
    with builder.testing_scope([n]):
        y = builder.emit(relax.op.zeros([n, 2], "int8"))
    assert y.struct_info.dims[0] is n


def test_expressions_that_are_known_without_a_value() -> None:
    x = relax.Var("x", T([n], "int8"))
    assert str(relax.Tuple([x, relax.PrimValue(3)]).struct_info_.fields[1]) == "R.Prim(value=3)"
    assert relax.Tuple([x, relax.op.exp(x)]).struct_info_ is None
    assert relax.const(1).struct_info_.dtype == "int32"
    assert relax.ShapeExpr([n]).struct_info_.values == (n,)
