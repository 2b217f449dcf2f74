"""Patterns: descriptions of dataflow to look for in programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import GlobalVar
from ...ir.op import Op
from ...ir.structural import structural_equal
from ...support.errors import ArgumentError
from ..base import Expr, ShapeExpr, StructInfo
from ..dims import all_equal, as_dims
from ..expr import (
    Call,
    Constant,
    DataflowVar,
    ExternFunc,
    Function,
    Tuple,
    TupleGetItem,
    Var,
)
from ..struct_info import ShapeStructInfo, TensorStructInfo

Matches = dict["DFPattern", Expr]
Lookup = Callable[[Var], "Expr | None"]


class DFPattern:
    """A description of expressions. Patterns combine: `|`, `&`, `~`, calls, `has_dtype`..."""

    def __call__(self, *args: DFPattern, varg_default_wildcard: bool = False) -> CallPattern:
        """Calls of what this describes, with arguments that `args` describe."""
        return CallPattern(self, args, varg_default_wildcard)

    def __or__(self, other: DFPattern) -> OrPattern:
        return OrPattern(self, other)

    def __and__(self, other: DFPattern) -> AndPattern:
        return AndPattern(self, other)

    def __invert__(self) -> NotPattern:
        return NotPattern(self)

    def has_attr(self, attrs: Mapping[str, Any]) -> AttrPattern:
        """Calls (or functions) with these attributes."""
        return AttrPattern(self, dict(attrs))

    def has_struct_info(self, struct_info: StructInfo) -> StructInfoPattern:
        """Values that this struct info describes."""
        return StructInfoPattern(self, struct_info)

    def has_dtype(self, dtype: str) -> DataTypePattern:
        """Tensors of `dtype`."""
        return DataTypePattern(self, dtype)

    def has_shape(self, shape: Sequence[Any]) -> ShapePattern:
        """Tensors of `shape`."""
        return ShapePattern(self, as_dims(shape))

    def optional(self, option: Callable[[DFPattern], DFPattern]) -> OrPattern:
        """This, or what `option` makes of it: `conv.optional(is_op("relax.nn.relu"))`."""
        return OrPattern(option(self), self)

    def dup(self) -> DFPattern:
        """An equal pattern that may match something else."""
        import copy

        return copy.copy(self)

    def match(self, expr: Expr, var2val: Mapping[Var, Expr] | None = None) -> bool:
        """True if this describes `expr`; variables stand for their values in `var2val`."""
        return self.extract_matched_expr(expr, var2val) is not None

    def extract_matched_expr(
        self, expr: Expr, var2val: Mapping[Var, Expr] | None = None
    ) -> Matches | None:
        """What each pattern within this one matched, or None."""
        known = dict(var2val or {})
        return match(self, expr, known.get)

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        """Whether the pattern itself, its parts included, describes `expr`."""
        raise NotImplementedError


class Matcher:
    """One attempt to match: what patterns have matched so far, with backtracking."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.found: Matches = {}

    def value(self, expr: Expr) -> Expr:
        """The value of a variable that is bound to one, else the expression."""
        while isinstance(expr, Var):
            bound = self.lookup(expr)
            if bound is None:
                return expr
            expr = bound
        return expr

    def match(self, pattern: DFPattern, expr: Expr) -> bool:
        """Whether `pattern` describes `expr`; one pattern matches one value only."""
        known = self.found.get(pattern)
        if known is not None:
            return self.value(known) is self.value(expr)
        before = dict(self.found)
        if pattern.visit(self, expr):
            self.found[pattern] = expr
            return True
        self.found = before
        return False

    def all(self, patterns: Sequence[DFPattern], exprs: Sequence[Expr]) -> bool:
        """Whether the patterns describe the expressions one by one."""
        before = dict(self.found)
        if len(patterns) == len(exprs) and all(
            self.match(p, e) for p, e in zip(patterns, exprs, strict=True)
        ):
            return True
        self.found = before
        return False


def match(pattern: DFPattern, expr: Expr, lookup: Lookup) -> Matches | None:
    """What each part of `pattern` matched in `expr`, or None if it does not match."""
    matcher = Matcher(lookup)
    return matcher.found if matcher.match(pattern, expr) else None


@dataclass(eq=False)
class WildcardPattern(DFPattern):
    """Anything."""

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        return True


@dataclass(eq=False)
class ExprPattern(DFPattern):
    """One expression: an operator, or something structurally equal."""

    expr: Expr

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        value = matcher.value(expr)
        return value is self.expr or (
            not isinstance(self.expr, Op) and structural_equal(self.expr, value)
        )


@dataclass(eq=False)
class VarPattern(DFPattern):
    """A variable, of this name if one is given."""

    name: str = ""
    kind: type[Var] = Var

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        return isinstance(expr, self.kind) and self.name in ("", expr.name_hint)


@dataclass(eq=False)
class GlobalVarPattern(DFPattern):
    """A function of the module, of this name if one is given."""

    name: str = ""

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        return isinstance(expr, GlobalVar) and self.name in ("", expr.name_hint)


