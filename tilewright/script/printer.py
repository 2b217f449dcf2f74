"""Printing nodes as script: the part that knows no dialect.

A dialect declares one function a node class with `@prints(Class)`. Expressions give `Text`, which
remembers how tightly it binds so that parentheses appear only where they are needed; statements
add lines to the `Printer`. Each definition gets its name from the printer, which keeps names
unique inside a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

HANDLERS: dict[type, Callable[..., Any]] = {}
"""How each node class is printed."""

ATOM = 20
UNARY = 11


class Text(str):
    """Source text of an expression; `binds` is the precedence of its outermost operator."""

    binds: int = ATOM

    @staticmethod
    def of(text: str, binds: int = ATOM) -> Text:
        """`text` with a precedence."""
        made = Text(text)
        made.binds = binds
        return made

    def within(self, binds: int) -> str:
        """The text, in parentheses if it binds less tightly than `binds`."""
        return self if self.binds >= binds else f"({self})"


@dataclass
class PrinterConfig:
    """How script is written. The prefixes are the names that the script's header imports."""

    name: str | None = None
    show_meta: bool = False
    ir_prefix: str = "I"
    tir_prefix: str = "T"
    relax_prefix: str = "R"
    module_alias: str = "cls"
    buffer_dtype: str = "float32"
    int_dtype: str = "int32"
    float_dtype: str = "void"
    verbose_expr: bool = False
    indent_spaces: int = 4
    print_line_numbers: bool = False
    num_context_lines: int = -1
    syntax_sugar: bool = True
    show_object_address: bool = False
    show_all_struct_info: bool = True
    obj_to_underline: list[Any] = field(default_factory=list)
    obj_to_annotate: dict[Any, str] = field(default_factory=dict)


def prints(*classes: type) -> Callable[[F], F]:
    """Declares what prints nodes of these classes: `(printer, node) -> Text | None`."""

    def declare(function: F) -> F:
        for cls in classes:
            HANDLERS[cls] = function
        return function

    return declare


METADATA: list[Callable[..., str]] = []
"""What writes the arrays that a text refers to, put here by the dialect of modules."""

_OPEN, _CLOSE = "\ue000", "\ue001"


