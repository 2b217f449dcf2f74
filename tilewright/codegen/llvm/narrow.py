"""bfloat16, float8, float6 and float4: rounding a float32 to what they hold, and their bits.

Integer arithmetic throughout: the same on every machine, denormals kept, rounding to nearest even.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import CompileError

from .builder import FunctionBuilder, Value, constant, lanes_of, vector
from .types import is_narrow, memory_type, value_type

SIGN = -(1 << 31)
ABSOLUTE = 0x7FFFFFFF
QUIET = 0x00400000


@dataclass(frozen=True)
class NarrowFormat:
    """A narrow format: `mantissa` stored bits, exponent `bias`; the codes (without sign) of
    infinity and of NaN where it has them; `unsigned_zero`: minus zero is the code of NaN."""

    bits: int
    mantissa: int
    bias: int
    largest: float
    infinity: int | None
    nan: int | None
    unsigned_zero: bool

    @property
    def smallest_normal(self) -> float:
        """The smallest positive normal number."""
        return 2.0 ** (1 - self.bias)


@cache
def format_of(dtype: str) -> NarrowFormat:
    """The format of a narrow `dtype`, read off its 2**bits values."""
    info = dtype_of(dtype)
    if info.element == "float8_e8m0fnu":
        raise CompileError("there is no arithmetic in float8_e8m0fnu: it has no sign and no zero")
    storage = np.uint16 if info.bits == 16 else np.uint8
    codes = np.arange(1 << (info.bits - 1), dtype=storage)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        values = codes.view(info.numpy).astype(np.float64)
    finite = values[np.isfinite(values)]
    least = float(finite[finite > 0].min())
    one = int(np.asarray(1.0, info.numpy).view(storage))
    mantissa = 0
    while float(np.asarray(one + (1 << mantissa), storage).view(info.numpy)) < 2.0:
        mantissa += 1
    infinite, nans = np.flatnonzero(np.isinf(values)), np.flatnonzero(np.isnan(values))
    minus_zero = np.asarray(1 << (info.bits - 1), storage).view(info.numpy)
    bias = 1 - round(math.log2(least)) - mantissa
    return NarrowFormat(
        info.bits,
        mantissa,
        bias,
        float(finite.max()),
        int(infinite[0]) if len(infinite) else None,
        int(nans[-1]) if len(nans) else None,
        bool(np.isnan(minus_zero)),
    )


def round_narrow(b: FunctionBuilder, dtype: str, value: Value) -> Value:
    """The float32 `value` rounded to what `dtype` holds; any other dtype's value unchanged."""
    if not is_narrow(dtype):
        return value
    info = dtype_of(dtype)
    if info.bits == 16:
        return _round_bfloat(b, value)
    return _round_small(b, format_of(info.element), value)


def _integer(value: Value) -> str:
    return vector("i32", lanes_of(value.type))


def _round_bits(b: FunctionBuilder, bits: Value, dropped: int) -> Value:
    """The bits of a float32 rounded to nearest even, `dropped` bits shorter."""
    type = bits.type
    last = b.binary("lshr", bits, constant(type, dropped))
    odd = b.binary("and", last, constant(type, 1))
    half = constant(type, (1 << (dropped - 1)) - 1)
    moved = b.binary("add", b.binary("add", bits, half), odd)
    return b.binary("and", moved, constant(type, -(1 << dropped)))


def _round_bfloat(b: FunctionBuilder, value: Value) -> Value:
    bits = b.cast("bitcast", value, _integer(value))
    rounded = _round_bits(b, bits, 16)
    quiet = b.binary("or", bits, constant(bits.type, QUIET))
    nan = b.binary("and", quiet, constant(bits.type, -(1 << 16)))
    out = b.select(b.fcompare("uno", value, value), nan, rounded)
    return b.cast("bitcast", out, value.type)


