"""Nodes that few programs have go through passes and mean the same after them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tilewright import tir
from tilewright.tir import interpreter
from tilewright.tir import transform as T

from .cases import applied, func_of, nodes, same_result

HEAD = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
    x = T.float32()
    j = T.DTYPE()
    for i in T.LOOP(T.DTYPE(16)):
        """
BODIES = {
    "select": "B[i] = T.Select(i < 8, A[i], A[15 - i] * T.float32(2))",
    "not": "B[i] = T.Select(not i < 8 or i == 2, A[i], T.float32(1))",
    "let": "B[i] = T.Let(x * x + T.float32(1), where={x: A[i]})",
    "let index": "B[i] = A[T.Let(j * 3 % 16, where={j: i + 1})]",
    "let statement": "with T.LetStmt(i * 3 % 16, var=j):\n            B[j] = A[i] + T.float32(3)",
    "let select": "B[i] = T.Let(T.Select(x < T.float32(20), x, -x), where={x: A[i] - A[0]})",
    "min": "B[i] = T.min(A[i], T.max(A[T.Select(i < 3, i, i - 3)], T.float32(7)))",
    "call": "B[i] = T.if_then_else(i > 3 and i < 12, A[i // 2] + A[i % 5], T.float32(0))",
}  # fmt: skip


def program(name: str, loop: str = "serial", dtype: str = "int32") -> str:
    return HEAD.replace("LOOP", loop).replace("DTYPE", dtype) + BODIES[name]


def kinds(func: tir.PrimFunc) -> set[str]:
    """The types of the loops' variables and of all indices."""
    indices = [i for a in nodes(func.body, tir.BufferLoad, tir.BufferStore) for i in a.indices]
    return {i.dtype for i in indices} | {f.loop_var.dtype for f in nodes(func.body, tir.For)}


@pytest.mark.parametrize("name", BODIES)
def test_vectors(name: str) -> None:
    made = same_result(T.VectorizeLoop(), program(name, "vectorized"), (16,), (16,))
    assert not [f for f in nodes(made.body, tir.For) if f.kind == tir.ForKind.VECTORIZED]


@pytest.mark.parametrize("name", BODIES)
def test_written_out_loops(name: str) -> None:
    made = same_result(T.UnrollLoop(), program(name, "unroll"), (16,), (16,))
    assert nodes(made.body, tir.For) == []


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("narrow", [T.NarrowDataType(32), T.ForceNarrowIndexToInt32()])
def test_narrow_indices(name: str, narrow: Any) -> None:
    text = program(name, dtype="int64")
    assert "int64" in kinds(func_of(text))
    assert kinds(same_result(narrow, text, (16,), (16,))) == {"int32"}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(
    "step",
    [T.Simplify(), T.ConvertSSA(), T.CommonSubexprElimTIR(), T.RemoveNoOp(), T.LoopPartition(),
     T.HoistExpression(), T.InjectVirtualThread(), T.StorageRewrite(), T.RewriteUnsafeSelect(),
     T.FlattenBuffer(), T.PointerValueTypeRewrite(), T.ConvertForLoopsToSerial(),
     T.RenormalizeSplitPattern(), T.InstrumentBoundCheckers(), T.LowerIntrin()],
    ids=lambda step: step.info.name,
)  # fmt: skip
def test_meaning_is_kept(name: str, step: Any) -> None:
    text = program(name).replace(
        "):\n    x =", '):\n    T.func_attr({"target": T.target("llvm")})\n    x ='
    )
    same_result(step, text, (16,), (16,))


@pytest.mark.parametrize("name", BODIES)
def test_narrow_floats_are_computed_in_wider_ones(name: str) -> None:
    text = program(name).replace("float32", "bfloat16")
    made = applied(T.BF16ComputeLegalize(), text)
    a = np.arange(16).astype(ml_dtypes.bfloat16)
    found, expected = np.zeros_like(a), np.zeros_like(a)
    interpreter.run(func_of(text), a, expected)
    interpreter.run(made, a, found)
    np.testing.assert_array_equal(found.view("uint16"), expected.view("uint16"))
    binary = (tir.Add, tir.Sub, tir.Mul, tir.Min, tir.Max, tir.LT)
    assert "bfloat16" not in {n.a.dtype for n in nodes(made.body, *binary)}


def test_names_keep_their_bits_where_they_do_not_fit() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((16,), "int64"), B: T.Buffer((16,), "int64")):
    j = T.int64()
    for i in range(T.int64(16)):
        with T.LetStmt(i + T.int64(1), var=j):
            B[j - T.int64(1)] = A[i] + j * T.int64(1099511627776)
"""
    made = applied(T.NarrowDataType(32), text)
    (let,) = nodes(made.body, tir.LetStmt)
    assert let.var.dtype == let.value.dtype == "int64"
    a, b = np.arange(16), np.zeros(16, "int64")
    interpreter.run(made, a, b)
    np.testing.assert_array_equal(b, a + (a + 1) * 2**40)
