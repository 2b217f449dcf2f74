"""Declaring an intrinsic by the script of its description and of its implementation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ...script.parser import from_source
from ...support.errors import InternalError
from ..function import PrimFunc
from .intrin import TensorIntrin


@cache
def function(text: str) -> PrimFunc:
    """The loop program that a script describes; the same one for the same text."""
    made = from_source(text)
    if not isinstance(made, PrimFunc):
        raise InternalError("the script of a tensor intrinsic is not one function")
    return made


def program(
    name: str,
    buffers: list[str],
    reads: str,
    writes: str,
    body: str,
    symbols: tuple[str, ...] = (),
) -> str:
    """The script of one side of an intrinsic. `buffers`: `A: (4,), "int8"` and so on; each is
    anywhere in its memory. `symbols`: variables that are matched, such as strides."""
    rows = [b.partition(":") for b in buffers]
    params = ", ".join(f"p{k}: T.handle" for k in range(len(rows)))
    views = "\n".join(
        f"    {head.strip()} = T.match_buffer(p{k}, {_placed(rest.strip())})"
        for k, (head, _, rest) in enumerate(rows)
    )
    matched = "".join(f"    {symbol} = T.int32()\n" for symbol in symbols)
    inner = "\n".join(f"        {line}" for line in body.strip("\n").splitlines())
    return (
        f"@T.prim_func\ndef {name}({params}):\n{matched}{views}\n"
        f'    with T.block("root"):\n        T.reads({reads})\n        T.writes({writes})\n'
        f"{inner}\n"
    )


def _placed(options: str) -> str:
    return options if "offset_factor" in options else f"{options}, offset_factor=1"


def declare(name: str, desc: str | Callable[[], str], impl: str | Callable[[], str]) -> str:
    """Makes the intrinsic known as `name`, which it returns; scripts are read when used."""

    def made() -> tuple[PrimFunc, PrimFunc]:
        return function(_text(desc)), function(_text(impl))

    TensorIntrin.declared[name] = made
    return name


def _text(script: str | Callable[[], str]) -> str:
    return script if isinstance(script, str) else script()


StridedBuffer = tuple[str, int, int, str, str]
"""Name, rows, columns, type and scope."""


def strided_pair(
    name: str,
    buffers: list[StridedBuffer],
    reads: str,
    writes: str,
    bodies: tuple[str, str],
    factor: int | None = None,
) -> tuple[str, str]:
    """The scripts of description and implementation of an intrinsic on matrices that are parts of
    larger ones: in the latter, of A, `a1` and `a0` are the strides and `a2` is where it begins.
    Each begins at a multiple of `factor`, if not of its columns."""
    desc, impl = (
        _matrix_program(name, buffers, reads, writes, body, factor, is_impl)
        for body, is_impl in zip(bodies, (False, True), strict=True)
    )
    return desc, impl


def _matrix_program(
    name: str,
    buffers: list[StridedBuffer],
    reads: str,
    writes: str,
    body: str,
    factor: int | None,
    is_strided: bool,
) -> str:
    params = ", ".join(f"{b[0].lower()}: T.handle" for b in buffers)
    lines = []
    for label, rows, columns, dtype, scope in buffers:
        s = label.lower()
        strides = f", strides=[{s}1, {s}0], elem_offset={s}2" if is_strided else ""
        if is_strided:
            lines += [f"    {s}{k} = T.int32()" for k in (1, 0, 2)]
        lines.append(
            f'    {label} = T.match_buffer({s}, ({rows}, {columns}), "{dtype}", align=64, '
            f'offset_factor={factor or columns}, scope="{scope}"{strides})'
        )
    views = "\n".join(lines)
    inner = "\n".join(f"        {line}" for line in body.strip("\n").splitlines())
    return (
        f'@T.prim_func\ndef {name}({params}):\n{views}\n    with T.block("root"):\n'
        f"        T.reads({reads})\n        T.writes({writes})\n{inner}\n"
    )
