"""Operators that change the shape of a tensor or the order of its elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.expr import IntImm, PrimExpr
from ..support.errors import ArgumentError
from ..te.tensor import Tensor
from ..tir import op
from ..tir.expr import Mul
from . import tag
from .broadcast import broadcast_shapes
from .kinds import Axes, Sizes
from .utils import (
    as_dim,
    as_dims,
    as_tuple,
    compute,
    const_or_none,
    equal_const_int,
    flat_index,
    get_const_int,
    index_dtype,
    normalize_axis,
    offset,
    product,
    same_dim,
    unflatten,
)

__all__ = [
    "broadcast_arrays", "concatenate", "expand_dims", "expand_like", "flatten", "flip", "meshgrid",
    "ndarray_size", "repeat", "reshape", "reverse_sequence", "shape", "sliding_window", "split",
    "squeeze", "stack", "tile", "transpose", "unravel_index",
]  # fmt: skip


def expand_dims(a: Tensor, axis: Axes, num_newaxis: int = 1) -> Tensor:
    """`a` with new dimensions of 1: `num_newaxis` of them at `axis`, or one at each of a list."""
    if isinstance(axis, Sequence):
        rank = a.ndim + len(axis)
        places = {normalize_axis(x, rank) for x in axis}
    else:
        rank = a.ndim + num_newaxis
        first = get_const_int(axis)
        first = first + a.ndim + 1 if first < 0 else first
        places = set(range(first, first + num_newaxis))
    if len(places) != rank - a.ndim or any(not 0 <= p < rank for p in places):
        raise ArgumentError(f"expand_dims: axis {axis} does not fit {a.ndim} dimensions")
    dims = iter(a.shape)
    one = IntImm(index_dtype(a), 1)
    shape = [one if i in places else next(dims) for i in range(rank)]
    return compute(
        shape,
        lambda *i: a(*[x for k, x in enumerate(i) if k not in places]),
        "T_expand_dims",
        tag.BROADCAST,
    )


def squeeze(a: Tensor, axis: Axes = None) -> Tensor:
    """`a` without the dimensions of 1 named by `axis` (None: all of them)."""
    if axis is None:
        gone = {i for i, d in enumerate(a.shape) if equal_const_int(d, 1)}
    else:
        gone = {normalize_axis(x, a.ndim) for x in as_tuple(axis)}
        for place in gone:
            if const_or_none(a.shape[place]) not in (None, 1):
                raise ArgumentError(
                    f"squeeze: dimension {place} of `{a.name}` is {a.shape[place]}, expected 1"
                )

    def element(*i: PrimExpr) -> PrimExpr:
        rest = iter(i)
        return a(*[
            IntImm(d.dtype, 0) if k in gone else next(rest) for k, d in enumerate(a.shape)
        ])  # fmt: skip

    shape = [d for k, d in enumerate(a.shape) if k not in gone]
    return compute(shape, element, "T_squeeze", tag.INJECTIVE)


def transpose(a: Tensor, axes: Axes = None) -> Tensor:
    """`a` with its dimensions in the order `axes` (None: reversed)."""
    order = (
        tuple(reversed(range(a.ndim)))
        if axes is None
        else tuple(normalize_axis(x, a.ndim) for x in as_tuple(axes))
    )
    if sorted(order) != list(range(a.ndim)):
        raise ArgumentError(f"transpose: axes {list(order)} are no order of {a.ndim} dimensions")

    def element(*i: PrimExpr) -> PrimExpr:
        source = list(i)
        for place, axis in enumerate(order):
            source[axis] = i[place]
        return a(*source)

    return compute([a.shape[x] for x in order], element, "T_transpose", tag.INJECTIVE)


def _factors(dim: PrimExpr) -> tuple[int, tuple[int, ...]]:
    """A dimension as a constant times variables or other terms (by identity)."""
    if isinstance(dim, IntImm):
        return dim.value, ()
    if isinstance(dim, Mul):
        (p, x), (q, y) = _factors(dim.a), _factors(dim.b)
        return p * q, tuple(sorted(x + y))
    return 1, (id(dim),)


Groups = list[tuple[list[int], list[int]]]


def matching_groups(old: Sequence[PrimExpr], new: Sequence[PrimExpr]) -> Groups:
    """Runs of dimensions of `old` and `new` whose products are equal, as short as can be seen.

    Dimensions of 1 are left out; what cannot be matched is one run at the end.
    """
    left = [i for i, d in enumerate(old) if not equal_const_int(d, 1)]
    right = [i for i, d in enumerate(new) if not equal_const_int(d, 1)]
    groups: Groups = []
    i = j = 0
    while i < len(left) or j < len(right):
        group: tuple[list[int], list[int]] = ([], [])
        p = q = 1
        x: tuple[int, ...] = ()
        y: tuple[int, ...] = ()
        while True:
            take_left = (len(x), p) <= (len(y), q)
            if take_left and i < len(left):
                n, s = _factors(old[left[i]])
                p, x = p * n, tuple(sorted(x + s))
                group[0].append(left[i])
                i += 1
            elif j < len(right):
                n, s = _factors(new[right[j]])
                q, y = q * n, tuple(sorted(y + s))
                group[1].append(right[j])
                j += 1
            else:
                group[0].extend(left[i:])
                i = len(left)
                break
            if group[0] and group[1] and (p, x) == (q, y):
                break
        groups.append(group)
    return groups


def reshape(a: Tensor, newshape: Sequence[Any]) -> Tensor:
    """The elements of `a`, in order, in a new shape; one dimension may be -1 (what is left)."""
    dtype = index_dtype(a)
    shape = list(as_dims(newshape, dtype)) if newshape else []
    unknown = [k for k, d in enumerate(shape) if equal_const_int(d, -1)]
    if len(unknown) > 1:
        raise ArgumentError(f"reshape: more than one -1 in {list(newshape)}")
    if unknown:
        shape[unknown[0]] = _left_over(a, shape, unknown[0], dtype)
    before, after = product(a.shape, dtype), product(shape, dtype)
    x, y = const_or_none(before), const_or_none(after)
    if x is not None and y is not None and x != y:
        raise ArgumentError(f"reshape: {x} elements of `{a.name}` do not fit shape {shape}")
    groups = matching_groups(a.shape, shape) if x != 0 else []

    def element(*i: PrimExpr) -> PrimExpr:
        source: list[PrimExpr] = [IntImm(d.dtype, 0) for d in a.shape]
        for mine, theirs in groups:
            if len(mine) == len(theirs) == 1:
                source[mine[0]] = i[theirs[0]]
                continue
            flat = flat_index([i[k] for k in theirs], [shape[k] for k in theirs], dtype)
            for k, index in zip(mine, unflatten(flat, [a.shape[k] for k in mine]), strict=True):
                source[k] = index
        return a(*source)

    return compute(shape, element, "T_reshape", tag.INJECTIVE)


def _left_over(a: Tensor, shape: list[PrimExpr], place: int, dtype: str) -> PrimExpr:
    """The dimension for -1; equal dimensions on both sides cancel."""
    own, rest = list(a.shape), []
    for dim in (d for k, d in enumerate(shape) if k != place):
        match = next((k for k, d in enumerate(own) if same_dim(d, dim)), None)
        if match is None or equal_const_int(dim, 0):
            rest.append(dim)
        else:
            del own[match]
    total, known = product(own, dtype), product(rest, dtype)
    if equal_const_int(known, 0):
        raise ArgumentError("reshape: -1 cannot be inferred beside a dimension of 0")
    return total if equal_const_int(known, 1) else op.floordiv(total, known)


def flatten(data: Tensor) -> Tensor:
    """`data` as a matrix: the first dimension stays, the others become one."""
    if not data.ndim:
        raise ArgumentError(f"flatten: `{data.name}` needs a dimension, found none")
    return reshape(data, [data.shape[0], product(data.shape[1:], index_dtype(data))])


def concatenate(a_tuple: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The tensors one after another along `axis`."""
    tensors = list(a_tuple)
    if not tensors:
        raise ArgumentError("concatenate needs at least one tensor")
    first = tensors[0]
    place = normalize_axis(axis, first.ndim)
    shape = list(first.shape)
    starts: list[PrimExpr] = []
    total: Any = 0
    for tensor in tensors:
        _check_concatenated(first, tensor, place)
        starts.append(total)
        extent = tensor.shape[place]
        total = extent if equal_const_int(total, 0) else op.add(total, extent)
    shape[place] = total

    def element(*i: PrimExpr) -> PrimExpr:
        result: PrimExpr | None = None
        for start, tensor in zip(starts, tensors, strict=True):
            if equal_const_int(tensor.shape[place], 0):
                continue
            own = i[place] if equal_const_int(start, 0) else op.subtract(i[place], start)
            value = tensor(*i[:place], own, *i[place + 1 :])
            if result is None:
                result = value
            else:
                result = op.if_then_else(op.greater_equal(i[place], start), value, result)
        return result if result is not None else op.const(0, first.dtype)

    return compute(shape, element, "T_concat", tag.INJECTIVE)


