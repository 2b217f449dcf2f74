"""What the analyses tell of small programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilewright import te, tir
from tilewright.ir import IRModule, PointerType, PrimType
from tilewright.ir.expr import Range
from tilewright.ir.structural import assert_structural_equal
from tilewright.script.parser import from_source
from tilewright.support.errors import ArgumentError, ArgumentTypeError, CompileError, IllFormedError
from tilewright.tir.analysis import (
    assert_pure_function,
    calculate_allocated_bytes,
    calculate_constant_bytes,
    calculate_workspace_bytes,
    detect_buffer_access_lca,
    estimate_tir_flops,
    find_anchor_block,
    get_block_access_region,
    get_block_read_write_region,
    identify_memcpy,
    is_pure_function,
    undefined_vars,
    verify_gpu_code,
    verify_memory,
    verify_ssa,
    verify_well_formed,
)  # fmt: skip
from tilewright.tir.arith.simplifier import same
from tilewright.tir.pipeline import lower

sys.path.insert(0, str(Path(__file__).parents[1]))

from programs import PROGRAMS

A = tir.decl_buffer((128, 128), name="A")
B = tir.decl_buffer((128, 128), name="B")
BY_DATA = {A.data: A, B.data: B}
i, j, k, n = (tir.Var(name, "int32") for name in "ijkn")


def box(region: tir.BufferRegion) -> list[tuple[Any, Any]]:
    return [(r.min, r.extent) for r in region.region]


def same_box(region: tir.BufferRegion, *expected: tuple[Any, Any]) -> bool:
    ranges = [Range(lo, extent) for lo, extent in expected]
    return all(
        same(r.min, e.min) and same(r.extent, e.extent)
        for r, e in zip(region.region, ranges, strict=True)
    )


def loop(var: tir.Var, extent: Any, body: tir.Stmt) -> tir.For:
    return tir.For(var, 0, extent, tir.ForKind.SERIAL, body)


def block(body: tir.Stmt, **options: Any) -> tir.Block:
    return tir.Block((), (), (), "block", body, **options)


def test_regions_relax_inner_loops() -> None:
    store = tir.BufferStore(B, A[i * 16 + k, j * 2] + 1.0, (j, i * 16 + k))
    reads, writes, opaque = get_block_access_region(block(loop(k, 16, store)), BY_DATA)
    assert same_box(reads[0], (i * 16, 16), (j * 2, 1))
    assert same_box(writes[0], (j, 1), (i * 16, 16))
    assert opaque == ()


def test_regions_join_accesses() -> None:
    store = tir.BufferStore(B, A[i, j] + A[i + 2, j + 1], (i, j))
    reads, _ = get_block_read_write_region(block(store), BY_DATA)
    assert same_box(reads[0], (i, 3), (j, 2))


def test_conditions_narrow_regions() -> None:
    value = tir.if_then_else(tir.all(k >= 4, k < 12), A[k - 4, 0], 0.0)
    body = loop(k, 16, tir.BufferStore(B, value, (k, 0)))
    reads, _ = get_block_read_write_region(block(body), BY_DATA)
    assert same_box(reads[0], (0, 8), (0, 1))


def test_addresses_touch_everything() -> None:
    body = tir.Evaluate(tir.call_extern("int32", "f", B))
    _, _, opaque = get_block_access_region(block(body), BY_DATA)
    assert [r.buffer for r in opaque] == [B]
    reads, writes = get_block_read_write_region(block(body), BY_DATA)
    assert same_box(reads[0], (0, 128), (0, 128)) and same_box(writes[0], (0, 128), (0, 128))


def test_reduction_does_not_read_its_result() -> None:
    update = tir.BufferStore(B, B[i, j] + A[i, k], (i, j))
    init = tir.BufferStore(B, tir.const(0.0), (i, j))
    reads, _, _ = get_block_access_region(block(update, init=init), BY_DATA)
    assert [r.buffer for r in reads] == [A]


def test_innermost_place_of_a_buffer() -> None:
    func = PROGRAMS["matmul"]().func
    lca = detect_buffer_access_lca(func)
    places = {buffer.name: place for buffer, place in lca.items()}
    local = places["C_local"]
    assert isinstance(local, tir.For) and local.loop_var.name.startswith("j")


def test_undefined_variables() -> None:
    store = tir.BufferStore(B, A[i, k], (i, n))
    found = undefined_vars(loop(k, 4, store), [i])
    assert {var.name for var in found} == {"A", "B", "n"}
    assert undefined_vars(PROGRAMS["symbolic_matmul_8"]().func) == ()


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_well_formed_before_and_after(name: str) -> None:
    func = PROGRAMS[name]().func
    assert verify_well_formed(func)
    assert verify_well_formed(lower(func))
    assert all(verify_ssa(f) for f in lower(func).functions.values())


BROKEN = {
    "is used and not defined": loop(i, n, tir.BufferStore(B, A[i, i], (i, i))),
    "is defined more than once": loop(i, 4, loop(i, 4, tir.BufferStore(B, A[i, i], (i, i)))),
    "outside the scope that declares it": tir.BufferStore(
        tir.decl_buffer((4,), name="C"), tir.const(0.0), (0,)
    ),
    "uses the loop variable": loop(
        i, 4,
        tir.BlockRealize(
            (0,), True,
            tir.Block((tir.IterVar(Range(0, 4), "v"),), (), (), "b",
                      tir.BufferStore(B, A[i, 0], (i, 0))),
        ),
    ),
    "names a thread if and only if": tir.For(
        i, 0, 4, tir.ForKind.THREAD_BINDING, tir.BufferStore(B, A[i, 0], (i, 0))
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_broken_promises(text: str) -> None:
    func = tir.PrimFunc((A, B), BROKEN[text])
    assert not verify_well_formed(func, assert_mode=False)
    with pytest.raises(CompileError, match=text):
        verify_well_formed(func)


def test_purity() -> None:
    func = tir.PrimFunc((A, B), tir.BufferStore(B, A[0, 0], (0, 0)))
    assert not is_pure_function(func)
    with pytest.raises(CompileError, match="not pure"):
        assert_pure_function(func)
    assert is_pure_function(tir.PrimFunc((n,), tir.Evaluate(tir.ret(n + 1))))


def test_flops() -> None:
    a, b = te.placeholder((10, 7), name="A"), te.placeholder((7, 23), name="B")
    axis = te.reduce_axis((0, 7), "k")
    c = te.compute((10, 23), lambda x, y: te.sum(a[x, axis] * b[axis, y], axis=axis), name="C")
    assert estimate_tir_flops(te.create_prim_func([a, b, c])) == 2 * 10 * 23 * 7
    with pytest.raises(ArgumentError, match="is unknown"):
        estimate_tir_flops(PROGRAMS["symbolic_elementwise_3"]().func)


def test_allocated_bytes() -> None:
    kernel = lower(PROGRAMS["two_stages"]().func)["main"]
    assert calculate_allocated_bytes(kernel) == {"main": {"global": 7 * 8 * 4}}
    assert calculate_workspace_bytes(kernel, 1000) == 1000
    with pytest.raises(ArgumentError, match="a positive number of bytes, found 0"):
        calculate_workspace_bytes(kernel, 0)


def test_bytes_of_constants_are_rounded_up_one_by_one() -> None:
    body: tir.Stmt = tir.Evaluate(0)
    for count in (3, 5):
        memory = tir.Var("c", PointerType(PrimType("float32")))
        body = tir.AllocateConst(memory, "float32", [count], np.zeros(count, "float32"), body)  # type: ignore[list-item]
    func = tir.PrimFunc([], body)
    assert calculate_constant_bytes(func) == 32
    assert calculate_constant_bytes(func, 16) == 16 + 32


def test_addresses_say_whether_they_are_read_or_written() -> None:
    calls = [tir.call_extern("int32", "f", A.access_ptr("r"), B.access_ptr("w"))]
    reads, writes, opaque = get_block_access_region(block(tir.Evaluate(calls[0])), BY_DATA)
    assert [r.buffer for r in reads] == [A] and [w.buffer for w in writes] == [B] and not opaque
    both = tir.Evaluate(tir.call_extern("int32", "f", A.access_ptr("rw")))
    assert [r.buffer for r in get_block_access_region(block(both), BY_DATA)[2]] == [A]


def test_views_are_read_where_they_are_read() -> None:
    view = tir.decl_buffer((16,), name="V")
    source = tir.BufferRegion(A, (Range(i, 1), Range(16, 16)))
    body = tir.BufferStore(B, view[k], (0, 0))
    made = block(body, match_buffers=(tir.MatchBufferRegion(view, source),))
    reads, _ = get_block_read_write_region(made, BY_DATA)
    assert same_box(reads[0], (i, 1), (k + 16, 1))


def test_a_part_that_stands_in_two_places_defines_twice() -> None:
    part = loop(i, 4, tir.BufferStore(B, A[i, i], (i, i)))
    assert verify_ssa(tir.PrimFunc((A, B), part))
    assert not verify_ssa(tir.PrimFunc((A, B), tir.SeqStmt((part, part))))


def test_a_variable_ends_with_its_scope() -> None:
    ended = tir.SeqStmt((tir.LetStmt(i, 1, tir.Evaluate(i)), tir.Evaluate(i)))
    assert undefined_vars(ended) == (i,)
    with pytest.raises(ValueError, match="used and not defined"):
        verify_well_formed(tir.PrimFunc((), ended))


def test_calls_and_choices_are_no_operations_of_the_estimate() -> None:
    value = tir.Select(A[i, 0] < 0.0, tir.exp(A[i, 0]) + 1.0, A[i, 1])
    assert estimate_tir_flops(loop(i, 8, tir.BufferStore(B, value, (i, 0)))) == 8


def test_what_is_computed_for_a_name_counts_in_the_estimate() -> None:
    named = tir.LetStmt(n, i + 8, tir.BufferStore(B, A[n, 0], (n, 0)))
    assert estimate_tir_flops(loop(i, 8, named)) == 8


def test_a_function_may_say_how_much_it_computes() -> None:
    func = tir.PrimFunc((A, B), loop(i, 8, tir.BufferStore(B, A[i, 0] + 1.0, (i, 0))))
    said = func.with_attr("estimated_flops", 32)
    assert [estimate_tir_flops(f) for f in (func, said)] == [8, 32]
    assert estimate_tir_flops(IRModule({"f": func, "g": said})) == 40


@pytest.mark.parametrize(
    "analysis, wanted",
    [
        (assert_pure_function, "PrimFunc"), (calculate_allocated_bytes, "PrimFunc or IRModule"),
        (calculate_workspace_bytes, "PrimFunc"), (detect_buffer_access_lca, "PrimFunc"),
        (estimate_tir_flops, "Stmt or PrimFunc or IRModule"), (find_anchor_block, "IRModule"),
        (identify_memcpy, "Stmt"), (is_pure_function, "PrimFunc"), (verify_memory, "PrimFunc"),
        (verify_ssa, "PrimFunc"), (verify_well_formed, "PrimFunc or IRModule"),
        (lambda x: get_block_access_region(x, BY_DATA), "Block"),
        (lambda x: get_block_read_write_region(x, BY_DATA), "Block"),
        (lambda x: verify_gpu_code(x, {}), "PrimFunc"),
    ],
)  # fmt: skip
def test_what_an_analysis_looks_at_is_checked(analysis: Any, wanted: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"looks at a {wanted}, found 3 of type int"):
        analysis(3)


VIEWS = """
@T.prim_func
def main(A: T.Buffer((32, 32), "float32"), B: T.Buffer((32, 32), "float32")):
    for i in range(2):
        with T.block("outer"):
            v = T.axis.spatial(2, i)
            T.reads(B[v * 16:v * 16 + 16, 0:32])
            T.writes(A[v * 16:v * 16 + 16, 0:32])
            part = T.match_buffer(A[v * 16:v * 16 + 16, 0:32], (16, 32))
            given = T.match_buffer(B[v * 16:v * 16 + 16, 0:32], (16, 32))
            for j in range(16):
                with T.block("inner"):
                    w = T.axis.spatial(16, j)
                    part[w, 0] = T.float32(1)
            T.evaluate(given.data)
