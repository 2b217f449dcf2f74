"""Dot products of four bytes, which several kinds of hardware have."""

from __future__ import annotations

from ..function import PrimFunc
from .declare import declare, function, program

DP4A_TYPES = {"s": "int8", "u": "uint8"}


def _dp4a(a: str, b: str, c: str, body: str) -> str:
    buffers = [
        f'A: (4,), "{a}", align=4, scope="shared"',
        f'B: (4,), "{b}", align=4, scope="shared"',
        f'C: (1,), "{c}", align=4, scope="local"',
    ]
    return program("dp4a", buffers, "C[0], A[0:4], B[0:4]", "C[0]", body)


def _desc(a: str, b: str, c: str) -> str:
    return _dp4a(
        a,
        b,
        c,
        f"""
for i in range(4):
    with T.block("update"):
        vi = T.axis.reduce(4, i)
        C[0] = C[0] + T.Cast("{c}", A[vi]) * T.Cast("{c}", B[vi])
""",
    )


def _impl(a: str, b: str, c: str) -> str:
    return _dp4a(
        a,
        b,
        c,
        f"""
C[0] = C[0] + T.call_pure_extern("{c}", "__dp4a", A.vload([0], "{a}x4"), B.vload([0], "{b}x4"), \
T.{c}(0))
""",
    )


def _declare(a: str, b: str, c: str) -> str:
    """C[0] += the sum of A[k] * B[k] over four bytes each, signed (s) or not (u)."""
    types = (DP4A_TYPES[a], DP4A_TYPES[b], {"s": "int32", "u": "uint32"}[c])
    return declare(f"dp4a_{a}8{b}8{c}32", _desc(*types), _impl(*types))


DP4A_S8S8S32_INTRIN = _declare("s", "s", "s")
DP4A_S8U8S32_INTRIN = _declare("s", "u", "s")
DP4A_U8S8S32_INTRIN = _declare("u", "s", "s")
DP4A_U8U8U32_INTRIN = _declare("u", "u", "u")


def rows_desc(rows: int, depth: int, a: str, b: str, c: str) -> str:
    """C[i] += the sum of A[k] * B[i, k]: `rows` dot products of `depth` with one side shared."""
    return rows_program(
        "dot_desc",
        rows,
        depth,
        a,
        b,
        c,
        f"""
for i in range({rows}):
    for k in range({depth}):
        with T.block("update"):
            vi, vk = T.axis.remap("SR", [i, k])
            C[vi] = C[vi] + T.Cast("{c}", A[vk]) * T.Cast("{c}", B[vi, vk])
""",
    )


def rows_program(name: str, rows: int, depth: int, a: str, b: str, c: str, body: str) -> str:
    """The script of an intrinsic that takes A (depth,), B (rows, depth) and C (rows,)."""
    buffers = [f'A: ({depth},), "{a}"', f'B: ({rows}, {depth}), "{b}"', f'C: ({rows},), "{c}"']
    reads = f"C[0:{rows}], A[0:{depth}], B[0:{rows}, 0:{depth}]"
    return program(name, buffers, reads, f"C[0:{rows}]", body)


def rows_function(rows: int, depth: int, a: str, b: str, c: str) -> PrimFunc:
    """The description as a loop program."""
    return function(rows_desc(rows, depth, a, b, c))
