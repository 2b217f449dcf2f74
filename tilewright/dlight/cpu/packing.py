"""An operand of a contraction copied, panel by panel, into the order in which it is read.

for panel:
    B_packed[k, 0:width] = B[k, panel * width + (0:width)]     # or B[panel * width + .., k]
    for row tile: acc += A[row, k] * B_packed[k, vector]
"""

from __future__ import annotations

import math

from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...tir.expr import IntImm, PrimExpr, Var
from ...tir.op import const
from ...tir.schedule import BlockRV, LoopRV, Schedule
from ..analysis import Access, BlockInfo, Contraction, IterInfo, variables
from .roles import Roles
from .stages import extent_of, iter_values, vectorize_loop
from .tiling import bytes_of, vector_lanes

MIN_ROWS = 48
"""Rows below which it is faster to multiply along the reduction than to turn an operand round."""

MERGED = 6
"""How many elements are turned round in the time in which the partial sums of a result along the
reduction are added up."""

MIN_ROWS_TO_COPY = 32
"""Rows below which a copy of what is contiguous already does not pay."""

CLASH = 1024
"""Rows so many bytes apart, or a multiple, compete for the same places in the caches."""

FAR = 4096
"""Rows so many bytes apart each lie on a page of their own."""

MAX_COPIES = 8
"""How often an operand that has to be turned may be copied: once for each head that shares it."""

Operand = tuple[int, IterInfo]


def operand_to_pack(info: BlockInfo, roles: Roles | None) -> Operand | None:
    """(which read, its axis of vectors) of the operand to copy; None if none needs it.

    Without `roles` the operand is contiguous along the reduction and has to be turned round; with
    them its rows may lie at a bad distance.
    """
    found = info.contraction if info.is_plain() else None
    if found is None:
        return None
    if roles is not None:
        return _clashing(info, roles)
    for left, right in ((found.left, found.right), (found.right, found.left)):
        made = _turned(info, found, left, right)
        if made is not None:
            return made
    return None


def _clashing(info: BlockInfo, roles: Roles) -> Operand | None:
    """The right side, if steps of its reduction are so far apart, or fall into so few sets of the
    first cache, that a copy pays; None if not."""
    right = roles.right
    stride = right.stride(roles.reduction[-1].var)
    if not isinstance(stride, IntImm) or right.period(roles.column.var):
        return None
    if not _is_matrix(right) and not _reads_each_once(info, right):
        return None
    distance = bytes_of(right.buffer.dtype, stride.value)
    if distance < FAR and (distance < CLASH or distance % CLASH):
        return None
    place = _read_of(info, right)
    return (place, roles.column) if place is not None and _rows(info, right) >= (
        MIN_ROWS_TO_COPY
    ) else None  # fmt: skip


def _turned(info: BlockInfo, found: Contraction, left: Access, right: Access) -> Operand | None:
    """The right side, if vectors of the result go along an axis of it alone: it is copied so that
    they are contiguous there, too. None if not."""
    if not _is_matrix(right) and not _reads_each_once(info, right, MAX_COPIES):
        return None
    for i in info.spatial:
        if i.extent == 1 or i.var in left.variables or i.var not in right.variables:
            continue
        place = _read_of(info, right)
        if found.out.is_unit(i.var) and place is not None and pays_to_turn(info, right):
            return place, i
    return None


def _is_matrix(access: Access) -> bool:
    """True if every index is an axis or a number."""
    return all(isinstance(i, (Var, IntImm)) for i in access.indices)


def _reads_each_once(info: BlockInfo, access: Access, times: int = 1) -> bool:
    """Whether a copy in the order of the axes is at most `times` as large as what is read."""
    extents = [i.extent for i in info.iters if i.var in access.variables]
    sizes = [d.value if isinstance(d, IntImm) else None for d in access.buffer.shape]
    if None in extents or None in sizes:
        return False
    return math.prod(e or 0 for e in extents) <= times * math.prod(s or 0 for s in sizes)


def pays_to_turn(info: BlockInfo, right: Access) -> bool:
    """Whether results are so many for each element of the right side that its copy costs less than
    to add up partial sums along the reduction for each result."""
    extents = [i.extent for i in info.reduction]
    steps = math.inf if None in extents else math.prod(e or 0 for e in extents)
    return _rows(info, right) >= max(2, min(MIN_ROWS, steps / MERGED))


def _rows(info: BlockInfo, right: Access) -> float:
    """How many results read each element of the right side."""
    rows = [r.extent for r in info.spatial if r.var not in right.variables]
    return math.prod(math.inf if r is None else r for r in rows)


def _read_of(info: BlockInfo, access: Access) -> int | None:
    """Which of the reads `access` is; None if there are others of its buffer, which a copy would
    serve too."""
    if sum(a.buffer is access.buffer for a in info.inputs) != 1:
        return None
    found = [k for k, r in enumerate(info.block.reads) if r.buffer is access.buffer]
    return found[0] if len(found) == 1 else None


