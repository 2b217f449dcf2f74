"""Constants hold what their type holds; a number that meets an operand never changes its value."""

import math

import pytest

from tilewright import tir
from tilewright.script import tir as T
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import ArgumentError, TVMError

BEYOND = [
    ("int8", 128), ("int8", -129), ("uint8", -1), ("uint8", 256), ("int32", 2**31),
    ("int64", 2**63), ("uint64", -1), ("uint64", 2**64), ("bool", 2), ("float16", 1e6),
    ("float16", -1e6), ("bfloat16", 1e39), ("float32", 1e300), ("float8_e4m3fn", 1000.0),
    ("float4_e2m1fn", 7.0),
    ("int32", math.nan), ("int32", math.inf), ("int32", "x"), ("float32", "x"), ("float32", [1]),
    ("handle", 3),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "value"), BEYOND)
def test_what_a_type_does_not_hold_is_refused(dtype: str, value: object) -> None:
    with pytest.raises(ArgumentError):
        tir.const(value, dtype)
    if dtype != "handle":
        with pytest.raises(TVMError):
            getattr(T, dtype)(value)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool", "uint64", "float16", "float32"])
def test_the_ends_are_held(dtype: str) -> None:
    info = dtype_of(dtype)
    for value in (info.min_value, info.max_value):
        assert tir.const(value, dtype).value == value  # type: ignore[attr-defined]


def test_infinities_and_what_rounds_to_the_largest_are_held() -> None:
    assert tir.const(math.inf, "float16").value == math.inf  # type: ignore[attr-defined]
    assert math.isnan(tir.const(math.nan, "float32").value)  # type: ignore[attr-defined]
    tir.const(3.4028235e38, "float32")


def test_what_the_largest_number_of_16_bits_rounds_from_is_refused() -> None:
    assert tir.const(65504.0, "float16").value == 65504.0  # type: ignore[attr-defined]
    with pytest.raises(ArgumentError, match=r"65505.0 does not fit into float16"):
        tir.FloatImm("float16", 65505.0)
    assert (tir.Var("x", "float16") + 65505.0).dtype == "float32"


def test_zero_less_an_unsigned_number_is_refused() -> None:
    with pytest.raises(ArgumentError, match="0 - 10 in uint8 would be negative"):
        tir.const(0, "uint8") - tir.const(10, "uint8")
    with pytest.raises(ArgumentError, match="0 - 1 in uint32"):
        -tir.const(1, "uint32")


def test_arithmetic_of_constants_wraps_around() -> None:
    assert (tir.const(127, "int8") + tir.const(1, "int8")).value == -128
    assert (tir.const(1, "uint8") - tir.const(2, "uint8")).value == 255
    assert (~tir.const(0, "uint8")).value == 255


@pytest.mark.parametrize(
    ("dtype", "number", "expected"),
    [("uint8", 255, "uint8"), ("uint8", 256, "int32"), ("uint8", -1, "int32"),
     ("int8", 200, "int32"), ("int32", 2**31, "int64"), ("uint32", 2**32, "int64"),
     ("float16", 65504.0, "float16"), ("float16", 1e6, "float32"), ("float16", 100000, "float32"),
     ("float64", 1e300, "float64")],
)  # fmt: skip
def test_a_number_beyond_its_operand_widens_both(dtype: str, number: float, expected: str) -> None:
    x = tir.Var("x", dtype)
    assert (x + number).dtype == expected
    compared = x < number
    assert isinstance(compared, tir.LT)
    assert compared.b.value == number  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("dtype", "number"), [("uint32", -1), ("uint64", -1), ("float32", 1e300), ("int64", 2**63)]
)
def test_a_number_that_no_common_type_holds_is_refused(dtype: str, number: float) -> None:
    with pytest.raises(ArgumentError):
        tir.Var("x", dtype) + number


def test_the_bits_of_a_float_are_not_turned() -> None:
    with pytest.raises(ArgumentError, match="needs an integer"):
        ~tir.Var("x", "float32")


def test_lanes_may_be_a_multiple_of_vscale() -> None:
    ramp = T.ramp(0, 1, 4 * T.vscale())
    assert ramp.dtype == "int32xvscalex4"
    assert T.ramp(3, 1, 1).value == 3


def test_bits_read_as_their_own_type_are_the_value() -> None:
    x = tir.Var("x", "float32")
    assert tir.reinterpret("float32", x) is x
    assert tir.reinterpret("int32", x).dtype == "int32"


@pytest.mark.parametrize("dtype", [{}, [1]])
def test_what_names_no_type_is_refused(dtype: object) -> None:
    with pytest.raises(ArgumentError, match="unknown dtype"):
        tir.const(3, dtype)
