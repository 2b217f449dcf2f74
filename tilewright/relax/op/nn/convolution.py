"""Convolutions and their transposes, of one to three spatial dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .... import topi
from ....ir.expr import IntImm, PrimExpr
from ....support.errors import CompileError
from ...base import Expr
from ...dims import as_dim, simplify
from ...struct_info import TensorStructInfo
from .. import _infer
from .._declare import Sample, op, sample
from .._samples import array
from . import _reference as reference
from ._layout import SPATIAL, axes_of, inner_block


def listed(value: Any, rank: int) -> list[Any]:
    """`value`, a number or a list of 1 or `rank` numbers, as a list of `rank`."""
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(items) == 1:
        items = items * rank
    if len(items) != rank:
        raise CompileError(f"expected {rank} numbers, found {items}")
    return items


def pads(padding: Any, rank: int) -> tuple[list[Any], list[Any]]:
    """Padding before and after each spatial axis, from 1, `rank` or `2 * rank` numbers."""
    items = list(padding) if isinstance(padding, (list, tuple)) else [padding]
    if len(items) == 2 * rank:
        return items[:rank], items[rank:]
    both = listed(items, rank)
    return both, list(both)


def check_window(strides: Sequence[Any], dilation: Sequence[Any], padding: Sequence[Any]) -> None:
    """Raises `CompileError` unless a window moves on, and its input only grows."""
    for what, values, least in (
        ("strides", strides, 1), ("dilation", dilation, 1), ("padding", padding, 0),
    ):  # fmt: skip
        if any(isinstance(v, int) and v < least for v in values):
            wanted = "positive" if least else "at least 0"
            raise CompileError(f"{what} must be {wanted}, found {list(values)}")


def logical(dims: Sequence[PrimExpr], layout: str, letter: str) -> PrimExpr:
    """The whole extent along a letter, its split-off part included."""
    axes, blocks = axes_of(layout), inner_block(layout)
    extent = dims[axes[letter]]
    small = letter.lower()
    return simplify(extent * blocks[small]) if small in blocks else extent


def _require_rank(info: TensorStructInfo, layout: str, what: str) -> None:
    if info.ndim not in (-1, len(axes_of(layout))):
        raise CompileError(
            f"{what} of layout {layout} has {info.ndim} dimensions",
            hint="give one dimension a letter of the layout, or name another layout",
        )


def _conv_infer(rank: int) -> Any:
    def infer(
        data: Any, weight: Any, strides: Any, padding: Any, dilation: Any, groups: int,
        data_layout: str, kernel_layout: str, out_layout: str | None, out_dtype: str | None,
    ) -> Any:  # fmt: skip
        x, w = _infer.tensor(data, "the data"), _infer.tensor(weight, "the weight")
        _require_rank(x, data_layout, "data")
        _require_rank(w, kernel_layout, "a weight")
        dtype = out_dtype or _infer.common_dtype(x, w)
        target = out_layout or data_layout
        if x.dims is None or w.dims is None:
            return _infer.like(x, None, len(axes_of(target)), dtype)
        if groups < 1:
            raise CompileError(f"groups must be positive, found {groups}")
        channels = logical(w.dims, kernel_layout, "I")
        have = logical(x.dims, data_layout, "C")
        _infer.require_equal(have, simplify(channels * groups), "input channels")
        before, after = pads(padding, rank)
        check_window(listed(strides, rank), listed(dilation, rank), [*before, *after])
        extents: dict[str, PrimExpr] = {
            "N": x.dims[axes_of(data_layout)["N"]],
            "C": logical(w.dims, kernel_layout, "O"),
        }
        for i, letter in enumerate(SPATIAL[rank]):
            size = x.dims[axes_of(data_layout)[letter]]
            k = w.dims[axes_of(kernel_layout)[letter]]
            reach = (k - 1) * listed(dilation, rank)[i] + 1
            room = size + as_dim(before[i]) + as_dim(after[i]) - reach
            extents[letter] = simplify(room // listed(strides, rank)[i] + 1)
            if isinstance(extents[letter], IntImm) and extents[letter].value < 0:  # type: ignore[attr-defined]
                raise CompileError(f"a kernel of {reach} is larger than the padded {letter}")
        return _infer.like(x, _arranged(extents, target), dtype=dtype)

    return infer


def _arranged(extents: dict[str, PrimExpr], layout: str) -> list[PrimExpr]:
    blocks = inner_block(layout)
    out: list[PrimExpr] = []
    for letter in axes_of(layout):
        if letter.islower():
            out.append(IntImm("int64", blocks[letter]))
        elif letter.lower() in blocks:
            out.append(simplify(extents[letter] // blocks[letter.lower()]))
        else:
            out.append(extents[letter])
    return out


def _conv_lower(rank: int) -> Any:
    def lower(
        data: Any, weight: Any, strides: Any, padding: Any, dilation: Any, groups: int,
        data_layout: str, kernel_layout: str, out_layout: str | None, out_dtype: str | None,
    ) -> Any:  # fmt: skip
        before, after = pads(padding, rank)
        window = (listed(strides, rank), [*before, *after], listed(dilation, rank))
        target = out_layout or data_layout
        if inner_block(data_layout) or inner_block(kernel_layout):
            return _blocked(data, weight, window, groups, data_layout, target, out_dtype)
        made = topi.nn.conv(data, weight, *window, groups, data_layout, kernel_layout, out_dtype)
        return made if target == data_layout else topi.layout_transform(made, data_layout, target)

    return lower


def _blocked(
    data: Any,
    weight: Any,
    window: tuple[Any, Any, Any],
    groups: int,
    layout: str,
    target: str,
    dtype: str | None,
) -> Any:
    """A convolution of blocked channels; with one channel a group it is depthwise."""
    if groups == 1:
        return topi.nn.conv2d_NCHWc(data, weight, *window, layout, target, dtype)
    per_group = weight.shape[1]
    if len(weight.shape) == 6 and _infer.is_one(per_group) and _infer.is_one(weight.shape[4]):
        return topi.nn.depthwise_conv2d_NCHWc(data, weight, *window, layout, target, dtype)
    return topi.nn.group_conv2d_NCHWc(data, weight, *window, groups, layout, target, dtype)


def _conv_reference(rank: int) -> Any:
    def evaluate(
        data: Any, weight: Any, strides: Any, padding: Any, dilation: Any, groups: int,
        data_layout: str, kernel_layout: str, out_layout: str | None, out_dtype: str | None,
    ) -> Any:  # fmt: skip
        before, after = pads(padding, rank)
        return reference.conv(
            data, weight, listed(strides, rank), [*before, *after], listed(dilation, rank), groups,
            data_layout, kernel_layout, out_layout or data_layout, out_dtype,
        )  # fmt: skip

    return evaluate


def _conv_samples(rank: int) -> Any:
    x, spatial = (2, 4, *(7, 6, 5)[:rank]), SPATIAL[rank]

    def make() -> list[Sample]:
        w = (6, 4, *(3, 2, 3)[:rank])
        uneven = [2, *[1] * (2 * rank - 1)]
        grouped = (4, 2, *(3, 3, 1)[:rank])
        plain = {"data_layout": "NC" + spatial, "kernel_layout": "OI" + spatial}
        last = {"data_layout": f"N{spatial}C", "kernel_layout": "OI" + spatial}
        return [
            sample(array(x), array(w, seed=1), padding=1, **plain),
            sample(array(x), array(grouped, seed=1), strides=2, groups=2, padding=1, **plain),
            sample(array(x), array(w, seed=1), dilation=2, padding=uneven, **plain),
            sample(array((2, *x[2:], 4)), array(w, seed=1), padding=1, **last),
        ]  # fmt: skip

    return make


def _declare(rank: int) -> Any:
    data, kernel = "NC" + SPATIAL[rank], "OI" + SPATIAL[rank]

    def declare(
        data: Expr,
        weight: Expr,
        strides: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        data_layout: str = data,
        kernel_layout: str = kernel,
        out_layout: str | None = None,
        out_dtype: str | None = None,
    ) -> Expr:
        raise NotImplementedError

    declare.__name__ = f"conv{rank}d"
    declare.__doc__ = (
        f"The convolution over {rank} spatial dimensions (a correlation: the kernel is not "
        "turned).\n\n    Layouts name the axes, a blocked channel as in `NCHW16c` and "
        "`OIHW16i16o`."
    )
    return op(
        f"nn.conv{rank}d",
        infer=_conv_infer(rank),
        lower=_conv_lower(rank),
        reference=_conv_reference(rank),
        samples=_conv_samples(rank),
        pattern="out_elemwise_fusable",
    )(declare)


conv1d = _declare(1)
conv2d = _declare(2)
conv3d = _declare(3)


def _transposed_infer(rank: int) -> Any:
    def infer(
        data: Any, weight: Any, strides: Any, padding: Any, output_padding: Any, dilation: Any,
        groups: int, data_layout: str, kernel_layout: str, out_layout: str | None,
        out_dtype: str | None,
    ) -> Any:  # fmt: skip
        x, w = _infer.tensor(data, "the data"), _infer.tensor(weight, "the weight")
        _require_rank(x, data_layout, "data")
        _require_rank(w, kernel_layout, "a weight")
        dtype = out_dtype or _infer.common_dtype(x, w)
        target = out_layout or data_layout
        if x.dims is None or w.dims is None:
            return _infer.like(x, None, len(axes_of(target)), dtype)
        _infer.require_equal(
            logical(x.dims, data_layout, "C"), logical(w.dims, kernel_layout, "I"),
            "input channels",
        )  # fmt: skip
        before, after = pads(padding, rank)
        extents: dict[str, PrimExpr] = {
            "N": x.dims[axes_of(data_layout)["N"]],
            "C": simplify(logical(w.dims, kernel_layout, "O") * groups),
        }
        for i, letter in enumerate(SPATIAL[rank]):
            size = x.dims[axes_of(data_layout)[letter]]
            k = w.dims[axes_of(kernel_layout)[letter]]
            reach = (k - 1) * listed(dilation, rank)[i] + 1
            grown = (size - 1) * listed(strides, rank)[i] + reach
            extra = listed(output_padding, rank)[i]
            extents[letter] = simplify(grown - before[i] - after[i] + extra)
        return _infer.like(x, _arranged(extents, target), dtype=dtype)

    return infer


def _transposed_lower(
    data: Any, weight: Any, strides: Any, padding: Any, output_padding: Any, dilation: Any,
    groups: int, data_layout: str, kernel_layout: str, out_dtype: str | None,
) -> Any:  # fmt: skip
    rank = len(strides)
    plain, kernel = "NC" + SPATIAL[rank], "IO" + SPATIAL[rank]
    x = data if data_layout == plain else topi.layout_transform(data, data_layout, plain)
    w = weight if kernel_layout == kernel else topi.layout_transform(weight, kernel_layout, kernel)
    made = topi.nn.conv_transpose(
        x, w, strides, padding, out_dtype, output_padding, groups, dilation
    )
    return made if data_layout == plain else topi.layout_transform(made, plain, data_layout)


def _transposed_call(function: Any, rank: int) -> Any:
    def call(
        data: Any, weight: Any, strides: Any, padding: Any, output_padding: Any, dilation: Any,
        groups: int, data_layout: str, kernel_layout: str, out_layout: str | None,
        out_dtype: str | None,
    ) -> Any:  # fmt: skip
        before, after = pads(padding, rank)
        return function()(
            data, weight, listed(strides, rank), [*before, *after], listed(output_padding, rank),
            listed(dilation, rank), groups, data_layout, kernel_layout, out_dtype,
        )  # fmt: skip

    return call


def _declare_transposed(rank: int) -> Any:
    data, kernel = "NC" + SPATIAL[rank], "IO" + SPATIAL[rank]

    def declare(
        data: Expr,
        weight: Expr,
        strides: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        data_layout: str = data,
        kernel_layout: str = kernel,
        out_layout: str | None = None,
        out_dtype: str | None = None,
    ) -> Expr:
        raise NotImplementedError

    declare.__name__ = f"conv{rank}d_transpose"
    declare.__doc__ = f"The transpose (gradient) of a convolution over {rank} dimensions."

    def make_samples() -> list[Sample]:
        x = array((2, 4, *(4, 5, 3)[:rank]))
        w, grouped = (4, 3, *(3, 2, 2)[:rank]), (4, 2, *(2, 3, 2)[:rank])
        return [
            sample(x, array(w, seed=1)),
            sample(x, array(w, seed=1), strides=2, padding=1, output_padding=1),
            sample(x, array(grouped, seed=1), strides=2, groups=2),
            sample(x, array(w, seed=1), dilation=2, padding=1),
        ]

    return op(
        f"nn.conv{rank}d_transpose",
        infer=_transposed_infer(rank),
        lower=_transposed_call(lambda: _transposed_lower, rank),
        reference=_transposed_call(lambda: reference.conv_transpose, rank),
        samples=make_samples,
        pattern="out_elemwise_fusable",
    )(declare)


conv1d_transpose = _declare_transposed(1)
conv2d_transpose = _declare_transposed(2)
conv3d_transpose = _declare_transposed(3)

__all__ = [
    "conv1d", "conv1d_transpose", "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose",
]  # fmt: skip
