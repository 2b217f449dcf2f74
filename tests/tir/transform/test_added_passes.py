"""Passes of the user's within the default pipeline: the option `tir.add_lower_pass`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilewright as tw
from tilewright import tir
from tilewright.ir.functor import post_order_visit
from tilewright.script import tir as T
from tilewright.support.errors import ArgumentTypeError, NoSuchOptionError
from tilewright.tir.pipeline import lower


@T.prim_func
def double(A: T.Buffer((8, 8), "float32"), B: T.Buffer((8, 8), "float32")):
    T.func_attr({"global_symbol": "double", "tir.is_scheduled": True})
    for i in range(8):
        for j in T.vectorized(8):
            with T.block("B"):
                vi, vj = T.axis.remap("SS", [i, j])
                B[vi, vj] = A[vi, vj] * T.float32(2)


def context(entries: Any) -> tw.transform.PassContext:
    return tw.transform.PassContext(config={"tir.add_lower_pass": entries})


def watcher(seen: list[set[str]]) -> Any:
    """A pass that changes nothing and notes the kinds of nodes that there are."""

    @tir.transform.prim_func_pass(opt_level=0)
    def watch(func: Any, mod: Any, ctx: Any) -> Any:
        kinds: set[str] = set()
        post_order_visit(func.body, lambda node: kinds.add(type(node).__name__))
        seen.append(kinds)
        return func

    return watch


def test_each_phase_sees_its_form_of_the_program() -> None:
    seen: list[set[str]] = []
    with context([(phase, watcher(seen)) for phase in (3, 2, 1, 0)]):
        lower(double)
    assert ["Block" in kinds for kinds in seen] == [True, False, False, False]
    assert ["Ramp" in kinds for kinds in seen] == [False, False, True, True]


def test_what_an_added_pass_makes_is_compiled() -> None:
    @tir.transform.prim_func_pass(opt_level=0)
    def triple(func: Any, mod: Any, ctx: Any) -> Any:
        def other(node: Any) -> Any:
            return T.float32(3) if node.value == 2.0 else None

        return func.with_body(
            tir.stmt_functor.ir_transform(func.body, None, other, ["tir.FloatImm"])
        )

    a, b = (tw.nd.array(np.full((8, 8), x, "float32")) for x in (5, 0))
    for entries, expected in (([(1, triple)], 15), ([], 10)):
        with context(entries):
            tw.build(double, "llvm")["double"](a, b)
        np.testing.assert_array_equal(b.numpy(), np.full((8, 8), expected, "float32"))


@pytest.mark.parametrize("entry", [tir.transform.Simplify(), (1,), (-1, tir.transform.Simplify())])
def test_an_entry_is_a_phase_and_a_pass(entry: Any) -> None:
    with context([entry]), pytest.raises(ArgumentTypeError, match="is \\(phase, pass\\), found"):
        lower(double)


def test_the_option_is_a_list() -> None:
    with pytest.raises(NoSuchOptionError, match="takes a Sequence, found FunctionPass"):
        context(tir.transform.Simplify())
