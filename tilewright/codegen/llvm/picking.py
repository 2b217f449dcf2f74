"""Vectors whose lanes are picked by quotients: places that are known at run time only."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.ir.expr import PrimExpr
from tilewright.ir.functor import pre_order_visit
from tilewright.ir.node import Node
from tilewright.tir.expr import Add, Broadcast, FloorDiv, Ramp

from .builder import (
    FunctionBuilder,
    Value,
    constant,
    constants,
    element_of,
    lanes_of,
    mangled,
    size_of,
    vector,
)
from .emitter import FunctionEmitter
from .expressions import guarded, touches_memory

_PERMUTES = {
    ("float", 16): "llvm.x86.avx512.permvar.sf.512",
    ("i32", 16): "llvm.x86.avx512.permvar.si.512",
    ("float", 8): "llvm.x86.avx2.permps",
    ("i32", 8): "llvm.x86.avx2.permd",
}
_PERMUTES_OF_TWO = {
    ("float", 16): "llvm.x86.avx512.vpermi2var.ps.512",
    ("i32", 16): "llvm.x86.avx512.vpermi2var.d.512",
}


def pick_by_quotient(
    e: FunctionEmitter,
    type: str,
    align: int,
    pointer: Value,
    index: PrimExpr,
    mask: Value | None,
    gather: Callable[[], Value],
) -> Value | None:
    """The vector at `index`, by one load and a permutation, or two loads and one, wherever its
    lanes turn out to lie close together, as they do in an image that becomes larger, or smaller by
    up to a half, and by `gather()` elsewhere. None where the machine has no such permutation, or no
    quotient says where the lanes lie.

    Nothing is read but what lies between the first lane wanted and the last. All that depends on
    `index` alone, without the scalars added to it, is the same for all rows of an image.
    """
    kind = element_of(type), lanes_of(type)
    if kind not in _PERMUTES or 8 * size_of(type) > e.context.features.permute_bits:
        return None
    bases, moving = _parts(index)
    if not moving or touches_memory(index) or not any(map(_has_quotient, moving)):
        return None
    b, count = e.b, lanes_of(type)
    relative = e.index(moving[0])
    for other in moving[1:]:
        relative = b.binary("add nsw", relative, e.index(other))
    first = b.extract(relative, 0)
    distances = b.binary("sub", relative, b.splat(first, count))

    def loaded() -> tuple[Value, Value, Value]:
        """The address of the first lane, the places of all from there, and the last wanted."""
        start = pointer
        for offset in (*map(e.index, bases), first):
            # Not `inbounds`: only the last sum must lie in the buffer.
            start = b.pure("ptr", f"getelementptr {kind[0]}, {start}, {offset}")
        lanes = b.cast("trunc", distances, vector("i32", count))
        wanted = lanes if mask is None else b.select(mask, lanes, constant(lanes.type, 0))
        last = b.intrinsic(f"llvm.vector.reduce.umax.{mangled(lanes.type)}", "i32", [wanted])
        return start, lanes, b.splat(last, count)

    def chosen(name: str, *args: Value) -> Value:
        picked = b.intrinsic(name, type, args)
        return picked if mask is None else b.select(mask, picked, constant(type, 0))

    def near() -> Value:
        start, lanes, last = loaded()
        inside = b.compare("ule", constants("i32", range(count)), last)
        return chosen(_PERMUTES[kind], b.masked_load(type, start, align, inside), lanes)

    def wide() -> Value:
        start, lanes, last = loaded()
        inside = b.compare("ule", constants("i32", range(count, 2 * count)), last)
        behind = b.offset(start, Value("i64", str(count)), kind[0])
        halves = b.load(type, start, align), b.masked_load(type, behind, align, inside)
        return chosen(_PERMUTES_OF_TWO[kind], halves[0], lanes, halves[1])

    def far() -> Value:
        return guarded(e, _reaches(b, distances, 2 * count, mask), gather, wide)

    is_far = _reaches(b, distances, count, mask)
    return guarded(e, is_far, far if kind in _PERMUTES_OF_TWO else gather, near)


def _reaches(b: FunctionBuilder, distances: Value, limit: int, mask: Value | None) -> Value:
    """Whether one of the lanes wanted lies `limit` elements or more from the first, or the first is
    not wanted."""
    beyond = b.compare("ugt", distances, constant(distances.type, limit - 1))
    if mask is not None:
        beyond = b.binary("and", beyond, mask)
    found = b.intrinsic(f"llvm.vector.reduce.or.{mangled(beyond.type)}", "i1", [beyond])
    if mask is None:
        return found
    has_no_first = b.binary("xor", b.extract(mask, 0), constant("i1", True))
    return b.binary("or", found, has_no_first)


def _parts(index: PrimExpr) -> tuple[list[PrimExpr], list[PrimExpr]]:
    """The scalars and the vectors whose sum is `index`."""
    if isinstance(index, Add):
        (a, x), (b, y) = _parts(index.a), _parts(index.b)
        return a + b, x + y
    if isinstance(index, Broadcast) and not isinstance(index.value, (Broadcast, Ramp)):
        return [index.value], []
    return [], [index]


def _has_quotient(index: PrimExpr) -> bool:
    found: list[bool] = []

    def look(node: Node) -> bool:
        found.append(isinstance(node, FloorDiv))
        return True

    pre_order_visit(index, look)
    return any(found)
