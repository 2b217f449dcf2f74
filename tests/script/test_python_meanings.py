"""What Python's constructs mean in script where their operands are values of the program."""

import numpy as np
import pytest

from tilewright.script import from_source

HEAD = (
    '@T.prim_func\ndef f(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "int32"), n: T.int32):\n'
)


def body(text: str) -> str:
    """The statements of a function, as they print."""
    program = from_source(HEAD + "".join(f"    {line}\n" for line in text.split("\n")))
    lines = program.script().split("\n")
    return "\n".join(line[4:] for line in lines[lines.index(HEAD.split("\n")[1]) + 1 :])


CASES = [
    ("B[0] = min(n, 3)", "B[0] = T.min(n, 3)"),
    ("B[0] = max(n, B[1], 3)", "B[0] = T.max(T.max(n, B[1]), 3)"),
    ("B[0] = max([n, 3])", "B[0] = T.max(n, 3)"),
    ("B[0] = max(2, 3)", "B[0] = 3"),
    ("A[0] = abs(A[1])", "A[0] = T.fabs(A[1])"),
    ("B[0] = abs(-3)", "B[0] = 3"),
    ("B[0] = 1 if all([n > 0, n < 4]) else 0", "B[0] = T.if_then_else(n > 0 and n < 4, 1, 0)"),
    ("B[0] = 1 if any([n < 0, n > 4]) else 0", "B[0] = T.if_then_else(n < 0 or n > 4, 1, 0)"),
    ("B[0] = 1 if 0 < n < 4 else 0", "B[0] = T.if_then_else(0 < n and n < 4, 1, 0)"),
    ("B[0] = 1 if n is None else 2", "B[0] = 2"),
    ("B[0] = 1 if 3 in (1, 2) else 2", "B[0] = 2"),
    ("B[0] = len([n, n]) + len(B.shape)", "B[0] = 3"),
    ("B[0] = int(T.int64(5)) + int(2.5)", "B[0] = 7"),
    ("B[0] = +n", "B[0] = n"),
    ("B[0] = sum([n, n])", "B[0] = n + n"),
    ('T.evaluate(f"{3:02d} {T.int32(4)}")', 'T.evaluate("03 4")'),
    ("B[:] = B[0:8]", "B[0:8] = B[0:8]"),
    ("B[4:] = B[:4]", "B[4:8] = B[0:4]"),
    ("B[::2] = B[1::2]", "B[0:8:2] = B[1:9:2]"),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_the_meaning(text: str, expected: str) -> None:
    assert body(text).strip() == expected


def test_a_condition_of_numpy_chooses_while_the_text_is_read() -> None:
    text = HEAD + "    if flag:\n        B[0] = 1\n    else:\n        B[0] = 2\n"
    for flag, expected in ((np.True_, "B[0] = 1"), (np.False_, "B[0] = 2")):
        program = from_source(text, {"flag": flag}).script()
        assert program.strip().endswith(expected)
