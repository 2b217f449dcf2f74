"""A-normal form: arguments are leaves, everything else is bound to a variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..ir.expr import GlobalVar
from ..ir.op import Op
from .base import Expr, ShapeExpr
from .expr import (
    Binding,
    BindingBlock,
    Call,
    Constant,
    DataflowBlock,
    DataTypeImm,
    ExternFunc,
    Function,
    If,
    MatchCast,
    PrimValue,
    SeqExpr,
    StringImm,
    Tuple,
    TupleGetItem,
    Var,
    VarBinding,
    _update_struct_info,
)

if TYPE_CHECKING:
    from .block_builder import BlockBuilder

LEAVES = (
    Var, Constant, ShapeExpr, PrimValue, StringImm, DataTypeImm, GlobalVar, ExternFunc, Op,
)  # fmt: skip


def is_leaf(expr: Expr) -> bool:
    """True for what may be an argument: a variable, a constant, a name, or a tuple of such."""
    if isinstance(expr, Tuple):
        return all(is_leaf(item) for item in expr.items)
    return isinstance(expr, LEAVES) or is_missing(expr)


def is_missing(expr: Expr) -> bool:
    """True for what stands for an argument that an operator's call leaves out."""
    return isinstance(expr, Call) and getattr(expr.op, "name", "") == "relax.null_value"


def leaf(builder: BlockBuilder, expr: Expr) -> Expr:
    """`expr` if it may be an argument, else a variable bound to it."""
    if isinstance(expr, LEAVES):
        return expr
    if isinstance(expr, Tuple):
        return _tuple(builder, expr)
    memo = builder._scope().memo
    known = memo.get(id(expr))
    if known is None:
        normal = value(builder, expr)
        bound = normal if is_leaf(normal) else _bind(builder, normal)
        known = memo[id(expr)] = (expr, bound)
    return known[1]


def _bind(builder: BlockBuilder, expr: Expr) -> Var:
    var = builder._new_var(expr.struct_info, "", False)
    return builder.emit_normalized(VarBinding(var, expr, span=expr.span))


def value(builder: BlockBuilder, expr: Expr) -> Expr:
    """`expr` as it may stand on the right of a binding."""
    rule = _RULES.get(type(expr))
    return expr if rule is None else rule(builder, expr)


def _call(builder: BlockBuilder, call: Call) -> Expr:
    kept = isinstance(call.op, Op)
    args = tuple(a if kept and is_missing(a) else leaf(builder, a) for a in call.args)
    op = call.op if isinstance(call.op, LEAVES) else leaf(builder, call.op)
    same = op is call.op and all(a is b for a, b in zip(args, call.args, strict=True))
    return call if same else call.replace(op=op, args=args)


def _tuple(builder: BlockBuilder, expr: Tuple) -> Expr:
    items = tuple(leaf(builder, i) for i in expr.items)
    same = all(a is b for a, b in zip(items, expr.items, strict=True))
    return expr if same else expr.replace(items=items)


def _item(builder: BlockBuilder, expr: TupleGetItem) -> Expr:
    return expr.replace(tuple_value=leaf(builder, expr.tuple_value))


def _if(builder: BlockBuilder, expr: If) -> Expr:
    cond = leaf(builder, expr.cond)
    yes = branch(builder, expr.true_branch)
    no = branch(builder, expr.false_branch)
    return expr.replace(cond=cond, true_branch=yes, false_branch=no)


def branch(builder: BlockBuilder, seq: SeqExpr) -> SeqExpr:
    """A sequence in a scope of its own, normalized; itself if it was in normal form."""
    made = _merged(builder.nested(lambda: _sequence(builder, seq)))
    return seq if _same_blocks(made, seq) else made


def _merged(seq: SeqExpr) -> SeqExpr:
    """Neighbouring blocks of one kind are one block."""
    blocks: list[BindingBlock] = []
    for block in seq.blocks:
        if blocks and type(blocks[-1]) is type(block):
            blocks[-1] = blocks[-1].replace(bindings=(*blocks[-1].bindings, *block.bindings))
        else:
            blocks.append(block)
    return seq if len(blocks) == len(seq.blocks) else seq.replace(blocks=tuple(blocks))


def _same_blocks(a: SeqExpr, b: SeqExpr) -> bool:
    return (
        a.body is b.body
        and len(a.blocks) == len(b.blocks)
        and all(
            type(x) is type(y)
            and len(x.bindings) == len(y.bindings)
            and all(p is q for p, q in zip(x.bindings, y.bindings, strict=True))
            for x, y in zip(a.blocks, b.blocks, strict=True)
        )
    )


def _sequence(builder: BlockBuilder, seq: SeqExpr) -> Expr:
    """Emits the bindings into the current scope; the value of the body."""
    for block in seq.blocks:
        scope = builder._scope()
        opens = isinstance(block, DataflowBlock) and not scope.is_dataflow
        if opens:
            builder._begin_dataflow_block()
        elif not scope.is_dataflow:
            builder._begin_binding_block()
        for binding in block.bindings:
            builder.emit_normalized(normal_binding(builder, binding))
        if opens:
            builder._end_block()
    return value(builder, seq.body)


def normal_binding(builder: BlockBuilder, binding: Binding) -> Binding:
    """The binding with its value in normal form and its variable described."""
    if isinstance(binding, MatchCast):
        made: Binding = binding.replace(value=leaf(builder, binding.value))
        info = binding.struct_info
    else:
        assert isinstance(binding, VarBinding)
        normal = value(builder, binding.value)
        made = binding.replace(value=normal)
        info = normal.struct_info
    if made.var.struct_info is None:
        _update_struct_info(made.var, info)
    return made


def function(builder: BlockBuilder, func: Function) -> Function:
    """The function with its body in normal form; itself if it was."""
    names, builder._names = builder._names, {}
    try:
        body = _merged(builder.nested(lambda: _sequence(builder, func.body), func.params))
    finally:
        builder._names = names
    return func if _same_blocks(body, func.body) else func.replace(body=body)


_RULES: dict[type[Any], Callable[[Any, Any], Expr]] = {
    Call: _call,
    Tuple: _tuple,
    TupleGetItem: _item,
    If: _if,
    SeqExpr: _sequence,
    Function: function,
}
