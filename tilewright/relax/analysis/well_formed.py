"""Well-formedness: what passes may rely on, as a table with one row a promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...ir.expr import GlobalVar, PrimExpr
from ...ir.instrument import VERIFIERS
from ...ir.module import IRModule
from ...support.errors import CompileError, TVMError
from ...tir.expr import Var as TirVar
from ...tir.function import PrimFunc
from ..base import Expr, StructInfo
from ..dims import symbolic_vars
from ..distributed.struct_info import DTensorStructInfo
from ..expr import (
    Binding,
    Call,
    DataflowBlock,
    DataflowVar,
    Function,
    If,
    MatchCast,
    SeqExpr,
    Tuple,
    TupleGetItem,
    Var,
    name_of,
)
from ..normalizer import is_leaf
from ..struct_info import FuncStructInfo, TupleStructInfo
from .effects import contains_impure_call, is_impure_call
from .relations import (
    BaseCheckResult,
    Unifier,
    definable_tir_vars_in_struct_info,
    struct_info_base_check,
)
from .variables import all_global_vars, bindings_of, uses_of

Problems = Iterator[str]


@dataclass(frozen=True)
class Promise:
    """One row: what is promised, and a function that yields how a function breaks it."""

    name: str
    text: str
    check: Callable[[Function, IRModule], Problems]


def _sequences(func: Function) -> Iterator[SeqExpr]:
    """The function's body and all sequences and local functions' bodies within it."""
    stack: list[Any] = [func.body]
    while stack:
        seq = stack.pop()
        yield seq
        for value in (*(b.value for b in seq.bindings()), seq.body):
            if isinstance(value, Function):
                stack.append(value.body)
            elif isinstance(value, If):
                stack += [value.true_branch, value.false_branch]


def _defined_before_use(func: Function, mod: IRModule) -> Problems:
    yield from _scope(func.body, set(func.params))


def _scope(seq: SeqExpr, known: set[Var]) -> Problems:
    known = set(known)
    for block in seq.blocks:
        local: set[Var] = set()
        for binding in block.bindings:
            yield from _binding_uses(binding, known | local if local else known)
            (local if isinstance(binding.var, DataflowVar) else known).add(binding.var)
    yield from _value_uses(seq.body, known)


def _binding_uses(binding: Binding, known: set[Var]) -> Problems:
    if isinstance(binding.value, Function):
        inner = known | {binding.var} | set(binding.value.params)
        yield from _scope(binding.value.body, inner)
    else:
        yield from _value_uses(binding.value, known)


def _value_uses(value: Expr, known: set[Var]) -> Problems:
    if isinstance(value, If):
        yield from _value_uses(value.cond, known)
        yield from _scope(value.true_branch, known)
        yield from _scope(value.false_branch, known)
    else:
        for var in uses_of(value):
            if var not in known:
                yield f"variable `{var.name_hint}` is used where it is not defined"


def _bound_once(func: Function, mod: IRModule) -> Problems:
    seen = set(func.params)
    for binding in bindings_of(func):
        if binding.var in seen:
            yield f"variable `{binding.var.name_hint}` is bound twice"
        seen.add(binding.var)
        if isinstance(binding.value, Function):
            seen.update(binding.value.params)


def _normal_form(func: Function, mod: IRModule) -> Problems:
    for seq in _sequences(func):
        for binding in seq.bindings():
            yield from _nested(binding.value, binding.var.name_hint)
        if not is_leaf(seq.body):
            yield f"the result of a sequence is a {type(seq.body).__name__}, no variable"


def _nested(value: Expr, name: str) -> Problems:
    parts: tuple[Expr, ...] = ()
    if isinstance(value, Call):
        parts = value.args
    elif isinstance(value, Tuple):
        parts = value.items
    elif isinstance(value, TupleGetItem):
        parts = (value.tuple_value,)
    elif isinstance(value, If):
        parts = (value.cond,)
    for part in parts:
        if not is_leaf(part):
            yield f"the value of `{name}` has a {type(part).__name__} as an argument"


def _struct_info(func: Function, mod: IRModule) -> Problems:
    for binding in bindings_of(func):
        var = binding.var
        if var.struct_info is None:
            yield f"variable `{var.name_hint}` has no struct info"
            continue
        given = binding.struct_info if isinstance(binding, MatchCast) else None
        try:
            derived = given or binding.value.struct_info
        except TVMError as error:
            yield f"the value of `{var.name_hint}` is ill-typed: {error.message}"
            continue
        if struct_info_base_check(var.struct_info, derived) != BaseCheckResult.PASS:
            yield f"variable `{var.name_hint}` is `{var.struct_info}`, its value `{derived}`"
    result = func.body.struct_info
    if struct_info_base_check(func.ret_struct_info, result) == BaseCheckResult.FAIL_L0:
        yield f"the function returns `{func.ret_struct_info}`, its body gives `{result}`"


def _dataflow(func: Function, mod: IRModule) -> Problems:
    for seq in _sequences(func):
        for block in seq.blocks:
            for binding in block.bindings:
                yield from _dataflow_binding(binding, isinstance(block, DataflowBlock))


def _dataflow_binding(binding: Binding, inside: bool) -> Problems:
    name = binding.var.name_hint
    if not inside:
        if isinstance(binding.var, DataflowVar):
            yield f"dataflow variable `{name}` is bound outside of a dataflow block"
        return
    if isinstance(binding.value, If):
        yield f"the conditional `{name}` stands in a dataflow block"
    if isinstance(binding.value, Call) and is_impure_call(binding.value):
        yield f"the call of `{name_of(binding.value.op)}` in a dataflow block has side effects"


def _globals(func: Function, mod: IRModule) -> Problems:
    for gvar in all_global_vars(func):
        if len(mod) and gvar not in mod:
            yield f"the module has no function `{gvar.name_hint}`"


def _symbols(func: Function, mod: IRModule) -> Problems:
    yield from _symbols_of(func, set())


def _symbols_of(func: Function, outer: set[TirVar]) -> Problems:
    known = set(outer)
    for param in func.params:
        if param.struct_info is not None:
            known.update(definable_tir_vars_in_struct_info(param.struct_info))
    for param in func.params:
        yield from _unknown(param.struct_info, known, f"parameter `{param.name_hint}`")
    for binding in bindings_of(func):
        if isinstance(binding, MatchCast):
            known.update(definable_tir_vars_in_struct_info(binding.struct_info))
        if isinstance(binding.value, Function):
            yield from _symbols_of(binding.value, known)
            continue
        if not isinstance(binding.value, If):
            yield from _unknown(binding.value, known, f"the value of `{binding.var.name_hint}`")
        yield from _unknown(
            binding.var.struct_info_, known, f"what is told of `{binding.var.name_hint}`"
        )
    yield from _unknown(func.ret_struct_info, known, "what is told of the result")


def _unknown(value: Any, known: set[TirVar], what: str) -> Problems:
    own = definable_tir_vars_in_struct_info(value) if isinstance(value, FuncStructInfo) else ()
    for var in (v for v in symbolic_vars(value) if v not in own):
        if var not in known:
            yield f"the symbolic dimension `{var.name}` in {what} is not bound"


def _purity(func: Function, mod: IRModule) -> Problems:
    forced = func.attrs.get("relax.force_pure")
    if forced and not func.is_pure:
        yield "the function is declared impure and has the attribute `relax.force_pure`"
    if func.is_pure and not forced and contains_impure_call(func):
        yield "the function is declared pure but has a call with side effects"


_KERNEL_CALLS = ("relax.call_tir", "relax.call_tir_inplace")


def _kernels(func: Function, mod: IRModule) -> Problems:
    for binding in bindings_of(func):
        call = binding.value
        if not isinstance(call, Call) or getattr(call.op, "name", "") not in _KERNEL_CALLS:
            continue
        gvar: Any = call.args[0]
        kernel = mod[gvar] if _is_in(gvar, mod) else None
        if isinstance(kernel, PrimFunc) and isinstance(call.args[1], Tuple):
            problem = _kernel_call(kernel, call)
            if problem:
                yield f"kernel `{name_of(gvar)}` {problem}"


def _kernel_call(kernel: PrimFunc, call: Call) -> str:
    """How a call does not fit its kernel: inputs, then new results, then scalars."""
    inputs: tuple[Expr, ...] = call.args[1].items  # type: ignore[attr-defined]
    results = call.sinfo_args[0]
    outputs = results.items if isinstance(results, TupleStructInfo) else (results,)
    places = call.attrs.get("inplace_indices", (-1,) * len(outputs))
    known = [arg.struct_info_ for arg in inputs]
    fresh = [info for info, place in zip(outputs, places, strict=True) if int(place) < 0]
    scalars = symbolic_args(call)
    given = len(inputs) + len(fresh) + len(scalars)
    if given != len(kernel.params):
        return f"takes {len(kernel.params)} arguments, is called with {given}"
    for info, place in zip(outputs, places, strict=True):
        told = known[place] if 0 <= place < len(known) else None
        if told is not None and struct_info_base_check(info, told) == BaseCheckResult.FAIL_L0:
            return f"overwrites argument {place}, a `{told}`, with a `{info}`"
    values = dict(zip(kernel.params[given - len(scalars) :], scalars, strict=True))
    return _mismatch(kernel, [*known, *fresh], values)


def _mismatch(
    kernel: PrimFunc, infos: list[StructInfo | None], scalars: dict[TirVar, PrimExpr]
) -> str:
    """The first argument that is proved not to be what the kernel takes; empty if there is none."""
    unifier = Unifier(symbolic_vars(kernel.struct_info.params))
    unifier.env.update(scalars)
    for index, (param, info) in enumerate(
        zip(kernel.struct_info.params[: len(infos)], infos, strict=True)
    ):
        if info is None or isinstance(info, DTensorStructInfo):
            continue
        if problem := unifier.match(param, info):
            return f"has as argument {index}: {problem}"
    return ""


def symbolic_args(call: Call) -> tuple[Any, ...]:
    """The scalars that a `call_tir` passes."""
    if len(call.args) < 3:
        return ()
    values = getattr(call.args[2], "values", None) or call.args[2].struct_info.values
    return tuple(values or ())


def _is_in(gvar: Expr, mod: IRModule) -> bool:
    return isinstance(gvar, GlobalVar) and gvar in mod


def _parameters(func: Function, mod: IRModule) -> Problems:
    for param in func.params:
        if isinstance(param, DataflowVar):
            yield f"parameter `{param.name_hint}` is a dataflow variable"
    if len(set(func.params)) != len(func.params):
        yield "a variable is two parameters"


PROMISES: tuple[Promise, ...] = (
    Promise("parameters", "parameters are distinct plain variables", _parameters),
    Promise("bound_once", "every variable is bound once", _bound_once),
    Promise("scope", "every variable is used where it is defined", _defined_before_use),
    Promise("normal_form", "arguments are variables, constants or names", _normal_form),
    Promise("dataflow", "dataflow blocks have no effects and no branches", _dataflow),
    Promise("globals", "every function called by name is in the module", _globals),
    Promise("kernels", "kernels are called with the arguments that they take", _kernels),
    Promise("symbols", "every symbolic dimension is bound by a parameter or a cast", _symbols),
    Promise("purity", "a pure function has no side effects", _purity),
    Promise("struct_info", "a variable's struct info describes its value", _struct_info),
)
"""What every Relax function promises."""


def problems(obj: IRModule | Function, check_struct_info: bool = True) -> list[str]:
    """How a module or function breaks its promises, one text each."""
    mod = obj if isinstance(obj, IRModule) else IRModule()
    functions = mod.items() if isinstance(obj, IRModule) else [(GlobalVar("function"), obj)]
    found: list[str] = []
    for gvar, func in functions:
        if not isinstance(func, Function):
            continue
        symbol = func.attrs.get("global_symbol", gvar.name_hint)
        if isinstance(obj, IRModule) and symbol != gvar.name_hint:
            found.append(f"function `{gvar.name_hint}` has the global symbol {symbol!r}")
        for promise in PROMISES:
            if promise.name != "struct_info" or check_struct_info:
                found += [f"{gvar.name_hint}: {p}" for p in promise.check(func, mod)]
    return found


def well_formed(obj: IRModule | Function, check_struct_info: bool = True) -> bool:
    """True if every promise holds."""
    return not problems(obj, check_struct_info)


def check_well_formed(obj: IRModule | Function, check_struct_info: bool = True) -> None:
    """Raises `CompileError` that lists how `obj` breaks its promises, if it does."""
    found = problems(obj, check_struct_info)
    if found:
        raise CompileError("the program is not well formed:\n  " + "\n  ".join(found[:20]))


VERIFIERS.append(check_well_formed)
