"""What is read must be well formed, unless one says otherwise; names stand for one thing."""

import pytest

from tilewright import relax, te, tir
from tilewright.ir import PointerType, PrimType
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.script import tir as T
from tilewright.support.errors import ArgumentError, DiagnosticError, ScheduleError

LOOPS = '@T.prim_func\ndef f(A: T.Buffer((8,), "float32"), h: T.handle):\n'
GRAPH = '@R.function\ndef f(x: R.Tensor((2, 3), "float32"), c: R.Tensor((), "bool")):\n'
UNBOUND = LOOPS + "    n = T.int32()\n    A[n] = T.float32(1)"
BRANCHES = "{pad}if c:\n{pad}    y = R.add(x, x)\n{pad}else:\n{pad}    y = x\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (UNBOUND, "variable `n` is used and not defined"),
        (LOOPS + '    B = T.alloc_buffer((4,), "float32")\n    B = T.alloc_buffer((8,), "float32")',
         "`B` is the name of another buffer in this scope"),
        (LOOPS + '    A = T.match_buffer(h, (4,), "float32")', "`A` is the name of another buffer"),
        (LOOPS + "    while True:\n        A[0] = T.float32(1)", "depends on values"),
        (LOOPS + "    while True:\n        for i in range(8):\n            break", "on values"),
        (LOOPS + "    with T.realize(A):\n        A[0] = T.float32(1)", "T.realize takes a region"),
        (LOOPS + "    with T.While(1 < 2):\n        A[0] = T.float32(1)", "depends on values"),
        (GRAPH + "    R.add(x, x)\n    return x", "`R.add(x, x)` is bound to no name"),
        (GRAPH + "    with R.dataflow():\n" + BRANCHES.format(pad="        ")
         + "        R.output(y)\n    return y", "the conditional `y` stands in a dataflow block"),
        ('@R.function\ndef f(x: R.Tensor(("m + 1",), "float32")):\n    return x',
         "dimension `m` in parameter `x` is not bound"),
    ],
)  # fmt: skip
def test_what_breaks_a_promise_is_refused(text: str, message: str) -> None:
    with pytest.raises(DiagnosticError) as failed:
        from_source(text)
    assert message in str(failed.value)


def test_a_program_can_be_read_although_it_is_not_well_formed() -> None:
    free = from_source(UNBOUND, check_well_formed=False)
    told = from_source(UNBOUND.replace("prim_func", "prim_func(check_well_formed=False)"))
    assert_structural_equal(free, told, map_free_vars=True)
    with pytest.raises(DiagnosticError, match="check_well_formed=False"):
        from_source(UNBOUND)


def test_the_decorator_checks_a_python_function() -> None:
    with pytest.raises(DiagnosticError, match="variable `n` is used and not defined"):

        @T.prim_func
        def wrong(A: T.Buffer((8,), "float32")):
            n = T.int32()
            A[n] = T.float32(1)


def test_an_inner_scope_may_use_a_name_again() -> None:
    text = LOOPS + '    with T.block("b"):\n        A = T.alloc_buffer((4,), "float32")\n'
    func = from_source(text + "        A[0] = T.float32(1)")
    assert func.body.block.alloc_buffers[0].name == "A"


def test_calls_without_result_end_both_branches() -> None:
    head = GRAPH.replace("R.function", "R.function(pure=False)")
    calls = "    if c:\n        R.print(x, format='a')\n    else:\n        R.print(x, format='b')\n"
    func = from_source(head + calls + "    return x")
    bound = func.body.blocks[0].bindings[0]
    assert isinstance(bound.value, relax.If)
    assert_structural_equal(bound.var.struct_info, relax.TupleStructInfo([]))


def test_a_loop_whose_condition_became_constant_is_read_back() -> None:
    func = from_source(
        "@T.prim_func\ndef f(on: T.bool, A: T.Buffer((8,))):\n    while on:\n        A[0] = A[1]\n"
    )
    known = func.specialize({func.params[0]: tir.const(True)})
    assert_structural_equal(from_source(known.script()), known)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tir.Ramp(tir.Ramp(0, 1, 4), tir.Broadcast(4, 4), 2), "base of Ramp is a number"),
        (lambda: tir.Broadcast(tir.Broadcast(0, 4), 2), "value of Broadcast is a number"),
        (lambda: tir.reinterpret("int64", tir.Var("x", "float32")), "int64 from as many bits"),
        (lambda: te.placeholder((-1,)), "an integer of 0 or more, found -1"),
        (lambda: tir.Allocate(tir.Var("p", PointerType(PrimType("float32"))), "int32", [4],
                              tir.const(True), tir.Evaluate(0)), "address `p` of float32"),
    ],
)  # fmt: skip
def test_contradictions_are_refused_where_they_are_made(make, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_bits_may_be_taken_apart() -> None:
    assert tir.reinterpret("uint8x4", tir.Var("x", "float32")).dtype == "uint8x4"
    pairs = tir.Var("x", "float4_e2m1fnx2")
    assert tir.reinterpret("uint8", pairs).dtype == "uint8"


@pytest.mark.parametrize("value", [lambda i: 0.0, lambda i, j, k: 0.0])
def test_padding_is_a_function_of_the_new_indices(value) -> None:
    func = from_source(
        LOOPS + '    for i in range(8):\n        with T.block("b"):\n'
        "            v = T.axis.spatial(8, i)\n            A[v] = T.float32(1)"
    )
    sch = tir.Schedule(func)
    with pytest.raises(ScheduleError, match="called with the 2 new indices"):
        sch.transform_layout("b", ("write", 0), lambda i: [i // 3, i % 3], pad_value=value)
