"""Expressions that every dialect shares: scalars with operators, ranges, global names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..support.dtypes import DType, dtype_of, not_a_dtype
from ..support.errors import ArgumentError, ArgumentTypeError
from .node import Node, node


@node("ir.BaseExpr")
class BaseExpr(Node):
    """The base of all expressions."""


OPERATORS: dict[str, Callable[..., Any]] = {}
"""What `a + b` and its kin build, by the name of the Python method; filled by `tir.op`."""


def _operate(name: str, *args: Any) -> PrimExpr:
    made: PrimExpr = OPERATORS[name](*args)
    return made


class _Typed(BaseExpr):
    """Gives scalars their `dtype` without making it a constructor field of every one."""

    __slots__ = ("dtype",)
    dtype: str


@node("ir.PrimExpr")
class PrimExpr(_Typed):
    """A scalar or vector computation; `dtype` is the data type of its value.

    Python's operators build further expressions and fold constants as they go. `==` compares by
    building an `EQ`, whose truth value is identity of the two sides; `/` needs floats, `//` and
    `%` round towards minus infinity.
    """

    def __add__(self, other: object) -> PrimExpr:
        return _operate("add", self, other)

    def __radd__(self, other: object) -> PrimExpr:
        return _operate("add", other, self)

    def __sub__(self, other: object) -> PrimExpr:
        return _operate("sub", self, other)

    def __rsub__(self, other: object) -> PrimExpr:
        return _operate("sub", other, self)

    def __mul__(self, other: object) -> PrimExpr:
        return _operate("mul", self, other)

    def __rmul__(self, other: object) -> PrimExpr:
        return _operate("mul", other, self)

    def __truediv__(self, other: object) -> PrimExpr:
        return _operate("truediv", self, other)

    def __rtruediv__(self, other: object) -> PrimExpr:
        return _operate("truediv", other, self)

    def __floordiv__(self, other: object) -> PrimExpr:
        return _operate("floordiv", self, other)

    def __rfloordiv__(self, other: object) -> PrimExpr:
        return _operate("floordiv", other, self)

    def __mod__(self, other: object) -> PrimExpr:
        return _operate("floormod", self, other)

    def __rmod__(self, other: object) -> PrimExpr:
        return _operate("floormod", other, self)

    def __neg__(self) -> PrimExpr:
        return _operate("neg", self)

    def __lshift__(self, other: object) -> PrimExpr:
        return _operate("shift_left", self, other)

    def __rlshift__(self, other: object) -> PrimExpr:
        return _operate("shift_left", other, self)

    def __rshift__(self, other: object) -> PrimExpr:
        return _operate("shift_right", self, other)

    def __rrshift__(self, other: object) -> PrimExpr:
        return _operate("shift_right", other, self)

    def __and__(self, other: object) -> PrimExpr:
        return _operate("bitwise_and", self, other)

    def __rand__(self, other: object) -> PrimExpr:
        return _operate("bitwise_and", other, self)

    def __or__(self, other: object) -> PrimExpr:
        return _operate("bitwise_or", self, other)

    def __ror__(self, other: object) -> PrimExpr:
        return _operate("bitwise_or", other, self)

    def __xor__(self, other: object) -> PrimExpr:
        return _operate("bitwise_xor", self, other)

    def __rxor__(self, other: object) -> PrimExpr:
        return _operate("bitwise_xor", other, self)

    def __invert__(self) -> PrimExpr:
        return _operate("bitwise_not", self)

    def __lt__(self, other: object) -> PrimExpr:
        return _operate("lt", self, other)

    def __le__(self, other: object) -> PrimExpr:
        return _operate("le", self, other)

    def __gt__(self, other: object) -> PrimExpr:
        return _operate("gt", self, other)

    def __ge__(self, other: object) -> PrimExpr:
        return _operate("ge", self, other)

    def __eq__(self, other: object) -> PrimExpr:  # type: ignore[override]
        return _operate("eq", self, other)

    def __ne__(self, other: object) -> PrimExpr:  # type: ignore[override]
        return _operate("ne", self, other)

    __hash__ = Node.__hash__

    def __bool__(self) -> bool:
        raise ArgumentError(
            f"the truth value of `{self}` is not known while the program is being written",
            hint="use tir.all, tir.any or tir.if_then_else for a condition in the program; "
            "compare nodes with `is` or structural_equal",
        )

    def equal(self, other: object, span: Any = None) -> PrimExpr:
        """The expression `self == other`."""
        return _operate("eq", self, other, span)

    def astype(self, dtype: str, span: Any = None) -> PrimExpr:
        """This value converted to `dtype`."""
        return _operate("cast", self, dtype, span)


PrimExprLike: TypeAlias = PrimExpr | int | float | bool | np.number[Any]


def _constant_dtype(name: str) -> DType:
    try:
        return dtype_of(name)
    except TypeError:  # what cannot be hashed, too
        raise not_a_dtype(name) from None


@node("tir.IntImm")
class IntImm(PrimExpr):
    """An integer constant (or a `bool`) of type `dtype`."""

    dtype: str
    value: int

    def __post_init__(self) -> None:
        if type(self.value) is not int:
            if not isinstance(self.value, (int, np.integer, np.bool_, IntImm)):
                raise ArgumentError(f"IntImm holds an integer, found {self.value!r}", self.span)
            self.value = int(self.value)  # type: ignore[misc]
        info = _constant_dtype(self.dtype)
        self.dtype = info.name  # type: ignore[misc]
        if not info.is_integral or info.lanes != 1:
            raise ArgumentError(f"IntImm needs a scalar integer dtype, found {self.dtype}")
        if not info.min_value <= self.value <= info.max_value:
            raise ArgumentError(
                f"{self.value} does not fit into {self.dtype}", self.span,
                hint=f"it holds {info.min_value} to {info.max_value}",
            )  # fmt: skip

    def __bool__(self) -> bool:
        return self.value != 0

    def __int__(self) -> int:
        return self.value

    __index__ = __int__


def _as_float(value: Any) -> float:
    try:
        if not isinstance(value, str):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ArgumentError(f"FloatImm holds a number, found {value!r}")


@node("tir.FloatImm")
class FloatImm(PrimExpr):
    """A floating-point constant of type `dtype`; `value` is held in double precision."""

    dtype: str
    value: float

    def __post_init__(self) -> None:
        value = self.value = _as_float(self.value)  # type: ignore[misc]
        info = _constant_dtype(self.dtype)
        if not (info.is_float or info.is_custom) or info.lanes != 1:
            raise ArgumentError(f"FloatImm needs a scalar floating dtype, found {self.dtype}")
        if info.is_float and not info.holds(value):
            raise ArgumentError(
                f"{value} does not fit into {self.dtype}", self.span,
                hint=f"its largest number is {info.max_value:g}; write a wider type, or infinity",
            )  # fmt: skip

    def __bool__(self) -> bool:
        return self.value != 0.0

    def __float__(self) -> float:
        return self.value


@node("ir.Range")
class Range(Node):
    """The integers from `min`, `extent` of them."""

    min: PrimExpr
    extent: PrimExpr

    def __post_init__(self) -> None:
        lo, extent = as_scalar(self.min), as_scalar(self.extent)
        wide = "int64" if "int64" in (lo.dtype, extent.dtype) else lo.dtype
        self.min = _widen(lo, wide)  # type: ignore[misc]
        self.extent = _widen(extent, wide)  # type: ignore[misc]

    @staticmethod
    def from_min_extent(min_value: PrimExprLike, extent: PrimExprLike) -> Range:
        """The range of `extent` integers from `min_value`."""
        return Range(as_scalar(min_value), as_scalar(extent))

    @property
    def end(self) -> PrimExpr:
        """One past the last integer."""
        return self.min + self.extent


def _widen(value: PrimExpr, dtype: str) -> PrimExpr:
    return IntImm(dtype, value.value) if isinstance(value, IntImm) else value


def as_scalar(value: object, dtype: str | None = None) -> PrimExpr:
    """`value` as an expression: Python ints become `int32` (`int64` if large), floats `float32`.

    `dtype`, if given, is the type of the constant made. What stands for an expression says so by
    its method `as_expr`. Raises `ArgumentError` for other kinds.
    """
    if isinstance(value, PrimExpr):
        return value
    if isinstance(value, (bool, np.bool_)):
        return IntImm(dtype or "bool", int(value))
    if isinstance(value, (int, np.integer)):
        if dtype is not None and (dtype_of(dtype).is_float or dtype_of(dtype).is_custom):
            return FloatImm(dtype, float(value))
        narrow = -(2**31) <= int(value) < 2**31
        return IntImm(dtype or ("int32" if narrow else "int64"), int(value))
    if isinstance(value, (float, np.floating)):
        return FloatImm(dtype or "float32", float(value))
    as_expr = getattr(value, "as_expr", None)
    if as_expr is not None:
        made: PrimExpr = as_expr()
        return made
    raise ArgumentError(
        f"expected a scalar expression or a number, found {type(value).__name__}",
        hint="index it, as in `A[i]`"
        if hasattr(value, "shape")
        else "write a number, or an expression of variables and elements of buffers",
    )


class _Described(BaseExpr):
    """Gives expressions a place for their struct info, which is derived and never compared."""

    __slots__ = ("_struct_info",)


@node("ir.RelaxExpr")
class RelaxExpr(_Described):
    """An expression over tensors and other run-time objects.

    Its struct info (what is known of the value: kind, shape, dtype) is derived when first asked
    for, and kept.
    """

    @property
    def struct_info(self) -> Any:
        """What is known of the value. Raises `CompileError` if it cannot be derived."""
        known = self.struct_info_
        if known is None:
            known = self._struct_info = OPERATORS["struct_info"](self)
        return known

    @property
    def struct_info_(self) -> Any:
        """What is known of the value so far; None if it must be deduced and nobody has asked."""
        known = getattr(self, "_struct_info", None)
        if known is None and self._is_described():
            known = self._struct_info = OPERATORS["struct_info"](self)
        return known

    def _is_described(self) -> bool:
        """Whether the expression's own fields tell its struct info."""
        return False


