"""How the axes of a block could be joined so that an instruction fits."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.expr import PrimExpr
from ...ir.node import Node
from .. import expr as E
from .. import op as T
from ..arith import Analyzer
from ..buffer import Buffer
from ..expr import BufferLoad, IterVar, IterVarType, Var
from ..function import PrimFunc
from ..index_map import IndexMap
from ..stmt import Block, BlockRealize, BufferStore, For, Stmt
from .poly import variables_in
from .rewrite import substitute
from .rv import BlockRV
from .schedule import Schedule

Access = tuple[Buffer, tuple[PrimExpr, ...]]
Signature = tuple[IterVarType, tuple[bool, ...]]


@dataclass(frozen=True)
class AutoTensorizeMappingInfo:
    """`mappings` take the block's axes to those that no axis of the instruction stands for, and
    then, joined, to the instruction's axes; `lhs_iters` are the block's, `rhs_iters` its."""

    mappings: tuple[IndexMap, ...]
    lhs_iters: tuple[IterVar, ...]
    rhs_iters: tuple[IterVar, ...]


def get_auto_tensorize_mapping_info(
    sch: Schedule, block: BlockRV, desc_func: PrimFunc
) -> AutoTensorizeMappingInfo | None:
    """Which axes of the block correspond to which of an instruction's description: those that index
    the same operands. None if the two do not compute the same, or an axis has no counterpart.

    conv2d(n, h, w, o, y, x, c) and matmul(i, j, k)
      ->   lambda n, h, w, o, y, x, c: (n*H*W + h*W + w, o, y*X*C + x*C + c)
    """
    ours = sch.get(block)
    theirs = _block_of(desc_func.body)
    pairs = None if theirs is None else _accesses(ours, theirs)
    if theirs is None or pairs is None:
        return None
    own = _plain(ours, [mine for mine, _ in pairs])
    left = {a.var: _signature(a, own) for a in ours.iter_vars}
    right = [(a, _signature(a, [other for _, other in pairs])) for a in theirs.iter_vars]
    groups = [[a for a in ours.iter_vars if left[a.var] == s] for _, s in right]
    if any(not g for g in groups) or len({s for _, s in right}) != len(right):
        return None
    taken = {a.var for g in groups for a in g}
    rest = [a.var for a in ours.iter_vars if a.var not in taken]
    if any(a.iter_type is not IterVarType.DataPar for a in ours.iter_vars if a.var in rest):
        return None
    final = (*rest, *(_joined(g) for g in groups))
    fresh = {a.var: Var(a.var.name, a.var.dtype) for a in ours.iter_vars}
    renamed = tuple(T.simplified(substitute(f, fresh)) for f in final)
    made = IndexMap(tuple(fresh.values()), renamed)
    return AutoTensorizeMappingInfo((made,), tuple(ours.iter_vars), tuple(theirs.iter_vars))


def _block_of(body: Stmt) -> Block | None:
    """The innermost block of an instruction's description."""
    found = None
    while isinstance(body, (BlockRealize, For)):
        if isinstance(body, BlockRealize):
            found = body.block
            body = body.block.body
        else:
            body = body.body
    return found


def _plain(block: Block, accesses: list[Access]) -> list[Access]:
    """The accesses without what the ranges of axes make constant: `i // n` of `i` in `[0, n)`. An
    axis of one value stays: it indexes, too."""
    analyzer = Analyzer()
    for axis in block.iter_vars:
        if axis.dom is not None and not T.is_const_int(axis.dom.extent, 1):
            analyzer.bind(axis.var, axis.dom)
    return [(buffer, tuple(map(analyzer.simplify, indices))) for buffer, indices in accesses]


def _signature(axis: IterVar, accesses: list[Access]) -> Signature:
    """Its kind, and which of the operands it indexes."""
    uses = tuple(any(axis.var in variables_in(i) for i in indices) for _, indices in accesses)
    return axis.iter_type, uses


def _joined(axes: list[IterVar]) -> PrimExpr:
    """The axes as one, the last the fastest."""
    made: PrimExpr = axes[0].var
    for axis in axes[1:]:
        extent = axis.dom.extent if axis.dom is not None else T.const(1, axis.var.dtype)
        made = T.add(T.multiply(made, extent), axis.var)
    return made


def _accesses(ours: Block, theirs: Block) -> list[tuple[Access, Access]] | None:
    """The accesses of the two that correspond; None if they do not compute the same."""
    a, b = ours.body, theirs.body
    if not isinstance(a, BufferStore) or not isinstance(b, BufferStore):
        return None
    pairs: list[tuple[Access, Access]] = [((a.buffer, a.indices), (b.buffer, b.indices))]
    if a.buffer.dtype != b.buffer.dtype or not _same(a.value, b.value, pairs):
        return None
    known: dict[Buffer, Buffer] = {}
    if any(known.setdefault(other[0], mine[0]) is not mine[0] for mine, other in pairs):
        return None
    return pairs


def _same(a: PrimExpr, b: PrimExpr, pairs: list[tuple[Access, Access]]) -> bool:
    """True if the two are the same operations; loads are noted in pairs."""
    if type(a) is not type(b) or a.dtype != b.dtype:
        return False
    if isinstance(a, BufferLoad) and isinstance(b, BufferLoad):
        pairs.append(((a.buffer, a.indices), (b.buffer, b.indices)))
        return True
    if isinstance(a, E.Call) and isinstance(b, E.Call) and a.op is not b.op:
        return False
    for info in type(a).compared:
        x, y = getattr(a, info.name), getattr(b, info.name)
        if isinstance(x, PrimExpr) and isinstance(y, PrimExpr):
            if not _same(x, y, pairs):
                return False
        elif isinstance(x, tuple) and isinstance(y, tuple):
            if len(x) != len(y) or not all(_same(p, q, pairs) for p, q in zip(x, y, strict=True)):
                return False
        elif not isinstance(x, Node) and x != y:
            return False
    return True
