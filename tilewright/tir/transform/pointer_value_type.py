"""Memory accessed by whole vectors becomes memory of vectors."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, Visitor, on
from ...support.dtypes import dtype_of
from .. import op as O
from ..arith import Analyzer
from ..buffer import Buffer
from ..expr import BufferLoad, Ramp, Var, pointer
from ..function import PrimFunc
from ..stmt import Allocate, AllocateConst, BufferStore, DeclBuffer
from .base import factory
from .shared_lives import scope_of


class _Uses(Visitor):
    """How many lanes every access of a memory has, and whether it is used otherwise."""

    def __init__(self) -> None:
        self.lanes: dict[Var, int] = {}
        self.other: set[Var] = set()
        self.allocated: dict[Var, Any] = {}
        self.analyzer = Analyzer()

    @on(Allocate)
    def allocate(self, node: Allocate) -> None:
        """Memory whose type may change."""
        self.allocated[node.buffer_var] = node
        self.visit(node.body)

    @on(AllocateConst)
    def constant(self, node: AllocateConst) -> None:
        """Constant memory keeps its type."""
        self.other.add(node.buffer_var)
        self.visit(node.body)

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> None:
        """A view is no use."""
        self.visit(node.body)

    @on(Var)
    def address(self, var: Var) -> None:
        """An address handed out keeps its type."""
        self.other.add(var)

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> None:
        """A[ramp(8 * i, 1, 4)] is a whole vector of four."""
        if isinstance(access, BufferStore):
            self.visit(access.value)
        self.visit((access.indices, access.predicate))
        data, lanes = access.buffer.data, self._whole(access)
        if lanes is None or self.lanes.setdefault(data, lanes) != lanes:
            self.other.add(data)

    def _whole(self, access: Any) -> int | None:
        if len(access.indices) != 1 or access.predicate is not None:
            return None
        (index,) = access.indices
        if not isinstance(index, Ramp) or not isinstance(index.lanes, int):
            return None
        base = self.analyzer.simplify(O.floormod(index.base, index.lanes))
        whole = O.is_const_int(index.stride, 1) and O.is_const_int(base, 0)
        return index.lanes if whole and dtype_of(access.buffer.dtype).lanes == 1 else None


class _Retype(Rewriter):
    def __init__(self, lanes: dict[Var, int]) -> None:
        self.lanes = lanes

    @on(Var)
    def variable(self, var: Var) -> Var:
        """The address of vectors."""
        if var not in self.lanes:
            return var
        known = self._variables.get(id(var))
        if known is None:
            element = getattr(var.type_annotation, "element_type", None)
            dtype = dtype_of(getattr(element, "dtype", "float32")).with_lanes(self.lanes[var])
            made = Var(var.name, "handle", type_annotation=pointer(dtype, scope_of(var)))
            known = self._variables[id(var)] = (var, made)
        return known[1]  # type: ignore[return-value]

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer of vectors, as many times shorter."""
        lanes = self.lanes.get(buffer.data)
        if lanes is None:
            return buffer
        known = self._variables.get(id(buffer))
        if known is None:
            size = O.simplified(O.floordiv(buffer.shape[0], lanes))
            made = buffer.replace(
                data=self.variable(buffer.data), shape=(size,),
                dtype=dtype_of(buffer.dtype).with_lanes(lanes),
            )  # fmt: skip
            known = self._variables[id(buffer)] = (buffer, made)
        return known[1]  # type: ignore[return-value]

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """A[ramp(4 * i, 1, 4)]   ->   A[i]"""
        lanes = self.lanes.get(access.buffer.data)
        if lanes is None:
            return self.rewrite_children(access)
        base: PrimExpr = self.rewrite(access.indices[0].base)
        changes: dict[str, Any] = {
            "buffer": self.buffer(access.buffer),
            "indices": (O.simplified(O.floordiv(base, lanes)),),
        }
        if isinstance(access, BufferStore):
            changes["value"] = self.rewrite(access.value)
        return access.replace(**changes)

    @on(Allocate)
    def allocate(self, node: Allocate) -> Any:
        """Memory of vectors."""
        new: Allocate = self.rewrite_children(node)
        lanes = self.lanes.get(node.buffer_var)
        if lanes is None:
            return new
        (extent,) = new.extents
        size = O.simplified(O.floordiv(extent, lanes))
        dtype = dtype_of(node.dtype).with_lanes(lanes)
        return new.replace(dtype=dtype, extents=(size,), buffer_var=self.variable(node.buffer_var))


def _divides(node: Allocate, lanes: int) -> bool:
    sizes = node.extents
    return len(sizes) == 1 and isinstance(sizes[0], IntImm) and sizes[0].value % lanes == 0


@factory
def PointerValueTypeRewrite(func: PrimFunc) -> PrimFunc:
    """allocate A: float32[16]; A[ramp(4 * i, 1, 4)]   ->   allocate A: float32x4[4]; A[i]

    For memory allocated here whose every access is a whole, aligned vector of the same lanes.
    """
    uses = _Uses()
    uses.walk(func.body)
    chosen = {
        var: lanes for var, lanes in uses.lanes.items()
        if var in uses.allocated and var not in uses.other
        and _divides(uses.allocated[var], lanes)
    }  # fmt: skip
    return func if not chosen else func.replace(body=_Retype(chosen).run(func.body))