def _round_small(b: FunctionBuilder, f: NarrowFormat, value: Value) -> Value:
    type = value.type
    size = b.overloaded("fabs", [value])
    bits = _round_bits(b, b.cast("bitcast", size, _integer(value)), 23 - f.mantissa)
    normal = b.cast("bitcast", bits, type)
    magic = constant(type, 2.0 ** (23 + 1 - f.bias - f.mantissa))
    tiny = b.binary("fsub", b.binary("fadd", size, magic), magic)
    is_tiny = b.fcompare("olt", size, constant(type, f.smallest_normal))
    out = b.select(is_tiny, tiny, normal)
    above = b.fcompare("ogt", out, constant(type, f.largest))
    limit = (
        f.largest
        if f.nan is None and f.infinity is None and not f.unsigned_zero
        else (math.inf if f.infinity is not None else math.nan)
    )
    out = b.select(above, constant(type, limit), out)
    if f.nan is None and not f.unsigned_zero:
        out = b.select(b.fcompare("uno", size, size), constant(type, 0.0), out)
    else:
        out = b.select(b.fcompare("uno", size, size), size, out)
    signed = b.overloaded("copysign", [out, value])
    if not f.unsigned_zero:
        return signed
    return b.select(b.fcompare("oeq", signed, constant(type, 0.0)), constant(type, 0.0), signed)


def from_memory(b: FunctionBuilder, dtype: str, bits: Value) -> Value:
    """The float32 that stands for `bits`, loaded as `memory_type(dtype)`."""
    info = dtype_of(dtype)
    type, integer = value_type(dtype), vector("i32", info.lanes)
    wide = b.cast("zext", bits, integer)
    if info.bits == 16:
        return b.cast("bitcast", b.binary("shl", wide, constant(integer, 16)), type)
    f = format_of(info.element)
    code = b.binary("and", wide, constant(integer, (1 << (f.bits - 1)) - 1))
    moved = b.binary("shl", code, constant(integer, 23 - f.mantissa))
    scale = constant(type, 2.0 ** (127 - f.bias))
    out = b.binary("fmul", b.cast("bitcast", moved, type), scale)
    if f.infinity is not None:
        infinite = b.compare("eq", code, constant(integer, f.infinity))
        out = b.select(infinite, constant(type, math.inf), out)
    if f.nan is not None:
        first = f.infinity + 1 if f.infinity is not None else f.nan
        nan = b.compare("uge", code, constant(integer, first))
        out = b.select(nan, constant(type, math.nan), out)
    if f.unsigned_zero:
        nan = b.compare("eq", wide, constant(integer, 1 << (f.bits - 1)))
        out = b.select(nan, constant(type, math.nan), out)
    sign = b.binary("shl", wide, constant(integer, 32 - f.bits))
    signed = b.cast("bitcast", b.binary("and", sign, constant(integer, SIGN)), type)
    return b.overloaded("copysign", [out, signed])


def to_memory(b: FunctionBuilder, dtype: str, value: Value) -> Value:
    """The bits, as `memory_type(dtype)`, of a float32 that `dtype` can hold."""
    info = dtype_of(dtype)
    integer, memory = vector("i32", info.lanes), memory_type(dtype)
    bits = b.cast("bitcast", value, integer)
    if info.bits == 16:
        return b.cast("trunc", b.binary("lshr", bits, constant(integer, 16)), memory)
    f = format_of(info.element)
    size = b.binary("and", bits, constant(integer, ABSOLUTE))
    scaled = b.binary(
        "fmul", b.cast("bitcast", size, value.type), constant(value.type, 2.0 ** (f.bias - 127))
    )
    moved = b.cast("bitcast", scaled, integer)
    code = b.binary("lshr", moved, constant(integer, 23 - f.mantissa))
    if f.infinity is not None:
        infinite = b.compare("eq", size, constant(integer, 0x7F800000))
        code = b.select(infinite, constant(integer, f.infinity), code)
    sign = b.binary("lshr", bits, constant(integer, 32 - f.bits))
    sign = b.binary("and", sign, constant(integer, 1 << (f.bits - 1)))
    nan = b.fcompare("uno", value, value)
    if f.nan is not None:
        code = b.select(nan, constant(integer, f.nan), code)
    code = b.binary("or", code, sign)
    if f.unsigned_zero:
        code = b.select(nan, constant(integer, 1 << (f.bits - 1)), code)
    return b.cast("trunc", code, memory)
