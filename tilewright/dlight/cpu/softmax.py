"""Softmax between two products: its quotients taken of the result, not of each weight.

    w[q, k] = e[q, k] / s[q];  o[q, d] = sum over k of w[q, k] v[k, d]
    ->  a[q, d] = sum over k of e[q, k] v[k, d];  o[q, d] = a[q, d] / s[q]

The weights are not written a second time. Rows that a model sets to zero because they are NaN (all
their keys are masked) stay zero: a row is NaN exactly if its maximum is not finite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.structural import structural_equal
from ...support.errors import ScheduleError
from ...tir import op as T
from ...tir.buffer import Buffer, decl_buffer
from ...tir.expr import Add, BufferLoad, Call, Div, Max, Mul, Select, Sub, Var
from ...tir.function import PrimFunc
from ...tir.schedule.layouts import axes_over, full_nest
from ...tir.schedule.rewrite import ReplaceBuffer
from ...tir.stmt import (
    Block,
    BlockRealize,
    BufferRegion,
    BufferStore,
    For,
    SeqStmt,
    Stmt,
    element_region,
    stmt_seq,
)
from ...tir.stmt_functor import ir_transform, substitute
from ..analysis import Access, BlockInfo

Line = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Softmax:
    """The blocks of a softmax along the keys. `zeroed`: rows of NaN become zeros."""

    greatest: BlockInfo
    exponent: BlockInfo
    total: BlockInfo
    weights: BlockInfo
    zeroed: bool


def softmax_of(between: list[BlockInfo], second: BlockInfo) -> Softmax | None:
    """The softmax at the end of what is `between` two products; None if there is none."""
    if len(between) < 4 or second.contraction is None:
        return None
    greatest, exponent, total, weights = between[-4:]
    value = weights.store.value if weights.store is not None else None
    kept = _without_zeros(value)
    quotient = _quotient(kept)
    left = second.contraction.left
    if quotient is None or weights.output is None or exponent.output is None:
        return None
    scores = _scores(exponent, greatest)
    found = (
        scores is not None
        and _folds(greatest, Max, scores.buffer)
        and _folds(total, Add, exponent.output.buffer)
        and _is_along(weights, quotient, exponent, total)
        and left.buffer is weights.output.buffer
        and len(second.reduction) == 1
        and _line(left)[-1:] == (second.reduction[0].var,)
        and sum(a.buffer is left.buffer for a in second.inputs) == 1
    )
    return Softmax(greatest, exponent, total, weights, kept is not value) if found else None


def _without_zeros(value: PrimExpr | None) -> PrimExpr | None:
    """`x` of `where(isnan(x), 0, x)`."""
    if not isinstance(value, Select) or T.const_value(value.true_value) != 0:
        return value
    asked = value.condition
    if not isinstance(asked, Call) or getattr(asked.op, "name", "") != "tir.isnan":
        return value
    return value.false_value if structural_equal(asked.args[0], value.false_value) else value


def _quotient(value: PrimExpr | None) -> Div | None:
    """`a / b` of that, or of `a * (1 / b)`."""
    if isinstance(value, Div):
        return value
    if not isinstance(value, Mul) or not isinstance(value.b, Div):
        return None
    return Div(value.a, value.b.b) if T.const_value(value.b.a) == 1 else None


def _line(access: Access) -> Line:
    """The indices along dimensions that are longer than one."""
    dims = zip(access.indices, access.buffer.shape, strict=True)
    return tuple(i for i, d in dims if not T.is_const_int(d, 1))


def _is_line(line: Line) -> bool:
    """True if the indices are different axes, one at least."""
    return bool(line) and all(isinstance(i, Var) for i in line) and len(set(line)) == len(line)


def _at(value: PrimExpr) -> Access | None:
    """The access that a load is; None for any other value."""
    return Access(value.buffer, value.indices) if isinstance(value, BufferLoad) else None


def _scores(exponent: BlockInfo, greatest: BlockInfo) -> Access | None:
    """Where `exp(x[.., k] - m[..])` reads the scores."""
    value = exponent.store.value if exponent.store is not None else None
    if not isinstance(value, Call) or getattr(value.op, "name", "") != "tir.exp":
        return None
    (inner,) = value.args
    if not isinstance(inner, Sub) or not exponent.is_injective() or greatest.output is None:
        return None
    x, m, out = _at(inner.a), _at(inner.b), exponent.output
    if x is None or m is None or out is None or m.buffer is not greatest.output.buffer:
        return None
    line = _line(out)
    return x if _is_line(line) and _line(x) == line and _line(m) == line[:-1] else None


def _folds(info: BlockInfo, kind: type[Add | Max], source: Buffer) -> bool:
    """Whether a block reduces `source` along its last dimension."""
    value = info.store.value if info.store is not None else None
    if not info.is_reduction() or not isinstance(value, kind) or info.output is None:
        return False
    own, other = _at(value.a), _at(value.b)
    if own is None or other is None or len(info.reduction) != 1:
        return False
    if own.buffer is not info.output.buffer:
        own, other = other, own
    line = _line(other)
    return (
        own.buffer is info.output.buffer
        and other.buffer is source
        and _is_line(line)
        and line[-1] is info.reduction[0].var
        and line[:-1] == _line(info.output) == _line(own)
    )


def _is_along(weights: BlockInfo, quotient: Div, exponent: BlockInfo, total: BlockInfo) -> bool:
    """Whether each weight is the exponential at its place over the sum of its row."""
    e, s, out = _at(quotient.a), _at(quotient.b), weights.output
    if e is None or s is None or out is None or exponent.output is None or total.output is None:
        return False
    line = _line(out)
    return (
        weights.is_injective()
        and e.buffer is exponent.output.buffer
        and s.buffer is total.output.buffer
        and _is_line(line)
        and _line(e) == line
        and _line(s) == line[:-1]
    )


def divided_late(func: PrimFunc, found: Softmax, second: BlockInfo) -> PrimFunc:
    """The function with the quotients taken of the second product, in a block after it."""
    root, nests = nests_of(func)
    assert second.output is not None and second.contraction is not None
    weights, out = found.weights, second.output.buffer
    assert weights.store is not None and weights.output is not None
    quotient = _quotient(_without_zeros(weights.store.value))
    assert quotient is not None
    env = dict(zip(weights.output.indices, second.contraction.left.indices, strict=True))
    env = {v: i for v, i in env.items() if isinstance(v, Var)}
    exponential, total = substitute(quotient.a, env), substitute(quotient.b, env)
    if structural_equal(exponential.buffer.shape, weights.output.buffer.shape):  # axes of one, too
        exponential = BufferLoad(exponential.buffer, second.contraction.left.indices)
    undivided = decl_buffer(out.shape, out.dtype, f"{out.name}_undivided")
    product = exchanged(nests[second.name], {weights.output.buffer: exponential}, {out: undivided})
    axes = axes_over(out.shape)
    places = tuple(a.var for a in axes)
    own = dict(zip(second.output.indices, places, strict=True))
    load = substitute(total, {v: i for v, i in own.items() if isinstance(v, Var)})
    divisor = _divisor(load, found)
    division, _ = full_nest(
        f"{out.name}_divided", out.shape,
        BufferStore(out, T.div(BufferLoad(undivided, places), divisor), places),
        (element_region(undivided, places), element_region(load.buffer, load.indices)),
        (element_region(out, places),), axes,
    )  # fmt: skip
    made: list[Stmt] = []
    for name, nest in nests.items():
        if name == second.name:
            made += [product, division]
        elif name == found.exponent.name and found.zeroed:
            made.append(_zeroed(nest))
        elif name != weights.name:
            made.append(nest)
    gone, new = {weights.output.buffer}, [undivided]
    allocated = [b for b in root.alloc_buffers if b not in gone]
    return with_nests(func, made, [*allocated, *new])


def _divisor(total: BufferLoad, found: Softmax) -> PrimExpr:
    """The sum of a row; what makes zeros of a row that has none."""
    if found.zeroed:
        infinity = T.infinity(total.dtype)
        return T.select(T.greater(total, T.const(0.0, total.dtype)), total, infinity)
    keys = found.total.reduction[0].dom
    if isinstance(keys, IntImm):
        return total
    none = T.equal(keys, T.const(0, keys.dtype))
    return T.select(none, T.const(1.0, total.dtype), total)


def _zeroed(nest: Stmt) -> Stmt:
    """`e[..] = x` becomes `e[..] = where(isnan(x), 0, x)`."""

    def change(store: BufferStore) -> BufferStore:
        zero = T.const(0.0, store.value.dtype)
        return store.replace(value=T.select(T.isnan(store.value), zero, store.value))

    return ir_transform(nest, None, change, ["tir.BufferStore"])


# ---- functions as nests of loops, one a block ------------------------------------------------


def nests_of(func: PrimFunc) -> tuple[Block, dict[str, Stmt]]:
    """The block around all, and the loops of each block in it by its name, in order."""
    root = func.body
    if not isinstance(root, BlockRealize) or not isinstance(root.block.body, SeqStmt):
        raise ScheduleError("the function is no sequence of blocks")
    found: dict[str, Stmt] = {}
    for nest in root.block.body.seq:
        inner = nest
        while isinstance(inner, For):
            inner = inner.body
        if not isinstance(inner, BlockRealize):
            raise ScheduleError("loops hold more than one block")
        found[inner.block.name_hint] = nest
    return root.block, found


def with_nests(func: PrimFunc, nests: list[Stmt], allocated: list[Buffer]) -> PrimFunc:
    """The function with other blocks in it."""
    root = func.body
    assert isinstance(root, BlockRealize)
    block = root.block.replace(body=stmt_seq(nests), alloc_buffers=tuple(allocated))
    return func.replace(body=root.replace(block=block))


def exchanged(
    nest: Stmt, loads: Mapping[Buffer, BufferLoad], buffers: Mapping[Buffer, Buffer]
) -> Stmt:
    """The loops of one block with loads of some buffers replaced, and with other buffers."""

    def region(old: BufferRegion) -> BufferRegion | None:
        load = loads.get(old.buffer)
        return None if load is None else element_region(load.buffer, load.indices)

    def change(node: Any) -> Any:
        if isinstance(node, BufferRegion):
            return region(node)
        return loads.get(node.buffer)

    loaded = ir_transform(nest, change, None, ["tir.BufferRegion", "tir.BufferLoad"])
    made: Stmt = ReplaceBuffer(buffers).run(loaded)
    return made


__all__ = ["Softmax", "divided_late", "softmax_of"]
