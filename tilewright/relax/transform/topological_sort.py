"""TopologicalSort: the bindings of dataflow blocks in another order of the same program."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.transform import Pass
from ...support.errors import ArgumentError
from ..analysis.variables import uses_of
from ..dims import symbolic_vars
from ..expr import Binding, DataflowBlock, Function, MatchCast
from ._pass import function_level

ORDERS = ("depth-first", "breadth-first")
DIRECTIONS = ("from-inputs", "from-outputs")


class _Graph:
    """What each binding of a block needs and who needs it, by place in the block."""

    def __init__(self, bindings: Sequence[Binding]) -> None:
        place: dict[object, int] = {}
        for index, binding in enumerate(bindings):
            place[binding.var] = index
            if isinstance(binding, MatchCast):
                for var in symbolic_vars(binding.struct_info):
                    place.setdefault(var, index)
        self.needs: list[list[int]] = []
        for index, binding in enumerate(bindings):
            used: list[object] = [*uses_of(binding.value), *symbolic_vars(binding.value)]
            found = {place[v] for v in used if v in place and place[v] != index}
            self.needs.append(sorted(found))
        self.users: list[list[int]] = [[] for _ in bindings]
        for index, needed in enumerate(self.needs):
            for other in needed:
                self.users[other].append(index)


def _walk(before: list[list[int]], after: list[list[int]], depth_first: bool) -> list[int]:
    """Every place after all of `before`; what a place makes possible comes next (depth first) or
    last."""
    missing = [len(b) for b in before]
    ready = [i for i, count in enumerate(missing) if not count]
    order: list[int] = []
    while ready:
        place = ready.pop(0)
        order.append(place)
        freed = []
        for user in after[place]:
            missing[user] -= 1
            if not missing[user]:
                freed.append(user)
        ready = [*freed, *ready] if depth_first else [*ready, *freed]
    return order


def _sorted(block: DataflowBlock, depth_first: bool, from_inputs: bool) -> DataflowBlock:
    graph = _Graph(block.bindings)
    if from_inputs:
        order = _walk(graph.needs, graph.users, depth_first)
    else:
        order = _from_outputs(block, graph, depth_first)
    if order == list(range(len(order))):
        return block
    return block.replace(bindings=tuple(block.bindings[i] for i in order))


def _from_outputs(block: DataflowBlock, graph: _Graph, depth_first: bool) -> list[int]:
    """Each value just before it is needed, from the last one backwards."""
    if not depth_first:
        return _walk(graph.users, graph.needs, False)[::-1]
    order: list[int] = []
    seen: set[int] = set()
    roots = [i for i, users in enumerate(graph.users) if not users]
    for root in roots:
        stack = [(root, False)]
        while stack:
            place, done = stack.pop()
            if done:
                order.append(place)
            elif place not in seen:
                seen.add(place)
                stack.append((place, True))
                stack += [(n, False) for n in reversed(graph.needs[place]) if n not in seen]
    return order


def TopologicalSort(order: str = "depth-first", direction: str = "from-inputs") -> Pass:
    """Sorts the bindings of dataflow blocks: `depth-first` brings the use of a value close to it,
    `breadth-first` brings together what is possible at once; starting with what needs no other
    value (`from-inputs`), or from the results backwards (`from-outputs`)."""
    if order not in ORDERS or direction not in DIRECTIONS:
        raise ArgumentError(
            f"order is one of {ORDERS} and direction one of {DIRECTIONS}, found {order!r} and "
            f"{direction!r}"
        )

    def transform(func: Function) -> Function:
        blocks = tuple(
            _sorted(b, order == "depth-first", direction == "from-inputs")
            if isinstance(b, DataflowBlock)
            else b
            for b in func.body.blocks
        )
        if all(a is b for a, b in zip(blocks, func.body.blocks, strict=True)):
            return func
        return func.replace(body=func.body.replace(blocks=blocks))

    return function_level("TopologicalSort", transform)
