"""Conditions and names moved out of the loops that they do not depend on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, Visitor, on, post_order_visit
from ...ir.node import Node
from ...ir.transform import Pass, PassContext
from ..arith.canonical import effect_of, may_trap, reads_memory
from ..expr import And, Call, CallEffectKind, IterVar, Let, Or, Select, Var
from ..function import PrimFunc
from ..stmt import AttrStmt, BlockRealize, For, IfThenElse, LetStmt, SeqStmt, Stmt, While
from ..stmt_functor import renew_defs
from .base import prim_func_pass
from .config import HoistExpressionConfig, HoistIfThenElseConfig, group_of
from .scoped import alters
from .simplify import Simplifying


class HoistedConditionals(IntFlag):
    """Which conditions may be moved out of loops."""

    Never = 0
    IfElseStmt = 1
    IfElseExpr = 2
    BooleanExpression = 4
    UsingBlockVar = 8
    All = 15


class HoistedLetBindings(IntFlag):
    """Which names may be moved out of loops."""

    Never = 0
    RequiredByConditional = 1
    LetStmt = 2
    LetExpr = 4
    All = 7


@dataclass(eq=False)
class _Level:
    """A loop around the place being looked at, and what is to stand before it."""

    node: For | AttrStmt
    var: Var
    is_launch: bool
    in_sequence: bool = False
    in_branch: bool = False
    conditions: list[_Condition] = field(default_factory=list)
    names: list[tuple[Var, PrimExpr]] = field(default_factory=list)


@dataclass(eq=False)
class _Condition:
    value: PrimExpr
    has_else: bool


@dataclass(eq=False)
class _Named:
    """A name bound within `depth` loops, which may move to before `level`."""

    value: PrimExpr
    depth: int
    level: _Level | None


class _Collect(Visitor):
    """Finds, for each loop, what can be computed before it."""

    def __init__(self, conditionals: int, names: int) -> None:
        self.conditionals = HoistedConditionals(conditionals)
        self.names = HoistedLetBindings(names)
        self.levels: list[_Level] = []
        self.by_node: dict[int, _Level] = {}
        self.named: dict[Var, _Named] = {}
        self.moved: set[Var] = set()

    # ---- loops ------------------------------------------------------------------------------

    @on(For)
    def loop(self, loop: For) -> None:
        """A loop may be passed by what does not depend on its variable."""
        self.visit((loop.min, loop.extent))
        self._within(_Level(loop, loop.loop_var, False), loop.body)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """The threads of a launch count as a loop."""
        if node.attr_key != "thread_extent" or not isinstance(node.node, IterVar):
            self.visit((node.value, node.body))
            return
        self.visit(node.value)
        self._within(_Level(node, node.node.var, True), node.body)

    def _within(self, level: _Level, body: Stmt) -> None:
        self.by_node[id(level.node)] = level
        self.levels.append(level)
        self.visit(body)
        self.levels.pop()

    @on(SeqStmt)
    def sequence(self, node: SeqStmt) -> None:
        """One of several statements leaves the others behind: nothing moves past its loop."""
        if not self.levels:
            self.visit(node.seq)
            return
        level = self.levels[-1]
        before, level.in_sequence = level.in_sequence, True
        self.visit(node.seq)
        level.in_sequence = before

    def _destination(self, value: PrimExpr) -> _Level | None:
        """The outermost loop before which `value` can be computed."""
        if may_trap(value) or _calls_with_effects(value):
            return None
        uses = self._uses(value)
        named = (self.named[var].value for var in uses if var in self.named)
        loaded = [part for part in (value, *named) if reads_memory(part)]
        kept = not self.conditionals & HoistedConditionals.UsingBlockVar
        if kept and any(level.is_launch and level.var in uses for level in self.levels):
            return None
        fixed = max((self.named[v].depth for v in uses if self._is_fixed(v)), default=0)
        found = None
        for depth in range(len(self.levels) - 1, fixed - 1, -1):
            level = self.levels[depth]
            if level.in_sequence or level.var in uses or (level.is_launch and kept):
                break
            if not all(_is_loadable_before(level, part) for part in loaded):
                break
            found = level
        return found

    def _is_fixed(self, var: Var) -> bool:
        """True for a name that stays where it is bound."""
        named = self.named.get(var)
        if named is None or var in self.moved:
            return False
        return named.level is None or not self.names & HoistedLetBindings.RequiredByConditional

    def _uses(self, value: PrimExpr) -> set[Var]:
        """The variables behind `value`, through names that can move with it."""
        found: set[Var] = set()
        pending = _variables(value)
        while pending:
            var = pending.pop()
            if var not in found:
                found.add(var)
                if var in self.named:
                    pending += _variables(self.named[var].value)
        return found

    # ---- names ------------------------------------------------------------------------------

    @on(LetStmt, Let)
    def let(self, let: Any) -> None:
        """A name moves if asked for, or for the sake of a condition that needs it."""
        flag = (
            HoistedLetBindings.LetStmt if isinstance(let, LetStmt) else HoistedLetBindings.LetExpr
        )
        self.visit(let.value)
        level = self._destination(let.value)
        self.named[let.var] = _Named(let.value, len(self.levels), level)
        if level is not None and self.names & flag:
            self._bring_names(let.value, level)
            self._move(let.var, level)
        self.visit(let.body)

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """Axes, memory and views of a block are known in its body only."""
        self.visit((realize.iter_values, realize.predicate))
        block = realize.block
        here = len(self.levels)
        for axis, value in zip(block.iter_vars, realize.iter_values, strict=True):
            self.named[axis.var] = _Named(value, here, None)
        for buffer in (*block.alloc_buffers, *(m.buffer for m in block.match_buffers)):
            for var in _variables((buffer.data, buffer.shape, buffer.strides, buffer.elem_offset)):
                self.named.setdefault(var, _Named(var, here, None))
        self.visit((block.init, block.body))

    def _bring_names(self, value: PrimExpr, to: _Level) -> None:
        """Moves the names that `value` needs to before the loop `to`."""
        for var in _variables(value):
            named = self.named.get(var)
            if named is None or var in self.moved or named.depth <= self.levels.index(to):
                continue
            self._bring_names(named.value, to)
            self._move(var, to)

    def _move(self, var: Var, to: _Level) -> None:
        to.names.append((var, self.named[var].value))
        self.moved.add(var)

    # ---- conditions -------------------------------------------------------------------------

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """if c: f"""
        self._try(branch.condition, HoistedConditionals.IfElseStmt, branch.else_case is not None)
        self.visit(branch.condition)
        self._in_branch((branch.then_case, branch.else_case))

    @on(Select)
    def select(self, select: Select) -> None:
        """Select(c, a, b)"""
        self._try(select.condition, HoistedConditionals.IfElseExpr, True)
        self.visit_children(select)

    @on(Call)
    def call(self, call: Call) -> None:
        """if_then_else(c, a, b)"""
        if getattr(call.op, "name", "") != "tir.if_then_else":
            self.visit_children(call)
            return
        self._try(call.args[0], HoistedConditionals.IfElseExpr, True)
        self.visit(call.args[0])
        self._in_branch(call.args[1:])

    @on(And, Or)
    def joined(self, expr: Any) -> None:
        """Each part of a condition; the second may depend on the first."""
        self._try(expr.a, HoistedConditionals.BooleanExpression, True)
        self.visit(expr.a)
        self._in_branch(expr.b, HoistedConditionals.BooleanExpression)

    @on(While)
    def repeated(self, loop: While) -> None:
        """The body may not run."""
        self.visit(loop.condition)
        self._in_branch(loop.body)

    def _in_branch(self, part: Any, source: HoistedConditionals | None = None) -> None:
        """Visits what does not always run; `source` if it is a condition that may move itself."""
        level = self.levels[-1] if self.levels else None
        before = level is not None and level.in_branch
        if level is not None:
            level.in_branch = True
        if source is not None:
            self._try(part, source, True)
        self.visit(part)
        if level is not None:
            level.in_branch = before

    def _try(self, condition: Any, source: HoistedConditionals, has_else: bool) -> None:
        if not self.conditionals & source or condition.dtype != "bool":
            return
        if isinstance(condition, IntImm):
            return
        level = self._destination(condition)
        if level is not None:
            self._bring_names(condition, level)
            level.conditions.append(_Condition(condition, has_else))


class _Insert(Rewriter):
    """Puts what was found before its loop; `Simplify` then decides what is inside."""

    def __init__(self, found: _Collect) -> None:
        self.found = found

    @on(For, AttrStmt)
    def loop(self, loop: Any) -> Stmt:
        """for i: if c: f   ->   if c: for i: if c: f"""
        made: Stmt = self.rewrite_children(loop)
        level = self.found.by_node.get(id(loop))
        if level is None:
            return made
        for condition in reversed(level.conditions):
            other = renew_defs(made) if condition.has_else else None
            made = IfThenElse(condition.value, made, other)
        for var, value in reversed(level.names):
            made = LetStmt(var, value, made)
        return made

    @on(LetStmt, Let)
    def let(self, let: Any) -> Node:
        """A name that has moved is not bound again."""
        if let.var in self.found.moved:
            body: Node = self.rewrite(let.body)
            return body
        return self.rewrite_children(let)  # type: ignore[no-any-return]


def _is_loadable_before(level: _Level, value: PrimExpr) -> bool:
    """True if memory may be read before a loop instead of in it: the loop does read it in every
    iteration, has one at least, and does not write it."""
    extent = level.node.extent if isinstance(level.node, For) else level.node.value
    runs = isinstance(extent, IntImm) and extent.value > 0
    return runs and not level.in_branch and not alters(level.node, value)


def _calls_with_effects(value: PrimExpr) -> bool:
    found: list[Call] = []
    post_order_visit(value, lambda n: found.append(n) if isinstance(n, Call) else None)
    return any(effect_of(call) > CallEffectKind.Pure for call in found)


def _variables(expr: object) -> list[Var]:
    found: dict[Var, None] = {}
    post_order_visit(expr, lambda n: found.update({n: None}) if isinstance(n, Var) else None)
    return list(found)


def hoisted(func: PrimFunc, conditionals: int, names: int) -> PrimFunc:
    """`func` with the chosen conditions and names before the loops that they do not depend on."""
    finder = _Collect(conditionals, names)
    finder.walk(func.body)
    body = _Insert(finder).run(func.body)
    return func if body is func.body else func.replace(body=Simplifying().run(body))


def HoistIfThenElse(variant: str | None = None) -> Pass:
    """for i: if c: f(i)   ->   if c: for i: f(i)

    The variant `basic` heeds no options. Config `tir.HoistIfThenElse`:
    `support_block_scope_hoisting` lets conditions on the index of a launched thread move, and
    others past the launch.
    """

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        flags = HoistedConditionals.IfElseStmt
        options = group_of(ctx, HoistIfThenElseConfig)
        if variant is None and options.support_block_scope_hoisting:
            flags |= HoistedConditionals.UsingBlockVar
        return hoisted(func, flags, HoistedLetBindings.Never)

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.HoistIfThenElse")
    return made


def HoistExpression() -> Pass:
    """for i: let x = e; if c: f(i)   ->   let x = e; if c: for i: f(i)

    Config `tir.HoistExpression`: flags of `HoistedConditionals` and `HoistedLetBindings`.
    """

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        options = group_of(ctx, HoistExpressionConfig)
        return hoisted(func, options.hoisted_conditionals, options.hoisted_let_bindings)

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.HoistExpression")
    return made
