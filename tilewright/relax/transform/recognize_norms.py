"""RecognizeNorms: normalizations that a model spells out become one operator again.

```
d = x - mean(x, -1);  d / sqrt(mean(d * d, -1) + eps) * gamma + beta  ->  layer_norm(x, ...)
x / sqrt(mean(x * x, -1) + eps) * weight                              ->  rms_norm(x, weight)
```
"""

from __future__ import annotations

from typing import Any

from ...ir.transform import Pass
from ..base import Expr
from ..dpl.pattern import DFPattern, Matches, is_const, is_op, wildcard
from ..dpl.rewrite import rewrite_call
from ..expr import Call, Constant, Function
from ..op.nn import layer_norm, rms_norm
from ..struct_info import TensorStructInfo
from ._pass import function_level


class _Spelling:
    """The parts that the patterns of all normalizations share."""

    def __init__(self) -> None:
        self.x = wildcard()
        self.epsilon = is_const()
        self.two = is_const()
        self.one = is_const()

    def square(self, value: DFPattern) -> DFPattern:
        """`value * value`, `value ** 2` or `square(value)`."""
        product = is_op("relax.multiply")(value, value)
        power = is_op("relax.power")(value, self.two)
        return product | power | is_op("relax.square")(value)

    def over_deviation(self, value: DFPattern, second: DFPattern) -> DFPattern:
        """`value / sqrt(second + eps)` or `value * rsqrt(second + eps)`."""
        moved = is_op("relax.add")(second, self.epsilon)
        root = is_op("relax.sqrt")(moved)
        inverse = is_op("relax.rsqrt")(moved)
        return (
            is_op("relax.divide")(value, root)
            | is_op("relax.multiply")(value, inverse)
            | is_op("relax.multiply")(value, is_op("relax.divide")(self.one, root))
        )


def _scalar(expr: Expr) -> float | None:
    if isinstance(expr, Constant) and expr.array.size == 1:
        return float(expr.array.reshape(-1)[0])
    return None


def _is_last_axis(call: Any, x: Expr) -> bool:
    """True for a mean over the last axis alone that keeps it."""
    axis = call.attrs.axis
    axes = (axis,) if isinstance(axis, int) else tuple(axis or ())
    ndim = x.struct_info.ndim
    return bool(call.attrs.keepdims) and axes in ((-1,), (ndim - 1,)) and ndim > 0


def _is_vector_of(value: Expr, x: Expr) -> bool:
    """True for a vector as long as the last axis of `x`, of the same dtype."""
    info, data = value.struct_info, x.struct_info
    return (
        isinstance(info, TensorStructInfo)
        and isinstance(data, TensorStructInfo)
        and info.ndim == 1
        and info.dtype == data.dtype
        and info.static_shape is not None
        and data.dims is not None
        and info.static_shape[0] == getattr(data.dims[-1], "value", None)
    )


def _layer_norm(func: Function) -> Function:
    spelled = _Spelling()
    gamma, beta = wildcard(), wildcard()
    mean = is_op("relax.mean")(spelled.x)
    centred = is_op("relax.subtract")(spelled.x, mean)
    variance = is_op("relax.mean")(spelled.square(centred))
    normal = spelled.over_deviation(centred, variance)
    pattern = is_op("relax.add")(is_op("relax.multiply")(normal, gamma), beta)

    def replace(expr: Expr, found: Matches, calls: list[Any]) -> Expr:
        x, epsilon = found[spelled.x], _scalar(found[spelled.epsilon])
        vectors = _is_vector_of(found[gamma], x) and _is_vector_of(found[beta], x)
        if epsilon is None or not vectors or not all(_is_last_axis(c, x) for c in calls):
            return expr
        made: Expr = layer_norm(x, found[gamma], found[beta], axes=-1, epsilon=epsilon)
        return made.replace(span=expr.span)

    return _rewrite(func, pattern, spelled, (mean, variance), replace)


def _rms_norm(func: Function) -> Function:
    spelled = _Spelling()
    weight = wildcard()
    second = is_op("relax.mean")(spelled.square(spelled.x))
    pattern = is_op("relax.multiply")(spelled.over_deviation(spelled.x, second), weight)

    def replace(expr: Expr, found: Matches, calls: list[Any]) -> Expr:
        x, epsilon = found[spelled.x], _scalar(found[spelled.epsilon])
        fits = _is_vector_of(found[weight], x) and all(_is_last_axis(c, x) for c in calls)
        if epsilon is None or not fits:
            return expr
        made: Expr = rms_norm(x, found[weight], axes=-1, epsilon=epsilon)
        return made.replace(span=expr.span)

    return _rewrite(func, pattern, spelled, (second,), replace)


def _rewrite(
    func: Function,
    pattern: DFPattern,
    spelled: _Spelling,
    means: tuple[DFPattern, ...],
    replace: Any,
) -> Function:
    from ..analysis.variables import get_var2val

    def callback(expr: Expr, found: Matches) -> Expr:
        for pattern_, wanted in ((spelled.two, 2.0), (spelled.one, 1.0)):
            if pattern_ in found and _scalar(found[pattern_]) != wanted:
                return expr
        calls = [values.get(found[m], found[m]) for m in means]  # type: ignore[call-overload]
        if not all(isinstance(c, Call) for c in calls):
            return expr
        return replace(expr, found, calls)  # type: ignore[no-any-return]

    values = get_var2val(func)
    return rewrite_call(pattern, callback, func)


def RecognizeNorms() -> Pass:
    """Turns spelled-out layer and RMS normalizations into `nn.layer_norm` and `nn.rms_norm`."""
    return function_level("RecognizeNorms", lambda func: _rms_norm(_layer_norm(func)))
