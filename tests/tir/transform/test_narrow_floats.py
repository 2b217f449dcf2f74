"""Narrow floats computed in wider types and stored as integers."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.structural import assert_structural_equal, structural_equal
from tilewright.script import from_source
from tilewright.support.errors import CompileError
from tilewright.tir import interpreter
from tilewright.tir import transform as T
from tilewright.tir.transform.narrow_floats import FORMATS, decoded, encoded, storage_of

from .cases import applied, func_of

i = tir.Var("i", "int32")


def mapped(source: np.ndarray[Any, Any], dtype: str, function: Any) -> np.ndarray[Any, Any]:
    """`function` of every element, by the interpreter."""
    a = tir.decl_buffer((len(source),), str(source.dtype), name="A")
    b = tir.decl_buffer((len(source),), dtype, name="B")
    body = tir.For(i, 0, len(source), 0, tir.BufferStore(b, function(a[i]), (i,)))
    out = np.zeros(len(source), dtype)
    interpreter.run(tir.PrimFunc((a, b), body), source, out)
    return out


@pytest.mark.parametrize("name", FORMATS)
def test_every_value_is_decoded(name: str) -> None:
    every = np.arange(1 << FORMATS[name].bits, dtype=storage_of(name))
    bits = every[:: max(1, len(every) // 600)].copy()
    expected = bits.view(getattr(ml_dtypes, name)).astype("float32")
    made = mapped(bits, "float32", lambda x: decoded(x, name))
    np.testing.assert_array_equal(made, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(made)[numbers], np.signbit(expected)[numbers])


@pytest.mark.parametrize("name", FORMATS)
def test_values_round_to_the_nearest_ties_to_even(name: str) -> None:
    kind, stored = np.dtype(getattr(ml_dtypes, name)), storage_of(name)
    random = np.random.default_rng(0)
    near = np.arange(200, dtype=stored).view(kind).astype("float32")
    scaled = random.normal(size=200) * 2.0 ** random.integers(-30, 20, 200)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, 448, 464, 465, 61439, 61440]
    with np.errstate(all="ignore"):
        values = np.concatenate([near, (near[:-1] + near[1:]) / 2, scaled, special])
        values = values.astype("float32")
        expected = values.astype(kind)
    made = mapped(values, stored, lambda x: encoded(x, name)).view(kind)
    nan = np.isnan(expected.astype("float32"))
    np.testing.assert_array_equal(np.isnan(made.astype("float32")), nan)
    np.testing.assert_array_equal(made.view(stored)[~nan], expected.view(stored)[~nan])


ADD = """
@T.prim_func
def main(a: T.handle("DTYPE"), b: T.handle("DTYPE")):
    A = T.decl_buffer((16,), "DTYPE", data=a)
    B = T.decl_buffer((16,), "DTYPE", data=b)
    for i in range(16):
        B[i] = A[i] + B[i] * T.DTYPE(2)
"""


def legal(dtype: str, *passes: Any) -> tir.PrimFunc:
    mod = IRModule({"main": from_source(ADD.replace("DTYPE", dtype))})
    for step in passes:
        mod = step()(mod)
    func = mod["main"]
    assert isinstance(func, tir.PrimFunc)
    return func


@pytest.mark.parametrize(
    ("dtype", "passes"),
    [("bfloat16", (T.BF16ComputeLegalize, T.BF16StorageLegalize)),
     ("float8_e4m3fn", (T.FP8ComputeLegalize, T.FP8StorageLegalize)),
     ("float8_e5m2", (T.FP8ComputeLegalize, T.FP8StorageLegalize))],
)  # fmt: skip
def test_stored_as_integers_the_result_is_the_same(dtype: str, passes: Any) -> None:
    func = legal(dtype, *passes)
    assert dtype not in func.script()
    kind = np.dtype(getattr(ml_dtypes, dtype))
    random = np.random.default_rng(1)
    a, b = (random.normal(size=16).astype(kind) for _ in range(2))
    expected = (a.astype("float32") + b.astype("float32") * 2).astype(kind)
    bits = b.view(storage_of(dtype)).copy()
    interpreter.run(func, a.view(storage_of(dtype)), bits)
    np.testing.assert_array_equal(bits, expected.view(storage_of(dtype)))


def test_a_load_and_a_store_of_bits() -> None:
    before = """