@node("ir.GlobalVar")
class GlobalVar(RelaxExpr):
    """The name of a function of a module."""

    name_hint: str

    def __post_init__(self) -> None:
        if not isinstance(self.name_hint, str):
            raise ArgumentTypeError(f"a function's name is a string, found {self.name_hint!r}")

    def __call__(self, *args: Any) -> Any:
        """A call of this function: relax.Call or tir.Call, by the kind of the arguments."""
        return OPERATORS["call_global"](self, args)

    def __repr__(self) -> str:
        return f'I.GlobalVar("{self.name_hint}")'


@node("ir.BaseFunc")
class BaseFunc(RelaxExpr):
    """The base of functions of every dialect: `attrs` maps names to plain data or nodes."""

    if TYPE_CHECKING:

        @property
        def attrs(self) -> dict[str, Any]:
            """Attributes by name."""

    def with_attr(self, attr_key_or_dict: str | dict[str, Any], attr_value: Any = None) -> Any:
        """A copy with one attribute set, or with all of a dict."""
        named = attr_key_or_dict
        new = named if isinstance(named, dict) else {named: attr_value}
        return self.replace(attrs={**self.attrs, **new})

    def without_attr(self, attr_key: str) -> Any:
        """A copy that lacks the attribute."""
        return self.replace(attrs={k: v for k, v in self.attrs.items() if k != attr_key})

    def with_attrs(self, attr_map: dict[str, Any]) -> Any:
        """A copy with all of `attr_map` set."""
        return self.with_attr(attr_map)
