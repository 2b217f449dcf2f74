"""The imperative builder."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright import tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.support.errors import ArgumentError, ArgumentTypeError
from tilewright.tir import interpreter


def test_loops_conditions_and_stores() -> None:
    ib = tir.ir_builder.create()
    n = tir.Var("n", "int32")
    a = ib.pointer("float32", name="A")
    with ib.for_range(0, n, name="i") as i:
        with ib.if_scope(i < 3):
            a[i] = a[i] + 1
        with ib.else_scope():
            a[i] = 2.0
    body = ib.get()
    assert isinstance(body, tir.For) and isinstance(body.body, tir.IfThenElse)
    assert isinstance(body.body.else_case, tir.BufferStore)
    assert body.extent is n and body.body.then_case.buffer is a.asobject()


def test_what_it_builds_runs() -> None:
    out = tir.decl_buffer((4,), "int32", name="out")
    ib = tir.ir_builder.create()
    view = ib.buffer_ptr(out)
    memory = ib.allocate("int32", (2, 2), name="t")
    with ib.for_range(1, 3, name="i", kind="unroll") as i:
        memory[i - 1, 0] = i
        memory[i - 1, 1] = i * 10
    count = ib.allocate("int32", (1,), name="count", scope="local")
    count[0] = 0
    with ib.while_loop(count[0] < 4):
        view[count[0]] = memory[count[0] // 2, count[0] % 2]
        count[0] = count[0] + 1
    array = np.zeros(4, "int32")
    interpreter.run(tir.PrimFunc((out,), ib.get()), array)
    assert list(array) == [1, 10, 2, 20]


def test_names_and_attributes_hold_for_the_rest_of_a_scope() -> None:
    ib = tir.ir_builder.create()
    a = ib.pointer("int32", name="A")
    with ib.new_scope():
        ib.scope_attr("place", "key", 4)
        x = ib.let("x", a[0] + 1)
        a[1] = x
    a[2] = 0
    first, last = ib.get()
    assert isinstance(first, tir.AttrStmt) and isinstance(first.body, tir.LetStmt)
    assert isinstance(last, tir.BufferStore)


def test_vectors_of_memory() -> None:
    ib = tir.ir_builder.create()
    a = ib.pointer("float32x4", name="A")
    a[1] = tir.const(1.0, "float32x4")
    store = ib.get()
    assert store.value.dtype == "float32x4"


def test_memory_is_stored_to_as_the_buffer_that_it_is() -> None:
    a = tir.ir_builder.create().pointer("float32", name="A")
    store = tir.BufferStore(a, tir.const(1.0, "float32"), [0])
    assert store.buffer is a.asobject()
    with pytest.raises(
        ArgumentTypeError, match=r"`buffer` of tir\.BufferStore is a Buffer, found 'A'"
    ):
        tir.BufferStore("A", tir.const(1.0, "float32"), [0])


def test_mistakes_name_the_rule() -> None:
    ib = tir.ir_builder.create()
    a = ib.pointer("int32", name="A")
    with pytest.raises(ArgumentError, match="else_scope follows"), ib.else_scope():
        pass
    with pytest.raises(ArgumentError, match="`A` holds int32, the value is float32"):
        a[0] = 1.5
    with pytest.raises(ArgumentError, match="unknown kind of loop 'fast'"):
        ib.for_range(0, 4, kind="fast")
    with pytest.raises(ArgumentError, match="within a scope"), ib.for_range(0, 4):
        ib.get()


def test_threads() -> None:
    ib = tir.ir_builder.create()
    thread = tir.IterVar((0, 8), "tx", tir.IterVar.ThreadIndex, "threadIdx.x")
    a = ib.pointer("int32", name="A")
    ib.scope_attr(thread, "thread_extent", 8)
    a[thread] = 1
    body = ib.get()
    expected = tir.AttrStmt(thread, "thread_extent", tir.const(8), body.body)
    assert_structural_equal(body, expected, map_free_vars=True)


def test_one_index_counts_the_elements_of_an_array_row_by_row() -> None:
    given, out = (tir.decl_buffer((2, 3), name=name) for name in ("given", "out"))
    ib = tir.ir_builder.create()
    x, y = ib.buffer_ptr(given), ib.buffer_ptr(out)
    with ib.for_range(0, 6, name="i") as i:
        y[i] = x[5 - i]
    data, found = np.arange(6, dtype="float32").reshape(2, 3), np.zeros((2, 3), "float32")
    interpreter.run(tir.PrimFunc([given, out], ib.get()), data, found)
    np.testing.assert_array_equal(found, data[::-1, ::-1])


def test_views_know_their_memory_and_conditions_are_likely() -> None:
    ib = tir.ir_builder.create()
    n = tir.Var("n", "int32")
    a = ib.pointer("float16", name="A")
    assert a.dtype == "float16" and a.data is a.asobject().data and a.data.name == "A"
    made = ib.likely(n < 4)
    assert isinstance(made, tir.Call) and str(made) == "T.likely(n < 4)" and made.dtype == "bool"
