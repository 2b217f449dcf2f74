"""What the names of the dialect `T` give that is no expression: loops, scopes, declarations."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ir.expr import IntImm, PrimExpr, Range, as_scalar
from ..script.parser import Form, Parser
from ..support.errors import ArgumentError
from . import expr as E
from . import stmt as S
from .buffer import Buffer, decl_buffer
from .expr import IterVar, IterVarType, Var, pointer
from .script_rules import extent_between


@dataclass
class Body:
    """Statements so far; each open scope remembers the statements before it."""

    stmts: list[S.Stmt] = field(default_factory=list)
    open: list[tuple[list[S.Stmt], Callable[[S.Stmt], S.Stmt]]] = field(default_factory=list)

    def emit(self, stmt: S.Stmt) -> None:
        """Appends a statement."""
        self.stmts.append(stmt)

    def scope(self, close: Callable[[S.Stmt], S.Stmt]) -> None:
        """What follows becomes the body that `close` wraps."""
        self.open.append((self.stmts, close))
        self.stmts = []

    def finish(self) -> S.Stmt:
        """All of it as one statement."""
        while self.open:
            before, close = self.open.pop()
            self.stmts = [*before, close(_sequence(self.stmts))]
        return _sequence(self.stmts)


def _sequence(stmts: list[S.Stmt]) -> S.Stmt:
    if not stmts:
        return S.Evaluate(IntImm("int32", 0))
    return stmts[0] if len(stmts) == 1 else S.SeqStmt(tuple(stmts))


def current(parser: Parser) -> Body:
    """The statements of the innermost body."""
    body: Body = parser.facts["body"]
    return body


def body_of(parser: Parser, nodes: Sequence[ast.stmt], names: dict[str, Any] | None = None) -> Any:
    """The statements parsed as a body of their own, in a scope of its own."""
    outer, parser.facts["body"] = parser.facts.get("body"), Body()
    try:
        with parser.scope(names):
            parser.statements(nodes)
            return current(parser).finish()
    finally:
        parser.facts["body"] = outer


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
    """A Python value that an assignment binds as it is."""

    value: Any


@dataclass
class LoopForm(Form):
    """`T.serial(...)`, `T.grid(...)`: the domain and kind of a `for`."""

    domains: list[tuple[PrimExpr, PrimExpr]]
    kind: S.ForKind = S.ForKind.SERIAL
    annotations: dict[str, Any] | None = None
    thread: str = ""

    def __iter__(self) -> Any:
        (start, extent) = self.domains[0]
        if len(self.domains) != 1 or not isinstance(start, IntImm):
            raise ArgumentError("a loop of the program is no sequence of Python values")
        if not isinstance(extent, IntImm):
            raise ArgumentError("a loop of unknown extent is no sequence of Python values")
        return iter(range(start.value, start.value + extent.value))

    def variable(self, name: str, index: int) -> Var:
        """A variable for the loop of an index."""
        start, extent = self.domains[index]
        wide = extent.dtype if isinstance(start, IntImm) else start.dtype
        return Var(name, wide)

    def wrap(self, variables: Sequence[Var], body: S.Stmt) -> S.Stmt:
        """The loops around a body."""
        for var, (start, extent) in zip(reversed(variables), reversed(self.domains), strict=True):
            binding = None
            if self.kind is S.ForKind.THREAD_BINDING:
                binding = IterVar(None, Var("", "int32"), IterVarType.ThreadIndex, self.thread)
            body = S.For(var, start, extent, self.kind, body, binding, dict(self.annotations or {}))
        return body


def loop_domain(start: Any, stop: Any) -> tuple[PrimExpr, PrimExpr]:
    """Minimum and extent of `range(start, stop)`, or of `range(start)`."""
    if isinstance(start, Range):
        return start.min, start.extent
    if stop is None:
        extent = as_scalar(start)
        return IntImm(extent.dtype, 0), extent
    low, high = _pair(start, stop)
    return low, extent_between(low, high)


@dataclass
class ScopeForm(Form):
    """A statement whose scope is the rest of the block, or the body of a `with`.

    `declare(name)` gives what the name is bound to and what closes the scope.
    """

    name: str
    declare: Callable[[str], tuple[Any, Callable[[S.Stmt], S.Stmt]]]
    is_value: bool = True

    def title(self) -> str:
        """As written."""
        return self.name

    def assign(self, parser: Parser, name: str, node: ast.AST) -> Any:
        """Opens the scope for what follows."""
        if not self.is_value:
            parser.fail(node, f"`{self.name}` gives no value that can be assigned")
        value, close = self.declare(name)
        current(parser).scope(close)
        return value

    def stand(self, parser: Parser, node: ast.AST) -> None:
        """Opens the scope for what follows."""
        _, close = self.declare("")
        current(parser).scope(close)

    def inside(self, parser: Parser, node: ast.With, item: ast.withitem) -> None:
        """The scope is the body of the `with`."""
        target = item.optional_vars
        name = target.id if isinstance(target, ast.Name) else ""
        value, close = self.declare(name)
        inner = body_of(parser, node.body, {name: value} if name else None)
        current(parser).emit(close(inner))


@dataclass
class BufferForm(Form):
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
        for dim in shape:
            as_scalar(dim)
        return decl_buffer(
            shape, self.dtype, name, scope=scope, data_alignment=align or -1,
            **{k: v for k, v in o.items() if v is not None},
        )  # fmt: skip

    def assign(self, parser: Parser, name: str, node: ast.AST) -> Buffer:
        """Declares the buffer as its kind asks for."""
        return DECLARE[self.how](parser, self, name, node)


@dataclass
class MatchForm(BufferForm):
    """`T.match_buffer(source, shape, dtype)`."""

    source: Any = None


def _plain(parser: Parser, form: BufferForm, name: str, node: ast.AST) -> Buffer:
    return form.make(name)


def _allocated(parser: Parser, form: BufferForm, name: str, node: ast.AST) -> Buffer:
    made = form.make(name)
    frame(parser, node, form.title(), or_function=True).alloc_buffers.append(made)
    return made


def _declared(parser: Parser, form: BufferForm, name: str, node: ast.AST) -> Buffer:
    made, close = declare_buffer(form, name)
    current(parser).scope(close)
    return made


def declare_buffer(form: BufferForm, name: str) -> tuple[Buffer, Callable[[S.Stmt], S.Stmt]]:
    """A declared buffer; without `data` its memory is allocated too."""
    made = form.make(name)
    if form.options.get("data") is not None:
        return made, lambda body: S.DeclBuffer(made, body)
    return made, lambda body: S.Allocate(
        made.data, made.dtype, made.shape, IntImm("bool", 1), S.DeclBuffer(made, body)
    )


def _matched(parser: Parser, form: BufferForm, name: str, node: ast.AST) -> Buffer:
    assert isinstance(form, MatchForm)
    source = form.source
    if isinstance(source, Var):
        buffers = parser.facts.get("buffer_map")
        if buffers is None or source not in parser.facts["params"]:
            parser.fail(node, f"`{source.name}` is no parameter of the function")
        made = form.make(name)
        buffers[source] = made
        return made
    if not isinstance(source, (S.BufferRegion, E.BufferLoad, Buffer)):
        parser.fail(node, "match_buffer needs a parameter or a region of a buffer")
    matched = region_of(source)
    if form.shape is None:
        form.shape, form.dtype = [r.extent for r in matched.region], matched.buffer.dtype
    form.options["scope"] = form.options.get("scope") or matched.buffer.scope()
    made = form.make(name)
    block = frame(parser, node, form.title())
    block.match_buffers.append(S.MatchBufferRegion(made, matched))
    return made


DECLARE: dict[str, Callable[..., Buffer]] = {
    "Buffer": _plain, "alloc_buffer": _allocated, "sblock_alloc_buffer": _allocated,
    "decl_buffer": _declared, "match_buffer": _matched,
}  # fmt: skip


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
class BlockFrame:
    """What the lines of a block have declared so far; the function has one for its own."""

    name: str
    iter_vars: list[IterVar] = field(default_factory=list)
    iter_values: list[Any] = field(default_factory=list)
    reads: tuple[S.BufferRegion, ...] | None = None
    writes: tuple[S.BufferRegion, ...] | None = None
    predicate: PrimExpr | None = None
    annotations: dict[str, Any] = field(default_factory=dict)
    init: S.Stmt | None = None
    alloc_buffers: list[Buffer] = field(default_factory=list)
    match_buffers: list[S.MatchBufferRegion] = field(default_factory=list)
    is_function: bool = False


def frame(parser: Parser, node: ast.AST, what: str, or_function: bool = False) -> BlockFrame:
    """The innermost block."""
    block: BlockFrame | None = parser.facts.get("block")
    if block is None or (block.is_function and not or_function):
        parser.fail(node, f"`{what}` stands outside of a block", hint="write it in T.block(...)")
    return block


@dataclass
class Directive(Form):
    """A line that tells the current block or function something: `act(parser, node)`."""

    name: str
    act: Callable[[Parser, ast.AST], None]

    def title(self) -> str:
        """As written."""
        return self.name

    def stand(self, parser: Parser, node: ast.AST) -> None:
        """Acts."""
        self.act(parser, node)


@dataclass
class AxisForm(Form):
    """`T.axis.spatial(dom, value)`."""

    dom: Any
    value: Any
    kind: IterVarType
    dtype: str = ""

    def title(self) -> str:
        """As written."""
        return "T.axis"

    def assign(self, parser: Parser, name: str, node: ast.AST) -> Var:
        """Adds the axis to the block."""
        block = frame(parser, node, "T.axis")
        dom = as_range(self.dom)
        var = Var(name, dom.extent.dtype)
        block.iter_vars.append(IterVar(dom, var, self.kind))
        block.iter_values.append(self.value)
        return var


@dataclass
class RemapForm(Form):
    """`T.axis.remap("SR", [i, k])`: axes over the domains of loops."""

    kinds: str
    values: Sequence[Any]

    def axes(self, parser: Parser, node: ast.AST) -> list[AxisForm]:
        """One axis a letter."""
        if len(self.kinds) != len(self.values):
            parser.fail(
                node, f"remap has {len(self.kinds)} letters for {len(self.values)} loop variables"
            )
        loops = parser.facts.get("loops", {})
        made = []
        for letter, value in zip(self.kinds, self.values, strict=True):
            if letter not in _LETTERS:
                parser.fail(node, f"remap knows S and R, found {letter!r}")
            if id(value) not in loops:
                parser.fail(node, f"remap needs variables of loops, found `{value}`")
            made.append(AxisForm(loops[id(value)], value, _LETTERS[letter]))
        return made

    def assign(self, parser: Parser, name: str, node: ast.AST) -> Any:
        """The only axis."""
        axes = self.axes(parser, node)
        if len(axes) != 1:
            parser.fail(node, f"{len(axes)} axes are assigned to one name")
        return axes[0].assign(parser, name, node)


_LETTERS = {"S": IterVarType.DataPar, "R": IterVarType.CommReduce}


@dataclass
class BlockForm(Form):
    """`with T.block(name):`."""

    name: str = ""
    no_realize: bool = False

    def title(self) -> str:
        """As written."""
        return "T.block"

    def inside(self, parser: Parser, node: ast.With, item: ast.withitem) -> None:
        """Parses the block and emits its realization."""
        made = BlockFrame(self.name)
        outer, parser.facts["block"] = parser.facts.get("block"), made
        try:
            body = body_of(parser, node.body)
        finally:
            parser.facts["block"] = outer
        parser.facts["has_blocks"] = True
        realized = close_block(parser, made, body, [*(v.var for v in made.iter_vars)])
        current(parser).emit(realized.block if self.no_realize else realized)


def close_block(
    parser: Parser, made: BlockFrame, body: S.Stmt, variables: list[Var]
) -> S.BlockRealize:
    """The realization of a block; regions that are not declared are found."""
    block = S.Block(
        tuple(made.iter_vars), made.reads or (), made.writes or (), made.name, body, made.init,
        tuple(made.alloc_buffers), tuple(made.match_buffers), made.annotations,
    )  # fmt: skip
    if (made.reads is None or made.writes is None) and not made.is_function:
        reads, writes = _regions(parser, block)
        block = block.replace(
            reads=reads if made.reads is None else block.reads,
            writes=writes if made.writes is None else block.writes,
        )
    predicate = IntImm("bool", 1) if made.predicate is None else made.predicate
    values = [v for v in made.iter_values if v is not None]
    return S.BlockRealize(tuple(values) or tuple(variables), predicate, block)


def _regions(parser: Parser, block: S.Block) -> Any:
    from .analysis import get_block_read_write_region

    buffers = {b.data: b for b in parser.facts.get("buffer_map", {}).values()}
    buffers.update({b.data: b for b in block.alloc_buffers})
    return get_block_read_write_region(block, buffers)


@dataclass
class InitForm(Form):
    """`with T.init():`."""

    def title(self) -> str:
        """As written."""
        return "T.init"

    def inside(self, parser: Parser, node: ast.With, item: ast.withitem) -> None:
        """Parses the initial value of a reduction."""
        block = frame(parser, node, "T.init")
        if block.init is not None:
            parser.fail(node, f"block `{block.name}` has two T.init")
        block.init = body_of(parser, node.body)


def allocation(dtype: str, extents: Any, scope: str, condition: Any, annotations: Any) -> ScopeForm:
    """`A = T.allocate(...)`."""

    def declare(name: str) -> tuple[Var, Callable[[S.Stmt], S.Stmt]]:
        var = Var(name, pointer(dtype, scope))  # type: ignore[arg-type]
        test = IntImm("bool", 1) if condition is None else condition
        return var, lambda body: S.Allocate(var, dtype, extents, test, body, annotations)

    return ScopeForm("T.allocate", declare)
