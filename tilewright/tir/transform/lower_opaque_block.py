"""Blocks taken away: what is left of them are loops, conditions and allocations."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on
from ...support.errors import CompileError
from .. import op as O
from ..analysis.effects import is_left_early
from ..buffer import Buffer
from ..dim_align import aligned_dims
from ..expr import Var
from ..function import PrimFunc
from ..stmt import (
    BUFFER_DIM_ALIGN,
    Allocate,
    AttrStmt,
    Block,
    BlockRealize,
    DeclBuffer,
    For,
    ForKind,
    IfThenElse,
    Stmt,
    launch_key,
)  # fmt: skip
from .base import factory


class _LowerOpaque(Rewriter):
    def __init__(self) -> None:
        self.units: dict[Var, PrimExpr] = {}
        self.aligned: dict[Var, list[tuple[int, ...]]] = {}

    @on(Var)
    def variable(self, var: Var) -> PrimExpr:
        """The variable of a loop of one iteration is its beginning."""
        return self.units.get(var, var)

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> Stmt:
        """The body under the predicate, with the block's buffers allocated around it."""
        block: Block = realize.block
        _require_opaque(realize)
        for dim in aligned_dims(block):
            self.aligned.setdefault(dim.buffer.data, []).append((-1, *dim[1:]))
        body: Stmt = self.rewrite(block.body)
        predicate: PrimExpr = self.rewrite(realize.predicate)
        if not O.is_const_int(predicate, 1):
            body = IfThenElse(predicate, body)
        for buffer in reversed(block.alloc_buffers):
            body = _allocated(self.rewrite(buffer), body, self.aligned.get(buffer.data))
        return _attributes(block.annotations, IntImm("int32", 0), body)

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """Loops of one iteration go; pragmas become attributes."""
        low: PrimExpr = self.rewrite(loop.min)
        extent: PrimExpr = O.simplified(self.rewrite(loop.extent))
        bound = loop.kind == ForKind.THREAD_BINDING
        is_unit = O.is_const_int(extent, 1) and not bound and not loop.annotations
        if is_unit and not is_left_early(loop.body):
            self.units[loop.loop_var] = low
            body: Stmt = self.rewrite(loop.body)
            return body
        body = self.rewrite(loop.body)
        if bound and loop.thread_binding is not None:
            axis = loop.thread_binding
            axis = axis.replace(var=loop.loop_var, dom=Range(low, extent))
            return AttrStmt(axis, launch_key(axis.thread_tag), extent, body)
        plain = {k: v for k, v in loop.annotations.items() if not k.startswith("pragma_")}
        made: Stmt = loop.replace(min=low, extent=extent, body=body, annotations=plain)
        return _attributes(loop.annotations, loop.loop_var, made)


def _require_opaque(realize: BlockRealize) -> None:
    """Raises `CompileError` for a block of which more is left than memory, body and predicate."""
    block = realize.block
    left = (
        (realize.iter_values, "axes", "ConvertBlocksToOpaque"),
        (block.init is not None, "an `init`", "LowerInitBlock"),
        (block.match_buffers, "views of other buffers", "LowerMatchBuffer"),
    )
    for is_there, what, name in left:
        if is_there:
            raise CompileError(
                f"block `{block.name_hint}` has {what}", block.span,
                hint=f"run {name} before LowerOpaqueBlock",
            )  # fmt: skip


def _allocated(buffer: Buffer, body: Stmt, aligned: list[tuple[int, ...]] | None) -> Stmt:
    notes = {BUFFER_DIM_ALIGN: aligned} if aligned else {}
    view = DeclBuffer(buffer, body)
    return Allocate(buffer.data, buffer.dtype, memory_shape(buffer), IntImm("bool", 1), view, notes)


def memory_shape(buffer: Buffer) -> tuple[PrimExpr, ...]:
    """The shape with the gaps between rows: that of memory in which the strides are compact."""
    if not buffer.strides:
        return buffer.shape
    steps = list(zip(buffer.strides, buffer.strides[1:], strict=False))
    is_whole = all(O.is_const_int(O.simplified(O.floormod(a, b)), 0) for a, b in steps)
    if is_whole and O.is_const_int(buffer.strides[-1], 1):
        return (buffer.shape[0], *(O.simplified(O.floordiv(a, b)) for a, b in steps))
    return (buffer.strides[0] * buffer.shape[0], *(IntImm("int32", 1) for _ in buffer.shape[1:]))


def _attributes(annotations: dict[str, Any], where: PrimExpr, body: Stmt) -> Stmt:
    for key, value in sorted(annotations.items(), reverse=True):
        if key.startswith("pragma_"):
            body = AttrStmt(where, key, value, body)
    return body


@factory
def LowerOpaqueBlock(func: PrimFunc) -> PrimFunc:
    """with block(predicate): alloc B; body   ->   allocate B; if predicate: body

    What blocks ask of the strides of a buffer, `buffer_dim_align`, becomes an annotation of its
    allocation, with -1 for the buffer's place.
    """
    return func.replace(body=_LowerOpaque().run(func.body))
