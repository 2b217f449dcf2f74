"""Where script comes from: a text, or the source of a Python function or class."""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from ...support.errors import DiagnosticError
from ...support.span import Span
from ...support.stack import syntax_recursion


class Source:
    """Parsed Python text and its place: `tree` counts from `first_line` of file `name`.

    The text is given as it is (`name` is what errors call it), or is that of a Python function or
    class.
    """

    def __init__(self, program: Any, name: str | None = None) -> None:
        self.first_line, self.first_column = 1, 0
        if isinstance(program, str):
            self._from_text(program, name)
        else:
            self._from_object(program)
        self.tree = _parse(self.source, self.name, self.first_line, self.first_column)

    def _from_text(self, text: str, name: str | None) -> None:
        """Without a name the text gets one, under which errors find its lines: the same text gets
        the same name, so that what was compiled of it before is found again."""
        self.source = self.full_source = text = textwrap.dedent(text)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        self.name = name or f"<script {digest[:8]}>"
        lines = text.splitlines(keepends=True)
        linecache.cache[self.name] = (len(text), None, lines, self.name)

    def _from_object(self, what: Any) -> None:
        try:
            lines, self.first_line = inspect.getsourcelines(what)
            self.name = inspect.getsourcefile(what) or "<unknown>"
        except (OSError, TypeError) as error:
            raise DiagnosticError(
                f"the source of `{getattr(what, '__name__', what)}` cannot be found: {error}",
                hint="write script in a file, or pass its text to from_source",
            ) from None
        self.source = textwrap.dedent("".join(lines))
        self.full_source = "".join(linecache.getlines(self.name))
        self.first_column = len(lines[0]) - len(lines[0].lstrip())

    @property
    def source_name(self) -> str:
        """The file, or what errors call the text."""
        return self.name

    @property
    def start_line(self) -> int:
        """The line of the file where the text begins."""
        return self.first_line

    @property
    def start_column(self) -> int:
        """The columns that the text is indented by in its file."""
        return self.first_column

    def as_ast(self) -> ast.Module:
        """The syntax of the text."""
        return self.tree

    def span(self, node: ast.AST) -> Span:
        """The place of a piece of syntax."""
        line = getattr(node, "lineno", 1)
        end_line = getattr(node, "end_lineno", None) or line
        column = getattr(node, "col_offset", 0)
        end_column = getattr(node, "end_col_offset", None) or column
        down, right = self.first_line - 1, self.first_column + 1
        return Span(self.name, line + down, end_line + down, column + right, end_column + right)


def _parse(text: str, name: str, first: int, margin: int) -> ast.Module:
    try:
        with syntax_recursion():
            return ast.parse(text)
    except (RecursionError, MemoryError):
        raise DiagnosticError(
            "an expression is nested too deeply to be read",
            Span(name, first, first, margin + 1, margin + 2),
            hint="write it as several statements",
        ) from None
    except SyntaxError as error:
        line, column = (error.lineno or 1) + first - 1, (error.offset or 1) + margin
        unwritten = _UNWRITTEN.match((error.text or "")[(error.offset or 1) - 1 :])
        if unwritten is not None:
            raise DiagnosticError(
                f"script has no words for a {unwritten.group(1)}, which is left out of this text",
                Span(name, line, line, column, column + len(unwritten.group())),
                hint="programs with such a value in an attribute are copied, not printed and read",
            ) from None
        raise DiagnosticError(
            f"this is not Python: {error.msg}", Span(name, line, line, column, column + 1),
            hint=next((hint for kind, hint in _SYNTAX_HINTS if isinstance(error, kind)), ""),
        ) from None  # fmt: skip


_UNWRITTEN = re.compile(r"<([A-Za-z_]\w*)>")
"""What the printer writes for a value of a class that it does not know."""

_SYNTAX_HINTS = (
    (TabError, "indent with spaces only"),
    (IndentationError, "indent all lines of a body by the same number of spaces"),
    (SyntaxError, "script has the syntax of Python; see where a bracket or a colon is missing"),
)


def decorated(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """The decorated functions and classes at the top of a text."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.decorator_list:
            yield node


def in_decorated_class(func: Any, decorator: str) -> bool:
    """Whether a function is a method of a class that `decorator` will read later."""
    outer, _, _ = func.__qualname__.rpartition(".")
    if not outer or outer.endswith("<locals>"):
        return False
    wanted = outer.rpartition(".")[2]
    code = func.__code__
    try:
        tree = ast.parse("".join(linecache.getlines(code.co_filename, func.__globals__)))
    except SyntaxError:
        return False
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or node.name != wanted:
            continue
        if node.lineno <= code.co_firstlineno <= (node.end_lineno or 0):
            return any(decorator in ast.unparse(d) for d in node.decorator_list)
    return False
