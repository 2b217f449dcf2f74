"""What a block does, as far as schedules depend on it: its axes, accesses, strides and pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..ir.expr import IntImm, PrimExpr
from ..ir.functor import pre_order_visit
from ..ir.node import Node
from ..tir import arith
from ..tir import expr as E
from ..tir import op as T
from ..tir.buffer import Buffer, flat_indices
from ..tir.expr import Add, BufferLoad, Call, Cast, IterVarType, Mul, Select, Var
from ..tir.schedule import BlockRV, LoopRV, Schedule
from ..tir.stmt import Block, BlockRealize, BufferStore, Stmt
from ..tir.stmt_functor import substitute

KINDS = {IterVarType.DataPar: "S", IterVarType.CommReduce: "R"}


@dataclass(frozen=True, eq=False)
class IterInfo:
    """An axis of a block: "S" spatial, "R" reduction or "O" other; the loop that runs it."""

    kind: str
    var: Var
    dom: PrimExpr
    loop_rv: LoopRV | None

    @property
    def extent(self) -> int | None:
        """How many values it has, None if that is known at run time only."""
        return self.dom.value if isinstance(self.dom, IntImm) else None

    def __str__(self) -> str:
        return f'Iter("{self.kind}", {self.dom})'


class Access:
    """One element of a buffer as a block reads or writes it."""

    def __init__(self, buffer: Buffer, indices: Sequence[PrimExpr]) -> None:
        self.buffer = buffer
        self.indices = tuple(indices)
        self._strides: dict[Var, tuple[PrimExpr | None, int | None]] = {}

    @cached_property
    def offset(self) -> PrimExpr:
        """The place in the buffer's memory, in elements."""
        return flat_indices(self.buffer, self.indices)[-1]

    @cached_property
    def variables(self) -> frozenset[Var]:
        """All variables in the indices."""
        return frozenset(v for i in self.indices for v in variables(i))

    def stride(self, var: Var) -> PrimExpr | None:
        """The elements from one value of `var` to the next; None if it varies (see `period`)."""
        return self._linear(var)[0]

    def period(self, var: Var) -> int | None:
        """`stride` holds within chunks of so many values of `var` only; None: everywhere."""
        return self._linear(var)[1]

    def moves(self, var: Var) -> bool:
        """False if the place is the same for neighbours along `var` (within a period)."""
        return var in self.variables and not T.is_const_int(self.stride(var), 0)

    def is_unit(self, var: Var) -> bool:
        """True if neighbours along `var` are neighbours in memory."""
        return T.is_const_int(self.stride(var), 1)

    def _linear(self, var: Var) -> tuple[PrimExpr | None, int | None]:
        """How the place moves with `var`, found once: stride and period."""
        if var not in self._strides:
            self._strides[var] = self._find(var)
        return self._strides[var]

    def _find(self, var: Var) -> tuple[PrimExpr | None, int | None]:
        """Stride and period of the place along `var`: of all values, or of those within the one
        divisor by which the indices cut `var`; None where it is neither."""
        if var not in self.variables:
            return IntImm(var.dtype, 0), None
        found = arith.detect_linear_equation(self.offset, [var])
        if found:
            return _plain(found[0], var), None
        divisors = sorted(_divisors(self.indices, var))
        if len(divisors) != 1:
            return None, None
        low = Var("low", var.dtype)
        value = Var("high", var.dtype) * divisors[0] + low
        analyzer = arith.Analyzer()
        analyzer.bind(low, E.Range(IntImm(var.dtype, 0), IntImm(var.dtype, divisors[0])))
        found = arith.detect_linear_equation(
            analyzer.simplify(substitute(self.offset, {var: value})), [low]
        )
        return (_plain(found[0], low), divisors[0]) if found else (None, None)


def _plain(stride: PrimExpr, var: Var) -> PrimExpr | None:
    """The stride, if it is the same for all values of `var`."""
    return stride if var not in set(variables(stride)) else None


