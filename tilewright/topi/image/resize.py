"""Resizing over one, two or three dimensions, in all the ways that ONNX defines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ...ir.expr import IntImm, PrimExpr, as_scalar
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ...tir.arith import Analyzer
from .. import tag
from ..kinds import Sizes
from ..nn.utils import layout_rank, spatial_places
from ..utils import as_dim, as_list, compute, const_or_none, offset, require_rank

__all__ = ["resize", "resize1d", "resize2d", "resize3d"]

MODES = (
    "half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "tf_half_pixel_for_nn",
    "tf_crop_and_resize", "half_pixel_symmetric",
)  # fmt: skip
_METHODS = {
    "nearest_neighbor": "nearest",
    "nearest": "nearest",
    "linear": "linear",
    "bilinear": "linear",
    "trilinear": "linear",
    "cubic": "cubic",
    "bicubic": "cubic",
}
_ROUNDINGS = ("", "round", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_F = "float32"

Taps = list[tuple[PrimExpr, PrimExpr | None]]


def _ratio(
    mode: str, x: PrimExpr, size: PrimExpr, out: PrimExpr
) -> tuple[PrimExpr, PrimExpr] | None:
    """The input coordinate as an exact fraction of integers; None where it is none."""
    single = const_or_none(out) == 1
    if mode in ("pytorch_half_pixel", "align_corners") and single:
        return IntImm(x.dtype, 0), IntImm(x.dtype, 1)
    if mode in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        return _affine(x, 2, size, 1, size, -1, out, 2, out)
    if mode == "tf_half_pixel_for_nn":
        return _affine(x, 2, size, 1, size, 0, out, 2, out)
    if mode == "asymmetric":
        return _affine(x, 1, size, 0, size, 0, out, 1, out)
    if mode == "align_corners":
        top, bottom = offset(size, -1), offset(out, -1)
        if const_or_none(out) is None:
            bottom = op.max(bottom, op.const(1, bottom.dtype))
        return _affine(x, 1, top, 0, top, 0, bottom, 1, bottom)
    return None


def _affine(
    x: PrimExpr, a: int, n: PrimExpr, b: int, m: PrimExpr, c: int, k: PrimExpr, d: int, q: PrimExpr
) -> tuple[PrimExpr, PrimExpr]:
    """`(x * a * n + b * m + c * k) / (d * q)`, reduced by what the dimensions have in common: all
    of them if they are constant, the ratio of `q` to `n` if that is."""
    known: list[int | None] = [const_or_none(v) for v in (n, m, k, q)]
    if None in known and (not b or m is n) and (not c or k is q):
        below, above = _constant_ratio(n, q) or (None, None)
        known = [below, below, above, above]
    if None not in known:
        vn, vm, vk, vq = (v or 0 for v in known)
        factor, shift, under = a * vn, b * vm + c * vk, d * vq
        common = math.gcd(factor, shift, under) or 1
        number = op.multiply(x, factor // common)
        return offset(number, shift // common), IntImm(x.dtype, max(under // common, 1))
    number = op.multiply(x, op.multiply(n, a))
    for count, dim in ((b, m), (c, k)):
        if count:
            part = op.multiply(dim, abs(count))
            number = op.add(number, part) if count > 0 else op.subtract(number, part)
    return number, op.multiply(q, d)


def _constant_ratio(size: PrimExpr, out: PrimExpr) -> tuple[int, int] | None:
    """(2, 3) for `2 * h` and `3 * h`: the smallest numbers in the ratio of two dimensions that are
    never negative, constant ones as they are; None if it depends on more than them."""
    constant = const_or_none(size), const_or_none(out)
    if constant[0] is not None and constant[1] is not None:
        return constant[0], constant[1]
    analyzer = Analyzer()
    left, right = analyzer.sum(size), analyzer.sum(out)
    if not left.terms or left.terms.keys() != right.terms.keys():
        return None
    pairs = [(n, right.terms[atom]) for atom, n in left.terms.items()]
    first, second = pairs[0]
    common = math.gcd(first, second)
    small, large = abs(first) // common, abs(second) // common
    pairs.append((left.const, right.const))
    return (small, large) if all(n * large == m * small for n, m in pairs) else None


def _float_coordinate(
    mode: str, x: PrimExpr, size: PrimExpr, out: PrimExpr, roi: Any, scale: float | None, kind: str
) -> PrimExpr:
    """The input coordinate as a float: for regions, and for scales that sizes do not show."""
    at, whole, length = (op.cast(v, kind) for v in (x, size, out))
    half, one = op.const(0.5, kind), op.const(1, kind)
    if mode == "tf_crop_and_resize":
        start, end = (op.cast(as_scalar(v), kind) for v in roi)
        top = op.subtract(whole, one)
        parts = op.max(op.subtract(length, one), one)
        step = op.div(op.multiply(op.subtract(end, start), top), parts)
        many = op.add(op.multiply(start, top), op.multiply(at, step))
        single = op.multiply(op.multiply(half, op.add(start, end)), top)
        return op.select(op.greater(out, 1), many, single)
    if scale is None:
        raise ArgumentError(f"resize: no coordinate for mode {mode}")
    factor = op.const(scale, kind)
    if mode == "asymmetric":
        return op.div(at, factor)
    if mode == "align_corners":
        wide = op.multiply(whole, factor)
        made = op.div(op.multiply(at, op.subtract(whole, one)), op.subtract(wide, one))
        return op.select(op.greater(out, 1), made, op.const(0, kind))
    center = op.div(op.add(at, half), factor)
    if mode == "tf_half_pixel_for_nn":
        return center
    if mode == "half_pixel_symmetric":
        adjustment = op.div(length, op.multiply(whole, factor))
        middle = op.div(whole, op.const(2, kind))
        shift = op.multiply(middle, op.subtract(one, adjustment))
        return op.subtract(op.add(shift, center), half)
    made = op.subtract(center, half)
    if mode == "pytorch_half_pixel":
        return op.select(op.greater(out, 1), made, op.const(0, kind))
    return made


class _Axis:
    """How one dimension is resized."""

    def __init__(
        self, size: PrimExpr, out: Any, roi: Any, scale: float | None, options: dict[str, Any]
    ) -> None:
        self.size = size
        symbolic = isinstance(out, PrimExpr) and const_or_none(out) is None
        self.out = as_dim(out, out.dtype if symbolic else size.dtype)
        self.roi = roi
        self.scale = scale
        self.options = options
        mode = options["mode"]
        ratio = _constant_ratio(size, self.out)
        matches = scale is None or (ratio is not None and ratio[0] * scale == ratio[1])
        self.exact = matches and mode != "tf_crop_and_resize"
        self.unchanged = (
            self.exact and (size is self.out or (ratio is not None and ratio[0] == ratio[1]))
        )  # fmt: skip

    def taps(self, x: PrimExpr) -> Taps:
        """The input indices that make up output index `x`, with their weights."""
        if self.unchanged and self.options["mode"] != "tf_half_pixel_for_nn":
            return [(x, None)]
        method = self.options["method"]
        if method == "nearest":
            return [(self._clamped(self._nearest(x)), None)]
        first, fraction = self._floor(x)
        if method == "linear":
            one = op.const(1, _F)
            return [
                (self._clamped(first), op.subtract(one, fraction)),
                (self._clamped(offset(first, 1)), fraction),
            ]
        return self._cubic(first, fraction)

    def outside(self, x: PrimExpr) -> PrimExpr | None:
        """Whether a region reaches beyond the input here."""
        if self.options["mode"] != "tf_crop_and_resize":
            return None
        at = self._coordinate(x, _F)
        top = op.cast(offset(self.size, -1), _F)
        return op.logical_or(op.less(at, op.const(0, _F)), op.greater(at, top))

    def _coordinate(self, x: PrimExpr, kind: str) -> PrimExpr:
        return _float_coordinate(
            self.options["mode"], x, self.size, self.out, self.roi, self.scale, kind
        )

    def _clamped(self, index: PrimExpr) -> PrimExpr:
        return op.max(op.min(index, offset(self.size, -1)), op.const(0, index.dtype))

    def _nearest(self, x: PrimExpr) -> PrimExpr:
        rounding = self.options["rounding"]
        ratio = _ratio(self.options["mode"], x, self.size, self.out) if self.exact else None
        if ratio is not None:
            number, below = ratio
            if rounding == "floor":
                return op.floordiv(number, below)
            if rounding == "ceil":
                return op.ceildiv(number, below)
            twice = op.multiply(below, 2)
            if rounding == "round_prefer_floor":
                return op.ceildiv(op.subtract(op.multiply(number, 2), below), twice)
            return op.floordiv(op.add(op.multiply(number, 2), below), twice)
        at = self._coordinate(x, "float64")
        half = op.const(0.5, "float64")
        rounded = {
            "floor": lambda: op.floor(at),
            "ceil": lambda: op.ceil(at),
            "round_prefer_floor": lambda: op.ceil(op.subtract(at, half)),
        }.get(rounding, lambda: op.floor(op.add(at, half)))()
        return op.cast(rounded, x.dtype)

    def _floor(self, x: PrimExpr) -> tuple[PrimExpr, PrimExpr]:
        """The index before the coordinate and how far it lies behind."""
        ratio = _ratio(self.options["mode"], x, self.size, self.out) if self.exact else None
        if ratio is not None:
            number, below = ratio
            rest = op.cast(op.floormod(number, below), _F)
            return op.floordiv(number, below), op.div(rest, op.cast(below, _F))
        at = self._coordinate(x, _F)
        low = op.floor(at)
        return op.cast(low, x.dtype), op.subtract(at, low)

    def _cubic(self, first: PrimExpr, t: PrimExpr) -> Taps:
        weights = cubic_weights(t, self.options["alpha"])
        places = [offset(first, k - 1) for k in range(4)]
        if self.options["exclude"]:
            zero = op.const(0, _F)
            weights = [
                op.select(op.all(op.greater_equal(p, 0), op.less(p, self.size)), w, zero)
                for p, w in zip(places, weights, strict=True)
            ]
            total = weights[0] + weights[1] + weights[2] + weights[3]
            weights = [op.div(w, total) for w in weights]
        return [(self._clamped(p), w) for p, w in zip(places, weights, strict=True)]


def cubic_weights(t: PrimExpr, alpha: float) -> list[PrimExpr]:
    """The weights of the four neighbours at `t` between the second and the third (Keys)."""

    def near(d: PrimExpr) -> PrimExpr:
        return ((alpha + 2) * d - (alpha + 3)) * d * d + 1.0

    def far(d: PrimExpr) -> PrimExpr:
        return ((d - 5.0) * alpha * d + 8 * alpha) * d - 4 * alpha

    return [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]


def _resize(
    data: Tensor,
    roi: Any,
    size: Sequence[Any],
    layout: str,
    method: str,
    mode: str,
    rounding: str,
    alpha: float,
    exclude: int,
    extrapolation: float,
    out_dtype: str | None,
    scales: Sequence[float] | None,
    n: int,
) -> Tensor:
    if method not in _METHODS:
        raise ArgumentError(f"resize: method is one of {', '.join(_METHODS)}, found {method!r}")
    if mode not in MODES or rounding not in _ROUNDINGS:
        raise ArgumentError(f"resize: unknown coordinates {mode!r} or rounding {rounding!r}")
    size = as_list(size, n, "resize: size")
    options = {
        "mode": mode, "method": _METHODS[method], "alpha": alpha, "exclude": bool(exclude),
        "rounding": rounding or ("round" if mode == "align_corners" else "floor"),
    }  # fmt: skip
    places = spatial_places(layout, n)
    require_rank(data, layout_rank(layout), f"resize of {layout}")
    bounds = (
        [roi(k) for k in range(2 * n)]
        if isinstance(roi, Tensor)
        else as_list(roi or 0.0, 2 * n, "resize: roi")
    )
    factors = list(scales) if scales else [None] * n
    axes = [
        _Axis(data.shape[p], size[k], (bounds[k], bounds[n + k]), factors[k], options)
        for k, p in enumerate(places)
    ]  # fmt: skip
    shape: list[Any] = list(data.shape)
    for place, axis in zip(places, axes, strict=True):
        shape[place] = axis.out
    result = out_dtype or data.dtype
    source, left = data, list(zip(places, axes, strict=True))
    if options["method"] != "nearest":
        left = _in_order(data, left)
        for place, axis in left[:-1]:
            source = _along(source, place, axis)
        left = left[-1:]
    blended = [p for p, _ in left]

    def element(*i: PrimExpr) -> PrimExpr:
        value = _blend(source, list(i), blended, [axis.taps(i[p]) for p, axis in left], 0)
        for place, axis in zip(places, axes, strict=True):
            beyond = axis.outside(i[place])
            if beyond is not None:
                value = op.select(beyond, op.const(extrapolation, value.dtype), value)
        return op.cast(value, result)

    return compute(shape, element, "resize", tag.INJECTIVE)


def _in_order(data: Tensor, axes: list[tuple[int, _Axis]]) -> list[tuple[int, _Axis]]:
    """First what makes the image smaller; along its last dimension, where elements lie side by
    side and are picked one by one, before the others make it larger."""

    def growth(item: tuple[int, _Axis]) -> tuple[float, bool]:
        place, axis = item
        size, out = const_or_none(axis.size), const_or_none(axis.out)
        last = place == data.ndim - 1
        rate = out / max(size, 1) if size is not None and out is not None else 1.0
        return (1.0 if last else rate, not last)

    return sorted(axes, key=growth)


def _along(data: Tensor, place: int, axis: _Axis) -> Tensor:
    """`data` resized along one dimension."""
    shape: list[Any] = list(data.shape)
    shape[place] = axis.out

    def element(*i: PrimExpr) -> PrimExpr:
        return op.cast(_blend(data, list(i), [place], [axis.taps(i[place])], 0), _F)

    return compute(shape, element, "resize_axis", tag.INJECTIVE)


def _blend(
    data: Tensor, at: list[PrimExpr], places: list[int], taps: list[Taps], k: int
) -> PrimExpr:
    """The weighted sum over the taps of the `k`-th dimension and of those after it."""
    if k == len(places):
        return data(*at)
    total: PrimExpr | None = None
    for index, weight in taps[k]:
        at[places[k]] = index
        value = _blend(data, at, places, taps, k + 1)
        if weight is not None:
            value = op.multiply(op.cast(value, _F), weight)
        total = value if total is None else op.add(total, value)
    if total is None:
        raise ArgumentError("resize: no taps")
    return total


def resize(
    data: Tensor,
    size: Sequence[Any],
    roi: Any = None,
    layout: str = "NCHW",
    method: str = "linear",
    coordinate_transformation_mode: str = "half_pixel",
    rounding_method: str = "",
    bicubic_alpha: float = -0.5,
    bicubic_exclude: int = 0,
    extrapolation_value: float = 0.0,
    out_dtype: str | None = None,
    scales: Sequence[float] | None = None,
) -> Tensor:
    """`data` resized to `size` in as many dimensions as that has; see `resize2d`."""
    return _resize(
        data, roi, size, layout, method, coordinate_transformation_mode, rounding_method,
        bicubic_alpha, bicubic_exclude, extrapolation_value, out_dtype, scales, len(size),
    )  # fmt: skip


def _resize_over(n: int, default: str, which: str) -> Callable[..., Tensor]:
    """Resizing over `n` dimensions, of `default` layout."""

    def resized(
        data: Tensor,
        roi: Any,
        size: Sequence[Any],
        layout: str = default,
        method: str = "linear",
        coordinate_transformation_mode: str = "half_pixel",
        rounding_method: str = "",
        bicubic_alpha: float = -0.5,
        bicubic_exclude: int = 0,
        extrapolation_value: float = 0.0,
        out_dtype: str | None = None,
        output_shape: Sizes = None,
        scales: Sequence[float] | None = None,
    ) -> Tensor:
        return _resize(
            data, roi, output_shape or size, layout, method, coordinate_transformation_mode,
            rounding_method, bicubic_alpha, bicubic_exclude, extrapolation_value, out_dtype,
            scales, n,
        )  # fmt: skip

    resized.__name__ = resized.__qualname__ = f"resize{n}d"
    resized.__doc__ = f"""`data` resized to `size` in {which} of `layout` (which may be blocked).

    `method` is nearest_neighbor, linear or cubic. `roi` holds the starts and then the ends of the
    region for `tf_crop_and_resize`. `scales`, if given, are used for coordinates instead of the
    quotients of sizes. Where sizes are integers, coordinates are exact.
    """
    return resized


resize1d = _resize_over(1, "NCW", "the dimension W")
resize2d = _resize_over(2, "NCHW", "the dimensions H and W")
resize3d = _resize_over(3, "NCDHW", "the dimensions D, H and W")
