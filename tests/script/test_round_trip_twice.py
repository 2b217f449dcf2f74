"""What is defined at several places comes back as one thing, or is refused where it is made."""

from collections.abc import Callable

import pytest

from tests.script.test_round_trip import comes_back
from tilewright import relax, tir
from tilewright.ir import IRModule, PointerType, PrimType, Range
from tilewright.support.errors import ArgumentError

I = tir.Var("i", "int32")
P = tir.Var("p", PointerType(PrimType("float32")))
USE = tir.Evaluate(I)
B, OTHER = tir.decl_buffer((4,), name="B"), tir.decl_buffer((8,), name="other")
WRITE = tir.BufferStore(B, tir.const(1.0), [0])


def loop(extent: int, body: tir.Stmt = USE) -> tir.Stmt:
    return tir.For(I, 0, extent, tir.ForKind.SERIAL, body)


def memory(size: int) -> tir.Stmt:
    call = tir.Evaluate(tir.call_extern("int32", "touch", P))
    return tir.Allocate(P, "float32", [size], tir.const(True), call)


def block(name: str) -> tir.Stmt:
    axis = tir.IterVar((0, 4), I, 0)
    return tir.BlockRealize([tir.const(0)], True, tir.Block([axis], [], [], name, USE))


def holder(name: str, body: tir.Stmt = WRITE) -> tir.Stmt:
    block = tir.Block([], [], [], name, body, alloc_buffers=[B])
    return tir.BlockRealize([], tir.const(True), block)


def viewer(name: str) -> tir.Stmt:
    source = tir.BufferRegion(OTHER, [Range(0, 4)])
    match = tir.MatchBufferRegion(B, source)
    block = tir.Block([], [], [], name, WRITE, match_buffers=[match])
    return tir.BlockRealize([], tir.const(True), block)


TWICE: dict[str, Callable[[], tir.Stmt]] = {
    "two loops": lambda: tir.SeqStmt([loop(4), loop(8)]),
    "a loop in a loop": lambda: loop(4, loop(8)),
    "one loop at two places": lambda: tir.SeqStmt([same := loop(4), same]),
    "two names": lambda: tir.SeqStmt(
        [tir.LetStmt(I, tir.const(1), USE), tir.LetStmt(I, tir.const(2), USE)]
    ),
    "two allocations": lambda: tir.SeqStmt([memory(4), memory(8)]),
    "two expressions": lambda: tir.Evaluate(tir.Let(I, 1, I + 1) + tir.Let(I, 2, I + 2)),
    "axes of two blocks": lambda: tir.SeqStmt([block("a"), block("b")]),
    "memory of two blocks": lambda: tir.SeqStmt([holder("a"), holder("b")]),
    "memory of a block in a block": lambda: holder("root", holder("b")),
    "two views": lambda: tir.SeqStmt([viewer("a"), viewer("b")]),
    "a loop and a name": lambda: tir.SeqStmt([loop(4), tir.LetStmt(I, tir.const(1), USE)]),
}


@pytest.mark.parametrize("what", TWICE)
def test_a_variable_that_is_defined_twice_comes_back(what: str) -> None:
    comes_back(tir.PrimFunc([], TWICE[what](), attrs={"global_symbol": "main"}))


def test_a_parameter_that_a_loop_defines_again_comes_back() -> None:
    comes_back(tir.PrimFunc([I], loop(4), attrs={"global_symbol": "main"}))


def test_a_parameter_stands_once() -> None:
    with pytest.raises(ArgumentError, match="variable `i` is that of two parameters"):
        tir.PrimFunc([I, I], USE)


def test_a_buffer_of_two_parameters_comes_back_as_two_of_one_memory() -> None:
    handles = [tir.Var(name, "handle") for name in "ab"]
    shared = tir.decl_buffer((4,), "float32", "S")
    store = tir.BufferStore(shared, tir.const(1.0), [0])
    comes_back(
        tir.PrimFunc(handles, store, None, dict.fromkeys(handles, shared)).with_attr(
            "global_symbol", "main"
        )
    )


def test_memory_of_no_scope_is_global() -> None:
    assert PointerType(PrimType("float32"), "").storage_scope == "global"
    comes_back(tir.PrimFunc([P], USE, attrs={"global_symbol": "main"}))


def test_a_function_without_a_name_comes_back() -> None:
    comes_back(IRModule({"": tir.PrimFunc([], USE, attrs={"global_symbol": ""})}))
    x = relax.Var("x", relax.TensorStructInfo([4], "float32"))
    comes_back(IRModule({"": relax.Function([x], x, attrs={"global_symbol": ""})}))