def _check_concatenated(first: Tensor, tensor: Tensor, axis: int) -> None:
    if tensor.ndim != first.ndim or tensor.dtype != first.dtype:
        raise ArgumentError(
            f"concatenate: `{tensor.name}` has {tensor.ndim} dimensions of {tensor.dtype}, "
            f"expected {first.ndim} of {first.dtype}"
        )
    for k, (a, b) in enumerate(zip(first.shape, tensor.shape, strict=True)):
        x, y = const_or_none(a), const_or_none(b)
        if k != axis and x is not None and y is not None and x != y:
            raise ArgumentError(f"concatenate: dimension {k} of `{tensor.name}` is {y}, not {x}")


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The tensors, all of one shape, side by side along a new dimension at `axis`."""
    given = list(tensors)
    if not given:
        raise ArgumentError("stack needs at least one tensor")
    place = normalize_axis(axis, given[0].ndim + 1)
    return concatenate([expand_dims(t, place) for t in given], place)


def split(ary: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """`ary` cut along `axis`: into that many equal parts, or at each of the given indices."""
    place = normalize_axis(axis, ary.ndim)
    whole = ary.shape[place]
    sections = const_or_none(indices_or_sections)
    if sections is not None:
        if sections <= 0:
            raise ArgumentError(f"split: the number of parts must be positive, found {sections}")
        step = op.ceildiv(whole, sections) if sections > 1 else whole
        cuts: list[Any] = [op.multiply(step, k) for k in range(1, sections)]
    else:
        if indices_or_sections is None:
            raise ArgumentError("split needs a number of parts or indices to cut at, found None")
        cuts = list(as_dims(indices_or_sections, whole.dtype))
        sections = len(cuts) + 1
    bounds = [IntImm(whole.dtype, 0), *[_at_most(c, whole) for c in cuts], whole]
    return [_part(ary, place, bounds[k], bounds[k + 1]) for k in range(sections)]


def _at_most(cut: PrimExpr, whole: PrimExpr) -> PrimExpr:
    x, y = const_or_none(cut), const_or_none(whole)
    if x is None or y is None:
        return cut
    return IntImm(whole.dtype, min(max(x + y if x < 0 else x, 0), y))


def _part(ary: Tensor, axis: int, begin: PrimExpr, end: PrimExpr) -> Tensor:
    shape = list(ary.shape)
    length = op.subtract(end, begin)
    if isinstance(length, IntImm) and length.value < 0:
        length = IntImm(length.dtype, 0)
    shape[axis] = length
    return compute(
        shape,
        lambda *i: ary(*i[:axis], op.add(i[axis], begin), *i[axis + 1 :]),
        "T_split",
        tag.INJECTIVE,
    )


def flip(a: Tensor, axis: Axes = 0) -> Tensor:
    """`a` read backwards along `axis` (or each of a list)."""
    places = {normalize_axis(x, a.ndim) for x in as_tuple(axis)}
    return compute(
        a.shape,
        lambda *i: a(*[
            offset(a.shape[k], -1) - x if k in places else x for k, x in enumerate(i)
        ]),
        "T_reverse_sequence",
        tag.INJECTIVE,
    )  # fmt: skip


def reverse_sequence(
    a: Tensor, seq_lengths: Tensor, seq_axis: int = 1, batch_axis: int = 0
) -> Tensor:
    """The first `seq_lengths[b]` elements along `seq_axis` backwards, the others as they are."""
    along, batch = normalize_axis(seq_axis, a.ndim), normalize_axis(batch_axis, a.ndim)

    def element(*i: PrimExpr) -> PrimExpr:
        length = op.cast(seq_lengths(i[batch]), i[along].dtype)
        mirrored = op.if_then_else(
            op.less(i[along], length), op.subtract(op.subtract(length, 1), i[along]), i[along]
        )
        return a(*i[:along], mirrored, *i[along + 1 :])

    return compute(a.shape, element, "T_reverse_sequence", tag.INJECTIVE)


def repeat(a: Tensor, repeats: int, axis: int) -> Tensor:
    """Each element along `axis` repeated `repeats` times, side by side."""
    place = normalize_axis(axis, a.ndim)
    shape = list(a.shape)
    shape[place] = op.multiply(shape[place], as_dim(repeats, shape[place].dtype))
    return compute(
        shape,
        lambda *i: a(*i[:place], _divided(i[place], repeats, a.shape[place]), *i[place + 1 :]),
        "T_repeat",
        tag.BROADCAST,
    )


def _divided(index: PrimExpr, by: int, extent: PrimExpr) -> PrimExpr:
    return IntImm(index.dtype, 0) if equal_const_int(extent, 1) else op.floordiv(index, by)


def tile(a: Tensor, reps: Any) -> Tensor:
    """`a` repeated as a whole `reps[k]` times along each dimension (aligned at the last)."""
    counts = list(as_tuple(reps))
    dtype = index_dtype(a)
    rank = max(a.ndim, len(counts))
    counts = [1] * (rank - len(counts)) + counts
    dims = [IntImm(dtype, 1)] * (rank - a.ndim) + list(a.shape)
    shape = [op.multiply(d, as_dim(c, d.dtype)) for d, c in zip(dims, counts, strict=True)]

    def element(*i: PrimExpr) -> PrimExpr:
        own: list[PrimExpr] = []
        for index, extent, count in zip(i, dims, counts, strict=True):
            if equal_const_int(extent, 1):
                own.append(IntImm(index.dtype, 0))
            elif equal_const_int(count, 1) or equal_const_int(extent, 0):
                own.append(index)
            else:
                own.append(index % extent)
        return a(*own[rank - a.ndim :])

    return compute(shape, element, "T_tile", tag.BROADCAST)


def expand_like(a: Tensor, shape_like: Tensor, axis: Axes) -> Tensor:
    """`a` with dimensions inserted at `axis`, as large as those of `shape_like`."""
    places = {normalize_axis(x, shape_like.ndim) for x in as_tuple(axis)}
    if a.ndim + len(places) != shape_like.ndim:
        raise ArgumentError(f"expand_like: {a.ndim} and {len(places)} axes make no {shape_like}")
    return compute(
        shape_like.shape,
        lambda *i: a(*[x for k, x in enumerate(i) if k not in places]),
        "compute",
        tag.BROADCAST,
    )


def meshgrid(a_tuple: Sequence[Tensor], indexing: str = "ij") -> list[Tensor]:
    """The coordinate grids of one-dimensional tensors; `xy` swaps the first two dimensions."""
    tensors = list(a_tuple)
    order = list(range(len(tensors)))
    if indexing == "xy" and len(order) > 1:
        order[0], order[1] = 1, 0
    elif indexing not in ("ij", "xy"):
        raise ArgumentError(f"meshgrid: indexing is ij or xy, found {indexing!r}")
    one = IntImm(index_dtype(*tensors), 1)
    sizes = [t.shape[0] if t.ndim else one for t in tensors]
    shape = [sizes[k] for k in order]

    def grid(k: int) -> Tensor:
        t, axis = tensors[k], order.index(k)
        return compute(
            shape, lambda *i: t(*([i[axis]] if t.ndim else [])), "T_meshgrid", tag.INJECTIVE
        )

    return [grid(k) for k in range(len(tensors))]


def broadcast_arrays(*tensors: Tensor) -> list[Tensor]:
    """The tensors, each broadcast to the shape of all."""
    from .broadcast import broadcast_to

    shape = broadcast_shapes(*[t.shape for t in tensors])
    return [broadcast_to(t, shape) for t in tensors]


def sliding_window(
    data: Tensor, axis: int, window_shape: Sequence[int], strides: Sequence[int]
) -> Tensor:
    """All windows over the dimensions from `axis` on: positions first, then the window."""
    first = normalize_axis(axis, data.ndim)
    count = len(window_shape)
    if first + count != data.ndim or len(strides) != count:
        raise ArgumentError(
            f"sliding_window: {count} window dimensions from axis {first} do not fit {data.ndim}"
        )
    places = [
        offset(d, s - w) if s == 1 else offset(d, s - w) // s
        for d, w, s in zip(data.shape[first:], window_shape, strides, strict=True)
    ]
    dtype = index_dtype(data)
    shape = [*data.shape[:first], *places, *as_dims(window_shape, dtype)]

    def element(*i: PrimExpr) -> PrimExpr:
        inner = [
            op.add(op.multiply(p, s), w)
            for p, w, s in zip(i[first : first + count], i[first + count :], strides, strict=True)
        ]
        return data(*i[:first], *inner)

    return compute(shape, element, "T_sliding_window", tag.INJECTIVE)


def shape(array: Tensor, dtype: str = "int32") -> Tensor:
    """The dimensions of `array` as a tensor."""
    dims = [op.cast(d, dtype) for d in array.shape]

    def element(i: PrimExpr) -> PrimExpr:
        result: PrimExpr = op.const(0, dtype)
        for k in reversed(range(len(dims))):
            result = dims[k] if k == len(dims) - 1 else op.select(op.equal(i, k), dims[k], result)
        return result

    return compute([len(dims)], element, "T_shape", tag.INJECTIVE)


def ndarray_size(array: Tensor, dtype: str = "int32") -> Tensor:
    """The number of elements of `array`."""
    total = op.cast(product(array.shape, index_dtype(array)), dtype)
    return compute([], lambda: total, "ndarray_size", tag.INJECTIVE)


def unravel_index(indices: Tensor, shape: Sizes) -> Tensor:
    """The coordinates in `shape` of flat `indices`: one row a dimension.

    `shape` is a one-dimensional tensor, or a sequence of dimensions.
    """
    if isinstance(shape, Tensor):
        count = get_const_int(shape.shape[0])
        dims = [op.cast(shape(k), indices.dtype) for k in range(count)]
    else:
        dims = list(as_dims(shape, indices.dtype))
        count = len(dims)

    def element(*i: PrimExpr) -> PrimExpr:
        flat = indices(*i[1:])
        result: PrimExpr = op.const(0, indices.dtype)
        inner: Any = None
        rows = []
        for dim in reversed(dims):
            quotient = flat if inner is None else op.floordiv(flat, inner)
            rows.append(op.floormod(quotient, dim))
            inner = dim if inner is None else op.multiply(inner, dim)
        rows.reverse()
        for k in reversed(range(count)):
            result = rows[k] if k == count - 1 else op.select(op.equal(i[0], k), rows[k], result)
        return result

    first = as_dim(count, index_dtype(indices))
    return compute([first, *indices.shape], element, "T_unravel", tag.INJECTIVE)
