"""The primitive `transform_layout`."""

from __future__ import annotations

from ....ir.expr import PrimExpr
from ....support.errors import ArgumentError
from ... import op as T
from ...buffer import Buffer
from ...expr import BufferLoad, IterVar, IterVarType, Var
from ...index_map import IndexMap
from ...stmt import Block as BlockNode
from ...stmt import BufferRegion, BufferStore, Evaluate, ForKind, Stmt, stmt_seq
from ..buffer_args import SomeBuffer
from ..copies import after, fresh_name, step_towards
from ..inlining import with_regions
from ..instances import require_every_instance
from ..instruction import Block, primitive
from ..layout_args import BufferMap, PadValue
from ..layouts import ChangeLayout, axes_over, full_nest, sole_nest
from ..padded_loops import over_new_layout
from ..poly import Space
from ..refusal import Refusal, refuse
from ..regions import sizes_of
from ..rewrite import MapLoads, accesses, home_of, point, replace_statements, substitute
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive(inputs=("index_map",))
def transform_layout(
    state: ScheduleState,
    block: Block,
    buffer: SomeBuffer,
    index_map: BufferMap,
    pad_value: PadValue | None = None,
    *,
    assume_injective_transform: bool = False,
) -> None:
    """Stores a buffer in another layout: each access goes to the mapped indices.

    B[i, j] = A[i, j]   ->   B[i // 4, j, i % 4] = A[i, j]   # lambda i, j: [i // 4, j, i % 4]

    A parameter changes its shape. Places that no old index reaches hold `pad_value` (a number, for
    floats `0.0` and not `0`, or a function of the new indices), without which a map with such
    places is refused: they are filled where the buffer is written, and assumed of a parameter that
    is read.
    `assume_injective_transform`: do not check the map. A function may put
    `IndexMap.AXIS_SEPARATOR` among its results: `set_axis_separator` follows.
    """
    side, place = buffer
    old: Buffer = getattr(block.block, f"{side}s")[place].buffer
    padding = _padding(index_map, old, assume_injective_transform, block)
    if index_map.is_identity:
        return
    pads = padding is not None and not T.is_const_int(padding[1], 0)
    if pads and pad_value is None and not assume_injective_transform:
        refuse(
            f"the map leaves places of the new `{old.name}` that no old index reaches",
            block,
            hint="pad_value says what they hold",
        )
    if pad_value is not None:
        _require_own_loads(pad_value, old, block)
    shape = index_map.map_shape(old.shape)
    dtype = "int64" if any(d.dtype == "int64" for d in old.shape) else "int32"
    new = old.replace(shape=tuple(T.cast(d, dtype) for d in shape), strides=(), axis_separators=())
    home = home_of(state, block, old)
    var, func = state.function_of(block)
    root = home or state.roots[var.name_hint]
    rewriter = ChangeLayout(old, new, index_map, Space(sizes_of(func)))
    made = rewriter.run(root.block)
    state.replace(root, made, {**rewriter.blocks, root.block: made})
    if home is None:
        changed = {p: new if b is old else b for p, b in func.buffer_map.items()}
        state.set_function(var.name_hint, state.mod[var].replace(buffer_map=changed))
    if pad_value is not None and padding is not None and pads:
        _fill(state, block, root, old, new, padding, pad_value)


def _require_own_loads(pad_value: IndexMap, buffer: Buffer, block: StmtSRef) -> None:
    """Refuses padding that depends on what another buffer holds."""
    others = [l.buffer for l in accesses(pad_value.final_indices).loads if l.buffer is not buffer]
    if others:
        refuse(f"the padding of `{buffer.name}` is loaded from `{others[0].name}`", block)


Padding = tuple[IndexMap, PrimExpr]


def _padding(index_map: IndexMap, old: Buffer, trusted: bool, block: StmtSRef) -> Padding | None:
    """The map back and which new indices are padding; None if it is not known."""
    if len(index_map.initial_indices) != old.ndim:
        refuse(
            f"the map takes {len(index_map.initial_indices)} indices, `{old.name}` has {old.ndim}",
            block,
        )
    try:
        return index_map.non_surjective_inverse(old.shape)
    except ArgumentError as error:
        if not trusted:
            refuse(
                f"{error.message}: two elements might meet",
                block,
                hint="assume_injective_transform=True if they do not",
            )
    return None


def _fill(
    state: ScheduleState,
    block: StmtSRef,
    root: StmtSRef,
    old: Buffer,
    new: Buffer,
    padding: Padding,
    pad_value: IndexMap,
) -> None:
    """Sees to it that padding holds the value."""
    scope = state.get_block_scope(root)
    writers = scope.buffer_writers.get(new.data, [])
    bare = not writers and any(s.buffer is new for s in accesses(root.block.body).stores)
    if not writers and not bare:
        _assume(state, block, root, new, padding, pad_value)
        return
    if len(writers) == 1 and _widen(state, writers[0], new, padding, pad_value):
        return
    if len(writers) == 1 and over_new_layout(
        state, root, writers[0], old, new, padding[0],
        lambda axes: _condition(padding, axes),
        lambda axes: T.cast(pad_value.map_indices(axes)[0], new.dtype),
    ):  # fmt: skip
        return
    nest = _fill_nest(state, block, new, padding, pad_value)
    rest = root.block.body
    body = stmt_seq(nest, rest) if bare else after(rest, step_towards(root, writers[-1]).node, nest)
    made = root.block.replace(body=body)
    state.replace(root, made, {root.block: made})


