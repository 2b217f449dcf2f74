"""Writes docs as Python text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ...support.errors import ArgumentError
from . import doc as D
from .core import Text
from .doc import OperationKind as K
from .marking import Marks

if TYPE_CHECKING:
    from ...ffi.access_path import AccessPath

F = TypeVar("F", bound=Callable[..., Any])

LAMBDA, IF, NOT, COMPARE, UNARY, POWER, ATOM = 0, 1, 4, 5, 12, 13, 20

_INFIX: dict[K, tuple[str, int]] = {
    K.Or: ("or", 2), K.And: ("and", 3), K.Lt: ("<", COMPARE), K.LtE: ("<=", COMPARE),
    K.Eq: ("==", COMPARE), K.NotEq: ("!=", COMPARE), K.Gt: (">", COMPARE), K.GtE: (">=", COMPARE),
    K.BitOr: ("|", 6), K.BitXor: ("^", 7), K.BitAnd: ("&", 8), K.LShift: ("<<", 9),
    K.RShift: (">>", 9), K.Add: ("+", 10), K.Sub: ("-", 10), K.Mult: ("*", 11), K.Div: ("/", 11),
    K.FloorDiv: ("//", 11), K.Mod: ("%", 11), K.Pow: ("**", POWER),
}  # fmt: skip
"""The symbol of a binary operator, and how tightly it binds."""
_PREFIX: dict[K, tuple[str, int]] = {
    K.USub: ("-", UNARY), K.Invert: ("~", UNARY), K.Not: ("not ", NOT),
}  # fmt: skip

WRITERS: dict[type, Callable[..., Any]] = {}
"""How each class of docs is written: expressions give text, statements add lines."""


def _writes(*classes: type) -> Callable[[F], F]:
    def declare(function: F) -> F:
        for cls in classes:
            WRITERS[cls] = function
        return function

    return declare


def to_python_script(
    doc: D.Doc,
    indent_spaces: int = 4,
    print_line_numbers: bool = False,
    num_context_lines: int | None = None,
    path_to_underline: Sequence[AccessPath] | None = None,
) -> str:
    """`doc` as Python text.

    Docs whose `source_paths` lead to one of `path_to_underline`, and farthest on the way, are
    underlined with `^`; with `num_context_lines` only that many lines around these are shown.
    """
    writer = _Writer(indent_spaces, path_to_underline or ())
    if isinstance(doc, D.StmtDoc):
        writer.statement(doc)
    else:
        writer.line(writer.text(doc))
    while writer.lines and not writer.lines[-1]:
        writer.lines.pop()
    return writer.marks.render(writer.lines, numbers=print_line_numbers, context=num_context_lines)


class _Writer:
    """Lines so far, and the indentation."""

    def __init__(self, indent: int, paths: Sequence[AccessPath]) -> None:
        self.indent = indent
        self.paths = paths
        self.lines: list[str] = []
        self.depth = 0
        self.marks = Marks()

    def line(self, text: str) -> None:
        self.lines.append(" " * (self.depth * self.indent) + text if text else "")

    def _wanted(self, doc: D.Doc) -> list[int]:
        return [
            self.marks.add(group, own.depth)
            for own in doc.source_paths
            for group, path in enumerate(self.paths)
            if own.is_prefix_of(path)
        ]

    def text(self, doc: D.Doc) -> Text:
        made: Text = WRITERS[type(doc)](self, doc)
        for number in self._wanted(doc):
            made = Text.of(self.marks.around(number, made), made.binds)
        return made

    def list(self, docs: Sequence[D.Doc]) -> str:
        return ", ".join([self.text(doc) for doc in docs])

    def statement(self, doc: D.Doc) -> None:
        start = len(self.lines)
        WRITERS[type(doc)](self, doc)
        for number in self._wanted(doc):
            for at in range(start, len(self.lines)):
                self.lines[at] = self.marks.line(number, self.lines[at])

    def simple(self, doc: D.StmtDoc, text: str) -> None:
        """A line, its remark at the end."""
        if doc.comment and "\n" in doc.comment:
            raise ArgumentError(
                f"the comment of a {type(doc).__name__} cannot have newline: {doc.comment!r}"
            )
        self.line(f"{text}  # {doc.comment}" if doc.comment else text)

    def remark(self, text: str | None) -> None:
        """Lines that begin with `#`."""
        for row in text.split("\n") if text else ():
            self.line(f"# {row}".rstrip())

    def docstring(self, text: str | None) -> None:
        """The text between quotes, on lines of its own."""
        if text:
            for row in ('"""', *text.split("\n"), '"""'):
                self.line(row)

    def block(self, head: str, body: Sequence[D.StmtDoc], docs: str | None = None) -> None:
        """A head and the statements below it."""
        self.line(head)
        self.depth += 1
        self.docstring(docs)
        self.statements(body)
        if not body:
            self.line("pass")
        self.depth -= 1

    def statements(self, docs: Sequence[D.StmtDoc]) -> None:
        """Statements in order."""
        for doc in docs:
            self.statement(doc)


# ---- expressions ----------------------------------------------------------------------------


@_writes(D.LiteralDoc)
def _literal(w: _Writer, doc: D.LiteralDoc) -> Text:
    value = doc.value
    if isinstance(value, str):
        return Text.of(json.dumps(value, ensure_ascii=False))
    if isinstance(value, float) and not math.isfinite(value):
        return Text.of(f'float("{value}")')
    return Text.of(repr(value))


@_writes(D.IdDoc)
def _id(w: _Writer, doc: D.IdDoc) -> Text:
    return Text.of(doc.name)


@_writes(D.AttrAccessDoc)
def _attr(w: _Writer, doc: D.AttrAccessDoc) -> Text:
    return Text.of(f"{w.text(doc.value).within(ATOM)}.{doc.name}")


@_writes(D.IndexDoc)
def _index(w: _Writer, doc: D.IndexDoc) -> Text:
    return Text.of(f"{w.text(doc.value).within(ATOM)}[{w.list(doc.indices) or '()'}]")


@_writes(D.CallDoc)
def _call(w: _Writer, doc: D.CallDoc) -> Text:
    parts = [str(w.text(arg)) for arg in doc.args]
    pairs = zip(doc.kwargs_keys, doc.kwargs_values, strict=True)
    parts += [f"{key}={w.text(value)}" for key, value in pairs]
    return Text.of(f"{w.text(doc.callee).within(ATOM)}({', '.join(parts)})")


@_writes(D.OperationDoc)
def _operation(w: _Writer, doc: D.OperationDoc) -> Text:
    parts = [w.text(operand) for operand in doc.operands]
    wanted = 1 if doc.kind in _PREFIX else 2 if doc.kind in _INFIX else 3
    if len(parts) != wanted:
        raise ArgumentError(f"{doc.kind.name} has {wanted} operands, found {len(parts)}")
    if doc.kind in _PREFIX:
        symbol, binds = _PREFIX[doc.kind]
        return Text.of(symbol + parts[0].within(binds), binds)
    if doc.kind in _INFIX:
        symbol, binds = _INFIX[doc.kind]
        left, right = binds, binds + 1
        if doc.kind is K.Pow:  # the one that associates to the right; its exponent may be -x
            left, right = binds + 1, UNARY
        elif binds == COMPARE:
            left = binds + 1
        return Text.of(f"{parts[0].within(left)} {symbol} {parts[1].within(right)}", binds)
    test, yes, no = parts
    return Text.of(f"{yes.within(IF)} if {test.within(IF + 1)} else {no.within(IF + 1)}", IF)


@_writes(D.LambdaDoc)
def _lambda(w: _Writer, doc: D.LambdaDoc) -> Text:
    return Text.of(f"lambda {w.list(doc.args)}: {w.text(doc.body)}", LAMBDA)


@_writes(D.TupleDoc)
def _tuple(w: _Writer, doc: D.TupleDoc) -> Text:
    inner = w.list(doc.elements)
    return Text.of(f"({inner},)" if len(doc.elements) == 1 else f"({inner})")


@_writes(D.ListDoc)
def _list(w: _Writer, doc: D.ListDoc) -> Text:
    return Text.of(f"[{w.list(doc.elements)}]")


@_writes(D.DictDoc)
def _dict(w: _Writer, doc: D.DictDoc) -> Text:
    rows = [f"{w.text(k)}: {w.text(v)}" for k, v in zip(doc.keys, doc.values, strict=True)]
    return Text.of("{" + ", ".join(rows) + "}")


@_writes(D.SliceDoc)
def _slice(w: _Writer, doc: D.SliceDoc) -> Text:
    start, stop, step = ("" if p is None else w.text(p) for p in (doc.start, doc.stop, doc.step))
    return Text.of(f"{start}:{stop}:{step}" if doc.step is not None else f"{start}:{stop}")


def _target(w: _Writer, doc: D.ExprDoc) -> str:
    """What is assigned to: a tuple without its outer parentheses."""
    if not isinstance(doc, D.TupleDoc) or not doc.elements:
        return w.text(doc)
    return w.list(doc.elements) + ("," if len(doc.elements) == 1 else "")


# ---- statements -----------------------------------------------------------------------------


@_writes(D.StmtBlockDoc)
def _block(w: _Writer, doc: D.StmtBlockDoc) -> None:
    w.remark(doc.comment)
    w.statements(doc.stmts)


def _assigned(w: _Writer, doc: D.AssignDoc) -> str:
    kind = "" if doc.annotation is None else f": {w.text(doc.annotation)}"
    value = "" if doc.rhs is None else f" = {w.text(doc.rhs)}"
    return _target(w, doc.lhs) + kind + value


@_writes(D.AssignDoc)
def _assign(w: _Writer, doc: D.AssignDoc) -> None:
    w.simple(doc, _assigned(w, doc))


@_writes(D.IfDoc)
def _if(w: _Writer, doc: D.IfDoc) -> None:
    w.remark(doc.comment)
    w.block(f"if {w.text(doc.predicate)}:", doc.then_branch)
    if doc.else_branch:
        w.block("else:", doc.else_branch)


@_writes(D.WhileDoc)
def _while(w: _Writer, doc: D.WhileDoc) -> None:
    w.remark(doc.comment)
    w.block(f"while {w.text(doc.predicate)}:", doc.body)


@_writes(D.ForDoc)
def _for(w: _Writer, doc: D.ForDoc) -> None:
    w.remark(doc.comment)
    w.block(f"for {_target(w, doc.lhs)} in {w.text(doc.rhs)}:", doc.body)


@_writes(D.ScopeDoc)
def _scope(w: _Writer, doc: D.ScopeDoc) -> None:
    w.remark(doc.comment)
    name = "" if doc.lhs is None else f" as {w.text(doc.lhs)}"
    w.block(f"with {w.text(doc.rhs)}{name}:", doc.body)


@_writes(D.ExprStmtDoc)
def _expression(w: _Writer, doc: D.ExprStmtDoc) -> None:
    w.simple(doc, w.text(doc.expr))


@_writes(D.AssertDoc)
def _assert(w: _Writer, doc: D.AssertDoc) -> None:
    message = "" if doc.msg is None else f", {w.text(doc.msg)}"
    w.simple(doc, f"assert {w.text(doc.test)}{message}")


@_writes(D.ReturnDoc)
def _return(w: _Writer, doc: D.ReturnDoc) -> None:
    w.simple(doc, f"return {w.text(doc.value)}")


@_writes(D.FunctionDoc)
def _function(w: _Writer, doc: D.FunctionDoc) -> None:
    for decorator in doc.decorators:
        w.line(f"@{w.text(decorator)}")
    args = ", ".join([_assigned(w, arg) for arg in doc.args])
    result = "" if doc.return_type is None else f" -> {w.text(doc.return_type)}"
    w.block(f"def {w.text(doc.name)}({args}){result}:", doc.body, doc.comment)
    w.line("")


@_writes(D.ClassDoc)
def _class(w: _Writer, doc: D.ClassDoc) -> None:
    for decorator in doc.decorators:
        w.line(f"@{w.text(decorator)}")
    w.block(f"class {w.text(doc.name)}:", doc.body, doc.comment)


@_writes(D.CommentDoc)
def _comment(w: _Writer, doc: D.CommentDoc) -> None:
    w.remark(doc.comment)


@_writes(D.DocStringDoc)
def _docstring(w: _Writer, doc: D.DocStringDoc) -> None:
    w.docstring(doc.comment)