@dataclass(eq=False)
class ExternFuncPattern(DFPattern):
    """A packed function, of this name if one is given."""

    global_symbol: str = ""

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        return isinstance(expr, ExternFunc) and self.global_symbol in ("", expr.global_symbol)


@dataclass(eq=False)
class ConstantPattern(DFPattern):
    """Any constant tensor."""

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        return isinstance(matcher.value(expr), Constant)


COMMUTATIVE = frozenset(("relax.add", "relax.multiply", "relax.maximum", "relax.minimum"))


@dataclass(eq=False)
class CallPattern(DFPattern):
    """A call; `varg_default_wildcard` lets it have more arguments than patterns."""

    op: DFPattern
    args: tuple[DFPattern, ...]
    varg_default_wildcard: bool = False

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        call = matcher.value(expr)
        if not isinstance(call, Call) or not matcher.match(self.op, call.op):
            return False
        args: Sequence[Expr] = call.args
        if self.varg_default_wildcard:
            args = args[: len(self.args)]
        if matcher.all(self.args, args):
            return True
        swaps = isinstance(call.op, Op) and call.op.name in COMMUTATIVE
        return swaps and matcher.all(self.args, args[::-1])


@dataclass(eq=False)
class FunctionPattern(DFPattern):
    """A function with these parameters and body."""

    params: tuple[DFPattern, ...]
    body: DFPattern

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        func = matcher.value(expr)
        return (
            isinstance(func, Function)
            and matcher.all(self.params, func.params)
            and matcher.match(self.body, func.body)
        )


@dataclass(eq=False)
class TuplePattern(DFPattern):
    """A tuple of these items, in order or (`unordered`) in any."""

    fields: tuple[DFPattern, ...]
    unordered: bool = False

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        value = matcher.value(expr)
        if not isinstance(value, Tuple):
            return False
        if not self.unordered:
            return matcher.all(self.fields, value.items)
        return len(value.items) == len(self.fields) and self._any(matcher, list(value.items), 0)

    def _any(self, matcher: Matcher, items: list[Expr], place: int) -> bool:
        if place == len(self.fields):
            return True
        before = dict(matcher.found)
        for index, item in enumerate(items):
            rest = items[:index] + items[index + 1 :]
            if matcher.match(self.fields[place], item) and self._any(matcher, rest, place + 1):
                return True
            matcher.found = dict(before)
        return False


@dataclass(eq=False)
class TupleGetItemPattern(DFPattern):
    """An item of a tuple, the one at `index` if that is given."""

    tuple: DFPattern
    index: int | None = None

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        value = matcher.value(expr)
        return (
            isinstance(value, TupleGetItem)
            and self.index in (None, -1, value.index)
            and matcher.match(self.tuple, value.tuple_value)
        )


@dataclass(eq=False)
class OrPattern(DFPattern):
    """What either describes; the left one is tried first."""

    left: DFPattern
    right: DFPattern

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        return matcher.match(self.left, expr) or matcher.match(self.right, expr)


@dataclass(eq=False)
class AndPattern(DFPattern):
    """What both describe."""

    left: DFPattern
    right: DFPattern

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        return matcher.match(self.left, expr) and matcher.match(self.right, expr)


@dataclass(eq=False)
class NotPattern(DFPattern):
    """What the pattern does not describe."""

    to_reject: DFPattern

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        before = dict(matcher.found)
        rejected = matcher.match(self.to_reject, expr)
        matcher.found = before
        return not rejected


@dataclass(eq=False)
class AttrPattern(DFPattern):
    """What the pattern describes, with these attributes."""

    pattern: DFPattern
    attrs: dict[str, Any] = field(default_factory=dict)

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        value = matcher.value(expr)
        held: Any = getattr(value, "attrs", None)
        if isinstance(value, Op):
            held = value.attributes
        if held is None or not matcher.match(self.pattern, expr):
            return False
        return all(
            key in held and structural_equal(_plain(held[key]), _plain(wanted))
            for key, wanted in self.attrs.items()
        )


def _plain(value: Any) -> Any:
    return tuple(_plain(v) for v in value) if isinstance(value, (list, tuple)) else value


@dataclass(eq=False)
class StructInfoPattern(DFPattern):
    """What the pattern describes, if the struct info describes it too."""

    pattern: DFPattern
    struct_info: StructInfo

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        return self.struct_info.is_base_of(expr.struct_info) and matcher.match(self.pattern, expr)


@dataclass(eq=False)
class DataTypePattern(DFPattern):
    """What the pattern describes, of this dtype."""

    pattern: DFPattern
    dtype: str

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        info = expr.struct_info
        typed = isinstance(info, TensorStructInfo) and info.dtype == self.dtype
        return typed and matcher.match(self.pattern, expr)


