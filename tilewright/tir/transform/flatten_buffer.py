"""Buffers of one dimension."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import on, post_order_visit
from ...ir.node import Node
from ...support.errors import CompileError
from .. import op as O
from ..analysis.inside import require_inside
from ..arith.analyzer import Analyzer
from ..arith.canonical import reads_memory
from ..arith.int_set import mentions
from ..arith.iter_map import iter_map_simplify
from ..arith.vectors import affine
from ..buffer import Buffer, flat_indices, flattened
from ..expr import BufferLoad, Call, FloorDiv, FloorMod, Ramp, Var
from ..function import SCHEDULE_REASON, PrimFunc
from ..stmt import (
    Allocate,
    AllocateConst,
    Block,
    BufferRegion,
    BufferStore,
    DeclBuffer,
    For,
    IfThenElse,
)
from .base import factory
from .scoped import ScopedRewriter
from .simplify import NOTHING


class _Flatten(ScopedRewriter):
    def __init__(self) -> None:
        super().__init__()
        self.flat: dict[Buffer, Buffer] = {}
        self.iters: dict[Var, Range] = {}
        self.conditions: list[PrimExpr] = []
        self.plain = Analyzer()

    def _bind(self, loop: For, low: PrimExpr, extent: PrimExpr) -> None:
        if not (reads_memory(low) or reads_memory(extent)):
            self.iters[loop.loop_var] = Range(low, extent)
        super()._bind(loop, low, extent)

    @contextmanager
    def _under(self, condition: PrimExpr) -> Iterator[None]:
        self.conditions.append(condition)
        with super()._under(condition):
            yield
        self.conditions.pop()

    def _simplified(self, index: PrimExpr) -> PrimExpr:
        """`index`; parts of a loop over sizes that are not known are put together again."""
        made = self.analyzer.simplify(index)
        if not _divides_by_size(made):
            return made
        iters = {var: range_ for var, range_ in self.iters.items() if mentions(made, {var})}
        return iter_map_simplify([made], iters, O.every(self.conditions))[0]

    def buffer(self, buffer: Buffer) -> Buffer:
        """The one-dimensional buffer on the same memory; the same one each time."""
        known = self.flat.get(buffer)
        if known is None:
            _check_size(buffer.name, buffer.shape)
            known = flattened(buffer)
            if known.elem_offset is not None and not O.is_const_int(known.elem_offset, 0):
                known = known.replace(elem_offset=IntImm(known.elem_offset.dtype, 0))
            shape = tuple(self.analyzer.simplify(d) for d in known.shape)
            known = self.flat[buffer] = known.replace(shape=_long_enough(buffer, shape))
        return known

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Any:
        """A side that never runs goes: what it accesses may lie outside of the buffers."""
        truth = self.plain.simplify(branch.condition)
        if not isinstance(truth, IntImm):
            return super().branch(branch)
        side = branch.then_case if truth.value else branch.else_case
        return NOTHING if side is None else self.rewrite(side)

    @on(Call)
    def call(self, call: Call) -> Any:
        """So does a value that is never chosen."""
        condition: Any = call.args[0] if call.args else None
        if getattr(call.op, "name", "") == "tir.if_then_else":
            truth = self.plain.simplify(condition)
            if isinstance(truth, IntImm):
                return self.rewrite(call.args[1 if truth.value else 2])
        return self.rewrite_children(call)

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """A[i, j] -> A[i * n + j]"""
        indices = self.rewrite(access.indices)
        changes: dict[str, Any] = {
            "buffer": self.buffer(access.buffer),
            "indices": self._flat(access.buffer, indices),
            "predicate": self.rewrite(access.predicate),
        }
        if isinstance(access, BufferStore):
            changes["value"] = self.rewrite(access.value)
        return access.replace(**changes)

    def _flat(self, buffer: Buffer, indices: tuple[PrimExpr, ...]) -> tuple[PrimExpr, ...]:
        if not indices:
            return flat_indices(buffer, ()) if not buffer.strides else indices
        lanes = affine(indices[-1])
        if lanes is None and "x" in indices[-1].dtype:
            return self._flat_vector(buffer, indices)
        if lanes is None:
            return tuple(self._simplified(i) for i in flat_indices(buffer, indices))
        base, stride, count = lanes
        flat = flat_indices(buffer, (*indices[:-1], base))
        if buffer.strides:
            stride = O.multiply(stride, buffer.strides[-1])
        first = self._simplified(flat[-1])
        stride = O.cast(self.analyzer.simplify(stride), first.dtype)
        return (*(self.analyzer.simplify(f) for f in flat[:-1]), Ramp(first, stride, count))

    def _flat_vector(self, buffer: Buffer, indices: tuple[PrimExpr, ...]) -> tuple[PrimExpr, ...]:
        zero = O.const(0, indices[-1].dtype.split("x")[0])
        flat = flat_indices(buffer, (*indices[:-1], zero))
        last = indices[-1]
        if buffer.strides:
            last = O.multiply(last, buffer.strides[-1])
        return (*flat[:-1], O.add(self.analyzer.simplify(flat[-1]), last))

    @on(Allocate, AllocateConst)
    def allocate(self, node: Any) -> Any:
        """Memory of one extent."""
        _check_size(node.buffer_var.name, node.extents)
        ends = [0, *self._separators(node), len(node.extents)]
        sizes = tuple(self._size(node.extents[a:b]) for a, b in itertools.pairwise(ends))
        return node.replace(extents=sizes, body=self.rewrite(node.body))

    def _size(self, extents: tuple[PrimExpr, ...]) -> PrimExpr:
        size: PrimExpr = IntImm("int32", 1)
        for extent in extents:
            size = O.multiply(size, extent)
        return self.analyzer.simplify(self.rewrite(size))

    def _separators(self, node: Any) -> tuple[int, ...]:
        """The groups of axes of memory are those of the buffer that is declared on it."""
        view = node.body
        if isinstance(view, DeclBuffer) and view.buffer.data is node.buffer_var:
            return view.buffer.axis_separators
        return ()

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> Any:
        """Flat memory needs no declaration: its accesses say all there is to say."""
        return self.rewrite(node.body)

    @on(Block)
    def block(self, block: Block) -> Any:
        """Views in a block say their place by a variable that flat indices do not know."""
        if block.match_buffers:
            raise CompileError(
                f"block `{block.name_hint}` has views of other buffers, such as "
                f"`{block.match_buffers[0].buffer.name}`",
                block.span, hint="run LowerMatchBuffer before FlattenBuffer",
            )  # fmt: skip
        return self.rewrite_children(block)

    @on(BufferRegion)
    def region(self, region: BufferRegion) -> BufferRegion:
        """A[i, 0:4] -> A[i * n : i * n + 4]; between first and last element, if rows are cut."""
        buffer = self.buffer(region.buffer)
        first = [self.rewrite(r.min) for r in region.region]
        last = [
            low + self.rewrite(r.extent) - 1 for low, r in zip(first, region.region, strict=True)
        ]
        ends = zip(
            flat_indices(region.buffer, first), flat_indices(region.buffer, last), strict=True
        )
        simplify = self.analyzer.simplify
        flat = tuple(Range(simplify(low), simplify(high - low + 1)) for low, high in ends)
        return BufferRegion(buffer, flat, span=region.span)

    @on(Buffer)
    def other(self, buffer: Buffer) -> Buffer:
        """Buffers elsewhere (in calls, attributes)."""
        return self.buffer(buffer)


def _long_enough(buffer: Buffer, shape: tuple[PrimExpr, ...]) -> tuple[PrimExpr, ...]:
    """`shape` of the flat view, where an offset or unordered strides reach further."""
    numbers = [n for n in (*buffer.shape, *buffer.strides, *shape) if isinstance(n, IntImm)]
    is_known = len(numbers) == buffer.ndim + len(buffer.strides) + len(shape)
    if len(shape) != 1 or not is_known or not isinstance(buffer.elem_offset, IntImm):
        return shape
    last = math.prod(n.value for n in numbers[: buffer.ndim]) - 1
    if buffer.strides:
        pairs = zip(numbers[: buffer.ndim], numbers[buffer.ndim : -1], strict=True)
        last = sum((extent.value - 1) * stride.value for extent, stride in pairs)
    reached = buffer.elem_offset.value + last + 1
    return (IntImm(shape[0].dtype, reached),) if reached > numbers[-1].value else shape


def _divides_by_size(index: PrimExpr) -> bool:
    found: list[Node] = []

    def look(node: Node) -> None:
        if isinstance(node, (FloorDiv, FloorMod)) and not isinstance(node.b, IntImm):
            found.append(node)

    post_order_visit(index, look)
    return bool(found)


def _check_size(name: str, shape: Sequence[PrimExpr]) -> None:
    """Raises `CompileError` if indices of the shape's type cannot count the elements."""
    extents = [extent for extent in shape if isinstance(extent, IntImm)]
    count = math.prod(extent.value for extent in extents)
    if any(extent.dtype == "int32" for extent in extents) and count > 2**31 - 1:
        raise CompileError(
            f"`{name}` has {count} elements, more than int32 indices can count",
            hint="give its shape as int64",
        )


@factory
def FlattenBuffer(func: PrimFunc) -> PrimFunc:
    """A[i, j] of shape (m, n)   ->   A[i * n + j] of shape (m * n,)

    Raises `CompileError` for a block with `match_buffer`, for a buffer of more elements than
    its indices can count, and for a loop that certainly leaves a buffer.
    """
    if SCHEDULE_REASON not in func.attrs:  # else it was asked of the loops before their schedule
        require_inside(func)
    rewriter = _Flatten()
    for param in func.params:
        if isinstance(param, Var):
            rewriter.declare_parameter(param)
    return func.replace(body=rewriter.run(func.body))
