"""Conditions on memory hold until it is written."""

from __future__ import annotations

import pytest

from tilewright.tir import transform as T

from .cases import check

HEAD = """
@T.prim_func
def main(A: T.Buffer((4,), "int32"), B: T.Buffer((4,), "int32"), n: T.int32):
"""


def lines(text: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in text.strip().splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "if A[0] == n:\n    A[0] = A[0] + 1\n    if A[0] == n:\n        B[0] = 5",
        "if A[0] == n:\n    for k in range(4):\n        if A[0] == n:\n            A[k] = 5",
        "if A[0] != n:\n    B[1] = 1\nelse:\n    A[1] = 1\n    if A[0] != n:\n        B[0] = 5",
        'if A[0] == n:\n    T.call_extern("int32", "f", A.data)\n'
        "    if A[0] == n:\n        B[0] = 5",
        'assert A[0] == n, ""\nA[0] = A[0] + 1\nif A[0] == n:\n    B[0] = 5',
        "for i in range(A[0]):\n    if i < A[0]:\n        A[0] = A[0] - 1",
        "for i in range(A[0], A[0] + 1):\n    A[0] = 2\n    B[i] = 5",
    ],
    ids=["store", "loop", "otherwise", "call", "assertion", "extent", "one iteration"],
)
def test_what_is_written_is_no_longer_known(text: str) -> None:
    check(T.Simplify(), lines(text), lines(text))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "if A[0] == n:\n    B[1] = 2\n    if A[0] == n:\n        B[0] = 5",
            "if A[0] == n:\n    B[1] = 2\n    B[0] = 5",
        ),
        (
            "if A[0] == n and n < 4:\n    A[0] = 7\n    if A[0] == n and n < 4:\n        B[0] = 5",
            "if A[0] == n and n < 4:\n    A[0] = 7\n    if A[0] == n:\n        B[0] = 5",
        ),
    ],
    ids=["another array", "part of a condition"],
)
def test_what_is_not_written_is_known(before: str, after: str) -> None:
    check(T.Simplify(), lines(before), lines(after))
