"""What statements of loop programs mean where the parser completes what the text leaves out."""

import pytest

from tilewright import tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.script import ir as I
from tilewright.script import tir as T
from tilewright.support.errors import DiagnosticError


def test_regions_are_vectors_under_every_operator() -> None:
    @T.prim_func(private=True)
    def regions(A: T.Buffer((8,)), B: T.Buffer((8,)), C: T.Buffer((8,), "uint32")):
        B[0:4] = -A[0:4]
        C[0:4] = T.shift_left(C[0:4], C[4:8])
        T.evaluate(A[0:4] <= B[0:4])
        T.evaluate(A[0:4] > 0 and B[0:4] != A[4:8])
        T.evaluate(A[0:4] > 0 or B[0] < 1)

    @T.prim_func(private=True)
    def vectors(A: T.Buffer((8,)), B: T.Buffer((8,)), C: T.Buffer((8,), "uint32")):
        B[0:4:1] = A[0:4:1] * T.Broadcast(T.float32(-1), 4)
        C[0:4:1] = C[0:4:1] << C[4:8:1]
        T.evaluate(A[0:4:1] <= B[0:4:1])
        zero = T.meta_var(T.Broadcast(T.float32(0), 4))
        T.evaluate((A[0:4:1] > zero) & (B[0:4:1] != A[4:8:1]))
        T.evaluate((A[0:4:1] > zero) | T.Broadcast(B[0] < T.float32(1), 4))

    assert_structural_equal(regions, vectors)
    both = regions.body.seq[3].value
    assert isinstance(both, tir.Call) and both.op.name == "tir.bitwise_and"


def test_the_block_around_everything_has_the_regions_that_it_declares() -> None:
    @T.prim_func
    def bare(A: T.Buffer((8,)), B: T.Buffer((8,))):
        with T.block():
            for i in range(8):
                with T.block():
                    v = T.axis.spatial(8, i)
                    B[v] = A[v]

    @T.prim_func
    def told(A: T.Buffer((8,)), B: T.Buffer((8,))):
        with T.block():
            T.reads(A[0:8])
            for i in range(8):
                with T.block():
                    v = T.axis.spatial(8, i)
                    B[v] = A[v]

    root, inner = bare.body.block, bare.body.block.body.body.block
    assert (len(root.reads), len(root.writes)) == (0, 0)
    assert (len(inner.reads), len(inner.writes)) == (1, 1)
    assert len(told.body.block.reads) == 1 and len(told.body.block.writes) == 0


def test_annotations_of_several_lines_are_merged() -> None:
    @T.prim_func
    def kernel():
        with T.block():
            T.block_attr({"plan": {"a": {"x": 1}}, "level": 2})
            T.block_attr({"plan": {"a": {"y": 2}, "b": 3}, "level": 2})
            T.evaluate(0)

    assert kernel.body.block.annotations == {"plan": {"a": {"x": 1, "y": 2}, "b": 3}, "level": 2}


def test_a_reduction_over_threads_into_memory_known_by_address() -> None:
    @T.prim_func
    def kernel(A: T.Buffer((32,)), B: T.Buffer((1,))):
        for i in T.thread_binding(32, thread="threadIdx.x"):
            with T.block("sum"):
                v = T.axis.spatial(32, i)
                T.evaluate(T.tvm_thread_allreduce(T.uint32(1), A[v], True, B.data, v))

    block = kernel.body.block.body.body.block
    assert [r.buffer.name for r in block.reads] == ["A", "B"]
    assert [r.buffer.name for r in block.writes] == ["B"]


def test_types_by_a_name_that_is_computed() -> None:
    name = "float16"

    @T.prim_func
    def kernel():
        T.evaluate(getattr(T, name)(1))

    assert kernel.body.value.dtype == "float16"
    text = '@T.prim_func\ndef f():\n    T.evaluate(getattr(T, "__dict__"))'
    with pytest.raises(DiagnosticError, match="script cannot read `__dict__`"):
        from_source(text)


