"""Moving a block under a loop: which of its instances are needed there, and where it goes."""

from __future__ import annotations

import itertools
from collections.abc import Container, Sequence

from ...ir.expr import IntImm, PrimExpr
from .. import op as T
from ..buffer import Buffer
from ..expr import IterVar, Var
from ..stmt import Block, BlockRealize, BufferRegion, For, ForKind, SeqStmt, Stmt, stmt_seq
from .conditions import require_affine
from .instances import kept_conditions
from .poly import ONE, Interval, Poly, Space, constant, plus, times, value_of
from .refusal import refuse
from .regions import Box, extreme, loops_between, shared_threads, space_at, touched, unite
from .rewrite import replace_statements
from .sref import StmtSRef, holds, realizes_under
from .state import ScheduleState

Ranges = dict[Var, Interval]


def require_movable(state: ScheduleState, block: StmtSRef, loop: StmtSRef) -> StmtSRef:
    """The common scope of block and loop. Refuses if there is none, or the block is there; and
    axes that are not independent, since a loop for each of them would run more than they did."""
    require_affine(state, block)
    root = state.scope_root(block)
    if state.scope_root(loop) is not root:
        refuse("the block and the loop are not in the same block scope", block, loop)
    if block.is_under(loop):
        refuse(f"the loop is an ancestor of block `{block.block.name_hint}` already", block, loop)
    return root


# ---- where ----------------------------------------------------------------------------------


def statements(loop: StmtSRef) -> list[Stmt]:
    """The statements of a loop's body."""
    body = loop.block.body if loop.is_block else loop.loop.body
    return list(body.seq) if isinstance(body, SeqStmt) else [body]


def place_among(
    loop: StmtSRef, before: Sequence[StmtSRef], after: Sequence[StmtSRef], index: int
) -> int:
    """Where in the body of `loop` the block goes: behind all of `before`, in front of `after`.

    `index`: -1 the last such place, -2 the first, else that place itself.
    """
    parts = statements(loop)
    first, last = 0, len(parts)
    for k, part in enumerate(parts):
        inside = {id(r.block) for r in realizes_under(part)}
        if any(id(b.stmt) in inside for b in before):
            first = k + 1
        if last == len(parts) and any(id(a.stmt) in inside for a in after):
            last = k
    if first > last:
        refuse("a block that must come before stands after one that must come after", loop)
    if index in (-1, -2):
        return last if index == -1 else first
    if not first <= index <= last:
        refuse(f"the index {index} is not within the possible places {first} to {last}", loop)
    return index


def move(
    state: ScheduleState, root: StmtSRef, block: StmtSRef, loop: StmtSRef, nest: Stmt, place: int
) -> None:
    """Puts `nest`, which holds the block, into the body of `loop`, and removes the block where
    it is."""
    parts = statements(loop)
    body = stmt_seq([*parts[:place], nest, *parts[place:]])
    table: dict[int, Stmt | None] = {
        id(block.realize): None,
        id(loop.stmt): loop.loop.replace(body=body),
    }
    made = root.block.replace(body=replace_statements(root.block.body, table))
    state.replace(root, made, {root.block: made})


# ---- what -----------------------------------------------------------------------------------


def required_boxes(
    space: Space, top: StmtSRef, blocks: Sequence[StmtSRef], side: str, wanted: Sequence[Buffer],
    *, for_threads: bool = False,
) -> dict[Buffer, Box]:  # fmt: skip
    """For each wanted buffer, the box that `blocks` touch in one run of the body of `top`;
    `for_threads`: in the runs of all threads that share the buffer, if it is not global."""
    boxes: dict[Buffer, Box] = {}
    for block in blocks:
        for buffer in wanted:
            parts = [r for r in getattr(block.block, side) if r.buffer is buffer]
            if not parts:
                continue
            relaxed = loops_between(block, top)
            if for_threads and not buffer.scope().startswith("global"):
                relaxed = [*shared_threads(top, buffer.scope()), *relaxed]
            box = touched(space, block, parts, relaxed)
            if box is not None:
                boxes[buffer] = unite(space, boxes[buffer], box) if buffer in boxes else box
    return boxes


def solve_axes(
    space: Space, block: Block, regions: Sequence[BufferRegion], boxes: dict[Buffer, Box],
    *, exact: bool = False,
) -> Ranges:  # fmt: skip
    """The values of the axes at which `regions`, which depend on them, meet the boxes.

    `exact`: refuses a region that is wider than a point and may overlap another instance's.
    """
    axes = {axis.var: axis for axis in block.iter_vars}
    for axis in block.iter_vars:
        space.env.pop(id(axis.var), None)
        if axis.dom is not None:
            space.bind(axis.var, axis.dom.min, axis.dom.extent)
    total: Ranges | None = None
    for buffer, box in boxes.items():
        found: Ranges = {}
        for region in (r for r in regions if r.buffer is buffer):
            for r, interval in zip(region.region, box, strict=True):
                width = value_of(space.poly(r.extent))
                if exact:
                    _require_inside(space, region, block)
                _solve(space, axes, space.poly(r.min), width, interval, found, exact, block)
        total = found if total is None else _either(space, total, found)
    return total or {}


