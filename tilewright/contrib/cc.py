"""Libraries and programs by this machine's C compiler, or by another one."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tilewright.support.c_compiler import CCompiler, CompilerError, find_c_compiler, need_c_compiler

Files = str | Sequence[str]


def _is_linux_like() -> bool:
    return sys.platform in ("darwin", "linux", "freebsd") or sys.platform.startswith("linux")


def _is_windows_like() -> bool:
    return sys.platform == "win32"


def get_cc() -> str | None:
    """The command of the C compiler, or None."""
    found = find_c_compiler()
    return None if found is None else shlex.join(found.command)


def _compiler(cc: str | None) -> CCompiler:
    return need_c_compiler() if cc is None else CCompiler(tuple(shlex.split(cc)))


def _run(output: str, objects: Files, options: Sequence[str] | None, cc: str | None,
         cwd: str | None, kind: Sequence[str]) -> None:  # fmt: skip
    files = [objects] if isinstance(objects, str) else list(objects)
    compiler = _compiler(cc)
    if cwd is None:
        compiler.run(output, files, [*kind, *(options or ())])
        return
    before = os.getcwd()
    os.chdir(cwd)
    try:
        compiler.run(output, files, [*kind, *(options or ())])
    finally:
        os.chdir(before)


def create_shared(
    output: str,
    objects: Files,
    options: Sequence[str] | None = None,
    cc: str | None = None,
    cwd: str | None = None,
    ccache_env: dict[str, str] | None = None,
) -> None:
    """Makes a shared library of objects and sources. Raises `CompilerError` where that fails."""
    del ccache_env
    _run(output, objects, options, cc, cwd, ("-shared", "-fPIC"))


create_shared.output_format = "dll" if _is_windows_like() else "so"  # type: ignore[attr-defined]


def create_executable(
    output: str,
    objects: Files,
    options: Sequence[str] | None = None,
    cc: str | None = None,
    cwd: str | None = None,
    ccache_env: dict[str, str] | None = None,
) -> None:
    """Makes a program of objects and sources. Raises `CompilerError` where that fails."""
    del ccache_env
    _run(output, objects, options, cc, cwd, ())


def create_staticlib(output: str, inputs: Files, ar: str | None = None) -> None:
    """Makes a static library of objects. Raises `CompilerError` where that fails."""
    files = [inputs] if isinstance(inputs, str) else list(inputs)
    command = shlex.split(ar) if ar else [shutil.which("ar") or ""]
    if not command[0]:
        raise CompilerError("no archiver was found", hint="install binutils, or pass `ar`")
    made = subprocess.run(
        [*command, "rcs", output, *files], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise CompilerError(f"{command[0]} could not make {output}", note=made.stderr.strip())


create_staticlib.output_format = "a"  # type: ignore[attr-defined]


def get_target_by_dump_machine(compiler: str) -> Callable[[], str | None]:
    """A function that asks a compiler for its target triple."""

    def ask() -> str | None:
        command = [*shlex.split(compiler), "-dumpmachine"]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        return made.stdout.strip() or None

    return ask


def cross_compiler(
    compile_func: str | Callable[..., Any],
    options: Sequence[str] | None = None,
    output_format: str | None = None,
    get_target_triple: Callable[[], str | None] | None = None,
    add_files: Sequence[str] | None = None,
) -> Callable[..., Any]:
    """A compile function for `export_library(fcompile=...)`, of another compiler's command or of
    another function, with `options` and `add_files` added."""
    command = compile_func if isinstance(compile_func, str) else None
    function = create_shared if isinstance(compile_func, str) else compile_func

    def compile(
        output: str, objects: Files, options: Sequence[str] | None = None, **kw: Any
    ) -> Any:
        files = [objects] if isinstance(objects, str) else list(objects)
        passed = [*given, *(options or ())]
        if command is not None:
            kw["cc"] = command
        return function(output, [*files, *(add_files or ())], options=passed, **kw)

    given = list(options or ())
    if get_target_triple is None and command is not None:
        get_target_triple = get_target_by_dump_machine(command)
    compile.get_target_triple = get_target_triple  # type: ignore[attr-defined]
    compile.output_format = output_format or getattr(function, "output_format", "so")  # type: ignore[attr-defined]
    return compile
