"""Statements without effect taken away."""

from __future__ import annotations

from ..function import PrimFunc
from .base import factory
from .simplify import Simplifying


@factory
def RemoveNoOp(func: PrimFunc) -> PrimFunc:
    """for i in range(0): f   ->   nothing; A[i] = A[i]   ->   nothing"""
    return func.replace(body=Simplifying().run(func.body))
