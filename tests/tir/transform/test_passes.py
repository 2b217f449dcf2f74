"""Passes outside the default pipeline, and what single passes do to a few statements."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.functor import post_order_visit
from tilewright.ir.structural import assert_structural_equal
from tilewright.support.errors import CompileError
from tilewright.target import Target
from tilewright.tir import interpreter
from tilewright.tir import transform as T
from tilewright.tir.pipeline import default_passes

sys.path.insert(0, str(Path(__file__).parents[1]))

from programs import PROGRAMS, Program

A = tir.decl_buffer((64,), name="A")
B = tir.decl_buffer((64,), name="B")
i, j, n = tir.Var("i", "int32"), tir.Var("j", "int32"), tir.Var("n", "int32")


def store(index: Any, value: Any = 1.0) -> tir.Stmt:
    return tir.BufferStore(A, tir.const(value) if isinstance(value, float) else value, (index,))


def loop(var: tir.Var, extent: Any, body: tir.Stmt, kind: int = 0) -> tir.For:
    return tir.For(var, 0, extent, kind, body)


def applied(make: Any, body: tir.Stmt) -> tir.Stmt:
    mod = make(IRModule({"main": tir.PrimFunc((A, B, n), body)}))
    return mod["main"].body


def same(made: tir.Stmt, expected: tir.Stmt) -> None:
    assert_structural_equal(made, expected)


def test_partition_cuts_at_a_condition() -> None:
    made = applied(
        T.LoopPartition(cuts_constant=True),
        loop(i, 16, tir.IfThenElse(i < 10, store(i), store(i, 2.0))),
    )
    k = tir.Var("k", "int32")
    same(made, tir.SeqStmt((
        loop(i, 10, store(i)),
        tir.For(k, 10, 6, 0, tir.IfThenElse(k < 10, store(k), store(k, 2.0))),
    )))  # fmt: skip


def test_partition_takes_the_first_iteration_out() -> None:
    body = tir.SeqStmt((tir.IfThenElse(i.equal(0), store(0)), store(i, 2.0)))
    made = applied(T.Simplify(), applied(T.LoopPartition(cuts_constant=True), loop(i, 8, body)))
    assert isinstance(made, tir.SeqStmt) and isinstance(made.seq[-1], tir.For)
    conditions: list[Any] = []
    post_order_visit(
        made, lambda s: conditions.append(s) if isinstance(s, tir.IfThenElse) else None
    )
    assert conditions == []


def test_partition_does_not_cut_what_is_left_of_an_unknown_length_again_and_again() -> None:
    """A strided window with pads: whether a border comes before the end is not known."""
    guard, border = tir.LT(i * 8 + 7, (n + 1) // 2), tir.And(tir.GE(i * 16, 1), i * 16 + 15 < n)
    choice = tir.op.if_then_else(border, B[i * 16 + 1], tir.const(0.0))
    body = tir.SeqStmt((tir.IfThenElse(guard, store(i)), store(i, choice)))
    made = applied(T.LoopPartition(cuts_constant=True), loop(i, ((n + 1) // 2 + 7) // 8, body))
    loops: list[tir.For] = []
    post_order_visit(made, lambda s: loops.append(s) if isinstance(s, tir.For) else None)
    assert len(loops) == 3  # the first border, the main part, the rest


def test_vector_of_a_strided_access() -> None:
    made = applied(T.VectorizeLoop(), loop(i, 4, store(j * 8 + i * 2, B[i]), 2))
    ramp, from_zero = tir.Ramp(j * 8, 2, 4), tir.Ramp(0, 1, 4)
    same(made, tir.BufferStore(A, tir.BufferLoad(B, (from_zero,)), (ramp,)))


def test_vector_under_a_condition_is_masked() -> None:
    choice = loop(i, 4, tir.IfThenElse(i < n, store(i, B[i])), 2)
    made = applied(T.VectorizeLoop(masks=True), choice)
    ramp = tir.Ramp(0, 1, 4)
    mask = tir.LT(ramp, tir.Broadcast(n, 4))
    same(made, tir.BufferStore(A, tir.BufferLoad(B, (ramp,), mask), (ramp,), mask))


def test_condition_free_of_lanes_stays_a_branch() -> None:
    made = applied(T.VectorizeLoop(), loop(i, 4, tir.IfThenElse(j < n, store(i)), 2))
    ramp = tir.Ramp(0, 1, 4)
    same(made, tir.IfThenElse(j < n, tir.BufferStore(A, tir.Broadcast(tir.const(1.0), 4), (ramp,))))


def test_reduction_over_lanes() -> None:
    made = applied(T.VectorizeLoop(), loop(i, 4, store(0, A[0] + B[i]), 2))
    vector = tir.BufferLoad(B, (tir.Ramp(0, 1, 4),))
    same(made, store(0, A[0] + tir.Call("float32", "tir.vector_reduce_add", (vector,))))


def test_what_has_no_vector_form_stays_a_loop() -> None:
    call = tir.Evaluate(tir.call_extern("int32", "f", i))
    made = applied(T.VectorizeLoop(), loop(i, 4, call, 2))
    assert isinstance(made, tir.For) and made.kind == tir.ForKind.SERIAL


def test_unrolling() -> None:
    made = applied(T.UnrollLoop(), loop(i, 3, store(i * 2 + j), 3))
    same(made, tir.SeqStmt((store(j), store(2 + j), store(4 + j))))


def test_unrolling_by_pragma() -> None:
    inner = loop(i, 2, store(i))
    made = applied(
        T.UnrollLoop(), tir.AttrStmt("p", "pragma_auto_unroll_max_step", tir.const(4), inner)
    )
    same(made, tir.SeqStmt((store(0), store(1))))
    large = loop(i, 8, store(i))
    made = applied(
        T.UnrollLoop(), tir.AttrStmt("p", "pragma_auto_unroll_max_step", tir.const(4), large)
    )
    same(made, large)


def test_simplify_under_conditions() -> None:
    inner = tir.IfThenElse(i < 8, store(i % 16), store(i, 2.0))
    same(applied(T.Simplify(), tir.IfThenElse(tir.all(i >= 0, i < 4), inner)),
         tir.IfThenElse(tir.all(tir.LE(0, i), i < 4), store(i)))  # fmt: skip


def test_no_op_goes() -> None:
    nothing = tir.Evaluate(0)
    same(applied(T.RemoveNoOp(), loop(i, 0, store(i))), nothing)
    same(applied(T.RemoveNoOp(), loop(i, 4, store(i, A[i + 0]))), nothing)


def test_hoisting_a_condition() -> None:
    made = applied(T.HoistIfThenElse(), loop(i, 4, loop(j, 4, tir.IfThenElse(i < n, store(j)))))
    same(made, loop(i, 4, tir.IfThenElse(i < n, loop(j, 4, store(j)))))


def test_unsafe_choices_are_guarded() -> None:
    def chosen(index: Any) -> Any:
        return tir.Select(i > 0, A[index], tir.const(0.0))

    made = applied(T.RewriteUnsafeSelect(), loop(i, 4, store(i, chosen(i - 1))))
    same(made, loop(i, 4, store(i, tir.if_then_else(i > 0, A[i - 1], 0.0))))
    safe = loop(i, 4, store(i, chosen(i + 1)))
    same(applied(T.RewriteUnsafeSelect(), safe), safe)


def test_too_many_elements_for_the_index_type() -> None:
    huge = tir.decl_buffer((1 << 16, 1 << 16), name="huge")
    func = tir.PrimFunc((huge,), tir.BufferStore(huge, tir.const(0.0), (i - i, 0)))
    with pytest.raises(CompileError, match="`huge` has 4294967296 elements"):
        T.FlattenBuffer()(IRModule({"main": func}))


def test_ssa() -> None:
    twice = tir.SeqStmt((loop(i, 4, store(i)), loop(i, 4, store(i))))
    made = applied(T.ConvertSSA(), twice)
    assert made.seq[0].loop_var is not made.seq[1].loop_var


def test_functions_of_a_module_share_no_variable() -> None:
    func = tir.PrimFunc((A,), loop(i, 4, store(i)))
    mod = IRModule({"f": func, "g": func.with_attr("global_symbol", "g")})
    made = T.ConvertSSA()(mod)
    assert made["f"] is func and made["g"].params[0] is not func.params[0]
    assert made["g"].body.loop_var is not func.body.loop_var
    assert T.ConvertSSA()(made) is made


def test_storage_is_shared() -> None:
    def stage(name: str, value: Any) -> tuple[tir.Var, tir.Buffer]:
        buffer = tir.decl_buffer((8,), name=name)
        return buffer.data, buffer

    (x, first), (y, second) = stage("x", 1), stage("y", 2)
    body = tir.SeqStmt((
        tir.BufferStore(first, A[0], (0,)),
        store(0, first[0]),
        tir.BufferStore(second, A[0], (0,)),
        store(1, second[0]),
    ))  # fmt: skip
    for var, buffer in ((y, second), (x, first)):
        body = tir.Allocate(var, "float32", (8,), True, tir.DeclBuffer(buffer, body))
    made = applied(T.StorageRewrite(), body)
    count: list[Any] = []
    post_order_visit(made, lambda s: count.append(s) if isinstance(s, tir.Allocate) else None)
    assert len(count) == 1
    a = np.arange(64, dtype="float32") + 5
    interpreter.run(tir.PrimFunc((A, B, n), made), a, a.copy(), 0)
    assert list(a[:2]) == [5, 5]


OPTIONAL = {
    "HoistIfThenElse": T.HoistIfThenElse,
    "HoistExpression": T.HoistExpression,
    "NarrowDataType": lambda: T.NarrowDataType(32),
    "ForceNarrowIndexToInt32": T.ForceNarrowIndexToInt32,
    "StorageRewrite": T.StorageRewrite,
    "RemoveNoOp": T.RemoveNoOp,
    "ConvertForLoopsToSerial": T.ConvertForLoopsToSerial,
    "BF16ComputeLegalize": T.BF16ComputeLegalize,
    "FP16ComputeLegalize": T.FP16ComputeLegalize,
}


CHOSEN = ["matmul", "symbolic_elementwise_21", "elementwise_float16", "gather", "two_stages"]


@pytest.mark.parametrize("name", CHOSEN)
def test_optional_passes_keep_the_result(name: str) -> None:
    program: Program = PROGRAMS[name]()
    expected = program.arrays()
    interpreter.run(program.func, *expected)
    mod = IRModule({"main": program.func})
    for step in default_passes(packed=False)[:10]:
        mod = step(mod)
    tolerance = 1e-2 if "16" in name else 1e-5
    for title, make in OPTIONAL.items():
        if (name, title) == ("gather", "ForceNarrowIndexToInt32"):
            continue  # an array of int64 is refused
        arrays = program.arrays()
        interpreter.run(make()(mod)["main"], *arrays)
        np.testing.assert_allclose(arrays[-1], expected[-1], rtol=tolerance, err_msg=title)


def test_target_filter_and_entry() -> None:
    func = tir.PrimFunc((A, B, n), store(0))
    mod = IRModule({"main": func, "other": func})
    assert T.BindTarget("llvm")(mod)["main"].attrs["target"] == Target("llvm")
    assert T.AnnotateEntryFunc()(mod)["main"].attrs["tir.is_entry_func"]
    assert "tir.is_entry_func" not in T.AnnotateEntryFunc()(mod)["other"].attrs
    assert len(T.Filter(lambda f: False)(mod)) == 0
    assert T.Apply(lambda f: f.with_attr("x", 1))(mod)["main"].attrs["x"] == 1


@pytest.mark.parametrize("rows", [2, 4])
@pytest.mark.parametrize("name", ["add", "max"])
def test_rows_of_vectors_are_reduced_together(rows: int, name: str) -> None:
    """Without one reduction a lane: `A[i] = sum of B[4 * i + lanes]`."""
    row = tir.BufferLoad(B, (tir.Ramp(i * 4, 1, 4),))
    each = tir.Call("float32", f"tir.vector_reduce_{name}", (row,))
    made = applied(T.VectorizeLoop(), loop(i, rows, store(i, each), 2))
    assert isinstance(made, tir.BufferStore) and made.value.dtype == f"float32x{rows}"
    assert "vector_reduce" not in str(made)
    b = np.arange(64, dtype="float32") % 11
    a = np.zeros(64, "float32")
    interpreter.run(tir.PrimFunc((A, B, n), made), a, b, 0)
    want = b.reshape(16, 4)[:rows]
    np.testing.assert_array_equal(a[:rows], want.sum(1) if name == "add" else want.max(1))


def test_vectors_that_cannot_be_reduced_together_are_reduced_one_by_one() -> None:
    row = tir.BufferLoad(B, (tir.Ramp(i * 4, 1, 4),))
    each = tir.Call("float32", "tir.vector_reduce_add", (row,))
    for rows in (3, 8):
        made = applied(T.VectorizeLoop(), loop(i, rows, store(i, each), 2))
        assert isinstance(made, tir.For) and made.kind == tir.ForKind.SERIAL
