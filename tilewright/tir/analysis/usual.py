"""What a size that is known at run time only is taken for where a choice needs a number."""

from __future__ import annotations

from ...ir.expr import IntImm, PrimExpr
from ..arith import Analyzer
from ..stmt_functor import substitute
from .undefined_vars import undefined_vars

USUAL_IMAGE = 224
"""The height and width of an image as most networks are trained on."""


def usual_value(extent: PrimExpr, size: int) -> int:
    """`extent` if every variable in it is `size`, which it is itself if that does not say."""
    value = extent
    if not isinstance(value, IntImm):
        known = {v: IntImm(v.dtype, size) for v in undefined_vars(extent)}
        value = Analyzer().simplify(substitute(extent, known))
    return value.value if isinstance(value, IntImm) else size
