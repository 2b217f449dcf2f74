"""From one function with threads to host code and kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilewright.ir import IRModule
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.support.errors import CompileError
from tilewright.target import Target
from tilewright.tir import Allocate, AttrStmt, For, SeqStmt, interpreter
from tilewright.tir import transform as T
from tilewright.tir.stmt_functor import substitute

from .cases import applied, calls, check, func_of, nodes, same_result

REGION = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), n: T.int32):
    T.func_attr({"global_symbol": "main", "target": T.target("cuda", host="llvm")})
    for i in range(2):
        tx = T.launch_thread("threadIdx.x", 16)
        if tx < n:
            A[tx] = A[tx] + T.float32(1)
"""


def test_launches_are_regions_of_the_device() -> None:
    made = applied(T.AnnotateDeviceRegions(), REGION)
    region = made.body.body
    assert isinstance(region, AttrStmt) and region.attr_key == "target"
    assert region.node == Target("cuda") and region.body.attr_key == "thread_extent"
    no_host = REGION.replace(', host="llvm"', "")
    check(T.AnnotateDeviceRegions(), no_host, no_host)


def split(text: str) -> IRModule:
    mod = IRModule({"main": func_of(text)})
    return T.SplitHostDevice()(T.AnnotateDeviceRegions()(mod))


def test_regions_become_kernels() -> None:
    mod = split(REGION)
    kernel = mod["main_kernel"]
    expected = from_source("""
@T.prim_func(private=True)
def main_kernel(A: T.handle("float32"), n: T.int32):
    T.func_attr({
        "target": T.target("cuda"), "tir.noalias": True, "tir.is_global_func": True
    })
    A_1 = T.decl_buffer((16,), "float32", data=A)
    tx = T.launch_thread("threadIdx.x", 16)
    if tx < n:
        A_1[tx] = A_1[tx] + T.float32(1)
""")
    assert_structural_equal(kernel, expected)
    a, b = (np.arange(16, dtype="float32") for _ in range(2))
    interpreter.run(mod, a, 5)
    interpreter.run(func_of(REGION), b, 5)
    np.testing.assert_array_equal(a, b)


def test_kernels_of_a_cpu_return_error_codes() -> None:
    text = """
@T.prim_func
def main(n: T.int32):
    T.func_attr({"target": T.target("cuda", host="llvm")})
    T.attr(T.target("llvm"), "target", 0)
    T.evaluate(n)
"""
    mod = T.SplitHostDevice()(IRModule({"main": func_of(text)}))
    assert mod["main_kernel"].ret_type.dtype == "int32"
    let = mod["main"].body
    assert let.body.message.value == "Error executing compute kernel"


def test_names_of_kernels_are_unique() -> None:
    mod = split(REGION + REGION[REGION.index("    for i") :])
    assert sorted(v.name_hint for v in mod.functions) == ["main", "main_kernel", "main_kernel_1"]


def launched(text: str) -> IRModule:
    return T.LowerDeviceKernelLaunch()(split(text))


def test_calls_of_kernels_are_launches() -> None:
    mod = launched(REGION)
    attrs = mod["main_kernel"].attrs
    assert attrs["global_symbol"] == "main_kernel" and attrs["calling_conv"] == 2
    assert attrs["tir.kernel_launch_params"] == ["threadIdx.x"] and attrs["tir.is_global_func"]
    (call,) = calls(mod["main"], "tvm_call_packed")
    assert call.args[0].value == "main_kernel" and call.args[-1].value == 16


def test_extents_are_given_in_terms_of_the_caller() -> None:
    mod = launched(REGION.replace('"threadIdx.x", 16', '"threadIdx.x", n * 2'))
    (call,) = calls(mod["main"], "tvm_call_packed")
    assert str(call.args[-1]) == "n * 2"
    assert call.args[-1].a is mod["main"].params[1]


def test_dynamic_memory_is_an_argument() -> None:
    text = REGION.replace(
        "        if tx < n:",
        '        S_data = T.allocate([n], "float32", "shared.dyn")\n'
        '        S = T.decl_buffer((n,), data=S_data, scope="shared.dyn")\n'
        "        S[tx] = T.float32(0)\n        if tx < n:",
    )
    mod = launched(text)
    params = mod["main_kernel"].attrs["tir.kernel_launch_params"]
    assert params == ["threadIdx.x", "tir.use_dyn_shared_memory"]
    (call,) = calls(mod["main"], "tvm_call_packed")
    assert str(call.args[-1]) == "4 * n"


