"""What a loop program is written with: statements, blocks and declarations so far.

The parser and the builder of script write with the same thing: a form of the namespace `T`
(`forms.py`) says what to do, a `Writer` holds what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..ir.expr import IntImm, PrimExpr, Range
from ..ir.type import Type
from ..support.errors import ArgumentError
from ..support.span import Span
from . import stmt as S
from .analysis import get_block_read_write_region
from .analysis.effects import has_way_out
from .buffer import Buffer
from .expr import IterVar, Var
from .function import PrimFunc

Close = Callable[[S.Stmt], S.Stmt]


@dataclass
class Body:
    """Statements so far; each open scope remembers the statements before it."""

    stmts: list[S.Stmt] = field(default_factory=list)
    open: list[tuple[list[S.Stmt], Close]] = field(default_factory=list)

    def scope(self, close: Close) -> None:
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


@dataclass
class BlockParts:
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


class Writer:
    """One function, or a part of one, being written."""

    def __init__(
        self, name: str = "", *, private: bool = False, check_well_formed: bool = True
    ) -> None:
        self.name = name
        self.private = private
        self.check_well_formed = check_well_formed
        self.params: list[Var] = []
        self.buffers: dict[Var, Buffer] = {}
        self.attrs: dict[str, Any] = {}
        self.result: Type | None = None
        self.body = Body()
        self.root = BlockParts("root", is_function=True)
        self.block_parts: BlockParts = self.root
        self.loops: dict[int, Range] = {}
        self.has_blocks = False
        self.last: tuple[BlockParts, S.BlockRealize] | None = None
        self.branches: list[dict[str, S.Stmt]] = []

    # statements

    def emit(self, stmt: S.Stmt) -> None:
        """Appends a statement."""
        self.body.stmts.append(stmt)

    def scope(self, close: Close) -> None:
        """What follows in this body becomes what `close` wraps."""
        self.body.scope(close)

    @contextmanager
    def inner(self) -> Iterator[Body]:
        """A body of its own inside the `with`; `finish` it at the end."""
        outer, self.body = self.body, Body()
        try:
            yield self.body
        finally:
            self.body = outer

    @contextmanager
    def wrapped(self, close: Close) -> Iterator[None]:
        """What is written inside the `with` becomes one statement that `close` wraps."""
        with self.inner() as body:
            yield
            stmt = body.finish()
        self.emit(close(stmt))

    def loop(self, condition: PrimExpr) -> Callable[[S.Stmt], S.While]:
        """What closes `while condition:`. Raises `ArgumentError` for a constant condition, but for
        True where the body has a way out."""

        def close(body: S.Stmt) -> S.While:
            if isinstance(condition, IntImm) and not (condition.value and has_way_out(body)):
                raise ArgumentError(
                    f"the condition of a `while` depends on values, found {condition}",
                    hint="read what the loop changes, as in `while flag[0] != 0:`, or leave the "
                    "loop by `break`",
                )
            return S.While(condition, body)

        return close

    # blocks

    def block(self, what: str, *, or_function: bool = False) -> BlockParts:
        """The innermost block, to which `what` belongs."""
        if self.block_parts.is_function and not or_function:
            raise ArgumentError(
                f"`{what}` stands outside of a block", hint="write it in T.block(...)"
            )
        return self.block_parts

    @contextmanager
    def in_block(self, name: str, no_realize: bool) -> Iterator[None]:
        """Writes a block inside the `with`."""
        outer, self.block_parts = self.block_parts, BlockParts(name)
        made = self.block_parts
        try:
            with self.inner() as body:
                yield
                stmt = body.finish()
        finally:
            self.block_parts = outer
        self.has_blocks = True
        for axis, value in zip(made.iter_vars, made.iter_values, strict=True):
            if value is None and not no_realize:
                raise ArgumentError(
                    f"axis `{axis.var.name}` of block `{name}` has no value",
                    hint="write its value after its domain, as in T.axis.spatial(8, i)",
                )
        realized = self._closed(made, stmt)
        self.last = made, realized
        self.emit(realized.block if no_realize else realized)

    def _closed(self, made: BlockParts, body: S.Stmt) -> S.BlockRealize:
        """The realization of a block; regions that are not declared are found."""
        block = S.Block(
            tuple(made.iter_vars), made.reads or (), made.writes or (), made.name, body, made.init,
            tuple(made.alloc_buffers), tuple(made.match_buffers), made.annotations,
        )  # fmt: skip
        if (made.reads is None or made.writes is None) and not made.is_function:
            known = {b.data: b for b in (*self.buffers.values(), *block.alloc_buffers)}
            reads, writes = get_block_read_write_region(block, known)
            block = block.replace(
                reads=reads if made.reads is None else block.reads,
                writes=writes if made.writes is None else block.writes,
            )
        predicate = IntImm("bool", 1) if made.predicate is None else made.predicate
        values = [v for v in made.iter_values if v is not None]
        variables = tuple(v.var for v in made.iter_vars)
        return S.BlockRealize(tuple(values) or variables, predicate, block)

    # functions

    def parameter(self, var: Var) -> Var:
        """Adds a parameter."""
        self.params.append(var)
        return var

    def buffer_parameter(self, name: str, buffer: Buffer) -> Buffer:
        """Adds a parameter that is an array."""
        handle = self.parameter(Var(f"{name}_handle", "handle"))
        self.buffers[handle] = buffer
        return buffer

    def match(self, source: Var, buffer: Buffer) -> Buffer:
        """Says that the parameter `source` is the address of `buffer`."""
        if not any(source is p for p in self.params):
            raise ArgumentError(f"`{source.name}` is no parameter of the function")
        self.buffers[source] = buffer
        return buffer

    def function(self, *, root: bool = True, span: Span | None = None) -> PrimFunc:
        """The function; without `root` its blocks stand in no root block."""
        attrs = dict(self.attrs)
        if self.private and "global_symbol" in attrs:
            raise ArgumentError(
                "a private function has no global_symbol",
                hint="leave private=True or the attribute out",
            )
        if not self.private and self.name:
            attrs.setdefault("global_symbol", self.name)
        body = self.body.finish()
        kind: Any = self.result
        return PrimFunc(
            tuple(self.params), self._with_root(body) if root else body, kind, self.buffers,
            attrs, span=span,
        )  # fmt: skip

    def _with_root(self, body: S.Stmt) -> S.Stmt:
        """The body in its root block, if it has blocks and does not write the root itself."""
        allocs = self.root.alloc_buffers
        if isinstance(body, S.BlockRealize) and not body.block.iter_vars and not allocs:
            return self._undetected(body)
        return self._closed(self.root, body) if self.has_blocks or allocs else body

    def _undetected(self, root: S.BlockRealize) -> S.BlockRealize:
        """A root that the text writes itself, with no other regions than it declares."""
        if self.last is None or self.last[1] is not root:
            return root
        made = self.last[0]
        if made.reads is not None and made.writes is not None:
            return root
        return root.replace(
            block=root.block.replace(reads=made.reads or (), writes=made.writes or ())
        )
