"""Virtual threads and double buffers."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.support.errors import CompileError
from tilewright.tir import Allocate, DeclBuffer, For, interpreter
from tilewright.tir import transform as T

from .cases import applied, check, func_of, nodes, same_result

VIRTUAL = """
@T.prim_func
def main(A: T.Buffer((COUNT * 4,), "float32"), C: T.Buffer((COUNT * 4,), "float32")):
    vt = T.env_thread("vthread")
    for i in range(4):
        T.attr(vt, "virtual_thread", COUNT)
        B_data = T.allocate([4], "float32", "local")
        B = T.decl_buffer((4,), data=B_data, scope="local")
        B[i] = A[i * COUNT + vt]
        C[i * COUNT + vt] = B[i] + T.float32(1)
"""


def virtual(count: int) -> str:
    return VIRTUAL.replace("COUNT", str(count))


def test_threads_have_memory_of_their_own_and_take_turns() -> None:
    check(
        [T.InjectVirtualThread(), T.Simplify()],
        virtual(2),
        """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), C: T.Buffer((8,), "float32")):
    for i in range(4):
        B_data = T.allocate([8], "float32", "local")
        B = T.decl_buffer((8,), data=B_data, scope="local")
        B[i] = A[i * 2]
        B[i + 4] = A[i * 2 + 1]
        C[i * 2] = B[i] + T.float32(1)
        C[i * 2 + 1] = B[i + 4] + T.float32(1)
""",
    )


def test_many_threads_run_in_a_loop() -> None:
    made = same_result(T.InjectVirtualThread(), virtual(20), (80,), (80,))
    assert len(nodes(made, For)) == 3


def test_what_is_the_same_for_all_threads_is_done_once() -> None:
    text = virtual(2).replace("A[i * 2 + vt]", "A[i]").replace("C[i * 2 + vt]", "C[i + vt]")
    made = same_result([T.InjectVirtualThread(), T.Simplify()], text, (8,), (8,))
    (allocate,) = nodes(made, Allocate)
    assert allocate.extents[0].value == 4


def test_conditions_by_thread_keep_their_branch() -> None:
    text = virtual(2).replace(
        "        B[i] = A[i * 2 + vt]",
        "        B[i] = A[i]\n        if vt > 0:\n            B[i] = A[1]",
    )
    same_result([T.InjectVirtualThread(), T.Simplify()], text, (8,), (8,))


DOUBLE = """
@T.prim_func
def main(A: T.Buffer((40,), "float32"), C: T.Buffer((COUNT, 4), "float32")):
    for i in range(COUNT):
        B_data = T.allocate([4], "float32", "shared")
        B = T.decl_buffer((4,), data=B_data, scope="shared")
        with T.attr(B_data, "double_buffer_scope", 1):
            for j in range(4):
                B[j] = A[i * 4 + j]
        for j in range(4):
            C[i, j] = B[j] + T.float32(1)
"""


def test_a_double_buffer_is_filled_one_iteration_ahead() -> None:
    check(
        [T.InjectDoubleBuffer(), T.Simplify()],
        DOUBLE.replace("COUNT", "10"),
        """
@T.prim_func
def main(A: T.Buffer((40,), "float32"), C: T.Buffer((10, 4), "float32")):
    B_data = T.allocate([8], "float32", "shared")
    B = T.decl_buffer((8,), data=B_data, scope="shared")
    for j in range(4):
        B[j] = A[j]
    for i in range(9):
        with T.attr(B_data, "double_buffer_write", 1):
            for j in range(4):
                B[(i + 1) % 2 * 4 + j] = A[i * 4 + j + 4]
        for j in range(4):
            C[i, j] = B[i % 2 * 4 + j] + T.float32(1)
    for j in range(4):
        C[9, j] = B[j + 4] + T.float32(1)
""",
    )


SHARING = """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), C: T.Buffer((8,), "float32")):
    t = T.launch_thread("TAG", 2)
    B_data = T.allocate([4], "float32", "shared")
    B = T.Buffer((4,), data=B_data, scope="shared")
    D_data = T.allocate([4], "float32", "shared")
    D = T.Buffer((4,), data=D_data, scope="shared")
    B[0] = A[t]
    D[0] = A[0]
    T.evaluate(T.call_extern("int32", "f", D.access_ptr("r"), t))
    C[t] = B[0] + D[0]
"""


def test_virtual_threads_share_what_is_the_same_for_all() -> None:
    made = applied(T.InjectVirtualThread(), SHARING.replace("TAG", "vthread"))
    sizes = [allocate.extents[0].value for allocate in nodes(made, Allocate)]
    assert sorted(sizes) == [4, 8]
    assert 'T.launch_thread("vthread", 2)' in func_of(SHARING.replace("TAG", "vthread")).script()
    assert func_of(SHARING.replace("TAG", "vthread")).body.attr_key == "virtual_thread"


@pytest.mark.parametrize("count", [1, 2, 5, 10])
@pytest.mark.parametrize("split", [0, 1, 2, 4])
def test_halves_take_turns(count: int, split: int) -> None:
    text = DOUBLE.replace("COUNT", str(count))
    options = {"InjectDoubleBuffer": {"split_loop": split}}
    passes = [T.InjectDoubleBuffer(), T.Simplify()]
    made = same_result(passes, text, (40,), (count, 4), **options)
    (allocate,) = nodes(made, Allocate)
    assert allocate.extents[0].value == 8


def test_views_of_halves_are_declared_where_those_of_the_whole_were() -> None:
    text = DOUBLE.replace("COUNT", "10")
    plain = text.replace("decl_buffer", "Buffer")
    for before, count in ((text, 1), (plain, 0)):
        assert len(nodes(func_of(before), DeclBuffer)) == count
        assert len(nodes(applied(T.InjectDoubleBuffer(), before), DeclBuffer)) == count


def test_the_loop_is_split_by_even_numbers() -> None:
    with pytest.raises(CompileError, match="`split_loop` is 3"):
        applied(
            T.InjectDoubleBuffer(), DOUBLE.replace("COUNT", "9"),
            InjectDoubleBuffer={"split_loop": 3},
        )  # fmt: skip


def test_threads_of_a_block_meet_at_barriers() -> None:
    func = func_of("""
@T.prim_func
def main(A: T.Buffer((8,), "float32"), C: T.Buffer((8,), "float32")):
    tx = T.launch_thread("threadIdx.x", 8)
    S_data = T.allocate([8], "float32", "shared")
    S = T.decl_buffer((8,), data=S_data, scope="shared")
    S[tx] = A[tx]
    T.tvm_storage_sync("shared")
    C[tx] = S[7 - tx]
""")
    a, c = np.arange(8, dtype="float32"), np.zeros(8, "float32")
    interpreter.run(func, a, c)
    assert list(c) == list(a[::-1])