def test_another_target_of_the_same_device_is_called_by_symbol() -> None:
    mod = from_source("""
@I.ir_module
class M:
    @T.prim_func
    def main(n: T.int32):
        T.func_attr({"target": T.target("llvm")})
        M.kernel(n)

    @T.prim_func(private=True)
    def kernel(n: T.int32):
        T.func_attr({"target": T.target("c")})
        T.evaluate(n)
""")
    made = T.LowerDeviceKernelLaunch()(mod)
    (call,) = calls(made["main"], "call_extern")
    assert call.args[0].value == "kernel"
    assert made["kernel"].attrs["global_symbol"] == "kernel"
    assert "calling_conv" not in made["kernel"].attrs


TWO_LOOPS = """
@T.prim_func
def main(A: T.Buffer((128,), "float32"), B: T.Buffer((128,), "float32")):
    for i in T.thread_binding(32, thread="blockIdx.x"):
        for j in T.thread_binding(4, thread="threadIdx.x"):
            A[i * 4 + j] = T.float32(1)
        for k in T.thread_binding(OTHER, thread="threadIdx.x"):
            B[i * 4 + k] = A[i * 4 + k] * T.float32(2)
"""


def test_one_variable_for_each_axis_of_threads() -> None:
    check(
        T.UnifyThreadBinding(),
        TWO_LOOPS.replace("OTHER", "4"),
        """
@T.prim_func
def main(A: T.Buffer((128,), "float32"), B: T.Buffer((128,), "float32")):
    for blockIdx_x in T.thread_binding(32, thread="blockIdx.x"):
        for threadIdx_x in T.thread_binding(4, thread="threadIdx.x"):
            A[blockIdx_x * 4 + threadIdx_x] = T.float32(1)
            B[blockIdx_x * 4 + threadIdx_x] = A[blockIdx_x * 4 + threadIdx_x] * T.float32(2)
""",
    )


def test_an_axis_has_one_extent() -> None:
    with pytest.raises(ValueError, match=r"threadIdx\.x has the extent 4 in one place and 2"):
        applied(T.UnifyThreadBinding(), TWO_LOOPS.replace("OTHER", "2"))


def test_threads_of_other_types_are_cast_and_annotations_stay() -> None:
    check(T.UnifyThreadBinding(), """
@T.prim_func
def main(A: T.Buffer((128,), "float32"), B: T.Buffer((128,), "float32")):
    T.launch_thread("blockIdx.x", 32)
    for j in T.thread_binding(4, thread="threadIdx.x"):
        A[j] = T.float32(1)
    for k in T.thread_binding(T.int64(4), thread="threadIdx.x", annotations={"unrolled": 1}):
        B[k * T.int64(2)] = A[k]
""", """
@T.prim_func
def main(A: T.Buffer((128,), "float32"), B: T.Buffer((128,), "float32")):
    for blockIdx_x in T.thread_binding(32, thread="blockIdx.x"):
        for threadIdx_x in T.thread_binding(4, thread="threadIdx.x"):
            A[threadIdx_x] = T.float32(1)
            for once in T.serial(T.int64(1), annotations={"unrolled": 1}):
                B[T.Cast("int64", threadIdx_x) * T.int64(2)] = A[T.Cast("int64", threadIdx_x)]
""")  # fmt: skip


SHARED = """
@T.prim_func
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")):
    tx = T.launch_thread("threadIdx.x", 8)
    S_data = T.allocate([16], "float32", "shared")
    S = T.decl_buffer((16,), data=S_data, scope="shared")
"""


def synced(body: str) -> int:
    """How many barriers a body gets; with them its result does not depend on the order."""
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    made = applied(T.ThreadSync("shared"), SHARED + lines)
    return len(calls(made, "tvm_storage_sync"))


