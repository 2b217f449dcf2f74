"""Buffers no larger than what is touched while they live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.structural import structural_equal
from ...ir.transform import Pass, PassContext
from .. import op as O
from ..analysis.access_region import AccessCollector
from ..analysis.reach import Reach
from ..arith.int_set import mentions
from ..buffer import Buffer
from ..dim_align import aligned_dims
from ..expr import BufferLoad, IterVar, Ramp, Var
from ..function import PrimFunc
from ..stmt import (
    BUFFER_DIM_ALIGN,
    Allocate,
    AttrStmt,
    Block,
    BufferRegion,
    BufferStore,
    DeclBuffer,
    For,
    ForKind,
    Stmt,
)  # fmt: skip
from .base import prim_func_pass
from .lower_match_buffer import shift
from .lower_opaque_block import memory_shape
from .scoped import views_of

Alignment = dict[int, tuple[int, int]]
"""Factor and offset of the strides of some axes."""


LARGEST = 2**16
"""A bound beyond which an extent that is not constant counts as unknown: it follows from the type
of the program's own sizes alone."""


SEEN_BY: dict[str, tuple[str, ...]] = {
    "global": ("blockIdx", "threadIdx", "vthread"), "shared": ("threadIdx", "vthread"),
    "warp": ("threadIdx.x",),
}  # fmt: skip
"""The threads that see the same memory."""


@dataclass
class _Around:
    """A loop around the place, or the threads of a launch; `tag` names these."""

    var: Var
    min: PrimExpr
    extent: PrimExpr
    tag: str


class _Compact(Rewriter):
    def __init__(self, aligned: dict[Buffer, Alignment], *, is_strict: bool) -> None:
        self.aligned = aligned
        self.is_strict = is_strict
        self.new: dict[Buffer, tuple[Buffer, tuple[PrimExpr, ...]]] = {}
        self.around: list[_Around] = []

    @on(For)
    def loop(self, loop: For) -> Any:
        """Ranges of the loops around are known."""
        tag = loop.thread_binding.thread_tag if loop.thread_binding is not None else ""
        return self._within(loop, _Around(loop.loop_var, loop.min, loop.extent, tag))

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Any:
        """So are those of threads."""
        axis = node.node
        if node.attr_key not in ("thread_extent", "virtual_thread") or not isinstance(
            axis, IterVar
        ):
            return self.rewrite_children(node)
        zero = IntImm(axis.var.dtype, 0)
        return self._within(node, _Around(axis.var, zero, node.value, axis.thread_tag))

    def _within(self, node: Stmt, around: _Around) -> Any:
        self.around.append(around)
        new = self.rewrite_children(node)
        self.around.pop()
        return new

    @on(Block)
    def block(self, block: Block) -> Any:
        """Measures the block's own buffers before it is rewritten."""
        candidates = [b for b in block.alloc_buffers if not b.strides and b.ndim]
        if candidates:
            self._measure(candidates, block.body)
        allocated = tuple(self.new[b][0] if b in self.new else b for b in block.alloc_buffers)
        return self.rewrite_children(block.replace(alloc_buffers=allocated))

    @on(Allocate)
    def allocate(self, node: Allocate) -> Any:
        """Memory that is seen as one buffer all of it."""
        buffer = _only_view(node)
        if buffer is not None:
            rows = node.annotations.get(BUFFER_DIM_ALIGN, ())
            if rows:
                self.aligned[buffer] = {int(axis): (int(k), int(c)) for _, axis, k, c in rows}
            self._measure([buffer], node.body)
            if buffer in self.new:
                node = node.replace(extents=memory_shape(self.new[buffer][0]))
        return self.rewrite_children(node)

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> Any:
        """The declaration of a buffer that is smaller now."""
        body = self.rewrite(node.body)
        return node.replace(buffer=self.new.get(node.buffer, (node.buffer,))[0], body=body)

    def _measure(self, buffers: Sequence[Buffer], body: Stmt) -> None:
        """Finds what is touched of buffers, by all threads that see the same memory."""
        groups: dict[tuple[int, ...], list[Buffer]] = {}
        for buffer in buffers:
            seen = SEEN_BY.get(buffer.scope().split(".")[0], ())
            places = (k for k, a in enumerate(self.around) if a.tag and a.tag.startswith(seen))
            groups.setdefault(tuple(places), []).append(buffer)
        for shared, group in groups.items():
            self._measure_together(group, body, shared)

    def _measure_together(self, buffers: list[Buffer], body: Stmt, shared: tuple[int, ...]) -> None:
        reach = Reach({buffer.data: buffer for buffer in buffers})
        for place in reversed(range(len(self.around))):
            around = self.around[place]
            if place in shared:
                body = For(around.var, around.min, around.extent, ForKind.SERIAL, body)
            else:
                reach.analyzer.bind(around.var, Range(around.min, around.extent), override=True)
        reach.walk(body)
        for buffer in buffers:
            found = [*reach.reads.get(buffer, ()), *reach.writes.get(buffer, ())]
            if found and buffer not in reach.opaque:
                self._shrink(buffer, reach.box(buffer, found), reach, body)
            if buffer in self.aligned:
                made, begins = self.new.get(buffer) or (buffer, (IntImm("int32", 0),) * buffer.ndim)
                self.new[buffer] = (_with_strides(made, self.aligned[buffer]), begins)

    def _shrink(
        self, buffer: Buffer, box: BufferRegion, reach: AccessCollector, body: Stmt
    ) -> None:
        inside = _defined(body)
        begins, extents = [], []
        for range_, full in zip(box.region, buffer.shape, strict=True):
            size = self._constant_size(range_.extent, reach)
            usable = not mentions(range_.min, inside) and size is not None
            grows = isinstance(full, IntImm) and size is not None and size > full.value
            if usable and not (grows and self.is_strict):
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
            for dim in aligned_dims(node):
                found.setdefault(dim.buffer, {})[dim.axis] = (dim.factor, dim.offset)

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


def _only_view(node: Allocate) -> Buffer | None:
    """The buffer that memory is, if all that uses the memory sees it as this one."""
    views = views_of(node)
    if len(views) != 1:
        return None
    (view,) = views
    same = structural_equal(view.shape, node.extents) and view.dtype == node.dtype
    plain = not view.strides and O.is_const_int(view.elem_offset, 0)
    return view if same and plain else None


def _defined(body: Stmt) -> set[Var]:
    found: set[Var] = set()

    def look(node: Any) -> None:
        if isinstance(node, For):
            found.add(node.loop_var)
        elif hasattr(node, "var") and isinstance(node.var, Var):
            found.add(node.var)

    post_order_visit(body, look)
    return found


def CompactBufferAllocation(is_strict: bool = True) -> Pass:
    """B = alloc(128); B[i * 16 + j] with j in [0, 16)   ->   B = alloc(16); B[j]

    The annotation `buffer_dim_align` of a block that writes a buffer, rows of the buffer's place
    among those written, an axis, a factor and an offset, makes the stride of the axis
    `k * factor + offset`. Unless `is_strict` a buffer also grows to what is accessed.
    """

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        return func.replace(body=_Compact(_alignments(func), is_strict=is_strict).run(func.body))

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.CompactBufferAllocation")
    return made
