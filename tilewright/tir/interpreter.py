"""The living definition of TensorIR: runs any function, blocks or lowered, step by step in Python.

Integers are Python's, brought to their type after each step; floats are NumPy scalars of their
type; vectors are NumPy arrays. An access outside a buffer raises an error that names it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.expr import FloatImm, GlobalVar, IntImm, PrimExpr
from ..ir.functor import deep_recursion
from ..ir.module import IRModule
from ..support.dtypes import DType, dtype_name, dtype_of
from ..support.errors import ArgumentError, CompileError, RuntimeFailure
from . import op as O
from .buffer import Buffer
from .expr import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    Add,
    And,
    Broadcast,
    BufferLoad,
    Call,
    Cast,
    Div,
    FloorDiv,
    FloorMod,
    IterVarType,
    Let,
    Max,
    Min,
    Mod,
    Mul,
    Not,
    Or,
    Ramp,
    Select,
    Shuffle,
    SizeVar,
    StringImm,
    Sub,
    Var,
)  # fmt: skip
from .function import PrimFunc
from .op.arithmetic import c_div
from .stmt import (
    Allocate,
    AllocateConst,
    AssertStmt,
    AttrStmt,
    Block,
    BlockRealize,
    BufferStore,
    DeclBuffer,
    Evaluate,
    For,
    IfThenElse,
    LetStmt,
    SeqStmt,
    Stmt,
    While,
)  # fmt: skip

Array = np.ndarray[Any, Any]


class Memory:
    """Bytes, seen as elements of one type or another."""

    def __init__(self, data: Array) -> None:
        self.bytes = data.reshape(-1).view(np.uint8) if data.size else np.empty(0, np.uint8)
        self._views: dict[str, Array] = {}

    def view(self, dtype: str) -> Array:
        """All of it as elements of `dtype`."""
        known = self._views.get(dtype)
        if known is None:
            size = dtype_of(dtype).numpy.itemsize
            whole = self.bytes[: len(self.bytes) // size * size]
            known = self._views[dtype] = whole.view(dtype_of(dtype).numpy)
        return known


class Pointer:
    """An address: a memory and how many bytes after its beginning."""

    __slots__ = ("memory", "offset")

    def __init__(self, memory: Memory, offset: int = 0) -> None:
        self.memory, self.offset = memory, offset


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class _LoopExit(Exception):
    def __init__(self, leaves: bool) -> None:
        self.leaves = leaves


class Interpreter:
    """Runs one function. `module` resolves calls of global functions, `externs` C symbols."""

    def __init__(
        self, module: IRModule | None = None, externs: dict[str, Callable[..., Any]] | None = None
    ) -> None:
        self.module = module
        self.externs = externs or {}
        self.env: dict[Any, Any] = {}
        self.layouts: dict[Buffer, tuple[tuple[int, ...], tuple[int, ...] | None, int]] = {}
        self.origins: dict[Buffer, Pointer] = {}

    # ---- functions --------------------------------------------------------------------------

    def call(self, func: PrimFunc, args: Sequence[Any]) -> Any:
        """Runs `func` on NumPy arrays and numbers; arrays are changed in place."""
        if len(args) != len(func.params):
            raise ArgumentError(f"expected {len(func.params)} arguments, found {len(args)}")
        for param, arg in zip(func.params, args, strict=True):
            if param in func.buffer_map:
                self._bind_array(func.buffer_map[param], arg)
            elif isinstance(arg, (np.ndarray, Pointer)):
                self.env[param] = _pointer(arg, param.name)
            else:
                self.env[param] = _number(arg, param.dtype)
        for buffer in func.buffers():
            self._check_shape(buffer)
        try:
            self.run(func.body)
        except _Return as result:
            return result.value
        return None

    def _bind_array(self, buffer: Buffer, arg: Any) -> None:
        if isinstance(arg, Pointer):
            self.env[buffer.data] = arg
            return
        if not isinstance(arg, np.ndarray):
            raise ArgumentError(f"`{buffer.name}` is an array, found {type(arg).__name__}")
        if dtype_name(arg.dtype) != buffer.dtype:
            raise ArgumentError(f"`{buffer.name}` is of {buffer.dtype}, found {arg.dtype}")
        if arg.ndim != buffer.ndim:
            raise ArgumentError(f"`{buffer.name}` has {buffer.ndim} dimensions, found {arg.ndim}")
        self.env[buffer.data] = _pointer(arg, buffer.name)
        for dim, size in zip(buffer.shape, arg.shape, strict=True):
            if isinstance(dim, Var) and dim not in self.env:
                self.env[dim] = size
        self.env.setdefault(("shape", buffer), arg.shape)
        if isinstance(buffer.elem_offset, Var):
            self.env.setdefault(buffer.elem_offset, 0)

    def _check_shape(self, buffer: Buffer) -> None:
        given = self.env.get(("shape", buffer))
        if given is not None:
            expected = tuple(int(self.eval(dim)) for dim in buffer.shape)
            if expected != given:
                raise ArgumentError(f"`{buffer.name}` has shape {expected}, found {given}")

    # ---- memory -----------------------------------------------------------------------------

    def layout(self, buffer: Buffer) -> tuple[tuple[int, ...], tuple[int, ...] | None, int]:
        """Shape, strides (None: compact) and first element of `buffer`, where it is in scope."""
        shape = tuple(int(self.eval(dim)) for dim in buffer.shape)
        strides = tuple(int(self.eval(s)) for s in buffer.strides) if buffer.strides else None
        return shape, strides, int(self.eval(buffer.elem_offset))

    def place(self, buffer: Buffer, indices: Sequence[int]) -> int:
        """Which element of the memory `indices` name. Raises `RuntimeFailure` outside."""
        known = self.layouts.get(buffer)
        shape, strides, offset = self.layout(buffer) if known is None else known
        if len(indices) != len(shape):
            raise CompileError(f"`{buffer.name}` has {len(shape)} dimensions, not {len(indices)}")
        flat = 0
        for axis, (index, extent) in enumerate(zip(indices, shape, strict=True)):
            if not 0 <= index < extent:
                raise RuntimeFailure(
                    f"access outside buffer `{buffer.name}`: index {index} of dimension {axis} "
                    f"is not in [0, {extent})"
                )
            flat = flat * extent + index if strides is None else flat + index * strides[axis]
        return flat + offset

    def elements(self, buffer: Buffer) -> tuple[Array, int]:
        """The memory of `buffer` as elements, and the position of its first byte among them."""
        pointer = self.origins.get(buffer) or self.env.get(buffer.data)
        if not isinstance(pointer, Pointer):
            raise CompileError(f"buffer `{buffer.name}` has no memory here")
        element = dtype_of(buffer.dtype).element
        size = dtype_of(element).numpy.itemsize
        return pointer.memory.view(element), pointer.offset // size

    def places(self, node: BufferLoad | BufferStore) -> tuple[Array, Any]:
        """The memory that `node` touches and the position or positions of its lanes."""
        buffer = node.buffer
        memory, start = self.elements(buffer)
        *outer, last = [self.eval(index) for index in node.indices] or [0]
        lanes = dtype_of(buffer.dtype).lanes
        if not node.indices:
            return memory, start
        if not isinstance(last, np.ndarray):
            at = start + self.place(buffer, (*outer, last)) * lanes
            if lanes > 1:
                return memory, np.arange(at, at + lanes)
            self._inside(buffer, memory, at)
            return memory, at
        mask = self._mask(node, len(last))
        chosen = [
            (start + self.place(buffer, (*outer, int(i)))) * lanes if m else -1
            for i, m in zip(last, mask, strict=True)
        ]
        for at in chosen:
            if at >= 0:
                self._inside(buffer, memory, at)
        positions = np.array(chosen)
        return memory, (positions[:, None] + np.arange(lanes)).reshape(-1)

    def _inside(self, buffer: Buffer, memory: Array, at: int) -> None:
        if not 0 <= at < len(memory):
            raise RuntimeFailure(
                f"access outside the memory of `{buffer.name}`: element {at} of {len(memory)}"
            )

    def _mask(self, node: BufferLoad | BufferStore, lanes: int) -> Array:
        if node.predicate is None:
            return np.ones(lanes, bool)
        return np.broadcast_to(np.asarray(self.eval(node.predicate), bool), (lanes,))

    # ---- expressions ------------------------------------------------------------------------

    def eval(self, expr: Any) -> Any:
        """The value of an expression."""
        handler = _EVAL.get(type(expr))
        if handler is None:
            raise CompileError(f"a {type(expr).__name__} cannot be run")
        return handler(self, expr)

    def _variable(self, var: Any) -> Any:
        try:
            return self.env[var]
        except KeyError:
            raise CompileError(f"variable `{var.name}` has no value here") from None

    def _cast(self, expr: Any) -> Any:
        return convert(self.eval(expr.value), expr.value.dtype, expr.dtype)

    def _load(self, load: Any) -> Any:
        memory, at = self.places(load)
        if isinstance(at, np.ndarray):
            return np.where(at >= 0, memory[np.maximum(at, 0)], memory.dtype.type(0))
        self._inside(load.buffer, memory, at)
        value = memory[at]
        kind = value.dtype.kind
        return int(value) if kind in "iu" else bool(value) if kind == "b" else value

    def _select(self, expr: Any) -> Any:
        condition = self.eval(expr.condition)
        yes, no = self.eval(expr.true_value), self.eval(expr.false_value)
        if isinstance(condition, np.ndarray) or isinstance(yes, np.ndarray):
            return np.where(condition, yes, no)
        return yes if condition else no

    def _and(self, expr: Any) -> Any:
        a = self.eval(expr.a)
        if isinstance(a, np.ndarray):
            return a & self.eval(expr.b)
        return bool(a) and bool(self.eval(expr.b))

    def _or(self, expr: Any) -> Any:
        a = self.eval(expr.a)
        if isinstance(a, np.ndarray):
            return a | self.eval(expr.b)
        return bool(a) or bool(self.eval(expr.b))

    def _not(self, expr: Any) -> Any:
        a = self.eval(expr.a)
        return ~a if isinstance(a, np.ndarray) else not a

    def _ramp(self, expr: Any) -> Any:
        base, stride = self.eval(expr.base), self.eval(expr.stride)
        kind = dtype_of(dtype_of(expr.dtype).element).numpy
        if isinstance(base, np.ndarray):
            steps = np.arange(expr.lanes)[:, None] * stride
            return (base[None, :] + steps).reshape(-1).astype(kind)
        return np.array([base + i * stride for i in range(expr.lanes)]).astype(kind)

    def _broadcast(self, expr: Any) -> Any:
        value = self.eval(expr.value)
        if isinstance(value, np.ndarray):
            return np.tile(value, expr.lanes)
        return np.full(expr.lanes, value, dtype_of(dtype_of(expr.dtype).element).numpy)

    def _shuffle(self, expr: Any) -> Any:
        lanes = np.concatenate([np.atleast_1d(self.eval(v)) for v in expr.vectors])
        chosen = lanes[[int(self.eval(i)) for i in expr.indices]]
        return chosen if len(chosen) > 1 else as_scalar_of(chosen[0])

    def _let(self, expr: Any) -> Any:
        self.env[expr.var] = self.eval(expr.value)
        return self.eval(expr.body)

    def _call(self, expr: Any) -> Any:
        if isinstance(expr.op, GlobalVar):
            return self._call_global(expr)
        name = expr.op.name.removeprefix("tir.")
        special = _CALLS.get(name)
        if special is not None:
            return special(self, expr)
        function = expr.op.get_attr("numpy")
        if function is None:
            raise CompileError(f"the interpreter does not know {expr.op.name}")
        values = [self.eval(arg) for arg in expr.args]
        return self._apply(function, values, expr)

    def _apply(self, function: Callable[..., Any], values: list[Any], expr: Any) -> Any:
        info = dtype_of(expr.dtype)
        source = dtype_of(dtype_of(expr.args[0].dtype).element)
        if source.is_float:
            wide = np.float64 if source.bits == 64 else np.float32
            values = [np.asarray(v).astype(wide) for v in values]
        with np.errstate(all="ignore"):
            result = function(*values)
        if info.is_integral and info.lanes == 1:
            return bool(result) if info.is_bool else O.wrap(int(result), expr.dtype)
        made = np.asarray(result).astype(dtype_of(info.element).numpy)
        return made if info.lanes > 1 else made[()]

    def _call_global(self, expr: Any) -> Any:
        if self.module is None:
            raise CompileError(f"a call of `{expr.op.name_hint}` outside a module")
        args = [self.eval(arg) for arg in expr.args]
        return Interpreter(self.module, self.externs).call(self.module[expr.op], args)

    def _if_then_else(self, expr: Any) -> Any:
        condition = self.eval(expr.args[0])
        if isinstance(condition, np.ndarray):
            return np.where(condition, self.eval(expr.args[1]), self.eval(expr.args[2]))
        return self.eval(expr.args[1] if condition else expr.args[2])

    def _first(self, expr: Any) -> Any:
        return self.eval(expr.args[0])

    def _ret(self, expr: Any) -> Any:
        raise _Return(self.eval(expr.args[0]))

    def _address(self, expr: Any) -> Any:
        load = expr.args[0]
        memory, at = self.elements(load.buffer)
        at += self.place(load.buffer, [int(self.eval(i)) for i in load.indices])
        pointer = self.origins.get(load.buffer) or self.env[load.buffer.data]
        return Pointer(pointer.memory, at * memory.dtype.itemsize)

    def _access_pointer(self, expr: Any) -> Any:
        marker, data, offset = expr.args[:3]
        pointer = self.eval(data)
        size = dtype_of(marker.dtype).bytes
        return Pointer(pointer.memory, pointer.offset + int(self.eval(offset)) * size)

    def _extern(self, expr: Any) -> Any:
        name = expr.args[0].value
        if name not in self.externs:
            raise CompileError(f"the interpreter was given no function `{name}`")
        return self.externs[name](*[self.eval(arg) for arg in expr.args[1:]])

    def _reinterpret(self, expr: Any) -> Any:
        source = dtype_of(dtype_of(expr.args[0].dtype).element).numpy
        target = dtype_of(dtype_of(expr.dtype).element).numpy
        bits = np.asarray(self.eval(expr.args[0])).astype(source).reshape(-1).view(target)
        return bits if dtype_of(expr.dtype).lanes > 1 else as_scalar_of(bits[0])

    def _reduce_vector(self, expr: Any) -> Any:
        kind = expr.op.name.rsplit("_", 1)[1]
        value = np.asarray(self.eval(expr.args[-1]))
        return as_scalar_of(getattr(value, {"add": "sum"}.get(kind, kind))())

    def _fma(self, expr: Any) -> Any:
        a, b, c = (np.asarray(self.eval(x), np.float64) for x in expr.args)
        made = np.asarray(a * b + c).astype(dtype_of(dtype_of(expr.dtype).element).numpy)
        return made if dtype_of(expr.dtype).lanes > 1 else made[()]

    def _popcount(self, expr: Any) -> Any:
        return self._count(expr, lambda code, bits: bin(code).count("1"))

    def _clz(self, expr: Any) -> Any:
        return self._count(expr, lambda code, bits: bits - code.bit_length())

    def _count(self, expr: Any, count: Callable[[int, int], int]) -> Any:
        bits = dtype_of(expr.args[0].dtype).bits
        value, all_ones = self.eval(expr.args[0]), (1 << bits) - 1
        if not isinstance(value, np.ndarray):
            return count(int(value) & all_ones, bits)
        lanes = [count(int(v) & all_ones, bits) for v in value]
        return np.array(lanes, dtype_of(dtype_of(expr.dtype).element).numpy)

    def _shift_left(self, expr: Any) -> Any:
        return self._shift(expr, lambda value, amount: value << amount, lambda value: value * 0)

    def _shift_right(self, expr: Any) -> Any:
        return self._shift(expr, lambda value, amount: value >> amount, lambda value: -(value < 0))

    def _shift(
        self, expr: Any, inside: Callable[[int, int], int], beyond: Callable[[int], int]
    ) -> Any:
        """A shift by at least the width gives what `beyond` says: 0, or the sign."""
        info = dtype_of(expr.dtype)
        value, amount = self.eval(expr.args[0]), self.eval(expr.args[1])

        def one(x: Any, n: Any) -> int:
            x, n = int(x), int(n)
            return O.wrap(inside(x, n) if 0 <= n < info.bits else beyond(x), info.element)

        if not isinstance(value, np.ndarray):
            return one(value, amount)
        return np.array([one(x, n) for x, n in zip(value, amount, strict=True)],
                        dtype_of(info.element).numpy)  # fmt: skip

    def _nothing(self, expr: Any) -> Any:
        return 0

    # ---- statements -------------------------------------------------------------------------

    def run(self, stmt: Stmt) -> None:
        """Runs a statement."""
        handler = _RUN.get(type(stmt))
        if handler is None:
            raise CompileError(f"a {type(stmt).__name__} cannot be run")
        handler(self, stmt)

    def _store(self, stmt: Any) -> None:
        value = self.eval(stmt.value)
        memory, at = self.places(stmt)
        if not isinstance(at, np.ndarray):
            self._inside(stmt.buffer, memory, at)
            memory[at] = value
            return
        values = np.broadcast_to(value, at.shape)
        chosen = at >= 0
        memory[at[chosen]] = values[chosen]

    def _for(self, stmt: Any) -> None:
        first = int(self.eval(stmt.min))
        for value in range(first, first + int(self.eval(stmt.extent))):
            self.env[stmt.loop_var] = value
            try:
                self.run(stmt.body)
            except _LoopExit as leave:
                if leave.leaves:
                    break

    def _while(self, stmt: Any) -> None:
        while self.eval(stmt.condition):
            try:
                self.run(stmt.body)
            except _LoopExit as leave:
                if leave.leaves:
                    break

    def _if(self, stmt: Any) -> None:
        if self.eval(stmt.condition):
            self.run(stmt.then_case)
        elif stmt.else_case is not None:
            self.run(stmt.else_case)

    def _sequence(self, stmt: Any) -> None:
        for each in stmt.seq:
            self.run(each)

    def _evaluate(self, stmt: Any) -> None:
        if not isinstance(stmt.value, StringImm):
            self.eval(stmt.value)

    def _let_stmt(self, stmt: Any) -> None:
        self.env[stmt.var] = self.eval(stmt.value)
        self.run(stmt.body)

    def _attribute(self, stmt: Any) -> None:
        self.run(stmt.body)

    def _assert(self, stmt: Any) -> None:
        if not self.eval(stmt.condition):
            message = stmt.message
            text = message.value if isinstance(message, StringImm) else str(message)
            raise RuntimeFailure(f"assertion failed: {text}")
        self.run(stmt.body)

    def _allocate(self, stmt: Any) -> None:
        count = math.prod(int(self.eval(e)) for e in stmt.extents)
        self.env[stmt.buffer_var] = Pointer(Memory(_garbage(count, stmt.dtype)))
        self.run(stmt.body)

    def _allocate_const(self, stmt: Any) -> None:
        data = stmt.data.numpy() if hasattr(stmt.data, "numpy") else np.asarray(stmt.data)
        self.env[stmt.buffer_var] = Pointer(Memory(np.ascontiguousarray(data)))
        self.run(stmt.body)

    def _declare(self, stmt: Any) -> None:
        self.run(stmt.body)

    def _realize(self, stmt: Any) -> None:
        values = [self.eval(value) for value in stmt.iter_values]
        if not self.eval(stmt.predicate):
            return
        for axis, value in zip(stmt.block.iter_vars, values, strict=True):
            self.env[axis.var] = value
        self.run(stmt.block)

    def _block(self, block: Any) -> None:
        for buffer in block.alloc_buffers:
            shape = self.layout(buffer)[0]
            count = math.prod(shape)
            if buffer.strides:
                count = 1 + sum(
                    (d - 1) * int(self.eval(s)) for d, s in zip(shape, buffer.strides, strict=True)
                )
            count += int(self.eval(buffer.elem_offset))
            self.env[buffer.data] = Pointer(Memory(_garbage(count, buffer.dtype)))
        for match in block.match_buffers:
            self._match(match)
        if block.init is not None and self._is_first(block):
            self.run(block.init)
        self.run(block.body)

    def _is_first(self, block: Block) -> bool:
        return all(
            axis.dom is None or self.env[axis.var] == self.eval(axis.dom.min)
            for axis in block.iter_vars
            if axis.iter_type == IterVarType.CommReduce
        )

    def _match(self, match: Any) -> None:
        source, view = match.source, match.buffer
        begin = [int(self.eval(r.min)) for r in source.region]
        extents = [int(self.eval(r.extent)) for r in source.region]
        shape, strides, _ = self.layouts.get(source.buffer) or self.layout(source.buffer)
        if strides is None:
            strides = tuple(math.prod(shape[a + 1 :]) for a in range(len(shape)))
        kept = len(view.shape)
        if any(e != 1 for e in extents[: len(extents) - kept]):
            raise CompileError(f"the region matched by `{view.name}` has too many dimensions")
        memory, start = self.elements(source.buffer)
        start += self.place(source.buffer, begin) if 0 not in extents else 0
        pointer = self.origins.get(source.buffer) or self.env[source.buffer.data]
        self.origins[view] = Pointer(pointer.memory, start * memory.dtype.itemsize)
        self.env[view.data] = self.origins[view]
        view_strides = strides[len(strides) - kept :]
        self._bind_parts(view.shape, extents[len(extents) - kept :])
        self._bind_parts(view.strides, view_strides)
        if isinstance(view.elem_offset, Var):
            self.env[view.elem_offset] = 0
        view_shape = tuple(int(self.eval(d)) for d in view.shape)
        self.layouts[view] = (view_shape, view_strides, 0)

    def _bind_parts(self, parts: Sequence[PrimExpr], values: Sequence[int]) -> None:
        for part, value in zip(parts, values, strict=False):
            if isinstance(part, Var):
                self.env[part] = value


def _garbage(count: int, dtype: str) -> Array:
    """New memory that nobody should read before writing."""
    info = dtype_of(dtype)
    kind = dtype_of(info.element).numpy
    made = np.empty(count * info.lanes, kind)
    made.view(np.uint8)[:] = 0xA5
    return made


def _pointer(array: Array | Pointer, name: str) -> Pointer:
    if isinstance(array, Pointer):
        return array
    if not array.flags.c_contiguous:
        raise ArgumentError(f"`{name}` must be a compact row-major array")
    return Pointer(Memory(array))


def _number(value: Any, dtype: str) -> Any:
    info = dtype_of(dtype)
    if info.is_bool:
        return bool(value)
    if info.is_integral:
        return int(value)
    return info.numpy.type(value) if info.is_float else value


def as_scalar_of(value: Any) -> Any:
    """A NumPy scalar as the interpreter holds it."""
    kind = getattr(value, "dtype", np.dtype(object)).kind
    return int(value) if kind in "iu" else bool(value) if kind == "b" else value


def convert(value: Any, source: str, target: str) -> Any:
    """`value` as `target`: floats to integers round towards zero and saturate, NaN gives 0."""
    info = dtype_of(dtype_of(target).element)
    from_float = dtype_of(source).is_float
    if isinstance(value, np.ndarray):
        if from_float and info.is_integral and not info.is_bool:
            lanes = [convert(v, dtype_of(source).element, info.name) for v in value]
            return np.array(lanes, info.numpy)
        with np.errstate(all="ignore"):
            return _rounded_once(value, info)
    if info.is_bool:
        return bool(value)
    if info.is_integral:
        if not from_float:
            return O.wrap(int(value), info.name)
        if math.isnan(float(value)):
            return 0
        if math.isinf(float(value)):
            return int(info.max_value if value > 0 else info.min_value)
        return int(min(max(int(float(value)), info.min_value), info.max_value))
    with np.errstate(all="ignore"):
        if info.code == "float":
            return info.numpy.type(value)
        return _rounded_once(np.asarray(float(value)), info)[()]


def _rounded_once(value: Array, info: DType) -> Array:
    """`value` as `info` says. What is wider than float32 would be rounded twice on its way to a
    narrow float: it is rounded to odd first, which leaves a trace of what was cut off."""
    kind = info.numpy
    plain = not info.is_float or info.code == "float"
    if plain or value.dtype.itemsize < 4 or value.dtype == np.float32:
        return value.astype(kind)
    wide = value.astype(np.float64)
    near = wide.astype(np.float32)
    back = near.astype(np.float64)
    inexact = (back != wide) & ~np.isnan(wide)
    odd = (near.view(np.int32) - (np.abs(back) > np.abs(wide))) | 1
    return np.where(inexact, odd.astype(np.int32).view(np.float32), near).astype(kind)


def _arithmetic(scalar: Callable[[Any, Any], Any], vector: Any) -> Callable[..., Any]:
    def run(self: Interpreter, expr: Any) -> Any:
        a, b = self.eval(expr.a), self.eval(expr.b)
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            kind = dtype_of(dtype_of(expr.dtype).element).numpy
            with np.errstate(all="ignore"):
                return np.asarray(vector(a, b)).astype(kind)
        if isinstance(a, int) and isinstance(b, int):
            return O.wrap(scalar(a, b), expr.dtype)
        with np.errstate(all="ignore"):
            return scalar(a, b)

    return run


def _compare(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def run(self: Interpreter, expr: Any) -> Any:
        made = function(self.eval(expr.a), self.eval(expr.b))
        return made if isinstance(made, np.ndarray) else bool(made)

    return run


def _quotient(a: Any, b: Any) -> Any:
    if isinstance(a, int):
        if b == 0:
            raise RuntimeFailure("integer division by zero")
        return c_div(a, b)
    return a / b


def _floor_quotient(a: Any, b: Any) -> Any:
    if isinstance(b, int) and b == 0:
        raise RuntimeFailure("integer division by zero")
    return a // b


def _floor_rest(a: Any, b: Any) -> Any:
    if isinstance(b, int) and b == 0:
        raise RuntimeFailure("integer division by zero")
    return a % b


def _vector_quotient(a: Any, b: Any) -> Any:
    if np.asarray(a).dtype.kind in "iu":
        return np.trunc(np.asarray(a, np.float64) / b)
    return np.asarray(a) / b


def _smaller(a: Any, b: Any) -> Any:
    return a if a != a or a < b else b


def _larger(a: Any, b: Any) -> Any:
    return a if a != a or a > b else b


_EVAL: dict[type[Any], Callable[[Interpreter, Any], Any]] = {
    IntImm: lambda self, e: bool(e.value) if e.dtype == "bool" else e.value,
    FloatImm: lambda self, e: dtype_of(e.dtype).numpy.type(e.value),
    StringImm: lambda self, e: e.value,
    Var: Interpreter._variable,
    SizeVar: Interpreter._variable,
    Cast: Interpreter._cast,
    BufferLoad: Interpreter._load,
    Add: _arithmetic(lambda a, b: a + b, np.add),
    Sub: _arithmetic(lambda a, b: a - b, np.subtract),
    Mul: _arithmetic(lambda a, b: a * b, np.multiply),
    Div: _arithmetic(_quotient, _vector_quotient),
    Mod: _arithmetic(lambda a, b: a - b * _quotient(a, b), np.fmod),
    FloorDiv: _arithmetic(_floor_quotient, np.floor_divide),
    FloorMod: _arithmetic(_floor_rest, np.mod),
    Min: _arithmetic(_smaller, np.minimum),
    Max: _arithmetic(_larger, np.maximum),
    EQ: _compare(lambda a, b: a == b),
    NE: _compare(lambda a, b: a != b),
    LT: _compare(lambda a, b: a < b),
    LE: _compare(lambda a, b: a <= b),
    GT: _compare(lambda a, b: a > b),
    GE: _compare(lambda a, b: a >= b),
    And: Interpreter._and,
    Or: Interpreter._or,
    Not: Interpreter._not,
    Select: Interpreter._select,
    Ramp: Interpreter._ramp,
    Broadcast: Interpreter._broadcast,
    Shuffle: Interpreter._shuffle,
    Let: Interpreter._let,
    Call: Interpreter._call,
}


def _exit(leaves: bool) -> Callable[..., Any]:
    def run(self: Interpreter, expr: Any) -> Any:
        raise _LoopExit(leaves)

    return run


_CALLS: dict[str, Callable[[Interpreter, Any], Any]] = {
    "if_then_else": Interpreter._if_then_else,
    "likely": Interpreter._first,
    "ret": Interpreter._ret,
    "address_of": Interpreter._address,
    "tvm_access_ptr": Interpreter._access_pointer,
    "call_extern": Interpreter._extern,
    "call_pure_extern": Interpreter._extern,
    "reinterpret": Interpreter._reinterpret,
    "vector_reduce_add": Interpreter._reduce_vector,
    "vector_reduce_max": Interpreter._reduce_vector,
    "vector_reduce_min": Interpreter._reduce_vector,
    "fma": Interpreter._fma,
    "shift_left": Interpreter._shift_left,
    "shift_right": Interpreter._shift_right,
    "popcount": Interpreter._popcount,
    "clz": Interpreter._clz,
    "prefetch": Interpreter._nothing,
    "assume": Interpreter._nothing,
    "tvm_storage_sync": Interpreter._nothing,
    "break_loop": _exit(True),
    "continue_loop": _exit(False),
}
_RUN: dict[type[Any], Callable[[Interpreter, Any], None]] = {
    BufferStore: Interpreter._store,
    For: Interpreter._for,
    While: Interpreter._while,
    IfThenElse: Interpreter._if,
    SeqStmt: Interpreter._sequence,
    Evaluate: Interpreter._evaluate,
    LetStmt: Interpreter._let_stmt,
    AttrStmt: Interpreter._attribute,
    AssertStmt: Interpreter._assert,
    Allocate: Interpreter._allocate,
    AllocateConst: Interpreter._allocate_const,
    DeclBuffer: Interpreter._declare,
    BlockRealize: Interpreter._realize,
    Block: Interpreter._block,
}


def run(
    func: PrimFunc | IRModule,
    *args: Any,
    externs: dict[str, Callable[..., Any]] | None = None,
) -> Any:
    """Runs `func` (or the function `main` of a module) on NumPy arrays, changed in place, and
    numbers; returns what it returns. `externs` gives the C functions it may call."""
    module = func if isinstance(func, IRModule) else None
    chosen: PrimFunc = module["main"] if module is not None else func  # type: ignore[assignment]
    with deep_recursion():
        return Interpreter(module, externs).call(chosen, args)
