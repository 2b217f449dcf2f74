"""Simplify with names, and with what the shapes of parameters tell."""

from __future__ import annotations

import pytest

from tilewright.tir import transform as T

from .cases import check

HEAD = """
@T.prim_func
def main(A: T.Buffer((4,), "bool"), p: T.handle("float32"), n: T.int32):
"""


def lines(text: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in text.strip().splitlines())


@pytest.mark.parametrize(
    "declared",
    ["(m,), data=p", "(4,), data=p, strides=(m,)", "(4,), data=p, elem_offset=m"],
    ids=["shape", "strides", "offset"],
)
def test_a_name_that_a_buffer_is_declared_with_stays(declared: str) -> None:
    text = lines(f'm: T.int32 = n\nB = T.decl_buffer({declared}, dtype="float32")\nB[0] = 1.0')
    check(T.Simplify(), text, text)


def test_a_name_of_a_condition_decides_branches() -> None:
    before = lines("""
for i in range(4):
    small: T.bool = i < n
    if small or i >= n:
        A[i] = small
""")
    after = lines("""
for i in range(4):
    small: T.bool = i < n
    A[i] = small
""")
    check(T.Simplify(), before, after)


def test_the_extents_of_parameters_are_not_negative() -> None:
    text = """
@T.prim_func(check_well_formed=False)
def main(a: T.handle):
    n = T.int64()
    A = T.match_buffer(a, (n * 8 - 1,), "float32")
    A[INDEX] = 1.0
"""
    check(
        T.Simplify(),
        text.replace("INDEX", "T.min(n, T.int64(1))"),
        text.replace("INDEX", "T.int64(1)"),
    )


def test_an_axis_of_one_value_stays_declared() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((1, 8), "float32")):
    for i, j in T.grid(2, 8):
        with T.block("A"):
            vi = T.axis.spatial(1, i // 2)
            vj = T.axis.spatial(8, j)
            T.reads()
            T.writes(A[vi, vj])
            A[vi, vj] = T.float32(1)
"""
    after = text.replace("i // 2", "0").replace("A[vi, vj]", "A[0, vj]")
    check(T.Simplify(), text, after)
