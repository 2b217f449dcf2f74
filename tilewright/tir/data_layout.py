"""Layouts of tensors by letters: `NCHW16c` is N, C in blocks of 16, H, W, the 16 within a block."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ..ir.expr import IntImm, PrimExpr, Range, as_scalar
from ..ir.node import Node, node
from ..script.parser.arguments import explained
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError, ArgumentTypeError
from . import op as O
from .expr import IterVar, Var

UNDEFINED = "__undef__"
_AXES = re.compile(r"(\d*)([A-Za-z])")


@node("tir.Layout")
class Layout(Node):
    """The axes of a tensor in order: a capital is a whole axis or its blocks, a number and a small
    letter the part within a block. `dtype` is the type of indices.

    Raises `ArgumentError` for a name that is no layout.
    """

    name: str
    dtype: str = "int32"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ArgumentTypeError(f"a layout is a string such as NCHW16c, found {self.name!r}")
        if not isinstance(self.dtype, str) or not dtype_of(self.dtype).is_int:
            raise ArgumentTypeError(f"indices are of an integer type, found {self.dtype!r}")
        if self.name == UNDEFINED:
            return
        if "".join(number + letter for number, letter in self.parts()) != self.name:
            raise ArgumentError(f"{self.name!r} is no layout", hint="expected such as NCHW16c")
        letters = [letter for _, letter in self.parts()]
        for number, letter in self.parts():
            if letters.count(letter) > 1:
                raise ArgumentError(f"layout {self.name!r} has the axis {letter} twice")
            if letter.isupper() == bool(number):
                raise ArgumentError(
                    f"layout {self.name!r}: a number stands before each small letter only",
                    note=f"at axis {letter}",
                )
            if letter.islower() and letter.upper() not in letters:
                raise ArgumentError(
                    f"layout {self.name!r} has the part {letter} of an axis and no {letter.upper()}"
                )

    def parts(self) -> list[tuple[str, str]]:
        """Factor (empty for a whole axis) and letter of each axis."""
        return [] if self.name == UNDEFINED else _AXES.findall(self.name)

    @property
    def axes(self) -> tuple[IterVar, ...]:
        """The axes as iterations: each part of a block up to its size, a whole axis up to a size
        that is a variable."""
        kind, zero = self.dtype, IntImm(self.dtype, 0)
        made = []
        for number, letter in self.parts():
            size = IntImm(kind, int(number)) if number else Var(f"{letter}_size", kind)
            made.append(IterVar(Range(zero, size), Var(letter, kind), IterVar.DataPar))
        return tuple(made)

    def letters(self) -> list[str]:
        """The letter of each axis."""
        return [letter for _, letter in self.parts()]

    def __len__(self) -> int:
        return len(self.parts())

    def __contains__(self, axis: str) -> bool:
        return len(axis) == 1 and axis in self.name and self.name != UNDEFINED

    def __getitem__(self, index: int) -> str:
        letters = self.letters()
        if not -len(letters) <= index < len(letters):
            raise IndexError(f"layout {self.name} has {len(letters)} axes, not {index + 1}")
        return letters[index]

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__

    @explained("Layout.index_of")
    def index_of(self, axis: str) -> int:
        """The position of an axis; -1 if the layout has none such."""
        letters = self.letters()
        return letters.index(axis) if axis in letters else -1

    @explained("Layout.factor_of")
    def factor_of(self, axis: str) -> int:
        """The size of the blocks of an axis, named by its capital or small letter; -1 without."""
        found = [number for number, letter in self.parts() if letter == axis.lower()]
        return int(found[0]) if found else -1


Index = dict[str, PrimExpr]


@node("tir.BijectiveLayout")
class BijectiveLayout(Node):
    """Indices and shapes of one layout in terms of another, both ways."""

    src_layout: Layout
    dst_layout: Layout

    @explained("BijectiveLayout.forward_index")
    def forward_index(self, index: Sequence[Any]) -> tuple[PrimExpr, ...]:
        """The index in the second layout of the element at `index` in the first."""
        return _converted(index, self.src_layout, self.dst_layout, _split_index)

    @explained("BijectiveLayout.backward_index")
    def backward_index(self, index: Sequence[Any]) -> tuple[PrimExpr, ...]:
        """The index in the first layout of the element at `index` in the second."""
        return _converted(index, self.dst_layout, self.src_layout, _split_index)

    @explained("BijectiveLayout.forward_shape")
    def forward_shape(self, shape: Sequence[Any]) -> tuple[PrimExpr, ...]:
        """The shape in the second layout of a tensor of `shape` in the first."""
        _check_factors(shape, self.src_layout)
        return _converted(shape, self.src_layout, self.dst_layout, _split_extent)

    @explained("BijectiveLayout.backward_shape")
    def backward_shape(self, shape: Sequence[Any]) -> tuple[PrimExpr, ...]:
        """The shape in the first layout of a tensor of `shape` in the second."""
        _check_factors(shape, self.dst_layout)
        return _converted(shape, self.dst_layout, self.src_layout, _split_extent)


def _split_index(whole: PrimExpr, factor: int) -> tuple[PrimExpr, PrimExpr]:
    return O.floordiv(whole, factor), O.floormod(whole, factor)


def _split_extent(whole: PrimExpr, factor: int) -> tuple[PrimExpr, PrimExpr]:
    return O.floordiv(whole, factor), IntImm(whole.dtype, factor)


def _check_factors(shape: Sequence[Any], layout: Layout) -> None:
    for extent, (number, letter) in zip(shape, layout.parts(), strict=False):
        value = O.const_value(as_scalar(extent))
        if number and value is not None and value != int(number):
            raise ArgumentError(
                f"axis {letter} of layout {layout.name} has {number} elements, the shape says "
                f"{value}"
            )


def _converted(
    values: Sequence[Any], source: Layout, target: Layout, split: Callable[..., Any]
) -> tuple[PrimExpr, ...]:
    if len(values) != len(source):
        raise ArgumentError(
            f"layout {source.name} has {len(source)} axes, found {len(values)} values"
        )
    given = dict(zip(source.letters(), (as_scalar(v, source.dtype) for v in values), strict=True))
    is_extent = split is _split_extent
    out: Index = {}
    for letter in target.letters():
        if letter.isupper():
            whole = _whole(given, source, letter, is_extent)
            factor = target.factor_of(letter)
            outer, inner = split(whole, factor) if factor > 0 else (whole, whole)
            out[letter], out[letter.lower()] = O.simplified(outer), O.simplified(inner)
    return tuple(out[letter] for letter in target.letters())


def _whole(given: Index, source: Layout, letter: str, is_extent: bool) -> PrimExpr:
    """The axis `letter` put together from blocks and the part within."""
    factor = source.factor_of(letter)
    if factor < 0:
        return given[letter]
    blocks = O.multiply(given[letter], factor)
    return blocks if is_extent else O.add(blocks, given[letter.lower()])


@explained("tir.layout")
def layout(layout_str: str, dtype: str = "int32") -> Layout:
    """The layout of that name."""
    return Layout(layout_str, dtype)


@explained("tir.bijective_layout")
def bijective_layout(src_layout: str | Layout, dst_layout: str | Layout) -> BijectiveLayout | None:
    """How one layout follows from the other; None if they are of different axes."""
    source = Layout(src_layout) if isinstance(src_layout, str) else src_layout
    target = Layout(dst_layout) if isinstance(dst_layout, str) else dst_layout
    axes = [{x for x in each.letters() if x.isupper()} for each in (source, target)]
    if not axes[0] or axes[0] != axes[1]:
        return None
    return BijectiveLayout(source, target)
