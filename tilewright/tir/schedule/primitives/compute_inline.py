"""The primitive `compute_inline`."""

from __future__ import annotations

from ....ir.expr import PrimExpr
from ...expr import BufferLoad
from ...stmt import BufferStore
from ..conditions import require_complete, require_not_output, require_stage_pipeline
from ..inlining import (
    InlineLoads,
    axes_at,
    require_loads_only,
    single_store,
    without_buffer,
)
from ..instruction import Block, primitive
from ..ordering import require_order_kept
from ..refusal import refuse
from ..rewrite import replace_statements, substitute
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive
def compute_inline(state: ScheduleState, block: Block) -> None:
    """Puts what a block computes in the place of each load of its result, and removes the block.

    B[i] = f(A[i]); C[i] = g(B[i])   ->   C[i] = g(f(A[i]))

    The block is complete, a single store indexed by its axes, and not an output of its scope.
    """
    root = state.scope_root(block)
    store = inlinable(state, block, root)
    buffer = store.buffer
    axes = axes_at(block.block, store.indices, f"`{buffer.name}` is stored")
    require_loads_only(root, buffer)
    require_order_kept(state, root, block, state.get_block_scope(root).consumers(block))

    def value_at(load: BufferLoad) -> PrimExpr | None:
        if load.buffer is not buffer:
            return None
        return substitute(store.value, axes(load.indices))

    body = replace_statements(root.block.body, {id(block.realize): None})
    if body is None:
        refuse("the block is the only one in its scope", block)
    rewriter = InlineLoads(value_at, *(r.buffer for r in block.block.reads))
    made = without_buffer(root.block.replace(body=rewriter.run(body)), buffer)
    state.replace(root, made, {**rewriter.blocks, root.block: made})


def inlinable(state: ScheduleState, block: StmtSRef, root: StmtSRef) -> BufferStore:
    """The store of a block that may be inlined. Refuses if it may not."""
    require_stage_pipeline(state, root, block)
    require_complete(state, block, root)
    require_not_output(state, block, root)
    return single_store(block)
