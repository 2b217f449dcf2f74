"""Walking and rewriting: small classes whose handlers go into a table when the class is made.

Only Python frames lie between a node and its child, so depth is bounded by memory alone: the
entry points raise the interpreter's recursion limit while they run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from tilewright.support.stack import deep_recursion as deep_recursion

from ..script.parser.arguments import explained
from .node import Node, rebuild

F = TypeVar("F", bound=Callable[..., Any])
N = TypeVar("N", bound=Node)


def on(*classes: type[Node]) -> Callable[[F], F]:
    """Marks a method as the handler of these node classes (and of their subclasses)."""

    def mark(method: F) -> F:
        method.__dict__.setdefault("_handles", []).extend(classes)
        return method

    return mark


Handler = Callable[[Any, Any], Any]


class _Dispatcher:
    """Collects the `@on` methods of a class and of its bases; the nearest class wins.

    What is done with a value is looked up by its type, and worked out once for each type.
    """

    _declared: ClassVar[dict[type[Node], str]] = {}
    _handlers: ClassVar[dict[type, Handler | None]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        table: dict[type[Node], str] = {}
        for base in reversed(cls.__mro__):
            for name, method in vars(base).items():
                for handled in getattr(method, "_handles", ()):
                    table[handled] = name
        cls._declared = table
        cls._handlers = {}

    @classmethod
    def _handler_of(cls, kind: type) -> Handler | None:
        """The function for values of a type; None where there is nothing to do."""
        name = next((cls._declared[k] for k in kind.__mro__ if k in cls._declared), None)
        found = getattr(cls, name) if name is not None else cls._default_of(kind)
        cls._handlers[kind] = found
        return found

    @classmethod
    def _default_of(cls, kind: type) -> Handler | None:
        raise NotImplementedError


class Visitor(_Dispatcher):
    """Calls the handler of each node; a node without one has its children visited.

    A handler goes on with `self.visit_children(node)` or by visiting the parts it chooses.
    """

    @classmethod
    def _default_of(cls, kind: type) -> Handler | None:
        if issubclass(kind, Node):
            return cls.visit_children
        if issubclass(kind, (tuple, list)):
            return cls.visit_items
        return cls.visit_values if issubclass(kind, dict) else None

    def walk(self, root: object) -> None:
        """Visits `root`, a node or a tuple or dict of nodes: the entry point."""
        with deep_recursion():
            self.visit(root)

    def visit(self, value: Any) -> None:
        """Visits one value."""
        kind, handlers = type(value), self._handlers
        handler = handlers[kind] if kind in handlers else self._handler_of(kind)
        if handler is not None:
            handler(self, value)

    def visit_items(self, items: Any) -> None:
        """Visits every member of a tuple or list."""
        for item in items:
            self.visit(item)

    def visit_values(self, items: dict[Any, Any]) -> None:
        """Visits every value of a dict."""
        for item in items.values():
            self.visit(item)

    def visit_children(self, node: Node) -> None:
        """Visits every field of `node` in order."""
        handlers = self._handlers
        for name in type(node).walked:
            value = getattr(node, name)
            kind = type(value)
            handler = handlers[kind] if kind in handlers else self._handler_of(kind)
            if handler is not None:
                handler(self, value)


class Rewriter(_Dispatcher):
    """Replaces nodes by what their handlers return; what does not change stays the same object.

    A handler that wants the default first calls `self.rewrite_children(node)`.
    """

    _variables: dict[int, tuple[Node, Node]]

    def __new__(cls, *args: Any, **options: Any) -> Any:
        made = super().__new__(cls)
        made._variables = {}
        return made

    @classmethod
    def _default_of(cls, kind: type) -> Handler | None:
        if issubclass(kind, Node):
            return cls.rewrite_variable if kind.is_variable else cls.rewrite_children
        if issubclass(kind, tuple):
            return cls.rewrite_tuple
        if issubclass(kind, list):
            return cls.rewrite_list
        return cls.rewrite_dict if issubclass(kind, dict) else None

    def rewrite_variable(self, variable: Node) -> Node:
        """A variable (or buffer) whose parts changed is replaced by the same new one everywhere."""
        known = self._variables.get(id(variable))
        if known is None:
            known = self._variables[id(variable)] = (variable, self.rewrite_children(variable))
        return known[1]

    def run(self, root: N) -> Any:
        """Rewrites `root`: the entry point."""
        with deep_recursion():
            return self.rewrite(root)

    def rewrite(self, value: Any) -> Any:
        """The rewritten value: a node, or a tuple or dict whose members are rewritten."""
        kind, handlers = type(value), self._handlers
        handler = handlers[kind] if kind in handlers else self._handler_of(kind)
        return value if handler is None else handler(self, value)

    def rewrite_list(self, items: list[Any]) -> list[Any]:
        """A new list with each member rewritten."""
        return list(self.rewrite_tuple(tuple(items)))

    def rewrite_tuple(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """The tuple with each member rewritten; the same tuple if none changed."""
        out = []
        changed = False
        for item in items:
            new = self.rewrite(item)
            changed = changed or new is not item
            out.append(new)
        return tuple(out) if changed else items

    def rewrite_dict(self, items: dict[Any, Any]) -> dict[Any, Any]:
        """The dict with keys that are nodes and all values rewritten."""
        out = {}
        changed = False
        for key, item in items.items():
            new_key = self.rewrite(key) if isinstance(key, Node) else key
            new = self.rewrite(item)
            changed = changed or new is not item or new_key is not key
            out[new_key] = new
        return out if changed else items

    def rewrite_children(self, node: N) -> N:
        """`node` with its fields rewritten; itself if none changed."""
        changes = None
        handlers = self._handlers
        for name in type(node).walked:
            value = getattr(node, name)
            kind = type(value)
            handler = handlers[kind] if kind in handlers else self._handler_of(kind)
            if handler is not None:
                new = handler(self, value)
                if new is not value:
                    if changes is None:
                        changes = {}
                    changes[name] = new
        return node if changes is None else rebuild(node, changes)


class _PostOrder(Visitor):
    def __init__(self, function: Callable[[Node], None]) -> None:
        self.function = function
        self.seen: set[int] = set()

    @on(Node)
    def node(self, node: Node) -> None:
        """Calls the function once for each distinct node, children first."""
        if id(node) not in self.seen:
            self.seen.add(id(node))
            self.visit_children(node)
            self.function(node)


@explained("ir.post_order_visit")
def post_order_visit(root: object, function: Callable[[Node], None]) -> None:
    """Calls `function` on every node under `root`, children first, shared nodes once."""
    _PostOrder(function).walk(root)


class _PreOrder(Visitor):
    def __init__(self, function: Callable[[Node], bool]) -> None:
        self.function = function

    @on(Node)
    def node(self, node: Node) -> None:
        """Goes below a node only if the function says so."""
        if self.function(node) is not False:
            self.visit_children(node)


def pre_order_visit(root: object, function: Callable[[Node], bool]) -> None:
    """Calls `function` on every node under `root`, parents first; False keeps out of a node."""
    _PreOrder(function).walk(root)
