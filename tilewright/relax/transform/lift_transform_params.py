"""LiftTransformParams and BundleModelParams: what is done to weights, apart from the model."""

from __future__ import annotations

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.transform import Pass
from ...support.errors import CompileError
from ..analysis.effects import computable_at_compile_time
from ..analysis.variables import bindings_of, uses_of
from ..block_builder import BlockBuilder
from ..deduce import name_function
from ..dims import symbolic_vars
from ..expr import DataflowBlock, Function, SeqExpr, Tuple, TupleGetItem, Var, VarBinding
from ..expr_functor import PyExprMutator
from ..struct_info import TupleStructInfo
from ._pass import function_level, module_level


def _weights(func: Function) -> tuple[Var, ...]:
    return func.params[int(func.attrs["num_input"]) :]


def _boundary(func: Function, lifted: set[Var]) -> list[Var]:
    """The lifted values that the rest of the function uses, in order."""
    used: dict[Var, None] = {}
    for binding in bindings_of(func):
        if binding.var not in lifted:
            used.update(dict.fromkeys(v for v in uses_of(binding.value) if v in lifted))
    used.update(dict.fromkeys(v for v in uses_of(func.body.body) if v in lifted))
    return list(used)


class _Copy(PyExprMutator):
    """Copies bindings into a function under construction."""

    def emit(self, builder: BlockBuilder, binding: VarBinding) -> None:
        """Emits a copy of `binding`, whose variable stands for the old one from then on."""
        value = self.visit_expr(binding.value)
        self.set_var_remap(binding.var, builder.emit(value, binding.var.name_hint))


def _transform_function(
    func: Function, lifted: set[Var], outputs: list[Var], name: str
) -> Function:
    """`(params) -> (outputs)`: the lifted bindings, over a tuple of all weights."""
    weights = _weights(func)
    bundle = Var("params", TupleStructInfo(tuple(w.struct_info for w in weights)))  # type: ignore[misc]
    builder, copy = BlockBuilder(), _Copy()
    with builder.function(name, [bundle], {"num_input": 0}):
        with builder.dataflow():
            for index, weight in enumerate(weights):
                item = builder.emit(TupleGetItem(bundle, index), weight.name_hint)
                copy.set_var_remap(weight, item)
            for binding in bindings_of(func):
                if binding.var in lifted and isinstance(binding, VarBinding):
                    copy.emit(builder, binding)
            results = Tuple(tuple(copy.get_var_remap(v) for v in outputs))
            out = builder.emit_output(results)
        builder.emit_func_output(out)
    made: Function = builder.get()[name]
    return made


class _Rest(PyExprMutator):
    """The function without its lifted bindings."""

    def __init__(self, lifted: set[Var]) -> None:
        super().__init__()
        self.lifted = lifted

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A lifted binding is gone: its variable is a parameter or unused."""
        if binding.var not in self.lifted:
            super().visit_var_binding_(binding)


def lift(func: Function, name: str) -> tuple[Function, Function]:
    """The function that prepares the weights, and the one that takes what that returns."""
    lifted = set(computable_at_compile_time(func, through_casts=False))
    outputs = _boundary(func, lifted)
    inputs = func.params[: int(func.attrs["num_input"])]
    bound = {v for p in inputs for v in symbolic_vars(p.struct_info)}
    if any(v in bound for o in outputs for v in symbolic_vars(o.struct_info)):
        raise CompileError(f"weights of `{name}` have shapes that depend on its inputs")
    prepare = _transform_function(func, lifted, outputs, name)
    rest = _Rest(lifted)
    fresh = []
    for index, var in enumerate(outputs):
        is_weight = var in func.params
        hint = var.name_hint if is_weight else f"transformed_param_{index}"
        fresh.append(Var(hint, var.struct_info))
        rest.set_var_remap(var, fresh[-1])
    params = (*inputs, *fresh)
    body = rest.visit_with_new_scope(func.body, params)
    return prepare, func.replace(params=params, body=body)


def LiftTransformParams(shared_transform: bool = False) -> Pass:
    """Splits each function with `num_input`: `<name>_transform_params` takes a tuple of all weights
    and does what depends on them alone; the function itself takes the results."""
    if shared_transform:
        raise CompileError("LiftTransformParams(shared_transform=True) is not supported")

    def transform(mod: IRModule) -> IRModule:
        new = dict(mod.functions)
        for gvar, func in mod.items():
            if isinstance(func, Function) and "num_input" in func.attrs:
                name = f"{gvar.name_hint}_transform_params"
                prepare, rest = lift(func, name)
                new[gvar] = rest
                name_function(gvar, rest)
                new[name_function(GlobalVar(name), prepare)] = prepare
        return mod.with_functions(new)

    return module_level("LiftTransformParams", transform)


def _bundle(func: Function, name: str) -> Function:
    if "num_input" not in func.attrs:
        return func
    weights = _weights(func)
    bundle = Var(name, TupleStructInfo(tuple(w.struct_info for w in weights)))  # type: ignore[misc]
    mutator = PyExprMutator()
    items: list[VarBinding] = []
    for index, weight in enumerate(weights):
        var = Var(weight.name_hint, weight.struct_info)
        items.append(VarBinding(var, TupleGetItem(bundle, index)))
        mutator.set_var_remap(weight, var)
    params = (*func.params[: int(func.attrs["num_input"])], bundle)
    body = mutator.visit_with_new_scope(func.body, params)
    first = (DataflowBlock(tuple(items)),) if items else ()
    return func.replace(params=params, body=SeqExpr((*first, *body.blocks), body.body))


def BundleModelParams(param_tuple_name: str | None = None) -> Pass:
    """Replaces the weights of each function with `num_input` by one parameter, a tuple of them."""
    return function_level(
        "BundleModelParams", lambda func: _bundle(func, param_tuple_name or "model_params")
    )
