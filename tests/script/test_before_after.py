"""Scripts as users write them, each with the text that is printed of it."""

import pytest

from tilewright.ir import assert_structural_equal
from tilewright.script import from_source
from tilewright.support.errors import DiagnosticError
from tilewright.tir import BufferLoad, Mul, Ramp, Var, decl_buffer

HEAD = "# from tilewright.script import tir as T\n\n"

CASES = {
    "neighbours that are whole loops share a remap": (
        """
@T.prim_func
def main(A: T.Buffer((12, 4, 6), "float32")):
    for i, j, k in T.grid(3, 4, 6):
        with T.block("A"):
            vi = T.axis.spatial(12, i * 4)
            vj = T.axis.spatial(4, j)
            vk = T.axis.reduce(6, k)
            T.reads()
            T.writes(A[vi, vj, vk])
            A[vi, vj, vk] = 1.0
""",
        """
@T.prim_func
def main(A: T.Buffer((12, 4, 6), "float32")):
    # with T.block("root"):
    for i, j, k in T.grid(3, 4, 6):
        with T.block("A"):
            vi = T.axis.spatial(12, i * 4)
            vj, vk = T.axis.remap("SR", [j, k])
            T.reads()
            T.writes(A[vi, vj, vk])
            A[vi, vj, vk] = T.float32(1.0)
""",
    ),
    "views stand after regions, notes and memory of their block": (
        """
@T.prim_func
def main(A: T.Buffer((16,), "float32")):
    with T.block("a"):
        B = T.match_buffer(A[0:4], (4,))
        C = T.alloc_buffer((4,))
        T.block_attr({"z": (1, 2), "a": "b"})
        T.writes(A[0:4])
        T.reads()
        C[0] = 1.0
        B[0] = C[0]
""",
        """
@T.prim_func
def main(A: T.Buffer((16,), "float32")):
    with T.block("a"):
        T.reads()
        T.writes(A[0:4])
        T.block_attr({"a": "b", "z": [1, 2]})
        C = T.alloc_buffer((4,))
        B = T.match_buffer(A[0:4], (4,))
        C[0] = T.float32(1.0)
        B[0] = C[0]
""",
    ),
    "strides by name": (
        """
@T.prim_func
def main(a: T.handle):
    A = T.match_buffer(a, (4, 4), strides=["s", 1])
    A[0, 0] = 1.0
""",
        """
@T.prim_func
def main(a: T.handle):
    s = T.int32()
    A = T.match_buffer(a, (4, 4), strides=(s, 1))
    A[0, 0] = T.float32(1.0)
""",
    ),
    "the index of a thread": (
        """
@T.prim_func
def main(A: T.Buffer((8,), "float32")):
    tx = T.env_thread("threadIdx.x")
    T.launch_thread(tx, 8)
    A[tx] = A[tx * 1] + 1.0
""",
        """
@T.prim_func
def main(A: T.Buffer((8,), "float32")):
    tx = T.launch_thread("threadIdx.x", 8)
    A[tx] = A[tx] + T.float32(1.0)
""",
    ),
    "slices as vectors": (
        """
@T.prim_func
def main(A: T.Buffer((8, 8), "float32"), B: T.Buffer((8, 8), "float32")):
    B[0, 0:4] = A[1, 4:8]
    B[1, 0:4] = A[0, 0:4] * A[1, 0:4]
    B[2, 0:4] = T.Shuffle([A[0, 0:2], A[1, 0:2]], [0, 1, 2, 3])
""",
        """
@T.prim_func
def main(A: T.Buffer((8, 8), "float32"), B: T.Buffer((8, 8), "float32")):
    B[0, 0:4] = A[1, 4:8]
    B[1, 0:4] = A[0, 0:4] * A[1, 0:4]
    B[2, 0:4] = T.Shuffle([A[0, 0:2], A[1, 0:2]], [0, 1, 2, 3])
""",
    ),
    "numbers of another type are cast": (
        """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "int32"), n: T.int32):
    A[0] = n
    A[1] = T.float16(1)
    B[0] = A[0]
    B[1] = -n
""",
        """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "int32"), n: T.int32):
    A[0] = T.Cast("float32", n)
    A[1] = T.float32(1.0)
    B[0] = T.Cast("int32", A[0])
    B[1] = n * -1
""",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_before_and_after(name):
    before, after = CASES[name]
    func = from_source(before)
    assert str(func) == HEAD + after.strip()
    assert_structural_equal(from_source(str(func)), func)


def test_a_region_of_several_rows_is_no_value():
    text = """
@T.prim_func
def main(A: T.Buffer((8, 8), "float32"), n: T.int32):
    A[0, 0:2] = {value}
"""
    for value, message in (
        ("A[0:2, 0]", "a vector in its last dimension only"),
        ("A[0, 0:n]", "a constant number of lanes"),
    ):
        with pytest.raises(DiagnosticError, match=message):
            from_source(text.format(value=value))


def test_negation_multiplies():
    i = Var("i", "int32")
    assert isinstance(-i, Mul) and str(-i) == "i * -1"
    assert str(-Var("u", "uint8")).endswith("- u")


def test_a_region_is_a_vector_where_a_value_is_expected():
    buffer = decl_buffer((4, 8), "float32", "A")
    made = buffer[1, 2:6].as_expr()
    assert isinstance(made, BufferLoad) and made.dtype == "float32x4"
    assert isinstance(made.indices[1], Ramp)


def test_the_pointer_to_the_rest_of_a_buffer_has_its_extent():
    buffer = decl_buffer((16,), "float32", "A")
    call = buffer.access_ptr("r", offset=4)
    assert [int(call.args[k]) for k in (2, 3, 4)] == [4, 12, 1]
