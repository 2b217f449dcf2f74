"""Each intrinsic of the table builds its call, prints by its name and parses again."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from tilewright import tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.script import tir as T
from tilewright.tir.op import intrinsics
from tilewright.tir.op.declare import SCRIPT_NAMES

DECLARED = {
    name: value
    for name, value in vars(intrinsics).items()
    if hasattr(value, "__signature__") and not name.startswith("_")
}
TEXTS = {"shape", "A_layout", "B_layout", "A_dtype", "B_dtype", "C_dtype", "layout", "type",
         "storage_scope", "func_name", "dtype_str", "param_name", "operator"}  # fmt: skip


def sample(name: str, x: tir.Var) -> Any:
    if name == "dtype":
        return "float32x4"
    return "text" if name in TEXTS else x


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_prints_and_parses(name: str) -> None:
    make: Callable[..., tir.PrimExpr] = DECLARED[name]
    x = tir.Var("x", "int32")
    args = [sample(p.name, x) for p in inspect.signature(make).parameters.values()]
    call = make(*args)
    func = tir.PrimFunc((x,), tir.Evaluate(call), attrs={"global_symbol": "main"})
    text = func.script()
    printed = call.op.name.removeprefix("tir.")  # type: ignore[attr-defined]
    assert f"T.{SCRIPT_NAMES.get(printed, printed)}(" in text
    assert_structural_equal(from_source(text), func)
    assert getattr(T, name).__wrapped__ is make


def test_the_table_is_exported() -> None:
    assert set(DECLARED) <= set(intrinsics.__all__)
    assert all(hasattr(tir, name) for name in intrinsics.__all__ if name != "DTYPE_AT")


def test_types_of_results() -> None:
    v = tir.Var("v", "float16")
    assert tir.tvm_warp_shuffle_down(0, v, 1, 32, 32).dtype == "float16"
    assert tir.tvm_warp_activemask().dtype == "uint32"
    assert tir.undef().dtype == "int32" and tir.undef("float32").dtype == "float32"
    assert tir.tvm_struct_get(tir.Var("a", "handle"), 0, 1, "int64").dtype == "int64"
    assert len(tir.ptx_mma("float32", *["s"] * 6, *[0] * 6, False).args) == 13  # type: ignore[attr-defined]


def test_the_result_s_type_stands_where_tvm_writes_it() -> None:
    @T.prim_func(private=True)
    def main(a: T.handle, A: T.Buffer((16,), "float16")):
        T.evaluate(T.tvm_struct_get(a, 0, 12, "float32"))
        T.ptx_cp_async("float16", A.data, 0, A.data, 8, 16)
        T.evaluate(T.call_llvm_pure_intrin("int32", T.llvm_lookup_intrinsic_id("llvm.ctpop"), 3))
        T.evaluate(T.call_llvm_pure_intrin("int32", "llvm.ctpop", 3))

    assert main.body.seq[2].value.args[0].value == "llvm.ctpop"
    text = main.script()
    for part in (
        'T.tvm_struct_get(a, 0, 12, "float32")',
        'T.ptx_cp_async("float16", A.data, 0, A.data, 8, 16)',
    ):  # fmt: skip
        assert part in text
    assert_structural_equal(from_source(text), main)


@pytest.mark.parametrize("name", ["llvm.dummy", "llvm.ctpopp", "ctpop", 'llvm."', ""])
def test_what_is_no_intrinsic_of_llvm_is_refused(name: str) -> None:
    assert tir.llvm_lookup_intrinsic_id(name) == 0
    with pytest.raises(ValueError, match="LLVM has no intrinsic"):
        tir.call_llvm_intrin("int32", name, 3)


@pytest.mark.parametrize("name", ["llvm.ctpop", "llvm.fabs.v4f32", "llvm.x86.avx512.vpdpbusd.512"])
def test_intrinsics_of_llvm_are_known(name: str) -> None:
    assert tir.llvm_lookup_intrinsic_id(name) != 0


def test_a_wrong_number_of_arguments_is_refused() -> None:
    with pytest.raises(TypeError, match="missing a required argument"):
        tir.tvm_warp_shuffle(1)
