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
from ..kinds import Padding, Sizes
from ..layout import Layout, block_of, parse_layout, primal_index, sub_index
from ..math import cast
from ..reduction import accumulator
from ..utils import (
    Dim,
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
    data: Tensor, places: Sequence[int], before: Sequence[Dim], after: Sequence[Dim], value: Any = 0
) -> Tensor:
    """`data` padded in the dimensions `places`; itself where there is nothing to pad."""
    if all(const_or_none(n) == 0 for n in (*before, *after)):
        return data
    front: list[Dim] = [0] * data.ndim
    back: list[Dim] = [0] * data.ndim
    for place, b, a in zip(places, before, after, strict=True):
        front[place], back[place] = b, a
    return pad(data, front, back, value, "pad_temp")


def conv_extent(extent: PrimExpr, kernel: Sizes, before: int, after: int, s: int, d: int) -> Any:
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


def check_channels(
    data: Tensor, filt: Tensor, in_channels: Any, per_group: Any, groups: int, out: Any
) -> None:
    """Raises `ArgumentError` if `filt` takes another number of channels than `data` has."""
    have, want, outs = const_or_none(in_channels), const_or_none(per_group), const_or_none(out)
    if have is not None and want is not None and have != want * groups:
        raise ArgumentError(
            f"convolution: `{data.name}` has {have} channels, `{filt.name}` expects "
            f"{want} in each of {groups} groups"
        )
    if outs is not None and groups and outs % groups:
        raise ArgumentError(f"convolution: {outs} output channels in {groups} groups")


class Channel:
    """A channel as the outer and the inner part of blocks, or as one index (`block` of 1)."""

    def __init__(self, outer: PrimExpr, inner: PrimExpr | None = None, block: int = 1) -> None:
        self.outer, self.inner, self.block = outer, inner, block

    @property
    def whole(self) -> PrimExpr:
        """The index among all channels."""
        if self.inner is None:
            return self.outer
        return op.add(op.multiply(self.outer, self.block), self.inner)

    def place(self, layout: Layout, letter: str, into: list[PrimExpr]) -> None:
        """Writes the indices of the parts of `letter` of a tensor in `layout`."""
        blocks = layout.blocks(letter)
        for position, (other, size) in enumerate(layout.parts):
            if other != letter:
                continue
            if not blocks:
                into[position] = self.whole
            elif blocks == (self.block,) and self.inner is not None:
                into[position] = self.inner if size else self.outer
            else:
                into[position] = sub_index(layout, position, self.whole)


def _total(tensor: Tensor, layout: Layout, letter: str) -> PrimExpr:
    """The length of a dimension, its blocks counted in."""
    block = block_of(layout, letter)
    outer = tensor.shape[layout.parts.index((letter, 0))]
    return outer if block == 1 else op.multiply(outer, block)


def _only(blocks: tuple[int, ...]) -> int:
    return blocks[0] if len(blocks) == 1 else 1


