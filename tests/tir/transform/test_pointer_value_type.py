"""PointerValueTypeRewrite: memory of vectors."""

from __future__ import annotations

from tilewright.tir import transform as T

from .cases import check, same_result

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


def test_memory_accessed_by_whole_vectors_holds_vectors() -> None:
    after = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
    S_data = T.allocate([4], "float32x4", "global")
    S = T.decl_buffer((4,), "float32x4", data=S_data)
    for i in range(4):
        S[i] = A[T.Ramp(i * 4, 1, 4)]
    for i in range(4):
        B[T.Ramp(i * 4, 1, 4)] = S[3 - i]
"""
    check(T.PointerValueTypeRewrite(), BEFORE, after)
    same_result(T.PointerValueTypeRewrite(), BEFORE, (16,), (16,))


def test_memory_used_otherwise_keeps_its_type() -> None:
    for old, new in (
        ("12 - i * 4", "11 - i * 3"),
        ("S[T.Ramp(12 - i * 4, 1, 4)]", "T.Broadcast(S[i], 4)"),
        ("    for i in range(4):\n        B", "    T.call_extern(\"int32\", \"f\", S_data)\n"
         "    for i in range(4):\n        B"),
    ):  # fmt: skip
        text = BEFORE.replace(old, new)
        assert text != BEFORE
        check(T.PointerValueTypeRewrite(), text, text)
