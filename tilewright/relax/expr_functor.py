"""Visitors and mutators of Relax programs, with one method a kind of node, as in TVM's Python API.

A method's default goes on into the parts. A mutator emits into `builder_` as it goes: what a method
returns for the value of a binding is normalized there, and later uses see the new variable.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ..ir.expr import GlobalVar
from ..ir.functor import deep_recursion
from ..ir.module import IRModule
from ..ir.node import Node
from ..ir.op import Op
from ..tir.function import PrimFunc
from . import normalizer
from .base import Expr, ShapeExpr, StructInfo
from .block_builder import BlockBuilder
from .expr import (
    Binding,
    BindingBlock,
    Call,
    Constant,
    DataflowBlock,
    DataflowVar,
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

T = TypeVar("T")

METHODS: dict[type[Any], str] = {
    Constant: "visit_constant_",
    Tuple: "visit_tuple_",
    Var: "visit_var_",
    DataflowVar: "visit_dataflow_var_",
    ShapeExpr: "visit_shape_expr_",
    ExternFunc: "visit_extern_func_",
    GlobalVar: "visit_global_var_",
    Function: "visit_function_",
    Call: "visit_call_",
    SeqExpr: "visit_seq_expr_",
    If: "visit_if_",
    Op: "visit_op_",
    TupleGetItem: "visit_tuple_getitem_",
    PrimValue: "visit_prim_value_",
    StringImm: "visit_string_imm_",
    DataTypeImm: "visit_data_type_imm_",
    VarBinding: "visit_var_binding_",
    MatchCast: "visit_match_cast_",
    BindingBlock: "visit_binding_block_",
    DataflowBlock: "visit_dataflow_block_",
}
"""The method that handles each kind of node."""


class _Functor:
    def _handle(self, value: Node) -> Any:
        name = METHODS.get(type(value))
        return self.visit_other_(value) if name is None else getattr(self, name)(value)

    def visit_other_(self, value: Node) -> Any:
        """A node of another dialect."""
        return value

    def visit_expr(self, expr: Expr) -> Any:
        """Handles one expression, by its kind."""
        with deep_recursion():
            return self._handle(expr)

    def visit_binding(self, binding: Binding) -> None:
        """Handles one binding, by its kind."""
        self._handle(binding)

    def visit_binding_block(self, block: BindingBlock) -> Any:
        """Handles one block, by its kind."""
        return self._handle(block)


class PyExprVisitor(_Functor):
    """Walks a program; override the methods of the kinds that matter."""

    def _skip(self, op: Any) -> None:
        return None

    visit_constant_ = visit_var_ = visit_dataflow_var_ = visit_shape_expr_ = _skip
    visit_extern_func_ = visit_global_var_ = visit_op_ = visit_prim_value_ = _skip
    visit_string_imm_ = visit_data_type_imm_ = visit_var_def_ = visit_dataflow_var_def_ = _skip

    def visit_var_def(self, var: Var) -> None:
        """The definition of a variable."""
        if isinstance(var, DataflowVar):
            self.visit_dataflow_var_def_(var)
        else:
            self.visit_var_def_(var)

    def visit_tuple_(self, op: Tuple) -> None:
        """A tuple."""
        for item in op.items:
            self.visit_expr(item)

    def visit_call_(self, op: Call) -> None:
        """A call."""
        self.visit_expr(op.op)
        for arg in op.args:
            self.visit_expr(arg)

    def visit_tuple_getitem_(self, op: TupleGetItem) -> None:
        """An item of a tuple."""
        self.visit_expr(op.tuple_value)

    def visit_if_(self, op: If) -> None:
        """A conditional."""
        for part in (op.cond, op.true_branch, op.false_branch):
            self.visit_expr(part)

    def visit_seq_expr_(self, op: SeqExpr) -> None:
        """Blocks and their result."""
        for block in op.blocks:
            self.visit_binding_block(block)
        self.visit_expr(op.body)

    def visit_function_(self, op: Function) -> None:
        """A function."""
        for param in op.params:
            self.visit_var_def(param)
        self.visit_expr(op.body)

    def visit_binding_block_(self, block: BindingBlock) -> None:
        """A block."""
        for binding in block.bindings:
            self.visit_binding(binding)

    def visit_dataflow_block_(self, block: DataflowBlock) -> None:
        """A dataflow block."""
        PyExprVisitor.visit_binding_block_(self, block)

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A binding of a value."""
        self.visit_expr(binding.value)
        self.visit_var_def(binding.var)

    def visit_match_cast_(self, binding: MatchCast) -> None:
        """A checked cast."""
        self.visit_expr(binding.value)
        self.visit_var_def(binding.var)


