"""The graph of a dataflow block as fusion sees it: nodes with kinds, uses and post-dominators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.op import Op
from ...tir.function import PrimFunc
from ..analysis.variables import uses_of
from ..dims import all_equal
from ..expr import Binding, Call, DataflowBlock, DataflowVar, Tuple, Var, VarBinding
from ..struct_info import TensorStructInfo
from .annotate_tir_op_pattern import OpPatternKind as Kind


@dataclass(eq=False)
class Node:
    """A binding in the graph of a dataflow block."""

    index: int
    binding: VarBinding
    kind: Kind
    users: list[tuple[Node, Kind]] = field(default_factory=list)
    leaves: bool = False  # used outside of the block's fusable part
    parent: Node | None = None  # immediate post-dominator
    edge: Kind = Kind.ELEMENTWISE  # the most demanding use on the way there
    depth: int = 1
    group: Group = None  # type: ignore[assignment]


@dataclass(eq=False)
class Group:
    """Nodes to become one kernel; `anchor` is the heavy or reducing one."""

    members: list[Node]
    kind: Kind
    into: Group | None = None

    def root(self) -> Group:
        """The group that this one has joined."""
        group = self
        while group.into is not None:
            group = group.into
        return group


def kernel_kind(mod: IRModule, call: Call) -> Kind:
    """The declared kind of the kernel that `call_tir` calls."""
    gvar = call.args[0]
    func = mod[gvar] if isinstance(gvar, GlobalVar) and gvar in mod else None
    if not isinstance(func, PrimFunc) or "op_pattern" not in func.attrs:
        return Kind.OPAQUE
    return Kind(int(func.attrs["op_pattern"]))


def is_call_tir(value: Any) -> bool:
    return isinstance(value, Call) and value.op is Op.get("relax.call_tir")


class Graph:
    """The nodes of a dataflow block with their uses and post-dominators."""

    def __init__(self, mod: IRModule, block: DataflowBlock) -> None:
        self.mod = mod
        self.nodes: list[Node] = []
        self.by_var: dict[Var, Node] = {}
        for binding in block.bindings:
            self._add(binding)
        self._post_dominators()

    def _add(self, binding: Binding) -> None:
        value = binding.value
        if isinstance(binding, VarBinding):
            kind = self._kind(value)
            node = Node(len(self.nodes), binding, kind)
            node.group = Group([node], kind)
            node.leaves = not isinstance(binding.var, DataflowVar)
            for used in uses_of(value):
                self._use(used, node, value)
            self.nodes.append(node)
            self.by_var[binding.var] = node
        else:
            for used in uses_of(value):
                if used in self.by_var:
                    self.by_var[used].leaves = True

    def _kind(self, value: Any) -> Kind:
        if is_call_tir(value):
            return kernel_kind(self.mod, value)
        return Kind.TUPLE if isinstance(value, Tuple) else Kind.OPAQUE

    def _use(self, used: Var, node: Node, value: Any) -> None:
        producer = self.by_var.get(used)
        if producer is not None:
            edge = node.kind
            if edge == Kind.BROADCAST and same_shape(used, node.binding.var):
                edge = Kind.ELEMENTWISE
            if edge == Kind.TUPLE:
                producer.leaves = True
            producer.users.append((node, edge))

    def _post_dominators(self) -> None:
        for node in reversed(self.nodes):
            if node.leaves or not node.users:
                continue
            (parent, edge), *others = node.users
            for other, kind in others:
                parent, both = _common(parent, other)  # type: ignore[assignment]
                edge = max(edge, kind, both)
                if parent is None:
                    break
            if parent is not None:
                node.parent, node.edge, node.depth = parent, edge, parent.depth + 1


def same_shape(a: Var, b: Var) -> bool:
    x, y = a.struct_info, b.struct_info
    both = isinstance(x, TensorStructInfo) and isinstance(y, TensorStructInfo)
    return both and x.dims is not None and y.dims is not None and all_equal(x.dims, y.dims)  # type: ignore[union-attr]


def _common(a: Node | None, b: Node | None) -> tuple[Node | None, Kind]:
    """The nearest node that post-dominates both, with the most demanding use on the way."""
    edge = Kind.ELEMENTWISE
    while a is not b:
        if a is None or b is None:
            return None, edge
        if a.depth < b.depth:
            edge = max(edge, b.edge)
            b = b.parent
        elif b.depth < a.depth:
            edge = max(edge, a.edge)
            a = a.parent
        else:
            edge = max(edge, a.edge, b.edge)
            a, b = a.parent, b.parent
    return a, edge
