"""The names that a part of a loop program uses without declaring them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..ir.functor import post_order_visit
from ..ir.node import Node, children, nodes_in
from ..script.printer import FREE, UNNAMED, Printer
from . import expr as E
from . import stmt as S
from .buffer import Buffer
from .function import PrimFunc
from .index_map import IndexMap
from .printer import buffer_arguments, declare_buffer, free_variable, t


def undeclared(f: PrimFunc) -> tuple[list[E.Var], dict[int, list[Buffer]]]:
    """Free variables of a function, and buffers that nothing declares, by their memory."""
    known = {id(v) for v in f.params}
    for b in f.buffer_map.values():
        known.update((id(b), id(b.data)))
        post_order_visit((b.shape, b.strides, b.elem_offset), lambda n: known.add(id(n)))
    free, views = _free((f.attrs, f.body), known)
    return free + [v for v in _defined_at_several_places(f) if not _among(v, free)], views


def _defined_at_several_places(f: PrimFunc) -> list[E.Var]:
    """The variables that two parts of a function define, or a statement that stands twice."""
    visited: set[int] = set()
    seen = {id(v) for v in f.params}
    found: dict[int, E.Var] = {}
    todo: list[Node] = [f.body]
    while todo:
        n = todo.pop()
        if id(n) in visited:
            continue
        if isinstance(n, E.PrimExpr):
            visited.add(id(n))
        for var in _defined_by(n):
            if id(var) in seen:
                found.setdefault(id(var), var)
            seen.add(id(var))
        if isinstance(n, (S.Stmt, E.PrimExpr)):
            todo += reversed(list(children(n)))
    return list(found.values())


def _defined_by(n: Node) -> list[E.Var]:
    if isinstance(n, S.Block):
        return _defined_by_block(n)
    name = _SINGLE.get(type(n))
    return [] if name is None else [getattr(n, name)]


def shares_definitions(p: Printer, b: S.Block) -> bool:
    """Whether the head of the function declares what a block defines, as other parts do."""
    declared = p.facts.get("free", ())
    return any(id(var) in declared for var in _defined_by_block(b))


def _defined_by_block(b: S.Block) -> list[E.Var]:
    """The axes of a block, and the memory of the buffers that it allocates or matches."""
    buffers = [*b.alloc_buffers, *(match.buffer for match in b.match_buffers)]
    return [axis.var for axis in b.iter_vars] + [buffer.data for buffer in buffers]


def _free(root: Any, known: set[int]) -> tuple[list[E.Var], dict[int, list[Buffer]]]:
    """What is used outside of where it is declared; `known` is declared around `root`."""
    views: dict[int, list[Buffer]] = {}
    free: dict[int, E.Var] = {}

    def use(n: E.Var | Buffer) -> None:
        if id(n) in known:
            return
        if isinstance(n, Buffer):
            views.setdefault(id(n.data), []).append(n)
            use(n.data)
        else:
            free.setdefault(id(n), n)

    _walk_scopes(root, known, use)
    return list(free.values()), views


@dataclass
class _End:
    """Where the declarations of a node end."""

    declared: list[int]


def _walk_scopes(root: Any, known: set[int], use: Callable[[Any], None]) -> None:
    """Calls `use` on variables and buffers; meanwhile `known` has those declared around them.

    What several places share is visited once in each scope.
    """
    todo: list[Node | _End] = [*reversed(list(nodes_in(root)))]
    visited: set[int] = set()
    inside: list[list[int]] = [[]]
    while todo:
        n = todo.pop()
        if isinstance(n, _End):
            known.difference_update(n.declared)
            visited.difference_update(inside.pop())
            continue
        if id(n) in visited:
            continue
        visited.add(id(n))
        inside[-1].append(id(n))
        if isinstance(n, (E.Var, Buffer)):
            use(n)
        declared = [key for key in _defined(n) if key not in known]
        if declared:
            known.update(declared)
            inside.append([])
            todo.append(_End(declared))
        todo += reversed(list(children(n)))


def launched_axis(n: Node) -> E.IterVar | None:
    """The axis whose threads a statement launches, with its domain; None if it launches none."""
    if not isinstance(n, S.AttrStmt) or n.attr_key not in ("thread_extent", "virtual_thread"):
        return None
    return n.node if isinstance(n.node, E.IterVar) and n.node.dom is not None else None


def shared_threads(body: S.Stmt, free: list[E.Var]) -> list[E.IterVar]:
    """The axes of threads that are launched at several places, or used outside of these."""
    seen: dict[int, list[E.IterVar]] = {}

    def visit(n: Node) -> None:
        axis = launched_axis(n)
        if axis is not None:
            seen.setdefault(id(axis.var), []).append(axis)

    post_order_visit(body, visit)
    return [axes[0] for axes in seen.values() if len(axes) > 1 or _among(axes[0].var, free)]


def _used_by_itself(root: Any) -> set[int]:
    """The variables that occur other than as the memory of a buffer."""
    found: set[int] = set()
    todo = list(nodes_in(root))
    while todo:
        n = todo.pop()
        if isinstance(n, E.Var):
            found.add(id(n))
        elif not isinstance(n, Buffer):
            todo += children(n)
    return found


def _among(v: E.Var, variables: list[E.Var]) -> bool:
    return any(v is other for other in variables)


def _defined(n: Node) -> list[int]:
    """The variables and buffers that a node declares for what is in it."""
    found: list[int] = []
    axis = launched_axis(n)
    if axis is not None:
        found.append(id(axis.var))
    elif isinstance(n, S.For) and n.thread_binding is not None:
        found.append(id(n.thread_binding.var))
    for key in _DEFINES.get(type(n), ()):
        value = getattr(n, key)
        for item in value if isinstance(value, tuple) else (value,):
            made = item.var if isinstance(item, E.IterVar) else item
            made = made.buffer if isinstance(made, S.MatchBufferRegion) else made
            found.append(id(made))
            if isinstance(made, Buffer) and not isinstance(n, S.DeclBuffer):
                found.append(id(made.data))
    return found


_SINGLE: dict[type, str] = {
    S.For: "loop_var", S.LetStmt: "var", S.Allocate: "buffer_var", E.Let: "var",
    S.AllocateConst: "buffer_var",
}  # fmt: skip
"""The field of the one variable that a node defines."""

_DEFINES: dict[type, tuple[str, ...]] = {
    **{kind: (name,) for kind, name in _SINGLE.items()},
    S.DeclBuffer: ("buffer",), E.Reduce: ("axis",),
    S.MatchBufferRegion: ("buffer",), S.Block: ("iter_vars", "alloc_buffers", "match_buffers"),
    E.CommReducer: ("lhs", "rhs"),
}  # fmt: skip


def unknown_dims(p: Printer, b: Buffer) -> list[E.Var]:
    """The variables of a buffer's shape, strides and offset that have no name yet."""
    found: list[E.Var] = []

    def visit(n: Node) -> None:
        if isinstance(n, E.Var) and not p.is_named(n) and not _among(n, found):
            found.append(n)

    post_order_visit((b.shape, b.strides, b.elem_offset), visit)
    return found