@dataclass(eq=False)
class ShapePattern(DFPattern):
    """What the pattern describes, of this shape."""

    pattern: DFPattern
    shape: tuple[Any, ...]

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        info = expr.struct_info
        shaped = (
            isinstance(info, TensorStructInfo)
            and info.dims is not None
            and all_equal(info.dims, self.shape)
        )
        return shaped and matcher.match(self.pattern, expr)


@dataclass(eq=False)
class PrimArrPattern(DFPattern):
    """A shape with these dimensions."""

    shape: tuple[Any, ...]

    def visit(self, matcher: Matcher, expr: Expr) -> bool:
        value = matcher.value(expr)
        if isinstance(value, ShapeExpr):
            return all_equal(value.values, self.shape)
        info = value.struct_info_
        known = isinstance(info, ShapeStructInfo) and info.values is not None
        return known and all_equal(info.values, self.shape)


def wildcard() -> WildcardPattern:
    """Anything."""
    return WildcardPattern()


def is_var(name: str = "") -> VarPattern:
    """A variable."""
    return VarPattern(name)


def is_dfv(name: str = "") -> VarPattern:
    """A dataflow variable."""
    return VarPattern(name, DataflowVar)


def is_gv(name: str = "") -> GlobalVarPattern:
    """A function of the module."""
    return GlobalVarPattern(name)


def is_const() -> ConstantPattern:
    """A constant."""
    return ConstantPattern()


def is_expr(expr: Expr) -> ExprPattern:
    """One expression."""
    return ExprPattern(expr)


def is_op(op_name: str) -> ExprPattern:
    """An operator, to be called with patterns: `is_op("relax.add")(wildcard(), is_const())`."""
    return ExprPattern(Op.get(op_name))


def is_tuple(fields: Sequence[DFPattern], unordered: bool = False) -> TuplePattern:
    """A tuple of these items."""
    return TuplePattern(tuple(fields), unordered)


def is_tuple_get_item(tuple_value: DFPattern, index: int | None = None) -> TupleGetItemPattern:
    """An item of a tuple."""
    return TupleGetItemPattern(tuple_value, index)


def is_shape(shape: Sequence[Any]) -> PrimArrPattern:
    """A shape."""
    return PrimArrPattern(as_dims(shape))


def has_dtype(dtype: str, pattern: DFPattern | None = None) -> DataTypePattern:
    """Tensors of `dtype`."""
    return DataTypePattern(pattern or wildcard(), dtype)


def has_attr(attrs: Mapping[str, Any], pattern: DFPattern | None = None) -> AttrPattern:
    """Calls with these attributes."""
    return AttrPattern(pattern or wildcard(), dict(attrs))


def _arguments(args: Sequence[DFPattern] | TuplePattern | None) -> DFPattern:
    if args is None:
        return wildcard()
    return TuplePattern(tuple(args)) if isinstance(args, (list, tuple)) else args  # type: ignore[return-value]


def is_call_tir(
    func_name: str,
    args: Sequence[DFPattern] | TuplePattern | None = None,
    tir_vars: DFPattern | None = None,
) -> CallPattern:
    """`call_tir` of the kernel `func_name`."""
    rest = () if tir_vars is None else (tir_vars,)
    return is_op("relax.call_tir")(
        GlobalVarPattern(func_name), _arguments(args), *rest, varg_default_wildcard=True
    )


def is_call_dps_packed(
    func_name: str, args: Sequence[DFPattern] | TuplePattern | None = None
) -> CallPattern:
    """`call_dps_packed` of `func_name`."""
    return is_op("relax.call_dps_packed")(
        ExternFuncPattern(func_name), _arguments(args), varg_default_wildcard=True
    )


def is_call_packed(func_name: str, args: Sequence[DFPattern] | None = None) -> CallPattern:
    """A direct call of a packed function."""
    if args is None:
        return ExternFuncPattern(func_name)(varg_default_wildcard=True)
    return ExternFuncPattern(func_name)(*args)


def make_fused_bias_activation_pattern(
    op_name: str, with_bias: bool = False, activation: str | None = None
) -> DFPattern:
    """`op(x, w)`, plus a bias if `with_bias`, and then `activation`, if one is given."""
    made: DFPattern = is_op(op_name)(wildcard(), wildcard())
    if with_bias:
        made = is_op("relax.add")(made, wildcard())
    return made if activation is None else is_op(activation)(made)


def make_residual_block_pattern(
    node_output: DFPattern | tuple[DFPattern, Any],
    residual_input: DFPattern,
    binary_op: str,
    post_op: str,
) -> DFPattern:
    """`post_op(binary_op(output, residual))`, in either order of the operands."""
    output = node_output[0] if isinstance(node_output, tuple) else node_output
    either = is_op(binary_op)(output, residual_input) | is_op(binary_op)(residual_input, output)
    return either if post_op == "id" else is_op(post_op)(either)


def require_pattern(value: object) -> DFPattern:
    """`value` if it is a pattern. Raises `ArgumentError` otherwise."""
    if not isinstance(value, DFPattern):
        raise ArgumentError(f"expected a pattern, found {type(value).__name__}")
    return value
