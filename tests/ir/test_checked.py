"""Constructors of nodes tell which argument is missing or of another kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from tilewright import ir, tir
from tilewright.support.errors import ArgumentError

i, nothing = tir.Var("i", "int32"), tir.Evaluate(0)
A, B = tir.decl_buffer((8,), name="A"), tir.decl_buffer((8, 8), name="B")
x, y = tir.Var("x", "float32"), tir.Var("y", "int32")
SUM = tir.CommReducer([i], [y], [i + y], [0])
K, S = tir.IterVar((0, 8), "k", tir.IterVar.CommReduce), tir.IterVar((0, 8), "s", 0)
F = tir.PrimFunc([], nothing)

WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: tir.Select(1, 2), "`false_value` of tir.Select is needed, found nothing"),
    (lambda: tir.Add(i), "found nothing"),
    (lambda: tir.While(3, 4), "`body` of tir.While is a Stmt, found 4"),
    (lambda: tir.For(i, 0, 4, tir.ForKind.SERIAL), "`body` of tir.For is a Stmt, found nothing"),
    (lambda: tir.For(3, 0, 4, 0, nothing), "`loop_var` of tir.For is a Var, found 3"),
    (lambda: tir.SeqStmt([nothing, 2]), "`seq` of tir.SeqStmt is a list of Stmt"),
    (lambda: tir.BufferStore(i, 1.0, [0]), "`buffer` of tir.BufferStore is a Buffer, found i"),
    (lambda: tir.IfThenElse(i < 2, nothing, 3), "`else_case` of tir.IfThenElse is a Stmt, found 3"),
    (lambda: tir.BufferRegion(A, [3]), "`region` of tir.BufferRegion is a list of Range"),
    (lambda: tir.AttrStmt(None, body=nothing, value=1), "`attr_key` of tir.AttrStmt is needed"),
    (lambda: tir.For(i, 0, 4, 7, nothing), "no kind of loop is 7"),
    (lambda: tir.For(x, 0.0, 4.0, 0, nothing), "loop variable `x` is an integer, found float32"),
    (lambda: tir.For(i, 0, 4, 0, nothing, None, [1]), "`annotations` of tir.For is a dict"),
    (lambda: tir.SeqStmt([nothing]), "SeqStmt needs two statements or more, found 1"),
    (lambda: tir.SeqStmt([]), "SeqStmt needs two statements or more, found 0"),
    (lambda: tir.LetStmt(i, x, nothing), "`i` of int32 stands for a value of float32"),
    (lambda: tir.AssertStmt(i, "no", nothing), "condition of AssertStmt is a bool, found int32"),
    (lambda: tir.AssertStmt(i < 2, 3, nothing), "`message` of tir.AssertStmt is a string, found 3"),
    (lambda: tir.While(tir.Broadcast(i < 2, 4), nothing), "While is a bool, found boolx4"),
    (lambda: tir.Allocate(i, "float32", [8], True, nothing), "Allocate needs a pointer to float32"),
    (lambda: tir.Allocate(A.data, "foo", [8], True, nothing), "unknown dtype 'foo'"),
    (lambda: tir.Allocate(A.data, "float32", [-8], True, nothing), "an integer of 0 or more"),
    (lambda: tir.Allocate(A.data, "float32", [8], i, nothing), "of Allocate is a bool"),
    (lambda: tir.AllocateConst(A.data, "float32", [8], "a", nothing), "are an array, found 'a'"),
    (lambda: tir.BufferLoad(A, [0, 0]), "buffer `A` has 1 dimensions, indexed with 2"),
    (lambda: tir.BufferStore(A, 1.0, []), "buffer `A` has 1 dimensions, indexed with 0"),
    (lambda: tir.BufferLoad(B, [tir.Ramp(0, 1, 4), 0]), "index 0 of buffer `B` is a vector"),
    (lambda: tir.BufferLoad(A, [0], 1), "the mask of an access is a vector of bool, found 1"),
    (lambda: tir.BufferRegion(B, [ir.Range(0, 8)]), "has 2 dimensions, its region 1"),
    (lambda: tir.MatchBufferRegion(tir.decl_buffer((7,)), A[0:8]), "of shape [7] is a view of"),
    (lambda: tir.MatchBufferRegion(tir.decl_buffer((8,), "int8"), A[0:8]), "with another dtype"),
    (lambda: tir.Block([], [], [], 3, nothing), "`name_hint` of tir.Block is a string, found 3"),
    (lambda: tir.BlockRealize([], i, tir.Block([], [], [], "b", nothing)), "is a bool, found"),
    (lambda: tir.Broadcast(i, 0), "a vector of 0 lanes"),
    (lambda: tir.Ramp(i, 1, 4.5), "a vector of 4.5 lanes"),
    (lambda: tir.Shuffle([tir.Ramp(i, 1, 4)], []), "Shuffle needs at least one index"),
    (lambda: tir.Select(tir.Broadcast(i < 2, 4), i, i), "by a condition of boolx4"),
    (lambda: tir.Call("foo", "tir.exp", [x]), "unknown dtype 'foo'"),
    (lambda: tir.Call("float32", "tir.exp", x), "`args` of tir.Call is a list, found x"),
    (lambda: tir.IterVar((0, 8.5), "i", 0), "the domain of axis `i` is of integers"),
    (lambda: tir.IterVar((0, 8), x, 0), "axis `x` is an integer, found float32"),
    (lambda: tir.CommReducer([i], [], [i], [0]), "a reducer of 1 values has 0 in `rhs`"),
    (lambda: tir.Reduce(SUM, [i], [K], True, 1), "a reduction of 1 values has none at 1"),
    (lambda: tir.Reduce(SUM, [i], [K], True, 0, [i, i]), "has 2 in `init`"),
    (lambda: tir.Reduce(SUM, [i], [S], True, 0), "over `s`, which is not a reduction axis"),
    (lambda: tir.IntImm("int32", 1.5), "IntImm holds an integer, found 1.5"),
    (lambda: tir.FloatImm("float32", "1"), "FloatImm holds a number, found '1'"),
    (lambda: tir.IntImm([1], 1), "a data type is a name such as float32, found [1]"),  # type: ignore[arg-type]
    (lambda: tir.FloatImm({}, 1.0), "a data type is a name such as float32, found {}"),  # type: ignore[arg-type]
    (lambda: tir.While(x, nothing), "the condition of While is a bool, found float32"),
    (lambda: tir.IfThenElse(x, nothing), "the condition of IfThenElse is a bool, found float32"),
    (lambda: tir.PrimFunc([i], i), "`body` of a function is a Stmt, found i"),
    (lambda: tir.PrimFunc([i], nothing, buffer_map=[A]), "`buffer_map` of a function"),
    (lambda: tir.PrimFunc([i], nothing).specialize(3), "`specialize` takes a value by parameter"),
    (lambda: tir.decl_buffer((8,), data=tir.Var("h", "handle")), "`data` of buffer `buffer`"),
    (lambda: tir.decl_buffer((8,), strides=1), "`strides` of buffer `buffer` is a list, found 1"),
    (lambda: tir.decl_buffer((8,), strides=["a"]), "`strides` of buffer `buffer` is of integers"),
    (lambda: tir.decl_buffer((8,), strides=[1.5]), "`strides` of buffer `buffer` is of integers"),
    (lambda: tir.decl_buffer((8,), strides=[8, 1]), "`strides` of buffer `buffer` is one a dim"),
    (lambda: tir.Buffer(A.data, "float32", 8), "`shape` of buffer `buffer` is a list, found 8"),  # type: ignore[arg-type]
    (lambda: tir.Buffer(A.data, "float32", None), "`shape` of buffer `buffer` is a list"),  # type: ignore[arg-type]
    (lambda: tir.decl_buffer((8,), scope=3), "a storage scope is a string, found 3"),  # type: ignore[arg-type]
    (lambda: tir.decl_buffer((8,), offset_factor=-1), "`offset_factor` of buffer `buffer`"),
    (lambda: tir.decl_buffer((8,), elem_offset=x), "`elem_offset` of buffer `buffer` is of"),
    (lambda: tir.decl_buffer((8,), data_alignment="a"), "`data_alignment` of buffer `buffer`"),
    (lambda: tir.decl_buffer((8,), buffer_type=3), "`buffer_type` of buffer `buffer` is a string"),
    (lambda: tir.decl_buffer((8,), axis_separators=["a"]), "`axis_separators` of buffer `buffer`"),
    (lambda: ir.IRModule({"main": nothing}), "a module is made of functions, found"),
    (lambda: ir.IRModule({ir.GlobalVar("a"): F, ir.GlobalVar("a"): F}), "are called 'a'"),
    (lambda: ir.GlobalVar(3), "a function's name is a string, found 3"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_the_wrong_argument_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        make()
    assert message in str(error.value)


def test_the_step_of_a_ramp_takes_the_type_of_its_base() -> None:
    assert tir.Ramp(i, tir.Var("n", "int64"), 4).dtype == "int32x4"


def test_what_may_be_left_out_is_none() -> None:
    assert tir.IfThenElse(i < 2, nothing).else_case is None
    assert tir.Block((), (), (), "root", nothing, None, None).alloc_buffers == ()


def test_signatures_stay_those_of_the_declarations() -> None:
    parameters = inspect.signature(tir.Select).parameters
    assert parameters["condition"].default is inspect.Parameter.empty
