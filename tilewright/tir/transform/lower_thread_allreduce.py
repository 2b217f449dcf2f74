"""Reductions over the threads of a block, by shuffles within warps or through shared memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ...target import Target
from .. import op as O
from ..arith.int_set import mentions
from ..buffer import Buffer, decl_buffer
from ..expr import BufferLoad, Call, CommReducer, IterVar, Var
from ..function import PrimFunc
from ..stmt import (
    Allocate,
    AttrStmt,
    BufferStore,
    DeclBuffer,
    Evaluate,
    IfThenElse,
    LetStmt,
    Stmt,
    stmt_seq,
)  # fmt: skip
from ..stmt_functor import substitute
from .base import factory

NAME = "tir.tvm_thread_allreduce"
SHUFFLES = ("cuda", "metal", "rocm")
"""Kinds of targets whose warps exchange values."""
DIMENSIONS = ("threadIdx.x", "threadIdx.y", "threadIdx.z")
ZERO, TRUE = IntImm("int32", 0), IntImm("bool", 1)
Values = list[PrimExpr]


@dataclass(eq=False)
class _Place:
    """Where a thread is: `index` of `count` among those that reduce together (`contiguous` of
    which are neighbours), in the group `group` of `groups`."""

    index: PrimExpr
    count: int
    contiguous: int
    group: PrimExpr
    groups: int


@dataclass(eq=False)
class _Memory:
    """Arrays made for one reduction."""

    made: list[Buffer] = field(default_factory=list)

    def new(self, dtypes: Sequence[str], name: str, scope: str, size: int = 1) -> list[Buffer]:
        """One array of `size` elements a type."""
        found = [decl_buffer((size,), d, name.format(k), scope=scope) for k, d in enumerate(dtypes)]
        self.made += found
        return found

    def around(self, body: Stmt) -> Stmt:
        """`body` with the arrays allocated."""
        for buffer in reversed(self.made):
            body = _allocated(buffer, DeclBuffer(buffer, body))
        return body


def _allocated(buffer: Buffer, body: Stmt) -> Allocate:
    return Allocate(buffer.data, buffer.dtype, buffer.shape, TRUE, body)


class _Reduction:
    """One call of the intrinsic, in other words; `results` are where all threads find them."""

    def __init__(self, reducer: CommReducer, values: Values, place: _Place, target: Target) -> None:
        self.reducer, self.values, self.place = reducer, values, place
        self.dtypes = [value.dtype for value in values]
        self.warp = target.thread_warp_size
        self.has_mask = target.kind.name != "metal"
        self.memory = _Memory()
        self.results: Values = []

    def by_shuffles(self) -> Stmt:
        """The warps reduce; where there are several, one of them reduces what they made."""
        place = self.place
        if place.count <= self.warp:
            parts, steps, mask = self._shuffled(place.count)
            lane = O.multiply(place.count, place.group)
            spread = [self._shuffle("tvm_warp_shuffle", mask, b, lane) for b in parts]
            self._keep(parts, ZERO)
            self.memory.made = [b for b in self.memory.made if b not in parts]
            first = self._stored(parts, ZERO, self.values)
            return stmt_seq(first, *steps, self._stored(parts, ZERO, spread))
        warps = place.count // self.warp
        results = [
            decl_buffer((place.groups,), d, "red_result", scope="shared") for d in self.dtypes
        ]
        others, more, _ = self._shuffled(warps)
        parts, steps, _ = self._shuffled(self.warp)
        staging = self.memory.new(self.dtypes, "red_buf_staging", "shared", place.groups * warps)
        base = O.multiply(place.group, warps)
        slot = O.add(base, O.floordiv(place.index, self.warp))
        is_first = O.equal(O.floormod(place.index, self.warp), 0)
        again = _loads(staging, O.add(base, place.index))
        self._keep(results, place.group)
        return stmt_seq(
            self._stored(parts, ZERO, self.values),
            *steps,
            IfThenElse(is_first, self._stored(staging, slot, _loads(parts, ZERO))),
            _barrier(),
            IfThenElse(O.less(place.index, warps), self._stored(others, ZERO, again)),
            *more,
            IfThenElse(
                O.equal(place.index, 0),
                self._stored(results, place.group, _loads(others, ZERO)),
            ),
            _barrier(),
        )

    def _shuffled(self, count: int) -> tuple[list[Buffer], list[Stmt], PrimExpr]:
        """Registers whose first `count` of a warp are reduced into the first one, and how."""
        own = self.memory.new(self.dtypes, "red_buf{}", "local")
        steps: list[Stmt] = []
        mask: PrimExpr = ZERO
        if self.has_mask:
            (kept,) = self.memory.new(["uint32"], "mask", "local")
            mask = BufferLoad(kept, (ZERO,))
            steps.append(BufferStore(kept, Call("uint32", "tir.tvm_warp_activemask", ()), (ZERO,)))
        theirs = self.memory.new(self.dtypes, "t{}", "local")
        offset = _half(count)
        while offset:
            fetched = [
                self._shuffle("tvm_warp_shuffle_down", mask, b, O.const(offset)) for b in own
            ]
            steps.append(self._stored(theirs, ZERO, fetched))
            step = self._combined(own, ZERO, _loads(theirs, ZERO))
            is_whole = 2 * offset <= count
            inside = O.less(O.add(self.place.index, offset), count)
            steps.append(step if is_whole else IfThenElse(inside, step))
            count, offset = offset, offset // 2
        return own, steps, mask

    def _shuffle(self, name: str, mask: PrimExpr, buffer: Buffer, lane: PrimExpr) -> PrimExpr:
        size = O.const(self.warp)
        args = (mask, BufferLoad(buffer, (ZERO,)), lane, size, size)
        return Call(buffer.dtype, f"tir.{name}", args)

    def through_memory(self) -> Stmt:
        """The threads halve an array in shared memory until one element is left."""
        place = self.place
        size = place.groups * place.count
        shared = [
            decl_buffer((size,), d, f"red_buf{k}", scope="shared")
            for k, d in enumerate(self.dtypes)
        ]
        base = O.multiply(place.group, place.count)
        at = O.add(base, place.index)
        steps = [_barrier(), self._stored(shared, at, self.values), _barrier()]
        count, offset = place.count, _half(place.count)
        while offset:
            step = self._combined(shared, at, _loads(shared, O.add(at, offset)))
            steps += [IfThenElse(O.less(place.index, count - offset), step), _barrier()]
            count, offset = offset, offset // 2
        self._keep(shared, base)
        return stmt_seq(*steps)

    def _keep(self, buffers: Sequence[Buffer], index: PrimExpr) -> None:
        self.results = _loads(buffers, index)

    def _stored(self, buffers: Sequence[Buffer], index: PrimExpr, values: Values) -> Stmt:
        pairs = zip(buffers, values, strict=True)
        return stmt_seq([BufferStore(b, v, (index,)) for b, v in pairs])

    def _combined(self, buffers: Sequence[Buffer], index: PrimExpr, theirs: Values) -> Stmt:
        """What is there combined with `theirs`; values named where a store changes another."""
        reducer = self.reducer
        own = zip(reducer.lhs, _loads(buffers, index), strict=True)
        env = {**dict(own), **dict(zip(reducer.rhs, theirs, strict=True))}
        values = [substitute(result, env) for result in reducer.result]
        clobbered = any(
            mentions(later, set(reducer.lhs[:k])) for k, later in enumerate(reducer.result)
        )
        if not clobbered:
            return self._stored(buffers, index, values)
        names = [Var(f"w{k}", value.dtype) for k, value in enumerate(values)]
        body = self._stored(buffers, index, list(names))
        for name, value in zip(reversed(names), reversed(values), strict=True):
            body = LetStmt(name, value, body)
        return body


def _half(count: int) -> int:
    """The largest power of two below `count`; 0 for 1."""
    return 1 << ((count - 1).bit_length() - 1) if count > 1 else 0


def _loads(buffers: Sequence[Buffer], index: PrimExpr) -> Values:
    return [BufferLoad(buffer, (index,)) for buffer in buffers]


def _barrier() -> Stmt:
    return Evaluate(O.tvm_storage_sync("shared"))


class _Lower(Rewriter):
    def __init__(self, func: PrimFunc) -> None:
        self.func = func
        self.threads: dict[str, tuple[Var, PrimExpr]] = {}
        self.reducer: CommReducer | None = None
        self.moved: dict[Var, BufferLoad] = {}
        self.allocated: set[Var] = set()

    @property
    def target(self) -> Target:
        """What the reductions of the function are lowered for."""
        given = self.func.attrs.get("target")
        if given is None:
            raise CompileError(
                "LowerThreadAllreduce needs the target of the function",
                self.func.span, hint="apply BindTarget before",
            )  # fmt: skip
        return Target(given)

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """Results may lie in memory allocated here."""
        self.allocated.add(node.buffer_var)
        return self.rewrite_children(node)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """Threads have an extent; a reduction has its operation around it."""
        if node.attr_key == "thread_extent" and isinstance(node.node, IterVar):
            tag = node.node.thread_tag
            before = self.threads.get(tag)
            self.threads[tag] = (node.node.var, node.value)
            made: Stmt = self.rewrite_children(node)
            if before is None:
                del self.threads[tag]
            else:
                self.threads[tag] = before
            return made
        if node.attr_key != "reduce_scope" or not isinstance(node.node, CommReducer):
            return self.rewrite_children(node)
        outer, self.reducer = self.reducer, node.node
        body: Stmt = self.rewrite(node.body)
        self.reducer = outer
        return node.replace(body=body)

    @on(Evaluate)
    def evaluate(self, stmt: Evaluate) -> Stmt:
        """A call of the intrinsic becomes the code of its reduction."""
        call = stmt.value
        if not isinstance(call, Call) or getattr(call.op, "name", "") != NAME:
            return stmt
        if self.reducer is None:
            raise CompileError(f"{NAME} is called outside of a `reduce_scope`", call.span)
        count = int(O.const_value(call.args[0]) or 0)
        given: list[Any] = list(call.args[1:])
        values, condition, rest = given[:count], given[count], given[count + 1 :]
        results, axes = rest[:count], rest[count:]
        for result in results:
            if not isinstance(result, BufferLoad) or result.buffer.data not in self.allocated:
                raise CompileError(
                    f"{NAME} stores to an element of allocated memory, found {result}", call.span
                )
        if not O.is_const_int(condition, 1):
            identities = self.reducer.identity_element
            values = [O.select(condition, v, i) for v, i in zip(values, identities, strict=True)]
        place = self._place([axis for axis in axes if isinstance(axis, Var)], call)
        if place.count == 1:
            stores = [
                BufferStore(r.buffer, v, r.indices) for r, v in zip(results, values, strict=True)
            ]
            return stmt_seq(stores)
        reduction = _Reduction(self.reducer, values, place, self.target)
        by_shuffles = self._can_shuffle(reduction.dtypes, place)
        made = reduction.by_shuffles() if by_shuffles else reduction.through_memory()
        for result, load in zip(results, reduction.results, strict=True):
            assert isinstance(load, BufferLoad)
            self.moved[result.buffer.data] = load
        return reduction.memory.around(made)

    def _place(self, axes: list[Var], call: Call) -> _Place:
        own = {tag: pair for tag, pair in self.threads.items() if tag in DIMENSIONS}
        missing = [axis for axis in axes if all(axis is not var for var, _ in own.values())]
        if missing:
            raise CompileError(f"`{missing[0].name}` is no thread of the block", call.span)
        index: PrimExpr = ZERO
        group: PrimExpr = ZERO
        count = groups = contiguous = 1
        for tag in DIMENSIONS:
            if tag not in own:
                continue
            var, value = own[tag]
            extent = O.const_value(value)
            if not isinstance(extent, int):
                raise CompileError(f"{tag} has an extent known only when run: {value}", call.span)
            place = O.cast(var, "int32") if extent > 1 else ZERO
            if var in axes:
                index = O.add(index, O.multiply(place, count))
                count *= extent
                contiguous *= extent if groups == 1 else 1
            else:
                group = O.add(group, O.multiply(place, groups))
                groups *= extent
        return _Place(index, count, contiguous, group, groups)

    def _can_shuffle(self, dtypes: list[str], place: _Place) -> bool:
        kind, warp = self.target.kind.name, self.target.thread_warp_size
        infos = [dtype_of(dtype) for dtype in dtypes]
        if kind not in SHUFFLES or place.contiguous != place.count:
            return False
        if any(info.lanes != 1 or info.bits not in (16, 32, 64) for info in infos):
            return False
        if kind == "rocm":
            return place.count == warp and all(info.bits == 32 for info in infos)
        if warp % place.count == 0 or (place.groups == 1 and place.count <= warp):
            return True
        return place.count % warp == 0 and self.target.max_num_threads <= warp * warp


class _Move(Rewriter):
    """Results are read from where the reduction leaves them."""

    def __init__(self, moved: dict[Var, BufferLoad]) -> None:
        self.moved = moved

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """The memory of the result takes the place of what was there for it."""
        load = self.moved.get(node.buffer_var)
        if load is None:
            return self.rewrite_children(node)
        body: Stmt = self.rewrite(node.body)
        if load.buffer.scope() == "shared":
            body = AttrStmt(load.buffer.data, "volatile_scope", O.const(1), body)
        return _allocated(load.buffer, body)

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> Stmt:
        """A declaration of the result declares its new memory."""
        load = self.moved.get(node.buffer.data)
        if load is None:
            return self.rewrite_children(node)
        return DeclBuffer(load.buffer, self.rewrite(node.body))

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """cross[0]   ->   result[group]"""
        new = self.rewrite_children(access)
        load = self.moved.get(access.buffer.data)
        return new if load is None else new.replace(buffer=load.buffer, indices=load.indices)

    @on(Var)
    def variable(self, var: Var) -> Var:
        """The address of the result."""
        load = self.moved.get(var)
        return var if load is None else load.buffer.data

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers are replaced where they are accessed."""
        return buffer


@factory
def LowerThreadAllreduce(func: PrimFunc) -> PrimFunc:
    """tvm_thread_allreduce(1, v, True, r[0], tx)
    ->   b[0] = v; t = shuffle_down(b, 16); b[0] += t; ...; b[0] = shuffle(b, 0)

    Shuffles where the target has them, the values have 16, 32 or 64 bits, and the threads that
    reduce together are neighbours and a part of a warp or whole warps; an array in shared memory
    else. The result is read where it comes to lie. Raises `CompileError` without a target, for
    extents known only when run, and for results that are no elements of allocated memory.
    """
    lowering = _Lower(func)
    body = lowering.run(func.body)
    return func.replace(body=_Move(lowering.moved).run(body) if lowering.moved else body)
