"""Where parsing begins: decorators of Python functions and classes, and `from_source`."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Mapping
from types import FrameType, FunctionType
from typing import Any

from ...support.errors import ArgumentTypeError, DiagnosticError, TVMError
from .arguments import check_options, shown_options, shown_value
from .core import Parser
from .source import Source, decorated, in_decorated_class

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""`(parser, function syntax, decorator, global name or None) -> function`, by dialect."""
CLASSES: dict[str, Callable[..., Any]] = {}
"""`(parser, class syntax, decorator) -> module`, by dialect."""
CHECKS: list[Callable[[Any], None]] = []
"""Each raises a `TVMError` if a function or module that was read breaks a dialect's promises."""
NAMESPACES = {"I": "ir", "T": "tir", "R": "relax"}
"""The names under which a text finds the dialects, and their modules in `tilewright.script`."""


class Decorator:
    """What marks a function or class as script of a dialect, possibly with options.

    `title` is how messages call it, `options` are all that there are, with their values.
    """

    def __init__(
        self, dialect: str, table: dict[str, Callable[..., Any]], title: str, **options: bool
    ) -> None:
        self.dialect, self.table, self.title = dialect, table, title
        self.options = options

    def __call__(self, what: Any = None, *more: Any, **options: Any) -> Any:
        """Parses a Python function or class; without one, the decorator with these options.

        Raises `ArgumentTypeError` for an option that there is not, and for one that is not a bool.
        """
        check_options(self.title, self.options, options)
        told = {**self.options, **options}
        if what is None:
            return Decorator(self.dialect, self.table, self.title, **told)
        if more or not isinstance(what, (type, FunctionType)):
            given = shown_value((what, *more) if more else what)
            raise ArgumentTypeError(
                f"`{self.title}` marks a function or a class, found {given}",
                hint=f"options are written by name: {shown_options(self.options)}",
            )
        if options:
            return Decorator(self.dialect, self.table, self.title, **told)._read(what)
        return self._read(what)

    def _read(self, what: Any) -> Any:
        """Parses a Python function or class, which sees what the caller's caller sees."""
        if not isinstance(what, type) and in_decorated_class(what, "ir_module"):
            return what
        source = Source(what)
        parser = Parser(source, captured(what, sys._getframe(2)))
        node = next(decorated(source.tree), None)
        if node is None:
            raise ArgumentTypeError(
                f"`{self.title}` reads the source of a definition that it decorates, "
                f"found `{source.source.strip()}`",
                hint=f"write `@{self.title}` above a `def` or a `class`",
            )
        return well_formed(parser, node, self.parse(parser, node), self)

    def parse(self, parser: Parser, node: ast.AST, *context: Any) -> Any:
        """Parses the syntax that this decorates."""
        wants_class = self.table is CLASSES
        if wants_class is not isinstance(node, ast.ClassDef):
            names = ("a function", "a class")
            parser.fail(
                node,
                f"the decorator is one of {names[wants_class]}, found {names[not wants_class]}",
                hint="use @I.ir_module for classes, @T.prim_func or @R.function for functions",
            )
        return self.table[self.dialect](parser, node, self, *context)


def captured(what: Any, frame: FrameType | None) -> dict[str, Any]:
    """The names that a function or class sees where it is defined."""
    names: dict[str, Any] = {}
    if frame is not None:
        names.update(frame.f_globals)
        names.update(frame.f_locals)
    for function in (what, *vars(what).values()) if isinstance(what, type) else (what,):
        cells = getattr(function, "__closure__", None) or ()
        names.update(getattr(function, "__globals__", {}))
        if frame is not None:
            names.update(frame.f_locals)
        code = getattr(function, "__code__", None)
        for name, cell in zip(code.co_freevars if code else (), cells, strict=False):
            try:
                names[name] = cell.cell_contents
            except ValueError:  # not yet assigned
                continue
    return names


