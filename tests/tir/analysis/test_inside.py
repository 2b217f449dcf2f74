"""Loops that are certain to leave a buffer are refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tilewright
from tilewright.script import from_source
from tilewright.support.errors import CompileError
from tilewright.tir.schedule import Schedule

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
        "for i in range(9):\n    j = i + 1\n    if j < 9:\n        B[j - 1] = T.float32(1)",
        "j = n + 1\nfor i in range(8):\n    B[i + j] = T.float32(1)",
        "for i in range(9):\n    if A[0, 0] > T.float32(0):\n        B[i] = T.float32(1)",
        "for i in range(9):\n    if n > 3 or i > 7:\n        A[i // 2, 0] = T.float32(1)",
        "for i in range(1):\n    for j in range(i):\n        B[j + 9] = T.float32(1)",
        "for i in range(5):\n    for j in range(i, 5):\n        B[j - i + 3] = T.float32(1)",
        "for i in range(5):\n    for j in range(4 - i):\n        B[i * 2 + j] = T.float32(1)",
        "for i in range(24):\n    B[i % 8] = A[i // 3, i % 4]",
        "for i in range(-2, 3):\n    B[i * i] = T.float32(1)",
        "for i in range(9):\n    B[T.min(i, 7)] = B[T.max(i - 1, 0)]",
        "for i in range(10):\n    B[T.Select(i < 8, i, 0)] = T.float32(1)",
        "for i in range(8):\n    T.evaluate(T.address_of(B[i + 1]))",
        "for i in range(T.int64(2)):\n    B[T.Cast('int32', i * T.int64(2**32))] = T.float32(1)",
    ],
)
def test_what_may_stay_inside_is_built(body: str) -> None:
    built(body)


def refusal(func: object) -> str:
    """What is said of a program, without the line of the program."""
    with pytest.raises(CompileError) as caught:
        tilewright.compile(func, "llvm")
    return str(caught.value)


HINT = "\n  hint: indices are 0 to {}; shorten a loop or write a condition"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("for i in range(8):\n    j = i + 1\n    B[j] = T.float32(1)",
         "`B` is accessed at 1 to 8 of axis 0, which has 8 elements: `j` reaches 8 where i = 7"),
        ("j = 8\nB[j] = T.float32(1)",
         "`B` is accessed at 8 of axis 0, which has 8 elements"),
        ("for i in range(17):\n    if i < 100:\n        B[i] = T.float32(1)",
         "`B` is accessed at 0 to 16 of axis 0, which has 8 elements: `i` reaches 16 where i = 16"),
        ("for i in range(17):\n    if i < 10:\n        B[i] = T.float32(1)",
         "`B` is accessed at 0 to 9 of axis 0, which has 8 elements: `i` reaches 9 where i = 9"),
        ("for i in range(9):\n    if i < 8:\n        B[i] = T.float32(1)\n"
         "    else:\n        B[i] = T.float32(2)",
         "`B` is accessed at 8 of axis 0, which has 8 elements: `i` reaches 8 where i = 8"),
        ("for i in range(9):\n    B[0] = T.if_then_else(i > 0, B[i], T.float32(0))",
         "`B` is accessed at 8 of axis 0, which has 8 elements: `i` reaches 8 where i = 8"),
        ("for i in range(6):\n    for j in range(i):\n        B[i + j] = T.float32(1)",
         "`B` is accessed at 5 to 9 of axis 0, which has 8 elements: `i + j` reaches 9 where "
         "i = 5, j = 4"),
        ("for i in range(18):\n    B[i // 2] = T.float32(1)",
         "`B` is accessed at 0 to 8 of axis 0, which has 8 elements: `i // 2` reaches 8 where "
         "i = 17"),
        ("for i in range(16):\n    A[0, i % 5] = T.float32(1)",
         "`A` is accessed at 0 to 4 of axis 1, which has 4 elements: `i % 5` reaches 4 where "
         "i = 14"),
        ("for i in range(4):\n    B[i * i] = T.float32(1)",
         "`B` is accessed at 0 to 9 of axis 0, which has 8 elements: `i * i` reaches 9 where "
         "i = 3"),
        ("for i in range(3):\n    B[7 - i * i * 2] = T.float32(1)",
         "`B` is accessed at -1 to 7 of axis 0, which has 8 elements: `7 - i * i * 2` reaches -1 "
         "where i = 2"),
    ],
)  # fmt: skip
def test_the_iteration_that_leaves_the_buffer_is_named(body: str, text: str) -> None:
    func = from_source(TEXT.format(body.replace("\n", "\n    ")))
    assert refusal(func) == f"buffer {text}" + HINT.format(3 if "axis 1" in text else 7)


BLOCKS = """
@T.prim_func
def main(A: T.Buffer((17, 5), "float32"), B: T.Buffer((16,), "float32")):
    for i, k in T.grid({}, 5):
        with T.block("b"):
            {}
            v, r = T.axis.remap("SR", [i, k])
            with T.init():
                B[v] = T.float32(0)
            B[v] += A[v, {}]
