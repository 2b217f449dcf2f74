"""Each pass of TensorIR, alone, on a script in which it does something: `tilewright opt -p NAME`.

A row is the pass as the command line takes it, the parameters and the body of a function, what the
result says that the script did not, and what it no longer says.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from click.testing import CliRunner

from tilewright.cli.main import main
from tilewright.tir import transform


class Row(NamedTuple):
    """A pass, a script, and what the pass makes of it."""

    passes: str
    params: str
    body: str
    gained: str
    lost: str = ""
    config: tuple[str, ...] = ()


ARRAY = 'A: T.Buffer((16,), "float32")'
MATRIX = 'A: T.Buffer((16, 16), "float32")'
GPU = 'T.func_attr({"target": T.target({"kind": "cuda", "host": {"kind": "llvm"}})})\n'
CPU = 'T.func_attr({"target": T.target("llvm"), "global_symbol": "main"})\n'
THREADS = 't = T.launch_thread("threadIdx.x", 16)\n'
SHARED = (
    'S_data = T.allocate([16], "float32", "shared")\n'
    'S = T.Buffer((16,), data=S_data, scope="shared")\n'
)
LOOP = "for i in range(16):\n    A[i] = A[i] + T.float32(1)"
BLOCK = """
for i, j in T.grid(16, 16):
    with T.block("b"):
        vi, vj = T.axis.remap("SR", [i, j])
        with T.init():
            C[vi] = T.float32(0)
        C[vi] = C[vi] + A[vi, vj]
"""
SUM = f'{MATRIX}, C: T.Buffer((16,), "float32")'
OPAQUE = """
for i in range(16):
    with T.block(""):
        T.reads(A[i])
        T.writes(A[i])
        B = T.alloc_buffer((16,), "float32")
        B[i] = A[i]
        A[i] = B[i] + T.float32(1)
"""
BRANCH = "for i, j in T.grid(4, 4):\n    if i < n:\n        A[i * 4 + j] = T.float32(1)"
ASSUMED = "for i in range(16):\n    T.assume(i < 14 or A[i] == T.float32(0))\n"
COPY = """
with T.block("o"):
    T.reads(A[0:16, 0:16])
    T.writes()
    S = T.alloc_buffer((16, 16), scope="shared")
    with T.block("copy"):
        T.reads(A[0:16, 0:16])
        T.writes(S[0:16, 0:16])
        T.block_attr({MARK})
        for i, j in T.grid(16, 16):
            S[i, j] = A[i, j]
