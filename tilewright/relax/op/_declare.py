"""How an operator is declared: once, in one place, with tables of meaning.

The decorated function is the operator's signature and documentation; its body is empty.
Parameters annotated `Expr`, `Expr | None`, `Tensors`, `Shape` or `Prim` are the call's arguments,
in order; all others are attributes. Every meaning is a function of the same parameters in the
same order:

* `infer` gets the arguments' struct infos and gives the result's;
* `lower` gets tensors of `te` (dimensions for a shape, a list for a tuple), gives one or several;
* `reference` gets NumPy arrays (integers for a shape) and gives one or a tuple of them;
* `decompose` gets Relax expressions and gives one made of other operators.

A missing optional argument is None. A meaning that has a parameter named `call` is given the call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ...ir.expr import FloatImm, IntImm, PrimExpr
from ...ir.op import Op, register_op
from ...support.dtypes import dtype_name
from ...support.errors import ArgumentError, ArgumentTypeError, CompileError, TVMError
from ..base import HOOKS, Expr, ShapeExpr, StructInfo
from ..dims import sizes_shown
from ..expr import Attrs, Call, Constant, PrimValue, StringImm, Tuple, as_expr, const

F = TypeVar("F", bound=Callable[..., Any])
Tensors: TypeAlias = "Expr | Sequence[Expr]"
Shape: TypeAlias = "Expr | Sequence[PrimExpr | int]"
Prim: TypeAlias = "Expr | PrimExpr | int | float"
Meaning: TypeAlias = Callable[..., Any]


def _one(value: Any) -> Expr:
    return const(value) if isinstance(value, (bool, int, float)) else as_expr(value)


def _shape(value: Any) -> Expr:
    if isinstance(value, Expr):
        return value
    return ShapeExpr(value if isinstance(value, (list, tuple)) else (value,))  # type: ignore[arg-type]


def _tensors(value: Any) -> Expr:
    if isinstance(value, Expr):
        return value
    if not isinstance(value, (list, tuple)):
        raise ArgumentTypeError(
            f"expected tensors in a list or a tuple, found {type(value).__name__}",
            hint="write [x, y]",
        )
    return Tuple(tuple(as_expr(v) for v in value))


ARGUMENT_KINDS: dict[str, Callable[[Any], Expr]] = {
    "Expr": _one,
    "Expr | None": _one,
    "Tensors": _tensors,
    "Tensors | None": _tensors,
    "Shape": _shape,
    "Shape | None": _shape,
    "Prim": as_expr,
    "Prim | None": as_expr,
}
"""How a Python value becomes an argument, by the parameter's annotation."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: an argument of calls (`as_argument` makes it) or an attribute (None)."""

    name: str
    as_argument: Callable[[Any], Expr] | None
    default: Any = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs to try an operator on: arrays (tuples of arrays, shapes) and attributes."""

    args: tuple[Any, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)


def sample(*args: Any, **attrs: Any) -> Sample:
    """`Sample` written as the operator's call."""
    return Sample(args, attrs)


@dataclass(slots=True)
class Declaration:
    """All that is known of an operator; see the module."""

    name: str
    parameters: tuple[Parameter, ...]
    infer: Meaning
    lower: Meaning | None = None
    reference: Meaning | None = None
    decompose: Meaning | None = None
    gradient: Meaning | None = None
    samples: Callable[[], Iterable[Sample]] | None = None
    convert: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    onnx: str = ""
    torch: str = ""
    pure: bool = True
    pattern: str = ""
    doc: str = ""
    signature: inspect.Signature = field(default_factory=inspect.Signature)
    tolerance: float | None = None
    elementwise: bool = False
    packed: str = ""
    distributed: bool = False

    @property
    def short_name(self) -> str:
        """The name without its namespaces: what kernels made of it are called."""
        return self.name.rsplit(".", 1)[-1]

    def make(self, *args: Any, **kwargs: Any) -> Call:
        """The call with these arguments. Raises `ArgumentError` that names a wrong one."""
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{self.name}: {error}") from None
        bound.apply_defaults()
        values: list[Expr | None] = []
        attrs = Attrs()
        for parameter in self.parameters:
            value = bound.arguments[parameter.name]
            if parameter.name in self.convert:
                value = self._converted(parameter.name, value)
            if parameter.as_argument is None:
                attrs[parameter.name] = plain(value)
            else:
                values.append(self._argument(parameter, value))
        return Call(Op.get(self.name), _without_tail(values), attrs)

    def _converted(self, name: str, value: Any) -> Any:
        try:
            return self.convert[name](value)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{self.name}: argument `{name}`: {error}") from None

    def _argument(self, parameter: Parameter, value: Any) -> Expr | None:
        if value is None:
            return None
        assert parameter.as_argument is not None
        try:
            return parameter.as_argument(value)
        except TVMError as error:
            raise ArgumentError(f"{self.name}: argument `{parameter.name}`: {error}") from None

    def bind(self, call: Call, args: Sequence[Any]) -> list[Any]:
        """The parameters' values for a meaning: `args` (None: missing) and the attributes."""
        given = iter(args)
        return [
            call.attrs.get(p.name, None if p.default is inspect.Parameter.empty else p.default)
            if p.as_argument is None
            else next(given, None)
            for p in self.parameters
        ]

    def apply(self, meaning: Meaning, call: Call, args: Sequence[Any]) -> Any:
        """`meaning` of `call`, given what the meaning needs of each argument."""
        values = self.bind(call, args)
        return meaning(*values, call=call) if _wants_call(meaning) else meaning(*values)

    def infer_call(self, call: Call) -> StructInfo:
        """The struct info of a call. Raises `CompileError` that names the operator."""
        infos = [None if is_null(a) else a.struct_info for a in call.args]
        try:
            made: StructInfo
            if not self.distributed and any(map(_is_spread, infos)):
                made = HOOKS["infer_distributed"](
                    call, infos, lambda whole: self.apply(self.infer, call, whole)
                )
            else:
                made = self.apply(self.infer, call, infos)
            return made
        except TVMError as error:
            if error.message.startswith("relax."):
                raise
            raise CompileError(
                f"{self.name}: {sizes_shown(error.message)}",
                call.span, note=error.note, hint=error.hint,
            ) from error  # fmt: skip

    def evaluate(self, call: Call, args: Sequence[Any]) -> Any:
        """The reference's value of a call on NumPy values."""
        if self.reference is None:
            raise CompileError(f"{self.name} has no reference", call.span)
        with np.errstate(all="ignore"):  # infinities and NaN are values like others
            return self.apply(self.reference, call, args)


