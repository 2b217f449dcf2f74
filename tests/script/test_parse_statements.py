"""What statements of loop programs mean where the parser completes what the text leaves out."""

from tilewright import tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import tir as T


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
