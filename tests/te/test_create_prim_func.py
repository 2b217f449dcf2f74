import builtins

import numpy as np
import pytest

from tests.topi.evaluator import run
from tilewright import te, tir
from tilewright.script import tir as T
from tilewright.support.errors import ArgumentError
from tilewright.tir.analysis import undefined_vars
from tilewright.tir.expr import IterVar


def text(func):
    return func.script().split("def main", 1)[1] + "\n"


def test_a_reduction_becomes_one_block_with_init():
    a = te.placeholder((128, 64), name="A")
    k = te.reduce_axis((0, 64), "k")
    b = te.compute((128,), lambda i: te.sum(a[i, k], axis=k), name="B")
    assert text(te.create_prim_func([a, b])) == text_of_sum


text_of_sum = """(A: T.Buffer((128, 64), "float32"), B: T.Buffer((128,), "float32")):
    T.func_attr({"tir.noalias": True})
    # with T.block("root"):
    for i, k in T.grid(128, 64):
        with T.block("B"):
            v_i, v_k = T.axis.remap("SR", [i, k])
            T.reads(A[v_i, v_k])
            T.writes(B[v_i])
            with T.init():
                B[v_i] = T.float32(0.0)
            B[v_i] = B[v_i] + A[v_i, v_k]
"""


def blocks(func):
    found = []
    tir.stmt_functor.post_order_visit(
        func.body, lambda n: found.append(n) if isinstance(n, tir.Block) else None
    )
    return {b.name_hint: b for b in found}


def test_what_lies_between_is_allocated_in_the_root_block():
    a = te.placeholder((8,), name="A")
    b = te.compute((8,), lambda i: a[i] + 1.0, name="B")
    c = te.compute((8,), lambda i: b[i] * b[7 - i], name="C")
    made = blocks(te.create_prim_func([a, c]))
    assert [x.name for x in made["root"].alloc_buffers] == ["B"]
    assert "B[0:8]" in str(made["C"].reads[0])


def test_neighbours_are_read_as_one_region():
    a = te.placeholder((10,), name="A")
    b = te.compute((8,), lambda i: a[i] + a[i + 1] + a[i + 2], name="B")
    region = blocks(te.create_prim_func([a, b]))["B"].reads[0].region[0]
    assert str(region.min) == "v_i" and region.extent.value == 3


def test_names_are_unique_and_axes_are_named_after_parameters():
    a = te.placeholder((4, 4), name="A")
    b = te.compute((4, 4), lambda *idx: a(*idx) + 1.0, name="A")
    c = te.compute((4, 4), lambda row, *rest: b(row, *rest) + 1.0, name="A")
    made = blocks(te.create_prim_func([a, c]))
    assert set(made) == {"root", "A", "A_1"}
    assert [v.var.name for v in made["A_1"].iter_vars] == ["v_row", "v_rest0"]
    assert [v.var.name for v in made["A"].iter_vars] == ["v_idx0", "v_idx1"]


def test_symbolic_shapes_are_bound_by_buffers_or_given_as_scalars():
    n, m = te.size_var("n", "int64"), te.var("m", "int64")
    a = te.placeholder((n,), "float32", "A")
    b = te.compute((n,), lambda i: a[i] * m.astype("float32"), name="B")
    func = te.create_prim_func([a, m, b])
    assert func.params[1] is m
    assert blocks(func)["B"].iter_vars[0].var.dtype == "int64"
    out = run(func, [np.arange(3, dtype="float32")], scalars=[2])[0]
    np.testing.assert_array_equal(out, [0, 2, 4])


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_are_of_values_and_over_axes(name):
    extreme, k = getattr(tir, name), te.reduce_axis((0, 4), "k")
    a = te.placeholder((4,), "int32", name="A")
    b = te.compute((1,), lambda i: extreme(a[k], axis=k), name="B")
    assert f"T.{name}(B[v_i], A[v_k])" in text(te.create_prim_func([a, b]))
    assert extreme(3, 5).value == getattr(builtins, name)(3, 5)
    with pytest.raises(ArgumentError, match=f"{name} needs an expression"):
        extreme(axis=k)


