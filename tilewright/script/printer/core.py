"""Printing nodes as script: the part that knows no dialect.

A dialect declares one function a node class with `@prints(Class)`. Expressions give `Text`, which
remembers how tightly it binds so that parentheses appear only where they are needed; statements
add lines to the `Printer`. Each definition gets its name from the printer, which keeps names
unique inside a function.
"""

from __future__ import annotations

import json
import keyword
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np

from ...ffi.container import MAPPINGS, SEQUENCES
from ...support.public import shown_package
from ...support.stack import deep_recursion
from .config import PrinterConfig
from .marking import Marks
from .paths import along

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


def prints(*classes: type) -> Callable[[F], F]:
    """Declares what prints nodes of these classes: `(printer, node) -> Text | None`."""

    def declare(function: F) -> F:
        for cls in classes:
            HANDLERS[cls] = function
        return function

    return declare


RESERVED = frozenset((*keyword.kwlist, "range"))
"""Words that no definition can be called by in a text that is to be read back."""

ATTRIBUTES: dict[type, Callable[..., Any]] = {}
"""How a class is printed as the value of an attribute, where its own text stands for another."""


def prints_attribute(*classes: type) -> Callable[[F], F]:
    """Declares what prints values of these classes in attributes: `(printer, value) -> Text`."""

    def declare(function: F) -> F:
        ATTRIBUTES.update(dict.fromkeys(classes, function))
        return function

    return declare


METADATA: list[Callable[..., str]] = []
"""What writes the arrays that a text refers to, put here by the dialect of modules."""


def word(hint: str) -> str:
    """A name of Python made from any text: the text itself where that is one."""
    base = "".join(c if c.isalnum() or c == "_" else "_" for c in hint)
    if not base or base[0].isdigit() or base.startswith("__") or keyword.iskeyword(base):
        base = "f_" + base.lstrip("_")
    return base


class Printer:
    """Lines of script so far, the indentation, and the names given to definitions."""

    def __init__(self, config: PrinterConfig | None = None) -> None:
        self.config = config or PrinterConfig()
        self.lines: list[str] = []
        self.depth = 0
        self._names: dict[int, str] = {}
        self._kept: list[object] = []
        c = self.config
        self._used = {*RESERVED, c.ir_prefix, c.tir_prefix, c.relax_prefix}
        self.facts: dict[str, Any] = {}
        """What handlers of one dialect tell each other (loops in scope and the like)."""
        self.metadata: dict[str, list[tuple[Any, str]]] = {}
        """Arrays too long for the text, by kind; handlers refer to them by number."""
        self.marks = Marks()
        self._marked: dict[int, list[_Wanted]] = {}
        self._above: list[int] = []
        self._remarks: list[str] = []

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
        if self.config.show_object_address:
            name = f"{name}_{hex(id(of))}"
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
        """Adds a line at the present depth, with the remarks on its parts."""
        margin = " " * (self.depth * self.config.indent_spaces)
        self.lines.append(margin + text + "".join(self._remarks) if text else "")
        self._remarks.clear()

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
        self._above.append(id(node))
        is_lines = isinstance(node, tuple(_STATEMENTS))
        made = (FIELDS[0] if is_lines else self._handler(node))(self, node)
        self._above.pop()
        return self.marked(node, made if isinstance(made, Text) else Text.of(str(made)))

    def marked(self, node: object, text: Text) -> Text:
        """`text`, which stands for `node`, with the marks that are wanted of it."""
        return self._with_marks(self._marks_of(node) if self._marked else (), text)

    def defined(self, node: object, text: str) -> str:
        """`text`, which defines a variable, marked where a path leads to this place."""
        above = self._above[-1] if self._above else None
        found = self._marked.get(id(node), ())
        return self._with_marks([n for n, holder in found if holder == above], Text.of(text))

    def _with_marks(self, wanted: Sequence[int], text: Text) -> Text:
        for number in wanted:
            if self.marks.made[number].note:
                self._remarks.append(self.marks.remark(number, "  "))
            else:
                text = Text.of(self.marks.around(number, text), text.binds)
        return text

    def attributes(self, values: Any) -> Text:
        """The text of a dict of attributes; lines above it declare names that only they use."""
        if "in_program" in self.facts:
            for declare in UNNAMED:
                for line in declare(self, values):
                    self.line(line)
        return self.attribute(values)

    def attribute(self, value: Any) -> Text:
        """The text of the value of an attribute, which is read back as a value of the same kind."""
        if isinstance(value, SEQUENCES):
            return Text.of(f"[{', '.join([self.attribute(item) for item in value])}]")
        if isinstance(value, MAPPINGS):
            named = all(isinstance(key, str) for key in value)
            keys = sorted(value) if named else list(value)
            rows = [f"{self.attribute(key)}: {self.attribute(value[key])}" for key in keys]
            return Text.of("{" + ", ".join(rows) + "}")
        for cls in type(value).__mro__:
            if cls in ATTRIBUTES:
                return cast(Text, ATTRIBUTES[cls](self, value))
        return self(value)

    def statement(self, node: object) -> None:
        """Prints a statement as lines; a remark stands after a single line, above several."""
        wanted = self._marks_of(node) if self._marked else ()
        start = len(self.lines)
        self._above.append(id(node))
        self._handler(node)(self, node)
        self._above.pop()
        for number in wanted:
            if not self.marks.made[number].note:
                for at in range(start, len(self.lines)):
                    self.lines[at] = self.marks.line(number, self.lines[at])
            elif len(self.lines) == start + 1:
                self.lines[start] += self.marks.remark(number, "  ")
            elif len(self.lines) > start:
                margin = " " * (self.depth * self.config.indent_spaces)
                self.lines.insert(start, margin + self.marks.remark(number))

    # marks

    def mark(self, root: Any) -> Any:
        """Notes what the options want underlined or annotated; the root with its paths copied."""
        c = self.config
        paths: list[tuple[Any, str]] = [(path, "") for path in c.path_to_underline or ()]
        paths += list((c.path_to_annotate or {}).items())
        copies: dict[int, Any] = {}
        for group, (path, note) in enumerate(paths):
            root, parts = along(root, path, copies)
            above = None
            for depth, part in enumerate(parts):
                self._want(part, group, depth, note, above)
                above = part if hasattr(type(part), "type_key") else above
        objects: list[tuple[Any, str]] = [(of, "") for of in c.obj_to_underline or ()]
        objects += list((c.obj_to_annotate or {}).items())
        for group, (of, note) in enumerate(objects, len(paths)):
            self._want(of, group, 0, note, None)
        return root

    def _want(self, part: Any, group: int, depth: int, note: str, above: Any) -> None:
        if not isinstance(part, (str, int, float, bool, type(None))):
            self._kept.append(part)
            is_variable = bool(getattr(type(part), "is_variable", False))
            holder = id(above) if above is not None and is_variable else None
            number = self.marks.add(group, depth, note)
            self._marked.setdefault(id(part), []).append((number, holder))

    def _marks_of(self, node: object) -> list[int]:
        """The marks of a node being printed: of a variable, if its holder is the right one."""
        found = self._marked.get(id(node), ())
        above = self._above[-1] if self._above else None
        return [number for number, holder in found if holder is None or holder == above]

    def is_marked_now(self) -> bool:
        """Whether the node being printed may be underlined or annotated."""
        return bool(self._above) and self._above[-1] in self._marked

    def is_marked(self, node: object) -> bool:
        """Whether a node may be underlined or annotated, so that it prints on its own."""
        return id(node) in self._marked

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
        """All lines, with `^` below the underlined parts."""
        c = self.config
        return self.marks.render(
            self.lines, numbers=c.print_line_numbers, context=c.num_context_lines
        )


