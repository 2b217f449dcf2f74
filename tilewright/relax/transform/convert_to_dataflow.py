"""ConvertToDataflow: runs of pure bindings become dataflow blocks."""

from __future__ import annotations

from ...ir.transform import Pass
from ..analysis.effects import contains_impure_call
from ..analysis.variables import uses_of
from ..base import Expr
from ..expr import (
    Binding,
    BindingBlock,
    DataflowBlock,
    DataflowVar,
    Function,
    If,
    SeqExpr,
    Var,
)
from ..expr_functor import PyExprMutator
from ._pass import function_level


def _is_pure(binding: Binding) -> bool:
    value = binding.value
    return not isinstance(value, (If, Function)) and not contains_impure_call(value)


def _split(seq: SeqExpr, min_size: int) -> list[BindingBlock]:
    blocks: list[BindingBlock] = []
    for block in seq.blocks:
        if isinstance(block, DataflowBlock):
            blocks.append(block)
            continue
        run: list[Binding] = []
        rest: list[Binding] = []
        for binding in (*block.bindings, None):
            if binding is not None and _is_pure(binding):
                run.append(binding)
                continue
            if len(run) >= min_size:
                blocks += [BindingBlock(tuple(rest))] if rest else []
                blocks.append(DataflowBlock(tuple(run)))
                rest = []
            else:
                rest += run
            run = []
            rest += [] if binding is None else [binding]
        blocks += [BindingBlock(tuple(rest))] if rest else []
    return _joined(blocks)


def _joined(blocks: list[BindingBlock]) -> list[BindingBlock]:
    """Neighbouring dataflow blocks as one."""
    out: list[BindingBlock] = []
    for block in blocks:
        if out and isinstance(block, DataflowBlock) and isinstance(out[-1], DataflowBlock):
            out[-1] = DataflowBlock((*out[-1].bindings, *block.bindings))
        else:
            out.append(block)
    return out


class _Rename(PyExprMutator):
    """Makes variables that do not leave their dataflow block dataflow variables."""

    def __init__(self, local: set[Var]) -> None:
        super().__init__()
        self.local = local

    def visit_var_def(self, var: Var) -> Var:
        """The definition of a variable."""
        if var not in self.local:
            return var
        new = DataflowVar(var.name_hint, var.struct_info, span=var.span)
        self.set_var_remap(var, new)
        return new


def _local(blocks: list[BindingBlock], body: Expr) -> set[Var]:
    """The variables bound in dataflow blocks that are used in their own block alone."""
    home = {
        b.var: index
        for index, block in enumerate(blocks)
        for b in block.bindings
        if isinstance(block, DataflowBlock)
    }
    outside = set(uses_of(body))
    for index, block in enumerate(blocks):
        for binding in block.bindings:
            outside.update(v for v in uses_of(binding.value) if home.get(v, index) != index)
    return {v for v in home if v not in outside and not isinstance(v, DataflowVar)}


class _Converter:
    """Splits the blocks of a sequence and of the branches within it."""

    def __init__(self, min_size: int) -> None:
        self.min_size = min_size
        self.local: set[Var] = set()

    def sequence(self, seq: SeqExpr) -> SeqExpr:
        """The sequence with dataflow blocks; `local` gains the variables that stay inside them."""
        inner = seq.replace(blocks=tuple(self._block(b) for b in seq.blocks))
        blocks = _split(inner, self.min_size)
        self.local |= _local(blocks, seq.body)
        return inner.replace(blocks=tuple(blocks))

    def _block(self, block: BindingBlock) -> BindingBlock:
        return block.replace(bindings=tuple(self._binding(b) for b in block.bindings))

    def _binding(self, binding: Binding) -> Binding:
        value = binding.value
        if isinstance(value, Function):
            return binding.replace(value=value.replace(body=self.sequence(value.body)))
        if not isinstance(value, If):
            return binding
        yes, no = self.sequence(value.true_branch), self.sequence(value.false_branch)
        return binding.replace(value=value.replace(true_branch=yes, false_branch=no))


def convert_to_dataflow(func: Function, min_size: int = 2) -> Function:
    """`func` with runs of at least `min_size` pure bindings as dataflow blocks."""
    converter = _Converter(min_size)
    changed = func.replace(body=converter.sequence(func.body))
    made: Function = _Rename(converter.local).visit_expr(changed)
    return made


def ConvertToDataflow(min_size: int = 2) -> Pass:
    """Puts runs of at least `min_size` bindings without effects into dataflow blocks."""
    return function_level("ConvertToDataflow", lambda func: convert_to_dataflow(func, min_size))