@T.prim_func
def main(a: T.handle("bfloat16"), b: T.handle("float32")):
    A = T.decl_buffer((16,), "bfloat16", data=a)
    B = T.decl_buffer((16,), "float32", data=b)
    for i in range(16):
        B[i] = T.Cast("float32", A[i])
        A[i] = T.bfloat16(1)
"""
    after = """
@T.prim_func
def main(a: T.handle("uint16"), b: T.handle("float32")):
    A = T.decl_buffer((16,), "uint16", data=a)
    B = T.decl_buffer((16,), "float32", data=b)
    for i in range(16):
        B[i] = T.reinterpret("float32", T.shift_left(T.Cast("uint32", A[i]), T.uint32(16)))
        A[i] = T.uint16(16256)
"""
    made = T.BF16StorageLegalize()(IRModule({"main": from_source(before)}))["main"]
    assert_structural_equal(made, from_source(after))


def test_arithmetic_must_be_legal_first() -> None:
    with pytest.raises(CompileError, match="run BF16ComputeLegalize before"):
        legal("bfloat16", T.BF16StorageLegalize)


def test_arrays_of_the_signature_must_be_lowered_first() -> None:
    a = tir.decl_buffer((16,), "bfloat16", name="A")
    func = tir.PrimFunc((a,), tir.BufferStore(a, a[1], (0,)))
    with pytest.raises(CompileError, match="run MakePackedAPI"):
        T.BF16StorageLegalize()(IRModule({"main": func}))


def test_devices_that_compute_in_narrow_types_keep_them() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((16,), "TYPE")):
    T.func_attr({"target": T.target({"kind": "cuda", "arch": "sm_ARCH"})})
    A[0] = A[1] + A[2]
"""
    for step, dtype, arch, stays in (
        (T.BF16ComputeLegalize(), "bfloat16", 75, False),
        (T.BF16ComputeLegalize(), "bfloat16", 80, True),
        (T.BF16StorageLegalize(), "bfloat16", 86, True),
        (T.FP8ComputeLegalize(), "float8_e4m3fn", 86, False),
        (T.FP8ComputeLegalize(), "float8_e4m3fn", 89, True),
        (T.FP8StorageLegalize(), "float8_e4m3fn", 90, True),
    ):
        before = text.replace("TYPE", dtype).replace("ARCH", str(arch))
        assert structural_equal(applied(step, before), func_of(before)) is stays


def test_threads_reduce_wide_values() -> None:
    text = """
@T.prim_func
def main(a: T.handle("bfloat16"), b: T.handle("bfloat16")):
    T.func_attr({"target": T.target("metal")})
    A = T.decl_buffer((8,), "bfloat16", data=a)
    B = T.decl_buffer((8,), "bfloat16", data=b)
    tx = T.launch_thread("threadIdx.x", 8)
    r = T.decl_buffer((1,), "bfloat16", scope="local")
    with T.attr(
        T.comm_reducer(lambda x, y: x + y, [T.bfloat16(0)]),
        "reduce_scope", T.reinterpret("handle", T.uint64(0)),
    ):
        T.tvm_thread_allreduce(T.uint32(1), A[tx], True, r[0], tx)
    B[tx] = r[0]
"""
    mod = IRModule({"main": from_source(text)})
    for step in (T.BF16ComputeLegalize, T.LowerThreadAllreduce, T.BF16StorageLegalize):
        mod = step()(mod)
    func = mod["main"]
    assert "bfloat16" not in func.script()
    a = np.arange(8).astype(ml_dtypes.bfloat16)
    bits = np.zeros(8, "uint16")
    interpreter.run(func, a.view("uint16"), bits)
    np.testing.assert_array_equal(bits.view(ml_dtypes.bfloat16), np.full(8, 28.0, a.dtype))


@pytest.mark.parametrize("step", [T.BF16ComputeLegalize, T.FP8ComputeLegalize])
def test_what_is_legal_stays(step: Any) -> None:
    dtype = "bfloat16" if step is T.BF16ComputeLegalize else "float8_e5m2"
    assert_structural_equal(legal(dtype, step, step), legal(dtype, step))
