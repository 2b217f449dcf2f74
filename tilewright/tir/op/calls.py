"""Calls of functions by name, addresses, and what hangs on buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import OPERATORS, GlobalVar, PrimExpr, as_scalar
from ...ir.op import Op
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from .. import expr as E
from ..expr import Call, CallEffectKind, Ramp, StringImm
from .arithmetic import add, floordiv, subtract
from .constant import const
from .declare import as_argument, intrinsic

__all__ = [
    "SIMPLIFY", "address_of", "call_extern", "call_intrin", "call_pure_extern", "call_tir", "ramp",
    "ret", "simplified", "tvm_access_ptr_of",
]  # fmt: skip

intrinsic("call_extern", CallEffectKind.UpdateState)
intrinsic("call_pure_extern")
intrinsic("address_of")
intrinsic("ret", CallEffectKind.ControlJump)


def call_intrin(dtype: str, func_name: str | Op, *args: object, span: Any = None) -> PrimExpr:
    """A call of the intrinsic `func_name`."""
    return Call(dtype, func_name, tuple(args), span=span)  # type: ignore[arg-type]


def call_extern(dtype: str, func_name: str, *args: object, span: Any = None) -> PrimExpr:
    """A call of a C function by its symbol; buffers go as the address of their first element."""
    parts = tuple(as_argument(arg) for arg in args)
    return Call(dtype, "tir.call_extern", (StringImm(func_name), *parts), span=span)  # type: ignore[arg-type]


def call_pure_extern(dtype: str, func_name: str, *args: object, span: Any = None) -> PrimExpr:
    """A call of a C function without side effects by its symbol."""
    parts = tuple(as_argument(arg) for arg in args)
    return Call(dtype, "tir.call_pure_extern", (StringImm(func_name), *parts), span=span)  # type: ignore[arg-type]


def call_tir(global_var: GlobalVar, *args: object) -> PrimExpr:
    """A call of the loop program `global_var` of the same module.

    It has the type of that function's result where that is known, else it is `void`.
    """
    return Call(result_dtype(global_var), global_var, tuple(args))  # type: ignore[arg-type]


def result_dtype(global_var: GlobalVar) -> str:
    """The type of the result of a loop program, `void` where none is known."""
    result = getattr(global_var.struct_info_, "ret", None)
    return getattr(result, "dtype", None) or "void"


OPERATORS["call_global"] = lambda global_var, args: call_tir(global_var, *args)


def address_of(obj: object, span: Any = None) -> PrimExpr:
    """The address of an element (or of the first one of a buffer)."""
    if hasattr(obj, "elem_offset"):
        obj = E.BufferLoad(obj, tuple(const(0, d.dtype) for d in obj.shape))  # type: ignore[attr-defined, arg-type]
    if not isinstance(obj, PrimExpr):
        raise ArgumentError(
            f"address_of needs an element of a buffer, found {type(obj).__name__}", span,
            hint="write T.address_of(A[0]), or give the buffer",
        )  # fmt: skip
    return Call("handle", "tir.address_of", (obj,), span=span)


def ret(value: object, span: Any = None) -> PrimExpr:
    """Leaves the function with `value`."""
    made = as_scalar(value)
    return Call(made.dtype, "tir.ret", (made,), span=span)


_ACCESS = {"r": 1, "w": 2}


def tvm_access_ptr_of(
    buffer: Any, mask: int | str, kind: str, lanes: int, offset: object, extent: object
) -> PrimExpr:
    """The call behind `Buffer.access_ptr`: it counts in vectors of `lanes` elements."""
    del kind
    if isinstance(mask, str):
        if not mask or set(mask) - set(_ACCESS):
            raise ArgumentError(
                f"an access is read (r), written (w) or both, found {mask!r}", hint='write "rw"'
            )
        mask = sum(_ACCESS[letter] for letter in set(mask))
    flat = buffer.get_flattened_buffer()
    size = subtract(flat.shape[0], as_scalar(offset)) if extent is None else as_scalar(extent)
    start = add(buffer.elem_offset, as_scalar(offset))
    if lanes > 1:
        start = floordiv(start, lanes)
        size = size if extent is not None else floordiv(size, lanes)
    element = dtype_of(buffer.dtype).with_lanes(lanes)
    marker = Call(element, "tir.type_annotation", ())
    return Call("handle", "tir.tvm_access_ptr", (marker, buffer.data, start, size, as_scalar(mask)))


def simplified(value: PrimExpr) -> PrimExpr:
    """`value` simplified if the analyzer is loaded, else as it is (constants are folded)."""
    return SIMPLIFY[0](value) if SIMPLIFY else value


SIMPLIFY: list[Callable[[PrimExpr], PrimExpr]] = []
"""The analyzer's simplifier, put here by `arith`, which stands above this module."""


def ramp(base: object, stride: object, lanes: PrimExpr | int) -> PrimExpr:
    """The vector `base, base + stride, ...`; `base` itself for one lane."""
    first = as_scalar(base)
    return first if isinstance(lanes, int) and lanes == 1 else Ramp(first, stride, lanes)  # type: ignore[arg-type]
