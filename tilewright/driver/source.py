"""Executables of targets of kind `c`: their kernels are C source."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..codegen.c.codegen import emit_source
from ..codegen.c.names import function_name
from ..codegen.llvm.compile import host_machine
from ..ir.module import IRModule
from ..runtime.executable import Executable
from ..runtime.module import PACKED_PREFIX
from ..runtime.source_module import CSourceModule
from ..support.errors import ArgumentError
from ..tir.function import PrimFunc
from .executable import CompiledExecutable


class SourceExecutable(CompiledExecutable):
    """A module whose kernels are C source: `inspect_source()` shows it.

    They run where a C compiler is, graph functions through the step-by-step executor.
    """

    kind = "c"

    def __init__(self, executable: Executable, source: CSourceModule, lowered: IRModule) -> None:
        super().__init__(executable, (), host_machine(), lowered)
        self.source = source
        self.import_module(source)

    @cached_property
    def executable(self) -> Executable:
        """The executable with its kernels, which are compiled at their first call."""
        self.plain.kernels = self.source
        return self.plain

    def inspect_source(self, fmt: str = "") -> str:
        """The C source."""
        return self.source.inspect_source(fmt)

    def write_to_file(self, path: str | Path, fmt: str = "") -> None:
        """Writes the C source. Raises `ArgumentError` for other formats."""
        self.source.write_to_file(path, fmt)

    def export_library(self, path: str | Path, **options: Any) -> str:
        """Writes the kernels: as source for `.c`, an object for `.o`, else as a shared library.

        Raises `ArgumentError` for a module with graph functions unless only the source is asked
        for, and `CompilerError` where a compiler is needed and there is none.
        """
        if self.plain.functions and Path(path).suffix != ".c":
            raise ArgumentError(
                "graph functions are not exported for targets of kind 'c'",
                hint="export the kernels' source to a path that ends in `.c`, or compile for "
                "target 'llvm'",
            )
        return self.source.export_library(path, **options)


def source_module(functions: Mapping[str, PrimFunc]) -> CSourceModule:
    """The lowered `functions` as C source."""
    size = len(PACKED_PREFIX)
    public = [name[size:] for name in functions if name.startswith(PACKED_PREFIX)]
    symbols = {name: function_name(name) for name in functions}
    return CSourceModule(emit_source(functions), public, symbols)