def collect(root: object, *classes: type) -> list[Any]:
    """The nodes of these classes in `root`, outermost first, as often as they occur."""
    found: list[Any] = []

    def look(node: Node) -> bool:
        if isinstance(node, classes):
            found.append(node)
        return True

    pre_order_visit(root, look)
    return found


def variables(node: object) -> list[Var]:
    """The variables in an expression or statement, as often as they occur."""
    return collect(node, Var)


def _divisors(indices: Sequence[PrimExpr], var: Var) -> set[int]:
    """The constants by which `var` alone is divided."""
    return {
        node.b.value
        for index in indices
        for node in collect(index, E.FloorDiv, E.FloorMod)
        if node.a is var and isinstance(node.b, IntImm) and node.b.value > 0
    }


class BlockInfo:
    """A block of a schedule with its axes and accesses.

    `iters` are in the order of its axes; `loop_rv` of an axis is None unless it is one loop.
    """

    def __init__(self, sch: Schedule, block_rv: BlockRV) -> None:
        self.block_rv = block_rv
        handle = sch.get_sref(block_rv)
        self.block: Block = handle.block
        self.realize: BlockRealize | None = handle.realize
        self.name = self.block.name_hint
        self.loops: list[LoopRV] = sch.get_loops(block_rv)
        by_var = {sch.get(rv).loop_var: rv for rv in self.loops}
        values = self.realize.iter_values if self.realize is not None else ()
        self.iters = [
            IterInfo(
                KINDS.get(axis.iter_type, "O"),
                axis.var,
                axis.dom.extent if axis.dom is not None else IntImm(axis.var.dtype, 1),
                by_var.get(value) if isinstance(value, Var) else None,
            )
            for axis, value in zip(self.block.iter_vars, values, strict=True)
        ]

    def dom(self) -> list[PrimExpr]:
        """The extents of the axes."""
        return [i.dom for i in self.iters]

    def dom_kind(self) -> str:
        """The kinds of the axes, such as "SSR"."""
        return "".join(i.kind for i in self.iters)

    @property
    def spatial(self) -> list[IterInfo]:
        """The data-parallel axes."""
        return [i for i in self.iters if i.kind == "S"]

    @property
    def reduction(self) -> list[IterInfo]:
        """The reduction axes."""
        return [i for i in self.iters if i.kind == "R"]

    def is_plain(self) -> bool:
        """True if every axis is one loop, in some order, and the block runs unconditionally."""
        realize = self.realize
        if realize is None or not T.is_const_int(realize.predicate, 1):
            return False
        return all(i.loop_rv is not None for i in self.iters) and len(self.iters) == len(self.loops)

    @cached_property
    def store(self) -> BufferStore | None:
        """Its one store; None if it does anything else."""
        return self.block.body if isinstance(self.block.body, BufferStore) else None

    @cached_property
    def output(self) -> Access | None:
        """Where its one store goes."""
        return Access(self.store.buffer, self.store.indices) if self.store is not None else None

    @cached_property
    def inputs(self) -> list[Access]:
        """All loads, of what it writes itself apart."""
        written = {w.buffer for w in self.block.writes}
        return [a for a in loads(self.block.body) if a.buffer not in written]

    def is_injective(self) -> bool:
        """True for a single store to distinct places with no reduction."""
        if self.output is None or self.block.init is not None:
            return False
        own = {i.var for i in self.spatial if i.extent != 1}
        distinct = {i for i in self.output.indices if isinstance(i, Var)}
        return set(self.dom_kind()) <= {"S"} and own <= distinct | _halved(self.output.indices)

    def is_elementwise(self) -> bool:
        """True if it is injective and every load of the output's shape is at the output's place."""
        return self.is_injective() and any(
            same_indices(a.indices, self.output.indices) for a in self.inputs if self.output
        )

    def is_reduction(self) -> bool:
        """True if it reduces over an axis by an `init` and one store."""
        return self.output is not None and "R" in self.dom_kind() and self.block.init is not None

    def work(self) -> int | None:
        """How often its body runs; None if that is known at run time only."""
        total = 1
        for i in self.iters:
            if i.extent is None:
                return None
            total *= i.extent
        return total

    @cached_property
    def contraction(self) -> Contraction | None:
        """Its operands if it is a sum of products."""
        return _contraction(self) if self.is_reduction() else None

    def __str__(self) -> str:
        return f'BlockInfo("{self.name}", "{self.dom_kind()}", [{", ".join(map(str, self.dom()))}])'

    __repr__ = __str__