def test_several_results_of_one_reduction():
    def combine(x, y):
        keep = x[1] >= y[1]
        return tir.Select(keep, x[0], y[0]), tir.Select(keep, x[1], y[1])

    def identity(index, value):
        return tir.const(-1, index), te.min_value(value)

    argmax = te.comm_reducer(combine, identity, name="argmax")
    a = te.placeholder((3, 5), "int32", "A")
    k = te.reduce_axis((0, 5), "k")
    index, value = te.compute((3,), lambda i: argmax((k.var, a[i, k]), axis=k), name="T")
    func = te.create_prim_func([a, index, value])
    data = np.random.default_rng(0).integers(0, 99, (3, 5)).astype("int32")
    out = run(func, [data], 2)
    np.testing.assert_array_equal(out[0], data.argmax(1))
    np.testing.assert_array_equal(out[1], data.max(1))


def test_several_results_without_reduction_are_blocks_in_one_nest():
    a = te.placeholder((3,), name="A")
    b, c = te.compute((3,), lambda i: (a[i] + 1.0, a[i] * 2.0), name="T")
    func = te.create_prim_func([a, b, c])
    assert text(func) == text_of_pair
    out = run(func, [np.ones(3, "float32")], 2)
    np.testing.assert_array_equal(out, [[2, 2, 2], [2, 2, 2]])


text_of_pair = """(A: T.Buffer((3,), "float32"), T_v0: T.Buffer((3,), "float32"), T_v1: T.Buffer((3,), "float32")):
    T.func_attr({"tir.noalias": True})
    # with T.block("root"):
    for i in range(3):
        with T.block("T_v0"):
            v_i = T.axis.spatial(3, i)
            T.reads(A[v_i])
            T.writes(T_v0[v_i])
            T_v0[v_i] = A[v_i] + T.float32(1.0)
        with T.block("T_v1"):
            v_i = T.axis.spatial(3, i)
            T.reads(A[v_i])
            T.writes(T_v1[v_i])
            T_v1[v_i] = A[v_i] * T.float32(2.0)
"""  # noqa: E501


def test_scalars_have_no_loops():
    a = te.placeholder((), name="A")
    b = te.compute((), lambda: a() + 1.0, name="B")
    func = te.create_prim_func([a, b])
    np.testing.assert_array_equal(run(func, [np.float32(1)])[0], 2)
    k = te.reduce_axis((0, 4), "k")
    c = te.placeholder((4,), name="C")
    d = te.compute((), lambda: te.sum(c[k], k), name="D")
    np.testing.assert_array_equal(run(te.create_prim_func([c, d]), [np.ones(4, "f4")])[0], 4)


def test_a_condition_leaves_elements_out():
    a = te.placeholder((6,), name="A")
    k = te.reduce_axis((0, 6), "k")
    b = te.compute((1,), lambda i: te.sum(a[k], axis=k, where=k % 2 == 0), name="B")
    out = run(te.create_prim_func([a, b]), [np.arange(6, dtype="float32")])[0]
    np.testing.assert_array_equal(out, [6])


def test_init_replaces_the_identity():
    a = te.placeholder((2, 3), name="A")
    k = te.reduce_axis((0, 3), "k")
    b = te.compute((2,), lambda i: te.max(a[i, k], axis=k, init=5.0), name="B")
    out = run(te.create_prim_func([a, b]), [np.array([[1, 2, 3], [4, 8, 6]], "float32")])[0]
    np.testing.assert_array_equal(out, [5, 8])


def test_extern_statements_are_bound_to_the_real_buffers():
    a = te.placeholder((4,), "int32", "A")

    def program(ins, outs):
        i = tir.Var("i", "int32")
        store = tir.BufferStore(outs[0], ins[0][i] + 1, (i,))
        return tir.For(i, 0, 4, tir.ForKind.SERIAL, store)

    b = te.extern((4,), [a], program, name="B", dtype="int32")
    c = te.compute((4,), lambda i: b[i] * 2, name="C")
    func = te.create_prim_func([a, c])
    np.testing.assert_array_equal(run(func, [np.arange(4, dtype="int32")])[0], [2, 4, 6, 8])
    assert str(blocks(func)["B"].writes[0]) == "B[0:4]"


