"""Passes of a few lines: what they take away, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright import tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.support.errors import CompileError
from tilewright.tir import ir_builder
from tilewright.tir import transform as T
from tilewright.tir.analysis import verify_well_formed

from .cases import applied, check, func_of


def of(body: str, params: str = 'A: T.Buffer((8,), "int32"), n: T.int64') -> str:
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"@T.prim_func\ndef main({params}):\n{lines}\n"


def test_assumptions_go_with_the_loops_around_them() -> None:
    before = of("""
for i in range(8):
    if i < 4:
        T.evaluate(T.assume(A[i] == 0))
A[0] = 3
""")
    check(T.RemoveAssume(), before, of("A[0] = 3"))


@pytest.mark.parametrize("text", ["A[0] = A[T.undef(dtype='int32')]", "A[T.undef('int32')] = 1"])
def test_an_undefined_index_is_refused(text: str) -> None:
    with pytest.raises(CompileError, match="index of `A` is undefined"):
        applied(T.RemoveStoreUndef(), of(text))


def test_a_predicate_on_the_own_axis_of_a_block_is_refused() -> None:
    text = of("""
for i in range(8):
    with T.block("b"):
        vi = T.axis.spatial(8, i)
        A[vi] = 1
""")
    realize = applied([], text).body.block.body.body
    axis = realize.block.iter_vars[0].var
    body = realize.replace(predicate=axis < 6)
    func = tir.PrimFunc((), body)
    with pytest.raises(CompileError, match="the predicate of block `b` reads its own axis `vi`"):
        T.ConvertBlocksToOpaque.apply(func)


def test_narrowed_zeros_are_counted_from_64_bits() -> None:
    before, after = of("A[0] = T.clz(n)"), of("A[0] = T.clz(n) - 32 + 64")
    check(T.ForceNarrowIndexToInt32(), before, after.replace("int64", "int32"))


def test_pragmas_nest_by_name() -> None:
    made = applied(
        T.LowerOpaqueBlock(),
        of('for i in T.serial(8, annotations={"pragma_b": 1, "pragma_a": 2}):\n    A[i] = 1'),
    )
    assert [made.body.attr_key, made.body.body.attr_key] == ["pragma_a", "pragma_b"]


def test_memory_of_the_builder_is_a_parameter() -> None:
    ib = ir_builder.create()
    memory = ib.pointer("float32", name="A")
    memory[0] = 1.0
    func = tir.PrimFunc([memory], ib.get())
    assert func.buffers() == [memory.asobject()]


def test_vectors_as_elements_are_not_mistaken_for_lanes() -> None:
    text = of(
        "for i in T.vectorized(4):\n    A[i] = T.Broadcast(1, 4)", 'A: T.Buffer((8,), "int32x4")'
    )
    made = applied(T.VectorizeLoop(), text)
    assert made.body.value.lanes == 16 and made.body.indices[0].lanes == 4


def test_bound_loops_become_launches_of_threads_and_of_virtual_ones() -> None:
    text = of("""
for i in T.thread_binding(4, thread="blockIdx.x"):
    for j in T.thread_binding(2, thread="vthread.x"):
        A[i * 2 + j] = 3
""")
    made = applied(T.LowerOpaqueBlock(), text)
    assert [made.body.attr_key, made.body.body.attr_key] == ["thread_extent", "virtual_thread"]
    assert made.body.node.dom.extent == 4
    run = applied([T.LowerOpaqueBlock(), T.InjectVirtualThread()], text)
    assert "vthread" not in str(run)


def test_nothing_shared_leaves_terms_as_they_are() -> None:
    text = of("A[0] = A[1] + (A[2] + A[3])")
    check(T.CommonSubexprElimTIR(identify_equiv_terms=True), text, text)


def test_a_shared_term_is_bound_around_the_lets_that_it_does_not_use() -> None:
    branches = "if b > 2:\n        A[0] = THEN\n    else:\n        A[1] = ELSE"
    params = 'A: T.Buffer((8,), "int32"), x: T.int32, y: T.int32'

    def text(then: str, other: str, outer: str = "") -> str:
        body = branches.replace("THEN", then).replace("ELSE", other)
        return of(f"{outer}with T.LetStmt(x + 1) as b:\n    {body}", params)

    cse = T.CommonSubexprElimTIR()
    check(cse, text("x * y + b", "x * y"), text("v + b", "v", "v: T.int32 = x * y\n"))
    then = text("x * y + A[x * y]", "y")
    assert isinstance(applied(cse, then).body, tir.LetStmt)
    assert applied(cse, then).body.value.b == 1


def test_a_text_that_is_not_checked_may_cut_a_block_by_its_own_axis() -> None:
    text = """
