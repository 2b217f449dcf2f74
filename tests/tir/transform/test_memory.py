"""Shared memory merged, constants and contexts kept once, split indices."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.structural import structural_equal
from tilewright.script import from_source
from tilewright.target import Target
from tilewright.tir import Allocate, interpreter
from tilewright.tir import transform as T

from .cases import applied, calls, check, func_of, nodes, same_result

MERGED = """
@T.prim_func
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")):
    tx = T.launch_thread("threadIdx.x", 8)
    S_data = T.allocate([16], "float32", "SCOPE")
    S = T.decl_buffer((16,), data=S_data, scope="SCOPE")
    R_data = T.allocate([32], "float16", "SCOPE")
    R = T.decl_buffer((32,), "float16", data=R_data, scope="SCOPE")
    U_data = T.allocate([8], "float32", "SCOPE")
    U = T.decl_buffer((8,), data=U_data, scope="SCOPE")
    S[tx] = A[tx]
    R[tx] = T.Cast("float16", S[tx])
    B[tx] = T.Cast("float32", R[tx]) + T.float32(1)
    U[tx] = A[tx + 8]
    B[tx + 8] = U[tx] * T.float32(2)
"""


def test_memory_is_one_allocation_and_used_again() -> None:
    text = MERGED.replace("SCOPE", "shared.dyn")
    made = same_result(T.MergeSharedMemoryAllocations(), text, (64,), (64,))
    (allocate,) = nodes(made, Allocate)
    assert allocate.buffer_var.name == "buf_dyn_shmem" and allocate.dtype == "uint8"
    assert allocate.extents[0].value == 128


def test_memory_used_around_a_loop_lives_through_it() -> None:
    text = MERGED.replace("SCOPE", "shared.dyn").replace(
        "    S[tx] = A[tx]\n", "    for i in range(2):\n        S[tx] = A[tx]\n"
        "        U[tx] = S[tx]\n        S[tx] = U[tx] + T.float32(1)\n"
    )  # fmt: skip
    made = same_result(T.MergeSharedMemoryAllocations(), text, (64,), (64,))
    (allocate,) = nodes(made, Allocate)
    assert allocate.extents[0].value >= 64 + 32


COPIED = """
@T.prim_func
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")):
    S_data = T.allocate([64], "float32", "shared.dyn")
    R_data = T.allocate([64], "float32", "shared.dyn")
    tx = T.launch_thread("threadIdx.x", 64)
    T.evaluate(T.ptx_cp_async("float32", S_data, tx, A.data, tx, 4))
    WAIT
    T.evaluate(T.ptx_cp_async("float32", R_data, tx, B.data, tx, 4))
    T.call_extern("int32", "use", R_data)
"""


def test_memory_is_not_used_again_while_a_copy_to_it_goes_on() -> None:
    made = applied(T.MergeSharedMemoryAllocations(), COPIED.replace("WAIT", "")).script()
    assert 'T.allocate([512], "uint8", "shared.dyn")' in made
    assert "buf_dyn_shmem, tx * 4, A.data" in made
    assert "T.handle_add_byte_offset(buf_dyn_shmem, T.int64(256))" in made
    waits = COPIED.replace("WAIT", "T.evaluate(T.ptx_wait_group(0))")
    made = applied(T.MergeSharedMemoryAllocations(), waits).script()
    assert 'T.allocate([256], "uint8", "shared.dyn")' in made


def test_threads_wait_where_memory_may_be_used_again() -> None:
    own = """
@T.prim_func
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")):
    tx = T.launch_thread("threadIdx.x", 64)
    S_data = T.allocate([64], "float32", "SCOPE")
    S = T.decl_buffer((64,), data=S_data, scope="SCOPE")
    R_data = T.allocate([64], "float32", "SCOPE")
    R = T.decl_buffer((64,), data=R_data, scope="SCOPE")
    S[tx] = A[tx]
    B[tx] = S[tx]
    R[63 - tx] = B[tx]
    B[tx] = R[63 - tx]