"""


def test_regions_that_views_show() -> None:
    func = from_source(VIEWS)
    first, second = func.buffer_map.values()
    outer = func.body.block.body.body.block
    inner = outer.body[0].body.block
    places = detect_buffer_access_lca(func)
    assert (places[first], places[second]) == (outer, outer)
    known = {b.data: b for b in (first, second)}
    reads, writes, opaque = get_block_access_region(outer, known)
    assert (reads, [r.buffer for r in writes], [r.buffer for r in opaque]) == (
        (),
        [first],
        [second],
    )
    assert [str(r) for r in opaque[0].region] == [str(r) for r in outer.reads[0].region]
    assert get_block_access_region(inner, known) == ((), (), ())


BOUND = """
@T.prim_func
def main(A: T.Buffer((256,), "int32")):
    for i in range(16):
        offset = T.int32()
        B = T.Buffer((16,), "int32", elem_offset=offset)
        T.attr([B, A], "buffer_bind_scope", T.tvm_tuple(i * 16, 16, dtype="handle"))
        for j in range(16):
            B[j] = offset
"""


def test_a_buffer_bound_to_a_part_of_another_is_defined_there() -> None:
    func = from_source(BOUND)
    assert verify_well_formed(func)
    (bound,) = (n for n in _nodes(func) if isinstance(n, tir.AttrStmt))
    after = tir.SeqStmt([func.body, tir.Evaluate(tir.BufferLoad(bound.node[0], [0]))])
    assert not verify_well_formed(func.replace(body=after), assert_mode=False)


def _nodes(func: tir.PrimFunc) -> list[Any]:
    found: list[Any] = []
    tir.stmt_functor.post_order_visit(func.body, found.append)
    return found


def test_no_variable_is_defined_in_two_functions() -> None:
    funcs = [tir.PrimFunc([], tir.LetStmt(n, k, tir.Evaluate(n))) for k in (1, 2)]
    assert verify_well_formed(IRModule({"a": funcs[0]}))
    module = IRModule({"a": funcs[0], "b": funcs[1]})
    with pytest.raises(IllFormedError, match="`n` has multiple definitions"):
        verify_well_formed(module)


COPIES: dict[str, tuple[str, str, str]] = {
    "rows": ("(4, 8)", "B[i, j] = A[i, j]", "A[0:4, 0:8] B[0:4, 0:8]"),
    "flat": ("(32,)", "B[i * 8 + j] = A[i, j]", "A[0:4, 0:8] B[0:32]"),
    "computed": ("(4, 8)", "B[i, j] = A[i, j] + T.float32(1)", "no element of a buffer"),
    "turned": ("(8, 4)", "B[j, i] = A[i, j]", "change their order"),
    "repeated": ("(8,)", "B[j] = A[i, j]", "one by one"),
    "gaps": ("(4, 8)", "B[i, j // 2] = A[i, j // 2]", "one by one"),
    "condition": ("(4, 8)", "if i < j:\n            B[i, j] = A[i, j]", "more than one store"),
}


@pytest.mark.parametrize("name", COPIES)
def test_loops_that_copy_memory(name: str) -> None:
    shape, store, expected = COPIES[name]
    func = from_source(f"""
