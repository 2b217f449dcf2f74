"""The rewrites that primitives share: substituting variables and exchanging buffers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, Visitor, on, post_order_visit
from ...ir.node import Node
from .. import expr as E
from .. import op as T
from ..arith.conditions import conjuncts
from ..buffer import Buffer
from ..expr import BufferLoad, Var
from ..stmt import (
    Block,
    BlockRealize,
    BufferStore,
    For,
    IfThenElse,
    MatchBufferRegion,
    SeqStmt,
    Stmt,
    stmt_seq,
)
from .poly import Poly, Space, constant, plus
from .refusal import refuse
from .sref import BODIES, StmtSRef
from .state import ScheduleState

N = TypeVar("N", bound=Node)

_FOLDING: dict[type[Node], Callable[[Any, Any], PrimExpr]] = {
    E.Add: T.add,
    E.Sub: T.subtract,
    E.Mul: T.multiply,
    E.FloorDiv: T.floordiv,
    E.FloorMod: T.floormod,
    E.Min: T.min,
    E.Max: T.max,
    E.EQ: T.equal,
    E.NE: T.not_equal,
    E.LT: T.less,
    E.LE: T.less_equal,
    E.GT: T.greater,
    E.GE: T.greater_equal,
    E.And: T.logical_and,
    E.Or: T.logical_or,
}


class Folding(Rewriter):
    """A rewriter that folds constants where operands have changed."""

    @on(E.Add, E.Sub, E.Mul, E.FloorDiv, E.FloorMod, E.Min, E.Max, E.CmpExpr, E.And, E.Or)
    def binary(self, node: Any) -> PrimExpr:
        """The operation on the rewritten operands."""
        a, b = self.rewrite(node.a), self.rewrite(node.b)
        return node if a is node.a and b is node.b else _FOLDING[type(node)](a, b)


class Substitute(Folding):
    """Replaces variables by expressions; of the same type, or cast to it."""

    def __init__(self, env: Mapping[Var, PrimExpr]) -> None:
        self.env = env

    @on(Var)
    def variable(self, var: Var) -> PrimExpr:
        """What stands for `var`."""
        value = self.env.get(var)
        if value is None:
            return var
        return value if value.dtype == var.dtype else T.cast(value, var.dtype)


def substitute(node: N, env: Mapping[Var, PrimExpr]) -> N:
    """`node` with variables replaced."""
    if not env:
        return node
    made: N = Substitute(env).run(node)
    return made


class ReplaceBuffer(Rewriter):
    """Exchanges buffers wherever they are accessed or declared as accessed, and views of them by
    views in the same memory.

    `blocks` records each block that has changed, old to new.
    """

    def __init__(self, env: Mapping[Buffer, Buffer]) -> None:
        self.env = dict(env)
        self.data = {old.data: new.data for old, new in env.items()}
        self.blocks: dict[Block, Block] = {}

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """The buffer that takes its place."""
        return self.env.get(buffer, buffer)

    @on(Var)
    def variable(self, var: Var) -> Var:
        """The memory of the buffer that takes its place."""
        return self.data.get(var, var)

    @on(Block)
    def block(self, block: Block) -> Block:
        """The block with its buffers exchanged, recorded."""
        for match in block.match_buffers:
            source = self.env.get(match.source.buffer)
            if source is not None:
                view = view_within(match.buffer, source)
                self.env[match.buffer] = view
                self.data[match.buffer.data] = view.data
        made = self.rewrite_children(block)
        if made is not block:
            self.blocks[block] = made
        return made


def view_within(view: Buffer, source: Buffer) -> Buffer:
    """`view` as one of `source`: of its type, in its memory, in as many groups of dimensions (of
    which, if it has another number of dimensions, the last holds all)."""
    groups = len(source.axis_separators)
    if len(view.axis_separators) != groups:
        separators = source.axis_separators if view.ndim == source.ndim else (0,) * groups
        view = view.replace(axis_separators=separators)
    if view.scope() == source.scope() and view.dtype == source.dtype:
        return view
    scope = source.scope()
    name = view.name if view.scope() == scope else f"{view.name}_{scope}"
    data = Var(name, E.pointer(source.dtype, scope))  # type: ignore[arg-type]
    return view.replace(data=data, name=name, dtype=source.dtype)


def replace_buffer(node: N, env: Mapping[Buffer, Buffer]) -> tuple[N, dict[Block, Block]]:
    """`node` with buffers exchanged, and the blocks that changed, old to new."""
    rewriter = ReplaceBuffer(env)
    return rewriter.run(node), rewriter.blocks


class MapLoads(Folding):
    """Replaces loads by what `function` makes of them (None: left, their indices rewritten)."""

    def __init__(self, function: Callable[[BufferLoad], PrimExpr | None]) -> None:
        self.function = function

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """What takes the load's place."""
        inner = self.rewrite_children(load)
        made = self.function(inner)
        return inner if made is None else made


