"""The nodes of Relax programs: values, bindings, blocks and functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.expr import OPERATORS, BaseFunc, FloatImm, GlobalVar, IntImm, PrimExpr, as_scalar
from ..ir.node import ItemsAsFields, Node, binders, definition, ignored, node
from ..ir.op import Op
from ..script.ir_builder import IRBuilder
from ..support.arrays import as_constant
from ..support.dtypes import dtype_name, dtype_of
from ..support.errors import ArgumentError, ArgumentTypeError
from ..support.span import Span
from ..tir.op import call_tir
from .base import HOOKS, Expr, ExprWithOp, ShapeExpr, StructInfo, item_of
from .struct_info import FuncStructInfo, ObjectStructInfo, TensorStructInfo

__all__ = [
    "Attrs", "Binding", "BindingBlock", "Call", "Constant", "DataTypeImm", "DataflowBlock",
    "DataflowVar", "Expr", "ExprWithOp", "ExternFunc", "Function", "GlobalVar", "If", "MatchCast",
    "PrimValue", "SeqExpr", "ShapeExpr", "StringImm", "StructInfo", "Tuple", "TupleGetItem", "Var",
    "VarBinding", "const", "extern", "get_shape_of", "te_tensor",
]  # fmt: skip


class Attrs(dict[str, Any]):
    """Attributes of a call, by key or as Python attributes: `call.attrs.strides`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"there is no attribute {name!r}; there are {', '.join(self) or 'none'}"
            ) from None


@node("relax.Var", variable=True)
class Var(ExprWithOp):
    """A variable, bound once: a parameter or the name of a binding's value."""

    name_hint: str = ignored()
    struct_info: StructInfo | None = None

    def __post_init__(self) -> None:
        if self.struct_info is not None and not isinstance(self.struct_info, StructInfo):
            raise ArgumentError(
                f"the struct info of variable `{self.name_hint}` is a "
                f"{type(self.struct_info).__name__}"
            )

    @property
    def struct_info_(self) -> StructInfo | None:
        """The struct info, or None."""
        return self.struct_info

    @property
    def vid(self) -> Var:
        """What holds the name (itself)."""
        return self


@node("relax.DataflowVar", variable=True)
class DataflowVar(Var):
    """A variable that only its own dataflow block sees."""


@node("relax.Constant")
class Constant(ExprWithOp):
    """A tensor known at compile time. `array` is a read-only view of what was given, not a copy."""

    array: np.ndarray[Any, Any]
    annotation: StructInfo | None = ignored(default=None)

    def __post_init__(self) -> None:
        self.array = as_constant(self.array)  # type: ignore[misc]
        if self.annotation is not None:
            self._struct_info = self.annotation

    def _is_described(self) -> bool:
        return True

    @property
    def data(self) -> Any:
        """The value as a runtime tensor that shares the memory."""
        from ..runtime.constants import constant_tensor  # loaded only when it is needed

        return constant_tensor(self.array)

    @property
    def dtype(self) -> str:
        """The element type."""
        return dtype_name(self.array.dtype)


@node("relax.Tuple")
class Tuple(ExprWithOp):
    """A tuple of values."""

    items: tuple[Expr, ...]

    def __post_init__(self) -> None:
        self.items = tuple(self.items)  # type: ignore[misc]
        for item in self.items:
            if not isinstance(item, Expr):
                raise ArgumentError(f"an item of a Tuple is a {type(item).__name__}", self.span)

    def _is_described(self) -> bool:
        return all(item.struct_info_ is not None for item in self.items)

    def __getitem__(self, index: int | slice) -> Any:
        """The item at an index; the tuple of those in a slice. Raises `IndexError` outside of
        the tuple."""
        return item_of(self.items, index, "item", "tuple")

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Expr]:
        return iter(self.items)


Tuple.fields = ItemsAsFields(Tuple.fields)  # type: ignore[assignment]


@node("relax.TupleGetItem")
class TupleGetItem(ExprWithOp):
    """The item of `tuple_value` at `index`."""

    tuple_value: Expr
    index: int


