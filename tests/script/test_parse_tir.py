"""Script of loop programs parses, and prints as it was."""

import numpy as np
import pytest

from tilewright import compile, nd, tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.script import tir as T
from tilewright.support.errors import ArgumentError


def round_trip(func: tir.PrimFunc) -> None:
    assert_structural_equal(from_source(func.script()), func, map_free_vars=True)


@T.prim_func
def matmul(
    A: T.Buffer((16, 8), "float32"), B: T.Buffer((8, 4), "float32"), C: T.Buffer((16, 4), "float32")
):
    for i, j, k in T.grid(16, 4, 8):
        with T.block("C"):
            vi, vj, vk = T.axis.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = T.float32(0)
            C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]


def test_a_decorated_function_compiles() -> None:
    a = np.arange(128, dtype="float32").reshape(16, 8)
    b = np.arange(32, dtype="float32").reshape(8, 4)
    out = nd.array(np.zeros((16, 4), "float32"))
    compile(matmul)["matmul"](nd.array(a), nd.array(b), out)
    np.testing.assert_array_equal(out.numpy(), a @ b)


def test_regions_that_are_not_written_are_found() -> None:
    text = matmul.script()
    assert "T.reads(A[vi, vk], B[vk, vj])" in text
    assert "T.writes(C[vi, vj])" in text
    round_trip(matmul)


BODIES = {
    "symbolic": """
        n = T.int64()
        m = T.int64(is_size_var=True)
        A = T.match_buffer(a, (n, m), "float16", strides=(m, T.int64(1)), offset_factor=4)
        for i, j in T.grid(n, m):
            with T.block("b"):
                vi, vj = T.axis.remap("SS", [i, j])
                T.where(i + j < n)
                T.reads(A[vi, T.int64(0):m])
                T.writes(A[vi, vj])
                T.block_attr({"key": 1, "pragma": "x"})
                A[vi, vj] = A[vi, vj] * T.float16(0.1)""",
    "flat": """
        A = T.Buffer((64,), "float32", data=a)
        x: T.int32 = T.max(T.int32(3), 4) + n
        B = T.allocate([16], "float32", "local")
        B_1 = T.decl_buffer((16,), "float32", data=B, scope="local")
        for i in T.parallel(4, annotations={"k": 2}):
            B_1[0:16:1] = A[i * 16:i * 16 + 16:1] + T.Broadcast(T.float32(1), 16)
            B_1.vstore([T.Ramp(0, 2, 8)], T.Broadcast(T.float32(2), 8),
                       predicate=T.Broadcast(T.bool(True), 8))
            if i < x and (n > 0 or not n == 3):
                A[i] = T.Select(i < 2, A[i + 1], A[i])
            else:
                T.evaluate(T.call_extern("int32", "f", T.address_of(A[0]), "text"))
        while A[0] < T.float32(3):
            A[0] = A[0] + T.exp(A[1]) / T.sqrt(A[2])
        assert n > 0, "n is positive"
        with T.LetStmt(n * 2) as y:
            T.evaluate(T.Let(z + y, where={z: n // 3}))
        T.attr("key", "scope", 1)
        T.ret(0)""",
    "wrapped": """
        A = T.match_buffer(a, (8, 8), "int8")
        D = T.alloc_buffer((8,), "int8", scope="local")
        for t in T.thread_binding(8, thread="threadIdx.x"):
            for u in T.unroll(2, 6):
                with T.block("view"):
                    v0 = T.axis.spatial((1, 9), t + 1)
                    v1 = T.axis.scan(4, u - 2)
                    T.reads()
                    T.writes(A[0:4, v1 + 1:v1 + 3])
                    B = T.match_buffer(A[0:4, v1 + 1:v1 + 3], (4, 2), "int8")
                    B[0, 1] = T.Cast("int8", n & 3) | T.int8(-1) << T.int8(2)
                    D[0] = T.if_then_else(n < 2, B[1, 1], T.int8(3))""",
}


@pytest.mark.parametrize("name", sorted(BODIES))
def test_what_is_parsed_prints_and_parses_again(name: str) -> None:
    head = "@T.prim_func\ndef f(a: T.handle, n: T.int32):\n"
    if name == "flat":
        head = head.replace("a: T.handle", 'a: T.handle("float32")')
    body = "\n".join(line[4:] for line in BODIES[name].strip("\n").splitlines())
    round_trip(from_source(head + body))


DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
    "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu",
    "int32x4", "float32x16", "bfloat16x8", "float8_e4m3fnx4",
)  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants_and_variables_of_every_dtype(dtype: str) -> None:
    x = tir.Var("x", dtype)
    value = tir.const(1, dtype)
    round_trip(tir.PrimFunc((x,), tir.Evaluate(tir.Call(dtype, "tir.ret", (value,)))))
    round_trip(tir.PrimFunc((x,), tir.Evaluate(tir.Call(dtype, "tir.ret", (x,)))))


@pytest.mark.parametrize(
    "value", [0.1, 1e30, -0.0, float("inf"), float("-inf"), float("nan"), 1e-45]
)
def test_floats_keep_their_bits(value: float) -> None:
    made = tir.PrimFunc(
        (), tir.Evaluate(tir.Call("float32", "tir.ret", (tir.const(value, "float32"),)))
    )
    round_trip(made)


