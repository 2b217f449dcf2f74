"""How a node is declared. Equality, hash, visiting, rewriting, copying and JSON follow from it.

A node is a slotted dataclass compared by identity. A field holds nodes, tuples and dicts of
nodes, or plain data; what it holds is seen from the value, and `definition()` or `ignored()` say
the rest. Nodes are immutable by convention: the type checker rejects assignment, nothing pays
for it at run time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar, cast, overload

from typing_extensions import dataclass_transform

from ..support.errors import ArgumentError
from ..support.span import Span
from .checked import checked

T = TypeVar("T", bound="type[Node]")
N = TypeVar("N", bound="Node")


def definition(**options: Any) -> Any:
    """A field whose variables are bound here: equality is up to their renaming."""
    return dataclasses.field(metadata={"definition": True}, **options)


def binders(**options: Any) -> Any:
    """A field of nodes that bind variables themselves: compared before the other fields."""
    return dataclasses.field(metadata={"binders": True}, **options)


def ignored(**options: Any) -> Any:
    """A field that equality, hashing and walking leave out (a name, a remark)."""
    return dataclasses.field(metadata={"ignored": True}, **options)


def unwalked(**options: Any) -> Any:
    """A field that equality and hashing see and walkers pass by (a type)."""
    return dataclasses.field(metadata={"unwalked": True}, **options)


def derived(**options: Any) -> Any:
    """A field computed from the others in `__post_init__`; neither passed, compared nor saved."""
    return dataclasses.field(init=False, **options)


@dataclasses.dataclass(frozen=True, slots=True)
class FieldInfo:
    """What the derived algorithms know about one constructor field."""

    name: str
    is_definition: bool
    is_binders: bool
    is_ignored: bool
    is_unwalked: bool
    is_keyword: bool


class ItemsAsFields:
    """Lets `.fields` of an instance give its items, as in TVM, and of the class the declaration."""

    def __init__(self, declared: tuple[FieldInfo, ...]) -> None:
        self.declared = declared

    def __get__(self, instance: Any, owner: type) -> Any:
        return self.declared if instance is None else instance.items


class _Declared:
    """The tables that `node` attaches to a class, apart so that slots do not hide them."""

    __slots__ = ()
    type_key: ClassVar[str] = ""
    fields: ClassVar[tuple[FieldInfo, ...]] = ()
    walked: ClassVar[tuple[str, ...]] = ()
    compared: ClassVar[tuple[FieldInfo, ...]] = ()
    is_variable: ClassVar[bool] = False
    by_content: ClassVar[bool] = False
    is_checked: ClassVar[bool] = False
    """Whether the constructor checks what it is given (see `checked`)."""
    is_frequent: ClassVar[bool] = False
    """Made so often that conversions alone tell what is wrong."""


NODE_TYPES: dict[str, type[Node]] = {}
"""Every declared node class by its type key, as JSON names it."""

PRINTERS: dict[str, Callable[..., Any]] = {}
"""`script` and `show`, put here by the printer so that nodes need not import it."""


def _printer() -> Callable[..., str]:
    return PRINTERS.get("script", object.__repr__)


def _shower() -> Callable[..., None]:
    return PRINTERS.get("show", print)


@overload
def node(key: T) -> T: ...
@overload
def node(
    key: str | None = None, *, variable: bool = False, by_content: bool = False
) -> Callable[[T], T]: ...


@dataclass_transform(
    eq_default=False,
    frozen_default=True,
    field_specifiers=(definition, binders, ignored, unwalked, derived, dataclasses.field),
)
def node(key: Any = None, *, variable: bool = False, by_content: bool = False) -> Any:
    """Declares a node class. `key` names it in JSON (default: module's layer and class name).

    `variable=True`: two of them are equal only if bound together by a definition, or the same;
    with `by_content=True` also if what they define is bound together and the rest, in which
    variables may be defined, is equal.
    """
    if isinstance(key, type):
        return _declare(cast("type[Node]", key), None, False, False)
    return lambda cls: _declare(cls, key, variable, by_content)


def _declare(cls: type[Node], key: str | None, variable: bool, by_content: bool) -> type[Node]:
    made = dataclasses.dataclass(slots=True, eq=False, repr=False)(cls)
    layer = cls.__module__.split(".")[1] if "." in cls.__module__ else cls.__module__
    made.type_key = key or f"{layer}.{cls.__name__}"
    made.is_variable = variable
    made.by_content = by_content
    made.fields = tuple(
        FieldInfo(
            f.name,
            bool(f.metadata.get("definition")),
            bool(f.metadata.get("binders")),
            bool(f.metadata.get("ignored")),
            bool(f.metadata.get("unwalked")),
            bool(f.kw_only),
        )
        for f in dataclasses.fields(made)
        if f.init and f.name != "span"
    )
    made.compared = tuple(
        sorted(
            (f for f in made.fields if not f.is_ignored),
            key=lambda f: not (f.is_definition or f.is_binders),
        )
    )
    made.walked = tuple(f.name for f in made.fields if not (f.is_ignored or f.is_unwalked))
    if made.type_key in NODE_TYPES and NODE_TYPES[made.type_key].__qualname__ != cls.__qualname__:
        raise ArgumentError(f"two node classes are called {made.type_key}")
    NODE_TYPES[made.type_key] = made
    if made.is_checked:
        checked(made)
    return made


@node("ir.Node")
class Node(_Declared):
    """The base of everything in the IR. `span` says where it came from and is never compared."""

    span: Span | None = dataclasses.field(default=None, kw_only=True, metadata={"ignored": True})

    def same_as(self, other: object) -> bool:
        """True if `other` is this very object."""
        return self is other

    def replace(self: N, **changes: object) -> N:
        """This node with some constructor fields changed; itself if nothing changes."""
        if all(getattr(self, name) is value for name, value in changes.items()):
            return self
        return rebuild(self, changes)

    def script(self, **options: Any) -> str:
        """The node as tilewright script text."""
        return _printer()(self, **options)

    def show(self, **options: Any) -> None:
        """Prints the script, coloured where the terminal can."""
        _shower()(self, **options)

    def __repr__(self) -> str:
        if "script" in PRINTERS:
            return self.script()
        return f"<{self.type_key or type(self).__name__}>"


def rebuild(old: N, changes: dict[str, Any]) -> N:
    """`old` constructed again with `changes`; derived fields are computed anew."""
    cls = type(old)
    positional = []
    keyword = {}
    for info in cls.fields:
        name = info.name
        value = changes[name] if name in changes else getattr(old, name)
        if info.is_keyword:
            keyword[name] = value
        else:
            positional.append(value)
    return cls(*positional, span=changes.get("span", old.span), **keyword)


def children(of: Node) -> Iterator[Node]:
    """The nodes that `of` holds directly, in the order of its fields; tuples and dicts opened."""
    for name in type(of).walked:
        yield from nodes_in(getattr(of, name))


def nodes_in(value: object) -> Iterator[Node]:
    """The nodes outermost in a value: itself, or those that a container holds."""
    if isinstance(value, Node):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from nodes_in(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(name, Node):
                yield name
            yield from nodes_in(item)