_PARTS = (E.PrimExpr, E.IterVar, S.Stmt, Buffer, S.BufferRegion, S.MatchBufferRegion)
"""What has names of its own when it is printed alone."""


def _bound_in_expressions(root: Node) -> list[E.Var]:
    """The variables of each `T.Let(body, where={v: value})`: Python needs them to read the text."""
    found: dict[int, E.Var] = {}

    def look(n: Node) -> None:
        if isinstance(n, E.Let):
            found.setdefault(id(n.var), n.var)

    post_order_visit(root, look)
    return list(found.values())


def declare_free(p: Printer, root: Any) -> list[str]:
    """The lines that declare the free variables and buffers of an expression or statement."""
    if not isinstance(root, _PARTS):
        return []
    free, views = _free(root, set())
    free += _bound_in_expressions(root)
    used = _used_by_itself(root)
    buffers = [b for group in views.values() for b in group]
    memory = {id(b.data) for b in buffers}
    for b in buffers:
        if id(b.data) not in used and len(views[id(b.data)]) == 1:
            declare_buffer(p, b)
        free += [v for v in unknown_dims(p, b) if not _among(v, free)]
    lines = [f"{p(v)} = {free_variable(p, v)}" for v in free if id(v) not in memory]
    for b in buffers:
        shares = id(b.data) in used or len(views[id(b.data)]) > 1
        if shares and not p.is_named(b.data):
            lines.append(f"{p(b.data)} = {free_variable(p, b.data)}")
        name = declare_buffer(p, b)
        args = buffer_arguments(p, b, with_data=shares)
        lines.append(f"{name} = {t(p, 'Buffer')}({args})")
    return lines


FREE.append(declare_free)


def declare_unnamed(p: Printer, root: Any) -> list[str]:
    """The lines that declare what attributes name and nothing around them does, what statements
    and expressions among them bind included."""
    views: list[Buffer] = []
    found: list[E.Var] = []
    by_lambda: set[int] = set()

    def look(n: Node) -> None:
        if isinstance(n, (IndexMap, E.CommReducer)):
            bound = n.initial_indices if isinstance(n, IndexMap) else (*n.lhs, *n.rhs)
            by_lambda.update(map(id, bound))
        if isinstance(n, (E.Var, Buffer)) and not p.is_named(n):
            seen: list[Any] = views if isinstance(n, Buffer) else found
            seen.append(n)

    post_order_visit(root, look)
    used, memory = _used_by_itself(root), [id(b.data) for b in views]
    alone = {key for key in memory if key not in used and memory.count(key) == 1}
    lines = [f"{p(v)} = {free_variable(p, v)}" for v in found if id(v) not in by_lambda | alone]
    for b in views:
        name = declare_buffer(p, b)
        shares = id(b.data) not in alone or p.is_named(b.data)
        args = buffer_arguments(p, b, with_data=shares)
        lines.append(f"{name} = {t(p, 'Buffer')}({args})")
    return lines


UNNAMED.append(declare_unnamed)
