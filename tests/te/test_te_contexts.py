"""Values that depend on where they are computed: initial values, combiners, domains; tags."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright import te
from tilewright.support.errors import ArgumentError

A = te.placeholder((4, 4), name="A")
B = te.placeholder((4,), name="B")
a = np.arange(16, dtype="float32").reshape(4, 4)
b = np.float32([10, 20, 30, 40])


def run(result: te.Tensor) -> np.ndarray:
    out = np.zeros(4, "float32")
    tw.compile(te.create_prim_func([A, B, result]))(a, b, out)
    return out


def test_a_reduction_starts_from_another_tensor_at_its_own_place() -> None:
    k = te.reduce_axis((0, 4), "k")
    made = te.compute(
        (4,),
        lambda i: te.comm_reducer(lambda x, y: x + y, lambda _: B[i])(A[i, k], axis=[k]),
    )
    np.testing.assert_allclose(run(made), a.sum(1) + b)


def test_a_combiner_reads_another_tensor_at_its_own_place() -> None:
    k = te.reduce_axis((0, 4), "k")
    made = te.compute(
        (4,),
        lambda i: te.comm_reducer(lambda x, y: x + y * B[i], lambda t: te.const(0, t))(
            A[i, k], axis=[k]
        ),
    )
    np.testing.assert_allclose(run(made), a.sum(1) * b)


def test_the_domain_of_a_reduction_depends_on_the_place() -> None:
    def triangle(i: object) -> object:
        k = te.reduce_axis((0, i), "k")
        return te.sum(A[i, k] + B[0] * 0, axis=k)

    expected = [a[i, :i].sum() for i in range(4)]
    np.testing.assert_allclose(run(te.compute((4,), triangle)), expected)


def test_outputs_of_an_operation_are_the_same_tensor() -> None:
    assert A.op.output(0) == A
    assert {A.op.output(0): 1}[A] == 1
    assert A != B


def test_scopes_of_tags_do_not_nest() -> None:
    with te.tag_scope("outer"), pytest.raises(ArgumentError, match="'outer'"):
        te.tag_scope("inner").__enter__()