@cache
def _wants_call(meaning: Meaning) -> bool:
    python = inspect.isfunction(meaning) or inspect.ismethod(meaning)
    return python and "call" in inspect.signature(meaning).parameters


def _is_spread(info: StructInfo | None) -> bool:
    """True for the struct info of a tensor on a mesh, or of a tuple of such."""
    items = getattr(info, "items", (info,))
    return any(getattr(item, "device_mesh", None) is not None for item in items)


def _without_tail(values: list[Expr | None]) -> tuple[Expr, ...]:
    while values and values[-1] is None:
        values.pop()
    return tuple(null_value() if v is None else v for v in values)


def null_value() -> Call:
    """What stands for an optional argument that is left out before others."""
    return Call(Op.get("relax.null_value"), ())


def is_null(value: Expr) -> bool:
    """True for what stands for a missing argument."""
    return isinstance(value, Call) and value.op is Op.get("relax.null_value")


def plain(value: Any) -> Any:
    """`value` as an attribute: constants as Python numbers, lists as tuples, dtypes as names."""
    if isinstance(value, (IntImm, FloatImm)):
        return bool(value.value) if value.dtype == "bool" else value.value
    if isinstance(value, (np.generic, PrimValue, StringImm)):
        return value.item() if isinstance(value, np.generic) else plain(value.value)
    if isinstance(value, (list, tuple)):
        return tuple(plain(v) for v in value)
    if isinstance(value, Constant) and value.array.ndim == 0:
        return value.array.item()
    if isinstance(value, (np.dtype, type)):
        return dtype_name(value)
    return value


def declaration(name_or_op: Any) -> Declaration | None:
    """The declaration of an operator (`Op`, or its name with or without `relax.`), or None."""
    if isinstance(name_or_op, str):
        full = name_or_op if name_or_op.startswith("relax.") else f"relax.{name_or_op}"
        return DECLARATIONS.get(full)
    return name_or_op.get_attr("declaration") if isinstance(name_or_op, Op) else None


DECLARATIONS: dict[str, Declaration] = {}
"""Every declared operator by its full name."""


def _parameter(p: inspect.Parameter) -> Parameter:
    annotation = p.annotation if isinstance(p.annotation, str) else "Any"
    return Parameter(p.name, ARGUMENT_KINDS.get(annotation), p.default)


def op(
    name: str,
    *,
    infer: Meaning,
    lower: Meaning | None = None,
    reference: Meaning | None = None,
    decompose: Meaning | None = None,
    gradient: Meaning | None = None,
    samples: Callable[[], Iterable[Sample]] | None = None,
    convert: Mapping[str, Callable[[Any], Any]] | None = None,
    onnx: str = "",
    torch: str = "",
    pure: bool = True,
    pattern: str = "",
    tolerance: float | None = None,
    elementwise: bool = False,
    packed: str = "",
    distributed: bool = False,
) -> Callable[[F], F]:
    """Declares the operator `relax.<name>`; the decorated function becomes its constructor.

    `convert` maps parameters to what normalizes their values; `gradient(call, output_grad)` gives
    one expression an argument; `pattern` fixes the fusion kind (else the kernel is analysed). An
    element of an `elementwise` operator's result comes of the elements at its place, operands
    broadcast, and `lower` takes constants of one element as numbers. `packed` names the function
    of the runtime that computes what no kernel can, such as results whose shapes depend on data:
    it takes the parameters in order; `distributed` says that `infer` itself knows tensors spread
    over a mesh.
    """

    def declare(function: F) -> F:
        signature = inspect.signature(function)
        made = Declaration(
            f"relax.{name}",
            tuple(_parameter(p) for p in signature.parameters.values()),
            infer, lower, reference, decompose, gradient, samples, dict(convert or {}),
            onnx, torch, pure, pattern, function.__doc__ or "", signature, tolerance, elementwise,
            packed, distributed,
        )  # fmt: skip
        DECLARATIONS[made.name] = made
        register_op(
            made.name, declaration=made, infer=made.infer_call, make=made.make, FPurity=pure
        )

        def construct(*args: Any, **kwargs: Any) -> Call:
            return made.make(*args, **kwargs)

        construct.__name__ = function.__name__
        construct.__qualname__ = function.__qualname__
        construct.__module__ = function.__module__
        construct.__doc__ = function.__doc__
        construct.__wrapped__ = function  # type: ignore[attr-defined]
        construct.declaration = made  # type: ignore[attr-defined]
        return construct  # type: ignore[return-value]

    return declare
