"""What `compile` gives: an executable with its object code, to run here or to export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ..codegen.llvm.compile import Machine
from ..codegen.llvm.inspect import BINARY_FORMATS, binary, source_text
from ..codegen.llvm.link import export_library
from ..codegen.llvm.linkers import is_native
from ..codegen.llvm.native_module import load_executable
from ..ir.module import IRModule
from ..runtime.executable import Executable
from ..runtime.library import ExecutableModule
from ..runtime.module import Module, ModulePropertyMask
from ..support.errors import ArgumentError, listing
from ..target import Target
from ..tir.function import PrimFunc


def code_of(lowered: IRModule) -> dict[str, PrimFunc]:
    """The loop programs of a module by name."""
    return {v.name_hint: f for v, f in lowered.items() if isinstance(f, PrimFunc)}


class CompiledExecutable(ExecutableModule):
    """A compiled module: `relax.VirtualMachine(ex, tilewright.cpu())` runs its graph functions,
    `ex["kernel"](...)` its kernels; `export_library(path)` writes it as one file. It is a runtime
    module, too, whose native code is loaded when it is first asked for a function.

    `objects` is the kernels' object code; `lowered` the module from which it was generated, None
    if the object code came from the cache; `remake` then compiles loop programs anew.
    """

    properties: ClassVar[int] = (
        ModulePropertyMask.RUNNABLE | ModulePropertyMask.COMPILATION_EXPORTABLE
    )

    def __init__(
        self,
        executable: Executable,
        objects: Sequence[bytes],
        machine: Machine,
        lowered: IRModule | None = None,
        target: Target | None = None,
    ) -> None:
        super().__init__(executable)
        self.objects = list(objects)
        self.machine = machine
        self.lowered = lowered
        self.target = target
        self.remake: Callable[[], CompiledExecutable] | None = None

    @cached_property
    def executable(self) -> Executable:
        """The executable, its native code loaded into this process at first use.

        Raises `ArgumentError` for code of another architecture.
        """
        if not is_native(self.machine):
            raise ArgumentError(
                f"this was compiled for {self.machine.triple}, not for this machine",
                hint="write it with export_library and load it there",
            )
        loaded = load_executable(self.plain, self.objects)
        self.plain.native = loaded
        self.plain.kernels = loaded
        return self.plain

    @property
    def mod(self) -> Module:
        """The executable as a runtime module: itself."""
        return self

    def jit(self, *args: Any, **options: Any) -> Module:
        """A runtime module in this process: itself. Nothing is left to compile, so the arguments,
        which say how in TVM, have no effect."""
        del args, options
        return self

    def inspect_source(self, fmt: str = "") -> str:
        """The kernels' code after optimisation: LLVM IR (`ll`, the default) or assembly (`asm`).

        Raises `ArgumentError` for other formats, and for a graph program from the cache, which
        keeps no loops to generate from.
        """
        functions, target = self._loops()
        return source_text(functions, target, self.machine, fmt)

    def write_to_file(self, path: str | Path, fmt: str = "") -> None:
        """Writes the kernels' code to `path`: one object file for `o` or `obj`, LLVM bitcode for
        `bc`, else the text that `inspect_source` gives; `fmt` is the suffix of `path` if empty.

        The object leaves open what the runtime provides (threads, errors, the parts of tvm-ffi
        that entry points call); `export_library` links all that. Raises `ArgumentError` for other
        formats.
        """
        suffix = fmt or Path(path).suffix.lstrip(".")
        if suffix not in BINARY_FORMATS:
            return super().write_to_file(path, fmt)
        functions, target = self._loops()
        Path(path).write_bytes(binary(functions, target, self.machine, suffix))

    def _loops(self) -> tuple[dict[str, PrimFunc], Target]:
        """The kernels as they were lowered, and the target."""
        if self.lowered is None and self.remake is not None:
            made = self.remake()
            self.lowered, self.target = made.lowered, made.target
        if self.lowered is None or self.target is None:
            raise ArgumentError(
                "the executable came from the cache, without the loops it was made from",
                hint="compile it with TILEWRIGHT_CACHE=off",
            )
        return code_of(self.lowered), self.target

    def export_library(self, path: str | Path, **options: Any) -> str:
        """Writes a shared library that needs no Python (or an archive, for `.tar` and `.tw`).

        Raises `LinkError` that says what to do if the machine has no linker.
        """
        del options
        return str(export_library(path, self.plain, self.objects, self.machine))

    def __repr__(self) -> str:
        names = list(self.plain.functions)  # the code need not be loaded
        return f"{type(self).__name__}({listing(names, 8)})" if names else type(self).__name__
