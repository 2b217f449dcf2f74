"""Reductions across threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilewright.support.errors import CompileError
from tilewright.tir import BlockRealize, interpreter
from tilewright.tir import transform as T

from .cases import applied, check, same_result

SUM = """
@T.prim_func
def main(A: T.Buffer((4, 30), "float32"), B: T.Buffer((4,), "float32")):
    for i in T.thread_binding(4, thread="blockIdx.x"):
        for ko in range(4):
            for ki in T.thread_binding(8, thread="threadIdx.x"):
                with T.block("B"):
                    vi, vk = T.axis.S(4, i), T.axis.R(30, ko * 8 + ki)
                    T.where(ko * 8 + ki < 30)
                    with T.init():
                        B[vi] = T.float32(0)
                    B[vi] = B[vi] + A[vi, vk]
"""
REDUCED = """
@T.prim_func
def main(A: T.Buffer((4, 30), "float32"), B: T.Buffer((4,), "float32")):
    crossing = T.alloc_buffer((1,), strides=(1,), scope="local")
    partial = T.alloc_buffer((1,), strides=(1,), scope="local")
    for i in T.thread_binding(4, thread="blockIdx.x"):
        for ki in T.thread_binding(8, thread="threadIdx.x"):
            with T.block("B_in_thread_init"):
                partial[0] = T.float32(0)
            for ko in range(4):
                with T.block("B_in_thread"):
                    vi, vk = T.axis.S(4, i), T.axis.R(30, ko * 8 + ki)
                    T.where(ko * 8 + ki < 30)
                    T.reads(A[vi, vk])
                    T.writes(partial[0])
                    partial[0] = partial[0] + A[vi, vk]
            with T.block("B_cross_thread"):
                T.reads(partial[0])
                T.writes(crossing[0])
                T.attr(
                    T.comm_reducer(lambda x, y: x + y, [T.float32(0)]),
                    "reduce_scope", T.reinterpret("handle", T.uint64(0)),
                )
                T.tvm_thread_allreduce(T.uint32(1), partial[0], True, crossing[0], ki)
            with T.block("B_write_back"):
                vi = T.axis.S(4, i)
                T.where(ki == 0)
                B[vi] = crossing[0]
"""


RUNS = [
    T.LowerCrossThreadReduction(), T.PlanAndUpdateBufferAllocationLocation(),
    T.UnifyThreadBinding(),
]  # fmt: skip
"""Makes what the threads have for themselves theirs."""


def test_threads_reduce_their_parts_and_exchange_them() -> None:
    check(T.LowerCrossThreadReduction(), SUM, REDUCED)
    same_result(RUNS, SUM, (4, 30), (4,))


WHOLE = """
@T.prim_func
def main(A: T.Buffer((4, 32), "float32"), B: T.Buffer((4,), "float32")):
    for i in T.thread_binding(4, thread="blockIdx.x"):
        for kx in T.thread_binding(4, thread="threadIdx.x"):
            for ky in T.thread_binding(8, thread="threadIdx.y"):
                with T.block("B"):
                    vi, vk = T.axis.S(4, i), T.axis.R(32, kx * 8 + ky)
                    with T.init():
                        B[vi] = T.min_value("float32")
                    B[vi] = T.max(B[vi], A[vi, vk])
"""


def test_an_element_a_thread_needs_no_partial_result() -> None:
    check(T.LowerCrossThreadReduction(), WHOLE, """
@T.prim_func(check_well_formed=False)
def main(A: T.Buffer((4, 32), "float32"), B: T.Buffer((4,), "float32")):
    crossing = T.alloc_buffer((1,), strides=(1,), scope="local")
    for i in T.thread_binding(4, thread="blockIdx.x"):
        for kx in T.thread_binding(4, thread="threadIdx.x"):
            for ky in T.thread_binding(8, thread="threadIdx.y"):
                with T.block("B_cross_thread"):
                    vi, vk = T.axis.S(4, i), T.axis.R(32, kx * 8 + ky)
                    T.reads(A[vi, vk])
                    T.writes(crossing[0])
                    T.attr(
                        T.comm_reducer(lambda x, y: T.max(x, y), [T.min_value("float32")]),
                        "reduce_scope", T.reinterpret("handle", T.uint64(0)),
                    )
                    T.tvm_thread_allreduce(T.uint32(1), A[vi, vk], True, crossing[0], kx, ky)
                with T.block("B_write_back"):
                    vi = T.axis.S(4, i)
                    T.where(kx == 0 and ky == 0)
                    B[vi] = crossing[0]
