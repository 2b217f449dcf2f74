"""Vectors whose lanes are picked by quotients: places that are known at run time only."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.ir.expr import PrimExpr
from tilewright.ir.functor import pre_order_visit
from tilewright.ir.node import Node
from tilewright.tir.expr import Add, Broadcast, FloorDiv, Ramp

from .builder import Value, constant, constants, element_of, lanes_of, mangled, size_of, vector
from .emitter import FunctionEmitter
from .expressions import guarded, touches_memory

_PERMUTES = {
    ("float", 16): "llvm.x86.avx512.permvar.sf.512",
    ("i32", 16): "llvm.x86.avx512.permvar.si.512",
    ("float", 8): "llvm.x86.avx2.permps",
    ("i32", 8): "llvm.x86.avx2.permd",
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
    """The vector at `index`, by one load and a permutation wherever its lanes turn out to lie close
    together, as they do in an image that becomes larger, and by `gather()` elsewhere. None where
    the machine has no such permutation, or no quotient says where the lanes lie.

    Nothing is read but what lies between the first lane wanted and the last. All that depends on
    `index` alone, without the scalars added to it, is the same for all rows of an image.
    """
    name = _PERMUTES.get((element_of(type), lanes_of(type)))
    if name is None or 8 * size_of(type) > e.context.features.permute_bits:
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
    is_far = b.compare("ugt", distances, constant(distances.type, count - 1))
    if mask is not None:
        is_far = b.binary("and", is_far, mask)
    must_gather = b.intrinsic(f"llvm.vector.reduce.or.{mangled(is_far.type)}", "i1", [is_far])
    if mask is not None:
        has_first = b.extract(mask, 0)
        must_gather = b.binary("or", must_gather, b.binary("xor", has_first, constant("i1", True)))

    def near() -> Value:
        lanes = b.cast("trunc", distances, vector("i32", count))
        zero = constant(lanes.type, 0)
        wanted = lanes if mask is None else b.select(mask, lanes, zero)
        last = b.intrinsic(f"llvm.vector.reduce.umax.{mangled(lanes.type)}", "i32", [wanted])
        inside = b.compare("ule", constants("i32", range(count)), b.splat(last, count))
        element, start = element_of(type), pointer
        for offset in (*map(e.index, bases), first):
            # Not `inbounds`: only the last sum must lie in the buffer.
            start = b.pure("ptr", f"getelementptr {element}, {start}, {offset}")
        loaded = b.masked_load(type, start, align, inside)
        picked = b.intrinsic(name, type, [loaded, lanes])
        return picked if mask is None else b.select(mask, picked, constant(type, 0))

    return guarded(e, must_gather, gather, near)


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
