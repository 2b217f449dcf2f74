"""The primitive `rfactor`."""

from __future__ import annotations

from dataclasses import dataclass

from ....ir.expr import IntImm, PrimExpr, Range
from ... import op as T
from ...analysis.reduction import Factored, store_all
from ...arith.conditions import conjuncts
from ...buffer import Buffer
from ...expr import BufferLoad, IterVar, IterVarType, Var
from ...stmt import Block as BlockNode
from ...stmt import BlockRealize, BufferRegion, BufferStore, ForKind, Stmt, stmt_seq
from ..conditions import mixed_loops, require_reduction, require_stage_pipeline
from ..copies import fresh_name
from ..factoring import reduction_of
from ..instruction import Block, Loop, primitive
from ..ordering import writes_apart
from ..poly import variables_in
from ..refusal import refuse
from ..regions import space_at
from ..rewrite import (
    loop_like,
    point,
    replace_statements,
    simplify_condition,
    substitute,
    with_scope,
)
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive(name="RFactor")
def rfactor(state: ScheduleState, loop: Loop, factor_axis: int) -> Block:
    """Reduces each iteration of a reduction loop apart, and then the results of all of them.

    for k0, k1: C[i] += A[i, k0, k1]   ->   for k1, k0: C_rf[i, k1] += A[i, k0, k1]
                                            for k1: C[i] += C_rf[i, k1]          # rfactor(k1, 1)

    The loop is serial and belongs to the reduction only, or has one iteration and is not used.
    Where the block is the first in loops that it shares with others, which do not write what it
    reads, and each of their iterations has sums of its own, the partial results are computed
    before, in loops of their own; else within these.
    `factor_axis` is the place of the new dimension. A block of partial results that are of one step
    each has no `init`.
    Returns the block of the partial results; the old block is the final one.
    """
    root = state.scope_root(loop)
    blocks = state.child_blocks(loop)
    if len(blocks) != 1:
        refuse(f"{len(blocks)} blocks are under the loop, not one", loop)
    block = blocks[0]
    require_stage_pipeline(state, root)
    require_reduction(state, block, root)
    chain = _chain(block)
    _check_loops(block, loop, chain)
    plan = _plan(state, block, loop, factor_axis)
    partial = _partial_block(state, plan)
    final = _final_block(plan)
    inner = replace_statements(chain[0].loop, {id(block.realize): partial})
    if inner is None:
        raise TypeError("nothing left of the loops")
    nest = _final_nest(state, plan, chain, final)
    table = _placed(state, block, chain[0], inner, nest)
    made = root.block.replace(
        body=replace_statements(root.block.body, table),
        alloc_buffers=(*root.block.alloc_buffers, *plan.targets),
    )
    state.replace(root, made, {root.block: made, block.block: final.block})
    (made_partial,) = state.blocks(partial.block.name_hint, root)
    return made_partial


def _placed(
    state: ScheduleState, block: StmtSRef, own: StmtSRef, partial: Stmt, final: Stmt
) -> dict[int, Stmt | None]:
    """What stands for the loops of the block, `own` the outermost of those that hold it alone."""
    shared = [at for at in state.loops_of(block) if own.is_under(at)]
    together = state.child_blocks(shared[0]) if shared else [block]
    read = {r.buffer.data for r in block.block.reads}
    changed = {w.buffer.data for other in together[1:] for w in other.block.writes}
    is_first = len(together) > 1 and together[0] is block
    if not is_first or read & changed or not _has_own_sums(state, block, shared):
        return {id(own.stmt): stmt_seq(partial, final)}
    fresh = {at.loop.loop_var: at.loop.loop_var.copy_with_name(at.loop.loop_var.name)
             for at in shared}  # fmt: skip
    before: Stmt = substitute(partial, fresh)
    for at in reversed(shared):
        before = loop_like(at.loop, fresh[at.loop.loop_var], before, fresh)
    rest = replace_statements(shared[0].loop, {id(own.stmt): final}) or final
    return {id(shared[0].stmt): stmt_seq(before, rest)}


def _has_own_sums(state: ScheduleState, block: StmtSRef, shared: list[StmtSRef]) -> bool:
    """True if no two iterations of the `shared` loops write the same element."""
    if block.realize is None:
        return False
    rows = zip(block.block.iter_vars, block.realize.iter_values, strict=True)
    reduced = {v for axis, value in rows if axis.iter_type is IterVarType.CommReduce
               for v in variables_in(value)}  # fmt: skip
    loops = [at for at in state.loops_of(block)
             if at in shared or at.loop.loop_var not in reduced]  # fmt: skip
    return writes_apart(state, block, loops)


