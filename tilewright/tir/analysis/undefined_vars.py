"""Variables that a piece of program uses and does not define."""

from __future__ import annotations

from collections.abc import Iterable

from ...ir.functor import Visitor, on
from ...ir.node import Node
from ..buffer import Buffer
from ..expr import Var
from ..stmt import AttrStmt, BufferRealize, MatchBufferRegion


class _Free(Visitor):
    def __init__(self, defined: Iterable[Var]) -> None:
        self.defined: set[Node] = set(defined)
        self.free: dict[Var, None] = {}

    @on(Node)
    def node(self, node: Node) -> None:
        """What a node's fields define is defined before it is looked at, and within it only."""
        before = set(self.defined) if "body" in type(node).walked else None
        for info in type(node).fields:
            if info.is_definition:
                self._define(getattr(node, info.name))
            elif info.is_binders:
                for binder in getattr(node, info.name):
                    for inner in type(binder).fields:
                        if inner.is_definition:
                            self._define(getattr(binder, inner.name))
                    if isinstance(binder, MatchBufferRegion):
                        self._define_parts(binder.buffer)
        self.visit_children(node)
        if before is not None:
            self.defined = before

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """The attribute of a realize stands around it: the buffer is defined there. A buffer that
        is bound to a part of another is defined with the variables of its shape. A pragma stands
        around the loop that it names."""
        if node.attr_key.startswith("pragma_"):
            self.visit((node.value, node.body))
        elif node.attr_key == "realize_scope" and isinstance(node.body, BufferRealize):
            self.visit(node.body)
        elif node.attr_key == "buffer_bind_scope":
            view, source = node.node
            self.visit((source, node.value))
            before = set(self.defined)
            self._define(view)
            self._define_parts(view)
            self.visit(node.body)
            self.defined = before
        else:
            self.node(node)

    def _define(self, value: object) -> None:
        if isinstance(value, Var):
            self.defined.add(value)
        elif isinstance(value, Buffer):
            self.defined.add(value.data)
        elif isinstance(value, tuple):
            for item in value:
                self._define(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                self._define(key)
                self._define(item)
                if isinstance(item, Buffer):
                    self._define_parts(item)

    def _define_parts(self, buffer: Buffer) -> None:
        """A buffer that is bound to given memory defines the variables of its shape."""
        for part in (*buffer.shape, *buffer.strides, buffer.elem_offset):
            self._define(part)

    @on(Var)
    def variable(self, var: Var) -> None:
        """A use."""
        if var not in self.defined:
            self.free[var] = None

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> None:
        """Using a buffer uses its memory, shape and strides."""
        self.visit((buffer.data, buffer.shape, buffer.strides, buffer.elem_offset))


def undefined_vars(node: Node, defs: Iterable[Var] = ()) -> tuple[Var, ...]:
    """The variables that `node` uses and neither it nor `defs` defines, in order of use."""
    finder = _Free(defs)
    finder.walk(node)
    return tuple(finder.free)