def pack(
    sch: Schedule,
    info: BlockInfo,
    found: Operand,
    machine: MachineModel,
    filled: bool = True,
) -> BlockRV:
    """Copies an operand so that the lanes of a vector are neighbours: `B[.., j, .., k]` becomes
    `B[.., j // width, .., k, j % width]`. Returns the block that copies.

    `filled`: zeros fill up the last panel; else what is there stays.
    """
    place, axis = found
    assert info.output is not None
    buffer = info.block.reads[place].buffer
    access = next(a for a in info.inputs if a.buffer is buffer)
    lanes = vector_lanes(machine, info.output.buffer.dtype, axis.extent)
    width = 2 * lanes if axis.extent is None or axis.extent >= 2 * lanes else lanes
    if not _is_matrix(access):
        return _pack_by_axes(sch, info, found, access, width)
    where = access.indices.index(axis.var)

    def layout(*i: Var) -> list[PrimExpr]:
        return [*i[:where], i[where] // width, *i[where + 1 :], i[where] % width]

    copy: BlockRV = sch.cache_read(info.block_rv, place, "global")
    zero = const(0, buffer.dtype) if filled else None
    sch.transform_layout(copy, ("write", 0), layout, zero, assume_injective_transform=not filled)
    return copy


def _pack_by_axes(
    sch: Schedule, info: BlockInfo, found: Operand, access: Access, width: int
) -> BlockRV:
    """`B[f(.., j, k)]` becomes `B[.., j // width, k, j % width]`, one index for each axis."""
    place, column = found
    used = [k for k, i in enumerate(info.iters) if i.var in access.variables]
    at = next(k for k, i in enumerate(info.iters) if i is column or i.var is column.var)
    spatial = [k for k in used if info.iters[k].kind == "S" and k != at]
    summed = [k for k in used if info.iters[k].kind == "R"]

    def layout(*i: Var) -> list[PrimExpr]:
        outer = [i[k] for k in spatial]
        return [*outer, i[at] // width, *(i[k] for k in summed), i[at] % width]

    copy: BlockRV = sch.reindex_cache_read(info.block_rv, place, "global", layout)
    return copy


def place_packing(
    sch: Schedule, copy: BlockRV, panels: list[LoopRV], lanes: int, machine: MachineModel
) -> None:
    """Copies one panel at a time, in the innermost of the loops over panels, by vectors."""
    if panels:
        sch.compute_at(copy, panels[-1])
    lane, rest = _lane_and_rest(sch, copy, len(panels))
    crowded = _crowds(BlockInfo(sch, copy), extent_of(sch, lane), machine)
    if crowded and _turn_round(sch, copy, rest, lane, lanes):
        return
    if rest:
        sch.reorder(*rest, lane)
    vectorize_loop(sch, lane, lanes)


def turn_in_place(sch: Schedule, copy: BlockRV, lanes: int) -> bool:
    """Copies panels of unknown number by square tiles, outside of all loops; False for others.

    Before the readers are tiled: afterwards nothing shows that their tiles end with the panels.
    """
    lane, rest = _lane_and_rest(sch, copy, 0)
    return extent_of(sch, lane) is None and _turn_round(sch, copy, rest, lane, lanes)


def _lane_and_rest(sch: Schedule, copy: BlockRV, outside: int) -> tuple[LoopRV, list[LoopRV]]:
    """The loop over the lanes of panels, and the others inside of the `outside` outermost."""
    loops = sch.get_loops(copy)[outside:]
    written = sch.get(copy).body.indices[-1]
    bindings = zip(sch.get(copy).iter_vars, iter_values(sch, copy), strict=True)
    values = [v for axis, v in bindings if axis.var in variables(written)]
    moving = {v for value in values for v in variables(value)}
    lane = next((l for l in loops if sch.get(l).loop_var in moving), None)
    if lane is None:
        raise ScheduleError("the copied panel has no loop over its lanes")
    return lane, [l for l in loops if l is not lane]


def _crowds(info: BlockInfo, width: int | None, machine: MachineModel) -> bool:
    """Whether the `width` rows of a panel are so far apart that the first cache does not hold a
    line of each: lines a way's size apart share one place in each way."""
    near = machine.l1d
    if info.output is None or width is None or not near.ways or len(info.inputs) != 1:
        return False
    written = variables(info.output.indices[-1])
    lane = next(i for i in info.spatial if i.var in written)
    stride = info.inputs[0].stride(lane.var)
    if not isinstance(stride, IntImm):
        return False
    way = near.size // near.ways
    distance = bytes_of(info.inputs[0].buffer.dtype, abs(stride.value))
    return width > near.ways * (way // math.gcd(way, distance))


def _turn_round(sch: Schedule, copy: BlockRV, rest: list[LoopRV], lane: LoopRV, lanes: int) -> bool:
    """Copies by square tiles what lies along another axis than the lanes, so that whole vectors are
    read too, as in `turning.py`; False if it does not."""
    info = BlockInfo(sch, copy)
    if len(info.inputs) != 1:
        return False
    units = {i.var for i in info.spatial if info.inputs[0].is_unit(i.var)}
    values = zip(info.spatial, iter_values(sch, copy), strict=True)
    moving = {v for i, value in values if i.var in units for v in variables(value)}
    along = [loop for loop in rest if sch.get(loop).loop_var in moving]
    if len(along) != 1 or any(extent_of(sch, l) in range(lanes) for l in (*along, lane)):
        return False
    rows, row = sch.split(along[0], [None, lanes])
    columns, vector = sch.split(lane, [None, lanes])
    sch.reorder(*(l for l in rest if l not in along), rows, columns, row, vector)
    near = sch.cache_read(copy, 0, "local")
    sch.compute_at(near, columns)
    read = sch.get_loops(near)[-2:]
    vectorize_loop(sch, read[-1], lanes)
    sch.vectorize(vector)
    for loop in (read[0], row):
        sch.unroll(loop)
    return True
