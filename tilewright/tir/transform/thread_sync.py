"""Barriers where threads of a block read what others wrote."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, Visitor, on
from ...ir.structural import structural_equal
from ...ir.transform import Pass, PassContext
from ...support.dtypes import ScalableLanes
from ...support.errors import CompileError
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import reads_memory
from ..arith.int_set import mentions
from ..arith.iter_map import is_injective
from ..arith.vectors import affine
from ..buffer import Buffer
from ..expr import BufferLoad, Call, IterVar, StringImm, Var
from ..function import PrimFunc
from ..stmt import (
    Allocate,
    AllocateConst,
    AttrStmt,
    BufferStore,
    DeclBuffer,
    Evaluate,
    For,
    IfThenElse,
    LetStmt,
    SeqStmt,
    Stmt,
    While,
)
from .base import prim_func_pass
from .shared_lives import Life, Lives, scope_of


@dataclass(eq=False)
class _Access:
    """A use of shared memory; `indices` and `view` are None for one by address."""

    memory: Var
    indices: tuple[PrimExpr, ...] | None
    writes: bool
    view: Buffer | None = None


@dataclass(eq=False)
class _Part:
    """A statement with barriers: the accesses before the first one, those after the last one."""

    stmt: Stmt
    first: list[_Access]
    last: list[_Access]
    has_barrier: bool = False


class _Accesses(Visitor):
    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.found: list[_Access] = []

    def _add(self, memory: Var, writes: bool) -> None:
        if scope_of(memory) == self.scope:
            self.found.append(_Access(memory, None, writes))

    def _add_element(self, access: Any, writes: bool) -> None:
        buffer = access.buffer
        if scope_of(buffer.data) == self.scope:
            self.found.append(_Access(buffer.data, access.indices, writes, buffer))

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> None:
        """A read."""
        self._add_element(load, False)
        self.visit(load.indices)

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """A write, after the reads of its value."""
        self.visit((store.value, store.indices))
        self._add_element(store, True)

    @on(Var)
    def address(self, var: Var) -> None:
        """An address handed out may be read and written through."""
        self._add(var, True)

    @on(Call)
    def call(self, call: Call) -> None:
        """What is handed out with a mask is read or written accordingly."""
        if getattr(call.op, "name", "") == "tir.tvm_access_ptr":
            mask = getattr(call.args[4], "value", 3)
            self._add(call.args[1], bool(mask & 2))  # type: ignore[arg-type]
            self.visit((call.args[2], call.args[3]))
        else:
            self.visit(call.args)


@dataclass(eq=False)
class _Plan:
    """Places barriers in the body of a launch."""

    scope: str
    threads: dict[Var, Range] = field(default_factory=dict)
    loops: dict[Var, Range] = field(default_factory=dict)
    active: list[Var] = field(default_factory=list)
    ambiguous: set[Var] = field(default_factory=set)
    names: set[Var] = field(default_factory=set)
    lives: dict[Var, Life] = field(default_factory=dict)

    def barrier(self) -> Stmt:
        """tvm_storage_sync(scope)"""
        return Evaluate(Call("int32", "tir.tvm_storage_sync", (StringImm(self.scope),)))

    def of(self, stmt: Stmt) -> _Part:
        """`stmt` with the barriers that it needs inside."""
        made: _Part = _PLANS.get(type(stmt), _Plan._leaf)(self, stmt)
        return made

    def _leaf(self, stmt: Stmt) -> _Part:
        finder = _Accesses(self.scope)
        finder.walk(stmt)
        return _Part(stmt, finder.found, finder.found)

    def _wrapped(self, stmt: Any) -> _Part:
        axis = stmt.node if isinstance(stmt, AttrStmt) else None
        if isinstance(axis, IterVar) and axis.thread_tag.startswith("threadIdx"):
            self.threads[axis.var] = Range(IntImm(axis.var.dtype, 0), stmt.value)
        own = self._leaf(Evaluate(stmt.value)).first if isinstance(stmt, LetStmt) else []
        if isinstance(stmt, LetStmt):
            self.names.add(stmt.var)
        part = self.of(stmt.body)
        last = part.last if part.has_barrier else own + part.last
        return _Part(stmt.replace(body=part.stmt), own + part.first, last, part.has_barrier)

    def _sequence(self, stmt: Any) -> _Part:
        out: list[Stmt] = []
        first: list[_Access] = []
        pending: list[_Access] = []
        has_barrier = False
        for each in stmt.seq:
            part = self.of(each)
            if self._conflict(pending, part.first):
                out.append(self.barrier())
                pending, has_barrier = [], True
            if not has_barrier:
                first = first + part.first
            pending = part.last if part.has_barrier else pending + part.last
            has_barrier = has_barrier or part.has_barrier
            out.append(part.stmt)
        changed = any(a is not b for a, b in zip(out, stmt.seq, strict=False)) or len(out) > len(
            stmt.seq
        )
        made = SeqStmt(tuple(out)) if changed else stmt
        return _Part(made, first, pending, has_barrier)

    def _loop(self, stmt: Any) -> _Part:
        if self._varies((stmt.min, stmt.extent) if isinstance(stmt, For) else stmt.condition):
            return self._divergent(stmt)
        if isinstance(stmt, For):
            self._enter(stmt)
            self.active.append(stmt.loop_var)
        part = self.of(stmt.body)
        if isinstance(stmt, For):
            self.active.pop()
        body, first = part.stmt, part.first
        has_barrier = part.has_barrier
        if self._conflict(part.last, part.first):
            body = SeqStmt((self.barrier(), *_flat(body)))
            first, has_barrier = [], True
        return _Part(stmt.replace(body=body), first, part.last, has_barrier)

    def _enter(self, loop: For) -> None:
        """The range of a loop; one variable may run through several."""
        made = Range(loop.min, loop.extent)
        if not structural_equal(self.loops.setdefault(loop.loop_var, made), made):
            self.ambiguous.add(loop.loop_var)
        self.loops[loop.loop_var] = made

    def _branch(self, stmt: Any) -> _Part:
        if self._varies(stmt.condition):
            return self._divergent(stmt)
        yes = self.of(stmt.then_case)
        no = _Part(stmt.then_case, [], []) if stmt.else_case is None else self.of(stmt.else_case)
        condition = self._leaf(Evaluate(stmt.condition)).first
        other = None if stmt.else_case is None else no.stmt
        last = yes.last + no.last
        if not (yes.has_barrier and no.has_barrier):
            last = last + condition
        return _Part(
            stmt.replace(then_case=yes.stmt, else_case=other), condition + yes.first + no.first,
            last, False if stmt.else_case is None else yes.has_barrier and no.has_barrier,
        )  # fmt: skip

    def _divergent(self, stmt: Stmt) -> _Part:
        """Threads differ in whether they come here: no barrier can stand inside."""
        inner = replace(self)
        inner._in_divergence(stmt)
        return self._leaf(stmt)

    def _in_divergence(self, stmt: Any) -> None:
        bodies = [getattr(stmt, n, None) for n in ("body", "then_case", "else_case")]
        for body in bodies:
            if body is not None and self.of(body).has_barrier:
                raise CompileError(
                    "threads that take different ways need a barrier in one of them", stmt.span,
                    hint="move what is shared out of the condition on the thread",
                )  # fmt: skip

    def _varies(self, value: Any) -> bool:
        return mentions(value, self.threads)

    def _conflict(self, before: list[_Access], after: list[_Access]) -> bool:
        return any((a.writes or b.writes) and self._overlap(a, b) for a in before for b in after)

    def _overlap(self, a: _Access, b: _Access) -> bool:
        """True if threads may touch one place of memory; lives that do not meet may share it."""
        if a.memory is b.memory:
            return not (_one_view(a, b) and (self._is_own(a, b) or self._are_apart(a, b)))
        one, other = self.lives.get(a.memory), self.lives.get(b.memory)
        return one is not None and other is not None and not one.meets(other)

    def _are_apart(self, a: _Access, b: _Access) -> bool:
        """True if the indices have no value in common, such as those of the halves of memory."""
        if a.indices is None or b.indices is None:
            return False
        analyzer = Analyzer()
        for var, range_ in (*self.threads.items(), *self.loops.items()):
            if var not in self.ambiguous:
                analyzer.bind(var, range_)
        pairs = zip(a.indices, b.indices, strict=True)
        ends = ((_ends(analyzer, one), _ends(analyzer, other)) for one, other in pairs)
        return any(high < least or most < low for (low, high), (least, most) in ends)

    def _is_own(self, a: _Access, b: _Access) -> bool:
        """True if each thread touches places of its own: no two threads the same, whichever
        iterations of the loops inside they are in."""
        if a.indices is None or b.indices is None:
            return False
        if not all(map(structural_equal, a.indices, b.indices)):
            return False
        if mentions(a.indices, self.names) or any(map(reads_memory, a.indices)):
            return False
        wide = {v: r for v, r in self.threads.items() if not O.is_const_int(r.extent, 1)}
        if not all(mentions(a.indices, {v}) for v in wide):
            return False
        inner = {v: r for v, r in self.loops.items() if v not in self.active}
        wide.update({v: r for v, r in inner.items() if mentions(a.indices, {v})})
        return is_injective(a.indices, wide)


def _one_view(a: _Access, b: _Access) -> bool:
    """True if equal indices are the same place, others are not: the views of memory are alike."""
    if a.view is None or b.view is None:
        return False
    return a.view is b.view or structural_equal(
        (a.view.dtype, a.view.shape, a.view.strides, a.view.elem_offset),
        (b.view.dtype, b.view.shape, b.view.strides, b.view.elem_offset),
    )


def _ends(analyzer: Analyzer, index: PrimExpr) -> tuple[float, float]:
    """The least and the largest element that `index` may be, of all lanes."""
    lanes = affine(index)
    if lanes is None or isinstance(lanes[2], ScalableLanes):
        return analyzer.engine.interval(index) if "x" not in index.dtype else (-inf, inf)
    first, stride, count = lanes
    ends = [*_ends(analyzer, first), *_ends(analyzer, first + stride * (count - 1))]
    return min(ends), max(ends)


def _flat(stmt: Stmt) -> tuple[Stmt, ...]:
    return stmt.seq if isinstance(stmt, SeqStmt) else (stmt,)


_PLANS: dict[type[Any], Any] = {
    SeqStmt: _Plan._sequence, For: _Plan._loop, While: _Plan._loop, IfThenElse: _Plan._branch,
    **dict.fromkeys((AttrStmt, Allocate, AllocateConst, DeclBuffer, LetStmt), _Plan._wrapped),
}  # fmt: skip


class _Launches(Rewriter):
    def __init__(self, scope: str, lives: dict[Var, Life]) -> None:
        self.scope, self.lives = scope, lives

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """The outermost launch: what is inside is planned as a whole."""
        if node.attr_key != "thread_extent":
            return self.rewrite_children(node)
        return _Plan(self.scope, lives=self.lives).of(node).stmt


def ThreadSync(storage_scope: str) -> Pass:
    """S[tx] = f; g(S[tx + 1])   ->   S[tx] = f; tvm_storage_sync(scope); g(S[tx + 1])

    A barrier stands between two accesses of memory in `storage_scope` of which one writes, unless
    each thread touches a place of its own or the two touch different places. Dynamic shared memory
    that is not in use at one time counts as the same: MergeSharedMemoryAllocations may put it in
    one place.
    """

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        lives = Lives(storage_scope).measure(func.body) if storage_scope == "shared.dyn" else {}
        return func.replace(body=_Launches(storage_scope, lives).run(func.body))

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.ThreadSync")
    return made
