"""Loads and stores: contiguous, strided, gathered, masked; addresses."""

from __future__ import annotations

from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.support.dtypes import ScalableLanes, dtype_of
from tilewright.support.errors import CompileError
from tilewright.tir.buffer import Buffer
from tilewright.tir.expr import Add, Broadcast, BufferLoad, Ramp, Sub
from tilewright.tir.op import const_value
from tilewright.tir.stmt import BufferStore, Stmt
from tilewright.tir.transform.lane_masks import counts_lanes

from .builder import Value, constant, constants, element_of, lanes_of, mangled, size_of, vector
from .emitter import STATEMENTS, FunctionEmitter
from .expressions import on
from .lanes import Spread, spread_of
from .narrow import from_memory, to_memory
from .picking import pick_by_quotient
from .types import alignment, is_narrow, memory_type


def _flat_index(buffer: Buffer, indices: tuple[PrimExpr, ...]) -> PrimExpr:
    if len(indices) != 1:
        raise CompileError(
            f"buffer `{buffer.name}` is accessed with {len(indices)} indices; lowered code has "
            "flat buffers"
        )
    return indices[0]


def from_stored(e: FunctionEmitter, dtype: str, raw: Value) -> Value:
    """A value of `dtype` from what memory holds."""
    if is_narrow(dtype):
        return from_memory(e.b, dtype, raw)
    if dtype_of(dtype).is_bool:
        return e.b.compare("ne", raw, constant(raw.type, 0))
    return raw


def to_stored(e: FunctionEmitter, dtype: str, value: Value) -> Value:
    """What memory holds for a value of `dtype`."""
    if is_narrow(dtype):
        return to_memory(e.b, dtype, value)
    if dtype_of(dtype).is_bool:
        return e.b.cast("zext", value, memory_type(dtype))
    return value


def place(e: FunctionEmitter, pointer: Value, index: PrimExpr, element: str) -> Value:
    """The address of an element. A constant added last is added last here too, so that the
    accesses of an unrolled loop share one address and differ in the instruction's offset."""
    rest, constant_part = index, 0
    while isinstance(rest, (Add, Sub)) and isinstance(rest.b, IntImm):
        constant_part += rest.b.value if isinstance(rest, Add) else -rest.b.value
        rest = rest.a
    if not constant_part or isinstance(rest, IntImm):
        return e.b.offset(pointer, e.index(index), element)
    # Not `inbounds`: the shared address may lie outside the buffer.
    base = e.index(rest)
    shared = e.b.pure("ptr", f"getelementptr {element}, {pointer}, {base}")
    return e.b.pure("ptr", f"getelementptr {element}, {shared}, i64 {constant_part}")


@on(BufferLoad)
def _load(e: FunctionEmitter, node: BufferLoad) -> Value:
    e.effects += 1
    buffer, index = node.buffer, _flat_index(node.buffer, node.indices)
    pointer = e.lookup(buffer.data)
    mask = e.expr(node.predicate) if node.predicate is not None else None
    count = e.lanes(index.dtype, node.span)
    if mask is None and e.mask is not None and count == lanes_of(e.mask.type):
        mask = e.mask
    if count == 1:
        type = memory_type(buffer.dtype)
        address = place(e, pointer, index, type)
        return from_stored(e, buffer.dtype, e.b.load(type, address, alignment(buffer.dtype)))
    if dtype_of(buffer.dtype).lanes != 1:
        raise CompileError(f"a vector of vectors is loaded from `{buffer.name}`", node.span)
    return from_stored(e, node.dtype, _load_vector(e, buffer, pointer, index, count, mask))


