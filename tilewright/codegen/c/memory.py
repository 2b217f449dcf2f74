"""Loads, stores and addresses; vectors lane by lane."""

from __future__ import annotations

from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.ir.structural import structural_equal
from tilewright.ir.type import PointerType, PrimType
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import CompileError
from tilewright.tir.buffer import Buffer
from tilewright.tir.expr import BufferLoad, Ramp, Var
from tilewright.tir.stmt import BufferStore, Stmt

from .conversions import from_memory, to_memory
from .emitter import EXPRESSIONS, LANE, STATEMENTS, FunctionEmitter, Value
from .types import memory_type


def pointer_type(var: Var) -> str:
    """The C type of a variable that holds an address."""
    element = element_of(var)
    return "void *" if element is None else f"{element} *".replace("* *", "**")


def element_of(var: Var) -> str | None:
    """The C type of what a variable points to, None if that is not known."""
    kind = var.type_annotation
    if not isinstance(kind, PointerType) or not isinstance(kind.element_type, PrimType):
        return None
    if dtype_of(kind.element_type.dtype).code == "void":
        return None
    return memory_type(dtype_of(kind.element_type.dtype).element)


def _flat_index(buffer: Buffer, indices: tuple[PrimExpr, ...]) -> PrimExpr:
    if len(indices) != 1:
        raise CompileError(
            f"buffer `{buffer.name}` is accessed with {len(indices)} indices; lowered code has "
            "flat buffers"
        )
    return indices[0]


def _where(buffer: Buffer, index: Value) -> str:
    """The number of the element, of lane `lane` for vectors."""
    lanes, text = dtype_of(buffer.dtype).lanes, index.text
    if lanes == 1:
        return text[1:-1] if _is_wrapped(text) else text
    if index.lanes != 1:
        raise CompileError(f"a vector of vectors is accessed in `{buffer.name}`")
    return f"{text} * {lanes} + {LANE}"


def _is_wrapped(text: str) -> bool:
    """Whether one pair of parentheses holds all of `text`."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and at < len(text) - 1:
            return False
    return True


def _is_declared(buffer: Buffer) -> bool:
    """Whether the variable of the buffer's memory points to elements of the buffer's type."""
    return element_of(buffer.data) == memory_type(dtype_of(buffer.dtype).element)


def _loaded(e: FunctionEmitter, buffer: Buffer, where: str) -> str:
    pointer = e.lookup(buffer.data).text
    element = dtype_of(buffer.dtype).element
    if _is_declared(buffer):
        return from_memory(e, element, f"{pointer}[{where}]")
    load = e.context.helper("load", element)
    return from_memory(e, element, f"{load}({_address(buffer, pointer, where)})")


def _address(buffer: Buffer, pointer: str, where: str) -> str:
    element = memory_type(dtype_of(buffer.dtype).element)
    if _is_declared(buffer):
        return f"(&{pointer}[{where}])"
    if element == "void *":
        return f"((char *){pointer} + ({where}) * (int64_t)sizeof(void *))"
    return f"((char *){pointer} + ({where}) * (int64_t)sizeof({element}))"


def _load(e: FunctionEmitter, node: BufferLoad) -> Value:
    buffer, index = node.buffer, _flat_index(node.buffer, node.indices)
    e.loads.append(node)
    text = _loaded(e, buffer, _where(buffer, e.index(index)))
    if node.predicate is not None:
        mask = e.expr(node.predicate)
        text = f"({mask.text} ? {text} : 0)"
    value = Value(text, node.dtype)
    return e.temp(value) if e.strict else value


EXPRESSIONS[BufferLoad] = _load


def _store(e: FunctionEmitter, node: Stmt) -> None:
    assert isinstance(node, BufferStore)
    buffer, index = node.buffer, _flat_index(node.buffer, node.indices)
    value = e.expr(node.value)
    mask = e.expr(node.predicate) if node.predicate is not None else None
    before = len(e.loads)
    at = e.index(index)
    lanes = value.lanes
    if lanes > 1 and any(_may_hide(e, load, node) for load in e.loads[:before]):
        value = e.temp(value)
        mask = e.temp(mask) if mask is not None else None
    if lanes > 1 and any(_may_alias(e, load.buffer, buffer) for load in e.loads[before:]):
        at = e.temp(at, "at")
    where = _where(buffer, at)
    chosen = f"if ({mask.text}) " if mask is not None else ""
    stored = _stored(e, buffer, where, to_memory(e, value))
    if lanes == 1:
        e.line(chosen + stored)
    else:
        e.each_lane(lanes, chosen + stored)


def _stored(e: FunctionEmitter, buffer: Buffer, where: str, text: str) -> str:
    pointer = e.lookup(buffer.data).text
    if _is_declared(buffer):
        return f"{pointer}[{where}] = {text};"
    store = e.context.helper("store", dtype_of(buffer.dtype).element)
    return f"{store}({_address(buffer, pointer, where)}, {text});"


def _may_hide(e: FunctionEmitter, load: BufferLoad, store: BufferStore) -> bool:
    """Whether lanes stored first may change what later lanes load."""
    if load.buffer.data is not store.buffer.data:
        return _may_alias(e, load.buffer, store.buffer)
    here, there = load.indices[0], store.indices[0]
    apart = isinstance(there, Ramp) and isinstance(there.stride, IntImm) and there.stride.value
    same = load.buffer.dtype == store.buffer.dtype and structural_equal(here, there)
    return not (apart and same)


def _may_alias(e: FunctionEmitter, a: Buffer, b: Buffer) -> bool:
    return a.data is b.data or not e.separate


STATEMENTS[BufferStore] = _store


def address_of(e: FunctionEmitter, load: BufferLoad) -> str:
    """The address of the element that `load` reads; of the first one, for a vector."""
    index = _flat_index(load.buffer, load.indices)
    base = index.base if isinstance(index, Ramp) else index
    lanes = dtype_of(load.buffer.dtype).lanes
    text = e.index(base).text
    where = f"{text} * {lanes}" if lanes > 1 else text
    return _address(load.buffer, e.lookup(load.buffer.data).text, where)
