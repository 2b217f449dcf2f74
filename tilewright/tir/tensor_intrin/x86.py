"""Dot products of bytes on x86-64 with AVX-512: sixteen rows of four at a time."""

from __future__ import annotations

from .declare import declare
from .dot_product_common import rows_desc, rows_function, rows_program

ROWS, DEPTH = 16, 4
TYPES = ("uint8", "int8", "int32")

dot_product_16x4_u8i8i32_desc = rows_function(ROWS, DEPTH, *TYPES)


def _impl(body: str) -> str:
    return rows_program(
        "dot_16x4",
        ROWS,
        DEPTH,
        *TYPES,
        f"""
A_i32 = T.reinterpret("int32", A.vload([0], "uint8x4"))
B_i8x64 = B.vload([0, 0], "int8x64")
C_i32x16 = C.vload([0], "int32x16")
{body}
""",
    )


VNNI = """
C[T.Ramp(0, 1, 16)] = T.call_llvm_pure_intrin("int32x16", \
T.llvm_lookup_intrinsic_id("llvm.x86.avx512.vpdpbusd.512"), C_i32x16, T.Broadcast(A_i32, 16), \
T.reinterpret("int32x16", B_i8x64))
"""
"""One instruction multiplies, adds four neighbours and accumulates."""

AVX512 = """
Pairs = T.call_llvm_pure_intrin("int16x32", \
T.llvm_lookup_intrinsic_id("llvm.x86.avx512.pmaddubs.w.512"), \
T.reinterpret("uint8x64", T.Broadcast(A_i32, 16)), B_i8x64)
C[T.Ramp(0, 1, 16)] = C_i32x16 + T.call_llvm_pure_intrin("int32x16", \
T.llvm_lookup_intrinsic_id("llvm.x86.avx512.pmaddw.d.512"), Pairs, T.Broadcast(T.int16(1), 32))
"""
"""Neighbours are added in 16 bits (with saturation), then in 32."""

VNNI_DOT_16x4_INTRIN = declare(
    "dot_16x4_vnni", rows_desc(ROWS, DEPTH, *TYPES), lambda: _impl(VNNI.strip())
)
AVX512_DOT_16x4_INTRIN = declare(
    "dot_16x4_avx512", rows_desc(ROWS, DEPTH, *TYPES), lambda: _impl(AVX512.strip())
)
