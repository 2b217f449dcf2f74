"""The primitive `rolling_buffer`."""

from __future__ import annotations

from dataclasses import dataclass

from ....ir.expr import IntImm, PrimExpr, Range
from ....ir.functor import on
from ... import op as T
from ...arith.conditions import conjuncts
from ...buffer import Buffer
from ...expr import BufferLoad, IterVarType, Var
from ...stmt import Block as BlockNode
from ...stmt import BlockRealize, BufferRegion, BufferStore, ForKind
from ..buffer_args import WriteBuffer
from ..conditions import require_complete_or_reduction, require_not_output, require_stage_pipeline
from ..instruction import Block, primitive
from ..poly import Space, constant, plus, value_of, variables_in
from ..refusal import refuse
from ..regions import loops_between, space_at, touched
from ..rewrite import Folding, add_predicate
from ..scope import DepKind
from ..sref import StmtSRef
from ..state import ScheduleState
from .set_scope import allocation_site


@primitive
def rolling_buffer(state: ScheduleState, block: Block, write_buffer_index: WriteBuffer) -> None:
    """Keeps of a buffer only the window that one iteration needs, and computes only what is new.

    for i: for a in range(6): with block("B"): v = i * 4 + a; B[v] = f(v)
           for a in range(4): with block("C"): v = i * 4 + a; C[v] = B[v] + B[v + 2]
      ->   for i: for a in range(6): with block("B"): where(i < 1 or 2 <= a); B[v % 6] = f(v)
                  for a in range(4): with block("C"): C[v] = B[v % 6] + B[(v + 2) % 6]

    Producer and consumers of the buffer share a loop (see `compute_at`) whose windows overlap; the
    outermost such loop rolls. Its axes become opaque: it keeps its order, and other buffers may
    still roll in it.
    """
    stmt = block.block
    buffer = stmt.writes[write_buffer_index].buffer
    root = state.scope_root(block)
    home = allocation_site(block, buffer)
    _check(state, block, buffer, root, home)
    consumers = state.get_block_scope(root).consumers(block)
    top = state.common_ancestor([block, *consumers])
    if top.is_block:
        refuse(f"no loop holds all that writes and reads `{buffer.name}`", block, *consumers)
    windows = _windows(state, block, buffer, top)
    rolled = _rolling(block, top, windows)
    for window in windows:
        _require_whole(state, block, top, window)
    for user in (block, *consumers):
        _require_no_reduction(user, rolled)
    rewriter = _Roll(buffer, rolled, windows, block.block)
    made = rewriter.run(home.block)
    state.replace(home, made, {**rewriter.blocks, home.block: made})


@dataclass(frozen=True)
class _Window:
    """What one iteration of `loop` writes of a dimension: `size` elements from `low` on, of which
    the last iteration has written `overlap` at least. `axis` is the block's axis there."""

    place: int
    loop: Var
    axis: Var
    low: PrimExpr
    size: int
    overlap: int


def _check(
    state: ScheduleState, block: StmtSRef, buffer: Buffer, root: StmtSRef, home: StmtSRef
) -> None:
    require_stage_pipeline(state, root, in_order=True)
    require_complete_or_reduction(state, block, root, in_order=True)
    require_not_output(state, block, root)
    if home is not root:
        refuse(f"`{buffer.name}` is allocated outside the block's scope", block)
    scope = state.get_block_scope(root)
    bad = next((d for d in scope.get_deps_by_src(block) if d.kind is not DepKind.RAW), None)
    if bad is not None:
        refuse("a later block does more than read what the block writes", block, bad.dst)
    if not scope.consumers(block):
        refuse("no block reads what the block writes", block)
    if state.child_blocks(block):
        refuse("the block holds other blocks", block)
    if any(m.source.buffer is buffer for b in scope.children for m in b.block.match_buffers):
        refuse(f"a block takes a view of `{buffer.name}`", block)


