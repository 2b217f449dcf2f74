"""Each method of visitors and mutators: it handles its kind of node, whose parts come in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilewright import te, tir
from tilewright.ir import Range
from tilewright.ir.structural import assert_structural_equal
from tilewright.runtime import ndarray
from tilewright.tir.functor import METHODS

X, Y = tir.Var("x", "int32"), tir.Var("y", "int32")
i, m = tir.Var("i", "int32"), tir.SizeVar("m", "int32")
f, p = tir.Var("f", "float32"), tir.Var("p", "bool")
A, B = tir.decl_buffer((8, 8), name="A"), tir.decl_buffer((8,), "int32", name="B")
T = te.placeholder((8,), "int32", "T")
axis = tir.IterVar(Range(0, 8), tir.Var("v", "int32"))
NUMBERS = ndarray.array(np.arange(8, dtype="int32"))
TRUE, NOTHING = tir.const(True, "bool"), tir.Evaluate(0)
total = te.comm_reducer(lambda a, b: a + b, lambda t: tir.const(0, t))


def reduction(x: tir.Var) -> tir.PrimExpr:
    k = tir.IterVar(Range(0, x), tir.Var("k", "int32"), tir.IterVar.CommReduce)
    return total(B[k.var], axis=[k], where=k.var < x)


def block(x: tir.Var) -> tir.Block:
    body, init = tir.BufferStore(B, x, (axis.var,)), tir.BufferStore(B, 3, (axis.var,))
    return tir.Block((axis,), (A[x, 0:1],), (B[axis.var : axis.var + 1],), "b", body, init)


SAMPLES: dict[type, tuple[Callable[[tir.Var], Any], str]] = {
    tir.AttrStmt: (lambda x: tir.AttrStmt(i, "key", x, tir.Evaluate(x + 1)), "x x 1"),
    tir.IfThenElse: (lambda x: tir.IfThenElse(p, tir.Evaluate(x), tir.Evaluate(x + 1)), "p x x 1"),
    tir.LetStmt: (lambda x: tir.LetStmt(i, x, tir.Evaluate(i)), "x i"),
    tir.For: (lambda x: tir.For(i, 0, x, tir.ForKind.SERIAL, tir.Evaluate(i)), "0 x i"),
    tir.While: (lambda x: tir.While(p, tir.Evaluate(x)), "p x"),
    tir.Allocate: (lambda x: tir.Allocate(B.data, "int32", (x,), p, tir.Evaluate(x)), "x x p"),
    tir.AllocateConst: (
        lambda x: tir.AllocateConst(B.data, "int32", (8,), NUMBERS, tir.Evaluate(x)), "8 x",
    ),
    tir.DeclBuffer: (lambda x: tir.DeclBuffer(B, tir.Evaluate(x)), "x"),
    tir.BufferRealize: (
        lambda x: tir.BufferRealize(B, (Range.from_min_extent(x, 4),), p, tir.Evaluate(x + 1)),
        "x 4 p x 1",
    ),
    tir.BufferStore: (lambda x: tir.BufferStore(A, f, (x, 2)), "f x 2"),
    tir.AssertStmt: (lambda x: tir.AssertStmt(x < 1, "why", tir.Evaluate(x)), "x 1 why x"),
    tir.SeqStmt: (lambda x: tir.SeqStmt((tir.Evaluate(x), tir.Evaluate(i))), "x i"),
    tir.Evaluate: (lambda x: tir.Evaluate(x), "x"),
    tir.Block: (block, "0 8 x 1 0 1 v 1 3 v x v"),
    tir.BlockRealize: (
        lambda x: tir.BlockRealize((x,), p, block(x)), "x p 0 8 x 1 0 1 v 1 3 v x v",
    ),
    tir.Var: (lambda x: x, "x"),
    tir.SizeVar: (lambda x: m, "m"),
    tir.BufferLoad: (lambda x: tir.BufferLoad(A, (x, 5)), "x 5"),
    tir.ProducerLoad: (lambda x: T(x), "x"),
    tir.Let: (lambda x: tir.Let(i, x, i + 1), "x i 1"),
    tir.Call: (lambda x: tir.call_extern("int32", "g", x, 2), "g x 2"),
    **{
        kind: (lambda x, kind=kind: kind(x, i), "x i")
        for kind in (tir.Add, tir.Sub, tir.Mul, tir.Div, tir.Mod, tir.FloorDiv, tir.FloorMod,
                     tir.Min, tir.Max, tir.EQ, tir.NE, tir.LT, tir.LE, tir.GT, tir.GE)
    },
    tir.And: (lambda x: tir.And(p, x < 1), "p x 1"),
    tir.Or: (lambda x: tir.Or(x < 1, p), "x 1 p"),
    tir.Reduce: (reduction, "0 x k k x"),
    tir.Cast: (lambda x: tir.Cast("int64", x), "x"),
    tir.Not: (lambda x: tir.Not(x < 1), "x 1"),
    tir.Select: (lambda x: tir.Select(p, x, i), "p x i"),
    tir.Ramp: (lambda x: tir.Ramp(x, 2, 4), "x 2"),
    tir.Broadcast: (lambda x: tir.Broadcast(x, 4), "x"),
    tir.Shuffle: (lambda x: tir.Shuffle([x, i], [1, 0]), "1 0 x i"),
    tir.IntImm: (lambda x: tir.IntImm("int32", 7), "7"),
    tir.FloatImm: (lambda x: tir.FloatImm("float32", 1.5), "1.5"),
    tir.StringImm: (lambda x: tir.StringImm("text"), "text"),
}  # fmt: skip
"""A node by the variable that stands in it, and the leaves in the order in which they are seen."""

NAMES = {METHODS[kind]: kind for kind in SAMPLES}
LEAVES = {
    "visit_var_": "name", "visit_size_var_": "name", "visit_int_imm_": "value",
    "visit_float_imm_": "value", "visit_string_imm_": "value",
}  # fmt: skip


def with_method(base: type, name: str, method: Any) -> Any:
    return type("Derived", (base,), {name: method})()


def visit(functor: Any, node: Any) -> Any:
    return (functor.visit_stmt if isinstance(node, tir.Stmt) else functor.visit_expr)(node)


def test_every_method_has_a_sample() -> None:
    public = {n for n in dir(tir.PyStmtExprVisitor) if n.startswith("visit_") and n.endswith("_")}
    assert public == set(NAMES)
    assert public == {
        n for n in dir(tir.PyStmtExprMutator) if n.startswith("visit_") and n[-1] == "_"
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_override_gets_its_nodes_and_goes_no_further(name: str) -> None:
    node, seen = SAMPLES[NAMES[name]][0](X), []
    visitor = with_method(tir.PyStmtExprVisitor, name, lambda self, op: seen.append(op))
    visit(visitor, node)
    assert len(seen) == 1 and seen[0] is node


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_of_a_node_are_visited_in_order(name: str) -> None:
    make, expected = SAMPLES[NAMES[name]]
    seen: list[str] = []

    def leaf(field: str) -> Callable[[Any, Any], None]:
        return lambda self, op: seen.append(str(getattr(op, field)))

    methods = {method: leaf(field) for method, field in LEAVES.items()}
    visit(type("Leaves", (tir.PyStmtExprVisitor,), methods)(), make(X))
    assert " ".join(seen) == expected


@pytest.mark.parametrize("name", NAMES)
def test_what_an_override_returns_takes_the_node_s_place(name: str) -> None:
    kind = NAMES[name]
    node = SAMPLES[kind][0](X)
    new: Any = tir.Evaluate(9) if issubclass(kind, tir.Stmt) else tir.Var("new", "int32")
    around: Any
    if kind is tir.Block:
        new = block(Y)
        around, field = tir.BlockRealize((0,), True, node), "block"
    elif kind is tir.AttrStmt:
        around, field = tir.While(p, node), "body"
    elif issubclass(kind, tir.Stmt):
        around, field = tir.AttrStmt(i, "key", 0, node), "body"
    else:
        around, field = tir.Evaluate(node), "value"
    mutator = with_method(tir.PyStmtExprMutator, name, lambda self, op: new if op is node else op)
    assert getattr(mutator.visit_stmt(around), field) is new
    assert getattr(around, field) is node


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_of_a_node_are_rewritten(name: str) -> None:
    make = SAMPLES[NAMES[name]][0]
    mutator = with_method(
        tir.PyStmtExprMutator, "visit_var_", lambda self, op: Y if op is X else op
    )
    node = make(X)
    made = visit(mutator, node)
    assert type(made) is type(node)
    assert_structural_equal(made, make(Y))
    assert (made is node) == ("x" not in SAMPLES[NAMES[name]][1].split())
