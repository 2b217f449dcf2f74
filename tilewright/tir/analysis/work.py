"""How much arithmetic a loop program does, and how much of its arguments it touches."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Visitor, on
from ...support.dtypes import dtype_of
from .. import op as T
from ..arith import simplify
from ..expr import BufferLoad, Var
from ..function import PrimFunc
from ..stmt import Block, BlockRealize, BufferStore, For, IfThenElse
from ..stmt_functor import substitute
from .arguments import looks_at
from .memory_size import operations_of

Amount = int | PrimExpr
"""A number, or an expression over sizes that are not known yet."""


@dataclass(frozen=True, slots=True)
class Work:
    """Scalar operations and bytes of arguments, over the function's dimensions; `dtype` of most
    operations.

    Each element of an argument counts once however often it is read, and not at all if it is not:
    a gather of 3 rows reads 3 rows.
    """

    flops: Amount
    bytes: Amount
    dtype: str


class _Counter(Visitor):
    """Operations by dtype, and accesses by the variable of a buffer's memory."""

    def __init__(self) -> None:
        self.weight: Amount = 1
        self.flops: dict[str, Amount] = {}
        self.accesses: dict[Var, Amount] = {}

    @on(For)
    def loop(self, loop: For) -> None:
        """The body counts as often as it runs; extents of inner loops at their largest."""
        before = self.weight
        extent = _amount(loop.extent)
        self.weight = _product(before, extent)
        self.visit(loop.body)
        last = {loop.loop_var: loop.extent - 1}
        for found in (self.flops, self.accesses):
            for key, n in found.items():
                if not isinstance(n, int):
                    found[key] = substitute(n, last)  # type: ignore[index]
        self.weight = before

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """Bindings and regions are not work of the program."""
        self.visit(realize.block)

    @on(Block)
    def block(self, block: Block) -> None:
        """The initial value counts once a result, which is little: it is left out."""
        self.visit(block.body)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """The dearer side counts; reads of both."""
        before = dict(self.flops)
        self.visit(branch.then_case)
        first, self.flops = self.flops, before
        if branch.else_case is not None:
            self.visit(branch.else_case)
        for dtype, n in first.items():
            self.flops[dtype] = _larger(n, self.flops.get(dtype, 0))

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """What is computed for a value, and one element written."""
        count = operations_of(store.value)
        if count:
            dtype = store.buffer.dtype
            self.flops[dtype] = _sum(self.flops.get(dtype, 0), _product(self.weight, count))
        self._touch(store.buffer.data)
        self.visit(store.value)
        for index in store.indices:
            self.visit(index)

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> None:
        """One element read, and what its indices read."""
        self._touch(load.buffer.data)
        for index in load.indices:
            self.visit(index)

    def _touch(self, data: Var) -> None:
        self.accesses[data] = _sum(self.accesses.get(data, 0), self.weight)


def _amount(value: PrimExpr) -> Amount:
    return value.value if isinstance(value, IntImm) else T.cast(value, "int64")


def _expression(amount: Amount) -> PrimExpr:
    return IntImm("int64", amount) if isinstance(amount, int) else amount


def _product(a: Amount, b: Amount) -> Amount:
    return a * b if isinstance(a, int) and isinstance(b, int) else simplify(_expression(a) * b)


def _sum(a: Amount, b: Amount) -> Amount:
    return a + b if isinstance(a, int) and isinstance(b, int) else simplify(_expression(a) + b)


def _larger(a: Amount, b: Amount) -> Amount:
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else simplify(T.max(a, b))


def _smaller(a: Amount, b: Amount) -> Amount:
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else simplify(T.min(a, b))


@looks_at(PrimFunc)
def work_of(func: PrimFunc) -> Work:
    """The work of a loop program that has no schedule yet."""
    counter = _Counter()
    counter.walk(func.body)
    touched: Amount = 0
    for buffer in func.buffer_map.values():
        if buffer.data in counter.accesses:
            size: Amount = 1
            for dim in buffer.shape:
                size = _product(size, _amount(dim))
            count = _smaller(size, counter.accesses[buffer.data])
            each = max(8, dtype_of(buffer.dtype).bits) // 8
            touched = _sum(touched, _product(count, each))
    total: Amount = 0
    for n in counter.flops.values():
        total = _sum(total, n)
    return Work(total, touched, _main_dtype(counter.flops))


def _main_dtype(flops: dict[str, Amount]) -> str:
    """The dtype of most operations; of the first ones where sizes are not known."""
    known = {dtype: n for dtype, n in flops.items() if isinstance(n, int)}
    if known and len(known) == len(flops):
        return max(known, key=lambda dtype: known[dtype])
    return next(iter(flops), "")
