"""How data types are held in C: in variables, and in memory.

Floats narrower than float32 are computed as `float`, whose every value the narrow type has too;
memory holds their bits. `bool` is held as a byte.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import CompileError


@cache
def is_narrow(dtype: str) -> bool:
    """Whether values of `dtype` are computed in `float` and rounded: float16, bfloat16, float8."""
    info = dtype_of(dtype)
    return info.is_float and info.element not in ("float32", "float64")


@cache
def value_type(dtype: str) -> str:
    """The C type of one lane of a value of `dtype`."""
    info = dtype_of(dtype)
    if info.is_bool:
        return "bool"
    if info.is_handle:
        return "void *"
    if (info.is_int or info.is_uint) and info.bits in (8, 16, 32, 64):
        return f"{info.code}{info.bits}_t"
    if info.is_float:
        return "double" if info.element == "float64" else "float"
    if info.code == "void":
        return "void"
    raise CompileError(f"the C back end has no type for {dtype}")


@cache
def memory_type(dtype: str) -> str:
    """The C type of one lane of a value of `dtype` in memory."""
    if dtype_of(dtype).is_bool:
        return "uint8_t"
    if is_narrow(dtype):
        return "uint16_t" if dtype_of(dtype).bits == 16 else "uint8_t"
    return value_type(dtype)


@cache
def unsigned_type(dtype: str) -> str:
    """The unsigned type in which arithmetic of `dtype` cannot overflow: no promotion to `int`."""
    return f"uint{max(32, dtype_of(dtype).bits)}_t"


def int_literal(value: int, dtype: str) -> str:
    """An integer constant of `dtype`."""
    info = dtype_of(dtype)
    if info.is_bool:
        return "true" if value else "false"
    wrapped = value & ((1 << info.bits) - 1)
    if info.is_uint:
        return f"{wrapped}{'ULL' if info.bits == 64 else 'U' if info.bits == 32 else ''}"
    if wrapped >> (info.bits - 1):
        wrapped -= 1 << info.bits
    suffix = "LL" if info.bits == 64 else ""
    if wrapped == -(1 << 63) or wrapped == -(1 << 31):
        return f"({wrapped + 1}{suffix} - 1)"
    return f"({wrapped}{suffix})" if wrapped < 0 else f"{wrapped}{suffix}"


def float_literal(value: float, dtype: str) -> str:
    """A floating-point constant of `dtype`, exactly."""
    wide = dtype_of(dtype).element == "float64"
    if value != value:
        return "((double)NAN)" if wide else "NAN"
    if value in (float("inf"), float("-inf")):
        text = "((double)INFINITY)" if wide else "INFINITY"
    elif wide:
        text = repr(abs(float(value)))
    else:
        text = str(abs(np.float32(value))) + "f"
    return f"(-{text})" if np.signbit(value) else text
