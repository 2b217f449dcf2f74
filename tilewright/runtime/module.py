"""Modules: named functions that can be called, and the native symbols behind them.

A module is found in a shared library, in code compiled in this process, or made of Python
functions. Its packed functions follow the tvm-ffi ABI (`__tvm_ffi_<name>` in native code); the bare
symbol `<name>` of a kernel is what the executors call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from tilewright.ffi import core, tvm_ffi
from tilewright.support.errors import ArgumentError, listing

from .benchmark import BenchmarkResult, Evaluator
from .device import Device

PACKED_PREFIX = "__tvm_ffi_"
ModulePropertyMask = tvm_ffi.module.ModulePropertyMask
MAIN = "main"
"""The function that a call of a module runs."""


class Module:
    """A table of functions, with other modules imported into it."""

    kind = "python"
    properties: ClassVar[int] = ModulePropertyMask.RUNNABLE

    def __init__(self) -> None:
        self._imports: list[Module] = []

    # What a kind of module provides.

    def find(self, name: str) -> core.Function | None:
        """The function of this module alone, or None."""
        return None

    def function_names(self) -> list[str]:
        """The names of this module's own functions, as far as they are known."""
        return []

    def symbol_address(self, name: str) -> int | None:
        """The address of the bare native symbol, or None; imported modules are searched too."""
        for module in self._imports:
            address = module.symbol_address(name)
            if address is not None:
                return address
        return None

    # What all modules offer.

    @property
    def entry_name(self) -> str:
        """The name of what a call of the module runs: `main`, else its only function."""
        if self.implements_function(MAIN, query_imports=True):
            return MAIN
        names = self._known_names()
        return names[0] if len(names) == 1 else MAIN

    def _known_names(self) -> list[str]:
        """The names of the functions here and in the imported modules, each once."""
        return list(dict.fromkeys(n for m in self._reachable() for n in m.function_names()))

    @property
    def imports(self) -> list[Module]:
        """The modules imported into this one."""
        return list(self._imports)

    @property
    def imported_modules(self) -> list[Module]:
        """The modules imported into this one (the older name)."""
        return self.imports

    def import_module(self, module: Module) -> None:
        """Adds `module` to the modules that lookups also search."""
        if self in module._reachable():
            raise ArgumentError("importing this module would make a cycle")
        self._imports.append(module)

    def _reachable(self) -> list[Module]:
        return [self, *(m for module in self._imports for m in module._reachable())]

    def clear_imports(self) -> None:
        """Forgets the imported modules."""
        self._imports.clear()

    def implements_function(self, name: str, query_imports: bool = False) -> bool:
        """Whether this module, or one that it imports, has a function called `name`."""
        return self._lookup(name, query_imports) is not None

    def _lookup(self, name: str, query_imports: bool) -> core.Function | None:
        found = self.find(name)
        if found is not None:
            return found
        if query_imports:
            for module in self._imports:
                found = module._lookup(name, True)
                if found is not None:
                    return found
        return None

    def get_function(self, name: str, query_imports: bool = False) -> core.Function:
        """The function called `name`. Raises `AttributeError` if there is none, as in TVM."""
        found = self._lookup(name, query_imports)
        if found is None:
            names = self._known_names() if query_imports else self.function_names()
            known = f"; it has {listing(names)}" if names else ""
            raise MissingFunction(f"module has no function {name!r}{known}")
        return found

    def __getitem__(self, name: str) -> core.Function:
        if not isinstance(name, str):
            raise ArgumentError(f"a function's name is a string, found {type(name).__name__}")
        return self.get_function(name, query_imports=True)

    def __call__(self, *args: Any) -> Any:
        """What the entry function returns for `args`."""
        return self[self.entry_name](*args)

    @property
    def entry_func(self) -> core.Function:
        """The entry function."""
        return self[self.entry_name]

    def __tvm_ffi_object__(self) -> Any:
        return core._convert_to_opaque_object(self)

    @property
    def type_key(self) -> str:
        """The kind (the older name)."""
        return self.kind

    @property
    def format(self) -> str:
        """The suffix of a file that holds such a module."""
        return {"library": "so"}.get(self.kind, "")

    def get_property_mask(self) -> int:
        """What can be done with the module, as bits of `ModulePropertyMask`."""
        return int(self.properties)

    def is_runnable(self) -> bool:
        """Whether functions can be called."""
        return bool(self.get_property_mask() & ModulePropertyMask.RUNNABLE)

    def is_binary_serializable(self) -> bool:
        """Whether it can be saved within IR and in other modules, as data."""
        return bool(self.get_property_mask() & ModulePropertyMask.BINARY_SERIALIZABLE)

    def is_compilation_exportable(self) -> bool:
        """Whether it can be written as source or object code, to be linked into a library."""
        return bool(self.get_property_mask() & ModulePropertyMask.COMPILATION_EXPORTABLE)

    def inspect_source(self, fmt: str = "") -> str:
        """The source or assembly text in that format, empty if there is none."""
        return ""

    def get_source(self, fmt: str = "") -> str:
        """What `inspect_source` gives (the older name)."""
        return self.inspect_source(fmt)

    def write_to_file(self, path: str | Path, fmt: str = "") -> None:
        """Writes the text that `inspect_source` gives for `fmt`, the suffix of `path` if empty.
        Imported modules are not written. Raises `ArgumentError` if there is no such text."""
        suffix = fmt or Path(path).suffix.lstrip(".")
        text = self.inspect_source(suffix)
        if not text:
            raise ArgumentError(
                f"the module has no source in format {suffix!r}",
                hint="export_library writes its code",
            )
        Path(path).write_text(text)

    def save(self, file_name: str | Path, fmt: str = "") -> None:
        """What `write_to_file` does (the older name)."""
        self.write_to_file(file_name, fmt)

    def export_library(self, path: str | Path, **options: Any) -> str:
        """Writes the module as a library and returns its path. Raises `ArgumentError` for a module
        that is no code, or whose code is only in memory."""
        del options
        raise ArgumentError(
            f"cannot export to {str(path)!r}: a module of kind {self.kind!r} has no code to write",
            hint="export what `compile` or `build` returns",
        )

    def time_evaluator(
        self,
        func_name: str,
        dev: Device,
        number: int = 10,
        repeat: int = 1,
        min_repeat_ms: int = 0,
        limit_zero_time_iterations: int = 100,
        cooldown_interval_ms: int = 0,
        repeats_to_cooldown: int = 1,
        cache_flush_bytes: int = 0,
        f_preproc: str | Callable[..., Any] = "",
    ) -> Evaluator:
        """A function that runs `func_name` on its arguments and returns a `BenchmarkResult`.

        Each of `repeat` measurements is the mean of `number` runs; `number` grows until one
        takes `min_repeat_ms`. `f_preproc` (a function or a global function's name) is called with
        the arguments before each measurement; `cache_flush_bytes` of other memory are read then.
        """
        return Evaluator(
            self[func_name],
            dev,
            number=number,
            repeat=repeat,
            min_repeat_ms=min_repeat_ms,
            limit_zero_time_iterations=limit_zero_time_iterations,
            cooldown_interval_ms=cooldown_interval_ms,
            repeats_to_cooldown=repeats_to_cooldown,
            cache_flush_bytes=cache_flush_bytes,
            f_preproc=f_preproc,
        )

    def __repr__(self) -> str:
        names = self.function_names()
        return f"{type(self).__name__}({listing(names, 8)})" if names else type(self).__name__


