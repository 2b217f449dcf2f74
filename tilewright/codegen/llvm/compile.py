"""LLVM IR text to object code: verified, optimised, cached on disk, several modules at a time."""

from __future__ import annotations

import contextvars
import ctypes
import functools
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite.binding.newpassmanagers import NewPassManager

from tilewright.support.disk_cache import DiskCache, content_key
from tilewright.support.errors import ArgumentError, InternalError

OBJECTS = DiskCache("objects")
_FORMAT = "1"  # raise it when the same text must compile to something else


@dataclass(frozen=True)
class Machine:
    """What object code is made for.

    `passes` is the level of the optimisation pipeline (0: none; vectorizers stay off, because
    kernels carry explicit vectors); `codegen` is that of instruction selection.
    """

    triple: str
    cpu: str = ""
    features: str = ""
    abi: str = ""
    passes: int = 1
    codegen: int = 3
    code_model: str = "small"

    @property
    def architecture(self) -> str:
        """The triple's first part."""
        return self.triple.split("-")[0]

    @property
    def is_elf(self) -> bool:
        """Whether objects are ELF files."""
        return not any(word in self.triple for word in ("apple", "darwin", "windows", "wasm"))


@functools.cache
def host_machine() -> Machine:
    """This machine: its processor with all that it can do."""
    initialize_llvm()
    return Machine(
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    )


def compile_module(text: str, machine: Machine | None = None, *, cache: bool = True) -> bytes:
    """The object code of a module. A module already compiled comes from the disk."""
    machine = machine or host_machine()
    key = content_key(_FORMAT, llvmlite.__version__, repr(machine), text)
    found = OBJECTS.get(key) if cache else None
    if found is None:
        found = _compile(text, machine)
        if cache:
            OBJECTS.put(key, found)
    return found


def compile_modules(
    texts: Sequence[str], machine: Machine | None = None, *, threads: int = 0, cache: bool = True
) -> list[bytes]:
    """The objects of several modules, compiled side by side; equal texts are compiled once.

    `threads` 0 stands for one a processor. LLVM runs outside Python's lock.
    """
    with Compilation(machine, threads=threads, cache=cache) as c:
        for text in texts:
            c.add(text)
        return c.objects()


class Compilation:
    """Modules compiled in threads while the next ones are still being written.

    with Compilation(machine) as c:
        c.add(text)
        ...
        objects = c.objects()    # in the order of `add`; equal texts are compiled once
    """

    def __init__(
        self, machine: Machine | None = None, *, threads: int = 0, cache: bool = True
    ) -> None:
        self._machine = machine or host_machine()
        self._cache = cache
        self._pool = _workers(os.getpid(), threads or _processors())
        self._started: dict[str, Future[bytes]] = {}
        self._order: list[Future[bytes]] = []

    def add(self, text: str) -> Future[bytes]:
        """Starts to compile a module."""
        made = self._started.get(text)
        if made is None:
            run = contextvars.copy_context().run  # settings hold in threads too
            made = self._started[text] = self._pool.submit(
                run, compile_module, text, self._machine, cache=self._cache
            )
        self._order.append(made)
        return made

    def objects(self) -> list[bytes]:
        """The objects of all modules added so far. Raises what went wrong in a thread."""
        return [made.result() for made in self._order]

    def __enter__(self) -> Compilation:
        return self

    def __exit__(self, *_: object) -> None:
        for made in self._order:  # what nobody waits for any more, after an error
            made.cancel()


@functools.cache
def _workers(process: int, threads: int) -> ThreadPoolExecutor:
    """The threads of a process, kept: new ones each time would leave memory behind in the
    allocator. A forked child gets its own."""
    del process
    return ThreadPoolExecutor(threads, "tilewright-llvm")


def assembly(text: str, machine: Machine | None = None) -> str:
    """The module's assembly text after optimisation."""
    machine = machine or host_machine()
    with _Optimized(text, machine) as (module, target_machine):
        return str(target_machine.emit_assembly(module))


def optimized_ir(text: str, machine: Machine | None = None) -> str:
    """The module's IR after the optimisation pipeline."""
    with _Optimized(text, machine or host_machine()) as (module, _):
        return str(module)


def bitcode(text: str, machine: Machine | None = None) -> bytes:
    """The module's bitcode after the optimisation pipeline."""
    with _Optimized(text, machine or host_machine()) as (module, _):
        return bytes(module.as_bitcode())


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_OPTIONS = (
    # LLVM 22 aborts in this pass on a shuffle of two conversions from different types, and
    # explicit vectors gain nothing from it.
    "-disable-vector-combine",
    # Loop strength reduction gives each address of an unrolled loop a pointer of its own and
    # spills them: a 3x3 convolution ran at 117 instead of 185 GFLOP/s and compiled in twice the
    # time.
    "-disable-lsr",
)
_OPTIONS_KNOWN_TO = 22  # LLVM ends the process on an option that it does not have
_INITIALIZED = threading.Lock()
_initialized = False


