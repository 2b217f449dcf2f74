"""Copies between the memories of a GPU, spread over the threads of a block."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on, post_order_visit
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from .. import op as O
from ..arith import Analyzer
from ..buffer import Buffer, decl_buffer
from ..expr import BufferLoad, IterVar, IterVarType, Var
from ..function import PrimFunc
from ..stmt import AttrStmt, Block, BufferStore, For, ForKind, IfThenElse, Stmt, stmt_seq
from ..stmt_functor import substitute
from .base import factory
from .copy_fragments import FRAGMENTS, fragment_copy
from .shared_padding import WARP, WarpAccess, of_fragment, of_threads, padded

MARK = "auto_copy"
_THREADS = ("threadIdx.y", "threadIdx.z", "threadIdx.x")
"""Threads from slow to fast: neighbours in `threadIdx.x` copy neighbours in memory."""


@factory
def LowerAutoCopy(func: PrimFunc) -> PrimFunc:
    """for i, j: S[i, j] = A[i, j]   ->   for f0, ty, tx: for f3 in vectorized(v): S[...] = A[...]

    For blocks with the annotation `auto_copy` that copy between global and shared memory, all
    threads around them together; `vector_bytes` says how much each moves at once, `local_stage`
    has all loads into shared memory on their way before the first value is stored, and
    `warp_execution` on a block around them stands for the 32 threads of a warp. Copies from shared
    memory into the operands of a matrix unit (`wmma.matrix_a`, `wmma.matrix_b`) and of its results
    (`wmma.accumulator`) into shared memory become `tvm_load_matrix_sync` and
    `tvm_store_matrix_sync`. Copies between other memories stay as they are. Rows of shared memory
    get gaps where the threads of a warp would meet in few banks. Raises `CompileError`
    for a marked block that is not one store within loops, and for results that go to global
    memory directly.
    """
    lower = _Lower()
    body = lower.run(func.body)
    return func.replace(body=padded(body, lower.shared))


@dataclass
class Copy:
    """A store within loops, and the memories between which it moves values."""

    block: Block
    loops: list[For]
    store: BufferStore
    source: str
    target: str


class _Lower(Rewriter):
    def __init__(self) -> None:
        self.threads: dict[str, int] = {}
        self.shared: dict[Buffer, list[WarpAccess]] = {}

    @on(For)
    def loop(self, loop: For) -> Any:
        """A loop over threads."""
        if loop.thread_binding is None:
            return self.rewrite_children(loop)
        return self._within(loop.thread_binding.thread_tag, loop.extent, loop)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Any:
        """Threads that are launched."""
        if node.attr_key != "thread_extent" or not isinstance(node.node, IterVar):
            return self.rewrite_children(node)
        return self._within(node.node.thread_tag, node.value, node)

    def _within(self, tag: str, extent: PrimExpr, node: Stmt) -> Any:
        outer = self.threads
        if tag in _THREADS:
            if not isinstance(extent, IntImm):
                raise CompileError(f"the number of threads {tag} is not known: {extent}", node.span)
            self.threads = {**outer, tag: extent.value}
        made = self.rewrite_children(node)
        self.threads = outer
        return made

    @on(Block)
    def block(self, block: Block) -> Block:
        """A marked block is lowered; the others may hold some."""
        outer = self.threads
        if _flag(block, "warp_execution"):
            self.threads = {**outer, "threadIdx.x": WARP}
        made: Block = self._copied(block) if _flag(block, MARK) else self.rewrite_children(block)
        self.threads = outer
        return made

    def _copied(self, block: Block) -> Block:
        copy = _read(block)
        scopes = (copy.source, copy.target)
        if scopes in FRAGMENTS:
            for buffer in (copy.store.buffer, _loads(copy.store)[0].buffer):
                if _memory(buffer) == "shared":
                    self.shared.setdefault(buffer, []).append(of_fragment(buffer))
            return block.replace(body=fragment_copy(copy.loops, copy.store, FRAGMENTS[scopes]))
        if "global" in scopes and any(s.startswith(("wmma.", "m16n8k8.")) for s in scopes):
            raise CompileError(
                f"block `{block.name_hint}` copies from {copy.source} to {copy.target}", block.span,
                hint="copy by way of shared memory: cache_write(..., 'shared')",
            )  # fmt: skip
        if scopes in (("global", "shared"), ("shared", "global")):
            return self._spread(copy)
        return block

    def _spread(self, copy: Copy) -> Block:
        block = copy.block
        loops = _by_address(copy) if copy.target == "global" else copy.loops
        count = math.prod(_extent(block, loop) for loop in loops)
        threads = [(tag, self.threads[tag]) for tag in _THREADS if tag in self.threads]
        lanes = _lanes(copy)
        steps = -(-count // (math.prod(extent for _, extent in threads) * lanes))
        nest = _Nest("_".join([loop.loop_var.name for loop in loops] + ["fused"]), threads)
        nest.open(steps, lanes, loops[0].loop_var.dtype if loops else "int32")
        analyzer = nest.analyzer
        places: dict[Any, PrimExpr] = {}
        below = 1
        for loop in reversed(loops):
            place = nest.element // below % loop.extent + loop.min
            places[loop.loop_var] = analyzer.simplify(place)
            below *= _extent(block, loop)
        inside = analyzer.simplify(O.less(nest.element, count))
        store = _simplified(substitute(copy.store, places), analyzer)
        for access in (store, *_loads(store)):
            self._note(access, nest)
        if _flag(block, "local_stage") and copy.target == "shared":
            return _staged(block, nest, store, inside)
        return block.replace(body=nest.around(_guarded(inside, store)))

    def _note(self, access: Any, nest: _Nest) -> None:
        """Notes where threads touch shared memory."""
        if _memory(access.buffer) == "shared":
            found = of_threads(access.indices, nest.fastest_first, nest.private[1])
            if found is not None:
                self.shared.setdefault(access.buffer, []).append(found)


class _Nest:
    """The loops of a copy: steps, threads, and the lanes of a vector."""

    def __init__(self, name: str, threads: list[tuple[str, int]]) -> None:
        self.name, self.threads = name, threads
        self.analyzer = Analyzer()

    def open(self, steps: int, lanes: int, dtype: str) -> None:
        """Makes the variables, and the number of the element that they name."""
        extents = [steps, *(extent for _, extent in self.threads), lanes]
        self.loops: list[tuple[Var, int]] = []
        self.element: PrimExpr = IntImm(dtype, 0)
        for index, extent in enumerate(extents):
            var = Var(f"{self.name}_{index}", dtype)
            self.analyzer.bind(var, Range(IntImm(dtype, 0), IntImm(dtype, extent)), override=True)
            self.loops.append((var, extent))
            self.element = self.element * extent + var

    @property
    def private(self) -> tuple[tuple[Var, int], tuple[Var, int]]:
        """The loops within one thread: steps and lanes."""
        return self.loops[0], self.loops[-1]

    @property
    def fastest_first(self) -> list[tuple[Var, int]]:
        """The loops over threads, in the order in which warps count these."""
        bound = zip(self.threads, self.loops[1:-1], strict=True)
        return [loop for _, loop in sorted(bound, key=lambda pair: pair[0][0])]

    def over_threads(self, body: Stmt) -> Stmt:
        """`body` for each thread."""
        bound = list(zip(self.threads, self.loops[1:-1], strict=True))
        for (tag, _), (var, extent) in reversed(bound):
            thread = IterVar(None, Var("", var.dtype), IterVarType.ThreadIndex, tag)
            body = _loop(var, extent, body, ForKind.THREAD_BINDING, thread)
        return body

    def over_lanes(self, body: Stmt) -> Stmt:
        """`body` for each lane."""
        return _loop(*self.loops[-1], body, ForKind.VECTORIZED)

    def around(self, body: Stmt) -> Stmt:
        """`body` for each element: steps outermost."""
        return _loop(*self.loops[0], self.over_threads(self.over_lanes(body)))


def _loop(
    var: Var, extent: int, body: Stmt, kind: ForKind = ForKind.SERIAL, thread: IterVar | None = None
) -> For:
    return For(var, IntImm(var.dtype, 0), IntImm(var.dtype, extent), kind, body, thread)


def _staged(block: Block, nest: _Nest, store: BufferStore, inside: PrimExpr) -> Block:
    """for threads: (for steps, lanes: L[step, lane] = A[...]); for steps, lanes: S[...] = L"""
    (step, steps), (lane, lanes) = nest.private
    stage = decl_buffer(
        (steps, lanes), store.buffer.dtype, f"{store.buffer.name}_local", scope="local"
    )
    fresh = {var: var.copy_with_name(f"{var.name}_cache") for var in (step, lane)}
    load = _guarded(inside, BufferStore(stage, store.value, (step, lane)))
    load = substitute(load, fresh)
    lanes_loop = _loop(fresh[lane], lanes, load, ForKind.VECTORIZED)
    first = _loop(fresh[step], steps, lanes_loop)
    settled = _guarded(inside, store.replace(value=BufferLoad(stage, (step, lane))))
    second = _loop(step, steps, nest.over_lanes(settled))
    body = nest.over_threads(stmt_seq(first, second))
    return block.replace(body=body, alloc_buffers=(*block.alloc_buffers, stage))


def _guarded(inside: PrimExpr, stmt: Stmt) -> Stmt:
    return stmt if O.is_const_int(inside, 1) else IfThenElse(inside, stmt)


def _simplified(store: BufferStore, analyzer: Analyzer) -> BufferStore:
    """The store with simple indices."""

    class Simplify(Rewriter):
        @on(BufferLoad, BufferStore)
        def access(self, access: Any) -> Any:
            """An access within the loops."""
            made = self.rewrite_children(access)
            return made.replace(indices=tuple(analyzer.simplify(i) for i in made.indices))

    made: BufferStore = Simplify().run(store)
    return made


def _flag(block: Block, key: str) -> bool:
    value = block.annotations.get(key)
    return bool(getattr(value, "value", value))


def _read(block: Block) -> Copy:
    """The copy that a marked block is. Raises `CompileError` if it is none."""
    loops: list[For] = []
    body = block.body
    while isinstance(body, For) and body.kind is ForKind.SERIAL:
        loops.append(body)
        body = body.body
    loads = _loads(body) if isinstance(body, BufferStore) else []
    if not isinstance(body, BufferStore) or not loads:
        raise CompileError(
            f"block `{block.name_hint}` with `{MARK}` is not one store of what it loads, in serial "
            "loops", block.span,
        )  # fmt: skip
    return Copy(block, loops, body, _memory(loads[0].buffer), _memory(body.buffer))


def _loads(store: BufferStore) -> list[BufferLoad]:
    found: list[BufferLoad] = []
    post_order_visit(store.value, lambda n: found.append(n) if isinstance(n, BufferLoad) else None)
    return found


def _memory(buffer: Buffer) -> str:
    """The kind of memory; dynamic shared memory is shared memory."""
    return "shared" if buffer.scope() == "shared.dyn" else buffer.scope()


def _extent(block: Block, loop: For) -> int:
    if not isinstance(loop.extent, IntImm):
        raise CompileError(
            f"block `{block.name_hint}` copies an unknown number of elements: {loop.extent}",
            loop.span,
        )
    return loop.extent.value


def _lanes(copy: Copy) -> int:
    """How many elements one thread moves at once."""
    given = copy.block.annotations.get("vector_bytes", 0)
    size = int(getattr(given, "value", given))
    width = dtype_of(copy.store.buffer.dtype).bytes
    if size and size % width:
        raise CompileError(
            f"block `{copy.block.name_hint}`: vector_bytes={size} is no multiple of the {width} "
            f"bytes of {copy.store.buffer.dtype}", copy.block.span,
        )  # fmt: skip
    return size // width or 1


def _by_address(copy: Copy) -> list[For]:
    """The loops in the order of the addresses in global memory, if each has an index of its own."""
    order: list[For] = []
    for index in copy.store.indices:
        used: set[int] = set()
        post_order_visit(index, lambda n, used=used: used.add(id(n)))  # type: ignore[misc]
        order += [loop for loop in copy.loops if id(loop.loop_var) in used and loop not in order]
    return order + [loop for loop in copy.loops if loop not in order]
