"""How much memory programs take, and other numbers."""

from __future__ import annotations

from ...ir.expr import GlobalVar, IntImm
from ...ir.module import IRModule
from ...ir.op import Op
from ...support.errors import CompileError
from ..expr import Call, Function
from ..op.memory import size_in_bytes
from ..struct_info import TensorStructInfo
from .variables import bindings_of


def _allocations(func: Function) -> tuple[int, int, int, int, int]:
    """Tensors, their bytes, storages, their bytes, and what has no constant size."""
    tensors = tensor_bytes = storages = storage_bytes = unknown = 0
    for binding in bindings_of(func):
        call = binding.value
        if not isinstance(call, Call) or not isinstance(call.op, Op):
            continue
        if call.op.name in ("relax.memory.alloc_tensor", "relax.builtin.alloc_tensor"):
            size = _constant_bytes(call)
            tensors, unknown = tensors + 1, unknown + (size is None)
            tensor_bytes += size or 0
            if call.op.name == "relax.builtin.alloc_tensor":
                storages, storage_bytes = storages + 1, storage_bytes + (size or 0)
        elif call.op.name == "relax.memory.alloc_storage":
            (dim,) = call.args[0].struct_info.values
            storages += 1
            storage_bytes += dim.value if isinstance(dim, IntImm) else 0
    return tensors, tensor_bytes, storages, storage_bytes, unknown


def _constant_bytes(call: Call) -> int | None:
    info = call.struct_info
    if not isinstance(info, TensorStructInfo) or info.dims is None or not info.dtype:
        return None
    size = size_in_bytes(info)
    return size.value if isinstance(size, IntImm) else None


def estimate_memory_usage(mod: IRModule | Function) -> str:
    """A text: for each function, the memory of its tensors before and after planning.

    Run it after `StaticPlanBlockMemory`; tensors of symbolic size are counted, not added.
    """
    functions = mod.items() if isinstance(mod, IRModule) else [(GlobalVar("main"), mod)]
    rows = ["Memory usage estimation:"]
    for gvar, func in functions:
        if not isinstance(func, Function):
            continue
        tensors, before, storages, after, unknown = _allocations(func)
        rows.append(f"- Function {gvar.name_hint}:")
        rows.append(f"    {tensors} tensors, {before} bytes in all")
        rows.append(f"    {storages} storages, {after} bytes in all")
        if unknown:
            rows.append(f"    {unknown} tensors have symbolic sizes and are not added")
    if len(rows) == 1:
        raise CompileError("the module has no Relax function")
    return "\n".join(rows)