def _require_inside(space: Space, region: BufferRegion, block: Block) -> None:
    """Refuses a block that reads outside of the buffer (what it guards by a condition): nobody
    writes there, so that no run of the loop would bring these instances."""
    for r, size in zip(region.region, region.buffer.shape, strict=True):
        low = space.poly(r.min)
        room = plus(plus(space.poly(size), low, -1), space.poly(r.extent), -1)
        if not (space.nonneg(low) and space.nonneg(room)):
            refuse(f"the block reads `{region.buffer.name}` beyond its bounds", block)


def _solve(
    space: Space,
    axes: dict[Var, IterVar],
    p: Poly,
    width: int | None,
    interval: Interval,
    found: Ranges,
    exact: bool,
    block: Block,
) -> None:
    """Narrows the axes in `p` so that `p` (and `width` integers from it) meets the interval."""
    numbers = {space._variable(v): v for v in axes}
    terms = [(m, c) for m, c in p.items() if numbers.keys() & _variables(space, m)]
    if not terms:
        return
    split = _split(space, p, interval)
    if split is not None:
        _solve(space, axes, *split, found, exact, block)
        return
    low, high = interval
    if width == 1 and low is not None and high is not None and all(c < 0 for _, c in terms):
        p, low, high = plus({}, p, -1), plus({}, high, -1), plus({}, low, -1)
        terms = [(m, -c) for m, c in terms]
    simple = all(len(m) == 1 and m[0] in numbers and c > 0 for m, c in terms)
    if not simple or low is None or high is None or width is None:
        if exact and not _is_inside(space, p, width, interval, numbers):
            refuse("what the block reads cannot be related to one run of the loop", block)
        return
    terms.sort(key=lambda t: -t[1])
    if not _is_mixed_radix(space, terms):
        if exact:
            refuse("several of the block's axes run over what it reads: its windows overlap", block)
        return
    if exact and width > terms[-1][1]:
        refuse("the block reads more than a point: its windows overlap", block)
    excess = width - terms[-1][1]
    if excess > 0:  # instances that start before the interval reach into it
        if len(terms) > 1:
            return
        low = plus(low, constant(-excess))
    rest = {m: c for m, c in p.items() if (m, c) not in terms}
    low, high = plus(low, rest, -1), plus(high, rest, -1)
    for k, (m, c) in enumerate(terms):
        scale = constant(c)
        first, last = space.quotient(low, scale), space.quotient(high, scale)
        _narrow(space, found, numbers[m[0]], (first, last))
        if first != last or k + 1 == len(terms):
            return
        low, high = plus(low, times(first, scale), -1), plus(high, times(first, scale), -1)


def _is_inside(
    space: Space, p: Poly, width: int | None, interval: Interval, axes: Container[int]
) -> bool:
    """True if `width` integers from `p` on are in the interval for all values of the axes."""
    least, most = space.relax(p, axes.__contains__)
    low, high = interval
    if width is None or least is None or most is None or low is None or high is None:
        return False
    room = plus(plus(high, most, -1), constant(1 - width))
    return space.nonneg(plus(least, low, -1)) and space.nonneg(room)


def _split(space: Space, p: Poly, interval: Interval) -> tuple[Poly, int, Interval] | None:
    """For a quotient `x // d` in an interval: `x`, its width, and the interval that it is in. For a
    remainder that may have any value, nothing (zero, anywhere). None for others."""
    low, high = interval
    if len(p) != 1 or low is None or high is None:
        return None
    ((m, scale),) = p.items()
    atom = space.atoms[m[0]] if len(m) == 1 and scale == 1 else None
    if atom is None or atom.kind not in ("//", "%"):
        return None
    inner, d = atom.args
    last = plus(d, constant(-1))
    if atom.kind == "//":
        return inner, 1, (times(low, d), plus(times(high, d), last))
    return None if low or high != last else ({}, 1, (None, None))


def _is_mixed_radix(space: Space, terms: list[tuple[tuple[int, ...], int]]) -> bool:
    """True if each term, sorted by scale, spans what the smaller ones can add up to."""
    for (_, scale), (m, c) in itertools.pairwise(terms):
        most = space.relax({m: c})[1]
        if most is None or not space.nonneg(plus(constant(scale - 1), most, -1)):
            return False
    return True


def _variables(space: Space, m: tuple[int, ...]) -> set[int]:
    return {v for a in m for v in space.atoms[a].variables}


def _narrow(space: Space, found: Ranges, var: Var, interval: Interval) -> None:
    known = found.get(var)
    if known is None:
        found[var] = interval
        return
    found[var] = (
        extreme(space, "max", known[0], interval[0]),
        extreme(space, "min", known[1], interval[1]),
    )


def _either(space: Space, a: Ranges, b: Ranges) -> Ranges:
    """What either needs; an axis that one of them leaves open stays open."""
    return {v: unite(space, [a[v]], [b[v]])[0] for v in a if v in b}


