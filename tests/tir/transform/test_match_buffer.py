"""Views lowered to what they are views of."""

from __future__ import annotations

import pytest

from tilewright.support.errors import CompileError
from tilewright.tir import transform as T

from .cases import applied, check

VIEW = """
@T.prim_func
def main(A: T.Buffer((8, 8), "float32")):
    for i, j in T.grid(8, 2):
        with T.block("b"):
            T.reads()
            T.writes(A[i, j * 4 : j * 4 + 4])
            s, t = T.int32(), T.int32()
            V = T.match_buffer(A[i, j * 4 : j * 4 + 4], (1, 4), strides=[s, t], offset_factor=1)
            V[0, 1] = T.Cast("float32", s)
"""


def test_variables_of_a_view_are_those_of_its_source() -> None:
    after = """
@T.prim_func
def main(A: T.Buffer((8, 8), "float32")):
    for i, j in T.grid(8, 2):
        with T.block("b"):
            T.reads()
            T.writes(A[i, j * 4 : j * 4 + 4])
            A[i, j * 4 + 1] = T.float32(8)
"""
    check([T.LowerMatchBuffer(), T.Simplify()], VIEW, after)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("[s, t]", "[s, s]", "strides 8"),
        ("[s, t]", "[s, 2]", "strides 2"),
        ("(1, 4)", "(1, 5)", "shape"),
        ("offset_factor=1", "elem_offset=0", "elem_offset 0"),
    ],
    ids=["one variable for two strides", "another stride", "another extent", "another offset"],
)
def test_a_view_that_does_not_fit_is_refused(old: str, new: str, what: str) -> None:
    with pytest.raises(CompileError, match=f"`V` has (the )?{what}"):
        applied(T.LowerMatchBuffer(), VIEW.replace(old, new))


def test_a_view_with_an_offset_factor_begins_anywhere() -> None:
    before = """
@T.prim_func
def main(A: T.Buffer((8, 8), "float32")):
    for i, j in T.grid(8, 2):
        with T.block("b"):
            T.reads()
            T.writes(A[i, j * 4 : j * 4 + 4])
            V = T.match_buffer(A[i, j * 4 : j * 4 + 4], (1, 4), offset_factor=4)
            T.evaluate(T.call_extern("int32", "fill", V.data, V.elem_offset))
"""
    text = applied(T.LowerMatchBuffer(), before).script()
    assert 'T.call_extern("int32", "fill", A.data, i * 8 + j * 4)' in text


def test_statements_that_do_nothing_are_left_to_remove_no_op() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((4,), "float32")):
    T.evaluate(0)
    for i in range(4):
        T.evaluate(0)
    A[0] = T.float32(1)
"""
    check(T.Simplify(), text, text)
