"""Dependencies between the blocks of one scope."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from ..expr import Var
from .sref import StmtSRef


class DepKind(IntEnum):
    """Why one block must come before another."""

    RAW = 0
    WAW = 1
    WAR = 2
    OPAQUE = 3


@dataclass(frozen=True, slots=True, eq=False)
class Dependency:
    """`dst` comes after `src` because of `kind`."""

    src: StmtSRef
    dst: StmtSRef
    kind: DepKind


@dataclass(slots=True, eq=False)
class BlockScope:
    """The blocks directly in a scope, in order, and what depends on what."""

    children: list[StmtSRef] = field(default_factory=list)
    src2deps: dict[StmtSRef, list[Dependency]] = field(default_factory=dict)
    dst2deps: dict[StmtSRef, list[Dependency]] = field(default_factory=dict)
    buffer_writers: dict[Var, list[StmtSRef]] = field(default_factory=dict)

    def get_deps_by_src(self, block: StmtSRef) -> list[Dependency]:
        """The dependencies of later blocks on `block`."""
        return self.src2deps.get(block, [])

    def get_deps_by_dst(self, block: StmtSRef) -> list[Dependency]:
        """The dependencies of `block` on earlier ones."""
        return self.dst2deps.get(block, [])

    def producers(self, block: StmtSRef) -> list[StmtSRef]:
        """The blocks whose results `block` reads, each once, in order."""
        found = (d.src for d in self.get_deps_by_dst(block) if d.kind is DepKind.RAW)
        return list(dict.fromkeys(found))

    def consumers(self, block: StmtSRef) -> list[StmtSRef]:
        """The blocks that read what `block` writes, each once, in order."""
        found = (d.dst for d in self.get_deps_by_src(block) if d.kind is DepKind.RAW)
        return list(dict.fromkeys(found))

    def add(self, dependency: Dependency) -> None:
        """Records one dependency at both of its ends."""
        self.src2deps.setdefault(dependency.src, []).append(dependency)
        self.dst2deps.setdefault(dependency.dst, []).append(dependency)


def scope_of(children: list[StmtSRef]) -> BlockScope:
    """The dependencies between `children`, the blocks of a scope in order."""
    scope = BlockScope(children=children)
    readers: dict[Var, list[StmtSRef]] = {}
    for block in children:
        stmt = block.block
        reads = dict.fromkeys(r.buffer.data for r in stmt.reads)
        writes = dict.fromkeys(w.buffer.data for w in stmt.writes)
        for memory in reads:
            for src in scope.buffer_writers.get(memory, ()):
                scope.add(Dependency(src, block, DepKind.RAW))
        for memory in writes:
            for src in scope.buffer_writers.get(memory, ()):
                scope.add(Dependency(src, block, DepKind.WAW))
            for src in readers.get(memory, ()):
                if src is not block:
                    scope.add(Dependency(src, block, DepKind.WAR))
        for memory in reads:
            readers.setdefault(memory, []).append(block)
        for memory in writes:
            scope.buffer_writers.setdefault(memory, []).append(block)
    return scope
