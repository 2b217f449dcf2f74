"""What operators refuse, what type they give, and constants that they fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilewright import te, tir
from tilewright.support.errors import ArgumentError, ArgumentTypeError

X = tir.Var("x", "int32")
F = tir.Var("f", "float32")


def var(dtype: str) -> tir.Var:
    return tir.Var("v", dtype)


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ("uint32", "int32", "uint32"), ("int8", "uint8", "uint8"), ("uint32", "int8", "uint32"),
        ("uint8", "int16", "int16"), ("bool", "int32", "int32"), ("int64", "float16", "float16"),
    ],
)  # fmt: skip
def test_two_types_have_a_common_one(left: str, right: str, result: str) -> None:
    assert (var(left) + var(right)).dtype == (var(right) + var(left)).dtype == result
    assert tir.if_then_else(True, var(left), var(right)).dtype == result


def test_constants_take_the_types_of_numpy_and_wide_floats_float64() -> None:
    for kind in (np.uint8, np.int16, np.uint64, np.float16, np.float64, np.bool_):
        assert tir.const(kind(1)).dtype == np.dtype(kind).name
    assert tir.const(3e39).dtype == "float64"
    assert tir.const(3e38).dtype == "float32"
    assert tir.IntImm("int1", 1).value == 1
    assert tir.const(1, "uint1").dtype == "bool"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: tir.const(5) // 0, lambda: tir.const(5) % 0, lambda: tir.truncdiv(5, 0),
        lambda: tir.truncmod(5, X * 0),
        lambda: tir.const(1.0) / tir.const(0.0), lambda: X << 32, lambda: X >> -1,
        lambda: ~F, lambda: tir.all(X, X > 1), lambda: tir.any(X > 1, X),
        lambda: tir.if_then_else(X, 1, 2), lambda: tir.StringImm("s").astype("int32"),
        lambda: tir.Let(X, F, X),
    ],
)  # fmt: skip
def test_what_has_no_value_is_refused(wrong: Any) -> None:
    with pytest.raises(ArgumentError):
        wrong()


@pytest.mark.parametrize(
    "divide",
    [tir.floordiv, tir.floormod, tir.truncdiv, tir.truncmod, tir.div, tir.ceildiv, tir.indexdiv,
     tir.indexmod],
)  # fmt: skip
@pytest.mark.parametrize("left", [X, tir.const(0, "int32"), tir.const(5, "int32")])
def test_division_by_zero_is_refused(divide: Any, left: tir.PrimExpr) -> None:
    with pytest.raises(ArgumentError, match="by zero"):
        divide(left, 0)


def test_division_of_a_float_by_zero_is_infinite_when_it_runs() -> None:
    assert isinstance(F / 0.0, tir.Div)


@pytest.mark.parametrize(("join", "name"), [(tir.all, "all"), (tir.any, "any")])
def test_conditions_are_joined_if_there_are_any(join: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` needs at least one condition"):
        join()
    assert join(X > 0, X < 5).dtype == "bool"


def test_powers_are_of_floats() -> None:
    assert tir.power(F, 2).dtype == "float32"
    with pytest.raises(ArgumentError, match="`power` needs floats, found int32"):
        tir.power(X, 2)


def test_rests_fold_in_the_types_of_indices() -> None:
    assert tir.floormod(tir.const(7, "int64"), tir.const(3, "int64")).value == 1
    assert isinstance(tir.floormod(tir.const(7, "int8"), tir.const(3, "int8")), tir.FloorMod)
    assert tir.const(100, "int8") + tir.const(100, "int8") == tir.const(-56, "int8")


def test_the_extreme_of_many_values() -> None:
    assert tir.max(1, 5, 3, 4).value == 5
    assert tir.min(X, 3, 2, 7).b.value == 2 or isinstance(tir.min(X, 3, 2, 7), tir.Min)


def test_strings_compare_by_value_and_variables_have_names() -> None:
    assert tir.StringImm("a") == "a"
    assert tir.StringImm("a") == tir.StringImm("a")
    assert tir.StringImm("a") != "b"
    assert tir.StringImm("a") is not None
    assert tir.StringImm("a") != None  # noqa: E711
    with pytest.raises(ArgumentTypeError, match="a string"):
        tir.Var(1, "int32")  # type: ignore[arg-type]


def test_lanes_read_as_numbers_and_as_constants() -> None:
    lanes = tir.Ramp(0, 1, tir.IntImm("int64", 11)).lanes
    assert (lanes, lanes.value, lanes.dtype) == (11, 11, "int32")
    assert (X.astype("int32x4").lanes, X.astype("int32x4").dtype) == (4, "int32x4")
    scalable = tir.Broadcast(3, tir.vscale() * 4).lanes
    assert scalable.a.equal(tir.vscale())


def test_a_mask_has_a_bool_for_each_lane() -> None:
    buffer = tir.decl_buffer((24,), "int32")
    four = tir.Ramp(0, 1, 4)
    tir.BufferLoad(buffer, [four], tir.Broadcast(tir.const(True), 4))
    for mask in (
        tir.Broadcast(1, 4),
        tir.Broadcast(tir.const(True), 8),
        tir.Broadcast(tir.const(True), tir.vscale() * 4),
    ):
        with pytest.raises(ArgumentError, match="masked by boolx4"):
            tir.BufferLoad(buffer, [four], mask)
        with pytest.raises(ArgumentError, match="masked by boolx4"):
            tir.BufferStore(buffer, tir.Broadcast(1, 4), [four], mask)


def test_axes_of_a_layout_are_of_its_index_type() -> None:
    axes = tir.layout("NCHW16c", dtype="int64").axes
    assert [axis.var.name for axis in axes] == list("NCHWc")
    assert {axis.dom.extent.dtype for axis in axes} == {"int64"}
    assert axes[-1].dom.extent.value == 16
    with pytest.raises(ArgumentTypeError, match="integer type"):
        tir.layout("NCHW", dtype="float32")


def test_half_precision_is_widened_to_look_for_nan() -> None:
    assert str(tir.isnan(te.var("y", "float16"))) == 'T.isnan(T.Cast("float32", y))'


def test_numbers_and_texts_become_constants() -> None:
    assert tir.convert(X) is X
    assert (tir.convert(3).dtype, tir.convert(2.5).dtype) == ("int32", "float32")
    assert isinstance(tir.convert("a"), tir.StringImm)
    with pytest.raises(ArgumentError, match="expected a scalar expression"):
        tir.convert(object())


REFLECTED: list[tuple[Any, type | str, str]] = [
    (lambda: 7 + X, tir.Add, "7 + x"), (lambda: 7 - X, tir.Sub, "7 - x"),
    (lambda: 7 * X, tir.Mul, "7 * x"), (lambda: 7 // X, tir.FloorDiv, "7 // x"),
    (lambda: 7 % X, tir.FloorMod, "7 % x"), (lambda: 1.5 / F, tir.Div, "T.float32(1.5) / f"),
    (lambda: X << 2, "shift_left", "T.shift_left(x, 2)"),
    (lambda: 2 << X, "shift_left", "T.shift_left(2, x)"),
    (lambda: X >> 2, "shift_right", "T.shift_right(x, 2)"),
    (lambda: 2 >> X, "shift_right", "T.shift_right(2, x)"),
    (lambda: X & 6, "bitwise_and", "T.bitwise_and(x, 6)"),
    (lambda: 6 & X, "bitwise_and", "T.bitwise_and(6, x)"),
    (lambda: X | 6, "bitwise_or", "T.bitwise_or(x, 6)"),
    (lambda: 6 | X, "bitwise_or", "T.bitwise_or(6, x)"),
    (lambda: X ^ 6, "bitwise_xor", "T.bitwise_xor(x, 6)"),
    (lambda: 6 ^ X, "bitwise_xor", "T.bitwise_xor(6, x)"),
    (lambda: ~X, "bitwise_not", "T.bitwise_not(x)"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "text"), REFLECTED, ids=[r[2] for r in REFLECTED])
def test_operators_of_python_on_either_side(make: Any, kind: type | str, text: str) -> None:
    made = make()
    if isinstance(kind, str):
        assert isinstance(made, tir.Call) and made.op.name == f"tir.{kind}"  # type: ignore[union-attr]
    else:
        assert type(made) is kind
    assert str(made) == text and made.dtype == ("float32" if "f" in text[-2:] else "int32")