def _condition(padding: Padding, axes: list[Var]) -> PrimExpr:
    back, condition = padding
    return substitute(condition, dict(zip(back.initial_indices, axes, strict=True)))


def _fill_nest(
    state: ScheduleState, block: StmtSRef, new: Buffer, padding: Padding, pad_value: IndexMap
) -> Stmt:
    """Loops that store the value at all places that are padding."""
    axes = axes_over(new.shape)
    indices = [a.var for a in axes]
    value = T.cast(pad_value.map_indices(indices)[0], new.dtype)
    body = BufferStore(new, value, tuple(indices))
    name = fresh_name(state, block, f"{new.name}_pad")
    writes = (BufferRegion(new, point(tuple(indices))),)
    where = _condition(padding, indices)
    reads = with_regions(BlockNode(tuple(axes), (), (), name, body)).reads
    return full_nest(name, new.shape, body, reads, writes, axes, where)[0]


def _assume(
    state: ScheduleState,
    block: StmtSRef,
    root: StmtSRef,
    new: Buffer,
    padding: Padding,
    pad_value: IndexMap,
) -> None:
    """States at the beginning that the parameter's padding holds the value."""
    axes = axes_over(new.shape)
    indices = [a.var for a in axes]
    value = T.cast(pad_value.map_indices(indices)[0], new.dtype)
    holds = T.any(
        T.logical_not(_condition(padding, indices)),
        T.equal(BufferLoad(new, tuple(indices)), value),
    )
    body = Evaluate(T.call_intrin("bool", "tir.assume", holds))
    name = fresh_name(state, block, f"{new.name}_assume")
    reads = (BufferRegion(new, point(tuple(indices))),)
    nest, _ = full_nest(name, new.shape, body, reads, (), axes)
    made = root.block.replace(body=stmt_seq(nest, root.block.body))
    state.replace(root, made, {root.block: made})


def _widen(
    state: ScheduleState, writer: StmtSRef, new: Buffer, padding: Padding, pad_value: IndexMap
) -> bool:
    """Lets the only writer, a plain copy of values to all places, write the padding too. False
    if it is no such writer."""
    stmt = writer.block
    back, _ = padding
    parts = [stmt.body] if stmt.init is None else [stmt.body, stmt.init]
    stores = [part for part in parts if isinstance(part, BufferStore)]
    if len(stores) < len(parts) or stmt.match_buffers:
        return False
    if writer.realize is None or not T.is_const_int(writer.realize.predicate, 1):
        return False
    spatial = [a for a in stmt.iter_vars if a.iter_type is IterVarType.DataPar]
    others = list(stmt.iter_vars[len(spatial) :])
    if len(spatial) != len(back.final_indices):
        return False
    if others and not _are_plain_loops(state, writer, others):
        return False
    try:
        require_every_instance(state, writer)
        top = sole_nest(writer)
    except Refusal:
        return False
    axes = axes_over(new.shape)
    indices = [a.var for a in axes]
    env = {a.var: T.cast(v, a.var.dtype) for a, v in
           zip(spatial, back.map_indices(indices), strict=True)}  # fmt: skip
    space = Space()
    for a in axes:
        if a.dom is not None:
            space.bind(a.var, a.dom.min, a.dom.extent)
    fill = T.cast(pad_value.map_indices(indices)[0], new.dtype)

    def load(found: BufferLoad) -> BufferLoad | None:
        indices = tuple(map(space.simplify, found.indices))
        return found.replace(indices=indices) if found.buffer is new else None

    made_stores = []
    for store in stores:
        where = [space.simplify(substitute(i, env)) for i in store.indices]
        if any(w is not v for w, v in zip(where, indices, strict=True)):
            return False
        value = MapLoads(load).run(substitute(store.value, env))
        value = T.if_then_else(_condition(padding, indices), fill, value)
        made_stores.append(BufferStore(new, value, tuple(indices)))
    shape = [*new.shape, *(a.dom.extent for a in others if a.dom is not None)]
    nest, made = full_nest(stmt.name_hint, shape, made_stores[0], axes=[*axes, *others])
    widened = made.replace(init=made_stores[1]) if stmt.init is not None else made
    widened = with_regions(widened).replace(annotations=stmt.annotations)
    state.replace(top, replace_statements(nest, {id(made): widened}) or nest, {stmt: widened})
    return True


def _are_plain_loops(state: ScheduleState, block: StmtSRef, others: list[IterVar]) -> bool:
    """True if the axes of the block are serial loops in their order, those not data-parallel from
    zero on and innermost."""
    if block.realize is None or any(a.iter_type is IterVarType.DataPar for a in others):
        return False
    loops = [at.loop for at in state.loops_of(block)]
    return (
        len(loops) == len(block.realize.iter_values)
        and all(l.loop_var is v for l, v in zip(loops, block.realize.iter_values, strict=True))
        and all(l.kind is ForKind.SERIAL and not l.annotations for l in loops)
        and all(a.dom is not None and T.is_const_int(a.dom.min, 0) for a in others)
    )
