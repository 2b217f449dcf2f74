"""Arrays of one dimension, also where sizes are not known."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.tir import transform as T

from .cases import applied, check, same_result

FUSED = """
@T.prim_func
def main(a: T.handle, b: T.handle, n: T.int32):
    A = T.match_buffer(a, (8, n, n), "float32")
    B = T.match_buffer(b, (8, n, n), "float32")
    LOOPS
        B[INDEX // (n * n), INDEX % (n * n) // n, INDEX % n] = A[0, 0, 0]
"""
FLAT = """
@T.prim_func
def main(a: T.handle, b: T.handle, n: T.int32):
    A = T.match_buffer(a, (8, n, n), "float32")
    B = T.match_buffer(b, (8, n, n), "float32")
    A_1 = T.Buffer((n * n * 8,), "float32", data=A.data)
    B_1 = T.Buffer((n * n * 8,), "float32", data=B.data)
    LOOPS
        B_1[INDEX] = A_1[0]
"""


@pytest.mark.parametrize(
    ("loops", "index"),
    [
        ("for i in range(n * n * 8):", "i"),
        ("for i, j in T.grid((n * n + 3) // 4, 32):\n      if i * 32 + j < n * n * 8:",
         "(i * 32 + j)"),
    ],
)  # fmt: skip
def test_a_loop_over_sizes_that_are_not_known_is_put_together_again(loops: str, index: str) -> None:
    before, after = (text.replace("LOOPS", loops).replace("INDEX", index) for text in (FUSED, FLAT))
    check(T.FlattenBuffer(), before, after)


def test_what_never_runs_may_lie_outside() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((2, 1), "float32")):
    if T.LT(2, 1):
        A[0, 2] = T.float32(1)
    else:
        A[1, 0] = T.float32(2)
"""
    made = applied(T.FlattenBuffer(), text)
    assert isinstance(made.body, tir.BufferStore) and made.body.indices[0].value == 1


def test_what_is_never_chosen_may_lie_outside() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((5,), "float32"), B: T.Buffer((1,), "float32")):
    B[0] = T.if_then_else(T.LT(0, 3), A[4], A[VALUE])
"""
    same_result(T.FlattenBuffer(), text.replace("VALUE", "T.int32(-3)"), (5,), (1,))


def test_the_row_is_multiplied_by_the_size_in_the_order_of_the_index() -> None:
    before = """
@T.prim_func
def main(a: T.handle, n: T.int32, m: T.int32):
    A = T.match_buffer(a, (n, m), "float32")
    for i, j in T.grid(n, m):
        A[i, j] = A[i, j] * T.float32(2)
"""
    made = applied(T.FlattenBuffer(), before)
    assert str(made.body.body.body.indices[0]) == "i * m + j"


@pytest.mark.parametrize(
    ("view", "size"),
    [("elem_offset=16, strides=[8, 2]", 31), ("strides=[2, 8]", 27), ("strides=[1, 1]", 5),
     ("elem_offset=3", 11)],
)  # fmt: skip
def test_a_view_is_as_long_as_its_offset_and_strides_reach(view: str, size: int) -> None:
    made = same_result(T.FlattenBuffer(), f"""
@T.prim_func
def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((2, 4), "float32")):
    V = T.Buffer((2, 4), "float32", data=A.data, {view})
    for i, j in T.grid(2, 4):
        B[i, j] = V[i, j] + V[0, j]
""", (4, 8), (2, 4))  # fmt: skip
    assert made.body.body.body.value.a.buffer.shape[0] == size