@T.prim_func(check_well_formed=False)
def main(A: T.Buffer((8,), "int32")):
    for i in range(8):
        with T.block("b"):
            v = T.axis.spatial(8, i)
            T.where(v < 6)
            A[v] = 0
"""
    assert str(applied([], text).body.block.body.body.predicate) == "v < 6"
    with pytest.raises(CompileError, match="reads its own axis `v`"):
        applied(T.ConvertBlocksToOpaque(), text)


def test_a_block_with_an_init_keeps_its_axes_until_that_is_lowered() -> None:
    text = of("""
for i in range(8):
    with T.block("b"):
        vi = T.axis.reduce(8, i)
        with T.init():
            A[0] = 0
        A[0] = A[0] + vi
""")
    with pytest.raises(CompileError, match="block `b` has an `init`"):
        applied(T.ConvertBlocksToOpaque(), text)
    applied([T.LowerInitBlock(), T.ConvertBlocksToOpaque()], text)


@pytest.mark.parametrize("tag", ["vthread", "vthread.x", "threadIdx.x"])
def test_the_launch_of_threads_is_printed_as_one(tag: str) -> None:
    text = of(f"for i in T.thread_binding(4, thread={tag!r}):\n    A[i] = 3")
    made = applied(T.LowerOpaqueBlock(), text)
    assert_structural_equal(func_of(made.script()), made)
    key = "virtual_thread" if "vthread" in tag else "thread_extent"
    assert "launch_thread" in made.script() and made.body.attr_key == key


def test_pragmas_of_blocks_and_loops_leave_the_program_well_formed() -> None:
    block = 'with T.block("b"):\n        T.block_attr({"pragma_p": 1})\n        A[i] = 3'
    made = applied(T.LowerOpaqueBlock(), of(f"for i in range(4):\n    {block}"))
    assert made.body.body.attr_key == "pragma_p" and made.body.body.node == 0
    assert_structural_equal(func_of(made.script()), made)
    loop = of('for i in T.serial(4, annotations={"pragma_p": 1}):\n    A[i] = 3')
    assert verify_well_formed(applied(T.LowerOpaqueBlock(), loop))


BLOCKS = of("""
for i in range(8):
    with T.block("b"):
        vi = T.axis.spatial(8, i)
        with T.block("inner"):
            T.reads(A[vi])
            T.writes(A[vi])
            V = T.match_buffer(A[vi], (1,), "int32", offset_factor=1)
            V[0] = V[0] + 1
""")


@pytest.mark.parametrize(
    ("step", "text", "hint"),
    [
        (T.LowerOpaqueBlock, BLOCKS, "block `b` has axes\n.*run ConvertBlocksToOpaque"),
        (
            T.LowerOpaqueBlock,
            BLOCKS.replace("vi = T.axis.spatial(8, i)", "").replace("vi", "i"),
            "block `inner` has views of other buffers\n.*run LowerMatchBuffer",
        ),
        (T.FlattenBuffer, BLOCKS, "block `inner` has views .* `V`\n.*run LowerMatchBuffer"),
    ],
    ids=["axes", "views", "flat"],
)
def test_blocks_not_yet_ready_for_a_pass_are_refused(step: Any, text: str, hint: str) -> None:
    with pytest.raises(CompileError, match=hint):
        applied(step(), text)
