"""Virtual threads: what each does, one after another, statement by statement."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, Visitor, on, post_order_visit, pre_order_visit
from ...ir.node import Node
from ...ir.op import register_op
from .. import op as O
from ..arith.int_set import mentions
from ..buffer import Buffer
from ..expr import BufferLoad, Call, CallEffectKind, IterVar, Var
from ..function import PrimFunc
from ..stmt import (
    VIRTUAL_THREAD,
    Allocate,
    AttrStmt,
    BufferStore,
    DeclBuffer,
    For,
    ForKind,
    IfThenElse,
    LetStmt,
    SeqStmt,
    Stmt,
    stmt_seq,
)  # fmt: skip
from ..stmt_functor import renew_defs, substitute
from .base import factory

_UNROLLED = 16
register_op("tir.tvm_context_id", effect=CallEffectKind.ReadState)


class _Private(Visitor):
    """The memory allocated inside whose contents differ between threads."""

    def __init__(self, var: Var, body: Stmt, *, shares: bool) -> None:
        self.varying: set[Node] = {var}
        self.own: set[Var] = set()
        post_order_visit(
            body, lambda n: self.own.add(n.buffer_var) if isinstance(n, Allocate) else None
        )
        if not shares:
            self.varying |= self.own
        self.depth = 0
        before = -1
        while before != len(self.varying):
            before = len(self.varying)
            self.walk(body)

    def varies(self, what: Any) -> bool:
        """True if `what` differs between threads."""
        return what is not None and mentions(what, self.varying)

    def _mark(self, var: Var) -> None:
        if var in self.own:
            self.varying.add(var)

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """Memory that a thread writes by itself is its own."""
        if self.depth or self.varies((store.value, store.indices)):
            self._mark(store.buffer.data)

    @on(LetStmt)
    def let(self, let: LetStmt) -> None:
        """A name for a value that differs."""
        if self.varies(let.value):
            self.varying.add(let.var)
        self.visit(let.body)

    @on(For)
    def loop(self, loop: For) -> None:
        """A loop whose bounds differ is run by each thread."""
        self._within(self.varies((loop.min, loop.extent)), loop.body)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """So is a branch."""
        self._within(self.varies(branch.condition), (branch.then_case, branch.else_case))

    def _within(self, differs: bool, body: Any) -> None:
        self.depth += differs
        self.visit(body)
        self.depth -= differs

    @on(Call)
    def call(self, call: Call) -> None:
        """Memory handed out with something that differs may be written so."""
        if self.depth or self.varies(call):
            pre_order_visit(call, self._mark_written)

    def _mark_written(self, node: Node) -> bool:
        """Memory whose address is given away, unless only to be read."""
        if isinstance(node, Call) and getattr(node.op, "name", "") == "tir.tvm_access_ptr":
            mask = O.const_value(node.args[4])
            if isinstance(mask, int) and not mask & Buffer.WRITE:
                return False
        if isinstance(node, Var):
            self._mark(node)
        return True


class _Multiply(Rewriter):
    """Gives each thread its own part of the private memory."""

    def __init__(self, var: Var, count: int, private: set[Node]) -> None:
        self.var, self.count, self.private = var, count, private
        self.sizes: dict[Var, PrimExpr] = {}

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """allocate(n)   ->   allocate(threads * n)"""
        if node.buffer_var not in self.private:
            return self.rewrite_children(node)
        first, *rest = node.extents
        total: PrimExpr = IntImm("int32", 1)
        for extent in node.extents:
            total = O.multiply(total, extent)
        self.sizes[node.buffer_var] = total
        wide = (O.multiply(first, self.count), *rest)
        return node.replace(extents=wide, body=self.rewrite(node.body))

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer with a part for each thread."""
        if buffer.data not in self.private or not buffer.shape:
            return buffer
        known = self._variables.get(id(buffer))
        if known is None:
            shape = (O.multiply(buffer.shape[0], self.count), *buffer.shape[1:])
            known = self._variables[id(buffer)] = (buffer, buffer.replace(shape=shape))
        return known[1]  # type: ignore[return-value]

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """B[i]   ->   B[thread * n + i]"""
        new = self.rewrite_children(access)
        buffer = access.buffer
        if new.buffer is buffer or not new.indices:
            return new
        start = O.multiply(O.cast(self.var, buffer.shape[0].dtype), buffer.shape[0])
        index = O.simplified(O.add(start, new.indices[0]))
        return new.replace(indices=(index, *new.indices[1:]))

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """An address lies in the thread's part."""
        new: Call = self.rewrite_children(call)
        if getattr(call.op, "name", "") != "tir.tvm_access_ptr" or call.args[1] not in self.sizes:
            return new
        marker, data, offset, *rest = new.args
        size = self.sizes[data]  # type: ignore[index]
        moved = O.add(offset, O.multiply(O.cast(self.var, size.dtype), size))
        return new.replace(args=(marker, data, moved, *rest))


