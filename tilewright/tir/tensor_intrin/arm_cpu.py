"""Dot products of bytes on AArch64: four rows of four at a time."""

from __future__ import annotations

from .declare import declare
from .dot_product_common import (
    DP4A_S8S8S32_INTRIN,
    DP4A_S8U8S32_INTRIN,
    DP4A_U8S8S32_INTRIN,
    DP4A_U8U8U32_INTRIN,
    rows_desc,
    rows_function,
    rows_program,
)

ROWS, DEPTH = 4, 4
SIGNED = ("int8", "int8", "int32")
UNSIGNED = ("uint8", "uint8", "uint32")
MIXED = ("uint8", "uint8", "int32")

neon_4x4_i8i8i32_desc = rows_function(ROWS, DEPTH, *SIGNED)

NEON = """
A_i8x8 = T.reinterpret("int8x8", T.Broadcast(T.reinterpret("int32", A.vload([0], "int8x4")), 2))
B_i8x16 = B.vload([0, 0], "int8x16")
low = T.call_llvm_pure_intrin("int16x8", T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.smull"), \\
A_i8x8, T.vectorlow("int8x8", B_i8x16))
high = T.call_llvm_pure_intrin("int16x8", T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.smull"), \\
A_i8x8, T.vectorhigh("int8x8", B_i8x16))
first = T.call_llvm_pure_intrin("int32x4", \\
T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.saddlp"), low)
second = T.call_llvm_pure_intrin("int32x4", \\
T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.saddlp"), high)
C[T.Ramp(0, 1, 4)] = C.vload([0], "int32x4") + T.call_llvm_pure_intrin("int32x4", \\
T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.addp"), first, second)
"""
"""Products in 16 bits, neighbours added twice."""


def _dot(instruction: str, a: str, b: str, c: str) -> str:
    """One instruction multiplies, adds four neighbours and accumulates."""
    return rows_program(
        "dot_4x4",
        ROWS,
        DEPTH,
        a,
        b,
        c,
        f"""
A_x16 = T.reinterpret("{a}x16", T.Broadcast(T.reinterpret("{c}", A.vload([0], "{a}x4")), 4))
C[T.Ramp(0, 1, 4)] = T.call_llvm_pure_intrin("{c}x4", \\
T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.{instruction}"), C.vload([0], "{c}x4"), A_x16, \\
B.vload([0, 0], "{b}x16"))
""",
    )


ARM_DOT_4x4_i8_NEON_INTRIN = declare(
    "dot_4x4_i8i8s32_neon",
    rows_desc(ROWS, DEPTH, *SIGNED),
    rows_program("neon_4x4", ROWS, DEPTH, *SIGNED, NEON),
)
ARM_DOT_4x4_i8_SDOT_INTRIN = declare(
    "dot_4x4_i8i8s32_sdot", rows_desc(ROWS, DEPTH, *SIGNED), _dot("sdot", *SIGNED)
)
ARM_DOT_4x4_u8_UDOT_INTRIN = declare(
    "dot_4x4_u8u8u32_udot", rows_desc(ROWS, DEPTH, *UNSIGNED), _dot("udot", *UNSIGNED)
)
ARM_DOT_4x4_u8_HDOT_INTRIN = declare(
    "dot_4x4_u8u8i32_hdot", rows_desc(ROWS, DEPTH, *MIXED), _dot("udot", *MIXED)
)

__all__ = [
    "ARM_DOT_4x4_i8_NEON_INTRIN", "ARM_DOT_4x4_i8_SDOT_INTRIN", "ARM_DOT_4x4_u8_HDOT_INTRIN",
    "ARM_DOT_4x4_u8_UDOT_INTRIN", "DP4A_S8S8S32_INTRIN", "DP4A_S8U8S32_INTRIN",
    "DP4A_U8S8S32_INTRIN", "DP4A_U8U8U32_INTRIN", "neon_4x4_i8i8i32_desc",
]  # fmt: skip
