"""Passes that add measurements and checks."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.support.errors import RuntimeFailure
from tilewright.tir import AssertStmt, interpreter
from tilewright.tir import transform as T

from .cases import applied, check, func_of, nodes

NEST = """
@T.prim_func
def main(A: T.Buffer((8, 8, 8), "float32"), B: T.Buffer((8, 8, 8), "float32")):
    for i in range(8):
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    A[i, j, k] = A[i, j, k] + 1.0
            for k in range(8):
                for l in range(8):
                    B[i, j, k] = B[i, j, k] + 1.0
"""
SIBLINGS = """
@T.prim_func
def main(A: T.Buffer((8, 8, 8), "float32"), B: T.Buffer((8, 8, 8), "float32")):
    for i in range(8):
        for j in range(8):
            T.start_profile_intrinsic(3)
            for k in range(8):
                for l in range(8):
                    A[i, j, k] = A[i, j, k] + 1.0
            T.end_profile_intrinsic(3)
            T.start_profile_intrinsic(5)
            for k in range(8):
                for l in range(8):
                    B[i, j, k] = B[i, j, k] + 1.0
            T.end_profile_intrinsic(5)
"""
OPTIONS = {"instrument_lwp": True, "lwp_disable_func_prof": True, "reset_start_id": True}


def test_loops_with_siblings_are_measured() -> None:
    check(T.InstrumentProfileIntrinsics(), NEST, SIBLINGS, **OPTIONS)


def starts(**options: object) -> list[int]:
    made = applied(T.InstrumentProfileIntrinsics(), NEST, **{**OPTIONS, **options})
    text = made.script()
    return [int(part.split(")")[0]) for part in text.split("start_profile_intrinsic(")[1:]]


def test_depth_and_height_say_which_loops_are_measured() -> None:
    assert starts(instr_siblings=False) == [1, 2, 3, 5]
    assert starts(instr_siblings=False, lwp_max_depth=2) == [1, 2]
    assert starts(instr_siblings=False, lwp_min_height=2) == [1, 2]
    assert starts(instr_siblings=False, lwp_min_height=0) == [1, 2, 3, 4, 5, 6]


def test_functions_are_measured_and_numbers_go_on() -> None:
    assert starts(lwp_disable_func_prof=False)[0] == 0
    assert starts(reset_start_id=False, lwp_disable_func_prof=False)[0] == 7


def test_loops_within_parallel_ones_are_not_measured() -> None:
    text = NEST.replace("for j in range(8)", "for j in T.parallel(8)")
    made = applied(T.InstrumentProfileIntrinsics(), text, **OPTIONS, instr_siblings=False)
    assert made.script().count("start_profile_intrinsic") == 2


SHIFTED = """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32"), n: T.int32):
    for i in range(n):
        B[i] = A[i + 1]
"""


def test_accesses_are_checked_before_they_happen() -> None:
    made = applied(T.InstrumentBoundCheckers(), SHIFTED)
    a, b = np.arange(8, dtype="float32"), np.zeros(8, "float32")
    interpreter.run(made, a, b, 7)
    assert list(b[:7]) == list(a[1:])
    with pytest.raises(RuntimeFailure, match="access outside buffer `A`"):
        interpreter.run(made, a, b, 8)


def test_what_is_inside_is_not_checked() -> None:
    text = SHIFTED.replace("range(n)", "range(7)")
    check(T.InstrumentBoundCheckers(), text, text)
    guarded = SHIFTED.replace("A[i + 1]", "T.if_then_else(i < 7, A[i + 1], T.float32(0))")
    made = applied(T.InstrumentBoundCheckers(), guarded)
    assert [m.message.value for m in nodes(made, AssertStmt)] == ["access outside buffer `B`"]


def test_a_choice_is_checked_where_it_is_taken() -> None:
    text = SHIFTED.replace("A[i + 1]", "T.if_then_else(n < 4, A[i + 5], T.float32(0))")
    made = applied(T.InstrumentBoundCheckers(), text)
    b = np.zeros(8, "float32")
    interpreter.run(made, np.zeros(8, "float32"), b, 8)
    interpreter.run(made, np.zeros(8, "float32"), b, 3)
    assert len(nodes(func_of(text), AssertStmt)) == 0
