"""The interpreter: what statements and expressions mean."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tilewright import tir
from tilewright.script import from_source
from tilewright.support.errors import ArgumentError, CompileError, RuntimeFailure
from tilewright.tir import interpreter
from tilewright.tir.interpreter.values import convert

A = tir.decl_buffer((4,), name="A")
i = tir.Var("i", "int32")


def value(expr: Any) -> Any:
    return interpreter.run(tir.PrimFunc((), tir.Evaluate(tir.ret(expr))))


def const(number: Any, dtype: str) -> Any:
    return tir.const(number, dtype)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (tir.FloorDiv(const(-7, "int32"), const(2, "int32")), -4),
        (tir.FloorMod(const(-7, "int32"), const(2, "int32")), 1),
        (tir.Div(const(-7, "int32"), const(2, "int32")), -3),
        (tir.Mod(const(-7, "int32"), const(2, "int32")), -1),
        (tir.Add(const(127, "int8"), const(1, "int8")), -128),
        (tir.Sub(const(0, "uint8"), const(1, "uint8")), 255),
        (tir.Cast("int8", const(300.7, "float32")), 127),
        (tir.Cast("int32", const(float("nan"), "float32")), 0),
        (tir.Cast("uint8", const(-3.0, "float32")), 0),
        (tir.Cast("int32", const(-2.9, "float32")), -2),
        (tir.Add(const(1.0, "float16"), const(2.0**-11, "float16")), 1.0),
        (tir.Select(const(0, "bool"), const(1, "int32"), const(2, "int32")), 2),
        (tir.exp(const(0.0, "float32")), 1.0),
    ],
    ids=lambda e: "",
)
def test_values(expr: Any, expected: Any) -> None:
    assert value(expr) == expected


def test_minimum_of_nan_is_nan() -> None:
    for a, b in ((float("nan"), 1.0), (1.0, float("nan"))):
        assert np.isnan(value(tir.Min(const(a, "float32"), const(b, "float32"))))


def test_out_of_bounds_access_is_an_error() -> None:
    func = tir.PrimFunc((A,), tir.For(i, 0, 5, 0, tir.BufferStore(A, const(0.0, "float32"), (i,))))
    with pytest.raises(RuntimeFailure, match=r"buffer `A`: index 4 .* not in \[0, 4\)"):
        interpreter.run(func, np.zeros(4, "float32"))


def test_masked_lanes_touch_nothing() -> None:
    index = tir.Ramp(2, 1, 4)
    mask = tir.LT(index, tir.Broadcast(4, 4))
    store = tir.BufferStore(A, tir.Broadcast(const(7.0, "float32"), 4), (index,), mask)
    array = np.zeros(4, "float32")
    interpreter.run(tir.PrimFunc((A,), store), array)
    np.testing.assert_array_equal(array, [0, 0, 7, 7])


def test_arguments_are_checked() -> None:
    func = tir.PrimFunc((A,), tir.Evaluate(0))
    for bad, text in (
        (np.zeros(4), "of float32, found float64"),
        (np.zeros((2, 2), "float32"), "1 dimensions, found 2"),
        (np.zeros(5, "float32"), r"shape \(4,\), found \(5,\)"),
        (np.zeros(8, "float32")[::2], "compact"),
        (3, "an array"),
    ):
        with pytest.raises(ArgumentError, match=text):
            interpreter.run(func, bad)


def test_division_by_zero_is_an_error() -> None:
    with pytest.raises(RuntimeFailure, match="division by zero"):
        value(tir.FloorDiv(const(1, "int32"), const(0, "int32")))


def test_assertion_and_unknown_variable() -> None:
    func = tir.PrimFunc((), tir.AssertStmt(const(0, "bool"), tir.StringImm("no"), tir.Evaluate(0)))
    with pytest.raises(RuntimeFailure, match="no"):
        interpreter.run(func)
    with pytest.raises(CompileError, match="`i` has no value"):
        value(i + 1)


def test_extern_functions_are_given() -> None:
    called = tir.call_pure_extern("float32", "twice", const(4.0, "float32"))
    func = tir.PrimFunc((), tir.Evaluate(tir.ret(called)))
    assert interpreter.run(func, externs={"twice": lambda x: x * 2}) == 8
    with pytest.raises(CompileError, match="twice"):
        interpreter.run(func)


def value_of(expr: tir.PrimExpr) -> Any:
    return interpreter.Interpreter().eval(expr)


def test_a_shift_by_the_width_or_more_gives_nothing_or_the_sign() -> None:
    minus, by = tir.const(-5, "int8"), tir.Cast("int8", tir.const(100, "int32"))
    assert value_of(tir.Call("int8", "tir.shift_left", (minus, by))) == 0
    assert value_of(tir.Call("int8", "tir.shift_right", (minus, by))) == -1
    vector = tir.Broadcast(by, 2)
    made = value_of(tir.Call("int8x2", "tir.shift_right", (tir.Broadcast(minus, 2), vector)))
    assert made.tolist() == [-1, -1]


def test_bits_of_vectors_are_counted_lane_by_lane() -> None:
    vector = tir.Ramp(tir.const(6, "int32"), tir.const(1, "int32"), 3)
    assert value_of(tir.Call("int32x3", "tir.popcount", (vector,))).tolist() == [2, 3, 1]
    assert value_of(tir.Call("int32x3", "tir.clz", (vector,))).tolist() == [29, 29, 28]


def test_a_wide_number_is_rounded_once_to_a_narrow_one() -> None:
    above_a_tie = 1 + 2.0**-8 + 2.0**-40
    for value in (above_a_tie, np.array([above_a_tie])):
        assert float(np.ravel(convert(value, "float64", "bfloat16"))[0]) == 1 + 2.0**-7
    assert float(convert(2**64 - 1, "uint64", "bfloat16")) == 2.0**64


def test_a_narrow_float_saturates_as_an_integer() -> None:
    huge = np.asarray(1e30, "float32").astype(ml_dtypes.bfloat16)[()]
    assert convert(huge, "bfloat16", "int8") == 127


def test_a_view_knows_where_in_its_source_it_begins() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((8, 8), "int32"), B: T.Buffer((4,), "int32")):
    for i in range(4):
        with T.block("b"):
            v = T.axis.spatial(4, i)
            s, t = T.int32(), T.int32()
            region = A[v * 2 : v * 2 + 2, 4:8]
            V = T.match_buffer(region, (2, 4), "int32", strides=[s, t], offset_factor=1)
            B[v] = V.elem_offset
            V[1, 2] = v + 1
""")
    a, b = np.zeros((8, 8), "int32"), np.zeros(4, "int32")
    interpreter.run(func, a, b)
    assert b.tolist() == [4, 20, 36, 52]
    assert a[1::2, 6].tolist() == [1, 2, 3, 4]
    assert np.count_nonzero(a) == 4
