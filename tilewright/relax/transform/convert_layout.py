"""ConvertLayout: convolutions in the layouts that are asked for, and what follows them too.

A value in another layout is known by the order in which it has the axes of the original: it is
`permute_dims(value, order)`. Operators with a row in `RULES` work on it as it is; before all others
the original order comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...ir.op import Op
from ...ir.transform import Pass
from ...support.errors import ArgumentError
from ..base import Expr
from ..expr import Attrs, Call, DataflowVar, Function, Tuple, TupleGetItem, Var, VarBinding
from ..expr_functor import PyExprMutator
from ..op import expand_dims, permute_dims
from ..struct_info import TensorStructInfo, TupleStructInfo
from ._pass import function_level

Order = tuple[int, ...]
Rule = Callable[["_Converter", Call], "_Placed | None"]


@dataclass
class _Placed:
    """An expression in another layout; of a tuple, an order (or None) for each item."""

    expr: Expr
    order: Any


def order_of(source: str, target: str) -> Order:
    """The axes of layout `source` in the order of `target`."""
    if sorted(source) != sorted(target) or not target.isalpha():
        raise ArgumentError(f"layout {source} cannot be written as {target}")
    return tuple(source.index(letter) for letter in target)


def inverse(order: Order) -> Order:
    """The order that undoes another."""
    return tuple(order.index(i) for i in range(len(order)))


def _is_identity(order: Order) -> bool:
    return order == tuple(range(len(order)))


class _Converter(PyExprMutator):
    def __init__(self, desired: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.desired = desired
        self.other: dict[Var, _Placed] = {}
        self.made: dict[tuple[Expr, Order], Expr] = {}

    # values

    def visit_var_(self, op: Var) -> Expr:
        """A use that needs the original layout."""
        placed = self.other.get(op)
        if placed is None:
            return super().visit_var_(op)
        if isinstance(placed.order, list):
            items = [
                TupleGetItem(placed.expr, i) if o is None else permute_dims(
                    TupleGetItem(placed.expr, i), inverse(o)
                )
                for i, o in enumerate(placed.order)
            ]  # fmt: skip
            return self.builder_.emit(Tuple(tuple(items)))
        return self._permuted(placed.expr, inverse(placed.order))

    def order(self, expr: Expr) -> Order | None:
        """The order that a value is in, None for the original one."""
        placed = self.other.get(expr) if isinstance(expr, Var) else None
        return placed.order if placed is not None and isinstance(placed.order, tuple) else None

    def _permuted(self, expr: Expr, order: Order) -> Expr:
        if _is_identity(order):
            return expr
        known = self.made.get((expr, order))
        if known is None:
            known = self.made[expr, order] = self.builder_.emit(permute_dims(expr, order))
        return known

    def in_order(self, expr: Expr, order: Order) -> Expr:
        """The value with its axes in `order`; leading axes of 1 are added where it has fewer."""
        if self.order(expr) == order:
            return self.other[expr].expr  # type: ignore[index]
        plain: Expr = self.visit_expr(expr)
        info = plain.struct_info
        rank = info.ndim if isinstance(info, TensorStructInfo) else -1
        if rank in (0, -1):
            return plain
        if rank < len(order):
            plain = self.builder_.emit(expand_dims(plain, tuple(range(len(order) - rank))))
        return self._permuted(plain, order)

    # bindings

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A value: in another layout if its operator has a rule that says so."""
        placed = self._placed(binding.value)
        if placed is None:
            super().visit_var_binding_(binding)
            return
        with self.builder_.at(binding.value.span):
            var = self.builder_.emit(placed.expr, binding.var.name_hint)
        self.other[binding.var] = _Placed(var, placed.order)
        if not isinstance(binding.var, DataflowVar):
            back = self.visit_var_(binding.var)
            del self.other[binding.var]
            self.builder_.emit_normalized(VarBinding(binding.var, back, span=binding.span))

    def _placed(self, value: Expr) -> _Placed | None:
        if isinstance(value, TupleGetItem) and isinstance(value.tuple_value, Var):
            whole = self.other.get(value.tuple_value)
            if whole is None:
                return None
            order = whole.order[value.index]
            kept = order if order is not None else tuple(range(value.struct_info.ndim))
            return _Placed(TupleGetItem(whole.expr, value.index), kept)
        if not isinstance(value, Call) or not isinstance(value.op, Op):
            return None
        if value.op.name in self.desired:
            return _convolution(self, value, self.desired[value.op.name])
        rule = RULES.get(value.op.name.removeprefix("relax."))
        return None if rule is None else rule(self, value)


