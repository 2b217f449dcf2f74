"""Tile sizes from shapes and the machine model: pure functions, no schedule in sight."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...support.dtypes import dtype_of
from ...target.machine import MachineModel
from ...tir.transform.partial_tiles import MOST_ROWS
from ...tir.transform.prefetch_ahead import USUAL_TILES

LOAD_PORTS = 2
FMA_LATENCY = 4
OVERLAP = 5
"""How well latency hides behind work: unless there is half as much again, both count as a norm of
this degree. (Steps of 6, 8, 10, 12 and 14 sums take 4.3, 4.8, 5.3, 6.1 and 7.1 cycles on a Zen 5,
which begins two multiply-adds in each; here 4.2, 4.6, 5.3, 6 and 7.)"""
L2_BYTES = 32
"""Bytes that come from the second cache in a cycle."""
MEMORY_BYTES = 8
"""Bytes that a core gets from memory in a cycle."""
WORTH_FETCHING = 0.01
"""The share of a kernel's time for which waiting for panels is worth a fetch in each step."""
MAX_IMBALANCE = 0.05
"""By how much a core may have more to do than the average before work is divided otherwise."""

PAGE = 4096
"""Bytes of a page: what fetches memory ahead by itself stops at its end."""

MEMORY_CYCLES = 8192
"""Cycles that memory may take to answer while other programs use it too."""

MAX_UNROLLED = 128
"""Multiply-adds in the unrolled body of an innermost loop: beyond it, only code size grows."""

STEPS_OF_A_CORE = 750
"""Vector operations for each core below which a kernel stays on one thread. A hand-over costs less,
and lines that others wrote come slowly from their caches (up to 40 ns each): each fetches some."""


@dataclass(frozen=True)
class RegisterTile:
    """The accumulators of a kernel: `rows` (a size for each row axis) by `vectors` of `lanes`."""

    rows: tuple[int, ...]
    vectors: int
    lanes: int

    @property
    def count(self) -> int:
        """How many vectors accumulate."""
        return math.prod(self.rows) * self.vectors


def vector_lanes(machine: MachineModel, dtype: str, extent: int | None) -> int:
    """The lanes of a vector along an axis: a full register, less if the axis is shorter."""
    full = machine.lanes(dtype)
    return full if extent is None else max(1, min(full, extent))


def fits(machine: MachineModel, rows: int, vectors: int) -> bool:
    """Whether accumulators, one row of the vector operand and a broadcast fit in registers."""
    return rows * vectors + vectors + 1 <= machine.vector_registers


def step_cycles(machine: MachineModel, rows: int, vectors: int, steps: int | None = None) -> float:
    """Cycles for one step of the reduction: limited by multiply-adds, loads or latency.

    A machine loads as many whole registers in a cycle as it multiplies. `steps` of the reduction
    make a panel of the vector operand; one that the first cache does not hold comes from the
    second for every tile of rows.
    """
    loads = rows / LOAD_PORTS + vectors / min(LOAD_PORTS, machine.fma_ports)
    found = max(rows * vectors / machine.fma_ports, loads)
    if found < 1.5 * FMA_LATENCY:
        found = math.pow(found**OVERLAP + FMA_LATENCY**OVERLAP, 1 / OVERLAP)
    if steps is None or steps * vectors * machine.vector_bits // 8 <= machine.l1d.size // 2:
        return found
    return max(found, vectors * machine.vector_bits / 8 / L2_BYTES)


def parts(extent: int | None, size: int) -> list[tuple[float, int]]:
    """(how often, size) of the pieces into which an axis falls, the remainder last."""
    if extent is None:
        return [(1 / size, size)]
    full, rest = divmod(extent, size)
    return [(n, s) for n, s in ((full, size), (1, rest)) if n and s]


def tile_cycles(
    machine: MachineModel,
    rows: Sequence[int | None],
    vectors: int | None,
    tile: Sequence[int],
    width: int,
    steps: int | None = None,
) -> float:
    """Cycles for one step of the reduction over the whole output, cut into such tiles."""
    pieces = [parts(extent, size) for extent, size in zip(rows, tile, strict=True)]
    total = 0.0
    for *row, (often, v) in itertools.product(*pieces, parts(vectors, width)):
        count = math.prod(n for n, _ in row) * often
        total += count * step_cycles(machine, math.prod(s for _, s in row), v, steps)
    return total


def register_tile(
    machine: MachineModel,
    lanes: int,
    rows: Sequence[int | None],
    vectors: int | None,
    *,
    max_rows: int = 64,
    max_vectors: int = 4,
    whole: bool = False,
    exact: Sequence[bool] = (),
    steps: int | None = None,
) -> RegisterTile:
    """The tile with the fewest cycles among those that fit in registers.

    `rows`: extents of the row axes, outermost first (None: known at run time). An outer axis is
    tiled only together with the whole of those inside it. `vectors`: how many vectors the other
    operand has along the vector axis. `whole`: the number of vectors must divide `vectors`.
    `exact`: whether the tile's size must divide the extent, for each row axis. `steps`: the length
    of the reduction, if its panel of vectors is read again for every tile of rows.
    """
    best: tuple[tuple[float, ...], RegisterTile] | None = None
    widths = range(1, min(max_vectors, vectors or max_vectors) + 1)
    for width in widths:
        if whole and vectors is not None and vectors % width:
            continue
        for tile in _row_tiles(rows, max_rows):
            count = math.prod(tile)
            if not fits(machine, count, width) or not _divides(rows, tile, exact):
                continue
            cycles = tile_cycles(machine, rows, vectors, tile, width, steps)
            remainders = sum(e is not None and e % s != 0 for e, s in zip(rows, tile, strict=True))
            key = (round(cycles * (1 + 0.02 * remainders), 6), abs(width - 2), -count)
            if best is None or key < best[0]:
                best = (key, RegisterTile(tile, width, lanes))
    if best is None:
        return RegisterTile((1,) * len(rows), 1, lanes)
    return best[1]