@dataclass(frozen=True)
class _Plan:
    block: StmtSRef
    loop: StmtSRef
    place: int
    reduction: Factored
    targets: tuple[Buffer, ...]

    @property
    def realize(self) -> BlockRealize:
        """The realization of the block that is factored."""
        if self.block.realize is None:
            raise TypeError("a block without realization")
        return self.block.realize

    def at(self, indices: tuple[PrimExpr, ...], value: PrimExpr) -> tuple[PrimExpr, ...]:
        """The indices with one more at the new dimension's place."""
        return (*indices[: self.place], value, *indices[self.place :])

    def axis(self, kind: IterVarType) -> IterVar:
        """An axis over the factored loop."""
        loop = self.loop.loop
        var = Var(f"v{loop.loop_var.name}", loop.loop_var.dtype)
        return IterVar(Range(loop.min, loop.extent), var, kind)


def _chain(block: StmtSRef) -> list[StmtSRef]:
    """The loops around the block in which nothing else is, outermost first."""
    found: list[StmtSRef] = []
    child: Stmt | None = block.realize
    for at in block.ancestors():
        if at.is_block or at.loop.body is not child:
            break
        found.append(at)
        child = at.loop
    return found[::-1]


def _check_loops(block: StmtSRef, loop: StmtSRef, chain: list[StmtSRef]) -> None:
    if block.realize is None or loop not in chain:
        refuse("other blocks are in the loops around the block", loop, block)
    if loop.loop.kind is not ForKind.SERIAL:
        refuse(f"the loop is {loop.loop.kind.name.lower()}, not serial", loop)
    inside = {l.loop.loop_var for l in chain}
    mixed = mixed_loops(block)
    for at in chain:
        if at.loop.loop_var in mixed:
            refuse("the loop runs data-parallel and reduction axes at once", at, block)
    pairs = list(zip(block.block.iter_vars, block.realize.iter_values, strict=True))
    for axis, value in pairs:
        used = variables_in(value)
        if axis.iter_type is IterVarType.CommReduce:
            bad = [v for v in used if v not in inside]
            if bad:
                refuse(f"the loop `{bad[0].name}` of the reduction holds other blocks", loop)
        elif loop.loop.loop_var in used:
            refuse(f"the loop runs the data-parallel axis `{axis.var.name}`", loop, block)
    reducing = [v for a, v in pairs if a.iter_type is IterVarType.CommReduce]
    reduces = any(loop.loop.loop_var in variables_in(v) for v in reducing)
    if not reduces and not T.is_const_int(loop.loop.extent, 1):
        refuse("the loop does not belong to the reduction", loop, block)


def _plan(state: ScheduleState, block: StmtSRef, loop: StmtSRef, factor_axis: int) -> _Plan:
    reduction = reduction_of(block)
    count = min(b.ndim for b in reduction.buffers) + 1
    if not -count <= factor_axis < count:
        refuse(f"the new axis {factor_axis} is not one of {count} places", block)
    place = factor_axis % count
    targets = tuple(_widened(b, place, loop) for b in reduction.buffers)
    return _Plan(block, loop, place, reduction, targets)


def _widened(old: Buffer, place: int, loop: StmtSRef) -> Buffer:
    """The buffer of partial results: one more dimension, over the loop."""
    extent = T.cast(loop.loop.extent, _index_type(old, loop))
    shape = (*old.shape[:place], extent, *old.shape[place:])
    return with_scope(old, old.scope(), f"{old.name}_rf").replace(shape=shape)


def _index_type(buffer: Buffer, loop: StmtSRef) -> str:
    return buffer.shape[0].dtype if buffer.shape else loop.loop.loop_var.dtype


def _split_axes(plan: _Plan) -> list[IterVar]:
    """The reduction axes in place of which the partial block has one a loop: those that run in the
    factored loop, and all that share a loop with one of them, since an axis over a loop and one
    over a part of it would not be independent."""
    pairs = zip(plan.block.block.iter_vars, plan.realize.iter_values, strict=True)
    reducing = [
        (a, set(variables_in(v))) for a, v in pairs if a.iter_type is IterVarType.CommReduce
    ]
    shared = {plan.loop.loop.loop_var}
    found: list[IterVar] = []
    while new := [(a, used) for a, used in reducing if a not in found and used & shared]:
        found += [axis for axis, _ in new]
        shared.update(*(used for _, used in new))
    return found


