"""Which part of a buffer blocks touch, with some loops run through and the others fixed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...ir.expr import PrimExpr
from ..analysis.access_region import get_block_read_write_region
from ..arith.conditions import conjuncts
from ..buffer import Buffer
from ..expr import GE, GT, LE, LT, SizeVar, Var
from ..function import PrimFunc
from ..stmt import Block, BlockRealize, BufferRegion, For
from .poly import ONE, Interval, Poly, Space, constant, plus, value_of, variables_in
from .sref import StmtSRef
from .state import ScheduleState

EXPLICIT_WRITES = "explicit_write_region"
"""The annotation of a block whose user has declared what it writes."""
Box = list[Interval]
"""One interval a dimension."""


def sizes_of(func: PrimFunc) -> list[Var]:
    """The variables in the shapes of a function's parameters."""
    found: dict[Var, None] = {}
    for buffer in func.buffer_map.values():
        for extent in buffer.shape:
            if isinstance(extent, Var):
                found.setdefault(extent)
            elif not hasattr(extent, "value"):
                found.update(dict.fromkeys(variables_in(extent)))
    found.update((p, None) for p in func.params if isinstance(p, SizeVar))
    return list(found)


def space_at(state: ScheduleState, sref: StmtSRef, *, inside: bool = False) -> Space:
    """Arithmetic at a block or loop: its ancestors' loops (and itself, if `inside`) are bound."""
    space = Space(sizes_of(state.function_of(sref)[1]))
    path = [sref, *sref.ancestors()] if inside else list(sref.ancestors())
    for at in reversed(path):
        bind(space, at)
    return space


def bind(space: Space, at: StmtSRef) -> None:
    """Binds a loop's variable to its range, or a block's axes to their domains."""
    if isinstance(at.stmt, For):
        space.bind(at.stmt.loop_var, at.stmt.min, at.stmt.extent)
    elif at.stmt is not None:
        for axis in at.stmt.iter_vars:
            if axis.dom is not None and id(axis.var) not in space.env:
                space.bind(axis.var, axis.dom.min, axis.dom.extent)


def define_axes(space: Space, realize: BlockRealize) -> None:
    """Makes a block's axes stand for their bindings."""
    for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
        space.define(axis.var, value)


def loops_between(block: StmtSRef, top: StmtSRef) -> list[StmtSRef]:
    """The loops around `block` that lie below `top`, outermost first."""
    found = []
    for at in block.ancestors():
        if at is top:
            break
        if not at.is_block:
            found.append(at)
    return found[::-1]


def touched(
    space: Space,
    block: StmtSRef,
    region: Iterable[BufferRegion],
    relaxed: Sequence[StmtSRef],
    *,
    where: bool = False,
    admitted: bool = False,
) -> Box | None:
    """The box that `block` touches in all of the regions (of one buffer) over `relaxed` loops.

    `where`: no further than its condition holds. `admitted`: where its condition admits a box of
    iterations, over these."""
    if block.realize is None:
        return None
    for at in relaxed:
        bind(space, at)
    free = {space._variable(at.loop.loop_var) for at in relaxed}
    if admitted:
        bind_admitted(space, block.realize, free)
    define_axes(space, block.realize)
    limits = [limit_of(space, c) for c in conjuncts(block.realize.predicate)] if where else []
    total: Box | None = None
    for part in region:
        box: Box = []
        for r in part.region:
            low = space.poly(r.min)
            high = plus(plus(low, space.poly(r.extent)), constant(-1))
            first, last = (space.relax(low, free.__contains__)[0],
                           space.relax(high, free.__contains__)[1])  # fmt: skip
            for limit in limits:
                if limit is not None:
                    last = _below(space, high, last, limit, free)
            box.append((first, last))
        total = box if total is None else unite(space, total, box)
    return total


