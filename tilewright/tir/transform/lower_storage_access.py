"""Addresses and memory of special scopes, as the device sees them."""

from __future__ import annotations

from typing import Any

from ...ir.expr import PrimExpr
from ...ir.functor import Rewriter, on
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from .. import op as O
from ..buffer import decl_buffer
from ..expr import BufferLoad, Call, Var
from ..function import PrimFunc
from ..memory_info import MemoryInfo, memory_info
from ..stmt import Allocate, DeclBuffer, LetStmt, Stmt
from .base import factory
from .shared_lives import scope_of

KNOWN = ("", "dyn", "barrier", "workspace", "vtcm")
"""What may stand after the dot of a scope without being memory of its own."""


class _Lower(Rewriter):
    def __init__(self) -> None:
        self.special: dict[Var, MemoryInfo] = {}

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """Memory of a special scope is where the device says."""
        scope = scope_of(node.buffer_var)
        if scope.partition(".")[2] in KNOWN:
            return self.rewrite_children(node)
        info = memory_info(scope)
        if info is None:
            raise CompileError(
                f"nothing is known of the memory `{scope}` of `{node.buffer_var.name}`",
                node.span, hint=f"register a function `tvm.info.mem.{scope}`",
            )  # fmt: skip
        self.special[node.buffer_var] = info
        body: Stmt = self.rewrite(node.body)
        head = info.head_address
        return body if head is None else LetStmt(node.buffer_var, head, body)

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> Stmt:
        """What has no address needs no name either."""
        new: DeclBuffer = self.rewrite_children(node)
        info = self.special.get(node.buffer.data)
        return new if info is None or info.head_address is not None else new.body

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """tvm_access_ptr(A, offset)   ->   address_of(A[offset])"""
        new: Any = self.rewrite_children(call)
        if getattr(call.op, "name", "") != "tir.tvm_access_ptr":
            made: PrimExpr = new
            return made
        marker, data, offset, *_ = new.args
        info = self.special.get(data)
        if info is None or new.dtype == "handle":
            if info is not None and info.head_address is None:
                raise CompileError(f"`{data.name}` has no address", call.span)
            memory = decl_buffer((O.add(offset, 1),), marker.dtype, data.name, data=data)
            return O.address_of(BufferLoad(memory, (offset,)))
        dtype = marker.dtype
        bits = dtype_of(dtype).bits * int(dtype_of(dtype).lanes)
        if info.unit_bits % bits:
            raise CompileError(
                f"`{data.name}` has units of {info.unit_bits} bits, no multiple of {bits}",
                call.span,
            )
        return O.cast(O.simplified(O.floordiv(offset, info.unit_bits // bits)), new.dtype)


@factory
def LowerDeviceStorageAccessInfo(func: PrimFunc) -> PrimFunc:
    """tvm_access_ptr(float32, A, offset, ...)   ->   address_of(A[offset])

    Memory of a scope such as `local.acc`, of which the global function `tvm.info.mem.local.acc`
    knows the address (`head_address`) and the unit of access (`unit_bits`), is not allocated; its
    address is that of the device, and pointers into it that are numbers count units. Raises
    `CompileError` for such a scope without that function.
    """
    return func.replace(body=_Lower().run(func.body))
