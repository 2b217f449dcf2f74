"""The primitive `decompose_reduction`."""

from __future__ import annotations

from ....ir.expr import PrimExpr
from ... import op as T
from ...arith.conditions import conjuncts
from ...expr import IterVar, IterVarType, Var
from ...stmt import Block as BlockNode
from ...stmt import BlockRealize, BufferRegion, Stmt, stmt_seq
from ..bindings import uses_loops_up
from ..conditions import require_reduction
from ..instruction import Block, Loop, primitive
from ..poly import variables_in
from ..refusal import refuse
from ..regions import space_at
from ..rewrite import loop_like, replace_statements, substitute
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive
def decompose_reduction(state: ScheduleState, block: Block, loop: Loop) -> Block:
    """Makes the `init` of a reduction a block of its own in front of `loop`.

    for i, k: with init: C[i] = 0        ->   for i: C[i] = 0               # block C_init
              C[i] += A[i, k]                 for i, k: C[i] += A[i, k]     # block C_update

    No loop outside `loop` may belong to the reduction. Returns the block of the `init`.
    """
    root = state.scope_root(block)
    if not block.is_under(loop) or state.scope_root(loop) is not root:
        refuse("the loop is not around the block in its scope", loop, block)
    require_reduction(state, block, root)
    _check_outer(block, loop)
    _require_used_up(state, block, loop)
    nest, init_block = _init_nest(block, loop)
    update = _update_block(block.block)
    realize = _realize(block).replace(block=update)
    body = replace_statements(loop.loop, {id(_realize(block)): realize}) or loop.loop
    old = block.block
    if loop.parent is root:
        made = root.block.replace(
            body=replace_statements(root.block.body, {id(loop.stmt): stmt_seq(nest, body)})
        )
        state.replace(root, made, {root.block: made, old: update})
    else:
        outer = loop.parent.loop if loop.parent is not None else loop.loop
        inner = replace_statements(outer.body, {id(loop.stmt): stmt_seq(nest, body)})
        holder = loop.parent if loop.parent is not None else loop
        state.replace(holder, outer.replace(body=inner), {old: update})
    return state.srefs[id(init_block)]


def _realize(block: StmtSRef) -> BlockRealize:
    if block.realize is None:
        raise TypeError("a block without realization")
    return block.realize


def _check_outer(block: StmtSRef, loop: StmtSRef) -> None:
    """Refuses if a loop outside `loop` runs a reduction axis."""
    outer = {at.loop.loop_var for at in loop.ancestors() if not at.is_block}
    for axis, value in zip(block.block.iter_vars, _realize(block).iter_values, strict=True):
        if axis.iter_type is IterVarType.DataPar:
            continue
        if any(v in outer for v in variables_in(value)):
            refuse(f"a loop outside of it runs the reduction axis `{axis.var.name}`", loop, block)


def _require_used_up(state: ScheduleState, block: StmtSRef, loop: StmtSRef) -> None:
    """Refuses if the loops from `loop` inwards repeat the reduction: it would start once only."""
    space = space_at(state, block)
    inside = {space._variable(at.loop.loop_var) for at in _loops_within(block, loop)}
    if not uses_loops_up(space, list(_realize(block).iter_values), inside):
        refuse("the loops from this one inwards run the reduction more than once", loop, block)


def _init_nest(block: StmtSRef, loop: StmtSRef) -> tuple[Stmt, BlockNode]:
    """The loops around the block of the `init`, from `loop` inwards; only those it needs."""
    realize, stmt = _realize(block), block.block
    axes: list[IterVar] = []
    values: list[PrimExpr] = []
    rename: dict[Var, PrimExpr] = {}
    for axis, value in zip(stmt.iter_vars, realize.iter_values, strict=True):
        if axis.iter_type is not IterVarType.DataPar:
            continue
        made = IterVar(axis.dom, axis.var.copy_with_name(axis.var.name), axis.iter_type,
                       axis.thread_tag)  # fmt: skip
        rename[axis.var] = made.var
        axes.append(made)
        values.append(value)
    inner = _loops_within(block, loop)
    needed = {v for value in values for v in variables_in(value)}
    kept = [at for at in inner if at.loop.loop_var in needed]
    copies: dict[Var, Var] = {
        at.loop.loop_var: at.loop.loop_var.copy_with_suffix("_init") for at in kept
    }
    dropped = {at.loop.loop_var for at in inner} - set(copies)
    condition = [c for c in conjuncts(realize.predicate)
                 if not any(v in dropped for v in variables_in(c))]  # fmt: skip
    init = stmt.init if stmt.init is not None else stmt.body
    made_block = BlockNode(
        tuple(axes),
        (),
        tuple(substitute(w, rename) for w in stmt.writes),
        f"{stmt.name_hint}_init",
        substitute(init, rename),
        alloc_buffers=(),
        annotations=stmt.annotations,
    )
    predicate = T.every(substitute(c, copies) for c in condition)
    body: Stmt = BlockRealize(tuple(substitute(v, copies) for v in values), predicate, made_block)
    for at in reversed(kept):
        body = loop_like(at.loop, copies[at.loop.loop_var], body, copies)
    return body, made_block


def _loops_within(block: StmtSRef, loop: StmtSRef) -> list[StmtSRef]:
    """`loop` and the loops between it and the block, outermost first."""
    found = []
    for at in block.ancestors():
        found.append(at)
        if at is loop:
            break
    return found[::-1]


def _update_block(block: BlockNode) -> BlockNode:
    """The block without `init`, which reads what it updates."""
    own = [BufferRegion(w.buffer, w.region) for w in block.writes
           if all(r.buffer is not w.buffer for r in block.reads)]  # fmt: skip
    return block.replace(
        reads=(*own, *block.reads), init=None, name_hint=f"{block.name_hint}_update"
    )
