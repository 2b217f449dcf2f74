"""The code of kernels as text (LLVM IR or assembly), and as one file of bitcode or object code."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tilewright.support.errors import ArgumentError
from tilewright.target import Target
from tilewright.tir.function import PrimFunc

from .codegen import emit_module
from .compile import Machine, assembly, bitcode, compile_module, optimized_ir
from .modules import emit_modules

FORMATS: dict[str, Callable[[str, Machine | None], str]] = {
    "": optimized_ir,
    "ll": optimized_ir,
    "asm": assembly,
    "s": assembly,
}
"""What `inspect_source` takes."""

BINARY_FORMATS: dict[str, Callable[[str, Machine | None], bytes]] = {
    "o": compile_module,
    "obj": compile_module,
    "bc": bitcode,
}
"""What `write_to_file` takes besides."""


def source_text(
    functions: Mapping[str, PrimFunc], target: Target, machine: Machine, fmt: str = ""
) -> str:
    """The code of lowered `functions` after optimisation: `ll` (default) is IR, `asm` assembly."""
    if fmt not in FORMATS:
        known = ", ".join(repr(name) for name in FORMATS if name)
        raise ArgumentError(f"no source in format {fmt!r}", hint=f"there are {known}")
    shown = FORMATS[fmt]
    return "\n".join(shown(text, machine) for text in emit_modules(functions, target))


def binary(functions: Mapping[str, PrimFunc], target: Target, machine: Machine, fmt: str) -> bytes:
    """Lowered `functions` as one object file (`o`, `obj`) or as LLVM bitcode (`bc`)."""
    return BINARY_FORMATS[fmt](emit_module(functions, target), machine)