@T.prim_func
def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer({shape}, "float32")):
    for i, j in T.grid(4, 8):
        {store}
""")
    found = identify_memcpy(func.body)
    if isinstance(found, tir.StringImm):
        assert expected in found.value
    else:
        assert " ".join(map(str, found)) == expected


def test_a_column_is_not_contiguous() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4, 8), "float32")):
    for j, i in T.grid(8, 4):
        B[i, j] = A[i, j]
""")
    whole, column = tir.analysis._ffi_api._identify_memcpy(func.body)
    assert " ".join(map(str, whole)) == "A[0:4, 0:8] B[0:4, 0:8]"
    assert "with gaps between them" in column.value


def test_vectors_of_unknown_length_may_reach_everything() -> None:
    lanes = tir.Ramp(i, 1, tir.vscale() * 4)
    store = tir.Evaluate(tir.BufferLoad(A, [j, lanes]))
    reads, _ = get_block_read_write_region(block(store), BY_DATA)
    assert str(reads[0]) == "A[j, 0:128]"


def test_an_index_that_a_block_makes_itself_may_be_any() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((8, 4), "float32"), B: T.Buffer((8,), "float32"), P: T.Buffer((8,), "int32")):
    for i in range(8):
        with T.block("b"):
            vi = T.axis.spatial(8, i)
            k = T.alloc_buffer((1,), "int32")
            k[0] = vi
            B[vi] = A[k[0], vi // 2] + A[P[vi], vi // 2]
""")
    block = func.body.block.body.body.block
    found = {str(region) for region in block.reads}
    assert found == {"A[0:8, vi // 2]", "P[vi]"}
    assert_structural_equal(from_source(func.script()), func)


HOST = """
@T.prim_func
def main(A: T.Buffer((128,), "float32"), B: T.Buffer((128,), "float32")):
    T.func_attr({"target": T.target("TARGET")})
    for i in LOOP:
        B[i] = A[i]
"""


@pytest.mark.parametrize(
    ("target", "loop", "holds"),
    [
        ("llvm", "range(128)", True), ("cuda", "range(128)", False),
        ("opencl", "T.parallel(128)", False),
        ("cuda", 'T.thread_binding(128, thread="threadIdx.x")', True),
    ],
)  # fmt: skip
def test_code_of_the_host_leaves_the_device_s_memory_alone(
    target: str, loop: str, holds: bool
) -> None:
    func = from_source(HOST.replace("TARGET", target).replace("LOOP", loop))
    assert verify_memory(func) == holds
    attributes = "bx = T.launch_thread('blockIdx.x', 128)\n    B[bx] = A[bx]"
    text = HOST.replace("for i in LOOP:\n        B[i] = A[i]", attributes)
    assert verify_memory(from_source(text.replace("TARGET", target)))
    assert verify_memory(func.without_attr("target"))
