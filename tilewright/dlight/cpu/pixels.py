"""Rows and columns of an image as one axis, where a contraction goes through them alike.

for y, x: acc[.., y, x] += a[.., y, x] * b         x of 14: a vector of 16 lanes is not full
->  for yx: acc[.., yx] += a[.., yx // 14, yx % 14] * b             yx of 196: 12 of 13 are
"""

from __future__ import annotations

from ...ir.expr import PrimExpr
from ...target.machine import MachineModel
from ...tir.expr import Var
from ...tir.schedule import Schedule
from ..analysis import BlockInfo
from .fallback import attempted
from .stages import block_infos, goes_on, sole_follower


def merge_pixels(sch: Schedule, machine: MachineModel) -> Schedule:
    """The last two axes of each contraction's result merged, where rows do not fill vectors and
    all that it reads, and all that follows it, goes on in memory from one row to the next."""
    for info in block_infos(sch):
        if _is_ragged(info, machine):
            sch = attempted(sch, info, machine, _merge)
    return sch


def _is_ragged(info: BlockInfo, machine: MachineModel) -> bool:
    """True for a contraction whose rows do not fill vectors, if merging them would."""
    if not info.is_plain() or info.contraction is None or info.output is None:
        return False
    if len(info.spatial) < 2 or info.iters[: len(info.spatial)] != info.spatial:
        return False
    row, column = info.spatial[-2:]
    lanes = machine.lanes(info.output.buffer.dtype)
    if row.extent == 1 or (column.extent is not None and column.extent % lanes == 0):
        return False
    sides = (info.contraction.left, info.contraction.right)
    return sum(column.var in a.variables for a in sides) == 1 and _is_one_axis(info)


def _is_one_axis(info: BlockInfo) -> bool:
    """True if the last two spatial axes number the last two dimensions of the result, and every
    access goes on from one to the next."""
    if not info.is_plain() or info.output is None or len(info.spatial) < 2:
        return False
    row, column = info.spatial[-2:]
    placed = [i is a.var for i, a in zip(info.output.indices[-2:], (row, column), strict=True)]
    if info.output.buffer.ndim < 2 or not all(placed):
        return False
    accesses = [info.output, *info.inputs]
    return all(goes_on(a, row.var, column.var, column.dom) for a in accesses)


def _merge(sch: Schedule, info: BlockInfo, machine: MachineModel) -> None:
    """Makes one axis of rows and columns, in the block and in what takes its result."""
    follower = sole_follower(sch, info)
    if follower is None:
        follower = sch.cache_write(info.block_rv, 0, "global")
    after = BlockInfo(sch, follower)
    if sch.get_consumers(follower) or not _is_one_axis(after):
        return
    width = info.spatial[-1].dom
    kept = len(info.spatial) - 2
    rank = info.block.writes[0].buffer.ndim - 2

    def axes(*i: Var) -> list[PrimExpr]:
        return [*i[:kept], i[kept] * width + i[kept + 1], *i[kept + 2 :]]

    def dims(*i: Var) -> list[PrimExpr]:
        return [*i[:rank], i[rank] * width + i[rank + 1]]

    for block in (info.block_rv, follower):
        sch.transform_block_layout(block, axes)
    sch.transform_layout(info.block_rv, ("write", 0), dims)
