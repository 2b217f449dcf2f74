"""Numbers taken apart into planes of bits, and products of such planes by counting."""

from __future__ import annotations

from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..kinds import Padding, Sizes
from ..utils import compute, get_const_int, index_dtype, normalize_axis, reduce_over, require_rank
from .conv import conv_extent, padded
from .utils import get_pad_tuple, numbers, positive

__all__ = [
    "binarize_pack", "binary_dense", "bitpack", "bitserial_conv2d_nchw", "bitserial_conv2d_nhwc",
    "bitserial_dense",
]  # fmt: skip


def _packed_word(bits: list[PrimExpr], dtype: str) -> PrimExpr:
    """The bits, the first one highest, as one word."""
    word: PrimExpr = op.const(0, dtype)
    for bit in bits:
        word = op.bitwise_or(op.shift_left(word, op.const(1, dtype)), op.cast(bit, dtype))
    return word


def bitpack(
    data: Tensor, bits: int, pack_axis: int, bit_axis: int, pack_type: str,
    name: str = "QuantizeInput",
) -> Tensor:  # fmt: skip
    """Integers as planes of their lowest `bits`: `pack_axis` shrinks by the width of `pack_type`,
    whose words hold the bits of neighbours, and a new `bit_axis` counts the planes."""
    width = dtype_of(pack_type).bits
    place = normalize_axis(pack_axis, data.ndim)
    size = get_const_int(data.shape[place])
    positive([bits], "bitpack: bits")
    if not dtype_of(pack_type).is_integral:
        raise ArgumentError(f"bitpack: words are integers, found {pack_type}")
    if size % width:
        raise ArgumentError(f"bitpack: {size} elements do not fill words of {width} bits")
    shape: list[Any] = list(data.shape)
    shape[place] = size // width
    plane = normalize_axis(bit_axis, data.ndim + 1)
    shape.insert(plane, bits)

    def element(*i: PrimExpr) -> PrimExpr:
        own = [*i[:plane], *i[plane + 1 :]]
        found = []
        for k in range(width):
            at = [*own]
            at[place] = own[place] * width + k
            value = op.shift_right(data(*at), op.cast(i[plane], data.dtype))
            found.append(op.bitwise_and(value, op.const(1, data.dtype)))
        return _packed_word(found, pack_type)

    return compute(shape, element, name, tag.INJECTIVE)


def binarize_pack(data: Tensor, axis: int | None = None, name: str = "PackedInput") -> Tensor:
    """The signs of 32 neighbours along `axis` (the last one) as one word: 1 where not negative."""
    place = normalize_axis(-1 if axis is None else axis, data.ndim)
    size = get_const_int(data.shape[place])
    if size % 32:
        raise ArgumentError(f"binarize_pack: {size} elements do not fill words of 32 bits")
    shape: list[Any] = list(data.shape)
    shape[place] = size // 32

    def element(*i: PrimExpr) -> PrimExpr:
        found = []
        for k in range(32):
            at = list(i)
            at[place] = i[place] * 32 + k
            found.append(op.greater_equal(data(*at), op.const(0, data.dtype)))
        return _packed_word(found, "uint32")

    return compute(shape, element, name, "binarize_pack")


def binary_dense(data: Tensor, weight: Tensor) -> Tensor:
    """`data @ weight.T` of signs that `binarize_pack` made, as float32."""
    for tensor in (data, weight):
        require_rank(tensor, 2, "binary_dense")
    k = reduce_over(data.shape[1], "k", index_dtype(data, weight))
    ones = te.compute(
        (data.shape[0], weight.shape[0]),
        lambda i, j: te.sum(
            op.cast(op.popcount(op.bitwise_xor(data(i, k.var), weight(j, k.var))), "int32"), k
        ),
        "compute",
        "binary_dense",
    )
    total = op.cast(data.shape[1], "int32") * 32
    return compute(
        ones.shape,
        lambda *i: op.cast(total - op.const(2, "int32") * ones(*i), "float32"),
        "compute",
        tag.ELEMWISE,
    )


def _product(
    a: PrimExpr, b: PrimExpr, plane_a: PrimExpr, plane_b: PrimExpr, unipolar: bool, dtype: str
) -> PrimExpr:
    """What two words of bits add to a product: weights of planes are -1 and 1 with `unipolar`."""
    both = op.cast(op.popcount(op.bitwise_and(a, b)), dtype)
    if unipolar:
        neither = op.bitwise_and(a, op.bitwise_not(b))
        both = both - op.cast(op.popcount(neither), dtype)
    return op.shift_left(both, op.cast(plane_a + plane_b, dtype))


