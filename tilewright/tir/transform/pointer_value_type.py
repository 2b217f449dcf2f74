"""Memory accessed by whole vectors becomes memory of vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, Visitor, on
from ...ir.type import PointerType, PrimType
from ...support.dtypes import dtype_of
from .. import op as O
from ..arith import Analyzer
from ..buffer import Buffer
from ..expr import BufferLoad, Call, Ramp, Shuffle, Var, pointer
from ..function import PrimFunc
from ..stmt import Allocate, AllocateConst, BufferStore, DeclBuffer, LetStmt
from .base import factory, retyped
from .shared_lives import scope_of


@dataclass(eq=False)
class _Memory:
    """How a memory is accessed: by vectors of `lanes`, and by elements at multiples of `steps`
    from constant places; `fixed` if its type has to stay."""

    lanes: set[int] = field(default_factory=set)
    steps: set[int] = field(default_factory=set)
    sizes: list[PrimExpr] = field(default_factory=list)
    types: set[str] = field(default_factory=set)
    fixed: bool = False


class _Uses(Visitor):
    """How every memory of a function is accessed."""

    def __init__(self, picks: bool) -> None:
        self.picks = picks
        self.found: dict[Var, _Memory] = {}
        self.allocated: set[Var] = set()
        self.named: set[Var] = set()
        self.analyzer = Analyzer()

    def _memory(self, var: Var) -> _Memory:
        return self.found.setdefault(var, _Memory())

    @on(Allocate)
    def allocate(self, node: Allocate) -> None:
        """Memory whose type may change."""
        self.allocated.add(node.buffer_var)
        self._memory(node.buffer_var).sizes.append(node.extents[-1])
        self.visit(node.body)

    @on(AllocateConst)
    def constant(self, node: AllocateConst) -> None:
        """Constant memory keeps its type."""
        self._memory(node.buffer_var).fixed = True
        self.visit(node.body)

    @on(LetStmt)
    def let(self, node: LetStmt) -> None:
        """A name for an address, if of elements of known type."""
        if _is_typed(node.var):
            self.named.add(node.var)
        self.visit((node.value, node.body))

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> None:
        """A view is no use."""
        self.note(node.buffer)
        self.visit(node.body)

    def note(self, buffer: Buffer) -> _Memory:
        """A buffer of elements in rows without gaps may become one of vectors."""
        memory = self._memory(buffer.data)
        memory.types.add(buffer.dtype)
        begins = buffer.elem_offset is None or O.is_const_int(buffer.elem_offset, 0)
        is_element = dtype_of(buffer.dtype).lanes == 1
        if buffer.shape and not buffer.strides and begins and is_element:
            memory.sizes.append(buffer.shape[-1])
        else:
            memory.fixed = True
        return memory

    @on(Var)
    def address(self, var: Var) -> None:
        """An address handed out keeps its type."""
        self._memory(var).fixed = True

    @on(Call)
    def call(self, call: Call) -> None:
        """So does that of an element."""
        if getattr(call.op, "name", "") == "tir.address_of":
            load: Any = call.args[0]
            self._memory(load.buffer.data).fixed = True
            self.visit(load.indices)
            return
        self.visit(call.args)

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> None:
        """A[ramp(8 * i, 1, 4)] is a whole vector of four, A[8 * i + 1] a lane of one."""
        if isinstance(access, BufferStore):
            self.visit(access.value)
        self.visit((access.indices, access.predicate))
        memory = self.note(access.buffer)
        if memory.fixed:
            return
        last = access.indices[-1]
        reads = self.picks and isinstance(access, BufferLoad) and access.predicate is None
        if reads and dtype_of(last.dtype).lanes == 1:
            memory.steps.add(self.analyzer.modular_set(last).coeff)
        else:
            memory.lanes.add(self._whole(last) if access.predicate is None else 1)

    def _whole(self, index: Any) -> int:
        if not isinstance(index, Ramp) or not isinstance(index.lanes, int):
            return 1
        whole = O.is_const_int(index.stride, 1) and self.divides(index.lanes, index.base)
        return index.lanes if whole else 1

    def divides(self, lanes: int, value: PrimExpr) -> bool:
        """True if `value` is known to be a multiple of `lanes`."""
        known = self.analyzer.modular_set(value)
        return known.coeff % lanes == 0 and known.base % lanes == 0

    def lanes_of(self, var: Var) -> int:
        """The lanes of the vectors that the memory may hold instead of elements; else 1."""
        memory = self.found[var]
        if memory.fixed or len(memory.lanes) != 1 or len(memory.types) != 1:
            return 1
        (lanes,) = memory.lanes
        fits = all(self.divides(lanes, size) for size in memory.sizes)
        return lanes if fits and all(step % lanes == 0 for step in memory.steps) else 1


class _Retype(Rewriter):
    def __init__(self, lanes: dict[Var, int]) -> None:
        self.lanes = lanes
        self.analyzer = Analyzer()

    @on(Var)
    def variable(self, var: Var) -> Var:
        """The address of vectors."""
        if var not in self.lanes:
            return var
        known = self._variables.get(id(var))
        if known is None:
            kind: Any = var.type_annotation
            dtype = dtype_of(kind.element_type.dtype).with_lanes(self.lanes[var])
            made = Var(var.name, "handle", type_annotation=pointer(dtype, scope_of(var)))
            known = self._variables[id(var)] = (var, made)
        return known[1]  # type: ignore[return-value]

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer of vectors, its rows as many times shorter."""
        lanes = self.lanes.get(buffer.data)
        if lanes is None:
            return buffer
        known = self._variables.get(id(buffer))
        if known is None:
            made = buffer.replace(
                data=self.variable(buffer.data), shape=_shorter(buffer.shape, lanes),
                dtype=dtype_of(buffer.dtype).with_lanes(lanes),
            )  # fmt: skip
            known = self._variables[id(buffer)] = (buffer, made)
        return known[1]  # type: ignore[return-value]

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """A[ramp(4 * i, 1, 4)]   ->   A[4 * i / 4]; A[4 * i + 1]   ->   lane 1 of it"""
        lanes = self.lanes.get(access.buffer.data)
        if lanes is None:
            return self.rewrite_children(access)
        *outer, last = self.rewrite(access.indices)
        place = last.base if isinstance(last, Ramp) else last
        changes: dict[str, Any] = {
            "buffer": self.buffer(access.buffer),
            "indices": (*outer, O.truncdiv(place, lanes)),
        }
        if isinstance(access, BufferStore):
            changes["value"] = self.rewrite(access.value)
        made = access.replace(**changes)
        if isinstance(last, Ramp):
            return made
        return Shuffle((made,), (IntImm("int32", self.analyzer.modular_set(place).base % lanes),))

    @on(Allocate)
    def allocate(self, node: Allocate) -> Any:
        """Memory of vectors."""
        lanes = self.lanes.get(node.buffer_var)
        if lanes is None:
            return self.rewrite_children(node)
        dtype = dtype_of(node.dtype).with_lanes(lanes)
        extents = _shorter(self.rewrite(node.extents), lanes)
        var = self.variable(node.buffer_var)
        return retyped(self, node, dtype, extents=extents, buffer_var=var)


