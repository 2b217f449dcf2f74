"""Buffers no larger than what is touched while they live."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on, post_order_visit
from .. import op as O
from ..analysis.access_region import AccessCollector
from ..analysis.reach import Reach
from ..arith.int_set import mentions
from ..buffer import Buffer
from ..expr import BufferLoad, Ramp, Var
from ..function import PrimFunc
from ..stmt import Block, BufferRegion, BufferStore, For
from .base import factory
from .lower_match_buffer import shift

Alignment = dict[int, tuple[int, int]]
"""Factor and offset of the strides of some axes."""


LARGEST = 2**16
"""A bound beyond which an extent that is not constant counts as unknown: it follows from the type
of the program's own sizes alone."""


class _Compact(Rewriter):
    def __init__(self, aligned: dict[Buffer, Alignment]) -> None:
        self.aligned = aligned
        self.new: dict[Buffer, tuple[Buffer, tuple[PrimExpr, ...]]] = {}
        self.bound: list[For] = []

    @on(For)
    def loop(self, loop: For) -> Any:
        """Ranges of the loops around are known."""
        self.bound.append(loop)
        new = self.rewrite_children(loop)
        self.bound.pop()
        return new

    @on(Block)
    def block(self, block: Block) -> Any:
        """Measures the block's own buffers before it is rewritten."""
        candidates = [b for b in block.alloc_buffers if not b.strides and b.ndim]
        if candidates:
            self._measure(block, candidates)
        allocated = tuple(self.new[b][0] if b in self.new else b for b in block.alloc_buffers)
        return self.rewrite_children(block.replace(alloc_buffers=allocated))

    def _measure(self, block: Block, candidates: list[Buffer]) -> None:
        reach = Reach({b.data: b for b in candidates})
        for loop in self.bound:
            reach.analyzer.bind(loop.loop_var, Range(loop.min, loop.extent))
        reach.walk(block.body)
        boxes: dict[Buffer, list[Any]] = {}
        for found in (reach.reads, reach.writes):
            for buffer, regions in found.items():
                boxes.setdefault(buffer, []).extend(regions)
        for buffer in candidates:
            if buffer in boxes and buffer not in reach.opaque:
                self._shrink(buffer, reach._box(buffer, boxes[buffer]), reach, block)
            if buffer in self.aligned:
                made, begins = self.new.get(buffer) or (buffer, (IntImm("int32", 0),) * buffer.ndim)
                self.new[buffer] = (_with_strides(made, self.aligned[buffer]), begins)

    def _shrink(
        self, buffer: Buffer, box: BufferRegion, reach: AccessCollector, block: Block
    ) -> None:
        inside = _defined(block)
        begins, extents = [], []
        for range_, full in zip(box.region, buffer.shape, strict=True):
            size = self._constant_size(range_.extent, reach)
            usable = not mentions(range_.min, inside) and size is not None
            smaller = (size is not None and not O.is_const_int(full)) or (
                size is not None and isinstance(full, IntImm) and size <= full.value
            )  # fmt: skip
            if usable and smaller:
                begins.append(range_.min)
                extents.append(IntImm(full.dtype, size or 0))
            else:
                begins.append(IntImm(full.dtype, 0))
                extents.append(full)  # type: ignore[arg-type]
        moved = any(not O.is_const_int(b, 0) for b in begins)
        if moved or any(a is not b for a, b in zip(extents, buffer.shape, strict=True)):
            self.new[buffer] = (buffer.replace(shape=tuple(extents)), tuple(begins))

    def _constant_size(self, extent: PrimExpr, reach: AccessCollector) -> int | None:
        if isinstance(extent, IntImm):
            return max(extent.value, 1)
        hi = reach.analyzer.engine.interval(extent)[1]
        return max(int(hi), 1) if hi <= LARGEST else None

    def _indices(self, buffer: Buffer, indices: Any) -> tuple[PrimExpr, ...]:
        begins = self.new[buffer][1]
        shifted = []
        for index, begin in zip(indices, begins, strict=True):
            shifted.append(_less(index, begin))
        return tuple(shifted)

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """B[i] -> B[i - begin]"""
        new = self.rewrite_children(access)
        if access.buffer not in self.new:
            return new
        indices = self._indices(access.buffer, new.indices)
        return new.replace(buffer=self.new[access.buffer][0], indices=indices)

    @on(BufferRegion)
    def region(self, region: BufferRegion) -> Any:
        """Declared regions move along."""
        new = self.rewrite_children(region)
        if region.buffer not in self.new:
            return new
        begins = self._indices(region.buffer, [r.min for r in new.region])
        ranges = tuple(Range(b, r.extent) for b, r in zip(begins, new.region, strict=True))
        return BufferRegion(self.new[region.buffer][0], ranges)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers are replaced where they are accessed."""
        return buffer


def _less(index: PrimExpr, begin: PrimExpr) -> PrimExpr:
    if isinstance(index, Ramp):
        return shift(index, O.simplified(O.neg(begin)))
    return O.subtract(index, begin)


def _alignments(func: PrimFunc) -> dict[Buffer, Alignment]:
    """What blocks ask of the strides of the buffers that they write."""
    found: dict[Buffer, Alignment] = {}

    def look(node: Any) -> None:
        if isinstance(node, Block):
            for place, axis, factor, offset in node.annotations.get("buffer_dim_align", ()):
                buffer = node.writes[int(place)].buffer
                found.setdefault(buffer, {})[int(axis)] = (int(factor), int(offset))

    post_order_visit(func.body, look)
    return found


def _with_strides(buffer: Buffer, alignment: Alignment) -> Buffer:
    """The buffer with strides that are `k * factor + offset` where asked for."""
    strides: list[PrimExpr] = []
    stride: PrimExpr = IntImm(buffer.shape[0].dtype, 1)
    for axis in reversed(range(buffer.ndim)):
        factor, offset = alignment.get(axis, (0, 0))
        if factor:
            lacking = O.subtract(factor + offset, O.floormod(stride, factor))
            stride = O.simplified(O.add(stride, O.floormod(lacking, factor)))
        strides.append(stride)
        stride = O.simplified(O.multiply(stride, buffer.shape[axis]))
    return buffer.replace(strides=tuple(reversed(strides)))


def _defined(block: Block) -> set[Var]:
    found: set[Var] = set()

    def look(node: Any) -> None:
        if isinstance(node, For):
            found.add(node.loop_var)
        elif hasattr(node, "var") and isinstance(node.var, Var):
            found.add(node.var)

    post_order_visit(block.body, look)
    return found


@factory
def CompactBufferAllocation(func: PrimFunc) -> PrimFunc:
    """B = alloc(128); B[i * 16 + j] with j in [0, 16)   ->   B = alloc(16); B[j]

    The annotation `buffer_dim_align` of a block that writes a buffer, rows of the buffer's place
    among those written, an axis, a factor and an offset, makes the stride of the axis
    `k * factor + offset`.
    """
    return func.replace(body=_Compact(_alignments(func)).run(func.body))
