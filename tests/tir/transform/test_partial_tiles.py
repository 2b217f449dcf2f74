"""The last, incomplete tile of a loop has a case for each number of rows that it may have."""

from __future__ import annotations

import pytest

from tilewright.tir import transform as T
from tilewright.tir.stmt import For, IfThenElse

from .cases import applied, check, nodes, same_result

HEAD = """@T.prim_func
def main(a: T.handle, b: T.handle):
    n = T.int32(is_size_var=True)
    A = T.match_buffer(a, (n,), "float32")
    B = T.match_buffer(b, (n,), "float32")
"""

TILES = (
    HEAD
    + """
    for i in range((n + 2) // 3):
        for r in T.unroll(3):
            if i * 3 + r < n:
                B[i * 3 + r] = A[i * 3 + r]
"""
)

UNGUARDED = (
    HEAD
    + """
    for i in range((n + 2) // 3):
        B[i] = T.float32(0)
        for r in T.unroll(3):
            if i * 3 + r < n:
                B[i * 3 + r] = A[i * 3 + r]
"""
)


def test_a_case_for_each_number_of_rows() -> None:
    after = (
        HEAD
        + """
    for i in range(n // 3):
        for r in T.unroll(3):
            B[i * 3 + r] = A[i * 3 + r]
    for i in range(n // 3, n // 3 + (n % 3 + 2) // 3):
        if n - i * 3 == 1:
            for r in T.unroll(1):
                B[i * 3 + r] = A[i * 3 + r]
        else:
            for r in T.unroll(2):
                B[i * 3 + r] = A[i * 3 + r]
"""
    )
    check([T.LoopPartition(cuts_constant=True)], TILES, after)


CUT = T.LoopPartition(cuts_constant=True)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("text", [TILES, UNGUARDED], ids=["tiles", "a store of all tiles"])
def test_what_is_computed_stays(text: str, n: int) -> None:
    same_result(CUT, text, (n,), (n,))


def test_what_runs_in_every_iteration_keeps_them_all() -> None:
    """The tiles have no cases where a store does not depend on the rows."""
    made = applied(CUT, UNGUARDED)
    assert all(branch.else_case is None for branch in nodes(made.body, IfThenElse))


def test_rows_inside_of_columns() -> None:
    text = """@T.prim_func
def main(a: T.handle, b: T.handle):
    n = T.int32(is_size_var=True)
    A = T.match_buffer(a, (n, 5), "float32")
    B = T.match_buffer(b, (n, 5), "float32")
    for j, i in T.grid(2, (n + 3) // 4):
        for r in T.unroll(4):
            for c in range(3):
                if i * 4 + r < n and j * 3 + c < 5:
                    B[i * 4 + r, j * 3 + c] = A[i * 4 + r, j * 3 + c]
"""
    for n in range(10):
        made = same_result(CUT, text, (n, 5), (n, 5))
    assert any(branch.else_case is not None for branch in nodes(made.body, IfThenElse))


VECTORS = (
    HEAD
    + """
    for i in range((n + 7) // 8):
        for k in range(3):
            for r in T.unroll(2):
                for l in T.vectorized(4):
                    if (i * 2 + r) * 4 + l < n:
                        B[(i * 2 + r) * 4 + l] = A[(i * 2 + r) * 4 + l]
"""
)


def test_a_case_for_each_number_of_vectors() -> None:
    """Only the last vector of each case asks which of its lanes there are."""
    after = (
        HEAD
        + """
    for i in range(n // 8):
        for k in range(3):
            for r in T.unroll(2):
                for l in T.vectorized(4):
                    B[(i * 2 + r) * 4 + l] = A[(i * 2 + r) * 4 + l]
    for i in range(n // 8, n // 8 + (n % 8 + 7) // 8):
        if n - i * 8 <= 4:
            for k in range(3):
                for l in T.vectorized(4):
                    if T.Add(i * 2, 0) * 4 + l < n:
                        B[T.Add(i * 2, 0) * 4 + l] = A[T.Add(i * 2, 0) * 4 + l]
        else:
            for k in range(3):
                for r in T.unroll(1):
                    for l in T.vectorized(4):
                        B[(i * 2 + r) * 4 + l] = A[(i * 2 + r) * 4 + l]
                for l in T.vectorized(4):
                    if (i * 2 + 1) * 4 + l < n:
                        B[(i * 2 + 1) * 4 + l] = A[(i * 2 + 1) * 4 + l]
"""
    )
    check([CUT], VECTORS, after)


@pytest.mark.parametrize("n", [*range(10), 16, 21])
def test_vectors_of_any_number_of_lanes(n: int) -> None:
    same_result(CUT, VECTORS, (n,), (n,))


def test_vectors_at_other_distances_have_no_cases() -> None:
    """Vectors that overlap end one by one, not one after the other."""
    text = VECTORS.replace("(i * 2 + r) * 4 + l", "i * 8 + r * 3 + l")
    made = applied(CUT, text)
    assert all(branch.else_case is None for branch in nodes(made.body, IfThenElse))


def test_the_sum_of_an_incomplete_tile_is_not_unrolled() -> None:
    text = """@T.prim_func
def main(a: T.handle, b: T.handle):
    n = T.int64(is_size_var=True)
    A = T.match_buffer(a, (n, 8), "float32")
    B = T.match_buffer(b, (n,), "float32")
    for i in range((n + 2) // 3):
        for k_0 in range(2):
            for k_1 in T.unroll(4):
                for r in T.unroll(T.int64(3)):
                    if i * 3 + r < n:
                        B[i * 3 + r] = B[i * 3 + r] + A[i * 3 + r, k_0 * 4 + k_1]
"""
    for n in range(8):
        made = same_result(CUT, text, (n, 8), (n,))
    kinds = [loop.kind.name for loop in nodes(made.body, For) if loop.loop_var.name == "k_1"]
    assert sorted(kinds) == ["SERIAL", "SERIAL", "UNROLLED"]