def _shorter(sizes: tuple[PrimExpr, ...], lanes: int) -> tuple[PrimExpr, ...]:
    return (*sizes[:-1], O.simplified(O.floordiv(sizes[-1], lanes)))


def _addresses(func: PrimFunc) -> set[Var]:
    """The addresses that a function is given."""
    params = {p for p in func.params if isinstance(p, Var)}
    given = {p for p in params if _is_typed(p) and p not in func.buffer_map}
    return given | {buffer.data for buffer in func.buffer_map.values()}


def _is_typed(var: Var) -> bool:
    kind = var.type_annotation
    return isinstance(kind, PointerType) and isinstance(kind.element_type, PrimType)


def memory_typed(func: PrimFunc) -> PrimFunc:
    """allocate A: int32[8]; A[ramp(0, 1, 8)]   ->   allocate A: int32x8[1]; A[0]

    For memory that the function allocates or names by a `LetStmt`."""
    return _retyped(func, _Uses(picks=False), set())


@factory
def PointerValueTypeRewrite(func: PrimFunc) -> PrimFunc:
    """allocate A: float32[16]; A[ramp(4 * i, 1, 4)]   ->   allocate A: float32x4[4]; A[i]

    For memory that is written and read by whole, aligned vectors of the same lanes, whether it is
    allocated here, named by a `LetStmt` or a parameter: callers then pass arrays of vectors. Of an
    element that is read at a known place of a vector the vector's lane is taken.
    """
    return _retyped(func, _Uses(picks=True), _addresses(func))


def _retyped(func: PrimFunc, uses: _Uses, given: set[Var]) -> PrimFunc:
    for buffer in func.buffer_map.values():
        uses.note(buffer)
    uses.walk(func.body)
    free = given | uses.named | uses.allocated
    lanes = {v: uses.lanes_of(v) for v in uses.found if v in free and _is_typed(v)}
    retype = _Retype({var: count for var, count in lanes.items() if count > 1})
    if not retype.lanes:
        return func
    body = retype.run(func.body)
    params = tuple(retype.rewrite(p) for p in func.params)
    buffers = {p: retype.buffer(b) for p, b in func.buffer_map.items()}
    return func.replace(params=params, buffer_map=buffers, body=body)
