"""The primitive `tensorize`."""

from __future__ import annotations

from ....ir.expr import IntImm, Range
from ...buffer import Buffer
from ...function import PrimFunc
from ...index_dtype import with_index_dtype
from ...stmt import Block as BlockNode
from ...stmt import BlockRealize, BufferRegion, MatchBufferRegion, Stmt
from ...stmt_functor import renew_defs
from ...tensor_intrin import TensorIntrin
from ..instruction import BlockOrLoop, primitive
from ..layout_args import index_type
from ..matching import Matcher, Mismatch
from ..refusal import refuse
from ..sref import StmtSRef
from ..state import ScheduleState
from .blockize import blockize


@primitive
def tensorize(
    state: ScheduleState,
    block_or_loop: BlockOrLoop,
    tensor_intrin: str,
    preserve_unit_iters: bool = True,
) -> None:
    """Puts an instruction in the place of a block, or of a loop (blockized first), that does what
    the instruction does.

    with block("C_o"): for i, j, k: C[...] += A[...] * B[...]   ->   with block("C_o"): mma(A, B, C)
    """
    intrin = TensorIntrin.get(tensor_intrin, allow_missing=True)
    if intrin is None:
        refuse(f"no tensor intrinsic is called {tensor_intrin!r}", block_or_loop)
    block = block_or_loop
    if not block.is_block:
        block = blockize(state, block_or_loop, preserve_unit_iters)
    matcher = Matcher()
    for axis in block.block.iter_vars:
        matcher.bind_axis(axis)
    described, implemented = (_in_type_of(block, f) for f in (intrin.desc, intrin.impl))
    desc = _root(described.body)
    try:
        matcher.match(block.block.body, desc.body)
    except Mismatch as error:
        refuse(f"the block does not do what {tensor_intrin!r} describes: {error}", block)
    impl = renew_defs(implemented)
    views = [
        _view(block, matcher, d, i)
        for d, i in zip(described.buffers(), impl.buffers(), strict=True)
    ]
    inner = _root(impl.body)
    old = block.block
    made = old.replace(
        body=inner.body,
        alloc_buffers=(*old.alloc_buffers, *inner.alloc_buffers),
        match_buffers=(*old.match_buffers, *(v for v in views if v is not None)),
        annotations={**old.annotations, **inner.annotations},
    )
    state.replace(block, made, {old: made})


def _in_type_of(block: StmtSRef, func: PrimFunc) -> PrimFunc:
    """The function with indices of 64 bits if the block has such."""
    dtype = index_type(block.block)
    return func if dtype == "int32" else with_index_dtype(func, dtype)


def _root(body: Stmt) -> BlockNode:
    """The block of an intrinsic's function; one around a single block gives that one."""
    if not isinstance(body, BlockRealize):
        raise TypeError("an intrinsic's function without a block")
    block = body.block
    while (
        isinstance(block.body, BlockRealize)
        and not block.body.iter_values
        and not (block.reads or block.writes)
    ):
        block = block.body.block
    return block


def _view(
    block: StmtSRef, matcher: Matcher, desc: Buffer, impl: Buffer
) -> MatchBufferRegion | None:
    """The implementation's buffer as a view of the program's."""
    ours = matcher.buffers.get(desc)
    if ours is None:
        return None
    offsets = matcher.offsets[desc]
    extra = len(offsets) - desc.ndim
    ranges = []
    for k, offset in enumerate(offsets):
        dtype = ours.shape[k].dtype
        size = IntImm(dtype, 1) if k < extra else desc.shape[k - extra]
        ranges.append(Range(matcher.space.expr(offset, dtype), size))
    return MatchBufferRegion(impl, BufferRegion(ours, tuple(ranges)))
