"""`tilewright opt`: passes over a script, text to text."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..ir.expr import BaseFunc
from ..ir.module import IRModule
from ..ir.transform import Pass
from ..script.parser import from_source
from ..support.errors import ArgumentError
from ..target import Target

PACKAGES = ("relax.transform", "tir.transform", "ir.transform", "dlight")
"""Where passes are looked up, in order; `tir.Simplify` says which is meant."""


def find_pass(name: str) -> Any:
    """The pass called `name`, made with its defaults. Raises `ArgumentError` with near names."""
    package, _, short = name.rpartition(".")
    wanted = [p for p in PACKAGES if not package or p.split(".")[0] == package.split(".")[0]]
    for path in wanted:
        module = importlib.import_module(f"..{path}", __package__)
        made = getattr(module, short, None)
        if made is not None and short[:1].isupper():
            return made if isinstance(made, Pass) else made()
    known = sorted(pass_names())
    import difflib

    close = difflib.get_close_matches(short, known, 3, 0.5)
    raise ArgumentError(
        f"there is no pass {name!r}",
        hint=f"did you mean {', '.join(close)}?" if close else "see `tilewright opt --list`",
    )


def pass_names() -> Iterator[str]:
    """The names of all passes."""
    for path in PACKAGES[:-1]:
        module = importlib.import_module(f"..{path}", __package__)
        yield from (n for n in dir(module) if n[:1].isupper() and callable(getattr(module, n)))


@click.command("opt")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True), required=False
)
@click.option("--passes", "-p", default="", metavar="PASS,PASS", help="The passes, in order.")
@click.option("--target", "-t", default="llvm", show_default=True, help="The target in force.")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write here.")
@click.option("--list", "listing", is_flag=True, help="List the names of passes.")
def opt_command(
    file: str | None, passes: str, target: str, output: str | None, listing: bool
) -> None:
    """Run passes over the module or function in FILE (`-`: standard input), and print it.

    FILE holds script: @I.ir_module, @T.prim_func or @R.function. It is parsed, never executed.
    """
    if listing:
        click.echo("\n".join(sorted(set(pass_names()))))
        return
    if file is None:
        raise click.UsageError("Missing argument 'FILE'.")
    text = sys.stdin.read() if file == "-" else Path(file).read_text()
    result = transformed(from_source(text, name=None if file == "-" else file), passes, target)
    shown = result.script(show_meta=True) + "\n"
    if output is None:
        click.echo(shown, nl=False)
    else:
        Path(output).write_text(shown)


def transformed(program: Any, passes: str, target: str) -> IRModule:
    """A module, or a function as a module, after the passes of a comma-separated list."""
    mod = IRModule.from_expr(program) if isinstance(program, BaseFunc) else program
    names = [name.strip() for name in passes.split(",") if name.strip()]
    with Target(target):
        for step in [find_pass(name) for name in names]:
            mod = step(mod)
    result: IRModule = mod
    return result
