"""Pieces of Python text as objects: expressions and statements that `doc_printer` writes out.

A doc is built by hand, or by tools that write Python of their own; `source_paths` say which parts
of a program it stands for, so that these can be underlined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from typing_extensions import dataclass_transform

from ...support.errors import ArgumentError

if TYPE_CHECKING:
    from ...ffi.access_path import AccessPath


class Doc:
    """The base of all docs, compared by identity."""

    __slots__ = ("__dict__", "_source_paths")

    @property
    def source_paths(self) -> tuple[AccessPath, ...]:
        """The parts of a program that this stands for."""
        return getattr(self, "_source_paths", ())

    @source_paths.setter
    def source_paths(self, paths: Sequence[AccessPath]) -> None:
        self._source_paths = tuple(paths)


class ExprDoc(Doc):
    """An expression."""

    __slots__ = ()

    def attr(self, name: str) -> AttrAccessDoc:
        """`self.name`."""
        return AttrAccessDoc(self, name)

    def call(self, *args: ExprDoc, **kwargs: ExprDoc) -> CallDoc:
        """`self(args, key=value)`."""
        return CallDoc(self, *args, **kwargs)

    def __getitem__(self, indices: Any) -> IndexDoc:
        return IndexDoc(self, indices if isinstance(indices, tuple) else (indices,))

    def __iter__(self) -> Any:
        raise TypeError(f"a {type(self).__name__} is no sequence of docs")


class StmtDoc(Doc):
    """A statement; `comment` is a remark on it."""

    __slots__ = ("_comment",)

    @property
    def comment(self) -> str | None:
        """The remark, if there is one."""
        return getattr(self, "_comment", None)

    @comment.setter
    def comment(self, text: str | None) -> None:
        self._comment = text


@dataclass_transform(eq_default=False)
def _doc(cls: type) -> Any:
    return dataclass(eq=False, slots=True)(cls)


def _tuple(items: Sequence[Any] | None) -> tuple[Any, ...]:
    return tuple(items or ())


class OperationKind(IntEnum):
    """The operators of Python."""

    _UnaryStart = 0
    USub = 1
    Invert = 2
    Not = 3
    _UnaryEnd = 4
    _BinaryStart = 5
    Add = 6
    Sub = 7
    Mult = 8
    Div = 9
    FloorDiv = 10
    Mod = 11
    Pow = 12
    LShift = 13
    RShift = 14
    BitAnd = 15
    BitOr = 16
    BitXor = 17
    Lt = 18
    LtE = 19
    Eq = 20
    NotEq = 21
    Gt = 22
    GtE = 23
    And = 24
    Or = 25
    _BinaryEnd = 26
    _SpecialStart = 27
    IfThenElse = 28
    _SpecialEnd = 29


# ---- expressions ----------------------------------------------------------------------------


@_doc
class LiteralDoc(ExprDoc):
    """A string, a number, a truth value or `None`."""

    value: str | float | bool | int | None


@_doc
class IdDoc(ExprDoc):
    """A name."""

    name: str


@_doc
class AttrAccessDoc(ExprDoc):
    """`value.name`."""

    value: ExprDoc
    name: str


@_doc
class IndexDoc(ExprDoc):
    """`value[indices]`."""

    value: ExprDoc
    indices: Sequence[ExprDoc | SliceDoc]

    def __post_init__(self) -> None:
        self.indices = _tuple(self.indices)


class CallDoc(ExprDoc):
    """`callee(args, key=value)`."""

    __slots__ = ("args", "callee", "kwargs_keys", "kwargs_values")

    def __init__(self, callee: ExprDoc, *args: ExprDoc, **kwargs: ExprDoc) -> None:
        self.callee = callee
        self.args = args
        self.kwargs_keys = tuple(kwargs)
        self.kwargs_values = tuple(kwargs.values())


@_doc
class OperationDoc(ExprDoc):
    """An operator and its operands; of `IfThenElse`: the condition and both values."""

    kind: OperationKind
    operands: Sequence[ExprDoc]

    def __post_init__(self) -> None:
        self.kind = OperationKind(self.kind)
        self.operands = _tuple(self.operands)


@_doc
class LambdaDoc(ExprDoc):
    """`lambda args: body`."""

    args: Sequence[IdDoc]
    body: ExprDoc

    def __post_init__(self) -> None:
        self.args = _tuple(self.args)


@_doc
class TupleDoc(ExprDoc):
    """`(elements)`."""

    elements: Sequence[ExprDoc]

    def __post_init__(self) -> None:
        self.elements = _tuple(self.elements)


@_doc
class ListDoc(ExprDoc):
    """`[elements]`."""

    elements: Sequence[ExprDoc]

    def __post_init__(self) -> None:
        self.elements = _tuple(self.elements)


class DictDoc(ExprDoc):
    """`{key: value}`."""

    __slots__ = ("keys", "values")

    def __init__(self, content: dict[ExprDoc, ExprDoc]) -> None:
        self.keys = tuple(content)
        self.values = tuple(content.values())


@_doc
class SliceDoc(Doc):
    """`start:stop:step`, between the brackets of an index."""

    start: ExprDoc | None = None
    stop: ExprDoc | None = None
    step: ExprDoc | None = None


# ---- statements -----------------------------------------------------------------------------


@_doc
class StmtBlockDoc(StmtDoc):
    """Statements one after another."""

    stmts: Sequence[StmtDoc]

    def __post_init__(self) -> None:
        self.stmts = _tuple(self.stmts)


@_doc
class AssignDoc(StmtDoc):
    """`lhs: annotation = rhs`; one of annotation and `rhs` may be missing."""

    lhs: ExprDoc
    rhs: ExprDoc | None = None
    annotation: ExprDoc | None = None

    def __post_init__(self) -> None:
        if self.rhs is None and self.annotation is None:
            raise ArgumentError("an AssignDoc needs a value or an annotation")
        if self.annotation is not None and not isinstance(self.lhs, IdDoc):
            raise ArgumentError(f"only a name has an annotation, found a {type(self.lhs).__name__}")


@_doc
class IfDoc(StmtDoc):
    """`if predicate: ... else: ...`; one branch may be empty."""

    predicate: ExprDoc
    then_branch: Sequence[StmtDoc]
    else_branch: Sequence[StmtDoc] = ()

    def __post_init__(self) -> None:
        self.then_branch, self.else_branch = _tuple(self.then_branch), _tuple(self.else_branch)
        if not self.then_branch and not self.else_branch:
            raise ArgumentError("both branches of an IfDoc are empty")


@_doc
class WhileDoc(StmtDoc):
    """`while predicate: ...`."""

    predicate: ExprDoc
    body: Sequence[StmtDoc]

    def __post_init__(self) -> None:
        self.body = _tuple(self.body)


@_doc
class ForDoc(StmtDoc):
    """`for lhs in rhs: ...`."""

    lhs: ExprDoc
    rhs: ExprDoc
    body: Sequence[StmtDoc]

    def __post_init__(self) -> None:
        self.body = _tuple(self.body)


class ScopeDoc(StmtDoc):
    """`with rhs as lhs: ...`; written `ScopeDoc(rhs, body)` where there is no name."""

    __slots__ = ("body", "lhs", "rhs")

    def __init__(self, *parts: Any, **named: Any) -> None:
        if len(parts) + len(named) == 2 and "lhs" not in named:
            parts = (None, *parts)
        given = {**dict(zip(("lhs", "rhs", "body"), parts, strict=False)), **named}
        missing = [name for name in ("rhs", "body") if name not in given]
        if missing or len(parts) > 3:
            raise ArgumentError("a ScopeDoc is written ScopeDoc(lhs, rhs, body)")
        self.lhs: ExprDoc | None = given.get("lhs")
        self.rhs: ExprDoc = given["rhs"]
        self.body: tuple[StmtDoc, ...] = _tuple(given["body"])


@_doc
class ExprStmtDoc(StmtDoc):
    """An expression alone on a line."""

    expr: ExprDoc


@_doc
class AssertDoc(StmtDoc):
    """`assert test, msg`."""

    test: ExprDoc
    msg: ExprDoc | None = None


@_doc
class ReturnDoc(StmtDoc):
    """`return value`."""

    value: ExprDoc


@_doc
class FunctionDoc(StmtDoc):
    """`def name(args) -> return_type: ...` with its decorators; an argument is an AssignDoc."""

    name: IdDoc
    args: Sequence[AssignDoc]
    decorators: Sequence[ExprDoc]
    return_type: ExprDoc | None
    body: Sequence[StmtDoc]

    def __post_init__(self) -> None:
        self.args, self.decorators = _tuple(self.args), _tuple(self.decorators)
        self.body = _tuple(self.body)


@_doc
class ClassDoc(StmtDoc):
    """`class name: ...` with its decorators."""

    name: IdDoc
    decorators: Sequence[ExprDoc]
    body: Sequence[StmtDoc]

    def __post_init__(self) -> None:
        self.decorators, self.body = _tuple(self.decorators), _tuple(self.body)


class CommentDoc(StmtDoc):
    """Lines that begin with `#`."""

    __slots__ = ()

    def __init__(self, comment: str) -> None:
        self.comment = comment


class DocStringDoc(StmtDoc):
    """A documentation string."""

    __slots__ = ()

    def __init__(self, docs: str) -> None:
        self.comment = docs
