"""Arguments that describe a layout: index maps, given as such or as functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from ...ir.expr import PrimExpr, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError, ScheduleError
from ..index_map import IndexMap
from ..stmt import Block
from .buffer_args import accept_buffer
from .instruction import Role

if TYPE_CHECKING:
    from .schedule import Schedule


def index_type(block: Block) -> str:
    """The widest type of the block's axes and its buffers' sizes."""
    kinds = [axis.var.dtype for axis in block.iter_vars]
    kinds += [d.dtype for r in (*block.writes, *block.reads) for d in r.buffer.shape]
    return "int64" if "int64" in kinds else "int32"


def _map_of(value: Any, ndim: int | None, dtype: str) -> IndexMap:
    if isinstance(value, IndexMap):
        return value
    if not isinstance(value, Callable):  # type: ignore[arg-type]
        raise ArgumentError(f"expected an IndexMap or a function, found {type(value).__name__}")
    return IndexMap.from_func(value, ndim, index_dtype=dtype)


def _buffer_of(schedule: Schedule, given: dict[str, Any]) -> tuple[Block, Any]:
    block = schedule.get(given["block"])
    place = given.get("buffer", given.get("read_buffer_index", given.get("write_buffer_index")))
    if isinstance(place, tuple):
        side, k = place
    else:
        side, k = ("read" if "read_buffer_index" in given else "write"), place
    return block, getattr(block, f"{side}s")[k].buffer


def split_off_separators(schedule: Schedule, arguments: dict[str, Any]) -> list[int]:
    """The axis separators that the function given as `index_map` puts among its results; the
    argument becomes the map without them."""
    value = arguments["index_map"]
    if isinstance(value, IndexMap) or not callable(value):
        return []
    given = {"block": arguments["block"]}
    if isinstance(given["block"], str):
        given["block"] = schedule.get_block(given["block"])
    given["buffer"] = accept_buffer(schedule, arguments["buffer"], given)
    block, buffer = _buffer_of(schedule, given)
    made, separators = IndexMap.from_func_with_separators(
        value, buffer.ndim, index_dtype=index_type(block)
    )
    arguments.update(given, index_map=made)
    return separators


def _accept_buffer_map(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    block, buffer = _buffer_of(schedule, given)
    return _map_of(value, buffer.ndim, index_type(block))


def _accept_block_map(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    block = schedule.get(given["block"])
    return _map_of(value, len(block.iter_vars), index_type(block))


class WrongPadding(ScheduleError, ArgumentError):
    """Padding of another type than the buffer's elements, or a function of other indices."""


def _accept_pad_value(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    """A number, or a function of the new indices, as an index map of one result."""
    count = len(given["index_map"].final_indices)
    if isinstance(value, IndexMap) and len(value.initial_indices) != count:
        raise WrongPadding(
            f"the new layout has {count} indices, pad_value is a map of "
            f"{len(value.initial_indices)}"
        )
    if value is None or isinstance(value, IndexMap):
        return value
    block, buffer = _buffer_of(schedule, given)
    names = IndexMap.from_func(lambda *i: i, count, index_dtype=index_type(block))
    axes = names.initial_indices
    if isinstance(value, Callable):  # type: ignore[arg-type]
        made = _called(value, axes)
        if isinstance(made, (list, tuple)) and len(made) == 1:
            (made,) = made
    else:
        made = value
    is_integer = isinstance(made, int) and dtype_of(buffer.dtype).is_float
    scalar: PrimExpr = as_scalar(made, "int32" if is_integer else buffer.dtype)
    if scalar.dtype != buffer.dtype:
        raise WrongPadding(
            f"the padding of `{buffer.name}` is {scalar.dtype}, the buffer {buffer.dtype}",
            hint=f"{float(made)} is of the buffer's type" if is_integer else "",
        )
    return IndexMap(axes, (scalar,))


def _called(function: Callable[..., Any], axes: Sequence[Any]) -> Any:
    try:
        inspect.signature(function).bind(*axes)
    except TypeError as error:
        raise WrongPadding(
            f"the function given as pad_value is called with the {len(axes)} new indices: {error}",
            hint="write one parameter for each, or `*indices`",
        ) from None
    return function(*axes)


BufferMap: TypeAlias = Annotated[
    IndexMap, Role("an IndexMap or a function", False, _accept_buffer_map)
]
"""A map of the indices of the buffer that an earlier argument names."""

BlockMap: TypeAlias = Annotated[
    IndexMap, Role("an IndexMap or a function", False, _accept_block_map)
]
"""A map of the block's axes."""

PadValue: TypeAlias = Annotated[
    "IndexMap | None", Role("a number or a function of the new indices", False, _accept_pad_value)
]
"""What fills places that no old index reaches, as a map with one result."""
