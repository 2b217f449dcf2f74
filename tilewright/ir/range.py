"""`Range` as users call it: by its ends."""

from __future__ import annotations

from typing import Any

from ..support.span import Span
from . import expr
from .expr import IntImm, as_scalar


class _ByEnds(type):
    """Calls make `expr.Range` nodes, and these are the instances."""

    def __call__(cls, begin: Any, end: Any = None, span: Span | None = None) -> expr.Range:
        if end is None:
            extent = as_scalar(begin)
            return expr.Range(IntImm(extent.dtype, 0), extent, span=span)
        first, last = as_scalar(begin), as_scalar(end)
        return expr.Range(first, last - first, span=span)

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, expr.Range)


class Range(metaclass=_ByEnds):
    """`Range(end)` is `[0, end)` and `Range(begin, end)` is `[begin, end)`, both `expr.Range`,
    whose own constructor takes `min` and `extent`."""

    from_min_extent = staticmethod(expr.Range.from_min_extent)
