"""Loops, branches, parallel loops and lazy conditions of compiled code."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright import tir
from tilewright.codegen.llvm.codegen import emit_module
from tilewright.ir.type import PrimType
from tilewright.support.errors import CompileError
from tilewright.tir import (
    Allocate,
    And,
    AssertStmt,
    AttrStmt,
    Broadcast,
    Buffer,
    BufferLoad,
    BufferStore,
    Call,
    Evaluate,
    For,
    ForKind,
    IfThenElse,
    Let,
    LetStmt,
    Or,
    PrimExpr,
    PrimFunc,
    Ramp,
    SeqStmt,
    SizeVar,
    Stmt,
    StringImm,
    Var,
    While,
    const,
    decl_buffer,
)

from .native import Compiled, live_workspaces, run


def flat(name: str, size: int, dtype: str = "int32") -> Buffer:
    return decl_buffer((size,), dtype, name)


def i32(value: int) -> PrimExpr:
    return const(value, "int32")


@pytest.mark.parametrize("kind", [ForKind.SERIAL, ForKind.PARALLEL])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_loops_run_from_min_for_extent(kind: ForKind, dtype: str) -> None:
    n, first = Var("n", dtype), Var("first", dtype)
    target, i = flat("target", 100), Var("i", dtype)
    store = BufferStore(target, tir.cast(i, "int32") + 1, [i])
    func = PrimFunc([target.data, n, first], For(i, first, n, kind, store))
    compiled = Compiled({"kernel": func})
    for count, begin in ((0, 0), (-3, 0), (1, 7), (2, 0), (50, 25), (100, 0)):
        y = np.zeros(100, np.int32)
        compiled("kernel", y, count, begin)
        expected = np.zeros(100, np.int32)
        expected[begin : begin + max(0, count)] = np.arange(begin, begin + max(0, count)) + 1
        assert np.array_equal(y, expected)


def test_a_parallel_loop_sees_everything_around_it() -> None:
    a, target, n = flat("a", 64, "float32"), flat("target", 64, "float32"), SizeVar("n", "int64")
    scratch = flat("scratch", 64, "float32")
    scale, bias = Var("scale", "float32"), Var("bias", "float64")
    vector = Var("vector", "float32x4")
    i, j = Var("i", "int64"), Var("j", "int64")
    value = BufferLoad(a, [Ramp(i * 4, const(1, "int64"), 4)]) * Broadcast(scale, 4) + vector
    fill = For(i, 0, tir.floordiv(n, 4), ForKind.PARALLEL,
               BufferStore(scratch, value, [Ramp(i * 4, const(1, "int64"), 4)]))  # fmt: skip
    moved = BufferLoad(scratch, [j]) + tir.cast(bias, "float32")
    use = For(j, 0, n, ForKind.PARALLEL, BufferStore(target, moved, [j]))
    body: Stmt = Allocate(scratch.data, "float32", (n,), True, SeqStmt((fill, use)))
    body = LetStmt(vector, Broadcast(scale + 1, 4), body)
    func = PrimFunc([a.data, target.data, n, scale, bias], body)
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    assert run(func, x, y, 64, 2.0, 5.0) == 0
    assert np.array_equal(y, x * 2 + 3 + 5) and live_workspaces() == 0


def test_parallel_buffers_stay_apart() -> None:
    a, b, i = flat("a", 8), flat("b", 8), Var("i", "int32")
    loop = For(i, 0, 8, ForKind.PARALLEL, BufferStore(b, BufferLoad(a, [i]), [i]))
    text = emit_module({"kernel": PrimFunc([a.data, b.data], loop)})
    assert (
        "define internal void @kernel.parallel0(ptr noalias %c0, ptr noalias %c1"
        in text.replace("%c1, ptr noalias %c0", "%c0, ptr noalias %c1")
    )


def test_a_parallel_loop_in_a_parallel_loop_runs_serially() -> None:
    target, i, j = flat("target", 64), Var("i", "int32"), Var("j", "int32")
    inner = For(j, 0, 8, ForKind.PARALLEL, BufferStore(target, i * 8 + j, [i * 8 + j]))
    func = PrimFunc([target.data], For(i, 0, 8, ForKind.PARALLEL, inner))
    y = np.zeros(64, np.int32)
    compiled = Compiled({"kernel": func})
    compiled("kernel", y)
    assert np.array_equal(y, np.arange(64))
    assert compiled.text.count("call void @tilewright_parallel_launch") == 1


def test_an_error_in_a_parallel_loop_reaches_the_caller() -> None:
    a, i = flat("a", 8), Var("i", "int32")
    check = AssertStmt(BufferLoad(a, [i]) > 0, StringImm("ValueError: not positive"),
                       Evaluate(i32(0)))  # fmt: skip
    func = PrimFunc([a.data], For(i, 0, 8, ForKind.PARALLEL, check))
    compiled = Compiled({"kernel": func})
    assert compiled("kernel", np.ones(8, np.int32)) == 0
    assert compiled("kernel", np.array([1, 1, 1, 1, 1, 1, 1, 0], np.int32)) == -1
    assert compiled("kernel", np.zeros(8, np.int32)) == -1


def test_while_and_if() -> None:
    """The number of steps to 1 of the 3 n + 1 sequence."""
    a, steps = flat("a", 1), flat("steps", 1)
    n, count = BufferLoad(a, [0]), BufferLoad(steps, [0])
    even = (
        tir.floormod(n, 2).equal(0) if hasattr(n, "equal") else tir.EQ(tir.floormod(n, 2), i32(0))
    )
    body = SeqStmt((
        IfThenElse(even, BufferStore(a, tir.floordiv(n, 2), [0]), BufferStore(a, n * 3 + 1, [0])),
        BufferStore(steps, count + 1, [0]),
    ))  # fmt: skip
    func = PrimFunc([a.data, steps.data], While(n > 1, body))
    x, y = np.array([27], np.int32), np.zeros(1, np.int32)
    run(func, x, y)
    assert y[0] == 111


@pytest.mark.parametrize("extent", [1, 10])
def test_break_and_continue(extent: int) -> None:
    """Adds the odd numbers below 7, giving memory back on every way out."""
    target, scratch = flat("target", 1), flat("scratch", 0)
    i, n = Var("i", "int32"), Var("n", "int32")
    skip = IfThenElse(
        tir.EQ(tir.floormod(i, 2), i32(0)), Evaluate(Call("void", "continue_loop", ()))
    )
    stop = IfThenElse(i > 6, Evaluate(Call("void", "break_loop", ())))
    add = BufferStore(target, BufferLoad(target, [0]) + i, [0])
    body = Allocate(scratch.data, "int32", (n,), True, SeqStmt((skip, stop, add)))
    func = PrimFunc([target.data, n], For(i, 1, extent, ForKind.SERIAL, body))
    y = np.zeros(1, np.int32)
    assert Compiled({"kernel": func})("kernel", y, 100) == 0
    assert y[0] == (1 if extent == 1 else 9) and live_workspaces() == 0


def test_a_parallel_loop_cannot_be_left() -> None:
    i = Var("i", "int32")
    loop = For(i, 0, 9, ForKind.PARALLEL, Evaluate(Call("void", "break_loop", ())))
    with pytest.raises(CompileError, match="serial loop"):
        emit_module({"kernel": PrimFunc([], loop)})


def test_a_load_is_made_anew_after_a_store() -> None:
    a, target = flat("a", 2), flat("target", 2)
    load = BufferLoad(a, [0])  # the same node before and after
    change = BufferStore(a, load + 1, [0])
    body = SeqStmt((BufferStore(target, load, [0]), change, BufferStore(target, load, [1])))
    x, y = np.array([5, 0], np.int32), np.zeros(2, np.int32)
    run(PrimFunc([a.data, target.data], body), x, y)
    assert list(y) == [5, 6]


def test_a_value_first_made_in_a_branch_is_made_again_outside() -> None:
    target, n = flat("target", 2), Var("n", "int32")
    shared = n * 7 + 3
    body = SeqStmt((
        IfThenElse(n > 0, BufferStore(target, shared, [0])), BufferStore(target, shared, [1]),
    ))  # fmt: skip
    compiled = Compiled({"kernel": PrimFunc([target.data, n], body)})
    for value in (-1, 1):
        y = np.zeros(2, np.int32)
        compiled("kernel", y, value)
        assert list(y) == [10 if value > 0 else 0, value * 7 + 3]


def guarded_load(index: PrimExpr, source: Buffer, condition: PrimExpr) -> PrimExpr:
    other = const(-1, "int32") if condition.dtype == "bool" else Broadcast(i32(-1), 8)
    load = BufferLoad(source, [index])
    return Call(load.dtype, "tir.if_then_else", (condition, load, other))


def test_if_then_else_does_not_load_what_it_does_not_take() -> None:
    source, target, i = flat("source", 4), flat("target", 8), Var("i", "int32")
    far = i * (1 << 27)  # far outside from 1 on
    value = guarded_load(far, source, i < 1)
    func = PrimFunc([source.data, target.data], For(i, 0, 8, ForKind.SERIAL,
                                                    BufferStore(target, value, [i])))  # fmt: skip
    y = np.zeros(8, np.int32)
    run(func, np.array([9, 9, 9, 9], np.int32), y)
    assert list(y) == [9] + [-1] * 7


def test_a_vector_condition_masks_loads() -> None:
    source, target, n = flat("source", 4), flat("target", 8), Var("n", "int32")
    lanes = Ramp(i32(0), i32(1), 8)
    far = Ramp(n * (1 << 28), i32(1), 8)
    value = guarded_load(far, source, lanes < Broadcast(4 - n * 9, 8))
    func = PrimFunc([source.data, target.data, n], BufferStore(target, value, [lanes]))
    compiled = Compiled({"kernel": func})
    y = np.zeros(8, np.int32)
    compiled("kernel", np.arange(1, 5, dtype=np.int32), y, 0)
    assert list(y) == [1, 2, 3, 4, -1, -1, -1, -1]
    compiled("kernel", np.arange(1, 5, dtype=np.int32), y, 1)
    assert list(y) == [-1] * 8


def test_conditions_do_not_load_beyond_their_guard() -> None:
    source, target, i = flat("source", 4), flat("target", 8), Var("i", "int32")
    load = BufferLoad(source, [i * (1 << 27)])
    both = tir.cast(And(i < 1, load > 0), "int32")
    either = tir.cast(Or(i >= 1, load > 10), "int32")
    body = BufferStore(target, both * 2 + either, [i])
    func = PrimFunc([source.data, target.data], For(i, 0, 8, ForKind.SERIAL, body))
    y = np.zeros(8, np.int32)
    run(func, np.ones(4, np.int32), y)
    assert list(y) == [2] + [1] * 7


def test_let_attributes_and_results() -> None:
    n, m = Var("n", "int32"), Var("m", "int32")
    result = Evaluate(Call("int32", "tir.ret", (Let(m, n * 2, m * m + n),)))
    body = AttrStmt(None, "pragma_anything", i32(1), result)
    func = PrimFunc([n], body, PrimType("int32"))
    assert run(func, 5) == 105


def test_a_variable_may_be_bound_twice() -> None:
    target, v = flat("target", 2), Var("v", "int32")
    shared = v * 3 + 1
    body = SeqStmt(
        tuple(LetStmt(v, i32(5 + n), BufferStore(target, shared, [n])) for n in range(2))
    )
    y = np.zeros(2, np.int32)
    run(PrimFunc([target.data], body), y)
    assert list(y) == [16, 19]


def test_a_failing_assertion_raises_its_message() -> None:
    n = Var("n", "int64")
    args, self, count, out = (Var(v, "handle") for v in ("args", "self", "count", "out"))
    count = Var("count", "int32")
    value = Call("int64", "tir.tvm_struct_get", (args, i32(0), i32(14)))
    check = AssertStmt(n > 0, StringImm("ValueError: argument 0: expected a positive number"),
                       Evaluate(Call("int32", "tir.ret", (i32(0),))))  # fmt: skip
    func = PrimFunc([self, args, count, out], LetStmt(n, value, check), PrimType("int32"))
    compiled = Compiled({"__tvm_ffi_check": func})
    check_positive = compiled.module["check"]
    check_positive(3)
    with pytest.raises(ValueError, match="expected a positive number"):
        check_positive(-3)


def test_an_early_return_gives_memory_back() -> None:
    n, scratch, target = Var("n", "int32"), flat("scratch", 0), flat("target", 1)
    early = IfThenElse(n > 5, Evaluate(Call("int32", "tir.ret", (i32(0),))))
    body = SeqStmt((early, BufferStore(target, n, [0])))
    func = PrimFunc([target.data, n], Allocate(scratch.data, "int32", (n,), True, body))
    compiled = Compiled({"kernel": func})
    for value, expected in ((3, 3), (9, 0)):
        y = np.zeros(1, np.int32)
        assert compiled("kernel", y, value) == 0
        assert y[0] == expected and live_workspaces() == 0


def test_what_should_have_been_lowered_is_refused() -> None:
    i = Var("i", "int32")
    loop = For(i, 0, 8, ForKind.VECTORIZED, Evaluate(i + 1))
    with pytest.raises(CompileError, match="VECTORIZED"):
        emit_module({"kernel": PrimFunc([], loop)})


def test_the_text_of_a_module_is_always_the_same() -> None:
    def once() -> str:
        a, i = flat("a", 16, "float64"), Var("i", "int32")
        value = Call("float64", "tir.sin", (BufferLoad(a, [i]),))
        loop = For(i, 0, 16, ForKind.PARALLEL, BufferStore(a, value, [i]))
        return emit_module({"kernel": PrimFunc([a.data], loop)})

    assert once() == once()
