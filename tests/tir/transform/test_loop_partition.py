"""Loops cut by a script, in parts that count from 0."""

from __future__ import annotations

import pytest

from tilewright.tir import transform as T

from .cases import applied, check


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


CONSTANT = {"LoopPartition": {"partition_const_loop": True}}
HINTED = (
    "@T.prim_func\ndef main(A: T.Buffer((16,), 'int32'), B: T.Buffer((16,), 'int32')):\n"
    "    for i in T.KIND(12, annotations={'pragma_loop_partition_hint': 1}):\n"
)


@pytest.mark.parametrize("choice", ["T.if_then_else", "T.Select"])
def test_conditions_count_if_they_are_likely_or_the_loop_is_hinted(choice: str) -> None:
    for body in ("if i < 5:\n    A[i] = 1", f"A[i] = {choice}(i < 5, 1, 2)"):
        check([T.LoopPartition(), T.Simplify()], loop(body), loop(body), **CONSTANT)
    before = HINTED.replace("KIND", "serial") + f"        A[i] = {choice}(i < 5, 1, 2)\n"
    expected = parts("for i in range(5):\n    A[i] = 1", "for i in range(7):\n    A[i + 5] = 2")
    check([T.LoopPartition(), T.Simplify()], before, expected, **CONSTANT)


def test_a_vectorized_loop_is_cut_where_a_quotient_changes() -> None:
    before = (
        HINTED.replace("KIND", "vectorized") + "        if i // 4 == 1:\n            A[i] = 1\n"
    )
    expected = parts("for i in T.vectorized(4):\n    A[i + 4] = 1")
    check([T.LoopPartition(), T.Simplify(), T.RemoveNoOp()], before, expected)


def test_what_cannot_be_cut_is_unrolled_if_that_is_asked_for() -> None:
    before = HINTED.replace("KIND", "serial") + (
        "        for j in range(3):\n            if i + j < 12:\n                A[i + j] = 1\n"
    )
    expected = parts(
        "for i, j in T.grid(10, 3):\n    A[i + j] = 1",
        "for i in T.unroll(2):\n    for j in range(3):\n        if i + j < 2:\n"
        "            A[i + j + 10] = 1",
    )
    config = {"LoopPartition": {"unroll_loop_with_partition_hint_no_interval": True}}
    check([T.LoopPartition(), T.Simplify()], before, expected, **config)


BLOCKS = """@T.prim_func
def main(a: T.handle, b: T.handle):
    n = T.int32(is_size_var=True)
    A = T.match_buffer(a, (n,), "float32")
    B = T.match_buffer(b, (n,), "float32")
    for i in T.serial((n + 6) // 7{annotations}):
        for j in range({extent}):
            {condition}B[i * 7 + j] = A[i * 7 + j]
"""


def test_loops_in_one_that_is_not_to_be_cut_end_where_nothing_happens_any_more() -> None:
    uncut = ", annotations={'tir.loop_partition.uncut': 1}"
    before = BLOCKS.format(annotations=uncut, extent=7, condition="if i * 7 + j < n: ")
    after = BLOCKS.format(annotations="", extent="T.min(7, n - i * 7)", condition="")
    check([T.LoopPartition(cuts_constant=True)], before, after)


ROWS = """@T.prim_func
def main(a: T.handle, b: T.handle):
    n = T.int32(is_size_var=True)
    A = T.match_buffer(a, (n,), "float32")
    B = T.match_buffer(b, (8, n), "float32")
"""


def test_the_last_vector_of_a_row_is_not_a_loop() -> None:
    before = ROWS + (
        "    for i in range((n + 3) // 4):\n        for r in range(8):\n"
        "            for l in T.vectorized(4):\n"
        "                if i * 4 + l < n:\n                    B[r, i * 4 + l] = A[i * 4 + l]\n"
    )
    after = ROWS + (
        "    for i in range(n // 4):\n        for r in range(8):\n"
        "            for l in T.vectorized(4):\n                B[r, i * 4 + l] = A[i * 4 + l]\n"
        "    if 0 < n % 4:\n        for r in range(8):\n"
        "            for l in T.vectorized(4):\n                if l < n % 4:\n"
        "                    B[r, n // 4 * 4 + l] = A[n // 4 * 4 + l]\n"
    )
    check([T.LoopPartition(cuts_constant=True), T.Simplify()], before, after)


NAMED = """
@T.prim_func
def main(a: T.Buffer(64, "float32"), b: T.Buffer(64, "int32")):
    for i in range(9):
        j: T.int32 = {value}
        if i + j < 4:
            a[i] = T.float32(1)
"""


@pytest.mark.parametrize("value", ["i * i % 3", "b[i]"])
def test_a_name_within_a_loop_is_not_known_before_it(value: str) -> None:
    text = NAMED.format(value=value)
    check(T.LoopPartition(cuts_constant=True), text, text)


def test_a_name_for_what_the_loop_says_is_cut_at() -> None:
    within = """
@T.prim_func
def main(a: T.Buffer(64, "float32"), b: T.Buffer(64, "int32")):
    for i in range(2):
        a[i] = T.float32(1)
"""
    passes = [T.LoopPartition(cuts_constant=True), T.Simplify()]
    check(passes, NAMED.format(value="i"), within)


def test_what_is_said_of_a_name_may_be_said_again_of_its_copies() -> None:
    text = """
@T.prim_func
def main(c: T.Buffer(8, "float32"), n: T.int32):
    for i in range(7):
        j: T.int32 = i // 2 % 5
        c[j] = T.if_then_else(i * 3 + j * 2 > 4 and n > 3, c[j % 3], T.float32(0))
"""
    simplified = applied([T.LoopPartition(cuts_constant=True), T.Simplify()], text)
    assert "j: T.int32" in simplified.script()
