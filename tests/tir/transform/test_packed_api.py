"""The checked entry of compiled functions: what it accepts, binds and refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tvm_ffi

from tilewright import te, tir
from tilewright.codegen.llvm.codegen import emit_module
from tilewright.codegen.llvm.compile import compile_module
from tilewright.codegen.llvm.jit import load_objects
from tilewright.ir.type import PrimType
from tilewright.tir.pipeline import lower

_LOADED: list[Any] = []


def compiled(func: tir.PrimFunc) -> Callable[..., Any]:
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
    with pytest.raises(error, match=text):
        doubled(*args)


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
    with pytest.raises(OverflowError, match="argument 0 `x` does not fit into int32"):
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
