"""Buffers check what they are made of, and constant indices when they become flat."""

from typing import Any

import pytest

import tilewright
from tilewright import tir
from tilewright.script import from_source
from tilewright.support.errors import ArgumentError, TVMError

WRONG: list[dict[str, Any]] = [
    {"data": 7}, {"offset_factor": "x"}, {"buffer_type": 7}, {"dtype": 4}, {"dtype": "int33"},
    {"axis_separators": (1, 2)}, {"shape": (-1,)}, {"shape": "x"}, {"shape": (2.5,)},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: next(iter(wrong)))
def test_a_buffer_of_wrong_parts_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        tir.decl_buffer(**{"shape": (8,), **wrong})


@pytest.mark.parametrize("index", ["8, 0", "-1, 0", "0, 4"])
@pytest.mark.parametrize("statement", ["A[{}] = 1.0", "A[0, 0] = A[{}] + 1.0"])
def test_a_constant_index_outside_is_an_error_of_compilation(index: str, statement: str) -> None:
    text = '@T.prim_func\ndef f(A: T.Buffer((8, 4), "float32")):\n    '
    program = from_source(text + statement.format(index))
    with pytest.raises(TVMError, match=r"buffer `A` is accessed at -?\d of axis [01], which has"):
        tilewright.build(program, target="llvm")


def test_a_slice_steps_forward() -> None:
    buffer = tir.decl_buffer((8,))
    with pytest.raises(ArgumentError, match="steps forward"):
        buffer[7:-1:-1]
    with pytest.raises(ArgumentError, match="steps forward"):
        buffer[0:8:0]


def test_an_access_is_r_or_w() -> None:
    buffer = tir.decl_buffer((8,))
    with pytest.raises(ArgumentError, match="read"):
        buffer.access_ptr("rx")
    assert buffer.access_ptr("rw").args[-1].value == 3  # type: ignore[attr-defined]


def test_names_of_one_type_are_one_type() -> None:
    assert tir.decl_buffer((8,), "uint1").dtype == tir.decl_buffer((8,), "bool").dtype == "bool"


def test_the_place_of_an_element_is_folded() -> None:
    n = tir.SizeVar("n", "int32")
    buffer = tir.decl_buffer((4, n), elem_offset=100)
    assert str(buffer.offset_of([2, 3])[0]) == "n * 2 + 103"


def test_plain_sizes_beyond_32_bits_make_a_shape_of_int64() -> None:
    large = tir.decl_buffer((1 << 40, 4))
    assert [(d.dtype, d.value) for d in large.shape] == [("int64", 1 << 40), ("int64", 4)]
    assert large.elem_offset.dtype == "int64"
    mixed = tir.decl_buffer((tir.Var("n", "int32"), 1 << 31))
    assert [d.dtype for d in mixed.shape] == ["int32", "int64"]


FLAT: list[tuple[dict[str, Any], list[str], list[int]]] = [
    ({"shape": (4, 8)}, ["32"], []),
    ({"shape": (4, 8, 2), "axis_separators": (1,)}, ["4", "16"], [1]),
    ({"shape": (4, 8, 2), "axis_separators": (1, 2)}, ["4", "8", "2"], [1, 2]),
    ({"shape": (4, 8), "strides": (16, 1)}, ["64"], []),
    ({"shape": (4, 8, 3), "strides": (32, 3, 1), "axis_separators": (1,)}, ["128", "24"], [1]),
    ({"shape": ()}, ["1"], []),
]


@pytest.mark.parametrize(("given", "sizes", "separators"), FLAT)
def test_a_flat_buffer_is_the_same_memory(
    given: dict[str, Any], sizes: list[str], separators: list[int]
) -> None:
    buffer = tir.decl_buffer(dtype="int8", name="A", elem_offset=3, **given)
    flat = buffer.get_flattened_buffer()
    assert flat.data is buffer.data and (flat.name, flat.dtype) == ("A", "int8")
    assert [str(d) for d in flat.shape] == sizes and flat.strides == ()
    assert [int(s) for s in flat.axis_separators] == separators
    assert flat.elem_offset is buffer.elem_offset


def test_a_buffer_of_one_dimension_is_flat() -> None:
    n = tir.Var("n", "int32")
    line = tir.decl_buffer((n,))
    assert line.get_flattened_buffer() is line
    assert str(tir.decl_buffer((n, 4)).get_flattened_buffer().shape[0]) == "n * 4"
