"""Programs that script has no plain words for print and parse to the same program, too."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.script.test_round_trip import comes_back
from tilewright import relax, tir
from tilewright.ir import GlobalVar, IRModule, Range
from tilewright.ir import type as ty
from tilewright.support.dtypes import dtype_of
from tilewright.tir import interpreter

NOTHING = tir.Evaluate(0)
NAMES = ("lambda", "None", "a.b", "1x", "a b", "A.data", "__x__", "cls", "T", "main")


@pytest.mark.parametrize("name", NAMES)
def test_functions_and_blocks_of_any_name(name: str) -> None:
    block = tir.Block([], [], [], name, NOTHING)
    func = tir.PrimFunc([], tir.BlockRealize([], True, block), attrs={"global_symbol": name})
    comes_back(func)
    bb = relax.BlockBuilder(IRModule({GlobalVar("a_b"): func}))
    x = relax.Var("x", relax.TensorStructInfo((3,), "float32"))
    kernel = bb.add_func(func, f"{name}.1")
    with bb.function("entry", [x]):
        bb.emit_func_output(bb.emit(relax.call_tir(kernel, [x], x.struct_info)))
    comes_back(bb.get())


def bound(tag: str = "threadIdx.x", kind: int = 4, **options: object) -> tir.Stmt:
    axis = tir.IterVar(options.get("dom"), tir.Var("t", options.get("dtype", "int32")), 1, tag)  # type: ignore[arg-type]
    return tir.For(tir.Var("i", "int32"), 0, 8, kind, NOTHING, axis)


def axis(kind: int, dom: Range | None = None, tag: str = "") -> tir.Stmt:
    made = tir.IterVar(dom, tir.Var("v", "int32"), kind, tag)
    return tir.BlockRealize([0], True, tir.Block([made], [], [], "b", tir.Evaluate(made.var)))


def memory(pointer: ty.Type) -> tir.Stmt:
    return tir.Allocate(tir.Var("p", pointer), "float32", [8], True, NOTHING)


def matched(data: tir.Var) -> tir.PrimFunc:
    handle = tir.Var("h", ty.PointerType(ty.PrimType("float32"), "global"))
    buffer = tir.decl_buffer((2,), "bool", "A", data=data)
    return tir.PrimFunc([handle], NOTHING, buffer_map={handle: buffer})


ODD: dict[str, Callable[[], tir.Stmt]] = {
    "a loop of no thread": lambda: bound(kind=0),
    "a thread of another type": lambda: bound(dtype="int64"),
    "a thread with a domain": lambda: bound(dom=Range(0, 8)),
    "a thread of another name": lambda: bound('my"axis'),
    "an axis of threads": lambda: axis(1, Range(0, 8), "threadIdx.x"),
    "an axis without a domain": lambda: axis(0),
    "an unrolled axis": lambda: axis(5, Range(2, 8)),
    "memory in a quoted place": lambda: memory(ty.PointerType(ty.PrimType("float32"), 'a"b\n')),
    "a message that is no text": lambda: tir.AssertStmt(True, tir.const(3), NOTHING),
    "a quoted key": lambda: tir.AttrStmt(tir.StringImm("node"), 'a"b\n', 1, NOTHING),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_statements(what: str) -> None:
    comes_back(tir.PrimFunc([], ODD[what](), attrs={"global_symbol": "main"}))


def test_buffers_over_memory_of_another_type() -> None:
    comes_back(matched(tir.Var("A", ty.PointerType(ty.PrimType("int8"), "global"))))


def test_a_nan_keeps_its_bits() -> None:
    negative = np.array(-np.inf).astype(dtype_of("float8_e4m3fn").numpy)
    bb = relax.BlockBuilder()
    with bb.function("main", []):
        bb.emit_func_output(bb.emit(relax.const(negative, "float8_e4m3fn")))
    comes_back(bb.get())


def test_a_loop_without_condition_ends_by_break() -> None:
    A = tir.decl_buffer((8,), "int32", name="A")
    leave = tir.IfThenElse(A[0] > 3, tir.Evaluate(tir.op.break_loop()))
    loop = tir.While(True, tir.SeqStmt([tir.BufferStore(A, A[0] + 1, [0]), leave]))
    handle = tir.Var("a", "handle")
    func = tir.PrimFunc([handle], loop, buffer_map={handle: A})
    assert "while True:" in func.script()
    comes_back(func)
    values = np.zeros(8, "int32")
    interpreter.run(func, values)
    assert values[0] == 4


def test_integers_as_conditions_come_back_as_comparisons() -> None:
    i = tir.Var("i", "int32")
    func = tir.PrimFunc([i], tir.SeqStmt([tir.While(i, NOTHING), tir.IfThenElse(i, NOTHING)]))
    assert "while i != 0:" in func.script()
    comes_back(func)


def test_memory_is_read_as_another_type() -> None:
    A, C = tir.decl_buffer((4,), name="A"), tir.decl_buffer((4,), "int32", name="C")
    B, i = tir.decl_buffer((4,), "int32", data=A.data), tir.Var("i", "int32")
    copied = tir.For(i, 0, 4, 0, tir.BufferStore(C, B[i], [i]))  # type: ignore[arg-type]
    handles = [tir.Var(name, "handle") for name in "ac"]
    func = tir.PrimFunc(
        handles, tir.DeclBuffer(B, copied), buffer_map=dict(zip(handles, (A, C), strict=True))
    )
    comes_back(func)
    numbers, bits = np.array([1, -2, 0.5, 4], "float32"), np.zeros(4, "int32")
    interpreter.run(func, numbers, bits)
    assert list(bits) == list(numbers.view("int32"))
