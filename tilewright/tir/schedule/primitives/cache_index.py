"""The primitive `cache_index`."""

from __future__ import annotations

from ....ir.expr import IntImm, PrimExpr, Range
from ....ir.functor import Rewriter, Visitor, on
from ....ir.node import Node, children
from ....ir.structural import structural_equal
from ....support.dtypes import dtype_of
from ... import op as T
from ...arith.canonical import is_movable
from ...buffer import Buffer
from ...expr import BufferLoad, IterVar, IterVarType, Var, pointer
from ...stmt import Block as BlockNode
from ...stmt import BufferRegion, BufferStore, Stmt, stmt_seq
from ..conditions import require_leaf
from ..copies import fresh_name, step_towards
from ..instruction import Block, primitive
from ..layouts import full_nest
from ..poly import variables_in
from ..refusal import refuse
from ..rewrite import accesses, is_integer, point, replace_statements, substitute
from ..state import ScheduleState
from ..storage_scopes import StorageScope


@primitive
def cache_index(
    state: ScheduleState, block: Block, storage_scope: StorageScope, cse_thresh: int = 0
) -> list[Block]:
    """Computes what a block makes of its axes alone, such as indices, in buffers of its own.

    B[i] = A[i // 4 * 2 + i % 3]   ->   index_var_0[i] = i // 4 * 2 + i % 3
                                        B[i] = A[index_var_0[i]]

    `cse_thresh`: the least number of times that the stored values contain a computation; of one
    that occurs less often the parts are looked at. Returns the new blocks, the largest first.
    """
    root = state.scope_root(block)
    require_leaf(state, block)
    stmt = block.block
    found = _Computations({a.var for a in stmt.iter_vars})
    for store in accesses(stmt.body).stores:
        found.walk(store.value)
    wanted = found.often(cse_thresh)
    if not wanted or block.realize is None:
        refuse("no index of the block is computed so often", block)
    nests: list[Stmt] = []
    blocks: list[BlockNode] = []
    loads: list[BufferLoad] = []
    uses: dict[int, PrimExpr] = {}
    for k, places in enumerate(wanted):
        index = places[0]
        used = [a for a in stmt.iter_vars if a.var in variables_in(index)]
        name = fresh_name(state, block, f"index_{k}")
        names = (name, f"index_var_{k}")
        buffer, nest, made = _computation(names, index, used, storage_scope)
        nests.append(nest)
        blocks.append(made)
        at = tuple(T.simplified(T.subtract(a.var, _first(a))) for a in used)
        loads.append(BufferLoad(buffer, at))
        uses.update(dict.fromkeys(map(id, places), loads[-1]))
    reads = (*stmt.reads, *(BufferRegion(l.buffer, point(l.indices)) for l in loads))
    changed = stmt.replace(body=_UseIndices(uses).run(stmt.body), reads=reads)
    top = step_towards(root, block).node
    body = replace_statements(root.block.body, {id(top): stmt_seq([*nests, top])})
    table: dict[int, Stmt | None] = {id(block.realize): block.realize.replace(block=changed)}
    body = replace_statements(body or root.block.body, table)
    buffers = (*root.block.alloc_buffers, *(l.buffer for l in loads))
    made_root = root.block.replace(body=body, alloc_buffers=buffers)
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
    value = substitute(index, env)
    if not all(T.is_const_int(_first(a), 0) for a in used):
        value = T.simplified(value)
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


class _Computations(Visitor):
    """The largest computations of axes alone, each with its occurrences; equal up to arithmetic
    they are one."""

    def __init__(self, axes: set[Var]) -> None:
        self.axes = axes
        self.found: list[list[PrimExpr]] = []

    @on(PrimExpr)
    def expression(self, expr: PrimExpr) -> None:
        """Notes a computation, or goes on to its parts."""
        used = variables_in(expr)
        if not used or isinstance(expr, Var):
            return
        kind = dtype_of(expr.dtype)
        is_stored = kind.lanes == 1 and not kind.is_handle
        if is_stored and self.axes.issuperset(used) and is_movable(expr):
            self._note(expr)
        else:
            self.visit_children(expr)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> None:
        """What buffers are declared with is not computed here."""

    def _note(self, expr: PrimExpr) -> None:
        for places in self.found:
            if _is_same(places[0], expr):
                places.append(expr)
                return
        self.found.append([expr])

    def often(self, least: int) -> list[list[PrimExpr]]:
        """The occurrences of each computation that has at least so many, the largest first."""
        wanted = []
        while self.found:
            places = max(self.found, key=lambda places: _size(places[0]))
            self.found.remove(places)
            if len(places) >= least:
                wanted.append(places)
            else:
                for place in places:
                    self.visit_children(place)
        return wanted


def _is_same(a: PrimExpr, b: PrimExpr) -> bool:
    if is_integer(a) and a.dtype == b.dtype:
        return T.is_const_int(T.simplified(T.subtract(a, b)), 0)
    return structural_equal(a, b)


def _size(expr: Node) -> int:
    return 1 + sum(_size(child) for child in children(expr))


class _UseIndices(Rewriter):
    """Loads what has been computed, given by the identity of what computes it."""

    def __init__(self, uses: dict[int, PrimExpr]) -> None:
        self.uses = uses

    @on(BufferStore)
    def store(self, store: BufferStore) -> BufferStore:
        """The store of the same value."""
        return store.replace(value=self.rewrite(store.value))

    @on(PrimExpr)
    def expression(self, expr: PrimExpr) -> PrimExpr:
        """The load in the place of a computation."""
        load = self.uses.get(id(expr))
        return load if load is not None else self.rewrite_children(expr)

    @on(Buffer, Var)
    def leaf(self, node: Node) -> Node:
        """Buffers and variables stay."""
        return node
