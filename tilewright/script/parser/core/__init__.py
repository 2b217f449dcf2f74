"""The parser that knows no dialect: names in scope, errors with a place, dispatch of statements.

A dialect fills `STATEMENTS[(dialect, ast class)]` and says with `Form` what the values of its
namespace do when they are assigned, stand alone, or open a `with`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from ....support.errors import DiagnosticError, TVMError, listing
from ....support.span import Span
from ..advice import EXPRESSION_HINTS, STATEMENT_HINTS, article, is_python_name, near
from ..evaluate import EVALUATORS
from ..python import PYTHON
from ..source import Source

F = TypeVar("F", bound=Callable[..., Any])

_OUTSIDE = "write it outside of the script, and use the value by its name"
STATEMENTS: dict[tuple[str, type[ast.AST]], Callable[..., Any]] = {}
"""What parses a statement: `(parser, node)`, by the dialect in force and the class of syntax."""


def parses(dialect: str, *classes: type[ast.AST]) -> Callable[[F], F]:
    """Declares what parses statements of these classes while `dialect` is in force."""

    def declare(function: F) -> F:
        for cls in classes:
            STATEMENTS[dialect, cls] = function
        return function

    return declare


class Form:
    """A value of a dialect's namespace with a meaning of its own as a statement.

    What a class does not define is an error where it is tried.
    """

    is_scope = False
    """Whether it belongs into a `with`."""

    def assign(self, parser: Parser, name: str, node: ast.AST) -> Any:
        """What `name = form` binds the name to."""
        parser.fail(node, f"`{self.title()}` gives no value that can be assigned")

    def stand(self, parser: Parser, node: ast.AST) -> None:
        """What the form does alone on a line."""
        parser.fail(
            node, f"`{self.title()}` cannot stand alone",
            hint=f"write `with {self.title()}(...):`" if self.is_scope else "give it a name",
        )  # fmt: skip

    def inside(self, parser: Parser, node: ast.With, item: ast.withitem) -> None:
        """Parses the body of `with form:`."""
        parser.fail(item, f"`{self.title()}` opens no scope")

    def title(self) -> str:
        """How messages call it."""
        return type(self).__name__


class Parser:
    """Reads one function or module of a source."""

    def __init__(self, source: Source, environment: Mapping[str, Any]) -> None:
        self.source = source
        self.scopes: list[dict[str, Any]] = [dict(PYTHON), dict(environment)]
        self.dialect = "ir"
        self.facts: dict[str, Any] = {}
        """What the handlers of one dialect tell each other."""

    # errors

    def fail(self, node: ast.AST, message: str, *, note: str = "", hint: str = "") -> NoReturn:
        """Raises a `DiagnosticError` at `node`."""
        raise DiagnosticError(message, self.span(node), note=note, hint=hint)

    def span(self, node: ast.AST) -> Span:
        """The place of a piece of syntax."""
        if isinstance(node, ast.withitem):
            node = node.context_expr
        return self.source.span(node)

    @contextmanager
    def at(self, node: ast.AST) -> Iterator[None]:
        """Errors raised inside, of any kind, become a `DiagnosticError` at `node`."""
        try:
            yield
        except DiagnosticError as error:
            if error.span is not None and error.span.line:
                raise
            raise DiagnosticError(
                error.message, self.span(node), note=error.note, hint=error.hint
            ) from error
        except TVMError as error:
            raise DiagnosticError(
                error.message, self.span(node), note=error.note, hint=error.hint
            ) from error
        except (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError,
                NotImplementedError) as error:  # fmt: skip
            text = str(error) or type(error).__name__
            raise DiagnosticError(text, self.span(node)) from error

    # names

    @contextmanager
    def scope(self, names: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Names bound inside are forgotten at the end."""
        frame = dict(names or {})
        self.scopes.append(frame)
        depth = len(self.scopes)
        try:
            yield frame
        finally:
            del self.scopes[depth - 1 :]

    def bind(self, name: str, value: Any) -> Any:
        """Binds a name in the innermost scope and returns the value."""
        self.scopes[-1][name] = value
        return value

    def lookup(self, name: str) -> Any:
        """The value of a name. Raises `KeyError`."""
        for frame in reversed(self.scopes):
            if name in frame:
                return frame[name]
        raise KeyError(name)

    def is_bound(self, name: str) -> bool:
        """Whether a name has a value."""
        return any(name in frame for frame in self.scopes)

    def is_value(self, value: Any) -> bool:
        """Whether a name stands for this very value."""
        return any(known is value for frame in self.scopes for known in frame.values())

    def name(self, node: ast.Name) -> Any:
        """The value of a name in the text."""
        try:
            return self.lookup(node.id)
        except KeyError:
            known = {n for frame in self.scopes[1:] for n in frame if not n.startswith("__")}
            self.fail(node, f"`{node.id}` is not defined", hint=self._hint(node.id, sorted(known)))

    def _hint(self, name: str, known: Sequence[str]) -> str:
        """What to write instead of a name that is not defined."""
        if name in self.facts.get("hints", {}):
            return str(self.facts["hints"][name])
        if name == "metadata":
            return "the text was printed without its metadata; use script(show_meta=True)"
        if name == "cls":
            return "`cls` is the module: write the function in a class with @I.ir_module"
        spaces = [s for s in ("T", "R", "I") if s in known and name in dir(self.lookup(s))]
        if spaces:
            return f"did you mean {', '.join(f'{s}.{name}' for s in spaces)}?"
        if is_python_name(name):
            return f"of Python's functions script calls only {', '.join(PYTHON)}"
        return near(name, known) or self._own_names()

    def _own_names(self) -> str:
        own = [n for frame in self.scopes[2:] for n in frame if n != "range"]
        if own:
            return f"the names in scope are {listing(own)}"
        return "give names from outside to from_source as extra_vars"

    # parts

    def value(self, node: ast.expr) -> Any:
        """The value of an expression."""
        evaluate = EVALUATORS.get(type(node))
        if evaluate is None:
            name, hint = EXPRESSION_HINTS.get(type(node), (type(node).__name__, _OUTSIDE))
            self.fail(node, f"script has no {name} expressions", hint=hint)
        return evaluate(self, node)

    def statements(self, nodes: Sequence[ast.stmt]) -> None:
        """Parses statements in order."""
        for node in nodes:
            self.statement(node)

    def statement(self, node: ast.stmt) -> None:
        """Parses one statement by the dialect in force."""
        for dialect in (self.dialect, "any"):
            handler = STATEMENTS.get((dialect, type(node)))
            if handler is not None:
                with self.at(node):
                    handler(self, node)
                return
        kind = type(node)
        hints = STATEMENT_HINTS.get(kind, {})
        self.fail(
            node, f"script has no `{kind.__name__}` statement here",
            hint=hints.get(self.dialect, hints.get("any", "")),
        )  # fmt: skip

    @contextmanager
    def using(self, dialect: str) -> Iterator[None]:
        """Statements inside are of `dialect`."""
        before, self.dialect = self.dialect, dialect
        facts, self.facts = self.facts, {}
        try:
            yield
        finally:
            self.dialect, self.facts = before, facts


