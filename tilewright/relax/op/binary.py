"""Elementwise operators of two tensors that broadcast, made by one constructor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import topi
from ...tir import op as tir_op
from ..base import Expr
from . import _infer, _samples
from ._declare import Sample, op, sample
from ._samples import array


def binary_op(
    name: str,
    reference: Callable[[Any, Any], Any],
    doc: str,
    *,
    infer: Callable[..., Any] = _infer.binary,
    lower: Callable[[Any, Any], Any] | None = None,
    samples: Callable[[], list[Sample]] | None = None,
    gradient: Any = None,
) -> Callable[[Expr, Expr], Expr]:
    """Declares `relax.<name>` of two tensors; it lowers to the function of `topi` of its name."""

    def declare(x1: Expr, x2: Expr) -> Expr:
        raise NotImplementedError

    declare.__name__ = declare.__qualname__ = name
    declare.__doc__ = doc

    def to_topi(x1: Any, x2: Any) -> Any:
        return getattr(topi, name)(x1, x2)

    def in_dtype(x1: Any, x2: Any) -> Any:
        made = np.asarray(reference(x1, x2))
        return made if infer is _infer.comparison else made.astype(x1.dtype, copy=False)

    made: Callable[[Expr, Expr], Expr] = op(
        name,
        infer=infer,
        lower=lower or to_topi,
        reference=in_dtype,
        samples=samples or _samples.binary(),
        gradient=gradient,
        elementwise=True,
    )(declare)
    return made


def _quotients(dtypes: tuple[str, ...]) -> Callable[[], list[Sample]]:
    def make() -> list[Sample]:
        out = []
        for dtype in dtypes:
            divisor = array((4, 5), dtype, 4, 0.5, 2.0)
            out.append(sample(array((4, 5), dtype, 3, -9, 9), np.where(divisor == 0, 1, divisor)
                              .astype(divisor.dtype)))  # fmt: skip
        return out

    return make


_SIGNED = ("float32", "int32", "int64")
_INTS = _samples.binary(("int32", "uint8", "int64"))
_BOOLS = _samples.binary(("bool",))


def _trunc_divide(a: Any, b: Any) -> Any:
    if not np.issubdtype(a.dtype, np.integer):
        return np.trunc(a / b)
    safe = np.where(b == 0, 1, b)
    quotient = np.abs(a.astype(object)) // np.abs(safe.astype(object))
    signed = np.where((a < 0) != (safe < 0), -quotient, quotient)
    return np.where(b == 0, 0, signed).astype(a.dtype)


def _log_add_exp(a: Any, b: Any) -> Any:
    top, distance = topi.maximum(a, b), topi.abs(topi.subtract(a, b))
    grown = topi.exp(topi.negative(distance))
    one = tir_op.const(1, a.dtype)
    same = topi.add(top, topi.log(topi.add(grown, one)))
    return topi.where(topi.isnan(distance), top, same)


add = binary_op("add", np.add, "`x1 + x2`; integers wrap around.",
                gradient=lambda call, grad: [grad, grad])  # fmt: skip
subtract = binary_op("subtract", np.subtract, "`x1 - x2`; integers wrap around.")
multiply = binary_op("multiply", np.multiply, "`x1 * x2`; integers wrap around.")
divide = binary_op("divide", np.true_divide, "`x1 / x2` of floats.",
                   samples=_quotients(_samples.FLOATS))  # fmt: skip
floor_divide = binary_op("floor_divide", np.floor_divide, "The quotient rounded down.",
                         samples=_quotients(_SIGNED))  # fmt: skip
trunc_divide = binary_op("trunc_divide", _trunc_divide, "The quotient rounded towards zero.",
                         samples=_quotients(_SIGNED))  # fmt: skip
floor_mod = binary_op("floor_mod", np.mod, "The rest; its sign is that of `x2`.",
                      samples=_quotients(_SIGNED))  # fmt: skip
mod = binary_op("mod", np.fmod, "The rest; its sign is that of `x1`.",
                samples=_quotients(_SIGNED))  # fmt: skip
power = binary_op(
    "power", np.power, "`x1` to the power of `x2`.",
    samples=_samples.binary(_samples.FLOATS, 0.2, 2.0),
)  # fmt: skip
atan2 = binary_op("atan2", np.arctan2, "The angle of the point (x2, x1), in radians.",
                  samples=_samples.binary(_samples.FLOATS))  # fmt: skip
log_add_exp = binary_op(
    "log_add_exp", np.logaddexp, "`log(exp(x1) + exp(x2))`, computed without overflow.",
    samples=_samples.binary(_samples.FLOATS), lower=_log_add_exp,
)  # fmt: skip
maximum = binary_op("maximum", np.maximum, "The larger of the two; NaN if either is.")
minimum = binary_op("minimum", np.minimum, "The smaller of the two; NaN if either is.")

equal = binary_op("equal", np.equal, "`x1 == x2`.", infer=_infer.comparison)
not_equal = binary_op("not_equal", np.not_equal, "`x1 != x2`.", infer=_infer.comparison)
less = binary_op("less", np.less, "`x1 < x2`.", infer=_infer.comparison)
less_equal = binary_op("less_equal", np.less_equal, "`x1 <= x2`.", infer=_infer.comparison)
greater = binary_op("greater", np.greater, "`x1 > x2`.", infer=_infer.comparison)
greater_equal = binary_op("greater_equal", np.greater_equal, "`x1 >= x2`.", infer=_infer.comparison)
logical_and = binary_op("logical_and", np.logical_and, "Both.", infer=_infer.comparison,
                        samples=_BOOLS)  # fmt: skip
logical_or = binary_op("logical_or", np.logical_or, "Either.", infer=_infer.comparison,
                       samples=_BOOLS)  # fmt: skip
logical_xor = binary_op("logical_xor", np.logical_xor, "One alone.", infer=_infer.comparison,
                        samples=_BOOLS)  # fmt: skip
bitwise_and = binary_op("bitwise_and", np.bitwise_and, "The bits set in both.", samples=_INTS)
bitwise_or = binary_op("bitwise_or", np.bitwise_or, "The bits set in either.", samples=_INTS)
bitwise_xor = binary_op("bitwise_xor", np.bitwise_xor, "The bits set in one.", samples=_INTS)


def _shifts() -> list[Sample]:
    return [
        sample(array((3, 4), "int32", 1), np.array([0, 1, 4, 7], "int32")),
        sample(array((4,), "uint8", 1), np.array([0, 1, 4, 7], "uint8")),
    ]


left_shift = binary_op("left_shift", np.left_shift, "Shifted left by `x2` bits.", samples=_shifts)
right_shift = binary_op(
    "right_shift", np.right_shift, "Shifted right by `x2` bits.", samples=_shifts
)