def _windows(state: ScheduleState, block: StmtSRef, buffer: Buffer, top: StmtSRef) -> list[_Window]:
    """The dimensions in which the windows of successive iterations overlap."""
    space = space_at(state, top, inside=True)
    writes = [w for w in block.block.writes if w.buffer is buffer]
    box = touched(space, block, writes, loops_between(block, top))
    axes = {a.var for a in block.block.iter_vars}
    loops = {
        space._variable(at.loop.loop_var): at.loop.loop_var
        for at in (top, *top.ancestors())
        if not at.is_block
    }
    found: list[_Window] = []
    movers = [{v for p in bounds if p is not None for v in space.variables(p)}
              for bounds in box or ()]  # fmt: skip
    for place, (low, high) in enumerate(box or ()):
        index, width = writes[0].region[place].min, writes[0].region[place].extent
        if low is None or high is None or not isinstance(index, Var) or index not in axes:
            continue
        if not T.is_const_int(width, 1):  # an instance may be old in part only
            continue
        size = value_of(plus(plus(high, low, -1), constant(1)))
        moving = [(m, c) for m, c in low.items() if m]
        if size is None or len(moving) != 1 or len(moving[0][0]) != 1:
            continue
        ((atom,), scale) = moving[0]
        number, step = _step(space, atom)
        stride = scale * step
        if number in loops and 0 < stride < size:
            if any(number in other for k, other in enumerate(movers) if k != place):
                refuse("two dimensions move with the same loop", block)
            start = space.expr(low, index.dtype)
            found.append(_Window(place, loops[number], index, start, size, size - stride))
    return found


