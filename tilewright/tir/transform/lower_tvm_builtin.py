"""Packed calls, shapes and tensors on the stack, and memory of devices, in plain operations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from .. import op as O
from ..buffer import decl_buffer
from ..expr import BufferLoad, Call, StringImm, Var, pointer
from ..function import PrimFunc
from ..stmt import (
    Allocate,
    AttrStmt,
    BufferStore,
    DeclBuffer,
    Evaluate,
    For,
    ForKind,
    IfThenElse,
    LetStmt,
    Stmt,
    stmt_seq,
)  # fmt: skip
from .base import factory
from .bind_target import IS_HOST
from .make_packed_api import (
    ANY_TYPE,
    ANY_VALUE,
    ANY_ZERO,
    BITS,
    BOOL,
    CODE,
    CODES,
    DATA,
    DEVICE_TYPE,
    DLTENSOR,
    FLOAT,
    INT,
    LANES,
    NDIM,
    OFFSET,
    POINTER,
    SHAPE,
    STRIDES,
)  # fmt: skip

ADDRESS, DEVICE_ID, STRING = 0, 9, 8
CPU = 1
ALIGNMENT = 64
"""What the runtime aligns its memory to, in bytes."""


@dataclass(eq=False)
class _Stack:
    """Slots used again once their statement is over."""

    name: str
    kind: str
    var: Var
    used: int = 0
    most: int = 0

    def take(self, count: int) -> int:
        """The first of `count` new slots."""
        first = self.used
        self.used += count
        self.most = max(self.most, self.used)
        return first


def _stack(name: str, kind: str, dtype: Any = "handle") -> _Stack:
    return _Stack(name, kind, Var(name, dtype))


@dataclass(eq=False)
class _Scope:
    """The stacks of a function, or of the body of a parallel loop."""

    shape: _Stack = field(default_factory=lambda: _stack("stack_shape", "shape", pointer("int64")))
    array: _Stack = field(default_factory=lambda: _stack("stack_array", "array"))
    any: _Stack = field(default_factory=lambda: _stack("stack_ffi_any", "tvm_ffi_any"))
    prelude: list[Stmt] = field(default_factory=list)

    def stacks(self) -> tuple[_Stack, ...]:
        """All stacks."""
        return self.shape, self.array, self.any


def _struct(which: str, dtype: str, *args: Any) -> Call:
    parts = tuple(IntImm("int32", a) if isinstance(a, int) else a for a in args)
    return Call(dtype, f"tir.tvm_struct_{which}", parts)


class _Lower(Rewriter):
    def __init__(self, *, is_anywhere: bool) -> None:
        self.is_anywhere = is_anywhere
        self.scope = _Scope()
        self.device: dict[str, PrimExpr] = {}

    # ---- statements -------------------------------------------------------------------------

    def body(self, stmt: Stmt) -> Stmt:
        """`stmt` lowered, within the stacks that it needs."""
        before, self.scope = self.scope, _Scope()
        made: Stmt = self.rewrite(stmt)
        for stack in self.scope.stacks():
            if stack.most:
                size = IntImm("int32", stack.most)
                memory = Call("handle", "tir.tvm_stack_alloca", (StringImm(stack.kind), size))
                made = LetStmt(stack.var, memory, made)
        self.scope = before
        return made

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """Each task of a parallel loop has stacks of its own."""
        if loop.kind != ForKind.PARALLEL:
            return self._statement(loop)
        low, extent = self.rewrite(loop.min), self.rewrite(loop.extent)
        return loop.replace(min=low, extent=extent, body=self.body(loop.body))

    @on(Stmt)
    def statement(self, stmt: Stmt) -> Stmt:
        """What prepares the calls of a statement stands before it."""
        return self._statement(stmt)

    def _statement(self, stmt: Stmt) -> Stmt:
        scope = self.scope
        prelude, scope.prelude = scope.prelude, []
        used = [stack.used for stack in scope.stacks()]
        made: Stmt = self.rewrite_children(stmt)
        made = stmt_seq(*scope.prelude, made) if scope.prelude else made
        scope.prelude = prelude
        for stack, before in zip(scope.stacks(), used, strict=True):
            stack.used = before
        return made

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """Says on which device memory is."""
        if node.attr_key not in ("device_id", "device_type"):
            return self._statement(node)
        before = dict(self.device)
        self.device[node.attr_key] = self.rewrite(node.value)
        body: Stmt = self.rewrite(node.body)
        self.device = before
        return body

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """allocate on a device   ->   TVMBackendAllocWorkspace ... TVMBackendFreeWorkspace"""
        kind = self.device.get("device_type")
        if kind is None and self.is_anywhere:
            raise CompileError(
                f"`{node.buffer_var.name}` is allocated on a device that is not known",
                node.span,
                hint="apply BindTarget before, or put the attribute `device_type` around it",
            )  # fmt: skip
        if kind is None or O.is_const_int(kind, CPU):
            return self._statement(node)
        if "device_id" not in self.device:
            raise CompileError(
                f"`{node.buffer_var.name}` is allocated on a device that has no id",
                node.span, hint="put the attribute `device_id` around it",
            )  # fmt: skip
        return _workspace(node, self.device, self.rewrite(node.body))

    # ---- calls ------------------------------------------------------------------------------

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """Calls of the runtime become stores to the stack."""
        lower = _CALLS.get(getattr(call.op, "name", ""))
        new: Call = self.rewrite_children(call)
        return new if lower is None else lower(self, new)

    def emit(self, expr: PrimExpr) -> None:
        """Evaluates `expr` before the statement."""
        self.scope.prelude.append(Evaluate(expr))

    def _make_shape(self, call: Call) -> PrimExpr:
        """tvm_stack_make_shape(m, n)   ->   stack_shape[0] = m; stack_shape[1] = n"""
        stack = self.scope.shape
        first = stack.take(max(1, len(call.args)))
        view = decl_buffer((1,), "int64", stack.name, data=stack.var)
        for offset, part in enumerate(call.args):
            value = O.cast(part, "int64")
            self.scope.prelude.append(BufferStore(view, value, (IntImm("int32", first + offset),)))
        return O.address_of(BufferLoad(view, (IntImm("int32", first),)))

    def _make_array(self, call: Call) -> PrimExpr:
        """The fields of a tensor, one by one."""
        data, shape, strides, ndim, sample, offset = call.args
        assert isinstance(sample, PrimExpr) and isinstance(offset, PrimExpr)
        info = dtype_of(sample.dtype)
        slot = self.scope.array.take(1)
        where = self.scope.array.var
        null = Call("handle", "tir.reinterpret", (IntImm("uint64", 0),))
        size = IntImm("uint64", info.bytes)
        fields: dict[int, Any] = {
            DATA: data, SHAPE: shape,
            STRIDES: null if isinstance(strides, IntImm) else strides,
            NDIM: ndim, CODE: IntImm("uint8", CODES[info.code]), BITS: IntImm("uint8", info.bits),
            LANES: IntImm("uint16", info.lanes),
            OFFSET: O.multiply(O.cast(offset, "uint64"), size),
            DEVICE_ID: self.device.get("device_id", IntImm("int32", 0)),
            DEVICE_TYPE: self.device.get("device_type", IntImm("int32", CPU)),
        }  # fmt: skip
        for kind, value in fields.items():
            self.emit(_struct("set", "int32", where, slot, kind, value))
        return _struct("get", "handle", where, slot, ADDRESS)

    def _packed(self, call: Call) -> PrimExpr:
        """tvm_call_packed(f, x)   ->   stack[0] = x; tvm_call_packed_lowered(f, stack, 0, 1)"""
        name, *args = call.args
        stack = self.scope.any
        first = stack.take(len(args) + 1)
        for offset, arg in enumerate(args):
            assert isinstance(arg, PrimExpr)
            slot = first + offset
            self.emit(_struct("set", "int32", stack.var, slot, ANY_TYPE, _type_index(arg)))
            self.emit(_struct("set", "int32", stack.var, slot, ANY_ZERO, 0))
            self.emit(_struct("set", "int32", stack.var, slot, ANY_VALUE, _widened(arg)))
        begin, end = IntImm("int32", first), IntImm("int32", first + len(args))
        return Call(call.dtype, "tir.tvm_call_packed_lowered", (name, stack.var, begin, end))


_CALLS: dict[str, Any] = {
    "tir.tvm_stack_make_shape": _Lower._make_shape,
    "tir.tvm_stack_make_array": _Lower._make_array,
    "tir.tvm_call_packed": _Lower._packed,
    "tir.tvm_call_cpacked": _Lower._packed,
}


def _type_index(arg: PrimExpr) -> int:
    info = dtype_of(arg.dtype)
    if isinstance(arg, StringImm):
        return STRING
    if info.is_handle:
        is_tensor = isinstance(arg, Call) and arg.op.name == "tir.tvm_struct_get"
        return DLTENSOR if is_tensor else POINTER
    return FLOAT if info.is_float else BOOL if info.is_bool else INT


def _widened(arg: PrimExpr) -> PrimExpr:
    info = dtype_of(arg.dtype)
    if info.is_float:
        return O.cast(arg, "float64")
    return O.cast(arg, "int64") if info.is_integral else arg


def _workspace(node: Allocate, device: dict[str, PrimExpr], body: Stmt) -> Stmt:
    info = dtype_of(node.dtype)
    size: PrimExpr = IntImm("uint64", info.bytes)
    for extent in node.extents:
        size = O.multiply(size, O.cast(extent, "uint64"))
    where = (device["device_type"], device["device_id"])
    failed = Evaluate(Call("int32", "tir.tvm_throw_last_error", ()))
    made = O.TVMBackendAllocWorkspace(
        *where, O.simplified(size), IntImm("int32", CODES[info.code]),
        IntImm("int32", info.bits),
    )  # fmt: skip
    var = node.buffer_var
    freed = O.TVMBackendFreeWorkspace(*where, var)
    whole = stmt_seq(
        IfThenElse(Call("bool", "tir.isnullptr", (var,)), failed),
        _followed(body, IfThenElse(O.not_equal(freed, 0), failed)),
    )
    return LetStmt(var, made, AttrStmt(var, "storage_alignment", O.const(ALIGNMENT), whole))


def _followed(body: Stmt, last: Stmt) -> Stmt:
    """`body; last`, within what `body` declares."""
    if isinstance(body, DeclBuffer):
        return body.replace(body=_followed(body.body, last))
    return stmt_seq(body, last)


@factory
def LowerTVMBuiltin(func: PrimFunc) -> PrimFunc:
    """tvm_call_packed(f, x)   ->   stack[0] = x; tvm_call_packed_lowered(f, stack, 0, 1)

    Shapes and tensors are made on the stack, too; memory of devices comes from the runtime. Raises
    `CompileError` for memory of a device without id, and of one that nothing tells in a function
    marked `tir.is_host_func`.
    """
    is_anywhere = "target" not in func.attrs and bool(func.attrs.get(IS_HOST))
    return func.replace(body=_Lower(is_anywhere=is_anywhere).body(func.body))
