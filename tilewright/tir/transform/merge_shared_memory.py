"""All shared memory of a kernel in one allocation, used again where lives do not meet."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.transform import PassContext
from ...support.dtypes import dtype_of
from .. import op as O
from ..buffer import Buffer
from ..expr import BufferLoad, Call, Var, pointer
from ..function import PrimFunc
from ..stmt import Allocate, AttrStmt, BufferStore, Stmt
from .base import context_factory
from .config import MERGE_STATIC_SMEM
from .shared_lives import Life, Lives

ALIGNMENT = 16
NAMES = {"shared.dyn": "buf_dyn_shmem", "shared": "buf_shmem"}


def _placed(lives: list[Life]) -> PrimExpr:
    """Gives each life its offset; returns how many bytes there are in all.

    Memory whose size is not known lies behind the rest, side by side.
    """
    known = [life for life in lives if isinstance(life.size, IntImm)]
    top = 0
    placed: list[Life] = []
    for life in sorted(known, key=lambda x: (-_bytes(x), x.first)):
        offset = 0
        for other in sorted(placed, key=_start):
            start, end = _start(other), _start(other) + _bytes(other)
            if life.meets(other) and offset + _bytes(life) > start and offset < end:
                offset = -(-end // ALIGNMENT) * ALIGNMENT
        life.offset = IntImm("int32", offset)
        placed.append(life)
        top = max(top, offset + _bytes(life))
    total: PrimExpr = IntImm("int32", top)
    for life in lives:
        if life.offset is None:
            total = O.multiply(O.ceildiv(total, ALIGNMENT), ALIGNMENT)
            life.offset = O.simplified(total)
            total = O.add(total, O.cast(life.size, "int32"))
    return O.simplified(total)


def _bytes(life: Life) -> int:
    return int(O.const_value(life.size) or 0)


def _start(life: Life) -> int:
    return int(O.const_value(life.offset) or 0)


class _Merge(Rewriter):
    def __init__(self, lives: dict[Var, Life], merged: Var) -> None:
        self.lives, self.merged = lives, merged

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """The memory is part of the one allocation."""
        if node.buffer_var in self.lives:
            body: Stmt = self.rewrite(node.body)
            return body
        return self.rewrite_children(node)

    @on(Var)
    def address(self, var: Var) -> PrimExpr:
        """An address handed out whole: so many bytes behind that of the allocation."""
        if var not in self.lives:
            return var
        offset = self.lives[var].offset
        if offset is None or O.is_const_int(offset, 0):
            return self.merged
        args = (self.merged, O.cast(offset, "int64"))
        return Call("handle", "tir.handle_add_byte_offset", args)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A view of the one allocation, long enough for what lies before."""
        if buffer.data not in self.lives:
            return buffer
        known = self._variables.get(id(buffer))
        if known is None:
            first = buffer.shape[0] if buffer.shape else IntImm("int32", 1)
            size = O.simplified(O.add(first, self._elements(buffer)))
            made = buffer.replace(data=self.merged, shape=(size, *buffer.shape[1:]))
            known = self._variables[id(buffer)] = (buffer, made)
        return known[1]  # type: ignore[return-value]

    def _elements(self, buffer: Buffer) -> PrimExpr:
        offset = self.lives[buffer.data].offset
        assert offset is not None
        return O.simplified(O.floordiv(offset, max(1, dtype_of(buffer.dtype).bytes)))

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """A[i]   ->   A[i + offset]"""
        new = self.rewrite_children(access)
        if new.buffer is access.buffer or len(new.indices) != 1:
            return new
        index = O.add(new.indices[0], self._elements(access.buffer))
        return new.replace(indices=(O.simplified(index),))

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """An address moved by the offset."""
        name = getattr(call.op, "name", "")
        if name == "tir.tvm_access_ptr" and call.args[1] in self.lives:
            marker, data, offset, *rest = call.args
            moved = self._moved(data, offset, getattr(marker, "dtype", "int8"))
            return call.replace(args=(marker, self.merged, moved, *self.rewrite(tuple(rest))))
        if name == "tir.ptx_cp_async" and call.args[0] in self.lives:
            data, index, *rest = call.args
            place = O.multiply(self._moved(data, index, call.dtype), dtype_of(call.dtype).bytes)
            return call.replace(args=(self.merged, place, *self.rewrite(tuple(rest))))
        made: PrimExpr = self.rewrite_children(call)
        return made

    def _moved(self, data: Any, index: Any, dtype: str) -> PrimExpr:
        """An index of elements of `dtype`, counted from the beginning of the allocation."""
        before = O.floordiv(self.lives[data].offset, max(1, dtype_of(dtype).bytes))
        return O.add(O.simplified(before), self.rewrite(index))


class _Kernels(Rewriter):
    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.around: list[Allocate] = []
        self.merged: set[Var] = set()

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """What is allocated around a launch is memory of the launch."""
        self.around.append(node)
        new: Allocate = self.rewrite_children(node)
        self.around.pop()
        return new.body if node.buffer_var in self.merged else new

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """The outermost launch: its memory is allocated at its beginning."""
        if node.attr_key != "thread_extent":
            return self.rewrite_children(node)
        found = Lives(self.scope, around=self.around).measure(node.body)
        lives = list(found.values())
        if len(lives) < 2:
            return node
        self.merged.update(found)
        total = _placed(lives)
        merged = Var(NAMES[self.scope], "handle", type_annotation=pointer("uint8", self.scope))
        body: Stmt = _Merge(found, merged).run(node.body)
        made = Allocate(merged, "uint8", (total,), IntImm("bool", 1), body)
        return node.replace(body=made)


@context_factory
def MergeSharedMemoryAllocations(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """allocate A; allocate B; use A; use B   ->   allocate buf: A at 0, B at 0 or behind A

    Dynamic shared memory (`shared.dyn`) of each launch; with the option `tir.merge_static_smem`
    static shared memory as well. Arrays must be flat.
    """
    body = _Kernels("shared.dyn").run(func.body)
    if ctx.config.get(MERGE_STATIC_SMEM):
        body = _Kernels("shared").run(body)
    return func.replace(body=body)
