"""Macros: pieces of script that are parsed anew where they are called."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any

from ...support.errors import ArgumentTypeError
from .arguments import check_options
from .core import Form, Parser
from .entry import captured
from .evaluate import SPECIAL, call_arguments
from .source import Source, in_decorated_class


class Macro:
    """A function whose statements are parsed in the place of each call.

    Its parameters stand for the arguments' values. Free names are those of its definition, or, if
    it is not `hygienic`, those of the place of the call.
    """

    is_macro = True

    def __init__(
        self, node: ast.FunctionDef, source: Source, names: Mapping[str, Any], hygienic: bool
    ) -> None:
        self.node, self.source, self.names, self.hygienic = node, source, names, hygienic

    def __call__(self, *args: Any, **named: Any) -> MacroCall:
        """A call, which is parsed when it stands as a statement."""
        return MacroCall(self, args, named)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        """A macro of a class is called with the object first, as a method is."""
        return self if owner is None else MethodType(self, owner)

    def arguments(self, parser: Parser, call: MacroCall, node: ast.AST) -> dict[str, Any]:
        """The values of the parameters."""
        signature = inspect.Signature(list(self._parameters(parser)))
        try:
            given = signature.bind(*call.args, **call.named)
        except TypeError as error:
            parser.fail(
                node, f"macro `{self.node.name}`: {error}",
                hint=f"its parameters are ({ast.unparse(self.node.args)})",
            )  # fmt: skip
        given.apply_defaults()
        return dict(given.arguments)

    def _parameters(self, parser: Parser) -> Iterator[inspect.Parameter]:
        """What Python would make of the parameters."""
        kinds, args = inspect.Parameter, self.node.args
        plain = [*args.posonlyargs, *args.args]
        defaults = [None] * (len(plain) - len(args.defaults)) + list(args.defaults)
        rows: list[tuple[ast.arg, Any, ast.expr | None]]
        rows = [(a, kinds.POSITIONAL_OR_KEYWORD, d) for a, d in zip(plain, defaults, strict=True)]
        if args.vararg is not None:
            rows.append((args.vararg, kinds.VAR_POSITIONAL, None))
        pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
        rows += [(a, kinds.KEYWORD_ONLY, d) for a, d in pairs]
        if args.kwarg is not None:
            rows.append((args.kwarg, kinds.VAR_KEYWORD, None))
        for arg, kind, default in rows:
            value = kinds.empty if default is None else parser.value(default)
            yield kinds(arg.arg, kind, default=value)


class MacroCall(Form):
    """A macro with its arguments."""

    def __init__(self, macro: Macro, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.macro, self.args, self.named = macro, args, named

    def title(self) -> str:
        """The macro's name."""
        return self.macro.node.name

    def stand(self, parser: Parser, node: ast.AST) -> None:
        """Parses the macro's statements here."""
        with self._inside(parser, node):
            parser.statements(self.macro.node.body)

    def value(self, parser: Parser, node: ast.AST) -> Any:
        """Parses the macro's statements here, up to its `return`, whose value it gives."""
        with self._inside(parser, node):
            for statement in self.macro.node.body:
                if isinstance(statement, ast.Return) and statement.value is not None:
                    return parser.value(statement.value)
                parser.statement(statement)
        parser.fail(
            node, f"macro `{self.title()}` returns nothing", hint="end it with `return value`"
        )

    @contextmanager
    def _inside(self, parser: Parser, node: ast.AST) -> Iterator[None]:
        """The macro's text and the names that it sees are in force inside."""
        macro = self.macro
        given = macro.arguments(parser, self, node)
        source, scopes = parser.source, parser.scopes
        outer = [scopes[0], dict(macro.names)] if macro.hygienic else list(scopes)
        parser.source, parser.scopes = macro.source, [*outer, given]
        try:
            yield
        finally:
            parser.source, parser.scopes = source, scopes


class ValueMacro(Macro):
    """A macro whose call is an expression: the value of the macro's `return`."""

    script_special = "macro"


def _expanded(parser: Parser, node: ast.Call, macro: ValueMacro) -> Any:
    args, named = call_arguments(parser, node)
    return macro(*args, **named).value(parser, node)


SPECIAL[ValueMacro.script_special] = _expanded


class MacroDecorator:
    """`@T.macro`, `@R.macro`, possibly `(hygienic=False)`; `kind` is the class of what it makes."""

    def __init__(self, title: str, hygienic: bool = True, kind: type[Macro] = Macro) -> None:
        self.title, self.hygienic, self.kind = title, hygienic, kind

    def __call__(self, what: Any = None, *more: Any, **options: Any) -> Any:
        """The macro made of a Python function; without one, the decorator with the option."""
        check_options(self.title, {"hygienic": self.hygienic}, options)
        if what is None:
            return MacroDecorator(self.title, options.get("hygienic", self.hygienic), self.kind)
        if more or not isinstance(what, FunctionType):
            raise ArgumentTypeError(
                f"a macro is made of a function, found {what!r}",
                hint=f"its option is written by name, @{self.title}(hygienic=False)",
            )
        if in_decorated_class(what, "ir_module"):
            return what
        source = Source(what)
        node = source.tree.body[0]
        if not isinstance(node, ast.FunctionDef):
            raise ArgumentTypeError(
                f"a macro is made of a `def`, found `{source.source.strip()}`",
                hint=f"write `@{self.title}` above the function",
            )
        names = captured(what, sys._getframe(1))
        return self.kind(node, source, names, options.get("hygienic", self.hygienic))

    def in_script(self, parser: Parser, node: ast.FunctionDef) -> Macro:
        """The macro defined in a text."""
        names = {k: v for frame in parser.scopes[1:] for k, v in frame.items()}
        return self.kind(node, parser.source, names, self.hygienic)