""")  # fmt: skip
    same_result(RUNS, WHOLE, (4, 32), (4,))


ARGMAX = """
@T.prim_func
def main(val: T.Buffer((4, 16), "float32"), I: T.Buffer((4,), "int32"),
         V: T.Buffer((4,), "float32")):
    for i in T.thread_binding(4, thread="blockIdx.x"):
        for ko in range(4):
            for ki in T.thread_binding(4, thread="threadIdx.x"):
                with T.block("argmax"):
                    vi, vk = T.axis.S(4, i), T.axis.R(16, ko * 4 + ki)
                    with T.init():
                        I[vi] = -1
                        V[vi] = T.min_value("float32")
                    i_new: T.int32 = T.Select(V[vi] >= val[vi, vk], I[vi], vk)
                    v_new: T.float32 = T.Select(V[vi] >= val[vi, vk], V[vi], val[vi, vk])
                    I[vi] = i_new
                    V[vi] = v_new
"""


def test_a_largest_element_and_its_place() -> None:
    made = applied(RUNS, ARGMAX)
    text = made.script()
    assert (
        "T.tvm_thread_allreduce(T.uint32(2), in_thread_I[0], in_thread_V[0], T.bool(True), " in text
    )
    val = np.random.default_rng(0).permutation(64).reshape(4, 16).astype("float32")
    place, value = np.zeros(4, "int32"), np.zeros(4, "float32")
    interpreter.run(made, val, place, value)
    np.testing.assert_array_equal(place, val.argmax(1))
    np.testing.assert_array_equal(value, val.max(1))


KEPT = """
@T.prim_func
def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4,), "float32")):
    t = T.alloc_buffer((4,), scope="local")
    for i in range(4):
        for k in T.thread_binding(8, thread="threadIdx.x"):
            with T.block("sum"):
                vi, vk = T.axis.S(4, i), T.axis.R(8, k)
                with T.init():
                    t[vi] = T.float32(0)
                t[vi] = t[vi] + A[vi, vk]
        with T.block("add"):
            vi = T.axis.S(4, i)
            T.where(i < 3)
            B[vi] = t[vi] + T.float32(1)
"""


def test_a_result_of_each_thread_is_stored_by_one() -> None:
    text = applied(T.LowerCrossThreadReduction(), KEPT).script()
    result, user = text.split('T.block("sum_write_back")')[1].split("for tx in ")
    assert "T.where" not in result
    assert user.startswith('T.thread_binding(8, thread="threadIdx.x"):')
    assert "T.where(tx == 0 and i < 3)" in user


def test_a_condition_on_data_parallel_axes_stays_on_the_result() -> None:
    text = WHOLE.replace("with T.init", "T.where(i < 3)\n                    with T.init")
    same_result(RUNS, text, (4, 32), (4,))
    made = applied(T.LowerCrossThreadReduction(), text)
    assert "T.where(i < 3 and kx == 0 and ky == 0)" in made.script()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('T.thread_binding(8, thread="threadIdx.x")', "range(8)"),
        lambda text: text.replace(
            "with T.init():\n                        B[vi] = T.float32(0)", "T.evaluate(0)"
        ),
        lambda text: text.replace("ko * 8 + ki)", "ko * ki)"),
    ],
    ids=["no threads", "no init", "not affine"],
)
def test_other_blocks_stay(change: Any) -> None:
    text = change(SUM)
    check(T.LowerCrossThreadReduction(), text, text)


PAIRS = """
@T.prim_func
def main(K: T.Buffer((16,), "int32"), A: T.Buffer((16,), "float32"),
         P: T.Buffer((1,), "int32"), M: T.Buffer((1,), "float32")):
    for ko in range(2):
        for ki in T.thread_binding(8, thread="threadIdx.x"):
            with T.block("M"):
                k = T.axis.reduce(16, ko * 8 + ki)
                with T.init():
                    M[0] = T.float32(-1e30)
                    P[0] = 0
                place: T.int32 = T.Select(M[0] >= A[k], P[0], K[k])
                largest: T.float32 = T.Select(M[0] >= A[k], M[0], A[k])
                M[0] = largest
                P[0] = place
