"""Statements without effect."""

from __future__ import annotations

import pytest

from tilewright.tir import transform as T

from .cases import check, same_result

HEAD = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32"), n: T.int32):
"""


def lines(text: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in text.strip().splitlines())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("for i in range(0):\n    A[i] = B[0]", "T.evaluate(0)"),
        ("for i in range(n):\n    T.evaluate(0)", "T.evaluate(0)"),
        ("A[3] = A[3]", "T.evaluate(0)"),
        ("if n < 3:\n    T.evaluate(0)\nelse:\n    A[0] = B[0]", "if not n < 3:\n    A[0] = B[0]"),
        ("if n < 3:\n    A[0] = B[0]\nelse:\n    T.evaluate(0)", "if n < 3:\n    A[0] = B[0]"),
        ("if n < 3:\n    T.evaluate(n)", "T.evaluate(0)"),
        ("x: T.int32 = n + 2\nT.evaluate(x)", "T.evaluate(0)"),
        ("T.evaluate(n + 2)\nA[0] = B[0]", "A[0] = B[0]"),
        (
            'if T.call_extern("int32", "f") < 3:\n    T.evaluate(0)',
            'T.evaluate(T.call_extern("int32", "f") < 3)',
        ),
        ('x = T.call_extern("int32", "f")\nT.evaluate(x)', 'T.call_extern("int32", "f")'),
        (
            'data = T.allocate([4], "float32")\nC = T.decl_buffer((4,), data=data)\nC[0] = C[0]',
            "T.evaluate(0)",
        ),
        (
            'A[0] = B[0]\nwith T.attr("x", "pragma_debug_skip_region", 1):\n    A[1] = B[1]',
            "A[0] = B[0]",
        ),
    ],
)
def test_what_does_nothing_goes(before: str, after: str) -> None:
    check(T.RemoveNoOp(), lines(before), lines(after))


FLOW = {"use_dataflow_analysis": True}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A[4] = B[1]\nA[4] = B[2]", "A[4] = B[2]"),
        (
            "for i in range(n):\n    A[i] = B[0]\nfor i in range(n):\n    A[i] = B[1]",
            "for i in range(n):\n    A[i] = B[1]",
        ),
        (
            "A[3] = B[0]\nB[0] = B[1]\nfor i in range(8):\n    A[i] = B[1]",
            "B[0] = B[1]\nfor i in range(8):\n    A[i] = B[1]",
        ),
    ],
)
def test_what_is_stored_over_unread_goes(before: str, after: str) -> None:
    check(T.RemoveNoOp(), lines(before), lines(after), RemoveNoOp=FLOW)
    check(T.RemoveNoOp(), lines(before), lines(before))


@pytest.mark.parametrize(
    "text",
    [
        "A[4] = B[1]\nA[5] = B[2]",
        "A[4] = B[1]\nB[1] = A[4]\nA[4] = B[2]",
        "A[4] = B[1]\nif n < 3:\n    A[4] = B[2]",
        "for i in range(9):\n    A[i] = B[0]\nfor i in range(8):\n    A[i] = B[1]",
        "for i in range(8):\n    A[i] = B[0]\nfor i in range(4):\n    A[i * 2] = B[1]",
        "A[4] = B[1]\nA[4] = A[4] + B[2]",
        'A[4] = B[1]\nT.call_extern("int32", "f", A.data)\nA[4] = B[2]',
        "A[n] = B[1]\nA[n + 1] = B[2]",
    ],
)
def test_what_may_be_read_stays(text: str) -> None:
    check(T.RemoveNoOp(), lines(text), lines(text), RemoveNoOp=FLOW)


def test_the_result_stays() -> None:
    text = lines("""
for i in range(16):
    A[i] = B[i]
for i in range(16):
    A[i] = B[15 - i] * T.float32(2)
for i in range(16):
    B[i] = A[i] + T.float32(1)
""").replace(", n: T.int32", "")
    made = same_result(T.RemoveNoOp(), text, (16,), (16,), RemoveNoOp=FLOW)
    assert made.script().count("for ") == 2