def _with(call: Call, args: Sequence[Expr], **attrs: Any) -> Call:
    return Call(call.op, tuple(args), Attrs({**call.attrs, **attrs}), call.sinfo_args)


def _convolution(c: _Converter, call: Call, wanted: Sequence[str]) -> _Placed | None:
    """Data, weight and result in the layouts that are wanted for the operator."""
    attrs = call.attrs
    layouts = [attrs.data_layout, attrs.kernel_layout, attrs.get("out_layout") or attrs.data_layout]
    if not all(layout.isalpha() for layout in layouts):
        return None
    targets = [*wanted, wanted[0]] if len(wanted) == 2 else list(wanted)
    if len(targets) != 3:
        raise ArgumentError(f"{call.op} takes layouts of data, weight and result, found {wanted}")
    orders = [order_of(a, b) for a, b in zip(layouts, targets, strict=True)]
    args = [c.in_order(call.args[0], orders[0]), c.in_order(call.args[1], orders[1])]
    named = dict(zip(("data_layout", "kernel_layout", "out_layout"), targets, strict=True))
    return _Placed(_with(call, args, **named), orders[2])


def _elementwise(c: _Converter, call: Call) -> _Placed | None:
    """In the order of the first argument of full rank that has one; the others follow."""
    info = call.struct_info
    if not isinstance(info, TensorStructInfo):
        return None
    orders = [o for a in call.args if (o := c.order(a)) is not None and len(o) == info.ndim]
    if not orders:
        return None
    return _Placed(_with(call, [c.in_order(a, orders[0]) for a in call.args]), orders[0])


def _windowed(c: _Converter, call: Call) -> _Placed | None:
    """Pooling and resizing: the layout attribute follows."""
    order = c.order(call.args[0])
    layout = call.attrs.layout
    if order is None or not layout.isalpha() or call.attrs.get("out_layout") not in (None, layout):
        return None
    moved = "".join(layout[i] for i in order)
    named = {"layout": moved}
    if "out_layout" in call.attrs and call.attrs.out_layout is not None:
        named["out_layout"] = moved
    args = [c.in_order(call.args[0], order), *map(c.visit_expr, call.args[1:])]
    return _Placed(_with(call, args, **named), order)


def _axis(name: str) -> Rule:
    """Operators along one axis or several, whose result has the shape of the data."""

    def rule(c: _Converter, call: Call) -> _Placed | None:
        order = c.order(call.args[0])
        given = call.attrs[name]
        if order is None or given is None:
            return None
        moved = _moved(given, order)
        args = [c.in_order(call.args[0], order), *map(c.visit_expr, call.args[1:])]
        made = _with(call, args, **{name: moved})
        info = call.struct_info
        if isinstance(info, TupleStructInfo):
            return _Placed(made, [order, *(None for _ in info.items[1:])])
        return _Placed(made, order)

    return rule


def _moved(axis: Any, order: Order) -> Any:
    rank = len(order)
    if isinstance(axis, int):
        return order.index(axis % rank)
    return tuple(order.index(a % rank) for a in axis)


def _normalized(c: _Converter, call: Call) -> _Placed | None:
    """`layer_norm` over axes that stay next to each other in order, so that its vectors fit."""
    order = c.order(call.args[0])
    if order is None:
        return None
    moved = _moved(tuple(call.attrs.axes), order)
    return _axis("axes")(c, call) if list(moved) == sorted(moved) else None


