"""What the names of the dialect `T` give that is no expression: loops, scopes, declarations."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from ..ir.expr import IntImm, PrimExpr, Range, as_scalar
from ..script.ir_builder import NAMERS, IRBuilder
from ..script.parser import Form, Parser
from ..support.errors import ArgumentError
from . import expr as E
from . import stmt as S
from .buffer import Buffer, decl_buffer
from .expr import IterVar, IterVarType, Var, pointer
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

    def __call__(self, value: Any = None, is_size_var: bool = False) -> PrimExpr:
        """`value` in this type; without one, a new variable."""
        from . import op as tir_op

        if value is None:
            return (E.SizeVar if is_size_var else Var)("", self.dtype)
        if isinstance(value, str):
            value = float(value)
        if isinstance(value, PrimExpr):
            lanes = E.dtype_of(self.dtype).lanes
            if lanes > 1 and E.dtype_of(value.dtype).lanes == 1:
                return E.Broadcast(tir_op.cast(value, E.dtype_of(self.dtype).element), lanes)
            return tir_op.cast(value, self.dtype)
        return tir_op.const(value, self.dtype)


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


def loop_domain(start: Any, stop: Any) -> tuple[PrimExpr, PrimExpr]:
    """Minimum and extent of `range(start, stop)`, or of `range(start)`."""
    if isinstance(start, Range):
        return start.min, start.extent
    if any(isinstance(end, float) for end in (start, stop)):
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
class BufferForm(TirForm):
    """The description of a buffer, which gets its name where it is assigned."""

    how: str
    shape: Any
    dtype: str
    options: dict[str, Any]

    def title(self) -> str:
        """As written."""
        return f"T.{self.how}"

    def make(self, name: str) -> Buffer:
        """The buffer."""
        o = dict(self.options)
        scope, align = o.pop("scope", ""), o.pop("align", 0)
        shape = self.shape if isinstance(self.shape, (tuple, list)) else (self.shape,)
        if any(isinstance(dim, str) for dim in shape):
            raise ArgumentError(
                f"the shape of a buffer is a tuple of integers, found {self.shape!r}",
                hint=f'write {self.title()}((8, 8), "float32")',
            )
        for dim in shape:
            as_scalar(dim)
        named = [Var(s, "int32") if isinstance(s, str) else s for s in o.pop("strides") or ()]
        return decl_buffer(
            shape, self.dtype, name, scope=scope, data_alignment=align or -1, strides=named,
            **{k: v for k, v in o.items() if v is not None},
        )  # fmt: skip

    def declare(self, w: Writer, name: str) -> Any:
        """Declares the buffer as its kind asks for."""
        return DECLARE[self.how](w, self, name)

    def act(self, w: Writer) -> Any:
        """The buffer without a name."""
        return self.declare(w, "")


@dataclass
class MatchForm(BufferForm):
    """`T.match_buffer(source, shape, dtype)`."""

    source: Any = None


class DeclForm(BufferForm):
    """`T.decl_buffer(shape, dtype)`, which may also open a `with`."""

    def perform(self, w: Writer) -> Any:
        """The scope, to be entered."""
        return Opened(self, w)

    @contextmanager
    def open(self, w: Writer, name: str = "") -> Iterator[Buffer]:
        """The buffer is seen in the body of the `with`."""
        made, close = declare_buffer(self, name)
        with w.wrapped(close):
            yield made


def _allocated(w: Writer, form: BufferForm, name: str) -> Buffer:
    made = form.make(name)
    w.block(form.title(), or_function=True).alloc_buffers.append(made)
    return made


def _declared(w: Writer, form: BufferForm, name: str) -> Buffer:
    made, close = declare_buffer(form, name)
    w.scope(close)
    return made


def declare_buffer(form: BufferForm, name: str) -> tuple[Buffer, Close]:
    """A declared buffer; without `data` its memory is allocated too."""
    made = form.make(name)
    if form.options.get("data") is not None:
        return made, lambda body: S.DeclBuffer(made, body)
    return made, lambda body: S.Allocate(
        made.data, made.dtype, made.shape, IntImm("bool", 1), S.DeclBuffer(made, body)
    )


def _matched(w: Writer, form: BufferForm, name: str) -> Buffer:
    assert isinstance(form, MatchForm)
    source = form.source
    if isinstance(source, Var):
        return w.match(source, form.make(name or source.name))
    if not isinstance(source, (S.BufferRegion, E.BufferLoad, Buffer)):
        raise ArgumentError(
            "match_buffer needs a parameter or a region of a buffer",
            hint="give it a parameter of type T.handle, or a region such as A[0:4, 0:4]",
        )
    matched = region_of(source)
    if form.shape is None:
        form.shape, form.dtype = [r.extent for r in matched.region], matched.buffer.dtype
    form.options["scope"] = form.options.get("scope") or matched.buffer.scope()
    made = form.make(name)
    w.block(form.title()).match_buffers.append(S.MatchBufferRegion(made, matched))
    return made


DECLARE: dict[str, Callable[..., Buffer]] = {
    "alloc_buffer": _allocated, "sblock_alloc_buffer": _allocated,
    "decl_buffer": _declared, "match_buffer": _matched,
}  # fmt: skip


def renamed(b: Buffer, name: str) -> Buffer:
    """A buffer like `b`, called `name`, with memory of its own unless that has a name."""
    data = b.data if b.data.name else b.data.copy_with_name(name)
    return b.replace(name=name, data=data)


def region_of(value: Any) -> S.BufferRegion:
    """A region from what indexing a buffer gave."""
    if isinstance(value, S.BufferRegion):
        return value
    if isinstance(value, Buffer):
        return S.full_region(value)
    if isinstance(value, E.BufferLoad):
        ranges = []
        for i in value.indices:
            if isinstance(i, E.Ramp):
                ranges.append(Range(i.base, IntImm(i.base.dtype, i.lanes)))
            else:
                ranges.append(Range(i, IntImm(i.dtype, 1)))
        return S.BufferRegion(value.buffer, tuple(ranges))
    raise ArgumentError(f"expected a region of a buffer, found {type(value).__name__}")


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


@dataclass
class AxisForm(TirForm):
    """`T.axis.spatial(dom, value)`."""

    dom: Any
    value: Any
    kind: IterVarType
    dtype: str = ""

    def title(self) -> str:
        """As written."""
        return "T.axis"

    def declare(self, w: Writer, name: str) -> Var:
        """Adds the axis to the block."""
        block = w.block("T.axis")
        if name and any(v.var.name == name for v in block.iter_vars):
            raise ArgumentError(
                f"block `{block.name}` has two axes `{name}`", hint="rename one of them"
            )
        dom = as_range(self.dom)
        var = Var(name, dom.extent.dtype)
        block.iter_vars.append(IterVar(dom, var, self.kind))
        block.iter_values.append(self.value)
        return var

    def act(self, w: Writer) -> Var:
        """Adds an axis without a name."""
        return self.declare(w, "")


@dataclass
class RemapForm(TirForm):
    """`T.axis.remap("SR", [i, k])`: axes over the domains of loops."""

    kinds: str
    values: Sequence[Any]

    def title(self) -> str:
        """As written."""
        return "T.axis.remap"

    def axes(self, w: Writer) -> list[AxisForm]:
        """One axis a letter."""
        if len(self.kinds) != len(self.values):
            raise ArgumentError(
                f"remap has {len(self.kinds)} letters for {len(self.values)} loop variables",
                hint='write one letter a loop, as in T.axis.remap("SR", [i, k])',
            )
        made = []
        for letter, value in zip(self.kinds, self.values, strict=True):
            if letter not in _LETTERS:
                raise ArgumentError(
                    f"remap knows S and R, found {letter!r}",
                    hint="S is spatial, R reduces; other axes are T.axis.scan and T.axis.opaque",
                )
            if id(value) not in w.loops:
                raise ArgumentError(
                    f"remap needs variables of loops, found `{value}`",
                    hint="bind other values as in T.axis.spatial(extent, value)",
                )
            made.append(AxisForm(w.loops[id(value)], value, _LETTERS[letter]))
        return made

    def declare(self, w: Writer, name: str) -> Any:
        """The only axis."""
        axes = self.axes(w)
        if len(axes) != 1:
            raise ArgumentError(
                f"{len(axes)} axes are assigned to one name", hint="write one name an axis"
            )
        return axes[0].declare(w, name)

    def act(self, w: Writer) -> Any:
        """The axes without names, or the only one."""
        made = [axis.act(w) for axis in self.axes(w)]
        return made[0] if len(made) == 1 else made


_LETTERS = {"S": IterVarType.DataPar, "R": IterVarType.CommReduce}


@dataclass
class BlockForm(ScopedForm):
    """`with T.block(name):`."""

    name: str = ""
    no_realize: bool = False

    def title(self) -> str:
        """As written."""
        return "T.block"

    def open(self, w: Writer, name: str = "") -> AbstractContextManager[Any]:
        """The block, which is emitted at the end."""
        return w.in_block(self.name, self.no_realize)


@dataclass
class InitForm(ScopedForm):
    """`with T.init():`."""

    def title(self) -> str:
        """As written."""
        return "T.init"

    @contextmanager
    def open(self, w: Writer, name: str = "") -> Iterator[None]:
        """The initial value of a reduction."""
        block = w.block("T.init")
        if block.init is not None:
            raise ArgumentError(
                f"block `{block.name}` has two T.init", hint="write all of it in one"
            )
        with w.inner() as body:
            yield
            block.init = body.finish()


@dataclass
class ArgForm(TirForm):
    """`T.arg(name, what)`: a parameter of the function being built."""

    name: str
    what: Any

    def title(self) -> str:
        """As written."""
        return "T.arg"

    def declare(self, w: Writer, name: str) -> Any:
        """Adds the parameter, and gives the variable or buffer."""
        what = self.what
        if isinstance(what, BufferForm):
            what = what.make(self.name)
        if isinstance(what, Buffer):
            IRBuilder.name(self.name, what)
            return w.buffer_parameter(self.name, what)
        made = what() if callable(what) and not isinstance(what, Var) else what
        if not isinstance(made, Var):
            raise ArgumentError(f"a parameter is a variable or a buffer, found {made!r}")
        return w.parameter(IRBuilder.name(self.name, made))

    def act(self, w: Writer) -> Any:
        """Adds the parameter."""
        return self.declare(w, self.name)


@dataclass
class WhileForm(ScopedForm):
    """`with T.While(condition):`."""

    condition: PrimExpr

    def title(self) -> str:
        """As written."""
        return "T.While"

    def open(self, w: Writer, name: str = "") -> AbstractContextManager[Any]:
        """The body of the loop."""
        return w.wrapped(lambda body: S.While(self.condition, body))


@dataclass
class IfForm(ScopedForm):
    """`with T.If(condition):`, around `with T.Then():` and perhaps `with T.Else():`."""

    condition: PrimExpr

    def title(self) -> str:
        """As written."""
        return "T.If"

    @contextmanager
    def open(self, w: Writer, name: str = "") -> Iterator[None]:
        """The branches, inside of which each is written."""
        branches: dict[str, S.Stmt] = {}
        w.branches.append(branches)
        try:
            yield
        finally:
            w.branches.pop()
        if "T.Then" not in branches:
            raise ArgumentError(
                "`T.If` has no `T.Then`", hint="write `with T.Then():` inside of it"
            )
        w.emit(S.IfThenElse(self.condition, branches["T.Then"], branches.get("T.Else")))


@dataclass
class BranchForm(ScopedForm):
    """`with T.Then():` or `with T.Else():`."""

    name: str

    def title(self) -> str:
        """As written."""
        return self.name

    @contextmanager
    def open(self, w: Writer, name: str = "") -> Iterator[None]:
        """The statements of the branch."""
        if not w.branches:
            raise ArgumentError(
                f"`{self.name}` stands outside of `T.If`",
                hint="write it inside of `with T.If(condition):`",
            )
        branches = w.branches[-1]
        if self.name in branches:
            raise ArgumentError(f"`T.If` has two `{self.name}`", hint="write all of it in one")
        with w.inner() as body:
            yield
            branches[self.name] = body.finish()


def allocation(dtype: str, extents: Any, scope: str, condition: Any, annotations: Any) -> ScopeForm:
    """`A = T.allocate(...)`."""

    def declare(name: str) -> tuple[Var, Close]:
        var = Var(name, pointer(dtype, scope))  # type: ignore[arg-type]
        test = IntImm("bool", 1) if condition is None else condition
        return var, lambda body: S.Allocate(var, dtype, extents, test, body, annotations)

    return ScopeForm("T.allocate", declare)


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
