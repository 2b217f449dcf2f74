"""The names that a part of a loop program uses without declaring them."""

from __future__ import annotations

from typing import Any

from ..ir.functor import post_order_visit
from ..ir.node import Node, children
from ..script.printer import FREE, Printer
from . import expr as E
from . import stmt as S
from .buffer import Buffer
from .function import PrimFunc
from .printer import buffer_arguments, declare_buffer, free_variable, t


def undeclared(f: PrimFunc) -> tuple[list[E.Var], dict[int, list[Buffer]]]:
    """Free variables of a function, and buffers that nothing declares, by their memory."""
    known = {id(v) for v in f.params}
    for b in f.buffer_map.values():
        known.update((id(b), id(b.data)))
        post_order_visit((b.shape, b.strides, b.elem_offset), lambda n: known.add(id(n)))
    return _free((tuple(f.params), f.body), known)


def _free(root: Any, known: set[int]) -> tuple[list[E.Var], dict[int, list[Buffer]]]:
    seen: dict[int, Any] = {}

    def visit(n: Node) -> None:
        if isinstance(n, (E.Var, Buffer)):
            seen.setdefault(id(n), n)
        known.update(_defined(n))

    post_order_visit(root, visit)
    views: dict[int, list[Buffer]] = {}
    free: list[E.Var] = []
    for key, n in seen.items():
        if key in known:
            continue
        if isinstance(n, Buffer):
            views.setdefault(id(n.data), []).append(n)
            if id(n.data) not in known and not _among(n.data, free):
                free.append(n.data)
        elif not _among(n, free):
            free.append(n)
    return free, views


def _used_by_itself(root: Node) -> set[int]:
    """The variables that occur other than as the memory of a buffer."""
    found: set[int] = set()
    todo = [root]
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
    if isinstance(n, S.AttrStmt) and isinstance(n.node, E.IterVar):
        if n.attr_key in ("thread_extent", "virtual_thread") and n.node.dom is not None:
            found.append(id(n.node.var))
    elif isinstance(n, S.For) and n.thread_binding is not None:
        found.append(id(n.thread_binding.var))
    for key in _DEFINES.get(type(n), ()):
        value = getattr(n, key)
        for item in value if isinstance(value, tuple) else (value,):
            made = item.var if isinstance(item, E.IterVar) else item
            made = made.buffer if isinstance(made, S.MatchBufferRegion) else made
            found.append(id(made))
            if isinstance(made, Buffer):
                found.append(id(made.data))
    return found


_DEFINES: dict[type, tuple[str, ...]] = {
    S.For: ("loop_var",), S.LetStmt: ("var",), S.Allocate: ("buffer_var",), E.Let: ("var",),
    S.AllocateConst: ("buffer_var",), S.DeclBuffer: ("buffer",), E.Reduce: ("axis",),
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


def declare_free(p: Printer, root: Any) -> list[str]:
    """The lines that declare the free variables and buffers of an expression or statement."""
    if not isinstance(root, (E.PrimExpr, S.Stmt, S.BufferRegion, S.MatchBufferRegion)):
        return []
    free, views = _free(root, set())
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
        args = buffer_arguments(p, b, with_data=shares, all_dtypes=True)
        lines.append(f"{name} = {t(p, 'Buffer')}({args})")
    return lines


FREE.append(declare_free)
