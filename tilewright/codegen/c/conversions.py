"""Conversions between data types: rounded once, never undefined."""

from __future__ import annotations

from tilewright.support.dtypes import dtype_of

from .emitter import FunctionEmitter, Value
from .types import is_narrow, memory_type, value_type


def convert(e: FunctionEmitter, value: Value, target: str) -> Value:
    """A value as one of dtype `target`, which has as many lanes."""
    a, b = dtype_of(value.dtype), dtype_of(target)
    if a.element == b.element:
        return Value(value.text, target)
    return Value(_converted(e, value, a.element, b.element), target)


def _converted(e: FunctionEmitter, value: Value, source: str, target: str) -> str:
    a, b, text = dtype_of(source), dtype_of(target), value.text
    if b.is_bool:
        return f"({text} != 0)"
    if a.is_handle or b.is_handle:
        return f"(({value_type(target)})(intptr_t){text})"
    if a.is_float and b.is_float:
        return _float_to_float(e, text, source, target)
    if a.is_float:
        wide = "float64" if source == "float64" else "float32"
        return f"{e.context.helper('saturate', target, wide)}({text})"
    if is_narrow(target) and a.bits > 16 and not a.is_bool:
        odd = e.context.helper("to_odd", target)
        return rounded(e, target, f"{odd}((double){text})")
    return rounded(e, target, f"(({value_type(target)}){text})")


def _float_to_float(e: FunctionEmitter, text: str, source: str, target: str) -> str:
    if not is_narrow(target):
        have, want = value_type(source), value_type(target)
        return text if have == want else f"(({want}){text})"
    if value_type(source) == "double":
        text = f"{e.context.helper('to_odd', target)}({text})"
    return rounded(e, target, text)


def rounded(e: FunctionEmitter, dtype: str, text: str) -> str:
    """A `float` rounded to what `dtype` holds; anything else unchanged."""
    if not is_narrow(dtype):
        return text
    return f"{e.context.helper('round', dtype)}({text})"


def to_memory(e: FunctionEmitter, value: Value) -> str:
    """What memory holds for a value."""
    if is_narrow(value.dtype):
        return f"{e.context.helper('to', value.dtype)}({value.text})"
    return value.text


def from_memory(e: FunctionEmitter, dtype: str, text: str) -> str:
    """A value of `dtype` from what memory holds."""
    if is_narrow(dtype):
        return f"{e.context.helper('from', dtype)}({text})"
    return f"({text} != 0)" if dtype_of(dtype).is_bool else text


def reinterpreted(e: FunctionEmitter, value: Value, target: str) -> Value:
    """The bits of a value as one of dtype `target`."""
    a, b = dtype_of(value.dtype), dtype_of(target)
    if a.is_handle or b.is_handle:
        both = a.is_handle and b.is_handle
        text = f"(({value_type(target)})(intptr_t){value.text})"
        return Value(value.text if both else text, target)
    if a.lanes == b.lanes:
        stored = to_memory(e, value)
        if memory_type(a.element) != memory_type(b.element):
            stored = f"{e.context.helper('bits', b.element, a.element)}({stored})"
        return Value(from_memory(e, target, stored), target)
    return _regrouped(e, value, target)


def _regrouped(e: FunctionEmitter, value: Value, target: str) -> Value:
    """The same bytes as another number of lanes."""
    a, b = dtype_of(value.dtype), dtype_of(target)
    of, to = e.names.new("bits"), e.names.new("bits")
    e.line(f"{memory_type(a.element)} {of}[{a.lanes}];")
    e.line(f"{memory_type(b.element)} {to}[{b.lanes}];")
    e.each_lane(a.lanes, f"{of}[lane] = {to_memory(e, value)};")
    e.line(f"memcpy({to}, {of}, sizeof {to});")
    place = f"{to}[lane]" if b.lanes > 1 else f"{to}[0]"
    return Value(from_memory(e, target, place), target)
