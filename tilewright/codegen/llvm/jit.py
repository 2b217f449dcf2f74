"""Object code made runnable in this process, and unloaded when nobody holds it any more.

Each module is an ORC engine of its own with JITLink: closing it gives all memory back, objects may
lie anywhere in the address space, and a symbol that is missing is an error, not an abort.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import llvmlite.binding as llvm

from tilewright.ffi import tvm_ffi
from tilewright.runtime.module import PACKED_PREFIX, Module
from tilewright.support.errors import ArgumentError, listing
from tilewright.support.knobs import NUM_THREADS

from .compile import compile_module, host_machine, initialize_llvm
from .elf import read_symbols
from .threadpool import EXPORTED
from .vm_support import support_ir

_serial = itertools.count()


class _Code:
    """One engine and its addresses; closing it frees the memory."""

    def __init__(self, objects: Sequence[bytes], imports: Mapping[str, int]) -> None:
        self.kept: list[object] = []
        self._release: Callable[[], None] | None = None
        initialize_llvm()
        symbols = [read_symbols(data) for data in objects]
        self.defined = frozenset(itertools.chain.from_iterable(s.defined for s in symbols))
        needed = frozenset(itertools.chain.from_iterable(s.undefined for s in symbols))
        builder = llvm.JITLibraryBuilder()
        for data in objects:
            builder.add_object_img(data)
        for name, address in _resolve(needed - self.defined, imports).items():
            builder.import_symbol(name, address)
        for name in self.defined:
            builder.export_symbol(name)
        self._engine = llvm.create_lljit_compiler(use_jit_link=True, suppress_errors=True)
        try:
            self.addresses = builder.link(self._engine, f"tilewright.{next(_serial)}")
        except RuntimeError as error:
            self._engine.close()
            raise ArgumentError(f"cannot link the compiled objects: {error}") from None
        if "tilewright_module_release" in self.defined:
            address = self.addresses["tilewright_module_release"]
            self._release = ctypes.CFUNCTYPE(None)(address)

    def address(self, name: str) -> int:
        return int(self.addresses[name])

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if finalizing() or not hasattr(self, "addresses"):
            return  # as the process ends, other threads may still run the code
        if self._release is not None:
            self._release()
        self.addresses.close()
        self._engine.close()


class JITModule(Module):
    """Compiled functions in this process.

    `module["f"]` is the tvm-ffi function whose symbol is `__tvm_ffi_f`; `address("f")` is the plain
    address of any symbol. The code lives as long as this object or any function taken from it.
    """

    kind = "jit"

    def __init__(self, objects: Sequence[bytes], imports: Mapping[str, int] | None = None) -> None:
        super().__init__()
        self.objects = list(objects)
        self._code = _Code(self.objects, imports or {})
        self._owner: tvm_ffi.Function | None = None
        self._functions: dict[str, tvm_ffi.Function] = {}

    @property
    def symbols(self) -> frozenset[str]:
        """The names of all symbols defined here."""
        return self._code.defined

    def function_names(self) -> list[str]:
        """The names of the packed functions."""
        prefix = len(PACKED_PREFIX)
        return sorted(s[prefix:] for s in self.symbols if s.startswith(PACKED_PREFIX))

    def symbol_address(self, name: str) -> int | None:
        if name in self._code.defined:
            return self._code.address(name)
        return super().symbol_address(name)

    def address(self, symbol: str) -> int:
        """The address of a symbol; it is valid while this module is alive."""
        found = self.symbol_address(symbol)
        if found is None:
            raise ArgumentError(
                f"the module defines no symbol {symbol!r}",
                note=f"it defines {listing(sorted(self.symbols))}",
            )
        return found

    def find(self, name: str) -> tvm_ffi.Function | None:
        found = self._functions.get(name)
        if found is None and PACKED_PREFIX + name in self._code.defined:
            address = self._code.address(PACKED_PREFIX + name)
            # The function keeps the code, not this object: a cycle that no collector would see.
            found = tvm_ffi.Function.__from_extern_c__(address, keep_alive_object=self._code)
            self._functions[name] = found
        return found

    def keep(self, *values: object) -> None:
        """`values` live as long as the code does."""
        self._code.kept.extend(values)

    def hold_owner(self, symbol: str) -> None:
        """Stores the handle of an object that keeps the code alive at `symbol`, for closures."""
        address = next(iter(self._code.defined))
        self._owner = tvm_ffi.Function.__from_extern_c__(
            self._code.address(address), keep_alive_object=self._code
        )
        slot = ctypes.c_void_p.from_address(self.address(symbol))
        slot.value = self._owner.__chandle__()


def load_objects(objects: Iterable[bytes], imports: Mapping[str, int] | None = None) -> JITModule:
    """The objects linked together and loaded; `imports` are addresses of further symbols."""
    return JITModule(list(objects), imports)


def _resolve(names: Iterable[str], imports: Mapping[str, int]) -> dict[str, int]:
    """An address for each name, or `ArgumentError` that lists those without."""
    found, missing = {}, []
    for name in sorted(names):
        address = imports.get(name) or _address(name)
        if address:
            found[name] = address
        else:
            missing.append(name)
    if missing:
        raise ArgumentError(
            f"compiled code needs symbols that are not in this process: {listing(missing)}",
            hint="load the library that defines them first, or pass their addresses",
        )
    return found


def _address(name: str) -> int | None:
    if name.startswith("TVMFFI"):
        return _tvm_ffi_address(name)
    return support_library().get(name) or llvm.address_of_symbol(name) or _libgcc_address(name)


@functools.cache
def _tvm_ffi() -> ctypes.CDLL:
    return ctypes.CDLL(tvm_ffi.libinfo.find_libtvm_ffi())


def _tvm_ffi_address(name: str) -> int | None:
    function = getattr(_tvm_ffi(), name, None)
    return None if function is None else ctypes.cast(function, ctypes.c_void_p).value


@functools.cache
def _libgcc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("libgcc_s.so.1")
    except OSError:
        return None


def _libgcc_address(name: str) -> int | None:
    """Helpers that LLVM calls for what the processor lacks, such as 128-bit division."""
    function = getattr(_libgcc(), name, None)
    return None if function is None else ctypes.cast(function, ctypes.c_void_p).value


_SUPPORT: dict[str, int] = {}
_SUPPORT_LOCK = threading.Lock()
_KEPT: list[Any] = []


def support_library() -> Mapping[str, int]:
    """The addresses of the thread pool and of the virtual machine's helpers, loaded once.

    Workers run this code until the process ends, so it is never unloaded.
    """
    if not _SUPPORT:
        with _SUPPORT_LOCK:
            if not _SUPPORT:
                _SUPPORT.update(_load_support())
    return _SUPPORT


def _load_support() -> dict[str, int]:
    machine = host_machine()
    data = compile_module(support_ir(machine.triple), machine)
    needed = read_symbols(data).undefined
    found = {name: llvm.address_of_symbol(name) or _tvm_ffi_address(name) for name in needed}
    code = _Code([data], {name: address for name, address in found.items() if address})
    _KEPT.append(code)
    ctypes.CFUNCTYPE(ctypes.c_void_p)(code.address("tilewright_runtime_table"))()
    if NUM_THREADS.get():
        ctypes.CFUNCTYPE(None, ctypes.c_int)(code.address("tilewright_set_num_threads"))(
            NUM_THREADS.get()
        )
    return {name: code.address(name) for name in code.defined}


def set_num_threads(count: int = 0) -> None:
    """Kernels use at most `count` threads from now on; 0 restores the default."""
    function = ctypes.CFUNCTYPE(None, ctypes.c_int)
    function(support_library()["tilewright_set_num_threads"])(count)


def num_threads() -> int:
    """How many threads kernels may use."""
    function = ctypes.CFUNCTYPE(ctypes.c_int)
    return int(function(support_library()["tilewright_get_num_threads"])())


__all__ = [
    "EXPORTED",
    "JITModule",
    "load_objects",
    "num_threads",
    "set_num_threads",
    "support_library",
]
