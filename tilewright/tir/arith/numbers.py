"""Which numbers index types hold."""

from __future__ import annotations

from .. import op as O

SMALL = (1 << 31) - 1
"""Up to here, and down to its negation, a number fits into every index type."""


def fits(number: int, dtype: str) -> bool:
    """True if the index type `dtype` holds `number`."""
    return -SMALL <= number <= SMALL or O.wrap(number, dtype) == number


def is_one_value(scales: list[int], const: int, dtype: str) -> bool:
    """True if a sum with these coefficients is zero where one thing is a number that `dtype` holds:
    `x + const` or `const - x`."""
    scale = scales[0] if len(scales) == 1 else 0
    return abs(scale) == 1 and fits(-scale * const, dtype)
