"""Calls of functions for another target become launches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import BaseFunc, GlobalVar, IntImm, PrimExpr
from ...ir.functor import Rewriter, Visitor, on
from ...ir.module import IRModule
from ...ir.transform import PassContext
from ...ir.type import PointerType
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ...target import Target
from .. import op as O
from ..analysis.undefined_vars import undefined_vars
from ..expr import Call, IterVar, StringImm
from ..function import PrimFunc
from ..stmt import Allocate, AttrStmt
from ..stmt_functor import substitute
from .base import module_factory

DEVICE_KERNEL_LAUNCH = 2
DYNAMIC_MEMORY = "tir.use_dyn_shared_memory"
_CPU = frozenset(("llvm", "c"))


@dataclass(eq=False)
class _Launch(Visitor):
    """The extents of the threads of a kernel, and how much dynamic memory it needs."""

    extents: dict[str, PrimExpr] = field(default_factory=dict)
    memory: PrimExpr | None = None

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """A thread axis."""
        if node.attr_key == "thread_extent" and isinstance(node.node, IterVar):
            self.extents.setdefault(node.node.thread_tag, node.value)
        self.visit(node.body)

    @on(Allocate)
    def allocate(self, node: Allocate) -> None:
        """Memory whose size is given at the launch."""
        kind = node.buffer_var.type_annotation
        if isinstance(kind, PointerType) and kind.storage_scope == "shared.dyn":
            if self.memory is not None:
                raise CompileError(
                    "a kernel allocates dynamic shared memory twice", node.span,
                    hint="run MergeSharedMemoryAllocations before",
                )  # fmt: skip
            size: PrimExpr = IntImm("int32", dtype_of(node.dtype).bytes)
            for extent in node.extents:
                size = O.multiply(size, extent)
            self.memory = size
        self.visit(node.body)


@dataclass(eq=False)
class _Kernel:
    func: PrimFunc
    target: Target
    symbol: str
    params: tuple[str, ...]
    arguments: tuple[PrimExpr, ...]


def _kernel(var: GlobalVar, func: PrimFunc) -> _Kernel | None:
    given = func.attrs.get("target")
    if given is None:
        return None
    launch = _Launch()
    launch.walk(func.body)
    names, values = list(launch.extents), list(launch.extents.values())
    if launch.memory is not None:
        names.append(DYNAMIC_MEMORY)
        values.append(launch.memory)
    symbol = str(func.attrs.get("global_symbol", var.name_hint))
    return _Kernel(func, Target(given), symbol, tuple(names), tuple(values))


class _LowerCalls(Rewriter):
    def __init__(self, kernels: dict[GlobalVar, _Kernel], target: Target) -> None:
        self.kernels, self.target = kernels, target
        self.launched: set[GlobalVar] = set()
        self.external: set[GlobalVar] = set()

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """kernel(x)   ->   call_packed("kernel", x, blocks, threads)"""
        new: Call = self.rewrite_children(call)
        if not isinstance(call.op, GlobalVar) or call.op not in self.kernels:
            return new
        kernel = self.kernels[call.op]
        if kernel.target.without_host() == self.target.without_host():
            return new
        if _device(kernel.target) == _device(self.target):
            self.external.add(call.op)
            return Call(new.dtype, "tir.call_extern", (StringImm(kernel.symbol), *new.args))
        self.launched.add(call.op)
        given: dict[Any, Any] = dict(zip(kernel.func.params, new.args, strict=True))
        extents = tuple(_at_call(kernel, extent, given) for extent in kernel.arguments)
        parts = (StringImm(kernel.symbol), *new.args, *extents)
        return Call("int32", "tir.tvm_call_packed", parts)


def _at_call(kernel: _Kernel, extent: PrimExpr, given: dict[Any, Any]) -> PrimExpr:
    unknown = [v for v in undefined_vars(extent) if v not in given]
    if unknown:
        raise CompileError(
            f"the launch of `{kernel.symbol}` depends on `{unknown[0].name}`, which is computed "
            "inside of it"
        )
    made: PrimExpr = substitute(extent, given)
    return made


def _device(target: Target) -> str:
    name = target.kind.name
    return "cpu" if name in _CPU else name


@module_factory
def LowerDeviceKernelLaunch(mod: IRModule, ctx: PassContext) -> IRModule:
    """kernel(x)   ->   call_packed("kernel", x, blocks, threads), where the targets differ

    The kernel gets `tir.kernel_launch_params`, the names of what follows its own arguments. A
    function for another target of the same device is called by its symbol.
    """
    kernels: dict[GlobalVar, _Kernel] = {}
    for var, func in mod.items():
        made = _kernel(var, func) if isinstance(func, PrimFunc) else None
        if made is not None:
            kernels[var] = made
    out: dict[GlobalVar, BaseFunc] = {}
    launched: set[GlobalVar] = set()
    external: set[GlobalVar] = set()
    for var, func in mod.items():
        out[var] = func
        if isinstance(func, PrimFunc) and var in kernels:
            host = kernels[var].target.host or kernels[var].target
            lower = _LowerCalls(kernels, host)
            out[var] = func.replace(body=lower.run(func.body))
            launched |= lower.launched
            external |= lower.external
    for var in launched | external:
        attrs: dict[str, Any] = {"global_symbol": kernels[var].symbol, "tir.is_global_func": True}
        if var in launched:
            attrs["calling_conv"] = DEVICE_KERNEL_LAUNCH
            attrs["tir.kernel_launch_params"] = list(kernels[var].params)
        out[var] = out[var].with_attr(attrs)
    return mod.with_functions(out)
