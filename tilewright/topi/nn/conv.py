"""Convolutions over one, two or three dimensions, in any layout that is not blocked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import te
from ...ir.expr import IntImm, PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ...tir.expr import IterVar
from ..math import cast
from ..reduction import accumulator
from ..utils import (
    compute,
    const_or_none,
    equal_const_int,
    index_dtype,
    offset,
    product,
    reduce_over,
    require_rank,
)
from .pad import pad
from .utils import LETTERS, get_pad_tuple_generic, no_negative, numbers, positive

__all__ = [
    "conv", "conv1d", "conv1d_ncw", "conv1d_nwc", "conv2d", "conv2d_hwcn", "conv2d_nchw",
    "conv2d_nhwc", "conv3d", "conv3d_ncdhw", "conv3d_ndhwc", "depthwise_conv2d_nchw",
    "depthwise_conv2d_nhwc", "group_conv1d_ncw", "group_conv1d_nwc", "group_conv2d_nchw",
    "group_conv2d_nhwc",
]  # fmt: skip

KERNEL_LAYOUTS = {"NCW": "OIW", "NWC": "WIO", "NCHW": "OIHW", "NHWC": "HWIO", "HWCN": "HWIO",
                  "NCDHW": "OIDHW", "NDHWC": "DHWIO"}  # fmt: skip


def padded(
    data: Tensor, places: Sequence[int], before: Sequence[int], after: Sequence[int], value: Any = 0
) -> Tensor:
    """`data` padded in the dimensions `places`; itself where there is nothing to pad."""
    if not any(before) and not any(after):
        return data
    front, back = [0] * data.ndim, [0] * data.ndim
    for place, b, a in zip(places, before, after, strict=True):
        front[place], back[place] = b, a
    return pad(data, front, back, value, "pad_temp")


def conv_extent(extent: PrimExpr, kernel: Any, before: int, after: int, s: int, d: int) -> Any:
    """The length of a convolution's output."""
    taps = const_or_none(kernel)
    if taps is None:
        span = op.add(op.multiply(op.subtract(kernel, 1), d), 1)
        return op.floordiv(offset(op.subtract(extent, span), before + after + s), s)
    reach = offset(extent, before + after - (taps - 1) * d - 1 + s)
    return no_negative(reach if s == 1 else op.floordiv(reach, s))


def strided(index: PrimExpr, stride: int, tap: Any, dilation: int) -> PrimExpr:
    """`index * stride + tap * dilation`."""
    return op.add(op.multiply(index, stride), op.multiply(tap, dilation))


def _check(data: Tensor, filt: Tensor, in_channels: Any, per_group: Any, groups: int, out: Any) -> None:
    have, want, outs = const_or_none(in_channels), const_or_none(per_group), const_or_none(out)
    if have is not None and want is not None and have != want * groups:
        raise ArgumentError(
            f"convolution: `{data.name}` has {have} channels, `{filt.name}` expects "
            f"{want} in each of {groups} groups"
        )
    if outs is not None and groups and outs % groups:
        raise ArgumentError(f"convolution: {outs} output channels in {groups} groups")