@pytest.mark.parametrize(
    ("count", "body"),
    [
        (0, "S[tx] = A[tx]\nB[tx] = S[tx]"),
        (1, "S[tx] = A[tx]\nB[tx] = S[7 - tx]"),
        (1, "S[tx] = A[tx]\nB[tx] = S[0]"),
        (0, "S[tx // 4 * 6 + tx % 4] = A[tx]\nB[tx] = S[tx // 4 * 6 + tx % 4]"),
        (1, "S[tx // 4 * 3 + tx % 4] = A[tx]\nB[tx] = S[tx // 4 * 3 + tx % 4]"),
        (0, "S[tx] = A[tx]\nB[tx] = S[15 - tx]"),
        (0, "S[0:4] = A[0:4]\nB[tx] = S[tx + 4]"),
        (1, "S[0:4] = A[0:4]\nB[tx] = S[tx + 3]"),
        (1, "S[tx] = A[tx]\nV = T.decl_buffer((32,), 'float16', data=S_data, scope='shared')\n"
            "B[tx] = T.Cast('float32', V[tx])"),
        (0, "S[tx * 2] = A[tx]\nS[tx * 2] = A[tx + 8]\nB[tx] = S[tx * 2]"),
        (2, "S[tx] = A[tx]\nB[tx] = S[7 - tx]\nS[tx] = A[tx + 8]"),
        (2, "for i in range(4):\n    S[tx] = A[tx + i * 8]\n    B[tx + i * 8] = S[7 - tx]"),
        (0, "for i in range(2):\n    S[tx * 2 + i] = A[tx]\n    B[tx + i * 8] = S[tx * 2 + i]"),
        (1, "for i in range(2):\n    S[tx + i] = A[tx + i * 8]"),
        (1, "for i in range(2):\n    S[tx + i * 8] = A[tx]\nB[tx] = S[tx]"),
        (1, "if A[0] > T.float32(1):\n    S[tx] = A[tx]\nB[tx] = S[7 - tx]"),
        (1, "if tx < 4:\n    S[tx] = A[tx]\nB[tx] = S[0]"),
        (1, "for k in range(2):\n    for i in range(2):\n        S[tx + i] = S[tx + i] + A[tx]"),
    ],
)  # fmt: skip
def test_barriers_where_threads_meet(count: int, body: str) -> None:
    assert synced(body) == count


def test_a_variable_of_two_loops_has_the_ranges_of_both() -> None:
    func = func_of(SHARED + "    for i in range(8):\n        S[i] = A[i]\n"
                   "    for k in range(8, 16):\n        B[k] = S[k - 8]\n")  # fmt: skip
    first, second = nodes(func, For)
    body = substitute(func.body, {second.loop_var: first.loop_var})
    made = T.ThreadSync("shared")(IRModule({"main": func.replace(body=body)}))
    (between,) = (s for s in nodes(made["main"], SeqStmt) if nodes(s.seq[-1], For))
    assert calls(between.seq[-2], "tvm_storage_sync") and not nodes(between.seq[-2], For)


def test_threads_that_part_cannot_meet() -> None:
    with pytest.raises(CompileError, match="threads that take different ways need a barrier"):
        synced("if tx < 4:\n    S[tx] = A[tx]\n    B[tx] = S[3 - tx]")


def test_double_buffers_need_barriers() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")):
    tx = T.launch_thread("threadIdx.x", 8)
    for i in range(8):
        S_data = T.allocate([8], "float32", "shared")
        S = T.decl_buffer((8,), data=S_data, scope="shared")
        with T.attr(S_data, "double_buffer_scope", 1):
            S[tx] = A[i * 8 + tx]
        B[i * 8 + tx] = S[7 - tx]
"""
    passes: list[Any] = [T.InjectDoubleBuffer(), T.Simplify(), T.ThreadSync("shared")]
    made = applied(passes, text)
    assert len(calls(made, "tvm_storage_sync")) >= 2
    same_result(passes, text.replace("S[7 - tx]", "S[tx]"), (64,), (64,))
    a, b = np.arange(64, dtype="float32"), np.zeros(64, "float32")
    interpreter.run(made, a, b)
    np.testing.assert_array_equal(b.reshape(8, 8), a.reshape(8, 8)[:, ::-1])
    assert len(nodes(made, Allocate)) == 1 and nodes(made, For)


def test_all_of_a_function_on_the_device() -> None:
    made = applied(T.DecorateDeviceScope(), REGION)
    assert made.body.attr_key == "device_scope"