@node("relax.PrimValue")
class PrimValue(Expr):
    """A scalar expression as a value."""

    value: PrimExpr

    def __post_init__(self) -> None:
        given: Any = self.value
        if isinstance(given, PrimValue):
            given = given.value
        wide = "int64" if type(given) is int else None
        self.value = as_scalar(given, wide)  # type: ignore[misc]

    def _is_described(self) -> bool:
        return True


@node("relax.StringImm")
class StringImm(Expr):
    """A string constant."""

    value: str

    def _is_described(self) -> bool:
        return True


@node("relax.DataTypeImm")
class DataTypeImm(Expr):
    """A data type as a value."""

    value: str

    def __post_init__(self) -> None:
        self.value = dtype_name(self.value)  # type: ignore[misc]

    def _is_described(self) -> bool:
        return True


@node("relax.Call")
class Call(ExprWithOp):
    """`op` applied to `args`; what is not a value lies in `attrs`.

    `sinfo_args` describes the result of operators that cannot derive it (`call_tir`).
    """

    op: Expr
    args: tuple[Expr, ...]
    attrs: Attrs = field(default_factory=Attrs)
    sinfo_args: tuple[StructInfo, ...] = ()

    def __post_init__(self) -> None:
        known = self.op.struct_info if isinstance(self.op, Var) else None
        if known is not None and not isinstance(known, (FuncStructInfo, ObjectStructInfo)):
            raise ArgumentError(
                f"`{name_of(self.op)}` is called but is no function: `{known}`", self.span
            )
        self.args = tuple(self.args)  # type: ignore[misc]
        for index, arg in enumerate(self.args):
            if not isinstance(arg, Expr):
                raise ArgumentError(
                    f"argument {index} of a call of `{name_of(self.op)}` is a {type(arg).__name__}",
                    self.span,
                    hint="kernels are `cls.name`, constants R.const(value), texts R.str(text)",
                )
        if type(self.attrs) is not Attrs:
            self.attrs = Attrs(self.attrs or {})  # type: ignore[misc]
        given: Any = self.sinfo_args
        self.sinfo_args = (given,) if isinstance(given, StructInfo) else tuple(given or ())  # type: ignore[misc]


def name_of(op: Any) -> str:
    """The name of an operator, function or variable, for messages."""
    for attribute in ("name", "name_hint", "global_symbol"):
        if isinstance(getattr(op, attribute, None), str):
            return str(getattr(op, attribute))
    return type(op).__name__


@node("relax.Binding")
class Binding(Node):
    """A variable and what it is bound to."""

    if TYPE_CHECKING:

        @property
        def var(self) -> Var:
            """The variable."""

        @property
        def value(self) -> Expr:
            """What it is bound to."""


@node("relax.VarBinding")
class VarBinding(Binding):
    """`var = value`"""

    var: Var = definition()
    value: Expr


@node("relax.MatchCast")
class MatchCast(Binding):
    """`var = value`, checked at run time to be what `struct_info` says, binding its variables."""

    var: Var = definition()
    value: Expr
    struct_info: StructInfo = definition()


@node("relax.BindingBlock")
class BindingBlock(Node):
    """Bindings in order."""

    bindings: tuple[Binding, ...] = binders()

    def __post_init__(self) -> None:
        self.bindings = tuple(self.bindings)  # type: ignore[misc]


@node("relax.DataflowBlock")
class DataflowBlock(BindingBlock):
    """Bindings without side effects or control flow."""


@node("relax.SeqExpr")
class SeqExpr(ExprWithOp):
    """The value of `body` after the bindings of `blocks`."""

    blocks: tuple[BindingBlock, ...] = binders()
    body: Expr

    def __post_init__(self) -> None:
        self.blocks = tuple(self.blocks)  # type: ignore[misc]

    def bindings(self) -> Iterator[Binding]:
        """All bindings in order."""
        for block in self.blocks:
            yield from block.bindings


