"""LowerIntrin and InlinePrivateFunctions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.tir import interpreter
from tilewright.tir import transform as T

from .cases import applied, check

DIVIDE = """
@T.prim_func
def main(A: T.Buffer((16, 16), "int32"), B: T.Buffer((16, 16), "int32")):
    for i, j in T.grid(16, 16):
        A[i, j] = EXPR
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [("(i - 8) // 4", "T.shift_right(i - 8, 2)"), ("(i - 8) % 4", "T.bitwise_and(i - 8, 3)"),
     ("i // (j + 3)", "T.Div(i, j + 3)"), ("i % 3", "T.truncmod(i, 3)")],
)  # fmt: skip
def test_divisions(before: str, after: str) -> None:
    check(T.LowerIntrin(), DIVIDE.replace("EXPR", before), DIVIDE.replace("EXPR", after))


@pytest.mark.parametrize("text", ["(i - 8) // {}", "(i - 8) % {}", "B[i, j] // {}", "B[i, j] % {}"])
@pytest.mark.parametrize("divisor", ["3", "-3", "(j * 2 - 15)", "8"])
def test_divisions_round_down_whatever_the_signs(text: str, divisor: str) -> None:
    made = applied(T.LowerIntrin(), DIVIDE.replace("EXPR", text.format(divisor)))
    names = {type(n).__name__ for n in _all(made)}
    assert not names & {"FloorDiv", "FloorMod"}
    b = np.random.default_rng(0).integers(-50, 50, (16, 16)).astype("int32")
    a = np.zeros((16, 16), "int32")
    interpreter.run(made, a, b)
    i, j = np.mgrid[:16, :16]
    left = b if "B" in text else i - 8
    right = eval(divisor, {"j": j})
    np.testing.assert_array_equal(a, left // right if "//" in text else left % right)


def _all(func: tir.PrimFunc) -> list[Any]:
    from .cases import nodes

    return nodes(func, tir.PrimExpr)


def test_elementary_functions() -> None:
    x = tir.Var("x", "float32")
    func = tir.PrimFunc((x,), tir.Evaluate(tir.ret(tir.sigmoid(x) + tir.rsqrt(x))))
    made = T.LowerIntrin()(IRModule({"main": func}))["main"]
    expected = 1 / (1 + np.exp(-2.25)) + 1 / 1.5
    assert abs(interpreter.run(made, 2.25) - expected) < 1e-6


MODULE = """
@I.ir_module
class M:
    @T.prim_func
    def main(A: T.Buffer((80, 16), "float32"), B: T.Buffer((64, 16), "float32")):
        T.func_attr({"global_symbol": "main"})
        for i in range(64):
            M.sum_rows(T.address_of(A[i, 0]), T.address_of(B[i, 0]), i * 2)

    @T.prim_func(private=True)
    def sum_rows(a: T.handle("float32"), b: T.handle("float32"), k: T.int32):
        A = T.decl_buffer((16, 16), "float32", data=a)
        B = T.decl_buffer((16,), "float32", data=b)
        for i in range(16):
            B[i] = A[k % 16, i]
"""


def test_a_private_function_is_put_where_it_is_called() -> None:
    text = MODULE.replace("T.address_of(A[i, 0]), T.address_of(B[i, 0])", "A.data, B.data")
    mod = T.InlinePrivateFunctions()(from_source(text))
    assert [v.name_hint for v in mod.functions] == ["main"]
    expected = from_source("""
@T.prim_func
def main(A: T.Buffer((80, 16), "float32"), B: T.Buffer((64, 16), "float32")):
    T.func_attr({"global_symbol": "main"})
    for i in range(64):
        k: T.int32 = i * 2
        A_1 = T.decl_buffer((16, 16), "float32", data=A.data)
        B_1 = T.decl_buffer((16,), "float32", data=B.data)
        for j in range(16):
            B_1[j] = A_1[k % 16, j]
""")
    assert_structural_equal(mod["main"], expected)


def test_addresses_of_elements_are_named_where_they_are_declared() -> None:
    mod = T.InlinePrivateFunctions()(from_source(MODULE))
    expected = from_source("""
@T.prim_func
def main(A: T.Buffer((80, 16), "float32"), B: T.Buffer((64, 16), "float32")):
    T.func_attr({"global_symbol": "main"})
    for i in range(64):
        k: T.int32 = i * 2
        a: T.handle("float32") = T.address_of(A[i, 0])
        A_1 = T.decl_buffer((16, 16), "float32", data=a)
        b: T.handle("float32") = T.address_of(B[i, 0])
        B_1 = T.decl_buffer((16,), "float32", data=b)
        for j in range(16):
            B_1[j] = A_1[k % 16, j]
""")
    assert_structural_equal(mod["main"], expected)


def test_functions_of_another_target_stay() -> None:
    text = MODULE.replace(
        "    A = T.decl", '    T.func_attr({"target": T.target("cuda")})\n        A = T.decl'
    )
    mod = from_source(text)
    assert_structural_equal(T.InlinePrivateFunctions()(mod), mod)


RECURSIVE = """
@I.ir_module
class M:
    @T.prim_func
    def main(n: T.int32):
        T.func_attr({"global_symbol": "main"})
        M.again(n)

    @T.prim_func(private=True)
    def again(n: T.int32):
        if n > 0:
            M.again(n - 1)

    @T.prim_func(private=True)
    def unused(n: T.int32):
        T.evaluate(n)
"""


def test_recursive_and_uncalled_functions_stay() -> None:
    mod = from_source(RECURSIVE)
    assert_structural_equal(T.InlinePrivateFunctions()(mod), mod)
