"""`tilewright opt`: passes over a script, text to text."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from ..ir.expr import BaseFunc
from ..ir.module import IRModule
from ..ir.transform import CONFIG, Pass, PassContext
from ..script.parser import from_source
from ..support.errors import ArgumentError
from ..target import Target
from .files import OutputFile

PACKAGES = ("relax.transform", "tir.transform", "ir.transform", "dlight")
"""Where passes are looked up, in order; `tir.Simplify` says which is meant."""


def find_pass(text: str) -> Any:
    """The pass called `text`, made with its defaults, or with arguments: `NarrowDataType(32)`.

    Raises `ArgumentError` with near names.
    """
    name, args = _called(text)
    package, _, short = name.rpartition(".")
    wanted = [p for p in PACKAGES if not package or p.split(".")[0] == package.split(".")[0]]
    for path in wanted:
        module = importlib.import_module(f"..{path}", __package__)
        made = getattr(module, short, None)
        if short[:1].isupper() and is_pass(made):
            return made if isinstance(made, Pass) else _made(name, made, args)
    known = sorted(pass_names())
    import difflib

    close = difflib.get_close_matches(short, known, 3, 0.5)
    raise ArgumentError(
        f"there is no pass {name!r}",
        hint=f"did you mean {', '.join(close)}?" if close else "see `tilewright opt --list`",
    )


def _called(text: str) -> tuple[str, list[Any]]:
    """`ThreadSync(shared)` as the name and its arguments: numbers, or text."""
    name, opened, rest = text.partition("(")
    if not opened:
        return text, []
    if not rest.endswith(")"):
        raise ArgumentError(f"{text!r} lacks a closing parenthesis")
    return name, [_value(part.strip()) for part in rest[:-1].split(",") if part.strip()]


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _made(name: str, make: Any, args: list[Any]) -> Any:
    try:
        inspect.signature(make).bind(*args)
    except TypeError as error:
        raise ArgumentError(
            f"pass {name}: {error}", hint=f"its arguments are {name}{inspect.signature(make)}"
        ) from None
    return make(*args)


def _split(passes: str) -> list[str]:
    """The passes of a list; commas within parentheses belong to arguments."""
    parts, depth = [""], 0
    for letter in passes:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _config(options: Sequence[str]) -> dict[str, Any]:
    """`tir.UnrollLoop.auto_max_step=16` and `tir.disable_cse_tir=1` as the context takes them."""
    made: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise ArgumentError(f"option {option!r} has no value", hint="name=value")
        group, _, field = key.rpartition(".")
        if key in CONFIG or group not in CONFIG:
            made[key] = _value(value)
        else:
            made.setdefault(group, {})[field] = _value(value)
    return made


def pass_names() -> Iterator[str]:
    """The names of all passes."""
    for path in PACKAGES[:-1]:
        module = importlib.import_module(f"..{path}", __package__)
        yield from (n for n in dir(module) if n[:1].isupper() and is_pass(getattr(module, n)))


def is_pass(made: Any) -> bool:
    """Whether it is a pass, or makes one: a function, or a class derived from the kinds of pass."""
    if isinstance(made, type):
        return issubclass(made, Pass) and made.__module__ != Pass.__module__
    return isinstance(made, Pass) or inspect.isfunction(made)


@click.command("opt")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True), required=False
)
@click.option(
    "--passes",
    "-p",
    metavar="PASS,PASS",
    help="The passes, in order, with arguments where they need some: NarrowDataType(32).",
)
@click.option(
    "--config",
    "-c",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the passes, such as tir.UnrollLoop.auto_max_step=16.",
)
@click.option("--target", "-t", default="llvm", show_default=True, help="The target in force.")
@click.option("--output", "-o", type=OutputFile(), help="Write here.")
@click.option("--list", "listing", is_flag=True, help="List the names of passes.")
def opt_command(
    file: str | None,
    passes: str | None,
    config: tuple[str, ...],
    target: str,
    output: str | None,
    listing: bool,
) -> None:
    """Run passes over the module or function in FILE (`-`: standard input), and print it.

    FILE holds script: @I.ir_module, @T.prim_func or @R.function. It is parsed, never executed.
    """
    if listing:
        click.echo("\n".join(sorted(set(pass_names()))))
        return
    if passes is not None and not _split(passes):
        raise ArgumentError("the list of passes is empty", hint="see `tilewright opt --list`")
    if file is None:
        raise click.UsageError("Missing argument 'FILE'.")
    text = _text(file)
    program = from_source(text, name=None if file == "-" else file)
    result = transformed(program, passes or "", target, config)
    shown = result.script(show_meta=True) + "\n"
    if output is None:
        click.echo(shown, nl=False)
    else:
        Path(output).write_text(shown)


def _text(file: str) -> str:
    """The text of a file, or of standard input (`-`). Raises `ArgumentError` if it is none."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except UnicodeDecodeError as error:
        raise ArgumentError(
            f"{file} is no text: {error}", hint="FILE holds script, as `mod.script()` writes it"
        ) from None


def transformed(program: Any, passes: str, target: str, config: Sequence[str] = ()) -> IRModule:
    """A module, or a function as a module, after the passes of a comma-separated list."""
    mod = IRModule.from_expr(program) if isinstance(program, BaseFunc) else program
    steps = [find_pass(name) for name in _split(passes)]
    with Target(target), PassContext(config=_config(config)):
        for step in steps:
            mod = step(mod)
    result: IRModule = mod
    return result
