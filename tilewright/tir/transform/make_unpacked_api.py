"""Functions that take addresses and numbers only; nothing is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_
from typing import TypeGuard

from ...ir.expr import BaseExpr, BaseFunc, GlobalVar, PrimExpr
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.module import IRModule
from ...ir.transform import PassContext
from ...ir.type import PrimType, void_type
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError, CompileError
from ...target import Target
from .. import op as O
from ..buffer import Buffer
from ..expr import Call, StringImm, Var
from ..function import PrimFunc
from ..stmt import AttrStmt, Evaluate, Stmt, stmt_seq
from .base import module_factory


def kernel_params(func: PrimFunc) -> list[Var]:
    """The parameters of the bare kernel: those of `func`, then what its arrays imply.

    Arrays are given by the addresses of their data. What they imply are the variables that only
    shapes, strides and offsets mention, in the order in which they are met.
    """
    arrays = func.buffer_map
    params = [arrays[p].data if p in arrays else p for p in func.params]
    return [*params, *_implied(func, params)]


def _implied(func: PrimFunc, params: list[Var]) -> list[Var]:
    known = set(params)
    implied: list[Var] = []
    for buffer in func.buffers():
        for var in _variables((*buffer.shape, *buffer.strides, buffer.elem_offset)):
            if var not in known:
                known.add(var)
                implied.append(var)
    return implied


def _variables(parts: Sequence[PrimExpr]) -> list[Var]:
    found: list[Var] = []
    post_order_visit(parts, lambda n: found.append(n) if isinstance(n, Var) else None)
    return found


def bare_kernel(func: PrimFunc) -> PrimFunc:
    """`func` with its arrays as plain addresses; itself if it has none."""
    params = kernel_params(func)
    unchanged = len(params) == len(func.params) and all(map(is_, params, func.params))
    if not func.buffer_map and unchanged:
        return func
    return func.replace(params=params, buffer_map={})


class _CallBareKernels(Rewriter):
    """Calls of functions that become bare kernels give them what these take.

    With `status` these return one where they returned nothing.
    """

    def __init__(self, callees: Mapping[GlobalVar, PrimFunc], status: bool) -> None:
        self.callees, self.status = callees, status

    @on(Call)
    def call(self, call: Call) -> Call:
        """k(tvm_stack_make_array(a, tvm_stack_make_shape(n), ...))   ->   k(a, n)"""
        new: Call = self.rewrite_children(call)
        callee = self.callees.get(new.op) if isinstance(new.op, GlobalVar) else None
        if callee is None:
            return new
        dtype = "int32" if self.status and new.dtype == "void" else new.dtype
        return new.replace(dtype=dtype, args=_bare_arguments(new, callee))


def check_number_of_arguments(call: Call, name: str, expected: int, found: int) -> None:
    """Raises `ArgumentError` where a call gives a function of the module too few or too many."""
    if expected != found:
        raise ArgumentError(
            f"the function `{name}` takes {expected} arguments, found {found}", call.span
        )


def _bare_arguments(call: Call, callee: PrimFunc) -> tuple[BaseExpr, ...]:
    name, count = call.op.name_hint, len(callee.params)
    check_number_of_arguments(call, name, count, len(call.args))
    sizes: dict[Var, PrimExpr] = {}
    for param, arg in zip(callee.params, call.args, strict=True):
        if param in callee.buffer_map and _is_array(arg):
            _match_sizes(callee.buffer_map[param], arg, sizes)
    args = [_address(arg) for arg in call.args]
    for var in kernel_params(callee)[count:]:
        if var not in sizes:
            raise ArgumentError(
                f"the call of `{name}` does not say what `{var.name}` is", call.span,
                hint="give arrays as tensors, or make it a parameter of the function",
            )  # fmt: skip
        args.append(O.cast(sizes[var], var.dtype))
    return tuple(args)


def _match_sizes(buffer: Buffer, array: Call, sizes: dict[Var, PrimExpr]) -> None:
    """What the shape, the strides and the address of an array say of a parameter's variables."""
    for declared, header in ((buffer.shape, array.args[1]), (buffer.strides, array.args[2])):
        given = header.args if isinstance(header, Call) else ()
        for wanted, value in zip(declared, given):  # noqa: B905
            if isinstance(wanted, Var) and isinstance(value, PrimExpr):
                sizes.setdefault(wanted, value)
    if isinstance(buffer.elem_offset, Var):
        sizes.setdefault(buffer.elem_offset, O.const(0))


def _is_array(arg: BaseExpr) -> TypeGuard[Call]:
    return isinstance(arg, Call) and getattr(arg.op, "name", "") == "tir.tvm_stack_make_array"


def _address(arg: BaseExpr) -> BaseExpr:
    if not _is_array(arg):
        return arg
    data, sample, offset = arg.args[0], arg.args[4], arg.args[5]
    assert isinstance(sample, PrimExpr)
    if O.is_const_int(offset, 0):
        return data
    step = O.cast(offset, "int64") * dtype_of(sample.dtype).bytes
    return Call("handle", "tir.handle_add_byte_offset", (data, step))


def with_bare_kernels(
    mod: IRModule, made: Mapping[GlobalVar, PrimFunc], *, status: bool = False
) -> IRModule:
    """`mod` with some functions made bare, and all calls of these."""
    calls = _CallBareKernels({var: mod[var] for var in made}, status)
    functions: dict[GlobalVar, BaseFunc] = {}
    for var, func in mod.items():
        new = made.get(var, func)
        functions[var] = new.replace(body=calls.run(new.body)) if isinstance(new, PrimFunc) else new
    return mod.with_functions(functions)


@module_factory
def BareKernel(mod: IRModule, ctx: PassContext) -> IRModule:
    """k(a: handle) with a: Buffer((n,))   ->   k(a: pointer, n)

    Raises `ArgumentError` where a call of `k` does not give what it takes.
    """
    del ctx
    kernels = ((var, func) for var, func in mod.items() if isinstance(func, PrimFunc))
    made = {var: bare for var, func in kernels if (bare := bare_kernel(func)) is not func}
    return with_bare_kernels(mod, made) if made else mod


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
    made = {var: _unpacked(func) for var, func in mod.items() if is_public(func)}
    return with_bare_kernels(mod, made, status=True)
