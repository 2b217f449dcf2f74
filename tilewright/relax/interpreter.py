"""The meaning of Relax programs: evaluates functions on NumPy values.

Operators are evaluated by the references of their declarations, kernels by the TensorIR
interpreter. Tensors are NumPy arrays, shapes tuples of integers, tuples Python tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..ffi import get_global_func
from ..ir.expr import FloatImm, GlobalVar, IntImm, PrimExpr
from ..ir.functor import deep_recursion
from ..ir.module import IRModule
from ..ir.op import Op
from ..runtime.ndarray import tensor
from ..support.dtypes import dtype_name, dtype_of
from ..support.errors import ArgumentError, CompileError, TVMError
from ..tir import interpreter as tir_interpreter
from ..tir.expr import Var as TirVar
from ..tir.function import PrimFunc
from . import expr as rx
from .base import Expr, ShapeExpr, StructInfo
from .dims import evaluate
from .expr import Call, Function, Var
from .op._declare import Declaration, is_null
from .struct_info import PrimStructInfo, ShapeStructInfo, TensorStructInfo, TupleStructInfo

PACKED: dict[str, Callable[..., Any]] = {}
"""Packed functions on NumPy values, by name, that go before the process's global functions."""


@dataclass
class Frame:
    """The variables of one call, those of outer functions included."""

    values: dict[Var, Any] = field(default_factory=dict)
    dims: dict[TirVar, Any] = field(default_factory=dict)

    def dim(self, dim: PrimExpr) -> Any:
        """The value of a dimension."""
        return evaluate(dim, self.dims)

    def inner(self) -> Frame:
        """A frame that starts with what this one knows."""
        return Frame(dict(self.values), dict(self.dims))


@dataclass
class Closure:
    """A function with the variables that it was made among, or with captured last arguments."""

    func: Function
    frame: Frame
    captured: tuple[Any, ...] = ()


def run(program: IRModule | Function, *args: Any, entry: str = "main") -> Any:
    """What `program` (a function, or a module's function `entry`) returns for `args`."""
    if isinstance(program, Function):
        return Interpreter(IRModule()).call(program, args)
    return Interpreter(program).call(program[entry], args)


