"""Which convolutions Winograd's algorithm makes faster: an estimate from the machine model."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.transform import PassContext
from ...support.dtypes import dtype_of
from ...target.machine import MachineModel
from .config import WINOGRAD

TILES = (2, 4)
STREAM = 8
"""Bytes of weights that come from memory in a cycle: they are read once for each image or more."""

INPUT_STEPS, OUTPUT_STEPS = {2: 40, 4: 100}, {2: 25, 4: 80}
"""Cycles to transform one tile of one block of channels."""

MARGIN = 0.9
"""What it must be faster by: the share of the direct convolution's time that it may take."""


@dataclass(frozen=True, slots=True)
class Window:
    """A 3 x 3 convolution of stride 1: channels in and out, height and width of the result.

    `batch` is 1 where it is not known, the size that of a usual image (`USUAL_IMAGE`).
    """

    batch: int
    channels: int
    out: int
    height: int
    width: int


def direct_cycles(machine: MachineModel, window: Window, dtype: str) -> float:
    """Cycles of the direct convolution on one core."""
    macs = 9 * window.channels * window.out
    pixels = window.batch * window.height * window.width
    return _cycles(machine, dtype, macs, pixels)


def winograd_cycles(machine: MachineModel, window: Window, dtype: str, tile: int) -> float:
    """Cycles with tiles of `tile` x `tile` outputs, those that hang over counted whole."""
    lanes = machine.lanes(dtype)
    tiles = window.batch * -(-window.height // tile) * -(-window.width // tile)
    inputs, outputs = -(-window.channels // lanes), -(-window.out // lanes)
    moved = tiles * (inputs * INPUT_STEPS[tile] + outputs * OUTPUT_STEPS[tile])
    points = (tile + 2) ** 2
    return _cycles(machine, dtype, points * window.channels * window.out, tiles) + moved


def _cycles(machine: MachineModel, dtype: str, weights: int, times: int) -> float:
    """Cycles to read `weights` once and to multiply each so many times."""
    read = weights * dtype_of(dtype).bits // 8 / STREAM
    return weights * times / (machine.lanes(dtype) * machine.fma_ports) + read


def best_tile(
    machine: MachineModel,
    window: Window,
    dtype: str,
    phases: Window | None = None,
    moved: int = 0,
) -> int | None:
    """The size of tile with the fewest cycles; None if the direct convolution is as good.

    `phases`: the convolution that takes the place of a dilated one; `moved`: how many numbers have
    to be moved around it. float32 only: less precise numbers lose too much, and of more precise
    ones too much is expected.
    """
    lanes = machine.lanes(dtype)
    empty = 0 in (window.batch, window.height, window.width)
    if not PassContext.current().config.get(WINOGRAD, True):
        return None
    if dtype != "float32" or min(window.channels, window.out) < 2 * lanes or empty:
        return None
    costs = {tile: winograd_cycles(machine, phases or window, dtype, tile) for tile in TILES}
    best = min(costs, key=lambda tile: costs[tile])
    moves = moved * dtype_of(dtype).bits // 8 / STREAM
    wins = costs[best] + moves < MARGIN * direct_cycles(machine, window, dtype)
    return best if wins else None
