"""Functions with parameters fixed."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright import te, tir
from tilewright.script import tir as T
from tilewright.support.errors import ArgumentError
from tilewright.tir import interpreter


def scaled() -> tuple[tir.PrimFunc, tir.Var]:
    n = te.size_var("n", "int64")
    a = te.placeholder((n, 4), name="A")
    return te.create_prim_func([a, te.compute((n, 4), lambda i, j: a[i, j] * 2.0, name="B")]), n


def test_shape_variable_becomes_a_constant() -> None:
    func, n = scaled()
    fixed = func.specialize({n: 3})
    assert [b.shape[0].value for b in fixed.buffers()] == [3, 3]
    a, b = np.arange(12, dtype="float32").reshape(3, 4), np.zeros((3, 4), "float32")
    interpreter.run(fixed, a, b)
    np.testing.assert_array_equal(b, a * 2)


def test_array_takes_another_shape() -> None:
    func, _ = scaled()
    fixed = func.specialize({func.params[0]: tir.decl_buffer((5, 4), name="A")})
    assert [b.shape[0].value for b in fixed.buffers()] == [5, 5]


def test_scalar_parameter_goes() -> None:
    x = tir.Var("x", "int32")
    func = tir.PrimFunc((x,), tir.Evaluate(tir.ret(x * 2 + 1)))
    fixed = func.specialize({x: 20})
    assert fixed.params == () and interpreter.run(fixed) == 41


def test_what_does_not_fit() -> None:
    func, _ = scaled()
    with pytest.raises(ArgumentError, match="no parameter"):
        func.specialize({tir.Var("z", "int32"): 1})
    with pytest.raises(ArgumentError, match=r"4.*, not 5"):
        func.specialize({func.params[0]: tir.decl_buffer((5, 5), name="A")})
    with pytest.raises(ArgumentError, match="float64"):
        func.specialize({func.params[0]: tir.decl_buffer((5, 4), "float64", name="A")})


def test_an_address_becomes_an_expression() -> None:
    @T.prim_func(private=True)
    def shift(source: T.handle("float32"), target: T.handle("float32")):
        A = T.decl_buffer(8, "float32", data=source)
        B = T.decl_buffer(4, "float32", data=target)
        for i in range(4):
            B[i] = A[i] * 2.0

    A = shift.body.buffer
    fixed = shift.specialize({shift.params[1]: tir.address_of(A[4])})
    assert [p.name for p in fixed.params] == ["source"]
    bound = fixed.body.body
    assert bound.var is shift.params[1] and str(bound.value) == "T.address_of(A[4])"
    assert bound.body.buffer.data is bound.var
