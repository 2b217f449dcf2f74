"""The primitive `merge`."""

from __future__ import annotations

from ....ir.expr import PrimExpr
from ...expr import Var
from ...stmt import Stmt, stmt_seq
from ..conditions import require_covered, require_sources_finished
from ..instruction import Loop, primitive
from ..loop_checks import require_plain
from ..poly import Space
from ..refusal import refuse
from ..rewrite import SubstituteInLoops, replace_statements, substitute
from ..scope import DepKind
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive
def merge(state: ScheduleState, *loops: Loop) -> Loop:
    """Makes one loop of several nests with the same extents, their bodies one after another.

    for i, j in grid(n, m): A            ->   for i_m in range(n):
    for i, j in grid(n, m): B                     for j_m in range(m): A; B      # merge(j, j)

    Each loop is a single chain below the block or loop that holds them all; a nest needs of those
    before it only what they write in the same iteration, and nothing of what lies between.
    """
    if len(loops) < 2:
        refuse("fewer than two loops are given", *loops)
    if len(set(loops)) != len(loops):
        twice = next(l for l in loops if loops.count(l) > 1)
        refuse("the loop is named twice", twice)
    top = state.common_ancestor(loops)
    chains = [_chain(loop, top) for loop in loops]
    consumers = _check(state, chains)
    first = chains[0]
    merged = [at.loop.loop_var.copy_with_suffix("_m") for at in first]
    bodies: list[Stmt] = []
    reuse = {}
    for chain in chains:
        env: dict[Var, PrimExpr] = {
            l.loop.loop_var: var for l, var in zip(chain, merged, strict=True)
        }
        rewriter = SubstituteInLoops(env, Space())
        bodies.append(rewriter.run(chain[-1].loop.body))
        reuse.update(rewriter.blocks)
    body: Stmt = stmt_seq(bodies)
    to_merged = {at.loop.loop_var: var for at, var in zip(first, merged, strict=True)}
    for at, var in zip(reversed(first), reversed(merged), strict=True):
        low, extent = substitute(at.loop.min, to_merged), substitute(at.loop.extent, to_merged)
        body = at.loop.replace(loop_var=var, min=low, extent=extent, body=body)
    table: dict[int, Stmt | None] = {id(chain[0].stmt): None for chain in chains[1:]}
    table[id(first[0].stmt)] = body
    holder = top.stmt
    if holder is None:
        raise TypeError("no statement holds the loops")
    made = holder.replace(body=replace_statements(holder.body, table))
    if top.is_block:
        reuse[top.block] = made  # type: ignore[assignment]
    state.replace(top, made, reuse)
    inner = next(at for at in state.walk(top) if not at.is_block and at.loop.loop_var is merged[-1])
    require_covered(state, consumers, state.scope_root(inner))
    return inner


def _chain(loop: StmtSRef, top: StmtSRef) -> list[StmtSRef]:
    """The loops from below `top` to `loop`, each the only child of the last."""
    chain = [loop]
    for at in loop.ancestors():
        if at is top:
            break
        if at.is_block:
            refuse("a block lies between the loops to merge", at, loop)
        if at.loop.body is not chain[-1].stmt:
            refuse("the loop has more than the next loop in its body", at)
        chain.append(at)
    return chain[::-1]


def _check(state: ScheduleState, chains: list[list[StmtSRef]]) -> list[StmtSRef]:
    """Refuses loops that cannot be merged. Returns the blocks that read what other nests write."""
    first = chains[0]
    space = Space()
    for chain in chains:
        for at in chain:
            require_plain(at)
        if len(chain) != len(first):
            refuse("the loops lie at different depths", chain[-1], first[-1])
        for a, b in zip(chain, first, strict=True):
            same = space.poly(a.loop.extent) == space.poly(b.loop.extent)
            if not same or space.poly(a.loop.min) != space.poly(b.loop.min):
                refuse("the loops run over different ranges", a, b)
    return _check_order(state, chains)


def _check_order(state: ScheduleState, chains: list[list[StmtSRef]]) -> list[StmtSRef]:
    """Refuses if a nest, moved behind the body of the first one, would pass what must precede or
    follow it. Returns the blocks that read what other nests write."""
    scope = state.get_block_scope(state.scope_root(chains[0][0]))
    nests = [state.child_blocks(chain[-1]) for chain in chains]
    moved = {block for nest in nests[1:] for block in nest}
    order: list[StmtSRef] = []
    for block in scope.children:
        if block not in moved:
            order.append(block)
        if nests[0] and block is nests[0][-1]:
            order += [b for nest in nests[1:] for b in nest]
    place = {block: k for k, block in enumerate(order)}
    nest_of = {block: k for k, nest in enumerate(nests) for block in nest}
    consumers = []
    for block in scope.children:
        for dependency in scope.get_deps_by_dst(block):
            src = dependency.src
            here, there = nest_of.get(block), nest_of.get(src)
            if here is not None and here == there:
                continue
            if here is not None and there is not None:
                if dependency.kind is not DepKind.RAW or there > here:
                    refuse("a nest needs what another one to be merged does", block, src)
                require_sources_finished(scope, src, chains[there][-1])
                consumers.append(block)
            if place[src] > place[block]:
                refuse("a nest needs what a block between the nests does", block, src)
    return consumers
