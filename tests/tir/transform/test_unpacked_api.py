"""Functions that take bare addresses and return a status."""

import pytest

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.support.errors import CompileError
from tilewright.tir import transform

ARRAYS = """
@I.ir_module
class Module:
    @T.prim_func
    def main(A: T.Buffer((4,), "float32")):
        T.func_attr({"target": T.target("cuda", host="llvm")})
        cls.scale(T.tvm_stack_make_array(
            A.data, T.tvm_stack_make_shape(4, dtype="handle"), 0, 1, T.float32(0), 0,
            dtype="handle"))
        cls.touch(A.data)

    @T.prim_func
    def scale(B: T.Buffer((4,), "float32")):
        T.func_attr({"target": T.target("llvm")})
        B[0] = B[0] * T.float32(2)

    @T.prim_func(private=True)
    def touch(data: T.handle("float32")):
        T.evaluate(data)
"""
ADDRESSES = """
@I.ir_module
class Module:
    @T.prim_func
    def main(A_data: T.handle("float32")) -> T.int32:
        T.func_attr({"target": T.target("llvm")})
        T.attr("default", "device_id", 0)
        T.attr("default", "device_type", 2)
        cls.scale(A_data)
        cls.touch(A_data)
        T.ret(0)

    @T.prim_func
    def scale(B_data: T.handle("float32")) -> T.int32:
        T.func_attr({"target": T.target("llvm")})
        T.attr("default", "device_id", 0)
        T.attr("default", "device_type", 1)
        B = T.Buffer((4,), data=B_data)
        B[0] = B[0] * T.float32(2)
        T.ret(0)

    @T.prim_func(private=True)
    def touch(data: T.handle("float32")):
        T.evaluate(data)
"""


def test_public_functions_take_addresses_and_return_a_status() -> None:
    made = transform.MakeUnpackedAPI()(from_source(ARRAYS))
    assert_structural_equal(made, from_source(ADDRESSES))


def test_a_function_without_a_symbol_stays_and_one_without_a_target_is_refused() -> None:
    A = tir.ir_builder.create().pointer("float32", name="A")
    func = tir.PrimFunc([A], tir.Evaluate(0))
    mod = IRModule({"main": func})
    assert_structural_equal(transform.MakeUnpackedAPI()(mod), mod)
    named = IRModule({"main": func.with_attr("global_symbol", "main")})
    with pytest.raises(CompileError, match="needs the target of the function `main`"):
        transform.MakeUnpackedAPI()(named)