def test_buffers_of_extern_statements_that_may_lie_anywhere_lie_where_the_real_ones_do():
    a = te.placeholder((4,), "int32", "A")
    mine, made = (tir.decl_buffer((4,), "int32", n, offset_factor=1) for n in ("mine", "made"))

    def program(ins, outs):
        i = tir.Var("i", "int32")
        value = ins[0][i] + ins[0].elem_offset + outs[0].elem_offset + 1
        return tir.For(i, 0, 4, tir.ForKind.SERIAL, tir.BufferStore(outs[0], value, (i,)))

    b = te.extern(
        (4,), [a], program, name="B", dtype="int32", in_buffers=[mine], out_buffers=[made]
    )
    c = te.compute((4,), lambda i: b[i] * 2, name="C")
    func = te.create_prim_func([a, c])
    assert not undefined_vars(func)
    np.testing.assert_array_equal(run(func, [np.arange(4, dtype="int32")])[0], [2, 4, 6, 8])


def test_extern_primfunc_of_buffers_that_may_lie_anywhere():
    @T.prim_func
    def twice(a: T.handle, b: T.handle):
        A = T.match_buffer(a, (4,), "float32", offset_factor=1)
        B = T.match_buffer(b, (4,), "float32", offset_factor=1)
        for i in range(4):
            with T.block("B"):
                vi = T.axis.spatial(4, i)
                B[vi] = A[vi] * T.float32(2)

    x = te.placeholder((4,), "float32", "X")
    made = te.extern_primfunc([x], twice)
    func = te.create_prim_func([x, te.compute((4,), lambda i: made[i] + 1.0, name="Y")])
    assert not undefined_vars(func)
    out = run(func, [np.ones(4, "float32")])[0]
    np.testing.assert_array_equal(out, [3, 3, 3, 3])


def test_extern_primfunc():
    a = te.placeholder((4,), name="A")
    twice = te.create_prim_func([a, te.compute((4,), lambda i: a[i] * 2.0, name="B")])
    x = te.placeholder((4,), name="X")
    made = te.extern_primfunc([x], twice)
    y = te.compute((4,), lambda i: made[i] + 1.0, name="Y")
    out = run(te.create_prim_func([x, y]), [np.ones(4, "float32")])[0]
    np.testing.assert_array_equal(out, [3, 3, 3, 3])


def test_extern_primfunc_finds_what_is_read_and_what_is_written():
    @T.prim_func
    def both(
        out: T.Buffer((4,), "float32"),
        x: T.Buffer((4,), "float32"),
        state: T.Buffer((1,), "float32"),
    ):
        for i in range(4):
            out[i] = x[i] + state[0]
            state[0] = x[i]

    x, start = te.placeholder((4,), name="x"), te.placeholder((1,), name="start")
    made = te.extern_primfunc([x, start], both)
    assert [b.name for b in made.op.output_placeholders] == ["out"]
    with pytest.raises(ArgumentError, match="it reads x, state"):
        te.extern_primfunc([x], both)


def test_index_dtype_override():
    a = te.placeholder((4, 6), "int32", "A")
    k = te.reduce_axis((0, 6), "k")
    b = te.compute((4,), lambda i: te.sum(a[i, k] + i, axis=k), name="B")
    func = te.create_prim_func([a, b], index_dtype_override="int64")
    axes = blocks(func)["B"].iter_vars
    assert {v.var.dtype for v in axes} == {"int64"}
    assert {d.dtype for x in func.buffers() for d in x.shape} == {"int64"}
    data = np.arange(24, dtype="int32").reshape(4, 6)
    np.testing.assert_array_equal(run(func, [data])[0], data.sum(1) + 6 * np.arange(4))


def test_attributes_become_annotations_and_tags_do_not():
    a = te.placeholder((4,), name="A")
    with te.tag_scope("winograd"):
        b = te.compute((4,), lambda i: a[i], name="B", attrs={"layout": "NCHW"})
    c = te.compute((4,), lambda i: b[i], name="C", tag="elemwise")
    made = blocks(te.create_prim_func([a, c]))
    assert made["B"].annotations == {"layout": "NCHW"}
    assert not made["C"].annotations


def test_axes_may_be_used_in_arithmetic():
    k = te.reduce_axis((2, 5), "k")
    assert isinstance(k, IterVar) and k.iter_type == IterVar.CommReduce
    assert str(k * 2 + 1) == "k * 2 + 1"
    assert k.dom.min.value == 2 and k.dom.extent.value == 3


def test_tensors_are_indexed_one_dimension_at_a_time():
    a = te.placeholder((2, 3), name="A")
    i, j = tir.Var("i", "int32"), tir.Var("j", "int32")
    assert str(a[i][j]) == str(a[i, j])