class Interpreter:
    """Evaluates functions of one module."""

    def __init__(self, mod: IRModule | None = None) -> None:
        self.mod = IRModule() if mod is None else mod

    def call(self, func: Function, args: Sequence[Any], frame: Frame | None = None) -> Any:
        """The result of `func`; parameters are matched with their struct info."""
        with deep_recursion():
            return self._call(func, args, frame or Frame())

    def _call(self, func: Function, args: Sequence[Any], outer: Frame) -> Any:
        name = str(func.attrs.get("global_symbol", "the function"))
        if len(args) != len(func.params):
            raise ArgumentError(f"{name} takes {len(func.params)} arguments, found {len(args)}")
        frame = outer.inner()
        for param, arg in zip(func.params, args, strict=True):
            bind(frame, param.struct_info, arg, f"argument `{param.name_hint}` of {name}")  # type: ignore[arg-type]
            frame.values[param] = arg
        for param, arg in zip(func.params, args, strict=True):
            check(frame, param.struct_info, arg, f"argument `{param.name_hint}` of {name}")  # type: ignore[arg-type]
        return self.sequence(func.body, frame)

    def sequence(self, seq: rx.SeqExpr, frame: Frame) -> Any:
        """The value of the body after the bindings."""
        for block in seq.blocks:
            for binding in block.bindings:
                self.binding(binding, frame)
        return self.eval(seq.body, frame)

    def binding(self, binding: Any, frame: Frame) -> None:
        """Evaluates one binding."""
        var: Var = binding.var
        if isinstance(binding.value, Function):
            frame.values[var] = Closure(binding.value, frame)  # it may call itself
            return
        value = self.eval(binding.value, frame)
        if isinstance(binding, rx.MatchCast):
            context = f"match_cast of `{var.name_hint}`"
            bind(frame, binding.struct_info, value, context)
            check(frame, binding.struct_info, value, context)
        frame.values[var] = value

    def eval(self, expr: Expr, frame: Frame) -> Any:
        """The value of an expression."""
        rule = next((EVALUATE[k] for k in type(expr).__mro__ if k in EVALUATE), None)
        if rule is None:
            raise CompileError(f"a {type(expr).__name__} has no value", expr.span)
        return rule(self, expr, frame)

    def variable(self, var: Var, frame: Frame) -> Any:
        """The value of a variable."""
        if var not in frame.values:
            raise CompileError(f"variable `{var.name_hint}` is not bound")
        return frame.values[var]

    def conditional(self, expr: rx.If, frame: Frame) -> Any:
        """The value of the branch taken."""
        taken = bool(np.asarray(self.eval(expr.cond, frame)))
        return self.sequence(expr.true_branch if taken else expr.false_branch, frame.inner())

    # calls

    def evaluate_call(self, call: Call, frame: Frame) -> Any:
        """The value of a call; errors name its place."""
        try:
            if isinstance(call.op, Op):
                return self.operator(call, frame)
            args = [self.eval(a, frame) for a in call.args]
            return self.apply(self.callee(call.op, frame), args)
        except TVMError as error:
            if error.span is None and call.span is not None:
                raise type(error)(
                    error.message, call.span, note=error.note, hint=error.hint
                ) from error
            raise

    def callee(self, op: Expr, frame: Frame) -> Any:
        """What a call's operator stands for: a function, a kernel, a closure, a packed function."""
        if isinstance(op, GlobalVar):
            return self.mod[op]
        if isinstance(op, rx.ExternFunc):
            return packed(op.global_symbol)
        return self.eval(op, frame)

    def apply(self, func: Any, args: Sequence[Any]) -> Any:
        """The result of a function, a closure, a kernel (arrays change) or a Python callable."""
        if isinstance(func, Closure):
            return self._call(func.func, (*args, *func.captured), func.frame)
        if isinstance(func, Function):
            return self._call(func, args, Frame())
        if isinstance(func, PrimFunc):
            return tir_interpreter.run(func, *args)
        return func(*args)

    def operator(self, call: Call, frame: Frame) -> Any:
        """The value of an operator's call."""
        name = call.op.name  # type: ignore[attr-defined]
        special = OPERATORS.get(name)
        if special is not None:
            return special(self, call, frame)
        args = [None if is_null(a) else self.eval(a, frame) for a in call.args]
        evaluate_ = call.op.get_attr("evaluate")  # type: ignore[attr-defined]
        if evaluate_ is not None:
            return evaluate_(call, args)
        declared: Declaration | None = call.op.get_attr("declaration")  # type: ignore[attr-defined]
        if declared is None or (declared.reference is None and declared.decompose is None):
            raise CompileError(f"operator {name} has no reference", call.span)
        if declared.reference is None:
            assert declared.decompose is not None
            return self.eval(declared.apply(declared.decompose, call, call.args), frame)
        known = Call(call.op, call.args, known_sizes(call.attrs, frame), call.sinfo_args)
        return as_described(declared.evaluate(known, args), call.struct_info)


def known_sizes(value: Any, frame: Frame) -> Any:
    """An attribute with the values of its symbolic dimensions, such as the ends of a slice."""
    if isinstance(value, dict):
        return type(value)({name: known_sizes(item, frame) for name, item in value.items()})
    if type(value) is tuple:
        return tuple(known_sizes(item, frame) for item in value)
    if isinstance(value, PrimExpr) and not isinstance(value, (IntImm, FloatImm)):
        return frame.dim(value)
    return value


def as_described(value: Any, info: StructInfo) -> Any:
    """A reference's result as arrays (of the dtype inferred), where tensors are expected."""
    if isinstance(info, TupleStructInfo) and isinstance(value, (list, tuple)):
        return tuple(as_described(v, i) for v, i in zip(value, info.items, strict=True))
    if isinstance(info, TensorStructInfo):
        array = np.asarray(value)
        if not array.flags.c_contiguous:
            array = np.ascontiguousarray(array)  # kernels take compact arrays
        return array.astype(dtype_of(info.dtype).numpy, copy=False) if info.dtype else array
    return value


