"""Conditions by lane."""

from __future__ import annotations

from typing import Any

from ...ir.expr import PrimExpr
from .. import op as O
from ..expr import LT, Broadcast, Call, Ramp


def counts_lanes(condition: Any) -> bool:
    """True for `ramp(i, 1) < n`: the first lanes, up to a number of them."""
    return (
        isinstance(condition, LT)
        and isinstance(condition.a, Ramp)
        and isinstance(condition.b, Broadcast)
        and O.is_const_int(condition.a.stride, 1)
    )


def active_lanes(condition: Any) -> PrimExpr:
    """ramp(i, 1) < n   ->   get_active_lane_mask(i, n)"""
    args = (condition.a.base, condition.b.value)
    return Call(condition.dtype, "tir.get_active_lane_mask", args)