def test_scan_runs_along_the_first_dimension():
    m = te.var("m")
    x = te.placeholder((m, 3), name="X")
    state = te.placeholder((m, 3), name="S")
    init = te.compute((1, 3), lambda _, i: x[0, i], name="init")
    update = te.compute((m, 3), lambda t, i: state[t - 1, i] + x[t, i], name="update")
    total = te.scan(init, update, state, inputs=[x])
    data = np.arange(12, dtype="float32").reshape(4, 3)
    out = run(te.create_prim_func([x, total]), [data])[0]
    np.testing.assert_array_equal(out, data.cumsum(0))


MISTAKES = [
    (lambda a: te.compute((4, 4), lambda i: a[i]), "2 dimensions"),
    (lambda a: te.compute((4,), lambda i: a), "scalar is expected"),
    (lambda a: te.create_prim_func([te.compute((4,), lambda i: a[i])]), "not among the arguments"),
    (lambda a: te.create_prim_func([a, a]), "twice"),
    (lambda a: te.create_prim_func([a]), "at least one computed"),
    (lambda a: te.create_prim_func([a, 3]), "te.Tensor or a tir.Var"),
    (lambda a: a(1, 2), "1 dimensions"),
    (lambda a: te.compute((4,), lambda i: a[1.5]), "integer"),
    (lambda a: te.thread_axis((0, 4)), "tag"),
    (lambda a: te.reduce_axis("x"), "domain"),
]


@pytest.mark.parametrize("mistake, words", MISTAKES, ids=[w for _, w in MISTAKES])
def test_mistakes_are_errors(mistake, words):
    with pytest.raises(ArgumentError, match=words):
        mistake(te.placeholder((4,), name="A"))


def test_a_reduction_within_an_expression_is_an_error():
    a = te.placeholder((4,), name="A")
    k = te.reduce_axis((0, 4), "k")
    with pytest.raises(ArgumentError, match="of its own"):
        te.compute((1,), lambda i: te.sum(a[k], k) + 1.0, name="B")


def test_reductions_side_by_side_run_over_the_same_axes():
    a = te.placeholder((4,), name="A")
    k, other = te.reduce_axis((0, 4), "k"), te.reduce_axis((0, 3), "other")
    with pytest.raises(ArgumentError, match="different axes"):
        te.compute((1,), lambda i: (te.sum(a[k], k), te.sum(a[other], other)), name="B")


def test_regions_stand_in_the_order_in_which_the_update_reads_them():
    place = te.placeholder((8,), "int32", name="place")
    value = te.placeholder((8,), name="value")
    k = te.reduce_axis((0, 8), "k")
    largest = te.comm_reducer(
        lambda x, y: (tir.Select(x[1] >= y[1], x[0], y[0]), tir.Select(x[1] >= y[1], x[1], y[1])),
        lambda t0, t1: (tir.const(-1, t0), te.min_value(t1)),
    )
    best = te.compute((1,), lambda i: largest((place[k], value[k]), axis=k), name="best")
    func = te.create_prim_func([place, value, *best])
    assert "T.reads(value[v_k], place[v_k])" in text(func)


def test_inputs_of_free_layout_that_are_allocated_are_named_by_the_block():
    a = te.placeholder((4,), name="A")
    b = te.compute((4,), lambda i: a[i] + 1.0, name="B")
    attrs = {"layout_free_placeholders": [a, b]}
    c = te.compute((4,), lambda i: a[i] * b[i], name="C", attrs=attrs)
    func = te.create_prim_func([a, c])
    assert func.attrs["layout_free_buffers"] == [0]
    assert 'T.block_attr({"layout_free_placeholders": [B]})' in text(func)


def test_bodies_are_simple_and_read_what_is_left_of_them():
    a = te.placeholder((14,), name="A")
    b = te.placeholder((16,), "int32", name="B")
    padded = te.compute(
        (16,),
        lambda i: tir.if_then_else(
            tir.all(i >= 1, i - 1 < 14), a[i - 1] + tir.Cast("float32", b[i] * 0), tir.const(0.0)
        ),
        name="padded",
    )
    func = text(te.create_prim_func([a, b, padded]))
    assert "T.reads(A[v_i - 1])" in func
    assert "T.if_then_else(1 <= v_i and v_i < 15, A[v_i - 1]" in func
