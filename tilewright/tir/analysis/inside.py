"""Accesses that leave their buffers whenever a function runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Visitor, on
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from .. import op as O
from ..arith.vectors import affine
from ..buffer import Buffer
from ..expr import BufferLoad, Call, Cast, Ramp, Var
from ..function import PrimFunc
from ..operators import Add, And, Mul, Or, Select, Sub
from ..stmt import AssertStmt, Block, BlockRealize, BufferStore, For, IfThenElse, While
from .effects import has_jump

Linear = tuple[dict[Var, int], int]
"""Factors of variables, and a constant."""


def require_inside(func: PrimFunc) -> None:
    """Raises `CompileError` for an access that leaves its buffer whenever `func` runs.

    Looks at what runs for all values of the loops around it, whose bounds are constants, at
    indices that are linear in these, and at extents that are constants. What stands under a
    condition, or behind a `break`, is left to `InstrumentBoundCheckers`.
    """
    finder = _Certain()
    finder.walk(func.body)
    if finder.found is not None and not has_jump(func.body):
        raise finder.found


class _Certain(Visitor):
    """Walks what certainly runs and keeps the first access that leaves its buffer."""

    def __init__(self) -> None:
        self.ranges: dict[Var, tuple[int, int]] = {}
        self.found: CompileError | None = None

    @on(For)
    def loop(self, loop: For) -> None:
        """The body, if the loop runs at all."""
        self.visit((loop.min, loop.extent))
        first, count = loop.min, loop.extent
        if isinstance(first, IntImm) and isinstance(count, IntImm) and count.value > 0:
            self.ranges[loop.loop_var] = first.value, first.value + count.value - 1
            self.visit(loop.body)

    @on(IfThenElse, While, Select, AssertStmt)
    def conditional(self, node: Any) -> None:
        """Of what depends on a condition only this is certain."""
        self.visit(node.condition)

    @on(And, Or)
    def logic(self, node: Any) -> None:
        """The second side may not be asked."""
        self.visit(node.a)

    @on(Call)
    def call(self, call: Call) -> None:
        """The arguments, of a choice the condition only."""
        chooses = getattr(call.op, "name", "") == "tir.if_then_else"
        self.visit(call.args[:1] if chooses else call.args)

    @on(Block, BlockRealize, Buffer)
    def declaration(self, node: Any) -> None:
        """Blocks have axes with predicates; a buffer itself is no access."""

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> None:
        """Each index, but of a vector, which may reach into the next row, its place in memory."""
        self.visit(access.indices)
        if isinstance(access, BufferStore):
            self.visit(access.value)
        if self.found is not None or access.predicate is not None:
            return
        buffer, indices = access.buffer, access.indices
        if len(indices) > 1 and affine(indices[-1]) is not None:
            if not buffer.strides:
                self._check(access, "its memory", *_in_memory(indices, buffer.shape))
            return
        for axis, (index, extent) in enumerate(zip(indices, buffer.shape, strict=False)):
            self._check(access, f"axis {axis}", index, extent)

    def _check(self, access: Any, where: str, index: PrimExpr, extent: PrimExpr) -> None:
        if not isinstance(extent, IntImm) or not extent.value:
            return
        ends = self._ends(index)
        if ends is None or (ends[0] >= 0 and ends[1] < extent.value):
            return
        place = f"{ends[0]} to {ends[1]}" if ends[0] != ends[1] else str(ends[0])
        self.found = CompileError(
            f"buffer `{access.buffer.name}` is accessed at {place} of {where}, which has "
            f"{extent} elements: `{index}` takes all values of the loops around it",
            access.span,
            hint=f"indices are 0 to {extent.value - 1}; shorten a loop or write a condition",
        )

    def _ends(self, index: PrimExpr) -> tuple[int, int] | None:
        """The least and the largest value of an index; None if it may not reach them."""
        lanes = affine(index)
        if lanes is not None:
            base, step, count = self._ends(lanes[0]), lanes[1], lanes[2]
            if base is None or not isinstance(step, IntImm):
                return None
            reach = step.value * (count - 1)
            return base[0] + min(reach, 0), base[1] + max(reach, 0)
        linear = self._linear(index)
        if linear is None:
            return None
        low = high = linear[1]
        for var, factor in linear[0].items():
            ends = [factor * end for end in self.ranges[var]]
            low, high = low + min(ends), high + max(ends)
        kind = dtype_of(index.dtype)
        return (low, high) if kind.min_value <= low and high <= kind.max_value else None

    def _linear(self, expr: PrimExpr) -> Linear | None:
        """`expr` as a sum of loops' variables; None if it is anything else."""
        if isinstance(expr, IntImm):
            return {}, expr.value
        if isinstance(expr, Var):
            return ({expr: 1}, 0) if expr in self.ranges else None
        if isinstance(expr, Cast):
            wide = expr.dtype in ("int32", "int64")
            return self._linear(expr.value) if wide else None
        if not isinstance(expr, (Add, Sub, Mul)):
            return None
        a, b = self._linear(expr.a), self._linear(expr.b)
        if a is None or b is None:
            return None
        if isinstance(expr, Mul):
            if a[0] and b[0]:
                return None
            (factors, const), by = (a, b[1]) if a[0] else (b, a[1])
            return {var: f * by for var, f in factors.items()}, const * by
        sign = -1 if isinstance(expr, Sub) else 1
        total = dict(a[0])
        for var, factor in b[0].items():
            total[var] = total.get(var, 0) + sign * factor
        return total, a[1] + sign * b[1]


def _in_memory(indices: Sequence[PrimExpr], shape: Sequence[PrimExpr]) -> tuple[PrimExpr, PrimExpr]:
    """The place of an element, the last index a vector's, and the number of elements."""
    first, step, count = affine(indices[-1]) or (indices[-1], IntImm("int32", 0), 1)
    place, size = indices[0], shape[0]
    for index, extent in zip((*indices[1:-1], first), shape[1:], strict=False):
        place, size = O.add(O.multiply(place, extent), index), O.multiply(size, extent)
    return Ramp(place, step, count), size
