"""Data types: the strings of the IR (`float32`, `int8x4`, `bool`) taken apart once and cached."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, cast

import ml_dtypes
import numpy as np

from .errors import ArgumentError, ArgumentTypeError

_ML_DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(getattr(ml_dtypes, name))
    for name in (
        "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn",
        "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
        "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn",
    )
}  # fmt: skip
_PYTHON_TYPES: dict[type, str] = {bool: "bool", int: "int64", float: "float64"}
_PLAIN = re.compile(r"(float|int|uint|bool|handle|void)(\d*)$")
_VECTOR = re.compile(r"(.*?)(?:x(\d+)|xvscalex(\d+))$")
_CUSTOM = re.compile(r"custom\[(\w+)\](\d+)$")
CUSTOM_TYPES: dict[str, int] = {}
"""The names of custom types and their numbers; `target.datatype.register` declares one."""
_INTEGER_BITS = (1, 2, 4, 8, 16, 32, 64, 128)
_SUBBYTE = {"float6_e2m3fn": 6, "float6_e3m2fn": 6, "float4_e2m1fn": 4}


class Lanes(int):
    """A number of lanes, which is also read as the constant that it stands for."""

    dtype = "int32"

    @property
    def value(self) -> int:
        """The number."""
        return int(self)


class ScalableLanes(int):
    """The lanes of a scalable vector, `float32xvscalex4`: this many times what the machine has.

    As a number the multiple; more than any fixed count, and equal to no fixed count.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScalableLanes) and int(self) == int(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(("vscale", int(self)))

    def __gt__(self, other: int) -> bool:
        return int(self) > int(other) if isinstance(other, ScalableLanes) else True

    def __lt__(self, other: int) -> bool:
        return isinstance(other, ScalableLanes) and int(self) < int(other)

    def __ge__(self, other: int) -> bool:
        return not self < other

    def __le__(self, other: int) -> bool:
        return not self > other

    def __mul__(self, other: int) -> ScalableLanes:
        return ScalableLanes(int(self) * int(other))

    __rmul__ = __mul__


@dataclass(frozen=True, slots=False)
class DType:
    """A data type taken apart: `code` (`int`, `uint`, `float`, `bool`, `handle`, `bfloat`,
    `float8_e4m3fn`...), `bits` of one lane, `lanes` (`ScalableLanes` of a scalable vector)."""

    name: str
    code: str
    bits: int
    lanes: int

    @property
    def bytes(self) -> int:
        """Storage size of the whole value in bytes (a `bool` takes one)."""
        return (self.bits * self.lanes + 7) // 8 if self.code != "bool" else self.lanes

    @cached_property
    def element(self) -> str:
        """The name of the type of one lane."""
        vector = _VECTOR.match(self.name) if self.lanes > 1 else None
        return vector.group(1) if vector else self.name

    @property
    def is_scalable(self) -> bool:
        """A vector of as many lanes as the machine has, times `lanes`."""
        return isinstance(self.lanes, ScalableLanes)

    @property
    def is_float(self) -> bool:
        """Any floating-point type, the narrow ones included."""
        return self.code.startswith(("float", "bfloat"))

    @property
    def is_int(self) -> bool:
        """A signed integer."""
        return self.code == "int"

    @property
    def is_uint(self) -> bool:
        """An unsigned integer; `bool` is not one."""
        return self.code == "uint"

    @property
    def is_integral(self) -> bool:
        """A signed or unsigned integer or a `bool`."""
        return self.code in ("int", "uint", "bool")

    @property
    def is_bool(self) -> bool:
        """A truth value."""
        return self.code == "bool"

    @property
    def is_custom(self) -> bool:
        """A type of which only the width is known: `custom[posit]32`."""
        return self.code.startswith("custom[")

    @property
    def is_handle(self) -> bool:
        """An address or an object."""
        return self.code == "handle"

    def with_lanes(self, lanes: int) -> str:
        """The name of the type with the same lanes' type and `lanes` lanes."""
        if isinstance(lanes, ScalableLanes):
            return f"{self.element}xvscalex{int(lanes)}"
        return self.element if lanes == 1 else f"{self.element}x{lanes}"

    @cached_property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy type of one lane. Raises `ArgumentError` for handles."""
        if self.element in _ML_DTYPES:
            return _ML_DTYPES[self.element]
        if self.code in ("handle", "void") or self.is_custom:
            raise ArgumentError(f"dtype {self.name} has no NumPy equivalent")
        return np.dtype(self.element)

    def holds(self, value: float) -> bool:
        """Whether a float stands for a number of this type: it is infinite, not a number, or not
        beyond the largest one. Where that is no whole number it is often written with fewer digits
        (3.4028235e38), rounded up: such a number is held if it rounds to the largest one.
        """
        if not math.isfinite(value) or abs(value) <= self.max_value:
            return True
        if self.code != "bfloat" and self.bits < 32:
            return False
        with np.errstate(all="ignore"):
            return math.isfinite(self.numpy.type(value))

    @cached_property
    def min_value(self) -> int | float:
        """The smallest finite value."""
        if self.code == "bool":
            return 0
        if self.is_integral:
            return -(1 << (self.bits - 1)) if self.is_int and self.bits > 1 else 0
        return float(ml_dtypes.finfo(self.numpy).min)

    @cached_property
    def max_value(self) -> int | float:
        """The largest finite value."""
        if self.code == "bool":
            return 1
        if self.is_integral:
            signed = self.is_int and self.bits > 1
            return (1 << (self.bits - 1)) - 1 if signed else (1 << self.bits) - 1
        return float(ml_dtypes.finfo(self.numpy).max)


def not_a_dtype(given: object) -> ArgumentTypeError:
    """The error that `given` does not name a data type."""
    return ArgumentTypeError(f"a data type is a name such as float32, found {given!r}")


@cache
def dtype_of(name: str) -> DType:
    """`name` taken apart; no name at all is `void`. Raises `ArgumentError` if it is no type."""
    if not isinstance(name, str):
        raise not_a_dtype(name)
    if not name:
        return dtype_of("void")
    vector = None if name in _ML_DTYPES else _VECTOR.match(name)
    lanes = int(vector.group(2) or 1) if vector else 1
    if vector is not None and vector.group(3):
        lanes = ScalableLanes(vector.group(3))
    base = vector.group(1) if vector else name
    if base in _ML_DTYPES:
        code = "bfloat" if base == "bfloat16" else base
        bits = _SUBBYTE.get(base, 16 if base == "bfloat16" else 8)
        return DType(name, code, bits, lanes)
    custom = _CUSTOM.match(base)
    if custom is not None:
        return _custom_type(name, custom.group(1), int(custom.group(2)), lanes)
    plain = _PLAIN.match(base)
    if plain is None or (plain.group(1) in ("bool", "void") and plain.group(2)):
        raise ArgumentError(
            f"unknown dtype {name!r}", hint="expected a name such as float32, int8x4 or bool"
        )
    code = plain.group(1)
    if base == "uint1":
        return dtype_of(name.replace("uint1", "bool", 1))
    default = {"bool": 8, "handle": 64, "void": 0}.get(code, 32)
    bits = int(plain.group(2) or default)
    if code in ("int", "uint") and bits not in _INTEGER_BITS:
        raise ArgumentError(
            f"unknown dtype {name!r}",
            hint=f"integers have {', '.join(map(str, _INTEGER_BITS))} bits",
        )
    if code == "float" and bits not in (16, 32, 64):
        raise ArgumentError(f"unknown dtype {name!r}", hint="floats have 16, 32 or 64 bits")
    canonical = name if plain.group(2) or code not in ("float", "int", "uint") else f"{name}{bits}"
    return DType(canonical, code, bits, lanes)


def _custom_type(name: str, kind: str, bits: int, lanes: int) -> DType:
    if kind not in CUSTOM_TYPES:
        raise ArgumentError(
            f"unknown dtype {name!r}: no custom type is called {kind!r}",
            hint=f"target.datatype.register({kind!r}, 150) declares it",
        )
    return DType(name, f"custom[{kind}]", bits, lanes)


def dtype_name(dtype: object) -> str:
    """The IR's name of a NumPy, ml_dtypes, Python, torch or tvm-ffi data type."""
    if isinstance(dtype, str):
        return dtype_of(dtype).name
    if isinstance(dtype, type) and dtype in _PYTHON_TYPES:
        return _PYTHON_TYPES[dtype]
    try:
        return dtype_of(str(np.dtype(cast(Any, dtype)))).name
    except (TypeError, ValueError):
        return dtype_of(str(dtype).removeprefix("torch.")).name
