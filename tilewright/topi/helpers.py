"""Small functions that scripts call by way of `topi.utils`: tuples, layouts, slices, constants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from .. import te
from ..ir.expr import IntImm, PrimExpr, as_scalar
from ..support.errors import ArgumentError
from ..target.target import Target
from ..te.tensor import Operation, Tensor
from ..tir import op
from ..tir.op import simplified

__all__ = [
    "InvalidShapeError", "ceil_div", "const_matrix", "const_vector", "get_float_tuple",
    "get_max_power2_factor", "get_shape", "is_dynamic_shape", "is_empty_shape", "is_target",
    "make_idx", "nchw_pack_layout", "nchw_xc_layout", "ncw_pack_layout", "ncw_xc_layout", "prod",
    "ravel_index", "swap", "traverse_inline", "unravel_index", "within_index",
]  # fmt: skip


class InvalidShapeError(ArgumentError):
    """A shape that an operator cannot take."""


def get_float_tuple(in_tuple: Iterable[Any]) -> tuple[Any, ...]:
    """The values as `float`s where they are constant; expressions stay."""
    found = [(v, op.const_value(v) if isinstance(v, PrimExpr) else v) for v in in_tuple]
    return tuple(v if number is None else float(number) for v, number in found)


def ceil_div(a: Any, b: Any) -> Any:
    """`a / b` rounded up."""
    if isinstance(a, int) and isinstance(b, int):
        return -(-a // b)
    return op.ceildiv(a, b)


def prod(x: Sequence[Any]) -> Any:
    """The product of all; 1 for none."""
    return reduce(lambda a, b: a * b, x) if len(x) else op.const(1, "int32")


def swap(arr: Sequence[Any], axis: int) -> list[Any]:
    """The last element moved to `axis`, and that one to the end."""
    items = list(arr)
    return [*items[:axis], items[-1], *items[axis + 1 : -1], items[axis]]


def ravel_index(indices: Sequence[Any], shape: Sequence[Any]) -> Any:
    """The row-major position of `indices` in `shape`."""
    total: Any = None
    for index, extent in zip(indices, shape, strict=True):
        total = index if total is None else total * extent + index
    return total


def unravel_index(idx: Any, shape: Sequence[Any]) -> list[Any]:
    """The indices in `shape` of the row-major position `idx`."""
    found = []
    for extent in reversed(list(shape)[1:]):
        found.append(idx % extent)
        idx = idx // extent
    return [idx, *reversed(found)] if len(shape) else []


def get_max_power2_factor(n: int, max_value: int | None = None) -> int:
    """The largest power of two that divides `n`, at most `max_value`."""
    factor = 1
    while n % (factor * 2) == 0 and (max_value is None or factor * 2 <= max_value):
        factor *= 2
    return factor


def get_shape(src_shape: Sequence[Any], src_layout: str, dst_layout: str) -> tuple[Any, ...]:
    """The dimensions of `src_layout` in the order of `dst_layout`, which has the same letters."""
    if src_layout == dst_layout:
        return tuple(src_shape)
    if sorted(src_layout) != sorted(dst_layout) or len(src_shape) != len(src_layout):
        raise ArgumentError(
            f"get_shape: {len(src_shape)} dimensions of {src_layout} as {dst_layout}"
        )
    return tuple(src_shape[src_layout.index(letter)] for letter in dst_layout)


def _has_blocks(layout: str, plain: str, letters: str) -> bool:
    """True for `plain` followed by numbers, each before one of `letters`, all of these used."""
    if not layout.startswith(plain):
        return False
    rest = layout[len(plain) :]
    kept = "".join(c for c in rest if not c.isdigit())
    numbered = all(rest[k - 1].isdigit() for k, c in enumerate(rest) if c in letters and k)
    return kept == letters and numbered and rest[:1].isdigit()


def nchw_pack_layout(layout_info: str) -> bool:
    """True for layouts such as NCHW1n16c."""
    return _has_blocks(layout_info, "NCHW", "nc")


def nchw_xc_layout(layout_info: str) -> bool:
    """True for layouts such as NCHW8c."""
    return _has_blocks(layout_info, "NCHW", "c")


def ncw_pack_layout(layout_info: str) -> bool:
    """True for layouts such as NCW1n16c."""
    return _has_blocks(layout_info, "NCW", "nc")


def ncw_xc_layout(layout_info: str) -> bool:
    """True for layouts such as NCW8c."""
    return _has_blocks(layout_info, "NCW", "c")


def is_empty_shape(shape: Sequence[Any]) -> bool:
    """True if a dimension is known to be 0."""
    return any(op.const_value(d) == 0 if isinstance(d, PrimExpr) else d == 0 for d in shape)


def is_dynamic_shape(shape: Sequence[Any]) -> bool:
    """True if a dimension is no constant."""
    return any(isinstance(d, PrimExpr) and not isinstance(d, IntImm) for d in shape)


def is_target(names: str | Sequence[str]) -> bool:
    """True if the current target's kind is one of `names`."""
    wanted = [names] if isinstance(names, str) else list(names)
    target = Target.current(allow_none=True)
    return target is not None and target.kind.name in wanted