"""

ROWS = [
    Row("BindTarget(llvm)", ARRAY, LOOP, '"target": T.target('),
    Row("AnnotateEntryFunc", ARRAY, LOOP, '"tir.is_entry_func": True'),
    Row("Simplify", ARRAY, "A[0 * 3 + 2 % 4] = A[T.min(3, 5)]", "A[2] = A[3]", "T.min"),
    Row(
        "LoopPartition",
        ARRAY,
        "for i in range(16):\n    if T.likely(i < 12):\n        A[i] = T.float32(1)",
        "range(12)",
        "",
        ("tir.LoopPartition.partition_const_loop=1",),
    ),
    Row("VectorizeLoop", ARRAY, LOOP.replace("range", "T.vectorized"), "A[0:16]", "T.vectorized"),
    Row("UnrollLoop", ARRAY, LOOP.replace("range(16)", "T.unroll(2)"), "A[1] = A[1]", "T.unroll"),
    Row(
        "InjectVirtualThread",
        ARRAY,
        't = T.launch_thread("vthread", 2)\nA[t] = T.float32(1)',
        "A[1] = T.float32(1.0)",
        "vthread",
    ),
    Row(
        "InjectDoubleBuffer",
        ARRAY,
        'for i in range(4):\n    B_data = T.allocate([4], "float32", "shared")\n'
        '    B = T.Buffer((4,), data=B_data, scope="shared")\n'
        '    with T.attr(B_data, "double_buffer_scope", 1):\n        B[0] = A[i]\n    A[i] = B[0]',
        'T.Buffer((8,), data=B_data, scope="shared")',
        "double_buffer_scope",
    ),
    Row(
        "InjectRollingBuffer",
        ARRAY,
        "for i in range(8):\n    B = T.Buffer((16,))\n    T.realize(B[i:i + 3])\n"
        '    with T.attr(B, "rolling_buffer_scope", True):\n        for x in range(3):\n'
        "            B[i + x] = A[i + x]\n    A[i] = B[i]",
        "% 3",
        "rolling_buffer_scope",
    ),
    Row(
        "InjectSoftwarePipeline",
        ARRAY,
        'for i in T.serial(16, annotations={"software_pipeline_stage": [0, 1], '
        '"software_pipeline_order": [0, 1]}):\n    with T.block("c"):\n        T.reads(A[i])\n'
        "        T.writes(A[i])\n        B = T.alloc_buffer((1,))\n"
        '        with T.block("x"):\n            B[0] = A[i]\n'
        '        with T.block("y"):\n            A[i] = B[0]',
        "T.alloc_buffer((2, 1))",
        "software_pipeline_stage",
    ),
    Row(
        "InjectPermutedLayout",
        'A: T.Buffer((16, 32), "float32")',
        COPY.replace("MARK", '"permuted_layout": True')
        .replace("16, 16", "16, 32")
        .replace("0:16, 0:16", "0:16, 0:32"),
        "T.bitwise_xor",
        "permuted_layout",
    ),
    Row(
        "InjectPTXAsyncCopy",
        ARRAY,
        THREADS + SHARED + 'T.attr(0, "async_scope", 1)\nS[t] = A[t]',
        "T.ptx_cp_async(",
        "async_scope",
    ),
    Row(
        "InjectPTXLDG32",
        ARRAY,
        GPU + THREADS + 'B_data = T.allocate([16], "float32", "local")\n'
        'B = T.Buffer((16,), data=B_data, scope="local")\n'
        "B[t] = T.if_then_else(t < 3, A[t], T.float32(0))",
        "T.ptx_ldg32(",
        "T.if_then_else",
    ),
    Row(
        "StorageRewrite",
        ARRAY,
        'x = T.allocate([16], "float32", "global")\ny = T.allocate([16], "float32", "global")\n'
        "X = T.Buffer((16,), data=x)\nY = T.Buffer((16,), data=y)\n"
        "X[0] = A[0]\nA[1] = X[0]\nY[0] = A[1]\nA[2] = Y[0]",
        "x = T.allocate",
        "y = T.allocate",
    ),
    Row(
        "PointerValueTypeRewrite",
        ARRAY,
        'b = T.allocate([16], "float32", "global")\nB = T.Buffer((16,), data=b)\n'
        "B[0:4:1] = T.Broadcast(T.float32(0), 4)\nA[0:4:1] = B[0:4:1]",
        '"float32x4"',
    ),
    Row(
        "ReduceBranchingThroughOvercompute",
        f'{ARRAY}, B: T.Buffer((16,), "float32")',
        f"{ASSUMED}for i in range(16):\n    if i < 14:\n        B[i] = A[i]\n    else:\n"
        "        B[i] = T.float32(0)",
        "B[i] = A[i]",
        "if i < 14",
    ),
    Row(
        "UseAssumeToReduceBranches",
        f'{ARRAY}, B: T.Buffer((16,), "float32")',
        f"{ASSUMED}for i in range(16):\n"
        "    B[i] = T.if_then_else(i < 14, A[i] + A[i], T.float32(0))",
        "B[i] = A[i] + A[i]",
        "T.if_then_else",
    ),
    Row(
        "RemoveNoOp",
        ARRAY,
        "T.evaluate(0)\nfor i in range(16):\n    T.evaluate(0)\n" + LOOP,
        "A[i]",
        "T.evaluate",
    ),
    Row(
        "RemoveAssume",
        ARRAY,
        "T.evaluate(T.assume(A[0] > T.float32(0)))\nA[1] = A[0]",
        "A[1]",
        "assume",
    ),
    Row(
        "RemoveStoreUndef",
        'A: T.Buffer((16,), "int32")',
        'A[0] = T.undef(dtype="int32")\nA[1] = 2',
        "A[1]",
        "undef",
    ),
    Row(
        "RewriteUnsafeSelect",
        ARRAY + ", n: T.int32",
        "A[0] = T.Select(n < 16, A[n], T.float32(0))",
        "T.if_then_else",
        "T.Select",
    ),
    Row(
        "BF16ComputeLegalize",
        'A: T.Buffer((16,), "bfloat16")',
        "A[0] = A[1] + A[2]",
        'T.Cast("bfloat16", T.Cast("float32", A[1]) + T.Cast("float32", A[2]))',
    ),
    Row(
        "BF16StorageLegalize",
        'a: T.handle("bfloat16")',
        'A = T.decl_buffer((16,), "bfloat16", data=a)\nA[0] = A[1]',
        '"uint16"',
        "bfloat16",
    ),
    Row(
        "FP8ComputeLegalize",
        'A: T.Buffer((16,), "float8_e4m3fn")',
        "A[0] = A[1] + A[2]",
        'T.Cast("float32", A[1])',
    ),
    Row(
        "FP8StorageLegalize",
        'a: T.handle("float8_e4m3fn")',
        'A = T.decl_buffer((16,), "float8_e4m3fn", data=a)\nA[0] = A[1]',
        '"uint8"',
        "float8",
    ),
    Row(
        "CommonSubexprElimTIR",
        'A: T.Buffer((16,), "int32"), n: T.int32',
        "A[0] = n * n + 7\nA[1] = n * n + 7",
        "cse_",
        "",
    ),
    Row("InstrumentBoundCheckers", f"{ARRAY}, n: T.int32", "A[n] = T.float32(1)", "assert "),
    Row(
        "InstrumentProfileIntrinsics",
        ARRAY,
        "for k in range(2):\n    for i in range(16):\n        A[i] = A[i] + T.float32(1)",
        "T.start_profile_intrinsic",
        "",
        ("tir.instrument_lwp=1",),
    ),
    Row("MakePackedAPI", ARRAY, CPU + LOOP, "args", ""),
    Row("BareKernel", ARRAY, LOOP, 'T.handle("float32", "global")', ""),
    Row("MakeUnpackedAPI", ARRAY, CPU + LOOP, 'T.handle("float32", "global")', ""),
    Row("AnnotateDeviceRegions", ARRAY, GPU + THREADS + "A[t] = T.float32(1)", '"target", 0'),
    Row(
        "SplitHostDevice",
        ARRAY,
        GPU + 'T.attr(T.target("cuda"), "target", 0)\n' + THREADS + "A[t] = T.float32(1)",
        "main_kernel",
    ),
    Row("DecorateDeviceScope", ARRAY, LOOP, '"device_scope"'),
    Row("SkipAssert", ARRAY + ", n: T.int32", 'assert n < 3, "few"\n' + LOOP, "A[i]", "assert"),
    Row(
        "ThreadSync(shared)",
        ARRAY,
        THREADS + SHARED + "S[t] = A[t]\nA[t] = S[15 - t]",
        'T.tvm_storage_sync("shared")',
    ),
    Row(
        "LowerWarpMemory",
        ARRAY,
        'T.func_attr({"target": T.target("cuda")})\nt = T.launch_thread("threadIdx.x", 32)\n'
        'W_data = T.allocate([32], "float32", "warp")\n'
        'W = T.Buffer((32,), data=W_data, scope="warp")\n'
        "W[t] = A[t % 16]\nA[t % 16] = W[31 - t]",
        "T.tvm_warp_shuffle(",
        '"warp"',
    ),
    Row(
        "LowerTVMBuiltin",
        ARRAY,
        CPU + 'T.evaluate(T.tvm_call_packed("f", 1))',
        "T.call_packed_lowered",
        "",
    ),
    Row(
        "LowerIntrin",
        'A: T.Buffer((16,), "int32"), n: T.int32',
        CPU + "A[0] = n // 8",
        "",
        "n // 8",
    ),
    Row("ConvertSSA", ARRAY, LOOP, "A[i]"),
    Row(
        "NarrowDataType(32)",
        'A: T.Buffer((T.int64(16),), "float32")',
        "for i in range(T.int64(16)):\n    A[i] = T.float32(1)",
        "range(16)",
    ),
    Row(
        "ForceNarrowIndexToInt32",
        'A: T.Buffer((T.int64(16),), "float32")',
        "for i in range(T.int64(16)):\n    A[i] = T.float32(1)",
        "range(16)",
        "int64",
    ),
    Row("VerifyMemory", ARRAY, GPU + THREADS + "A[t] = T.float32(1)", "A[t]"),
    Row("VerifyVTCMLimit", ARRAY, LOOP, "A[i]"),
    Row("HoistIfThenElse", ARRAY + ", n: T.int32", BRANCH, "if i < n:\n                for j in"),
    Row("HoistExpression", ARRAY + ", n: T.int32", BRANCH, "if i < n:\n                for j in"),
    Row("LowerInitBlock", SUM, BLOCK, "if vj == 0:", "T.init"),
    Row(
        "PlanAndUpdateBufferAllocationLocation",
        ARRAY,
        'with T.block("root"):\n    T.reads()\n    T.writes()\n'
        "    B = T.alloc_buffer((16,))\n    for i in range(4):\n"
        '        with T.block("a"):\n            v = T.axis.spatial(4, i)\n'
        "            B[v] = A[v]\n"
        '        with T.block("b"):\n            v = T.axis.spatial(4, i)\n            A[v] = B[v]',
        "range(4):\n",
    ),
    Row(
        "ConvertBlocksToOpaque",
        SUM,
        BLOCK.replace("        with T.init():\n            C[vi] = T.float32(0)\n", ""),
        "C[i] = C[i] + A[i, j]",
        "vi",
    ),
    Row("CompactBufferAllocation", ARRAY, OPAQUE, "T.alloc_buffer((1,))", "B[i]"),
    Row("LowerOpaqueBlock", ARRAY, OPAQUE, "B = T.decl_buffer((16,))", "T.block"),
    Row(
        "LowerMatchBuffer",
        MATRIX,
        'with T.block(""):\n    T.reads(A[0:8, 0:8])\n    T.writes()\n'
        "    M = T.match_buffer(A[4:8, 0:8], (4, 8), "
        'strides=("s", 1), offset_factor=1)\n    T.evaluate(M[0, 0])',
        "A[4, 0]",
        "match_buffer(A[4",
    ),
    Row("FlattenBuffer", MATRIX, "A[1, 2] = T.float32(0)", "[18] = T.float32(0.0)", "A[1, 2]"),
    Row(
        "UnifyThreadBinding",
        ARRAY,
        'for i in T.thread_binding(16, thread="threadIdx.x"):\n    A[i] = T.float32(0)\n'
        'for j in T.thread_binding(16, thread="threadIdx.x"):\n    A[j] = T.float32(1)',
        "A[threadIdx_x]",
        "A[j]",
    ),
    Row(
        "MergeSharedMemoryAllocations",
        ARRAY,
        THREADS
        + SHARED.replace('"shared"', '"shared.dyn"')
        + SHARED.replace('"shared"', '"shared.dyn"').replace("S", "U")
        + "S[t] = A[t]\nU[t] = S[t]\nA[t] = U[t] + S[t]",
        "buf_dyn_shmem",
        "U_data = T.allocate",
    ),
    Row(
        "ConvertForLoopsToSerial",
        ARRAY,
        LOOP.replace("range", "T.parallel"),
        "range(16)",
        "T.parallel",
    ),
    Row(
        "ExtractPrimFuncConstants",
        ARRAY,
        'c = T.allocate_const([1, 2], "float32", [2])\nK = T.Buffer((2,), data=c)\nA[0] = K[1]',
        "irmod_storage_idx",
    ),
    Row(
        "LowerAutoCopy",
        MATRIX,
        'for t in T.thread_binding(16, thread="threadIdx.x"):'
        + COPY.replace("MARK", '"auto_copy": 1').replace("\n", "\n    "),
        "i_j_fused_0",
    ),
    Row(
        "RenormalizeSplitPattern",
        'A: T.Buffer((16,), "int32")',
        "for i, j in T.grid(4, 4):\n    A[i] = (i * 4 + j) // 16",
        "A[i] = i // 4",
    ),
    Row(
        "RemoveWeightLayoutRewriteBlock",
        ARRAY,
        'for i in range(16):\n    with T.block("w"):\n        v = T.axis.spatial(16, i)\n'
        '        T.block_attr({"meta_schedule.layout_rewrite_preproc": True})\n'
        "        A[v] = T.float32(1)",
        "T.evaluate(0)",
        "A[v] = ",
    ),
    Row(
        "InferFragment",
        ARRAY,
        'a = T.allocate([256], "float16", "wmma.matrix_a")\n'
        'T.tvm_load_matrix_sync(a, 16, 16, 16, 0, A.data, 16, "row_major")',
        'T.attr(a, "fragment_shape", "16, 16, 16")',
    ),
    Row(
        "TransformMmaBufferLayout",
        MATRIX,
        'with T.block("b"):\n    T.reads(A[0, 0])\n    T.writes()\n'
        '    c = T.alloc_buffer((16, 8), scope="m16n8k8.matrixC")\n    c[8, 1] = A[0, 0]',
        "c[0, 0, 1, 1] = A[0, 0]",
        "m16n8k8",
    ),
    Row(
        "LiftThreadBinding",
        ARRAY,
        'for i in range(2):\n    for t in T.thread_binding(8, thread="threadIdx.x"):\n'
        "        A[i * 8 + t] = T.float32(1)",
        "threadIdx_x",
    ),
    Row(
        "LowerVtcmAlloc",
        ARRAY,
        'v = T.allocate([16], "float32", "global.vtcm")\n'
        'V = T.Buffer((16,), data=v, scope="global.vtcm")\nV[0] = A[0]',
        "T.nd_mem_alloc_with_scope",
        "T.allocate",
    ),
    Row(
        "DefaultGPUSchedule",
        f'{ARRAY}, C: T.Buffer((16,), "float32")',
        'T.func_attr({"target": T.target("cuda")})\n'
        'for i in range(16):\n    with T.block("b"):\n        v = T.axis.spatial(16, i)\n'
        "        C[v] = A[v] + T.float32(1)",
        'thread="threadIdx.x"',
    ),
    Row("InlinePrivateFunctions", ARRAY, LOOP, "A[i]"),
]


ELSEWHERE = {
    "Apply": "takes a Python function", "Filter": "takes a Python function",
    "LowerCustomDatatypes": "needs types registered in Python",
    "LowerThreadAllreduce": "test_thread_reduction", "LowerAsyncDMA": "test_device_memory",
    "LowerCrossThreadReduction": "test_thread_reduction", "CombineContextCall": "test_memory",
    "LowerDeviceKernelLaunch": "test_device", "LowerDeviceStorageAccessInfo": "test_targets",
    "ManifestSharedMemoryLocalStage": "test_copies",
}  # fmt: skip
"""What stands in tests of tir/transform instead, and why or where."""


def test_the_list_is_whole() -> None:
    rows = {row.passes.partition("(")[0] for row in ROWS}
    assert not rows & set(ELSEWHERE) and len(rows | set(ELSEWHERE)) == 76
    assert all(hasattr(transform, name) for name in (*rows, *ELSEWHERE))


def _script(row: Row) -> str:
    lines = "\n".join(f"    {line}" for line in row.body.splitlines())
    return f"@T.prim_func\ndef main({row.params}):\n{lines}\n"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.passes)
def test_each_pass_alone(row: Row) -> None:
    options = [part for option in row.config for part in ("-c", option)]
    result = CliRunner().invoke(main, ["opt", "-", "-p", row.passes, *options], input=_script(row))
    assert result.exit_code == 0, result.output
    assert row.gained in result.output
    assert not row.lost or row.lost not in result.output
