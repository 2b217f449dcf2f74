"""Reductions whose iterations are threads: each thread reduces its part, then all exchange them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on, pre_order_visit
from ...support.errors import CompileError
from .. import op as O
from ..analysis.reduction import Factored, NotFactored, reduction_of
from ..arith.conditions import conjuncts
from ..arith.int_set import mentions
from ..arith.iter_map import detect_iter_map
from ..buffer import Buffer, decl_buffer
from ..expr import BufferLoad, Call, CommReducer, IterVar, IterVarType, Var
from ..function import PrimFunc
from ..stmt import (
    AttrStmt,
    Block,
    BlockRealize,
    BufferRegion,
    BufferStore,
    Evaluate,
    For,
    ForKind,
    Stmt,
    element_region,
    stmt_seq,
)  # fmt: skip
from ..stmt_functor import substitute
from .base import factory

ZERO = (IntImm("int32", 0),)
TRUE = IntImm("bool", 1)
Threads = dict[str, PrimExpr]


def _tag(loop: For) -> str:
    return loop.thread_binding.thread_tag if loop.thread_binding is not None else ""


@dataclass(eq=False)
class _Plan:
    """How the reduction of one block runs: `loops` are those of the reduction, outermost first."""

    realize: BlockRealize
    loops: list[For]
    reduction: Factored

    def __post_init__(self) -> None:
        self.bound = [loop for loop in self.loops if _tag(loop)]
        buffers = self.reduction.buffers
        self.crossing = tuple(_local(b, "cross_thread_") for b in buffers)
        whole = len(self.bound) == len(self.loops) and O.is_const_int(self.realize.predicate, 1)
        self.partial = () if whole else tuple(_local(b, "in_thread_") for b in buffers)

    @property
    def is_broadcast(self) -> bool:
        """True if every thread keeps the result for itself."""
        return all(buffer.scope() == "local" for buffer in self.reduction.buffers)

    def in_place(self) -> Stmt:
        """What stands for the block in the reduction's loops: a thread's part, if it has one."""
        if not self.partial:
            return stmt_seq()
        block = self.realize.block
        renamed = dict(zip(self.reduction.buffers, self.partial, strict=True))
        reads: dict[BufferRegion, None] = {}
        for region in block.reads:
            if region.buffer not in renamed:
                reads[region] = None
        made = block.replace(
            reads=tuple(reads),
            writes=_elements(self.partial),
            name_hint=f"{block.name_hint}_in_thread",
            body=_Partial(renamed).run(block.body),
            init=None,
        )
        return self.realize.replace(block=made)

    def around(self, body: Stmt) -> Stmt:
        """The start, the thread's part, the exchange and the result, in the reduction's threads."""
        made = stmt_seq(self._start(), body, self._exchange(), self._result())
        for loop in reversed(self.bound):
            made = loop.replace(body=made)
        return made

    def _start(self) -> Stmt:
        if not self.partial:
            return stmt_seq()
        name = f"{self.realize.block.name_hint}_in_thread_init"
        stores = [
            BufferStore(b, v, ZERO)
            for b, v in zip(self.partial, self.reduction.identities, strict=True)
        ]
        return _realized((), _elements(self.partial), name, stmt_seq(stores))

    def _exchange(self) -> Stmt:
        block, reduction = self.realize.block, self.reduction
        parts = _loads(self.partial) if self.partial else list(reduction.values)
        count = O.const(len(parts), "uint32")
        threads = [loop.loop_var for loop in self.bound]
        args = (count, *parts, TRUE, *_loads(self.crossing), *threads)
        call = Evaluate(Call("handle", "tir.tvm_thread_allreduce", args))
        reducer = CommReducer(
            reduction.left, reduction.right, reduction.results, reduction.identities
        )
        null = O.reinterpret("handle", O.const(0, "uint64"))
        body = AttrStmt(reducer, "reduce_scope", null, call)
        name, writes = f"{block.name_hint}_cross_thread", _elements(self.crossing)
        if self.partial:
            return _realized(_elements(self.partial), writes, name, body)
        reads = tuple(r for r in block.reads if r.buffer not in reduction.buffers)
        made = Block(block.iter_vars, reads, writes, name, body)
        return BlockRealize(self.realize.iter_values, TRUE, made)

    def _result(self) -> Stmt:
        block, reduction = self.realize.block, self.reduction
        axes, values, env = [], [], {}
        for axis, value in zip(block.iter_vars, self.realize.iter_values, strict=True):
            if axis.iter_type == IterVarType.DataPar:
                env[axis.var] = axis.var.copy_with_name(axis.var.name)
                axes.append(axis.replace(var=env[axis.var]))
                values.append(value)
        stores = [
            BufferStore(s.buffer, value, tuple(substitute(i, env) for i in s.indices))
            for s, value in zip(reduction.stores, _loads(self.crossing), strict=True)
        ]
        conditions = self._spatial_conditions()
        if not self.is_broadcast:
            conditions += [O.equal(loop.loop_var, loop.min) for loop in self.bound]
        writes = tuple(substitute(region, env) for region in block.writes)
        name = f"{block.name_hint}_write_back"
        made = Block(tuple(axes), _elements(self.crossing), writes, name, stmt_seq(stores))
        return BlockRealize(tuple(values), O.every(conditions), made)

    def _spatial_conditions(self) -> list[PrimExpr]:
        """Where a result exists: it does where it exists at the first step of the reduction."""
        first = {loop.loop_var: loop.min for loop in self.loops}
        found = []
        for condition in conjuncts(self.realize.predicate, opens_likely=True):
            if mentions(condition, set(first)):
                condition = O.simplified(substitute(condition, first))
            found.append(condition)
        return found


def _local(buffer: Buffer, prefix: str) -> Buffer:
    return decl_buffer((1,), buffer.dtype, prefix + buffer.name, strides=(1,), scope="local")


def _loads(buffers: Sequence[Buffer]) -> list[PrimExpr]:
    return [BufferLoad(buffer, ZERO) for buffer in buffers]


def _elements(buffers: Sequence[Buffer]) -> tuple[BufferRegion, ...]:
    return tuple(element_region(buffer, ZERO) for buffer in buffers)


class _Partial(Rewriter):
    """Accesses of what is reduced to as accesses of a thread's part."""

    def __init__(self, parts: dict[Buffer, Buffer]) -> None:
        self.parts = parts

    @on(BufferLoad, BufferStore)
    def access(self, node: Any) -> Any:
        """B[i]   ->   p[0]"""
        new = self.rewrite_children(node)
        part = self.parts.get(node.buffer)
        return new if part is None else new.replace(buffer=part, indices=ZERO)