def within_index(b: Any, e: Any, s: Any, i: Any) -> PrimExpr:
    """True if index `i` is one of `b, b + s, b + 2 s...` before `e` (after it for negative `s`)."""
    up = op.all(op.greater_equal(i, b), op.less(i, e), op.equal(op.floormod(i - b, s), 0))
    down = op.all(op.less_equal(i, b), op.greater(i, e), op.equal(op.floormod(b - i, 0 - s), 0))
    return _by_sign(s, up, down)


def make_idx(b: Any, e: Any, s: Any, z: Any, i: Any) -> PrimExpr:
    """Where index `i` of a dimension of `z` comes in the slice `b:e:s`, the start clipped."""
    del e
    up = op.floordiv(i - op.max(b, 0), s)
    down = op.floordiv(op.min(b, z - 1) - i, 0 - s)
    return _by_sign(s, up, down)


def _by_sign(s: Any, up: PrimExpr, down: PrimExpr) -> PrimExpr:
    step = op.const_value(s) if isinstance(s, PrimExpr) else s
    if step is None:
        return op.if_then_else(op.greater(s, 0), up, down)
    return simplified(up if step > 0 else down)


def const_vector(vector: Any, name: str = "const_vector") -> Tensor:
    """A constant tensor of one dimension, chosen from element by element."""
    return _constant(np.asarray(vector), name)


def const_matrix(matrix: Any, name: str = "const_matrix", attrs: Any = None) -> Tensor:
    """A constant tensor of two dimensions, chosen from element by element."""
    return _constant(np.asarray(matrix), name, attrs)


def _constant(values: np.ndarray[Any, Any], name: str, attrs: Any = None) -> Tensor:
    dtype = str(values.dtype)

    def element(*place: PrimExpr) -> PrimExpr:
        chosen: PrimExpr = as_scalar(0, dtype)
        for at, value in np.ndenumerate(values):
            here = op.every([op.equal(p, k) for p, k in zip(place, at, strict=True)])
            chosen = op.select(here, op.const(value.item(), dtype), chosen)
        return chosen

    names = ["i", "j", "k"][: values.ndim]
    made: Tensor = te.compute(
        values.shape, lambda *i: element(*i), name, attrs=dict(attrs or {}), varargs_names=names
    )
    return made


def traverse_inline(s: Any, final_op: Operation, callback: Callable[[Operation], Any]) -> None:
    """Calls `callback` for every operation that `final_op` needs, after those that it reads, and
    inlines the injective ones into schedule `s`, which is indexed by operation."""
    seen: set[int] = set()

    def visit(operation: Operation) -> None:
        if id(operation) in seen:
            return
        seen.add(id(operation))
        if operation.tag in ("injective", "elemwise", "broadcast") and operation is not final_op:
            s[operation].compute_inline()
        for tensor in operation.input_tensors:
            visit(tensor.op)
        callback(operation)

    visit(final_op)