class _Repeat(Rewriter):
    """Repeats each statement that differs between the threads."""

    def __init__(self, var: Var, count: int, private: _Private) -> None:
        self.var, self.count, self.private = var, count, private

    @on(SeqStmt)
    def sequence(self, node: SeqStmt) -> Stmt:
        """Statement by statement."""
        return stmt_seq(*[self.rewrite(part) for part in node.seq])

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """The threads go through a loop together if its bounds are the same for all."""
        if self.private.varies((loop.min, loop.extent)):
            return self._each(loop)
        return loop.replace(body=self.rewrite(loop.body))

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Stmt:
        """So do they with a branch."""
        if self.private.varies(branch.condition):
            return self._each(branch)
        otherwise = None if branch.else_case is None else self.rewrite(branch.else_case)
        return branch.replace(then_case=self.rewrite(branch.then_case), else_case=otherwise)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """Attributes hold for all, unless they differ."""
        if self.private.varies(node.value):
            return self._each(node)
        return node.replace(body=self.rewrite(node.body))

    @on(Allocate, DeclBuffer)
    def memory(self, node: Any) -> Stmt:
        """Memory has room for all threads."""
        made: Stmt = node.replace(body=self.rewrite(node.body))
        return made

    @on(Stmt)
    def other(self, stmt: Stmt) -> Stmt:
        """Any other statement, whole."""
        return self._each(stmt) if self.private.varies(stmt) else stmt

    def _each(self, stmt: Stmt) -> Stmt:
        if self.count < _UNROLLED:
            values = [IntImm(self.var.dtype, k) for k in range(self.count)]
            return stmt_seq(*[renew_defs(substitute(stmt, {self.var: v})) for v in values])
        var = self.var.copy_with_name(self.var.name)
        zero = IntImm(var.dtype, 0)
        body = renew_defs(substitute(stmt, {self.var: var}))
        return For(var, zero, IntImm(var.dtype, self.count), ForKind.SERIAL, body)


class _Inject(Rewriter):
    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """virtual_thread t < 2: f(t)   ->   f(0); f(1)"""
        new: AttrStmt = self.rewrite_children(node)
        axis = new.node
        if new.attr_key != VIRTUAL_THREAD or not isinstance(axis, IterVar):
            return new
        count = O.const_value(new.value)
        if not isinstance(count, int):
            zero = IntImm(axis.var.dtype, 0)
            return For(axis.var, zero, new.value, ForKind.SERIAL, new.body)
        private = _Private(axis.var, new.body, shares=axis.thread_tag.startswith("vthread"))
        body = _Multiply(axis.var, count, private.varying).run(new.body)
        made: Stmt = _Repeat(axis.var, count, private).run(body)
        return made


@factory
def InjectVirtualThread(func: PrimFunc) -> PrimFunc:
    """virtual_thread t < 2: B[0] = f(t); g(B[0])   ->   B[0] = f(0); B[1] = f(1); g(B[0]); g(B[1])

    Memory whose contents differ between the threads is multiplied; for threads whose tag does not
    begin with `vthread` all is. Fewer than 16 threads are written out, more run in a loop.
    """
    return func.replace(body=_Inject().run(func.body))
