"""Visitors and mutators of Relax programs, and conversions of arguments."""

from typing import Any

import pytest

from tilewright import relax
from tilewright.relax.args_converter import args_converter
from tilewright.relax.expr_functor import PyExprMutator, PyExprVisitor, mutator, visitor
from tilewright.support.errors import ArgumentError

from .helpers import tensor_var

x, y = tensor_var("x", [2]), tensor_var("y", [2])


@mutator
class _Notes(PyExprMutator):
    """Notes what it meets, parts first."""

    def __init__(self) -> None:
        super().__init__()
        self.met: list[str] = []

    def _note(self, op: Any) -> Any:
        made = self.visit_expr_post_order(op)
        self.met.append(type(op).__name__)
        return made

    visit_var_ = visit_dataflow_var_ = visit_seq_expr_ = visit_if_ = _note

    def visit_var_def_(self, var: relax.Var) -> relax.Var:
        self.met.append("VarDef")
        return var


def test_branches_and_bodies_are_sequences_that_a_mutator_meets() -> None:
    notes = _Notes()
    c = relax.Var("c", relax.TensorStructInfo([], "bool"))
    notes.visit_expr(relax.If(c, x, y))
    assert notes.met == ["Var", "Var", "SeqExpr", "Var", "SeqExpr", "If"]
    notes.met.clear()
    notes.visit_expr(relax.Function((x,), relax.SeqExpr((), x)))
    assert notes.met == ["VarDef", "Var", "SeqExpr"]


def test_a_mutator_may_go_on_from_a_dataflow_variable() -> None:
    inside = relax.DataflowVar("lv", x.struct_info)
    assert _Notes().visit_expr(inside) is inside


def test_classes_derive_from_what_a_decorated_one_wraps() -> None:
    @visitor
    class Base(PyExprVisitor):
        def visit_call_(self, op: Any) -> None:
            self.seen = op

    @visitor
    class Leaf(Base._cls):  # type: ignore[attr-defined,misc,name-defined]
        pass

    leaf, call = Leaf(), relax.op.exp(x)
    leaf.visit_expr(call)
    assert leaf.seen is call


def test_named_arguments_are_converted_one_by_one() -> None:
    @args_converter.to_expr("rest")
    def given(**rest: relax.Expr) -> dict[str, relax.Expr]:
        return rest

    assert given(text="a")["text"].value == "a"
    listing = args_converter.to_list_expr("values")(lambda values: values)
    with pytest.raises(TypeError, match="expected a list of expressions, found int"):
        listing(1)


def test_only_functions_are_called() -> None:
    with pytest.raises(ArgumentError, match="`x` is called but is no function"):
        relax.Call(x, (y,))
