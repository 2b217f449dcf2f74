"""The code of kernels as text: LLVM IR or assembly."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tilewright.support.errors import ArgumentError
from tilewright.target import Target
from tilewright.tir.function import PrimFunc

from .compile import Machine, assembly, optimized_ir
from .modules import emit_modules

FORMATS: dict[str, Callable[[str, Machine | None], str]] = {
    "": optimized_ir,
    "ll": optimized_ir,
    "asm": assembly,
    "s": assembly,
}
"""What `inspect_source` takes."""


def source_text(
    functions: Mapping[str, PrimFunc], target: Target, machine: Machine, fmt: str = ""
) -> str:
    """The code of lowered `functions` after optimisation: `ll` (default) is IR, `asm` assembly."""
    if fmt not in FORMATS:
        known = ", ".join(repr(name) for name in FORMATS if name)
        raise ArgumentError(f"no source in format {fmt!r}", hint=f"there are {known}")
    shown = FORMATS[fmt]
    return "\n".join(shown(text, machine) for text in emit_modules(functions, target))
