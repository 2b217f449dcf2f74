"""Functions that take addresses and numbers only; nothing is checked."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any, TypeGuard

from ...ir.expr import BaseFunc, GlobalVar, PrimExpr
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.module import IRModule
from ...ir.transform import PassContext
from ...ir.type import PrimType, void_type
from ...support.errors import CompileError
from ...target import Target
from .. import op as O
from ..expr import Call, StringImm, Var
from ..function import PrimFunc
from ..stmt import AttrStmt, Evaluate, Stmt, stmt_seq
from .base import factory, module_factory


def kernel_params(func: PrimFunc) -> tuple[list[Var], list[Var]]:
    """The parameters of the bare kernel: addresses, then numbers.

    Addresses are those of the arrays and of other handles, in the order of `func.params`. Numbers
    are the scalar parameters in order, then the variables that only shapes, strides and offsets
    of the arrays mention, in the order in which they are met.
    """
    pointers: list[Var] = []
    scalars: list[Var] = []
    for param in func.params:
        if param in func.buffer_map:
            pointers.append(func.buffer_map[param].data)
        elif param.dtype == "handle":
            pointers.append(param)
        else:
            scalars.append(param)
    known = {*pointers, *scalars}
    for buffer in func.buffers():
        for var in _variables((*buffer.shape, *buffer.strides, buffer.elem_offset)):
            if var not in known:
                known.add(var)
                scalars.append(var)
    return pointers, scalars


def _variables(parts: Sequence[PrimExpr]) -> list[Var]:
    found: list[Var] = []
    post_order_visit(parts, lambda n: found.append(n) if isinstance(n, Var) else None)
    return found


def bare_kernel(func: PrimFunc) -> PrimFunc:
    """`func` with its arrays as plain addresses; itself if it has none."""
    pointers, scalars = kernel_params(func)
    params = (*pointers, *scalars)
    unchanged = len(params) == len(func.params) and all(map(is_, params, func.params))
    if not func.buffer_map and unchanged:
        return func
    return func.replace(params=params, buffer_map={})


@factory
def BareKernel(func: PrimFunc) -> PrimFunc:
    """k(a: handle) with a: Buffer((n,))   ->   k(a: pointer, n)"""
    return bare_kernel(func)


class _PassAddresses(Rewriter):
    """Calls of public functions give the addresses of arrays, and have their status as result."""

    def __init__(self, public: set[GlobalVar]) -> None:
        self.public = public

    @on(Call)
    def call(self, call: Call) -> Call:
        """k(tvm_stack_make_array(a, ...))   ->   k(a)"""
        new: Call = self.rewrite_children(call)
        if new.op not in self.public:
            return new
        dtype = "int32" if new.dtype == "void" else new.dtype
        return new.replace(dtype=dtype, args=tuple(_address(arg) for arg in new.args))


def _address(arg: Any) -> Any:
    is_array = getattr(getattr(arg, "op", None), "name", "") == "tir.tvm_stack_make_array"
    return arg.args[0] if is_array else arg


def is_public(func: BaseFunc) -> TypeGuard[PrimFunc]:
    """Whether a function is a loop program to be called from outside, not wrapped yet."""
    is_kernel = isinstance(func, PrimFunc) and "global_symbol" in func.attrs
    return is_kernel and not func.attrs.get("tir.is_packed", False)


def _unpacked(func: PrimFunc) -> PrimFunc:
    if func.attrs.get("target") is None:
        raise CompileError(
            f"MakeUnpackedAPI needs the target of the function `{func.global_symbol()}`",
            func.span, hint="apply BindTarget before",
        )  # fmt: skip
    target = Target(func.attrs["target"])
    made = bare_kernel(func)
    if made.ret_type == void_type():
        body = stmt_seq(made.body, Evaluate(O.ret(0)))
        made = made.replace(body=body, ret_type=PrimType("int32"))
    if func.buffer_map:
        made = made.replace(body=_on_device(target.get_target_device_type(), made.body))
    return on_host(made)


def on_host(func: PrimFunc) -> PrimFunc:
    """`func` for the host of its target, if that has one."""
    given = func.attrs.get("target")
    host = None if given is None else Target(given).host
    return func if host is None else func.replace(attrs={**func.attrs, "target": host})


def _on_device(device_type: int, body: Stmt) -> Stmt:
    for key, value in (("device_type", device_type), ("device_id", 0)):
        body = AttrStmt(StringImm("default"), key, O.const(value), body)
    return body


@module_factory
def MakeUnpackedAPI(mod: IRModule, ctx: PassContext) -> IRModule:
    """k(a: handle) with a: Buffer((n,))   ->   k(a: pointer, n) -> int32, which returns 0

    For each function with a `global_symbol`, which is then one of the target's host. Raises
    `CompileError` if such a function has no target.
    """
    del ctx
    calls = _PassAddresses({var for var, func in mod.items() if is_public(func)})
    functions: dict[GlobalVar, BaseFunc] = {}
    for var, func in mod.items():
        functions[var] = func
        if is_public(func):
            made = _unpacked(func)
            functions[var] = made.replace(body=calls.run(made.body))
    return mod.with_functions(functions)
