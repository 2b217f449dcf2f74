"""The checked entry of compiled functions: what it accepts, binds and refuses."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import tvm_ffi

from tilewright import te, tir
from tilewright.codegen.llvm.codegen import emit_module
from tilewright.codegen.llvm.compile import compile_module
from tilewright.codegen.llvm.jit import load_objects
from tilewright.ir import IRModule
from tilewright.ir.structural import assert_structural_equal
from tilewright.ir.type import PrimType
from tilewright.script import from_source
from tilewright.support.errors import TVMError
from tilewright.tir.pipeline import lower
from tilewright.tir.transform import MakePackedAPI

_LOADED: list[Any] = []


def compiled(func: tir.PrimFunc | IRModule) -> Callable[..., Any]:
    functions = {var.name_hint: f for var, f in lower(func).items()}
    module = load_objects([compile_module(emit_module(functions))])
    _LOADED.append(module)
    called = module.get_function("main")

    def call(*args: Any) -> Any:
        return called(*[tvm_ffi.from_dlpack(a) if isinstance(a, np.ndarray) else a for a in args])

    return call


def zeros(*shape: int, dtype: str = "float32") -> np.ndarray[Any, Any]:
    return np.zeros(shape, dtype)


@pytest.fixture(scope="module")
def doubled() -> Callable[..., Any]:
    n = te.size_var("n", "int64")
    a = te.placeholder((n, 4), name="A")
    return compiled(
        te.create_prim_func([a, te.compute((n, 4), lambda i, j: a[i, j] * 2.0, name="B")])
    )


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_symbolic_rows(doubled: Any, rows: int) -> None:
    a, b = np.random.rand(rows, 4).astype("float32"), zeros(rows, 4)
    doubled(a, b)
    np.testing.assert_array_equal(b, a * 2)


def test_one_row_of_a_larger_array_is_compact(doubled: Any) -> None:
    a, b = np.arange(32, dtype="float32").reshape(2, 16)[:1, :4], zeros(1, 4)
    doubled(a, b)
    np.testing.assert_array_equal(b, a * 2)


REFUSED = {
    "expected 2 arguments": (TypeError, (zeros(2, 4),)),
    "argument 1 `B` must be a tensor of float32 with 2 dim": (TypeError, (zeros(2, 4), 3)),
    "argument 0 `A` must have 2 dimensions": (ValueError, (zeros(2), zeros(2, 4))),
    "argument 0 `A` must be of float32": (TypeError, (zeros(2, 4, dtype="float64"), zeros(2, 4))),
    "dimension 0 of `B` must be n": (ValueError, (zeros(2, 4), zeros(3, 4))),
    "dimension 1 of `A` must be .*4": (ValueError, (zeros(2, 5), zeros(2, 4))),
    "`A` must be compact": (ValueError, (zeros(4, 2).T, zeros(2, 4))),
    "the data of `A` must be aligned to 4": (
        ValueError,
        (np.zeros(33, "uint8")[1:].view("float32").reshape(2, 4), zeros(2, 4)),
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(doubled: Any, text: str) -> None:
    error, args = REFUSED[text]
    for kind in (error, TVMError):
        with pytest.raises(kind, match=text):
            doubled(*args)


class _Header(ctypes.Structure):
    """DLPack's tensor with its manager: without data, on the CPU, of float32, (rows, 4)."""

    _fields_: ClassVar[list[tuple[str, Any]]] = [
        ("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2), ("ndim", ctypes.c_int32),
        ("dtype", ctypes.c_uint8 * 4), ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.c_void_p), ("byte_offset", ctypes.c_uint64),
        ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
    ]  # fmt: skip


def without_data(shape: Any) -> Any:
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = (
        ctypes.py_object,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
    )
    header = _Header(None, (1, 0), 2, (2, 32, 1, 0), shape)
    _LOADED.append((header, shape))
    return tvm_ffi.from_dlpack(capsule(ctypes.addressof(header), b"dltensor", None))


def test_only_empty_arrays_have_no_data(doubled: Any) -> None:
    full, empty = ((ctypes.c_int64 * 2)(rows, 4) for rows in (2, 0))
    doubled(without_data(empty), zeros(0, 4))
    with pytest.raises(TVMError, match="the data of `A` must not be null"):
        doubled(without_data(full), zeros(2, 4))


def _scalars(dtype: str) -> Callable[..., Any]:
    x = tir.Var("x", dtype)
    out = tir.decl_buffer((1,), dtype, name="out")
    return compiled(tir.PrimFunc((x, out), tir.BufferStore(out, x + x, (0,))))


