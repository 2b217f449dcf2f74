"""How data types are held: in registers, and in memory.

`bool` is an `i1` held as a byte. Floats narrower than float16, and bfloat16, are computed as
float32 whose every value the narrow type has too; memory holds their bits.
"""

from __future__ import annotations

from functools import cache

from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import CompileError

from .builder import vector

_FLOATS = {16: "half", 32: "float", 64: "double"}


@cache
def is_narrow(dtype: str) -> bool:
    """Whether values of `dtype` are computed in float32: bfloat16, float8..."""
    info = dtype_of(dtype)
    return info.is_float and info.code != "float"


@cache
def value_type(dtype: str) -> str:
    """The LLVM type of a value of `dtype`: `float32x16` is `<16 x float>`."""
    return vector(_element(dtype), dtype_of(dtype).lanes)


def _element(dtype: str) -> str:
    info = dtype_of(dtype)
    if info.is_bool:
        return "i1"
    if info.is_handle:
        return "ptr"
    if info.is_int or info.is_uint:
        if info.bits in (8, 16, 32, 64):
            return f"i{info.bits}"
    elif info.code == "float":
        return _FLOATS[info.bits]
    elif info.is_float:
        return "float"
    elif info.code == "void":
        return "void"
    raise CompileError(f"the LLVM back end has no type for {dtype}")


@cache
def memory_type(dtype: str) -> str:
    """The LLVM type of a value of `dtype` in memory: bytes for `bool`, bits for bfloat16."""
    info = dtype_of(dtype)
    if info.is_bool:
        return vector("i8", info.lanes)
    if is_narrow(dtype):
        return vector("i16" if info.bits == 16 else "i8", info.lanes)
    return value_type(dtype)


@cache
def alignment(dtype: str) -> int:
    """The alignment in bytes that memory of `dtype` is sure to have: one element's size."""
    info = dtype_of(dtype)
    return 1 if info.is_bool else max(1, info.bits // 8)
