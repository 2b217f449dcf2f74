"""Constructors of nodes tell which argument is missing or of another kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from tilewright import tir
from tilewright.support.errors import ArgumentError

i, nothing = tir.Var("i", "int32"), tir.Evaluate(0)
A = tir.decl_buffer((8,), name="A")

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
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_the_wrong_argument_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        make()
    assert message in str(error.value)


def test_what_may_be_left_out_is_none() -> None:
    assert tir.IfThenElse(i < 2, nothing).else_case is None
    assert tir.Block((), (), (), "root", nothing, None, None).alloc_buffers == ()


def test_signatures_stay_those_of_the_declarations() -> None:
    parameters = inspect.signature(tir.Select).parameters
    assert parameters["condition"].default is inspect.Parameter.empty
