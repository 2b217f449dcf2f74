"""The bare kernel: addresses first, then numbers; nothing is checked."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_

from ...ir.expr import PrimExpr
from ...ir.functor import post_order_visit
from ..expr import Var
from ..function import PrimFunc
from .base import factory


def kernel_params(func: PrimFunc) -> tuple[list[Var], list[Var]]:
    """The parameters of the bare kernel: addresses, then numbers.

    Addresses are those of the arrays and of other handles, in the order of `func.params`. Numbers
    are the scalar parameters in order, then the variables that only shapes, strides and offsets
    of the arrays mention, in the order in which they are met.
    """
    pointers: list[Var] = []
    scalars: list[Var] = []
    for param in func.params:
        if param in func.buffer_map:
            pointers.append(func.buffer_map[param].data)
        elif param.dtype == "handle":
            pointers.append(param)
        else:
            scalars.append(param)
    known = {*pointers, *scalars}
    for buffer in func.buffers():
        for var in _variables((*buffer.shape, *buffer.strides, buffer.elem_offset)):
            if var not in known:
                known.add(var)
                scalars.append(var)
    return pointers, scalars


def _variables(parts: Sequence[PrimExpr]) -> list[Var]:
    found: list[Var] = []
    post_order_visit(parts, lambda n: found.append(n) if isinstance(n, Var) else None)
    return found


def bare_kernel(func: PrimFunc) -> PrimFunc:
    """`func` with its arrays as plain addresses; itself if it has none."""
    pointers, scalars = kernel_params(func)
    params = (*pointers, *scalars)
    unchanged = len(params) == len(func.params) and all(map(is_, params, func.params))
    if not func.buffer_map and unchanged:
        return func
    return func.replace(params=params, buffer_map={})


@factory
def MakeUnpackedAPI(func: PrimFunc) -> PrimFunc:
    """k(a: handle) with a: Buffer((n,))   ->   k(a: pointer, n)"""
    return bare_kernel(func)
