"""Layouts such as `NCHW16c`: a capital letter is a dimension, a small one a block of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..ir.expr import IntImm, PrimExpr
from ..support.errors import ArgumentError
from ..te.tensor import Tensor
from ..tir import op
from ..tir.index_map import IndexMap
from ..tir.stmt_functor import substitute
from . import tag
from .utils import compute, const_or_none, get_const_float

__all__ = [
    "index_map_transform", "layout_transform", "parse_layout",
]  # fmt: skip

_PART = re.compile(r"(\d*)([A-Za-z])")


@dataclass(frozen=True)
class Layout:
    """The parts in order: (capital letter, block size); the size of an outer part is 0."""

    name: str
    parts: tuple[tuple[str, int], ...]

    def blocks(self, axis: str) -> tuple[int, ...]:
        """The block sizes of a dimension, outermost first."""
        return tuple(size for letter, size in self.parts if letter == axis and size)

    @property
    def axes(self) -> frozenset[str]:
        """The dimensions, as capital letters."""
        return frozenset(letter for letter, _ in self.parts)


@lru_cache(maxsize=256)
def parse_layout(name: str) -> Layout:
    """`name` taken apart. Raises `ArgumentError` if it is not a layout."""
    parts: list[tuple[str, int]] = []
    end = 0
    for match in _PART.finditer(name):
        size, letter = match.groups()
        if match.start() != end or bool(size) != letter.islower() or size == "0":
            raise ArgumentError(f"{name!r} is not a layout", hint="write it as in NCHW or NCHW16c")
        parts.append((letter.upper(), int(size) if size else 0))
        end = match.end()
    outer = [letter for letter, size in parts if not size]
    if end != len(name) or not parts or len(set(outer)) != len(outer):
        raise ArgumentError(f"{name!r} is not a layout", hint="write it as in NCHW or NCHW16c")
    if any(letter not in outer for letter, _ in parts):
        raise ArgumentError(f"layout {name!r} has a block of a dimension that it lacks")
    return Layout(name, tuple(parts))


def block_of(layout: Layout, axis: str) -> int:
    total = 1
    for size in layout.blocks(axis):
        total *= size
    return total


def primal_index(layout: Layout, axis: str, indices: tuple[PrimExpr, ...]) -> PrimExpr:
    """The index along a whole dimension from those of its parts."""
    result: PrimExpr | None = None
    for (letter, size), index in zip(layout.parts, indices, strict=True):
        if letter == axis:
            result = index if result is None else op.add(op.multiply(result, size), index)
    if result is None:
        raise ArgumentError(f"layout {layout.name} has no dimension {axis}")
    return result


def layout_shape(
    shape: tuple[PrimExpr, ...], source: Layout, target: Layout
) -> tuple[PrimExpr, ...]:
    """The shape in `target` of a tensor that has `shape` in `source`; blocks round up."""
    out: list[PrimExpr] = []
    for letter, size in target.parts:
        if size:
            out.append(IntImm(shape[0].dtype, size))
            continue
        outer = shape[source.parts.index((letter, 0))]
        own, wanted = block_of(source, letter), block_of(target, letter)
        if own == wanted:
            out.append(outer)
        elif own % wanted == 0:
            out.append(op.multiply(outer, own // wanted))
        elif wanted % own == 0:
            out.append(op.ceildiv(outer, wanted // own))
        else:
            out.append(op.ceildiv(op.multiply(outer, own), wanted))
    return tuple(out)


def layout_transform(
    array: Tensor, src_layout: str, dst_layout: str, schedule_rule: str = "None"
) -> Tensor:
    """`array` from one layout to another, such as NCHW to NCHW16c.

    Where a dimension is no multiple of its block, the rest of the last block is zero.
    """
    source, target = parse_layout(src_layout), parse_layout(dst_layout)
    if source.axes != target.axes:
        raise ArgumentError(f"layout_transform: {src_layout} and {dst_layout} differ in dimensions")
    if len(source.parts) != array.ndim:
        raise ArgumentError(
            f"layout_transform: `{array.name}` has {array.ndim} dimensions, {src_layout} "
            f"has {len(source.parts)}"
        )
    for (letter, size), dim in zip(source.parts, array.shape, strict=True):
        if size and const_or_none(dim) not in (None, size):
            raise ArgumentError(
                f"layout_transform: block {size}{letter.lower()} of {src_layout} is {dim} long"
            )
    shape = layout_shape(array.shape, source, target)

    def element(*i: PrimExpr) -> PrimExpr:
        own: list[PrimExpr] = []
        inside: PrimExpr = op.const(1, "bool")
        for position, (letter, size) in enumerate(source.parts):
            if source.blocks(letter) == target.blocks(letter):
                own.append(i[_nth(target, letter, size, source, position)])
                continue
            whole = primal_index(target, letter, i)
            own.append(sub_index(source, position, whole))
            if not size and _is_padded(array, source, target, letter):
                limit = op.multiply(array.shape[position], block_of(source, letter))
                inside = op.all(inside, op.less(whole, limit))
        return op.if_then_else(inside, array(*own), op.const(0, array.dtype))

    return compute(shape, element, "T_layout_trans", tag.INJECTIVE)


def _nth(target: Layout, letter: str, size: int, source: Layout, position: int) -> int:
    """The position in `target` of the same part as at `position` in `source`."""
    rank = sum(1 for p in source.parts[:position] if p == (letter, size))
    places = [k for k, p in enumerate(target.parts) if p == (letter, size)]
    return places[rank]


def sub_index(layout: Layout, position: int, whole: PrimExpr) -> PrimExpr:
    """The index of one part of a dimension from the index along the whole."""
    letter, size = layout.parts[position]
    inner = 1
    for other, block in layout.parts[position + 1 :]:
        if other == letter and block:
            inner *= block
    if not size:
        inner = block_of(layout, letter)
    quotient = op.floordiv(whole, inner)
    return op.floormod(quotient, size) if size else quotient


def _is_padded(array: Tensor, source: Layout, target: Layout, letter: str) -> bool:
    own, wanted = block_of(source, letter), block_of(target, letter)
    if own % wanted == 0:
        return False
    extent = const_or_none(array.shape[source.parts.index((letter, 0))])
    return extent is None or (extent * own) % wanted != 0


def is_blocked(layout: str) -> bool:
    """True if `layout` has blocks."""
    return any(size for _, size in parse_layout(layout).parts)


def index_map_transform(x: Tensor, index_map: IndexMap, pad_value: Any = None) -> Tensor:
    """`x` with the element at `i` moved to `index_map(i)`; places that nothing reaches hold
    `pad_value` (default 0)."""
    shape = index_map.map_shape(x.shape)
    back, padding = index_map.non_surjective_inverse(x.shape)
    fill = op.const(0 if pad_value is None else get_const_float(pad_value), x.dtype)

    def element(*i: PrimExpr) -> PrimExpr:
        env = dict(zip(back.initial_indices, i, strict=True))
        beyond = substitute(padding, env)
        return op.if_then_else(beyond, fill, x(*back.map_indices(i)))

    return compute(shape, element, "te_layout_transform", tag.INJECTIVE)