def conv(
    inp: Tensor,
    filt: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    data_layout: str = "",
    kernel_layout: str = "",
    out_dtype: str | None = None,
    name: str = "",
    tag: str = "",
) -> Tensor:
    """The convolution (without flipping) of `inp` with `filt`, in `groups` of channels.

    Layouts default to NCHW and OIHW and their kin. Sums are kept in float32 at least.
    """
    count = inp.ndim - 2
    if count not in LETTERS:
        raise ArgumentError(f"convolution needs 3 to 5 dimensions, found {inp.ndim}")
    data_layout = data_layout or "NC" + LETTERS[count]
    kernel_layout = kernel_layout or KERNEL_LAYOUTS.get(data_layout, "OI" + LETTERS[count])
    require_rank(filt, inp.ndim, "convolution")
    strides, dilations = numbers(stride, count, "stride"), numbers(dilation, count, "dilation")
    positive([*strides, *dilations, groups], "strides, dilations and groups")
    at = {letter: k for k, letter in enumerate(data_layout)}
    kat = {letter: k for k, letter in enumerate(kernel_layout)}
    spatial = LETTERS[count]
    kernel = [filt.shape[kat[x]] for x in spatial]
    before, after = get_pad_tuple_generic(padding, kernel, dilations)
    out_channels, per_group = filt.shape[kat["O"]], filt.shape[kat["I"]]
    _check(inp, filt, inp.shape[at["C"]], per_group, groups, out_channels)
    result = out_dtype or inp.dtype
    kept = accumulator(result)
    dtype = index_dtype(inp, filt)
    source = padded(inp, [at[x] for x in spatial], before, after)
    shape: list[Any] = list(inp.shape)
    shape[at["C"]] = out_channels
    for k, x in enumerate(spatial):
        shape[at[x]] = conv_extent(
            inp.shape[at[x]], kernel[k], before[k], after[k], strides[k], dilations[k]
        )
    axes: dict[str, IterVar] = {}
    if groups == 1 or not equal_const_int(per_group, 1):
        axes["I"] = reduce_over(per_group, "rc", dtype)
    for x, extent in zip(spatial, kernel, strict=True):
        axes[x] = reduce_over(extent, f"r{'zyx'[3 - count :][spatial.index(x)]}", dtype)

    def element(*i: PrimExpr) -> PrimExpr:
        own, tap = list(i), [IntImm(dtype, 0)] * filt.ndim
        for k, x in enumerate(spatial):
            own[at[x]] = strided(i[at[x]], strides[k], axes[x].var, dilations[k])
            tap[kat[x]] = axes[x].var  # type: ignore[call-overload]
        tap[kat["O"]] = i[at["C"]]  # type: ignore[call-overload]
        if "I" in axes:
            tap[kat["I"]] = axes["I"].var  # type: ignore[call-overload]
        own[at["C"]] = _channel(i[at["C"]], axes.get("I"), out_channels, per_group, groups)
        left, right = op.cast(source(*own), kept), op.cast(filt(*tap), kept)
        made: PrimExpr = te.sum(op.multiply(left, right), list(axes.values()))
        return made

    attrs = {"strides": strides, "dilation": dilations, "groups": groups}
    kind = tag or _tag(data_layout, groups, per_group)
    names = _axis_names(data_layout)
    made = te.compute(
        shape, lambda *i: element(*i), name or kind.split("_n")[0], kind, attrs, names
    )
    return made if kept == result else cast(made, result)  # type: ignore[no-any-return]


def _axis_names(layout: str) -> list[str]:
    known = {"N": "nn", "C": "ff", "D": "zz", "H": "yy", "W": "xx"}
    return [known[x] for x in layout]


def _tag(layout: str, groups: int, per_group: PrimExpr) -> str:
    kind = f"conv{len(layout) - 2}d_{layout.lower()}"
    if groups == 1:
        return kind
    return f"depthwise_{kind}" if equal_const_int(per_group, 1) else f"group_{kind}"


def _channel(
    out: PrimExpr, inner: IterVar | None, outs: PrimExpr, per_group: PrimExpr, groups: int
) -> PrimExpr:
    """The input channel for an output channel and the place within its group."""
    if groups == 1:
        return inner.var if inner is not None else IntImm(out.dtype, 0)
    width = const_or_none(outs)
    per_out: Any = width // groups if width is not None else op.floordiv(outs, groups)
    group = out if per_out == 1 and isinstance(per_out, int) else op.floordiv(out, per_out)
    return group if inner is None else op.add(op.multiply(group, per_group), inner.var)


def conv1d(
    data: Tensor,
    kernel: Tensor,
    strides: Any = 1,
    padding: Any = "VALID",
    dilation: Any = 1,
    groups: int = 1,
    data_layout: str = "NCW",
    kernel_layout: str = "",
    out_dtype: str | None = None,
) -> Tensor:
    """Convolution over one dimension."""
    return conv(
        data, kernel, strides, padding, dilation, groups, data_layout, kernel_layout, out_dtype
    )


def conv2d(
    data: Tensor,
    kernel: Tensor,
    strides: Any,
    padding: Any,
    dilation: Any,
    data_layout: str = "NCHW",
    kernel_layout: str = "",
    out_dtype: str | None = None,
) -> Tensor:
    """Convolution over two dimensions."""
    return conv(data, kernel, strides, padding, dilation, 1, data_layout, kernel_layout, out_dtype)


def conv3d(
    data: Tensor,
    kernel: Tensor,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int = 1,
    data_layout: str = "NCDHW",
    kernel_layout: str = "",
    out_dtype: str | None = None,
) -> Tensor:
    """Convolution over three dimensions."""
    return conv(
        data, kernel, strides, padding, dilation, groups, data_layout, kernel_layout, out_dtype
    )


def _named(layout: str, doc: str) -> Any:
    def operate(
        Input: Tensor,
        Filter: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        out_dtype: str | None = None,
    ) -> Tensor:
        return conv(Input, Filter, stride, padding, dilation, 1, layout, "", out_dtype)

    operate.__name__ = operate.__qualname__ = f"conv{len(layout) - 2}d_{layout.lower()}"
    operate.__doc__ = doc
    return operate


def _grouped(layout: str, doc: str) -> Any:
    def operate(
        Input: Tensor,
        Filter: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        out_dtype: str | None = None,
    ) -> Tensor:
        return conv(Input, Filter, stride, padding, dilation, groups, layout, "", out_dtype)

    operate.__name__ = operate.__qualname__ = f"group_conv{len(layout) - 2}d_{layout.lower()}"
    operate.__doc__ = doc
    return operate