"""


def test_results_of_one_reduction_come_in_the_order_of_their_names() -> None:
    made = applied(T.LowerCrossThreadReduction(), PAIRS)
    assert isinstance(made.body, BlockRealize)
    crossing = made.body.block.alloc_buffers
    assert [b.name for b in crossing[:2]] == ["cross_thread_P", "cross_thread_M"]
    places = np.arange(16, dtype="int32")
    values = np.random.default_rng(0).normal(size=16).astype("float32")
    got = [np.zeros(1, "int32"), np.zeros(1, "float32")]
    interpreter.run(applied(RUNS, PAIRS), places, values, *got)
    assert got[0][0] == values.argmax() and got[1][0] == values.max()


def test_init_of_another_element_is_refused() -> None:
    refused(SUM.replace("B[vi] = T.float32", "B[3 - vi] = T.float32"), "other elements")


def refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        applied(T.LowerCrossThreadReduction(), text)


def test_what_cannot_be_lowered_is_refused() -> None:
    refused(SUM.replace("threadIdx.x", "blockIdx.y"), "its loop `ki` is bound to blockIdx.y")
    refused(SUM.replace("B[vi] + A", "B[vi] - A"), "block `B` cannot .*is not a sum, product")
    inner = SUM.replace("for i in T.thread_binding(4,", "for b in T.thread_binding(4,").replace(
        '                with T.block("B")',
        '              for i in range(4):\n                with T.block("B")',
    )  # fmt: skip
    refused(inner, "loop `i` lies within its loops")
    after = SUM + '                with T.block("C"):\n                    B[0] = A[0, 0]\n'
    after = after.replace("B[0] =", "D[0] =").replace("4,), ", "4,), ")
    after = after.replace('"float32")):', '"float32"), D: T.Buffer((1,), "float32")):', 1)
    refused(after, "block `C` comes after it in its loops")


ALLREDUCE = """
@T.prim_func
def main(A: T.Buffer((256,), "float32"), B: T.Buffer((256,), "float32")):
    T.func_attr({"target": T.target("cuda")})
    ty = T.launch_thread("threadIdx.y", 2)
    tx = T.launch_thread("threadIdx.x", 4)
    data = T.allocate([1], "float32", "local")
    r = T.decl_buffer((1,), data=data, scope="local")
    with T.attr(
        T.comm_reducer(lambda x, y: x + y, [T.float32(0)]),
        "reduce_scope", T.reinterpret("handle", T.uint64(0)),
    ):
        T.tvm_thread_allreduce(T.uint32(1), A[ty * 64 + tx], True, r[0], tx)
    B[ty * 64 + tx] = r[0]
"""
HEAD, TAIL = ALLREDUCE.split('    data = T.allocate([1], "float32", "local")')
OPERATION = TAIL[TAIL.index("    with T.attr") : TAIL.index("        T.tvm_thread")]


def test_a_part_of_a_warp_reduces_by_shuffles() -> None:
    check(T.LowerThreadAllreduce(), ALLREDUCE, HEAD + """
    data = T.allocate([1], "float32", "local")
    r = T.decl_buffer((1,), data=data, scope="local")
""" + OPERATION + """
        mask_data = T.allocate([1], "uint32", "local")
        mask = T.decl_buffer((1,), "uint32", data=mask_data, scope="local")
        t_data = T.allocate([1], "float32", "local")
        t = T.decl_buffer((1,), data=t_data, scope="local")
        r[0] = A[ty * 64 + tx]
        mask[0] = T.tvm_warp_activemask()
        t[0] = T.tvm_warp_shuffle_down(mask[0], r[0], 2, 32, 32)
        r[0] = r[0] + t[0]
        t[0] = T.tvm_warp_shuffle_down(mask[0], r[0], 1, 32, 32)
        r[0] = r[0] + t[0]
        r[0] = T.tvm_warp_shuffle(mask[0], r[0], 4 * ty, 32, 32)
    B[ty * 64 + tx] = r[0]
""")  # fmt: skip


def test_threads_that_are_no_neighbours_reduce_in_shared_memory() -> None:
    check(T.LowerThreadAllreduce(), ALLREDUCE.replace("r[0], tx)", "r[0], ty)"), HEAD + """
    data = T.allocate([8], "float32", "shared")
    T.attr(data, "volatile_scope", 1)
    r = T.decl_buffer((8,), data=data, scope="shared")