def _halved(indices: Sequence[PrimExpr]) -> set[Var]:
    """The variables that stand in two indices, as `v // c` and as `v % c`."""
    parts = [
        (type(i), i.a, i.b.value if isinstance(i.b, IntImm) else i.b)
        for i in indices
        if isinstance(i, (E.FloorDiv, E.FloorMod))
        and isinstance(i.a, Var)
        and isinstance(i.b, (IntImm, Var))
    ]
    return {v for kind, v, c in parts if kind is E.FloorDiv and (E.FloorMod, v, c) in parts}


@dataclass(frozen=True, eq=False)
class Contraction:
    """`out[..] += left[..] * right[..]`."""

    out: Access
    left: Access
    right: Access


def _contraction(info: BlockInfo) -> Contraction | None:
    """The three accesses of `out = out + left * right`, casts aside; None for other stores."""
    store, out = info.store, info.output
    if store is None or out is None or not isinstance(store.value, Add):
        return None
    terms = [store.value.a, store.value.b]
    own = [t for t in terms if isinstance(t, BufferLoad) and t.buffer is store.buffer]
    rest = [t for t in terms if isinstance(t, Mul)]
    if len(own) != 1 or len(rest) != 1 or not same_indices(own[0].indices, store.indices):
        return None
    factors = [_without_cast(f) for f in (rest[0].a, rest[0].b)]
    if not all(isinstance(f, BufferLoad) for f in factors):
        return None
    left, right = (Access(f.buffer, f.indices) for f in factors)  # type: ignore[attr-defined]
    return Contraction(out, left, right)


def _without_cast(value: PrimExpr) -> PrimExpr:
    """What is cast."""
    while isinstance(value, Cast):
        value = value.value
    return value


def same_indices(a: Sequence[PrimExpr], b: Sequence[PrimExpr]) -> bool:
    """True if the indices are the same variables and numbers."""
    return len(a) == len(b) and all(
        x is y or (isinstance(x, IntImm) and isinstance(y, IntImm) and x.value == y.value)
        for x, y in zip(a, b, strict=True)
    )


def loads(stmt: Stmt | PrimExpr) -> list[Access]:
    """All loads in it."""
    return [Access(node.buffer, node.indices) for node in collect(stmt, BufferLoad)]


def condition_variables(stmt: Stmt | PrimExpr) -> set[Var]:
    """The variables on which a choice between values depends."""
    conditions = [node.condition for node in collect(stmt, Select)]
    conditions += [
        node.args[0] for node in collect(stmt, Call)
        if getattr(node.op, "name", "") == "tir.if_then_else"
    ]  # fmt: skip
    return {v for condition in conditions for v in variables(condition)}


def root_block(sch: Schedule) -> BlockRV | None:
    """The block around all others; None if the function has none."""
    body = sch.func.body
    if not isinstance(body, BlockRealize):
        return None
    made: BlockRV = sch.get_block(body.block.name_hint)
    return made


def normalize_prim_func(sch: Schedule) -> list[BlockInfo] | None:
    """The blocks of a function, in order; None unless each axis of each is one loop."""
    root = root_block(sch)
    if root is None:
        return None
    found = [BlockInfo(sch, rv) for rv in sch.get_child_blocks(root)]
    return found if all(info.is_plain() for info in found) else None
