"""The primitive `reverse_compute_inline`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ....ir.expr import PrimExpr
from ....ir.functor import on
from ....ir.structural import structural_equal
from ... import op as T
from ...arith import simplify
from ...arith.conditions import conjuncts
from ...buffer import Buffer
from ...expr import BufferLoad, IterVarType, Var
from ...stmt import Block as BlockNode
from ...stmt import BlockRealize, BufferStore
from ..conditions import require_complete, require_not_output, require_stage_pipeline
from ..inlining import (
    axes_at,
    require_loads_only,
    single_store,
    with_regions,
    without_buffer,
)
from ..instances import require_every_instance
from ..instruction import Block, primitive
from ..ordering import require_elements_apart, require_order_kept
from ..refusal import refuse
from ..regions import space_at
from ..rewrite import (
    Folding,
    MapLoads,
    accesses,
    replace_statements,
    simplify_condition,
    substitute,
)
from ..sref import StmtSRef
from ..state import ScheduleState

AxesAt = Callable[[Sequence[PrimExpr]], dict[Var, PrimExpr]]


@primitive
def reverse_compute_inline(state: ScheduleState, block: Block) -> None:
    """Puts what a consumer does with its producer's result into the producer, and removes the
    consumer.

    B[i] = f(A[i]); C[i] = g(B[i])   ->   C[i] = g(f(A[i]))

    The block is complete, a single store; it has one producer, also complete, whose result only
    this block reads, at its axes. A producer with `init` has no reduction axes, and the block does
    no more than copy its result.
    """
    root = state.scope_root(block)
    require_stage_pipeline(state, root)
    require_complete(state, block, root)
    store = single_store(block)
    producer, buffer = _producer(state, block, root)
    _require_stores(producer, store, buffer)
    load = _only_load(block, store, buffer)
    axes = axes_at(block.block, load.indices, f"`{buffer.name}` is loaded")
    require_loads_only(root, buffer)
    require_order_kept(state, root, block, [producer])
    require_elements_apart(state, root, block, producer)
    _require_inside(state, block, load)
    require_every_instance(state, block)
    rewriter = _Forward(buffer, store, axes)
    stmt = producer.block
    init = rewriter.run(stmt.init) if stmt.init is not None else None
    taken = [r.buffer for r in block.block.reads if r.buffer is not buffer]
    made = with_regions(stmt.replace(body=rewriter.run(stmt.body), init=init), *taken)
    realize = _guarded(state, block, producer, axes, made)
    table = {id(block.realize): None, id(producer.realize): realize}
    inner = replace_statements(root.block.body, table)
    if inner is None:
        refuse("the block is the only one in its scope", block)
    changed = without_buffer(root.block.replace(body=inner), buffer)
    state.replace(root, changed, {root.block: changed, producer.block: made})


def _producer(state: ScheduleState, block: StmtSRef, root: StmtSRef) -> tuple[StmtSRef, Buffer]:
    scope = state.get_block_scope(root)
    producers = scope.producers(block)
    if len(producers) != 1:
        refuse(f"the block has {len(producers)} producers in its scope, not one", block)
    producer = producers[0]
    require_complete(state, producer, root)
    require_not_output(state, producer, root)
    others = [c for c in scope.consumers(producer) if c is not block]
    if others:
        refuse("another block reads its producer's result as well", others[0], producer)
    written = [w.buffer for w in producer.block.writes]
    if len(written) != 1:
        refuse("its producer writes more than one buffer", producer)
    return producer, written[0]


def _require_stores(producer: StmtSRef, consumer: BufferStore, buffer: Buffer) -> None:
    """Refuses a producer whose body is not a single store, or which updates its result, unless
    that takes one step and is then copied."""
    stmt, value = producer.block, consumer.value
    is_copied = isinstance(value, BufferLoad) and value.buffer is buffer
    reduces = any(a.iter_type is not IterVarType.DataPar for a in stmt.iter_vars)
    if stmt.init is None or reduces or not is_copied:
        single_store(producer)
    elif not isinstance(stmt.body, BufferStore) or not isinstance(stmt.init, BufferStore):
        refuse("the body or the `init` of the block's producer is not a single store", producer)
    else:
        own = [l for l in accesses(stmt.body).loads if l.buffer is buffer]
        if not all(structural_equal(l.indices, stmt.body.indices) for l in own):
            refuse(f"its producer reads `{buffer.name}` at another place than it stores", producer)


def _only_load(block: StmtSRef, store: BufferStore, buffer: Buffer) -> BufferLoad:
    loads = [l for l in accesses(store).loads if l.buffer is buffer]
    if not loads:
        refuse(f"the block does not load `{buffer.name}`", block)
    if not all(structural_equal(loads[0].indices, other.indices) for other in loads[1:]):
        refuse(f"the block loads `{buffer.name}` at different places", block)
    return loads[0]


def _require_inside(state: ScheduleState, block: StmtSRef, load: BufferLoad) -> None:
    """Refuses a block that loads beyond the buffer's bounds (what it guards by a condition): the
    producer never gets there, so that these instances would be lost."""
    space = space_at(state, block, inside=True)
    for index, size in zip(load.indices, load.buffer.shape, strict=True):
        zero = T.const(0, index.dtype)
        if space.can_prove_less(index, zero + size) and space.can_prove_less(zero, index + 1):
            continue
        refuse(f"the block loads `{load.buffer.name}` beyond its bounds", block)


class _Forward(Folding):
    """Replaces stores to `buffer` by the consumer's store of what it makes of the value."""

    def __init__(
        self,
        buffer: Buffer,
        consumer: BufferStore,
        axes: AxesAt,
    ) -> None:
        self.buffer, self.consumer, self.axes = buffer, consumer, axes

    @on(BufferStore)
    def store(self, store: BufferStore) -> BufferStore:
        """The consumer's store at the producer's place."""
        if store.buffer is not self.buffer:
            return store
        value = store.value
        env = self.axes(store.indices)
        # a variable stands for the value meanwhile: the value's axes are not the consumer's
        marked = Var("value", value.dtype)
        loads = MapLoads(lambda load: marked if load.buffer is self.buffer else None)
        outer: BufferStore = substitute(loads.run(self.consumer), env)
        made: BufferStore = substitute(outer, {marked: value})
        updated = BufferLoad(made.buffer, made.indices)
        own = MapLoads(lambda load: updated if load.buffer is self.buffer else None)
        rewritten: BufferStore = own.run(made)
        return rewritten

    @on(Buffer)
    def declared(self, buffer: Buffer) -> Buffer:
        """Buffers stay."""
        return buffer


