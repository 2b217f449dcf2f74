"""The primitive `loop_partition`."""

from __future__ import annotations

from collections.abc import Callable

from ....ir.expr import IntImm, PrimExpr, as_scalar
from ....ir.functor import Rewriter, on
from ....ir.node import rebuild
from ... import op as T
from ...stmt import Block as BlockNode
from ...stmt import BlockRealize, For, ForKind, Stmt, stmt_seq
from ...stmt_functor import renew_defs
from ..instruction import Expr, Loop, primitive
from ..loop_checks import require_plain
from ..poly import Space, constant, plus
from ..refusal import refuse
from ..regions import space_at
from ..rewrite import map_realizes, substitute
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive(spread="factors")
def loop_partition(
    state: ScheduleState,
    loop: Loop,
    factors: list[Expr | None],
    preserve_unit_iters: bool = True,
) -> list[Loop]:
    """Cuts the range of a loop into consecutive parts of the given lengths, each a loop.

    for i in range(n)   ->   for i0 in range(2); for i1 in range(2, 6); for i2 in range(6, n)
                                                                 # loop_partition(i, [2, 4, None])

    Each part runs blocks of its own, named after its loop: `B_i0`, `B_i1`, `B_i2`.
    """
    require_plain(loop)
    old = loop.loop
    ends = _ends(space_at(state, loop), loop, factors)
    parts: list[Stmt] = []
    loops: list[For] = []
    start = old.min
    for k, end in enumerate(ends):
        extent = T.subtract(end, start)
        var = old.loop_var.copy_with_suffix(str(k))
        body = substitute(old.body, {old.loop_var: var})
        own = _Copied().run(renew_defs(body)) if k else body
        named = map_realizes(own, _renaming(var.name))
        made = For(var, start, extent, ForKind.SERIAL, named)
        loops.append(made)
        parts.append(made)
        start = end
    state.replace(loop, stmt_seq(parts), {})
    return [state.srefs[id(made)] for made in loops]


class _Copied(Rewriter):
    """Each block and loop as a node of its own, also where nothing in it changes."""

    @on(BlockNode)
    def block(self, block: BlockNode) -> BlockNode:
        """A copy."""
        made: BlockNode = self.rewrite_children(block)
        return made if made is not block else rebuild(block, {})

    @on(For)
    def loop(self, loop: For) -> For:
        """A copy."""
        made: For = self.rewrite_children(loop)
        return made if made is not loop else rebuild(loop, {})


def _renaming(name: str) -> Callable[[BlockRealize], BlockRealize]:
    def rename(realize: BlockRealize) -> BlockRealize:
        block: BlockNode = realize.block
        return realize.replace(block=block.replace(name_hint=f"{block.name_hint}_{name}"))

    return rename


def _ends(space: Space, at_loop: StmtSRef, factors: list[int | PrimExpr | None]) -> list[PrimExpr]:
    """Where each part ends. Refuses lengths that may add up to more than the loop's, and a part
    of no iteration."""
    loop = at_loop.loop
    if sum(f is None for f in factors) > 1 or not factors:
        refuse("exactly one of the lengths may be None", at_loop)
    for f in factors:
        if f is not None and not space.nonneg(plus(space.poly(as_scalar(f)), constant(-1))):
            refuse(f"the length {f} is not known to be positive", at_loop)
    dtype = loop.loop_var.dtype
    end = T.add(loop.min, loop.extent)
    known: PrimExpr = IntImm(dtype, 0)
    for f in factors:
        if f is not None:
            known = T.add(known, f)
    rest = T.simplified(T.subtract(loop.extent, known))
    if not space.nonneg(space.poly(rest)):
        refuse(f"the lengths may add up to more than the extent {loop.extent}", at_loop)
    if len(factors) > 1 and None in factors and T.is_const_int(rest, 0):
        refuse(f"the lengths leave nothing of the extent {loop.extent} for None", at_loop)
    out: list[PrimExpr] = []
    at: PrimExpr = loop.min
    for f in factors:
        at = T.simplified(T.add(at, rest if f is None else f))
        out.append(at)
    if all(f is not None for f in factors) and not T.is_const_int(rest, 0):
        out.append(end)
    return out
