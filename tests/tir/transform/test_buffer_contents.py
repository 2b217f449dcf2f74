"""What buffers are known to hold, in the passes that use it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tilewright.ir.structural import assert_structural_equal
from tilewright.tir import interpreter
from tilewright.tir import transform as T

from .cases import applied, func_of

PROVES: Any = {"Simplify": {"propagate_knowns_to_prove_conditional": True}}
REPLACES: Any = {"Simplify": {"propagate_knowns_to_simplify_expressions": True}}
DATAFLOW: Any = {"RemoveNoOp": {"use_dataflow_analysis": True}}


def of(text: str) -> str:
    head = "@T.prim_func\ndef main(A: ARRAY, B: ARRAY, n: T.int32):"
    head = head.replace("ARRAY", "T.Buffer((16,), 'int32')")
    return head + "".join(f"\n    {line}" for line in text.strip("\n").splitlines()) + "\n"


def check(make: Any, config: Any, before: str, after: str) -> None:
    assert_structural_equal(applied(make(), of(before), **config), func_of(of(after)))


@pytest.mark.parametrize(
    ("setup", "condition", "index"),
    [
        ("A[0] = n\nA[0] = A[0] + 2", "A[0] == n + 2", "0"),
        ("for i in range(16):\n    A[i] = i * n", "A[j] == j * n", "j"),
        ("for i in range(8):\n    A[i * 2 + 1] = 7", "A[j * 2 + 1] == 7", "j"),
        ("for i, k in T.grid(4, 4):\n    A[i * 4 + k] = k", "A[j] == j % 4", "j"),
        ("A[T.Ramp(4, 1, 4)] = T.Ramp(n, 2, 4)", "A[6] == n + 4", "0"),
        ("for i in range(16):\n    T.assume(i < 3 or A[i] == 0)", "A[j + 3] == 0", "j"),
        ("if n > 5:\n    A[0] = 1\nelse:\n    A[0] = 1", "A[0] == 1", "0"),
        ("if A[1] > 5:\n    A[0] = 1\nelse:\n    A[0] = 1", "A[0] == 1", "0"),
        ("for i in range(16):\n    A[i] = 3\nfor i in range(2, 9):\n    A[i] = n",
         "A[j + 9] == 3", "j"),
        ("for i in range(16):\n    A[i] = 3\nfor i in range(16):\n    A[i] = A[i] * 1",
         "A[j] == 3", "j"),
        ("m: T.int32 = n\nA[m % 16] = 4", "A[n % 16] == 4", "0"),
    ],
)  # fmt: skip
def test_what_is_known_decides_a_branch(setup: str, condition: str, index: str) -> None:
    start = 3 if "+ 3" in condition else 9 if "+ 9" in condition else 0
    count = 7 if start or "* 2" in condition else 16
    store = f"B[{index}] = 5"
    loop = f"for j in range({count}):\n    " if index == "j" else ""
    inner = "\n        " if loop else "\n    "
    before = f"{setup}\n{loop}if {condition}:{inner}{store}"
    made = applied(T.Simplify(), of(before), **PROVES)
    expected = applied(T.Simplify(), of(f"{setup}\n{loop}{store}"), **PROVES)
    assert_structural_equal(made, expected)


@pytest.mark.parametrize(
    "text",
    [
        "A[0] = 1\nA[n] = 2\nif A[0] == 1:\n    B[0] = 5",
        "A[0] = 1\nT.call_extern('int32', 'f', A.data)\nif A[0] == 1:\n    B[0] = 5",
        "A[0] = 1\nfor i in range(n):\n    A[i] = 2\nif A[0] == 1:\n    B[0] = 5",
        "for i in range(n):\n    A[0] = 1\nif A[0] == 1:\n    B[0] = 5",
        "if n > 3:\n    A[0] = 1\nif A[0] == 1:\n    B[0] = 5",
        "for i in range(15):\n    A[i + 1] = A[i]\n    if A[i + 1] == A[0]:\n        B[0] = 5",
        "A[0] = 1\nfor i in range(16):\n    if A[0] == 1:\n        B[0] = 5\n    A[0] = n",
        "A[0] = 1\nwhile B[0] < n:\n    A[0] = 2\n    B[0] = B[0] + 1\nif A[0] == 1:\n    B[0] = 5",
        "A[B[0] % 16] = 1\nB[0] = n\nif A[B[0] % 16] == 1:\n    B[1] = 5",
        "for i in range(16):\n    if A[i] > n:\n        break\n    B[i] = 1\n"
        "if B[9] == 1:\n    A[0] = 5",
        "C = T.Buffer((16,), 'int32', data=A.data)\nA[0] = 1\nC[0] = n\n"
        "if A[0] == 1:\n    B[0] = 5",
        "for i in range(16):\n    m: T.int32 = B[i] % 16\n    A[m] = i\n"
        "    if A[0] == i:\n        B[i] = 9",
    ],
)  # fmt: skip
def test_what_may_have_changed_is_not_known(text: str) -> None:
    plain = applied(T.Simplify(), of(text))
    assert_structural_equal(applied(T.Simplify(), of(text), **PROVES), plain)


def test_padding_that_a_convolution_keeps() -> None:
    text = """
