"""The primitive `reverse_compute_inline`."""

from __future__ import annotations

from ....ir.expr import PrimExpr
from ....ir.functor import on
from ... import op as T
from ...buffer import Buffer
from ...expr import BufferLoad, Var
from ...stmt import Block as BlockNode
from ...stmt import BlockRealize, BufferStore
from ..conditions import require_complete, require_not_output, require_stage_pipeline
from ..inlining import (
    axis_of_index,
    require_loads_only,
    same_indices,
    single_store,
    unit_values,
    with_regions,
    without_buffer,
)
from ..instruction import Block, primitive
from ..refusal import refuse
from ..regions import space_at
from ..rewrite import Folding, MapLoads, accesses, replace_statements, substitute
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive
def reverse_compute_inline(state: ScheduleState, block: Block) -> None:
    """Puts what a consumer does with its producer's result into the producer, and removes the
    consumer.

    B[i] = f(A[i]); C[i] = g(B[i])   ->   C[i] = g(f(A[i]))

    The block is complete, a single store; it has one producer, also complete, whose result only
    this block reads, at its axes.
    """
    root = state.scope_root(block)
    require_stage_pipeline(state, root)
    require_complete(state, block, root)
    store = single_store(block)
    producer, buffer = _producer(state, block, root)
    load = _only_load(block, store, buffer)
    places = axis_of_index(block.block, load.indices, f"`{buffer.name}` is loaded")
    require_loads_only(root, buffer)
    rewriter = _Forward(buffer, store, places, unit_values(block.block))
    body = rewriter.run(producer.block.body)
    made = with_regions(producer.block.replace(body=body))
    realize = _guarded(state, block, producer, places, made)
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


def _only_load(block: StmtSRef, store: BufferStore, buffer: Buffer) -> BufferLoad:
    loads = [l for l in accesses(store).loads if l.buffer is buffer]
    if not loads:
        refuse(f"the block does not load `{buffer.name}`", block)
    if not all(same_indices(loads[0], other) for other in loads[1:]):
        refuse(f"the block loads `{buffer.name}` at different places", block)
    return loads[0]


class _Forward(Folding):
    """Replaces stores to `buffer` by the consumer's store of what it makes of the value."""

    def __init__(
        self,
        buffer: Buffer,
        consumer: BufferStore,
        places: dict[Var, int],
        constants: dict[Var, PrimExpr],
    ) -> None:
        self.buffer, self.consumer, self.places = buffer, consumer, places
        self.constants = constants

    @on(BufferStore)
    def store(self, store: BufferStore) -> BufferStore:
        """The consumer's store at the producer's place."""
        if store.buffer is not self.buffer:
            return store
        value = store.value
        env = {**self.constants, **{v: store.indices[k] for v, k in self.places.items()}}
        # a variable stands for the value meanwhile: the value's axes are not the consumer's
        marked = Var("value", value.dtype)
        loads = MapLoads(lambda load: marked if load.buffer is self.buffer else None)
        outer: BufferStore = substitute(loads.run(self.consumer), env)
        return substitute(outer, {marked: value})

    @on(Buffer)
    def declared(self, buffer: Buffer) -> Buffer:
        """Buffers stay."""
        return buffer


def _guarded(
    state: ScheduleState,
    block: StmtSRef,
    producer: StmtSRef,
    places: dict[Var, int],
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
    axes = {axis.var: axis for axis in block.block.iter_vars}
    for var, k in places.items():
        dom = axes[var].dom
        size = stores[0].buffer.shape[k]
        if dom is None or (
            T.is_const_int(dom.min, 0) and space.poly(dom.extent) == space.poly(size)
        ):
            continue
        value = substitute(stores[0].indices[k], env)
        predicate = T.all(predicate, value >= dom.min, value < dom.min + dom.extent)
    return producer.realize.replace(block=made, predicate=predicate)
