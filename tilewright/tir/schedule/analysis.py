"""Questions about schedules: whether a block is there, an output, or fits an instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.expr import IntImm, PrimExpr, Range, as_scalar
from .. import op as T
from ..arith import Analyzer
from ..buffer import Buffer
from ..expr import Var
from ..function import PrimFunc
from ..index_map import IndexMap
from ..stmt import BlockRealize, For, Stmt
from .auto_tensorize import AutoTensorizeMappingInfo as AutoTensorizeMappingInfo
from .auto_tensorize import get_auto_tensorize_mapping_info as get_auto_tensorize_mapping_info
from .bindings import digits_of, is_affine
from .conditions import writes_out
from .poly import Space, value_of
from .rv import BlockRV
from .schedule import Schedule
from .state import require_function


def has_block(sch: Schedule, block_name: str) -> bool:
    """True if the function worked on has a block of that name."""
    name = require_function(sch.mod, None, sch.func_working_on)
    return bool(sch.state.blocks(block_name, sch.state.roots[name]))


def is_output_block(sch: Schedule, block: BlockRV) -> bool:
    """True if the block writes a buffer which lives longer than its scope."""
    sref = sch.get_sref(block)
    return writes_out(sref, sch.state.scope_root(sref))


@dataclass(frozen=True)
class TensorizeInfo:
    """How an instruction fits a block: for each loop of the block that the instruction covers (by
    its statement), the loop of the description; their axes in the description's order."""

    loop_map: dict[For, For]
    desc_loop_indexer: dict[For, int]
    block_iter_paddings: tuple[int, ...] | None = None


def get_tensorize_loop_mapping(
    sch: Schedule, block: BlockRV, desc_func: PrimFunc, allow_padding: bool = False
) -> TensorizeInfo | None:
    """Which loops of the block correspond to the loops of an instruction's description, matched
    from the innermost axes outwards by kind; None if the extents do not fit.

    With `allow_padding` an extent may be rounded up; `block_iter_paddings` then says to what.
    """
    sref = sch.get_sref(block)
    if sref.realize is None:
        return None
    desc_loops, desc = _description(desc_func.body)
    if desc is None:
        return None
    ours = {at.loop.loop_var: at.loop for at in sch.state.loops_of(sref)}
    left = list(zip(sref.block.iter_vars, sref.realize.iter_values, strict=True))
    paddings = {axis.var: 1 for axis in sref.block.iter_vars}
    loop_map: dict[For, For] = {}
    theirs = list(zip(desc.block.iter_vars, desc.iter_values, strict=True))
    for axis, value in reversed(theirs):
        loop = next((l for l in desc_loops if l.loop_var is value), None)
        found = next(
            (k for k in reversed(range(len(left))) if left[k][0].iter_type == axis.iter_type), None
        )
        if loop is None or found is None:
            return None
        own, bound = left.pop(found)
        target = ours.get(bound) if isinstance(bound, Var) else None
        if target is None:
            return None
        size, unit = target.extent, loop.extent
        if not isinstance(size, IntImm) or not isinstance(unit, IntImm):
            return None
        if size.value % unit.value:
            if not allow_padding:
                return None
            paddings[own.var] = unit.value
        loop_map[target] = loop
    padded = tuple(paddings.values()) if any(p != 1 for p in paddings.values()) else None
    return TensorizeInfo(loop_map, {l: k for k, l in enumerate(desc_loops)}, padded)


def _description(body: Stmt) -> tuple[list[For], BlockRealize | None]:
    """The loops of an instruction's description and the block in them."""
    while isinstance(body, BlockRealize) and not body.iter_values:
        body = body.block.body
    loops: list[For] = []
    while isinstance(body, For):
        loops.append(body)
        body = body.body
    return loops, body if isinstance(body, BlockRealize) else None


def suggest_index_map(
    buffer: Buffer, indices: Sequence[PrimExpr], loops: Sequence[For], predicate: PrimExpr
) -> IndexMap | None:
    """A layout in which `indices`, accessed in the order of `loops`, come one after another: a
    dimension for each loop that moves in the buffer.

    None if the indices are not affine or leave holes. `predicate` does not matter to the order.
    """
    del predicate
    space = Space()
    for l in loops:
        space.bind(l.loop_var, l.min, l.extent)
    places = [as_scalar(i) for i in indices]
    if not is_affine(space, places, {space._variable(l.loop_var) for l in loops}):
        return None
    order = {space._variable(l.loop_var): k for k, l in enumerate(loops)}
    flat = space.joined(space.poly(_flattened(places, buffer.shape)))
    parts: list[_Part] = []
    for digit in digits_of(space, flat, set(order)) or ():
        scale, extent = value_of(digit.scale), value_of(digit.extent)
        loop = max(order[v] for v in space.variables(dict(digit.source)))
        if scale is None or extent is None:
            return None
        if extent > 1:
            parts.append((loop, -(value_of(digit.lower) or 0), scale, extent))
    parts = _joined(parts)
    if not _are_dense(parts) or value_of(space.relax(flat)[0] or {}) != 0:
        return None
    axes = [Var(f"i{k}", i.dtype) for k, i in enumerate(places)]
    analyzer = Analyzer()
    for axis, size in zip(axes, buffer.shape, strict=True):
        analyzer.bind(axis, Range(IntImm(axis.dtype, 0), T.cast(size, axis.dtype)))
    whole = _flattened(axes, buffer.shape)
    largest = max((scale for *_, scale, _ in parts), default=1)
    final = []
    for *_, scale, extent in parts:
        part = T.floordiv(whole, scale)
        final.append(analyzer.simplify(part if scale == largest else T.floormod(part, extent)))
    return IndexMap(tuple(axes), tuple(final))


def _flattened(indices: Sequence[PrimExpr], shape: Sequence[PrimExpr]) -> PrimExpr:
    """The place in memory of an element, in row-major order."""
    made: PrimExpr = T.const(0, indices[0].dtype if indices else "int32")
    for index, size in zip(indices, shape, strict=True):
        made = T.add(T.multiply(made, T.cast(size, index.dtype)), index)
    return made


_Part = tuple[int, int, int, int]
"""A digit of the loop of that number: the negative of what it counts in the loop, then what it
counts in memory and its extent."""


def _joined(parts: Sequence[_Part]) -> list[_Part]:
    """The digits from the outermost loop inwards, those that follow each other both in a loop and
    in memory made one."""
    made: list[_Part] = []
    for loop, lower, scale, extent in sorted(parts):
        if made and made[-1][0] == loop:
            _, above, wide, many = made[-1]
            if above == lower * extent and wide == scale * extent:
                made[-1] = (loop, lower, scale, extent * many)
                continue
        made.append((loop, lower, scale, extent))
    return made


def _are_dense(parts: Sequence[_Part]) -> bool:
    """True if the digits, each with its scale and extent, write all numbers up to their product."""
    span = 1
    for scale, extent in sorted((scale, extent) for *_, scale, extent in parts):
        if scale != span:
            return False
        span *= extent
    return True