for i in range(16):
    T.assume(i < 10 or A[i] == 0)
for i in range(16):
    B[i] = 0
for i, f in T.grid(16, 3):
    if i + f < 16:
        B[i + f] = B[i + f] + A[i] * n
for i in range(4):
    if B[i + 12] == 0:
        A[i] = 1
"""
    made = applied(T.Simplify(), of(text), **PROVES)
    assert "if B[i + 12]" not in str(made)
    assert "if B[i + 11]" in str(applied(T.Simplify(), of(text.replace("+ 12", "+ 11")), **PROVES))


def test_values_take_the_place_of_loads() -> None:
    before = "A[0] = n\nB[0] = A[0] + 3\nA[n] = 4\nB[1] = A[0]"
    check(T.Simplify, REPLACES, before, "A[0] = n\nB[0] = n + 3\nA[n] = 4\nB[1] = A[0]")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("for i in range(16):\n    A[i] = i\nA[4] = 4", "for i in range(16):\n    A[i] = i"),
        ("A[0] = 1\nA[n] = A[0] + 1\nA[0] = 1",) * 2,
        ("for i in range(16):\n    if i < 9:\n        A[i] = 1\n"
         "for i in range(16):\n    if i < 12:\n        A[i] = 2",
         "for i in range(16):\n    if i < 12:\n        A[i] = 2"),
        ("for i in range(16):\n    if i < 13:\n        A[i] = 1\n"
         "for i in range(16):\n    if i < 12:\n        A[i] = 2",) * 2,
        ("A[0] = T.call_extern('int32', 'f')\nA[0] = 3",
         "T.call_extern('int32', 'f')\nA[0] = 3"),
        ("for i in range(9):\n    for j in range(i - 20):\n        A[i] = j\nB[0] = 1", "B[0] = 1"),
    ],
)  # fmt: skip
def test_stores_that_change_nothing_go(before: str, after: str) -> None:
    check(T.RemoveNoOp, DATAFLOW, before, after)


def _program(chance: random.Random, loops: list[str], depth: int) -> list[str]:
    def index() -> str:
        v = chance.choice([*loops, "3"])
        return chance.choice([v, f"T.max({v} - 2, 0)", f"T.min({v} + 1, 15)", f"15 - {v}"])

    def access() -> str:
        return f"{chance.choice('AB')}[{index()}]"

    lines: list[str] = []
    for _ in range(chance.randrange(1, 4)):
        kind = chance.random() if depth else 0.0
        inner = [] if kind < 0.5 else _program(chance, loops, depth - 1)
        if kind < 0.5:
            value = chance.choice([str(chance.randrange(3)), access(), f"{access()} + 1", *loops])
            lines.append(f"{access()} = {value}")
        elif kind < 0.75:
            var = f"i{depth}"
            lines.append(f"for {var} in range({chance.randrange(3)}, {chance.choice([5, 16])}):")
            lines += [f"    {line}" for line in _program(chance, [*loops, var], depth - 1)]
        else:
            against = f"{chance.choice(['==', '<', '!='])} {chance.randrange(3)}"
            lines.append(f"if {chance.choice([access(), *loops, 'n'])} {against}:")
            lines += [f"    {line}" for line in inner]
    return lines


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_keep_their_results(seed: int) -> None:
    text = of("\n".join(_program(random.Random(seed), [], 3)))
    both = {"Simplify": {**PROVES["Simplify"], **REPLACES["Simplify"]}}
    runs = [func_of(text), applied(T.Simplify(), text, **both)]
    runs.append(applied(T.RemoveNoOp(), text, **DATAFLOW))
    results = []
    for func in runs:
        memory = [np.arange(16, dtype="int32") % 3, np.arange(16, dtype="int32") % 2]
        interpreter.run(func, *memory, 2)
        results.append(np.stack(memory))
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])
