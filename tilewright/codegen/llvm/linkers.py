"""Finds a linker and builds its command: a C compiler if there is one, a bare linker, or zig."""

from __future__ import annotations

import importlib.util
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tilewright.support.errors import CompileError
from tilewright.support.knobs import read_environment

from .compile import Machine


class LinkError(CompileError):
    """No linker was found, or the linker failed."""


@dataclass(frozen=True)
class Linker:
    """A command that makes shared libraries. `driver` tells compilers from bare linkers."""

    command: tuple[str, ...]
    driver: bool

    def __str__(self) -> str:
        return " ".join(self.command)

    def link(self, output: Path, inputs: Sequence[Path | str], options: Sequence[str]) -> None:
        """Makes the shared library `output`; `options` are those of a bare linker."""
        passed = [f"-Wl,{','.join(_pair(o))}" for o in options] if self.driver else list(options)
        if not self.driver:
            passed = [part for option in options for part in _pair(option)]
        command = [*self.command, "-shared", "-o", str(output), *map(str, inputs), *passed]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise LinkError(
                f"{self.command[0]} could not make {output}",
                note=(result.stderr or result.stdout).strip()[-2000:],
            )


def _pair(option: str) -> list[str]:
    return option.split(" ", 1)


def find_linker(machine: Machine) -> Linker:
    """The first that works for `machine` of: CC, a C compiler, ld.lld, lld, ld, zig.

    Raises `LinkError` that says what to install if there is none.
    """
    for candidate in _CANDIDATES:
        found = candidate(machine)
        if found is not None:
            return found
    raise LinkError(
        f"no linker for {machine.triple} was found",
        note="looked for CC, cc, gcc, clang, ld.lld, lld, ld and the Python package ziglang",
        hint="install one of them (`pip install ziglang` is enough), or export to a path that ends "
        "in `.tw`: an archive of objects that tilewright links when it loads it",
    )


def is_native(machine: Machine) -> bool:
    """Whether code for `machine` links with this system's libraries."""
    same = {"arm64": "aarch64", "amd64": "x86_64"}
    host = platform.machine().lower()
    return same.get(machine.architecture, machine.architecture) == same.get(host, host)


def _from_environment(machine: Machine) -> Linker | None:
    command = read_environment("CC")
    if not command or not is_native(machine):
        return None
    words = shlex.split(command)
    path = shutil.which(words[0])
    return None if path is None else Linker((path, *words[1:]), True)


def _compiler(machine: Machine) -> Linker | None:
    names = ["cc", "gcc", "clang"]
    if not is_native(machine):
        architecture = machine.architecture.replace("arm64", "aarch64")
        names = [f"{architecture}-linux-gnu-gcc", f"{architecture}-unknown-linux-gnu-gcc"]
    path = next(filter(None, map(shutil.which, names)), None)
    return None if path is None else Linker((path,), True)


def _lld(machine: Machine) -> Linker | None:
    path = shutil.which("ld.lld")
    if path is not None:
        return Linker((path,), False)
    path = shutil.which("lld")
    return None if path is None else Linker((path, "-flavor", "gnu"), False)


def _ld(machine: Machine) -> Linker | None:
    if is_native(machine):
        path = shutil.which("ld")
    else:
        architecture = machine.architecture.replace("arm64", "aarch64")
        path = shutil.which(f"{architecture}-linux-gnu-ld")
    return None if path is None else Linker((path,), False)


def _zig(machine: Machine) -> Linker | None:
    if importlib.util.find_spec("ziglang") is None:
        return None
    system = "macos" if "apple" in machine.triple else "linux"
    abi = "" if system == "macos" else "-musl" if "musl" in machine.triple else "-gnu"
    target = f"{machine.architecture.replace('arm64', 'aarch64')}-{system}{abi}"
    return Linker((sys.executable, "-m", "ziglang", "cc", "-target", target), True)


_CANDIDATES: tuple[Callable[[Machine], Linker | None], ...] = (
    _from_environment, _compiler, _lld, _ld, _zig,
)  # fmt: skip


def system_libraries() -> list[str]:
    """The C, mathematical and compiler libraries of this process, for linkers without defaults."""
    try:
        text = Path("/proc/self/maps").read_text()
    except OSError:
        return []
    found = {}
    for path in re.findall(r"(/\S+)$", text, re.MULTILINE):
        name = Path(path).name
        if re.match(r"(libc|libm|libgcc_s|ld-musl-\w+)\.so", name):
            found[name] = path
    return list(found.values())
