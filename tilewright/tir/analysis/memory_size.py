"""How much memory functions allocate, and how much arithmetic they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...ir.expr import IntImm, Range
from ...ir.functor import Visitor, on, post_order_visit
from ...ir.module import IRModule
from ...ir.type import PointerType
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ..arith import Analyzer
from ..arith.canonical import effect_of
from ..expr import (
    Add,
    And,
    Call,
    CallEffectKind,
    CmpExpr,
    Div,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mod,
    Mul,
    Not,
    Or,
    Select,
    Sub,
)  # fmt: skip
from ..function import PrimFunc
from ..stmt import (
    Allocate,
    AllocateConst,
    Block,
    BlockRealize,
    BufferStore,
    For,
    IfThenElse,
    LetStmt,
    Stmt,
)  # fmt: skip
from .arguments import looks_at


class _Allocated(Visitor):
    """Bytes by scope: those alive at once, at most."""

    def __init__(self) -> None:
        self.now: dict[str, int] = {}
        self.most: dict[str, int] = {}

    @on(Allocate, AllocateConst)
    def allocate(self, node: Any) -> None:
        """Lives as long as the body runs."""
        kind = node.buffer_var.type_annotation
        scope = (kind.storage_scope or "global") if isinstance(kind, PointerType) else "global"
        self._during(scope, node.dtype, node.extents, lambda: self.visit(node.body))

    @on(Block)
    def block(self, block: Block) -> None:
        """A block's buffers live as long as it runs."""

        def rest(index: int) -> None:
            if index == len(block.alloc_buffers):
                self.visit(block.init) if block.init is not None else None
                self.visit(block.body)
                return
            buffer = block.alloc_buffers[index]
            self._during(buffer.scope(), buffer.dtype, buffer.shape, lambda: rest(index + 1))

        rest(0)

    def _during(self, scope: str, dtype: str, extents: Any, run: Callable[[], None]) -> None:
        size = max(1, dtype_of(dtype).bytes)
        for extent in extents:
            size *= extent.value if isinstance(extent, IntImm) else 1
        self.now[scope] = self.now.get(scope, 0) + size
        self.most[scope] = max(self.most.get(scope, 0), self.now[scope])
        run()
        self.now[scope] -= size


@looks_at(PrimFunc, IRModule)
def calculate_allocated_bytes(func_or_mod: PrimFunc | IRModule) -> dict[str, dict[str, int]]:
    """For each function, the most bytes alive at once by scope; unknown extents count as 1."""
    if isinstance(func_or_mod, PrimFunc):
        finder = _Allocated()
        finder.walk(func_or_mod.body)
        return {"main": finder.most}
    result = {}
    for var, func in func_or_mod.items():
        if isinstance(func, PrimFunc):
            finder = _Allocated()
            finder.walk(func.body)
            result[var.name_hint] = finder.most
    return result


@looks_at(PrimFunc)
def calculate_workspace_bytes(func: PrimFunc, workspace_byte_alignment: int = 1) -> int:
    """The most bytes that `func` keeps allocated at once in global memory, rounded up."""
    size = calculate_allocated_bytes(func)["main"].get("global", 0)
    return _rounded_up(size, workspace_byte_alignment)


@looks_at(PrimFunc)
def calculate_constant_bytes(func: PrimFunc, constant_byte_alignment: int = 1) -> int:
    """The bytes of all constants that `func` holds, each rounded up to the alignment."""
    found: list[AllocateConst] = []
    post_order_visit(func.body, lambda n: found.append(n) if isinstance(n, AllocateConst) else None)
    return sum(_rounded_up(constant.array.nbytes, constant_byte_alignment) for constant in found)


def _rounded_up(size: int, alignment: int) -> int:
    if not isinstance(alignment, int) or alignment < 1:
        raise ArgumentError(f"an alignment is a positive number of bytes, found {alignment!r}")
    return -(-size // alignment) * alignment


_ARITHMETIC = (Add, Sub, Mul, Div, Mod, FloorDiv, FloorMod, Min, Max)
_OPERATIONS = (*_ARITHMETIC, CmpExpr, And, Or, Not, Select)


_PARTS = ("a", "b", "value", "condition", "true_value", "false_value")


class _Flops(Visitor):
    """Counts operations, weighted by how often loops run them."""

    def __init__(self) -> None:
        self.total = 0.0
        self.weight = 1.0
        self.analyzer = Analyzer()

    @on(For)
    def loop(self, loop: For) -> None:
        """The body counts as often as it runs."""
        hi = self.analyzer.engine.interval(loop.extent)[1]
        if hi >= 2**31 - 1:
            raise ArgumentError(
                f"the extent {loop.extent} of loop `{loop.loop_var.name}` is unknown"
            )
        self.analyzer.bind(loop.loop_var, Range(loop.min, loop.extent), override=True)
        before, self.weight = self.weight, self.weight * max(0, int(hi))
        self.visit(loop.body)
        self.weight = before

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """Bindings and regions are not arithmetic of the program."""
        self.visit(realize.block)

    @on(Block)
    def block(self, block: Block) -> None:
        """The initial value counts once a result, which is little: it is left out."""
        self.visit(block.body)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """The dearer side counts."""
        costs = []
        for case in (branch.then_case, branch.else_case):
            before = self.total
            if case is not None:
                self.visit(case)
            costs.append(self.total - before)
            self.total = before
        self.visit(branch.condition)
        self.total += max(costs)

    @on(LetStmt)
    def let(self, let: LetStmt) -> None:
        """What is computed for a name."""
        self.total += self.weight * operations_of(let.value, only_arithmetic=True)
        self.visit(let.body)

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """What is computed for a value; index arithmetic does not count."""
        self.total += self.weight * operations_of(store.value, only_arithmetic=True)


def operations_of(value: Any, *, only_arithmetic: bool = False) -> int:
    """How many scalar operations one value takes; those of indices do not count. With
    `only_arithmetic` neither do comparisons, choices and calls of functions."""
    counted = _ARITHMETIC if only_arithmetic else _OPERATIONS
    total = 0
    pending = [value]
    while pending:
        one = pending.pop()
        lanes = dtype_of(one.dtype).lanes if hasattr(one, "dtype") else 1
        if isinstance(one, counted):
            total += lanes
        if isinstance(one, Call):
            if not only_arithmetic and effect_of(one) is CallEffectKind.Pure:
                total += lanes
            pending.extend(a for a in one.args if hasattr(a, "dtype"))
        else:
            parts = (getattr(one, name, None) for name in _PARTS)
            pending.extend(part for part in parts if hasattr(part, "dtype"))
    return total


@looks_at(Stmt, PrimFunc, IRModule)
def estimate_tir_flops(stmt_or_mod: Stmt | PrimFunc | IRModule) -> float:
    """The number of scalar operations of a statement, a function or all functions of a module,
    those of indices and bounds left out. Comparisons, choices and calls such as `exp` are none.
    A function's attribute `estimated_flops` is taken at its word.

    Raises `ArgumentError` for a loop of unknown extent.
    """
    parts: Iterable[Any] = [stmt_or_mod]
    if isinstance(stmt_or_mod, IRModule):
        parts = stmt_or_mod.functions.values()
    total = 0.0
    for part in parts:
        if isinstance(part, PrimFunc) and "estimated_flops" in part.attrs:
            total += float(part.attrs["estimated_flops"])
        elif isinstance(part, (PrimFunc, Stmt)):
            counter = _Flops()
            counter.walk(part.body if isinstance(part, PrimFunc) else part)
            total += counter.total
    return total
