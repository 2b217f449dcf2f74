"""Layouts of a kernel's inputs and blocks that go with wanted layouts of its outputs."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import post_order_visit
from ...ir.structural import structural_equal
from ...support.errors import ArgumentError
from ...tir import expr as E
from ...tir.buffer import Buffer
from ...tir.function import PrimFunc
from ...tir.index_map import IndexMap
from ...tir.stmt import Block, BlockRealize, BufferStore

Axes = list[E.Var]
"""For each dimension of an access, the axis of the block that runs along it."""

Suggestions = dict[Block, dict[Block | Buffer, IndexMap]]


def suggest_layout_transforms(
    func: PrimFunc, write_buffer_transforms: Sequence[IndexMap | Callable[..., object]]
) -> Suggestions:
    """For each block of `func` the maps that its axes and its buffers should go through, so that
    the outputs (the last parameters) get the layouts `write_buffer_transforms`, one an output.

    Axes follow the dimensions of what the block writes; an input follows where each of its
    dimensions runs along one axis, in the order of the output's, by an affine index. Blocks
    around other blocks, and those whose axes would not be mapped one to one, get no suggestion. A
    buffer is named with the first block that uses it.

    Raises `ArgumentError` if there are more maps than array parameters, or if one does not fit
    its output.
    """
    buffers = func.buffers()
    count = len(write_buffer_transforms)
    if count > len(buffers):
        raise ArgumentError(
            f"{count} write_buffer_transforms for a function of {len(buffers)} array parameters"
        )
    outputs = buffers[len(buffers) - count :]
    maps = {
        id(buffer): _index_map(buffer, given)
        for buffer, given in zip(outputs, write_buffer_transforms, strict=True)
    }
    found = [(block, _of_block(block, maps)) for block in reversed(_leaves(func))]
    return _agreed([(block, made) for block, made in reversed(found) if made])


def _index_map(buffer: Buffer, given: object) -> IndexMap:
    if not isinstance(given, IndexMap):
        if not callable(given):
            raise ArgumentError(
                f"a write_buffer_transform is an IndexMap or a function of indices, found {given!r}"
            )
        dtype = buffer.shape[0].dtype if buffer.shape else "int64"
        given = IndexMap.from_func(given, buffer.ndim, index_dtype=dtype)
    if len(given.initial_indices) != buffer.ndim:
        raise ArgumentError(
            f"the layout of `{buffer.name}`, which has {buffer.ndim} dimensions, is mapped from "
            f"{len(given.initial_indices)} indices"
        )
    return given


def _leaves(func: PrimFunc) -> list[Block]:
    """The blocks that hold no other block and stand in none but the root, in order."""
    leaves: list[Block] = []

    def look(part: object) -> None:
        if isinstance(part, BlockRealize):
            inner: list[object] = []
            post_order_visit(
                part.block.body, lambda n: inner.append(n) if isinstance(n, Block) else None
            )
            if not inner:
                leaves.append(part.block)
            elif part.block.iter_vars:
                nested.extend(id(n) for n in inner)

    nested: list[int] = []
    post_order_visit(func.body, look)
    return [block for block in leaves if id(block) not in nested]


def _of_block(block: Block, maps: dict[int, IndexMap]) -> dict[Block | Buffer, IndexMap]:
    """The maps of a block and of its buffers; what it reads is noted for the blocks before."""
    stores: list[BufferStore] = []
    loads: list[E.BufferLoad] = []
    for statement in (block.init, block.body):
        if statement is not None:
            post_order_visit(statement, lambda n: _sort(n, stores, loads))
    target = stores[0].buffer if stores else None
    wanted = maps.get(id(target))
    if target is None or wanted is None or any(s.buffer is not target for s in stores):
        return {}
    written = _axes_of_all(block, [s.indices for s in stores])
    if written is None:
        return {}
    own = _follow(written, wanted, [axis.var for axis in block.iter_vars])
    domain = [axis.dom.extent for axis in block.iter_vars if axis.dom is not None]
    if own is None or not _is_bijective(own, domain):
        return {}
    made: dict[Block | Buffer, IndexMap] = {block: own, target: wanted}
    for source in {id(e.buffer): e.buffer for e in loads if e.buffer is not target}.values():
        axes = _axes_of_all(block, [e.indices for e in loads if e.buffer is source])
        followed = None if axes is None else _follow(written, wanted, axes)
        if followed is not None and _is_bijective(followed, source.shape):
            made[source] = maps[id(source)] = followed
    return made


def _sort(part: object, stores: list[BufferStore], loads: list[E.BufferLoad]) -> None:
    if isinstance(part, BufferStore):
        stores.append(part)
    elif isinstance(part, E.BufferLoad):
        loads.append(part)


def _axes_of_all(block: Block, accesses: Sequence[Sequence[PrimExpr]]) -> Axes | None:
    """The axes along which all accesses of one buffer run; None if they differ."""
    found = [_axes(block, indices) for indices in accesses]
    first = found[0]
    if first is None or not all(axes is not None and _same(axes, first) for axes in found):
        return None
    return first


def _same(axes: Axes, others: Axes) -> bool:
    return all(a is b for a, b in zip(axes, others, strict=True))


def _axes(block: Block, indices: Sequence[PrimExpr]) -> Axes | None:
    kinds = {id(axis.var): axis.iter_type for axis in block.iter_vars}
    axes: Axes = []
    for index in indices:
        used, is_affine = _axes_in(index, kinds)
        spatial = [v for v in used.values() if kinds[id(v)] == E.IterVarType.DataPar]
        along = spatial or list(used.values())
        if len(along) != 1 or not is_affine or any(along[0] is axis for axis in axes):
            return None
        axes.append(along[0])
    return axes


def _axes_in(index: PrimExpr, kinds: Container[int]) -> tuple[dict[int, E.Var], bool]:
    """The axes that an index mentions; whether it is affine in them."""
    used: dict[int, E.Var] = {}
    affine: list[bool] = []
    post_order_visit(index, lambda n: affine.append(_see(n, used, kinds)))
    return used, all(affine)


def _see(part: object, used: dict[int, E.Var], kinds: Container[int]) -> bool:
    """Notes an axis; whether the part may stand in an affine index."""
    if isinstance(part, E.Var):
        if id(part) in kinds:
            used[id(part)] = part
        return True
    if isinstance(part, (E.Mul, E.FloorDiv, E.FloorMod)):
        return isinstance(part.b, IntImm) or (
            isinstance(part, E.Mul) and isinstance(part.a, IntImm)
        )
    return isinstance(part, (IntImm, E.Add, E.Sub))


def _follow(known: Axes, wanted: IndexMap, axes: Axes) -> IndexMap | None:
    """What `wanted`, a map of the dimensions along `known`, makes of dimensions along `axes`: those
    that it does not know stay where they are. None if the order of the common ones differs, or if
    a dimension would be made of axes of which only some are there."""
    places = {id(axis): place for place, axis in enumerate(axes)}
    common = [places[id(axis)] for axis in known if id(axis) in places]
    if not common or common != sorted(common):
        return None
    ours = {id(v): axis for v, axis in zip(wanted.initial_indices, known, strict=True)}
    final: list[PrimExpr] = []
    for index in wanted.map_indices(known):
        used = [axis for axis in ours.values() if _uses(index, axis)]
        there = [axis for axis in used if id(axis) in places]
        if len(there) == len(used):
            final.append(index)
        elif there:
            return None
    for place, axis in enumerate(axes):
        if not any(axis is other for other in known):
            final.insert(place, axis)
    return IndexMap(tuple(axes), tuple(final))


def _uses(index: PrimExpr, axis: E.Var) -> bool:
    found: list[bool] = []
    post_order_visit(index, lambda n: found.append(True) if n is axis else None)
    return bool(found)


def _is_bijective(index_map: IndexMap, shape: Sequence[PrimExpr]) -> bool:
    try:
        index_map.inverse(shape)
    except ArgumentError:
        return False
    return True


def _agreed(found: Sequence[tuple[Block, dict[Block | Buffer, IndexMap]]]) -> Suggestions:
    """Each buffer with the first block that uses it, unless blocks want different layouts of it."""
    first: dict[int, IndexMap] = {}
    refused: set[int] = set()
    for _, made in found:
        for key, index_map in made.items():
            known = first.setdefault(id(key), index_map)
            if not structural_equal(known, index_map):
                refused.add(id(key))
    out: Suggestions = {}
    told: set[int] = set()
    for block, made in found:
        out[block] = {k: m for k, m in made.items() if id(k) not in refused | told}
        told.update(id(k) for k in made)
    return out


__all__ = ["suggest_layout_transforms"]