"""
    for scope, barriers in (("shared", 0), ("shared.dyn", 1)):
        made = applied(T.ThreadSync(scope), own.replace("SCOPE", scope)).script()
        assert made.count("tvm_storage_sync") == barriers


def test_static_memory_is_merged_on_request() -> None:
    text = MERGED.replace("SCOPE", "shared")
    check(T.MergeSharedMemoryAllocations(), text, text)
    made = same_result(T.MergeSharedMemoryAllocations(), text, (64,), (64,), merge_static_smem=True)
    assert len(nodes(made, Allocate)) == 1


def test_memory_of_unknown_size_lies_behind() -> None:
    text = MERGED.replace("SCOPE", "shared.dyn").replace(
        'B: T.Buffer((64,), "float32"))', 'B: T.Buffer((64,), "float32"), n: T.int32)'
    )
    text = text.replace("T.allocate([8]", "T.allocate([n]").replace(
        "decl_buffer((8,)", "decl_buffer((n,)"
    )
    made = applied(T.MergeSharedMemoryAllocations(), text)
    a, b = np.arange(64, dtype="float32"), np.zeros(64, "float32")
    interpreter.run(made, a, b, 8)
    np.testing.assert_array_equal(b[8:16], a[8:16] * 2)


def test_equal_constants_stand_once_in_the_module() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((2,), "int32")):
    c_data = T.allocate_const([5, 6], "int32", [2])
    c = T.decl_buffer((2,), "int32", data=c_data)
    A[0] = c[1]
"""
    mod = IRModule({"main": func_of(text), "other": func_of(text)})
    made = T.ExtractPrimFuncConstants()(mod)
    assert [data.numpy().tolist() for data in made.attrs["constants"]] == [[5, 6]]
    assert structural_equal(from_source(made.script(show_meta=True)), made)
    for name in ("main", "other"):
        (node,) = nodes(made[name], tir.AllocateConst)
        assert node.irmod_storage_idx == 0 and node.data.numpy().tolist() == [5, 6]


def test_equal_contexts_are_asked_for_once() -> None:
    n = tir.Var("n", "int32")

    def use(name: str) -> tir.Stmt:
        context = tir.Call("int32", "tir.tvm_thread_context", (n * 2,))
        return tir.Evaluate(tir.call_extern("int32", name, context))

    func = tir.PrimFunc((n,), tir.SeqStmt((use("f"), use("g"))))
    assert T.CombineContextCall()(IRModule({"main": func}))["main"] is func
    func = func.with_attr("target", Target("llvm"))
    let = T.CombineContextCall()(IRModule({"main": func}))["main"].body
    assert isinstance(let, tir.LetStmt)
    assert all(stmt.value.args[1] is let.var for stmt in let.body)


SPLIT = """
@T.prim_func
def main(A: T.Buffer((256,), "int32")):
    for i, j in T.grid(64, 4):
        A[i * 4 + j] = EXPR
"""


def test_split_indices_are_told_apart() -> None:
    for before, after in (
        ("(i * 4 + j) // 16", "i // 4"),
        ("(i * 4 + j) % 16", "i % 4 * 4 + j"),
        ("(i * 4) // 16", "i // 4"),
        ("(i * 4 + j) // 3", "(i * 4 + j) // 3"),
    ):
        check(
            T.RenormalizeSplitPattern(), SPLIT.replace("EXPR", before), SPLIT.replace("EXPR", after)
        )


