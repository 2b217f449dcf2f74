"""Which numbers index types hold."""

from __future__ import annotations

from .. import op as O

SMALL = (1 << 31) - 1
"""Up to here, and down to its negation, a number fits into every index type."""


def fits(number: int, dtype: str) -> bool:
    """True if the index type `dtype` holds `number`."""
    return -SMALL <= number <= SMALL or O.wrap(number, dtype) == number