"""


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((17, "", "r"),
         "`B` is accessed at 0 to 16 of axis 0, which has 16 elements: `v` reaches 16 where "
         "i = 16, k = 0\n  hint: indices are 0 to 15; shorten a loop or write a condition"),
        ((17, "T.where(i < 20)", "r"),
         "`B` is accessed at 0 to 16 of axis 0, which has 16 elements: `i` reaches 16 where "
         "i = 16, k = 0\n  hint: indices are 0 to 15; shorten a loop or write a condition"),
        ((16, "", "r + 1 + v - v"),
         "`A` is accessed at 1 to 5 of axis 1, which has 5 elements: `r + 1` reaches 5 where "
         "i = 15, k = 4\n  hint: indices are 0 to 4; shorten a loop or write a condition"),
    ],
)  # fmt: skip
def test_blocks_are_looked_at_before_the_default_schedule(
    parts: tuple[object, ...], text: str
) -> None:
    assert refusal(from_source(BLOCKS.format(*parts))) == f"buffer {text}"


def test_a_split_by_hand_hides_nothing() -> None:
    sch = Schedule(from_source(BLOCKS.format(17, "", "r")))
    sch.split(sch.get_loops("b")[0], [None, 4])
    assert refusal(sch.mod).startswith(
        "buffer `B` is accessed at 0 to 16 of axis 0, which has 16 elements: `i_0 * 4 + i_1` "
        "reaches 16 where i_0 = 4, i_1 = 0, k = 0\n"
    )


@pytest.mark.parametrize("parts", [(16, "", "r"), (17, "T.where(i < 16)", "r")])
@pytest.mark.parametrize("factor", [None, 5])
def test_blocks_within_their_buffers_run(parts: tuple[object, ...], factor: int | None) -> None:
    sch = Schedule(from_source(BLOCKS.format(*parts)))
    if factor is not None:
        sch.split(sch.get_loops("b")[0], [None, factor])
    a = np.arange(85, dtype="float32").reshape(17, 5)
    b = tilewright.nd.array(np.zeros(16, "float32"))
    tilewright.compile(sch.mod, "llvm")(tilewright.nd.array(a), b)
    assert np.array_equal(b.numpy(), a[:16].sum(axis=1))


def test_an_axis_of_two_dimensions_is_shown_in_its_simplest_form() -> None:
    body = (
        "for i in range(8):\n    A[0 + i, T.Ramp(i * 0 + 2, 1, 4)] = T.Broadcast(T.float32(1), 4)"
    )
    assert "`T.Ramp(i * 4 + 2, 1, 4)` reaches 33 where i = 7" in refusal(
        from_source(TEXT.format(body.replace("\n", "\n    ")))
    )
