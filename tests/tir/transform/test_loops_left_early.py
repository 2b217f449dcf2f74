"""Loops that `break` and `continue` leave stay loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilewright.ir import IRModule
from tilewright.tir import interpreter
from tilewright.tir import transform as T

from .cases import applied, check, func_of

LOOPS = """
@T.prim_func
def main(A: T.Buffer((8,), "int32")):
    for k in range(4):
        for i in KIND(COUNT):
            if A[k] > 5:
                WORD
            A[k] = A[k] + 1
        A[k + 4] = 7
"""


@pytest.mark.parametrize("word", ["break", "continue"])
@pytest.mark.parametrize(
    ("make", "kind", "count"),
    [
        (T.Simplify, "range", 1),
        (T.RemoveNoOp, "range", 1),
        (T.LowerOpaqueBlock, "range", 1),
        (T.UnrollLoop, "T.unroll", 3),
        (T.VectorizeLoop, "T.vectorized", 4),
        (T.LoopPartition, "range", 4),
    ],
)
def test_an_iteration_that_ends_early_ends_no_other_loop(
    make: Any, kind: str, count: int, word: str
) -> None:
    text = LOOPS.replace("KIND", kind).replace("COUNT", str(count)).replace("WORD", word)
    made = applied(make(), text, LoopPartition={"partition_const_loop": True})
    found = [np.array([9, 3, 5, 6, 0, 0, 0, 0], "int32") for _ in range(2)]
    interpreter.run(func_of(text), found[0])
    interpreter.run(made, found[1])
    np.testing.assert_array_equal(found[1], found[0])


def test_such_loops_are_marked() -> None:
    text = LOOPS.replace("KIND", "range").replace("COUNT", "3").replace("WORD", "break")
    made = T.AnnotateIrregularLoop()(IRModule({"main": func_of(text)}))["main"]
    assert "irregular_loop_mark" not in made.body.annotations
    assert made.body.body.seq[0].annotations == {"irregular_loop_mark": 1}


def test_unit_loops_alone_are_unrolled_where_one_iteration_is_the_limit() -> None:
    before = """
@T.prim_func
def main(A: T.Buffer((8,), "int32")):
    for i in range(1):
        for j in range(4):
            A[i + j] = 3
"""
    after = """
@T.prim_func
def main(A: T.Buffer((8,), "int32")):
    for j in range(4):
        A[j] = 3
"""
    options = {"auto_max_extent": 1, "explicit_unroll": False}
    check(T.UnrollLoop(), before, after, UnrollLoop=options)
