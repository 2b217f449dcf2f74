"""From tensors to a loop program: one block for each operation, under one root block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.expr import IntImm, PrimExpr, Range, as_scalar
from ..ir.functor import Rewriter, deep_recursion, on, post_order_visit
from ..support.errors import ArgumentError, ArgumentTypeError
from ..tir import op
from ..tir.buffer import Buffer, decl_buffer
from ..tir.expr import BufferLoad, IterVar, ProducerLoad, Reduce, Var
from ..tir.function import PrimFunc
from ..tir.index_dtype import with_index_dtype
from ..tir.stmt import (
    Block,
    BlockRealize,
    BufferRegion,
    BufferStore,
    For,
    ForKind,
    LetStmt,
    SeqStmt,
    Stmt,
    full_region,
    stmt_seq,
)
from .regions import union
from .tensor import ComputeOp, ExternOp, Operation, PlaceholderOp, ScanOp, Tensor

LAYOUT_FREE = "layout_free_placeholders"
"""The attribute by which an operation names inputs whose layout may be chosen freely."""

Key = tuple[int, int]


def _key(tensor: Tensor) -> Key:
    return (id(tensor.op), tensor.value_index)


class _Lowering(Rewriter):
    """Replaces loads from tensors by loads from buffers, noting which elements are read."""

    def __init__(self, buffers: dict[Key, Buffer]) -> None:
        self.buffers = buffers
        self.env: dict[int, PrimExpr] = {}
        self.reads: dict[int, tuple[Buffer, list[tuple[PrimExpr, ...]]]] = {}
        self.memo: dict[int, Any] = {}

    def begin(self, env: dict[int, PrimExpr]) -> None:
        """Starts a new block whose axes are renamed by `env`."""
        self.env = env
        self.reads = {}
        self.memo = {}

    @on(PrimExpr)
    def expression(self, value: PrimExpr) -> PrimExpr:
        known = self.memo.get(id(value))
        if known is None:
            known = self.memo[id(value)] = self.rewrite_children(value)
        made: PrimExpr = known
        return made

    @on(Var)
    def variable(self, value: Var) -> PrimExpr:
        return self.env.get(id(value), value)

    @on(IntImm)
    def integer(self, value: IntImm) -> PrimExpr:
        return value

    @on(ProducerLoad)
    def load(self, value: ProducerLoad) -> PrimExpr:
        known = self.memo.get(id(value))
        if known is None:
            tensor = value.producer
            buffer = self.buffers[(id(tensor.op), tensor.value_index)]
            indices = tuple([self.rewrite(index) for index in value.indices])
            entry = self.reads.setdefault(id(buffer), (buffer, []))
            entry[1].append(indices)
            known = self.memo[id(value)] = BufferLoad(buffer, indices, span=value.span)
        made: PrimExpr = known
        return made

    def simplified(self, value: PrimExpr) -> PrimExpr:
        """`value` in its simplest form, unless products of sums become longer in it; only what
        that reads counts as read."""
        made = op.simplified(value)
        if made is value or _size(made) > _size(value):
            return value
        self.reads = {}

        def note(part: object) -> None:
            if isinstance(part, BufferLoad):
                entry = self.reads.setdefault(id(part.buffer), (part.buffer, []))
                entry[1].append(part.indices)

        post_order_visit(made, note)
        return made

    def regions(self, statement: Stmt) -> tuple[BufferRegion, ...]:
        """What was read since `begin`, one region a buffer, in the order of `statement`; what it
        does not read comes first."""
        regions = [union(buffer, places) for buffer, places in self.reads.values()]
        order: dict[int, int] = {}

        def note(part: object) -> None:
            if isinstance(part, BufferLoad):
                order.setdefault(id(part.buffer), len(order))

        if len(regions) > 1:
            post_order_visit(statement, note)
            regions.sort(key=lambda region: order.get(id(region.buffer), -1))
        return tuple(regions)


def _size(value: PrimExpr) -> int:
    """How many nodes an expression has."""
    count = 0

    def step(_: object) -> None:
        nonlocal count
        count += 1

    post_order_visit(value, step)
    return count


class _Substitute(Rewriter):
    """Replaces buffers (and the variables of their memory), and other variables."""

    def __init__(self, buffers: dict[int, Buffer], env: dict[int, PrimExpr]) -> None:
        self.buffers = buffers
        self.env = env

    @on(Buffer)
    def buffer(self, value: Buffer) -> Any:
        known = self.buffers.get(id(value))
        return known if known is not None else self.rewrite_variable(value)

    @on(Var)
    def variable(self, value: Var) -> PrimExpr:
        return self.env.get(id(value), value)


class _Names:
    """Hands out names that are not taken yet: `A`, `A_1`, `A_2`..."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}

    def fresh(self, name: str) -> str:
        count = self.taken.get(name)
        if count is None:
            self.taken[name] = 0
            return name
        while True:
            count += 1
            made = f"{name}_{count}"
            if made not in self.taken:
                self.taken[name] = count
                self.taken[made] = 0
                return made


