"""What a software pipeline becomes: buffers with versions, and iterations that overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on
from .. import op as O
from ..analysis.access_region import get_block_read_write_region
from ..arith import Analyzer
from ..buffer import Buffer
from ..expr import BufferLoad, Call, Var
from ..stmt import (
    AttrStmt,
    Block,
    BlockRealize,
    BufferRegion,
    BufferStore,
    For,
    ForKind,
    Stmt,
    stmt_seq,
)  # fmt: skip
from ..stmt_functor import renew_defs, substitute

ASYNC_SCOPE = "async_scope"
COMMIT_QUEUE = "async_commit_queue_scope"
WAIT_QUEUE = "async_wait_queue_scope"
WAIT_COUNT = "async_wait_inflight_count"


@dataclass(eq=False)
class Step:
    """A statement of the loop's body: its stage, and its place within an iteration."""

    block: Block
    stage: int
    order: int
    is_async: bool = False


def as_block(stmt: Stmt, buffers: dict[Var, Buffer]) -> Block:
    """`stmt` as a block without axes that declares what it reads and writes."""
    bare = isinstance(stmt, BlockRealize) and not stmt.block.iter_vars
    if isinstance(stmt, BlockRealize) and bare and O.is_const_int(stmt.predicate, 1):
        return stmt.block
    block = Block((), (), (), "", stmt)
    reads, writes = get_block_read_write_region(block, buffers)
    return block.replace(reads=reads, writes=writes)


def realized(block: Block, predicate: PrimExpr | None = None) -> BlockRealize:
    """`block` run where `predicate` holds."""
    return BlockRealize((), IntImm("bool", 1) if predicate is None else predicate, block)


# ---- versions of buffers ----------------------------------------------------------------------


def versions_of(buffer: Buffer, steps: list[Step], least: int) -> int:
    """How many iterations' values of `buffer` live at the same time; `least`, if it is 2."""
    writers = [s for s in steps if any(r.buffer is buffer for r in s.block.writes)]
    readers = [s for s in steps if any(r.buffer is buffer for r in s.block.reads)]
    if not writers or not readers:
        return 1
    count = max(s.stage for s in readers) - min(s.stage for s in writers) + 1
    if count != 2 or least == 2:
        return max(count, least)
    for writer in writers:
        for reader in readers:
            ahead = writer.order < reader.order and writer.stage < reader.stage
            if ahead and _may_meet(writer, reader, buffer):
                return 2
    return 1


def _may_meet(writer: Step, reader: Step, buffer: Buffer) -> bool:
    """True unless what is written and what is read are apart."""
    written = [r.region for r in writer.block.writes if r.buffer is buffer]
    read = [r.region for r in reader.block.reads if r.buffer is buffer]
    return any(not _are_apart(a, b) for a in written for b in read)


def _are_apart(a: tuple[Range, ...], b: tuple[Range, ...]) -> bool:
    analyzer = Analyzer()
    return any(
        analyzer.can_prove(O.any(x.end <= y.min, y.end <= x.min)) for x, y in zip(a, b, strict=True)
    )


def with_versions(buffer: Buffer, count: int) -> Buffer:
    """`buffer` with a first dimension of `count`."""
    shape = (IntImm(buffer.shape[0].dtype if buffer.shape else "int32", count), *buffer.shape)
    strides = buffer.strides
    if strides:
        strides = (O.multiply(strides[0], buffer.shape[0]), *strides)
    return buffer.replace(shape=shape, strides=strides)


