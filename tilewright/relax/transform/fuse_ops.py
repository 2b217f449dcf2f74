"""FuseOps: groups kernel calls that one kernel can do.

The graph is that of one dataflow block. Node `i` may be fused with its immediate post-dominator
(the first node through which all of its results pass) if the kinds of all nodes between allow it;
then all these nodes join one group. A group holds at most one heavy operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...ir.module import IRModule
from ...ir.transform import Pass, PassContext
from ...support.span import Span
from ..analysis.variables import uses_of
from ..base import Expr, ShapeExpr
from ..block_builder import BlockBuilder
from ..dims import symbolic_vars
from ..expr import (
    Call,
    Constant,
    DataflowBlock,
    DataflowVar,
    Function,
    SeqExpr,
    Tuple,
    Var,
    VarBinding,
)
from ..expr_functor import PyExprMutator
from ..struct_info import ShapeStructInfo
from ._fuse_attention import attention_groups
from ._fusion_graph import Graph, Group, Node, is_call_tir
from ._pass import module_level
from .annotate_tir_op_pattern import OpPatternKind as Kind
from .config import MAX_DEPTH

MAX_ARGS = 127


Condition = Callable[[Kind, bool], bool]


def _between(source: Node, sink: Node) -> Iterator[Node]:
    """The nodes on all ways from `source` to `sink`, `sink` included."""
    seen: set[int] = set()
    stack = [user for user, _ in source.users]
    while stack:
        node = stack.pop()
        if node.index in seen:
            continue
        seen.add(node.index)
        yield node
        if node is not sink:
            stack.extend(user for user, _ in node.users)


def _epilogue(kind: Kind, is_sink: bool) -> bool:
    return kind <= Kind.BROADCAST


def _into_any(kind: Kind, is_sink: bool) -> bool:
    return kind <= (Kind.OUT_EWISE_FUSABLE if is_sink else Kind.INJECTIVE)


def _injective(kind: Kind, is_sink: bool) -> bool:
    return kind <= Kind.INJECTIVE


def _rule(node: Node, phase: int) -> Condition | None:
    """What the nodes up to the post-dominator must satisfy for `node` to join it now."""
    kind = node.group.root().kind
    if kind in (Kind.OUT_EWISE_FUSABLE, Kind.COMM_REDUCE):
        return _epilogue if phase == 0 and node.edge == Kind.ELEMENTWISE else None
    if kind <= Kind.BROADCAST:
        return _into_any if phase == 0 and node.edge <= Kind.COMM_REDUCE else None
    if kind == Kind.INJECTIVE and phase == 1:
        return _injective
    return None


class Fuser:
    """Forms the groups of one graph."""

    def __init__(self, graph: Graph, max_depth: int) -> None:
        self.graph = graph
        self.max_depth = max_depth

    def run(self) -> list[Group]:
        """The groups of more than one node."""
        for nodes in attention_groups(self.graph):
            if len(nodes) <= self.max_depth:
                self._join([n.group for n in nodes], nodes[-1])
        for phase in (0, 1):
            for node in self.graph.nodes:
                self._try(node, phase)
        found: dict[int, Group] = {}
        for node in self.graph.nodes:
            root = node.group.root()
            found.setdefault(id(root), root)
        return [g for g in found.values() if len(g.members) > 1]

    def _try(self, node: Node, phase: int) -> None:
        sink = node.parent
        if sink is None or node.group.root() is sink.group.root() or node.kind == Kind.OPAQUE:
            return
        condition = _rule(node, phase)
        if condition is None or sink.kind in (Kind.TUPLE, Kind.OPAQUE):
            return
        path = list(_between(node, sink))
        if not all(condition(n.group.root().kind, n is sink) for n in path):
            return
        groups = {id(n.group.root()): n.group.root() for n in (node, *path)}
        if self._fits(list(groups.values())):
            self._join(list(groups.values()), sink)

    def _fits(self, groups: list[Group]) -> bool:
        heavy = sum(g.kind in (Kind.OUT_EWISE_FUSABLE, Kind.COMM_REDUCE) for g in groups)
        if heavy > 1 or sum(len(g.members) for g in groups) > self.max_depth:
            return False
        members = {n.binding.var for g in groups for n in g.members}
        inputs = {v for g in groups for n in g.members for v in uses_of(n.binding.value)}
        return len(inputs - members) < MAX_ARGS

    def _join(self, groups: list[Group], sink: Node) -> None:
        target = sink.group.root()
        for group in groups:
            if group is not target:
                group.into = target
                target.members.extend(group.members)
                target.kind = max(target.kind, group.kind)


class _Rewriter(PyExprMutator):
    """Moves the members of each group into a function of their own, called where the last was."""

    def __init__(self, mod: IRModule, max_depth: int) -> None:
        super().__init__(mod)
        self.mod = mod
        self.max_depth = max_depth

    def visit_dataflow_block_(self, block: DataflowBlock) -> None:
        """A block: its groups are formed and replaced."""
        groups = Fuser(Graph(self.mod, block), self.max_depth).run()
        last: dict[Var, list[VarBinding]] = {}
        inner: set[Var] = set()
        for group in groups:
            members = [n.binding for n in sorted(group.members, key=lambda n: n.index)]
            last[members[-1].var] = members
            inner.update(b.var for b in members[:-1])
        self.builder_._begin_dataflow_block()
        for binding in block.bindings:
            var: Var = binding.var
            if var in last:
                self._emit_group(last[var])
            elif var not in inner:
                self.visit_binding(binding)
        self.builder_._end_block()

    def _emit_group(self, members: list[VarBinding]) -> None:
        bindings = [
            b if (v := self.visit_expr(b.value)) is b.value else b.replace(value=v) for b in members
        ]
        sink = bindings[-1]
        call = make_group_call(self.builder_, bindings, _name(bindings))
        self.builder_.emit_normalized(VarBinding(sink.var, call, span=sink.span))


def _name(bindings: list[VarBinding]) -> str:
    names = [b.value.args[0].name_hint for b in bindings if is_call_tir(b.value)]  # type: ignore[attr-defined]
    return "fused_" + "_".join(names)[:80].rstrip("_")


def make_group_call(
    builder: BlockBuilder,
    bindings: list[VarBinding],
    name: str,
    attrs: dict[str, Any] | None = None,
    lift_constants: bool = True,
) -> Call:
    """Adds a private function of the bindings, which returns the last one; a call of it.

    Its parameters are the variables used from outside, in order of use, then constant tensors (so
    that groups alike are equal), and a shape of the symbolic dimensions that these do not bind.
    """
    own = {b.var for b in bindings}
    inputs = list(dict.fromkeys(v for b in bindings for v in uses_of(b.value) if v not in own))
    params: list[Var] = [Var(v.name_hint, v.struct_info) for v in inputs]
    args: list[Any] = list(inputs)
    remap = _Remap()
    remap.var_remap.update(zip(inputs, params, strict=True))
    for constant in _constants(bindings) if lift_constants else ():
        param = remap.constants[id(constant)] = Var("const", constant.struct_info)
        params.append(param)
        args.append(constant)
    bound = {d for p in params for d in _bare_dims(p)}
    missing = [v for v in symbolic_vars(tuple(bindings)) if v not in bound]
    if missing:
        params.append(Var("tir_vars", ShapeStructInfo(tuple(missing))))
        args.append(ShapeExpr(tuple(missing)))
    inner: list[VarBinding] = []
    for index, binding in enumerate(bindings):
        is_last = index == len(bindings) - 1
        kind = Var if is_last else DataflowVar
        var = kind("gv" if is_last else binding.var.name_hint, binding.var.struct_info)
        inner.append(VarBinding(var, remap.visit_expr(binding.value), span=binding.span))
        remap.var_remap[binding.var] = var
    body = SeqExpr((DataflowBlock(tuple(inner)),), inner[-1].var)
    result: Any = bindings[-1].var.struct_info
    func = Function(tuple(params), body, result, True, attrs or {"Primitive": True})
    gvar = builder.add_func(func, name)
    call = Call(gvar, tuple(args), span=joined_span([b.value.span for b in bindings]))
    call._struct_info = bindings[-1].var.struct_info
    return call


class _Remap(PyExprMutator):
    """Replaces variables and, by identity, constants."""

    def __init__(self) -> None:
        super().__init__()
        self.constants: dict[int, Var] = {}

    def visit_constant_(self, op: Constant) -> Expr:
        """A constant that is a parameter now."""
        return self.constants.get(id(op), op)


def _constants(bindings: list[VarBinding]) -> list[Constant]:
    """The constant tensors among the arguments, scalars left out, each once."""
    found: dict[int, Constant] = {}
    stack: list[Any] = [
        a for b in reversed(bindings) if isinstance(b.value, Call) for a in reversed(b.value.args)
    ]
    while stack:
        value = stack.pop()
        if isinstance(value, Tuple):
            stack.extend(reversed(value.items))
        elif isinstance(value, Constant) and value.array.ndim > 0:
            found.setdefault(id(value), value)
    return list(found.values())


def _bare_dims(var: Var) -> list[Any]:
    from ..analysis.relations import definable_tir_vars_in_struct_info

    return definable_tir_vars_in_struct_info(var.struct_info)  # type: ignore[arg-type]


def joined_span(spans: list[Span | None]) -> Span | None:
    """One span that names all the places, each once."""
    known = list(dict.fromkeys(s for s in spans if s is not None))
    if len(known) < 2:
        return known[0] if known else None
    parts = dict.fromkeys(part for s in known for part in str(s).split(" + "))
    return Span(origin=" + ".join(parts))


def FuseOps(fuse_opt_level: int = -1) -> Pass:
    """Groups calls of kernels in dataflow blocks into private functions with `Primitive`.

    Elementwise and broadcasting operations join what produces or consumes them; injective ones each
    other; a reduction or a sum of products (matmul, convolution) takes an elementwise epilogue.
    Two products with a reduction of rows between them are an attention, and one group.
    """

    def transform(mod: IRModule) -> IRModule:
        depth = int(PassContext.current().config.get(MAX_DEPTH, 256))
        level = PassContext.current().opt_level if fuse_opt_level < 0 else fuse_opt_level
        return _Rewriter(mod, depth).transform() if level >= 0 else mod

    return module_level("FuseOps", transform)