def _guarded(
    state: ScheduleState,
    block: StmtSRef,
    producer: StmtSRef,
    axes: AxesAt,
    made: BlockNode,
) -> BlockRealize:
    """The producer's realization, run only where the consumer would have run."""
    if producer.realize is None:
        raise TypeError("a block without realization")
    stores = accesses(producer.block.body).stores
    space = space_at(state, producer)
    env = {axis.var: value for axis, value in
           zip(producer.block.iter_vars, producer.realize.iter_values, strict=True)}  # fmt: skip
    predicate = producer.realize.predicate
    known = conjuncts(predicate)
    added: list[PrimExpr] = []
    for axis in producer.block.iter_vars:
        if axis.dom is not None:
            space.bind(axis.var, axis.dom.min, axis.dom.extent)
    needed = axes(stores[0].indices)
    for axis in block.block.iter_vars:
        value = needed[axis.var]
        if axis.dom is None:
            continue
        inside = T.all(value >= axis.dom.min, value < axis.dom.min + axis.dom.extent)
        left = substitute(simplify_condition(space, inside), env)
        for one in conjuncts(left):
            if not any(structural_equal(one, other) for other in (*known, *added)):
                added.append(one)
    if added:  # one says something about the other: `i // 128 < 127 and i % 128 < 127`
        predicate = T.every([*known, *conjuncts(simplify(T.every(added)))])
    return producer.realize.replace(block=made, predicate=predicate)