def test_scalars_are_converted() -> None:
    for dtype, value in (("int32", -7), ("int64", 1 << 40), ("float32", 1.5), ("float64", 3)):
        out = zeros(1, dtype=dtype)
        _scalars(dtype)(value, out)
        assert out[0] == 2 * value


def test_scalars_are_checked() -> None:
    for kind in (OverflowError, TVMError):
        with pytest.raises(kind, match="argument 0 `x` does not fit into int32"):
            _scalars("int32")(1 << 40, zeros(1, dtype="int32"))
    with pytest.raises(TypeError, match="argument 0 `x` must be an integer"):
        _scalars("int32")(1.5, zeros(1, dtype="int32"))
    with pytest.raises(TypeError, match="argument 0 `x` must be a number"):
        _scalars("float32")(zeros(1), zeros(1))


def test_result_is_given_back() -> None:
    x = tir.Var("x", "int32")
    func = tir.PrimFunc((x,), tir.Evaluate(tir.ret(x * 3)), PrimType("int32"))
    assert compiled(func)(14) == 42


def test_strides_bind_variables() -> None:
    step = tir.Var("step", "int64")
    a = tir.Buffer(
        tir.Var("a", tir.expr.pointer("float32")), "float32", (2, 3), (step, 1), name="A"
    )
    out = tir.decl_buffer((2, 3), name="out")
    i, j = tir.Var("i", "int64"), tir.Var("j", "int64")
    body = tir.BufferStore(out, a[i, j], (i, j))
    func = tir.PrimFunc((a, out), tir.For(i, 0, 2, 0, tir.For(j, 0, 3, 0, body)))
    wide, made = np.arange(20, dtype="float32").reshape(2, 10), zeros(2, 3)
    call = compiled(func)
    call(wide[:, :3], made)
    np.testing.assert_array_equal(made, wide[:, :3])
    call(np.ascontiguousarray(wide[:, 4:7]), made)
    np.testing.assert_array_equal(made, wide[:, 4:7])


def test_views_with_an_offset() -> None:
    a = te.placeholder((3,), name="A")
    call = compiled(te.create_prim_func([a, te.compute((3,), lambda i: a[i] + 1.0, name="B")]))
    memory, out = np.arange(8, dtype="float32"), zeros(3)
    call(memory[2:5], out)
    np.testing.assert_array_equal(out, [3, 4, 5])


CALLS = """
@I.ir_module
class Module:
    @T.prim_func
    def main(A: T.Buffer((4, 3), "float32"), by: T.int32):
        cls.add(by, T.tvm_stack_make_array(
            A.data, T.tvm_stack_make_shape(2, 3, dtype="handle"), 0, 2, T.float32(0), 3,
            dtype="handle"))
        cls.fill(by, A.data)

    @T.prim_func(private=PRIVATE)
    def add(by: T.int32, b: T.handle):
        n = T.int32()
        B = T.match_buffer(b, (n, 3))
        for i, j in T.grid(n, 3):
            B[i, j] += T.Cast("float32", by)

    @T.prim_func(private=PRIVATE)
    def fill(value: T.int32, data: T.handle("float32")):
        C = T.decl_buffer((12,), data=data)
        C[0] = T.Cast("float32", value)
"""


@pytest.mark.parametrize("private", ["True", "False"])
def test_functions_call_each_other_by_name(private: str) -> None:
    mod = from_source(CALLS.replace("PRIVATE", private))
    made = zeros(4, 3)
    compiled(mod)(made, 5)
    np.testing.assert_array_equal(made, [[5, 0, 0], [5, 5, 5], [5, 5, 5], [0, 0, 0]])


def test_functions_without_a_symbol_stay() -> None:
    mod = from_source(CALLS.replace("PRIVATE", "True"))
    made = MakePackedAPI()(mod)
    assert {var.name_hint for var in made.functions} == {"main", "__tvm_ffi_main", "add", "fill"}
    for name in ("add", "fill"):
        assert_structural_equal(made[name], mod[name])


def test_calls_that_say_too_little_are_refused() -> None:
    for text, said in (
        ("cls.fill(by)", "`fill` takes 2 arguments, found 1"),
        ("cls.add(by, A.data)", "does not say what `n` is"),
    ):
        mod = from_source(CALLS.replace("PRIVATE", "True").replace("cls.fill(by, A.data)", text))
        with pytest.raises(TVMError, match=said):
            compiled(mod)
