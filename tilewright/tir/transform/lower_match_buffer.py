"""Views replaced by what they are views of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.expr import PrimExpr, Range
from ...ir.functor import on
from ...support.errors import CompileError
from .. import op as O
from ..arith.canonical import INDEX_TYPES
from ..arith.vectors import affine
from ..buffer import Buffer
from ..expr import BufferLoad, Ramp, Var
from ..function import PrimFunc
from ..stmt import Block, BufferRegion, BufferStore, MatchBufferRegion
from .base import factory
from .scoped import ScopedRewriter


class _LowerMatch(ScopedRewriter):
    def __init__(self, params: Sequence[Var]) -> None:
        super().__init__()
        self.params = frozenset(params)
        self.views: dict[Buffer, BufferRegion] = {}
        self.values: dict[Var, PrimExpr] = {}

    @on(Block)
    def block(self, block: Block) -> Block:
        """Records the views of the block, then rewrites it without them."""
        for match in block.match_buffers:
            self._record(match)
        made: Block = super().block(block.replace(match_buffers=()))
        return made

    def _record(self, match: MatchBufferRegion) -> None:
        view = match.buffer
        source: BufferRegion = self.rewrite(match.source)
        self.views[view] = source
        buffer, begin = source.buffer, [r.min for r in source.region]
        extra = len(source.region) - view.ndim
        if extra < 0 or any(not O.is_const_int(r.extent, 1) for r in source.region[:extra]):
            raise CompileError(
                f"`{view.name}` of {view.ndim} dimensions cannot view {source}", match.span
            )
        self._unify(view.shape, [r.extent for r in source.region[extra:]], view, "shape")
        self.values[view.data] = buffer.data
        if view.strides:
            self._unify(view.strides, _strides(buffer)[extra:], view, "strides")
        self._unify([view.elem_offset], buffer.offset_of(begin), view, "elem_offset")

    def _unify(
        self, parts: Sequence[PrimExpr], given: Sequence[PrimExpr], view: Buffer, what: str
    ) -> None:
        """New variables among `parts` are what is given; others must equal it."""
        for part, value in zip(parts, given, strict=True):
            if isinstance(part, Var) and part not in self.params and part not in self.values:
                self.values[part] = value
                continue
            known: PrimExpr = self.rewrite(part)
            if not (known.dtype in INDEX_TYPES and self.analyzer.can_prove_equal(known, value)):
                raise CompileError(
                    f"`{view.name}` has {what} {known} where what it views has {value}",
                    view.span, hint="give new variables instead",
                )  # fmt: skip

    @on(Var)
    def variable(self, var: Var) -> PrimExpr:
        """A parameter of a view is what the source gives it."""
        return self.values.get(var, var)

    def _indices(self, view: Buffer, indices: Sequence[PrimExpr]) -> tuple[PrimExpr, ...]:
        source = self.views[view]
        extra = len(source.region) - len(indices)
        begin = [r.min for r in source.region]
        shifted = [
            shift(i, b) for i, b in zip(self.rewrite(tuple(indices)), begin[extra:], strict=True)
        ]
        return (*begin[:extra], *shifted)

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """V[i] -> S[begin + i]"""
        if access.buffer not in self.views:
            return self.rewrite_children(access)
        source = self.views[access.buffer].buffer
        changes: dict[str, Any] = {
            "buffer": source,
            "indices": self._indices(access.buffer, access.indices),
            "predicate": self.rewrite(access.predicate),
        }
        if isinstance(access, BufferStore):
            changes["value"] = self.rewrite(access.value)
        return access.replace(**changes)

    @on(BufferRegion)
    def region(self, region: BufferRegion) -> BufferRegion:
        """Declared regions of a view are those of its source."""
        if region.buffer not in self.views:
            return self.rewrite_children(region)
        begins = self._indices(region.buffer, [r.min for r in region.region])
        extra = len(begins) - len(region.region)
        extents = [r.extent for r in self.rewrite(region.region)]
        source = self.views[region.buffer]
        ranges = [*source.region[:extra]] + [
            Range(b, e) for b, e in zip(begins[extra:], extents, strict=True)
        ]
        return BufferRegion(source.buffer, tuple(ranges))


def shift(index: PrimExpr, by: PrimExpr) -> PrimExpr:
    """`index + by`; a ramp stays a ramp."""
    lanes = affine(index)
    if lanes is not None and isinstance(index, Ramp):
        return Ramp(O.add(by, lanes[0]), lanes[1], lanes[2])
    return O.add(by, index)


def _strides(buffer: Buffer) -> list[PrimExpr]:
    if buffer.strides:
        return list(buffer.strides)
    strides: list[PrimExpr] = []
    step: PrimExpr = O.const(1, buffer.shape[0].dtype if buffer.shape else "int32")
    for extent in reversed(buffer.shape):
        strides.insert(0, step)
        step = O.multiply(step, extent)
    return strides


@factory
def LowerMatchBuffer(func: PrimFunc) -> PrimFunc:
    """V = match_buffer(S[4:8]); V[i]   ->   S[4 + i]

    Variables that a view declares are what its source gives them. Raises `CompileError` where a
    shape or stride that a view states is not known to be that of its source.
    """
    return func.replace(body=_LowerMatch(func.params).run(func.body))