class _Plan:
    """The layouts, dimensions and groups of one convolution."""

    def __init__(
        self, inp: Tensor, filt: Tensor, groups: int, layouts: tuple[str, str, str], count: int
    ) -> None:
        self.data, self.kernel, self.out = (parse_layout(name) for name in layouts)
        spatial = LETTERS[count]
        for layout, tensor, axes in (
            (self.data, inp, "NC"), (self.kernel, filt, "OI"), (self.out, None, "NC"),
        ):  # fmt: skip
            if layout.axes != frozenset(axes + spatial):
                raise ArgumentError(
                    f"convolution over {spatial}: layout {layout.name} does not fit"
                )
            if tensor is not None and tensor.ndim != len(layout.parts):
                raise ArgumentError(
                    f"convolution: `{tensor.name}` has {tensor.ndim} dimensions, "
                    f"{layout.name} has {len(layout.parts)}"
                )
        self.groups = groups
        self.dtype = index_dtype(inp, filt)
        self.outs = _total(filt, self.kernel, "O")
        self.per_group = _total(filt, self.kernel, "I")
        check_channels(inp, filt, _total(inp, self.data, "C"), self.per_group, groups, self.outs)
        self.in_block = self._in_block()
        self.depthwise = groups > 1 and equal_const_int(self.per_group, 1)

    def _in_block(self) -> int:
        """The block by which input channels are reduced, if data and kernel agree on one."""
        block = _only(self.data.blocks("C"))
        if block == 1 or self.kernel.blocks("I") != (block,):
            return 1
        width = const_or_none(self.per_group)
        return block if self.groups == 1 or (width is not None and width % block == 0) else 1

    def channel_axes(self) -> list[IterVar]:
        """The reduction axes over input channels, outer and inner."""
        if self.depthwise:
            return []
        if self.in_block == 1:
            return [reduce_over(self.per_group, "rc", self.dtype)]
        outer = op.floordiv(self.per_group, self.in_block)
        return [
            reduce_over(outer, "rc", self.dtype), reduce_over(self.in_block, "ri", self.dtype)
        ]  # fmt: skip

    def out_channel(self, i: Sequence[PrimExpr]) -> Channel:
        """The output channel at a point of the result."""
        places = [k for k, (letter, _) in enumerate(self.out.parts) if letter == "C"]
        if len(places) == 1:
            return Channel(i[places[0]])
        blocks = self.out.blocks("C")
        if len(blocks) == 1:
            return Channel(i[self.out.parts.index(("C", 0))], i[places[1]], blocks[0])
        return Channel(primal_index(self.out, "C", tuple(i)))

    def within_group(self, axes: list[IterVar]) -> Channel:
        """The input channel within its group, as the kernel sees it."""
        if not axes:
            return Channel(IntImm(self.dtype, 0))
        if len(axes) == 1:
            return Channel(axes[0].var)
        return Channel(axes[0].var, axes[1].var, self.in_block)

    def in_channel(self, out: Channel, axes: list[IterVar]) -> Channel:
        """The input channel, as the data sees it."""
        own = self.within_group(axes)
        if self.groups == 1:
            return own
        width = const_or_none(self.outs)
        per_out: Any = width // self.groups if width is not None else self.outs // self.groups
        if self.depthwise and isinstance(per_out, int) and per_out == 1:
            return out
        if isinstance(per_out, int) and out.inner is not None and per_out % out.block == 0:
            group = op.floordiv(out.outer, per_out // out.block)
        else:
            group = op.floordiv(out.whole, per_out)
        if self.depthwise:
            return Channel(group)
        start = op.multiply(group, op.floordiv(self.per_group, self.in_block))
        return Channel(op.add(start, own.outer), own.inner, own.block)

    def out_shape(self, batch: PrimExpr, extents: dict[str, Any]) -> list[Any]:
        """The shape of the result."""
        shape: list[Any] = []
        for letter, size in self.out.parts:
            if size:
                shape.append(IntImm(self.dtype, size))
            elif letter == "C":
                shape.append(op.floordiv(self.outs, block_of(self.out, "C")))
            else:
                shape.append(batch if letter == "N" else extents[letter])
        return shape

    @property
    def tag(self) -> str:
        """What kind of convolution it is, such as `depthwise_conv2d_nchw`."""
        letters = [letter.lower() if size else letter for letter, size in self.data.parts]
        name = "".join(letters)
        blocked = any(size for _, size in self.data.parts)
        count = len(self.data.axes) - 2
        kind = f"conv{count}d_{name if blocked else name.lower()}"
        prefix = "depthwise_" if self.depthwise else "group_" if self.groups > 1 else ""
        return prefix + kind


def conv(
    inp: Tensor,
    filt: Tensor,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    data_layout: str = "",
    kernel_layout: str = "",
    out_dtype: str | None = None,
    out_layout: str | None = None,
) -> Tensor:
    """The convolution (without flipping) of `inp` with `filt`, in `groups` of channels.

    Layouts default to NCHW and OIHW and their kin; channels may stand in blocks, as in NCHW16c
    and OIHW16i16o. Sums are kept in float32 at least.
    """
    data_layout = data_layout or "NC" + LETTERS.get(inp.ndim - 2, "?")
    count = len([x for x in data_layout if x in "DHW"])
    if count not in LETTERS or "?" in data_layout:
        raise ArgumentError(f"convolution needs 1 to 3 spatial dimensions, found `{inp.name}`")
    kernel_layout = kernel_layout or KERNEL_LAYOUTS.get(data_layout, "OI" + LETTERS[count])
    plan = _Plan(inp, filt, groups, (data_layout, kernel_layout, out_layout or data_layout), count)
    strides, dilations = numbers(stride, count, "stride"), numbers(dilation, count, "dilation")
    positive([*strides, *dilations, groups], "strides, dilations and groups")
    spatial = LETTERS[count]
    at = {x: plan.data.parts.index((x, 0)) for x in "N" + spatial}
    kat = {x: plan.kernel.parts.index((x, 0)) for x in spatial}
    oat = {x: plan.out.parts.index((x, 0)) for x in "N" + spatial}
    kernel = [filt.shape[kat[x]] for x in spatial]
    before, after = get_pad_tuple_generic(padding, kernel, dilations)
    source = padded(inp, [at[x] for x in spatial], before, after)
    extents = {
        x: conv_extent(inp.shape[at[x]], kernel[k], before[k], after[k], strides[k], dilations[k])
        for k, x in enumerate(spatial)
    }
    channels = plan.channel_axes()
    taps = [
        reduce_over(extent, f"r{'zyx'[3 - count + k]}", plan.dtype)
        for k, extent in enumerate(kernel)
    ]
    result = out_dtype or inp.dtype
    kept = accumulator(result)

    def element(*i: PrimExpr) -> PrimExpr:
        own: list[PrimExpr] = [i[0]] * inp.ndim
        tap: list[PrimExpr] = [i[0]] * filt.ndim
        own[at["N"]] = i[oat["N"]]
        for k, x in enumerate(spatial):
            own[at[x]] = strided(i[oat[x]], strides[k], taps[k].var, dilations[k])
            tap[kat[x]] = taps[k].var
        out = plan.out_channel(i)
        plan.in_channel(out, channels).place(plan.data, "C", own)
        plan.within_group(channels).place(plan.kernel, "I", tap)
        out.place(plan.kernel, "O", tap)
        left, right = op.cast(source(*own), kept), op.cast(filt(*tap), kept)
        made: PrimExpr = te.sum(op.multiply(left, right), [*channels[:1], *taps, *channels[1:]])
        return made

    made: Tensor = te.compute(
        plan.out_shape(inp.shape[at["N"]], extents),
        lambda *i: element(*i),
        "DepthwiseConv2d" if plan.depthwise else plan.tag,
        plan.tag,
        varargs_names=_axis_names(plan.out),
    )
    return made if kept == result else cast(made, result)


_AXES = {"N": "nn", "C": "ff", "D": "zz", "H": "yy", "W": "xx"}


def _axis_names(layout: Layout) -> list[str]:
    return [f"{_AXES[x]}_b" * bool(size) or _AXES[x] for x, size in layout.parts]


def conv1d(
    data: Tensor,
    kernel: Tensor,
    strides: Sizes = 1,
    padding: Padding = "VALID",
    dilation: Sizes = 1,
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
    input: Tensor,
    filter: Tensor,
    strides: Sizes,
    padding: Padding,
    dilation: Sizes,
    data_layout: str = "NCHW",
    kernel_layout: str = "",
    out_dtype: str | None = None,
) -> Tensor:
    """Convolution over two dimensions."""
    return conv(input, filter, strides, padding, dilation, 1, data_layout, kernel_layout, out_dtype)


def conv3d(
    data: Tensor,
    kernel: Tensor,
    strides: Sizes,
    padding: Padding,
    dilation: Sizes,
    groups: int = 1,
    data_layout: str = "NCDHW",
    kernel_layout: str = "",
    out_dtype: str | None = None,
) -> Tensor:
    """Convolution over three dimensions."""
    return conv(
        data, kernel, strides, padding, dilation, groups, data_layout, kernel_layout, out_dtype
    )


def _one_dimensional(layout: str, doc: str) -> Any:
    def operate(
        data: Tensor,
        kernel: Tensor,
        strides: Sizes = 1,
        padding: Padding = "VALID",
        dilation: Sizes = 1,
        out_dtype: str | None = None,
    ) -> Tensor:
        return conv(data, kernel, strides, padding, dilation, 1, layout, "", out_dtype)

    operate.__name__ = operate.__qualname__ = f"conv1d_{layout.lower()}"
    operate.__doc__ = doc
    return operate


def _one_dimensional_grouped(layout: str, doc: str) -> Any:
    def operate(
        data: Tensor,
        kernel: Tensor,
        strides: Sizes = 1,
        padding: Padding = "VALID",
        dilation: Sizes = 1,
        groups: int = 1,
        out_dtype: str | None = None,
    ) -> Tensor:
        return conv(data, kernel, strides, padding, dilation, groups, layout, "", out_dtype)

    operate.__name__ = operate.__qualname__ = f"group_conv1d_{layout.lower()}"
    operate.__doc__ = doc
    return operate


def _named(layout: str, doc: str, result: str | None = None) -> Any:
    def operate(
        Input: Tensor,
        Filter: Tensor,
        stride: Sizes = 1,
        padding: Padding = 0,
        dilation: Sizes = 1,
        out_dtype: str | None = result,
    ) -> Tensor:
        return conv(Input, Filter, stride, padding, dilation, 1, layout, "", out_dtype)

    operate.__name__ = operate.__qualname__ = f"conv{len(layout) - 2}d_{layout.lower()}"
    operate.__doc__ = doc
    return operate


def _grouped(layout: str, doc: str, result: str | None = None) -> Any:
    def operate(
        Input: Tensor,
        Filter: Tensor,
        stride: Sizes = 1,
        padding: Padding = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        out_dtype: str | None = result,
    ) -> Tensor:
        return conv(Input, Filter, stride, padding, dilation, groups, layout, "", out_dtype)

    operate.__name__ = operate.__qualname__ = f"group_conv{len(layout) - 2}d_{layout.lower()}"
    operate.__doc__ = doc
    return operate


conv1d_ncw = _one_dimensional("NCW", "Convolution of NCW with OIW.")
conv1d_nwc = _one_dimensional("NWC", "Convolution of NWC with WIO.")
conv2d_nchw = _named("NCHW", "Convolution of NCHW with OIHW.")
conv2d_nhwc = _named("NHWC", "Convolution of NHWC with HWIO.", "float32")
conv2d_hwcn = _named("HWCN", "Convolution of HWCN with HWIO.")
conv3d_ncdhw = _grouped("NCDHW", "Convolution of NCDHW with OIDHW, in groups.")
conv3d_ndhwc = _grouped("NDHWC", "Convolution of NDHWC with DHWIO, in groups.", "float32")
group_conv1d_ncw = _one_dimensional_grouped("NCW", "Convolution of NCW with OIW, in groups.")
group_conv1d_nwc = _one_dimensional_grouped("NWC", "Convolution of NWC with WIO, in groups.")
group_conv2d_nchw = _grouped("NCHW", "Convolution of NCHW with OIHW, in groups.")
group_conv2d_nhwc = _grouped("NHWC", "Convolution of NHWC with HWIO, in groups.")


def depthwise_conv2d_nchw(
    Input: Tensor,
    Filter: Tensor,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
    out_dtype: str | None = None,
) -> Tensor:
    """Every channel with its own filters: `Filter` is (channels, multiplier, height, width)."""
    return _depthwise(Input, Filter, stride, padding, dilation, out_dtype, "NCHW", "CMHW")


def depthwise_conv2d_nhwc(
    Input: Tensor,
    Filter: Tensor,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
    kernel_layout: str = "HWOI",
    out_dtype: str | None = None,
) -> Tensor:
    """Every channel with its own filters: `Filter` is (height, width, channels, multiplier)."""
    order = "HWCM" if kernel_layout == "HWOI" else "HWMC"
    return _depthwise(Input, Filter, stride, padding, dilation, out_dtype, "NHWC", order)


def _depthwise(
    data: Tensor,
    filt: Tensor,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
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
    check_channels(data, filt, data.shape[at["C"]], filt.shape[kat["C"]], 1, 0)
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

    made = compute(shape, element, "DepthwiseConv2d", f"depthwise_conv2d_{layout.lower()}")
    return made if kept == result else cast(made, result)
