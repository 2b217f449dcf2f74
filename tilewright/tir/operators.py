"""Variables, and what is computed of them: arithmetic, comparisons, logic."""

from __future__ import annotations

from typing import Any, ClassVar

from ..ir.expr import PrimExpr, as_scalar
from ..ir.node import ignored, node, unwalked
from ..ir.type import PrimType, Type
from ..support.dtypes import dtype_of, not_a_dtype
from ..support.errors import ArgumentError, ArgumentTypeError


@node("tir.Var", variable=True)
class Var(PrimExpr):
    """A variable, one object a binding. `dtype` is a data type's name or a `Type` (a pointer)."""

    name: str = ignored()
    dtype: str
    type_annotation: Type = unwalked(default=None, kw_only=True)

    def __post_init__(self) -> None:
        given: Any = self.dtype
        annotation = self.type_annotation
        if not isinstance(self.name, str):
            raise ArgumentTypeError(f"a variable's name is a string, found {self.name!r}")
        if isinstance(given, Type):
            annotation = given
            self.dtype = given.dtype if isinstance(given, PrimType) else "handle"  # type: ignore[misc]
        elif annotation is None:
            annotation = PrimType(given)
            self.dtype = annotation.dtype
        self.type_annotation = annotation  # type: ignore[misc]

    def copy_with_name(self, name: str) -> Var:
        """A new variable of the same type."""
        return type(self)(name, self.dtype, type_annotation=self.type_annotation, span=self.span)

    def copy_with_suffix(self, suffix: str) -> Var:
        """A new variable of the same type, its name lengthened by `suffix`."""
        return self.copy_with_name(self.name + suffix)

    def copy_with_dtype(self, dtype: str) -> Var:
        """A new variable of the same name and another type."""
        return type(self)(self.name, dtype, span=self.span)

    def __repr__(self) -> str:
        return self.name


@node("tir.SizeVar", variable=True)
class SizeVar(Var):
    """A variable that is never negative, such as a dimension."""


@node("tir.StringImm")
class StringImm(PrimExpr):
    """A string constant."""

    value: str

    def __post_init__(self) -> None:
        if not isinstance(self.value, str):
            raise ArgumentTypeError(f"StringImm holds a string, found {self.value!r}", self.span)
        self.dtype = "handle"

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        return self.value == (other.value if isinstance(other, StringImm) else other)

    def __ne__(self, other: object) -> bool:  # type: ignore[override]
        return not self == other

    __hash__ = PrimExpr.__hash__


@node("tir.Cast")
class Cast(PrimExpr):
    """`value` converted to `dtype`: floats to integers round towards zero and saturate."""

    dtype: str
    value: PrimExpr

    def __post_init__(self) -> None:
        if not isinstance(self.value, PrimExpr):
            self.value = as_scalar(self.value)
        try:
            lanes = dtype_of(self.dtype).lanes
        except TypeError:  # what cannot be hashed, too
            raise not_a_dtype(self.dtype) from None
        if lanes != dtype_of(self.value.dtype).lanes:
            raise ArgumentError(
                f"a cast keeps the lanes: {self.value.dtype} to {self.dtype}", self.span
            )


def _operands(which: str, of: Any) -> str:
    """Converts plain numbers, checks that the types agree, and returns the common dtype."""
    a, b = of.a, of.b
    if not isinstance(a, PrimExpr):
        a = of.a = as_scalar(a, b.dtype if isinstance(b, PrimExpr) else None)
    if not isinstance(b, PrimExpr):
        b = of.b = as_scalar(b, a.dtype)
    if a.dtype != b.dtype:
        raise ArgumentError(f"{which} of {a.dtype} and {b.dtype}: the types differ", of.span)
    return a.dtype


@node("tir.BinaryOpExpr")
class BinaryOpExpr(PrimExpr):
    """Two operands of one type, which is the result's."""

    is_checked: ClassVar[bool] = True
    is_frequent: ClassVar[bool] = True
    a: PrimExpr
    b: PrimExpr

    def __post_init__(self) -> None:
        a, b = self.a, self.b
        if isinstance(a, PrimExpr) and isinstance(b, PrimExpr) and a.dtype == b.dtype:
            self.dtype = a.dtype
        else:
            self.dtype = _operands(type(self).__name__, self)


@node("tir.Add")
class Add(BinaryOpExpr):
    """`a + b`; integers wrap around."""


@node("tir.Sub")
class Sub(BinaryOpExpr):
    """`a - b`."""