class Printer:
    """Lines of script so far, the indentation, and the names given to definitions."""

    def __init__(self, config: PrinterConfig | None = None) -> None:
        self.config = config or PrinterConfig()
        self.lines: list[str] = []
        self.depth = 0
        self._names: dict[int, str] = {}
        self._kept: list[object] = []
        self._used: set[str] = set()
        self.facts: dict[str, Any] = {}
        """What handlers of one dialect tell each other (loops in scope and the like)."""
        self.metadata: dict[str, list[tuple[Any, str]]] = {}
        """Arrays too long for the text, by kind; handlers refer to them by number."""
        self._underlined = {id(o) for o in self.config.obj_to_underline}
        self._annotated = {id(k): v for k, v in self.config.obj_to_annotate.items()}

    # names

    def name(self, of: object, hint: str) -> str:
        """The name of a definition, made from `hint` at first sight."""
        known = self._names.get(id(of))
        if known is not None:
            return known
        base = "".join(c if c.isalnum() or c == "_" else "_" for c in hint) or "v"
        if base[0].isdigit():
            base = "_" + base
        name, count = base, 0
        while name in self._used:
            count += 1
            name = f"{base}_{count}"
        self._used.add(name)
        self.rename(of, name)
        return name

    def rename(self, of: object, name: str) -> None:
        """Gives a definition a name of the caller's choice."""
        self._names[id(of)] = name
        self._kept.append(of)

    def is_named(self, of: object) -> bool:
        """Whether the definition has a name already."""
        return id(of) in self._names

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Names given inside are forgotten at the end, and may be used again."""
        before = dict(self._names), set(self._used), dict(self.facts)
        try:
            yield
        finally:
            self._names, self._used, self.facts = before

    # text

    def line(self, text: str = "") -> None:
        """Adds a line at the present depth."""
        self.lines.append(" " * (self.depth * self.config.indent_spaces) + text if text else "")

    @contextmanager
    def indent(self, head: str = "") -> Iterator[None]:
        """`head`, and what is printed inside one level deeper; `pass` if that is nothing."""
        if head:
            self.line(head)
        self.depth += 1
        start = len(self.lines)
        try:
            yield
            if len(self.lines) == start:
                self.line("pass")
        finally:
            self.depth -= 1

    def __call__(self, node: object) -> Text:
        """The text of an expression."""
        made = self._handler(node)(self, node)
        text = made if isinstance(made, Text) else Text.of(str(made))
        if id(node) in self._underlined:
            return Text.of(_OPEN + text + _CLOSE, text.binds)
        return text

    def statement(self, node: object) -> None:
        """Prints a statement as lines."""
        start = len(self.lines)
        self._handler(node)(self, node)
        note = self._annotated.get(id(node))
        if note is not None and len(self.lines) > start:
            self.lines[start] += f"  # {note}"
        if id(node) in self._underlined:
            for at in range(start, len(self.lines)):
                text = self.lines[at]
                stripped = text.lstrip()
                margin = text[: len(text) - len(stripped)]
                self.lines[at] = margin + _OPEN + stripped + _CLOSE

    def _handler(self, node: object) -> Callable[..., Any]:
        for cls in type(node).__mro__:
            found = HANDLERS.get(cls)
            if found is not None:
                return found
        return _plain

    def list(self, items: Sequence[object]) -> str:
        """Expressions joined by commas."""
        parts = [self(item) for item in items]
        return ", ".join(parts)

    def tuple(self, items: Sequence[object]) -> str:
        """A Python tuple of expressions."""
        return f"({self.list(items)},)" if len(items) == 1 else f"({self.list(items)})"

    def render(self) -> str:
        """All lines, with the underlined parts marked by `^` below."""
        lines = [row for line in "\n".join(self.lines).split("\n") for row in _underline(line)]
        if self.config.print_line_numbers:
            width = len(str(len(lines)))
            lines = [f"{n:>{width}}  {line}" for n, line in enumerate(lines, 1)]
        return "\n".join(_excerpt(lines, self.config.num_context_lines))


def _plain(printer: Printer, value: object) -> Text:
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return Text.of(repr(value) if not isinstance(value, str) else _quote(value))
    if isinstance(value, float):
        return Text.of(repr(value) if value == value and abs(value) != float("inf")
                       else f'float("{value}")')  # fmt: skip
    if isinstance(value, (tuple, list)):
        inner = printer.list(value)
        if isinstance(value, list):
            return Text.of(f"[{inner}]")
        return Text.of(f"({inner},)" if len(value) == 1 else f"({inner})")
    if isinstance(value, dict):
        rows = [f"{printer(k)}: {printer(v)}" for k, v in value.items()]
        return Text.of("{" + ", ".join(rows) + "}")
    return Text.of(f"<{type(value).__name__}>")


def _quote(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def _underline(line: str) -> list[str]:
    if _OPEN not in line:
        return [line]
    plain, marks, depth = [], [], 0
    for char in line:
        if char == _OPEN:
            depth += 1
        elif char == _CLOSE:
            depth -= 1
        else:
            plain.append(char)
            marks.append("^" if depth else " ")
    return ["".join(plain), "".join(marks).rstrip()]


def _excerpt(lines: list[str], around: int) -> list[str]:
    marked = [n for n, line in enumerate(lines) if line.strip() and not line.strip().strip("^ ")]
    if around < 0 or not marked:
        return lines
    kept = {n + d for n in marked for d in range(-around - 1, around + 1)}
    return [line for n, line in enumerate(lines) if n in kept]


_STATEMENTS: list[type] = []
"""Classes that print as lines rather than as an expression, put here by the dialects."""


def statements(*classes: type) -> None:
    """Declares classes whose handlers print lines."""
    _STATEMENTS.extend(classes)


def script(node: object, config: PrinterConfig | None = None, **options: Any) -> str:
    """`node` as script text; options are the fields of `PrinterConfig`."""
    chosen = config or PrinterConfig(**options)
    printer = Printer(chosen)
    if isinstance(node, tuple(_STATEMENTS)):
        printer.statement(node)
    else:
        printer.lines.append(printer(node))
    if chosen.show_meta and printer.metadata:
        printer.lines.insert(0, METADATA[0](printer) + "\n")
    return printer.render()


def show(
    node: object, style: str | None = None, black_format: bool = False, **options: Any
) -> None:
    """Prints `node` as script, in colours where the terminal has them."""
    del black_format
    from rich.console import Console
    from rich.syntax import Syntax

    console = Console()
    text = script(node, **options)
    if console.is_terminal:
        console.print(Syntax(text, "python", theme=style or "ansi_dark"))
    else:
        print(text)
