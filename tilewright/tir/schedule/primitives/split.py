"""The primitive `split`."""

from __future__ import annotations

from ....ir.expr import IntImm, PrimExpr
from ... import op as T
from ...stmt import For, ForKind, Stmt
from ..instruction import Expr, Loop, primitive
from ..loop_checks import require_plain, require_zero_min
from ..poly import Space
from ..refusal import refuse
from ..regions import space_at
from ..rewrite import SubstituteInLoops, add_predicate, map_realizes
from ..sref import StmtSRef
from ..state import ScheduleState

LARGEST_VSCALE = 16


@primitive(spread="factors")
def split(
    state: ScheduleState,
    loop: Loop,
    factors: list[Expr | None],
    preserve_unit_iters: bool = True,
    disable_predication: bool = False,
) -> list[Loop]:
    """Splits a loop into nested ones whose extents are `factors`, outermost first.

    for i in range(n)   ->   for i_0, i_1 in grid(ceildiv(n, 16), 16) where i_0 * 16 + i_1 < n

    At most one factor is None: it is what the others leave of the extent, rounded up. The
    condition is added to the blocks within unless the factors divide the extent.
    `preserve_unit_iters=False` takes loops of extent 1 out of the bindings;
    `disable_predication` leaves the condition out where it is known to be met otherwise.
    """
    old = loop.loop
    require_plain(loop)
    require_zero_min(loop)
    space = space_at(state, loop)
    extents = _extents(space, loop, factors)
    dtype = old.loop_var.dtype
    loop_vars = [old.loop_var.copy_with_suffix(f"_{k}") for k in range(len(extents))]
    value: PrimExpr = IntImm(dtype, 0)
    for var, extent in zip(loop_vars, extents, strict=True):
        space.bind(var, IntImm(dtype, 0), extent)
        is_dropped = T.is_const_int(extent, 1) and not preserve_unit_iters
        value = value * extent + (IntImm(dtype, 0) if is_dropped else var)
    rewriter = SubstituteInLoops(
        {old.loop_var: value},
        space,
        exact={old.loop_var: value},
        around=None if preserve_unit_iters else loop,
    )
    body: Stmt = rewriter.run(old.body)
    if (
        not disable_predication
        and not space.can_prove_less(value, old.extent)
        and not _fits(space, old.extent, extents, factors)
    ):
        condition = T.less(value, old.extent)
        body = map_realizes(body, lambda realize: add_predicate(realize, condition))
    for var, extent in zip(reversed(loop_vars), reversed(extents), strict=True):
        body = For(var, IntImm(dtype, 0), extent, ForKind.SERIAL, body)
    state.replace(loop, body, rewriter.blocks)
    return _nest(state, body, len(extents))


def _extents(space: Space, loop: StmtSRef, factors: list[int | PrimExpr | None]) -> list[PrimExpr]:
    """The factors as expressions, the open one computed. Refuses factors that do not fit."""
    extent = loop.loop.extent
    dtype = loop.loop.loop_var.dtype
    if not factors:
        refuse("no factors are given", loop)
    if sum(f is None for f in factors) > 1:
        refuse("more than one factor is None", loop)
    known = [space.simplify(T.cast(f, dtype)) if isinstance(f, PrimExpr) else IntImm(dtype, f)
             for f in factors if f is not None]  # fmt: skip
    product: PrimExpr = IntImm(dtype, 1)
    for f in known:
        if isinstance(f, IntImm) and f.value <= 0:
            refuse(f"the factor {f.value} is not positive", loop)
        product = product * f
    if len(known) < len(factors):
        rest = space.simplify(T.ceildiv(extent, product))
        where = factors.index(None)
        return [*known[:where], rest, *known[where:]]
    if not _is_less(space, extent, product + 1):
        refuse(
            f"the factors' product {space.simplify(product)} may be less than the extent {extent}",
            loop,
            hint="leave one factor None to have it computed",
        )
    return known


def _is_less(space: Space, a: PrimExpr, b: PrimExpr) -> bool:
    """True if `a < b`, for all vectors if it depends on `vscale()`."""
    if space.can_prove_less(a, b):
        return True
    if space.lanes is None:
        return False
    proved = []
    for vscale in range(1, LARGEST_VSCALE + 1):
        space.vscale = vscale
        proved.append(space.can_prove_less(a, b))
    space.vscale = None
    return all(proved)


def _fits(
    space: Space, extent: PrimExpr, extents: list[PrimExpr], factors: list[int | PrimExpr | None]
) -> bool:
    """True if the factors divide the extent exactly."""
    product: PrimExpr = IntImm(extent.dtype, 1)
    for e in extents:
        product = product * e
    return space.poly(product) == space.poly(extent)


def _nest(state: ScheduleState, loop: Stmt, count: int) -> list[StmtSRef]:
    found = []
    for _ in range(count):
        if not isinstance(loop, For):
            break
        found.append(state.srefs[id(loop)])
        loop = loop.body
    return found
