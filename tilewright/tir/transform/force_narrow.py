"""Whole functions counted in int32."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from .. import op as O
from ..arith.rules import MAKERS
from ..buffer import Buffer
from ..expr import BinaryOpExpr, Call, Cast, CmpExpr, Let, Select, Var
from ..function import PrimFunc
from ..stmt import BufferStore, LetStmt
from .base import factory

LIMIT = 2**31


def _is_wide(dtype: str) -> bool:
    info = dtype_of(dtype)
    return info.is_int and info.bits == 64


def _narrow(dtype: str) -> str:
    return dtype.replace("int64", "int32", 1) if _is_wide(dtype) else dtype


class _Narrow(Rewriter):
    def __init__(self) -> None:
        self.names: dict[Var, Var] = {}

    @on(Var)
    def variable(self, var: Var) -> Var:
        """A variable of int32 in place of one of int64."""
        if not _is_wide(var.dtype):
            return var
        if var not in self.names:
            self.names[var] = type(var)(var.name, _narrow(var.dtype))
        return self.names[var]

    @on(IntImm)
    def constant(self, value: IntImm) -> IntImm:
        """The same number."""
        if not _is_wide(value.dtype):
            return value
        if not -LIMIT <= value.value < LIMIT:
            raise CompileError(f"{value.value} does not fit into int32", value.span)
        return IntImm(_narrow(value.dtype), value.value)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Shape, strides and offset; elements keep their type."""
        if _is_wide(buffer.dtype):
            raise CompileError(
                f"`{buffer.name}` holds {buffer.dtype}, which cannot be made int32",
                buffer.span, hint="ForceNarrowIndexToInt32 is for functions on other elements",
            )  # fmt: skip
        made = self.rewrite_variable(buffer)
        assert isinstance(made, Buffer)
        return made

    @on(BinaryOpExpr, CmpExpr)
    def binary(self, expr: Any) -> PrimExpr:
        """Both sides narrowed."""
        a, b = self.rewrite(expr.a), self.rewrite(expr.b)
        return expr if a is expr.a and b is expr.b else MAKERS[type(expr)](a, b)

    @on(Cast)
    def cast(self, expr: Cast) -> PrimExpr:
        """A cast to int64 is one to int32."""
        return O.cast(self.rewrite(expr.value), _narrow(expr.dtype))

    @on(Select)
    def select(self, expr: Select) -> PrimExpr:
        """Both values narrowed."""
        parts = (expr.condition, expr.true_value, expr.false_value)
        return Select(*(self.rewrite(part) for part in parts))

    @on(Let)
    def let(self, expr: Let) -> PrimExpr:
        """The value takes the type of the name."""
        return Let(self.rewrite(expr.var), self.rewrite(expr.value), self.rewrite(expr.body))

    @on(LetStmt)
    def let_stmt(self, node: LetStmt) -> LetStmt:
        """The value takes the type of the name."""
        return node.replace(
            var=self.rewrite(node.var), value=self.rewrite(node.value), body=self.rewrite(node.body)
        )

    @on(Call)
    def call(self, expr: Call) -> PrimExpr:
        """A call gives int32 where it gave int64; `clz` counts the bits that went, too."""
        made: PrimExpr = expr.replace(dtype=_narrow(expr.dtype), args=self.rewrite(expr.args))
        is_clz = getattr(expr.op, "name", "") == "tir.clz"
        if not is_clz or made.args[0].dtype == expr.args[0].dtype:  # type: ignore[attr-defined]
            return made
        return O.add(O.subtract(made, 32), 64)

    @on(BufferStore)
    def store(self, store: BufferStore) -> BufferStore:
        """The value keeps the type of the elements."""
        return store.replace(
            buffer=self.rewrite(store.buffer),
            value=self.rewrite(store.value),
            indices=self.rewrite(store.indices),
            predicate=self.rewrite(store.predicate),
        )


@factory
def ForceNarrowIndexToInt32(func: PrimFunc) -> PrimFunc:
    """for i in range(n: int64): A[i]   ->   for i in range(n: int32): A[i]

    Parameters, shapes and everything computed from them, whatever their values are. Raises
    `CompileError` for a constant that does not fit, and for arrays of int64.
    """
    rewriter = _Narrow()
    params = tuple(rewriter.run(param) for param in func.params)
    buffers = {rewriter.run(var): rewriter.run(buffer) for var, buffer in func.buffer_map.items()}
    return func.replace(params=params, buffer_map=buffers, body=rewriter.run(func.body))
