"""C source as a module: shown, written to a file, and compiled where a C compiler is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from tilewright.ffi import core, tvm_ffi
from tilewright.support.c_compiler import need_c_compiler
from tilewright.support.disk_cache import DiskCache, content_key
from tilewright.support.errors import ArgumentError

from .library import LibraryModule
from .module import PACKED_PREFIX, Module, ModulePropertyMask

SHARED = ("-shared", "-fPIC", "-std=c11", "-O2")
"""How a source becomes a library."""
LIBRARIES = DiskCache("c")

Compile = Callable[..., Any]


class CSourceModule(Module):
    """Functions as C source. The first call of one compiles them with this machine's C compiler.

    What was compiled before comes from the cache on disk, unless `cached` is false. `options` are
    the compiler's; `symbols` gives the C name of each function for the executors,
    where they differ.
    """

    kind = "c"
    properties: ClassVar[int] = sum(ModulePropertyMask)

    def __init__(
        self,
        source: str,
        functions: Iterable[str] = (),
        symbols: Mapping[str, str] | None = None,
        options: Sequence[str] = SHARED,
        cached: bool = True,
    ) -> None:
        super().__init__()
        self.source = source
        self._functions = list(functions)
        self._symbols = symbols
        self.options = tuple(options)
        self.cached = cached

    @property
    def format(self) -> str:
        return "c"

    def inspect_source(self, fmt: str = "") -> str:
        return self.source if fmt in ("", "c", "cc", "cpp") else ""

    def function_names(self) -> list[str]:
        return list(self._functions)

    @cached_property
    def library(self) -> LibraryModule:
        """The compiled source, loaded. Raises `CompilerError` without a compiler."""
        with tempfile.TemporaryDirectory(prefix="tilewright-c-") as folder:
            path = Path(folder) / "module.so"
            compiler = need_c_compiler()
            key = content_key(self.source, *self.options, "", *compiler.command)
            known = LIBRARIES.get(key) if self.cached else None
            if known is not None:
                path.write_bytes(known)
            else:
                self._build(path, [])
                if self.cached:
                    LIBRARIES.put(key, path.read_bytes())
            return LibraryModule(path)  # stays loaded though its file goes

    def find(self, name: str) -> core.Function | None:
        if PACKED_PREFIX + name not in self.source:
            return None
        return self.library.find(name)

    def symbol_address(self, name: str) -> int | None:
        if self._symbols is not None and name not in self._symbols:
            return super().symbol_address(name)
        symbol = name if self._symbols is None else self._symbols[name]
        return self.library.symbol_address(symbol)

    def export_library(
        self,
        path: str | Path,
        fcompile: Compile | None = None,
        workspace_dir: str | None = None,
        **options: Any,
    ) -> str:
        """Writes the source to a path that ends in `.c`, an object to `.o`, a library to another.

        `fcompile(path, files, options=[...])` compiles instead of this machine's compiler.
        """
        target = Path(path)
        if target.suffix == ".c":
            self.write_to_file(target, "c")
            return str(target)
        if target.suffix in (".tar", ".tw"):
            raise ArgumentError(
                f"C source is not exported as {target.suffix!r}",
                hint="use a path that ends in `.c`, `.o` or `.so`",
            )
        with tempfile.TemporaryDirectory(prefix="tilewright-c-", dir=workspace_dir) as folder:
            if fcompile is None:
                self._build(target, list(options.get("options") or ()), Path(folder))
            else:
                file = Path(folder) / "module.c"
                file.write_text(self.source)
                fcompile(str(target), [str(file)], **options)
        return str(target)

    def _build(self, target: Path, options: Sequence[str], folder: Path | None = None) -> None:
        file = (folder or target.parent) / "module.c"
        compiler = need_c_compiler()
        file.write_text(self.source)
        if target.suffix == ".o":
            flags = [o for o in self.options if o != "-shared"]
            compiler.run(target, [file], ["-c", *flags, *options])
            return
        libraries = ["-lm"]
        if "TVMFFI" in self.source:
            libraries.insert(0, str(tvm_ffi.libinfo.find_libtvm_ffi()))
        compiler.run(target, [file], [*self.options, *options, *libraries])


def create_c_source_module(
    code: str,
    fmt: str = "c",
    func_names: Sequence[str] | None = (),
    const_vars: Sequence[str] | None = (),
) -> CSourceModule:
    """C source that somebody else wrote, as a module; `const_vars` are the constants it needs."""
    if const_vars:
        raise ArgumentError(
            "constants of C source modules are not supported",
            hint="write them into the source as arrays",
        )
    if fmt not in ("c", "cc", "cpp", "cu"):
        raise ArgumentError(f"unknown format {fmt!r} of C source", hint="the format is 'c'")
    return CSourceModule(code, [str(name) for name in func_names or ()])
