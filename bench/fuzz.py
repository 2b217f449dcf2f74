"""Random programs: the interpreter, the LLVM back end and the C back end must agree bit by bit.

`python -m bench.fuzz --programs 2000` runs the programs of 2,000 seeds; a seed that fails is
printed with its program, and `--first SEED --programs 1` runs it again. Exits with 1 if any fails.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress

from tilewright.cli.lists import Words
from tilewright.codegen.c.codegen import emit_source
from tilewright.codegen.llvm.codegen import emit_module
from tilewright.codegen.llvm.compile import compile_module
from tilewright.codegen.llvm.jit import load_objects
from tilewright.runtime.source_module import SHARED, CSourceModule
from tilewright.tir import Buffer, PrimFunc, interpreter

from .options import COUNT, Command
from .random_programs import inputs, program
from .shrink import shrink

Arrays = list[np.ndarray[Any, Any]]
Addresses = Callable[[str], "int | None"]
QUICK = tuple("-O1" if option.startswith("-O") else option for option in SHARED)


@dataclass(frozen=True)
class Failure:
    """A program on which `runner` and the interpreter disagree, and how."""

    seed: int
    runner: str
    what: str


def llvm_addresses(functions: Mapping[str, PrimFunc]) -> Addresses:
    """The functions compiled by LLVM."""
    return load_objects([compile_module(emit_module(functions), cache=False)]).symbol_address


def c_addresses(functions: Mapping[str, PrimFunc]) -> Addresses:
    """The functions compiled from C."""
    return CSourceModule(emit_source(functions), options=QUICK, cached=False).symbol_address


RUNNERS: dict[str, Callable[[Mapping[str, PrimFunc]], Addresses]] = {
    "llvm": llvm_addresses,
    "c": c_addresses,
}


def failures(seeds: Sequence[int], runners: Sequence[str]) -> Iterator[Failure]:
    """Where the `runners` disagree with the interpreter on the programs of `seeds`; all of them
    are compiled at once."""
    made = {seed: program(seed) for seed in seeds}
    functions = {f"program_{seed}": func for seed, (func, _) in made.items()}
    addresses = {name: RUNNERS[name](functions) for name in runners}
    for seed, (func, buffers) in made.items():
        expected = inputs(buffers, seed)
        with np.errstate(all="ignore"):
            interpreter.run(func, *expected)
        for name in runners:
            found = inputs(buffers, seed)
            _call(addresses[name](f"program_{seed}") or 0, found)
            what = difference(buffers, expected, found)
            if what:
                yield Failure(seed, name, what)


def _call(address: int, arrays: Arrays) -> None:
    kinds = [ctypes.c_void_p] * len(arrays)
    ctypes.CFUNCTYPE(None, *kinds)(address)(*[a.ctypes.data for a in arrays])


def difference(buffers: Sequence[Buffer], expected: Arrays, found: Arrays) -> str:
    """The first element that differs, or nothing. NaNs are equal."""
    for buffer, a, b in zip(buffers, expected, found, strict=True):
        wide = np.float64 if a.dtype.kind not in "iub" else a.dtype
        x, y = a.astype(wide), b.astype(wide)
        bad = np.flatnonzero(~((x == y) | ((x != x) & (y != y))))
        if len(bad):
            at = int(bad[0])
            return f"`{buffer.name}[{at}]` is {b[at]}, not {a[at]}"
    return ""


def smallest(failure: Failure) -> PrimFunc:
    """A small program on which the runner of `failure` still disagrees."""
    func, buffers = program(failure.seed)

    def fails(candidate: PrimFunc) -> bool:
        expected, found = inputs(buffers, failure.seed), inputs(buffers, failure.seed)
        with np.errstate(all="ignore"):
            interpreter.run(candidate, *expected)
        addresses = RUNNERS[failure.runner]({"program": candidate})
        _call(addresses("program") or 0, found)
        return difference(buffers, expected, found) != ""

    return shrink(func, fails)


@click.command(cls=Command)
@click.option("--programs", default=2000, type=COUNT, show_default=True, help="How many.")
@click.option(
    "--first", default=0, type=click.IntRange(0), show_default=True, help="The first seed."
)
@click.option(
    "--batch", default=25, type=COUNT, show_default=True, help="Programs compiled together."
)
@click.option("--small/--whole", default=False, help="Print failing programs made smaller.")
@click.option(
    "--runners", default="llvm,c", type=Words(RUNNERS), show_default=True, help="What to check."
)
def main(programs: int, first: int, batch: int, small: bool, runners: list[str]) -> None:
    """Check the back ends against the interpreter on random programs."""
    console = Console()
    console.print(f"seeds {first} to {first + programs - 1}, {' and '.join(runners)}")
    bad: list[Failure] = []
    with Progress(console=console) as bar:
        step = bar.add_task("programs", total=programs)
        for begin in range(first, first + programs, batch):
            seeds = range(begin, min(begin + batch, first + programs))
            for failure in failures(seeds, runners):
                bad.append(failure)
                func = smallest(failure) if small else program(failure.seed)[0]
                bar.console.print(func.script(), highlight=False, markup=False, soft_wrap=True)
                why = f"seed {failure.seed}, {failure.runner}: {failure.what}"
                bar.console.print(why, highlight=False, markup=False, soft_wrap=True)
            bar.advance(step, len(seeds))
    console.print(f"{programs} programs, {len(bad)} disagreements")
    sys.exit(int(bool(bad)))


if __name__ == "__main__":
    main()
