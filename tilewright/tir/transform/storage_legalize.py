"""Narrow floats stored as plain integers, for targets that know no such type."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.expr import FloatImm, IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.node import rebuild
from ...ir.transform import Pass, PassContext
from ...ir.type import PointerType, PrimType
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from .. import op as O
from ..buffer import Buffer
from ..expr import BinaryOpExpr, BufferLoad, Call, Cast, CmpExpr, Let, Var, pointer
from ..function import PrimFunc
from ..stmt import Allocate, AllocateConst, BufferStore, LetStmt
from .base import prim_func_pass
from .narrow_floats import decoded, encoded, storage_of

_CARRIES = frozenset(("tir.if_then_else", "tir.type_annotation", "tir.undef"))


class _AsIntegers(Rewriter):
    """Values of the chosen types are their bits; casts to and from them compute."""

    def __init__(self, chosen: Any, compute_pass: str) -> None:
        self.chosen, self.compute_pass = chosen, compute_pass

    def _is_narrow(self, dtype: str) -> bool:
        return bool(self.chosen(dtype_of(dtype).element))

    def _stored(self, dtype: str) -> str:
        return storage_of(dtype) if self._is_narrow(dtype) else dtype

    # ---- what holds values ------------------------------------------------------------------

    @on(Var)
    def variable(self, var: Var) -> Var:
        """A name for bits, or the address of bits."""
        known = self._variables.get(id(var))
        if known is None:
            known = self._variables[id(var)] = (var, self._new_variable(var))
        return known[1]  # type: ignore[return-value]

    def _new_variable(self, var: Var) -> Var:
        kind = var.type_annotation
        if isinstance(kind, PointerType) and isinstance(kind.element_type, PrimType):
            stored = self._stored(kind.element_type.dtype)
            if stored != kind.element_type.dtype:
                return type(var)(var.name, pointer(stored, kind.storage_scope))  # type: ignore[arg-type]
        return (
            var if not self._is_narrow(var.dtype) else var.copy_with_dtype(self._stored(var.dtype))
        )

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer of bits."""
        known = self._variables.get(id(buffer))
        if known is None:
            new = self.rewrite_children(buffer)
            stored = self._stored(buffer.dtype)
            new = new if stored == buffer.dtype else rebuild(new, {"dtype": stored})
            known = self._variables[id(buffer)] = (buffer, new)
        return known[1]  # type: ignore[return-value]

    @on(Allocate, AllocateConst)
    def allocate(self, node: Any) -> Any:
        """Memory for bits."""
        new = self.rewrite_children(node)
        stored = self._stored(node.dtype)
        if stored == node.dtype:
            return new
        changes: dict[str, Any] = {"dtype": stored}
        if isinstance(node, AllocateConst):
            data = node.data.numpy() if hasattr(node.data, "numpy") else np.asarray(node.data)
            changes["data"] = data.view(dtype_of(dtype_of(stored).element).numpy)
        return new.replace(**changes)

    # ---- values -----------------------------------------------------------------------------

    @on(FloatImm)
    def constant(self, value: FloatImm) -> PrimExpr:
        """The bits of a constant."""
        if not self._is_narrow(value.dtype):
            return value
        stored = self._stored(value.dtype)
        bits = np.asarray(value.value, dtype_of(value.dtype).numpy).reshape(1)
        return IntImm(stored, int(bits.view(dtype_of(stored).numpy)[0]))

    @on(Cast)
    def cast(self, expr: Cast) -> PrimExpr:
        """float32(a: bfloat16)   ->   reinterpret(a << 16)"""
        value: PrimExpr = self.rewrite(expr.value)
        source = expr.value.dtype
        if self._is_narrow(source):
            value = decoded(value, source)
        if self._is_narrow(expr.dtype):
            return encoded(O.cast(value, "float32"), expr.dtype)
        return O.cast(value, expr.dtype)

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """Bits that are read as bits are what they are; other calls must not compute narrow."""
        new: Call = self.rewrite_children(call)
        name = getattr(call.op, "name", "")
        if name == "tir.reinterpret":
            target = self._stored(call.dtype)
            value: Any = new.args[0]
            return value if value.dtype == target else O.reinterpret(target, value)
        if not self._is_narrow(call.dtype):
            return new
        if name not in _CARRIES:
            self._refuse(call)
        return new.replace(dtype=self._stored(call.dtype))

    @on(BinaryOpExpr, CmpExpr)
    def binary(self, expr: Any) -> PrimExpr:
        """Arithmetic in a narrow type is for another pass."""
        if self._is_narrow(expr.a.dtype):
            self._refuse(expr)
        made: PrimExpr = self.rewrite_children(expr)
        return made

    def _refuse(self, expr: PrimExpr) -> None:
        raise CompileError(
            f"`{expr}` computes in {expr.dtype}", expr.span, hint=f"run {self.compute_pass} before"
        )

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """Bits are loaded and stored."""
        changes: dict[str, Any] = {
            "buffer": self.buffer(access.buffer),
            "indices": self.rewrite(access.indices),
            "predicate": self.rewrite(access.predicate),
        }
        if isinstance(access, BufferStore):
            changes["value"] = self.rewrite(access.value)
        return access.replace(**changes)

    @on(LetStmt, Let)
    def let(self, let: Any) -> Any:
        """A name for bits."""
        value = self.rewrite(let.value)
        return let.replace(var=self.variable(let.var), value=value, body=self.rewrite(let.body))


def _legalized(func: PrimFunc, chosen: Any, name: str) -> PrimFunc:
    if any(chosen(dtype_of(b.dtype).element) for b in func.buffer_map.values()):
        raise CompileError(
            "the function takes arrays of a narrow type; their callers would see other types",
            func.span, hint="run MakePackedAPI or MakeUnpackedAPI before",
        )  # fmt: skip
    rewriter = _AsIntegers(chosen, name.replace("Storage", "Compute"))
    params = tuple(rewriter.variable(p) for p in func.params)
    return func.replace(params=params, body=rewriter.run(func.body))


def _storage(name: str, chosen: Any) -> Pass:
    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        return _legalized(func, chosen, name)

    made: Pass = prim_func_pass(transform, opt_level=0, name=f"tir.{name}")
    return made


def BF16StorageLegalize() -> Pass:
    """A: bfloat16; float32(A[i])   ->   A: uint16; reinterpret(uint32(A[i]) << 16)

    After `BF16ComputeLegalize` and a pass that makes parameters of arrays.
    """
    return _storage("BF16StorageLegalize", lambda dtype: dtype == "bfloat16")


def FP8StorageLegalize() -> Pass:
    """The same for the types of 8 bits, stored as `uint8`."""
    return _storage("FP8StorageLegalize", lambda dtype: dtype.startswith("float8"))
