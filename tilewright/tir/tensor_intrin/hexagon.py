"""Dot products on the vector units of Hexagon: thirty-two rows at a time."""

from __future__ import annotations

from .declare import declare
from .dot_product_common import rows_desc, rows_program

ROWS = 32


def _declare(name: str, instruction: str, depth: int, a: str, b: str) -> str:
    """One instruction multiplies, adds `depth` neighbours and accumulates."""
    lanes = ROWS * depth
    impl = rows_program(
        f"dot_{ROWS}x{depth}",
        ROWS,
        depth,
        a,
        b,
        "int32",
        f"""
A_i32 = T.reinterpret("int32", A.vload([0], "{a}x{depth}"))
B_i32x32 = T.reinterpret("int32x32", B.vload([0, 0], "{b}x{lanes}"))
C[T.Ramp(0, 1, 32)] = T.call_llvm_pure_intrin("int32x32", \\
T.llvm_lookup_intrinsic_id("llvm.hexagon.V6.{instruction}.acc.128B"), C.vload([0], "int32x32"), \\
T.Broadcast(A_i32, 32), B_i32x32)
""",
    )
    return declare(name, rows_desc(ROWS, depth, a, b, "int32"), impl)


VRMPY_u8u8i32_INTRIN = _declare("dot_32x4_u8u8i32_vrmpy", "vrmpyubv", 4, "uint8", "uint8")
VRMPY_u8i8i32_INTRIN = _declare("dot_32x4_u8i8i32_vrmpy", "vrmpybusv", 4, "uint8", "int8")
VDMPY_i16i16i32_INTRIN = _declare("dot_32x2_i16i16i32_vdmpy", "vdmpyhvsat", 2, "int16", "int16")
