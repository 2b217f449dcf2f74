"""How much a loop program computes, and how much of its arguments it touches."""

from __future__ import annotations

import pytest

from tilewright import te, topi
from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.script import tir as T
from tilewright.tir import Var
from tilewright.tir.analysis import Work, estimate_tir_flops, undefined_vars, work_of
from tilewright.tir.arith import simplify
from tilewright.tir.stmt_functor import substitute


def _value(amount: int | PrimExpr, **sizes: int) -> int:
    if isinstance(amount, int):
        return amount
    env = {var: IntImm(var.dtype, sizes[var.name]) for var in undefined_vars(amount)}
    return simplify(substitute(amount, env)).value


def test_a_matrix_product_reads_each_element_once() -> None:
    a, b = te.placeholder((4, 8), name="a"), te.placeholder((8, 16), name="b")
    func = te.create_prim_func([a, b, topi.matmul(a, b)])
    assert work_of(func) == Work(2 * 4 * 8 * 16, 4 * (4 * 8 + 8 * 16 + 4 * 16), "float32")
    assert estimate_tir_flops(func) == 2 * 4 * 8 * 16


def test_symbolic_sizes_stay_symbols() -> None:
    n = Var("n", "int64")
    a = te.placeholder((n, 8), name="a")
    work = work_of(te.create_prim_func([a, topi.exp(a)]))
    assert (_value(work.flops, n=3), _value(work.bytes, n=3)) == (24, 2 * 3 * 8 * 4)


def test_a_gather_reads_what_it_takes() -> None:
    table = te.placeholder((1000, 16), name="table")
    rows = te.placeholder((3,), "int64", name="rows")
    work = work_of(te.create_prim_func([table, rows, topi.take(table, rows, axis=0)]))
    assert work.bytes == 3 * 16 * 4 + 3 * 8 + 3 * 16 * 4


def test_arguments_that_are_not_touched_do_not_count() -> None:
    @T.prim_func
    def first(a: T.Buffer((8,), "int8"), unused: T.Buffer((8,), "int8"), b: T.Buffer((1,), "int8")):
        b[0] = a[3] + T.int8(1)

    assert work_of(first) == Work(1, 2, "int8")


def test_the_dearer_branch_counts() -> None:
    @T.prim_func
    def either(a: T.Buffer((8,), "float32"), b: T.Buffer((8,), "float32")):
        for i in range(8):
            if i < 4:
                b[i] = a[i] * a[i] + a[i]
            else:
                b[i] = a[i] + T.float32(1)

    assert work_of(either).flops == 2 * 8


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32"])
def test_bytes_follow_the_dtype(dtype: str) -> None:
    a = te.placeholder((10,), dtype, name="a")
    work = work_of(te.create_prim_func([a, topi.add(a, a)]))
    size = {"float16": 2, "float64": 8, "int32": 4}[dtype]
    assert work == Work(10, 20 * size, dtype)
