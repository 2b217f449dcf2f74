"""Reductions taken apart, with a refusal where that is not possible."""

from __future__ import annotations

from ..analysis.reduction import Factored, NotFactored
from ..analysis.reduction import reduction_of as factored
from .refusal import refuse
from .sref import StmtSRef


def reduction_of(block: StmtSRef) -> Factored:
    """The parts of the reduction that the block is; refuses one that cannot be taken apart."""
    try:
        return factored(block.block)
    except NotFactored as why:
        refuse(str(why), block)
