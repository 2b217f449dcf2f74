"""CombineParallelMatmul: products of one tensor with several matrices become one product."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import IntImm
from ...ir.op import Op
from ...ir.transform import Pass
from ..analysis.variables import uses_of
from ..base import Expr
from ..dims import all_equal
from ..expr import Binding, Call, DataflowBlock, DataflowVar, Function, Tuple, Var, VarBinding
from ..expr_functor import PyExprMutator
from ..op import add, concat, matmul, split
from ..struct_info import TensorStructInfo
from ._calls import is_call_of
from ._pass import function_level

ACTIVATIONS = ("nn.relu", "nn.gelu", "nn.silu")
Check = Callable[[Var, list[Any], list[Any], Mapping[Var, Expr]], bool]


@dataclass
class Branch:
    """One product, and what follows it alone: a bias, an activation."""

    chain: list[VarBinding]
    right: Expr
    bias: Expr | None = None
    activation: str | None = None

    @property
    def result(self) -> VarBinding:
        """The binding whose variable the rest of the program uses."""
        return self.chain[-1]


@dataclass
class _Block:
    """What the bindings of a block say."""

    block: DataflowBlock
    outputs: set[Var]
    place: dict[Var, int] = field(default_factory=dict)
    users: dict[Var, list[VarBinding]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, binding in enumerate(self.block.bindings):
            self.place[binding.var] = index
            for var in uses_of(binding.value):
                self.users.setdefault(var, []).append(binding)  # type: ignore[arg-type]

    def next_of(self, var: Var) -> VarBinding | None:
        """The only user of a variable of this block."""
        users = self.users.get(var, [])
        only = len(users) == 1 and isinstance(var, DataflowVar)
        return users[0] if only and isinstance(users[0], VarBinding) else None

    def branch(self, binding: VarBinding) -> Branch:
        """The product and what follows."""
        call: Any = binding.value
        made = Branch([binding], call.args[1])
        after = self.next_of(binding.var)
        if after is not None and is_call_of(after.value, "add"):
            bias = _bias(after.value, binding.var)
            if bias is not None:
                made.bias = bias
                made.chain.append(after)
                after = self.next_of(after.var)
        if after is not None and is_call_of(after.value, *ACTIVATIONS):
            made.activation = after.value.op.name  # type: ignore[attr-defined]
            made.chain.append(after)
        return made

    def is_ready(self, value: Expr, index: int) -> bool:
        """True if `value` is there before the binding of that place."""
        return all(self.place.get(v, -1) < index for v in uses_of(value))


def _bias(call: Any, product: Var) -> Expr | None:
    """The vector that is added to the product."""
    left, right = call.args
    other: Expr = right if left is product else left
    info = other.struct_info
    if not isinstance(info, TensorStructInfo) or info.ndim != 1 or info.dims is None:
        return None
    whole = product.struct_info
    same = isinstance(whole, TensorStructInfo) and whole.dims is not None and all_equal(
        info.dims, whole.dims[-1:]
    )  # fmt: skip
    return other if same and other is not product else None


def _kind(branch: Branch, left: Var) -> Any:
    """What branches that are combined have in common; None where it is not known."""
    info, own = branch.right.struct_info, left.struct_info
    call: Any = branch.chain[0].value
    if not isinstance(info, TensorStructInfo) or info.dims is None or info.ndim < 2:
        return None
    if not isinstance(own, TensorStructInfo) or own.ndim < 2 or not info.dtype:
        return None
    if not isinstance(info.dims[-1], IntImm):
        return None
    batch = tuple(str(d) for d in info.dims[:-1])
    return (info.ndim, info.dtype, batch, call.attrs.out_dtype)


class _Combiner(PyExprMutator):
    def __init__(self, check: Check) -> None:
        super().__init__()
        self.check = check

    def visit_dataflow_block_(self, block: DataflowBlock) -> None:
        """A block: each group of branches is written where its first product stands."""
        facts = _Block(block, {b.var for b in block.bindings if type(b.var) is Var})
        groups = self._groups(facts)
        first = {g[0].chain[0].var: (left, g) for left, g in groups}
        gone = {b.var for _, g in groups for branch in g for b in branch.chain}
        self.builder_._begin_dataflow_block()
        for binding in block.bindings:
            if binding.var in first:
                self._write(*first[binding.var])
            if binding.var not in gone:
                self.visit_binding(binding)
            elif type(binding.var) is Var:
                self._output(binding)
        self.builder_._end_block()

    def _output(self, binding: Binding) -> None:
        """A result of the block that is one of a group's."""
        made = self.get_var_remap(binding.var)
        if made is not binding.var:
            self.var_remap.pop(binding.var)
            self.builder_.emit_normalized(VarBinding(binding.var, made))

    def _groups(self, facts: _Block) -> list[tuple[Var, list[Branch]]]:
        found: dict[Any, list[Branch]] = {}
        for binding in facts.block.bindings:
            if not isinstance(binding, VarBinding) or not is_call_of(binding.value, "matmul"):
                continue
            left = binding.value.args[0]  # type: ignore[attr-defined]
            if not isinstance(left, Var):
                continue
            branch = facts.branch(binding)
            kind = _kind(branch, left)
            if kind is not None:
                found.setdefault((left, kind), []).append(branch)
        groups = []
        for (left, _), branches in found.items():
            start = facts.place[branches[0].chain[0].var]
            ready = [
                b
                for b in branches
                if facts.is_ready(b.right, start)
                and (b.bias is None or facts.is_ready(b.bias, start))
            ]
            if len(ready) > 1 and ready[0] is branches[0] and self._is_wanted(left, ready, facts):
                groups.append((left, ready))
        return groups

    def _is_wanted(self, left: Var, branches: list[Branch], facts: _Block) -> bool:
        biases = [b.bias for b in branches if b.bias is not None]
        bound = {b.var: b.value for b in facts.block.bindings if isinstance(b, VarBinding)}
        return bool(self.check(left, [b.right for b in branches], biases, bound))

    def _write(self, left: Var, branches: list[Branch]) -> None:
        emit = self.builder_.emit
        call: Any = branches[0].chain[0].value
        rights = tuple(self.visit_expr(b.right) for b in branches)
        rank = rights[0].struct_info.ndim
        joined = emit(concat(Tuple(rights), rank - 1))
        whole = emit(matmul(self.visit_expr(left), joined, call.attrs.out_dtype))
        with_bias = all(b.bias is not None for b in branches)
        if with_bias:
            biases = tuple(self.visit_expr(b.bias) for b in branches)  # type: ignore[arg-type]
            whole = emit(add(whole, emit(concat(Tuple(biases), 0))))
        kinds = {b.activation for b in branches}
        same = with_bias or all(b.bias is None for b in branches)
        with_activation = same and len(kinds) == 1 and None not in kinds
        if with_activation:
            whole = emit(_activation(branches[0].activation, whole))
        ends = []
        total = 0
        for right in rights[:-1]:
            total += right.struct_info.dims[-1].value
            ends.append(total)
        parts = emit(split(whole, ends, whole.struct_info.ndim - 1))  # type: ignore[union-attr]
        for index, branch in enumerate(branches):
            self._part(branch, emit(parts[index]), with_bias, with_activation)

    def _part(self, branch: Branch, part: Var, with_bias: bool, with_activation: bool) -> None:
        """One branch's part of the result, with what was not done together."""
        if branch.bias is not None and not with_bias:
            part = self.builder_.emit(add(part, self.visit_expr(branch.bias)))
        if branch.activation is not None and not with_activation:
            part = self.builder_.emit(_activation(branch.activation, part))
        self.set_var_remap(branch.result.var, part)


def _activation(name: str | None, value: Expr) -> Expr:
    return Call(Op.get(str(name)), (value,))


def CombineParallelMatmul(check: Check | None = None) -> Pass:
    """`matmul(x, a)`, `matmul(x, b)`, ...  ->  the parts of `split(matmul(x, concat(a, b, ...)))`.

    Biases and activations that all branches have are done together too. `check(x, matrices, biases,
    bindings)` decides on each group.
    """
    wanted: Check = check or (lambda left, rights, biases, bindings: True)

    def transform(func: Function) -> Function:
        made: Function = _Combiner(wanted).visit_expr(func)
        return made

    return function_level("CombineParallelMatmul", transform)
