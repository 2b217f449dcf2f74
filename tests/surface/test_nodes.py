"""Each class of expressions and statements is built, printed and read again as the same."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright import tir
from tilewright.ir import IRModule, Range
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.tir import analysis, stmt_functor

from .tables import rows

x, y = tir.Var("x", "int32"), tir.Var("y", "int32")
f = tir.Var("f", "float32")
p = tir.Var("p", "bool")
A = tir.decl_buffer((8, 4), name="A")
B = tir.decl_buffer((8,), name="B")
V = tir.decl_buffer((32,), name="V")
axis = tir.IterVar(Range(0, 8), tir.Var("v", "int32"))
i = tir.Var("i", "int32")
NOTHING = tir.Evaluate(0)
STORE = tir.BufferStore(A, f, (x, 0))

EXPRESSIONS = {
    "Add": tir.Add(x, y),
    "And": tir.And(p, x < y),
    "Broadcast": tir.Broadcast(f, 4),
    "BufferLoad": tir.BufferLoad(A, (x, y)),
    "Call": tir.Call("float32", "tir.exp", (f,)),
    "Cast": tir.Cast("float64", x),
    "Div": tir.Div(f, f),
    "EQ": tir.EQ(x, y),
    "FloatImm": tir.FloatImm("float16", 1.5),
    "FloorDiv": tir.FloorDiv(x, y),
    "FloorMod": tir.FloorMod(x, y),
    "GE": tir.GE(x, y),
    "GT": tir.GT(x, y),
    "IntImm": tir.IntImm("int64", 3),
    "LE": tir.LE(x, y),
    "LT": tir.LT(x, y),
    "Let": tir.Let(i, x, i + 1),
    "Max": tir.Max(x, y),
    "Min": tir.Min(f, f),
    "Mod": tir.Mod(x, y),
    "Mul": tir.Mul(x, y),
    "NE": tir.NE(x, y),
    "Not": tir.Not(p),
    "Or": tir.Or(p, x < y),
    "Ramp": tir.Ramp(x, 2, 4),
    "Select": tir.Select(p, x, y),
    "Shuffle": tir.Shuffle([x, y], [1, 0]),
    "SizeVar": x + 0,
    "StringImm": tir.call_extern("int32", "g", tir.StringImm("text")),
    "Sub": tir.Sub(x, y),
    "Var": x,
}
STATEMENTS = {
    "Allocate": tir.Allocate(V.data, "float32", (32,), tir.const(1, "bool"), NOTHING),
    "AssertStmt": tir.AssertStmt(p, tir.StringImm("no"), NOTHING),
    "AttrStmt": tir.AttrStmt(x, "pragma_test", y, NOTHING),
    "BlockRealize": tir.For(
        i, 0, 8, tir.ForKind.SERIAL,
        tir.BlockRealize(
            (i,), tir.const(1, "bool"),
            tir.Block((axis,), (A[axis.var, 0:1],), (A[axis.var, 1:2],), "b",
                      tir.BufferStore(A, A[axis.var, 0], (axis.var, 1))),
        ),
    ),
    "BufferStore": STORE,
    "DeclBuffer": tir.DeclBuffer(tir.decl_buffer((32,), name="W", data=B.data), NOTHING),
    "Evaluate": tir.Evaluate(x),
    "For": tir.For(i, 0, x, tir.ForKind.PARALLEL, NOTHING, annotations={"key": 1}),
    "IfThenElse": tir.IfThenElse(p, STORE, NOTHING),
    "LetStmt": tir.LetStmt(i, x, tir.Evaluate(i)),
    "SeqStmt": tir.SeqStmt((STORE, NOTHING)),
    "While": tir.While(x < y, STORE),
}  # fmt: skip


def function(body: tir.Stmt) -> tir.PrimFunc:
    return tir.PrimFunc((A, B, x, y, f, p), body, attrs={"global_symbol": "main"})


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_are_read_as_they_are_printed(name: str) -> None:
    func = function(tir.Evaluate(EXPRESSIONS[name]))
    assert_structural_equal(from_source(func.script()), func)


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_are_read_as_they_are_printed(name: str) -> None:
    func = function(STATEMENTS[name])
    assert_structural_equal(from_source(func.script()), func)


ABSTRACT = {
    "BinaryOpExpr", "CmpExpr", "ConstExpr", "EqualOp", "ExprOp", "LogicalExpr", "NotEqualOp",
    "PrimExprWithOp", "Stmt",
}  # fmt: skip
"""Classes that others derive from."""

PARTS = {
    "CallEffectKind", "CommReducer", "IntImmEnum", "IterVar", "ProducerLoad", "Reduce",
    "Block", "BufferRegion", "ForKind", "MatchBufferRegion", "AllocateConst", "BufferRealize",
}  # fmt: skip
"""What occurs within others only, or has tests of its own."""


def test_every_class_has_a_sample() -> None:
    table = rows()
    names = {*table["expressions"].names, *table["statements"].names}
    assert names == {*EXPRESSIONS, *STATEMENTS} | ABSTRACT | PARTS


PROGRAM = function(STATEMENTS["BlockRealize"])


def _order(walk: object) -> list[str]:
    seen: list[str] = []
    walk(PROGRAM.body, lambda n: seen.append(type(n).__name__))  # type: ignore[operator]
    return seen


def test_walks_see_what_is_computed() -> None:
    """Not the loop's variable, the axis or the buffers; shared nodes once."""
    post = _order(stmt_functor.post_order_visit)
    assert post[:3] == ["IntImm", "IntImm", "Var"]
    assert post[-4:] == ["BufferStore", "Block", "BlockRealize", "For"]
    pre = _order(stmt_functor.pre_order_visit)
    assert pre[:2] == ["For", "IntImm"] and pre.count("Var") == 2
    assert {"Buffer", "IterVar", "Range", "BufferRegion"}.isdisjoint(post + pre)
    assert len(pre) == len(post)


def test_walks_of_rare_nodes() -> None:
    """Conditions of allocations come last, indices of shuffles first."""

    def seen(node: Any) -> list[str]:
        found: list[Any] = []
        stmt_functor.post_order_visit(node, found.append)
        return [str(n) for n in found if isinstance(n, tir.PrimExpr)]

    assert seen(STATEMENTS["Allocate"]) == ["32", "0", "T.bool(True)"]
    assert seen(EXPRESSIONS["Shuffle"])[:4] == ["1", "0", "x", "y"]


def test_the_anchor_is_the_dearest_reduction() -> None:
    def reduction(extent: int, name: str) -> tir.Stmt:
        loop, axis = tir.Var("k", "int32"), tir.IterVar((0, extent), "vk", tir.IterVar.CommReduce)
        body = tir.BufferStore(B, B[0] + B[axis.var], (0,))
        init = tir.BufferStore(B, tir.const(0.0), (0,))
        block = tir.Block((axis,), (), (), name, body, init)
        realize = tir.BlockRealize((loop,), tir.const(1, "bool"), block)
        return tir.For(loop, 0, extent, tir.ForKind.SERIAL, realize)

    body = tir.SeqStmt((reduction(2, "small"), reduction(8, "large"), reduction(4, "middle")))
    anchor = analysis.find_anchor_block(IRModule({"main": function(body)}))
    assert anchor is not None and anchor.name_hint == "large"
    assert analysis.find_anchor_block(IRModule({"main": PROGRAM})) is None
