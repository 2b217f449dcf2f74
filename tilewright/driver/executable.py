"""What `compile` gives: an executable with its object code, to run here or to export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ..codegen.llvm.compile import Machine
from ..codegen.llvm.inspect import source_text
from ..codegen.llvm.link import export_library
from ..codegen.llvm.native_module import load_executable
from ..ir.module import IRModule
from ..runtime.executable import Executable
from ..runtime.library import ExecutableModule
from ..runtime.module import Module
from ..support.errors import ArgumentError
from ..target import Target
from ..tir.function import PrimFunc


def code_of(lowered: IRModule) -> dict[str, PrimFunc]:
    """The loop programs of a module by name."""
    return {v.name_hint: f for v, f in lowered.items() if isinstance(f, PrimFunc)}


class CompiledExecutable:
    """A compiled module: `relax.VirtualMachine(ex, tilewright.cpu())` runs its graph functions,
    `ex["kernel"](...)` its kernels; `export_library(path)` writes it as one file.

    `objects` is the kernels' object code; `lowered` the module from which it was generated, None
    if the object code came from the cache; `remake` then compiles loop programs anew.
    """

    def __init__(
        self,
        executable: Executable,
        objects: Sequence[bytes],
        machine: Machine,
        lowered: IRModule | None = None,
        target: Target | None = None,
    ) -> None:
        self._plain = executable
        self.objects = list(objects)
        self.machine = machine
        self.lowered = lowered
        self.target = target
        self.remake: Callable[[], CompiledExecutable] | None = None

    @property
    def plain(self) -> Executable:
        """The executable as data; its native code may not be loaded."""
        return self._plain

    @cached_property
    def executable(self) -> Executable:
        """The executable, its native code loaded into this process at first use."""
        loaded = load_executable(self._plain, self.objects)
        self._plain.native = loaded
        self._plain.kernels = loaded
        return self._plain

    @property
    def mod(self) -> Module:
        """The executable as a runtime module."""
        return self.jit()

    def jit(self) -> Module:
        """A runtime module in this process."""
        return ExecutableModule(self.executable, self.inspect_source)

    def inspect_source(self, fmt: str = "") -> str:
        """The kernels' code after optimisation: LLVM IR (`ll`, the default) or assembly (`asm`).

        Raises `ArgumentError` for other formats, and for a graph program from the cache, which
        keeps no loops to generate from.
        """
        if self.lowered is None and self.remake is not None:
            made = self.remake()
            self.lowered, self.target = made.lowered, made.target
        if self.lowered is None or self.target is None:
            raise ArgumentError(
                "the executable came from the cache, without the loops it was made from",
                hint="compile it with TILEWRIGHT_CACHE=off",
            )
        return source_text(code_of(self.lowered), self.target, self.machine, fmt)

    def __getitem__(self, name: str) -> Any:
        return self.jit()[name]

    def __call__(self, *args: Any) -> Any:
        return self.jit()(*args)

    def export_library(self, path: str | Path, **options: Any) -> str:
        """Writes a shared library that needs no Python (or an archive, for `.tar` and `.tw`).

        Raises `LinkError` that says what to do if the machine has no linker.
        """
        del options
        return str(export_library(path, self._plain, self.objects, self.machine))

    def time_evaluator(self, *args: Any, **options: Any) -> Any:
        """Times a function of the module; see `runtime.Module.time_evaluator`."""
        return self.jit().time_evaluator(*args, **options)

    def stats(self) -> str:
        """Functions, constants, and what is called how often."""
        return self._plain.stats()

    def as_text(self) -> str:
        """The instruction lists."""
        return self._plain.as_text()

    def as_python(self) -> str:
        """Python text that builds the instruction lists."""
        return self._plain.as_python()
