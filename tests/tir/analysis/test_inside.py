"""Loops that are certain to leave a buffer are refused."""

from __future__ import annotations

import re

import pytest

import tilewright
from tilewright.script import from_source
from tilewright.support.errors import CompileError

TEXT = """
@T.prim_func
def main(A: T.Buffer((8, 4), "float32"), B: T.Buffer((8,), "float32"), n: T.int32):
    {}
"""


def built(body: str) -> object:
    """The program with these statements, built for this machine."""
    text = TEXT.format(body.replace("\n", "\n    "))
    return tilewright.build(from_source(text), target="llvm")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("for i in range(9):\n    B[i] = T.float32(1)", "`B` is accessed at 0 to 8 of axis 0"),
        ("for i in range(8):\n    B[i - 1] = T.float32(1)", "`B` is accessed at -1 to 6 of axis 0"),
        ("for i in range(T.int64(2**40)):\n    B[i] = T.float32(1)",
         "`B` is accessed at 0 to 1099511627775 of axis 0"),
        ("for i, j in T.grid(8, 2):\n    A[i, 5 - j * 3 - j] = B[i]",
         "`A` is accessed at 1 to 5 of axis 1"),
        ("for i in range(8):\n    B[i] = A[i, 0] + A[i + 3, 0]",
         "`A` is accessed at 3 to 10 of axis 0"),
        ("for i in T.vectorized(16):\n    B[i] = T.float32(1)",
         "`B` is accessed at 0 to 15 of axis 0"),
        ("for i in range(2):\n    B[T.Ramp(i * 8, 1, 8)] = T.Broadcast(T.float32(1), 8)",
         "`B` is accessed at 0 to 15 of axis 0"),
        ("for i in range(4):\n    A[i * 2 + 1, T.Ramp(0, 1, 8)] = T.Broadcast(T.float32(1), 8)",
         "`A` is accessed at 4 to 35 of its memory"),
        ("for i in range(1, 9):\n    with T.block('b'):\n"
         "        v = T.axis.spatial(T.int32(9), i)\n        B[v] = T.float32(1)",
         "`B` is accessed at 1 to 8 of axis 0"),
    ],
)  # fmt: skip
def test_a_loop_that_leaves_a_buffer_is_refused(body: str, place: str) -> None:
    with pytest.raises(CompileError, match=re.escape(f"buffer {place}, which has")) as caught:
        built(body)
    assert "shorten a loop or write a condition" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "for i in range(9):\n    if i < 8:\n        B[i] = T.float32(1)",
        "for i in range(9):\n    if i == 8:\n        break\n    B[i] = T.float32(1)",
        "for i in range(0):\n    B[i + 9] = T.float32(1)",
        "for i in range(n):\n    B[i + 7] = T.float32(1)",
        "for i in range(8):\n    B[i] = T.if_then_else(i > 0, B[i - 1], T.float32(0))",
        "for i in range(9):\n    T.evaluate(i > 0 and B[i - 1] > T.float32(0))",
        "for i in range(16):\n    B[i // 2] = T.float32(1)",
        "for i in range(4):\n    A[i * 2, T.Ramp(0, 1, 8)] = T.Broadcast(T.float32(1), 8)",
        "for i in range(8):\n    B[i + 1 - 1] = A[i, i - i]",
    ],
)
def test_what_may_stay_inside_is_built(body: str) -> None:
    built(body)
