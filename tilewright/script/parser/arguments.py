"""Arguments of functions that users call, checked from one declaration: their annotations.

```
Scalar = Annotated[Any, Kind("a number or an expression", is_scalar)]

@checked("T.where")
def where(predicate: Scalar) -> Directive: ...
```

A wrong argument is an error that names it, what it should be and what it is; a wrong number of
arguments, too. Annotations are resolved when a function is first called. Whole packages use theirs
only to tell why a call failed (`explain_all`).
"""

from __future__ import annotations

import functools
import inspect
import operator
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union, cast

import numpy as np

from ...support.errors import ArgumentTypeError, TVMError
from ...support.span import Span
from .advice import article, near

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Kind:
    """What an argument may be: `description` in words, and the test. `way_out` says what to do with
    a value that is not accepted; empty if only the function's parameters help."""

    description: str
    accepts: Callable[[Any], bool]
    way_out: Callable[[Any], str] = lambda value: ""


def _is_integer(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


_SPAN = Kind("a place in a script", lambda value: isinstance(value, (Span, type(None))))
_FLOATS = (float, np.floating)

KINDS: dict[Any, Kind] = {
    str: Kind("a string", lambda value: isinstance(value, str)),
    bool: Kind("True or False", lambda value: isinstance(value, (bool, np.bool_))),
    int: Kind("an integer", _is_integer),
    float: Kind("a number", lambda value: _is_integer(value) or isinstance(value, _FLOATS)),
    type(None): Kind("None", lambda value: value is None),
}
"""The kinds of plain annotations; a layer adds those of its classes."""


def kind_of(annotation: Any) -> Kind | None:
    """The kind that an annotation declares; None if it takes anything."""
    if annotation in (Any, object, inspect.Parameter.empty) or isinstance(annotation, TypeVar):
        return None
    if annotation in KINDS:
        return KINDS[annotation]
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return next((part for part in parts[1:] if isinstance(part, Kind)), None)
    if origin in (Union, types.UnionType):
        return _any_of([kind_of(part) for part in parts])
    if origin is dict or origin is Mapping:
        return _mapping(*map(kind_of, parts))
    if origin in (list, tuple, Sequence, Iterable):
        return _sequence(kind_of(parts[0]) if parts else None)
    if origin is not None and origin is not Callable:
        annotation = origin if isinstance(origin, type) else annotation
    if annotation is Callable or origin is Callable:
        return Kind("a function", callable)
    if isinstance(annotation, type) and not getattr(annotation, "_is_protocol", False):
        return Kind(_class_name(annotation), lambda value: isinstance(value, annotation))
    return None


def _class_name(cls: type) -> str:
    return f"{'an' if cls.__name__[0] in 'AEIOaeio' else 'a'} {cls.__name__}"


def _any_of(kinds: Sequence[Kind | None]) -> Kind | None:
    known = [kind for kind in kinds if kind is not None]
    if len(known) < len(kinds):
        return None
    words = [kind.description for kind in known if kind.description != "None"]
    return Kind(" or ".join(words), lambda value: any(kind.accepts(value) for kind in known))


def _mapping(keys: Kind | None = None, values: Kind | None = None) -> Kind:
    known = (("key", keys), ("value", values))

    def accepts(value: Any) -> bool:
        return (
            isinstance(value, Mapping)
            and (keys is None or all(map(keys.accepts, value)))
            and (values is None or all(map(values.accepts, value.values())))
        )

    parts = [f"each {part} {kind.description}" for part, kind in known if kind is not None]
    return Kind(", ".join(["a dict", *parts]), accepts)


def _sequence(items: Kind | None) -> Kind:
    def accepts(value: Any) -> bool:
        if isinstance(value, (str, bytes, Mapping)) or not _is_iterable(value):
            return False
        return (
            items is None or not isinstance(value, (list, tuple)) or all(map(items.accepts, value))
        )

    inner = "" if items is None else f", each item {items.description}"
    return Kind(f"a list or a tuple{inner}", accepts)


def _is_iterable(value: Any) -> bool:
    return getattr(type(value), "__iter__", None) is not None or (
        hasattr(type(value), "__getitem__") and hasattr(type(value), "__len__")
    )


class Declared:
    """The parameters of a function with their kinds; `names` helps to resolve annotations."""

    def __init__(
        self, title: str, signature: inspect.Signature, annotations: Mapping[str, Any]
    ) -> None:
        self.title, self.signature = title, signature
        self.kinds = {
            name: self._kind(p, annotations.get(name)) for name, p in signature.parameters.items()
        }
        plain = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY
        rows = [p for p in signature.parameters.values() if p.kind in plain]
        self.row = tuple((p.name, self.kinds[p.name]) for p in rows)
        self.needed = sum(p.default is p.empty for p in rows)
        self.is_plain = all(
            p.kind in plain or (p.kind is p.KEYWORD_ONLY and p.default is not p.empty)
            for p in signature.parameters.values()
        )

    @staticmethod
    def _kind(parameter: inspect.Parameter, annotation: Any) -> Kind | None:
        if parameter.name == "span":
            return _SPAN
        kind = None if annotation is None else kind_of(annotation)
        if kind is None or parameter.default is not None:
            return kind
        return _any_of([kind, KINDS[type(None)]])

    def check(self, args: Sequence[Any], named: Mapping[str, Any]) -> None:
        """Raises `ArgumentTypeError` for arguments that do not fit the declaration."""
        if self.is_plain and not named and self.needed <= len(args) <= len(self.row):
            for (name, kind), value in zip(self.row, args, strict=False):
                if kind is not None and not kind.accepts(value):
                    self.refuse(name, kind, value)
            return
        for name, value in self.bound(args, named).items():
            kind = self.kinds[name]
            if kind is None:
                continue
            variadic = self.signature.parameters[name].kind
            given = (value,)
            if variadic is inspect.Parameter.VAR_POSITIONAL:
                given = value
            elif variadic is inspect.Parameter.VAR_KEYWORD:
                given = tuple(value.values())
            for one in given:
                if not kind.accepts(one):
                    self.refuse(name, kind, one)

    def bound(self, args: Sequence[Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments by the names of their parameters."""
        try:
            return self.signature.bind(*args, **named).arguments
        except TypeError as error:
            unknown = [name for name in named if name not in self.signature.parameters]
            hint = near(unknown[0], self.signature.parameters) if unknown else ""
            raise ArgumentTypeError(f"`{self.title}`: {error}", hint=hint or self.usage()) from None

    def usage(self) -> str:
        """A hint that shows all parameters."""
        return f"its arguments are {self.title}({shown_parameters(self.signature)})"

    def refuse(self, name: str, kind: Kind, value: Any) -> None:
        """Raises that the argument `name` is not of its kind."""
        if kind is _SPAN:
            raise ArgumentTypeError(f"`{self.title}`: too many arguments", hint=self.usage())
        raise ArgumentTypeError(
            f"`{self.title}`: `{name}` is {kind.description}, found {shown_value(value)}",
            hint=kind.way_out(value) or self.usage(),
        )


def shown_parameters(signature: inspect.Signature) -> str:
    """Parameters as a text, without the span that every constructor takes."""
    hidden = ("self", "span")
    return ", ".join(_shown(p) for p in signature.parameters.values() if p.name not in hidden)


def _shown(parameter: inspect.Parameter) -> str:
    marks: dict[Any, str] = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
    mark = marks.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
    return f"{mark}{parameter.name}{default}"


def shown_value(value: Any) -> str:
    """A value as messages show it: short constants as written, all else by its kind."""
    if value is None or isinstance(value, (bool, int, float, str)):
        text = repr(value)
        return text if len(text) <= 40 else f"{text[:37]}..."
    if isinstance(value, (list, tuple, dict)) and len(repr(value)) <= 40:
        return repr(value)
    return article(value)


def checked(title: str, *, by_kind: bool = True) -> Callable[[F], F]:
    """Declares that a function checks its arguments by their annotations, under the name `title`;
    their number only, unless `by_kind`."""

    def declare(function: F) -> F:
        @functools.cache
        def declared() -> Declared:
            if by_kind:
                return declaration(title, function)
            return Declared(title, inspect.signature(function), {})

        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            declared().check(args, named)
            return function(*args, **named)

        call.declared = declared  # type: ignore[attr-defined]
        return cast(F, call)

    return declare


def explained(title: str) -> Callable[[F], F]:
    """Declares that a function tells, where it fails at an argument that is not of its annotated
    kind, which one that is, under the name `title`.

    Calls that succeed pay nothing for it, and take what annotations do not tell of.
    """

    def declare(function: F) -> F:
        declared = functools.cache(lambda: declaration(title, function))

        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            try:
                return function(*args, **named)
            except TVMError:
                raise
            except Exception as error:
                refusal = _refusal(declared(), args, named)
                if refusal is None:
                    raise
                raise refusal from error

        call.declared = declared  # type: ignore[attr-defined]
        return cast(F, call)

    return declare


def _refusal(
    declared: Declared, args: Sequence[Any], named: Mapping[str, Any]
) -> ArgumentTypeError | None:
    try:
        declared.check(args, named)
    except ArgumentTypeError as refusal:
        return refusal
    return None


def explain_all(package: str, names: dict[str, Any]) -> None:
    """Lets the public functions among `names`, those of a package, be `explained`, and the
    constructors of its classes that are no nodes: those check what they are given."""
    for name, value in names.items():
        if name.startswith("_"):
            continue
        if isinstance(value, types.FunctionType):
            names[name] = explained(f"{package}.{name}")(value)
        elif isinstance(value, type) and not hasattr(value, "type_key"):
            own = vars(value).get("__init__")
            if isinstance(own, types.FunctionType):
                value.__init__ = explained(f"{package}.{name}")(own)  # type: ignore[misc]


def check_options(title: str, known: Mapping[str, bool], given: Mapping[str, Any]) -> None:
    """Raises `ArgumentTypeError` for an option that is not known, and for one that is no bool."""
    for name, value in given.items():
        if name not in known:
            raise ArgumentTypeError(
                f"`{title}` has no option `{name}`",
                hint=near(name, known) or f"its options are {shown_options(known)}",
            )
        if not isinstance(value, bool):
            raise ArgumentTypeError(
                f"`{title}`: `{name}` is True or False, found {shown_value(value)}",
                hint=f"its options are {shown_options(known)}",
            )


def shown_options(known: Mapping[str, bool]) -> str:
    """Options with their values, as they are written."""
    return ", ".join(f"{name}={value}" for name, value in known.items())


class Constructor:
    """A node class under a name of script: it checks its arguments, and is a class to `isinstance`.

    `annotations` are those of parameters that take more than their field holds.
    """

    def __init__(
        self, title: str, cls: type, names: Mapping[str, Any] | None = None, **annotations: Any
    ) -> None:
        self.cls, self.__doc__, self.__name__ = cls, cls.__doc__, cls.__name__
        self.declared = functools.cache(lambda: declaration(title, cls, names, **annotations))

    def __call__(self, *args: Any, **named: Any) -> Any:
        """A new node."""
        self.declared().check(args, named)
        return self.cls(*args, **named)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self.cls)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cls, name)


class Subscripted:
    """A function of script that square brackets call as well: `T.Buffer[(16,), "float32"]`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self.function(*args, **named)

    def __getitem__(self, args: Any) -> Any:
        return self.function(*args) if isinstance(args, tuple) else self.function(args)


def declaration(
    title: str, function: Any, names: Mapping[str, Any] | None = None, **annotations: Any
) -> Declared:
    """What the annotations of a function or class declare."""
    hints = typing.get_type_hints(function, localns=dict(names or {}), include_extras=True)
    return Declared(title, inspect.signature(function), {**hints, **annotations})
