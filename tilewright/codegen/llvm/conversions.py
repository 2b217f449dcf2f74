"""Conversions between data types: rounded once, never undefined."""

from __future__ import annotations

from tilewright.support.dtypes import DType, dtype_of

from .builder import Value, constant, element_of, int_of, lanes_of, mangled, vector, wrapped
from .emitter import FunctionEmitter
from .narrow import round_narrow
from .types import is_narrow, value_type


def convert(e: FunctionEmitter, value: Value, source: str, target: str) -> Value:
    """A value of dtype `source` as one of `target`."""
    a, b = dtype_of(source), dtype_of(target)
    type = value_type(target)
    if source == target:
        return value
    if b.is_bool:
        zero = constant(value.type, 0)
        if a.is_float:
            return e.b.fcompare("une", value, zero)
        return e.b.compare("ne", value, zero)
    if a.is_handle or b.is_handle:
        opcode = (
            "bitcast"
            if a.is_handle and b.is_handle
            else ("ptrtoint" if a.is_handle else "inttoptr")
        )
        return e.b.cast(opcode, value, type)
    if a.is_float and b.is_float:
        return _float_to_float(e, value, target, type)
    if a.is_float:
        return _float_to_int(e, value, b, type)
    if b.is_float:
        return _int_to_float(e, value, a, target, type)
    if int_of(value) is not None and b.lanes == 1 and (not a.is_uint or b.bits <= a.bits):
        return wrapped(type, int_of(value) or 0)
    if b.bits < a.bits and not a.is_bool:
        return e.b.cast("trunc", value, type)
    return e.b.cast("sext" if a.is_int else "zext", value, type)


_WIDTH = {"half": 16, "float": 32, "double": 64}


def _float_to_float(e: FunctionEmitter, value: Value, target: str, type: str) -> Value:
    have, want = (_WIDTH[element_of(t)] for t in (value.type, type))
    if have > want == 32 and is_narrow(target):
        value = _to_odd(e, value, type)
    elif have != want:
        value = e.b.cast("fptrunc" if have > want else "fpext", value, type)
    return round_narrow(e.b, target, value)


def _to_odd(e: FunctionEmitter, value: Value, type: str) -> Value:
    """A double as a float rounded to odd, so that rounding it once more rounds only once."""
    n = lanes_of(type)
    near = e.b.cast("fptrunc", value, type)
    back = e.b.cast("fpext", near, value.type)
    bits = e.b.cast("bitcast", near, vector("i32", n))
    inexact = e.b.fcompare("one", back, value)
    size, near_size = (e.b.overloaded("fabs", [v]) for v in (value, back))
    over = e.b.fcompare("ogt", near_size, size)
    down = e.b.binary("sub", bits, e.b.cast("zext", over, bits.type))
    odd = e.b.binary("or", down, constant(bits.type, 1))
    return e.b.cast("bitcast", e.b.select(inexact, odd, bits), type)


def _float_to_int(e: FunctionEmitter, value: Value, target: DType, type: str) -> Value:
    """Rounded towards zero, saturated, NaN as 0: never undefined.

    float16 goes through float32: LLVM 22 turns NaN into the lowest int16 with AVX512-FP16.
    """
    if element_of(value.type) == "half":
        value = e.b.cast("fpext", value, vector("float", target.lanes))
    name = "fptosi" if target.is_int else "fptoui"
    suffix = f"{mangled(type)}.{mangled(value.type)}"
    return e.b.intrinsic(f"llvm.{name}.sat.{suffix}", type, [value])


def _int_to_float(e: FunctionEmitter, value: Value, source: DType, target: str, type: str) -> Value:
    opcode = "sitofp" if source.is_int else "uitofp"
    if is_narrow(target) and source.bits > 16:
        double = vector("double", source.lanes)
        exact = e.b.cast(opcode, value, double)
        return round_narrow(e.b, target, _to_odd(e, exact, type))
    return round_narrow(e.b, target, e.b.cast(opcode, value, type))