ALIGNED = """
@T.prim_func
def main(A: T.Buffer((16, 16), "float32"), C: T.Buffer((16, 16), "float32")):
    for i, k in T.grid(4, 2):
        with T.block("around"):
            T.reads(A[i * 4 : i * 4 + 4, 0:16])
            T.writes(C[i * 4 : i * 4 + 4, 0:16])
            D = T.alloc_buffer((SHAPE), STRIDESscope="shared")
            for x, y in T.grid(4, 8):
                with T.block("copy"):
                    T.reads(A[i * 4 + x, k * 8 + y])
                    T.writes(D[ROW, COLUMN])
                    T.block_attr({"buffer_dim_align": [[0, 0, 8, 4]]})
                    D[ROW, COLUMN] = A[i * 4 + x, k * 8 + y]
            for x, y in T.grid(4, 8):
                with T.block("use"):
                    T.reads(D[ROW, COLUMN])
                    T.writes(C[i * 4 + x, k * 8 + y])
                    C[i * 4 + x, k * 8 + y] = D[ROW, COLUMN]
"""


def test_rows_of_a_compact_buffer_are_aligned_as_asked() -> None:
    before = ALIGNED.replace("SHAPE", "16, 16").replace("STRIDES", "")
    before = before.replace("ROW", "i * 4 + x").replace("COLUMN", "k * 8 + y")
    after = ALIGNED.replace("SHAPE", "4, 8").replace("STRIDES", "strides=(12, 1), ")
    after = after.replace("ROW", "i * 4 + x - i * 4").replace("COLUMN", "k * 8 + y - k * 8")
    check(T.CompactBufferAllocation(), before, after)
    same_result(T.CompactBufferAllocation(), before, (16, 16), (16, 16))
    lowering = [T.CompactBufferAllocation(), T.ConvertBlocksToOpaque(), T.LowerOpaqueBlock()]
    made = same_result(lowering, before, (16, 16), (16, 16))
    assert "T.allocate([4, 12]" in made.script()
    flat = same_result([*lowering, T.FlattenBuffer()], before, (16, 16), (16, 16))
    assert "T.allocate([48]" in flat.script()


def test_a_buffer_of_symbolic_size_is_not_given_the_most_that_its_type_allows() -> None:
    before = """
@T.prim_func
def main(x: T.handle, y: T.handle):
    n = T.int32()
    X = T.match_buffer(x, (n,), "float32")
    Y = T.match_buffer(y, (n,), "float32")
    B = T.alloc_buffer(((n + 1) // 2, 2), "float32")
    for i in range(n):
        with T.block("first"):
            T.reads(X[i])
            T.writes(B[i // 2, i % 2])
            B[i // 2, i % 2] = X[i]
    for i in range(n):
        with T.block("second"):
            T.reads(B[i // 2, i % 2])
            T.writes(Y[i])
            Y[i] = B[i // 2, i % 2]
"""
    check(T.CompactBufferAllocation(), before, before)


TILE = """
@T.prim_func
def main(A: T.Buffer((16, 16), "float32"), C: T.Buffer((16, 16), "float32")):
    for t in T.thread_binding(4, thread="threadIdx.x"):
        with T.block("root"):
            T.reads(A[0:16, 0:16])
            T.writes(C[0:16, 0:16])
            B = T.alloc_buffer((16, 16), "float32", scope="SCOPE")
            for i, j in T.grid(2, 16):
                B[t * 2 + i, j] = A[t * 2 + i, j]
            for i, j in T.grid(2, 16):
                C[t * 2 + i, j] = B[t * 2 + i, j]
"""


def _allocated(func: tir.PrimFunc) -> list[tir.Buffer]:
    return [buffer for block in nodes(func, tir.Block) for buffer in block.alloc_buffers]


@pytest.mark.parametrize(
    ("scope", "rows"), [("local", 2), ("shared", 8), ("warp", 8), ("global", 8)]
)
def test_what_threads_share_holds_what_all_of_them_touch(scope: str, rows: int) -> None:
    text = TILE.replace("SCOPE", scope)
    (buffer,) = _allocated(applied(T.CompactBufferAllocation(), text))
    assert [d.value for d in buffer.shape] == [rows, 16]
    flat = applied([T.LowerOpaqueBlock(), T.CompactBufferAllocation()], text)
    (allocate,) = nodes(flat, tir.Allocate)
    assert [d.value for d in allocate.extents] == [rows, 16]


