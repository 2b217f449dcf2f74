"""Loops written out."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.node import children
from ...support.errors import CompileError
from .. import op as O
from ..arith.rules import MAKERS
from ..buffer import Buffer
from ..expr import EQ, Add, Mul, Select, Sub, Var
from ..function import PrimFunc
from ..stmt import AttrStmt, BufferStore, Evaluate, For, ForKind, Stmt, stmt_seq
from ..stmt_functor import renew_defs
from .base import factory

LIMIT = 4096


class _Unroll(Rewriter):
    """Copies bodies with the loops' variables replaced on the way down: once a copy."""

    def __init__(self) -> None:
        self.max_step = 0
        self.explicit = True
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
        if not isinstance(extent, IntImm) or not (asked or self._is_small(loop, extent.value)):
            kind = ForKind.SERIAL if asked else loop.kind
            return loop.replace(min=low, extent=extent, kind=kind, body=self.rewrite(loop.body))
        if extent.value > LIMIT:
            raise CompileError(
                f"loop `{loop.loop_var.name}` of {extent.value} iterations is to be unrolled",
                loop.span, hint=f"at most {LIMIT} iterations are",
            )  # fmt: skip
        return self._copies(loop, low, extent.value)

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
        if not self.max_step or not self.explicit or loop.kind != ForKind.SERIAL:
            return False
        return not loop.annotations and count * _steps(loop.body) <= self.max_step


def _steps(stmt: Any) -> int:
    """Statements once everything inside is unrolled; loops of unknown length count a lot."""
    if isinstance(stmt, For):
        count = stmt.extent.value if isinstance(stmt.extent, IntImm) else LIMIT
        return count * _steps(stmt.body)
    if isinstance(stmt, (BufferStore, Evaluate)):
        return 1
    return sum(_steps(child) for child in children(stmt) if isinstance(child, Stmt))


def _defines(stmt: Any) -> bool:
    """True if a statement that stays defines a variable."""
    if isinstance(stmt, For):
        return stmt.kind != ForKind.UNROLLED or _defines(stmt.body)
    if any(info.is_definition for info in type(stmt).fields):
        return True
    return any(_defines(child) for child in children(stmt) if isinstance(child, Stmt))


@factory
def UnrollLoop(func: PrimFunc) -> PrimFunc:
    """for i in unroll(2): A[i] = 0   ->   A[0] = 0; A[1] = 0"""
    return func.replace(body=_Unroll().run(func.body))
