"""Attention: a product, what is done to its rows, and a product with the result, in one pass.

parallel batch, head, block of queries:
    scores[queries, keys] = q k, in register tiles, with what is added to them
    for each row: its maximum; exp; the sum
    out[queries, width] = scores v, in register tiles, over the sums

The scores of a block of queries stay in the caches; no others exist. All keys are in one block:
for so many that a few rows overflow the second cache, the third holds them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...support.errors import ScheduleError
from ...target.machine import MachineModel
from ...target.target import Target
from ...tir.expr import Var
from ...tir.function import PrimFunc
from ...tir.schedule import BlockRV, LoopRV, Schedule
from ...tir.transform.prefetch_ahead import PREFETCH_FIRST
from ..analysis import BlockInfo, IterInfo, variables
from ..base import ScheduleRule, log_refusal, note
from .fallback import is_scheduled
from .packing import operand_to_pack, pack, place_packing, turn_in_place
from .roles import Roles, plain_roles, plan
from .rows import factor, is_row_reduction, schedule_inner
from .softmax import divided_late, softmax_of
from .stages import (
    attempt,
    block_infos,
    extent_of,
    inline_injective,
    iter_values,
    parallelize,
    sole_follower,
)
from .tiles import TiledLoops, TileOrder, tile_loops
from .tiling import MAX_IMBALANCE, bytes_of, imbalance, vector_lanes

FEW_QUERIES = (1, 2, 3, 4)
"""Numbers of queries that get a schedule of their own where it is known at run time only."""

MAX_QUERIES = 64
"""Queries of a block: with so many, keys and values are read seldom enough."""


@dataclass(frozen=True, eq=False)
class Parts:
    """The blocks of an attention: the products and what lies between them."""

    first: BlockInfo
    between: list[BlockInfo]
    second: BlockInfo


class Attention(ScheduleRule):
    """Functions of two products with row-wise operations between them."""

    def apply(self, func: PrimFunc, target: Target, tunable: bool) -> Schedule | None:
        """The function with a block of queries at a time; None if it is not of that kind."""
        machine = MachineModel.of(target)
        try:
            sch = Schedule(func, error_render_level="fast")
            inline_injective(sch)
            parts = parts_of(block_infos(sch))
            softmax = softmax_of(parts.between, parts.second) if parts is not None else None
            if parts is not None and softmax is not None:
                late = divided_late(sch.func, softmax, parts.second)
                sch = Schedule(late, error_render_level="fast")
                inline_injective(sch)
                parts = parts_of(block_infos(sch))
        except ScheduleError as why:
            log_refusal("Attention", why)
            return None
        for turns in (True, False) if parts is not None else ():
            made = sch.copy()
            if attempt(schedule_attention, made, parts, machine, turns):
                return made
        return None

    def special(self, func: PrimFunc, target: Target) -> tuple[Var, Sequence[int]] | None:
        """The number of queries, where the keys are turned round for them: that takes longer than
        the products of a few, which read both along the sum."""
        del target
        sch = Schedule(func, error_render_level="fast")
        inline_injective(sch)
        parts = parts_of(block_infos(sch))
        if parts is None or operand_to_pack(parts.first, plain_roles(parts.first)) is None:
            return None
        roles = plain_roles(parts.second)
        if roles is None or len(rows := [i.dom for i in roles.rows if i.extent != 1]) != 1:
            return None
        (queries,) = rows
        keys = roles.reduction[-1].dom
        if not isinstance(queries, Var) or queries is keys:
            return None
        return queries, FEW_QUERIES


def parts_of(infos: list[BlockInfo]) -> Parts | None:
    """The parts of an attention, if these blocks are one."""
    products = [k for k, i in enumerate(infos) if plain_roles(i) or operand_to_pack(i, None)]
    if len(products) != 2 or products[0] != 0 or len(infos) > products[1] + 2:
        return None
    between = infos[1 : products[1]]
    rest = [*between, *infos[products[1] + 1 :]]
    if not all(i.is_plain() and (i.is_injective() or is_row_reduction(i)) for i in rest):
        return None
    return Parts(infos[0], between, infos[products[1]])


def queries_of_block(
    machine: MachineModel, dtype: str, queries: int | None, keys: int | None, rows: int
) -> int:
    """How many queries are a block: whole tiles of `rows` whose scores fill a part of the second
    cache; equally many in each block."""
    limit = MAX_QUERIES if keys is None else machine.l2.size // 4 // max(1, bytes_of(dtype, keys))
    size = max(1, min(limit, MAX_QUERIES) // rows) * rows
    if queries is None:
        return size
    blocks = -(-queries // size)
    return -(-queries // (blocks * rows)) * rows


def schedule_attention(sch: Schedule, parts: Parts, machine: MachineModel, turns: bool) -> None:
    """Computes everything in the loop over blocks of queries of the second product. `turns`: copies
    keys of unknown number by square tiles, which not every length allows."""
    roles = plain_roles(parts.second)
    if roles is None or not roles.rows or parts.second.output is None:
        raise ScheduleError("the second product has no rows")
    dtype = parts.second.output.buffer.dtype
    partials = {i.name: factor(sch, i, machine) for i in parts.between if i.is_reduction()}
    keys = _packed_keys(sch, parts.first, machine)
    first = BlockInfo(sch, parts.first.block_rv)
    lanes = vector_lanes(machine, dtype, first.spatial[-1].extent)
    placed = turns and keys is not None and turn_in_place(sch, keys, lanes)
    place = _place(first)
    tile = plan(machine, roles, dtype)
    query = roles.rows[-1]
    keys_known = roles.reduction[-1].extent
    size = queries_of_block(machine, dtype, query.extent, keys_known, tile.rows[-1])
    outer, within = _split(sch, query, size)
    heads = [i.loop_rv for i in (*roles.batch, *roles.rows[:-1]) if i.loop_rv is not None]
    others = [i.loop_rv for i in (*roles.outer_columns, roles.column, *roles.reduction)]
    sch.reorder(*heads, outer, within, *[l for l in others if l is not None])
    depth = len(heads) + 1
    follower = sole_follower(sch, parts.second)
    if follower is not None:  # it may read what only the loop over blocks holds
        sch.reverse_compute_at(follower, outer)
    order: list[BlockRV] = [parts.first.block_rv]
    for info in parts.between:
        order += [rv for rv in (partials.get(info.name), info.block_rv) if rv is not None]
    for rv in reversed(order):
        sch.compute_at(rv, outer, preserve_unit_loops=False, index=-2)
    inner = replace(query, dom=sch.get(within).extent, loop_rv=within)
    own = replace(roles, rows=[inner], batch=[])
    weighted = _tile(sch, parts.second, own, machine, depth)
    scored = _tile(sch, first, None, machine, depth)
    if scored.columns:  # what is added to the scores comes from memory, in short runs
        sch.annotate(scored.columns[-1], PREFETCH_FIRST, 1)
    starts = [
        (parts.second.block_rv, weighted.reduction),
        (first.block_rv, scored.reduction),
        *_rows(sch, order[1:], list(partials.values()), machine, depth, place),
    ]
    ragged = [outer] if query.extent is None or query.extent % size else []
    around = [*heads, outer]
    if ragged and _is_uneven(sch, heads, machine):
        around[-1], _ = sch.split(outer, [machine.cores, None])
        ragged = []
    threads = parallelize(sch, around, machine, ragged=ragged)
    note(sch, parts.second.block_rv, f"{size} queries at a time, {threads}")
    if keys is not None:
        if not placed:
            place_packing(sch, keys, [], lanes, machine)
        parallelize(sch, sch.get_loops(keys)[: 3 if placed else -1], machine)
    for rv, start in starts:
        sch.decompose_reduction(rv, start)


def _is_uneven(sch: Schedule, heads: list[LoopRV], machine: MachineModel) -> bool:
    """True if cores would get unequal numbers of heads: then each takes a share of every head's
    queries, whose last block is still the end of a loop."""
    extents = [extent_of(sch, loop) for loop in heads]
    if None in extents or machine.cores == 1:
        return False
    total = math.prod(e for e in extents if e is not None)
    return total >= machine.cores and imbalance(total, machine.cores) > MAX_IMBALANCE


def _packed_keys(sch: Schedule, first: BlockInfo, machine: MachineModel) -> BlockRV | None:
    """Copies the keys, once, into the order in which blocks of queries read them, where theirs is
    not as good; the block that copies."""
    found = operand_to_pack(first, plain_roles(first))
    return None if found is None else pack(sch, first, found, machine, filled=False)


def _split(sch: Schedule, query: IterInfo, size: int) -> tuple[LoopRV, LoopRV]:
    """The loops over blocks of `size` queries and within one."""
    if query.loop_rv is None:
        raise ScheduleError("the queries are not one loop")
    outer, within = sch.split(query.loop_rv, [None, size])
    return outer, within


def inner_roles(sch: Schedule, info: BlockInfo, depth: int) -> Roles:
    """The axes of the first product by what they do, each with its loop within a block."""
    roles = plain_roles(info)
    if roles is None:
        raise ScheduleError("the first product is none")
    loops = {sch.get(loop).loop_var: loop for loop in sch.get_loops(info.block_rv)[depth:]}
    bound = zip(sch.get(info.block_rv).iter_vars, iter_values(sch, info.block_rv), strict=True)
    by_axis = {
        axis.var: [loops[v] for v in variables(value) if v in loops] for axis, value in bound
    }

    def inside(axes: list[IterInfo]) -> list[IterInfo]:
        made = []
        for i in axes:
            own = by_axis[i.var]
            if len(own) > 1:
                raise ScheduleError("an axis runs in more than one loop")
            made += [replace(i, dom=sch.get(l).extent, loop_rv=l) for l in own]
        return made

    column = inside([roles.column])
    if len(column) != 1:
        raise ScheduleError("there is one key")
    return Roles(
        roles.left, roles.right, column[0], inside(roles.outer_columns), inside(roles.rows),
        inside(roles.batch), inside(roles.reduction),
    )  # fmt: skip


def _tile(
    sch: Schedule, info: BlockInfo, roles: Roles | None, machine: MachineModel, depth: int
) -> TiledLoops:
    """Tiles a product within a block of queries."""
    if info.output is None:
        raise ScheduleError("a product has one store")
    found = roles or inner_roles(sch, info, depth)
    tile = plan(machine, found, info.output.buffer.dtype)
    return tile_loops(sch, info, found, tile, TileOrder(outside=depth))


def _place(first: BlockInfo) -> int:
    """Which index of the scores is the query."""
    roles = plain_roles(first)
    if roles is None or not roles.rows or first.output is None:
        raise ScheduleError("the first product has no rows")
    wanted = roles.rows[-1].var
    found = [k for k, index in enumerate(first.output.indices) if index is wanted]
    if len(found) != 1:
        raise ScheduleError("the queries are no index of the scores")
    return found[0]


def _rows(
    sch: Schedule,
    order: list[BlockRV],
    partials: list[BlockRV | None],
    machine: MachineModel,
    depth: int,
    place: int,
) -> list[tuple[BlockRV, LoopRV]]:
    """Vectors along each row; the reductions, each with its first loop within a row."""
    starts = []
    for rv in order:
        if is_scheduled(sch, BlockInfo(sch, rv)):
            continue  # it runs in the tiles of the first product
        outside = depth + _row_outside(sch, rv, depth, place)
        if sch.get(rv).init is not None:
            starts.append((rv, outside))
        schedule_inner(sch, rv, outside, machine, rv in partials)
        if rv not in partials:
            sch.set_scope(rv, 0, "global")  # many rows: too much for a stack
    return [(rv, sch.get_loops(rv)[outside]) for rv, outside in starts]


def _row_outside(sch: Schedule, rv: BlockRV, depth: int, place: int) -> int:
    """Brings the loop over the queries of a block outside of those along a row. Returns how many
    there are: none for a single query."""
    block = sch.get(rv)
    loops = sch.get_loops(rv)[depth:]
    inner = {sch.get(loop).loop_var: loop for loop in loops}
    bound = zip(block.iter_vars, iter_values(sch, rv), strict=True)
    values = [v for axis, v in bound if axis.var is block.body.indices[place]]
    row = [inner[v] for value in values for v in variables(value) if v in inner]
    if len(row) > 1:
        raise ScheduleError("the queries of a block are not one loop")
    rest = [loop for loop in loops if loop not in row]
    if row and rest:
        sch.reorder(*row, *rest)
    return len(row)
