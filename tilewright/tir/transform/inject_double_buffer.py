"""Buffers filled one iteration ahead."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.transform import PassContext
from ...support.errors import CompileError
from .. import op as O
from ..buffer import Buffer
from ..expr import BufferLoad, Call, Var
from ..function import PrimFunc
from ..stmt import (
    Allocate,
    AttrStmt,
    BufferStore,
    DeclBuffer,
    For,
    IfThenElse,
    SeqStmt,
    Stmt,
    stmt_seq,
)  # fmt: skip
from ..stmt_functor import renew_defs, substitute
from .base import context_factory
from .config import InjectDoubleBufferConfig, group_of

SCOPE, WRITE = "double_buffer_scope", "double_buffer_write"


Wide = dict[Buffer, Buffer]


class _Slot(Rewriter):
    """Accesses go to one half of the memory: B[j]   ->   B[(i % 2) * n + j]"""

    def __init__(
        self, data: Var, extents: tuple[PrimExpr, ...], slot: PrimExpr, wide: Wide
    ) -> None:
        self.data, self.slot, self.wide = data, slot, wide
        self.first = extents[0]
        total: PrimExpr = IntImm("int32", 1)
        for extent in extents:
            total = O.multiply(total, extent)
        self.total = total

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer of twice the length."""
        if buffer.data is not self.data or not buffer.shape:
            return buffer
        if buffer not in self.wide:
            shape = (O.multiply(buffer.shape[0], 2), *buffer.shape[1:])
            self.wide[buffer] = buffer.replace(shape=shape)
        return self.wide[buffer]

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """The half that is meant."""
        new = self.rewrite_children(access)
        if new.buffer is access.buffer or not new.indices:
            return new
        start = O.multiply(self.slot, O.cast(access.buffer.shape[0], self.slot.dtype))
        return new.replace(indices=(O.add(start, new.indices[0]), *new.indices[1:]))

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """An address lies in the half that is meant."""
        new: Call = self.rewrite_children(call)
        if getattr(call.op, "name", "") != "tir.tvm_access_ptr" or call.args[1] is not self.data:
            return new
        marker, data, offset, *rest = new.args
        moved = O.add(offset, O.multiply(self.slot, self.total))
        return new.replace(args=(marker, data, moved, *rest))


