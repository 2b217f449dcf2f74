"""The names that a part of a graph program uses without binding them."""

from __future__ import annotations

from typing import Any

from ..ir.node import children
from ..script.printer import FREE, Printer, prints, statements
from ..tir.expr import Var as TirVar
from ..tir.printer import free_variable
from . import expr as E
from .base import ShapeExpr, StructInfo

statements(E.If, E.SeqExpr)

_PARTS = (
    E.Var, E.Tuple, E.TupleGetItem, E.Call, E.If, E.SeqExpr, E.PrimValue, E.Binding,
    E.BindingBlock, ShapeExpr, StructInfo,
)  # fmt: skip
"""What has names of its own when it is printed alone."""


def declare_free(p: Printer, root: Any) -> list[str]:
    """The lines that declare the free variables of a part of a graph program, dimensions too."""
    if not isinstance(root, _PARTS):
        return []
    lines: list[str] = []
    bound: set[int] = set()
    todo: list[Any] = [root]
    while todo:
        n = todo.pop()
        if isinstance(n, E.Binding):
            bound.add(id(n.var))
            todo += [n.value, n.var.struct_info]
        elif isinstance(n, E.If):
            todo.append(n.cond)
        elif isinstance(n, E.Var):
            lines += _declaration(p, n) if id(n) not in bound and not p.is_named(n) else []
        elif isinstance(n, TirVar):
            lines += _dimension(p, n)
        elif n is not None:
            todo += reversed(list(children(n)))
    return lines


def _declaration(p: Printer, v: E.Var) -> list[str]:
    lines = declare_free(p, v.struct_info)
    return [*lines, f"{p(v)}: {p(v.struct_info)}"]


def _dimension(p: Printer, v: TirVar) -> list[str]:
    return [] if p.is_named(v) else [f"{p(v)} = {free_variable(p, v)}"]


@prints(E.If)
def if_(p: Printer, value: E.If) -> None:
    """A conditional alone: what each branch binds, and its value."""
    for head, branch in (
        (f"if {p(value.cond)}:", value.true_branch),
        ("else:", value.false_branch),
    ):
        with p.indent(head):
            for line in declare_free(p, branch) if p.config.verbose_expr else ():
                p.line(line)
            p.statement(branch)


@prints(E.SeqExpr)
def seq(p: Printer, s: E.SeqExpr) -> None:
    """What a sequence binds, and its value."""
    for block in s.blocks:
        p.statement(block)
    p.line(p(s.body))


FREE.append(declare_free)