def _divides(rows: Sequence[int | None], tile: Sequence[int], exact: Sequence[bool]) -> bool:
    """True if the tile divides the rows that are `wanted` exact."""
    return all(
        e is not None and e % s == 0
        for e, s, wanted in zip(rows, tile, exact, strict=False)
        if wanted
    )


def _row_tiles(rows: Sequence[int | None], limit: int) -> list[tuple[int, ...]]:
    """The shapes of a tile over the row axes. Of rows of unknown number a tile has as many as the
    last, incomplete one has cases for."""
    if not rows:
        return [()]
    *outer, inner = rows
    ones = (1,) * len(outer)
    if inner is None:
        limit = min(limit, MOST_ROWS)
    made = [(*ones, n) for n in range(1, min(limit, inner or limit) + 1)]
    if outer and inner is not None and inner < limit:
        above = _row_tiles(outer, limit // max(1, inner))
        made += [(*t, inner) for t in above if math.prod(t) > 1]
    return made


def imbalance(parts: float, cores: int, work: float | None = None) -> float:
    """The share by which the core with most of so many equal parts has more than the average.

    `work`: how many parts it is in truth, if the last one is not whole.
    """
    return math.ceil(parts / cores) * cores / (work or parts) - 1


def divisor_up_to(extent: int | None, limit: int) -> int:
    """The largest divisor of `extent` that is at most `limit`; 1 if it is not known."""
    if not extent:
        return 1
    return max(n for n in range(1, max(1, min(limit, extent)) + 1) if extent % n == 0)


def reduction_unroll(tile: RegisterTile, extent: int | None) -> int:
    """How many steps of the reduction stand side by side in the innermost loop.

    All, or a power of two: one that divides the extent where that is at least half of what is
    wanted; else what is wanted, and the last steps are a loop of their own. (By 3, 5 or 6 the
    address of one operand takes the register of the other's, all loads come before it, and
    accumulators go to memory: 67 to 105 GFLOP/s instead of 110 to 117.)
    """
    most = max(1, min(8, MAX_UNROLLED // max(1, tile.count)))
    if extent is None:
        return 1
    if extent <= most:
        return max(1, extent)
    most = 1 << most.bit_length() - 1
    divisor = math.gcd(extent, most)
    return divisor if 2 * divisor >= most else most


def tiles_ahead(machine: MachineModel, tile: RegisterTile, steps: int, run: int) -> int:
    """How many tiles of rows ahead those of the left side are to be fetched; 0 if a machine does
    that by itself. Each row is a `run` of bytes along `steps` of the reduction.

    A processor finds out where to read on after the first lines of each run, and stops at the end
    of a page: of long runs it misses little, of short ones nearly all.
    """
    if run >= PAGE:
        return 0
    cycles = steps * step_cycles(machine, math.prod(tile.rows), tile.vectors)
    return math.ceil(MEMORY_CYCLES / cycles)


def fetches_next(
    machine: MachineModel, tile: RegisterTile, dtype: str, steps: int, tiles: int, right: int
) -> bool:
    """Whether the next panel of the vector operand is to be fetched while `tiles` of rows (0: it is
    not known how many), each of so many `steps`, go through the one before it.

    What a network reads once, all of its weights, comes from memory or the third cache. A panel's
    first tile waits for its lines: of `right` bytes that the first cache does not keep, in panels
    of which the second cache holds two, that is worth it where there are few tiles.
    """
    step = bytes_of(dtype, tile.vectors * tile.lanes)
    if right <= machine.l1d.size or 2 * steps * step > machine.l2.size:
        return False
    cycles = step_cycles(machine, math.prod(tile.rows), tile.vectors)
    return step / MEMORY_BYTES > WORTH_FETCHING * (tiles or USUAL_TILES) * cycles


def worth_parallel(machine: MachineModel, dtype: str, steps: int | None) -> bool:
    """Whether `steps` scalar operations outweigh handing work to other threads."""
    return steps is None or steps / machine.lanes(dtype) >= STEPS_OF_A_CORE * machine.cores


def bytes_of(dtype: str, elements: int) -> int:
    """The memory that so many elements take."""
    return elements * max(8, dtype_of(dtype).bits) // 8


def kept_near(machine: MachineModel) -> int:
    """Bytes that stay in the caches from one use to the next while other programs use them too."""
    return max(machine.l2.size, machine.l3.size // 4)
