"""Loops written out."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import children
from ...ir.transform import PassContext
from ...support.errors import CompileError
from .. import op as O
from ..analysis.effects import is_left_early
from ..arith.rules import MAKERS
from ..buffer import Buffer
from ..expr import EQ, Add, BufferLoad, Mul, Select, Sub, Var
from ..function import PrimFunc
from ..stmt import AttrStmt, BufferStore, Evaluate, For, ForKind, Stmt, stmt_seq
from ..stmt_functor import renew_defs
from .base import context_factory
from .config import UnrollLoopConfig, group_of

LIMIT = 4096


class _Unroll(Rewriter):
    """Copies bodies with the loops' variables replaced on the way down: once a copy."""

    def __init__(self, options: UnrollLoopConfig) -> None:
        self.max_step = options.auto_max_step
        self.explicit = options.explicit_unroll
        self.options = options
        self.local: frozenset[Var] = frozenset()
        self.values: dict[Var, PrimExpr] = {}
        self.tokens: dict[Var, object] = {}
        self.uses: dict[int, tuple[Var, ...]] = {}
        self.made: dict[Any, tuple[PrimExpr, PrimExpr]] = {}

    @on(Var)
    def variable(self, var: Var) -> PrimExpr:
        """The value in this copy."""
        return self.values.get(var, var)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers are shared by the copies."""
        return buffer

    @on(PrimExpr)
    def expression(self, expr: PrimExpr) -> PrimExpr:
        """Made once for each combination of the variables that it depends on."""
        uses = self._uses(expr)
        if not uses:
            return expr
        key = (id(expr), *[self.tokens[var] for var in uses])
        known = self.made.get(key)
        if known is None:
            known = self.made[key] = (expr, self._copied(expr))
        return known[1]

    def _copied(self, expr: PrimExpr) -> PrimExpr:
        if type(expr) is Select:
            return self._chosen(expr)
        if type(expr) not in (Add, Sub, Mul, EQ):
            return self.rewrite_children(expr)
        parts: Any = expr
        return MAKERS[type(expr)](self.rewrite(parts.a), self.rewrite(parts.b))

    def _chosen(self, expr: Any) -> PrimExpr:
        """Select(i == 0, a, b)   ->   a where i is 0; the other side is not copied at all."""
        taken = O.const_value(self.rewrite(expr.condition))
        if taken is None or expr.condition.dtype != "bool":
            made: PrimExpr = self.rewrite_children(expr)
        else:
            made = self.rewrite(expr.true_value if taken else expr.false_value)
        return made

    def _uses(self, expr: Any) -> tuple[Var, ...]:
        """The variables of the loops around, being unrolled, that occur in `expr`."""
        known = self.uses.get(id(expr))
        if known is None:
            found: dict[Var, None] = {}
            for child in children(expr):
                if isinstance(child, Var):
                    if child in self.values:
                        found[child] = None
                elif isinstance(child, PrimExpr):
                    found.update(dict.fromkeys(self._uses(child)))
            known = self.uses[id(expr)] = tuple(found)
        return known

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """Pragmas say how much to unroll inside; they go."""
        if node.attr_key not in ("pragma_auto_unroll_max_step", "pragma_unroll_explicit"):
            return self.rewrite_children(node)
        before = self.max_step, self.explicit
        if node.attr_key == "pragma_auto_unroll_max_step":
            self.max_step = int(O.const_value(node.value) or 0)
        else:
            self.explicit = bool(O.const_value(node.value))
        body: Stmt = self.rewrite(node.body)
        self.max_step, self.explicit = before
        return body

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """for i in unroll(2): f(i)   ->   f(0); f(1)"""
        low, extent = self.rewrite(loop.min), self.rewrite(loop.extent)
        asked = loop.kind == ForKind.UNROLLED
        if self._is_unit(loop, extent):
            return self._copies(loop, low, 1)
        chosen = isinstance(extent, IntImm) and (asked or self._is_small(loop, extent.value))
        if not chosen or is_left_early(loop.body):
            kind = ForKind.SERIAL if asked else loop.kind
            return loop.replace(min=low, extent=extent, kind=kind, body=self.rewrite(loop.body))
        if not self.explicit:
            return loop.replace(
                min=low, extent=extent, kind=ForKind.UNROLLED, body=self.rewrite(loop.body)
            )
        if extent.value > LIMIT:
            raise CompileError(
                f"loop `{loop.loop_var.name}` of {extent.value} iterations is to be unrolled",
                loop.span, hint=f"at most {LIMIT} iterations are",
            )  # fmt: skip
        return self._copies(loop, low, extent.value)

    def _is_unit(self, loop: For, extent: PrimExpr) -> bool:
        """True for a loop of one iteration where `auto_max_extent` asks for just these: it goes,
        whatever it holds."""
        if self.options.auto_max_extent != 1 or not O.is_const_int(extent, 1):
            return False
        return loop.kind in (ForKind.SERIAL, ForKind.UNROLLED) and not is_left_early(loop.body)

    def _copies(self, loop: For, low: PrimExpr, count: int) -> Stmt:
        defines = _defines(loop.body)
        if loop.loop_var not in self.values:
            self.uses = {}
        copies: list[Stmt] = []
        for step in range(count):
            value = O.add(low, IntImm(loop.loop_var.dtype, step))
            self.values[loop.loop_var] = value
            self.tokens[loop.loop_var] = value.value if isinstance(value, IntImm) else object()
            copy: Stmt = self.rewrite(loop.body)
            copies.append(renew_defs(copy) if defines and step else copy)
        return stmt_seq(*copies)

    def _is_small(self, loop: For, count: int) -> bool:
        if loop.kind != ForKind.SERIAL:
            return False
        if loop.loop_var in self.local:
            return True
        if not self.max_step and count > self.options.auto_max_extent:
            return False
        return self._is_allowed(count, self._size(loop.body))

    def _is_allowed(self, count: int, inner: _Size) -> bool:
        if inner.has_loop or inner.depth > self.options.auto_max_depth:
            return False
        return count * inner.steps <= self.max_step or count <= self.options.auto_max_extent

    def _size(self, stmt: Any) -> _Size:
        """What is left of `stmt` once the loops inside that are to be unrolled are."""
        if isinstance(stmt, (BufferStore, Evaluate)):
            return _Size(1, 0, False)
        parts = [self._size(child) for child in children(stmt) if isinstance(child, Stmt)]
        inner = _Size(
            sum(part.steps for part in parts),
            max((part.depth for part in parts), default=0),
            any(part.has_loop for part in parts),
        )
        return self._size_of_loop(stmt, inner) if isinstance(stmt, For) else inner

    def _size_of_loop(self, loop: For, inner: _Size) -> _Size:
        count = loop.extent.value if isinstance(loop.extent, IntImm) else None
        is_serial = loop.kind == ForKind.SERIAL
        if count is not None and (
            loop.kind == ForKind.UNROLLED or (is_serial and self._is_allowed(count, inner))
        ):
            return _Size(count * inner.steps, inner.depth + 1, inner.has_loop)
        return _Size(inner.steps, inner.depth, True)


class _Size(NamedTuple):
    """Statements, unrolled loops one in another, and whether a loop is left."""

    steps: int
    depth: int
    has_loop: bool


def _local_indices(func: PrimFunc) -> frozenset[Var]:
    """The variables in indices of memory private to a thread."""
    found: set[Var] = set()

    def look(node: Any) -> None:
        if isinstance(node, (BufferLoad, BufferStore)) and node.buffer.scope() == "local":
            post_order_visit(node.indices, lambda n: found.add(n) if isinstance(n, Var) else None)

    post_order_visit(func.body, look)
    return frozenset(found)


def _defines(stmt: Any) -> bool:
    """True if a statement that stays defines a variable."""
    if isinstance(stmt, For):
        return stmt.kind != ForKind.UNROLLED or _defines(stmt.body)
    if any(info.is_definition for info in type(stmt).fields):
        return True
    return any(_defines(child) for child in children(stmt) if isinstance(child, Stmt))


@context_factory
def UnrollLoop(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """for i in unroll(2): A[i] = 0   ->   A[0] = 0; A[1] = 0

    Config `tir.UnrollLoop` and the pragmas `auto_unroll_max_step` and `unroll_explicit` say which
    serial loops are unrolled, too. A loop to be unrolled of unknown length becomes serial.
    """
    unroll = _Unroll(group_of(ctx, UnrollLoopConfig))
    if unroll.options.unroll_local_access:
        unroll.local = _local_indices(func)
    return func.replace(body=unroll.run(func.body))
