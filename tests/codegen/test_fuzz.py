"""Random programs do the same interpreted, compiled by LLVM and compiled from C."""

from __future__ import annotations

import numpy as np
import pytest

from bench.fuzz import difference, failures
from bench.random_programs import inputs, program
from bench.shrink import shrink
from tilewright.support.c_compiler import find_c_compiler
from tilewright.tir import PrimFunc, interpreter

RUNNERS = ["llvm", "c"] if find_c_compiler() else ["llvm"]


@pytest.mark.parametrize("first", [0, 5000])
def test_random_programs_agree(first: int) -> None:
    assert not list(failures(range(first, first + 12), RUNNERS))


def test_a_difference_names_the_element() -> None:
    _, buffers = program(3)
    one, other = inputs(buffers, 3), inputs(buffers, 3)
    assert difference(buffers, one, other) == ""
    other[1][7] += 1
    assert difference(buffers, one, other).startswith(f"`{buffers[1].name}[7]` is ")


def test_a_failing_program_is_made_smaller() -> None:
    func, buffers = program(4)

    def changes_something(candidate: PrimFunc) -> bool:
        before, after = inputs(buffers, 4), inputs(buffers, 4)
        with np.errstate(all="ignore"):
            interpreter.run(candidate, *after)
        return difference(buffers, before, after) != ""

    small = shrink(func, changes_something, tries=400)
    assert changes_something(small)
    assert len(small.script()) < len(func.script()) / 2