def _realized(
    reads: tuple[BufferRegion, ...], writes: tuple[BufferRegion, ...], name: str, body: Stmt
) -> Stmt:
    return BlockRealize((), TRUE, Block((), reads, writes, name, body))


class _Lower(Rewriter):
    def __init__(self) -> None:
        self.loops: list[For] = []
        self.blocks: list[Block] = []
        self.made: list[list[Buffer]] = []
        self.around: list[str] = []
        self.plan: _Plan | None = None
        self.kept: dict[Buffer, Threads] = {}

    @on(Block)
    def block(self, block: Block) -> Block:
        """The block allocates what the reductions in it exchange."""
        loops, self.loops = self.loops, []
        self.blocks.append(block)
        self.made.append([])
        new: Block = self.rewrite_children(block)
        made = self.made.pop()
        self.blocks.pop()
        self.loops = loops
        return new.replace(alloc_buffers=(*new.alloc_buffers, *made)) if made else new

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """The threads of a reduction go around its other loops."""
        self.loops.append(loop)
        self.around.append(_tag(loop))
        body: Stmt = self.rewrite(loop.body)
        self.around.pop()
        self.loops.pop()
        plan = self.plan
        if plan is not None and loop in plan.loops:
            inner = body if loop in plan.bound else loop.replace(body=body)
            if loop is not plan.loops[0]:
                return inner
            self.plan = None
            return plan.around(inner)
        return loop if body is loop.body else loop.replace(body=body)

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> Stmt:
        """A block that threads reduce together, or one that uses what they keep for themselves."""
        reducing = self._reducing_loops(realize)
        if not any(map(_tag, reducing)):
            return self._once(self.rewrite_children(realize))
        _require(realize.block, reducing, self.loops)
        try:
            reduction = reduction_of(realize.block)
        except NotFactored as why:
            raise _refused(realize.block, str(why)) from None
        plan = self.plan = _Plan(realize, reducing, reduction)
        if plan.is_broadcast:
            threads = {_tag(loop): loop.extent for loop in plan.bound}
            self.kept.update(dict.fromkeys(reduction.buffers, threads))
        self.made[-1] += [*plan.crossing, *plan.partial]
        return plan.in_place()

    def _reducing_loops(self, realize: BlockRealize) -> list[For]:
        """The loops of the block's reduction; none if it is none that can be told apart."""
        block = realize.block
        if not self.blocks or block.init is None:
            return []
        reducing: list[PrimExpr] = []
        for axis, value in zip(block.iter_vars, realize.iter_values, strict=True):
            if axis.iter_type == IterVarType.CommReduce:
                reducing.append(value)
            elif axis.iter_type != IterVarType.DataPar:
                return []
        found = [loop for loop in self.loops if mentions(reducing, {loop.loop_var})]
        if not any(map(_tag, found)):
            return []
        axes = {a.var for a in block.iter_vars if a.iter_type == IterVarType.CommReduce}
        ranges = {loop.loop_var: Range(loop.min, loop.extent) for loop in self.loops}
        is_affine = not detect_iter_map(realize.iter_values, ranges, realize.predicate).errors
        is_told_apart = not mentions(block.writes, axes) and self._is_only_writer(block)
        return found if is_affine and is_told_apart else []

    def _is_only_writer(self, block: Block) -> bool:
        written = {region.buffer.data for region in block.writes}
        others = [r.block for r in _blocks_in(self.blocks[-1].body) if r.block is not block]
        return not any(r.buffer.data in written for other in others for r in other.writes)

    def _once(self, realize: BlockRealize) -> Stmt:
        """A block that reads what each thread has for itself stores it for all others once."""
        block = realize.block
        if all(region.buffer.scope() == "local" for region in block.writes):
            return realize
        missing: Threads = {}
        for region in block.reads:
            for tag, extent in self.kept.get(region.buffer, {}).items():
                if tag not in self.around:
                    missing[tag] = extent
        made: Stmt = realize
        loops = []
        conditions = []
        for tag, extent in missing.items():
            var = Var(f"t{tag[-1]}", extent.dtype)
            axis = IterVar(None, Var("", extent.dtype), IterVarType.ThreadIndex, tag)
            loops.append((var, extent, axis))
            conditions.append(O.equal(var, 0))
        predicate = realize.predicate
        for condition in reversed(conditions):
            predicate = O.logical_and(condition, predicate)
        made = realize.replace(predicate=predicate) if conditions else realize
        for var, extent, axis in reversed(loops):
            zero = IntImm(var.dtype, 0)
            made = For(var, zero, extent, ForKind.THREAD_BINDING, made, axis)
        return made


