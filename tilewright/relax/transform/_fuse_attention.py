"""Attention as one group: a product, what is done to its rows, and a product with the result.

    s = matmul(q, k);  p = softmax(s + mask);  o = matmul(p, v)

However a model spells it, every value between the two products belongs to one row of scores, and
is used by nothing else. As one kernel the rows of a few queries stay in the caches; the whole
matrix of scores never exists.
"""

from __future__ import annotations

from ...ir.expr import IntImm
from ..analysis.variables import uses_of
from ..dims import Dims, all_equal, is_equal
from ..expr import Call, Tuple, Var
from ..struct_info import TensorStructInfo
from ._fusion_graph import Graph, Node, is_call_tir, same_shape
from .annotate_tir_op_pattern import OpPatternKind as Kind

FEW_QUERIES = 8
"""Rows of scores below which keys are better read in place, along the sum, than turned round for a
kernel of the whole; so few scores stay in the caches between three kernels."""


def attention_groups(graph: Graph) -> list[list[Node]]:
    """The nodes of each attention, in order; the last is the second product."""
    return [found for node in graph.nodes if (found := _attention_at(graph, node)) is not None]


def _attention_at(graph: Graph, second: Node) -> list[Node] | None:
    left = _operand(second) if second.kind == Kind.OUT_EWISE_FUSABLE else None
    if left is None or left not in graph.by_var:
        return None
    members = {second.index: second}
    waiting = [graph.by_var[left]]
    while waiting:
        node = waiting.pop()
        is_product = node.kind == Kind.OUT_EWISE_FUSABLE
        if node.index in members or not same_shape(node.binding.var, left):
            continue
        if is_product or (node.kind <= Kind.COMM_REDUCE and is_call_tir(node.binding.value)):
            members[node.index] = node
            waiting += [] if is_product else _on_the_way(graph, node)
    found = _from_the_first_product([members[i] for i in sorted(members)])
    inside = {n.index for n in found}
    products = [n for n in found if n.kind == Kind.OUT_EWISE_FUSABLE]
    rows = [n for n in found if n.kind == Kind.COMM_REDUCE]
    inner = all(user.index in inside for n in found[:-1] for user, _ in n.users)
    whole = inner and not any(n.leaves for n in found[:-1])
    if len(products) != 2 or not rows or not whole or not _are_matrices(products, left):
        return None
    return found


def _from_the_first_product(nodes: list[Node]) -> list[Node]:
    """Of `nodes`, in order, those that the one product but the last leads to, and itself; none if
    there are several. The others, such as a bias of the shape of the scores, come from outside."""
    firsts = [n for n in nodes[:-1] if n.kind == Kind.OUT_EWISE_FUSABLE]
    if len(firsts) != 1:
        return []
    reached = {firsts[0].index}
    for node in nodes:
        if node.index in reached:
            reached.update(user.index for user, _ in node.users)
    return [n for n in nodes if n.index in reached]


def _operand(product: Node) -> Var | None:
    """The left side of a product of matrices."""
    value = product.binding.value
    inputs = value.args[1] if isinstance(value, Call) and is_call_tir(value) else None
    first = inputs.items[0] if isinstance(inputs, Tuple) and len(inputs.items) == 2 else None
    return first if isinstance(first, Var) else None


def _on_the_way(graph: Graph, node: Node) -> list[Node]:
    """The producers of what has the shape of the scores; other operands come from outside."""
    used = dict.fromkeys(uses_of(node.binding.value))
    return [graph.by_var[v] for v in used if v in graph.by_var and same_shape(v, node.binding.var)]


def _are_matrices(products: list[Node], scores: Var) -> bool:
    """Whether both are products over the same batch: scores (.., m, n) by (.., n, d)."""
    info, out = scores.struct_info, products[1].binding.var.struct_info
    if not isinstance(info, TensorStructInfo) or not isinstance(out, TensorStructInfo):
        return False
    have, made = info.dims or (), out.dims or ()
    return (
        len(have) == len(made) >= 3
        and not (isinstance(have[-2], IntImm) and have[-2].value < FEW_QUERIES)
        and all_equal(have[:-1], made[:-1])
        and all(_right_is_batched(p, have) for p in products)
        and is_equal(_right(products[1])[-2], have[-1])
    )


def _right_is_batched(product: Node, scores: Dims) -> bool:
    """True unless the right side is a matrix of weights, packed or not."""
    right = _right(product)
    return len(right) == len(scores) and all_equal(right[:-2], scores[:-2])


def _right(product: Node) -> Dims:
    """The shape of a product's right side."""
    value = product.binding.value
    inputs = value.args[1] if isinstance(value, Call) and is_call_tir(value) else None
    items = inputs.items if isinstance(inputs, Tuple) else ()
    info = items[1].struct_info if len(items) == 2 else None
    return (info.dims or ()) if isinstance(info, TensorStructInfo) else ()
