"""Random variables: what a schedule's methods give and take in place of IR."""

from __future__ import annotations

from typing import TypeAlias

from ...ir.expr import PrimExpr


class Identity:
    """What is compared by being the very same object."""

    __slots__ = ()

    def same_as(self, other: object) -> bool:
        """True if `other` is this very object."""
        return self is other


class BlockRV(Identity):
    """A block, named before it is known which."""

    __slots__ = ("__weakref__",)

    def __repr__(self) -> str:
        return f"BlockRV({id(self):#x})"


class LoopRV(Identity):
    """A loop, named before it is known which."""

    __slots__ = ("__weakref__",)

    def __repr__(self) -> str:
        return f"LoopRV({id(self):#x})"


ExprRV: TypeAlias = PrimExpr
"""An integer, sampled or given: a `Var` that stands for it, or an expression of such."""
