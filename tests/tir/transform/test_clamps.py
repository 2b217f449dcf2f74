"""Loops cut where an index reaches a border, if asked to: between borders none is compared."""

from __future__ import annotations

import pytest

from tilewright.tir import Max, Min
from tilewright.tir import transform as T
from tilewright.tir.stmt import For

from .cases import applied, nodes, same_result

TEXT = """
@T.prim_func
def main(a: T.handle, b: T.handle):
    n = T.int64()
    A = T.match_buffer(a, (n,))
    B = T.match_buffer(b, (n * 2,))
    for i in T.serial((n + 3) // 4, annotations={"tir.loop_partition.clamps": 1}):
        for l in T.vectorized(8):
            if i * 8 + l < n * 2:
                B[i * 8 + l] = A[INDEX]
"""
INDICES = {
    "both borders": "T.max(T.min((i * 16 + l * 2 - 1) // 4, n - 1), 0)",
    "moved by a constant": "T.max(T.min((i * 8 + l + 1) // 2, n) - 1, 0)",
    "the upper border": "T.min((i * 8 + l + 3) // 2, n - 1)",
    "the lower border": "T.max((i * 8 + l) // 2 - 2, 0)",
}
CUT = T.LoopPartition(cuts_constant=True)


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 8, 13, 16, 21])
def test_a_cut_at_borders_changes_nothing(name: str, n: int) -> None:
    same_result(CUT, TEXT.replace("INDEX", INDICES[name]), (n,), (2 * n,))


@pytest.mark.parametrize("name", INDICES)
def test_between_the_borders_no_index_is_compared(name: str) -> None:
    made = applied(CUT, TEXT.replace("INDEX", INDICES[name]))
    bodies = [loop.body for loop in nodes(made.body, For) if loop.kind.name == "VECTORIZED"]
    assert any(not nodes(body, Max, Min) for body in bodies)
    unasked = TEXT.replace("INDEX", INDICES[name]).replace("clamps", "uncut")
    bodies = [loop.body for loop in nodes(applied(CUT, unasked).body, For)]
    assert all(nodes(body, Max, Min) for body in bodies)