def _load_vector(
    e: FunctionEmitter,
    buffer: Buffer,
    pointer: Value,
    index: PrimExpr,
    count: int,
    mask: Value | None,
) -> Value:
    b = e.b
    element, align = memory_type(buffer.dtype), alignment(buffer.dtype)
    type = vector(element, count)
    if isinstance(index, Broadcast) and mask is None:
        one = e.b.load(element, place(e, pointer, index.value, element), align)
        return b.splat(one, count)
    if isinstance(index, Ramp):
        stride = index.stride.value if isinstance(index.stride, IntImm) else None
        if stride == 1:
            address = place(e, pointer, index.base, element)
            whole = _is_whole(e, buffer, index)
            return b.masked_load(type, address, align, None if whole else mask)
        if stride == 2 and mask is not None and not isinstance(count, ScalableLanes):
            first = place(e, pointer, index.base, element)
            return _load_every_second(e, element, align, first, count, mask)
    spread = None
    if mask is None and not isinstance(count, ScalableLanes):
        spread = spread_of(index, count)
    if spread is not None:
        return _load_spread(e, element, align, pointer, spread)

    def gather() -> Value:
        return _gather(e, type, align, _addresses(e, element, pointer, index, count), mask)

    near = pick_by_quotient(e, type, align, pointer, index, mask, gather)
    return gather() if near is None else near


def _gather(
    e: FunctionEmitter, type: str, align: int, addresses: Value, mask: Value | None
) -> Value:
    """Lane by lane."""
    count = lanes_of(type)
    if mask is None and isinstance(count, ScalableLanes):
        mask = constant(vector("i1", count), True)
    if mask is None:
        return e.b.gather_lanes(
            [e.b.load(element_of(type), e.b.extract(addresses, n), align) for n in range(count)]
        )
    name = f"llvm.masked.gather.{mangled(type)}.{mangled(addresses.type)}"
    address_text = f"align {align} {addresses.ref}"
    e.context.module.declare(name, type, [addresses.type, mask.type, type])
    return e.b.emit(
        type,
        f"call {type} @{name}({addresses.type} {address_text}, {mask}, {type} zeroinitializer)",
    )


def _is_whole(e: FunctionEmitter, buffer: Buffer, index: Ramp) -> bool:
    """True if all lanes, masked or not, lie in memory that this thread alone sees: accesses to
    it without a mask become registers."""
    _, there_are = e.stack.get(id(buffer.data), (0, 0))
    size = there_are // size_of(memory_type(buffer.dtype))
    return (
        buffer.scope() == "local"
        and isinstance(index.base, IntImm)
        and not isinstance(index.lanes, ScalableLanes)
        and 0 <= index.base.value <= size - index.lanes
    )


def _masks_padding(e: FunctionEmitter, buffer: Buffer, index: Ramp, mask: PrimExpr | None) -> bool:
    """True if the lanes that the mask of a store leaves out lie behind all that was asked for:
    what they held need not be kept, which would make each row wait for the one before."""
    if not counts_lanes(mask) or not isinstance(index.base, IntImm):
        return False
    first, end = const_value(mask.a.base), const_value(mask.b.value)  # type: ignore[union-attr]
    if not isinstance(first, int) or not isinstance(end, int):
        return False
    asked, _ = e.stack[id(buffer.data)]
    return (index.base.value + end - first) * size_of(memory_type(buffer.dtype)) >= asked


def _addresses(
    e: FunctionEmitter, element: str, pointer: Value, index: PrimExpr, count: int
) -> Value:
    offsets = e.index(index)
    text = f"getelementptr inbounds {element}, {pointer}, {offsets}"
    return e.b.emit(vector("ptr", count), text)