def packed(name: str) -> Callable[..., Any]:
    """The packed function `name` on NumPy values."""
    if name in PACKED:
        return PACKED[name]
    func = get_global_func(name, allow_missing=True)
    if func is None:
        raise CompileError(f"there is no packed function {name!r}")

    def call(*args: Any) -> Any:
        given = [tensor(a) if isinstance(a, np.ndarray) else a for a in args]
        result = func(*given)
        for array, copy in zip(args, given, strict=True):
            if isinstance(array, np.ndarray) and array.flags.writeable:
                array[...] = copy.numpy()
        return _plain(result)

    return call


def _plain(result: Any) -> Any:
    if hasattr(result, "numpy"):
        return result.numpy()
    is_many = isinstance(result, Sequence) and not isinstance(result, str)
    return tuple(_plain(item) for item in result) if is_many else result


# matching values with struct info


def bind(frame: Frame, info: StructInfo, value: Any, what: str) -> None:
    """Gives the symbolic dimensions that stand alone in `info` their values."""
    if isinstance(info, TensorStructInfo) and info.dims is not None:
        _bind_dims(frame, info.dims, np.shape(value), what)
    elif isinstance(info, ShapeStructInfo) and info.values is not None:
        _bind_dims(frame, info.values, tuple(value), what)
    elif isinstance(info, PrimStructInfo) and isinstance(info.value, TirVar):
        frame.dims.setdefault(info.value, value)
    elif isinstance(info, TupleStructInfo):
        for index, (item, part) in enumerate(zip(info.items, value, strict=True)):
            bind(frame, item, part, f"item {index} of {what}")


def _bind_dims(frame: Frame, dims: Sequence[PrimExpr], shape: Sequence[int], what: str) -> None:
    if len(dims) != len(shape):
        raise ArgumentError(f"{what} has {len(shape)} dimensions, expected {len(dims)}")
    for dim, size in zip(dims, shape, strict=True):
        if isinstance(dim, TirVar):
            frame.dims.setdefault(dim, int(size))


def check(frame: Frame, info: StructInfo, value: Any, what: str) -> None:
    """Raises `ArgumentError` if the value is not as described."""
    if isinstance(info, TensorStructInfo):
        if not isinstance(value, np.ndarray):
            raise ArgumentError(f"{what} must be a tensor, found {type(value).__name__}")
        if info.dtype and dtype_name(value.dtype) != info.dtype:
            raise ArgumentError(f"{what} must be of {info.dtype}, found {value.dtype}")
        if info.ndim not in (-1, value.ndim):
            raise ArgumentError(f"{what} must have {info.ndim} dimensions, found {value.ndim}")
        _check_dims(frame, info.dims, value.shape, what)
    elif isinstance(info, ShapeStructInfo):
        _check_dims(frame, info.values, tuple(value), what)
    elif isinstance(info, TupleStructInfo):
        for index, (item, part) in enumerate(zip(info.items, value, strict=True)):
            check(frame, item, part, f"item {index} of {what}")


def _check_dims(
    frame: Frame, dims: Sequence[PrimExpr] | None, shape: Sequence[int], what: str
) -> None:
    expected = tuple(frame.dim(d) for d in dims or ())
    if dims is not None and expected != tuple(shape):
        raise ArgumentError(f"{what} must have shape {expected}, found {tuple(shape)}")


# operators that are no functions of their arguments' values alone


def _empty(info: StructInfo, frame: Frame) -> np.ndarray[Any, Any]:
    if not isinstance(info, TensorStructInfo) or info.shape is None:
        raise CompileError(f"cannot allocate `{info}`")
    dims = info.dims
    shape = frame.values[info.shape] if dims is None else tuple(frame.dim(d) for d in dims)  # type: ignore[index]
    return np.zeros(shape, dtype_of(info.dtype).numpy)


def _inputs(self: Interpreter, call: Call, frame: Frame) -> list[Any]:
    value = self.eval(call.args[1], frame)
    return list(value) if isinstance(value, tuple) else [value]


def _call_tir(self: Interpreter, call: Call, frame: Frame) -> Any:
    info = call.sinfo_args[0]
    single = not isinstance(info, TupleStructInfo)
    infos = info.items if isinstance(info, TupleStructInfo) else (info,)
    inputs = _inputs(self, call, frame)
    places = call.attrs.get("inplace_indices", (-1,) * len(infos))
    outputs = [
        inputs[p] if p >= 0 else _empty(i, frame) for i, p in zip(infos, places, strict=True)
    ]
    fresh = [o for o, p in zip(outputs, places, strict=True) if p < 0]
    scalars = list(self.eval(call.args[2], frame)) if len(call.args) > 2 else []
    self.apply(self.callee(call.args[0], frame), [*inputs, *fresh, *scalars])
    return outputs[0] if single else tuple(outputs)


