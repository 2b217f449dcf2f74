"""Rolling buffers of realize statements, which loop programs do not have."""

from __future__ import annotations

from typing import Any

from ...support.errors import CompileError
from ..function import PrimFunc
from ..stmt import AttrStmt
from ..stmt_functor import post_order_visit
from .base import factory


@factory
def InjectRollingBuffer(func: PrimFunc) -> PrimFunc:
    """f   ->   f

    Raises `CompileError` for the attribute `rolling_buffer_scope`, which belongs to realize
    statements: the primitive `rolling_buffer` of a schedule makes rolling buffers.
    """

    def look(node: Any) -> None:
        if isinstance(node, AttrStmt) and node.attr_key == "rolling_buffer_scope":
            raise CompileError(
                "`rolling_buffer_scope` is an attribute of realize statements",
                node.span, hint="roll the buffer with Schedule.rolling_buffer",
            )  # fmt: skip

    post_order_visit(func.body, look)
    return func
