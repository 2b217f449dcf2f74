"""Parallel loops run by one thread."""

from __future__ import annotations

from ...ir.functor import Rewriter, on
from ..function import PrimFunc
from ..stmt import For, ForKind
from .base import factory


class _Serial(Rewriter):
    @on(For)
    def loop(self, loop: For) -> For:
        """parallel -> serial"""
        new: For = self.rewrite_children(loop)
        return new.replace(kind=ForKind.SERIAL) if new.kind == ForKind.PARALLEL else new


@factory
def ConvertForLoopsToSerial(func: PrimFunc) -> PrimFunc:
    """for i in parallel(n)   ->   for i in range(n)"""
    return func.replace(body=_Serial().run(func.body))
