"""Analyses of whole modules."""

from __future__ import annotations

from .expr import GlobalVar
from .functor import post_order_visit
from .module import IRModule
from .node import Node


def collect_call_map(module: IRModule) -> dict[GlobalVar, list[GlobalVar]]:
    """Which functions of the module each of its functions mentions, in order, each once."""
    found: dict[GlobalVar, list[GlobalVar]] = {}
    for var, func in module.items():
        names: dict[str, GlobalVar] = {}

        def note(node: Node, names: dict[str, GlobalVar] = names) -> None:
            if isinstance(node, GlobalVar) and node.name_hint in module:
                names.setdefault(node.name_hint, module.get_global_var(node.name_hint))

        post_order_visit(func, note)
        found[var] = list(names.values())
    return found
