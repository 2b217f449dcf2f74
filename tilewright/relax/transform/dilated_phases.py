"""Dilated convolutions as ordinary ones of many small images.

    y = conv2d(x, w, dilation=d)
->  p = every d-th row and column of x, from each start: d * d images
    q = conv2d(p, w)
    y = q's images interleaved

A window whose taps are `d` apart sees every `d`-th row and column only. What comes out is what the
ordinary convolution makes of each of these images (Yu and Koltun 2016, "Multi-scale context
aggregation by dilated convolutions", define the operation; the split is its polyphase form). So an
algorithm for ordinary convolutions serves, at the price of two moves.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.expr import PrimExpr
from ..dims import simplify
from .transposed_phases import Move


@dataclass(frozen=True, slots=True)
class DilatedAxis:
    """One spatial axis: its extent, the distance of the taps and their number, the padding."""

    size: int
    dilation: int
    taps: int
    before: int
    after: int

    @property
    def out(self) -> int:
        """The extent of the result."""
        return self.size + self.before + self.after - (self.taps - 1) * self.dilation

    @property
    def filled(self) -> tuple[int, int]:
        """Zeros before and behind, so that phases have equal lengths and whole padding."""
        front = self.before % self.dilation
        return front, -(self.size + front) % self.dilation

    @property
    def length(self) -> int:
        """The extent of each phase."""
        return (self.size + sum(self.filled)) // self.dilation

    @property
    def padding(self) -> tuple[int, int]:
        """The padding of the ordinary convolution."""
        front = self.before // self.dilation
        whole = -(-(self.size + self.before + self.after) // self.dilation)
        return front, max(0, whole - front - self.length)

    @property
    def rows(self) -> int:
        """What the ordinary convolution makes of each phase."""
        return self.length + sum(self.padding) - self.taps + 1


@dataclass(frozen=True, slots=True)
class DilatedPhases:
    """The moves around the ordinary convolution, for images in blocks (N, C, H, W, c)."""

    height: DilatedAxis
    width: DilatedAxis

    @property
    def count(self) -> int:
        """How many images each image becomes."""
        return self.height.dilation * self.width.dilation

    def apart(self, batch: PrimExpr, blocks: int, block: int) -> list[Move]:
        """(N, C, H, W, c) -> (N * phases, C, H / d, W / d, c)."""
        h, w = self.height, self.width
        moves: list[Move] = []
        if any((*h.filled, *w.filled)):
            moves.append(("pad", [(0, 0), (0, 0), h.filled, w.filled, (0, 0)]))
        split = (batch, blocks, h.length, h.dilation, w.length, w.dilation, block)
        return [
            *moves,
            ("reshape", split),
            ("permute", (0, 3, 5, 1, 2, 4, 6)),
            ("reshape", (simplify(batch * self.count), blocks, h.length, w.length, block)),
        ]

    def together(self, batch: PrimExpr, blocks: int, block: int) -> list[Move]:
        """(N * phases, C, H / d, W / d, c) -> (N, C, H, W, c)."""
        h, w = self.height, self.width
        wide = [axis.rows * axis.dilation for axis in (h, w)]
        moves: list[Move] = [
            ("reshape", (batch, h.dilation, w.dilation, blocks, h.rows, w.rows, block)),
            ("permute", (0, 3, 4, 1, 5, 2, 6)),
            ("reshape", (batch, blocks, *wide, block)),
        ]
        if wide != [h.out, w.out]:
            moves.append(("slice", ([2, 3], [0, 0], [h.out, w.out])))
        return moves


__all__ = ["DilatedAxis", "DilatedPhases"]
