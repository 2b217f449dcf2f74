"""Transformations made of several primitives."""

from __future__ import annotations

from ..expr import Var
from ..stmt import For
from ..tensor_intrin import TensorIntrin
from .analysis import get_tensorize_loop_mapping
from .rv import BlockRV, LoopRV
from .schedule import Schedule


def tile_with_tensor_intrin(
    sch: Schedule, block: BlockRV, intrin_name: str, allow_padding: bool = False
) -> LoopRV | None:
    """Splits the loops of a block by the extents of an instruction and moves the inner parts
    innermost, in the instruction's order; with `allow_padding`, pads the block first.

    Returns the outermost inner loop, for `tensorize`; None if the instruction does not fit.
    """
    intrin = TensorIntrin.get(intrin_name)
    if intrin is None:
        return None
    info = get_tensorize_loop_mapping(sch, block, intrin.desc, allow_padding)
    if info is None:
        return None
    if info.block_iter_paddings is not None:
        sch.pad_einsum(block, list(info.block_iter_paddings))
        info = get_tensorize_loop_mapping(sch, block, intrin.desc)
        if info is None:
            return None
    by_var: dict[Var, For] = {ours.loop_var: theirs for ours, theirs in info.loop_map.items()}
    inner: list[tuple[int, LoopRV]] = []
    for loop in sch.get_loops(block):
        theirs = by_var.get(sch.get(loop).loop_var)
        if theirs is None:
            continue
        _, part = sch.split(loop, [None, theirs.extent])
        inner.append((info.desc_loop_indexer[theirs], part))
    ordered = [part for _, part in sorted(inner, key=lambda row: row[0])]
    kept = {sch.get_sref(part) for part in ordered}
    rest = [l for l in sch.get_loops(block) if sch.get_sref(l) not in kept]
    sch.reorder(*rest, *ordered)
    return ordered[0] if ordered else None
