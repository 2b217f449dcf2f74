"""BlockBuilder: writes programs binding by binding, in A-normal form, deducing struct info."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..ir.expr import BaseFunc, GlobalVar
from ..ir.functor import deep_recursion
from ..ir.module import IRModule
from ..ir.structural import structural_equal, structural_hash
from ..support.errors import ArgumentError, CompileError, TVMError
from ..support.span import Span
from ..tir.expr import Var as TirVar
from . import normalizer
from .base import Expr, StructInfo
from .deduce import name_function
from .expr import (
    Binding,
    BindingBlock,
    Call,
    DataflowBlock,
    DataflowVar,
    Function,
    MatchCast,
    SeqExpr,
    Tuple,
    Var,
    VarBinding,
    as_expr,
)
from .op.base import call_tir, call_tir_with_grad
from .struct_info import ShapeStructInfo
from .te import kernel_of, name_of_function

_current = threading.local()


@dataclass
class Scope:
    """Blocks under construction: of a function, or of a branch."""

    blocks: list[BindingBlock] = field(default_factory=list)
    bindings: list[Binding] = field(default_factory=list)
    is_dataflow: bool = False
    memo: dict[int, tuple[Expr, Expr]] = field(default_factory=dict)

    def end_block(self) -> BindingBlock | None:
        """Closes the current block and returns it; None if it has no bindings."""
        if not self.bindings:
            self.is_dataflow = False
            return None
        kind = DataflowBlock if self.is_dataflow else BindingBlock
        block = kind(tuple(self.bindings))
        self.blocks.append(block)
        self.bindings = []
        self.is_dataflow = False
        return block


@dataclass
class _FunctionFrame:
    name: str
    params: tuple[Var, ...] | None
    attrs: dict[str, Any]
    is_pure: bool
    done: bool = False


class BlockBuilder:
    """Writes Relax functions into a module.

    ```
    bb = BlockBuilder()
    with bb.function("main", [x, w]):
        with bb.dataflow():
            y = bb.emit(relax.op.matmul(x, w))
            out = bb.emit_output(relax.op.nn.relu(y))
        bb.emit_func_output(out)
    mod = bb.get()
    ```
    """

    def __init__(self, mod: IRModule | None = None) -> None:
        self._module = IRModule() if mod is None else mod.clone()
        self._scopes: list[Scope] = []
        self._functions: list[_FunctionFrame] = []
        self._names: dict[str, int] = {}
        self._global_names: dict[str, GlobalVar] = {}
        self._kernels: dict[int, list[GlobalVar]] | None = None
        self._bindings: dict[Var, Expr] = {}
        self._span: Span | None = None
        for gvar, func in self._module.functions.items():
            self._global_names[gvar.name_hint] = gvar
            if gvar.struct_info_ is None:
                name_function(gvar, func)

    @classmethod
    def writing(cls, mod: IRModule | None) -> BlockBuilder:
        """A builder that adds its kernels to `mod` itself, not to a copy."""
        made = cls()
        if mod is not None:
            made._module = mod
            made._global_names = {gvar.name_hint: gvar for gvar in mod.functions}
        return made

    @staticmethod
    def current() -> BlockBuilder | None:
        """The builder of the innermost `function` being written in this thread."""
        stack = getattr(_current, "stack", None)
        return stack[-1] if stack else None

    # functions

    @contextmanager
    def function(
        self,
        name: str,
        params: Var | Tuple | Sequence[Var] | None = None,
        attrs: dict[str, Any] | None = None,
        pure: bool = True,
        private: bool = False,
    ) -> Iterator[None]:
        """Writes the function `name` inside the `with`; `emit_func_output` ends it.

        A private function has no global symbol: passes may change its signature.
        """
        given = None if params is None else _params(params)
        all_attrs = dict(attrs or {})
        if not private:
            if all_attrs.get("global_symbol", name) != name:
                raise ArgumentError(
                    f"function {name!r} has the attribute global_symbol "
                    f"{all_attrs['global_symbol']!r}"
                )
            all_attrs["global_symbol"] = name
        self._functions.append(_FunctionFrame(name, given, all_attrs, pure))
        names, self._names = self._names, {}
        self.begin_scope(given)
        stack = _current.__dict__.setdefault("stack", [])
        stack.append(self)
        try:
            yield
            if not self._functions[-1].done:
                raise ArgumentError(
                    f"function {name!r} has no output", hint="call emit_func_output at its end"
                )
        finally:
            stack.pop()
            frame = self._functions.pop()
            if not frame.done:
                self._scopes.pop()
            self._names = names

    def emit_func_output(
        self,
        output: Expr | Tuple | Sequence[Expr],
        params: Var | Tuple | Sequence[Var] | None = None,
    ) -> GlobalVar:
        """Ends the function with `output`; `params` may be given here instead of before."""
        if not self._functions:
            raise ArgumentError("emit_func_output stands outside of a function")
        frame = self._functions[-1]
        if frame.done:
            raise ArgumentError(f"function {frame.name!r} has an output already")
        if params is not None:
            if frame.params is not None:
                raise ArgumentError(f"the parameters of {frame.name!r} are given twice")
            frame.params = _params(params)
        if frame.params is None:
            raise ArgumentError(f"function {frame.name!r} has no parameters given")
        body = self._finish(as_expr(output))
        frame.done = True
        func = Function(frame.params, body, None, frame.is_pure, frame.attrs, span=self._span)  # type: ignore[arg-type]
        return self.add_func(func, frame.name)

    def _finish(self, output: Expr) -> SeqExpr:
        scope = self._scopes[-1]
        if scope.is_dataflow:
            raise ArgumentError("a function ends outside of its dataflow blocks")
        with deep_recursion():
            body = normalizer.leaf(self, output)
        scope.end_block()
        self._scopes.pop()
        return SeqExpr(tuple(scope.blocks), body)

    # blocks and scopes

    @contextmanager
    def dataflow(self) -> Iterator[None]:
        """Writes a dataflow block inside the `with`."""
        self._begin_dataflow_block()
        yield
        self._end_block()

    def _scope(self) -> Scope:
        if not self._scopes:
            raise ArgumentError(
                "there is no function to write to", hint="use `with bb.function(...)` first"
            )
        return self._scopes[-1]

    def _open_scope(self) -> Scope:
        """The innermost scope; one of no function where there is none, for blocks alone."""
        if not self._scopes:
            self.begin_scope()
        return self._scopes[-1]

    def _begin_dataflow_block(self) -> None:
        scope = self._open_scope()
        if scope.is_dataflow:
            raise ArgumentError("a dataflow block stands within a dataflow block")
        scope.end_block()
        scope.is_dataflow = True

    def _begin_binding_block(self) -> None:
        self._open_scope().end_block()

    def _end_block(self) -> BindingBlock:
        return self._scope().end_block() or BindingBlock(())

    def begin_scope(self, params: Sequence[Var] | None = None) -> None:
        """Opens a scope, in which `params` are known."""
        self._scopes.append(Scope())
        for param in params or ():
            self._names.setdefault(param.name_hint, 0)

    def end_scope(self) -> None:
        """Closes the innermost scope."""
        self._scopes.pop()

    def nested(self, write: Callable[[], Expr], params: Sequence[Var] = ()) -> SeqExpr:
        """What `write` emits and returns, as a sequence of its own."""
        self.begin_scope(params)
        depth = len(self._scopes)
        try:
            result = normalizer.leaf(self, write())
            scope = self._scopes[-1]
            scope.end_block()
            return SeqExpr(tuple(scope.blocks), result)
        finally:
            del self._scopes[depth - 1 :]

    def current_block_is_dataflow(self) -> bool:
        """True inside a dataflow block."""
        return self._scope().is_dataflow

    @contextmanager
    def at(self, span: Span | None) -> Iterator[None]:
        """Gives `span` to what is emitted inside the `with` and has none."""
        before, self._span = self._span, span or self._span
        try:
            yield
        except TVMError as error:
            if error.span is None and span is not None:
                raise type(error)(error.message, span, note=error.note, hint=error.hint) from error
            raise
        finally:
            self._span = before

    @contextmanager
    def testing_scope(self, def_vars: Sequence[TirVar]) -> Iterator[None]:
        """A scope of no function, for tests, in which the dimensions `def_vars` are known."""
        self.begin_scope([Var("shape", ShapeStructInfo(tuple(def_vars)))])
        try:
            yield
        finally:
            self.end_scope()

    # bindings

    def get_unique_name(self, name_prefix: str) -> str:
        """`name_prefix`, numbered if this function has it already: `lv`, `lv1`, `lv2`..."""
        count = self._names.get(name_prefix)
        if count is None:
            self._names[name_prefix] = 0
            return name_prefix
        while True:
            count += 1
            made = f"{name_prefix}{count}"
            if made not in self._names:
                self._names[name_prefix] = count
                self._names[made] = 0
                return made

    def _new_var(self, info: StructInfo, name_hint: str, is_output: bool) -> Var:
        local = self._scope().is_dataflow and not is_output
        name = self.get_unique_name(name_hint or ("lv" if local else "gv"))
        return DataflowVar(name, info) if local else Var(name, info)

    def emit(self, expr: Any, name_hint: str = "") -> Var:
        """Binds `expr` to a new variable and returns that."""
        return self._emit(as_expr(expr), name_hint, False)

    def _emit(self, expr: Expr, name_hint: str, is_output: bool) -> Var:
        self._scope()
        if self._span is not None and expr.span is None and not isinstance(expr, Var):
            expr = expr.replace(span=self._span)
        with deep_recursion():
            value = normalizer.value(self, expr)
        var = self._new_var(value.struct_info, name_hint, is_output)
        return self.emit_normalized(VarBinding(var, value, span=value.span))

    def emit_output(self, output: Any, name_hint: str = "") -> Var:
        """Binds an output of the dataflow block to a variable seen after it."""
        if isinstance(output, (list, tuple)):
            output = Tuple(tuple(as_expr(o) for o in output))
        if not self._scope().is_dataflow:
            raise ArgumentError("emit_output stands outside of a dataflow block")
        return self._emit(as_expr(output), name_hint, True)

    def match_cast(self, value: Expr, struct_info: StructInfo, name_hint: str = "") -> Var:
        """Binds `value`, checked to be as `struct_info` says, which may bind new dimensions."""
        with deep_recursion():
            normal = normalizer.leaf(self, value)
        var = self._new_var(struct_info, name_hint, False)
        return self.emit_normalized(MatchCast(var, normal, struct_info, span=self._span))

    def emit_normalized(self, binding: Binding) -> Var:
        """Appends a binding that is in normal form already."""
        var: Var = binding.var
        self._scope().bindings.append(binding)
        if isinstance(binding, VarBinding):
            self._bindings[var] = binding.value
        return var

    def lookup_binding(self, var: Var) -> Expr | None:
        """What `var` was bound to, None for parameters and casts."""
        return self._bindings.get(var)

    def normalize(self, expr: Expr) -> Expr:
        """`expr` with its arguments bound to variables of the current scope, where needed.

        Outside of all scopes a sequence stays one.
        """
        with deep_recursion():
            if isinstance(expr, SeqExpr) and not self._scopes:
                return normalizer.branch(self, expr)
            return normalizer.value(self, expr)

    # kernels

    def call_te(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Call:
        """The call of a kernel written by `func`, a function of `te` tensors.

        Relax expressions among the arguments become tensors (dimensions for shapes); all others are
        passed on. `primfunc_name_hint` and `primfunc_attrs` describe the kernel.
        """
        return self._call_te(func, args, kwargs, None)

    def call_te_with_grad(
        self,
        func: Callable[..., Any],
        *args: Any,
        te_grad_name: str,
        te_grad_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Call:
        """`call_te` whose gradient is the registered `te` function `te_grad_name`."""
        return self._call_te(func, args, kwargs, (te_grad_name, te_grad_kwargs or {}))

    def _call_te(
        self,
        func: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        grad: tuple[str, dict[str, Any]] | None,
    ) -> Call:
        options = dict(kwargs)
        name = options.pop("primfunc_name_hint", None) or name_of_function(func)
        attrs = options.pop("primfunc_attrs", None)
        made = kernel_of(func, args, options, attrs)
        gvar = self.add_func(made.func, name)
        out: Any = made.out_sinfo[0] if len(made.out_sinfo) == 1 else made.out_sinfo
        scalars = made.tir_vars or None
        if grad is not None:
            return call_tir_with_grad(gvar, made.args, out, *grad, scalars)
        return call_tir(gvar, made.args, out, scalars)

    def emit_te(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Var:
        """Binds the result of the kernel that `func` describes; see `call_te`."""
        hint = kwargs.pop("name_hint", "")
        return self.emit(self.call_te(func, *args, **kwargs), hint)

    def emit_te_with_grad(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Var:
        """Binds the result of `call_te_with_grad`."""
        return self.emit(self.call_te_with_grad(func, *args, **kwargs))

    # the module

    def get(self) -> IRModule:
        """The module written so far."""
        return self._module

    def finalize(self) -> IRModule:
        """The module, names of functions without collisions."""
        return self._module

    def add_func(self, func: BaseFunc, func_name: str) -> GlobalVar:
        """Adds `func` under `func_name`, numbered if that is taken; equal kernels are shared."""
        if not isinstance(func, Function):
            known = self._same_kernel(func)
            if known is not None:
                return known
        gvar = GlobalVar(self._fresh_global(func_name))
        name_function(gvar, func)
        self._global_names[gvar.name_hint] = gvar
        self._module.functions[gvar] = func
        if not isinstance(func, Function) and self._kernels is not None:
            self._kernels.setdefault(structural_hash(func, True), []).append(gvar)
        return gvar

    def _same_kernel(self, func: BaseFunc) -> GlobalVar | None:
        if self._kernels is None:
            self._kernels = {}
            for gvar, old in self._module.functions.items():
                if isinstance(old, BaseFunc) and not isinstance(old, Function):
                    self._kernels.setdefault(structural_hash(old, True), []).append(gvar)
        for gvar in self._kernels.get(structural_hash(func, True), ()):
            if gvar in self._module.functions and structural_equal(
                self._module.functions[gvar], func
            ):
                return gvar
        return None

    def _fresh_global(self, name: str) -> str:
        if name not in self._global_names:
            return name
        if self._functions and self._functions[-1].name == name:
            raise ArgumentError(f"the module has a function {name!r} already")
        count = 1
        while f"{name}{count}" in self._global_names:
            count += 1
        return f"{name}{count}"

    def update_func(self, gv: GlobalVar, updated_func: BaseFunc) -> None:
        """Replaces the function that `gv` names."""
        own = self._module._own(gv)
        name_function(own, updated_func)
        self._module.functions[own] = updated_func
        self._kernels = None


def _params(params: Any) -> tuple[Var, ...]:
    if isinstance(params, Var):
        params = (params,)
    made = tuple(params.items if isinstance(params, Tuple) else params)
    for param in made:
        if not isinstance(param, Var):
            raise ArgumentError(f"a parameter is a relax.Var, found {type(param).__name__}")
        if param.struct_info is None:
            raise CompileError(f"parameter `{param.name_hint}` has no struct info")
    return made
