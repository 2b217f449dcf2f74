"""What `blockize` builds blocks from: divided axes and the regions of all inner iterations."""

from __future__ import annotations

from ...ir.expr import IntImm, PrimExpr, Range
from .. import op as T
from ..expr import IterVar, IterVarType, Var
from ..stmt import Block, BufferRegion
from .dividing import Division
from .poly import Poly, Space, constant, plus, times, value_of, variables_in
from .refusal import refuse
from .rewrite import substitute
from .sref import StmtSRef

Axes = list["IterVar | None"]


def axes_of(
    space: Space, block: Block, divisions: list[Division], suffix: str, keep_units: bool
) -> Axes:
    """An axis a division, over its outer or inner part; None for an inner part that has one value
    only and need not be kept."""
    made: Axes = []
    for axis, d in zip(block.iter_vars, divisions, strict=True):
        is_outer = suffix == "_o"
        extent = d.outer_extent if is_outer else d.extent
        dtype = axis.var.dtype
        if not is_outer and value_of(extent) == 1 and not (keep_units and d.inner):
            made.append(None)
            continue
        var = axis.var.copy_with_suffix(suffix)
        dom = Range(IntImm(dtype, 0), space.expr(extent, dtype))
        made.append(IterVar(dom, var, axis.iter_type, axis.thread_tag))
    return made


def values_of(
    space: Space, block: Block, divisions: list[Division], outer: Axes, inner: Axes
) -> dict[Var, PrimExpr]:
    """What each old axis is in terms of the new ones."""
    env: dict[Var, PrimExpr] = {}
    for axis, d, o, i in zip(block.iter_vars, divisions, outer, inner, strict=True):
        dtype = axis.var.dtype
        value: PrimExpr = IntImm(dtype, 0)
        if o is not None and (value_of(d.outer_extent) != 1 or i is None):
            value = T.multiply(o.var, space.expr(d.extent, dtype))
        if i is not None and value_of(d.extent) != 1:
            value = T.add(value, i.var)
        env[axis.var] = value
    return env


def regions_over(
    space: Space,
    regions: tuple[BufferRegion, ...],
    to_loops: dict[Var, PrimExpr],
    loop_vars: list[Var],
) -> tuple[BufferRegion, ...]:
    """The regions over all inner iterations."""
    numbers = {space._variable(v) for v in loop_vars}
    out = []
    for region in regions:
        ranges = []
        for r, size in zip(region.region, region.buffer.shape, strict=True):
            low = space.poly(substitute(r.min, to_loops))
            high = plus(plus(low, space.poly(substitute(r.extent, to_loops))), constant(-1))
            first = space.relax(low, numbers.__contains__)[0]
            last = space.relax(high, numbers.__contains__)[1]
            if first is None or last is None:
                ranges.append(Range(IntImm(size.dtype, 0), size))
                continue
            extent = plus(plus(last, first, -1), constant(1))
            ranges.append(Range(space.expr(first, size.dtype), space.expr(extent, size.dtype)))
        out.append(BufferRegion(region.buffer, tuple(ranges)))
    return tuple(out)


def require_own_ranges(target: StmtSRef, inner_loops: list[StmtSRef]) -> None:
    """Refuses loops whose ranges depend on loops outside: a block does not see those."""
    outside = {at.loop.loop_var for at in target.ancestors() if not at.is_block}
    for at in inner_loops:
        used = [*variables_in(at.loop.min), *variables_in(at.loop.extent)]
        bad = [v for v in used if v in outside]
        if bad:
            refuse(f"its range depends on the outer loop `{bad[0].name}`", at)


def require_whole_start(
    space: Space, block: StmtSRef, divisions: list[Division], inner_loops: list[StmtSRef]
) -> None:
    """Refuses a reduction with `init` of which the loops run a part that begins in its midst for
    some results: the `init` of the outer block would clear what they hold by then."""
    if block.block.init is None:
        return
    reducing: set[int] = set()
    others: set[int] = set()
    places: Poly = constant(1)
    for axis, d in zip(block.block.iter_vars, divisions, strict=True):
        used = space.variables(d.inner)
        (reducing if axis.iter_type is IterVarType.CommReduce else others).update(used)
        places = times(places, d.extent)
    iterations: Poly = constant(1)
    for at in inner_loops:
        iterations = times(iterations, space.poly(at.loop.extent))
    if reducing & others and places != iterations:
        refuse(
            "the loops run a part of the reduction, which begins in its midst for some results",
            block,
            hint="decompose the reduction first",
        )
