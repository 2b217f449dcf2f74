"""Narrow floats computed in a wider type, or stored as plain integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import FloatImm, PrimExpr
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.transform import Pass, PassContext
from ...support.dtypes import dtype_of
from .. import op as O
from ..arith.rules import MAKERS
from ..buffer import Buffer
from ..expr import (
    BinaryOpExpr,
    Broadcast,
    BufferLoad,
    Call,
    Cast,
    CmpExpr,
    CommReducer,
    Let,
    Select,
    Var,
    pointer,
)
from ..function import PrimFunc
from ..stmt import Allocate, BufferStore, LetStmt
from .base import prim_func_pass, retyped
from .narrow_floats import is_native
from .shared_lives import scope_of

Chooses = Callable[[str], bool]


class _Widen(Rewriter):
    """Values of the chosen types are `wide` between their load and their store."""

    def __init__(self, chosen: Chooses, wide: str, results: set[Var]) -> None:
        self.chosen, self.wide = chosen, wide
        self.renamed: dict[Var, Var] = {}
        self.wide_buffers: dict[Buffer, Buffer] = {}
        for data in results:
            scope = scope_of(data)
            self.renamed[data] = Var(data.name, "handle", type_annotation=pointer(wide, scope))

    def _wide(self, dtype: str) -> str:
        info = dtype_of(dtype)
        return dtype_of(self.wide).with_lanes(info.lanes) if self.chosen(info.element) else dtype

    @on(Var)
    def variable(self, var: Var) -> PrimExpr:
        """A name for a wide value."""
        return self.renamed.get(var, var)

    @on(FloatImm)
    def constant(self, value: FloatImm) -> PrimExpr:
        """A constant in the wide type."""
        return FloatImm(self._wide(value.dtype), value.value)

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """What is loaded is widened."""
        new = self.rewrite_children(load)
        return O.cast(new, self._wide(load.dtype))

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """The result of a reduction over threads is as wide as what is reduced."""
        new: Any = self.rewrite_variable(buffer)
        made: Buffer = new if new.data is buffer.data else self._results(buffer, new)
        return made

    def _results(self, buffer: Buffer, new: Buffer) -> Buffer:
        known = self.wide_buffers.get(buffer)
        if known is None:
            known = self.wide_buffers[buffer] = new.replace(dtype=self._wide(buffer.dtype))
        return known

    @on(Allocate)
    def allocate(self, node: Allocate) -> Any:
        """So is its memory."""
        is_wide = self.rewrite(node.buffer_var) is not node.buffer_var
        return retyped(self, node, self._wide(node.dtype) if is_wide else node.dtype)

    @on(CommReducer)
    def reducer(self, reducer: CommReducer) -> CommReducer:
        """x + y   ->   x + y of wide values"""
        for var in (*reducer.lhs, *reducer.rhs):
            if self.chosen(var.dtype):
                self.renamed[var] = var.copy_with_dtype(self.wide)
        made: CommReducer = self.rewrite_children(reducer)
        return made

    @on(BufferStore)
    def store(self, store: BufferStore) -> Any:
        """What is stored is narrowed."""
        buffer = self.rewrite(store.buffer)
        value = self.rewrite(store.value)
        if buffer is store.buffer:
            value = _narrowed(value, store.value.dtype)
        return store.replace(
            buffer=buffer, value=value, indices=self.rewrite(store.indices),
            predicate=self.rewrite(store.predicate),
        )  # fmt: skip

    @on(BinaryOpExpr, CmpExpr)
    def binary(self, expr: Any) -> PrimExpr:
        """Computed wide."""
        return MAKERS[type(expr)](self.rewrite(expr.a), self.rewrite(expr.b))

    @on(Select)
    def select(self, expr: Select) -> PrimExpr:
        """Chosen wide."""
        parts = (expr.condition, expr.true_value, expr.false_value)
        return O.select(*(self.rewrite(part) for part in parts))

    @on(Broadcast)
    def broadcast(self, expr: Broadcast) -> PrimExpr:
        """Wide in every lane."""
        return Broadcast(self.rewrite(expr.value), expr.lanes)

    @on(Cast)
    def cast(self, expr: Cast) -> PrimExpr:
        """A cast to a narrow type rounds, then goes on wide."""
        value = self.rewrite(expr.value)
        wide = self._wide(expr.dtype)
        return O.cast(value if wide == expr.dtype else O.cast(value, expr.dtype), wide)

    @on(Call)
    def call(self, expr: Call) -> PrimExpr:
        """Intrinsics compute wide; other calls keep their types."""
        name = getattr(expr.op, "name", "")
        pure = name == "tir.if_then_else" or getattr(expr.op, "attributes", {}).get("numpy")
        args = tuple(self.rewrite(a) for a in expr.args)
        if name == "tir.tvm_thread_allreduce":
            return expr.replace(args=args)
        if pure:
            return expr.replace(dtype=self._wide(expr.dtype), args=args)
        back = tuple(
            O.cast(new, old.dtype) if isinstance(old, PrimExpr) and self.chosen(old.dtype) else new
            for new, old in zip(args, expr.args, strict=True)
        )
        return O.cast(expr.replace(args=back), self._wide(expr.dtype))

    @on(LetStmt, Let)
    def let(self, let: Any) -> Any:
        """A name for a wide value is wide."""
        value = self.rewrite(let.value)
        if self.chosen(let.var.dtype):
            self.renamed[let.var] = let.var.copy_with_dtype(value.dtype)
        var = self.renamed.get(let.var, let.var)
        return let.replace(var=var, value=value, body=self.rewrite(let.body))


def _narrowed(value: PrimExpr, dtype: str) -> PrimExpr:
    """`value` in the narrow type; what was widened from it, as it was."""
    if isinstance(value, Cast) and value.value.dtype == dtype:
        return value.value
    return O.cast(value, dtype)


def _reduced(func: PrimFunc, chosen: Chooses) -> set[Var]:
    """The memory of chosen types in which reductions over threads leave their results."""
    found: set[Var] = set()

    def look(node: Any) -> None:
        if isinstance(node, Call) and getattr(node.op, "name", "") == "tir.tvm_thread_allreduce":
            count = node.args[0].value  # type: ignore[attr-defined]
            for result in node.args[2 + count : 2 + 2 * count]:
                if isinstance(result, BufferLoad) and chosen(result.dtype):
                    found.add(result.buffer.data)

    post_order_visit(func.body, look)
    return found


def _compute(name: str, chosen: Chooses, wide: str, native: str = "") -> Pass:
    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        if native and is_native(func, native):
            return func
        results = _reduced(func, chosen)
        return func.replace(body=_Widen(chosen, wide, results).run(func.body))

    made: Pass = prim_func_pass(transform, opt_level=0, name=name)
    return made


def BF16ComputeLegalize() -> Pass:
    """C = a + b in bfloat16   ->   C = bfloat16(float32(a) + float32(b))

    Functions for CUDA from sm_80 on stay.
    """
    return _compute("tir.BF16ComputeLegalize", lambda d: d == "bfloat16", "float32", "bfloat16")


def FP16ComputeLegalize() -> Pass:
    """The same for float16."""
    return _compute("tir.FP16ComputeLegalize", lambda d: d == "float16", "float32")


def FP8ComputeLegalize(promote_dtype: str = "float32") -> Pass:
    """The same for the types of 8 bits, computed in `promote_dtype`; CUDA from sm_89 on stays."""
    return _compute(
        "tir.FP8ComputeLegalize", lambda d: d.startswith("float8"), promote_dtype, "float8"
    )
