"""PointerValueTypeRewrite: memory of vectors."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright import tir
from tilewright.tir import interpreter
from tilewright.tir import transform as T

from .cases import applied, check, func_of, nodes, same_result

PARAMS = 'A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")'
BEFORE = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
    S_data = T.allocate([16], "float32", "global")
    S = T.decl_buffer((16,), data=S_data)
    for i in range(4):
        S[T.Ramp(i * 4, 1, 4)] = A[T.Ramp(i * 4, 1, 4)]
    for i in range(4):
        B[T.Ramp(i * 4, 1, 4)] = S[T.Ramp(12 - i * 4, 1, 4)]
"""
ALONE = BEFORE.replace(
    "    for i",
    "    T.evaluate(T.address_of(A[0]))\n    T.evaluate(T.address_of(B[0]))\n    for i",
    1,
)
"""The same with arguments that keep their types."""


def test_memory_accessed_by_whole_vectors_holds_vectors() -> None:
    after = """
@T.prim_func
def main(A: T.Buffer((4,), "float32x4"), B: T.Buffer((4,), "float32x4")):
    S_data = T.allocate([4], "float32x4", "global")
    S = T.decl_buffer((4,), "float32x4", data=S_data)
    for i in range(4):
        S[T.Div(i * 4, 4)] = A[T.Div(i * 4, 4)]
    for i in range(4):
        B[T.Div(i * 4, 4)] = S[T.Div(12 - i * 4, 4)]
"""
    check(T.PointerValueTypeRewrite(), BEFORE, after)


def test_elements_are_lanes_of_vectors() -> None:
    text = ALONE.replace(
        "        B[T.Ramp(i * 4, 1, 4)] = S[T.Ramp(12 - i * 4, 1, 4)]",
        "        B[i] = S[i * 4 + 1] + S[i * 4 + 3] * S[5]",
    )
    assert text != ALONE
    made = same_result(T.PointerValueTypeRewrite(), text, (16,), (16,))
    assert "T.Shuffle([S[T.Div(i * 4 + 3, 4)]], [3]) * T.Shuffle([S[1]], [1])" in str(made)
    assert '"float32x4"' in str(made)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("12 - i * 4", "11 - i * 3"),
        ("S[T.Ramp(12 - i * 4, 1, 4)]", "T.Broadcast(S[i], 4)"),
        ("S[T.Ramp(12 - i * 4, 1, 4)]", "S[T.Ramp(i * 2, 2, 4)]"),
        ("    for i in range(4):\n        B",
         '    T.call_extern("int32", "f", S_data)\n    for i in range(4):\n        B'),
    ],
    ids=["misaligned", "element", "stride", "address"],
)  # fmt: skip
def test_memory_used_otherwise_keeps_its_type(old: str, new: str) -> None:
    text = ALONE.replace(old, new)
    assert text != ALONE
    made = applied(T.PointerValueTypeRewrite(), text)
    assert [node.dtype for node in nodes(made, tir.Allocate)] == ["float32"]


def test_rows_that_hold_no_whole_vectors_keep_their_type() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((3, 6), "float32"), B: T.Buffer((3, 8), "float32")):
    for i in range(3):
        B[i, T.Ramp(0, 1, 4)] = A[i, T.Ramp(0, 1, 4)]
"""
    made = applied(T.PointerValueTypeRewrite(), text)
    assert [b.dtype for b in made.buffers()] == ["float32", "float32x4"]
    assert [int(size) for size in made.buffers()[1].shape] == [3, 2]


def test_storage_rewrite_types_addresses_that_have_a_name() -> None:
    text = f"""
@T.prim_func
def main({PARAMS}):
    p: T.handle("float32") = T.address_of(A[0])
    P = T.Buffer((16,), "float32", data=p)
    for i in range(4):
        B[T.Ramp(i * 4, 1, 4)] = P[T.Ramp(12 - i * 4, 1, 4)]
"""
    made = applied(T.StorageRewrite(), text)
    assert 'T.handle("float32x4"' in str(made) and "A_1" not in str(made)
    assert [b.dtype for b in made.buffers()] == ["float32", "float32"]
    arrays = [np.arange(16, dtype="float32"), np.zeros(16, "float32")]
    expected = [a.copy() for a in arrays]
    interpreter.run(func_of(text), *expected)
    interpreter.run(made, *arrays)
    np.testing.assert_array_equal(arrays[1], expected[1])


def test_storage_rewrite_types_what_is_allocated() -> None:
    text = f"""
@T.prim_func
def main({PARAMS}):
    p = T.allocate([16], "float32")
    P = T.Buffer((16,), "float32", data=p)
    for i in range(4):
        P[T.Ramp(i * 4, 1, 4)] = A[T.Ramp(12 - i * 4, 1, 4)]
    for i in range(4):
        B[T.Ramp(i * 4, 1, 4)] = P[T.Ramp(i * 4, 1, 4)]
"""
    made = applied(T.StorageRewrite(), text)
    (memory,) = nodes(made, tir.Allocate)
    assert (memory.dtype, [int(n) for n in memory.extents]) == ("float32x4", [4])
    arrays = [np.arange(16, dtype="float32"), np.zeros(16, "float32")]
    interpreter.run(made, *arrays)
    np.testing.assert_array_equal(arrays[1], arrays[0].reshape(4, 4)[::-1].reshape(16))