def _call_packed(self: Interpreter, call: Call, frame: Frame) -> Any:
    args = [self.eval(a, frame) for a in call.args[1:]]
    return self.apply(self.callee(call.args[0], frame), args)


def _invoke(self: Interpreter, call: Call, frame: Frame) -> Any:
    return self.apply(self.eval(call.args[0], frame), _inputs(self, call, frame))


def _make_closure(self: Interpreter, call: Call, frame: Frame) -> Any:
    func = self.callee(call.args[0], frame)
    if isinstance(func, Closure):
        return Closure(func.func, func.frame, tuple(_inputs(self, call, frame)))
    return Closure(func, Frame(), tuple(_inputs(self, call, frame)))


def _alloc(self: Interpreter, call: Call, frame: Frame) -> Any:
    return _empty(call.struct_info, frame)


def _nothing(self: Interpreter, call: Call, frame: Frame) -> Any:
    return None


def _view(self: Interpreter, call: Call, frame: Frame) -> Any:
    data = self.eval(call.args[0], frame)
    info = call.struct_info
    bytes_ = np.ascontiguousarray(data).reshape(-1).view(dtype_of(info.dtype).numpy)
    shape = tuple(frame.dim(d) for d in info.dims or ())
    offset = 0
    if len(call.args) > 3 and not is_null(call.args[3]):
        offset = int(self.eval(call.args[3], frame)) // bytes_.dtype.itemsize
    count = int(np.prod(shape, dtype=np.int64))
    return bytes_[offset : offset + count].reshape(shape)


OPERATORS: dict[str, Callable[[Interpreter, Call, Frame], Any]] = {
    "relax.call_tir": _call_tir,
    "relax.call_tir_with_grad": _call_tir,
    "relax.call_tir_inplace": _call_tir,
    "relax.call_dps_packed": _call_tir,
    "relax.call_pure_packed": _call_packed,
    "relax.call_inplace_packed": _call_packed,
    "relax.call_builtin_with_ctx": lambda self, call, frame: self.apply(
        self.callee(call.args[0], frame), _inputs(self, call, frame)
    ),
    "relax.invoke_closure": _invoke,
    "relax.invoke_pure_closure": _invoke,
    "relax.make_closure": _make_closure,
    "relax.builtin.alloc_tensor": _alloc,
    "relax.memory.alloc_tensor": _alloc,
    "relax.vm.alloc_tensor": _alloc,
    "relax.memory.alloc_storage": _nothing,
    "relax.vm.alloc_storage": _nothing,
    "relax.memory.kill_tensor": _nothing,
    "relax.memory.kill_storage": _nothing,
    "relax.vm.kill_object": _nothing,
    "relax.null_value": _nothing,
    "relax.memory.view": _view,
    "relax.memory.ensure_zero_offset": lambda self, call, frame: self.eval(call.args[0], frame),
}

EVALUATE: dict[type[Any], Callable[[Interpreter, Any, Frame], Any]] = {
    Var: Interpreter.variable,
    rx.Constant: lambda self, e, frame: e.array,
    ShapeExpr: lambda self, e, frame: tuple(int(frame.dim(d)) for d in e.values),
    rx.PrimValue: lambda self, e, frame: frame.dim(e.value),
    rx.StringImm: lambda self, e, frame: e.value,
    rx.DataTypeImm: lambda self, e, frame: e.value,
    rx.Tuple: lambda self, e, frame: tuple(self.eval(i, frame) for i in e.items),
    rx.TupleGetItem: lambda self, e, frame: self.eval(e.tuple_value, frame)[e.index],
    Call: Interpreter.evaluate_call,
    rx.If: Interpreter.conditional,
    rx.SeqExpr: lambda self, e, frame: self.sequence(e, frame.inner()),
    Function: lambda self, e, frame: Closure(e, frame),
    GlobalVar: lambda self, e, frame: self.callee(e, frame),
    rx.ExternFunc: lambda self, e, frame: packed(e.global_symbol),
}
