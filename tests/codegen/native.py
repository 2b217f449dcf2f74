"""Compiles LLVM text in this process and calls it with arrays: for the tests of this folder."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import tvm_ffi
from tilewright.codegen.llvm.codegen import emit_module, may_fail
from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.support.dtypes import dtype_name, dtype_of
from tilewright.tir.buffer import decl_buffer
from tilewright.tir.expr import BufferLoad, Ramp, Var
from tilewright.tir.function import PrimFunc
from tilewright.tir.stmt import BufferStore, For, ForKind

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
llvm.load_library_permanently(tvm_ffi.libinfo.find_libtvm_ffi())
FEATURES = llvm.get_host_cpu_features().flatten()
MACHINE = llvm.Target.from_default_triple().create_target_machine(
    cpu=llvm.get_host_cpu_name(), features=FEATURES, opt=2
)
_SCALARS = {"int32": ctypes.c_int32, "int64": ctypes.c_int64, "float32": ctypes.c_float,
            "float64": ctypes.c_double, "bool": ctypes.c_bool}  # fmt: skip
_TASK = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
_LIVE: list[Any] = []
_MEMORY: dict[int, Any] = {}


@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
def _launch(task: int, closure: int, hint: int) -> None:
    """A pool of two tasks, on threads, in place of the real one."""
    body = _TASK(task)
    threads = [threading.Thread(target=body, args=(n, 2, closure)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)
def _alloc(size: int) -> int | None:
    if size < 0 or size > 1 << 32:
        return None
    buffer = ctypes.create_string_buffer(size + 64)
    address = -(-ctypes.addressof(buffer) // 64) * 64
    _MEMORY[address] = buffer
    return address


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _free(address: int) -> None:
    del _MEMORY[address]


for _name, _function in {
    "tilewright_parallel_launch": _launch,
    "tilewright_workspace_alloc": _alloc,
    "tilewright_workspace_free": _free,
}.items():
    llvm.add_symbol(_name, ctypes.cast(_function, ctypes.c_void_p).value)


def live_workspaces() -> int:
    """How many workspace allocations have not been given back."""
    return len(_MEMORY)


class Compiled:
    """A module in memory: `.asm`, `.text`, and its functions as callables on arrays."""

    def __init__(self, functions: Mapping[str, PrimFunc], level: int = 1) -> None:
        self.functions = functions
        self.text = emit_module(functions, FEATURES)
        self.load(self.text, level)

    def load(self, text: str, level: int) -> None:
        module = llvm.parse_assembly(text)
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=level)
        options.loop_vectorization = options.slp_vectorization = False
        builder = llvm.create_pass_builder(MACHINE, options)
        builder.getModulePassManager().run(module, builder)
        self.asm = MACHINE.emit_assembly(module)
        self.engine = llvm.create_mcjit_compiler(module, MACHINE)
        self.engine.finalize_object()
        _LIVE.append(self.engine)

    def address(self, name: str) -> int:
        return int(self.engine.get_function_address(name))

    def __call__(self, name: str, *args: Any) -> Any:
        func = self.functions[name]
        kinds = [_SCALARS.get(p.dtype, ctypes.c_void_p) for p in func.params]
        result = ctypes.c_int32 if may_fail(func) else None
        if result is None and getattr(func.ret_type, "dtype", None) is not None:
            result = _SCALARS[func.ret_type.dtype]
        entry = ctypes.CFUNCTYPE(result, *kinds)(self.address(name))
        return entry(*[a.ctypes.data if isinstance(a, np.ndarray) else a for a in args])


def run(func: PrimFunc, *args: Any) -> Any:
    """Compiles one function and calls it; returns its status or result."""
    return Compiled({"kernel": func})("kernel", *args)


def elementwise(
    make: Callable[..., PrimExpr], *arrays: np.ndarray[Any, Any], lanes: int = 1
) -> np.ndarray[Any, Any]:
    """`make(a[i], b[i], ...)` over equally long arrays, in a compiled loop of vectors."""
    count = len(arrays[0])
    assert count % lanes == 0
    buffers = [
        decl_buffer((count,), dtype_name(a.dtype), f"in{n}") for n, a in enumerate(arrays)
    ]
    i = Var("i", "int32")
    where: PrimExpr = i if lanes == 1 else Ramp(i * lanes, IntImm("int32", 1), lanes)
    value = make(*[BufferLoad(b, [where]) for b in buffers])
    dtype = dtype_of(value.dtype).element
    out = decl_buffer((count,), dtype, "out")
    body = For(i, 0, count // lanes, ForKind.SERIAL, BufferStore(out, value, [where]))
    func = PrimFunc([*[b.data for b in buffers], out.data], body)
    result = np.zeros(count, dtype_of(dtype).numpy)
    run(func, *arrays, result)
    return result