def initialize_llvm() -> None:
    """Makes LLVM's targets known; later calls do nothing."""
    global _initialized
    with _INITIALIZED:
        if not _initialized:
            llvm.initialize_all_targets()
            llvm.initialize_all_asmprinters()
            llvm.initialize_native_asmparser()
            for option in _OPTIONS if llvm.llvm_version_info[0] <= _OPTIONS_KNOWN_TO else ():
                llvm.set_option("tilewright", option)
            _initialized = True


class _Unlocked:
    """The calls that take long, without llvmlite's lock: each compilation has its own context."""

    def __init__(self) -> None:
        library = ctypes.CDLL(llvm.ffi.lib._name)
        self.parse = self._bind(library.LLVMPY_ParseAssembly, llvm.ffi.LLVMModuleRef)
        self.verify = self._bind(library.LLVMPY_VerifyModule, ctypes.c_bool)
        self.run = self._bind(library.LLVMPY_RunNewModulePassManager, None)
        self.emit = self._bind(
            library.LLVMPY_TargetMachineEmitToMemory, llvm.ffi.LLVMMemoryBufferRef
        )

    @staticmethod
    def _bind(function: Any, result: Any) -> Any:
        function.restype = result
        return function


_unlocked = functools.cache(_Unlocked)


class _Optimized:
    """A verified, optimised module and its target machine, for the length of a `with`."""

    def __init__(self, text: str, machine: Machine) -> None:
        self.text, self.machine = text, machine

    def __enter__(self) -> tuple[Any, Any]:
        initialize_llvm()
        self.target_machine = _target_machine(self.machine)
        self.context = llvm.create_context()
        try:
            self.module = self._parse()
            if self.machine.passes:
                self._optimize()
        except BaseException:
            self.context.close()
            raise
        return self.module, self.target_machine

    def __exit__(self, *_: object) -> None:
        self.module.close()
        self.context.close()
        self.target_machine.close()

    def _parse(self) -> Any:
        calls = _unlocked()
        with llvm.ffi.OutputString() as error:
            pointer = calls.parse(self.context, ctypes.c_char_p(self.text.encode()), error)
            if not pointer:
                raise InternalError(f"LLVM cannot parse its input: {error}", note=self._line(error))
        module = llvm.ModuleRef(pointer, self.context)
        with llvm.ffi.OutputString() as error:
            if calls.verify(module, error):
                message = str(error)
                module.close()
                raise InternalError(f"LLVM rejects its input: {message}")
        module.triple = self.target_machine.triple
        module.data_layout = str(self.target_machine.target_data)
        return module

    def _line(self, error: object) -> str:
        """The line that a message such as `<string>:12:3: error` speaks of."""
        parts = str(error).split(":")
        if len(parts) > 1 and parts[1].isdigit():
            return self.text.splitlines()[int(parts[1]) - 1]
        return ""

    def _optimize(self) -> None:
        options = llvm.create_pipeline_tuning_options(speed_level=self.machine.passes)
        options.loop_vectorization = options.slp_vectorization = False
        builder = llvm.create_pass_builder(self.target_machine, options)
        manager = builder.getModulePassManager()
        try:
            _unlocked().run(manager, self.module, builder)
        finally:
            # Closing it would free nothing: llvmlite's class inherits an empty `_dispose` first.
            NewPassManager._dispose(manager)
            manager.detach()


def _target_machine(machine: Machine) -> Any:
    try:
        target = llvm.Target.from_triple(machine.triple)
    except RuntimeError as error:
        raise ArgumentError(f"LLVM does not know the target {machine.triple!r}: {error}") from None
    return target.create_target_machine(
        cpu=machine.cpu,
        features=machine.features,
        opt=machine.codegen,
        reloc="pic",
        codemodel=machine.code_model,
        abiname=machine.abi,
    )


def _compile(text: str, machine: Machine) -> bytes:
    with _Optimized(text, machine) as (module, target_machine):
        with llvm.ffi.OutputString() as error:
            buffer = _unlocked().emit(target_machine, module, 1, error)
            if not buffer:
                raise InternalError(f"LLVM cannot emit an object: {error}")
        library = llvm.ffi.lib
        try:
            size = library.LLVMPY_GetBufferSize(buffer)
            return ctypes.string_at(library.LLVMPY_GetBufferStart(buffer), size)
        finally:
            library.LLVMPY_DisposeMemoryBuffer(buffer)


def with_passes(machine: Machine, level: int) -> Machine:
    """`machine` with another optimisation level."""
    return replace(machine, passes=level)