def _blocks_in(stmt: Stmt) -> list[BlockRealize]:
    """The blocks under a statement, those within blocks not, in order."""
    found: list[BlockRealize] = []

    def look(node: Any) -> bool:
        if isinstance(node, BlockRealize):
            found.append(node)
            return False
        return True

    pre_order_visit(stmt, look)
    return found


def _require(block: Block, reducing: list[For], loops: list[For]) -> None:
    """Raises `ThreadReductionError` where the threads cannot be put around the reduction."""
    if loops[len(loops) - len(reducing) :] != reducing:
        inner = next(loop for loop in reversed(loops) if loop not in reducing)
        raise _refused(block, f"loop `{inner.loop_var.name}` lies within its loops")
    for loop in reducing:
        if _tag(loop) and not _tag(loop).startswith("threadIdx"):
            name = loop.loop_var.name
            raise _refused(block, f"its loop `{name}` is bound to {_tag(loop)}, not to threadIdx")
    after = _blocks_in(reducing[0].body)[-1].block
    if after is not block:
        raise _refused(block, f"block `{after.name_hint}` comes after it in its loops")


class ThreadReductionError(CompileError, ValueError):
    """A block that threads cannot reduce together."""


def _refused(block: Block, why: str) -> ThreadReductionError:
    message = f"block `{block.name_hint}` cannot be reduced across threads: {why}"
    return ThreadReductionError(message, block.span)


@factory
def LowerCrossThreadReduction(func: PrimFunc) -> PrimFunc:
    """for ko: for ki in threadIdx.x: B[i] += A[i, ko, ki]
    ->   for ki in threadIdx.x: p = 0; for ko: p += A; q = allreduce(p); if ki == 0: B[i] = q

    Applies to reduction blocks with loops bound to threads among those of the reduction. Where
    there are no other such loops and no condition, there is no `p`. A result in local memory is
    kept by each thread; a block that stores what follows from it is run by the first one alone.
    Raises `ThreadReductionError` if the operation is not known to be commutative, if loops are
    bound to other than `threadIdx`, or if other loops or later blocks lie within the reduction's
    loops.
    """
    return func.replace(body=_Lower().run(func.body))
