"""This machine's C compiler: found, and run."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import CompileError
from .knobs import read_environment

NAMES = ("cc", "gcc", "clang")
SHOWN = 3000  # characters of a compiler's messages


class CompilerError(CompileError):
    """There is no C compiler, or it refused its input."""


@dataclass(frozen=True)
class CCompiler:
    """A command that compiles and links C."""

    command: tuple[str, ...]

    def run(
        self, output: str | Path, inputs: Sequence[str | Path], options: Sequence[str] = ()
    ) -> None:
        """Makes `output` of `inputs`. Raises `CompilerError` with the compiler's own words."""
        command = [*self.command, "-o", str(output), *map(str, inputs), *options]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            said = (result.stderr or result.stdout).strip()
            raise CompilerError(
                f"{self.command[0]} could not make {output}",
                note=f"the command was: {shlex.join(command)}\n{said[:SHOWN]}",
            )


def find_c_compiler() -> CCompiler | None:
    """The first there is of: what CC says, cc, gcc, clang, and the Python package ziglang."""
    words = shlex.split(read_environment("CC") or "")
    if words and shutil.which(words[0]):
        return CCompiler(tuple(words))
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is not None:
        return CCompiler((path,))
    if importlib.util.find_spec("ziglang") is not None:
        return CCompiler((sys.executable, "-m", "ziglang", "cc"))
    return None


def need_c_compiler() -> CCompiler:
    """`find_c_compiler()`. Raises `CompilerError` that says what to do if there is none."""
    found = find_c_compiler()
    if found is None:
        raise CompilerError(
            "no C compiler was found",
            note=f"looked for what CC names, {', '.join(NAMES)} and the Python package ziglang",
            hint="install one (`pip install ziglang` is enough), or export the source to a path "
            "that ends in `.c` and compile it elsewhere",
        )
    return found