def _step(space: Space, atom: int) -> tuple[int, int]:
    """The variable (by number) of which an atom is a multiple, rounded down, and by how much it
    grows with it at most; 0 for another atom."""
    if space.atoms[atom].kind != "//":
        return atom, 1
    inner, divisor = space.atoms[atom].args
    moving = [(m, c) for m, c in inner.items() if m]
    d = value_of(divisor)
    if d is None or len(moving) != 1 or len(moving[0][0]) != 1 or moving[0][1] < 0:
        return atom, 0
    ((number,), scale) = moving[0]
    return number, -(-scale // d)


def _rolling(block: StmtSRef, top: StmtSRef, windows: list[_Window]) -> _Window:
    """The window of the outermost loop. Refuses loops that do not run one after another."""
    if not windows:
        refuse("the block's windows do not overlap in any loop", block, top)
    by_loop = {w.loop: w for w in windows}
    path = [at for at in (top, *top.ancestors()) if not at.is_block]
    for at in path:
        if at.loop.loop_var in by_loop and at.loop.kind not in (ForKind.SERIAL, ForKind.UNROLLED):
            refuse("the iterations of the loop do not run one after another", at)
        if at.loop.loop_var in by_loop and not T.is_const_int(at.loop.min, 0):
            refuse("the loop does not start at 0", at)
    return by_loop[next(at.loop.loop_var for at in reversed(path) if at.loop.loop_var in by_loop)]


def _require_whole(state: ScheduleState, block: StmtSRef, top: StmtSRef, window: _Window) -> None:
    """Refuses conditions that leave out a part of a window: an iteration would count on elements
    that the last one has not written. Conditions on the element itself do no harm."""
    if block.realize is None:
        return
    space = space_at(state, block)
    values = dict(zip(block.block.iter_vars, block.realize.iter_values, strict=True))
    element = space.poly(next(v for a, v in values.items() if a.var is window.axis))
    inner = {space._variable(at.loop.loop_var) for at in loops_between(block, top)}
    moving = {v for m in element for a in m for v in space.atoms[a].variables}
    rolled = next(m for m in space.poly(window.low) if m)
    for part in conjuncts(block.realize.predicate):
        if not {space._variable(v) for v in variables_in(part)} & moving & inner:
            continue
        a, b = getattr(part, "a", None), getattr(part, "b", None)
        if isinstance(a, PrimExpr) and isinstance(b, PrimExpr) and element.get(rolled):
            p = plus(space.poly(a), space.poly(b), -1)
            times, rest = divmod(p.get(rolled, 0), element[rolled])
            left = plus(p, element, -times)
            if (
                not rest
                and not {v for m in left for x in m for v in space.atoms[x].variables} & inner
            ):
                continue
        refuse(f"the condition {part} leaves out a part of what an iteration writes", block)


def _require_no_reduction(user: StmtSRef, rolled: _Window) -> None:
    """Refuses a loop that runs a reduction: its axis would become opaque, and be none any more."""
    if user.realize is None:
        return
    for axis, value in zip(user.block.iter_vars, user.realize.iter_values, strict=True):
        if axis.iter_type is IterVarType.CommReduce and rolled.loop in variables_in(value):
            refuse(f"the loop `{rolled.loop.name}` runs a reduction of the block", user)


class _Roll(Folding):
    """Accesses the buffer modulo its window, and skips what the last iteration has left."""

    def __init__(
        self, buffer: Buffer, rolled: _Window, windows: list[_Window], producer: BlockNode
    ) -> None:
        self.old, self.rolled, self.windows, self.producer = buffer, rolled, windows, producer
        place = rolled.place
        size = IntImm(buffer.shape[place].dtype, rolled.size)
        shape = (*buffer.shape[:place], size, *buffer.shape[place + 1 :])
        self.new = buffer.replace(shape=shape)
        self.blocks: dict[BlockNode, BlockNode] = {}

    def _at(self, indices: tuple[PrimExpr, ...]) -> tuple[PrimExpr, ...]:
        place = self.rolled.place
        index = T.floormod(indices[place], T.const(self.rolled.size, indices[place].dtype))
        return (*indices[:place], index, *indices[place + 1 :])

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> BufferLoad:
        """The load, from within the window."""
        made: BufferLoad = self.rewrite_children(load)
        if load.buffer is not self.old:
            return made
        return BufferLoad(self.new, self._at(made.indices), made.predicate)

    @on(BufferStore)
    def store(self, store: BufferStore) -> BufferStore:
        """The store, into the window."""
        made: BufferStore = self.rewrite_children(store)
        if store.buffer is not self.old:
            return made
        return BufferStore(self.new, made.value, self._at(made.indices), made.predicate)

    @on(BufferRegion)
    def region(self, region: BufferRegion) -> BufferRegion:
        """One place of the window, or all of it."""
        if region.buffer is not self.old:
            return region
        place = self.rolled.place
        ranges = list(region.region)
        old = ranges[place]
        if T.is_const_int(old.extent, 1):
            at = self._at(tuple(r.min for r in ranges))[place]
            ranges[place] = Range(at, old.extent)
        else:
            dtype = old.min.dtype
            ranges[place] = Range(IntImm(dtype, 0), IntImm(dtype, self.rolled.size))
        return BufferRegion(self.new, tuple(ranges))

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> BlockRealize:
        """The block; the producer under the condition that an element is new."""
        block = realize.block
        made: BlockNode = self.rewrite(block)
        uses = any(r.buffer is self.old for r in (*block.reads, *block.writes))
        if uses and block.iter_vars:
            axes = tuple(
                a.replace(iter_type=IterVarType.Opaque)
                if self.rolled.loop in variables_in(value)
                else a
                for a, value in zip(made.iter_vars, realize.iter_values, strict=True)
            )
            made = self.blocks[block] = made.replace(iter_vars=axes)
        changed = realize if made is block else realize.replace(block=made)
        return self._guarded(changed) if block is self.producer else changed

    def _guarded(self, realize: BlockRealize) -> BlockRealize:
        values = {
            a.var: v for a, v in zip(realize.block.iter_vars, realize.iter_values, strict=True)
        }
        for w in self.windows:
            space = Space()
            inside = space.expr(
                plus(space.poly(values[w.axis]), space.poly(w.low), -1), w.axis.dtype
            )
            first = T.less(w.loop, T.const(1, w.loop.dtype))
            fresh = T.less_equal(T.const(w.overlap, inside.dtype), inside)
            realize = add_predicate(realize, T.logical_or(first, fresh))
        return realize

    @on(BlockNode)
    def block(self, block: BlockNode) -> BlockNode:
        """The block rewritten, recorded; the one that allocates takes the new buffer."""
        made: BlockNode = self.rewrite_children(block)
        allocated = tuple(self.new if b is self.old else b for b in made.alloc_buffers)
        if any(b is self.old for b in made.alloc_buffers):
            made = made.replace(alloc_buffers=allocated)
        if made is not block:
            self.blocks[block] = made
        return made

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers are exchanged where they are accessed."""
        return buffer
