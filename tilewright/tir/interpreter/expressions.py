"""The meaning of expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.expr import FloatImm, IntImm
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ..expr import (
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
    Cast,
    Div,
    FloorDiv,
    FloorMod,
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
)
from ..op import wrap
from .machine import EVALUATES, Interpreter, evaluates
from .values import (
    as_scalar_of,
    convert,
    floor_quotient,
    floor_rest,
    larger,
    quotient,
    smaller,
    vector_quotient,
)


@evaluates(IntImm)
def _integer(self: Interpreter, expr: Any) -> Any:
    return bool(expr.value) if expr.dtype == "bool" else expr.value


@evaluates(FloatImm)
def _float(self: Interpreter, expr: Any) -> Any:
    return dtype_of(expr.dtype).numpy.type(expr.value)


@evaluates(StringImm)
def _string(self: Interpreter, expr: Any) -> Any:
    return expr.value


@evaluates(Var, SizeVar)
def _variable(self: Interpreter, var: Any) -> Any:
    try:
        return self.env[var]
    except KeyError:
        raise CompileError(f"variable `{var.name}` has no value here") from None


@evaluates(Cast)
def _cast(self: Interpreter, expr: Any) -> Any:
    return convert(self.eval(expr.value), expr.value.dtype, expr.dtype)


@evaluates(BufferLoad)
def _load(self: Interpreter, load: Any) -> Any:
    memory, at = self.places(load)
    if isinstance(at, np.ndarray):
        return np.where(at >= 0, memory[np.maximum(at, 0)], memory.dtype.type(0))
    self.check_inside(load.buffer, memory, at)
    value = memory[at]
    kind = value.dtype.kind
    return int(value) if kind in "iu" else bool(value) if kind == "b" else value


@evaluates(Select)
def _select(self: Interpreter, expr: Any) -> Any:
    condition = self.eval(expr.condition)
    yes, no = self.eval(expr.true_value), self.eval(expr.false_value)
    if isinstance(condition, np.ndarray) or isinstance(yes, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


@evaluates(And)
def _and(self: Interpreter, expr: Any) -> Any:
    a = self.eval(expr.a)
    if isinstance(a, np.ndarray):
        return a & self.eval(expr.b)
    return bool(a) and bool(self.eval(expr.b))


@evaluates(Or)
def _or(self: Interpreter, expr: Any) -> Any:
    a = self.eval(expr.a)
    if isinstance(a, np.ndarray):
        return a | self.eval(expr.b)
    return bool(a) or bool(self.eval(expr.b))


@evaluates(Not)
def _not(self: Interpreter, expr: Any) -> Any:
    a = self.eval(expr.a)
    return ~a if isinstance(a, np.ndarray) else not a


def _lanes(self: Interpreter, lanes: Any) -> int:
    return lanes if isinstance(lanes, int) else int(self.eval(lanes))


@evaluates(Ramp)
def _ramp(self: Interpreter, expr: Any) -> Any:
    lanes = _lanes(self, expr.lanes)
    base, stride = self.eval(expr.base), self.eval(expr.stride)
    kind = dtype_of(dtype_of(expr.dtype).element).numpy
    if isinstance(base, np.ndarray):
        steps = np.arange(lanes)[:, None] * stride
        return (base[None, :] + steps).reshape(-1).astype(kind)
    return np.array([base + i * stride for i in range(lanes)]).astype(kind)


@evaluates(Broadcast)
def _broadcast(self: Interpreter, expr: Any) -> Any:
    lanes = _lanes(self, expr.lanes)
    value = self.eval(expr.value)
    if isinstance(value, np.ndarray):
        return np.tile(value, lanes)
    return np.full(lanes, value, dtype_of(dtype_of(expr.dtype).element).numpy)


@evaluates(Shuffle)
def _shuffle(self: Interpreter, expr: Any) -> Any:
    lanes = np.concatenate([np.atleast_1d(self.eval(v)) for v in expr.vectors])
    chosen = lanes[[int(self.eval(i)) for i in expr.indices]]
    return chosen if len(chosen) > 1 else as_scalar_of(chosen[0])


@evaluates(Let)
def _let(self: Interpreter, expr: Any) -> Any:
    self.env[expr.var] = self.eval(expr.value)
    return self.eval(expr.body)


def _arithmetic(scalar: Callable[[Any, Any], Any], vector: Any) -> Callable[..., Any]:
    def run(self: Interpreter, expr: Any) -> Any:
        a, b = self.eval(expr.a), self.eval(expr.b)
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            kind = dtype_of(dtype_of(expr.dtype).element).numpy
            with np.errstate(all="ignore"):
                return np.asarray(vector(a, b)).astype(kind)
        if isinstance(a, int) and isinstance(b, int):
            return wrap(scalar(a, b), expr.dtype)
        with np.errstate(all="ignore"):
            return scalar(a, b)

    return run


def _compare(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def run(self: Interpreter, expr: Any) -> Any:
        made = function(self.eval(expr.a), self.eval(expr.b))
        return made if isinstance(made, np.ndarray) else bool(made)

    return run


EVALUATES.update(
    {
        Add: _arithmetic(lambda a, b: a + b, np.add),
        Sub: _arithmetic(lambda a, b: a - b, np.subtract),
        Mul: _arithmetic(lambda a, b: a * b, np.multiply),
        Div: _arithmetic(quotient, vector_quotient),
        Mod: _arithmetic(lambda a, b: a - b * quotient(a, b), np.fmod),
        FloorDiv: _arithmetic(floor_quotient, np.floor_divide),
        FloorMod: _arithmetic(floor_rest, np.mod),
        Min: _arithmetic(smaller, np.minimum),
        Max: _arithmetic(larger, np.maximum),
        EQ: _compare(lambda a, b: a == b),
        NE: _compare(lambda a, b: a != b),
        LT: _compare(lambda a, b: a < b),
        LE: _compare(lambda a, b: a <= b),
        GT: _compare(lambda a, b: a > b),
        GE: _compare(lambda a, b: a >= b),
    }
)
