"""Compiles TensorIR from C and calls it with arrays: for the tests of this folder."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tilewright.driver.source import source_module
from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.support.c_compiler import find_c_compiler
from tilewright.support.dtypes import dtype_name, dtype_of
from tilewright.tir import (
    Buffer,
    BufferLoad,
    BufferStore,
    For,
    ForKind,
    PrimFunc,
    Ramp,
    Var,
    decl_buffer,
)

needs_compiler = pytest.mark.skipif(find_c_compiler() is None, reason="no C compiler")
Array = np.ndarray[Any, Any]


class Compiled:
    """Functions from C: `.source`, and `call("name", arrays and numbers)`."""

    def __init__(self, functions: Mapping[str, PrimFunc]) -> None:
        self.functions = functions
        self.module = source_module(functions)
        self.module.cached = False
        self.module.options = tuple("-O0" if o == "-O2" else o for o in self.module.options)
        self.source = self.module.source

    def call(self, name: str, *args: Array) -> None:
        address = self.module.symbol_address(name)
        kinds = [ctypes.c_void_p] * len(args)
        ctypes.CFUNCTYPE(None, *kinds)(address or 0)(*[a.ctypes.data for a in args])


class Elementwise:
    """Loops `out[i] = make(in[i], ...)`, many of which are compiled together."""

    def __init__(self) -> None:
        self.functions: dict[str, PrimFunc] = {}
        self.calls: list[tuple[str, list[Array], Array, Array]] = []

    def add(
        self, make: Callable[..., PrimExpr], arrays: list[Array], expected: Array, lanes: int = 1
    ) -> None:
        """Wants `make` over `arrays` to give `expected`."""
        count = len(arrays[0])
        buffers = [_buffer(a, n, count) for n, a in enumerate(arrays)]
        i = Var("i", "int32")
        where: PrimExpr = i if lanes == 1 else Ramp(i * lanes, IntImm("int32", 1), lanes)
        value = make(*[BufferLoad(b, [where]) for b in buffers])
        out = decl_buffer((count,), dtype_of(value.dtype).element, "out")
        body = For(i, 0, count // lanes, ForKind.SERIAL, BufferStore(out, value, [where]))
        name = f"loop{len(self.functions)}"
        self.functions[name] = PrimFunc([*[b.data for b in buffers], out.data], body)
        result = np.zeros(count, dtype_of(value.dtype).numpy)
        self.calls.append((name, arrays, result, expected))

    def run(self) -> list[tuple[Array, Array]]:
        """The results and what was expected of them."""
        compiled = Compiled(self.functions)
        for name, arrays, result, _ in self.calls:
            compiled.call(name, *arrays, result)
        return [(result, expected) for _, _, result, expected in self.calls]


def _buffer(array: Array, number: int, count: int) -> Buffer:
    return decl_buffer((count,), dtype_name(array.dtype), f"in{number}")
