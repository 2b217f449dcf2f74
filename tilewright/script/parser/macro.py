"""Macros: pieces of script that are parsed anew where they are called."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from typing import Any

from .core import Form, Parser
from .entry import captured
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

    def arguments(self, parser: Parser, call: MacroCall, node: ast.AST) -> dict[str, Any]:
        """The values of the parameters."""
        parameters = self.node.args
        names = [a.arg for a in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs)]
        given = dict(zip(names, call.args, strict=False))
        if len(call.args) > len(names):
            parser.fail(node, f"macro `{self.node.name}` takes {len(names)} arguments")
        for name, value in call.named.items():
            if name not in names or name in given:
                parser.fail(node, f"macro `{self.node.name}` cannot take an argument `{name}`")
            given[name] = value
        defaults = parameters.defaults
        for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=False):
            if name not in given:
                given[name] = parser.value(default)
        missing = [name for name in names if name not in given]
        if missing:
            parser.fail(node, f"macro `{self.node.name}` misses `{', '.join(missing)}`")
        return given


class MacroCall(Form):
    """A macro with its arguments."""

    def __init__(self, macro: Macro, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.macro, self.args, self.named = macro, args, named

    def title(self) -> str:
        """The macro's name."""
        return self.macro.node.name

    def stand(self, parser: Parser, node: ast.AST) -> None:
        """Parses the macro's statements here."""
        macro = self.macro
        given = macro.arguments(parser, self, node)
        source, scopes = parser.source, parser.scopes
        outer = [scopes[0], dict(macro.names)] if macro.hygienic else list(scopes)
        parser.source, parser.scopes = macro.source, [*outer, given]
        try:
            parser.statements(macro.node.body)
        finally:
            parser.source, parser.scopes = source, scopes


class MacroDecorator:
    """`@T.macro`, `@R.macro`, possibly `(hygienic=False)`."""

    def __init__(self, hygienic: bool = True) -> None:
        self.hygienic = hygienic

    def __call__(self, what: Any = None, *, hygienic: bool = True) -> Any:
        """The macro made of a Python function; without one, the decorator with the option."""
        if what is None:
            return MacroDecorator(hygienic)
        if in_decorated_class(what, "ir_module"):
            return what
        source = Source(what)
        node = source.tree.body[0]
        assert isinstance(node, ast.FunctionDef)
        return Macro(node, source, captured(what, sys._getframe(1)), self.hygienic)

    def in_script(self, parser: Parser, node: ast.FunctionDef) -> Macro:
        """The macro defined in a text."""
        names = {k: v for frame in parser.scopes[1:] for k, v in frame.items()}
        return Macro(node, parser.source, names, self.hygienic)
