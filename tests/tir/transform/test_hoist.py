"""What HoistIfThenElse and HoistExpression move out of loops, and under which options."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.structural import assert_structural_equal
from tilewright.ir.transform import PassContext
from tilewright.script import from_source
from tilewright.support.errors import ArgumentError
from tilewright.tir import transform as T

from .cases import applied, nodes

HEAD = """
@T.prim_func
def main(A: T.Buffer((64,), "float32"), n: T.int32, m: T.int32):
"""


def program(body: str) -> IRModule:
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())

    return IRModule({"main": from_source(HEAD + lines)})


def check(make: Any, before: str, after: str, **config: Any) -> None:
    names = {"if_then_else": "tir.HoistIfThenElse", "expression": "tir.HoistExpression"}
    options = {names[key]: value for key, value in config.items()}
    with PassContext(config=options):
        made = make()(program(before))
    assert_structural_equal(made["main"], program(after)["main"])


def test_a_condition_moves_past_every_loop_it_is_free_of() -> None:
    check(
        T.HoistIfThenElse,
        """
for i in range(8):
    for j in range(8):
        if i < n:
            A[i * 8 + j] = 1.0
""",
        """
for i in range(8):
    if i < n:
        for j in range(8):
            A[i * 8 + j] = 1.0
""",
    )


def test_the_other_case_gets_a_loop_of_its_own() -> None:
    check(
        T.HoistIfThenElse,
        """
for i in range(8):
    if n < m:
        A[i] = 1.0
    else:
        A[i] = 2.0
""",
        """
if n < m:
    for i in range(8):
        A[i] = 1.0
else:
    for i in range(8):
        A[i] = 2.0
""",
    )


def test_one_of_several_statements_stays() -> None:
    body = """
for i in range(8):
    A[i] = 0.0
    if n < m:
        A[i] = 1.0
"""
    check(T.HoistIfThenElse, body, body)


def test_what_reads_memory_or_may_fail_stays() -> None:
    for condition in ("A[0] < 1.0", "n // m < 3"):
        body = f"""
for i in range(8):
    if {condition}:
        A[i] = 1.0
"""
        check(T.HoistIfThenElse, body, body)


LOADED = """
for i in range(EXTENT):
    if A[60] < T.float32(1):
        A[i] = T.float32(2)
"""
OTHERS = """
F = T.decl_buffer((4,), "float32")
for i in range(EXTENT):
    if F[1] < T.float32(1):
        A[i] = T.float32(2)
"""
AHEAD = """
F = T.decl_buffer((4,), "float32")
if F[1] < T.float32(1):
    for i in range(8):
        A[i] = T.float32(2)
"""
LOADED_NAME = """
F = T.decl_buffer((4,), "float32")
for i in range(EXTENT):
    x: T.float32 = F[1]
    if x < T.float32(1):
        A[i] = T.float32(2)
"""
NAME_AHEAD = """
F = T.decl_buffer((4,), "float32")
x: T.float32 = F[1]
if x < T.float32(1):
    for i in range(8):
        A[i] = T.float32(2)
"""
GUARDED = """
F = T.decl_buffer((4,), "float32")
for i in range(8):
    if i < n:
        if F[m] < T.float32(1):
            A[i] = T.float32(2)
"""


def test_memory_is_read_before_a_loop_that_reads_it_anyway_and_does_not_write_it() -> None:
    for make in (T.HoistIfThenElse, T.HoistExpression):
        check(make, OTHERS.replace("EXTENT", "8"), AHEAD)
        for stays in (LOADED.replace("EXTENT", "8"), OTHERS.replace("EXTENT", "n"), GUARDED):
            check(make, stays, stays)
    check(T.HoistExpression, LOADED_NAME.replace("EXTENT", "8"), NAME_AHEAD)
    stays = LOADED_NAME.replace("EXTENT", "n")
    check(T.HoistExpression, stays, stays)


BLOCK_INDEX = """
bx = T.launch_thread("blockIdx.x", 8)
for i in range(8):
    if n < 4:
        A[bx * 8 + i] = 1.0
"""


def test_the_index_of_a_thread_block_is_passed_only_if_allowed() -> None:
    check(
        T.HoistIfThenElse,
        BLOCK_INDEX,
        """
bx = T.launch_thread("blockIdx.x", 8)
if n < 4:
    for i in range(8):
        A[bx * 8 + i] = 1.0
""",
    )
    check(
        T.HoistIfThenElse,
        BLOCK_INDEX,
        """
if n < 4:
    bx = T.launch_thread("blockIdx.x", 8)
    for i in range(8):
        A[bx * 8 + i] = 1.0
""",
        if_then_else={"support_block_scope_hoisting": True},
    )


CHOICE = """
for i in range(8):
    A[i] = T.if_then_else(n < m, T.float32(1), T.float32(2))
"""


def test_conditions_of_expressions() -> None:
    check(
        T.HoistExpression,
        CHOICE,
        """
if n < m:
    for i in range(8):
        A[i] = 1.0
else:
    for i in range(8):
        A[i] = 2.0
""",
    )
    check(T.HoistIfThenElse, CHOICE, CHOICE)
    only_statements = int(T.HoistedConditionals.IfElseStmt)
    check(T.HoistExpression, CHOICE, CHOICE, expression={"hoisted_conditionals": only_statements})


PARTS = """
for i in range(8):
    if n < m and i < n:
        A[i] = 1.0
"""


def test_parts_of_a_condition() -> None:
    check(
        T.HoistExpression,
        PARTS,
        """
if n < m:
    for i in range(8):
        if i < n:
            A[i] = 1.0
""",
    )
    without = int(T.HoistedConditionals.All & ~T.HoistedConditionals.BooleanExpression)
    check(T.HoistExpression, PARTS, PARTS, expression={"hoisted_conditionals": without})


NAMED = """
for i in range(8):
    x: T.int32 = n * m
    if x < 3:
        A[i] = T.Cast("float32", x)
"""
MOVED = """
x: T.int32 = n * m
if x < 3:
    for i in range(8):
        A[i] = T.Cast("float32", x)
"""


def test_names_move_for_their_own_sake_or_for_a_condition() -> None:
    names = T.HoistedLetBindings
    check(T.HoistExpression, NAMED, MOVED)
    for flag in (names.LetStmt, names.RequiredByConditional):
        check(T.HoistExpression, NAMED, MOVED, expression={"hoisted_let_bindings": int(flag)})
    check(T.HoistExpression, NAMED, NAMED, expression={"hoisted_let_bindings": 0})


def test_unknown_fields_of_options_are_refused() -> None:
    with pytest.raises(ArgumentError, match="has no field 'conditions'"):
        PassContext(config={"tir.HoistExpression": {"conditions": 1}})


def test_what_a_block_defines_stays_in_it() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), k: T.int32):
    for i in range(8):
        with T.block("b"):
            v = T.axis.spatial(8, i)
            A[v] = T.Select(v > 2, A[v], T.float32(1)) + T.Select(k > 1, A[v], T.float32(2))
"""
    made = applied(T.HoistExpression(), text)
    (branch,) = nodes(made, tir.IfThenElse)
    assert "k" in str(branch.condition) and "v" not in str(branch.condition)
    tir.analysis.verify_well_formed(made)