class SimplifyIndices(Rewriter):
    """Simplifies where buffers are accessed, as far as `space` knows the ranges of variables."""

    def __init__(self, space: Space) -> None:
        self.space = space

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """The access at simplified indices."""
        made = self.rewrite_children(access)
        return made.replace(indices=tuple(map(self.space.simplify, made.indices)))

    @on(Range)
    def range(self, part: Range) -> Range:
        """The range with its ends simplified."""
        return Range(self.space.simplify(part.min), self.space.simplify(part.extent))

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Declarations of buffers are no accesses."""
        return buffer


class Accesses(Visitor):
    """Collects the loads and stores of a statement, those of nested blocks included."""

    def __init__(self) -> None:
        self.loads: list[BufferLoad] = []
        self.stores: list[BufferStore] = []
        self.blocks: list[Block] = []
        self.variables: set[Var] = set()

    @on(Var)
    def variable(self, var: Var) -> None:
        """Notes a variable that stands in an expression."""
        self.variables.add(var)

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> None:
        """Notes a load."""
        self.loads.append(load)
        self.visit(load.indices)

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """Notes a store."""
        self.stores.append(store)
        self.visit(store.indices)
        self.visit(store.value)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> None:
        """Declarations of buffers are no accesses."""

    @on(Block)
    def block(self, block: Block) -> None:
        """Notes a block and goes into its body."""
        self.blocks.append(block)
        for match in block.match_buffers:
            self.variables.discard(match.buffer.data)
        self.visit(block.body)
        if block.init is not None:
            self.visit(block.init)


def accesses(node: object) -> Accesses:
    """The loads and stores in `node`."""
    found = Accesses()
    found.walk(node)
    return found


def with_scope(buffer: Buffer, scope: str, name: str | None = None) -> Buffer:
    """A buffer of the same shape on new memory in `scope`."""
    name = name if name is not None else buffer.name
    data = Var(name, E.pointer(buffer.dtype, scope))  # type: ignore[arg-type]
    return buffer.replace(data=data, name=name, strides=(), elem_offset=None)


def point(indices: tuple[PrimExpr, ...]) -> tuple[Range, ...]:
    """Ranges of one element each."""
    return tuple(Range(i, T.const(1, i.dtype)) for i in indices)


def loop_like(loop: For, var: Var, body: Stmt, env: Mapping[Var, PrimExpr] | None = None) -> For:
    """A loop over `var` that runs as `loop` does: its bounds, in which `env` replaces variables,
    kind and annotations, on the same thread under a variable of its own."""
    thread = loop.thread_binding
    own = thread and thread.replace(var=thread.var.copy_with_name(thread.var.name))
    low, extent = substitute(loop.min, env or {}), substitute(loop.extent, env or {})
    return loop.replace(loop_var=var, min=low, extent=extent, thread_binding=own, body=body)


def matched_source(block: Block, buffer: Buffer) -> MatchBufferRegion | None:
    """The declaration that makes `buffer` a view in `block`; None if it is none."""
    return next((m for m in block.match_buffers if m.buffer is buffer), None)


def add_predicate(realize: BlockRealize, condition: PrimExpr) -> BlockRealize:
    """The realization where `condition` holds as well."""
    return realize.replace(predicate=T.logical_and(realize.predicate, condition))


class _Realizes(Rewriter):
    def __init__(self, function: Callable[[BlockRealize], BlockRealize]) -> None:
        self.function = function

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> BlockRealize:
        """The realization rewritten; blocks nested in it are left."""
        return self.function(realize)

    @on(PrimExpr)
    def expr(self, expr: PrimExpr) -> PrimExpr:
        """Expressions hold no blocks."""
        return expr


def map_realizes(stmt: Stmt, function: Callable[[BlockRealize], BlockRealize]) -> Any:
    """`stmt` with its outermost realizations replaced."""
    return _Realizes(function).run(stmt)


class SubstituteInLoops(Substitute):
    """Replaces loop variables and brings the bindings that change into normal form.

    `space` knows the ranges of the loops around; those within are bound on the way. `blocks`
    records each block that has changed, old to new. With `exact`, conditions take these values
    and are left as they are then. With `around`, a loop, loops of extent 1 at, around (within its
    scope) and below it are taken out of the bindings.
    """

    def __init__(
        self,
        env: Mapping[Var, PrimExpr],
        space: Space,
        exact: Mapping[Var, PrimExpr] | None = None,
        around: StmtSRef | None = None,
    ) -> None:
        super().__init__(env)
        self.space = space
        self.exact = exact
        self.blocks: dict[Block, Block] = {}
        self.drops_units = around is not None
        self.units: dict[Var, PrimExpr] = {}
        for at in (around, *around.ancestors()) if around is not None else ():
            if at.is_block:
                break
            self._note_unit(at.loop)

    def _note_unit(self, loop: For) -> None:
        if self.drops_units and T.is_const_int(loop.extent, 1):
            self.units[loop.loop_var] = loop.min

    @on(For)
    def loop(self, loop: For) -> For:
        """The loop rewritten, its variable bound to its range."""
        low, extent = self.rewrite(loop.min), self.rewrite(loop.extent)
        self.space.bind(loop.loop_var, low, extent)
        self._note_unit(loop)
        return loop.replace(min=low, extent=extent, body=self.rewrite(loop.body))

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> BlockRealize:
        """The realization with its bindings and predicate in normal form."""
        values = tuple(self._value(v) for v in realize.iter_values)
        if self.exact is not None:
            predicate = substitute(realize.predicate, self.exact)
        else:
            predicate = self.rewrite(realize.predicate)
            if predicate is not realize.predicate:
                predicate = simplify_condition(self.space, predicate)
        block = self.rewrite_children(realize.block)
        if block is not realize.block:
            self.blocks[realize.block] = block
        same = all(a is b for a, b in zip(values, realize.iter_values, strict=True))
        return realize.replace(
            iter_values=realize.iter_values if same else values, predicate=predicate, block=block
        )

    def _value(self, value: PrimExpr) -> PrimExpr:
        made: PrimExpr = substitute(self.rewrite(value), self.units)
        if made is value:
            return value
        short = self.space.simplify(made)
        if self.exact is None or not _divides(short):
            return short
        whole = self._of_whole_sum(made)
        return short if whole is None else whole

    def _of_whole_sum(self, value: PrimExpr) -> PrimExpr | None:
        """`(i_0 * 96 + i_1) // 32`, the sum in normal form; None if there is no such sum within."""
        if isinstance(value, _DIVISIONS) and isinstance(value.b, IntImm):
            inner = self._of_whole_sum(value.a)
            return None if inner is None else type(value)(inner, value.b)
        return None if _divides(value) else self.space.simplify(value)


_DIVISIONS = (E.FloorDiv, E.FloorMod)


def _divides(expr: PrimExpr) -> bool:
    found: list[Node] = []
    post_order_visit(expr, lambda n: found.append(n) if isinstance(n, _DIVISIONS) else None)
    return bool(found)


_ORDER: dict[type[Node], Callable[[Poly, Poly], Poly]] = {
    E.LT: lambda a, b: plus(plus(b, a, -1), constant(-1)),
    E.LE: lambda a, b: plus(b, a, -1),
    E.GT: lambda a, b: plus(plus(a, b, -1), constant(-1)),
    E.GE: lambda a, b: plus(a, b, -1),
}
"""What must not be negative for the comparison to hold."""


def simplify_condition(space: Space, condition: PrimExpr) -> PrimExpr:
    """`condition` without the parts that are provable, its comparisons in normal form."""
    kept = [_simplified(space, c) for c in conjuncts(condition)]
    return T.every(kept)


def _simplified(space: Space, part: PrimExpr) -> PrimExpr:
    slack = _ORDER.get(type(part))
    if not isinstance(part, E.CmpExpr) or not is_integer(part.a):
        return part
    a, b = space.joined(space.poly(part.a)), space.joined(space.poly(part.b))
    if slack is not None and space.nonneg(slack(a, b)):
        return T.const(1, "bool")
    x, y = space.expr(a, part.a.dtype), space.expr(b, part.b.dtype)
    return _FOLDING[type(part)](x, y)


def is_integer(value: PrimExpr) -> bool:
    """True for a scalar integer."""
    return value.dtype.startswith("int") and "x" not in value.dtype


def replace_statements(stmt: Stmt, table: Mapping[int, Stmt | None]) -> Stmt | None:
    """`stmt` with statements exchanged by identity (`id` to new); None removes one, and the loops
    and conditions that are left empty. None if nothing is left."""
    if id(stmt) in table:
        return table[id(stmt)]
    if isinstance(stmt, SeqStmt):
        parts = [replace_statements(part, table) for part in stmt.seq]
        if all(a is b for a, b in zip(parts, stmt.seq, strict=True)):
            return stmt
        left = [part for part in parts if part is not None]
        return stmt_seq(left) if left else None
    changes: dict[str, Any] = {}
    for name in BODIES.get(type(stmt), ()):
        part = getattr(stmt, name)
        if part is not None:
            changes[name] = replace_statements(part, table)
    if changes.get("body", stmt) is None or changes.get("block", stmt) is None:
        return None
    if isinstance(stmt, IfThenElse) and changes["then_case"] is None:
        changes["then_case"] = stmt_seq()
    return stmt.replace(**changes) if changes else stmt


def home_of(state: ScheduleState, block: StmtSRef, buffer: Buffer) -> StmtSRef | None:
    """The block around `block` that allocates the buffer; None for a parameter. Refuses a part of
    another buffer, which a block declares."""
    for at in (block, *block.ancestors()):
        if at.is_block and any(b is buffer for b in at.block.alloc_buffers):
            return at
    if any(b is buffer for b in state.function_of(block)[1].buffer_map.values()):
        return None
    refuse(f"`{buffer.name}` is a part of another buffer, declared by `match_buffer`", block)


def exchange_everywhere(state: ScheduleState, block: StmtSRef, old: Buffer, new: Buffer) -> None:
    """Puts `new` for `old` in the whole function of `block`: where it is allocated or a
    parameter, and wherever it is accessed."""
    home = home_of(state, block, old)
    if home is not None:
        made, reuse = replace_buffer(home.block, {old: new})
        state.replace(home, made, {**reuse, home.block: made})
        return
    var, func = state.function_of(block)
    root = state.roots[var.name_hint]
    made, reuse = replace_buffer(root.block, {old: new})
    state.replace(root, made, {**reuse, root.block: made})
    changed = {p: new if b is old else b for p, b in func.buffer_map.items()}
    state.set_function(var.name_hint, state.mod[var].replace(buffer_map=changed))