def _partial_block(state: ScheduleState, plan: _Plan) -> BlockRealize:
    """The block that reduces each iteration of the loop apart."""
    stmt, loop = plan.block.block, plan.loop.loop
    factor = plan.axis(IterVarType.DataPar)
    axes, values = [factor], [T.cast(loop.loop_var, factor.var.dtype)]
    env: dict[Var, PrimExpr] = {}
    extra: dict[Var, IterVar] = {}
    loops = {l.loop.loop_var: l.loop for l in plan.block.ancestors() if not l.is_block}
    apart = _split_axes(plan)
    for axis, value in zip(stmt.iter_vars, plan.realize.iter_values, strict=True):
        if axis not in apart:
            axes.append(axis)
            values.append(value)
            continue
        for v in variables_in(value):
            if v is not loop.loop_var and v not in extra:
                dom = Range(loops[v].min, loops[v].extent)
                extra[v] = IterVar(dom, Var(f"v{v.name}", v.dtype), IterVarType.CommReduce)
                axes.append(extra[v])
                values.append(v)
        inner: dict[Var, PrimExpr] = {v: a.var for v, a in extra.items()}
        inner[loop.loop_var] = factor.var
        env[axis.var] = substitute(value, inner)
    reduction = plan.reduction
    indices = [plan.at(s.indices, factor.var) for s in reduction.stores]
    reduces = any(axis.iter_type is IterVarType.CommReduce for axis in axes)
    old = [BufferLoad(b, i) for b, i in zip(plan.targets, indices, strict=True)]
    body, init = _stores(plan.targets, indices, reduction.values), None
    if reduces:
        body = store_all(plan.targets, indices, reduction.combine(old, reduction.values))
        init = substitute(_stores(plan.targets, indices, reduction.identities), env)
    by_buffer = dict(zip(reduction.buffers, plan.targets, strict=True))
    writes = tuple(
        BufferRegion(
            by_buffer[w.buffer],
            (*w.region[: plan.place], Range(factor.var, IntImm(factor.var.dtype, 1)),
             *w.region[plan.place :]),
        )
        for w in stmt.writes
    )  # fmt: skip
    made = BlockNode(
        tuple(axes),
        tuple(substitute(r, env) for r in stmt.reads),
        writes,
        fresh_name(state, plan.block, f"{stmt.name_hint}_rf"),
        substitute(body, env),
        init,
        annotations=stmt.annotations,
    )
    return BlockRealize(tuple(values), plan.realize.predicate, made)


def _stores(
    buffers: tuple[Buffer, ...],
    indices: list[tuple[PrimExpr, ...]],
    values: tuple[PrimExpr, ...],
) -> Stmt:
    """The stores of values that do not depend on each other."""
    return stmt_seq(
        [BufferStore(b, v, i) for b, v, i in zip(buffers, values, indices, strict=True)]
    )


def _final_block(plan: _Plan) -> BlockRealize:
    """The block that reduces the partial results."""
    stmt = plan.block.block
    factor = plan.axis(IterVarType.CommReduce)
    axes, values = [factor], [T.cast(plan.loop.loop.loop_var, factor.var.dtype)]
    env: dict[Var, PrimExpr] = {}
    for axis, value in zip(stmt.iter_vars, plan.realize.iter_values, strict=True):
        if axis.iter_type is IterVarType.CommReduce:
            continue
        copied = IterVar(axis.dom, axis.var.copy_with_name(axis.var.name), axis.iter_type,
                         axis.thread_tag)  # fmt: skip
        env[axis.var] = copied.var
        axes.append(copied)
        values.append(value)
    reduction = plan.reduction
    indices = [tuple(substitute(i, env) for i in s.indices) for s in reduction.stores]
    kept = [BufferLoad(b, i) for b, i in zip(reduction.buffers, indices, strict=True)]
    partial = [BufferLoad(b, plan.at(i, factor.var))
               for b, i in zip(plan.targets, indices, strict=True)]  # fmt: skip
    body = store_all(reduction.buffers, indices, reduction.combine(kept, partial))
    made = BlockNode(
        tuple(axes),
        tuple(BufferRegion(p.buffer, point(p.indices)) for p in partial),
        tuple(substitute(w, env) for w in stmt.writes),
        stmt.name_hint,
        body,
        _stores(reduction.buffers, indices, reduction.identities),
        annotations=stmt.annotations,
    )
    return BlockRealize(tuple(values), plan.realize.predicate, made)


def _final_nest(
    state: ScheduleState, plan: _Plan, chain: list[StmtSRef], final: BlockRealize
) -> Stmt:
    """The loops around the final block: those of its axes, and those of one iteration that no axis
    uses, with variables of their own."""
    needed = {v for value in final.iter_values for v in variables_in(value)}
    used = {v for value in plan.realize.iter_values for v in variables_in(value)}
    needed |= {l.loop.loop_var for l in chain
               if l.loop.loop_var not in used and T.is_const_int(l.loop.extent, 1)}  # fmt: skip
    kept = [l.loop for l in chain if l.loop.loop_var in needed]
    rename: dict[Var, Var] = {l.loop_var: l.loop_var.copy_with_name(l.loop_var.name) for l in kept}
    # where a partial result exists, it exists at the beginning of the other reduction loops
    first: dict[Var, PrimExpr] = {
        l.loop.loop_var: l.loop.min for l in chain if l.loop.loop_var not in needed
    }
    space = space_at(state, chain[0])
    for l in kept:
        space.bind(l.loop_var, l.min, l.extent)
    parts = [substitute(c, first) for c in conjuncts(final.predicate)]
    predicate = simplify_condition(space, T.every(parts))
    body: Stmt = BlockRealize(
        tuple(substitute(v, rename) for v in final.iter_values),
        substitute(predicate, rename),
        final.block,
    )
    for l in reversed(kept):
        made = loop_like(l, rename[l.loop_var], body)
        body = made.replace(annotations={}) if l is plan.loop.loop else made
    return body