def _reduced(c: _Converter, call: Call) -> _Placed | None:
    """Reductions: the axes that stay keep their order."""
    order = c.order(call.args[0])
    if order is None:
        return None
    given = call.attrs.axis
    gone = range(len(order)) if given is None else (given,) if isinstance(given, int) else given
    axes = {a % len(order) for a in gone}
    moved = given if given is None else _moved(given, order)
    made = _with(call, [c.in_order(call.args[0], order)], axis=moved)
    if call.attrs.keepdims:
        return _Placed(made, order)
    left = [a for a in order if a not in axes]
    return _Placed(made, tuple(sorted(left).index(a) for a in left))


def _concat(c: _Converter, call: Call) -> _Placed | None:
    """All parts in the order of the first that has one."""
    items = call.args[0].items if isinstance(call.args[0], Tuple) else ()
    orders = [o for i in items if (o := c.order(i)) is not None]
    if not orders or call.attrs.axis is None:
        return None
    parts = Tuple(tuple(c.in_order(i, orders[0]) for i in items))
    return _Placed(_with(call, [parts], axis=_moved(call.attrs.axis, orders[0])), orders[0])


def _split(c: _Converter, call: Call) -> _Placed | None:
    """Every part in the order of the data."""
    order = c.order(call.args[0])
    info = call.struct_info
    if order is None or not isinstance(info, TupleStructInfo):
        return None
    made = _with(call, [c.in_order(call.args[0], order)], axis=_moved(call.attrs.axis, order))
    return _Placed(made, [order] * len(info.items))


def _permute(c: _Converter, call: Call) -> _Placed | None:
    """Two changes of order become one."""
    order = c.order(call.args[0])
    if order is None:
        return None
    axes = call.attrs.axes or tuple(range(len(order)))[::-1]
    back = tuple(order.index(a % len(order)) for a in axes)
    moved = c.in_order(call.args[0], order)
    return _Placed(_with(call, [moved], axes=back), tuple(range(len(back))))


_ELEMENTWISE = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp",
    "floor", "log", "negative", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt",
    "square", "tan", "tanh", "trunc", "astype", "clip", "isfinite", "isinf", "isnan",
    "nn.relu", "nn.relu6", "nn.gelu", "nn.gelu_tanh", "nn.silu", "nn.selu", "nn.leakyrelu",
    "nn.softplus", "add", "subtract", "multiply", "divide", "power", "maximum", "minimum",
    "floor_divide", "mod", "floor_mod", "equal", "not_equal", "less", "less_equal", "greater",
    "greater_equal", "logical_and", "logical_or", "logical_xor", "where", "ewise_fma",
)  # fmt: skip
RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(
        ["nn.max_pool2d", "nn.avg_pool2d", "nn.adaptive_avg_pool2d", "image.resize2d"], _windowed
    ),
    **dict.fromkeys(["nn.softmax", "nn.log_softmax", "nn.batch_norm", "flip"], _axis("axis")),
    **dict.fromkeys(["sum", "mean", "max", "min", "prod", "variance", "std"], _reduced),
    "nn.layer_norm": _normalized,
    "concat": _concat,
    "split": _split,
    "permute_dims": _permute,
}
"""How operators work on values in another layout, by name."""


def ConvertLayout(desired_layouts: Mapping[str, Sequence[str]]) -> Pass:
    """Convolutions get the layouts of `{"relax.nn.conv2d": ["NHWC", "OHWI"]}`: of data, weight and,
    if a third is given, result. Elementwise operators, pooling, reductions and others that follow
    take the layout on; before operators that do not, `permute_dims` brings the old one back."""
    wanted = {
        name if name.startswith("relax.") else f"relax.{name}": [str(v) for v in layouts]
        for name, layouts in desired_layouts.items()
    }

    def transform(func: Function) -> Function:
        made: Function = _Converter(wanted).visit_expr(func)
        return made

    return function_level("ConvertLayout", transform)
