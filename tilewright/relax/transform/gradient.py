"""Gradient: a function that also gives the gradients of its result, by reverse differentiation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.transform import Pass
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError, CompileError
from ..analysis.variables import uses_of
from ..base import Expr, ShapeExpr
from ..block_builder import BlockBuilder
from ..expr import Call, DataflowBlock, Function, Tuple, TupleGetItem, Var, VarBinding
from ..gradients import gradient_of
from ..op import add, ones, zeros
from ..struct_info import TensorStructInfo, TupleStructInfo
from ..utils import copy_with_new_vars, replace_vars
from ._calls import is_call_of
from ._pass import module_level

TE_GRADIENTS: dict[str, Callable[..., Any]] = {}
"""Gradients of kernels as functions of `te`, by the name in `call_tir_with_grad`."""


class _Adjoints:
    """The gradients collected so far: of a variable, an expression, or a list for a tuple."""

    def __init__(self, builder: BlockBuilder) -> None:
        self.builder = builder
        self.of: dict[Var, Any] = {}

    def give(self, target: Expr, grad: Any) -> None:
        """Adds `grad` to what `target` has."""
        if grad is None:
            return
        if isinstance(target, Tuple):
            for index, item in enumerate(target.items):
                self.give(item, self.item(grad, index))
        elif isinstance(target, Var):
            merged = self.merged(self.of.get(target), grad, target.name_hint)
            self.of[target] = merged

    def item(self, grad: Any, index: int) -> Any:
        """One item of the gradient of a tuple."""
        if isinstance(grad, (list, Tuple)):
            return grad[index]
        return TupleGetItem(grad, index)

    def merged(self, old: Any, new: Any, name: str) -> Any:
        """The sum of two gradients."""
        if isinstance(new, Tuple):
            new = list(new.items)
        if isinstance(new, list):
            before = old if old is not None else [None] * len(new)
            return [
                b if n is None else self.merged(b, n, name)
                for b, n in zip(before, new, strict=True)
            ]
        total = new if old is None else add(old, new)
        if isinstance(total, Var):
            return total
        return self.builder.emit(total, f"{name}_adjoint")

    def whole(self, grad: Any, info: Any) -> Expr:
        """A gradient as an expression; zeros where nothing came."""
        if isinstance(info, TupleStructInfo):
            parts = grad if isinstance(grad, list) else [None] * len(info.items)
            return Tuple(tuple(self.whole(g, i) for g, i in zip(parts, info.items, strict=True)))
        if grad is not None:
            return grad  # type: ignore[no-any-return]
        if not isinstance(info, TensorStructInfo) or info.shape is None:
            raise CompileError(f"there is no gradient of `{info}`")
        return self.builder.emit(zeros(info.shape, info.dtype))


class _Checkpoints:
    """Values between `start_checkpoint` and `end_checkpoint`, which are computed again."""

    def __init__(self, builder: BlockBuilder, bindings: Sequence[VarBinding]) -> None:
        self.builder = builder
        self.values = {b.var: b.value for b in bindings}
        self.stage: set[Var] = set()
        self.again: dict[Var, Expr] = {}
        for binding in bindings:
            if is_call_of(binding.value, "grad.end_checkpoint"):
                continue
            starts = is_call_of(binding.value, "grad.start_checkpoint")
            if starts or any(v in self.stage for v in uses_of(binding.value)):
                self.stage.add(binding.var)

    def value(self, expr: Any) -> Any:
        """`expr` with values of a stage replaced by copies, computed where they are missing."""
        env = {v: self._copy(v) for v in uses_of(expr) if v in self.stage}
        return replace_vars(expr, env)

    def _copy(self, var: Var) -> Expr:
        known = self.again.get(var)
        if known is None:
            value = self.values[var]
            if is_call_of(value, "grad.start_checkpoint"):
                known = self.value(value.args[0])  # type: ignore[attr-defined]
            else:
                known = self.builder.emit(self.value(value), f"{var.name_hint}_cp")
            self.again[var] = known
        return known


class _Reverse:
    """Writes the adjoint of one function."""

    def __init__(self, mod: IRModule, func: Function, wanted: Sequence[Var], index: int) -> None:
        self.builder = BlockBuilder(mod)
        self.func, self.wanted, self.index = func, wanted, index
        blocks = func.body.blocks
        if len(blocks) != 1 or not isinstance(blocks[0], DataflowBlock):
            raise CompileError(
                "a gradient needs a function of one dataflow block",
                func.span,
                hint="run ConvertToDataflow and Normalize first",
            )
        self.bindings: list[VarBinding] = list(blocks[0].bindings)  # type: ignore[arg-type]
        self.adjoints = _Adjoints(self.builder)

    def function(self, name: str) -> Function:
        """The adjoint: the results, and the gradients of one of them."""
        builder, func = self.builder, self.func
        with builder.function(name, list(func.params), dict(func.attrs), private=True):
            with builder.dataflow():
                for binding in self.bindings:
                    builder._names.setdefault(binding.var.name_hint, 0)
                    builder.emit_normalized(binding)
                self._backward()
                grads = [self._output(p) for p in self.wanted]
            builder.emit_func_output(Tuple((func.body.body, Tuple(tuple(grads)))))
        return builder.get()[name]  # type: ignore[no-any-return]

    def _output(self, param: Var) -> Var:
        grad = self.adjoints.whole(self.adjoints.of.get(param), param.struct_info)
        return self.builder.emit_output(grad, f"{param.name_hint}_adjoint_out")

    def _target(self) -> Expr:
        """The result that is differentiated."""
        result: Any = self.func.body.body
        items = result.items if isinstance(result, Tuple) else None
        bound = {b.var: b.value for b in self.bindings}
        if items is None and isinstance(result.struct_info, TupleStructInfo):
            value = bound.get(result)
            items = value.items if isinstance(value, Tuple) else None
        if items is None and self.index:
            raise CompileError(f"the function has one result, there is no {self.index}")
        if items is not None and not 0 <= self.index < len(items):
            raise CompileError(f"the function has {len(items)} results, there is no {self.index}")
        target = result if items is None else items[self.index]
        info = target.struct_info
        scalar = isinstance(info, TensorStructInfo) and info.ndim == 0
        if not scalar or not dtype_of(info.dtype).is_float:
            raise CompileError(f"only a scalar of floats has a gradient, found `{info}`")
        return target

    def _backward(self) -> None:
        target = self._target()
        checkpoints = _Checkpoints(self.builder, self.bindings)
        start = self.builder.emit(
            ones(ShapeExpr(()), target.struct_info.dtype),
            f"{getattr(target, 'name_hint', 'out')}_adjoint",
        )
        self.adjoints.give(target, start)
        for binding in reversed(self.bindings):
            grad = self.adjoints.of.get(binding.var)
            if grad is not None:
                self._binding(binding, grad, checkpoints)

    def _binding(self, binding: VarBinding, grad: Any, checkpoints: _Checkpoints) -> None:
        value = binding.value
        if isinstance(value, (Var, Tuple)):
            self.adjoints.give(value, grad)
        elif isinstance(value, TupleGetItem):
            count = len(value.tuple_value.struct_info.items)
            items = [grad if i == value.index else None for i in range(count)]
            self.adjoints.give(value.tuple_value, items)
        elif isinstance(value, Call):
            self._call(binding, value, grad, checkpoints)

    def _call(self, binding: VarBinding, call: Call, grad: Any, checkpoints: _Checkpoints) -> None:
        info = binding.var.struct_info
        given = self.adjoints.whole(grad, info) if isinstance(info, TupleStructInfo) else grad
        with self.builder.at(call.span):
            if is_call_of(call, "call_tir_with_grad"):
                self._kernel(call, given, checkpoints)
                return
            rule = gradient_of(call)
            if rule is None:
                if not any(_is_float(a) for a in call.args):
                    return
                raise CompileError(f"there is no gradient of {call.op}", call.span)
            again = checkpoints.value(call)
            grads = rule(checkpoints.value(binding.var), again, given, self.builder)
            for arg, part in zip(call.args, grads, strict=False):
                self.adjoints.give(arg, part)

    def _kernel(self, call: Call, grad: Any, checkpoints: _Checkpoints) -> None:
        """The gradient of a kernel by a function of `te`."""
        name = call.attrs.te_grad_name
        function = TE_GRADIENTS.get(name)
        if function is None:
            raise CompileError(f"no gradient {name!r} is registered", call.span)
        args = call.args[1].items  # type: ignore[attr-defined]
        inputs = [checkpoints.value(a) for a in args]
        made = self.builder.emit_te(
            function, grad, *inputs, **dict(call.attrs.te_grad_kwargs), primfunc_name_hint=name
        )
        for index, arg in enumerate(args):
            single = not isinstance(made.struct_info, TupleStructInfo)
            self.adjoints.give(arg, made if single else TupleGetItem(made, index))


def _is_float(arg: Expr) -> bool:
    info = arg.struct_info
    return isinstance(info, TensorStructInfo) and bool(info.dtype) and dtype_of(info.dtype).is_float


def _require(func: Function, given: Any) -> list[int]:
    """The places of the parameters whose gradients are wanted."""
    if given is None:
        return list(range(len(func.params)))
    wanted = [given] if isinstance(given, Var) else list(given)
    missing = [v for v in wanted if v not in func.params]
    if missing:
        raise ArgumentError(f"`{missing[0].name_hint}` is no parameter of the function")
    return [func.params.index(v) for v in wanted]


def Gradient(
    func_name: str, require_grads: Var | Sequence[Var] | None = None, target_index: int = 0
) -> Pass:
    """Adds `<func_name>_adjoint`, which returns `(results, (gradients...))`: those of the result
    `target_index`, a scalar, with respect to the parameters `require_grads` (default: all).

    The function has one dataflow block. Values between `start_checkpoint` and `end_checkpoint` are
    computed again instead of kept.
    """

    def transform(mod: IRModule) -> IRModule:
        func = mod[func_name]
        if not isinstance(func, Function):
            raise ArgumentError(f"`{func_name}` is no function of Relax")
        places = _require(func, require_grads)
        copy = copy_with_new_vars(func)
        name = f"{func_name}_adjoint"
        is_public = "global_symbol" in func.attrs
        bare = copy.without_attr("global_symbol") if is_public else copy
        reverse = _Reverse(mod, bare, [bare.params[i] for i in places], target_index)
        made = reverse.function(name)
        made_mod = reverse.builder.get()
        final = made.with_attr("global_symbol", name) if is_public else made
        made_mod.update_func(GlobalVar(name), final)
        return made_mod

    return module_level("Gradient", transform)
