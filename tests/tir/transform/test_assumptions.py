"""What is assumed of memory, and what it makes unnecessary."""

from __future__ import annotations

import pytest

from tilewright.support.errors import CompileError
from tilewright.tir import transform as T

from .cases import check

CHOICE = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32"), n: T.int32):
    for i in range(16):
        T.assume(i < 14 or A[i] == T.float32(0))
    for i in range(16):
        B[i] = T.if_then_else(i < 14, A[i] + A[i], T.float32(0))
"""


def test_a_choice_that_excess_computing_makes_anyway() -> None:
    after = CHOICE.replace("T.if_then_else(i < 14, A[i] + A[i], T.float32(0))", "A[i] + A[i]")
    check(T.UseAssumeToReduceBranches(), CHOICE, after)


@pytest.mark.parametrize(
    ("old", "new"),
    [("A[i] == T.float32(0)", "A[i] == T.float32(1)"),
     ("if_then_else(i < 14", "if_then_else(i < 12"),
     ("        B[i] =", "        A[i] = T.float32(3)\n        B[i] ="),
     ("A[i] + A[i]", "A[i + 1] + A[i]"), ("A[i] + A[i]", "T.exp(A[i])")],
)  # fmt: skip
def test_a_choice_stays_where_the_values_may_differ(old: str, new: str) -> None:
    text = CHOICE.replace(old, new)
    assert text != CHOICE
    check(T.UseAssumeToReduceBranches(), text, text)


BRANCH = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
    for i in range(16):
        T.assume(i < 14 or A[i] == T.float32(0))
    for i in range(16):
        if i < 14:
            B[i] = A[i]
        else:
            B[i] = T.float32(0)
"""


def test_a_branch_that_overcompute_makes_unnecessary() -> None:
    head = BRANCH[: BRANCH.index("        if i < 14")]
    check(T.ReduceBranchingThroughOvercompute(), BRANCH, head + "        B[i] = A[i]\n")
    other = BRANCH.replace("B[i] = T.float32(0)", "B[i] = T.float32(1)")
    check(T.ReduceBranchingThroughOvercompute(), other, other)


def test_a_store_of_what_is_there_needs_no_branch() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((16,), "float32")):
    for i in range(16):
        T.assume(i < 14 or A[i] == T.float32(0))
    for i in range(16):
        if i < 14:
            A[i] = A[i] * T.float32(0)
"""
    for value in ("A[i] * T.float32(0)", "T.float32(0)", "A[i]"):
        before = text.replace("A[i] * T.float32(0)", value)
        after = before.replace("        if i < 14:\n            A[i]", "        A[i]")
        check(T.ReduceBranchingThroughOvercompute(), before, after)
    other = text.replace("A[i] * T.float32(0)", "A[i] + T.float32(1)")
    check(T.ReduceBranchingThroughOvercompute(), other, other)


def test_assumptions_go() -> None:
    after = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32"), n: T.int32):
    for i in range(16):
        B[i] = T.if_then_else(i < 14, A[i] + A[i], T.float32(0))
"""
    check([T.RemoveAssume(), T.RemoveNoOp()], CHOICE, after)


UNDEFINED = """
@T.prim_func
def main(A: T.Buffer((16,), "int32")):
    A[0] = VALUE
    A[1] = 2
"""


def test_stores_of_undefined_values_go() -> None:
    after = """
@T.prim_func
def main(A: T.Buffer((16,), "int32")):
    T.evaluate(0)
    A[1] = 2
"""
    for value in ('T.undef("int32")', 'T.undef("int32") + 1'):
        check(T.RemoveStoreUndef(), UNDEFINED.replace("VALUE", value), after)


def test_names_of_undefined_values_go() -> None:
    text = UNDEFINED.replace("    A[0] = VALUE", '    x: T.int32 = T.undef("int32")\n    A[0] = x')
    after = """
@T.prim_func
def main(A: T.Buffer((16,), "int32")):
    T.evaluate(0)
    A[1] = 2
"""
    check(T.RemoveStoreUndef(), text, after)


def test_undefined_values_have_no_other_use() -> None:
    with pytest.raises(CompileError, match="used other than to be stored"):
        check(
            T.RemoveStoreUndef(),
            UNDEFINED.replace("A[0] = VALUE", 'T.evaluate(T.undef("int32"))'),
            "",
        )
    with pytest.raises(CompileError, match="an index of `A` is undefined"):
        text = UNDEFINED.replace("A[0] = VALUE", 'A[T.undef("int32")] = 1')
        check(T.RemoveStoreUndef(), text, "")


LATER = """
@T.prim_func
def main(A: T.Buffer((16,), "int32"), B: T.Buffer((16,), "int32")):
    for i in range(16):
        if i < 14:
            A[i] = 1
    for i in range(16):
        if i >= FIRST:
            A[i] = VALUE
"""


@pytest.mark.parametrize(
    ("first", "value", "is_reduced"),
    [("14", "2", True), ("9", "2", True), ("15", "2", False), ("14", "A[i] + 1", False)],
)
def test_excess_that_is_stored_over_unread(first: str, value: str, is_reduced: bool) -> None:
    text = LATER.replace("FIRST", first).replace("VALUE", value)
    after = text.replace("        if i < 14:\n            A", "        A") if is_reduced else text
    config = {"ReduceBranchingThroughOvercompute": {"use_dataflow_analysis": True}}
    check(T.ReduceBranchingThroughOvercompute(), text, after, **config)
    check(T.ReduceBranchingThroughOvercompute(), text, text)


@pytest.mark.parametrize(
    ("then", "other", "condition"),
    [
        ("A[i] = 1\nT.evaluate(0)", "A[i] = 1", "i < 14"),
        ("A[i] = i * 2", "A[i] = 28", "i != 14"),
        ("A[0] = A[0] + i * i", None, "i > 0"),
        ("for j in range(i):\n    B[j] = 1", None, "i > 0"),
    ],
)
def test_a_case_that_does_the_work_of_the_other(
    then: str, other: str | None, condition: str
) -> None:
    def indented(text: str, by: int) -> str:
        return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())

    head = LATER[: LATER.index("        if i < 14")]
    before = f"{head}        if {condition}:\n{indented(then, 12)}"
    if other is not None:
        before += f"        else:\n{indented(other, 12)}"
    config = {"ReduceBranchingThroughOvercompute": {"use_dataflow_analysis": True}}
    check(T.ReduceBranchingThroughOvercompute(), before, head + indented(then, 8), **config)


@pytest.mark.parametrize("then", ["A[i + 1] = A[i + 1]", "A[i] = A[i] + i // A[0] - i // A[0]"])
def test_what_may_fail_stays_under_its_condition(then: str) -> None:
    head = LATER[: LATER.index("        if i < 14")]
    text = f"{head}        if i < 15:\n            {then}\n"
    config = {"ReduceBranchingThroughOvercompute": {"use_dataflow_analysis": True}}
    check(T.ReduceBranchingThroughOvercompute(), text, text, **config)