class Versions(Rewriter):
    """Accesses go to the version of the iteration: B[j]   ->   B[i % count, j]"""

    def __init__(self, made: dict[Buffer, Buffer], index: PrimExpr) -> None:
        self.made, self.index = made, index
        self.by_data = {old.data: (old, new) for old, new in made.items()}

    def _version(self, new: Buffer) -> PrimExpr:
        return O.floormod(self.index, new.shape[0])

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer elsewhere."""
        return self.made.get(buffer, buffer)

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """B[j]   ->   B[i % count, j]"""
        new = self.made.get(access.buffer)
        if new is None:
            return self.rewrite_children(access)
        changes: dict[str, Any] = {
            "buffer": new,
            "indices": (self._version(new), *self.rewrite(access.indices)),
            "predicate": self.rewrite(access.predicate),
        }
        if isinstance(access, BufferStore):
            changes["value"] = self.rewrite(access.value)
        return access.replace(**changes)

    @on(BufferRegion)
    def region(self, region: BufferRegion) -> BufferRegion:
        """Declared regions, too."""
        new = self.made.get(region.buffer)
        ranges = self.rewrite(region.region)
        if new is None:
            return region.replace(region=ranges)
        first = self._version(new)
        return BufferRegion(new, (Range(first, IntImm(first.dtype, 1)), *ranges))

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """The address of a version lies that many buffers further."""
        new: Call = self.rewrite_children(call)
        if getattr(call.op, "name", "") != "tir.tvm_access_ptr":
            return new
        known = self.by_data.get(call.args[1])  # type: ignore[call-overload]
        if known is None:
            return new
        old, made = known
        marker, data, offset, *rest = new.args
        moved = O.add(offset, O.multiply(self._version(made), _elements(old)))
        return new.replace(args=(marker, data, moved, *rest))


def _elements(buffer: Buffer) -> PrimExpr:
    if buffer.strides:
        return O.multiply(buffer.strides[0], buffer.shape[0])
    total: PrimExpr = IntImm("int32", 1)
    for extent in buffer.shape:
        total = O.multiply(total, extent)
    return total


# ---- iterations that overlap ------------------------------------------------------------------


class Emitter:
    """Writes the parts of the pipeline of one loop."""

    def __init__(
        self, loop: For, steps: list[Step], buffers: dict[Var, Buffer], made: dict[Buffer, Buffer],
        annotations: dict[str, Any],
    ) -> None:  # fmt: skip
        self.loop, self.steps = loop, sorted(steps, key=lambda s: s.order)
        self.buffers = {**buffers, **{new.data: new for new in made.values()}}
        self.made, self.annotations = made, annotations
        self.depth = max(step.stage for step in steps)

    def run(self) -> list[Stmt]:
        """Prologue, main part and epilogue."""
        low, extent = self.loop.min, self.loop.extent
        ramp_up = O.add(low, IntImm(low.dtype, self.depth))
        end = O.add(low, extent)
        drained = O.add(end, IntImm(low.dtype, self.depth))
        if isinstance(extent, IntImm) and extent.value < self.depth:
            end = ramp_up
        parts = [
            self._part(low, ramp_up, True),
            self._part(ramp_up, end, False),
            self._part(end, drained, True, ramp_up),
        ]
        return [part for part in parts if part is not None]

    def _part(
        self, start: PrimExpr, end: PrimExpr, unrolled: bool, least: PrimExpr | None = None
    ) -> Stmt | None:
        """The steps from `start` to `end`, of these only those that are not below `least`: a short
        loop has left the others to the part before."""
        analyzer = Analyzer()
        loop = self.loop
        extent = analyzer.simplify(O.subtract(end, start))
        if isinstance(extent, IntImm) and extent.value <= 0:
            return None
        var = loop.loop_var.copy_with_name(loop.loop_var.name)
        now: PrimExpr = start
        if not O.is_const_int(extent, 1):
            analyzer.bind(var, Range(loop.min, extent), override=True)
            now = O.add(var, O.subtract(start, loop.min))
        body = self._iteration(analyzer, analyzer.simplify(now), least)
        if body is None:
            return None
        if O.is_const_int(extent, 1):
            return realized(as_block(body, self.buffers))
        kind = ForKind.UNROLLED if unrolled else loop.kind
        made = For(
            var, loop.min, extent, kind, body, loop.thread_binding,
            {} if unrolled else self.annotations,
        )  # fmt: skip
        return realized(as_block(made, self.buffers))

    def _iteration(self, analyzer: Analyzer, now: PrimExpr, least: PrimExpr | None) -> Stmt | None:
        """What runs when the newest iteration is `now`."""
        out: list[Stmt] = []
        for step in self.steps:
            here = analyzer.simplify(O.subtract(now, step.stage))
            last = O.add(self.loop.min, self.loop.extent)
            inside = O.all(here >= self.loop.min, here < last)
            if least is not None:
                inside = O.logical_and(inside, now >= least)
            inside = analyzer.simplify(inside)
            if not O.is_const_int(inside, 0):
                out.append(self._step(analyzer, step, here, inside))
        return renew_defs(stmt_seq(*out)) if out else None

    def _step(self, analyzer: Analyzer, step: Step, here: PrimExpr, inside: PrimExpr) -> Stmt:
        iteration = analyzer.simplify(O.subtract(self.loop.loop_var, self.loop.min))
        block: Block = Versions(self.made, iteration).run(step.block)
        block = substitute(block, {self.loop.loop_var: here})
        block = _Simplified(analyzer).run(block)
        if step.is_async:
            body = AttrStmt(IntImm("int32", 0), ASYNC_SCOPE, IntImm("int32", 1), block.body)
            block = block.replace(body=body)
        waits = self._waits(analyzer, step, here)
        for stage, count in waits:
            wait = AttrStmt(IntImm("int32", 0), WAIT_COUNT, count, block.body)
            body = AttrStmt(IntImm("int32", 0), WAIT_QUEUE, IntImm("int32", stage), wait)
            block = block.replace(body=body)
        made: Stmt = realized(block, inside)
        if step.is_async and self._is_last_of_stage(step):
            made = AttrStmt(IntImm("int32", 0), COMMIT_QUEUE, IntImm("int32", step.stage), made)
        return made

    def _is_last_of_stage(self, step: Step) -> bool:
        same = [s for s in self.steps if s.is_async and s.stage == step.stage]
        return step is same[-1]

    def _waits(self, analyzer: Analyzer, step: Step, here: PrimExpr) -> list[tuple[int, PrimExpr]]:
        """For each asynchronous stage that `step` reads from: how many of its later groups may be
        on their way."""
        found: dict[int, PrimExpr] = {}
        for other in self.steps:
            if not other.is_async or not _feeds(other, step) or other.stage in found:
                continue
            group = [s for s in self.steps if s.is_async and s.stage == other.stage]
            committed_first = group[-1].order < step.order
            ahead = step.stage - other.stage - (0 if committed_first else 1)
            last = O.subtract(O.add(self.loop.min, self.loop.extent), IntImm(here.dtype, 1))
            left = O.subtract(last, here)
            found[other.stage] = analyzer.simplify(O.min(IntImm(here.dtype, ahead), left))
        return list(found.items())


def _feeds(writer: Step, reader: Step) -> bool:
    if writer.is_async and reader.is_async and writer.stage == reader.stage:
        return False
    written = {r.buffer for r in writer.block.writes}
    return any(r.buffer in written for r in reader.block.reads)


class _Simplified(Rewriter):
    """Indices in their simplest form."""

    def __init__(self, analyzer: Analyzer) -> None:
        self.analyzer = analyzer

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers stay."""
        return buffer

    @on(PrimExpr)
    def expression(self, expr: PrimExpr) -> PrimExpr:
        """Expressions whole."""
        return self.analyzer.simplify(expr)

    @on(For)
    def loop(self, loop: For) -> For:
        """Within the loop its range is known."""
        low, extent = self.rewrite(loop.min), self.rewrite(loop.extent)
        self.analyzer.bind(loop.loop_var, Range(low, extent), override=True)
        return loop.replace(min=low, extent=extent, body=self.rewrite(loop.body))