def test_buffers_grow_only_where_that_is_asked_for() -> None:
    text = TILE.replace("SCOPE", "local").replace("alloc_buffer((16, 16)", "alloc_buffer((1, 16)")
    for is_strict, rows in ((True, 1), (False, 2)):
        made = applied(T.CompactBufferAllocation(is_strict), text)
        (buffer,) = _allocated(made)
        assert buffer.shape[0].value == rows


def test_two_views_of_memory_are_not_compacted() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((8,), "int32")):
    data = T.allocate([64], "int32", "global")
    B = T.decl_buffer((64,), "int32", data=data)
    C = T.decl_buffer((32,), "float32", data=data)
    B[0] = A[0]
    C[1] = C[0]
"""
    check(T.CompactBufferAllocation(), text, text)


def test_regions_and_memory_become_flat_and_declarations_go() -> None:
    before = """
@T.prim_func
def main(A: T.Buffer((4, 8), "float32")):
    for i in range(4):
        with T.block("b"):
            vi = T.axis.spatial(4, i)
            T.reads(A[vi, 0:8])
            T.writes(A[0:4, vi])
            data = T.allocate([2, 3, 5], "float32", "global")
            B = T.decl_buffer((2, 3, 5), data=data, axis_separators=[2])
            B[vi % 2, 1, 2] = A[vi, 1]
            A[vi, vi] = B[vi % 2, 1, 2]
"""
    after = """
@T.prim_func
def main(A: T.Buffer((4, 8), "float32")):
    A_flat = T.Buffer((32,), "float32", data=A.data)
    for i in range(4):
        with T.block("b"):
            vi = T.axis.spatial(4, i)
            T.reads(A_flat[vi * 8:vi * 8 + 8])
            T.writes(A_flat[vi:vi + 25])
            data = T.allocate([6, 5], "float32", "global")
            B = T.Buffer((6, 5), data=data, axis_separators=[1])
            B[vi % 2 * 3 + 1, 2] = A_flat[vi * 8 + 1]
            A_flat[vi * 9] = B[vi % 2 * 3 + 1, 2]
"""
    check(T.FlattenBuffer(), before, after)


def test_what_a_condition_leaves_of_scaled_indices_is_enough_for_each_image() -> None:
    """Vectors of the last axis reach over the end, `2 * (8 * i + j)` too: the condition says not
    to."""
    func = func_of("""
@T.prim_func
def main(A: T.Buffer((6, 23), "float32"), B: T.Buffer((6, 11), "float32")):
    wide = T.alloc_buffer((6, 23))
    for c in range(6):
        for x in range(23):
            with T.block("wide"):
                vc, vx = T.axis.remap("SS", [c, x])
                wide[vc, vx] = A[vc, vx]
        for i, j, r in T.grid(2, 8, 3):
            with T.block("pool"):
                T.where(i * 8 + j < 11)
                vc, vx = T.axis.spatial(6, c), T.axis.spatial(11, i * 8 + j)
                vr = T.axis.reduce(3, r)
                with T.init():
                    B[vc, vx] = T.float32(0)
                B[vc, vx] = T.max(B[vc, vx], wide[vc, vx * 2 + vr])
""")
    module = IRModule({"main": func})
    for step in (
        T.LowerInitBlock(), T.PlanAndUpdateBufferAllocationLocation(), T.ConvertBlocksToOpaque(),
        T.CompactBufferAllocation(),
    ):  # fmt: skip
        module = step(module)
    (wide,) = _allocated(module["main"])
    assert [d.value for d in wide.shape] == [1, 23]


CARRIED = """
@T.prim_func
def main(A: T.Buffer((8, 8), "int32"), B: T.Buffer((8, 8), "int32")):
    last = T.alloc_buffer((8, 8), "int32")
    for i, j in T.grid(8, 8):
        with T.block("keep"):
            vi, vj = T.axis.remap("SS", [i, j])
            last[vi, vj] = A[vi, vj]
        with T.block("add"):
            vi = T.axis.spatial(8, i)
            vj = T.axis.opaque(8, j)
            T.reads(last[vi, vj - 1:vj + 1])
            T.writes(B[vi, vj])
            B[vi, vj] = last[vi, vj] + T.if_then_else(0 < vj, last[vi, vj - 1], 0)
