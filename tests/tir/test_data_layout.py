"""Layouts by letters, and the maps between them."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.support.errors import ArgumentError


def test_axes_of_a_layout() -> None:
    made = tir.layout("NCHW16c")
    assert isinstance(made, tir.Layout) and len(made) == 5
    assert [made.factor_of(axis) for axis in "cCN"] == [16, 16, -1]
    assert [made.index_of(axis) for axis in "NCHWcO"] == [0, 1, 2, 3, 4, -1]
    assert "N" in made and "c" in made and "O" not in made and "n" not in made
    assert [made[k] for k in range(5)] == list("NCHWc") and made[-1] == "c"


@pytest.mark.parametrize(
    ("name", "text"),
    [("NCHWC", "axis C twice"), ("NHW16c", "and no C"), ("NC16HW", "number stands before"),
     ("NCHWc", "number stands before"), ("N-C", "is no layout")],
)  # fmt: skip
def test_what_is_no_layout(name: str, text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        tir.layout(name)


def test_layouts_of_other_axes_do_not_convert() -> None:
    assert tir.bijective_layout("NCHW", "ABCD") is None
    assert tir.bijective_layout("__undef__", "NCHW") is None
    assert tir.bijective_layout("NCHW", "__undef__") is None
    assert tir.bijective_layout("NCHW", "NCHW16c") is not None


def values(made: tuple[tir.PrimExpr, ...]) -> list[int]:
    return [value.value for value in made]


def test_shapes_and_indices() -> None:
    made = tir.bijective_layout("NCHW", "NCHW16c")
    assert isinstance(made, tir.BijectiveLayout)
    assert (made.src_layout.name, made.dst_layout.name) == ("NCHW", "NCHW16c")
    assert values(made.forward_shape((1, 32, 7, 7))) == [1, 2, 7, 7, 16]
    assert values(made.backward_shape((1, 2, 7, 7, 16))) == [1, 32, 7, 7]
    assert values(made.forward_index([0, 18, 6, 6])) == [0, 1, 6, 6, 2]
    assert values(made.backward_index([0, 1, 6, 6, 2])) == [0, 18, 6, 6]


def test_blocks_of_other_sizes_and_orders() -> None:
    made = tir.bijective_layout("NCHW16c", "CNHW8c")
    assert values(made.forward_shape((1, 2, 7, 7, 16))) == [4, 1, 7, 7, 8]
    assert values(made.forward_index([0, 1, 3, 4, 9])) == [3, 0, 3, 4, 1]


def test_symbolic_indices() -> None:
    c = tir.Var("c", "int32")
    made = tir.bijective_layout("CN", "NC4c")
    assert [str(e) for e in made.forward_index([c, 2])] == ["2", "c // 4", "c % 4"]


def test_a_shape_must_fit_the_layout() -> None:
    made = tir.bijective_layout("NCHW16c", "NCHW")
    with pytest.raises(ArgumentError, match="has 16 elements, the shape says 8"):
        made.forward_shape((1, 2, 7, 7, 8))
    with pytest.raises(ArgumentError, match="has 5 axes, found 4"):
        made.forward_index((1, 2, 7, 7))
