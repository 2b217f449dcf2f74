"""The last block of a row, which is incomplete, computes only the vectors that it has."""

from __future__ import annotations

import pytest

from tilewright.tir import transform as T
from tilewright.tir.stmt import IfThenElse

from .cases import applied, check, nodes, same_result

CUT = T.LoopPartition(cuts_constant=True)
HEAD = """@T.prim_func
def main(a: T.handle, b: T.handle):
    n = T.int32(is_size_var=True)
    A = T.match_buffer(a, (n,), "float32")
    B = T.match_buffer(b, (n,), "float32")
"""
ROW = """
    for i in range((n + 7) // 8):
        for v in T.unroll(2):
            for l in T.vectorized(4):
                if i * 8 + v * 4 + l < n:
                    B[i * 8 + v * 4 + l] = A[i * 8 + v * 4 + l]
"""


def test_a_mask_only_where_a_vector_is_cut() -> None:
    after = """
    for i in range(n // 8):
        for v in T.unroll(2):
            for l in T.vectorized(4):
                B[i * 8 + v * 4 + l] = A[i * 8 + v * 4 + l]
    if 0 < n % 8:
        for v in T.unroll(2):
            if v * 4 + 3 < n % 8:
                for l in T.vectorized(4):
                    B[n // 8 * 8 + v * 4 + l] = A[n // 8 * 8 + v * 4 + l]
            else:
                if v * 4 < n % 8:
                    for l in T.vectorized(4):
                        if v * 4 + l < n % 8:
                            B[n // 8 * 8 + v * 4 + l] = A[n // 8 * 8 + v * 4 + l]
"""
    check([CUT, T.Simplify()], HEAD + ROW, HEAD + after)


TWICE = ROW + ROW.split("\n", 2)[2].replace("A[", "B[")
SHORTER = ROW.replace("(n + 7) // 8", "n // 8 + n % 2")


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 7, 8, 9, 12, 15, 16])
@pytest.mark.parametrize(
    "text", [ROW, TWICE, SHORTER], ids=["one nest", "two nests", "ends before the row"]
)
def test_what_is_computed_stays(text: str, n: int) -> None:
    same_result(CUT, HEAD + text, (n,), (n,))


def test_anything_else_keeps_its_last_iterations() -> None:
    made = applied(CUT, (HEAD + ROW).replace("v * 4 + l < n", "v * 4 + l * 2 < n"))
    assert not [branch for branch in nodes(made.body, IfThenElse) if branch.else_case is not None]


def test_a_row_of_known_size_has_no_choices() -> None:
    """Which vectors of the last block there are is known then."""
    text = HEAD.replace("(n,)", "(13,)") + ROW.replace("(n + 7) // 8", "2").replace("< n", "< 13")
    made = applied([CUT, T.Simplify()], text)
    assert not [branch for branch in nodes(made.body, IfThenElse) if branch.else_case is not None]


SUM = """
    B[0] = T.float32(0)
    for i in T.serial(8, annotations={"vector_reduce": 2}):
        if i < n:
            B[0] = B[0] + A[i]
"""


def test_a_sum_takes_as_few_vectors_as_hold_what_counts() -> None:
    after = """
    B[0] = T.float32(0)
    if 2 < n:
        if 4 < n:
            if 7 < n:
                for i in T.serial(8, annotations={"vector_reduce": 1}):
                    B[0] = B[0] + A[i]
            else:
                for i in T.serial(8, annotations={"vector_reduce": 1}):
                    if i < n:
                        B[0] = B[0] + A[i]
        else:
            if n == 4:
                for i in T.serial(4, annotations={"vector_reduce": 1}):
                    B[0] = B[0] + A[i]
            else:
                for i in T.serial(4, annotations={"vector_reduce": 1}):
                    if i < 3:
                        B[0] = B[0] + A[i]
    else:
        if n == 2:
            for i in T.serial(2, annotations={"vector_reduce": 1}):
                B[0] = B[0] + A[i]
        else:
            for i in T.serial(2, annotations={"vector_reduce": 1}):
                if i < n:
                    B[0] = B[0] + A[i]
"""
    check([CUT, T.Simplify()], HEAD + SUM, HEAD + after)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9])
def test_sums_stay(n: int) -> None:
    same_result(CUT, HEAD + SUM, (n,), (n,))


@pytest.mark.parametrize(
    ("old", "new"),
    [('": 2', '": 1'), ("i < n", "i < 5"), ("i < n", "i * 2 < n"), ("i < n", "A[i] < A[0]")],
    ids=["one vector", "as many as are known", "every other", "by value"],
)
def test_other_sums_have_no_cases(old: str, new: str) -> None:
    made = applied(CUT, HEAD + SUM.replace(old, new))
    assert not [branch for branch in nodes(made.body, IfThenElse) if branch.else_case is not None]
