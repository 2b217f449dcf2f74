"""Buffers as arguments of packed functions, which take tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ...ir.expr import PrimExpr
from .constant import const

__all__ = ["taking_tensors"]


def taking_tensors(
    call: Callable[..., PrimExpr],
    make_array: Callable[..., PrimExpr],
    make_shape: Callable[..., PrimExpr],
) -> Callable[..., PrimExpr]:
    """`call` whose buffers become headers of tensors on the stack.

    f(A)   ->   f(tvm_stack_make_array(A.data, tvm_stack_make_shape(...), 0, 2, 0.0, offset))
    """

    def argument(value: Any) -> Any:
        if not hasattr(value, "elem_offset"):
            return value
        strides = make_shape(*value.strides) if value.strides else 0
        sample = const(0, value.dtype)
        shape = make_shape(*value.shape)
        return make_array(value.data, shape, strides, len(value.shape), sample, value.elem_offset)

    @functools.wraps(call)
    def packed(*args: Any, **named: Any) -> PrimExpr:
        return call(*[argument(a) for a in args], **named)

    return packed
