"""Buffers: memory seen as an array of a shape."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NoReturn

from ..ir.expr import OPERATORS, IntImm, PrimExpr, Range, as_scalar
from ..ir.node import Node, definition, ignored, node
from ..ir.type import PointerType, PrimType
from ..support.dtypes import dtype_of, not_a_dtype
from ..support.errors import ArgumentError, ArgumentTypeError
from .accesses import as_indices
from .expr import BufferLoad, Ramp, Var, pointer
from .op import simplified, tvm_access_ptr_of

_INDICES = frozenset(("int32", "int64"))


def _count(value: object) -> Any:
    """A number as a plain one."""
    return value.value if isinstance(value, IntImm) else value


@node("tir.Buffer", variable=True, by_content=True)
class Buffer(Node):
    """`data`, an address, seen as an array of `shape` elements of `dtype`.

    `strides` (in elements) is empty for a compact row-major array; `elem_offset` is where the
    first element lies after `data`. Alignment is in bytes; `offset_factor` divides the offset.
    """

    data: Var = definition()
    dtype: str
    shape: tuple[PrimExpr, ...]
    strides: tuple[PrimExpr, ...] = ()
    elem_offset: PrimExpr = None  # type: ignore[assignment]  # set when made
    name: str = ignored(default="buffer")
    data_alignment: int = 64
    offset_factor: int = 1
    buffer_type: str = ""
    axis_separators: tuple[int, ...] = ()

    __iter__: ClassVar[None] = None
    """Python would try the indices 0, 1, 2... without end."""
    READ: ClassVar[int] = 1
    WRITE: ClassVar[int] = 2

    def __post_init__(self) -> None:
        index = self._index_dtype()
        self.shape = self._integers("shape", index)  # type: ignore[misc]
        self.strides = self._integers("strides", index)  # type: ignore[misc]
        if self.elem_offset is None:
            self.elem_offset = IntImm(index, 0)
        if self.strides and len(self.strides) != len(self.shape):
            self._refuse("strides", f"one a dimension, which are {len(self.shape)}")
        try:
            self.dtype = dtype_of(self.dtype).name  # type: ignore[misc]
        except TypeError:  # what cannot be hashed, too
            raise not_a_dtype(self.dtype) from None
        if self.axis_separators:
            self._check_separators()
        self.data_alignment = _count(self.data_alignment)  # type: ignore[misc]
        self.offset_factor = _count(self.offset_factor)  # type: ignore[misc]
        if not isinstance(self.data, Var):
            self._refuse("data", "an address, which is a variable")
        kind = self.data.type_annotation
        if not (isinstance(kind, PointerType) and isinstance(kind.element_type, PrimType)):
            self._refuse("data", f"a pointer to numbers, not of type {self.data.dtype}")
        self._check_places()
        if not isinstance(self.offset_factor, int) or self.offset_factor < 1:
            self._refuse("offset_factor", "a positive integer")
        if not isinstance(self.data_alignment, int) or self.data_alignment < 1:
            self._refuse("data_alignment", "a positive integer")
        if not isinstance(self.buffer_type, str):
            self._refuse("buffer_type", "a string")

    def _check_places(self) -> None:
        for name in ("shape", "strides", "elem_offset"):
            value = getattr(self, name)
            for place in value if isinstance(value, tuple) else (value,):
                if place.dtype not in _INDICES and dtype_of(place.dtype).is_float:
                    self._refuse(name, "of integers")

    def _index_dtype(self) -> str:
        self.strides = self.strides or ()  # type: ignore[misc]
        for name in ("shape", "strides"):
            if isinstance(getattr(self, name), str) or not isinstance(
                getattr(self, name), Iterable
            ):
                self._refuse(name, "a list")
        return _index_dtype((*self.shape, *self.strides))

    def _integers(self, name: str, dtype: str) -> tuple[PrimExpr, ...]:
        try:
            return tuple([as_scalar(value, dtype) for value in getattr(self, name)])
        except ArgumentError:
            self._refuse(name, "of integers and expressions")

    def _check_separators(self) -> None:
        if not all(hasattr(x, "__index__") for x in self.axis_separators):
            self._refuse("axis_separators", "of integers")
        self.axis_separators = ends = tuple(int(x) for x in self.axis_separators)  # type: ignore[misc]
        if list(ends) != sorted(ends) or ends[0] < 0 or ends[-1] > len(self.shape):
            self._refuse("axis_separators", f"in order, from 0 to {len(self.shape)}")

    def _refuse(self, name: str, kind: str) -> NoReturn:
        raise ArgumentError(
            f"`{name}` of buffer `{self.name}` is {kind}, found {getattr(self, name)!r}"
        )

    def __repr__(self) -> str:
        return self.name

    def scope(self) -> str:
        """The memory that holds it: `global`, `local`, `shared`..."""
        kind = self.data.type_annotation
        return (kind.storage_scope or "global") if isinstance(kind, PointerType) else "global"

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def with_name(self, name: str) -> Buffer:
        """A new buffer on new memory, alike but for the name."""
        return self.replace(name=name, data=self.data.copy_with_name(name))

    def vload(
        self, begin: Sequence[object], dtype: str | None = None, predicate: PrimExpr | None = None
    ) -> BufferLoad:
        """Loads the element, or the vector of `dtype`, that begins at the indices `begin`."""
        return BufferLoad(self, self._vector_indices(begin, dtype or self.dtype), predicate)

    def vstore(
        self, begin: Sequence[object], value: object, predicate: PrimExpr | None = None
    ) -> Any:
        """The statement that stores `value` from the indices `begin` on."""
        value = as_scalar(value, self.dtype)
        indices = self._vector_indices(begin, value.dtype)
        return OPERATORS["store"](self, value, indices, predicate)

    def _vector_indices(self, begin: Sequence[object], dtype: str) -> tuple[PrimExpr, ...]:
        indices = as_indices(begin if isinstance(begin, (tuple, list)) else (begin,))
        lanes = dtype_of(dtype).lanes // dtype_of(self.dtype).lanes
        if lanes == 1 or (indices and dtype_of(indices[-1].dtype).lanes > 1):
            return indices
        return (*indices[:-1], Ramp(indices[-1], IntImm(indices[-1].dtype, 1), lanes))

    def offset_of(self, indices: Sequence[object]) -> tuple[PrimExpr, ...]:
        """Where the element at `indices` lies in `data`: one flat index, `elem_offset` included."""
        return tuple([simplified(i) for i in flat_indices(self, as_indices(indices))])

    def get_flattened_buffer(self) -> Buffer:
        """The same memory as one dimension (one a group of `axis_separators`)."""
        return flattened(self)

    def access_ptr(
        self,
        access_mask: int | str = "rw",
        ptr_type: str = "handle",
        content_lanes: int = 1,
        offset: object = 0,
        extent: object = None,
    ) -> PrimExpr:
        """The address of the elements from `offset` on, for a call outside the language.

        They are accessed as vectors of `content_lanes`, which `extent` counts.
        """
        return tvm_access_ptr_of(self, access_mask, ptr_type, content_lanes, offset, extent)

    def __getitem__(self, indices: Any) -> Any:
        """The element at `indices`, or the `BufferRegion` if one of them is a slice.

        A slice of constant length at the last place, with a step, is a vector (`Ramp`).
        """
        items = indices if isinstance(indices, tuple) else (indices,)
        if len(items) != self.ndim:
            raise ArgumentError(
                f"buffer `{self.name}` has {self.ndim} dimensions, indexed with {len(items)}"
            )
        if not any(isinstance(item, (slice, Range)) for item in items):
            return BufferLoad(self, items)
        if isinstance(items[-1], slice) and items[-1].step is not None:
            return BufferLoad(self, (*items[:-1], _ramp(items[-1])))
        region = tuple(_range(i, d) for i, d in zip(items, self.shape, strict=True))
        return OPERATORS["region"](self, region)


def _ramp(item: slice) -> PrimExpr:
    lo, hi = as_scalar(item.start or 0), as_scalar(item.stop)
    step = positive_step(as_scalar(item.step))
    lanes = simplified((hi - lo + step - 1) // step)
    if not isinstance(lanes, IntImm):
        raise ArgumentError(f"a vector needs a constant number of lanes, found {lanes}")
    return lo if lanes.value == 1 else Ramp(lo, step, lanes.value)


def positive_step(step: PrimExpr) -> PrimExpr:
    """The step of a slice. Raises `ArgumentError` for one that is not positive."""
    if isinstance(step, IntImm) and step.value <= 0:
        raise ArgumentError(
            f"a slice of a buffer steps forward, found a step of {step.value}",
            hint="a vector that steps back is T.Ramp(base, -1, lanes)",
        )
    return step


def _range(item: Any, extent: PrimExpr) -> Range:
    if isinstance(item, Range):
        return item
    if not isinstance(item, slice):
        lo = as_scalar(item)
        return Range(lo, IntImm(lo.dtype, 1))
    lo = as_scalar(item.start if item.start is not None else 0, extent.dtype)
    hi = as_scalar(item.stop, extent.dtype) if item.stop is not None else extent
    return Range(lo, simplified(hi - lo))


def _dot(indices: Sequence[PrimExpr], strides: Sequence[PrimExpr]) -> PrimExpr:
    total: PrimExpr | None = None
    for i, s in zip(indices, strides, strict=True):
        total = i * s if total is None else total + i * s
    return IntImm("int32", 0) if total is None else total


def _row_major(indices: Sequence[PrimExpr], shape: Sequence[PrimExpr]) -> PrimExpr:
    total: PrimExpr | None = None
    for i, extent in zip(indices, shape, strict=True):
        total = i if total is None else total * extent + i
    return IntImm("int32", 0) if total is None else total


def _groups(buffer: Buffer) -> list[slice]:
    ends = [0, *buffer.axis_separators, buffer.ndim]
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def _require_inside(buffer: Buffer, axis: int, index: int, extent: int) -> None:
    """Raises `ArgumentError` for a constant index that the axis does not have. Of an axis without
    elements nothing is asked: loops over it do not run."""
    if extent and not 0 <= index < extent:
        raise ArgumentError(
            f"buffer `{buffer.name}` is accessed at {index} of axis {axis}, which has {extent} "
            "elements",
            hint=f"indices are 0 to {extent - 1}",
        )


def flat_indices(buffer: Buffer, indices: Sequence[PrimExpr]) -> tuple[PrimExpr, ...]:
    """One flat index a group of axes (one group without `axis_separators`).

    Raises `ArgumentError` for another number of indices than axes, and for a constant index that is
    outside of a constant extent.
    """
    if len(indices) != buffer.ndim:
        raise ArgumentError(
            f"buffer `{buffer.name}` has {buffer.ndim} dimensions, indexed with {len(indices)}"
        )
    for axis, (index, extent) in enumerate(zip(indices, buffer.shape, strict=True)):
        if type(index) is IntImm and type(extent) is IntImm:
            _require_inside(buffer, axis, index.value, extent.value)
    out = []
    for part in _groups(buffer):
        if buffer.strides:
            out.append(_dot(indices[part], buffer.strides[part]))
        else:
            out.append(_row_major(indices[part], buffer.shape[part]))
    if not (isinstance(buffer.elem_offset, IntImm) and buffer.elem_offset.value == 0):
        out[-1] = out[-1] + buffer.elem_offset
    return tuple(out)


def flattened(buffer: Buffer) -> Buffer:
    """`buffer` with the axes of each group joined into one; a scalar becomes one element."""
    index = buffer.shape[0].dtype if buffer.shape else "int32"
    sizes = []
    for part in _groups(buffer):
        size: PrimExpr = IntImm(index, 1)
        if buffer.strides:
            size = buffer.strides[part][0] * buffer.shape[part][0] if buffer.ndim else size
        else:
            for extent in buffer.shape[part]:
                size = extent if isinstance(size, IntImm) and size.value == 1 else size * extent
        sizes.append(size)
    if len(sizes) == 1 and buffer.ndim == 1 and not buffer.strides:
        return buffer
    separators = tuple(range(1, len(sizes)))
    return buffer.replace(shape=tuple(sizes), strides=(), axis_separators=separators)


def _index_dtype(dims: Sequence[object]) -> str:
    """The type of the plain integers among sizes: that of the first expression, but int64 where
    one is too large for it."""
    dtype = next((d.dtype for d in dims if isinstance(d, PrimExpr)), "int32")
    most = dtype_of(dtype).max_value if dtype_of(dtype).is_integral else 0
    return "int64" if any(isinstance(d, int) and d > most for d in dims) else dtype


def decl_buffer(
    shape: Sequence[object] | object,
    dtype: str = "float32",
    name: str = "buffer",
    data: Var | None = None,
    strides: Sequence[object] | None = None,
    elem_offset: object = None,
    scope: str = "",
    data_alignment: int = -1,
    offset_factor: int = 0,
    buffer_type: str = "",
    axis_separators: Sequence[int] = (),
) -> Buffer:
    """A new buffer of `shape` (integers or expressions); its memory is a new variable `name`.

    With an `offset_factor` alone the buffer begins anywhere: `elem_offset` is a new variable.
    """
    for what, given in (("strides", strides), ("axis_separators", axis_separators)):
        if given is not None and not isinstance(given, (tuple, list)):
            raise ArgumentTypeError(f"`{what}` of buffer `{name}` is a list, found {given!r}")
    if not isinstance(_count(data_alignment), int):
        raise ArgumentTypeError(
            f"`data_alignment` of buffer `{name}` is an integer, found {data_alignment!r}"
        )
    dims = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    for axis, dim in enumerate(dims):
        size = dim.value if isinstance(dim, IntImm) else dim
        if isinstance(size, float) or (isinstance(size, int) and size < 0):
            raise ArgumentError(
                f"axis {axis} of {f'buffer `{name}`' if name else 'a buffer'} has {size} elements",
                hint="write an integer of 0 or more; sizes known at run time are variables",
            )
    memory = data if data is not None else Var(name, pointer(dtype, scope or "global"))  # type: ignore[arg-type]
    if elem_offset is None and offset_factor:
        index = getattr(dims[0], "dtype", None) if dims else "int32"
        index = index or _index_dtype(dims)
        elem_offset = Var(f"{name}_elem_offset" if name else "elem_offset", index)
    return Buffer(
        memory,
        dtype,
        dims,
        tuple(strides or ()),  # type: ignore[arg-type]
        None if elem_offset is None else as_scalar(elem_offset),  # type: ignore[arg-type]
        name,
        64 if _count(data_alignment) <= 0 else data_alignment,
        offset_factor or 1,
        buffer_type,
        tuple(axis_separators or ()),
    )
