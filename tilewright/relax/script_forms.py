"""The names of the dialect `R` that are no operators."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from ..ir.op import Op
from ..runtime.device import (
    cpu,
    cuda,
    device,
    ext_dev,
    hexagon,
    metal,
    opencl,
    rocm,
    vpi,
    vulkan,
    webgpu,
)
from ..script.ir_builder.base import IRBuilder
from ..script.parser import FUNCTIONS, Decorator, MacroDecorator, ValueMacro
from ..support.dtypes import dtype_name
from ..support.errors import ArgumentError
from .base import HOOKS, Expr, ShapeExpr
from .distributed.device_mesh import device_mesh as device_mesh
from .expr import Attrs, DataTypeImm, ExternFunc, PrimValue, StringImm, as_expr
from .expr import Call as CallNode
from .expr import Tuple as TupleNode
from .expr import const as const
from .frames import Else, If, Then, arg, func_name, lookup_binding, lookup_vdevice
from .parser import DataflowForm, FunctionFact, MatchCastForm, OutputForm
from .script_infos import Callable_ as Callable
from .script_infos import DataType, DTensor, Object, Prim, Shape, Sizes, Tensor, Tuple, as_info

__all__ = [
    "Callable", "DTensor", "Else", "If", "Object", "Prim", "Shape", "Tensor", "Then", "Tuple",
    "TupleGetItem", "arg", "call_op", "call_packed", "const", "cpu", "cuda", "dataflow", "device",
    "device_mesh", "dtype", "emit", "emit_match_cast", "emit_te", "emit_with_sinfo", "ext_dev",
    "func_attr", "func_name", "func_ret_struct_info", "func_ret_value", "function", "hexagon",
    "lookup_binding", "lookup_vdevice", "macro", "match_cast", "metal", "opencl", "output",
    "prim_value", "rewriter", "rocm", "shape", "str", "tuple", "vpi", "vulkan", "webgpu",
]  # fmt: skip

function = Decorator(
    "relax", FUNCTIONS, "R.function", pure=True, private=False, check_well_formed=True
)
macro = MacroDecorator("R.macro", kind=ValueMacro)
rewriter = None


def dataflow() -> DataflowForm:
    """A block without side effects or control flow, inside of the `with`."""
    return DataflowForm()


def output(*variables: Any) -> OutputForm:
    """The variables of the dataflow block that are seen after it."""
    return OutputForm(variables)


def match_cast(value: Any, struct_info: Any) -> MatchCastForm:
    """`value`, checked to be as `struct_info` says."""
    return MatchCastForm(value, struct_info)


def func_attr(attrs: dict[builtins.str, Any]) -> FunctionFact:
    """Attributes of the function."""
    return FunctionFact("attrs", attrs)


def func_ret_value(value: Any) -> FunctionFact:
    """The function's result."""
    return FunctionFact("result", value)


def emit(value: Any) -> Expr:
    """`value`."""
    return as_expr(value)


def emit_te(func: Any, *args: Any, **kwargs: Any) -> Expr:
    """The call of the kernel that `func`, a function of `te` tensors, describes.

    The kernel becomes a function of the module around.
    """
    facts = IRBuilder.current().facts
    if facts.get("module") is None:
        raise ArgumentError(
            "R.emit_te adds a kernel to a module, and there is none",
            hint="write the function in a class with @I.ir_module",
        )
    call: Expr = facts["builder"].call_te(func, *args, **kwargs)
    return call


def emit_with_sinfo(op: builtins.str | Expr, args: Any, sinfo_args: Any = None) -> CallNode:
    """A call of an operator by name with its struct info."""
    given = args if isinstance(args, (list, builtins.tuple)) else getattr(args, "items", (args,))
    return call_op(op, given, None, sinfo_args)


def emit_match_cast(value: Any, struct_info: Any) -> MatchCastForm:
    """`value`, checked to be as `struct_info` says."""
    return match_cast(value, struct_info)


def func_ret_struct_info(ret_sinfo: Any) -> FunctionFact:
    """What the function returns."""
    return FunctionFact("ret", as_info(ret_sinfo))


def shape(values: Sizes) -> ShapeExpr:
    """A shape."""
    return ShapeExpr(builtins.tuple(values))


def tuple(*items: Any) -> TupleNode:
    """A tuple."""
    return TupleNode(builtins.tuple(as_expr(i) for i in items))


def TupleGetItem(tuple_value: Any, index: int) -> Expr:
    """The item of a tuple at `index`. Raises `IndexError` outside of it, `ArgumentError` for what
    is no tuple."""
    value = as_expr(tuple_value)
    if not hasattr(value, "__getitem__"):
        raise ArgumentError(f"R.TupleGetItem takes an item of a tuple, found {tuple_value!r}")
    made: Expr = HOOKS["item"](value, index) if isinstance(value, TupleNode) else value[index]
    return made


def prim_value(value: Any) -> PrimValue:
    """A scalar as a value."""
    return PrimValue(value)


def str(value: builtins.str) -> StringImm:
    """A string as a value."""
    return StringImm(value)


def dtype(value: DataType) -> DataTypeImm:
    """A data type as a value."""
    return DataTypeImm(dtype_name(getattr(value, "dtype", value)))


def call_packed(
    func: builtins.str | Expr, *args: Any, sinfo_args: Any = None, **attrs: Any
) -> CallNode:
    """A call of a function of the runtime, which may have side effects."""
    callee = func if isinstance(func, Expr) else ExternFunc(func)
    return CallNode(
        callee, builtins.tuple(as_expr(a) for a in args), Attrs(attrs), _infos(sinfo_args)
    )


def _infos(given: Any) -> Any:
    if given is None:
        return ()
    items = given if isinstance(given, (list, builtins.tuple)) else (given,)
    return builtins.tuple(as_info(i) for i in items)


def call_op(
    op: builtins.str | Expr,
    args: Sequence[Any],
    attrs: dict[builtins.str, Any] | None = None,
    sinfo_args: Any = None,
) -> CallNode:
    """A call just as written: of an operator by name, or of a function."""
    callee = op if isinstance(op, Expr) else Op.get(op)
    values = builtins.tuple(as_expr(a) for a in args)
    return CallNode(callee, values, Attrs(attrs or {}), _infos(sinfo_args))
