"""What intrinsics compute, beside NumPy, interpreted and compiled."""

from collections.abc import Callable

import numpy as np
import pytest

import tilewright as tw
from tilewright import te, tir
from tilewright.tir import PrimExpr, interpreter

Array = np.ndarray
HALVES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.25, -7.75], "float32")
WHOLE = np.arange(-4, 4, dtype="int32")
FIXED = np.array([2**30, -(2**30), 123456789, -5, 7, 2**31 - 1, -(2**31), 0], "int32")
FACTOR, Q = 1395864371, 31


def i32(value: int) -> PrimExpr:
    return tir.const(value, "int32")


def product(x: Array, left: int, right: int) -> Array:
    """`x * FACTOR` in fixed point: shifted, rounded with halves up, cut to 32 bits."""
    shift = Q + right
    exact = [((int(v) << left) * FACTOR + (1 << (shift - 1))) >> shift for v in x]
    return np.array([v & 0xFFFFFFFF for v in exact], "uint32").view("int32")


def per_axis(left: int, right: int) -> Callable[[PrimExpr], PrimExpr]:
    flags = (tir.const(left > 0, "bool"), tir.const(right > 0, "bool"))
    return lambda x: tir.q_multiply_shift_per_axis(
        x, i32(FACTOR), i32(left), i32(right), i32(Q), *flags
    )


def computed(function: Callable[..., PrimExpr], *given: Array, target: str = "llvm") -> Array:
    """The function at each element, by native code."""
    inputs = [te.placeholder(a.shape, str(a.dtype), name=f"a{k}") for k, a in enumerate(given)]
    out = te.compute(given[0].shape, lambda i: function(*(p[i] for p in inputs)), name="out")
    func = te.create_prim_func([*inputs, out]).with_attr("global_symbol", "main")
    result = tw.nd.empty(given[0].shape, out.dtype)
    tw.build(func, target)["main"](*map(tw.nd.array, given), result)
    return result.numpy()


@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [
        (tir.nearbyint, (HALVES,), np.rint(HALVES)),
        (tir.ldexp, (HALVES, WHOLE), np.ldexp(HALVES, WHOLE)),
        (tir.truediv, (HALVES, HALVES + 10), HALVES / (HALVES + 10)),
        (tir.neg, (WHOLE,), -WHOLE),
        (lambda x: tir.q_multiply_shift(x, i32(FACTOR), i32(Q), i32(2)), (FIXED,),
         product(FIXED, 2, 0)),
        (lambda x: tir.q_multiply_shift(x, i32(FACTOR), i32(Q), i32(-3)), (FIXED,),
         product(FIXED, 0, 3)),
        (per_axis(1, 0), (FIXED,), product(FIXED, 1, 0)),
        (per_axis(0, 2), (FIXED,), product(FIXED, 0, 2)),
        (lambda _: tir.large_uint_imm("uint64", 5, 7), (WHOLE,),
         np.full(8, (7 << 32) + 5, "uint64")),
    ],
    ids=["nearbyint", "ldexp", "truediv", "neg", "q_left", "q_right", "axis_left", "axis_right",
         "large_uint_imm"],
)  # fmt: skip
def test_elements(
    function: Callable[..., PrimExpr], given: tuple[Array, ...], expected: Array
) -> None:
    np.testing.assert_array_equal(computed(function, *given), expected)


def test_division_of_integers_needs_a_rounding() -> None:
    x = tir.Var("x", "int32")
    with pytest.raises(tw.support.errors.ArgumentError, match="two integers"):
        tir.truediv(x, x)


VECTORS = """
@T.prim_func
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((16,), "int32"), C: T.Buffer((2,), "int32")):
    B[0:4] = T.vectorhigh("int32x4", A[0:8])
    B[4:8] = T.vectorlow("int32x4", A[0:8])
    B[8:16] = T.vectorcombine("int32x8", A[4:8], A[0:4])
    C[0] = T.vector_reduce_max("int32", A[0:8])
    C[1] = T.vector_reduce_min("int32", A[0:8])
"""


def test_halves_of_vectors_and_their_extremes() -> None:
    func = tw.script.from_source(VECTORS)
    a = np.array([3, -1, 4, 1, -5, 9, 2, 6], "int32")
    b, c = tw.nd.empty((16,), "int32"), tw.nd.empty((2,), "int32")
    tw.build(func, "llvm")["main"](tw.nd.array(a), b, c)
    np.testing.assert_array_equal(b.numpy(), [*a[4:], *a[:4], *a[4:], *a[:4]])
    np.testing.assert_array_equal(c.numpy(), [9, -5])


def test_vscale_as_lanes_of_a_type() -> None:
    assert str(tir.get_vscale_expr("int8", 128)) == "16 * T.vscale()"
    assert str(tir.get_vscale_expr("float32")) == "4 * T.vscale()"


def test_interpreted_like_compiled() -> None:
    x = te.placeholder((8,), "float32", name="x")
    func = te.create_prim_func([x, te.compute((8,), lambda i: tir.nearbyint(x[i]), name="y")])
    out = np.zeros(8, "float32")
    interpreter.run(func, HALVES, out)
    np.testing.assert_array_equal(out, np.rint(HALVES))
