"""The primitive `cache_index`."""

from __future__ import annotations

from ....ir.expr import IntImm, PrimExpr, Range
from ....ir.functor import on
from ....ir.structural import structural_equal
from ... import op as T
from ...buffer import Buffer
from ...expr import BinaryOpExpr, BufferLoad, IterVar, IterVarType, Var, pointer
from ...stmt import Block as BlockNode
from ...stmt import BufferRegion, BufferStore, Stmt, stmt_seq
from ..conditions import require_leaf
from ..copies import fresh_name, step_towards
from ..inlining import with_regions
from ..instruction import Block, primitive
from ..layouts import full_nest
from ..poly import variables_in
from ..refusal import refuse
from ..rewrite import Folding, accesses, point, replace_statements, substitute
from ..state import ScheduleState
from ..storage_scopes import StorageScope


@primitive
def cache_index(
    state: ScheduleState, block: Block, storage_scope: StorageScope, cse_thresh: int = 0
) -> list[Block]:
    """Computes the indices at which a block loads beforehand, in buffers of their own.

    B[i] = A[i // 4 * 2 + i % 3]   ->   index_var_0[i] = i // 4 * 2 + i % 3
                                        B[i] = A[index_var_0[i]]

    `cse_thresh`: only indices that occur more than so many times. Returns the new blocks.
    """
    root = state.scope_root(block)
    require_leaf(state, block)
    stmt = block.block
    axes = {a.var: a for a in stmt.iter_vars}
    found: list[PrimExpr] = []
    count: list[int] = []
    for load in accesses(stmt.body).loads:
        for index in load.indices:
            if not isinstance(index, BinaryOpExpr) or not all(
                v in axes for v in variables_in(index)
            ):
                continue
            known = next((k for k, f in enumerate(found) if structural_equal(f, index)), None)
            if known is None:
                found.append(index)
                count.append(1)
            else:
                count[known] += 1
    wanted = [f for f, c in zip(found, count, strict=True) if c > cse_thresh]
    if not wanted or block.realize is None:
        refuse("no index of the block is computed so often", block)
    nests: list[Stmt] = []
    blocks: list[BlockNode] = []
    buffers: list[Buffer] = []
    uses: list[tuple[PrimExpr, PrimExpr]] = []
    for k, index in enumerate(wanted):
        used = [a for a in stmt.iter_vars if a.var in variables_in(index)]
        name = fresh_name(state, block, f"index_{k}")
        names = (name, f"index_var_{k}")
        buffer, nest, made = _computation(names, index, used, storage_scope)
        nests.append(nest)
        blocks.append(made)
        buffers.append(buffer)
        places = tuple(T.simplified(T.subtract(a.var, _first(a))) for a in used)
        uses.append((index, BufferLoad(buffer, places)))
    changed = with_regions(stmt.replace(body=_UseIndices(uses).run(stmt.body)))
    top = step_towards(root, block).node
    body = replace_statements(root.block.body, {id(top): stmt_seq([*nests, top])})
    table: dict[int, Stmt | None] = {id(block.realize): block.realize.replace(block=changed)}
    body = replace_statements(body or root.block.body, table)
    made_root = root.block.replace(body=body, alloc_buffers=(*root.block.alloc_buffers, *buffers))
    state.replace(root, made_root, {stmt: changed, root.block: made_root})
    return [state.srefs[id(b)] for b in blocks]


def _computation(
    names: tuple[str, str], index: PrimExpr, used: list[IterVar], scope: str
) -> tuple[Buffer, Stmt, BlockNode]:
    """A buffer of the index's values, and the loops that compute them, for the names of the block
    and of the buffer."""
    shape: list[PrimExpr] = [
        a.dom.extent if a.dom is not None else IntImm(a.var.dtype, 1) for a in used
    ]
    fresh = [
        IterVar(
            Range(IntImm(a.var.dtype, 0), size),
            a.var.copy_with_name(a.var.name),
            IterVarType.DataPar,
        )
        for a, size in zip(used, shape, strict=True)
    ]
    data = Var(names[1], "handle", type_annotation=pointer(index.dtype, scope))
    buffer = Buffer(data, index.dtype, tuple(shape), name=names[1])
    at = tuple(a.var for a in fresh)
    env = {a.var: T.add(b.var, _first(a)) for a, b in zip(used, fresh, strict=True)}
    value = T.simplified(substitute(index, env))
    nest, made = full_nest(
        names[0],
        shape,
        BufferStore(buffer, value, at),
        (),
        (BufferRegion(buffer, point(at)),),
        fresh,
    )
    return buffer, nest, made


def _first(axis: IterVar) -> PrimExpr:
    """Where the axis begins: the buffer's places are counted from there."""
    return axis.dom.min if axis.dom is not None else IntImm(axis.var.dtype, 0)


class _UseIndices(Folding):
    """Loads the indices that have been computed."""

    def __init__(self, uses: list[tuple[PrimExpr, PrimExpr]]) -> None:
        self.uses = uses

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> BufferLoad:
        """The load with its computed indices exchanged."""
        return load.replace(indices=tuple(self._index(i) for i in load.indices))

    def _index(self, index: PrimExpr) -> PrimExpr:
        for old, new in self.uses:
            if structural_equal(old, index):
                return new
        made: PrimExpr = self.rewrite(index)
        return made

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers stay."""
        return buffer