_Wanted = tuple["int", "int | None"]
"""The number of a mark, and the node right above if only there."""


def _plain(printer: Printer, value: object) -> Text:
    if value is None or isinstance(value, (bool, np.bool_, bytes)):
        return Text.of(repr(value if value is None or isinstance(value, bytes) else bool(value)))
    if isinstance(value, str):
        return Text.of(_quote(value))
    if isinstance(value, (int, np.integer)):
        return Text.of(str(int(value)))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return Text.of(repr(number) if math.isfinite(number) else f'float("{number}")')
    if isinstance(value, (*SEQUENCES, *MAPPINGS)):
        return printer.attribute(value)
    return Text.of(f"<{type(value).__name__}>")


_SURROGATE = re.compile("[\ud800-\udfff]")


def _quote(text: str) -> str:
    """A literal of Python, in characters that every encoding of the text can hold."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


_STATEMENTS: list[type] = []
"""Classes that print as lines rather than as an expression, put here by the dialects."""


_PROGRAMS: list[type] = []
"""Those of them that stand alone: their text begins with what it imports."""


def statements(*classes: type) -> None:
    """Declares classes whose handlers print lines."""
    _STATEMENTS.extend(classes)


def prints_lines(node: object) -> bool:
    """Whether the handler of `node` prints lines, not a text that stands in one."""
    return isinstance(node, tuple(_STATEMENTS))


def programs(*classes: type) -> None:
    """Declares classes whose handlers print lines and whose text stands alone."""
    statements(*classes)
    _PROGRAMS.extend(classes)


def _imports(printer: Printer) -> list[str]:
    """Comments that tell where the dialects of a text come from, and an empty line."""
    c, text = printer.config, "\n".join(printer.lines)
    prefixes = {"ir": c.ir_prefix, "tir": c.tir_prefix, "relax": c.relax_prefix}
    lines = [
        f"# from {shown_package()}.script import {dialect} as {prefix}"
        for dialect, prefix in prefixes.items()
        if re.search(rf"(?<![\w.]){prefix}\.", text)
    ]
    return [*lines, ""]


def script(node: object, config: PrinterConfig | None = None, **options: Any) -> str:
    """`node` as script text; options are the fields of `PrinterConfig`."""
    chosen = config or PrinterConfig(**options)
    printer = Printer(chosen)
    root = printer.mark(node)
    if chosen.verbose_expr:
        printer.lines += [line for declare in FREE for line in declare(printer, root)]
    with deep_recursion():
        if isinstance(root, tuple(_STATEMENTS)):
            printer.statement(root)
        else:
            printer.line(printer(root))
    if isinstance(root, tuple(_PROGRAMS)):
        printer.lines[:0] = _imports(printer)
    if printer.metadata:
        left_out = "# The metadata is left out, script(show_meta=True) writes it."
        shown = METADATA[0](printer) + "\n" if chosen.show_meta else left_out
        printer.lines.insert(0, shown)
    return printer.render()


FREE: list[Callable[[Printer, Any], list[str]]] = []
"""What gives the lines that declare the free variables of a part of a program."""

UNNAMED: list[Callable[[Printer, Any], list[str]]] = []
"""What gives the lines that declare all that attributes name and nothing around them does."""

FIELDS: list[Callable[[Printer, Any], Text]] = []
"""What prints any node by its fields, put here by the dialect of modules."""
