"""What commands share: reading models, making inputs, showing progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..driver import CompiledExecutable, compile
from ..frontend.onnx import from_onnx
from ..ir.module import IRModule
from ..runtime.instructions import CheckTensor, Reg
from ..runtime.library import ExecutableModule, LibraryModule, load_module
from ..runtime.vm import VirtualMachine
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..support.progress import Listener, listen

F = TypeVar("F", bound=Callable[..., Any])


class Bars(Listener):
    """Stages as lines of a terminal, with a bar where the number of steps is known."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}

    def begin(self, title: str, total: int | None) -> None:
        """A new line."""
        self.tasks[title] = self.progress.add_task(title, total=total, what="")
        self.seconds[title] = -time.perf_counter()

    def step(self, title: str, what: str) -> None:
        """The bar grows."""
        self.progress.update(self.tasks[title], advance=1, what=what[:40])

    def end(self, title: str) -> None:
        """The line is full."""
        task = self.tasks[title]
        done = self.progress.tasks[task].total or 1
        self.progress.update(task, total=done, completed=done, what="")
        self.seconds[title] += time.perf_counter()


@contextmanager
def progress(enabled: bool = True) -> Iterator[None]:
    """Shows the stages of what runs inside on the terminal's error stream."""
    console = Console(stderr=True)
    if not enabled or not console.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description:<22}"), BarColumn(24),
               TimeElapsedColumn(), TextColumn("{task.fields[what]}"))  # fmt: skip
    with Progress(*columns, console=console) as bars, listen(Bars(bars)):
        yield


TARGET = "llvm"


def model_options(function: F) -> F:
    """The options of commands that import and compile a model."""
    options = (
        click.option("--target", "-t", default=TARGET, show_default=True,
                     help="What to compile for, such as 'llvm -mcpu=x86-64-v3'."),
        click.option("--shape", "-s", multiple=True, metavar="NAME=D,D,...",
                     help="An input's shape; a name instead of a number stays symbolic."),
        click.option("--opset", type=int, help="Read the model as this opset."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def shapes(texts: Sequence[str]) -> dict[str, list[Any]]:
    """`x=1,3,n` as `{"x": [1, 3, "n"]}`."""
    out: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, dims = text.rpartition("=")
        if not equals or not name:
            raise _wrong_shape(f"expected NAME=D,D,..., found {text!r}")
        if name in out:
            raise _wrong_shape(f"two shapes for {name!r}, the second is {text!r}")
        out[name] = [_dimension(d.strip(), text) for d in dims.split(",")] if dims.strip() else []
    return out


def _dimension(text: str, whole: str) -> int | str:
    """A size or a symbolic dimension's name; raises a usage error for other forms."""
    if text.isdecimal():
        return int(text)
    if text.isidentifier():
        return text
    raise _wrong_shape(f"a dimension is a number or a name, found {text!r} in {whole!r}")


def _wrong_shape(what: str) -> click.BadParameter:
    return click.BadParameter(what, param_hint="'--shape'")


SIZE = click.IntRange(min=0)
COUNT = click.IntRange(min=1)

LIBRARIES = (".so", ".dylib", ".dll", ".tw", ".tar")


def is_library(path: str) -> bool:
    """Whether a file is something that was compiled, by its name."""
    return Path(path).suffix in LIBRARIES


def import_model(path: str, shape: Sequence[str], opset: int | None) -> IRModule:
    """The model as a module."""
    return from_onnx(path, shapes(shape) or None, opset=opset)


def compiled(path: str, target: str, shape: Sequence[str], opset: int | None) -> CompiledExecutable:
    """The model, imported and compiled."""
    return compile(import_model(path, shape, opset), target)


def machine(path: str, target: str, shape: Sequence[str], opset: int | None) -> VirtualMachine:
    """A virtual machine for a compiled library, or for a model compiled now.

    Raises a usage error for a library with options that only compiling takes.
    """
    from ..runtime import cpu

    if is_library(path):
        if shape or opset is not None or target != TARGET:
            raise click.UsageError(
                f"--target, --shape and --opset need the ONNX model, found the library {path}"
            )
        loaded = load_module(path)
        if not isinstance(loaded, (ExecutableModule, LibraryModule)) or loaded.executable is None:
            raise ArgumentError(f"{path} holds no executable")
        return VirtualMachine(loaded, cpu())
    return VirtualMachine(compiled(path, target, shape, opset), cpu())


def parameters(vm: VirtualMachine, name: str = "main") -> list[tuple[str, str, list[Any]]]:
    """Name, dtype and shape of each parameter; dimensions that are not fixed are None."""
    if vm.executable is None or name not in vm.executable.functions:
        raise ArgumentError(f"the program has no function {name!r} that can be described")
    function = vm.executable.functions[name]
    checks = {
        i.src.index: i
        for i in function.instructions
        if isinstance(i, CheckTensor) and isinstance(i.src, Reg) and not i.span
    }
    found = []
    for index, param in enumerate(function.params):
        check = checks.get(index)
        if check is None or check.dtype is None:
            raise ArgumentError(f"parameter {param!r} of {name} is no tensor of a known type")
        dims = [d if isinstance(d, int) else None for d in check.dims]
        found.append((param, check.dtype, dims))
    return found


def random_inputs(
    specs: Sequence[tuple[str, str, list[Any]]], size: int = 1, seed: int = 0
) -> dict[str, np.ndarray[Any, Any]]:
    """Random inputs: floats normal, integers 0 or 1 (valid as indices); free dimensions `size`."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, dtype, dims in specs:
        shape = [d if isinstance(d, int) else size for d in dims]
        info = dtype_of(dtype)
        if info.is_float:
            made[name] = rng.standard_normal(shape).astype(info.numpy)
        else:
            made[name] = rng.integers(0, 2, shape).astype(info.numpy)
    return made


def given_inputs(texts: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """`x=file.npy` read; raises a usage error for other forms."""
    out = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals:
            raise _wrong_input(f"expected NAME=FILE.npy, found {text!r}")
        try:
            with open(file, "rb") as stream:
                out[name] = np.lib.format.read_array(stream)
        except OSError as error:
            raise _wrong_input(f"cannot read {file}: {error}") from None
        except ValueError:
            raise _wrong_input(
                f"{file} holds no array of numbers, as `np.save` writes it"
            ) from None
    return out


def _wrong_input(what: str) -> click.BadParameter:
    return click.BadParameter(what, param_hint="'--input'")


def outputs(result: Any) -> list[np.ndarray[Any, Any]]:
    """The result of a function as a list of arrays."""
    items = (
        result
        if isinstance(result, (list, tuple))
        or (hasattr(result, "__len__") and not (hasattr(result, "numpy")))
        else [result]
    )
    return [item.numpy() for item in items]


def difference(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> float:
    """The largest difference over the reference's largest value; inf if shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    if not theirs.size:
        return 0.0
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    top = float(np.abs(b).max()) or 1.0
    return float(np.abs(a - b).max()) / top


def echo_mapping(rows: Mapping[str, Any]) -> None:
    """Names and values, aligned."""
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        click.echo(f"{name:<{width}}  {value}")
