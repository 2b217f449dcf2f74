"""Fixed-point numbers."""

from __future__ import annotations

import math

import numpy as np

from ...support.errors import ArgumentError

__all__ = ["get_fixed_point_value"]


def get_fixed_point_value(flp: float, dtype: str = "int16") -> tuple[int, int]:
    """`value, exponent` with `flp` close to `value / 2 ** exponent`, `value` as large as `dtype`
    holds; `0, 0` for zero."""
    kind = np.dtype(dtype)
    if kind.kind != "i":
        raise ArgumentError(f"a fixed-point value is a signed integer, found {dtype}")
    if not math.isfinite(flp):
        raise ArgumentError(f"{flp} has no fixed-point value")
    if flp == 0:
        return 0, 0
    exponent = np.iinfo(kind).bits - 1 - math.frexp(flp)[1]
    value = round(math.ldexp(flp, exponent))
    if value > np.iinfo(kind).max:
        exponent -= 1
        value = round(math.ldexp(flp, exponent))
    return value, exponent
