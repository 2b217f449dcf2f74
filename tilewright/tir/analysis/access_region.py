"""What a block reads and writes, from its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Visitor, on
from ...ir.node import Node, children
from ...support.dtypes import ScalableLanes
from ..arith import Analyzer
from ..arith.canonical import INDEX_TYPES
from ..arith.conditions import conjuncts
from ..arith.int_set import Ends, Evaluator, ends_of, mentions, union
from ..arith.terms import Atom, Sum
from ..arith.vectors import affine
from ..buffer import Buffer
from ..expr import LE, LT, BufferLoad, Call, Let, Select, Var
from ..op import cast, logical_not
from ..stmt import (
    Block,
    BlockRealize,
    BufferRegion,
    BufferStore,
    For,
    IfThenElse,
    LetStmt,
    full_region,
)  # fmt: skip
from ..stmt_functor import substitute
from .arguments import looks_at

Region = tuple[Ends, ...]


def _tightened(ends: Ends, lo: float, hi: float) -> Ends:
    """`ends`, where they are constants, moved to `lo` and `hi` if these are closer."""
    least, most = ends
    if least is not None and not least.terms and lo > least.const:
        least = Sum(least.dtype, {}, int(lo))
    if most is not None and not most.terms and hi < most.const:
        most = Sum(most.dtype, {}, int(hi))
    return least, most


class _UnderConditions(Evaluator):
    """Heeds conditions on each variable and division: `i // 4` is below 128 if `i < 512`."""

    def atom(self, atom: Atom) -> Ends:
        """The interval of `atom`."""
        return _tightened(super().atom(atom), *self.engine.bounds.atom(atom))


class AccessCollector(Visitor):
    """Gathers the regions of every buffer touched, loops within relaxed to their ranges."""

    def __init__(self, buffer_var_map: Mapping[Var, Buffer]) -> None:
        self.buffers_by_data = dict(buffer_var_map)
        self.analyzer = Analyzer()
        self.domain: dict[Var, Ends] = {}
        self.reads: dict[Buffer, list[Region]] = {}
        self.writes: dict[Buffer, list[Region]] = {}
        self.opaque: dict[Buffer, list[Region]] = {}
        self.own: set[Buffer] = set()
        self.conditions: list[PrimExpr] = []

    # ---- accesses ---------------------------------------------------------------------------

    def _region(self, indices: tuple[PrimExpr, ...]) -> Region:
        evaluator = self._evaluator()
        return tuple(self._ends(evaluator, index) for index in indices)

    def _evaluator(self) -> Evaluator:
        kind = _UnderConditions if self.conditions else Evaluator
        return kind(self.analyzer, self.domain)

    def _ends(self, evaluator: Evaluator, index: PrimExpr) -> Ends:
        lanes = affine(index)
        if lanes is not None and isinstance(lanes[2], ScalableLanes):
            return None, None
        if lanes is not None:
            first = evaluator.of(self.analyzer.sum(lanes[0]))
            last = evaluator.of(self.analyzer.sum(lanes[0] + lanes[1] * (lanes[2] - 1)))
            return union(self.analyzer, (first, last))
        if index.dtype not in INDEX_TYPES:
            return None, None
        return self._clipped(index, evaluator.of(self.analyzer.sum(index)))

    def _clipped(self, index: PrimExpr, ends: Ends) -> Ends:
        """`ends` tightened by the bounds that conditions give the index."""
        if not self.conditions:
            return ends
        lo, hi = self.analyzer.engine.interval(index)
        least, most = ends
        limit = self._limit(index)
        if limit is not None and (most is None or self._is_closer(limit, most)):
            most = limit
        return _tightened((least, most), lo, hi)

    def _limit(self, index: PrimExpr) -> Sum | None:
        """The largest value of an index below which a condition keeps it: `2 * i + j` for `i < n`
        and `j < 3` gives `2 * (n - 1) + 2`. Only limits that stay the same in the loops within."""
        terms, place = self.analyzer.engine.terms, self.analyzer.sum(index)
        for condition in self.conditions:
            for part in conjuncts(condition):
                if not isinstance(part, (LT, LE)) or part.a.dtype != index.dtype:
                    continue
                bounded = self.analyzer.sum(part.a)
                scale = _multiple(place, bounded)
                if scale == 0 or mentions(part.b, self.domain):
                    continue
                rest = terms.add(place, bounded, -scale)
                most = Evaluator(self.analyzer, self.domain).of(rest)[1]
                if most is not None:
                    last = self.analyzer.sum(part.b).shifted(-isinstance(part, LT))
                    return terms.add(most, last, scale)
        return None

    def _is_closer(self, limit: Sum, most: Sum) -> bool:
        """Whether of two bounds of an index that of a condition is taken."""
        return self._is_not_below(most, limit)

    def _is_not_below(self, a: Sum, b: Sum) -> bool:
        engine = self.analyzer.engine
        return engine.bounds.is_not_negative(engine.terms.sub(a, b))

    def _touch(self, where: dict[Buffer, list[Region]], buffer: Buffer, region: Region) -> None:
        where.setdefault(buffer, []).append(region)

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> None:
        """A read of one element, or of a vector of them."""
        self._touch(self.reads, load.buffer, self._region(load.indices))
        self.visit(load.indices)

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """A write."""
        self._touch(self.writes, store.buffer, self._region(store.indices))
        self.visit(store.indices)
        self.visit(store.value)

    @on(Call)
    def call(self, call: Call) -> None:
        """Conditions narrow what branches read; a reduction over threads writes its results."""
        name = getattr(call.op, "name", "")
        if name == "tir.if_then_else":
            self.visit(call.args[0])
            self._under(call.args[0], call.args[1])
            self._under(logical_not(call.args[0]), call.args[2])
        elif name == "tir.tvm_thread_allreduce":
            self._exchanged(call.args)
        elif name == "tir.tvm_access_ptr" and self._is_known_address(call.args):
            self._through_address(call.args)
        else:
            self.visit_children(call)

    def _is_known_address(self, args: tuple[Any, ...]) -> bool:
        return args[1] in self.buffers_by_data and isinstance(args[4], IntImm)

    def _through_address(self, args: tuple[Any, ...]) -> None:
        """An address says whether it is read (1) or written (2) through; where is not known. One
        for both may do anything."""
        buffer = self.buffers_by_data[args[1]]
        if args[4].value == 3:
            self._touch(self.opaque, buffer, self._whole(buffer))
            self.visit(args[2:4])
            return
        whole = self._whole(buffer)
        for bit, where in ((1, self.reads), (2, self.writes)):
            if args[4].value & bit:
                self._touch(where, buffer, whole)
        self.visit(args[2:4])

    def _exchanged(self, args: tuple[Any, ...]) -> None:
        count = args[0].value
        results = args[2 + count : 2 + 2 * count]
        self.visit((*args[1 : 2 + count], *args[2 + 2 * count :]))
        for result in results:
            if isinstance(result, BufferLoad):
                self._touch(self.writes, result.buffer, self._region(result.indices))
                self.visit(result.indices)
            else:
                self.visit(result)

    @on(Select)
    def select(self, select: Select) -> None:
        """Both sides are computed: nothing is narrowed."""
        self.visit_children(select)

    @on(Var)
    def variable(self, var: Var) -> None:
        """An address used outside loads and stores: anything may happen to its buffer."""
        buffer = self.buffers_by_data.get(var)
        if buffer is not None:
            self._touch(self.opaque, buffer, self._whole(buffer))

    def _whole(self, buffer: Buffer) -> Region:
        return tuple(ends_of(self.analyzer, r) for r in full_region(buffer).region)

    # ---- scopes -----------------------------------------------------------------------------

    @on(For)
    def loop(self, loop: For) -> None:
        """The loop's variable runs through its range."""
        self.visit(loop.min)
        self.visit(loop.extent)
        range_ = Range(loop.min, loop.extent)
        evaluator = Evaluator(self.analyzer, self.domain)
        lo, hi = ends_of(self.analyzer, range_)
        self.analyzer.bind(loop.loop_var, range_, override=True)
        least = None if lo is None else evaluator.of(lo)[0]
        most = None if hi is None else evaluator.of(hi)[1]
        self.domain[loop.loop_var] = (least, most)
        self.visit(loop.body)
        del self.domain[loop.loop_var]

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """A condition narrows its branch."""
        self.visit(branch.condition)
        self._under(branch.condition, branch.then_case)
        if branch.else_case is not None:
            self._under(logical_not(branch.condition), branch.else_case)

    def _under(self, condition: Any, what: Any) -> None:
        self.conditions.append(condition)
        with self.analyzer.constraint_scope(condition):
            self.visit(what)
        self.conditions.pop()

    @on(LetStmt, Let)
    def let(self, let: Any) -> None:
        """A bound name is what it stands for."""
        self.visit(let.value)
        if let.var.dtype in INDEX_TYPES:
            self.analyzer.bind(let.var, let.value, override=True)
        self.visit(let.body)

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """A nested block's declared regions, with its axes at their values."""
        block = realize.block
        self.visit(realize.iter_values)
        self.visit(realize.predicate)
        values = {
            axis.var: value
            for axis, value in zip(block.iter_vars, realize.iter_values, strict=True)
        }
        is_conditional = not isinstance(realize.predicate, IntImm)
        if is_conditional:
            self.conditions.append(realize.predicate)
        with self.analyzer.constraint_scope(realize.predicate):
            for where, regions in ((self.reads, block.reads), (self.writes, block.writes)):
                for region in regions:
                    self._nested(where, region, values)
        if is_conditional:
            self.conditions.pop()

    def _nested(
        self, where: dict[Buffer, list[Region]], region: BufferRegion, values: dict[Var, PrimExpr]
    ) -> None:
        evaluator = self._evaluator()
        ends = []
        for range_ in region.region:
            lo, hi = ends_of(self.analyzer, substitute(range_, values))
            ends.append(
                (None if lo is None else evaluator.of(lo)[0],
                 None if hi is None else evaluator.of(hi)[1])
            )  # fmt: skip
        self._touch(where, region.buffer, tuple(ends))

    # ---- the result -------------------------------------------------------------------------

    def collect(self, block: Block) -> None:
        """Visits what `block` runs."""
        for match in block.match_buffers:
            self.buffers_by_data[match.buffer.data] = match.buffer
        self.own.update(block.alloc_buffers)
        if block.init is not None:
            self.walk(block.init)
        self.walk(block.body)
        self._open_views(block)

    def _open_views(self, block: Block) -> None:
        for match in block.match_buffers:
            source = match.source
            whole = tuple(ends_of(self.analyzer, r) for r in source.region)
            for where in (self.reads, self.writes):
                for region in where.pop(match.buffer, ()):
                    self._touch(where, source.buffer, self._behind(region, whole))
            if self.opaque.pop(match.buffer, ()):
                self._touch(self.opaque, source.buffer, whole)

    def _behind(self, region: Region, whole: Region) -> Region:
        """The part `region` of a view of `whole`, whose dimensions are the last ones of it."""
        terms, lead = self.analyzer.engine.terms, len(whole) - len(region)
        if lead < 0:
            return whole
        part: list[Ends] = []
        for (start, end), (lo, hi) in zip(whole[lead:], region, strict=True):
            if start is None or lo is None or hi is None:
                part.append((start, end))
            else:
                part.append((terms.add(start, lo), terms.add(start, hi)))
        return (*whole[:lead], *part)

    def regions(self, where: dict[Buffer, list[Region]]) -> tuple[BufferRegion, ...]:
        """One region a buffer: the smallest box around all accesses. Where it lies is known before
        the block runs: an index read from what the block allocates or writes may be any."""
        changing = self.own | self.writes.keys()
        return tuple(
            _whole_where_unknown(self._box(buffer, found), changing)
            for buffer, found in where.items()
            if buffer not in self.own
        )

    def _box(self, buffer: Buffer, found: list[Region]) -> BufferRegion:
        ranges = []
        for axis, extent in enumerate(buffer.shape):
            ends = [region[axis] for region in found]
            lo, hi = union(self.analyzer, self._of_one_type(ends) if len(ends) > 1 else ends)
            if lo is None or hi is None:
                lo, hi = self._all_of(extent)
            size = self.analyzer.engine.terms.sub(hi, lo).shifted(1)
            ranges.append(Range(lo.expr(), size.expr()))
        return BufferRegion(buffer, tuple(ranges))

    def _of_one_type(self, ends: list[Ends]) -> list[Ends]:
        """The ends, of 64 bits if they are of several types."""
        if len({end.dtype for pair in ends for end in pair if end is not None}) < 2:
            return ends
        wide = [
            [None if end is None else self.analyzer.sum(cast(end.expr(), "int64")) for end in pair]
            for pair in ends
        ]
        return [(lo, hi) for lo, hi in wide]

    def _all_of(self, extent: PrimExpr) -> tuple[Any, Any]:
        zero = self.analyzer.engine.terms.const(0, extent.dtype)
        return zero, self.analyzer.sum(extent).shifted(-1)


