"""Operators on which the compiler stands: calls of kernels and packed functions, shapes."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.expr import GlobalVar, PrimExpr
from ...ir.global_info import as_vdevice
from ...ir.op import Op, register_op
from ...support.errors import ArgumentError, CompileError
from ..base import Expr, ShapeExpr, StructInfo
from ..expr import Attrs, Call, ExternFunc, PrimValue, StringImm, Tuple, as_expr
from ..struct_info import (
    ObjectStructInfo,
    PrimStructInfo,
    ShapeStructInfo,
    TensorStructInfo,
    TupleStructInfo,
)
from . import _infer
from ._declare import Prim, op


def _described(call: Call) -> StructInfo:
    if len(call.sinfo_args) != 1:
        raise CompileError(f"{call.op} needs one struct info argument", call.span)
    return call.sinfo_args[0]


def _packed(call: Call) -> StructInfo:
    if len(call.sinfo_args) == 1:
        return call.sinfo_args[0]
    return TupleStructInfo(call.sinfo_args) if call.sinfo_args else ObjectStructInfo()


for _name, _rule, _pure in (
    ("call_tir", _described, True),
    ("call_tir_with_grad", _described, True),
    ("call_tir_inplace", _described, True),
    ("call_dps_packed", _described, True),
    ("call_py_func", _described, True),
    ("call_pure_packed", _packed, True),
    ("call_inplace_packed", _packed, True),
    ("call_builtin_with_ctx", _packed, False),
    ("invoke_closure", _packed, False),
    ("invoke_pure_closure", _packed, True),
    ("make_closure", lambda call: ObjectStructInfo(), True),
    ("null_value", lambda call: ObjectStructInfo(), True),
):
    register_op(f"relax.{_name}", infer=_rule, FPurity=_pure)


def _out_info(out_sinfo: Any) -> StructInfo:
    if isinstance(out_sinfo, (list, tuple)):
        if len(out_sinfo) == 1:
            return _out_info(out_sinfo[0])
        return TupleStructInfo(tuple(_out_info(s) for s in out_sinfo))
    if not isinstance(out_sinfo, StructInfo):
        raise ArgumentError(f"out_sinfo must be struct info, found {type(out_sinfo).__name__}")
    return out_sinfo


def _arguments(args: Any) -> Tuple:
    if isinstance(args, Tuple):
        return args
    items = args if isinstance(args, (list, tuple)) else (args,)
    return Tuple(tuple(as_expr(a) for a in items))


def _dps_args(func: Expr, args: Any, tir_vars: Any) -> tuple[Expr, ...]:
    if tir_vars is None or (isinstance(tir_vars, (list, tuple)) and not tir_vars):
        return (func, _arguments(args))
    shape = tir_vars if isinstance(tir_vars, Expr) else ShapeExpr(tir_vars)
    return (func, _arguments(args), shape)


def call_tir(
    gvar: GlobalVar,
    args: Expr | Sequence[Expr],
    out_sinfo: TensorStructInfo | Sequence[TensorStructInfo],
    tir_vars: ShapeExpr | Sequence[PrimExpr] | None = None,
) -> Call:
    """Calls the kernel `gvar`: inputs first, then outputs allocated as `out_sinfo` says, then
    `tir_vars` as scalars."""
    return Call(
        Op.get("relax.call_tir"), _dps_args(gvar, args, tir_vars), Attrs(), (_out_info(out_sinfo),)
    )


def call_tir_with_grad(
    gvar: GlobalVar,
    args: Expr | Sequence[Expr],
    out_sinfo: TensorStructInfo | Sequence[TensorStructInfo],
    te_grad_name: str,
    te_grad_kwargs: dict[str, Any] | None = None,
    tir_vars: ShapeExpr | Sequence[PrimExpr] | None = None,
) -> Call:
    """`call_tir` whose gradient is computed by the registered `te` function `te_grad_name`."""
    attrs = Attrs(te_grad_name=te_grad_name, te_grad_kwargs=te_grad_kwargs or {})
    return Call(
        Op.get("relax.call_tir_with_grad"),
        _dps_args(gvar, args, tir_vars),
        attrs,
        (_out_info(out_sinfo),),
    )


def call_tir_inplace(
    gvar: GlobalVar,
    args: Expr | Sequence[Expr],
    inplace_indices: int | Sequence[int],
    out_sinfo: TensorStructInfo | Sequence[TensorStructInfo],
    tir_vars: ShapeExpr | Sequence[PrimExpr] | None = None,
) -> Call:
    """`call_tir` whose outputs overwrite the arguments of these indices (-1: a new tensor)."""
    indices = (inplace_indices,) if isinstance(inplace_indices, int) else tuple(inplace_indices)
    info = _out_info(out_sinfo)
    outputs = len(info.items) if isinstance(info, TupleStructInfo) else 1
    if len(indices) != outputs:
        raise ArgumentError(f"{len(indices)} in-place indices for {outputs} outputs")
    return Call(
        Op.get("relax.call_tir_inplace"),
        _dps_args(gvar, args, tir_vars),
        Attrs(inplace_indices=tuple(int(i) for i in indices)),
        (info,),
    )


def _function(func: str | Expr) -> Expr:
    return ExternFunc(func) if isinstance(func, str) else func


def call_dps_packed(
    func: str | Expr,
    args: Expr | Sequence[Expr],
    out_sinfo: TensorStructInfo | Sequence[TensorStructInfo],
) -> Call:
    """Calls a packed function with the inputs and then the outputs, which it fills."""
    call_args = (_function(func), _arguments(args))
    return Call(Op.get("relax.call_dps_packed"), call_args, Attrs(), (_out_info(out_sinfo),))


def _infos(sinfo_args: Any) -> tuple[StructInfo, ...]:
    if sinfo_args is None:
        raise ArgumentError("a call of a packed function needs `sinfo_args`")
    if isinstance(sinfo_args, (list, tuple)):
        return tuple(s() if callable(s) else s for s in sinfo_args)
    return (sinfo_args() if callable(sinfo_args) else sinfo_args,)


def call_pure_packed(
    func: str | ExternFunc | GlobalVar,
    *args: Any,
    sinfo_args: StructInfo | Sequence[StructInfo] | None = None,
) -> Call:
    """Calls a packed function that is promised to have no side effects."""
    values = (_function(func), *(as_expr(a) for a in args))
    return Call(Op.get("relax.call_pure_packed"), values, Attrs(), _infos(sinfo_args))


def call_inplace_packed(
    func: str | ExternFunc | GlobalVar,
    *args: Any,
    inplace_indices: int | Sequence[int],
    sinfo_args: StructInfo | Sequence[StructInfo] | None = None,
) -> Call:
    """Calls a packed function that returns some of its arguments, overwritten."""
    indices = (inplace_indices,) if isinstance(inplace_indices, int) else tuple(inplace_indices)
    values = (_function(func), *(as_expr(a) for a in args))
    return Call(
        Op.get("relax.call_inplace_packed"),
        values,
        Attrs(inplace_indices=indices),
        _infos(sinfo_args),
    )


def call_builtin_with_ctx(
    func: str | Expr,
    args: Expr | Sequence[Expr],
    *,
    sinfo_args: StructInfo | Sequence[StructInfo] | None = None,
) -> Call:
    """Calls a built-in of the virtual machine."""
    values = (_function(func), _arguments(args))
    infos = () if sinfo_args is None else _infos(sinfo_args)
    return Call(Op.get("relax.call_builtin_with_ctx"), values, Attrs(), infos)


def make_closure(func: Expr, args: Expr | Sequence[Expr]) -> Call:
    """A closure of `func` over `args`, which follow the arguments of its calls."""
    return Call(Op.get("relax.make_closure"), (func, _arguments(args)))


def invoke_closure(
    closure: Expr, args: Expr | Sequence[Expr], sinfo_args: StructInfo | Sequence[StructInfo]
) -> Call:
    """Calls a closure."""
    values = (closure, _arguments(args))
    return Call(Op.get("relax.invoke_closure"), values, Attrs(), _infos(sinfo_args))


def invoke_pure_closure(
    closure: Expr, args: Expr | Sequence[Expr], sinfo_args: StructInfo | Sequence[StructInfo]
) -> Call:
    """Calls a closure that is promised to have no side effects."""
    values = (closure, _arguments(args))
    return Call(Op.get("relax.invoke_pure_closure"), values, Attrs(), _infos(sinfo_args))


def null_value() -> Call:
    """What stands for a missing value."""
    return Call(Op.get("relax.null_value"), ())


def _infer_shape_of(expr: Any) -> StructInfo:
    info = _infer.tensor(expr)
    return ShapeStructInfo(info.dims, info.ndim)


@op("shape_of", infer=_infer_shape_of, reference=lambda expr: tuple(np.shape(expr)))
def shape_of(expr: Expr) -> Expr:
    """The shape of a tensor."""


def _infer_tensor_to_shape(expr: Any) -> StructInfo:
    info = _infer.tensor(expr)
    if info.dtype not in ("int64", ""):
        raise CompileError(f"a shape is a tensor of int64, found {info.dtype}")
    count = info.static_shape
    return ShapeStructInfo(None, -1 if count is None or len(count) != 1 else count[0])


@op(
    "tensor_to_shape",
    infer=_infer_tensor_to_shape,
    reference=lambda expr: tuple(int(d) for d in expr),
)
def tensor_to_shape(expr: Expr) -> Expr:
    """The shape whose dimensions are the elements of a vector of int64."""


def _infer_shape_to_tensor(expr: Any) -> StructInfo:
    info = _infer.shape(expr)
    return TensorStructInfo(None if info.ndim < 0 else (info.ndim,), "int64", None, 1)  # type: ignore[arg-type]


@op(
    "shape_to_tensor",
    infer=_infer_shape_to_tensor,
    reference=lambda expr: np.array(expr, "int64"),
)
def shape_to_tensor(expr: Expr) -> Expr:
    """The vector of int64 whose elements are the dimensions of a shape."""


def _infer_to_vdevice(data: Any, dst_vdevice: Any) -> StructInfo:
    info = _infer.tensor(data)
    return TensorStructInfo(info.shape, info.dtype, dst_vdevice, info.ndim)


@op(
    "to_vdevice",
    infer=_infer_to_vdevice,
    reference=lambda data, dst_vdevice: data,
    convert={"dst_vdevice": as_vdevice},
)
def to_vdevice(data: Expr, dst_vdevice: Any) -> Expr:
    """`data` on another virtual device."""


@op(
    "hint_on_device",
    infer=_infer.same_as_first,
    reference=lambda data, *where: data,
)
def hint_on_device(data: Expr, dst_vdevice: Any = None, memory_scope: str = "global") -> Expr:
    """`data`, wished to lie on a device."""


def _raise_assert(condition: Any, *args: Any) -> tuple[()]:
    if not bool(np.asarray(condition)):
        raise AssertionError(args[-1] if args else "assertion failed")
    return ()


def _infer_condition(condition: Any, *rest: Any) -> StructInfo:
    boolean = isinstance(condition, (TensorStructInfo, PrimStructInfo))
    if boolean and condition.dtype not in ("bool", ""):
        raise CompileError(f"a condition must be bool, found {condition.dtype}")
    if isinstance(condition, TensorStructInfo) and condition.ndim not in (0, -1):
        raise CompileError(f"a condition is a scalar, found {condition.ndim} dimensions")
    return TupleStructInfo(())


register_op(
    "relax.assert_op",
    infer=lambda call: _infer_condition(*(a.struct_info for a in call.args)),
    evaluate=lambda call, args: _raise_assert(args[0], _format(call, args[1:])),
    FPurity=False,
)
register_op(
    "relax.print",
    infer=lambda call: TupleStructInfo(()),
    evaluate=lambda call, args: builtins.print(_format(call, args)) or (),
    FPurity=False,
)


def _format(call: Call, values: Sequence[Any]) -> str:
    text = str(call.attrs.get("format", ""))
    shown = [str(v) for v in values]
    return text.format(*shown) if text else " ".join(shown)


def assert_op(condition: Expr | PrimExpr, format_args: Any = None, format: str | Expr = "") -> Call:
    """Stops the program with a message if `condition` does not hold."""
    extra = format_args if isinstance(format_args, (list, tuple)) else ()
    if isinstance(format_args, Expr):
        extra = (format_args,)
    text = format.value if isinstance(format, StringImm) else str(format)
    args = (as_expr(condition), *(as_expr(a) for a in extra))
    return Call(Op.get("relax.assert_op"), args, Attrs(format=text))


def print(*values: Any, format: str | Expr = "") -> Call:
    """Prints values when the program runs; `format` has `{}` for each."""
    text = format.value if isinstance(format, StringImm) else str(format)
    return Call(Op.get("relax.print"), tuple(as_expr(v) for v in values), Attrs(format=text))


def register_gradient(op_name: str, fgradient: Any = None, level: int = 10) -> Any:
    """Sets the gradient of an operator: `f(orig_var, orig_call, output_grad, ctx)`."""

    def register(function: Any) -> Any:
        register_op(op_name, FPrimalGradient=function)
        return function

    return register if fgradient is None else register(fgradient)


def wrap_param(data: Expr, dtype: str = "float32") -> Call:
    """A parameter converted to `dtype` before its first use."""
    return Call(Op.get("relax.wrap_param"), (data,), Attrs(dtype=dtype))


register_op(
    "relax.wrap_param",
    infer=lambda call: TensorStructInfo(
        call.args[0].struct_info.shape, call.attrs["dtype"], None, call.args[0].struct_info.ndim
    ),
    FPurity=True,
)


def prim_of(value: Prim) -> PrimValue:
    """`value` as a scalar expression."""
    return value if isinstance(value, PrimValue) else PrimValue(value)  # type: ignore[arg-type]
