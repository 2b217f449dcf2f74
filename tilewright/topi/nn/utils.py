"""Windows and padding: what convolutions and pooling share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ..kinds import Padding
from ..utils import as_list, as_tuple, const_or_none, get_const_int, simplify

LETTERS = {1: "W", 2: "HW", 3: "DHW"}


def get_pad_tuple_generic(
    padding: Padding, kernel: Sequence[Any], dilation: Sequence[int] | None = None
) -> tuple[list[int], list[int]]:
    """The padding before and after each dimension.

    `padding` is one number, one a dimension, all before and then all after, `VALID` or `SAME`.
    """
    count = len(kernel)
    steps = dilation or [1] * count
    if isinstance(padding, str):
        if padding == "VALID":
            return [0] * count, [0] * count
        if padding == "SAME":
            total = [(get_const_int(k) - 1) * d for k, d in zip(kernel, steps, strict=True)]
            return [(t + 1) // 2 for t in total], [t // 2 for t in total]
        raise ArgumentError(f"padding is numbers, VALID or SAME, found {padding!r}")
    if isinstance(padding, Sequence) and len(padding) == 2 * count:
        both = [get_const_int(p) for p in padding]
        return both[:count], both[count:]
    each = [get_const_int(p) for p in as_list(padding, count, "padding")]
    return each, list(each)


def get_pad_tuple(padding: Padding, kernel: Sequence[Any]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right padding of a window over two dimensions."""
    before, after = get_pad_tuple_generic(padding, as_list(kernel, 2, "kernel"))
    return before[0], before[1], after[0], after[1]


def get_pad_tuple1d(padding: Padding, kernel: Sequence[Any]) -> tuple[int, int]:
    """Left and right padding of a window over one dimension."""
    before, after = get_pad_tuple_generic(padding, as_list(kernel, 1, "kernel"))
    return before[0], after[0]


def get_pad_tuple3d(padding: Padding, kernel: Sequence[Any]) -> tuple[int, int, int, int, int, int]:
    """Padding in front, on top, left, and behind, below, right of a window over three."""
    before, after = get_pad_tuple_generic(padding, as_list(kernel, 3, "kernel"))
    return before[0], before[1], before[2], after[0], after[1], after[2]


def get_padded_shape(
    data: Any, pad_before: Sequence[Any], pad_after: Any = None
) -> tuple[Any, ...]:
    """The shape of `data` (a tensor or a shape) with padding around it."""
    shape = data.shape if hasattr(data, "shape") else as_tuple(data)
    before = as_list(pad_before, len(shape), "pad_before")
    after = before if pad_after is None else as_list(pad_after, len(shape), "pad_after")
    return tuple(simplify(d + b + a) for d, b, a in zip(shape, before, after, strict=True))


def numbers(value: Any, count: int, what: str) -> list[int]:
    """`value`, one number or `count` of them, as constants."""
    return [get_const_int(v) for v in as_list(value, count, what)]


def positive(values: Sequence[int], what: str) -> None:
    """Raises `ArgumentError` unless all of the values are positive."""
    if any(v < 1 for v in values):
        raise ArgumentError(f"{what} must be positive, found {list(values)}")


def require_own_layout(who: str, rewritten_layout: str, original_shape: Any) -> None:
    """Raises `ArgumentError` for a weight that a tuner has brought into another layout: the
    operators read the one that they name."""
    if rewritten_layout or original_shape:
        raise ArgumentError(
            f"{who}: the weight is in the operator's own layout, found a rewritten one, "
            f"{rewritten_layout or original_shape}"
        )


def layout_rank(layout: str) -> int:
    """How many dimensions a tensor of `layout` has, such as 5 of NCHW16c."""
    return sum(char.isalpha() for char in layout)


def spatial_places(layout: str, count: int) -> list[int]:
    """Where the window's dimensions stand in `layout`, such as 2 and 3 in NCHW16c."""
    if count not in LETTERS:
        raise ArgumentError(f"layout {layout!r} has {count} of the dimensions D, H and W")
    places = []
    position = 0
    found: dict[str, int] = {}
    digits = ""
    for char in layout:
        if char.isdigit():
            digits += char
            continue
        if char in "DHW" and not digits:
            found[char] = position
        elif char.lower() in "dhw" and char not in "DHW":
            raise ArgumentError(f"layout {layout}: a window's dimension must not be in blocks")
        digits = ""
        position += 1
    for letter in LETTERS[count]:
        if letter not in found:
            raise ArgumentError(f"layout {layout} has no dimension {letter}")
        places.append(found[letter])
    return places


def is_known_empty(dim: PrimExpr) -> bool:
    """True if the dimension is the constant 0."""
    return const_or_none(dim) == 0


def no_negative(extent: Any) -> Any:
    """A constant extent, at least 0; an expression as it is."""
    value = const_or_none(extent)
    return extent if value is None or value >= 0 else 0