def _whole_where_unknown(region: BufferRegion, changing: set[Buffer]) -> BufferRegion:
    whole = full_region(region.buffer).region
    kept = tuple(
        all_ if _loads(part.min, changing) or _loads(part.extent, changing) else part
        for part, all_ in zip(region.region, whole, strict=True)
    )
    return region if kept == region.region else BufferRegion(region.buffer, kept)


def _loads(expr: Node, buffers: set[Buffer]) -> bool:
    """Whether an element of one of `buffers` is read."""
    if isinstance(expr, BufferLoad) and expr.buffer in buffers:
        return True
    return any(_loads(child, buffers) for child in children(expr))


def _multiple(total: Sum, part: Sum) -> int:
    """How many times, above zero, `total` holds the variables of `part`; 0 if it does not."""
    scale = 0
    for atom, coefficient in part.terms.items():
        times, left = divmod(total.terms.get(atom, 0), coefficient)
        if left or times <= 0 or (scale and times != scale):
            return 0
        scale = times
    return scale


def _collect(block: Block, buffer_var_map: Mapping[Var, Buffer]) -> AccessCollector:
    collector = AccessCollector(buffer_var_map)
    collector.collect(block)
    if block.init is not None:
        for buffer in collector.writes:
            collector.reads.pop(buffer, None)
    return collector