def bind_admitted(space: Space, realize: BlockRealize, loops: set[int]) -> None:
    """Binds `loops` (by number) to the iterations that the condition admits, if these are a box:
    `i * 8 + j < 8` of `j` below 8 says that `i` is 0."""
    for condition in conjuncts(realize.predicate):
        limit = limit_of(space, condition)
        last = None if limit is None else value_of(limit[1])
        if limit is None or last is None or ONE in limit[0]:
            continue
        most: dict[int, int] = {}
        for (atom, *others), scale in limit[0].items():
            low, high = space.ranges.get(atom, (None, None))
            end = None if high is None else value_of(high)
            if atom not in loops or others or low != {} or end is None or scale <= 0:
                break
            most[atom] = min(end, (last - 1) // scale)
        else:
            if sum(most[m[0]] * scale for m, scale in limit[0].items()) < last:
                space.ranges.update((a, ({}, constant(end))) for a, end in most.items())


def limit_of(space: Space, condition: PrimExpr) -> tuple[Poly, Poly] | None:
    """What `condition` says is below what: `a < b`, or `a <= b` as `a < b + 1`."""
    if not isinstance(condition, (LT, LE, GE, GT)):
        return None
    low, high = condition.a, condition.b
    if isinstance(condition, (GE, GT)):
        low, high = high, low
    beyond = constant(int(isinstance(condition, (LE, GE))))
    return space.poly(low), plus(space.poly(high), beyond)


def _below(
    space: Space, p: Poly, most: Poly | None, limit: tuple[Poly, Poly], free: set[int]
) -> Poly | None:
    """The largest value of `p`, `most` by the ranges of its variables, where `limit` holds: of
    `2 * i + 1` where `i < n` it is `2 * (n - 1) + 1`."""
    times = next((p[m] // c for m, c in limit[0].items() if m in p and m != ONE), 0)
    if times < 1:
        return most
    bounded = plus(plus(plus(p, limit[0], -times), limit[1], times), constant(-times))
    last = space.relax(bounded, free.__contains__)[1]
    if last is None or most is None:
        return most if last is None else last
    return extreme(space, "min", last, most)


def unite(space: Space, a: Box, b: Box) -> Box:
    """The smallest box around both."""
    return [
        (extreme(space, "min", p[0], q[0]), extreme(space, "max", p[1], q[1]))
        for p, q in zip(a, b, strict=True)
    ]


def extreme(space: Space, kind: str, a: Poly | None, b: Poly | None) -> Poly | None:
    """The smaller or larger of two bounds; None (no bound) wins."""
    if a is None or b is None:
        return None
    if a == b:
        return a
    if space.nonneg(plus(a, b, -1)):
        return b if kind == "min" else a
    if space.nonneg(plus(b, a, -1)):
        return a if kind == "min" else b
    return space._intern(kind, (a, b))


def covers(space: Space, buffer: Buffer, made: Box, needed: Box) -> bool:
    """True if `made` contains what lies of `needed` within the buffer."""
    for (low, high), (first, last), extent in zip(made, needed, buffer.shape, strict=True):
        end = plus(space.poly(extent), constant(-1))
        if low is None or high is None:
            return False
        starts = (first is not None and space.nonneg(plus(first, low, -1))) or space.nonneg(
            plus({}, low, -1)
        )
        ends = any(space.nonneg(plus(high, p, -1)) for p in (*_at_most(space, last), end))
        if not (starts and ends):
            return False
    return True


def _at_most(space: Space, last: Poly | None) -> Sequence[Poly]:
    """Polynomials none of which `last` exceeds."""
    if last is None or len(last) != 1:
        return () if last is None else (last,)
    ((monomial, scale),) = last.items()
    atom = space.atoms[monomial[0]] if len(monomial) == 1 and scale == 1 else None
    if atom is None or atom.kind != "min":
        return (last,)
    return [p for arg in atom.args for p in _at_most(space, arg)]


def surely_written(block: Block, buffer: Buffer) -> list[BufferRegion]:
    """What the block writes of `buffer`. Where a user has declared it, that may be more than is
    written: then what the stores show, if there are any."""
    declared = [w for w in block.writes if w.buffer is buffer]
    if EXPLICIT_WRITES not in block.annotations:
        return declared
    found = get_block_read_write_region(block, {})[1]
    return [w for w in found if w.buffer is buffer] or declared


def shared_threads(top: StmtSRef, scope: str) -> list[StmtSRef]:
    """The loops at or around `top` whose threads all see memory of `scope`: those of a block of
    threads share `shared` memory, those of a warp `warp` memory, all of them `global`."""
    sees = _SEES.get(scope.split(".")[0], ())
    found = []
    for at in (top, *top.ancestors()):
        thread = at.loop.thread_binding if isinstance(at.stmt, For) else None
        if thread is not None and thread.thread_tag.startswith(sees):
            found.append(at)
    return found


_SEES: dict[str, tuple[str, ...]] = {
    "global": ("blockIdx", "threadIdx", "vthread"),
    "shared": ("threadIdx", "vthread"),
    "warp": ("threadIdx.x",),
}


def joined_boxes(space: Space, boxes: list[Box]) -> list[Box]:
    """The boxes, those joined that differ in one dimension and meet in it."""
    left = list(boxes)
    changed = True
    while changed:
        changed = False
        for k, a in enumerate(left):
            other = next((b for b in left[k + 1 :] if _meet(space, a, b)), None)
            if other is not None:
                rest = [b for b in left if b is not a and b is not other]
                left = [*rest, unite(space, a, other)]
                changed = True
                break
    return left


def _meet(space: Space, a: Box, b: Box) -> bool:
    apart = [(p, q) for p, q in zip(a, b, strict=True) if p != q]
    if not apart:
        return True
    if len(apart) > 1:
        return False
    ((low, high), (first, last)) = apart[0]
    if low is None or high is None or first is None or last is None:
        return False
    gap = constant(1)
    return space.nonneg(plus(plus(high, gap), first, -1)) and space.nonneg(
        plus(plus(last, gap), low, -1)
    )


def extent_of(space: Space, interval: Interval) -> Poly | None:
    """How many integers lie in the interval."""
    low, high = interval
    return None if low is None or high is None else plus(plus(high, low, -1), constant(1))


def full_box(space: Space, shape: Sequence[PrimExpr]) -> Box:
    """The whole of a shape."""
    return [({}, plus(space.poly(extent), constant(-1))) for extent in shape]