def test_calls_between_programs_of_a_module() -> None:
    @I.ir_module
    class Module:
        @T.prim_func
        def main():
            tir.call_tir(Module.other)

        @T.prim_func
        def other():
            T.evaluate(0)

    call = Module["main"].body.value
    assert (call.op.name_hint, call.dtype, len(call.args)) == ("other", "void", 0)
    assert_structural_equal(from_source(Module.script()), Module)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("with T.allocate([1], 'float32') as [A, B]:", "gives no such value"),
        ("with T.block('step') as x:", "gives no such value"),
        ("with T.attr(0, 'key', 1) as x:", "gives no such value"),
        ("with T.block('step'):\n        v = T.axis.spatial(8)", "axis `v` of block `step` has no"),
        (
            "with T.block():\n        A = T.match_buffer(P[0, 0:4], (5,))",
            r"the shape \(5\), the re",
        ),
        ("with T.block():\n        A = T.match_buffer(P[0:2, 0:4], (4,))", r"has \(2, 4\)"),
    ],
)
def test_mistakes(line: str, message: str) -> None:
    head = '@T.prim_func\ndef f(P: T.Buffer((8, 8), "float32")):\n    '
    with pytest.raises(DiagnosticError, match=message):
        from_source(f"{head}{line}\n        T.evaluate(0)")


def test_slices_of_as_many_lanes_as_the_machine_has() -> None:
    @T.prim_func(private=True)
    def slices(A: T.Buffer((128,)), B: T.Buffer((128,))):
        B[4 : 4 + T.vscale() * 4] = A[0 : T.vscale() * 4] + A[0 : T.vscale() * 4 : 1]

    @T.prim_func(private=True)
    def ramps(A: T.Buffer((128,)), B: T.Buffer((128,))):
        lanes = T.meta_var(T.Ramp(0, 1, T.vscale() * 4))
        B[T.Ramp(4, 1, T.vscale() * 4)] = A[lanes] + A[lanes]

    assert_structural_equal(slices, ramps)


def test_integers_are_conditions_as_in_python() -> None:
    @T.prim_func(private=True)
    def bare(A: T.Buffer((8,), "int32"), n: T.int64):
        assert n, "nothing to do"
        while A[0]:
            if n:
                A[0] = A[0] - 1

    @T.prim_func(private=True)
    def compared(A: T.Buffer((8,), "int32"), n: T.int64):
        assert n != T.int64(0), "nothing to do"
        while A[0] != 0:
            if n != T.int64(0):
                A[0] = A[0] - 1

    assert_structural_equal(bare, compared)


def test_calls_have_the_type_that_the_called_function_returns() -> None:
    @I.ir_module
    class Module:
        @T.prim_func
        def main(n: T.int32):
            status = cls.kernel(n)
            assert status == 0, "the kernel failed"

        @T.prim_func
        def kernel(n: T.int32) -> T.int32:
            T.ret(n)

        @T.prim_func
        def twice(n: T.int32) -> T.int32:
            T.ret(cls.kernel(n) + cls.kernel(n))

    call = Module["main"].body.value
    assert (call.op.name_hint, call.dtype) == ("kernel", "int32")
    assert_structural_equal(from_source(Module.script()), Module)


def test_axes_with_one_name_are_a_list() -> None:
    shape = (2, 3, 4)

    @T.prim_func
    def whole(A: T.Buffer(shape), B: T.Buffer(shape)):
        for loops in T.grid(*shape):
            with T.block("B"):
                v = T.axis.remap("SSS", loops)
                B[v] = A[v] + A[v[0], 0, v[2]]

    @T.prim_func
    def named(A: T.Buffer(shape), B: T.Buffer(shape)):
        for i, j, k in T.grid(*shape):
            with T.block("B"):
                vi, vj, vk = T.axis.remap("SSS", [i, j, k])
                B[vi, vj, vk] = A[vi, vj, vk] + A[vi, 0, vk]

    assert_structural_equal(
        whole.without_attr("global_symbol"), named.without_attr("global_symbol")
    )
    assert "v_0, v_1, v_2 = T.axis.remap" in whole.script()