def keep_shared(
    state: ScheduleState, space: Space, block: StmtSRef, loop: StmtSRef, ranges: Ranges
) -> Ranges:
    """`ranges`, and for axes without one the values that they have now in one run of those loops
    that stand around both places.

    for t: for i: B[t % 2, i] = ...; for i: use(B[t % 2, i])   ->   under the second i, only t runs
    """
    if block.realize is None:
        return ranges
    loops = state.loops_of(block)
    shared = {space._variable(at.loop.loop_var) for at in loops if loop is at or loop.is_under(at)}
    own = {space._variable(at.loop.loop_var) for at in loops} - shared
    out = dict(ranges)
    for axis, value in zip(block.block.iter_vars, block.realize.iter_values, strict=True):
        p = space.poly(value)
        if axis.var in ranges or not space.variables(p) & shared:
            continue
        low, high = space.relax(p, own.__contains__)
        if low is not None and high is not None:
            out[axis.var] = (low, high)
    return out


# ---- how ------------------------------------------------------------------------------------


def nest_of(
    space: Space,
    block: Block,
    ranges: Ranges,
    keep_units: bool,
    old: BlockRealize | None = None,
    *,
    exact: bool = False,
) -> Stmt:
    """Loops over `ranges` (the whole domain for axes without one) around the block.

    `old`: how the block has run so far; its conditions are kept. `exact`: no more than the ranges,
    where more would be the whole domain.
    """
    values: list[PrimExpr] = []
    loops: list[tuple[Var, PrimExpr]] = []
    conditions: list[PrimExpr] = []
    for axis in block.iter_vars:
        low, extent, is_part = _span(space, axis, ranges.get(axis.var), exact)
        dtype = axis.var.dtype
        value = first = space.expr(low, dtype)
        if value_of(extent) != 1 or keep_units:
            var = Var(f"ax{len(loops)}", dtype)
            size = space.expr(extent, dtype)
            loops.append((var, size))
            space.bind(var, IntImm(dtype, 0), size)
            value = T.add(value, var)
        values.append(value)
        if is_part:  # a loop of one iteration says nothing
            single = value_of(extent) == 1
            conditions += _bounds(space, axis, first if single else value)
    if old is not None:
        conditions += kept_conditions(space, old, values)
    body: Stmt = BlockRealize(tuple(values), T.every(conditions), block)
    for var, size in reversed(loops):
        body = For(var, IntImm(var.dtype, 0), size, ForKind.SERIAL, body)
    return body


def _span(
    space: Space, axis: IterVar, interval: Interval | None, exact: bool
) -> tuple[Poly, Poly, bool]:
    """First value, number of values, and whether that is only a part of the domain."""
    if axis.dom is None:
        refuse(f"the axis `{axis.var.name}` has no domain")
    start, size = space.poly(axis.dom.min), space.poly(axis.dom.extent)
    end = plus(plus(start, size), constant(-1))
    if interval is None or interval[0] is None or interval[1] is None:
        return start, size, False
    low, high = interval
    if low is None or high is None:
        return start, size, False
    low, high = _cut(low, start, True), _cut(high, end, False)
    extent = _constant_extent(space, plus(plus(high, low, -1), constant(1)))
    if space.nonneg(plus(extent, size, -1)) and not exact:
        return start, size, False
    last = plus(plus(low, extent), constant(-1))
    if space.nonneg(plus(start, low, -1)) and space.nonneg(plus(last, end, -1)):
        return start, size, False
    return low, extent, True


def _cut(bound: Poly, limit: Poly, is_low: bool) -> Poly:
    """A constant bound within a constant limit; others are left to the predicate."""
    b, l = value_of(bound), value_of(limit)
    if b is None or l is None:
        return bound
    return constant(max(b, l) if is_low else min(b, l))


def _constant_extent(space: Space, extent: Poly) -> Poly:
    """The largest value of an extent in which quotients or extremes are left, if that is
    constant."""
    plain = all(space.atoms[a].kind == "var" for m in extent for a in m)
    if plain:
        return extent
    most = space.relax(extent)[1]
    return most if most is not None and value_of(most) is not None else extent


def _bounds(space: Space, axis: IterVar, value: PrimExpr) -> list[PrimExpr]:
    """The conditions under which `value` is in the axis's domain, without the provable ones."""
    if axis.dom is None:
        return []
    out = []
    p, start = space.poly(value), space.poly(axis.dom.min)
    end = plus(start, space.poly(axis.dom.extent))
    dtype, shift = value.dtype, constant(p.get(ONE, 0))
    moving = space.expr(plus(p, shift, -1), dtype) if shift else value
    if not space.nonneg(plus(p, start, -1)):
        out.append(T.less_equal(space.expr(plus(start, shift, -1), dtype), moving))
    if not space.nonneg(plus(plus(end, p, -1), constant(-1))):
        out.append(T.less(moving, space.expr(plus(end, shift, -1), dtype)))
    return out


def region_space(state: ScheduleState, loop: StmtSRef) -> Space:
    """Arithmetic inside the body of `loop`."""
    return space_at(state, loop, inside=True)


__all__ = [
    "holds", "keep_shared", "move", "nest_of", "place_among", "region_space", "require_movable",
    "required_boxes", "solve_axes",
]  # fmt: skip
