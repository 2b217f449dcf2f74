"""What runs for each value of a variable as what runs for all of them at once."""

from __future__ import annotations

from typing import Any

from ...ir.expr import FloatImm, IntImm, PrimExpr, as_scalar
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import Node
from ...ir.op import Op
from ...support.dtypes import ScalableLanes, dtype_of
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import effect_of, reads_memory
from ..arith.conditions import conjuncts
from ..arith.linear import detect_linear_equation
from ..arith.rules import MAKERS
from ..arith.simplifier import same
from ..buffer import Buffer
from ..expr import (
    GE,
    GT,
    LE,
    LT,
    Add,
    And,
    BinaryOpExpr,
    Broadcast,
    BufferLoad,
    Call,
    CallEffectKind,
    Cast,
    CmpExpr,
    Let,
    Max,
    Min,
    Not,
    Or,
    Ramp,
    Select,
    Shuffle,
    StringImm,
    Var,
)  # fmt: skip
from ..stmt import (
    Allocate,
    AttrStmt,
    BufferStore,
    DeclBuffer,
    Evaluate,
    For,
    ForKind,
    IfThenElse,
    LetStmt,
    SeqStmt,
    Stmt,
    stmt_seq,
)  # fmt: skip
from ..stmt_functor import substitute
from .lane_masks import active_lanes, counts_lanes
from .rewrite_unsafe_select import is_total
from .row_reductions import can_reduce, neutral_element, reduce_rows
from .scoped import views_of

LOOPS, COMPARED, ACTIVE = "loops", "compared", "active"
"""What becomes of a condition by lane: a loop, a comparison or the number of lanes as a mask."""


class NoVector(Exception):
    """A statement has no vector form; the loop stays a loop."""


class ByLane(Exception):
    """A statement runs in a loop over the lanes; what surrounds it is a vector."""


def lanes_of(expr: PrimExpr) -> int:
    """How many lanes a value has."""
    return dtype_of(expr.dtype).lanes


def widen(value: PrimExpr, lanes: int) -> PrimExpr:
    """`value` in every lane, if it is not a vector already."""
    have = lanes_of(value)
    if have == lanes:
        return value
    if isinstance(value, Broadcast) and not isinstance(lanes, ScalableLanes) and lanes % have == 0:
        return Broadcast(value.value, lanes)
    if have != 1:
        raise NoVector(f"{have} lanes where {lanes} are expected")
    return Broadcast(value, lanes)


_ELEMENTWISE = {"tir.fma", "tir.popcount", "tir.clz", "tir.reinterpret", "tir.q_multiply_shift"}
_LLVM_ELEMENTWISE = {
    "llvm.sqrt", "llvm.sin", "llvm.cos", "llvm.exp", "llvm.exp2", "llvm.log", "llvm.log2",
    "llvm.log10", "llvm.pow", "llvm.fabs", "llvm.floor", "llvm.ceil", "llvm.trunc", "llvm.rint",
    "llvm.nearbyint", "llvm.round", "llvm.roundeven", "llvm.copysign", "llvm.minnum",
    "llvm.maxnum", "llvm.minimum", "llvm.maximum", "llvm.fma", "llvm.fmuladd", "llvm.bswap",
    "llvm.bitreverse", "llvm.ctpop",
}  # fmt: skip
_REDUCES: dict[type[PrimExpr], str] = {
    Add: "tir.vector_reduce_add",
    Max: "tir.vector_reduce_max",
    Min: "tir.vector_reduce_min",
}
_COMBINES = {name: cls for cls, name in _REDUCES.items()}


