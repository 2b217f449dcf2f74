"""Before and after of passes, as script."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright.ir import IRModule, assert_structural_equal
from tilewright.relax import interpreter
from tilewright.relax.analysis import check_well_formed
from tilewright.script import from_source

HEAD = "@I.ir_module\nclass Module:\n"


def read(body: str) -> IRModule:
    """The module of these functions, written without the class around them."""
    lines = body.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    return from_source(HEAD + "\n".join("    " + line[indent:] for line in lines))


def check(passes: Callable[[IRModule], IRModule], before: str, after: str) -> IRModule:
    """The pass makes `after` of `before`, and a well-formed module."""
    made = passes(read(before))
    check_well_formed(made)
    assert_structural_equal(made, read(after))
    return made


def check_same(passes: Callable[[IRModule], IRModule], body: str) -> None:
    """The pass leaves the program as it is."""
    check(passes, body, body)


def check_meaning(before: IRModule, after: IRModule, *args: Any) -> None:
    """Both modules' `main` give the same for `args`."""
    expected, got = interpreter.run(before, *args), interpreter.run(after, *args)
    several = isinstance(expected, tuple)
    for a, b in zip(expected if several else [expected], got if several else [got], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
