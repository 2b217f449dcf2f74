"""Random variables: what a schedule's methods give and take in place of IR."""

from __future__ import annotations

from typing import TypeAlias

from ...ir.expr import PrimExpr


class BlockRV:
    """A block, named before it is known which."""

    __slots__ = ("__weakref__",)

    def __repr__(self) -> str:
        return f"BlockRV({id(self):#x})"


class LoopRV:
    """A loop, named before it is known which."""

    __slots__ = ("__weakref__",)

    def __repr__(self) -> str:
        return f"LoopRV({id(self):#x})"


ExprRV: TypeAlias = PrimExpr
"""An integer, sampled or given: a `Var` that stands for it, or an expression of such."""
