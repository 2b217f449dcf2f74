"""The primitive `pad_einsum`."""

from __future__ import annotations

from collections.abc import Sequence

from ....ir.expr import PrimExpr, Range
from ... import expr as E
from ... import op as T
from ...buffer import Buffer
from ...expr import BufferLoad, IterVar, IterVarType, Var
from ...stmt import Block as BlockNode
from ...stmt import BlockRealize, BufferRegion, BufferStore, Stmt, stmt_seq
from ..conditions import require_complete_or_reduction
from ..copies import after, fresh_name
from ..factoring import reduction_of
from ..instances import require_every_instance
from ..instruction import Block, primitive
from ..layouts import axes_over, full_nest, sole_nest
from ..poly import variables_in
from ..refusal import refuse
from ..rewrite import point, replace_buffer, replace_statements, with_scope
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive
def pad_einsum(state: ScheduleState, block: Block, padding: list[int]) -> None:
    """Rounds the extents of a block's axes up to multiples of `padding`, its operands being
    copied with zeros beyond their ends, and its result without.

    C[i, j] += A[i, k] * B[k, j]   ->   A_pad = A with zeros; B_pad = B with zeros
                                        C_pad[i, j] += A_pad[i, k] * B_pad[k, j]
                                        C = the beginning of C_pad

    Operands and result are indexed by axes alone; each axis has a loop of its own. An axis of the
    reduction is padded only if the zeros do not count: in a sum of products, of which it indexes
    one.
    """
    stmt = block.block
    if len(padding) != len(stmt.iter_vars) or any(p <= 0 for p in padding):
        refuse(f"{list(padding)} is not a positive multiple for each of the block's axes", block)
    if block.realize is None or not T.is_const_int(block.realize.predicate, 1):
        refuse("the block runs under a condition", block)
    if not isinstance(stmt.body, BufferStore):
        refuse("the block is not a single store", block)
    root = state.scope_root(block)
    require_complete_or_reduction(state, block, root)
    top = sole_nest(block)
    if top.parent is not root:
        refuse("the loops of the block are not outermost in its scope", block)
    require_every_instance(state, block)
    sizes = _sizes(block, padding)
    before: list[Stmt] = []
    copies: dict[Buffer, Buffer] = {}
    for region in stmt.reads:
        shape = _padded_shape(block, region, sizes)
        if shape is not None:
            nest, copy = _padded_copy(state, block, region.buffer, shape)
            before.append(nest)
            copies[region.buffer] = copy
    behind: list[Stmt] = []
    for region in stmt.writes:
        shape = _padded_shape(block, region, sizes)
        if shape is not None:
            copy = with_scope(region.buffer, region.buffer.scope(), f"{region.buffer.name}_pad")
            copy = copy.replace(shape=shape)
            nest, _ = _copy(state, block, copy, region.buffer, region.buffer.shape, None)
            behind.append(nest)
            copies[region.buffer] = copy
    made, loops = _widened(block, top, sizes, copies)
    body = after(root.block.body, top.node, stmt_seq(behind)) if behind else root.block.body
    body = replace_statements(body, {id(top.node): stmt_seq([*before, loops])}) or body
    changed = root.block.replace(
        body=body, alloc_buffers=(*root.block.alloc_buffers, *copies.values())
    )
    state.replace(root, changed, {stmt: made, root.block: changed})


def _sizes(block: StmtSRef, padding: Sequence[int]) -> dict[Var, PrimExpr]:
    """The padded extent of each axis that changes."""
    sizes: dict[Var, PrimExpr] = {}
    if block.realize is None:
        return sizes
    loops = {at.loop.loop_var: at.loop for at in block.ancestors() if not at.is_block}
    for axis, value, p in zip(
        block.block.iter_vars, block.realize.iter_values, padding, strict=True
    ):
        if not isinstance(value, Var) or value not in loops or axis.dom is None:
            refuse(f"the axis `{axis.var.name}` has no loop of its own", block)
        size = axis.dom.extent
        wanted = T.simplified(T.floordiv(size + (p - 1), T.const(p, size.dtype)) * p)
        if T.is_const_int(T.simplified(T.subtract(wanted, size)), 0):
            continue
        sizes[axis.var] = wanted
        _require_index(block, axis)
        if axis.iter_type is not IterVarType.DataPar:
            _require_sum_of_products(block)
    return sizes


