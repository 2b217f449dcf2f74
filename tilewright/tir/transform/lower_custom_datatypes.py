"""Custom data types as unsigned integers, with calls for what computes."""

from __future__ import annotations

from typing import Any

from ...ir.expr import FloatImm, PrimExpr
from ...ir.functor import on
from ...support.dtypes import DType, dtype_of
from ...support.errors import CompileError
from ...target import Target
from ..datatype import lower_call_pure_extern, lower_ite, lowering
from ..expr import BinaryOpExpr, Call, Cast, CmpExpr
from ..function import PrimFunc
from .base import factory
from .stored_types import StoredTypes

_CARRIES = {"tir.if_then_else": lower_ite, "tir.call_pure_extern": lower_call_pure_extern}
"""What calls become that nobody has registered."""


@factory
def LowerCustomDatatypes(func: PrimFunc) -> PrimFunc:
    """C: custom[posit]32; C[i] = C[i] + C[j]
    ->   C: uint32; C[i] = call_pure_extern("Posit32Add", C[i], C[j])

    As `target.datatype.register_op` says for the kind of the function's target. Raises
    `CompileError` for what nothing was registered for, and where no target is known.
    """
    target = func.attrs.get("target") or Target.current()
    kind = target.kind.name if target is not None else ""
    rewriter = _Lower(kind)
    params = tuple(rewriter.variable(p) for p in func.params)
    buffers = {rewriter.variable(v): rewriter.buffer(b) for v, b in func.buffer_map.items()}
    made = func.replace(params=params, buffer_map=buffers, body=rewriter.run(func.body))
    return func if made.body is func.body and params == func.params else made


class _Lower(StoredTypes):
    def __init__(self, target: str) -> None:
        self.target = target

    def _stored(self, dtype: str) -> str:
        info = dtype_of(dtype)
        return dtype_of(f"uint{info.bits}").with_lanes(info.lanes) if info.is_custom else dtype

    def _lowered(self, op: PrimExpr, name: str, kind: DType, of: str | None = None) -> PrimExpr:
        if not self.target:
            raise CompileError(
                f"`{op}` computes in {kind.name}, for no target", op.span,
                hint="run BindTarget before, or within a Target",
            )  # fmt: skip
        lower = lowering(self.target, name, _name(kind), of)
        if lower is None and of in _CARRIES:
            lower = _CARRIES[of]
        if lower is None:
            what = name if of is None else f"{name} of {of}"
            raise CompileError(
                f"no lowering of {what} to {_name(kind)} is registered for {self.target}: `{op}`",
                op.span, hint="target.datatype.register_op registers one",
            )  # fmt: skip
        return lower(op)

    @on(FloatImm)
    def constant(self, value: FloatImm) -> PrimExpr:
        """A constant of a custom type."""
        kind = dtype_of(value.dtype)
        return self._lowered(value, "FloatImm", kind) if kind.is_custom else value

    @on(Cast)
    def cast(self, expr: Cast) -> PrimExpr:
        """A conversion from or to a custom type."""
        made: Cast = self.rewrite_children(expr)
        source, kind = dtype_of(expr.value.dtype), dtype_of(expr.dtype)
        if not (source.is_custom or kind.is_custom):
            return made
        return self._lowered(made, "Cast", kind, _name(source))

    @on(BinaryOpExpr, CmpExpr)
    def binary(self, expr: Any) -> PrimExpr:
        """Arithmetic, and comparison, in a custom type."""
        made: PrimExpr = self.rewrite_children(expr)
        kind = dtype_of(expr.a.dtype)
        return self._lowered(made, type(expr).__name__, kind) if kind.is_custom else made

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """A call that gives a custom type."""
        made: Call = self.rewrite_children(call)
        kind = dtype_of(call.dtype)
        if not kind.is_custom:
            return made
        return self._lowered(made, "Call", kind, getattr(call.op, "name", str(call.op)))


def _name(kind: DType) -> str:
    """A type as `register_op` knows it: `float`, `int`, or the name of a custom one."""
    return kind.code.removeprefix("custom[").removesuffix("]")
