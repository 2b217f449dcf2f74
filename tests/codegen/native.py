"""Compiles TensorIR in this process and calls it with arrays: for the tests of this folder."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tilewright.codegen.llvm.codegen import Features, emit_module, may_fail
from tilewright.codegen.llvm.compile import Machine, assembly, compile_module
from tilewright.codegen.llvm.jit import load_objects
from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.support.dtypes import dtype_name, dtype_of
from tilewright.tir.buffer import decl_buffer
from tilewright.tir.expr import BufferLoad, Ramp, Var
from tilewright.tir.function import PrimFunc
from tilewright.tir.stmt import BufferStore, For, ForKind

_SCALARS = {"int32": ctypes.c_int32, "int64": ctypes.c_int64, "float32": ctypes.c_float,
            "float64": ctypes.c_double, "bool": ctypes.c_bool}  # fmt: skip
_MEMORY: dict[int, Any] = {}


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


_IMPORTS = {
    name: ctypes.cast(function, ctypes.c_void_p).value or 0
    for name, function in {
        "tilewright_workspace_alloc": _alloc,
        "tilewright_workspace_free": _free,
    }.items()
}


def live_workspaces() -> int:
    """How many workspace allocations have not been given back."""
    return len(_MEMORY)


class Compiled:
    """A module in memory: `.asm`, `.text`, and its functions as callables on arrays."""

    def __init__(
        self,
        functions: Mapping[str, PrimFunc],
        features: Features | None = None,
        machine: Machine | None = None,
    ) -> None:
        self.functions = functions
        self.text = emit_module(functions, features)
        self.module = load_objects([compile_module(self.text, machine, cache=False)], _IMPORTS)

    @property
    def asm(self) -> str:
        return assembly(self.text)

    def address(self, name: str) -> int:
        return self.module.address(name)

    def __call__(self, name: str, *args: Any) -> Any:
        func = self.functions[name]
        kinds = [_SCALARS.get(p.dtype, ctypes.c_void_p) for p in func.params]
        result = ctypes.c_int32 if may_fail(func) else None
        if result is None and getattr(func.ret_type, "dtype", None) is not None:
            result = _SCALARS[func.ret_type.dtype]
        entry = ctypes.CFUNCTYPE(result, *kinds)(self.address(name))
        return entry(*[a.ctypes.data if isinstance(a, np.ndarray) else a for a in args])


def run(func: PrimFunc, *args: Any, **options: Any) -> Any:
    """Compiles one function and calls it; returns its status or result."""
    return Compiled({"kernel": func}, **options)("kernel", *args)


def elementwise(
    make: Callable[..., PrimExpr], *arrays: np.ndarray[Any, Any], lanes: int = 1, **options: Any
) -> np.ndarray[Any, Any]:
    """`make(a[i], b[i], ...)` over equally long arrays, in a compiled loop of vectors."""
    count = len(arrays[0])
    assert count % lanes == 0
    buffers = [decl_buffer((count,), dtype_name(a.dtype), f"in{n}") for n, a in enumerate(arrays)]
    i = Var("i", "int32")
    where: PrimExpr = i if lanes == 1 else Ramp(i * lanes, IntImm("int32", 1), lanes)
    value = make(*[BufferLoad(b, [where]) for b in buffers])
    dtype = dtype_of(value.dtype).element
    out = decl_buffer((count,), dtype, "out")
    body = For(i, 0, count // lanes, ForKind.SERIAL, BufferStore(out, value, [where]))
    func = PrimFunc([*[b.data for b in buffers], out.data], body)
    result = np.zeros(count, dtype_of(dtype).numpy)
    run(func, *arrays, result, **options)
    return result
