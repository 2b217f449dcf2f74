"""The primitive `fuse`."""

from __future__ import annotations

import math

from ....ir.expr import IntImm, PrimExpr
from ... import op as T
from ...expr import Var
from ...stmt import For, ForKind, Stmt
from ..instruction import Loop, primitive
from ..loop_checks import require_plain, require_zero_min
from ..poly import variables_in
from ..refusal import refuse
from ..regions import space_at
from ..rewrite import SubstituteInLoops
from ..sref import StmtSRef
from ..state import ScheduleState

MOST = 2**31 - 1


@primitive
def fuse(state: ScheduleState, *loops: Loop, preserve_unit_iters: bool = True) -> Loop:
    """Makes one loop of nested ones, given outermost first, each the only child of the last.

    for i, j in grid(n, m)   ->   for i_j_fused in range(n * m), i = i_j_fused // m, j = ... % m

    `preserve_unit_iters=False` takes loops of extent 1 out of the bindings.
    """
    if not loops:
        refuse("no loops are given")
    _check(loops)
    space = space_at(state, loops[0])
    dtype = loops[0].loop.loop_var.dtype
    if any(l.loop.loop_var.dtype != dtype for l in loops):
        dtype = "int64"
    known = [l.loop.extent.value for l in loops if isinstance(l.loop.extent, IntImm)]
    if dtype == "int32" and math.prod(known) > MOST:
        refuse(
            f"{math.prod(known)} iterations are more than int32 counts", *loops,
            hint="write the extents as int64",
        )  # fmt: skip
    total: PrimExpr = IntImm(dtype, 1)
    for l in loops:
        total = T.multiply(total, T.cast(l.loop.extent, dtype))
    fused = Var("_".join(l.loop.loop_var.name for l in loops) + "_fused", dtype)
    space.bind(fused, IntImm(dtype, 0), total)
    env = _values(loops, fused, preserve_unit_iters)
    rewriter = SubstituteInLoops(env, space, around=None if preserve_unit_iters else loops[0])
    body: Stmt = rewriter.run(loops[-1].loop.body)
    made = For(fused, IntImm(dtype, 0), space.simplify(total), ForKind.SERIAL, body)
    state.replace(loops[0], made, rewriter.blocks)
    return state.srefs[id(made)]


def _values(loops: tuple[StmtSRef, ...], fused: Var, keep_units: bool) -> dict[Var, PrimExpr]:
    """What each loop variable is in terms of the fused one."""
    if any(T.is_const_int(l.loop.extent, 0) for l in loops):  # nothing runs, nothing to divide by
        return {l.loop.loop_var: IntImm(l.loop.loop_var.dtype, 0) for l in loops}
    env: dict[Var, PrimExpr] = {}
    lower: PrimExpr = IntImm(fused.dtype, 1)
    for k in range(len(loops) - 1, -1, -1):
        loop = loops[k].loop
        extent = T.cast(loop.extent, fused.dtype)
        upper = lower * extent
        if T.is_const_int(extent, 1) and not keep_units:
            value: PrimExpr = IntImm(fused.dtype, 0)
        elif k == 0:
            value = T.floordiv(fused, lower)
        else:
            value = T.floordiv(T.floormod(fused, upper), lower)
        env[loop.loop_var] = T.cast(value, loop.loop_var.dtype)
        lower = upper
    return env


def _check(loops: tuple[StmtSRef, ...]) -> None:
    outer: list[Var] = []
    for k, l in enumerate(loops):
        require_plain(l)
        require_zero_min(l)
        if k and loops[k - 1].loop.body is not l.stmt:
            refuse("the loop is not the only child of the one before it", l, loops[k - 1])
        if any(v in outer for v in variables_in(l.loop.extent)):
            refuse("its extent depends on an outer loop that it is fused with", l)
        outer.append(l.loop.loop_var)
