"""Two schedules of one function, of which a size that is known at run time only chooses.

if n == 1: body for one            # by the rules for fixed sizes
else: body for any number
"""

from __future__ import annotations

from ..ir.expr import IntImm
from ..tir import op as T
from ..tir.expr import Var
from ..tir.function import PrimFunc
from ..tir.stmt import Block, BlockRealize, IfThenElse
from ..tir.stmt_functor import substitute
from .analysis import collect

TRUE = IntImm("bool", 1)


def with_size(func: PrimFunc, size: Var, value: int) -> PrimFunc:
    """The function for arguments of which `size` is `value`."""
    known = IntImm(size.dtype, value)
    buffers = {
        b: b.replace(shape=tuple(substitute(d, {size: known}) for d in b.shape))
        for b in func.buffer_map.values()
    }
    made: PrimFunc = func.replace(
        params=tuple(p for p in func.params if p is not size),
        buffer_map={p: buffers[b] for p, b in func.buffer_map.items()},
        body=substitute(func.body, {size: known, **buffers}),
    )
    return made


def chosen_by_size(func: PrimFunc, special: PrimFunc, size: Var, value: int) -> PrimFunc:
    """What `special`, a schedule of the function `with_size`, does where `size` is `value`; what
    `func`, a schedule for any size, does elsewhere."""
    own = {b: func.buffer_map[p] for p, b in special.buffer_map.items()}
    allocated = [b for block in collect(special.body, Block) for b in block.alloc_buffers]
    own |= {b: b.replace(data=Var(b.data.name, b.data.type_annotation)) for b in allocated}
    body = substitute(special.body, {b: new for b, new in own.items() if b is not new})
    condition = T.equal(size, IntImm(size.dtype, value))
    root = Block((), (), (), "root", IfThenElse(condition, body, func.body))
    return func.replace(body=BlockRealize((), TRUE, root))
