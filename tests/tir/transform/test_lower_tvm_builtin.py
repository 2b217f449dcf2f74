"""LowerTVMBuiltin: packed calls on the stack, memory of devices from the runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm_ffi

import tilewright as tw
from tilewright.ir import IRModule
from tilewright.ir.structural import assert_structural_equal
from tilewright.ir.transform import Sequential
from tilewright.script import from_source
from tilewright.support.errors import CompileError
from tilewright.tir import transform as T
from tilewright.tir.pipeline import default_passes

SEEN: list[Any] = []


@tvm_ffi.register_global_func("tilewright.test.lowered_note", override=True)
def note(*args: Any) -> int:
    SEEN.append(tuple(a if not hasattr(a, "shape") else tuple(a.shape) for a in args))
    return 7


def lowered(text: str) -> IRModule:
    return T.LowerTVMBuiltin()(IRModule({"main": from_source(text)}))


def test_a_packed_call() -> None:
    before = """
@T.prim_func
def main(n: T.int32):
    T.evaluate(T.tvm_call_packed("f", n, T.float32(1.5)))
"""
    after = """
@T.prim_func
def main(n: T.int32):
    stack: T.handle = T.tvm_stack_alloca("tvm_ffi_any", 3)
    T.tvm_struct_set(stack, 0, 12, 1)
    T.tvm_struct_set(stack, 0, 13, 0)
    T.tvm_struct_set(stack, 0, 14, T.Cast("int64", n))
    T.tvm_struct_set(stack, 1, 12, 3)
    T.tvm_struct_set(stack, 1, 13, 0)
    T.tvm_struct_set(stack, 1, 14, T.float64(1.5))
    T.evaluate(T.tvm_call_packed_lowered("f", stack, 0, 2))
"""
    assert_structural_equal(lowered(before)["main"], from_source(after))


def test_slots_are_used_again_by_the_next_statement() -> None:
    made = lowered("""
@T.prim_func
def main(n: T.int32):
    T.evaluate(T.tvm_call_packed("f", n))
    T.evaluate(T.tvm_call_packed("g", n, n, T.tvm_call_packed("h", n)))
""")["main"]
    assert made.body.value.args[1].value == 6


def test_tasks_of_a_parallel_loop_have_stacks_of_their_own() -> None:
    made = lowered("""
@T.prim_func
def main(n: T.int32):
    for i in T.parallel(8):
        T.evaluate(T.tvm_call_packed("f", i))
""")["main"]
    assert isinstance(made.body, tw.tir.For)
    assert isinstance(made.body.body, tw.tir.LetStmt)


CALLS = """
@T.prim_func
def main(A: T.Buffer((4, 3), "float32"), n: T.int32):
    for i in T.parallel(1):
        A[0, 0] = T.Cast("float32", T.tvm_call_packed(
            "tilewright.test.lowered_note", n, T.float32(0.5), "text",
            T.tvm_stack_make_array(A.data, T.tvm_stack_make_shape(4, 3), 0, 2, T.float32(0), 0),
        ))
"""


def test_lowered_calls_run() -> None:
    func = from_source(CALLS)
    passes = Sequential([*default_passes(), T.LowerTVMBuiltin()])
    built = tw.tir.build(IRModule({"main": func}), pipeline=passes)
    array = np.zeros((4, 3), "float32")
    SEEN.clear()
    built["main"](array, 5)
    assert SEEN == [(5, 0.5, "text", (4, 3))] and array[0, 0] == 7


DEVICE = """
@T.prim_func
def main():
    T.attr("dummy", "device_type", 2)
    ID
    ptr = T.allocate([16], "float32")
    T.evaluate(T.call_extern("int32", "use", ptr))
"""


def test_memory_of_a_device() -> None:
    made = lowered(DEVICE.replace("ID", 'T.attr("dummy", "device_id", 0)'))["main"]
    expected = """
@T.prim_func
def main():
    ptr: T.handle("float32") = T.TVMBackendAllocWorkspace(2, 0, T.uint64(64), 2, 32)
    T.attr(ptr, "storage_alignment", 64)
    if T.isnullptr(ptr):
        T.call_intrin("int32", "tir.tvm_throw_last_error")
    T.evaluate(T.call_extern("int32", "use", ptr))
    if T.TVMBackendFreeWorkspace(2, 0, ptr) != 0:
        T.call_intrin("int32", "tir.tvm_throw_last_error")
"""
    assert_structural_equal(made, from_source(expected))


def test_memory_of_a_device_without_id() -> None:
    with pytest.raises(CompileError, match="`ptr` is allocated on a device that has no id"):
        lowered(DEVICE.replace("    ID\n", ""))


def test_memory_of_a_device_that_nothing_tells() -> None:
    text = DEVICE.replace("    ID\n", "").replace(
        'T.attr("dummy", "device_type", 2)', 'T.func_attr({"tir.is_host_func": True})'
    )
    with pytest.raises(CompileError, match="`ptr` is allocated on a device that is not known"):
        lowered(text)


def test_memory_of_the_host_stays() -> None:
    text = DEVICE.replace("    ID\n", "").replace('"device_type", 2', '"device_type", 1')
    made = lowered(text)["main"]
    assert isinstance(made.body, tw.tir.Allocate)
