"""Narrow floats as the integers that hold them: expressions that decode and encode the bits."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.expr import PrimExpr
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from .. import op as O
from ..function import PrimFunc


@dataclass(frozen=True)
class Format:
    """A sign, `exponent` bits, `mantissa` bits; whether there are infinities."""

    exponent: int
    mantissa: int
    has_infinity: bool

    @property
    def bias(self) -> int:
        """What is added to an exponent."""
        return (1 << (self.exponent - 1)) - 1

    @property
    def bits(self) -> int:
        """The width."""
        return 1 + self.exponent + self.mantissa

    @property
    def magnitude(self) -> int:
        """The mask of all bits but the sign."""
        return (1 << (self.bits - 1)) - 1

    @property
    def overflow(self) -> int:
        """The bits of infinity, or of NaN where there is none: what is too large becomes that."""
        top = ((1 << self.exponent) - 1) << self.mantissa
        return top if self.has_infinity else self.magnitude

    @property
    def nan(self) -> int:
        """The bits of a quiet NaN."""
        if not self.has_infinity:
            return self.magnitude
        return self.overflow | 1 << (self.mantissa - 1)


FORMATS = {
    "bfloat16": Format(8, 7, True),
    "float8_e5m2": Format(5, 2, True),
    "float8_e4m3": Format(4, 3, True),
    "float8_e3m4": Format(3, 4, True),
    "float8_e4m3fn": Format(4, 3, False),
}
"""The types whose values are stored as plain integers."""


def format_of(dtype: str) -> Format:
    """The format of a narrow type. Raises `CompileError` for one that has no plain bits here."""
    element = dtype_of(dtype).element
    if element not in FORMATS:
        raise CompileError(
            f"{element} is not stored as an integer", hint=f"one of {', '.join(FORMATS)} is"
        )
    return FORMATS[element]


def storage_of(dtype: str) -> str:
    """The unsigned type that holds the bits of `dtype`."""
    info = dtype_of(dtype)
    return dtype_of(f"uint{format_of(dtype).bits}").with_lanes(info.lanes)


def _like(value: int | float, dtype: str) -> PrimExpr:
    return O.const(value, dtype)


def decoded(bits: PrimExpr, dtype: str) -> PrimExpr:
    """The `float32` value of `bits`, which hold a `dtype`. Exact."""
    form, lanes = format_of(dtype), dtype_of(dtype).lanes
    word, real = dtype_of("uint32").with_lanes(lanes), dtype_of("float32").with_lanes(lanes)
    wide = O.cast(bits, word)
    if form.exponent == 8:
        return O.reinterpret(real, O.shift_left(wide, _like(23 - form.mantissa, word)))
    size = O.bitwise_and(wide, _like(form.magnitude, word))
    aligned = O.reinterpret(real, O.shift_left(size, _like(23 - form.mantissa, word)))
    value = O.multiply(aligned, _like(2.0 ** (127 - form.bias), real))
    exact = O.reinterpret("uint32" if lanes == 1 else word, value)
    special = O.bitwise_or(exact, _like(0x7F800000, word))
    nan = _like(0x7FC00000, word)
    if form.has_infinity:
        special = O.select(O.greater(size, _like(form.overflow, word)), nan, special)
        special = O.select(
            O.equal(size, _like(form.overflow, word)), _like(0x7F800000, word), special
        )
        is_special = O.greater_equal(size, _like(form.overflow, word))
    else:
        special, is_special = nan, O.equal(size, _like(form.magnitude, word))
    sign = O.shift_left(O.shift_right(wide, _like(form.bits - 1, word)), _like(31, word))
    return O.reinterpret(real, O.bitwise_or(O.select(is_special, special, exact), sign))


def encoded(value: PrimExpr, dtype: str) -> PrimExpr:
    """The bits of the `float32` `value` rounded to `dtype`: to nearest, ties to even."""
    form, lanes = format_of(dtype), dtype_of(dtype).lanes
    word = dtype_of("uint32").with_lanes(lanes)
    bits = O.reinterpret(word, value)
    size = O.bitwise_and(bits, _like(0x7FFFFFFF, word))
    shift = 23 - form.mantissa
    odd = O.bitwise_and(O.shift_right(size, _like(shift, word)), _like(1, word))
    rounded = O.shift_right(
        O.add(size, O.add(odd, _like((1 << (shift - 1)) - 1, word))), _like(shift, word)
    )
    if form.exponent < 8:
        rounded = _rebiased(form, size, rounded, word, lanes)
    too_large = O.greater(rounded, _like(form.overflow - (0 if form.has_infinity else 1), word))
    rounded = O.select(too_large, _like(form.overflow, word), rounded)
    is_nan = O.greater(size, _like(0x7F800000, word))
    rounded = O.select(is_nan, _like(form.nan, word), rounded)
    sign = O.shift_left(O.shift_right(bits, _like(31, word)), _like(form.bits - 1, word))
    return O.cast(O.bitwise_or(rounded, sign), storage_of(dtype))


def _rebiased(form: Format, size: PrimExpr, rounded: PrimExpr, word: str, lanes: int) -> PrimExpr:
    """Exponents of the narrow type; what is below its normal numbers is rounded by adding the
    number whose last bit is the smallest value."""
    real = dtype_of("float32").with_lanes(lanes)
    normal = O.subtract(rounded, _like((127 - form.bias) << form.mantissa, word))
    magic = 2.0 ** (24 - form.bias - form.mantissa)
    total = O.add(O.reinterpret(real, size), _like(magic, real))
    magic_bits = (127 + 24 - form.bias - form.mantissa) << 23
    small = O.subtract(O.reinterpret(word, total), _like(magic_bits, word))
    limit = (127 - form.bias + 1) << 23
    return O.select(O.less(size, _like(limit, word)), small, normal)


_NATIVE_SINCE = {"bfloat16": 80, "float8": 89}
"""The first CUDA architecture that computes in a type, `sm_80` as 80."""


def is_native(func: PrimFunc, kind: str) -> bool:
    """Whether the function's target computes in `bfloat16` or `float8` by itself."""
    target = func.attrs.get("target")
    if target is None or target.kind.name != "cuda":
        return False
    digits = str(target.attrs.get("arch", "")).removeprefix("sm_").rstrip("af")
    return digits.isdigit() and int(digits) >= _NATIVE_SINCE[kind]