def _load_spread(
    e: FunctionEmitter, element: str, align: int, pointer: Value, spread: Spread
) -> Value:
    """Lanes close to each other: one load, or two, of what lies between the first and the last;
    nothing outside is read. Others: lane by lane."""
    b = e.b
    bases, distances = spread
    count, low, high = len(distances), min(distances), max(distances)
    type, span = vector(element, count), high - low + 1
    first = pointer
    for offset in (*map(e.index, bases), Value("i64", str(low))):
        # Not `inbounds`: only the last sum must lie in the buffer.
        first = b.pure("ptr", f"getelementptr {element}, {first}, {offset}")
    if span > 2 * count:
        steps = [b.offset(first, Value("i64", str(d - low)), element) for d in distances]
        return b.gather_lanes([b.load(element, step, align) for step in steps])
    if span <= count:
        inside = constants("i1", [n < span for n in range(count)])
        near = b.masked_load(type, first, align, None if span == count else inside)
        return b.shuffle(near, None, [d - low for d in distances])
    second = b.offset(first, Value("i64", str(span - count)), element)
    near, far = b.load(type, first, align), b.load(type, second, align)
    skipped = span - 2 * count  # from lanes of `near` to those of `far`, which overlap
    places = [d - low for d in distances]
    return b.shuffle(near, far, [n if n < count else n - skipped for n in places])


def _load_every_second(
    e: FunctionEmitter, element: str, align: int, first: Value, count: int, mask: Value
) -> Value:
    """Two loads side by side, of nothing but the elements wanted."""
    b = e.b
    type, half = vector(element, count), (count + 1) // 2
    parts = []
    for start, lanes in ((0, half), (half, count - half)):
        spread = [start + n // 2 if n % 2 == 0 and n < 2 * lanes else count for n in range(count)]
        inside = b.shuffle(mask, Value(mask.type, "zeroinitializer"), spread)
        address = b.offset(first, Value("i64", str(2 * start)), element)
        parts.append(b.masked_load(type, address, align, inside))
    wanted = [2 * n if n < half else count + 2 * (n - half) for n in range(count)]
    return b.shuffle(parts[0], parts[1], wanted)


def _store(e: FunctionEmitter, node: Stmt) -> None:
    assert isinstance(node, BufferStore)
    buffer, index = node.buffer, _flat_index(node.buffer, node.indices)
    value = to_stored(e, node.value.dtype, e.expr(node.value))
    mask = e.expr(node.predicate) if node.predicate is not None else None
    pointer = e.lookup(buffer.data)
    element, align = memory_type(buffer.dtype), alignment(buffer.dtype)
    count = e.lanes(index.dtype, node.span)
    if count == 1:
        e.b.store(value, place(e, pointer, index, element), align)
    elif isinstance(index, Ramp) and isinstance(index.stride, IntImm) and index.stride.value == 1:
        address = place(e, pointer, index.base, element)
        if mask is not None and _is_whole(e, buffer, index):
            if not _masks_padding(e, buffer, index, node.predicate):
                value = e.b.select(mask, value, e.b.load(value.type, address, align))
            mask = None
        e.b.masked_store(value, address, align, mask)
    else:
        _scatter(e, value, _addresses(e, element, pointer, index, count), align, mask)
    e.effect()


def _scatter(
    e: FunctionEmitter, value: Value, addresses: Value, align: int, mask: Value | None
) -> None:
    count = lanes_of(value.type)
    if mask is None and isinstance(count, ScalableLanes):
        mask = constant(vector("i1", count), True)
    if mask is None:
        for n in range(count):
            e.b.store(e.b.extract(value, n), e.b.extract(addresses, n), align)
        return
    name = f"llvm.masked.scatter.{mangled(value.type)}.{mangled(addresses.type)}"
    e.context.module.declare(name, "void", [value.type, addresses.type, mask.type])
    where = f"{addresses.type} align {align} {addresses.ref}"
    e.b.do(f"call void @{name}({value}, {where}, {mask})")


STATEMENTS[BufferStore] = _store


def address_of(e: FunctionEmitter, load: BufferLoad) -> Value:
    """The address of the element that `load` reads; of the first one, for a vector."""
    index = _flat_index(load.buffer, load.indices)
    base = index.base if isinstance(index, Ramp) else index
    pointer = e.lookup(load.buffer.data)
    return place(e, pointer, base, memory_type(load.buffer.dtype))
