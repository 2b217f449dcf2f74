"""AnnotateTIROpPattern: how each kernel may be fused, read off its blocks."""

from __future__ import annotations

from enum import IntEnum

from ...ir.expr import PrimExpr
from ...ir.functor import Visitor, on
from ...ir.module import IRModule
from ...ir.structural import structural_equal
from ...ir.transform import Pass
from ...tir.expr import Add, BufferLoad, Call, Cast, IterVar, IterVarType, Mul
from ...tir.expr import Var as TirVar
from ...tir.function import PrimFunc
from ...tir.stmt import Block, BlockRealize, BufferStore, For, IfThenElse, LetStmt, SeqStmt, Stmt
from ..dims import symbolic_vars
from ._pass import module_level


class OpPatternKind(IntEnum):
    """How the elements of the result depend on those of the inputs, from free to unknown."""

    ELEMENTWISE = 0  # the same place of each input
    BROADCAST = 1  # the same place, some axes left out
    INJECTIVE = 2  # one place of each input, any index expression
    COMM_REDUCE = 3  # a reduction of elements
    OUT_EWISE_FUSABLE = 4  # a sum of products: a heavy operation that can take an epilogue
    TUPLE = 7
    OPAQUE = 8


Kind = OpPatternKind


class _Loads(Visitor):
    def __init__(self) -> None:
        self.found: list[BufferLoad] = []
        self.opaque = False

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> None:
        self.found.append(load)
        for index in load.indices:
            self.visit(index)

    @on(Call)
    def call(self, call: Call) -> None:
        effect = getattr(call.op, "attributes", {}).get("effect", 0)
        self.opaque = self.opaque or int(effect) > 1
        self.visit(call.args)


def _loads(value: object) -> _Loads:
    visitor = _Loads()
    visitor.walk(value)
    return visitor


def _same(a: tuple[PrimExpr, ...], b: tuple[PrimExpr, ...]) -> bool:
    return len(a) == len(b) and all(structural_equal(x, y) for x, y in zip(a, b, strict=True))


def _is_subsequence(some: tuple[PrimExpr, ...], all_: tuple[PrimExpr, ...]) -> bool:
    position = 0
    for index in some:
        if getattr(index, "value", None) == 0:
            continue
        while position < len(all_) and all_[position] is not index:
            position += 1
        if position == len(all_):
            return False
        position += 1
    return True


def _load_kind(load: BufferLoad, store: BufferStore, axes: set[TirVar]) -> OpPatternKind:
    if _same(load.indices, store.indices):
        same = _same(load.buffer.shape, store.buffer.shape)
        return Kind.ELEMENTWISE if same else Kind.BROADCAST
    if _loads(load.indices).found:
        return Kind.OPAQUE
    if all(i in axes or getattr(i, "value", None) == 0 for i in load.indices) and _is_subsequence(
        load.indices, store.indices
    ):
        return Kind.BROADCAST
    return Kind.INJECTIVE


def _is_sum_of_products(store: BufferStore) -> bool:
    value = store.value
    if not isinstance(value, Add):
        return False
    for kept, product in ((value.a, value.b), (value.b, value.a)):
        while isinstance(product, Cast):
            product = product.value
        adds = isinstance(kept, BufferLoad) and kept.buffer is store.buffer
        if adds and isinstance(product, Mul):
            return bool(_loads(product.a).found and _loads(product.b).found)
    return False


def _block_kind(block: Block) -> OpPatternKind:
    store = block.body
    if isinstance(store, (LetStmt, SeqStmt)):
        reduces = any(v.iter_type == IterVarType.CommReduce for v in block.iter_vars)
        return Kind.COMM_REDUCE if reduces else Kind.OPAQUE
    if not isinstance(store, BufferStore):
        return Kind.OPAQUE
    loads = _loads(store.value)
    if loads.opaque or len(block.writes) > 1:
        return Kind.OPAQUE
    axes = {v.var for v in block.iter_vars}
    if any(i not in axes and symbolic_vars(i) for i in store.indices):
        return Kind.OPAQUE if _loads(store.indices).found else Kind.INJECTIVE
    if any(v.iter_type == IterVarType.CommReduce for v in block.iter_vars):
        return Kind.OUT_EWISE_FUSABLE if _is_sum_of_products(store) else Kind.COMM_REDUCE
    if any(v.iter_type != IterVarType.DataPar for v in block.iter_vars):
        return Kind.OPAQUE
    kinds = [_load_kind(load, store, axes) for load in loads.found]
    return max(kinds, default=Kind.ELEMENTWISE)


class _Blocks(Visitor):
    """The kinds of the innermost blocks; anything that is no nest of loops is opaque."""

    def __init__(self) -> None:
        self.kinds: list[OpPatternKind] = []

    @on(Stmt)
    def statement(self, stmt: Stmt) -> None:
        self.kinds.append(Kind.OPAQUE)

    @on(For, SeqStmt)
    def nest(self, stmt: For) -> None:
        self.visit_children(stmt)

    @on(BlockRealize)
    def realize(self, stmt: BlockRealize) -> None:
        block = stmt.block
        if not block.iter_vars and not isinstance(block.body, (BufferStore, IfThenElse)):
            if block.reads or block.writes:
                self.kinds.append(Kind.OPAQUE)
            self.visit(block.body)
        else:
            self.kinds.append(_block_kind(block))

    @on(PrimExpr, IterVar)
    def skip(self, value: PrimExpr) -> None:
        pass


def analyze_op_pattern(func: PrimFunc) -> OpPatternKind:
    """How the kernel `func` may be fused: the most demanding of its blocks decides.

    An injective block that writes something else than the result (padding before a convolution)
    counts as part of the block that reads it.
    """
    visitor = _Blocks()
    visitor.walk(func.body)
    return max(visitor.kinds, default=Kind.OPAQUE)


def AnnotateTIROpPattern() -> Pass:
    """Sets the attribute `op_pattern` of every kernel that has none."""

    def transform(mod: IRModule) -> IRModule:
        changed = {
            var: func.with_attr("op_pattern", int(analyze_op_pattern(func)))
            for var, func in mod.items()
            if isinstance(func, PrimFunc) and "op_pattern" not in func.attrs
        }
        return mod.with_functions({**mod.functions, **changed}) if changed else mod

    return module_level("AnnotateTIROpPattern", transform)