""" + OPERATION + """
        T.tvm_storage_sync("shared")
        r[tx * 2 + ty] = A[ty * 64 + tx]
        T.tvm_storage_sync("shared")
        if ty < 1:
            r[tx * 2 + ty] = r[tx * 2 + ty] + r[tx * 2 + ty + 1]
        T.tvm_storage_sync("shared")
    B[ty * 64 + tx] = r[tx * 2]
""")  # fmt: skip


def test_a_metal_target_needs_no_mask() -> None:
    text = applied(T.LowerThreadAllreduce(), ALLREDUCE.replace('"cuda"', '"metal"')).script()
    assert "mask" not in text and "T.tvm_warp_shuffle_down(0, red_buf0[0], 2, 16, 16)" in text


@pytest.mark.parametrize("kind", ["cuda", "vulkan"])
@pytest.mark.parametrize(
    ("rows", "columns", "axes"),
    [(2, 4, "tx"), (2, 4, "ty"), (2, 4, "tx, ty"), (1, 7, "tx"), (3, 5, "tx"), (2, 64, "tx"),
     (1, 96, "tx"), (16, 8, "tx, ty"), (3, 1, "tx")],
)  # fmt: skip
def test_all_threads_have_the_result(rows: int, columns: int, axes: str, kind: str) -> None:
    text = ALLREDUCE.replace('"cuda"', f'"{kind}"').replace("r[0], tx)", f"r[0], {axes})")
    text = text.replace('y", 2)', f'y", {rows})').replace('x", 4)', f'x", {columns})')
    text = text.replace("256", str(64 * 16 + 64))
    text = text.replace("B[", "B[").replace("True, r", "tx != 1, r")
    same_result(T.LowerThreadAllreduce(), text, (1088,), (1088,))


def test_values_stored_together_are_computed_before() -> None:
    text = ALLREDUCE.replace('    r = T.decl', '''    i_data = T.allocate([1], "int32", "local")
    i = T.decl_buffer((1,), "int32", data=i_data, scope="local")
    r = T.decl''')  # fmt: skip
    text = text.replace(
        "lambda x, y: x + y, [T.float32(0)]",
        """
        lambda x0, x1, y0, y1: (T.Select(x0 >= y0, x0, y0), T.Select(x0 >= y0, x1, y1)),
        [T.float32(-1), -1]""",
    ).replace(
        "T.uint32(1), A[ty * 64 + tx], True, r[0]",
        "T.uint32(2), A[ty * 64 + tx], tx, True, r[0], i[0]",
    )
    text = text.replace("= r[0]", '= r[0] * T.float32(10) + T.Cast("float32", i[0])')
    made = same_result(T.LowerThreadAllreduce(), text, (256,), (256,))
    assert "w1: T.int32 = T.Select(" in made.script()


def test_an_exchange_needs_a_target_and_threads() -> None:
    no_target = ALLREDUCE.replace('    T.func_attr({"target": T.target("cuda")})\n', "")
    with pytest.raises(CompileError, match="needs the target of the function"):
        applied(T.LowerThreadAllreduce(), no_target)
    with pytest.raises(CompileError, match=r"threadIdx\.x has an extent known only when run: n"):
        unknown = ALLREDUCE.replace('x", 4)', 'x", n)').replace("(A:", "(n: T.int32, A:")
        applied(T.LowerThreadAllreduce(), unknown)
    with pytest.raises(CompileError, match="`k` is no thread of the block"):
        other = ALLREDUCE.replace("r[0], tx)", "r[0], k)").replace("(A:", "(k: T.int32, A:")
        applied(T.LowerThreadAllreduce(), other)
    with pytest.raises(
        CompileError, match=r"stores to an element of allocated memory, found B\[0\]"
    ):
        applied(T.LowerThreadAllreduce(), ALLREDUCE.replace("r[0], tx)", "B[0], tx)"))


def test_a_schedule_lowers_all_the_way() -> None:
    """From a loop bound to threads to shuffles, each step with the same result."""
    passes = [
        *RUNS, T.LowerInitBlock(), T.ConvertBlocksToOpaque(),
        T.LowerOpaqueBlock(), T.FlattenBuffer(), T.LowerThreadAllreduce(),
    ]  # fmt: skip
    text = SUM.replace("    for i", '    T.func_attr({"target": T.target("cuda")})\n    for i', 1)
    made = same_result(passes, text, (4, 30), (4,))
    assert "tvm_warp_shuffle_down" in made.script()
