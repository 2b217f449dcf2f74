"""StaticPlanBlockMemory: intermediate tensors share one arena.

Tensors of known size (or of known bound: the attribute `tir_var_upper_bound`) get offsets in one
storage, so that tensors alive at the same time do not overlap: larger ones are placed first, each
at the lowest free offset. Tensors of symbolic size take turns in places, each as large as its
largest tensor (a greedy colouring of the intervals in which they are alive, which takes the place
nearest in size where dimensions have their usual values); places follow in the same storage, at
offsets that are expressions of the function's dimensions.
What leaves the sequence that allocates it keeps memory of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ...tir import op as O
from ...tir.analysis.usual import USUAL_IMAGE, usual_value
from ...tir.arith import Analyzer, ConstIntBound
from ...tir.function import PrimFunc
from ..analysis.variables import definable, uses_of
from ..base import Expr
from ..dims import is_equal, simplify, symbolic_vars
from ..expr import (
    Binding,
    BindingBlock,
    Call,
    ExternFunc,
    Function,
    GlobalVar,
    If,
    SeqExpr,
    Tuple,
    TupleGetItem,
    Var,
    VarBinding,
)
from ..op.memory import alloc_storage, alloc_tensor, size_in_bytes
from ..struct_info import ObjectStructInfo, TensorStructInfo
from ._pass import module_level

ALIGNMENT = 64
HARMLESS = frozenset(("relax.shape_of", "relax.tensor_to_shape", "relax.print", "relax.assert_op"))
"""Operators that neither keep nor return the memory of their arguments."""
VIEWS = frozenset(("relax.reshape", "relax.memory.view", "relax.hint_on_device"))
"""Operators whose result is the memory of their first argument."""
HARMLESS_PACKED = frozenset(("vm.builtin.shape_of", "vm.builtin.tensor_to_shape"))
VIEWS_PACKED = frozenset(("vm.builtin.reshape",))


@dataclass(eq=False)
class Allocation:
    """An `alloc_tensor` and the bindings between which its memory is in use."""

    var: Var
    call: Call
    begin: int
    end: int
    escapes: bool = False
    size: int | None = None
    bytes: PrimExpr = field(default_factory=lambda: IntImm("int64", 0))
    offset: int | PrimExpr = 0
    storage: Var | None = None


@dataclass(eq=False)
class Place:
    """Memory in which tensors of the symbolic `sizes` take turns, of `usual` bytes for dimensions
    of usual values."""

    storage: Var
    sizes: list[PrimExpr] = field(default_factory=list)
    tensors: list[Allocation] = field(default_factory=list)
    usual: int = 0

    def is_free(self, allocation: Allocation) -> bool:
        """True if no tensor is in it any more when the allocation begins."""
        return all(t.end < allocation.begin for t in self.tensors[-1:])

    def has_size(self, allocation: Allocation) -> bool:
        """True if one of its tensors is as large."""
        return any(is_equal(size, allocation.bytes) for size in self.sizes)

    def take(self, allocation: Allocation, usual: int) -> None:
        """Gives the place to a tensor of `usual` bytes, for which it may have to grow."""
        if not self.has_size(allocation):
            self.sizes.append(allocation.bytes)
        self.tensors.append(allocation)
        self.usual = max(self.usual, usual)

    def bytes(self) -> PrimExpr:
        """The size of its largest tensor."""
        analyzer = Analyzer()
        for var in {v for size in self.sizes for v in symbolic_vars(size)}:
            analyzer.update(var, ConstIntBound(0, ConstIntBound.POS_INF))
        largest = self.sizes[0]
        for size in self.sizes[1:]:
            largest = analyzer.simplify(O.max(largest, size))
        return largest


def _is_alloc(value: Expr) -> bool:
    return isinstance(value, Call) and value.op is Op.get("relax.builtin.alloc_tensor")


class Liveness:
    """Which allocations each variable may refer to, and when they are last used."""

    def __init__(self, mod: IRModule, seq: SeqExpr) -> None:
        self.mod = mod
        self.allocations: dict[Var, Allocation] = {}
        self.owners: dict[Var, set[Allocation]] = {}
        for index, binding in enumerate(seq.bindings()):
            self._visit(index, binding)
        self._escape(self._owned(uses_of(seq.body)))

    def _owned(self, used: list[Var]) -> set[Allocation]:
        return {a for v in used for a in self.owners.get(v, ())}

    @staticmethod
    def _escape(allocations: set[Allocation]) -> None:
        for allocation in allocations:
            allocation.escapes = True

    def _visit(self, index: int, binding: Binding) -> None:
        var: Var = binding.var
        value: Expr = binding.value
        if _is_alloc(value):
            made = Allocation(var, value, index, index)  # type: ignore[arg-type]
            self.allocations[var] = made
            self.owners[var] = {made}
            return
        owned = self._owned(uses_of(value))
        for allocation in owned:
            allocation.end = index
        if isinstance(value, (Var, Tuple, TupleGetItem, If)) or not isinstance(value, Call):
            self.owners[var] = owned
            if isinstance(value, Function):
                self._escape(owned)
        elif self._is_view(value):
            self.owners[var] = owned
        elif not self._is_harmless(value):
            self._escape(owned)

    def _is_view(self, call: Call) -> bool:
        if isinstance(call.op, ExternFunc):
            return call.op.global_symbol in VIEWS_PACKED
        return isinstance(call.op, Op) and call.op.name in VIEWS

    def _is_harmless(self, call: Call) -> bool:
        if isinstance(call.op, GlobalVar):
            return isinstance(self.mod[call.op], PrimFunc) if call.op in self.mod else False
        if isinstance(call.op, ExternFunc):
            return call.op.global_symbol in HARMLESS_PACKED
        return isinstance(call.op, Op) and call.op.name in HARMLESS


def bounded_size(size: PrimExpr, bounds: dict[str, int]) -> int | None:
    """The largest value of a size in bytes, None if some dimension has no bound."""
    if isinstance(size, IntImm):
        return size.value
    analyzer = Analyzer()
    for var in symbolic_vars(size):
        if var.name not in bounds:
            return None
        analyzer.bind(var, Range(IntImm("int64", 0), IntImm("int64", int(bounds[var.name]) + 1)))
    return int(analyzer.const_int_bound(size).max_value)


def _offset(allocation: Allocation) -> int:
    assert isinstance(allocation.offset, int)
    return allocation.offset


def _rounded(size: PrimExpr) -> PrimExpr:
    return (size + (ALIGNMENT - 1)) // ALIGNMENT * ALIGNMENT


def place(allocations: list[Allocation]) -> int:
    """Gives each allocation an offset; the size of the arena."""
    placed: list[Allocation] = []
    total = 0
    for one in sorted(allocations, key=lambda a: (-(a.size or 0), a.begin)):
        size = -(-(one.size or 0) // ALIGNMENT) * ALIGNMENT
        offset = 0
        for other in sorted(
            (p for p in placed if p.begin <= one.end and one.begin <= p.end), key=_offset
        ):
            if offset + size <= _offset(other):
                break
            end = _offset(other) + -(-(other.size or 0) // ALIGNMENT) * ALIGNMENT
            offset = max(offset, end)
        one.offset = offset
        placed.append(one)
        total = max(total, offset + size)
    return total


def _nearest(free: list[Place], usual: int) -> Place | None:
    """The smallest place of at least `usual` bytes, or else the largest."""
    large = [p for p in free if p.usual >= usual]
    if large:
        return min(large, key=lambda p: p.usual)
    return max(free, key=lambda p: p.usual, default=None)


class Planner:
    """Plans every sequence of one function."""

    def __init__(self, mod: IRModule, func: Function) -> None:
        self.mod = mod
        self.known = {
            v for p in func.params for v in definable(p)
        }  # dimensions that have their values from the beginning on
        self.bounds = {str(k): int(v) for k, v in func.attrs.get("tir_var_upper_bound", {}).items()}

    def function(self, func: Function) -> Function:
        """The function with its allocations planned."""
        body = self.sequence(func.body)
        return func if body is func.body else func.replace(body=body)

    def sequence(self, seq: SeqExpr) -> SeqExpr:
        """The sequence, and those within it, with their allocations planned."""
        live = Liveness(self.mod, seq)
        planned = [a for a in live.allocations.values() if not a.escapes and self._measure(a)]
        fixed = [a for a in planned if a.size is not None and a.size >= 0]
        symbolic = [a for a in planned if a.size is None]
        arena = Var("storage", ObjectStructInfo())
        total = place(fixed)
        for allocation in fixed:
            allocation.storage = arena
        before, size = self._share(symbolic, arena, total)
        inside = [a for a in planned if a.storage is arena]
        if inside:
            first = min(inside, key=lambda a: a.begin)
            made = VarBinding(arena, alloc_storage(size, 0))
            before.setdefault(first.var, []).insert(0, made)
        blocks = tuple(self._block(b, live.allocations, before) for b in seq.blocks)
        same = all(a is b for a, b in zip(blocks, seq.blocks, strict=True))
        return seq if same else seq.replace(blocks=blocks)

    def _measure(self, allocation: Allocation) -> bool:
        info = allocation.var.struct_info
        scope = getattr(allocation.call.args[3], "value", "global")
        device = getattr(getattr(allocation.call.args[2], "value", None), "value", 0)
        if (
            not isinstance(info, TensorStructInfo)
            or info.dims is None
            or (scope, device) != ("global", 0)
        ):
            return False
        allocation.bytes = size_in_bytes(info)
        allocation.size = bounded_size(allocation.bytes, self.bounds)
        return True

    def _share(
        self, symbolic: list[Allocation], arena: Var, fixed: int
    ) -> tuple[dict[Var, list[Binding]], PrimExpr]:
        """Places for tensors of symbolic size, in the arena after its `fixed` bytes: each is free
        again after its tensor's last use. A size that is not known from the beginning gets a
        storage of its own. What to bind before which allocation, and the size of the arena."""
        before: dict[Var, list[Binding]] = {}
        places: list[Place] = []
        for one in sorted(symbolic, key=lambda a: a.begin):
            early = all(v in self.known for v in symbolic_vars(one.bytes))
            usual = usual_value(one.bytes, USUAL_IMAGE)
            free = [p for p in places if p.is_free(one) and (p.storage is arena) == early]
            if early:
                place_ = _nearest(free, usual)
            else:
                place_ = next((p for p in free if p.has_size(one)), None)
            if place_ is None:
                place_ = Place(arena if early else Var("storage", ObjectStructInfo()))
                places.append(place_)
                if not early:
                    before[one.var] = [VarBinding(place_.storage, alloc_storage(one.bytes, 0))]
            place_.take(one, usual)
        total: PrimExpr = IntImm("int64", max(fixed, ALIGNMENT))
        for place_ in places:
            inside = place_.storage is arena
            for one in place_.tensors:
                one.storage, one.offset = place_.storage, total if inside else IntImm("int64", 0)
            if inside:
                total = simplify(total + _rounded(place_.bytes()))
        return before, total

    def _block(
        self,
        block: BindingBlock,
        allocations: dict[Var, Allocation],
        before: dict[Var, list[Binding]],
    ) -> BindingBlock:
        new = tuple(self._bindings(block, allocations, before))
        same = len(new) == len(block.bindings) and all(
            a is b for a, b in zip(new, block.bindings, strict=True)
        )
        return block if same else block.replace(bindings=new)

    def _bindings(
        self,
        block: BindingBlock,
        allocations: dict[Var, Allocation],
        before: dict[Var, list[Binding]],
    ) -> Iterator[Binding]:
        for binding in block.bindings:
            var: Var = binding.var
            yield from before.get(var, ())
            allocation = allocations.get(var)
            if allocation is not None and allocation.storage is not None:
                shape, dtype = allocation.call.args[0], allocation.call.args[1]
                value = alloc_tensor(allocation.storage, allocation.offset, shape, dtype)  # type: ignore[arg-type]
                yield VarBinding(var, value.replace(span=allocation.call.span), span=binding.span)
            else:
                yield self._inner(binding)

    def _inner(self, binding: Binding) -> Binding:
        value = binding.value
        if not isinstance(value, If):
            return binding
        yes, no = self.sequence(value.true_branch), self.sequence(value.false_branch)
        return binding.replace(value=value.replace(true_branch=yes, false_branch=no))


def StaticPlanBlockMemory() -> Pass:
    """Replaces `builtin.alloc_tensor` by tensors in shared storages, where they do not escape."""

    def transform(mod: IRModule) -> IRModule:
        new = {
            var: Planner(mod, func).function(func) if isinstance(func, Function) else func
            for var, func in mod.items()
        }
        return mod.with_functions(new)

    return module_level("StaticPlanBlockMemory", transform)