"""


def test_memory_lives_outside_of_the_loops_of_ordered_axes() -> None:
    check(T.PlanAndUpdateBufferAllocationLocation(), CARRIED, """
@T.prim_func
def main(A: T.Buffer((8, 8), "int32"), B: T.Buffer((8, 8), "int32")):
    for i in range(8):
        with T.block(""):
            T.reads(A[i, 0:8])
            T.writes(B[i, 0:8])
            last = T.alloc_buffer((8, 8), "int32")
            for j in range(8):
                with T.block("keep"):
                    vi, vj = T.axis.remap("SS", [i, j])
                    last[vi, vj] = A[vi, vj]
                with T.block("add"):
                    vi = T.axis.spatial(8, i)
                    vj = T.axis.opaque(8, j)
                    T.reads(last[vi, vj - 1:vj + 1])
                    T.writes(B[vi, vj])
                    B[vi, vj] = last[vi, vj] + T.if_then_else(0 < vj, last[vi, vj - 1], 0)
""")  # fmt: skip


def test_memory_of_a_block_lives_in_it_and_is_not_declared_around_it() -> None:
    within = """
@T.prim_func
def main(A: T.Buffer((64,)), B: T.Buffer((64,))):
    OUTSIDE
    for i in range(8):
        with T.block("step"):
            vi = T.axis.spatial(8, i)
            T.reads(A[vi * 8:vi * 8 + 8]READ)
            T.writes(B[vi * 8:vi * 8 + 8]WRITTEN)
            INSIDE
            for j in range(8):
                copy[vi * 8 + j] = A[vi * 8 + j]
            for j in range(8):
                B[vi * 8 + j] = copy[vi * 8 + j]
"""
    alloc, region = "copy = T.alloc_buffer((64,))", ", copy[vi * 8:vi * 8 + 8]"
    before = within.replace("OUTSIDE", alloc).replace("INSIDE", "")
    after = within.replace("OUTSIDE", "").replace("INSIDE", alloc)
    check(
        T.PlanAndUpdateBufferAllocationLocation(),
        before.replace("READ", region).replace("WRITTEN", region),
        after.replace("READ", "").replace("WRITTEN", ""),
    )


def test_a_block_without_axes_keeps_what_its_runs_pass_on() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((8,)), B: T.Buffer((8,))):
    total = T.alloc_buffer((1,))
    for i in range(8):
        with T.block("step"):
            T.reads(A[i], total[0])
            T.writes(B[i], total[0])
            if i == 0:
                total[0] = T.float32(0)
            else:
                total[0] = total[0] + A[i]
            B[i] = total[0]
"""
    check(T.PlanAndUpdateBufferAllocationLocation(), text, text)


def test_memory_that_nothing_is_written_to_is_where_it_is_read() -> None:
    text = """
@T.prim_func
def main(B: T.Buffer((8,))):
    never = T.alloc_buffer((8,))
    for i in range(8):
        with T.block("step"):
            T.reads(never[i])
            T.writes(B[i])
            B[i] = never[i]
"""
    made = applied(T.PlanAndUpdateBufferAllocationLocation(), text)
    assert [len(block.alloc_buffers) for block in nodes(made, tir.Block)] == [1, 0]


