"""LLVM's text of C, by clang."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tilewright.support.c_compiler import CCompiler, CompilerError

from .utils import tempdir

VERSIONS = range(30, 9, -1)


def find_clang(required: bool = True) -> list[str]:
    """The paths of the installed clangs, `clang` before `clang-20`, `clang-19`...

    Raises `CompilerError` if there is none and one is `required`.
    """
    names = ["clang", *(f"clang-{version}" for version in VERSIONS)]
    found = [path for path in map(shutil.which, names) if path is not None]
    if required and not found:
        raise CompilerError("there is no clang", hint="install clang, or give a path as `cc`")
    return found


def create_llvm(
    inputs: str | Sequence[str],
    output: str | None = None,
    options: Sequence[str] | None = None,
    cc: str | None = None,
) -> str:
    """The LLVM IR of C source, given as text or as paths of files.

    inputs: a text, or a path that ends in `.c`, `.cc` or `.cpp`, or several of these
    output: where the IR is kept, too
    options: further arguments of clang
    cc: the clang to call; the first that is found, if none is given

    Raises `CompilerError` if there is no clang, or if it refuses the source.
    """
    folder = tempdir()
    paths = []
    for index, given in enumerate([inputs] if isinstance(inputs, str) else inputs):
        is_path = "\n" not in given and Path(given).suffix in (".c", ".cc", ".cpp")
        path = Path(given) if is_path else Path(folder.relpath(f"input{index}.cc"))
        if not is_path:
            path.write_text(given)
        paths.append(path)
    made = Path(output or folder.relpath("output.ll"))
    compiler = CCompiler((cc or find_clang()[0], "-S", "-emit-llvm"))
    compiler.run(made, paths, options or ())
    return made.read_text()