class PyExprMutator(_Functor):
    """Rewrites a program binding by binding; override the methods of the kinds that matter."""

    def __init__(self, mod: IRModule | None = None) -> None:
        self.builder_ = BlockBuilder(mod)
        self.var_remap: dict[Var, Expr] = {}

    def _same(self, op: Any) -> Any:
        return op

    visit_constant_ = visit_shape_expr_ = visit_extern_func_ = visit_global_var_ = _same
    visit_op_ = visit_prim_value_ = visit_string_imm_ = visit_data_type_imm_ = _same

    def visit_expr_post_order(self, expr: Expr) -> Expr:
        """The expression with its parts rewritten."""
        if isinstance(expr, Var):
            return self.get_var_remap(expr)
        made: Expr = getattr(PyExprMutator, METHODS[type(expr)])(self, expr)
        return made

    def visit_var_(self, op: Var) -> Expr:
        """The use of a variable."""
        return self.var_remap.get(op, op)

    def visit_dataflow_var_(self, op: DataflowVar) -> Expr:
        """The use of a dataflow variable."""
        return self.visit_var_(op)

    def visit_var_def(self, var: Var) -> Var:
        """The definition of a variable: the one that replaces it."""
        if isinstance(var, DataflowVar):
            return self.visit_dataflow_var_def_(var)
        return self.visit_var_def_(var)

    def visit_var_def_(self, var: Var) -> Var:
        """The definition of a variable that is seen after its block."""
        return var

    def visit_dataflow_var_def_(self, var: DataflowVar) -> Var:
        """The definition of a dataflow variable."""
        return var

    def _parts(self, items: tuple[Expr, ...]) -> tuple[Expr, ...]:
        new = tuple(self.visit_expr(item) for item in items)
        return items if all(a is b for a, b in zip(new, items, strict=True)) else new

    def visit_tuple_(self, op: Tuple) -> Expr:
        """A tuple."""
        return op.replace(items=self._parts(op.items))

    def visit_call_(self, op: Call) -> Expr:
        """A call."""
        return op.replace(op=self.visit_expr(op.op), args=self._parts(op.args))

    def visit_tuple_getitem_(self, op: TupleGetItem) -> Expr:
        """An item of a tuple; taken at once if the tuple is written out."""
        value = self.visit_expr(op.tuple_value)
        return op.replace(tuple_value=value)

    def visit_if_(self, op: If) -> Expr:
        """A conditional."""
        return op.replace(
            cond=self.visit_expr(op.cond),
            true_branch=self.visit_with_new_scope(op.true_branch),
            false_branch=self.visit_with_new_scope(op.false_branch),
        )

    def visit_with_new_scope(self, expr: Expr, params: tuple[Var, ...] = ()) -> SeqExpr:
        """A sequence in a scope of its own."""
        made = self.builder_.nested(lambda: self.visit_expr(expr), params)
        same = isinstance(expr, SeqExpr) and normalizer._same_blocks(made, expr)
        return expr if same else made  # type: ignore[return-value]

    def visit_seq_expr_(self, op: SeqExpr) -> Expr:
        """Blocks and their result, emitted into the current scope."""
        for block in op.blocks:
            self.visit_binding_block(block)
        return self.visit_expr(op.body)  # type: ignore[no-any-return]

    def visit_function_(self, op: Function) -> Expr:
        """A function; its result's struct info follows what the body becomes."""
        names, self.builder_._names = self.builder_._names, {}
        params = tuple(self.visit_var_def(p) for p in op.params)
        body = self.visit_with_new_scope(op.body, params)
        self.builder_._names = names
        if body is op.body and all(a is b for a, b in zip(params, op.params, strict=True)):
            return op
        same = body.body.struct_info == op.body.body.struct_info
        ret = op.ret_struct_info if same else None
        return op.replace(params=params, body=body, ret_struct_info=ret)

    def visit_binding_block_(self, block: BindingBlock) -> None:
        """A block: its bindings are emitted into a block of the same kind."""
        self.builder_._begin_binding_block()
        for binding in block.bindings:
            self.visit_binding(binding)
        self.builder_._end_block()

    def visit_dataflow_block_(self, block: DataflowBlock) -> None:
        """A dataflow block."""
        self.builder_._begin_dataflow_block()
        for binding in block.bindings:
            self.visit_binding(binding)
        self.builder_._end_block()

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A binding of a value."""
        value = self.builder_.normalize(self.visit_expr(binding.value))
        var = self.visit_var_def(binding.var)
        if value is binding.value and var is binding.var:
            self.builder_.emit_normalized(binding)
            return
        if value.span is None and binding.value.span is not None and type(value) is Call:
            value = value.replace(span=binding.value.span)
        self.reemit_binding(binding, value, var)

    def reemit_binding(self, binding: VarBinding, value: Expr, var: Var | None = None) -> None:
        """Binds `value` (normalized) in place of the binding's own, to a variable alike."""
        new = self.with_struct_info(var or binding.var, value.struct_info)
        if new is not binding.var:
            self.set_var_remap(binding.var, new)
        self.builder_.emit_normalized(VarBinding(new, value, span=binding.span))

    def visit_match_cast_(self, binding: MatchCast) -> None:
        """A checked cast."""
        value = normalizer.leaf(self.builder_, self.visit_expr(binding.value))
        var = self.visit_var_def(binding.var)
        if var is not binding.var:
            self.set_var_remap(binding.var, var)
        self.builder_.emit_normalized(binding.replace(var=var, value=value))

    def lookup_binding(self, var: Var) -> Expr | None:
        """What a variable was bound to by the builder."""
        return self.builder_.lookup_binding(var)

    def set_var_remap(self, var: Var, new: Expr) -> None:
        """Later uses of `var` become `new`."""
        self.var_remap[var] = new

    def get_var_remap(self, var: Var) -> Expr:
        """What uses of `var` become."""
        return self.var_remap.get(var, var)

    def with_struct_info(self, var: Var, struct_info: StructInfo) -> Var:
        """`var` if it has this struct info, else a new variable of the same name that has."""
        if var.struct_info is None:
            _update_struct_info(var, struct_info)
        if var.struct_info == struct_info:
            return var
        return type(var)(var.name_hint, struct_info, span=var.span)

    def transform(self) -> IRModule:
        """The module with every Relax function rewritten."""
        for gvar, func in self.builder_.get().items():
            if isinstance(func, Function):
                new = self.visit_expr(func)
                if new is not func:
                    self.builder_.update_func(gvar, new)
        return self.builder_.get()


def visitor(visitor_cls: type[T]) -> type[T]:
    """Marks a subclass of `PyExprVisitor`; kept for programs written for TVM, which derive from
    its `_cls`: itself."""
    visitor_cls._cls = visitor_cls  # type: ignore[attr-defined]
    return visitor_cls


def mutator(mutator_cls: type[T]) -> type[T]:
    """Marks a subclass of `PyExprMutator`; kept for programs written for TVM, which derive from
    its `_cls`: itself."""
    mutator_cls._cls = mutator_cls  # type: ignore[attr-defined]
    return mutator_cls


def is_prim_func(func: object) -> bool:
    """True for a kernel."""
    return isinstance(func, PrimFunc)