def _require_index(block: StmtSRef, axis: IterVar) -> None:
    """Refuses to pad an axis that would only repeat what the block does: one that indexes no
    operand, if it is of the reduction, or else no result."""
    reduces = axis.iter_type is not IterVarType.DataPar
    regions = block.block.reads if reduces else block.block.writes
    if not any(axis.var in variables_in(r.region) for r in regions):
        what = "operand" if reduces else "result"
        refuse(f"the axis `{axis.var.name}` indexes no {what}", block)


def _require_sum_of_products(block: StmtSRef) -> None:
    reduction = reduction_of(block)
    (value, *rest) = reduction.values
    if rest or reduction.operation is not E.Add or not _is_product(value):
        refuse("zeros count in the reduction: it is no sum of products of its operands", block)


def _is_product(value: PrimExpr) -> bool:
    if isinstance(value, E.Mul):
        return _is_product(value.a) and _is_product(value.b)
    if isinstance(value, E.Cast):
        return _is_product(value.value)
    return isinstance(value, BufferLoad)


def _padded_shape(
    block: StmtSRef, region: BufferRegion, sizes: dict[Var, PrimExpr]
) -> tuple[PrimExpr, ...] | None:
    """The shape with padded axes; None if no axis of it is padded."""
    axes = {a.var for a in block.block.iter_vars}
    shape = []
    for r, size in zip(region.region, region.buffer.shape, strict=True):
        if not isinstance(r.min, Var) or r.min not in axes or not T.is_const_int(r.extent, 1):
            refuse(f"`{region.buffer.name}` is not indexed by axes alone", block)
        shape.append(T.cast(sizes.get(r.min, size), size.dtype))
    same = all(a is b for a, b in zip(shape, region.buffer.shape, strict=True))
    return None if same else tuple(shape)


def _padded_copy(
    state: ScheduleState, block: StmtSRef, buffer: Buffer, shape: tuple[PrimExpr, ...]
) -> tuple[Stmt, Buffer]:
    copy = with_scope(buffer, buffer.scope(), f"{buffer.name}_pad").replace(shape=shape)
    nest, _ = _copy(state, block, buffer, copy, shape, buffer.shape)
    return nest, copy


def _copy(
    state: ScheduleState,
    block: StmtSRef,
    source: Buffer,
    target: Buffer,
    shape: Sequence[PrimExpr],
    valid: Sequence[PrimExpr] | None,
) -> tuple[Stmt, BlockNode]:
    """Loops that copy; zeros where the indices are beyond `valid`."""
    axes = axes_over(shape)
    indices = tuple(a.var for a in axes)
    value: PrimExpr = BufferLoad(source, indices)
    if valid is not None:
        inside = [T.less(i, d) for i, d, n in zip(indices, valid, shape, strict=True) if d is not n]
        value = T.if_then_else(T.every(inside), value, T.const(0, source.dtype))
    name = source.name if valid is None else target.name
    return full_nest(
        fresh_name(state, block, name),
        shape,
        BufferStore(target, value, indices),
        (BufferRegion(source, point(indices)),),
        (BufferRegion(target, point(indices)),),
        axes,
        prefix="i",
    )


def _widened(
    block: StmtSRef, top: StmtSRef, sizes: dict[Var, PrimExpr], copies: dict[Buffer, Buffer]
) -> tuple[BlockNode, Stmt]:
    """The block over the padded axes, and its loops."""
    if block.realize is None:
        raise TypeError("a block without realization")
    axes = tuple(
        a.replace(dom=Range(a.dom.min, sizes[a.var])) if a.var in sizes and a.dom is not None else a
        for a in block.block.iter_vars
    )
    made, _ = replace_buffer(block.block.replace(iter_vars=axes), copies)
    extents = {
        value: sizes[a.var]
        for a, value in zip(axes, block.realize.iter_values, strict=True)
        if a.var in sizes
    }
    body: Stmt = BlockRealize(block.realize.iter_values, block.realize.predicate, made)
    for at in block.ancestors():
        if at.is_block:
            break
        loop = at.loop
        size = extents.get(loop.loop_var, loop.extent)
        body = loop.replace(extent=T.cast(size, loop.loop_var.dtype), body=body)
        if at is top:
            break
    return made, body