@looks_at(Block)
def get_block_access_region(
    block: Block, buffer_var_map: Mapping[Var, Buffer]
) -> tuple[tuple[BufferRegion, ...], tuple[BufferRegion, ...], tuple[BufferRegion, ...]]:
    """The regions that `block` reads, writes, and touches in ways unknown (by address), of the
    buffers in `buffer_var_map`, which names that of each address.

    What a block with `init` writes does not count as read, though its body updates it.
    """
    known = set(buffer_var_map.values())
    reads, writes, opaque = (
        tuple(r for r in regions if r.buffer in known)
        for regions in access_regions(block, buffer_var_map)
    )
    return reads, writes, opaque


def access_regions(
    block: Block, buffer_var_map: Mapping[Var, Buffer]
) -> tuple[tuple[BufferRegion, ...], tuple[BufferRegion, ...], tuple[BufferRegion, ...]]:
    """As `get_block_access_region`, of all buffers that loads and stores name."""
    found = _collect(block, buffer_var_map)
    return found.regions(found.reads), found.regions(found.writes), found.regions(found.opaque)


@looks_at(Block)
def get_block_read_write_region(
    block: Block, buffer_var_map: Mapping[Var, Buffer]
) -> tuple[tuple[BufferRegion, ...], tuple[BufferRegion, ...]]:
    """The regions that `block` reads and writes; what is touched by address counts as both."""
    found = _collect(block, buffer_var_map)
    for buffer, regions in found.opaque.items():
        for region in regions:
            found._touch(found.reads, buffer, region)
            found._touch(found.writes, buffer, region)
    return found.regions(found.reads), found.regions(found.writes)
