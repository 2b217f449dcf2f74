"""Vectors of as many lanes as the machine has: `float32xvscalex4`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilewright import tir
from tilewright.codegen.llvm.codegen import emit_module
from tilewright.ir import IRModule
from tilewright.ir.json import load_json, save_json
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import ArgumentError, CompileError
from tilewright.target import Target
from tilewright.tir import interpreter
from tilewright.tir import transform as T
from tilewright.tir.arith import Analyzer
from tilewright.tir.arith.simplifier import same

SVE = "llvm -mtriple=aarch64-linux-gnu -mattr=+sve"
x, y = tir.Var("x", "int32"), tir.Var("y", "int32")
LANES = tir.vscale() * 4


def ramp(base: Any, stride: Any) -> tir.Ramp:
    return tir.Ramp(base, stride, LANES)


def spread(value: Any) -> tir.Broadcast:
    return tir.Broadcast(value, LANES)


def test_types_say_that_lanes_are_scalable() -> None:
    info = dtype_of("float32xvscalex4")
    assert info.is_scalable and info.element == "float32" and info.lanes != 4
    assert dtype_of("bool").with_lanes(info.lanes) == "boolxvscalex4"
    assert ramp(x, 1).dtype == "int32xvscalex4"
    assert (ramp(x, 1) < spread(y)).dtype == "boolxvscalex4"
    assert tir.Cast("int64xvscalex4", ramp(x, 1)).dtype == "int64xvscalex4"


def test_lanes_are_a_multiple_of_vscale() -> None:
    assert str(tir.Ramp(0, 1, 4 * tir.vscale()).lanes) == "T.vscale() * 4"
    with pytest.raises(ArgumentError, match="a vector of x lanes"):
        tir.Broadcast(1.0, x)
    with pytest.raises(ArgumentError, match=r"a vector of T\.vscale"):
        tir.Ramp(0, 1, tir.vscale())
    with pytest.raises(ArgumentError, match="cast keeps the lanes"):
        tir.Cast("int64x4", ramp(x, 1))


@pytest.mark.parametrize(
    ("before", "after"),
    [(ramp(x, 2) + spread(y), ramp(x + y, 2)), (ramp(x, 1) + ramp(y, 3), ramp(x + y, 4)),
     (spread(x) * spread(2), spread(x * 2)), (ramp(x, 4) // spread(4), ramp(x // 4, 1)),
     (ramp(x, 2) - ramp(x, 2), spread(0)), (spread(x) + y, spread(x + y)),
     (tir.vscale() * 4 - 4 * tir.vscale(), tir.const(0))],
)  # fmt: skip
def test_simplification(before: tir.PrimExpr, after: tir.PrimExpr) -> None:
    assert same(Analyzer().simplify(before), after)


PROGRAM = """
@T.prim_func
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")):
    A[T.Ramp(0, 1, T.vscale() * 4)] = B[T.Ramp(8, 2, T.vscale() * 4)] + T.Broadcast(
        T.float32(1), T.vscale() * 4)
"""


def test_text_and_json_hold_them() -> None:
    func = from_source(PROGRAM)
    assert_structural_equal(from_source(func.script()), func)
    assert_structural_equal(load_json(save_json(func)), func)


LOOP = """
@T.prim_func
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32"), n: T.int32):
    for i in range(2):
        for j in T.vectorized(T.vscale() * 4):
            BODY
"""


def vectorized(body: str, target: str = SVE) -> tir.PrimFunc:
    with Target(target):
        mod = T.VectorizeLoop()(IRModule({"main": from_source(LOOP.replace("BODY", body))}))
    made = mod["main"]
    assert isinstance(made, tir.PrimFunc)
    return made


def test_a_loop_becomes_a_scalable_vector() -> None:
    made = vectorized("A[i * T.vscale() * 4 + j] = B[j] + T.float32(1)")
    expected = from_source(
        LOOP.split("        for j")[0]
        + """
        A[T.Ramp(i * T.vscale() * 4, 1, T.vscale() * 4)] = B[
            T.Ramp(0, 1, T.vscale() * 4)] + T.Broadcast(T.float32(1), T.vscale() * 4)
"""
    )
    assert_structural_equal(made, expected)


def test_conditions_are_counts_of_lanes() -> None:
    made = vectorized("if j < n:\n                A[j] = B[j]")
    store = made.body.body
    assert isinstance(store, tir.BufferStore) and store.predicate is not None
    assert store.predicate.op.name == "tir.get_active_lane_mask"
    assert store.predicate.dtype == "boolxvscalex4"
    other = vectorized("if j % 2 < n:\n                A[j] = B[j]")
    assert isinstance(other.body.body, tir.For)


@pytest.mark.parametrize("body", ["A[i * 8 + j] = B[j]", "if j < n:\n                A[j] = B[j]"])
def test_the_result_is_the_same(body: str) -> None:
    arrays = [np.arange(64, dtype="float32"), np.arange(64, dtype="float32") + 100]
    expected = [array.copy() for array in arrays]
    interpreter.run(from_source(LOOP.replace("BODY", body)), *expected, 5)
    interpreter.run(vectorized(body), *arrays, 5)
    np.testing.assert_array_equal(arrays[0], expected[0])


def test_a_target_without_scalable_vectors_refuses_them() -> None:
    with pytest.raises(CompileError, match=r"the loop of extent T.vscale\(\) \* 4 for target"):
        vectorized("A[j] = B[j]", "llvm")
    func = T.BareKernel()(IRModule({"main": from_source(PROGRAM)}))["main"]
    with pytest.raises(CompileError, match=r"no scalable vectors, found \w+32xvscalex4"):
        emit_module({"main": func}, Target("llvm -mtriple=x86_64-linux-gnu"))
