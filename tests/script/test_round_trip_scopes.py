"""Names used outside of what declares them are declared at the top of the text, and come back."""

import pytest

from tilewright import tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.script import tir as T


@T.prim_func(check_well_formed=False)
def used_before_its_let():
    y = T.int32()
    with T.LetStmt(y + 1) as x:
        with T.LetStmt(x, var=y):
            T.evaluate(y)
        T.evaluate(y)


@T.prim_func(check_well_formed=False)
def address_used_before_its_let():
    A = T.Buffer((8,))
    T.attr(A.data, "storage_alignment", 128)
    with T.LetStmt(T.reinterpret(T.uint64(0), dtype="handle"), var=A.data):
        A[0] = T.float32(1)


@T.prim_func(check_well_formed=False)
def view_of_memory_from_elsewhere():
    memory = T.handle("float32")
    A = T.decl_buffer((8,), data=memory)
    A[0] = T.float32(1)


@T.prim_func(check_well_formed=False)
def one_thread_index_for_several_launches(A: T.Buffer((32,)), B: T.Buffer((32,))):
    tx = T.env_thread("threadIdx.x")
    with T.launch_thread(tx, 32):
        A[tx] = T.float32(1)
    for _ in range(2):
        with T.launch_thread(tx, 32):
            B[tx] = A[tx]


@T.prim_func(check_well_formed=False)
def index_of_int64(A: T.Buffer((32,))):
    tx = T.env_thread("threadIdx.x", "int64")
    with T.launch_thread(tx, T.int64(32)):
        A[tx] = T.float32(1)
    T.evaluate(tx)


@pytest.mark.parametrize(
    "program",
    [
        used_before_its_let, address_used_before_its_let, view_of_memory_from_elsewhere,
        one_thread_index_for_several_launches, index_of_int64,
    ],
    ids=lambda program: str(program.attrs["global_symbol"]),
)  # fmt: skip
def test_programs_come_back(program: tir.PrimFunc) -> None:
    text = program.script()
    again = from_source(text, check_well_formed=False)
    assert_structural_equal(again, program, map_free_vars=True)
    assert again.script() == text
