"""Handles on blocks and loops that stay valid while the program around them changes."""

from __future__ import annotations

from collections.abc import Iterator

from ..stmt import (
    Allocate,
    AllocateConst,
    AssertStmt,
    AttrStmt,
    Block,
    BlockRealize,
    BufferRealize,
    DeclBuffer,
    For,
    IfThenElse,
    LetStmt,
    SeqStmt,
    Stmt,
    While,
)
from .rv import Identity


class StmtSRef(Identity):
    """Where a block or loop is in the program now; `stmt` is None once it has been removed.

    `realize` is the `BlockRealize` around a block, None for a loop.
    """

    __slots__ = ("__weakref__", "parent", "realize", "stmt")

    def __init__(
        self,
        stmt: Block | For | None,
        parent: StmtSRef | None,
        realize: BlockRealize | None = None,
    ) -> None:
        self.stmt = stmt
        self.parent = parent
        self.realize = realize

    def __repr__(self) -> str:
        if isinstance(self.stmt, Block):
            return f"sref of block {self.stmt.name_hint}"
        return f"sref of loop {self.stmt.loop_var.name}" if self.stmt else "sref of nothing"

    @staticmethod
    def root_mark() -> StmtSRef:
        """In place of a loop: the block stays where it is."""
        return ROOT_MARK

    @staticmethod
    def inline_mark() -> StmtSRef:
        """In place of a loop: the block is computed inline."""
        return INLINE_MARK

    @property
    def is_mark(self) -> bool:
        """True for the two that stand for a place that is no loop."""
        return self is ROOT_MARK or self is INLINE_MARK

    @property
    def is_block(self) -> bool:
        """True if it refers to a block."""
        return isinstance(self.stmt, Block)

    @property
    def block(self) -> Block:
        """The block it refers to."""
        if not isinstance(self.stmt, Block):
            raise TypeError(f"not a block: {self!r}")
        return self.stmt

    @property
    def loop(self) -> For:
        """The loop it refers to."""
        if not isinstance(self.stmt, For):
            raise TypeError(f"not a loop: {self!r}")
        return self.stmt

    @property
    def node(self) -> Stmt:
        """The statement as its parent holds it: the realization of a block, or the loop."""
        return self.realize if self.realize is not None else self.loop

    @property
    def seq_index(self) -> int:
        """Its place among the statements of its parent; -1 if it is the only one."""
        if self.parent is None or self.parent.stmt is None:
            return -1
        body = self.parent.stmt.body
        if not isinstance(body, SeqStmt):
            return -1
        return next((k for k, s in enumerate(body.seq) if holds(s, self.node)), -1)

    def ancestors(self) -> Iterator[StmtSRef]:
        """Its parent, the parent of that, and so on up to the root block."""
        at = self.parent
        while at is not None:
            yield at
            at = at.parent

    def is_under(self, other: StmtSRef) -> bool:
        """True if `other` is an ancestor."""
        return any(at is other for at in self.ancestors())


ROOT_MARK = StmtSRef(None, None)
"""In place of a loop: the block stays where it is."""

INLINE_MARK = StmtSRef(None, None)
"""In place of a loop: the block is computed inline."""

BODIES: dict[type[Stmt], tuple[str, ...]] = {
    For: ("body",),
    Block: ("body",),
    LetStmt: ("body",),
    AttrStmt: ("body",),
    AssertStmt: ("body",),
    While: ("body",),
    Allocate: ("body",),
    AllocateConst: ("body",),
    DeclBuffer: ("body",),
    BufferRealize: ("body",),
    IfThenElse: ("then_case", "else_case"),
    BlockRealize: ("block",),
}
"""The fields of each statement that hold a statement (those of `SeqStmt` apart)."""


def substatements(stmt: Stmt) -> tuple[Stmt, ...]:
    """The statements directly within `stmt`; not the `init` of a block."""
    if isinstance(stmt, SeqStmt):
        return stmt.seq
    parts = (getattr(stmt, name) for name in BODIES.get(type(stmt), ()))
    return tuple(part for part in parts if part is not None)


def blocks_and_loops(stmt: Stmt) -> Iterator[For | BlockRealize]:
    """The outermost loops and realized blocks at or within `stmt`, in order."""
    left = [stmt]
    while left:
        at = left.pop()
        if isinstance(at, (For, BlockRealize)):
            yield at
        else:
            left += reversed(substatements(at))


def holds(stmt: Stmt, target: Stmt) -> bool:
    """True if `target` is `stmt`, or within it with no loop or block between."""
    if stmt is target:
        return True
    if isinstance(stmt, (For, BlockRealize)):
        return False
    return any(holds(part, target) for part in substatements(stmt))


def realizes_under(stmt: Stmt) -> Iterator[BlockRealize]:
    """The outermost realized blocks at or within `stmt`, in order; not those nested in them."""
    left = [stmt]
    while left:
        at = left.pop()
        if isinstance(at, BlockRealize):
            yield at
        else:
            left += reversed(substatements(at))