class Lanes(Rewriter):
    """Rewrites what runs for each value of `var` into what runs for all of them at once."""

    def __init__(
        self, var: Var, low: PrimExpr, lanes: int, analyzer: Analyzer, masks: str = COMPARED
    ) -> None:
        self.var, self.low, self.lanes, self.analyzer = var, low, lanes, analyzer
        self.masks = masks
        self.ramp = Ramp(low, IntImm(var.dtype, 1), lanes)
        self.count = O.cast(as_scalar(self.ramp.lanes), var.dtype)
        self.vectors: dict[Var, Var] = {}
        self.spread: dict[Var, PrimExpr] = {}
        self.buffers: dict[Buffer, Buffer] = {}
        self.mask: PrimExpr | None = None

    # ---- expressions ------------------------------------------------------------------------

    @on(Var)
    def variable(self, var: Var) -> PrimExpr:
        """The loop's variable counts through the lanes."""
        if var is self.var:
            return self.ramp
        return self.vectors.get(var, var)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Memory private to an iteration has been multiplied."""
        return self.buffers.get(buffer, buffer)

    @on(IntImm, FloatImm, StringImm)
    def constant(self, value: PrimExpr) -> PrimExpr:
        """Constants are the same in all lanes."""
        return value

    @on(BinaryOpExpr, CmpExpr, And, Or)
    def binary(self, expr: Any) -> PrimExpr:
        """Both sides get the lanes of the wider one."""
        a, b = self.rewrite(expr.a), self.rewrite(expr.b)
        if a is expr.a and b is expr.b:
            return expr  # type: ignore[no-any-return]
        if lanes_of(a) == lanes_of(b) == 1:
            return MAKERS[type(expr)](a, b)
        wide = max(lanes_of(a), lanes_of(b))
        kept = isinstance(expr, (And, Or)) or expr.a.dtype.startswith("float")
        maker = type(expr) if kept else MAKERS[type(expr)]
        return self._simple(maker(widen(a, wide), widen(b, wide)))

    def _simple(self, made: PrimExpr) -> PrimExpr:
        """Ramps stay ramps."""
        info = dtype_of(made.dtype)
        is_integer = info.lanes > 1 and info.code in ("int", "uint") and info.bits >= 32
        if is_integer and isinstance(made, BinaryOpExpr) and _is_index(made):
            return self.analyzer.simplify(made)
        return made

    @on(Not)
    def negation(self, expr: Not) -> PrimExpr:
        """Lane by lane."""
        a = self.rewrite(expr.a)
        return expr if a is expr.a else Not(a)

    @on(Cast)
    def cast(self, expr: Cast) -> PrimExpr:
        """Lane by lane; a ramp stays one when it is widened."""
        value = self.rewrite(expr.value)
        if value is expr.value:
            return expr
        if isinstance(value, Ramp) and expr.dtype == "int64":
            return Ramp(O.cast(value.base, "int64"), O.cast(value.stride, "int64"), value.lanes)
        return O.cast(value, dtype_of(expr.dtype).with_lanes(lanes_of(value)))

    @on(Select)
    def select(self, expr: Select) -> PrimExpr:
        """The condition picks lanes."""
        parts = [self.rewrite(x) for x in (expr.condition, expr.true_value, expr.false_value)]
        wide = max(lanes_of(p) for p in parts)
        if wide == 1:
            return O.select(*parts)
        return Select(*(widen(p, wide) for p in parts))

    @on(Ramp, Shuffle)
    def vector(self, expr: PrimExpr) -> PrimExpr:
        """Vectors of vectors are left to scalar loops."""
        new = self.rewrite_children(expr) if not _depends(expr, self) else None
        if new is None:
            raise NoVector("a vector within a vectorized loop")
        return new

    @on(Broadcast)
    def broadcast(self, expr: Broadcast) -> PrimExpr:
        """A scalar that differs by lane cannot be broadcast."""
        if _depends(expr, self):
            raise NoVector("a vector within a vectorized loop")
        return expr

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """A ramp loads a vector; under a mask only its lanes."""
        indices = self._indices(load)
        lanes = max((lanes_of(i) for i in indices), default=1)
        predicate = load.predicate
        if predicate is not None and _depends(predicate, self):
            raise NoVector("a masked load within a vectorized loop")
        buffer = self.buffers.get(load.buffer, load.buffer)
        mask = self.mask if lanes > 1 and self.mask is not None else predicate
        if mask is not None and lanes_of(mask) != lanes:
            raise NoVector("a vector that is the same in all lanes, under a condition by lane")
        if mask is not None and mask is self.mask and self._is_private(buffer, indices):
            mask = None
        return load.replace(buffer=buffer, indices=indices, predicate=mask)

    def _indices(self, access: Any) -> tuple[PrimExpr, ...]:
        indices = [self.rewrite(i) for i in access.indices]
        if any(lanes_of(i) > 1 for i in indices[:-1]):
            raise NoVector("an index before the last varies by lane")
        if access.buffer in self.buffers:
            return (self._own_place(indices[0]),)
        return tuple(indices)

    def _own_place(self, index: PrimExpr) -> PrimExpr:
        """Where the lanes of memory private to an iteration lie: side by side."""
        zero = IntImm(index.dtype, 0) if lanes_of(index) == 1 else None
        if zero is None:
            raise NoVector("private memory indexed by lane")
        return Ramp(O.multiply(index, self.count), IntImm(index.dtype, 1), self.lanes)

    @on(Let)
    def let(self, let: Let) -> PrimExpr:
        """A name whose value varies by lane is a vector."""
        value = self.rewrite(let.value)
        var = self._named(let.var, value)
        return let.replace(var=var, value=value, body=self.rewrite(let.body))

    def _named(self, var: Var, value: PrimExpr) -> Var:
        if lanes_of(value) == lanes_of(var):
            return var
        self.vectors[var] = Var(var.name, value.dtype)
        return self.vectors[var]

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """Intrinsics run lane by lane."""
        if not _depends(call, self):
            return call
        name = getattr(call.op, "name", "")
        if name == "tir.if_then_else":
            return self._conditional(call)
        if name == "tir.likely":
            value: PrimExpr = self.rewrite(call.args[0])
            return value
        if name in _COMBINES:
            return self._row_reductions(_COMBINES[name], call.args[0])
        if name == "tir.call_llvm_pure_intrin":
            return self._llvm_intrinsic(call)
        args = tuple(self.rewrite(a) for a in call.args)
        wide = max(lanes_of(a) for a in args)
        if wide == 1:
            return call.replace(args=args)
        elementwise = isinstance(call.op, Op) and call.op.get_attr("numpy") is not None
        if not elementwise and name not in _ELEMENTWISE:
            raise NoVector(f"{name} has no vector form")
        dtype = dtype_of(call.dtype).with_lanes(wide)
        return Call(dtype, call.op, tuple(widen(a, wide) for a in args))

    def _llvm_intrinsic(self, call: Call) -> PrimExpr:
        """llvm.sqrt(A[i])   ->   llvm.sqrt(A[ramp]), for intrinsics that LLVM has for vectors."""
        head, *rest = call.args
        if not isinstance(head, StringImm) or head.value not in _LLVM_ELEMENTWISE:
            raise NoVector(f"{head} has no vector form")
        args = [self.rewrite(arg) for arg in rest]
        wide = max(lanes_of(arg) for arg in args)
        dtype = dtype_of(call.dtype).with_lanes(wide)
        return Call(dtype, call.op, (head, *(widen(arg, wide) for arg in args)))

    def _row_reductions(self, combine: type[PrimExpr], row: Any) -> PrimExpr:
        """The reduction of a vector in each lane: the vectors are reduced together."""
        if isinstance(self.lanes, ScalableLanes) or not can_reduce(self.lanes, lanes_of(row)):
            raise NoVector("a number of vectors that cannot be reduced together")
        if any(_reads_variable(row, v) for v in self.vectors) or self.buffers:
            raise NoVector("vectors that vary by more than the loop's variable")
        rows = [substitute(row, {self.var: O.add(self.low, n)}) for n in range(self.lanes)]
        if self.mask is not None and not all(self._is_safe(each) for each in rows):
            raise NoVector("vectors are loaded under a condition by lane")
        return reduce_rows(MAKERS[combine], rows)

    def _is_safe(self, vector: PrimExpr) -> bool:
        """True if nothing that it reads needs a mask."""
        return not _any(
            vector,
            lambda n: isinstance(n, BufferLoad) and not self._is_private(n.buffer, n.indices),
        )

    def _conditional(self, call: Call) -> PrimExpr:
        condition = self.rewrite(call.args[0])
        if lanes_of(condition) == 1:
            parts = (condition, self.rewrite(call.args[1]), self.rewrite(call.args[2]))
            wide = max(lanes_of(p) for p in parts[1:])
            return O.if_then_else(condition, widen(parts[1], wide), widen(parts[2], wide))
        if self.masks == LOOPS and not isinstance(self.lanes, ScalableLanes):
            raise ByLane
        if self._has_unsafe_load(call.args[1:]):
            raise NoVector("a load under a condition by lane")
        yes = self._masked(condition, call.args[1])
        no = self._masked(Not(condition), call.args[2])
        return Select(condition, widen(yes, self.lanes), widen(no, self.lanes))

    def _masked(self, condition: PrimExpr, what: Any) -> Any:
        """`what` rewritten where only the lanes of `condition` touch memory."""
        if counts_lanes(condition):
            if self.masks == ACTIVE or isinstance(self.lanes, ScalableLanes):
                condition = active_lanes(condition)
        elif isinstance(self.lanes, ScalableLanes):
            raise NoVector("a condition of a scalable vector that is no count of lanes")
        if _calls_out(what):
            raise NoVector("a call with effects under a condition")
        before = self.mask
        self.mask = condition if before is None else And(before, condition)
        made = self.rewrite(what)
        self.mask = before
        return made

    # ---- statements -------------------------------------------------------------------------

    @on(BufferStore)
    def store(self, store: BufferStore) -> Stmt:
        """A ramp stores a vector; a reduction to one element adds up the lanes first."""
        try:
            return self._vector_store(store)
        except ByLane:
            return self._lane_after_lane(store)

    def _vector_store(self, store: BufferStore) -> Stmt:
        indices, value = self._indices(store), self.rewrite(store.value)
        if store.predicate is not None:
            raise NoVector("a masked store within a vectorized loop")
        buffer = self.buffers.get(store.buffer, store.buffer)
        lanes = max((lanes_of(i) for i in indices), default=1)
        if lanes == 1:
            if lanes_of(value) > 1:
                return self._reduction(store)
            if self.mask is not None:
                raise NoVector("a store of one element under a condition by lane")
            return store.replace(buffer=buffer, indices=indices, value=value)
        if self.mask is not None and lanes_of(self.mask) != lanes:
            raise NoVector("a vector that is the same in all lanes, under a condition by lane")
        value = widen(value, lanes * dtype_of(buffer.dtype).lanes)
        if self.mask is not None and self._is_private(buffer, indices):
            kept = BufferLoad(buffer, indices)
            return store.replace(
                buffer=buffer, indices=indices, value=Select(self.mask, value, kept)
            )
        return store.replace(buffer=buffer, indices=indices, value=value, predicate=self.mask)

    def _is_private(self, buffer: Buffer, indices: tuple[PrimExpr, ...]) -> bool:
        """True if the lanes, masked or not, lie within memory of this thread alone: a mask would
        only keep the memory out of registers."""
        index = indices[-1]
        if len(indices) != 1 or not isinstance(index, Ramp) or buffer.scope() != "local":
            return False
        last = O.add(index.base, O.multiply(index.stride, index.lanes - 1))
        inside = O.every(O.all(e >= 0, e < buffer.shape[0]) for e in (index.base, last))
        return self.analyzer.can_prove(inside)

    def _reduction(self, store: BufferStore, condition: PrimExpr | None = None) -> Stmt:
        """A[0] = A[0] + f(i)   ->   A[0] = A[0] + sum of the lanes of f that meet `condition`."""
        value = store.value
        name = _REDUCES.get(type(value))
        if name is None or self.mask is not None:
            raise NoVector("every lane stores to the same element")
        parts = [value.a, value.b]  # type: ignore[attr-defined]
        for own, other in (parts, parts[::-1]):
            if isinstance(own, BufferLoad) and own.buffer is store.buffer and _loads(own, store):
                if _reads(other, store.buffer):
                    continue
                if condition is None:
                    vector = widen(self.rewrite(other), self.lanes)
                elif is_total(own, self._is_inside):
                    neutral = widen(neutral_element(type(value), other.dtype), self.lanes)
                    vector = Select(condition, self._where(condition, other), neutral)
                else:
                    break
                total = Call(store.buffer.dtype, name, (vector,))
                return store.replace(value=MAKERS[type(value)](own, total))
        raise NoVector("every lane stores to the same element")

    def _where(self, condition: PrimExpr, value: PrimExpr) -> PrimExpr:
        """`value` in the lanes that meet `condition`, anything in the others."""
        if is_total(value, self._is_inside) and not _calls_out(value):
            return widen(self.rewrite(value), self.lanes)
        if self.masks == LOOPS or self._has_unsafe_load(value):
            raise NoVector("a sum under a condition by lane")
        return widen(self._masked(condition, value), self.lanes)

    def _reduction_of_some(self, branch: IfThenElse) -> Stmt | None:
        """if i < n: A[0] = A[0] + f(i)   ->   A[0] = A[0] + sum of select(ramp < n, f, 0); None for
        anything else."""
        store = branch.then_case
        if branch.else_case is not None or not isinstance(store, BufferStore):
            return None
        if _depends(store.indices, self) or store.predicate is not None:
            return None
        if not is_total(branch.condition, self._is_inside):
            return None
        try:
            return self._reduction(store, widen(self.rewrite(branch.condition), self.lanes))
        except (NoVector, ByLane):
            return None

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Stmt:
        """A condition by lane masks what it guards; another stays a branch."""
        parts = conjuncts(branch.condition, opens_likely=True)
        varying = [c for c in parts if _depends(c, self)]
        if not varying:
            return branch.replace(
                condition=self.rewrite(branch.condition),
                then_case=self.rewrite(branch.then_case),
                else_case=self.rewrite(branch.else_case),
            )
        summed = self._reduction_of_some(branch)
        if summed is not None:
            return summed
        if not isinstance(self.lanes, ScalableLanes) and (
            self.masks == LOOPS or (self.masks == ACTIVE and not self._can_be_masked(branch))
        ):
            return self._lane_after_lane(branch)
        fixed = [c for c in parts if not _depends(c, self)]
        if fixed:
            inner = self.branch(branch.replace(condition=O.every(varying)))
            otherwise = self.rewrite(branch.else_case)
            return IfThenElse(self.rewrite(O.every(fixed)), inner, otherwise)
        made = self._by_lane(branch)
        if self._has_unsafe_load((branch.then_case, branch.else_case)):
            if len(varying) > 1 or branch.else_case is not None:
                raise NoVector("a load under a condition by lane")
            made = IfThenElse(self._some_lane(varying[0]), made)
        return made

    def _can_be_masked(self, branch: IfThenElse) -> bool:
        """True if the condition counts lanes and each access that it guards is a vector."""
        parts = conjuncts(branch.condition, opens_likely=True)
        inner = Lanes(self.var, self.low, self.lanes, self.analyzer)
        return (
            branch.else_case is None
            and all(counts_lanes(inner.run(c)) for c in parts)
            and not _any(
                branch.then_case,
                lambda n: (
                    isinstance(n, (BufferLoad, BufferStore)) and not _depends(n.indices, self)
                ),
            )
        )

    def _lane_after_lane(self, stmt: Stmt) -> Stmt:
        """if ramp(0, 1, 4) < n: f   ->   for s in range(4): if s < n: f"""
        if any(_any(stmt, lambda n, v=v: n is v) for v in (*self.vectors, *self.buffers)):
            raise NoVector("a condition by lane around what has been widened")
        var = self.var.copy_with_suffix("_s")
        body = substitute(stmt, {self.var: O.add(self.low, var)})
        return For(var, IntImm(var.dtype, 0), self.count, ForKind.SERIAL, body)

    def _some_lane(self, condition: PrimExpr) -> PrimExpr:
        """Whether `condition`, which changes at most once along the lanes, holds in any."""
        if not isinstance(condition, (LT, LE, GT, GE)) or not _is_index(condition):
            raise NoVector("a load under a condition by lane")
        if not detect_linear_equation(O.subtract(condition.a, condition.b), [self.var]):
            raise NoVector("a load under a condition by lane")
        ends = (self.low, O.subtract(O.add(self.low, self.count), 1))
        return self.analyzer.simplify(
            O.some(substitute(condition, {self.var: end}) for end in ends)
        )

    def _has_unsafe_load(self, cases: object) -> bool:
        """True if a load that is the same in all lanes may lie outside its buffer."""
        return _any(
            cases,
            lambda n: (
                isinstance(n, BufferLoad)
                and not any(_depends(i, self) for i in n.indices)
                and not self._is_inside(n)
            ),
        )

    def _is_inside(self, load: BufferLoad) -> bool:
        pairs = zip(load.indices, load.buffer.shape, strict=True)
        return all(self.analyzer.can_prove(O.all(i >= 0, i < extent)) for i, extent in pairs)

    def _by_lane(self, branch: IfThenElse) -> Stmt:
        condition = self.analyzer.simplify(self.rewrite(branch.condition))
        if reads_memory(condition):
            mask = Var("mask", condition.dtype)
            return LetStmt(mask, condition, self._cases(mask, branch))
        return self._cases(condition, branch)

    def _cases(self, condition: PrimExpr, branch: IfThenElse) -> Stmt:
        cases = [self._masked(condition, branch.then_case)]
        if branch.else_case is not None:
            cases.append(self._masked(Not(condition), branch.else_case))
        return stmt_seq(*cases)

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """Loops within run for all lanes together, if their bounds are the same in each."""
        low, extent = self.rewrite(loop.min), self.rewrite(loop.extent)
        if lanes_of(low) > 1 or lanes_of(extent) > 1:
            raise NoVector("the bounds of an inner loop vary by lane")
        return loop.replace(min=low, extent=extent, body=self.rewrite(loop.body))

    @on(LetStmt)
    def let_stmt(self, let: LetStmt) -> Stmt:
        """A name whose value varies by lane is a vector."""
        value = self.rewrite(let.value)
        var = self._named(let.var, value)
        return let.replace(var=var, value=value, body=self.rewrite(let.body))

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """Memory private to an iteration is multiplied by the lanes."""
        views = views_of(node)
        if len(node.extents) != 1 or any(view.ndim != 1 for view in views):
            raise NoVector("an allocation that is not flat")
        size = O.multiply(node.extents[0], self.count)
        self.buffers.update({view: view.replace(shape=(size,)) for view in views})
        if not isinstance(node.body, DeclBuffer):
            return node.replace(extents=(size,), body=self.rewrite(node.body))
        body = DeclBuffer(self.buffers[node.body.buffer], self.rewrite(node.body.body))
        return node.replace(extents=(size,), body=body)

    @on(SeqStmt)
    def sequence(self, node: SeqStmt) -> Stmt:
        """One after another, each for all lanes."""
        return stmt_seq(*[self.rewrite(each) for each in node.seq])

    @on(Stmt)
    def other(self, stmt: Stmt) -> Stmt:
        """Other statements only if all lanes do the same."""
        if isinstance(stmt, AttrStmt) and not _depends(stmt.value, self):
            return stmt.replace(body=self.rewrite(stmt.body))
        if isinstance(stmt, Evaluate) and isinstance(stmt.value, IntImm):
            return stmt
        raise NoVector(f"a {type(stmt).__name__} within a vectorized loop")


def _is_index(expr: PrimExpr) -> bool:
    def is_opaque(node: Node) -> bool:
        is_call = isinstance(node, Call) and getattr(node.op, "name", "") != "tir.vscale"
        return is_call or isinstance(node, BufferLoad)

    return not _any(expr, is_opaque)


def _any(root: object, wanted: Any) -> bool:
    found: list[Node] = []
    post_order_visit(root, lambda n: found.append(n) if wanted(n) else None)
    return bool(found)


def _depends(expr: object, lanes: Lanes) -> bool:
    varying = {lanes.var, *lanes.vectors}
    return _any(
        expr,
        lambda n: (
            n in varying
            if isinstance(n, Var)
            else isinstance(n, BufferLoad) and n.buffer in lanes.buffers
        ),
    )


def _reads_variable(expr: object, var: Var) -> bool:
    return _any(expr, lambda n: n is var)


def _calls_out(what: object) -> bool:
    return _any(what, lambda n: isinstance(n, Call) and effect_of(n) > CallEffectKind.ReadState)


def _reads(expr: PrimExpr, buffer: Buffer) -> bool:
    return _any(expr, lambda n: isinstance(n, BufferLoad) and n.buffer.data is buffer.data)


def _loads(load: BufferLoad, store: BufferStore) -> bool:
    pairs = zip(load.indices, store.indices, strict=True)
    return len(load.indices) == len(store.indices) and all(same(a, b) for a, b in pairs)
