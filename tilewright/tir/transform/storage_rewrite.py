"""Memory used again: allocations whose lives do not meet share one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import IntImm, Range
from ...ir.functor import Rewriter, Visitor, on
from ...ir.structural import structural_equal
from ...ir.transform import Pass, PassContext
from ...support.dtypes import dtype_of
from ..arith.canonical import reads_memory
from ..arith.int_set import mentions
from ..arith.iter_map import is_injective
from ..expr import BufferLoad, Call, Var
from ..function import PrimFunc
from ..stmt import Allocate, AttrStmt, BufferStore, DeclBuffer, For, ForKind, LetStmt, Stmt
from ..stmt_functor import substitute
from .base import prim_func_pass
from .config import DISABLE_STORAGE_REWRITE
from .lower_storage_access import KNOWN
from .pointer_value_type import memory_typed
from .shared_lives import Life, Lives, scope_of

SCOPES = ("", "global")
RANKS = ("global", "shared", "warp", "local")
"""Memory that is plain bytes, whatever tag follows: no registers of matrix units."""
LAUNCHES = frozenset(("thread_extent", "virtual_thread", "device_scope", "target"))
"""Attributes whose body runs somewhere else: its memory stays inside."""
APART = frozenset((ForKind.PARALLEL, ForKind.VECTORIZED, ForKind.THREAD_BINDING))
"""Loops whose runs go on at one time."""


@dataclass(eq=False)
class _Use:
    """A place where memory is used: by the store `store` in `loops`, if by one."""

    clock: int
    store: BufferStore | None
    loops: tuple[For, ...]


@dataclass(eq=False)
class _Group:
    """Allocations that may share memory, and the statement where they are made.

    `inner` are the variables that are defined within it, so that no size there may need them.
    """

    home: Stmt | None = None
    lives: list[Life] = field(default_factory=list)
    inner: set[Var] = field(default_factory=set)


class _Groups(Lives):
    """The groups of a function, the outermost one first."""

    def __init__(self, *, moves: bool) -> None:
        super().__init__(*SCOPES)
        self.moves = moves
        self.groups = [_Group()]
        self.frames = [self.groups[0]]
        self.top: Stmt | None = None
        self.store: BufferStore | None = None
        self.loops: list[For] = []
        self.uses: dict[Var, list[_Use]] = {}

    def includes(self, scope: str) -> bool:
        """Global memory, and that of devices if it may be moved."""
        return super().includes(scope) or (self.moves and _is_special(scope))

    def _within(self, node: Stmt) -> None:
        self.groups.append(_Group(node))
        self.frames.append(self.groups[-1])
        self.statement(node)
        inner = self.frames.pop().inner
        self.frames[-1].inner |= inner

    @on(For)
    def loop(self, loop: For) -> None:
        """Each task of a parallel loop, and each lane or thread, has memory of its own."""
        self.frames[-1].inner.add(loop.loop_var)
        self.loops.append(loop)
        (self._within if loop.kind in APART else self.statement)(loop)
        self.loops.pop()

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """So have threads and kernels."""
        (self._within if node.attr_key in LAUNCHES else super().attribute)(node)

    @on(LetStmt)
    def let(self, node: LetStmt) -> None:
        """A name that a size within may need."""
        self.frames[-1].inner.add(node.var)
        super().let(node)

    @on(BufferStore)
    def stored(self, store: BufferStore) -> None:
        """What a store uses may be used in place."""
        self.store = store
        self.statement(store)
        self.store = None

    @on(Allocate, DeclBuffer)
    def memory(self, node: Any) -> None:
        """An allocation belongs to what is around, or only to those directly nested with it."""
        top, self.top = self.top, None
        if isinstance(node, Allocate):
            self._add(node)
            if node.buffer_var in self.found:
                self._group(node, top or node).lives.append(self.found[node.buffer_var])
        if isinstance(node.body, (Allocate, DeclBuffer)):
            self.top = top or node
        self.visit(node.body)

    def _group(self, node: Allocate, top: Stmt) -> _Group:
        frame = self.frames[-1]
        size = (*node.extents, node.condition)
        if self.moves and not mentions(size, frame.inner) and not any(map(reads_memory, size)):
            return frame
        if self.groups[-1].home is not top:
            self.groups.append(_Group(top))
        return self.groups[-1]

    @on(Var)
    def use(self, var: Var) -> None:
        """A use of an address."""
        super().use(var)
        if var in self.found:
            self.uses.setdefault(var, []).append(_Use(self.clock, self.store, tuple(self.loops)))


class _Plan:
    """Which memory takes the place of which, and where it is allocated."""

    def __init__(self, body: Stmt, *, moves: bool) -> None:
        finder = _Groups(moves=moves)
        finder.measure(body)
        self.uses, self.moves = finder.uses, moves
        self.replaced: dict[Var, Var] = {}
        self.unused: set[Var] = set()
        self.moved: set[Var] = set()
        self.made: dict[int, list[Allocate]] = {}
        for group in finder.groups:
            self._assign(group)

    def _assign(self, group: _Group) -> None:
        free: list[Life] = []
        before = len(self.replaced)
        for life in sorted(group.lives, key=lambda one: one.first):
            var = life.node.buffer_var
            if life.first < 0:
                self.unused.add(var)
                continue
            home = next((one for one in free if self._fits(one, life)), None)
            if home is None:
                free.append(life)
            else:
                self.uses[home.node.buffer_var] = self.uses[var]
                home.last = max(home.last, life.last)
                self.replaced[var] = home.node.buffer_var
        if self.moves or len(self.replaced) > before:
            kept = [life.node for life in group.lives if life in free]
            self.moved.update(node.buffer_var for node in kept)
            self.made[id(group.home)] = kept

    def _fits(self, home: Life, life: Life) -> bool:
        one, other = home.node, life.node
        scope = scope_of(one.buffer_var)
        if scope != scope_of(other.buffer_var):
            return False
        if one.dtype != other.dtype and not _is_special(scope):
            return False
        if home.last < life.first:
            size = _bytes(other)
            return size is not None and (_bytes(one) or 0) >= size
        same = (
            one.dtype == other.dtype
            and len(one.extents) == len(other.extents)
            and all(map(structural_equal, one.extents, other.extents))
        )
        return self.moves and same and self._in_place(home, life)

    def _in_place(self, home: Life, life: Life) -> bool:
        """True if each element of `life` is computed from the same one of `home`, once, while
        both are in use."""
        old, new = home.node.buffer_var, life.node.buffer_var
        both = [use for use in self.uses[old] if use.clock >= life.first]
        both += [use for use in self.uses[new] if use.clock <= home.last]
        return all(_is_elementwise(use, old, new) for use in both)


class _Loads(Visitor):
    def __init__(self) -> None:
        self.loads: list[BufferLoad] = []
        self.others: set[Var] = set()

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> None:
        """An element that is read."""
        self.loads.append(load)
        self.visit(load.indices)

    @on(Call)
    def call(self, call: Call) -> None:
        """What an address is used for is not known."""
        if getattr(call.op, "name", "") == "tir.address_of":
            self.others.add(call.args[0].buffer.data)  # type: ignore[attr-defined]
        self.visit(call.args)

    @on(Var)
    def other(self, var: Var) -> None:
        """Another use."""
        self.others.add(var)


def _is_elementwise(use: _Use, old: Var, new: Var) -> bool:
    store = use.store
    if store is None or store.buffer.data is not new or store.predicate is not None:
        return False
    found = _Loads()
    found.walk((store.value, store.indices))
    for load in found.loads:
        if load.buffer.data is new:
            return False
        if load.buffer.data is old and not structural_equal(load.indices, store.indices):
            return False
    ranges = {loop.loop_var: Range(loop.min, loop.extent) for loop in use.loops}
    once = all(mentions(store.indices, {var}) for var in ranges)
    return once and is_injective(store.indices, ranges) and not found.others & {old, new}


def _is_special(scope: str) -> bool:
    """True for memory of a device, such as `local.acc`, whose contents have any type."""
    rank, _, tag = scope.partition(".")
    return rank in RANKS and tag not in KNOWN and not tag.startswith("texture")


def _bytes(node: Allocate) -> int | None:
    if len(node.extents) != 1 or not isinstance(node.extents[0], IntImm):
        return None
    return node.extents[0].value * max(1, dtype_of(node.dtype).bytes)


class _Place(Rewriter):
    """Allocates what is planned where it is planned."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan

    def _made(self, home: Stmt | None, body: Stmt) -> Stmt:
        for node in reversed(self.plan.made.get(id(home), [])):
            body = node.replace(body=body)
        return body

    @on(Allocate, DeclBuffer)
    def memory(self, node: Any) -> Stmt:
        """Memory allocated elsewhere or not at all, and what is declared of it."""
        new: Any = self.rewrite_children(node)
        plan = self.plan
        if isinstance(node, Allocate):
            gone = node.buffer_var in plan.unused or node.buffer_var in plan.replaced
            new = new.body if gone or node.buffer_var in plan.moved else new
        elif node.buffer.data in plan.unused:
            new = new.body
        return self._made(node, new)

    @on(For, AttrStmt)
    def around(self, node: Any) -> Stmt:
        """Memory of a task or a launch."""
        new: Any = self.rewrite_children(node)
        if id(node) not in self.plan.made:
            made: Stmt = new
            return made
        return new.replace(body=self._made(node, new.body))  # type: ignore[no-any-return]


def StorageRewrite(moves: bool = True) -> Pass:
    """for i: {allocate A; use A; allocate B; use B}   ->   allocate A; for i: {use A; use A}

    Memory is allocated around the loops in which it is used, but within tasks of parallel loops and
    within launches, and one allocation serves arrays of one type whose lives do not meet, or of
    which one is computed from the other element by element. Without `moves` allocations stay where
    they are, and only those that are directly nested share. Otherwise memory that is accessed by
    whole vectors, allocated or named by a `LetStmt`, becomes memory of vectors. The option
    `tir.disable_storage_rewrite` turns it off.
    """

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        if ctx.config.get(DISABLE_STORAGE_REWRITE):
            return func
        plan = _Plan(func.body, moves=moves)
        placer = _Place(plan)
        body = placer._made(None, placer.run(func.body))
        made = func.replace(body=substitute(body, plan.replaced))
        return memory_typed(made) if moves else made

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.StorageRewrite")
    return made
