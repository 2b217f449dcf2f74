"""The primitive `decompose_padding`."""

from __future__ import annotations

from ....ir.expr import FloatImm, IntImm, PrimExpr
from ... import op as T
from ...arith.conditions import conjuncts
from ...expr import Call, IterVar, IterVarType, Var
from ...stmt import Block as BlockNode
from ...stmt import BlockRealize, BufferStore, Stmt, stmt_seq
from ..conditions import require_complete
from ..copies import fresh_name
from ..inlining import with_regions
from ..instruction import Block, Loop, primitive
from ..padded import cut_nest, joined, ranges_within, unit_loops
from ..poly import variables_in
from ..refusal import refuse
from ..regions import space_at
from ..rewrite import loop_like, replace_statements, simplify_condition, substitute
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive
def decompose_padding(state: ScheduleState, block: Block, loop: Loop) -> Block:
    """Makes of a block that pads one that fills with the constant, before `loop`, and one that
    copies where there is something to copy.

    for i: B[i] = A[i - 1] if 1 <= i < n else 0   ->   for i in range(n + 1): B[i] = 0
                                                       for i in range(n - 1): B[i + 1] = A[i]

    The loops of the copy are cut to the part that is copied, if the condition gives a range of each
    axis; loops outside of `loop` and those that run several axes get a condition instead. Returns
    the block that fills.
    """
    root = state.scope_root(block)
    require_complete(state, block, root)
    if not block.is_under(loop) or block.realize is None:
        refuse("the loop is not around the block", loop, block)
    if not loop.is_under(root):
        refuse("the loop is outside of the block that is around", loop, block)
    store, condition, value, fill = _parts(block)
    stmt = block.block
    env = {a.var: v for a, v in
           zip(stmt.iter_vars, block.realize.iter_values, strict=True)}  # fmt: skip
    inside = simplify_condition(space_at(state, block), substitute(condition, env))
    if T.is_const_int(inside, 1):
        refuse("the block's condition always holds: there is nothing to fill", block)
    nest, filled = _fill_nest(state, block, loop, store, fill)
    copy = store.replace(value=value)
    ranges = ranges_within(state, block, condition)
    if ranges is None:
        made = with_regions(stmt.replace(body=copy))
        units = unit_loops(loop)
        predicate = joined(substitute(inside, units), substitute(block.realize.predicate, units))
        values = tuple(substitute(v, units) for v in block.realize.iter_values)
        realize = BlockRealize(values, predicate, made)
        body: Stmt = replace_statements(loop.loop, {id(block.realize): realize}) or loop.loop
    else:
        body, made = cut_nest(state, block, loop, copy, ranges)
    table: dict[int, Stmt | None] = {id(loop.stmt): stmt_seq(nest, body)}
    changed = root.block.replace(body=replace_statements(root.block.body, table))
    state.replace(root, changed, {stmt: made, root.block: changed})
    return state.srefs[id(filled)]


def _parts(block: StmtSRef) -> tuple[BufferStore, PrimExpr, PrimExpr, PrimExpr]:
    """The store, its condition, the value where it holds and the constant elsewhere."""
    store = block.block.body
    if not isinstance(store, BufferStore):
        refuse("the block is not a single store", block)
    call = store.value
    if not isinstance(call, Call) or getattr(call.op, "name", "") != "tir.if_then_else":
        refuse("the block does not store an if_then_else", block)
    condition, value, fill = call.args
    if not isinstance(fill, (IntImm, FloatImm)):
        refuse("what the block stores elsewhere is not a constant", block)
    return store, condition, value, fill  # type: ignore[return-value]


def _fill_nest(
    state: ScheduleState, block: StmtSRef, loop: StmtSRef, store: BufferStore, fill: PrimExpr
) -> tuple[Stmt, BlockNode]:
    """The loops from `loop` inwards around a block that stores the constant."""
    if block.realize is None:
        raise TypeError("a block without realization")
    loops = [at for at in block.ancestors() if not at.is_block and
             (at is loop or at.is_under(loop))]  # fmt: skip
    copies: dict[Var, Var] = {
        at.loop.loop_var: at.loop.loop_var.copy_with_name(at.loop.loop_var.name) for at in loops
    }
    fresh = unit_loops(loop) | copies
    axes = [IterVar(a.dom, a.var.copy_with_name(a.var.name), IterVarType.DataPar)
            for a in block.block.iter_vars]  # fmt: skip
    rename: dict[Var, PrimExpr] = {
        a.var: b.var for a, b in zip(block.block.iter_vars, axes, strict=True)
    }
    made = BlockNode(
        tuple(axes),
        (),
        tuple(substitute(w, rename) for w in block.block.writes),
        fresh_name(state, block, f"{block.block.name_hint}_pad_const"),
        substitute(BufferStore(store.buffer, fill, store.indices), rename),
    )
    values = tuple(substitute(v, fresh) for v in block.realize.iter_values)
    kept = [c for c in conjuncts(block.realize.predicate) if variables_in(c)]
    body: Stmt = BlockRealize(values, substitute(T.every(kept), fresh), made)
    for at in loops:
        body = loop_like(at.loop, copies[at.loop.loop_var], body, fresh)
    return body, made
