"""Modules in files: shared libraries, with an executable inside or not, and other kinds."""

from __future__ import annotations

import ctypes
import importlib
import json
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from tilewright.ffi import core, tvm_ffi
from tilewright.support.errors import ArgumentError, listing
from tilewright.support.public import LOADERS, ROOT

from . import serialize
from .elf import cut_off
from .executable import Executable
from .module import FFIModule, Module, ModulePropertyMask, as_module, function_of

# A library that was compiled from an executable has these two packed functions: the instruction
# lists as JSON, and the constant of an index (or their number for -1).
TABLE_FUNCTION = "tilewright_executable"
CONSTANT_FUNCTION = "tilewright_constant"
OWN_PREFIX = "tilewright_"


def _names(modules: Iterable[Module]) -> Iterator[str]:
    for module in modules:
        yield from module.function_names()


class ExecutableModule(Module):
    """An executable as a module: its functions are the native ones where there are any."""

    kind = "executable"

    def __init__(self, executable: Executable, source: Callable[[str], str] | None = None) -> None:
        super().__init__()
        self.plain = executable
        self._source = source
        self._adapted: list[tuple[object, Module]] = []

    @property
    def executable(self) -> Executable:
        """The executable, its code loaded."""
        return self.plain

    def _parts(self) -> list[Module]:
        """The native functions and the kernels, each adapted once."""
        parts = dict.fromkeys((self.executable.native, self.executable.kernels))
        given = [part for part in parts if part is not None]
        if [part for part, _ in self._adapted] != given:
            self._adapted = [(part, as_module(part)) for part in given]
        return [module for _, module in self._adapted]

    def find(self, name: str) -> core.Function | None:
        for part in self._parts():
            found = part._lookup(name, True)
            if found is not None:
                return found
        return None

    def function_names(self) -> list[str]:
        """The executable's functions; of loop programs alone, the kernels."""
        if self.plain.functions:
            return list(self.plain.functions)
        return [n for n in dict.fromkeys(_names(self._parts())) if not n.startswith(OWN_PREFIX)]

    def symbol_address(self, name: str) -> int | None:
        for part in self._parts():
            address = part.symbol_address(name)
            if address is not None:
                return address
        return super().symbol_address(name)

    def inspect_source(self, fmt: str = "") -> str:
        """The kernels' code as text; empty where only object code is left."""
        return self._source(fmt) if self._source is not None else ""

    def stats(self) -> str:
        """Functions, constants, and what is called how often."""
        return self.plain.stats()

    def as_text(self) -> str:
        """The instruction lists."""
        return self.plain.as_text()

    def as_python(self) -> str:
        """Python text that builds the instruction lists."""
        return self.plain.as_python()


class LibraryModule(Module):
    """A shared library; it stays loaded for the life of the process."""

    kind = "library"
    properties: ClassVar[int] = (
        ModulePropertyMask.RUNNABLE | ModulePropertyMask.COMPILATION_EXPORTABLE
    )

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = str(Path(path).absolute())  # a bare name would be sought among the system's
        missing = cut_off(self.path)
        if missing is not None:
            raise ArgumentError(
                f"cannot load {self.path!r}: {missing}", hint="the file was cut off; write it again"
            )
        self._executable: Executable | None = None
        self._lock = threading.Lock()
        try:
            self._module = tvm_ffi.load_module(self.path)
            self._library = ctypes.CDLL(self.path)
        except (OSError, RuntimeError) as error:
            reason = str(error).rpartition(f"{self.path}: ")[2]
            raise ArgumentError(f"cannot load {self.path!r}: {reason}") from None

    def find(self, name: str) -> core.Function | None:
        return function_of(self._module, name)

    def function_names(self) -> list[str]:
        executable = self.executable
        return [] if executable is None else list(executable.functions)

    def symbol_address(self, name: str) -> int | None:
        try:
            symbol = getattr(self._library, name)
        except AttributeError:
            return super().symbol_address(name)
        return ctypes.cast(symbol, ctypes.c_void_p).value

    @property
    def executable(self) -> Executable | None:
        """The executable that the library was compiled from, if it carries one."""
        with self._lock:
            if self._executable is None:
                self._executable = self._read_executable()
            return self._executable

    def export_library(self, path: str | Path, **options: Any) -> str:
        """Copies the library to `path`. Raises `ArgumentError` for another kind of file."""
        del options
        if Path(path).suffix != Path(self.path).suffix:
            raise ArgumentError(
                f"cannot export to {str(path)!r}: {self.path!r} is a library already",
                hint=f"use a path that ends in {Path(self.path).suffix!r}",
            )
        return str(shutil.copyfile(self.path, path))

    def _read_executable(self) -> Executable | None:
        table, constant = self.find(TABLE_FUNCTION), self.find(CONSTANT_FUNCTION)
        if table is None or constant is None:
            return None
        try:
            text = json.loads(table())
        except ValueError as error:
            raise ArgumentError(f"{self.path!r} holds a damaged executable: {error}") from None
        executable = serialize.from_json(text, [constant(i) for i in range(constant(-1))])
        executable.native = executable.kernels = self
        return executable


# ---- loading -----------------------------------------------------------------------------------

Loader = Callable[[str], Module]
_LOADERS: dict[str, Loader] = {}


def register_loader(suffix: str, loader: Loader) -> None:
    """Makes `load_module` use `loader` for files that end in `.suffix`."""
    _LOADERS[suffix.lstrip(".")] = loader


def load_module(path: str | Path, fmt: str = "") -> Module:
    """The module in a file, by its suffix (or `fmt`): a shared library or a registered kind."""
    name = str(path)
    suffix = fmt or Path(name).suffix.lstrip(".")
    if not Path(name).is_file():
        why = "it is a directory" if Path(name).is_dir() else "there is no such file"
        raise ArgumentError(f"cannot load module {name!r}: {why}")
    if suffix in LOADERS and suffix not in _LOADERS:
        importlib.import_module(f"{ROOT}.{LOADERS[suffix]}")
    loader = _LOADERS.get(suffix)
    if loader is not None:
        return loader(name)
    if tvm_ffi.get_global_func(f"ffi.Module.load_from_file.{suffix}", allow_missing=True):
        return FFIModule(tvm_ffi.load_module(name))
    raise ArgumentError(
        f"cannot load module {name!r}: no loader for files of type {suffix!r}",
        hint=f"known types: {listing(sorted({*_LOADERS, *LOADERS}))}",
    )


def system_lib(symbol_prefix: str = "") -> Module:
    """The functions linked into this process under `symbol_prefix`."""
    return FFIModule(tvm_ffi.system_lib(symbol_prefix))


def _load_executable(path: str) -> Module:
    return ExecutableModule(serialize.load(path))


for _suffix in ("so", "dylib", "dll"):
    register_loader(_suffix, LibraryModule)
register_loader("twx", _load_executable)