class _Inject(Rewriter):
    def __init__(self, options: InjectDoubleBufferConfig) -> None:
        self.split = options.split_loop
        self.wide: Wide = {}

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """for i: fill B(i); use B   ->   fill B(0); for i: fill B'(i + 1); use B; swap"""
        new: For = self.rewrite_children(loop)
        allocations, body = _chain(new.body)
        parts = body.seq if isinstance(body, SeqStmt) else (body,)
        marked = [p for p in parts if isinstance(p, AttrStmt) and p.attr_key == SCOPE]
        if not marked:
            return new
        return self._doubled(new, allocations, list(parts), marked)

    def _doubled(
        self, loop: For, allocations: list[Any], parts: list[Stmt], marked: list[AttrStmt]
    ) -> Stmt:
        by_var = {a.buffer_var: a for a in allocations if isinstance(a, Allocate)}
        before: list[Stmt] = []
        outside: list[Any] = []
        guards: set[int] = set()
        body_parts: list[Stmt] = parts
        var, end = loop.loop_var, O.add(loop.min, loop.extent)
        following = O.add(var, IntImm(var.dtype, 1))
        for mark in marked:
            node = by_var.get(mark.node)
            if node is None:
                raise CompileError(
                    f"the double buffer filled in loop `{var.name}` is not allocated in it",
                    loop.span,
                )
            zero: PrimExpr = IntImm(var.dtype, 0)
            at = O.floormod(O.subtract(following, loop.min), 2)
            now = O.floormod(O.subtract(var, loop.min), 2)
            first = substitute(mark.body, {var: loop.min})
            before.append(renew_defs(self._slotted(node, first, zero)))
            ahead = self._slotted(node, substitute(mark.body, {var: following}), at)
            filled = AttrStmt(node.buffer_var, WRITE, IntImm("int32", 1), ahead)
            guarded = IfThenElse(O.less(following, end), renew_defs(filled))
            guards.add(id(guarded.condition))
            body_parts = [
                guarded if part is mark else self._slotted(node, part, now) for part in body_parts
            ]
            outside.append(node)
        data = {node.buffer_var for node in outside}
        inner = [
            a for a in allocations
            if not (isinstance(a, Allocate) and a.buffer_var in data)
            and not (isinstance(a, DeclBuffer) and a.buffer.data in data)
        ]  # fmt: skip
        main = self._split(loop.replace(body=_close(inner, stmt_seq(*body_parts))), guards)
        views = [a.buffer for a in allocations if isinstance(a, DeclBuffer)]
        made = stmt_seq(*before, main)
        return _allocated(outside, [self.wide[v] for v in views if v in self.wide], made)

    def _slotted(self, node: Allocate, stmt: Stmt, slot: PrimExpr) -> Stmt:
        made: Stmt = _Slot(node.buffer_var, node.extents, slot, self.wide).run(stmt)
        return made

    def _split(self, loop: For, guards: set[int]) -> Stmt:
        """The loop in steps of a constant, in each of which there is a next iteration and the
        halves are known; then the iterations that are left, one by one if their number is known."""
        factor = self.split
        if factor == 0:
            return loop
        if factor % 2 and factor != 1:
            raise CompileError(f"`split_loop` is {factor}", hint="an even number, 1 or 0")
        var = loop.loop_var
        outer = var.copy_with_suffix("_outer")
        steps = O.simplified(O.floordiv(O.subtract(loop.extent, 1), factor))
        base = O.add(loop.min, O.multiply(outer, factor))
        certain = _Certain(guards).run(loop.body)
        copies = [_at(certain, var, O.add(base, IntImm(var.dtype, k))) for k in range(factor)]
        main = For(outer, IntImm(var.dtype, 0), steps, loop.kind, stmt_seq(*copies))
        done = O.add(loop.min, O.multiply(steps, factor))
        rest = O.simplified(O.subtract(loop.extent, O.multiply(steps, factor)))
        if not isinstance(rest, IntImm):
            tail: For = renew_defs(loop.replace(min=done, extent=rest))
            return stmt_seq(main, tail)
        last = rest.value - 1
        ends = [
            _at(certain if k < last else _Last(guards).run(loop.body), var,
                O.simplified(O.add(done, IntImm(var.dtype, k))))
            for k in range(rest.value)
        ]  # fmt: skip
        return stmt_seq(main, *ends)


class _Certain(Rewriter):
    """Where there surely is a next iteration."""

    def __init__(self, guards: set[int]) -> None:
        self.guards = guards

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Stmt:
        """if there is a next one: fill   ->   fill"""
        return self._decided(branch) if id(branch.condition) in self.guards else branch

    def _decided(self, branch: IfThenElse) -> Stmt:
        return branch.then_case


class _Last(_Certain):
    """Where there is none."""

    def _decided(self, branch: IfThenElse) -> Stmt:
        return stmt_seq()


def _at(body: Stmt, var: Var, value: PrimExpr) -> Stmt:
    """The iteration in which the variable has a value."""
    made: Stmt = renew_defs(substitute(body, {var: value}))
    return made


def _chain(stmt: Stmt) -> tuple[list[Any], Stmt]:
    found: list[Any] = []
    while isinstance(stmt, (Allocate, DeclBuffer)):
        found.append(stmt)
        stmt = stmt.body
    return found, stmt


def _close(chain: list[Any], body: Stmt) -> Stmt:
    for node in reversed(chain):
        body = node.replace(body=body)
    return body


def _allocated(nodes: list[Allocate], views: list[Buffer], body: Stmt) -> Stmt:
    """Twice the memory around `body`, with those views of it that were declared."""
    for node in nodes:
        for view in views:
            if view.data is node.buffer_var:
                body = DeclBuffer(view, body)
        extents = (O.multiply(node.extents[0], 2), *node.extents[1:])
        body = node.replace(extents=extents, body=body)
    return body


@context_factory
def InjectDoubleBuffer(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """for i: fill B(i); use B   ->   fill B0(0); for i: fill B1(i + 1) if there is one; use B0

    The statement that fills the buffer stands under the attribute `double_buffer_scope` of its
    address; the halves take turns. Config `tir.InjectDoubleBuffer`: `split_loop` iterations, 1 or
    an even number, are written out in each step of the loop, without the last one, which has
    nothing to fill; 0 leaves the loop as it is, with a condition.
    """
    options = group_of(ctx, InjectDoubleBufferConfig)
    return func.replace(body=_Inject(options).run(func.body))