def test_weights_come_in_the_layout_in_which_they_are_used() -> None:
    check(T.RemoveWeightLayoutRewriteBlock(), """
@T.prim_func
def main(W: T.Buffer((4, 4)), B: T.Buffer((4,))):
    packed = T.alloc_buffer((2, 4, 2))
    for i, j in T.grid(4, 4):
        with T.block("pack"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.block_attr({"meta_schedule.layout_rewrite_preproc": True})
            packed[vi // 2, vj, vi % 2] = W[vi, vj]
    for j in range(4):
        with T.block("use"):
            vj = T.axis.spatial(4, j)
            B[vj] = packed[0, vj, 1]
""", """
@T.prim_func
def main(W: T.Buffer((2, 4, 2)), B: T.Buffer((4,))):
    for i, j in T.grid(4, 4):
        with T.block("pack"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.reads()
            T.writes()
            T.block_attr({"meta_schedule.layout_rewrite_preproc": True})
            T.evaluate(0)
    for j in range(4):
        with T.block("use"):
            vj = T.axis.spatial(4, j)
            B[vj] = W[0, vj, 1]
""")  # fmt: skip


def test_vectors_of_virtual_threads_stay_ramps() -> None:
    text = applied(
        T.InjectVirtualThread(),
        """
@T.prim_func
def main():
    v = T.launch_thread("vthread", 2)
    B = T.decl_buffer((4,), "int32", scope="shared")
    B[0:4] = T.broadcast(v, 4)
""",
    ).script()
    assert "[T.Mul(1, 4):T.Mul(1, 4) + 4] = T.Broadcast(1, 4)" in text


def test_memory_stays_outside_of_a_block_that_asks_for_its_strides() -> None:
    func = func_of("""
@T.prim_func
def main(A: T.Buffer((4, 8)), B: T.Buffer((4, 8))):
    near = T.alloc_buffer((4, 8))
    with T.block("both"):
        T.reads(A[0:4, 0:8])
        T.writes(near[0:4, 0:8], B[0:4, 0:8])
        T.block_attr({"buffer_dim_align": [[0, 0, 16, 1]]})
        for i, j in T.grid(4, 8):
            near[i, j] = A[i, j]
        for i, j in T.grid(4, 8):
            B[i, j] = near[i, j]
""")
    module = IRModule({"main": func})
    for step in (
        T.PlanAndUpdateBufferAllocationLocation(), T.ConvertBlocksToOpaque(),
        T.CompactBufferAllocation(),
    ):  # fmt: skip
        module = step(module)
    (near,) = _allocated(module["main"])
    assert [s.value for s in near.strides] == [17, 1]


def test_memory_written_in_some_runs_only_lives_outside_of_them() -> None:
    """The second block reads in each iteration of `i` what the first one wrote in one of them."""
    func = func_of("""
@T.prim_func
def main(A: T.Buffer((10,)), B: T.Buffer((10,))):
    near = T.alloc_buffer((10,))
    for i, j, u, k in T.grid(4, 5, 1, 2):
        with T.block("near"):
            v = T.axis.spatial(10, i * 2 + j * 2 + u * 2 + k)
            T.where(i + u < 1)
            near[v] = A[v]
        with T.block("out"):
            v = T.axis.spatial(10, i * 2 + j * 2 + u * 2 + k)
            T.where(i * 2 + j * 2 + u * 2 + k < 10)
            B[v] = near[v]
""")
    made = T.PlanAndUpdateBufferAllocationLocation()(IRModule({"main": func}))["main"]
    assert [b.name for b in made.body.block.alloc_buffers] == ["near"]


def test_places_of_copies_count_from_the_beginning_of_the_merged_memory() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")):
    tx = T.launch_thread("threadIdx.x", 8)
    S_data = T.allocate([64], "float32", "shared.dyn")
    R_data = T.allocate([64], "float32", "shared.dyn")
    T.ptx_cp_async("float32", S_data, tx, A.data, tx, 16)
    T.ptx_cp_async("float32", R_data, tx, B.data, tx, 16)
"""
    made = applied(T.MergeSharedMemoryAllocations(), text)
    places = [str(call.args[1]) for call in calls(made, "ptx_cp_async")]
    assert places == ["tx * 4", "(64 + tx) * 4"]