def as_seq(value: Expr) -> SeqExpr:
    """`value` as a sequence of no bindings, unless it is one already."""
    return value if isinstance(value, SeqExpr) else SeqExpr((), value, span=value.span)


@node("relax.If")
class If(ExprWithOp):
    """`true_branch` if `cond` (a boolean scalar) holds, else `false_branch`."""

    cond: Expr
    true_branch: SeqExpr
    false_branch: SeqExpr

    def __post_init__(self) -> None:
        self.true_branch = as_seq(self.true_branch)  # type: ignore[misc]
        self.false_branch = as_seq(self.false_branch)  # type: ignore[misc]


@node("relax.Function")
class Function(BaseFunc):
    """`body` over `params`; a closure if it uses variables of an outer function.

    `ret_struct_info` is what the body gives, unless that is not known or does not fit what is told.

    Attributes in use: `global_symbol` (public), `num_input` (parameters after these are weights),
    `Primitive`, `Composite`, `Codegen`, `relax.force_pure`, `tir_var_upper_bound`.
    """

    params: tuple[Var, ...] = definition()
    body: SeqExpr
    ret_struct_info: StructInfo = None  # type: ignore[assignment]
    is_pure: bool = True
    attrs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.params = tuple(self.params)  # type: ignore[misc]
        for param in self.params:
            if not isinstance(param, Var) or param.struct_info is None:
                raise ArgumentError(
                    f"parameter `{name_of(param)}` of a function has no struct info", self.span
                )
        self.body = as_seq(self.body)  # type: ignore[misc]
        self.attrs = dict(self.attrs or {})  # type: ignore[misc]
        self.is_pure = bool(self.is_pure)  # type: ignore[misc]
        self.ret_struct_info = HOOKS["return_info"](self)  # type: ignore[misc]

    @staticmethod
    def create_empty(
        params: Sequence[Var],
        ret_struct_info: StructInfo,
        is_pure: bool = True,
        attrs: dict[str, Any] | None = None,
        span: Span | None = None,
    ) -> Function:
        """A function whose body is yet to come: it returns an empty tuple."""
        return Function(
            tuple(params), as_seq(Tuple(())), ret_struct_info, is_pure, attrs or {}, span=span
        )

    def __call__(self, *args: Any) -> Call:
        return Call(self, tuple(as_expr(a) for a in args))

    def bind_symbolic_vars(self, binding_map: dict[Any, Any]) -> Function:
        """The function with symbolic variables (or their names) replaced by dimensions."""
        made: Function = HOOKS["bind_symbolic_vars"](self, binding_map)
        return made

    def bind_params(self, binding_map: dict[Any, Any]) -> Function:
        """The function with parameters (or their names) replaced by constants or expressions."""
        made: Function = HOOKS["bind_params"](self, binding_map)
        return made


@node("relax.ExternFunc")
class ExternFunc(BaseFunc):
    """A function known by name to the runtime."""

    global_symbol: str
    annotation: StructInfo | None = None
    attrs: dict[str, Any] = field(default_factory=dict)

    def __call__(self, *args: Any) -> Call:
        return Call(self, tuple(as_expr(a) for a in args))


def const(value: Any, dtype: str | None = None) -> Constant:
    """A constant tensor from a number, an array or a runtime tensor.

    Without `dtype`, Python floats become float32, ints int32 and bools bool; arrays keep theirs and
    are not copied.
    """
    if isinstance(value, Constant):
        return value if dtype is None else Constant(value.array.astype(dtype_of(dtype).numpy))
    if dtype is None and isinstance(value, (bool, int, float, list, tuple)):
        value = np.asarray(value)
        narrow = {"float64": "float32", "int64": "int32"}.get(str(value.dtype))
        value = value if narrow is None else value.astype(narrow)
    array = as_constant(value)
    if dtype is not None and array.dtype != dtype_of(dtype).numpy:
        array = array.astype(dtype_of(dtype).numpy)
    return Constant(array)