class _Builder:
    def __init__(self, args: Sequence[Tensor | Var]) -> None:
        self.args = args
        self.buffers: dict[Key, Buffer] = {}
        self.lowering = _Lowering(self.buffers)
        self.buffer_names = _Names()
        self.block_names = _Names()
        self.params: list[Var] = []
        self.buffer_map: dict[Var, Buffer] = {}
        self.allocated: list[Buffer] = []
        self.env: dict[int, PrimExpr] = {}

    def build(self) -> PrimFunc:
        """The function of the given arguments."""
        order = _in_order([arg for arg in self.args if isinstance(arg, Tensor)])
        for arg in self.args:
            self.parameter(arg)
        body = [stmt for operation in order for stmt in self.lower(operation)]
        if not body:
            raise ArgumentError("create_prim_func needs at least one computed tensor")
        root = Block(
            (), (), (), "root", body[0] if len(body) == 1 else SeqStmt(tuple(body)), None,
            tuple(self.allocated),
        )  # fmt: skip
        attrs: dict[str, Any] = {"global_symbol": "main", "tir.noalias": True}
        free = self.layout_free(order)
        if free:
            attrs["layout_free_buffers"] = free
        return PrimFunc(
            tuple(self.params),
            BlockRealize((), op.const(1, "bool"), root),
            buffer_map=self.buffer_map,
            attrs=attrs,
        )

    def annotations(self, operation: Operation) -> dict[str, Any]:
        """The operation's attributes; of inputs whose layout is free, those that are allocated
        here: arguments are named by the function."""
        made = {k: v for k, v in operation.attrs.items() if k != LAYOUT_FREE}
        given = {_key(arg) for arg in self.args if isinstance(arg, Tensor)}
        free = [t for t in operation.attrs.get(LAYOUT_FREE, ()) if _key(t) not in given]
        if free:
            made[LAYOUT_FREE] = [self.buffers[_key(t)] for t in free]
        return made

    def layout_free(self, order: list[Operation]) -> list[int]:
        """The arguments whose layout may be chosen freely, as operations say of their inputs."""
        named = [t for operation in order for t in operation.attrs.get(LAYOUT_FREE, ())]
        keys = {_key(tensor) for tensor in named}
        return [
            k for k, arg in enumerate(self.args) if isinstance(arg, Tensor) and _key(arg) in keys
        ]

    def parameter(self, arg: Any) -> None:
        if isinstance(arg, Var):
            self.params.append(arg)
            return
        if not isinstance(arg, Tensor):
            raise ArgumentError(
                f"an argument must be a te.Tensor or a tir.Var, found {type(arg).__name__}"
            )
        if _key(arg) in self.buffers:
            raise ArgumentError(f"tensor `{arg.name}` is given twice as an argument")
        buffer = self.declare(arg)
        handle = Var(f"var_{buffer.name}", "handle")
        self.params.append(handle)
        self.buffer_map[handle] = buffer

    def declare(self, tensor: Tensor) -> Buffer:
        name = self.buffer_names.fresh(tensor.name)
        buffer = self.buffers[_key(tensor)] = decl_buffer(tensor.shape, tensor.dtype, name)
        return buffer

    def lower(self, operation: Operation) -> list[Stmt]:
        """The statements of one operation; its buffers are allocated unless they are given."""
        if isinstance(operation, PlaceholderOp):
            if (id(operation), 0) not in self.buffers:
                raise ArgumentError(
                    f"tensor `{operation.name}` is read but is not among the arguments"
                )
            return []
        outputs = []
        for index in range(operation.num_outputs):
            buffer = self.buffers.get((id(operation), index))
            if buffer is None:
                buffer = self.declare(operation.output(index))
                self.allocated.append(buffer)
            outputs.append(buffer)
        if isinstance(operation, ComputeOp):
            return self.lower_compute(operation, outputs)
        if isinstance(operation, ExternOp):
            return [self.lower_extern(operation, outputs)]
        if isinstance(operation, ScanOp):
            return self.lower_scan(operation, outputs)
        raise ArgumentError(f"`{operation.name}` ({type(operation).__name__}) has no loop program")

    def lower_compute(self, operation: ComputeOp, outputs: list[Buffer]) -> list[Stmt]:
        if any(_is_empty(axis) for axis in operation.reduce_axis):
            operation = _filled(operation)
        if operation.reduce_axis:
            return [self.nest(operation, outputs, operation.body)]
        nests = [
            self.nest(operation, [buffer], (value,))
            for buffer, value in zip(outputs, operation.body, strict=True)
        ]
        return nests if len(nests) == 1 else [_fused(nests)]

    def nest(
        self,
        operation: ComputeOp,
        outputs: list[Buffer],
        body: tuple[PrimExpr, ...],
        step: Var | None = None,
    ) -> Stmt:
        """Loops around one block that fills `outputs` with `body`; only the row at `step`, if
        that is given."""
        axes = (*operation.axes, *operation.reduce_axis)
        env: dict[int, PrimExpr] = {}
        self.lowering.begin(env)
        iter_vars, loops = self.axes(axes, env)
        if step is not None:
            loops[0] = step
            iter_vars[0] = iter_vars[0].replace(iter_type=IterVar.Opaque)
        values: list[PrimExpr] = list(loops)
        if not axes:
            dummy = IterVar(Range.from_min_extent(0, 1), Var("vi", "int32"))
            iter_vars, values = [dummy, *iter_vars], [op.const(0), *values]
        indices = tuple([iter_vars[i].var for i in range(len(operation.axes))])
        init, update, guard = self.statements(body, outputs, indices)
        writes = tuple([
            BufferRegion(b, tuple([Range(i, IntImm(i.dtype, 1)) for i in indices])) for b in outputs
        ])  # fmt: skip
        block = Block(
            tuple(iter_vars),
            self.lowering.regions(update),
            writes,
            self.block_names.fresh(
                operation.name if len(outputs) == operation.num_outputs else outputs[0].name
            ),
            update,
            init,
            annotations=self.annotations(operation),
        )
        stmt: Stmt = BlockRealize(tuple(values), guard, block)
        driven = iter_vars[len(iter_vars) - len(axes) :]
        for axis, loop in zip(reversed(driven), reversed(loops), strict=True):
            dom = axis.dom
            if loop is step:
                continue
            if dom is None:
                raise ArgumentError(f"axis `{axis.var.name}` of `{operation.name}` has no domain")
            stmt = For(loop, dom.min, dom.extent, ForKind.SERIAL, stmt)
        return stmt

    def axes(
        self, axes: Sequence[IterVar], env: dict[int, PrimExpr]
    ) -> tuple[list[IterVar], list[Var]]:
        """The block's axes and the loops that drive them; a domain may depend on loops before."""
        iter_vars, loops = [], []
        driven: dict[int, PrimExpr] = {}
        for axis in axes:
            var, dom = axis.var, axis.dom
            if dom is not None and not (type(dom.min) is type(dom.extent) is IntImm):
                dom = _Substitute({}, driven).run(dom)
            inner, loop = Var(f"v_{var.name}", var.dtype), Var(var.name, var.dtype)
            env[id(var)], driven[id(var)] = inner, loop
            iter_vars.append(IterVar(dom, inner, axis.iter_type))
            loops.append(loop)
        return iter_vars, loops

    def statements(
        self, body: tuple[PrimExpr, ...], outputs: list[Buffer], indices: tuple[PrimExpr, ...]
    ) -> tuple[Stmt | None, Stmt, PrimExpr]:
        """The initial statement of a reduction, the statement for each point, and the guard."""
        always = op.const(1, "bool")
        first = body[0]
        with deep_recursion():
            if not isinstance(first, Reduce):
                value = self.lowering.simplified(self.lowering.rewrite(first))
                return None, _store(outputs[0], value, indices), always
            begin = first.init or first.combining().identity_element
            starts = tuple([self.lowering.rewrite(i) for i in begin])
            results = tuple([self.lowering.rewrite(r) for r in first.combining().result])
            sources = tuple([self.lowering.rewrite(source) for source in first.source])
            guard = self.lowering.rewrite(first.condition)
            first = first.replace(combiner=first.combining().replace(result=results))
        init = [_store(b, v, indices) for b, v in zip(outputs, starts, strict=True)]
        update = _update(first, sources, outputs, indices)
        if not op.is_const_int(guard, 1):
            kept = [BufferLoad(b, indices) for b in outputs]
            update = _update(first, sources, outputs, indices, guard, kept)
        return init[0] if len(init) == 1 else SeqStmt(tuple(init)), update, always

    def lower_scan(self, operation: ScanOp, outputs: list[Buffer]) -> list[Stmt]:
        """The first rows copied, then a loop over the steps around the recurrence's blocks."""
        statements: list[Stmt] = []
        for state, start, out in zip(
            operation.state_placeholder, operation.init, outputs, strict=True
        ):
            self.buffers[_key(state)] = out
            statements.append(self.copy(self.buffers[_key(start)], out))
        for tensor, out in zip(operation.update, outputs, strict=True):
            self.buffers[_key(tensor)] = out
        dom = operation.scan_axis.dom
        assert dom is not None
        step = Var(operation.scan_axis.var.name.replace(".", "_"), dom.extent.dtype)
        rows: list[Stmt] = []
        for inner in operation.body:
            if not isinstance(inner, ComputeOp):
                raise ArgumentError(f"`{inner.name}` within a scan is no te.compute")
            targets = []
            for index in range(inner.num_outputs):
                known = self.buffers.get((id(inner), index))
                if known is None:
                    known = self.declare(inner.output(index))
                    self.allocated.append(known)
                targets.append(known)
            rows.append(self.nest(inner, targets, inner.body, step))
        body = rows[0] if len(rows) == 1 else SeqStmt(tuple(rows))
        return [*statements, For(step, dom.min, dom.extent, ForKind.SERIAL, body)]

    def copy(self, source: Buffer, target: Buffer) -> Stmt:
        """`target`, as far as `source` goes, filled with it."""
        loops = [Var(f"i{k}", d.dtype) for k, d in enumerate(source.shape)]
        places = tuple([Var(f"v_i{k}", d.dtype) for k, d in enumerate(source.shape)])
        axes = tuple(
            IterVar(Range(IntImm(d.dtype, 0), d), v)
            for v, d in zip(places, source.shape, strict=True)
        )
        point = tuple([Range(v, IntImm(v.dtype, 1)) for v in places])
        block = Block(
            axes,
            (BufferRegion(source, point),),
            (BufferRegion(target, point),),
            self.block_names.fresh(f"{target.name}_init"),
            BufferStore(target, BufferLoad(source, places), places),
        )
        stmt: Stmt = BlockRealize(tuple(loops), op.const(1, "bool"), block)
        for loop, extent in zip(reversed(loops), reversed(source.shape), strict=True):
            stmt = For(loop, IntImm(extent.dtype, 0), extent, ForKind.SERIAL, stmt)
        return stmt

    def lower_extern(self, operation: ExternOp, outputs: list[Buffer]) -> Stmt:
        inputs = [self.buffers[_key(tensor)] for tensor in operation.inputs]
        swaps: dict[int, Buffer] = {}
        env: dict[int, PrimExpr] = {}
        placeholders = (*operation.input_placeholders, *operation.output_placeholders)
        for old, new in zip(placeholders, (*inputs, *outputs), strict=True):
            swaps[id(old)] = new
            env[id(old.data)] = new.data
            ours, theirs = ((*b.shape, b.elem_offset) for b in (old, new))
            for left, right in zip(ours, theirs, strict=True):
                if isinstance(left, Var) and left is not right:
                    env[id(left)] = right
        body = _Substitute(swaps, env).run(operation.body)
        if isinstance(body, BlockRealize) and not body.iter_values:
            self.allocated.extend(body.block.alloc_buffers)
            body = body.block.body
        block = Block(
            (),
            tuple([full_region(b) for b in dict.fromkeys(inputs)]),
            tuple([full_region(b) for b in outputs]),
            self.block_names.fresh(operation.name),
            body,
            annotations=self.annotations(operation),
        )
        return BlockRealize((), op.const(1, "bool"), block)


