"""Visitors and mutators with one method a kind of node."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright import tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.support.errors import ArgumentError
from tilewright.tir.functor import METHODS

A = tir.decl_buffer((8, 8), name="A")
i, n = tir.Var("i", "int32"), tir.Var("n", "int32")


def program() -> tir.Stmt:
    value = A[i, 0] + tir.Cast("float32", n)
    return tir.For(i, 0, n, tir.ForKind.SERIAL, tir.BufferStore(A, value, (i, 1)))


@tir.functor.visitor
class Log(tir.PyStmtExprVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def visit_for_(self, op: tir.For) -> None:
        self.seen.append("for")
        super().visit_for_(op)

    def visit_var_(self, op: tir.Var) -> None:
        self.seen.append(op.name)

    def visit_buffer_load_(self, op: tir.BufferLoad) -> None:
        self.seen.append("load")
        self.visit_expr(op.indices[0])


def test_a_visitor_sees_what_is_computed_in_order() -> None:
    log = Log()
    log.visit_stmt(program())
    assert log.seen == ["for", "n", "load", "i", "n", "i"]


def test_blocks_and_their_regions_are_visited() -> None:
    axis = tir.IterVar((0, n), "v")
    body = tir.BufferStore(A, A[axis.var, 0], (axis.var, 1))
    block = tir.Block((axis,), (A[axis.var, 0:1],), (A[axis.var, 1:2],), "b", body)
    log = Log()
    log.visit_stmt(tir.BlockRealize((i,), True, block))
    assert log.seen == ["i", "n", "v", "v", "load", "v", "v"]


@tir.functor.mutator
class Swap(tir.PyStmtExprMutator):
    def visit_add_(self, op: tir.Add) -> Any:
        return tir.Sub(self.visit_expr(op.a), self.visit_expr(op.b))

    def visit_int_imm_(self, op: tir.IntImm) -> Any:
        return tir.IntImm(op.dtype, op.value + 1)


def test_a_mutator_replaces_nodes() -> None:
    expected = tir.For(
        i, 1, n, tir.ForKind.SERIAL,
        tir.BufferStore(A, tir.Sub(A[i, 1], tir.Cast("float32", n)), (i, 2)),
    )  # fmt: skip
    assert_structural_equal(Swap().visit_stmt(program()), expected, map_free_vars=True)


def test_what_does_not_change_stays_the_same_object() -> None:
    stmt = program()
    assert tir.PyStmtExprMutator().visit_stmt(stmt) is stmt


def test_every_kind_of_node_has_a_method() -> None:
    missing = [name for name in METHODS.values() if not hasattr(tir.PyStmtExprVisitor, name)]
    assert missing == []
    assert {"visit_buffer_store_", "visit_eq_", "visit_int_imm_", "visit_if_then_else_"} <= set(
        METHODS.values()
    )


def test_decorated_classes_must_be_derived() -> None:
    with pytest.raises(ArgumentError, match="`Plain` is not derived from PyStmtExprVisitor"):

        @tir.functor.visitor
        class Plain:
            pass


def test_sizes_are_renewed_before_the_shapes_that_use_them() -> None:
    n = tir.SizeVar("n", "int64")
    wide, narrow = tir.decl_buffer((n * 2,)), tir.decl_buffer((n,))
    func = tir.PrimFunc((wide, narrow), tir.BufferStore(wide, narrow[0], (0,)))
    made = tir.stmt_functor.renew_defs(func)
    first, second = made.buffers()
    assert second.shape[0] is not n and first.shape[0].a is second.shape[0]
