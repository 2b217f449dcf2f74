"""The scopes of graph programs that Python code builds: functions, dataflow blocks, branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir.expr import GlobalVar
from ..ir.global_info import lookup_vdevice as _lookup_vdevice
from ..ir.ir_builder import finish_function
from ..script.ir_builder.base import NAMERS, IRBuilder
from ..script.parser.arguments import checked
from ..support.errors import ArgumentError
from .base import Expr, StructInfo
from .block_builder import BlockBuilder
from .expr import (
    Binding,
    DataflowVar,
    Function,
    SeqExpr,
    Tuple,
    Var,
    VarBinding,
    as_expr,
)  # fmt: skip
from .expr import (
    If as IfExpr,
)
from .expr_functor import PyExprMutator
from .script_infos import as_info

lookup_vdevice = checked("R.lookup_vdevice")(_lookup_vdevice)


class FunctionFrame:
    """`with R.function():`."""

    def __init__(self, is_pure: bool, is_private: bool) -> None:
        self.is_pure, self.is_private = is_pure, is_private
        self.name = ""
        self.params: list[Var] = []
        self.attrs: dict[str, Any] = {}
        self.ret: StructInfo | None = None
        self.result: Expr | None = None
        self.blocks: list[DataflowFrame] = []
        self.branches: list[IfFrame] = []

    def __enter__(self) -> FunctionFrame:
        facts = IRBuilder.current().facts
        self._outer = facts.get("function")
        facts["function"] = self
        self.builder = BlockBuilder.writing(facts.get("module"))
        self.builder.begin_scope()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        builder = IRBuilder.current()
        builder.facts["function"] = self._outer
        if kind is not None:
            return
        if self.result is None:
            raise ArgumentError(
                f"function `{self.name}` returns nothing", hint="call R.func_ret_value at its end"
            )
        body = self.builder._finish(self.result)
        attrs = dict(self.attrs)
        if self.name and not self.is_private:
            attrs.setdefault("global_symbol", self.name)
        made = Function(tuple(self.params), body, self.ret, self.is_pure, attrs)  # type: ignore[arg-type]
        finish_function(builder, self.name, made)


def frame() -> FunctionFrame:
    """The function being built."""
    found = IRBuilder.current().facts.get("function")
    if not isinstance(found, FunctionFrame):
        raise ArgumentError("there is no function to build", hint="write `with R.function():`")
    return found


@checked("R.function")
def function(is_pure: bool = True, is_private: bool = False) -> FunctionFrame:
    """A function, built inside of the `with`; a private one has no global symbol."""
    return FunctionFrame(is_pure, is_private)


@checked("R.arg")
def arg(name: str, struct_info: Any) -> Var:
    """A parameter of the function."""
    var = Var(name, as_info(struct_info))
    frame().params.append(var)
    return var


@checked("R.func_name")
def func_name(name: str) -> None:
    """Names the function."""
    frame().name = name


@checked("R.func_attr")
def func_attr(attrs: dict[str, Any]) -> None:
    """Sets attributes of the function."""
    frame().attrs.update(attrs)


@checked("R.func_ret_struct_info")
def func_ret_struct_info(ret_sinfo: Any) -> None:
    """Says what the function returns."""
    frame().ret = as_info(ret_sinfo)


@checked("R.func_ret_value")
def func_ret_value(value: Any) -> None:
    """Ends the function with `value`."""
    own = frame()
    if own.result is not None:
        raise ArgumentError("the function returns twice")
    own.result = Tuple(tuple(value)) if isinstance(value, (list, tuple)) else as_expr(value)


# ---- bindings -----------------------------------------------------------------------------------


@checked("R.emit")
def emit(value: Any, annotate_struct_info: Any = None) -> Var:
    """Binds `value` to a new variable, of struct info `annotate_struct_info` if that is given."""
    var = frame().builder.emit(value)
    if annotate_struct_info is not None:
        var.struct_info_ = as_info(annotate_struct_info)  # type: ignore[misc]
    return var


@checked("R.emit_te")
def emit_te(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Var:
    """Binds the result of the kernel that `func`, a function of `te` tensors, describes."""
    return frame().builder.emit_te(func, *args, **kwargs)


@checked("R.emit_match_cast")
def emit_match_cast(value: Expr, struct_info: Any) -> Var:
    """Binds `value`, checked to be as `struct_info` says."""
    return frame().builder.match_cast(value, as_info(struct_info))


@checked("R.emit_var_binding")
def emit_var_binding(value: VarBinding) -> Var:
    """Appends a binding that is made already."""
    return frame().builder.emit_normalized(value)


@checked("R.lookup_binding")
def lookup_binding(var: Var) -> Expr | None:
    """What a variable is bound to."""
    return frame().builder.lookup_binding(var)


class _Renamed(PyExprMutator):
    """Replaces variables by others."""

    def __init__(self, env: dict[Var, Var]) -> None:
        super().__init__()
        self.env = env

    def visit_var_(self, op: Var) -> Expr:
        """The other variable."""
        return self.env.get(op, op)

    visit_dataflow_var_ = visit_var_


class DataflowFrame:
    """`with R.dataflow() as df:`; `df.output_vars` are the variables seen after it."""

    def __init__(self) -> None:
        self.outputs: list[Var] = []
        self.output_vars: tuple[Var, ...] = ()

    def __enter__(self) -> DataflowFrame:
        self._function = frame()
        self._function.builder._begin_dataflow_block()
        self._function.blocks.append(self)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._function.blocks.pop()
        if kind is None:
            scope = self._function.builder._scope()
            seen = {v: Var(v.name_hint, v.struct_info) for v in self.outputs}
            scope.bindings = [_with_outputs(b, seen) for b in scope.bindings]
            self._function.builder._end_block()
            scope.is_dataflow = False
            self.output_vars = tuple(seen[v] for v in self.outputs)


def _with_outputs(binding: Binding, seen: dict[Var, Var]) -> Binding:
    value: Expr = binding.value
    changes = {"var": seen.get(binding.var, binding.var), "value": _Renamed(seen).visit_expr(value)}
    return binding.replace(**changes)


@checked("R.dataflow")
def dataflow() -> DataflowFrame:
    """A block without side effects or control flow."""
    return DataflowFrame()


@checked("R.output")
def output(*variables: Var) -> None:
    """The variables of the dataflow block that are seen after it."""
    blocks = frame().blocks
    if not blocks:
        raise ArgumentError("R.output stands outside of R.dataflow()")
    for var in variables:
        if not isinstance(var, DataflowVar):
            raise ArgumentError(f"R.output names `{var}`, which the block does not define")
    blocks[-1].outputs += variables


# ---- branches -----------------------------------------------------------------------------------


class IfFrame:
    """`with R.If(condition) as choice:`; `choice.var` is bound to the value of the branch taken."""

    def __init__(self, condition: Any) -> None:
        self.condition = as_expr(condition)
        self.parts: dict[str, SeqExpr] = {}
        self.names: set[str] = set()
        self.var: Var | None = None

    def __enter__(self) -> IfFrame:
        self._function = frame()
        self._function.branches.append(self)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._function.branches.pop()
        if kind is not None:
            return
        for name in ("R.Then", "R.Else"):
            if name not in self.parts:
                raise ArgumentError(f"`R.If` has no `{name}`")
        if len(self.names) != 1:
            raise ArgumentError(
                f"both branches end by binding one name, found {sorted(self.names)}",
                hint="name the last variable of each with IRBuilder.name",
            )
        value = IfExpr(self.condition, self.parts["R.Then"], self.parts["R.Else"])
        self.var = self._function.builder.emit(value)
        IRBuilder.name(next(iter(self.names)), self.var)


class BranchFrame:
    """`with R.Then():` or `with R.Else():`; its value is the last variable bound."""

    def __init__(self, title: str) -> None:
        self.title = title

    def __enter__(self) -> BranchFrame:
        self._function = frame()
        if not self._function.branches:
            raise ArgumentError(f"`{self.title}` stands outside of `R.If`")
        self._function.builder.begin_scope()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        builder, choice = self._function.builder, self._function.branches[-1]
        scope = builder._scope()
        if kind is None:
            scope.end_block()
            if not scope.blocks:
                raise ArgumentError(f"`{self.title}` binds nothing")
            last: Var = scope.blocks[-1].bindings[-1].var
            choice.parts[self.title] = SeqExpr(tuple(scope.blocks), last)
            choice.names.add(last.name_hint)
        builder.end_scope()


@checked("R.If")
def If(condition: Any) -> IfFrame:
    """A choice; its branches are `with R.Then():` and `with R.Else():` inside of the `with`."""
    return IfFrame(condition)


@checked("R.Then")
def Then() -> BranchFrame:
    """What is computed where the condition of the `R.If` around it holds."""
    return BranchFrame("R.Then")


@checked("R.Else")
def Else() -> BranchFrame:
    """What is computed where the condition of the `R.If` around it does not hold."""
    return BranchFrame("R.Else")


def _name_var(name: str, var: Var) -> None:
    var.name_hint = name  # type: ignore[misc]


NAMERS[Var] = _name_var
NAMERS[GlobalVar] = _name_var