def test_nodes_that_python_would_fold_keep_their_form() -> None:
    x, zero, one = tir.Var("x", "int32"), tir.IntImm("int32", 0), tir.IntImm("int32", 1)
    for node in (
        tir.Add(x, zero), tir.Add(zero, one), tir.Mul(one, x), tir.FloorDiv(x, one),
        tir.Min(x, x), tir.Max(one, zero), tir.Mod(x, one), tir.Div(x, tir.IntImm("int32", 2)),
        tir.LT(one, zero), tir.Not(tir.IntImm("bool", 1)), tir.Add(x, tir.Add(x, x)),
        tir.Call("int32", "tir.exp", (x,)), tir.Call("float32", "tir.call_extern", ()),
        tir.And(tir.IntImm("bool", 1), x < one), tir.Sub(tir.Sub(x, one), tir.Sub(x, x)),
    ):  # fmt: skip
        round_trip(tir.PrimFunc((x,), tir.Evaluate(tir.Call("int32", "tir.ret", (node,)))))


def test_values_of_the_enclosing_scope_are_seen() -> None:
    n, wide = 8, {"dtype": "float32"}

    @T.macro
    def double(buffer, i):
        buffer[i] = buffer[i] * T.float32(2)

    @T.prim_func(private=True)
    def scaled(A: T.Buffer((n,), wide["dtype"])):
        for i in T.serial(n):
            double(A, i)
            A[i] += T.float32(sum([k + 0 for k in range(n)]))
        A[0:4] += A[4:8]

    text = scaled.script()
    assert "A[i] = A[i] * T.float32(2.0)" in text
    assert "A[i] = A[i] + T.float32(28.0)" in text
    assert "A[0:4] = A[0:4] + A[4:8]" in text
    assert "global_symbol" not in scaled.attrs


def test_threads_of_a_device() -> None:
    @T.prim_func
    def launched(A: T.Buffer((16,), "float32")):
        bx = T.env_thread("blockIdx.x")
        tx = T.launch_thread("threadIdx.x", 8)
        T.launch_thread(bx, 2)
        A[bx * 8 + tx] = T.float32(2)

    assert 'bx = T.launch_thread("blockIdx.x", 2)' in launched.script()
    round_trip(launched)


def test_texts_with_names_of_their_own() -> None:
    text = matmul.script(tir_prefix="X")
    parsed = from_source("from tilewright.script import tir as X\n" + text)
    assert_structural_equal(parsed, matmul)
    assert_structural_equal(from_source(text, {"X": T}), matmul)


def test_break_and_continue_leave_and_go_on() -> None:
    func = from_source(
        "@T.prim_func\n"
        'def f(A: T.Buffer((8,), "int32")):\n'
        "    for i in range(8):\n"
        "        if i == 2:\n"
        "            continue\n"
        "        if i == 5:\n"
        "            break\n"
        "        A[i] = i + 1\n"
    )
    assert_structural_equal(from_source(func.script()), func)
    got = nd.array(np.zeros(8, "int32"))
    compile(func)(got)
    np.testing.assert_array_equal(got.numpy(), [1, 2, 0, 4, 5, 0, 0, 0])


@pytest.mark.parametrize("names", ["vi, *rest", "vi, rest_0, rest_1"])
def test_a_starred_name_takes_the_rest_of_the_axes(names: str) -> None:
    rest = "rest[0], rest[1]" if "*" in names else "rest_0, rest_1"
    func = from_source(f"""
@T.prim_func
def main(A: T.Buffer((4, 5, 6), "float32")):
    for i, j, k in T.grid(4, 5, 6):
        with T.block("set"):
            {names} = T.axis.remap("SSR", [i, j, k])
            A[vi, {rest}] = 1.0
""")
    assert "vi, rest_0, rest_1 = T.axis.remap" in func.script()
    assert "A[vi, rest_0, rest_1] = T.float32(1.0)" in func.script()


def test_buffers_by_their_older_name() -> None:
    text = """
    @T.prim_func
    def main(A: T.buffer_decl((8, 4), "int8", strides=[4, 1], align=32, offset_factor=4)):
        V = T.buffer_decl((16,), "int8", data=A.data, elem_offset=8)
        V[0] = A[1, 2]
    """
    func = from_source(text)
    (buffer,) = func.buffers()
    assert (buffer.name, buffer.dtype, buffer.data_alignment, buffer.offset_factor) == (
        "A", "int8", 32, 4,
    )  # fmt: skip
    view = func.body.buffer
    assert view.data is buffer.data and view.elem_offset.value == 8 and view.name == "V"
    assert_structural_equal(from_source(text.replace("T.buffer_decl", "T.Buffer")), func)
    made = T.buffer_decl((2, 3), "float16", scope="shared")
    assert isinstance(made, tir.Buffer) and made.scope() == "shared"


def test_axes_are_values() -> None:
    v = tir.Var("v", "int32")
    axis = T.iter_var(v, (2, 10), "CommReduce")
    assert isinstance(axis, tir.IterVar) and axis.var is v
    assert axis.iter_type == tir.IterVar.CommReduce and axis.thread_tag == ""
    assert (axis.dom.min.value, axis.dom.extent.value) == (2, 8)
    assert T.iter_var(v, None, "ThreadIndex", "threadIdx.x").dom is None
    text = """
    @T.prim_func
    def main(A: T.Buffer((32,), "int8")):
        x = T.int32()
        with T.attr(T.iter_var(x, T.Range(0, 32), "ThreadIndex", "threadIdx.x"), "mark", 32):
            A[0] = T.int8(1)
    """
    func = from_source(text)
    thread = func.body.node
    assert (thread.iter_type, thread.thread_tag) == (tir.IterVar.ThreadIndex, "threadIdx.x")
    assert thread.dom.extent.value == 32 and func.body.value.value == 32
    assert_structural_equal(from_source(func.script()), func)
    with pytest.raises(ArgumentError, match="no kind of axis is called 'Thread'") as found:
        T.iter_var(v, (0, 4), "Thread")
    assert "known: DataPar, ThreadIndex, CommReduce, Ordered" in str(found.value)
