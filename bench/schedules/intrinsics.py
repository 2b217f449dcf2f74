"""Instructions for random programs to use: plain loops in another order stand for hardware."""

from __future__ import annotations

from tilewright.script.parser import from_source
from tilewright.tir import PrimFunc
from tilewright.tir.tensor_intrin import TensorIntrin

PRODUCT = """
@T.prim_func
def product(a: T.handle, b: T.handle, c: T.handle):
    A = T.match_buffer(a, (2, 2), "float32", offset_factor=1)
    B = T.match_buffer(b, (2, 2), "float32", offset_factor=1)
    C = T.match_buffer(c, (2, 2), "float32", offset_factor=1)
    with T.block("root"):
        T.reads(C[0:2, 0:2], A[0:2, 0:2], B[0:2, 0:2])
        T.writes(C[0:2, 0:2])
        {body}
"""
DESC = """for i, j, k in T.grid(2, 2, 2):
            with T.block("update"):
                vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]"""
IMPL = """for k, i in T.grid(2, 2):
            C[i, 0] = C[i, 0] + A[i, k] * B[k, 0]
            C[i, 1] = C[i, 1] + A[i, k] * B[k, 1]"""
ROW = """
@T.prim_func
def row(a: T.handle, b: T.handle):
    A = T.match_buffer(a, (4,), "float32", offset_factor=1)
    B = T.match_buffer(b, (4,), "float32", offset_factor=1)
    with T.block("root"):
        T.reads(A[0:4])
        T.writes(B[0:4])
        {body}
"""
ROW_DESC = """for i in T.serial(4):
            with T.block("twice"):
                vi = T.axis.spatial(4, i)
                B[vi] = A[vi] * T.float32(2)"""
ROW_IMPL = """for i in T.vectorized(4):
            B[i] = A[i] * T.float32(2)"""

NAMES = ("bench.product", "bench.twice")


def _function(text: str) -> PrimFunc:
    made = from_source(text)
    if not isinstance(made, PrimFunc):
        raise TypeError("the script is not a single function")
    return made


def register() -> None:
    """Makes the instructions known, once."""
    rows = ((NAMES[0], PRODUCT, DESC, IMPL), (NAMES[1], ROW, ROW_DESC, ROW_IMPL))
    for name, frame, desc, impl in rows:
        if TensorIntrin.get(name, allow_missing=True) is None:
            TensorIntrin.register(
                name, _function(frame.format(body=desc)), _function(frame.format(body=impl))
            )


register()
