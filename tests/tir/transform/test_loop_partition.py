"""Loops cut by a script, in parts that count from 0."""

from __future__ import annotations

import pytest

from tilewright.tir import transform as T

from .cases import check


def loop(body: str, extent: int = 12) -> str:
    head = "@T.prim_func\ndef main(A: T.Buffer((16,), 'int32'), B: T.Buffer((16,), 'int32')):\n"
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return f"{head}    for i in range({extent}):\n{lines}"


def parts(*texts: str) -> str:
    head = "@T.prim_func\ndef main(A: T.Buffer((16,), 'int32'), B: T.Buffer((16,), 'int32')):\n"
    return head + "".join(f"    {line}\n" for text in texts for line in text.splitlines())


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ("0", ["A[0] = 1", "for i in range(11):\n    B[i + 1] = i + 1"]),
        ("5", ["for i in range(5):\n    B[i] = i", "A[5] = 1",
               "for i in range(6):\n    B[i + 6] = i + 6"]),
        ("11", ["for i in range(11):\n    B[i] = i", "A[11] = 1"]),
    ],
)  # fmt: skip
def test_an_iteration_of_its_own(point: str, expected: list[str]) -> None:
    before = loop(f"if T.likely(i == {point}):\n    A[i] = 1\nelse:\n    B[i] = i")
    config = {"LoopPartition": {"partition_const_loop": True}}
    check([T.LoopPartition(), T.Simplify()], before, parts(*expected), **config)


def test_what_is_to_be_ignored_cuts_nothing() -> None:
    before = loop("if T.ignore_loop_partition(i < 5):\n    A[i] = 1")
    config = {"LoopPartition": {"partition_const_loop": True}}
    check([T.LoopPartition(), T.Simplify()], before, loop("if i < 5:\n    A[i] = 1"), **config)