def _fused(nests: list[Stmt]) -> Stmt:
    """Nests of the same loops as one: their blocks stand one after the other in its body."""
    loops: list[For] = []
    inner: Stmt = nests[0]
    while isinstance(inner, For):
        loops.append(inner)
        inner = inner.body
    blocks = [inner]
    for nest in nests[1:]:
        env: dict[int, PrimExpr] = {}
        for loop in loops:
            assert isinstance(nest, For)
            env[id(nest.loop_var)] = loop.loop_var
            nest = nest.body
        blocks.append(_Substitute({}, env).run(nest))
    body = stmt_seq(blocks)
    for loop in reversed(loops):
        body = loop.replace(body=body)
    return body


def _store(buffer: Buffer, value: PrimExpr, indices: tuple[PrimExpr, ...]) -> Stmt:
    if not buffer.shape:
        indices = ()
    return BufferStore(buffer, as_scalar(value, buffer.dtype), indices)


def _update(
    reduce: Reduce,
    sources: tuple[PrimExpr, ...],
    outputs: list[Buffer],
    indices: tuple[PrimExpr, ...],
    guard: PrimExpr | None = None,
    kept: list[BufferLoad] | None = None,
) -> Stmt:
    """One step of a reduction; several results are computed before any is stored."""
    combiner = reduce.combining()
    env: dict[int, PrimExpr] = {}
    for var, buffer in zip(combiner.lhs, outputs, strict=True):
        env[id(var)] = BufferLoad(buffer, indices)
    for var, source in zip(combiner.rhs, sources, strict=True):
        env[id(var)] = source
    values = [_Substitute({}, env).run(result) for result in combiner.result]
    if guard is not None and kept is not None:
        values = [op.if_then_else(guard, v, k) for v, k in zip(values, kept, strict=True)]
    if len(values) == 1:
        return _store(outputs[0], values[0], indices)
    names = [Var(f"v_{b.name}", b.dtype) for b in outputs]
    stores = [_store(b, n, indices) for b, n in zip(outputs, names, strict=True)]
    stmt: Stmt = SeqStmt(tuple(stores))
    for var, value in zip(reversed(names), reversed(values), strict=True):
        stmt = LetStmt(var, value, stmt)
    return stmt