conv1d_ncw = _named("NCW", "Convolution of NCW with OIW.")
conv1d_nwc = _named("NWC", "Convolution of NWC with WIO.")
conv2d_nchw = _named("NCHW", "Convolution of NCHW with OIHW.")
conv2d_nhwc = _named("NHWC", "Convolution of NHWC with HWIO.")
conv2d_hwcn = _named("HWCN", "Convolution of HWCN with HWIO.")
conv3d_ncdhw = _grouped("NCDHW", "Convolution of NCDHW with OIDHW, in groups.")
conv3d_ndhwc = _grouped("NDHWC", "Convolution of NDHWC with DHWIO, in groups.")
group_conv1d_ncw = _grouped("NCW", "Convolution of NCW with OIW, in groups.")
group_conv1d_nwc = _grouped("NWC", "Convolution of NWC with WIO, in groups.")
group_conv2d_nchw = _grouped("NCHW", "Convolution of NCHW with OIHW, in groups.")
group_conv2d_nhwc = _grouped("NHWC", "Convolution of NHWC with HWIO, in groups.")


def depthwise_conv2d_nchw(
    Input: Tensor,
    Filter: Tensor,
    stride: Any,
    padding: Any,
    dilation: Any,
    out_dtype: str | None = None,
) -> Tensor:
    """Every channel with its own filters: `Filter` is (channels, multiplier, height, width)."""
    return _depthwise(Input, Filter, stride, padding, dilation, out_dtype, "NCHW", "CMHW")


def depthwise_conv2d_nhwc(
    Input: Tensor,
    Filter: Tensor,
    stride: Any,
    padding: Any,
    dilation: Any,
    kernel_layout: str = "HWOI",
    out_dtype: str | None = None,
) -> Tensor:
    """Every channel with its own filters: `Filter` is (height, width, channels, multiplier)."""
    order = "HWCM" if kernel_layout == "HWOI" else "HWMC"
    return _depthwise(Input, Filter, stride, padding, dilation, out_dtype, "NHWC", order)


def _depthwise(
    data: Tensor,
    filt: Tensor,
    stride: Any,
    padding: Any,
    dilation: Any,
    out_dtype: str | None,
    layout: str,
    order: str,
) -> Tensor:
    require_rank(data, 4, "depthwise_conv2d")
    require_rank(filt, 4, "depthwise_conv2d")
    at = {letter: k for k, letter in enumerate(layout)}
    kat = {letter: k for k, letter in enumerate(order)}
    strides, dilations = numbers(stride, 2, "stride"), numbers(dilation, 2, "dilation")
    kernel = [filt.shape[kat["H"]], filt.shape[kat["W"]]]
    before, after = get_pad_tuple_generic(padding, kernel, dilations)
    _check(data, filt, data.shape[at["C"]], filt.shape[kat["C"]], 1, 0)
    multiplier = filt.shape[kat["M"]]
    result = out_dtype or data.dtype
    kept, dtype = accumulator(result), index_dtype(data, filt)
    source = padded(data, [at["H"], at["W"]], before, after)
    shape: list[Any] = list(data.shape)
    shape[at["C"]] = product([data.shape[at["C"]], multiplier], dtype)
    for k, x in enumerate("HW"):
        shape[at[x]] = conv_extent(
            data.shape[at[x]], kernel[k], before[k], after[k], strides[k], dilations[k]
        )
    taps = [reduce_over(kernel[0], "di", dtype), reduce_over(kernel[1], "dj", dtype)]

    def element(*i: PrimExpr) -> PrimExpr:
        own: list[PrimExpr] = list(i)
        tap: list[PrimExpr] = [IntImm(dtype, 0)] * 4
        channel = i[at["C"]]
        if equal_const_int(multiplier, 1):
            tap[kat["C"]] = channel
        else:
            own[at["C"]] = op.floordiv(channel, multiplier)
            tap[kat["C"]], tap[kat["M"]] = own[at["C"]], op.floormod(channel, multiplier)
        for k, x in enumerate("HW"):
            own[at[x]] = strided(i[at[x]], strides[k], taps[k].var, dilations[k])
            tap[kat[x]] = taps[k].var
        left, right = op.cast(source(*own), kept), op.cast(filt(*tap), kept)
        made: PrimExpr = te.sum(op.multiply(left, right), taps)
        return made

    made = compute(
        shape, element, "DepthwiseConv2d", f"depthwise_conv2d_{layout.lower()}",
        strides=strides, dilation=dilations,
    )  # fmt: skip
    return made if kept == result else cast(made, result)  # type: ignore[no-any-return]
