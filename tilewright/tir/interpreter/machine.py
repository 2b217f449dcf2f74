"""The state of a run: what variables hold, where buffers lie, and which handler runs a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ...ir.module import IRModule
from ...support.dtypes import dtype_name, dtype_of
from ...support.errors import ArgumentError, CompileError, RuntimeFailure
from ..buffer import Buffer
from ..expr import BufferLoad, Var
from ..function import PrimFunc
from ..stmt import BufferStore, Stmt
from .memory import Array, Pointer, pointer_to
from .values import number_of

if TYPE_CHECKING:
    from .threads import Thread

Handler = Callable[["Interpreter", Any], Any]
H = TypeVar("H", bound=Callable[..., Any])

EVALUATES: dict[type[Any], Handler] = {}
"""What gives the value of an expression, by its class."""
CALLS: dict[str, Handler] = {}
"""What gives the value of a call, by the name of the intrinsic after `tir.`."""
RUNS: dict[type[Any], Handler] = {}
"""What runs a statement, by its class."""


def evaluates(*kinds: type[Any]) -> Callable[[H], H]:
    """Declares the handler of these classes of expressions."""
    return lambda handler: _declare(EVALUATES, kinds, handler)


def calls(*names: str) -> Callable[[H], H]:
    """Declares the handler of calls of these intrinsics."""
    return lambda handler: _declare(CALLS, names, handler)


def runs(*kinds: type[Any]) -> Callable[[H], H]:
    """Declares the handler of these classes of statements."""
    return lambda handler: _declare(RUNS, kinds, handler)


def _declare(table: dict[Any, Handler], keys: tuple[Any, ...], handler: H) -> H:
    table.update(dict.fromkeys(keys, handler))
    return handler


class Returned(Exception):
    """The function is left with a value."""

    def __init__(self, value: Any) -> None:
        self.value = value


class LoopLeft(Exception):
    """An iteration ends early; `leaves`: the loop with it."""

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
        self.thread: Thread | None = None
        self.axes: set[Var] = set()

    def fork(self, thread: Thread) -> Interpreter:
        """The state of one of several threads: variables of its own, the same memory."""
        made = Interpreter(self.module, self.externs)
        made.env, made.layouts = dict(self.env), dict(self.layouts)
        made.axes, made.thread = set(self.axes), thread
        return made

    # ---- functions --------------------------------------------------------------------------

    def call(self, func: PrimFunc, args: Sequence[Any]) -> Any:
        """Runs `func` on NumPy arrays and numbers; arrays are changed in place."""
        if len(args) != len(func.params):
            raise ArgumentError(f"expected {len(func.params)} arguments, found {len(args)}")
        for param, arg in zip(func.params, args, strict=True):
            if param in func.buffer_map:
                self._bind_array(func.buffer_map[param], arg)
            elif isinstance(arg, (np.ndarray, Pointer)):
                self.env[param] = pointer_to(arg, param.name)
            else:
                self.env[param] = number_of(arg, param.dtype)
        for buffer in func.buffers():
            self._check_shape(buffer)
        try:
            self.run(func.body)
        except Returned as result:
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
        self.env[buffer.data] = pointer_to(arg, buffer.name)
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
        pointer = self.env.get(buffer.data)
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
            return memory, start + self.place(buffer, ())
        if not isinstance(last, np.ndarray):
            at = start + self.place(buffer, (*outer, last)) * lanes
            if lanes > 1:
                return memory, np.arange(at, at + lanes)
            self.check_inside(buffer, memory, at)
            return memory, at
        mask = self._mask(node, len(last))
        chosen = [
            (start + self.place(buffer, (*outer, int(i)))) * lanes if m else -1
            for i, m in zip(last, mask, strict=True)
        ]
        for at in chosen:
            if at >= 0:
                self.check_inside(buffer, memory, at)
        positions = np.array(chosen)
        return memory, (positions[:, None] + np.arange(lanes)).reshape(-1)

    def check_inside(self, buffer: Buffer, memory: Array, at: int) -> None:
        """Raises `RuntimeFailure` for an element outside of the memory itself."""
        if not 0 <= at < len(memory):
            raise RuntimeFailure(
                f"access outside the memory of `{buffer.name}`: element {at} of {len(memory)}"
            )

    def _mask(self, node: BufferLoad | BufferStore, lanes: int) -> Array:
        if node.predicate is None:
            return np.ones(lanes, bool)
        return np.broadcast_to(np.asarray(self.eval(node.predicate), bool), (lanes,))

    # ---- dispatch ---------------------------------------------------------------------------

    def eval(self, expr: Any) -> Any:
        """The value of an expression."""
        handler = EVALUATES.get(type(expr))
        if handler is None:
            raise CompileError(f"a {type(expr).__name__} cannot be run")
        return handler(self, expr)

    def run(self, stmt: Stmt) -> None:
        """Runs a statement."""
        handler = RUNS.get(type(stmt))
        if handler is None:
            raise CompileError(f"a {type(stmt).__name__} cannot be run")
        handler(self, stmt)