def bitserial_dense(
    data: Tensor, weight: Tensor, data_bits: int, weight_bits: int, pack_dtype: str = "uint32",
    out_dtype: str = "int16", unipolar: bool = True,
) -> Tensor:  # fmt: skip
    """`data @ weight.T` of integers of few bits; `unipolar`: bits of weights stand for -1 and 1."""
    left = bitpack(data, data_bits, 1, 1, pack_dtype)
    right = bitpack(weight, weight_bits, 1, 1, pack_dtype)
    dtype = index_dtype(data, weight)
    k = reduce_over(left.shape[2], "k", dtype)
    p, q = reduce_over(data_bits, "db", dtype), reduce_over(weight_bits, "wb", dtype)

    def element(i: PrimExpr, j: PrimExpr) -> PrimExpr:
        words = left(i, p.var, k.var), right(j, q.var, k.var)
        made: PrimExpr = te.sum(_product(*words, p.var, q.var, unipolar, out_dtype), [k, p, q])
        return made

    return compute((data.shape[0], weight.shape[0]), element, "compute", "bitserial_dense")


def _conv2d(
    data: Tensor, kernel: Tensor, layout: str, kernel_layout: str, stride: Sizes, padding: Padding,
    bits: tuple[int, int], pack_dtype: str, out_dtype: str, unipolar: bool,
) -> Tensor:  # fmt: skip
    require_rank(data, 4, "bitserial_conv2d")
    require_rank(kernel, 4, "bitserial_conv2d")
    s = numbers(stride, 2, "stride")
    positive(s, "stride")
    at = {letter: layout.index(letter) for letter in "NCHW"}
    kat = {letter: kernel_layout.index(letter) for letter in "OIHW"}
    taps = [get_const_int(kernel.shape[kat[x]]) for x in "HW"]
    top, left, bottom, right = get_pad_tuple(padding, taps)
    planes = bitpack(data, bits[0], at["C"], 4, pack_dtype)
    words = bitpack(kernel, bits[1], kat["I"], 4, pack_dtype)
    source = padded(planes, [at["H"], at["W"]], [top, left], [bottom, right], 0)
    shape: list[Any] = list(data.shape)
    shape[at["C"]] = kernel.shape[kat["O"]]
    for x, n, before, after, step in zip("HW", taps, (top, left), (bottom, right), s, strict=True):
        shape[at[x]] = conv_extent(data.shape[at[x]], n, before, after, step, 1)
    dtype = index_dtype(data, kernel)
    rc = reduce_over(planes.shape[at["C"]], "rc", dtype)
    ry, rx = (reduce_over(n, name, dtype) for n, name in zip(taps, ("ry", "rx"), strict=True))
    p, q = reduce_over(bits[0], "b1", dtype), reduce_over(bits[1], "b2", dtype)

    def element(*i: PrimExpr) -> PrimExpr:
        own, tap = list(i), list(i)
        own[at["C"]] = rc.var
        for x, step, r in zip("HW", s, (ry, rx), strict=True):
            own[at[x]] = i[at[x]] * step + r.var
            tap[kat[x]] = r.var
        tap[kat["I"]], tap[kat["O"]] = rc.var, i[at["C"]]
        pair = source(*own, p.var), words(*tap, q.var)
        made: PrimExpr = te.sum(
            _product(*pair, p.var, q.var, unipolar, out_dtype), [rc, ry, rx, p, q]
        )
        return made

    return compute(shape, element, "Conv2dOutput", f"bitserial_conv2d_{layout.lower()}")


def bitserial_conv2d_nchw(
    data: Tensor, kernel: Tensor, stride: Sizes, padding: Padding, activation_bits: int,
    weight_bits: int, pack_dtype: str = "uint32", out_dtype: str = "int16", unipolar: bool = True,
) -> Tensor:  # fmt: skip
    """The convolution of NCHW with OIHW, both integers of few bits; see `bitserial_dense`."""
    return _conv2d(
        data, kernel, "NCHW", "OIHW", stride, padding, (activation_bits, weight_bits), pack_dtype,
        out_dtype, unipolar,
    )  # fmt: skip


def bitserial_conv2d_nhwc(
    data: Tensor, kernel: Tensor, stride: Sizes, padding: Padding, activation_bits: int,
    weight_bits: int, pack_dtype: str = "uint32", out_dtype: str = "int16", unipolar: bool = True,
) -> Tensor:  # fmt: skip
    """The convolution of NHWC with HWIO, both integers of few bits; see `bitserial_dense`."""
    return _conv2d(
        data, kernel, "NHWC", "HWIO", stride, padding, (activation_bits, weight_bits), pack_dtype,
        out_dtype, unipolar,
    )  # fmt: skip
