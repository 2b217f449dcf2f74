"""Recognizing kernels that only reshape."""

from __future__ import annotations

from ...ir.expr import IntImm, PrimExpr
from ...tir.arith import Analyzer
from ...tir.buffer import Buffer, flat_indices
from ...tir.expr import BufferLoad
from ...tir.function import PrimFunc
from ...tir.stmt import BlockRealize, BufferStore, For, Stmt


def _only_block(body: Stmt) -> BlockRealize | None:
    while True:
        if isinstance(body, For):
            body = body.body
        elif isinstance(body, BlockRealize):
            if body.block.iter_vars or not isinstance(body.block.body, (For, BlockRealize)):
                return body
            body = body.block.body
        else:
            return None


def has_reshape_pattern(func: PrimFunc) -> bool:
    """True if the kernel copies its one input to its one output in row-major order."""
    arrays = func.buffers()
    realize = _only_block(func.body)
    if len(arrays) != 2 or realize is None:
        return False
    block = realize.block
    store = block.body
    if not isinstance(store, BufferStore) or not isinstance(store.value, BufferLoad):
        return False
    if store.buffer is not arrays[1] or store.value.buffer is not arrays[0] or block.init:
        return False
    analyzer = Analyzer()
    if not analyzer.can_prove_equal(_size(arrays[0]), _size(arrays[1])):
        return False
    for axis in block.iter_vars:
        if axis.dom is not None:
            analyzer.bind(axis.var, axis.dom)
    read = flat_indices(store.value.buffer, store.value.indices)[0]
    written = flat_indices(store.buffer, store.indices)[0]
    return bool(analyzer.can_prove_equal(read, _as(written, read.dtype)))


def _size(buffer: Buffer) -> PrimExpr:
    total: PrimExpr = IntImm("int64", 1)
    for extent in buffer.shape:
        total = total * _as(extent, "int64")
    return total


def _as(value: PrimExpr, dtype: str) -> PrimExpr:
    return value if value.dtype == dtype else value.astype(dtype)
