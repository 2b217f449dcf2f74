"""Gives all indices, loop variables and shapes of a function one integer type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.expr import IntImm, PrimExpr, Range
from ..ir.functor import Rewriter, on
from ..support.dtypes import dtype_of
from . import op
from .buffer import Buffer
from .expr import (
    Add,
    BinaryOpExpr,
    BufferLoad,
    Call,
    Cast,
    CmpExpr,
    FloorDiv,
    FloorMod,
    IterVar,
    Max,
    Min,
    Mul,
    Select,
    Sub,
    Var,
)
from .function import PrimFunc
from .stmt import BufferRegion, BufferStore, For, LetStmt

_MAKE: dict[type[PrimExpr], Callable[..., PrimExpr]] = {
    Add: op.add, Sub: op.subtract, Mul: op.multiply, FloorDiv: op.floordiv, FloorMod: op.floormod,
    Min: op.min, Max: op.max,
}  # fmt: skip

_OF_FIXED_TYPES = {"tir.call_extern", "tir.call_pure_extern", "tir.call_llvm_intrin"}
"""Calls of functions that take their arguments in the types that they were written for; addresses
and statements of the machine take offsets of any type."""


class _WithIndexDtype(Rewriter):
    """Rewrites expressions in index places; what was data of another type stays so by casts."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.vars: dict[int, Var] = {}

    def index(self, value: PrimExpr) -> PrimExpr:
        """`value`, an index or extent, in the chosen type."""
        made = self.rewrite(value)
        if isinstance(made, IntImm):
            return IntImm(self.dtype, made.value)
        return op.cast(made, self.dtype)

    def define(self, var: Var) -> Var:
        """The variable that replaces `var`, which is an index."""
        if var.dtype == self.dtype or not _is_index(var):
            return var
        return self.vars.setdefault(id(var), var.copy_with_dtype(self.dtype))

    @on(Var)
    def variable(self, value: Var) -> PrimExpr:
        return self.vars.get(id(value), value)

    @on(Buffer)
    def buffer(self, value: Buffer) -> Any:
        known = self._variables.get(id(value))
        if known is None:
            made = value.replace(
                shape=tuple(self.index(d) for d in value.shape),
                strides=tuple(self.index(d) for d in value.strides),
                elem_offset=self.index(value.elem_offset),
            )
            known = self._variables[id(value)] = (value, made)
        return known[1]

    @on(Range)
    def range(self, value: Range) -> Range:
        return Range(self.index(value.min), self.index(value.extent))

    @on(IterVar)
    def axis(self, value: IterVar) -> IterVar:
        dom = None if value.dom is None else self.range(value.dom)
        return IterVar(dom, self.define(value.var), value.iter_type, value.thread_tag)

    @on(For)
    def loop(self, value: For) -> For:
        var = self.define(value.loop_var)
        return value.replace(
            loop_var=var,
            min=self.index(value.min),
            extent=self.index(value.extent),
            body=self.rewrite(value.body),
        )

    @on(BufferLoad)
    def load(self, value: BufferLoad) -> BufferLoad:
        indices = tuple(self.index(i) for i in value.indices)
        return BufferLoad(self.rewrite(value.buffer), indices, value.predicate, span=value.span)

    @on(BufferStore)
    def store(self, value: BufferStore) -> BufferStore:
        indices = tuple(self.index(i) for i in value.indices)
        made = op.cast(self.rewrite(value.value), value.value.dtype)
        return BufferStore(self.rewrite(value.buffer), made, indices, value.predicate)

    @on(LetStmt)
    def let(self, value: LetStmt) -> LetStmt:
        bound = op.cast(self.rewrite(value.value), value.var.dtype)
        return value.replace(value=bound, body=self.rewrite(value.body))

    @on(BufferRegion)
    def region(self, value: BufferRegion) -> BufferRegion:
        return BufferRegion(self.rewrite(value.buffer), tuple(self.range(r) for r in value.region))

    @on(Cast)
    def cast(self, value: Cast) -> PrimExpr:
        return op.cast(self.rewrite(value.value), value.dtype)

    @on(BinaryOpExpr, CmpExpr)
    def binary(self, value: Any) -> PrimExpr:
        a, b = self.rewrite(value.a), self.rewrite(value.b)
        if a is value.a and b is value.b:
            made: PrimExpr = value
            return made
        if type(value) in _MAKE:
            return _MAKE[type(value)](a, b)
        wide = self.dtype if self.dtype in (a.dtype, b.dtype) else a.dtype
        made = type(value)(op.cast(a, wide), op.cast(b, wide), span=value.span)
        return made

    @on(Select)
    def select(self, value: Select) -> PrimExpr:
        return op.select(*(self.rewrite(p) for p in (
            value.condition, value.true_value, value.false_value
        )))  # fmt: skip

    @on(Call)
    def call(self, value: Call) -> PrimExpr:
        if value.op.name == "tir.if_then_else":
            return op.if_then_else(*(self.rewrite(arg) for arg in value.args))
        if value.dtype == "handle" and value.op.name not in _OF_FIXED_TYPES:
            return value.replace(args=tuple(self.rewrite(arg) for arg in value.args))
        args = tuple(
            op.cast(self.rewrite(arg), arg.dtype) if isinstance(arg, PrimExpr) else arg
            for arg in value.args
        )
        return value.replace(args=args)


def _is_index(var: Var) -> bool:
    info = dtype_of(var.dtype)
    return info.is_int and info.lanes == 1


def with_index_dtype(func: PrimFunc, dtype: str) -> PrimFunc:
    """`func` with indices, loops, axes, shapes and integer parameters of `dtype`."""
    rewriter = _WithIndexDtype(dtype)
    for buffer in func.buffers():
        for part in (*buffer.shape, *buffer.strides, buffer.elem_offset):
            if isinstance(part, Var):
                rewriter.define(part)
    params = tuple(rewriter.define(p) if _is_index(p) else p for p in func.params)
    buffers = {p: rewriter.run(b) for p, b in func.buffer_map.items()}
    return func.replace(params=params, body=rewriter.run(func.body), buffer_map=buffers)


def indices_with_dtype(
    variables: Sequence[Var], indices: Sequence[PrimExpr], dtype: str
) -> tuple[tuple[Var, ...], tuple[PrimExpr, ...]]:
    """Variables of `dtype`, and the indices in terms of them."""
    rewriter = _WithIndexDtype(dtype)
    made = tuple(rewriter.define(v) for v in variables)
    return made, tuple(rewriter.index(i) for i in indices)
