"""The meaning of intrinsics and calls. An intrinsic declared with a `numpy` function needs none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.expr import GlobalVar
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ..expr import Call
from ..op import wrap
from .machine import CALLS, Interpreter, LoopLeft, Returned, calls, evaluates
from .memory import Pointer
from .values import as_scalar_of

VSCALE = 2
"""How many times its least size a scalable vector is here: a program may not depend on it."""


@evaluates(Call)
def _call(self: Interpreter, expr: Any) -> Any:
    if isinstance(expr.op, GlobalVar):
        return _call_global(self, expr)
    name = expr.op.name.removeprefix("tir.")
    special = CALLS.get(name)
    if special is not None:
        return special(self, expr)
    function = expr.op.get_attr("numpy")
    if function is None:
        raise CompileError(f"the interpreter does not know {expr.op.name}")
    values = [self.eval(arg) for arg in expr.args]
    return _apply(self, function, values, expr)


def _apply(self: Interpreter, function: Callable[..., Any], values: list[Any], expr: Any) -> Any:
    info = dtype_of(expr.dtype)
    source = dtype_of(dtype_of(expr.args[0].dtype).element)
    if source.is_float:
        wide = np.float64 if source.bits == 64 else np.float32
        values = [np.asarray(v).astype(wide) for v in values]
    with np.errstate(all="ignore"):
        result = function(*values)
    if info.is_integral and info.lanes == 1:
        return bool(result) if info.is_bool else wrap(int(result), expr.dtype)
    made = np.asarray(result).astype(dtype_of(info.element).numpy)
    return made if info.lanes > 1 else made[()]


def _call_global(self: Interpreter, expr: Any) -> Any:
    if self.module is None:
        raise CompileError(f"a call of `{expr.op.name_hint}` outside a module")
    args = [self.eval(arg) for arg in expr.args]
    return Interpreter(self.module, self.externs).call(self.module[expr.op], args)


@calls("if_then_else")
def _if_then_else(self: Interpreter, expr: Any) -> Any:
    condition = self.eval(expr.args[0])
    if isinstance(condition, np.ndarray):
        return np.where(condition, self.eval(expr.args[1]), self.eval(expr.args[2]))
    return self.eval(expr.args[1] if condition else expr.args[2])


@calls("likely")
def _first(self: Interpreter, expr: Any) -> Any:
    return self.eval(expr.args[0])


@calls("ret")
def _ret(self: Interpreter, expr: Any) -> Any:
    raise Returned(self.eval(expr.args[0]))


@calls("address_of")
def _address(self: Interpreter, expr: Any) -> Any:
    load = expr.args[0]
    memory, at = self.elements(load.buffer)
    at += self.place(load.buffer, [int(self.eval(i)) for i in load.indices])
    pointer = self.env[load.buffer.data]
    return Pointer(pointer.memory, at * memory.dtype.itemsize)


@calls("tvm_access_ptr")
def _access_pointer(self: Interpreter, expr: Any) -> Any:
    marker, data, offset = expr.args[:3]
    pointer = self.eval(data)
    size = dtype_of(marker.dtype).bytes
    return Pointer(pointer.memory, pointer.offset + int(self.eval(offset)) * size)


@calls("call_extern", "call_pure_extern")
def _extern(self: Interpreter, expr: Any) -> Any:
    name = expr.args[0].value
    if name not in self.externs:
        raise CompileError(f"the interpreter was given no function `{name}`")
    return self.externs[name](*[self.eval(arg) for arg in expr.args[1:]])


@calls("reinterpret")
def _reinterpret(self: Interpreter, expr: Any) -> Any:
    source = dtype_of(dtype_of(expr.args[0].dtype).element).numpy
    target = dtype_of(dtype_of(expr.dtype).element).numpy
    bits = np.asarray(self.eval(expr.args[0])).astype(source).reshape(-1).view(target)
    return bits if dtype_of(expr.dtype).lanes > 1 else as_scalar_of(bits[0])


@calls("vector_reduce_add", "vector_reduce_max", "vector_reduce_min")
def _reduce_vector(self: Interpreter, expr: Any) -> Any:
    kind = expr.op.name.rsplit("_", 1)[1]
    value = np.asarray(self.eval(expr.args[-1]))
    return as_scalar_of(getattr(value, {"add": "sum"}.get(kind, kind))())


@calls("fma")
def _fma(self: Interpreter, expr: Any) -> Any:
    a, b, c = (np.asarray(self.eval(x), np.float64) for x in expr.args)
    made = np.asarray(a * b + c).astype(dtype_of(dtype_of(expr.dtype).element).numpy)
    return made if dtype_of(expr.dtype).lanes > 1 else made[()]


@calls("popcount")
def _popcount(self: Interpreter, expr: Any) -> Any:
    return _count(self, expr, lambda code, bits: bin(code).count("1"))


@calls("clz")
def _clz(self: Interpreter, expr: Any) -> Any:
    return _count(self, expr, lambda code, bits: bits - code.bit_length())


def _count(self: Interpreter, expr: Any, count: Callable[[int, int], int]) -> Any:
    bits = dtype_of(expr.args[0].dtype).bits
    value, all_ones = self.eval(expr.args[0]), (1 << bits) - 1
    if not isinstance(value, np.ndarray):
        return count(int(value) & all_ones, bits)
    lanes = [count(int(v) & all_ones, bits) for v in value]
    return np.array(lanes, dtype_of(dtype_of(expr.dtype).element).numpy)


@calls("shift_left")
def _shift_left(self: Interpreter, expr: Any) -> Any:
    return _shift(self, expr, lambda value, amount: value << amount, lambda value: value * 0)


@calls("shift_right")
def _shift_right(self: Interpreter, expr: Any) -> Any:
    return _shift(self, expr, lambda value, amount: value >> amount, lambda value: -(value < 0))


def _shift(
    self: Interpreter, expr: Any, inside: Callable[[int, int], int], beyond: Callable[[int], int]
) -> Any:
    """A shift by at least the width gives what `beyond` says: 0, or the sign."""
    info = dtype_of(expr.dtype)
    value, amount = self.eval(expr.args[0]), self.eval(expr.args[1])

    def one(x: Any, n: Any) -> int:
        x, n = int(x), int(n)
        return wrap(inside(x, n) if 0 <= n < info.bits else beyond(x), info.element)

    if not isinstance(value, np.ndarray):
        return one(value, amount)
    shifted = [one(x, n) for x, n in zip(value, amount, strict=True)]
    return np.array(shifted, dtype_of(info.element).numpy)


@calls("tvm_storage_sync")
def _synchronize(self: Interpreter, expr: Any) -> Any:
    if self.thread is not None:
        self.thread.group.wait()
    return 0


_PROFILE = ("start_profile_intrinsic", "end_profile_intrinsic")


@calls("prefetch", "assume", *_PROFILE)
def _nothing(self: Interpreter, expr: Any) -> Any:
    return 0


@calls("vscale")
def _vscale(self: Interpreter, expr: Any) -> Any:
    return VSCALE


@calls("get_active_lane_mask")
def _active_lanes(self: Interpreter, expr: Any) -> Any:
    lanes = dtype_of(expr.dtype).lanes
    count = int(lanes) * (VSCALE if dtype_of(expr.dtype).is_scalable else 1)
    base, limit = self.eval(expr.args[0]), self.eval(expr.args[1])
    return np.array([base + lane < limit for lane in range(count)])


@calls("break_loop")
def _break(self: Interpreter, expr: Any) -> Any:
    raise LoopLeft(True)


@calls("continue_loop")
def _continue(self: Interpreter, expr: Any) -> Any:
    raise LoopLeft(False)