def namespaces() -> dict[str, Any]:
    """What a text may use without importing it."""
    root = __name__.split(".", 1)[0]
    made: dict[str, Any] = {}
    for short, name in NAMESPACES.items():
        made[short] = made[name] = importlib.import_module(f"{root}.script.{name}")
    return made


def from_source(
    program: str | Callable[..., Any] | type,
    extra_vars: Mapping[str, Any] | None = None,
    check_well_formed: bool = True,
    *,
    name: str | None = None,
) -> Any:
    """The module or function that a script text, or a Python function or class, describes.

    `extra_vars` are further names that it may use; `name` is the file that errors mention. A text
    defines one module or one function, and any number of macros. Raises `DiagnosticError` that
    shows the line; for a program that is not well formed too, unless `check_well_formed` is false
    here or among the options of its decorator. Only script is evaluated, never other Python code.
    """
    if not isinstance(program, str):
        source = Source(program)
        extra: dict[str, Any] = captured(program, None)
    else:
        source, extra = Source(program, name), {}
    parser = Parser(source, {**namespaces(), **extra, **(extra_vars or {})})
    return read_text(parser, source, check_well_formed)


def well_formed(parser: Parser, node: ast.AST, made: Any, decorator: Any) -> Any:
    """`made`, the function or module at `node`, which keeps what all of them promise."""
    if getattr(decorator, "options", {}).get("check_well_formed", False):
        try:
            for check in CHECKS:
                check(made)
        except TVMError as error:
            hint = "`check_well_formed=False` reads it all the same"
            parser.fail(node, error.message, note=error.note, hint=error.hint or hint)
    return made


def read_text(parser: Parser, source: Source, check_well_formed: bool = True) -> Any:
    """Parses the definitions of a text in order; later ones see earlier ones."""
    result: Any = None
    for node in source.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            made = definition(parser, node)
            parser.bind(node.name, made)
            if not getattr(made, "is_macro", False):
                if result is not None:
                    parser.fail(
                        node, f"the text defines `{node.name}` after another function or module",
                        hint="put the functions into one class with @I.ir_module",
                    )  # fmt: skip
                result = made
                if check_well_formed:
                    well_formed(parser, node, made, decorator_of(parser, node))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            _import(parser, node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            parser.bind(node.targets[0].id, parser.value(node.value))
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            parser.fail(node, "only definitions, imports of script and constants stand here")
    if result is None:
        raise DiagnosticError(
            "the text defines no function and no module",
            hint="decorate one with @I.ir_module, @T.prim_func or @R.function",
        )
    return result


def definition(parser: Parser, node: ast.FunctionDef | ast.ClassDef, *context: Any) -> Any:
    """Parses a decorated definition by its decorator."""
    found = decorator_of(parser, node)
    if isinstance(found, Decorator):
        return found.parse(parser, node, *context)
    return found.in_script(parser, node)


def decorator_of(parser: Parser, node: ast.FunctionDef | ast.ClassDef) -> Any:
    """The decorator of script of a definition."""
    for expr in node.decorator_list:
        found = parser.value(expr)
        if isinstance(found, Decorator) or hasattr(found, "in_script"):
            return found
    parser.fail(
        node,
        f"`{node.name}` has no decorator of script",
        hint="use @T.prim_func, @R.function or @I.ir_module",
    )


def _import(parser: Parser, node: ast.Import | ast.ImportFrom) -> None:
    module = getattr(node, "module", None) or ""
    if isinstance(node, ast.ImportFrom) and module.split(".")[-1] == "script":
        known = namespaces()
        for alias in node.names:
            if alias.name not in known:
                parser.fail(node, f"script has no `{alias.name}`")
            parser.bind(alias.asname or alias.name, known[alias.name])
    elif module != "__future__":
        parser.fail(
            node, "a text imports only from `tilewright.script`",
            hint="pass other names as extra_vars, or decorate a Python function",
        )  # fmt: skip