def _is_empty(axis: IterVar) -> bool:
    return axis.dom is not None and op.is_const_int(axis.dom.extent, 0)


def _filled(operation: ComputeOp) -> ComputeOp:
    """A reduction over nothing, as the tensors of its initial values."""
    body = []
    for index, value in enumerate(operation.body):
        if isinstance(value, Reduce):
            body.append((value.init or value.combining().identity_element)[index])
    return operation.replace(body=tuple(body))


def _in_order(tensors: list[Tensor]) -> list[Operation]:
    """The operations behind `tensors`, each after those that it reads."""
    order: list[Operation] = []
    done: set[int] = set()
    stack: list[tuple[Operation, bool]] = [(t.op, False) for t in reversed(tensors)]
    while stack:
        operation, ready = stack.pop()
        if ready:
            order.append(operation)
        elif id(operation) not in done:
            done.add(id(operation))
            stack.append((operation, True))
            stack.extend((t.op, False) for t in reversed(operation.input_tensors))
    return order


def create_prim_func(
    ops: Sequence[Tensor | Var] | Tensor, index_dtype_override: str | None = None
) -> PrimFunc:
    """The function whose parameters are `ops`: given tensors, computed tensors (its outputs) and
    scalar variables. What lies between is allocated inside; variables that occur in the shapes of
    tensors are bound by them. `index_dtype_override` sets the type of all indices and shapes.

    Raises `ArgumentError` if a tensor that is read is not among `ops`.
    """
    if not isinstance(ops, (Tensor, Var, Sequence)):
        raise ArgumentTypeError(f"create_prim_func needs a list of tensors, found {ops!r}")
    args = [ops] if isinstance(ops, (Tensor, Var)) else list(ops)
    func = _Builder(args).build()
    return func if index_dtype_override is None else with_index_dtype(func, index_dtype_override)
