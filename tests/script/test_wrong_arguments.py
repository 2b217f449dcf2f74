"""Whatever is handed to a public name of `T`, `R` or `I`, a refusal is an error of ours."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tilewright import ir, tir
from tilewright.script import ir as I
from tilewright.script import relax as R
from tilewright.script import tir as T
from tilewright.script.ir_builder import IRBuilder
from tilewright.script.ir_builder import ir as BuilderI
from tilewright.script.ir_builder import relax as BuilderR
from tilewright.script.ir_builder import tir as BuilderT
from tilewright.support.errors import InternalError, TVMError

BUFFER = tir.decl_buffer((4, 4))
VALUES = [
    5, -1, 2**40, 2.5, float("nan"), "zz", None, True, [], (1, 2), {}, {1: 2}, {"k": 1}, object(),
    int, BUFFER, tir.Var("v", "int32"), tir.Var("h", "handle"), tir.IntImm("int32", 3),
    tir.FloatImm("float32", 1.0), tir.StringImm("x"), T.float32, ir.Range(0, 4), slice(0, 3),
    np.zeros(3), lambda x: x,
]  # fmt: skip
"""Values of every kind, of which each name takes some and refuses the others."""
DTYPES = ("int8", "uint64", "float16", "float32", "bool")


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions and constructors of the namespaces by their names: of script, and of what
    builds programs from Python."""
    for title, space in {"T": T, "R": R, "I": I}.items():
        for name in dir(space):
            value = getattr(space, name)
            if callable(value):
                yield f"{title}.{name}", value
    for title, space in {"T": BuilderT, "R": BuilderR, "I": BuilderI}.items():
        for name in dir(space):
            if hasattr(getattr(space, name), "declared"):
                yield f"builder {title}.{name}", getattr(space, name)
    yield from ((f"T.{dtype}", getattr(T, dtype)) for dtype in DTYPES)
    yield from ((f"T.axis.{name}", make) for name, make in vars(T.axis).items())


PUBLIC = dict(public())


def argument_lists() -> Iterator[tuple[Any, ...]]:
    """A wrong number of arguments, wrong kinds, and one wrong argument after right ones."""
    yield ()
    yield (1,) * 12
    for count, value in itertools.product((1, 2, 3, 4), VALUES):
        yield (value,) * count
        for right in (VALUES[16], "int32"):
            yield (*(right,) * (count - 1), value)


@pytest.mark.parametrize("name", PUBLIC)
def test_wrong_arguments_are_refused_in_our_own_words(name: str) -> None:
    make = PUBLIC[name]
    for args in argument_lists():
        try:
            with IRBuilder():
                make(*args)
        except TVMError as error:
            assert not isinstance(error, InternalError), (args, error)


TAKES_ANY_NAME = {
    "R.call_packed", "R.call_pure_packed", "R.call_inplace_packed", "R.emit_te",
    "builder R.call_packed", "builder R.call_pure_packed", "builder R.call_inplace_packed",
    "builder R.emit_te",
}  # fmt: skip
"""Names that pass keywords on."""


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - TAKES_ANY_NAME))
def test_an_unknown_keyword_is_refused(name: str) -> None:
    with pytest.raises(TVMError), IRBuilder():
        PUBLIC[name](no_such_argument=1)


def test_the_namespaces_hold_public_names_only() -> None:
    assert {"block", "Select", "axis", "exp", "float32"} <= set(dir(T))
    assert {"Tensor", "function", "add"} <= set(dir(R))
    assert {"ir_module", "Range"} <= set(dir(I))
    for space in (T, R, I):
        inner = [n for n in ("Any", "Sequence", "ArgForm", "Parser", "annotations", "as_scalar")
                 if hasattr(space, n)]  # fmt: skip
        assert inner == []
