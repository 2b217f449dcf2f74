"""Memory allocated around loops and used again."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.tir import transform as T

from .cases import applied, check, nodes, same_result

HEAD = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
"""


def test_memory_is_allocated_around_loops_but_within_tasks() -> None:
    check(T.StorageRewrite(), HEAD + """
    for i in T.parallel(4):
        for j in range(4):
            X = T.decl_buffer((4,))
            X[j] = A[i * 4 + j]
            Y = T.decl_buffer((2,))
            Y[0] = X[j]
            B[i * 4 + j] = Y[0]
""", HEAD + """
    for i in T.parallel(4):
        x = T.allocate([4], "float32", "global")
        y = T.allocate([2], "float32", "global")
        for j in range(4):
            X = T.decl_buffer((4,), data=x)
            X[j] = A[i * 4 + j]
            Y = T.decl_buffer((2,), data=y)
            Y[0] = X[j]
            B[i * 4 + j] = Y[0]
""")  # fmt: skip


def test_a_size_is_known_where_memory_is_allocated() -> None:
    text = (
        HEAD
        + """
    for i in range(4):
        x = T.allocate([i + 1], "float32", "global")
        X = T.decl_buffer((i + 1,), data=x)
        X[i] = A[i]
        B[i] = X[i]
"""
    )
    check(T.StorageRewrite(), text, text)


STEPS = (
    HEAD
    + """
    X = T.decl_buffer((16,))
    Y = T.decl_buffer((16,))
    Unused = T.decl_buffer((16,))
    for i in range(16):
        X[i] = A[i]
    for t, i in T.grid(REPEAT, 16):
        Y[PLACE] = X[PLACE] * T.float32(2)
    for i in range(16):
        B[i] = Y[i]
"""
)


def steps(repeat: str = "1", place: str = "t + i") -> str:
    return STEPS.replace("REPEAT", repeat).replace("PLACE", place)


def test_elements_are_computed_in_place_and_unused_memory_goes() -> None:
    text = steps().replace("for t, i in T.grid(1, 16)", "for i in range(16)").replace("t + i", "i")
    check(T.StorageRewrite(), text, HEAD + """
    X = T.decl_buffer((16,))
    Y = T.decl_buffer((16,), data=X.data)
    for i in range(16):
        X[i] = A[i]
    for i in range(16):
        Y[i] = X[i] * T.float32(2)
    for i in range(16):
        B[i] = Y[i]
""")  # fmt: skip
    same_result(T.StorageRewrite(), text, (16,), (16,))


@pytest.mark.parametrize(("repeat", "place"), [("2", "i"), ("1", "(t + i) // 2")])
def test_what_is_computed_twice_is_not_computed_in_place(repeat: str, place: str) -> None:
    made = same_result(T.StorageRewrite(), steps(repeat, place), (16,), (16,))
    assert made.script().count("T.allocate") == 2


def test_memory_is_in_use_while_its_address_has_a_name() -> None:
    text = (
        HEAD
        + """
    X = T.decl_buffer((16,))
    X[0] = A[0]
    p: T.handle("float32") = X.data
    Y = T.decl_buffer((16,))
    Y[0] = A[1]
    P = T.decl_buffer((16,), data=p)
    B[0] = P[0] + Y[0]
"""
    )
    made = same_result(T.StorageRewrite(), text, (16,), (16,))
    assert made.script().count("T.allocate") == 2


def test_without_moves_only_memory_allocated_together_is_shared() -> None:
    together = (
        HEAD
        + """
    for i in range(4):
        X = T.decl_buffer((4,))
        Y = T.decl_buffer((4,))
        X[i] = A[i]
        B[i] = X[i]
        Y[i] = A[i + 4]
        B[i + 4] = Y[i]
"""
    )
    check(T.StorageRewrite(moves=False), together, HEAD + """
    for i in range(4):
        x = T.allocate([4], "float32", "global")
        X = T.decl_buffer((4,), data=x)
        Y = T.decl_buffer((4,), data=x)
        X[i] = A[i]
        B[i] = X[i]
        Y[i] = A[i + 4]
        B[i + 4] = Y[i]
""")  # fmt: skip


@pytest.mark.parametrize(("scope", "count"), [("local.acc", 1), ("local", 2), ("wmma.matrix_a", 2)])
def test_memory_of_devices_is_used_again_for_any_type(scope: str, count: int) -> None:
    text = (
        HEAD
        + """
    for j in range(2):
        X = T.decl_buffer((16,), scope="SCOPE")
        X[j] = A[j]
        B[j] = X[j]
    for j in range(2):
        Y = T.decl_buffer((16,), "int16", scope="SCOPE")
        Y[j] = T.Cast("int16", A[j])
        B[j] = B[j] + T.Cast("float32", Y[j])
"""
    )
    made = applied(T.StorageRewrite(), text.replace("SCOPE", scope))
    assert len(nodes(made, tir.Allocate)) == count
