"""Lowered TensorIR to LLVM IR text: `emit_module` is the entry.

An `emitter.FunctionEmitter` writes one function; the modules imported here fill its tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from tilewright.ir.functor import deep_recursion
from tilewright.ir.type import PointerType, PrimType
from tilewright.target.target import Target
from tilewright.tir.function import PrimFunc

from . import calls, expressions, intrinsics, memory, statements
from .builder import ModuleBuilder, Value, quoted
from .emitter import (
    Context,
    Features,
    FunctionEmitter,
    function_attributes,
    parameter_type,
    return_type,
)
from .failing import callees, failing_functions, may_fail
from .narrow import from_memory
from .types import memory_type, value_type

__all__ = ["Features", "callees", "emit_module", "failing_functions", "may_fail"]

TABLES = (calls, expressions, intrinsics, memory, statements)
"""The modules that say what each class of node becomes."""


def emit_module(functions: Mapping[str, PrimFunc], target: Target | Features | None = None) -> str:
    """The LLVM IR text of a module with one function for each of `functions`, by symbol.

    `target` says what the machine has; without it, this machine's processor. A function that can
    fail (see `may_fail`) returns `i32`: 0, or -1 with the error raised through tvm-ffi; the others
    return what `ret_type` says. Raises `CompileError` for what is not lowered TensorIR.
    """
    known = target if isinstance(target, Features) else Features.of(target)
    module = ModuleBuilder()
    context = Context(module, known, functions, failing_functions(functions))
    with deep_recursion():
        for name, func in functions.items():
            _emit_function(context, name, func)
    return module.text()


def _emit_function(context: Context, name: str, func: PrimFunc) -> None:
    emitter = FunctionEmitter(context, name)
    separate = bool(func.attrs.get("tir.noalias", True)) and not func.buffer_map
    params = []
    for position, var in enumerate(func.params):
        value = Value(parameter_type(var.dtype), f"%p{position}")
        is_buffer = isinstance(var.type_annotation, PointerType) and isinstance(
            var.type_annotation.element_type, PrimType
        )
        if separate and is_buffer:
            emitter.no_alias.add(id(var))
            params.append(f"ptr noalias {value.ref}")
        else:
            params.append(str(value))
        if value.type != value_type(var.dtype):
            bits = emitter.b.cast("bitcast", value, memory_type(var.dtype))
            value = from_memory(emitter.b, var.dtype, bits)
        emitter.bind(var, value)
    emitter.can_fail = name in context.failing
    emitter.returns = "i32" if emitter.can_fail else return_type(func)
    emitter.stmt(func.body)
    emitter.b.do(_last(emitter.returns))
    attributes = function_attributes(context.features, copies_rows=emitter.copies_rows)
    group = context.module.attribute_group(attributes)
    header = f"define {emitter.returns} @{quoted(name)}({', '.join(params)}) {group}"
    context.module.functions[name] = emitter.b.finish(header)


def _last(returns: str) -> str:
    if returns == "void":
        return "ret void"
    return f"ret {returns} {'null' if returns == 'ptr' else 'zeroinitializer'}"