def extern(
    name: str, struct_info: StructInfo | None = None, span: Span | None = None
) -> ExternFunc:
    """The function `name` of the runtime."""
    return ExternFunc(name, struct_info, span=span)


def get_shape_of(expr: Expr) -> Expr:
    """The shape of a tensor expression: known dimensions if possible, else a call."""
    info = expr.struct_info
    if not isinstance(info, TensorStructInfo):
        raise ArgumentError(f"only tensors have a shape, found `{info}`", expr.span)
    if info.shape is not None:
        return info.shape
    return Call(Op.get("relax.shape_of"), (expr,))


def te_tensor(value: Expr, tir_var_map: dict[Any, PrimExpr], name: str = "rxplaceholder") -> Any:
    """A placeholder of `te` with the shape and dtype of `value`, symbolic variables mapped."""
    return HOOKS["placeholder"](value.struct_info, tir_var_map, name)


def as_expr(value: Any) -> Expr:
    """`value` as an expression: scalars become `PrimValue`, strings, tuples and arrays their own
    nodes, plain numbers `PrimValue`."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, (PrimExpr, bool, int, float)):
        return PrimValue(value)  # type: ignore[arg-type]
    if isinstance(value, str):
        return StringImm(value)
    if isinstance(value, (tuple, list)):
        return Tuple(tuple(as_expr(v) for v in value))
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "view_numpy"):
        return const(value)
    raise ArgumentError(f"cannot make an expression of a {type(value).__name__}")


def _update_struct_info(expr: Expr, struct_info: StructInfo) -> None:
    """Sets what is known of `expr`; for passes that build nodes."""
    if isinstance(expr, Var):
        expr.struct_info = struct_info  # type: ignore[misc]
    else:
        expr._struct_info = struct_info


def as_operand(value: Any, other: Expr) -> Expr:
    """`value` as the operand of an operator beside `other`, whose dtype a number takes."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, (IntImm, FloatImm)):
        value = value.value
    if isinstance(value, PrimExpr):
        return PrimValue(value)
    info = other.struct_info_
    dtype = info.dtype if isinstance(info, TensorStructInfo) and info.dtype else None
    return const(value, dtype)


def _item(value: Any, index: int) -> TupleGetItem:
    if isinstance(index, IntImm):
        index = index.value
    if not isinstance(index, int):
        raise ArgumentTypeError(
            f"an item of a tuple is chosen by an integer, found {type(index).__name__}",
            hint="parts of tensors are R.strided_slice(x, ...) and R.take(x, ...)",
        )
    fields = getattr(value.struct_info_, "items", None)
    if isinstance(fields, tuple) and not -len(fields) <= index < len(fields):
        raise IndexError(f"item {index} of a tuple of {len(fields)}")
    return TupleGetItem(value, index + len(fields) if index < 0 and fields else index)


def _operator(name: str, *operands: Any) -> Call:
    make: Callable[..., Call] = Op.get(f"relax.{name}").get_attr("make")
    if len(operands) == 2 and name != "astype":
        a, b = operands
        a, b = (a, as_operand(b, a)) if isinstance(a, Expr) else (as_operand(a, b), b)
        return make(a, b)
    return make(*operands)


HOOKS["item"] = _item
HOOKS["operator"] = _operator
HOOKS["call"] = lambda func, args, attrs: Call(
    func, tuple(as_expr(a) for a in args), Attrs(attrs or {})
)


def _call_global(gvar: GlobalVar, args: Sequence[Any]) -> Any:
    """A call from Relax if all arguments are values of Relax, else one from TensorIR."""
    in_kernel = IRBuilder.is_in_scope() and "writer" in IRBuilder.current().facts
    if not in_kernel and all(isinstance(a, (Expr, tuple, list, np.ndarray)) for a in args):
        return Call(gvar, tuple(as_expr(a) for a in args))
    return call_tir(gvar, *args)


OPERATORS["call_global"] = _call_global
OPERATORS["extern_func"] = lambda var: ExternFunc(var.name_hint, var.struct_info_)
