"""DataflowBlockRewrite: edits one dataflow block of a function, step by step."""

from __future__ import annotations

from ..ir.module import IRModule
from ..support.errors import ArgumentError, CompileError
from .analysis.variables import uses_of
from .base import Expr
from .expr import Binding, DataflowBlock, DataflowVar, Function, Var, VarBinding
from .utils import replace_vars


class DataflowBlockRewrite:
    """The dataflow block `dfb` of `root_fn` under edit: uses replaced, bindings added and removed.

    Nothing given is changed; `mutated_dfb`, `mutated_root_fn` and `mutate_irmodule` give what came
    of it.
    """

    def __init__(self, dfb: DataflowBlock, root_fn: Function) -> None:
        if not any(b is dfb for b in root_fn.body.blocks):
            raise ArgumentError("the block is none of the function's")
        self._block = dfb
        self._func = self._given = root_fn

    def _set(self, bindings: tuple[Binding, ...]) -> None:
        block = self._block.replace(bindings=bindings)
        blocks = tuple(block if b is self._block else b for b in self._func.body.blocks)
        self._func = self._func.replace(body=self._func.body.replace(blocks=blocks))
        self._block = block

    def replace_all_uses(self, old_var: Var, new_var: Var) -> None:
        """Every use of `old_var` in the function becomes one of `new_var`."""
        env: dict[Var, Expr] = {old_var: new_var}
        blocks = []
        for block in self._func.body.blocks:
            made = tuple(
                b if (v := replace_vars(b.value, env)) is b.value else b.replace(value=v)
                for b in block.bindings
            )
            same = all(a is b for a, b in zip(made, block.bindings, strict=True))
            new = block if same else block.replace(bindings=made)
            if block is self._block:
                self._block = new  # type: ignore[assignment]
            blocks.append(new)
        body = self._func.body.replace(
            blocks=tuple(blocks), body=replace_vars(self._func.body.body, env)
        )
        self._func = self._func.replace(body=body)

    def add_binding(self, binding: Binding) -> None:
        """Appends a binding to the block."""
        self._set((*self._block.bindings, binding))

    def add(self, expr: Expr, name: str | None = None, is_dfvar: bool = False) -> None:
        """Appends a binding of `expr` to a new variable: one of the block if `is_dfvar`, else one
        that is seen after it."""
        kind = DataflowVar if is_dfvar else Var
        self.add_binding(VarBinding(kind(self._fresh(name or "tmp"), expr.struct_info), expr))

    def _fresh(self, name: str) -> str:
        taken = {b.var.name_hint for block in self._func.body.blocks for b in block.bindings}
        taken.update(p.name_hint for p in self._func.params)
        made, count = name, 0
        while made in taken:
            count += 1
            made = f"{name}{count}"
        return made

    def _users(self, var: Var) -> bool:
        values = [b.value for block in self._func.body.blocks for b in block.bindings]
        return any(var in uses_of(v) for v in (*values, self._func.body.body))

    def remove_unused(self, var: Var, allow_undef: bool = False) -> None:
        """Removes the binding of `var`. Raises `CompileError` if it is used, or is not bound in
        the block, unless `allow_undef`."""
        kept = tuple(b for b in self._block.bindings if b.var is not var)
        if len(kept) == len(self._block.bindings):
            if allow_undef:
                return
            raise CompileError(f"the block does not bind `{var.name_hint}`")
        if self._users(var):
            raise CompileError(f"`{var.name_hint}` is still used")
        self._set(kept)

    def remove_all_unused(self) -> None:
        """Removes every binding whose variable nothing uses, and what that leaves unused."""
        used = set(uses_of(self._func.body.body))
        for block in self._func.body.blocks:
            if block is not self._block:
                for binding in block.bindings:
                    used.update(uses_of(binding.value))
        kept = []
        for binding in reversed(self._block.bindings):
            if binding.var in used:
                kept.append(binding)
                used.update(uses_of(binding.value))
        self._set(tuple(reversed(kept)))

    def mutated_dfb(self) -> DataflowBlock:
        """The block as it is now."""
        return self._block

    def mutated_root_fn(self) -> Function:
        """The function as it is now, without blocks that bind nothing any more."""
        body = self._func.body
        kept = tuple(block for block in body.blocks if block.bindings)
        if self._func is self._given and len(kept) == len(body.blocks):
            return self._func
        return self._func.replace(body=body.replace(blocks=kept), ret_struct_info=None)

    def mutate_irmodule(self, irmodule: IRModule) -> IRModule:
        """The module with the function as it is now, found by its name."""
        name = self._func.attrs.get("global_symbol")
        if name is None or name not in irmodule:
            raise ArgumentError(f"the module has no function {name!r}")
        new = dict(irmodule.functions)
        new[irmodule.get_global_var(name)] = self.mutated_root_fn()
        return irmodule.with_functions(new)
