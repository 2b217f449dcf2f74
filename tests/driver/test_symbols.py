"""A function has a name in its module, and a symbol under which it is called."""

import numpy as np
import pytest

import tilewright as tw
from tests.codegen.c.native import needs_compiler
from tilewright import tir
from tilewright.script import tir as T


@T.prim_func
def add_one(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")) -> None:
    for i in range(64):
        with T.block("B"):
            v = T.axis.spatial(64, i)
            B[v] = A[v] + T.float32(1)


@pytest.mark.parametrize("target", ["llvm", pytest.param("c", marks=needs_compiler)])
def test_a_scheduled_function_is_called_by_its_symbol(target: str) -> None:
    sch = tir.Schedule(add_one)
    sch.split(sch.get_loops("B")[0], [None, 16])
    lib = tw.build(sch.mod, target)
    a, b = tw.nd.array(np.arange(64, dtype="float32")), tw.nd.empty((64,))
    lib["add_one"](a, b)
    np.testing.assert_array_equal(b.numpy(), a.numpy() + 1)
