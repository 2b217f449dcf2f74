"""Memory of a warp, in the registers of its threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Visitor, on, post_order_visit
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ...target import Target
from .. import op as O
from ..arith.int_set import mentions
from ..arith.linear import detect_linear_equation
from ..buffer import Buffer
from ..expr import BufferLoad, Call, IterVar, Ramp, Var, pointer
from ..function import PrimFunc
from ..stmt import Allocate, AttrStmt, BufferStore, DeclBuffer, Stmt
from .base import factory
from .scoped import ScopedRewriter
from .shared_lives import scope_of


def _refuse(name: str, why: str) -> NoReturn:
    raise CompileError(f"warp memory `{name}` cannot be kept in registers: {why}")


@dataclass(eq=False)
class _Lanes:
    """How `size` elements are spread over `width` threads: each has `run` in a row, again and
    again."""

    lane: Var
    width: int
    run: int
    size: int
    local: Var

    @property
    def count(self) -> int:
        """How many elements a thread has."""
        return self.size // self.width

    def split(self, index: PrimExpr) -> tuple[PrimExpr, PrimExpr]:
        """Which of its elements, and of which thread, an index names."""
        whole = self.run * self.width
        round_ = O.multiply(O.floordiv(index, whole), self.run)
        own = O.add(round_, O.floormod(index, self.run))
        return own, O.floordiv(O.floormod(index, whole), self.run)


class _Stores(Visitor):
    """Finds the axis of the lanes, and how far apart the elements of neighbours are stored."""

    def __init__(self, data: Var) -> None:
        self.data = data
        self.axes: list[tuple[Var, PrimExpr]] = []
        self.indices: list[PrimExpr] = []

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """The threads in which the memory is used."""
        axis = _lane_axis(node)
        if axis is not None:
            self.axes.append(axis)
        self.visit_children(node)

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """A store to the memory."""
        if store.buffer.data is self.data:
            self.indices += [i.base if isinstance(i, Ramp) else i for i in store.indices]


def _lane_axis(node: AttrStmt) -> tuple[Var, PrimExpr] | None:
    is_axis = node.attr_key == "thread_extent" and isinstance(node.node, IterVar)
    if is_axis and node.node.thread_tag == "threadIdx.x":
        return node.node.var, node.value
    return None


class _Lower(ScopedRewriter):
    def __init__(self, warp: int) -> None:
        super().__init__()
        self.warp = warp
        self.axes: list[tuple[Var, PrimExpr]] = []
        self.memory: dict[Var, _Lanes] = {}
        self.buffers: dict[Buffer, Buffer] = {}

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Any:
        """Remembers the axis of the lanes."""
        axis = _lane_axis(node)
        if axis is None:
            return super().attribute(node)
        self.axes.append(axis)
        made = super().attribute(node)
        self.axes.pop()
        return made

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """A part of the memory a thread."""
        if scope_of(node.buffer_var) != "warp":
            return self.rewrite_children(node)
        lanes = self.memory[node.buffer_var] = self._lanes(node)
        body: Stmt = self.rewrite(node.body)
        extents = (IntImm("int32", lanes.count),)
        return node.replace(buffer_var=lanes.local, extents=extents, body=body)

    def _lanes(self, node: Allocate) -> _Lanes:
        name = node.buffer_var.name
        stores = _Stores(node.buffer_var)
        stores.walk(node.body)
        axes = [*self.axes, *stores.axes]
        if not axes:
            _refuse(name, "there is no threadIdx.x where it is used")
        lane, extent = axes[-1]
        width, size = O.const_value(extent), 1
        if not isinstance(width, int) or self.warp % width:
            _refuse(name, f"threadIdx.x has the extent {extent}, the warp {self.warp} threads")
        for part in node.extents:
            if not isinstance(part, IntImm):
                _refuse(name, f"its size {part} is known only when run")
            size *= part.value
        run = self._run(name, lane, stores.indices)
        if size % (run * width):
            _refuse(name, f"{size} elements are not {run} for each of {width} threads, repeated")
        local = Var(name, "handle", type_annotation=pointer(node.dtype, "local"))
        return _Lanes(lane, width, run, size, local)

    def _run(self, name: str, lane: Var, indices: list[PrimExpr]) -> int:
        found: set[int] = set()
        for index in indices:
            linear = detect_linear_equation(index, [lane])
            factor = O.const_value(linear[0]) if linear else None
            if not isinstance(factor, int) or factor <= 0:
                _refuse(name, f"it is stored to at {index}, which is no positive multiple of "
                              f"`{lane.name}` and a rest")  # fmt: skip
            found.add(factor)
        if len(found) != 1:
            _refuse(name, f"its stores advance by {sorted(found)} elements from thread to thread")
        return found.pop()

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> Stmt:
        """The declaration is of the thread's part."""
        buffer = self._local(node.buffer)
        body: Stmt = self.rewrite(node.body)
        return node.replace(buffer=buffer, body=body)

    def _local(self, buffer: Buffer) -> Buffer:
        lanes = self.memory.get(buffer.data)
        if lanes is None:
            return buffer
        if buffer not in self.buffers:
            if buffer.ndim != 1:
                _refuse(buffer.name, "it is no flat array")
            shape: tuple[PrimExpr, ...] = (IntImm("int32", lanes.count),)
            self.buffers[buffer] = buffer.replace(data=lanes.local, shape=shape)
        return self.buffers[buffer]

    @on(BufferStore)
    def store(self, store: BufferStore) -> Stmt:
        """A thread stores to what it has."""
        new: BufferStore = self.rewrite_children(store)
        lanes = self.memory.get(store.buffer.data)
        if lanes is None:
            return new
        own, of = self._split(lanes, new)
        if not self.analyzer.can_prove_equal(of, lanes.lane):
            _refuse(store.buffer.name, f"the element {new.indices[0]} is stored by another thread")
        return new.replace(buffer=self._local(store.buffer), indices=(own,))

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """What another thread has comes by a shuffle."""
        new: BufferLoad = self.rewrite_children(load)
        lanes = self.memory.get(load.buffer.data)
        if lanes is None:
            return new
        own, of = self._split(lanes, new)
        if mentions(own, {lanes.lane}):
            _refuse(
                load.buffer.name, f"which element of a thread {new.indices[0]} is depends on it"
            )
        made = new.replace(buffer=self._local(load.buffer), indices=(own,))
        if self.analyzer.can_prove_equal(of, lanes.lane):
            return made
        if dtype_of(made.dtype).lanes > 1:
            _refuse(load.buffer.name, f"the vector {new.indices[0]} is of another thread")
        mask = Call("uint32", "tir.tvm_warp_activemask", ())
        return O.tvm_warp_shuffle(mask, made, of, lanes.width, self.warp)

    def _split(self, lanes: _Lanes, access: Any) -> tuple[PrimExpr, PrimExpr]:
        index = access.indices[0]
        if not isinstance(index, Ramp):
            own, of = lanes.split(index)
            return self.analyzer.simplify(own), self.analyzer.simplify(of)
        aligned = self.analyzer.can_prove(O.equal(O.floormod(index.base, index.lanes), 0))
        if lanes.run % index.lanes or not O.is_const_int(index.stride, 1) or not aligned:
            _refuse(access.buffer.name, f"the vector {index} may belong to several threads")
        own, of = lanes.split(index.base)
        return Ramp(self.analyzer.simplify(own), index.stride, index.lanes), self.analyzer.simplify(
            of
        )

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers are replaced where they are accessed."""
        return buffer

    @on(Var)
    def variable(self, var: Var) -> Var:
        """Registers have no address."""
        if var in self.memory:
            _refuse(var.name, "its address is used")
        return var


def _has_warp_memory(func: PrimFunc) -> bool:
    found: list[Any] = []
    post_order_visit(func.body, lambda n: found.append(n) if isinstance(n, Allocate) else None)
    return any(scope_of(node.buffer_var) == "warp" for node in found)


@factory
def LowerWarpMemory(func: PrimFunc) -> PrimFunc:
    """W = allocate(32, "warp"); W[tx] = a; b = W[tx + 1]
    ->   W = allocate(1, "local"); W[0] = a; b = shuffle(mask, W[0], tx + 1)

    Thread `tx` stores to elements `m * tx + i` with `i < m`, and to those `m * width` further on.
    Raises `CompileError` for other stores, for loads that do not tell which of its elements a
    thread gives, and without a target, which says how many threads a warp has.
    """
    if not _has_warp_memory(func):
        return func
    given = func.attrs.get("target")
    if given is None:
        raise CompileError(
            "LowerWarpMemory needs the target of the function",
            func.span, hint="apply BindTarget before",
        )  # fmt: skip
    return func.replace(body=_Lower(Target(given).thread_warp_size).run(func.body))
