"""Constructors of tensor expressions, schedules and contexts name the argument that is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tilewright import te, tir, transform
from tilewright.script import tir as T
from tilewright.support.errors import ArgumentError, ScheduleError

P = te.placeholder((8, 16), name="P")
Q = te.compute((8, 16), lambda i, j: P[i, j], name="Q")


@T.prim_func
def scaled(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")) -> None:
    for i in range(8):
        with T.block("b"):
            v = T.axis.spatial(8, i)
            B[v] = A[v] * 2.0


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: te.placeholder((8,), dtype="foo"), "unknown dtype 'foo'"),
    (lambda: te.placeholder((8,), name=3), "`name` of placeholder is a string, found 3"),
    (lambda: te.compute((8,), None), "compute `compute` needs a function, found None"),
    (lambda: te.compute((8,), lambda i: i, tag=3), "`tag` of compute is a string, found 3"),
    (lambda: te.compute((8,), lambda i: i, attrs=[1]), "`attrs` of compute is a dict"),
    (lambda: te.extern((8,), [P], 3), "extern `extern` needs a function, found 3"),
    (lambda: te.extern_primfunc([P], 3), "extern_primfunc needs a PrimFunc, found 3"),
    (lambda: te.scan(3, 3, 3), "`init` of scan `scan` is a tensor, found 3"),
    (
        lambda: te.scan(P, te.placeholder((8,)), P),
        "`placeholder` of a scan is 1 dimensions of float32",
    ),
    (lambda: te.scan(P, P, P), "a scan begins or goes on with its state `P`"),
    (lambda: te.scan(P, P, Q), "the state `Q` of a scan is a placeholder"),
    (lambda: te.comm_reducer(3, lambda t: 0), "`fcombine` of comm_reducer is a function, found 3"),
    (lambda: te.create_prim_func(None), "create_prim_func needs a list of tensors, found None"),
    (lambda: tir.Schedule(scaled, seed="x"), "`seed` of a schedule is an integer or None"),
    (lambda: tir.Schedule(scaled, debug_mask=1.5), "debug_mask must be"),
    (lambda: tir.Schedule(scaled, enable_check="x"), "`enable_check` is a bool, found 'x'"),
    (lambda: transform.PassContext(opt_level="a"), "`opt_level` of PassContext is an integer"),
    (lambda: transform.PassContext(required_pass="a"), "`required_pass` of PassContext is a list"),
    (lambda: transform.PassContext(instruments=3), "`instruments` of PassContext is a list"),
    (lambda: transform.PassContext(config=3), "`config` of PassContext is a dict, found 3"),
    (lambda: transform.PassContext(config={3: 1}), "is called by a string, found 3"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_the_wrong_argument_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        make()
    assert message in str(error.value)


@pytest.mark.parametrize(
    "name", ["compute_inline", "reverse_compute_inline", "get_producers", "add_unit_loop"]
)
def test_primitives_refuse_the_root_block(name: str) -> None:
    schedule = tir.Schedule(scaled)
    with pytest.raises(ScheduleError, match=f"{name}: sref of block root"):
        getattr(schedule, name)(schedule.get_block("root"))