@node("tir.Mul")
class Mul(BinaryOpExpr):
    """`a * b`."""


@node("tir.Div")
class Div(BinaryOpExpr):
    """`a / b`: for integers, the quotient rounded towards zero."""


@node("tir.Mod")
class Mod(BinaryOpExpr):
    """What `Div` leaves over: its sign is `a`'s."""


@node("tir.FloorDiv")
class FloorDiv(BinaryOpExpr):
    """The quotient rounded towards minus infinity."""


@node("tir.FloorMod")
class FloorMod(BinaryOpExpr):
    """What `FloorDiv` leaves over: its sign is `b`'s."""


@node("tir.Min")
class Min(BinaryOpExpr):
    """The smaller one; NaN if either is."""


@node("tir.Max")
class Max(BinaryOpExpr):
    """The larger one; NaN if either is."""


@node("tir.CmpExpr")
class CmpExpr(PrimExpr):
    """A comparison of two operands of one type; the result is `bool` with their lanes."""

    is_checked: ClassVar[bool] = True
    is_frequent: ClassVar[bool] = True
    a: PrimExpr
    b: PrimExpr

    def __post_init__(self) -> None:
        lanes = dtype_of(_operands(type(self).__name__, self)).lanes
        self.dtype = dtype_of("bool").with_lanes(lanes)

    def asobject(self) -> CmpExpr:
        """The comparison as a node, which it is."""
        return self


@node("tir.EQ")
class EQ(CmpExpr):
    """`a == b`. As a Python condition: whether both are the same object."""

    def __bool__(self) -> bool:
        return self.a is self.b


@node("tir.NE")
class NE(CmpExpr):
    """`a != b`. As a Python condition: whether they are different objects."""

    def __bool__(self) -> bool:
        return self.a is not self.b


@node("tir.LT")
class LT(CmpExpr):
    """`a < b`."""


@node("tir.LE")
class LE(CmpExpr):
    """`a <= b`."""


@node("tir.GT")
class GT(CmpExpr):
    """`a > b`."""


@node("tir.GE")
class GE(CmpExpr):
    """`a >= b`."""


def _require_bool(which: str, value: PrimExpr) -> None:
    if not dtype_of(value.dtype).is_bool:
        raise ArgumentError(f"{which} needs boolean operands, found {value.dtype}", value.span)


@node("tir.And")
class And(PrimExpr):
    """Both conditions."""

    is_checked: ClassVar[bool] = True
    a: PrimExpr
    b: PrimExpr

    def __post_init__(self) -> None:
        self.dtype = _operands("And", self)
        _require_bool("And", self.a)


@node("tir.Or")
class Or(PrimExpr):
    """Either condition."""

    is_checked: ClassVar[bool] = True
    a: PrimExpr
    b: PrimExpr

    def __post_init__(self) -> None:
        self.dtype = _operands("Or", self)
        _require_bool("Or", self.a)


@node("tir.Not")
class Not(PrimExpr):
    """The opposite of a condition."""

    is_checked: ClassVar[bool] = True
    a: PrimExpr

    def __post_init__(self) -> None:
        self.a = as_scalar(self.a)  # type: ignore[misc]
        _require_bool("Not", self.a)
        self.dtype = self.a.dtype


@node("tir.Select")
class Select(PrimExpr):
    """`true_value` where `condition`, else `false_value`; both are computed."""

    is_checked: ClassVar[bool] = True
    condition: PrimExpr
    true_value: PrimExpr
    false_value: PrimExpr

    def __post_init__(self) -> None:
        yes, no = self.true_value, self.false_value
        if not isinstance(yes, PrimExpr):
            yes = as_scalar(yes, no.dtype if isinstance(no, PrimExpr) else None)
        if not isinstance(no, PrimExpr):
            no = as_scalar(no, yes.dtype)
        self.true_value, self.false_value = yes, no  # type: ignore[misc]
        if not isinstance(self.condition, PrimExpr):
            self.condition = as_scalar(self.condition)
        _require_bool("Select", self.condition)
        if yes.dtype != no.dtype:
            raise ArgumentError(f"Select of {yes.dtype} and {no.dtype}", self.span)
        lanes = dtype_of(self.condition.dtype).lanes
        if lanes not in (1, dtype_of(yes.dtype).lanes):
            raise ArgumentError(
                f"Select of {yes.dtype} by a condition of {self.condition.dtype}", self.span
            )
        self.dtype = yes.dtype