class MissingFunction(ArgumentError, AttributeError):
    """A module has no function of that name."""


class FunctionModule(Module):
    """A module of Python callables and ffi functions."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__()
        self._functions = dict(functions)

    def find(self, name: str) -> core.Function | None:
        function = self._functions.get(name)
        return None if function is None else _as_function(function)

    def function_names(self) -> list[str]:
        return list(self._functions)


def _as_function(function: Callable[..., Any]) -> core.Function:
    if isinstance(function, core.Function):
        return function
    return core._convert_to_ffi_func(function)


class NativeModule(Module):
    """A module of code in this process: a JIT engine or a library, seen by its symbols' addresses.

    `address_of` gives a symbol's address, or 0 or None; `names` lists the functions, where known;
    `keep_alive` is what owns the code and lives as long as any function of the module.
    """

    kind = "jit"

    def __init__(
        self,
        address_of: Callable[[str], int | None],
        names: Iterable[str] = (),
        keep_alive: object = None,
        source: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__()
        self._address_of = address_of
        self._names = list(names)
        self._keep_alive = keep_alive
        self._source = source
        self._found: dict[str, core.Function] = {}

    def find(self, name: str) -> core.Function | None:
        found = self._found.get(name)
        if found is None:
            address = self._address_of(PACKED_PREFIX + name)
            if not address:
                return None
            # It keeps the code alive, not this module: a cycle through it would never be collected.
            found = core.Function.__from_extern_c__(address, keep_alive_object=self._keep_alive)
            self._found[name] = found
        return found

    def function_names(self) -> list[str]:
        return list(self._names)

    def symbol_address(self, name: str) -> int | None:
        return self._address_of(name) or super().symbol_address(name)

    def inspect_source(self, fmt: str = "") -> str:
        return self._source(fmt) if self._source is not None else ""


_get_function = tvm_ffi.get_global_func("ffi.ModuleGetFunction")


def function_of(module: tvm_ffi.Module, name: str) -> core.Function | None:
    """The function of a tvm-ffi module, or of those it imports, or None."""
    found: core.Function | None = _get_function(module, name, True)
    return found


class FFIModule(Module):
    """A module object of the tvm-ffi ABI, such as another package makes."""

    kind = "ffi"

    def __init__(self, module: tvm_ffi.Module) -> None:
        super().__init__()
        self.module = module

    def find(self, name: str) -> core.Function | None:
        return function_of(self.module, name)

    def get_property_mask(self) -> int:
        return int(self.module.get_property_mask())

    def inspect_source(self, fmt: str = "") -> str:
        return str(self.module.inspect_source(fmt))


def as_module(value: Any) -> Module:
    """A module as it is; a tvm-ffi module, or a JIT with `symbols` and `address(name)`, as one."""
    if isinstance(value, Module):
        return value
    if isinstance(value, tvm_ffi.Module):
        return FFIModule(value)
    symbols, address = getattr(value, "symbols", None), getattr(value, "address", None)
    if symbols is None or address is None:
        raise ArgumentError(f"expected a module, found {type(value).__name__}")
    names = sorted(s.removeprefix(PACKED_PREFIX) for s in symbols if s.startswith(PACKED_PREFIX))
    return NativeModule(
        lambda name: address(name) if name in symbols else None, names, keep_alive=value
    )


__all__ = [
    "BenchmarkResult",
    "FFIModule",
    "FunctionModule",
    "MissingFunction",
    "Module",
    "NativeModule",
    "as_module",
]