def positional(parser: Parser, node: ast.FunctionDef) -> list[ast.arg]:
    """The parameters of a function of script, which are positional and have no defaults."""
    given = node.args
    others = [given.vararg, *given.kwonlyargs, given.kwarg, *given.defaults]
    wrong = next((part for part in others if part is not None), None)
    if wrong is not None:
        parser.fail(
            wrong, "parameters of a function of script are positional, without defaults",
            hint="write one parameter for each argument",
        )  # fmt: skip
    params = [*given.posonlyargs, *given.args]
    names: set[str] = set()
    for param in params:
        if param.arg in names:
            parser.fail(
                param, f"two parameters are called `{param.arg}`", hint="rename one of them"
            )
        names.add(param.arg)
    return params


def no_scope(parser: Parser, node: ast.withitem, value: Any) -> NoReturn:
    """Raises that `with value:` opens no scope."""
    text = ast.unparse(node.context_expr)
    hint = "`with` opens scopes such as T.block(...) or R.dataflow()"
    if callable(value):
        hint = f"call it, as in `with {text}(...):`"
    parser.fail(node, f"{article(value)} opens no scope", hint=hint)


@parses("any", ast.Nonlocal)
def outer_names(parser: Parser, node: ast.Nonlocal) -> None:
    """`nonlocal dtype` lets Python capture names that annotations alone use."""
    for name in node.names:
        parser.name(ast.copy_location(ast.Name(name, ast.Load()), node))


@parses("any", ast.Pass)
def pass_(parser: Parser, node: ast.Pass) -> None:
    """`pass`: nothing."""
