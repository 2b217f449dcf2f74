"""What the names of the dialect `T` give that is no expression: the kinds of forms, and loops."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from ..ir.expr import IntImm, PrimExpr, Range, as_scalar
from ..ir.type import PointerType, PrimType, Type
from ..script.ir_builder import NAMERS, IRBuilder
from ..script.parser import Form, Parser
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError, ArgumentTypeError
from . import expr as E
from . import stmt as S
from .buffer import Buffer
from .expr import IterVar, IterVarType, Var
from .script_rules import extent_between
from .writer import Close, Writer


def writer(parser: Parser) -> Writer:
    """What the function is written with."""
    found: Writer = parser.facts["writer"]
    return found


def body_of(parser: Parser, nodes: Sequence[ast.stmt]) -> S.Stmt:
    """The statements parsed as a body of their own, in a scope of its own."""
    with writer(parser).inner() as body, parser.scope():
        parser.statements(nodes)
        return body.finish()


def writing() -> Writer:
    """What the innermost builder writes with; a new one where there is no function."""
    made: Writer = IRBuilder.current().facts.setdefault("writer", Writer())
    return made


class TirForm(Form):
    """A form of loop programs: each acts on a `Writer`, for the parser and for the builder."""

    def declare(self, w: Writer, name: str) -> Any:
        """Does what `name = form` means and returns what the name stands for."""
        raise ArgumentError(f"`{self.title()}` gives no value that can be assigned")

    def act(self, w: Writer) -> Any:
        """Does what the form means alone on a line."""
        raise ArgumentError(
            f"`{self.title()}` cannot stand alone",
            hint=f"write `with {self.title()}(...):`" if self.is_scope else "give it a name",
        )

    def open(self, w: Writer, name: str = "") -> AbstractContextManager[Any]:
        """The scope of `with form as name:`, which gives the value of the name."""
        raise ArgumentError(f"`{self.title()}` opens no scope")

    def perform(self, w: Writer) -> Any:
        """What the builder does with the form as soon as it is made."""
        return self.act(w)

    def assign(self, parser: Parser, name: str, node: ast.AST) -> Any:
        """`name = form`."""
        return self.declare(writer(parser), name)

    def stand(self, parser: Parser, node: ast.AST) -> None:
        """`form` alone on a line."""
        self.act(writer(parser))

    def inside(self, parser: Parser, node: ast.With, item: ast.withitem) -> None:
        """`with form as name: ...`."""
        target = item.optional_vars
        name = target.id if isinstance(target, ast.Name) else ""
        with parser.at(item), self.open(writer(parser), name) as value, parser.scope() as names:
            if target is not None and (not name or value is None):
                hint = "write one name after `as`" if value is not None else "leave the `as` out"
                parser.fail(target, f"`{ast.unparse(item)}` gives no such value", hint=hint)
            if name:
                names[name] = value
            parser.statements(node.body)


class Opened:
    """A scope that the builder enters with `with`, or with `__enter__` for the rest of the body."""

    def __init__(self, form: TirForm, w: Writer) -> None:
        self._scope = form.open(w)

    def __enter__(self) -> Any:
        return self._scope.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._scope.__exit__(*error)


class ScopedForm(TirForm):
    """A form that only opens a scope."""

    is_scope = True

    def perform(self, w: Writer) -> Any:
        """The scope, to be entered."""
        return Opened(self, w)


def as_range(dom: Any) -> Range:
    """A range from an extent, a pair of ends, or a range."""
    if isinstance(dom, Range):
        return dom
    if isinstance(dom, (tuple, list, slice)):
        low, high = (dom.start, dom.stop) if isinstance(dom, slice) else dom
        start, stop = _pair(low, high)
        return Range(start, extent_between(start, stop))
    extent = as_scalar(dom)
    return Range(IntImm(extent.dtype, 0), extent)


def _pair(low: Any, high: Any) -> tuple[PrimExpr, PrimExpr]:
    """Two ends in one type: a constant follows the other."""
    a, b = as_scalar(low), as_scalar(high)
    if a.dtype != b.dtype and isinstance(a, IntImm):
        a = IntImm(b.dtype, a.value)
    elif a.dtype != b.dtype and isinstance(b, IntImm):
        b = IntImm(a.dtype, b.value)
    return a, b


@dataclass
class DataTypeName(Form):
    """`T.float32`: an annotation, a constant of a value, a variable without one."""

    dtype: str

    def title(self) -> str:
        """As written."""
        return f"T.{self.dtype}"

    def __call__(
        self, value: Any = None, is_size_var: bool = False, *more: Any, **unknown: Any
    ) -> PrimExpr:
        """`value` in this type; without one, a new variable. Raises `ArgumentError` for a number
        that the type does not hold, and for what is no number."""
        from . import op as tir_op

        if more or unknown or not isinstance(is_size_var, bool):
            raise ArgumentTypeError(
                f"`{self.title()}` takes one value", hint=f"write {self.title()}(1)"
            )
        if value is None:
            return (E.SizeVar if is_size_var else Var)("", self.dtype)
        if isinstance(value, str):
            value = self._number(value)
        value = getattr(value, "as_expr", lambda: value)()
        if isinstance(value, PrimExpr):
            lanes = E.dtype_of(self.dtype).lanes
            if lanes > 1 and E.dtype_of(value.dtype).lanes == 1:
                return E.Broadcast(tir_op.cast(value, E.dtype_of(self.dtype).element), lanes)
            return tir_op.cast(value, self.dtype)
        return tir_op.const(value, self.dtype)

    def _number(self, text: str) -> float:
        """The number that a text such as "nan" or "inf" tells."""
        try:
            return float(text)
        except ValueError:
            raise ArgumentError(
                f"{text!r} is no number that {self.dtype} holds",
                hint=f'write {self.title()}(1.5), or "inf", "-inf", "nan"',
            ) from None


def bare_type(value: Any) -> Any:
    """What a name such as `T.int32` or `T.handle`, written without parentheses, stands for: its
    variable; None for what gives no value without arguments."""
    if not callable(value) or isinstance(value, Var):
        return value
    try:
        return value()
    except (ArgumentError, TypeError):
        return None


@dataclass
class MetaVar:
    """A Python value that an assignment binds as it is; its items are such values too."""

    value: Any

    def __iter__(self) -> Iterator[MetaVar]:
        return iter([MetaVar(item) for item in self.value])


@dataclass
class LoopForm(ScopedForm):
    """`T.serial(...)`, `T.grid(...)`: the domain and kind of a `for`."""

    domains: list[tuple[PrimExpr, PrimExpr]]
    kind: S.ForKind = S.ForKind.SERIAL
    annotations: dict[str, Any] | None = None
    thread: str = ""

    def title(self) -> str:
        """As written."""
        return f"T.{self.kind.name.lower()}"

    def __iter__(self) -> Any:
        (start, extent) = self.domains[0]
        if len(self.domains) != 1 or not isinstance(start, IntImm):
            raise ArgumentError("a loop of the program is no sequence of Python values")
        if not isinstance(extent, IntImm):
            raise ArgumentError("a loop of unknown extent is no sequence of Python values")
        return iter(range(start.value, start.value + extent.value))

    @contextmanager
    def open(self, w: Writer, name: str = "") -> Iterator[Any]:
        """The variables of the loops, or the only one; the loops close around the body."""
        variables = [self._variable(start, extent) for start, extent in self.domains]
        outer = w.loops
        domains = zip(variables, self.domains, strict=True)
        w.loops = {**outer, **{id(v): Range(*domain) for v, domain in domains}}
        with w.wrapped(lambda body: self._wrap(variables, body)):
            yield variables[0] if len(variables) == 1 else tuple(variables)
            w.loops = outer

    def _variable(self, start: PrimExpr, extent: PrimExpr) -> Var:
        return Var("", extent.dtype if isinstance(start, IntImm) else start.dtype)

    def _wrap(self, variables: Sequence[Var], body: S.Stmt) -> S.Stmt:
        """The loops around a body."""
        for var, (start, extent) in zip(reversed(variables), reversed(self.domains), strict=True):
            binding = None
            if self.kind is S.ForKind.THREAD_BINDING:
                binding = IterVar(None, Var("", var.dtype), IterVarType.ThreadIndex, self.thread)
            body = S.For(var, start, extent, self.kind, body, binding, dict(self.annotations or {}))
        return body


def _is_fraction(end: Any) -> bool:
    return isinstance(end, PrimExpr) and not dtype_of(end.dtype).is_integral


def loop_domain(start: Any, stop: Any) -> tuple[PrimExpr, PrimExpr]:
    """Minimum and extent of `range(start, stop)`, or of `range(start)`."""
    if isinstance(start, Range):
        return start.min, start.extent
    if any(isinstance(end, float) or _is_fraction(end) for end in (start, stop)):
        raise ArgumentError(
            f"a loop counts integers, found {start if stop is None else (start, stop)}",
            hint="give integers, as in `range(8)`",
        )
    if stop is None:
        extent = as_scalar(start)
        return IntImm(extent.dtype, 0), extent
    low, high = _pair(start, stop)
    return low, extent_between(low, high)


@dataclass
class ScopeForm(ScopedForm):
    """A statement whose scope is the rest of the block, or the body of a `with`.

    `make(name)` gives what the name is bound to and what closes the scope.
    """

    name: str
    make: Callable[[str], tuple[Any, Close]]
    is_value: bool = True

    def title(self) -> str:
        """As written."""
        return self.name

    def declare(self, w: Writer, name: str) -> Any:
        """Opens the scope for what follows."""
        if not self.is_value:
            return super().declare(w, name)
        return self.act(w, name)

    def act(self, w: Writer, name: str = "") -> Any:
        """Opens the scope for what follows."""
        value, close = self.make(name)
        w.scope(close)
        return value

    @contextmanager
    def open(self, w: Writer, name: str = "") -> Iterator[Any]:
        """The scope is the body of the `with`."""
        value, close = self.make(name)
        with w.wrapped(close):
            yield value


@dataclass
class Directive(TirForm):
    """A line that tells the current block or function something: `tell(writer)`."""

    name: str
    tell: Callable[[Writer], None]

    def title(self) -> str:
        """As written."""
        return self.name

    def act(self, w: Writer) -> None:
        """Tells it."""
        self.tell(w)


def _name_var(name: str, var: Var) -> None:
    var.name = name  # type: ignore[misc]


def _name_buffer(name: str, buffer: Buffer) -> None:
    """Names a buffer, and its memory with it where that is its own."""
    if buffer.data.name == buffer.name:
        _name_var(name, buffer.data)
    buffer.name = name  # type: ignore[misc]


NAMERS.update({
    Var: _name_var, Buffer: _name_buffer, IterVar: lambda name, v: _name_var(name, v.var),
})  # fmt: skip


def return_type(value: Any) -> Type | None:
    """The type of a result from its annotation. Raises `ArgumentError` if it is none."""
    if value is None:
        return None
    if isinstance(value, DataTypeName):
        return PrimType(value.dtype)
    if isinstance(value, Type):
        return value
    made = bare_type(value)
    if not isinstance(made, Var):
        raise ArgumentError(
            "a loop program returns a data type or nothing", hint="write `-> T.int32`, or nothing"
        )
    kind = made.type_annotation
    return kind if isinstance(kind, PointerType) else PrimType(made.dtype)
