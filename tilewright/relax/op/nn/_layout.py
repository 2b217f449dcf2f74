"""Layouts of images: letters for axes, as in `NCHW`, with blocks split off, as in `NCHW16c`."""

from __future__ import annotations

SPATIAL = {1: "W", 2: "HW", 3: "DHW"}


def inner_block(layout: str) -> dict[str, int]:
    """Sizes of the split-off parts: `NCHW16c` gives `{"c": 16}`."""
    blocks: dict[str, int] = {}
    digits = ""
    for char in layout:
        if char.isdigit():
            digits += char
        elif char.islower():
            blocks[char] = int(digits)
            digits = ""
    return blocks


def axes_of(layout: str) -> dict[str, int]:
    """The place of each letter."""
    letters = [c for c in layout if c.isalpha()]
    return {letter: place for place, letter in enumerate(letters)}
