"""Vectorized loops as vector statements."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import Node
from ...ir.transform import Pass, PassContext
from ...support.dtypes import ScalableLanes, dtype_of
from ...support.errors import CompileError
from ...target import Target
from .. import op as O
from ..analysis.effects import is_left_early
from ..arith import Analyzer
from ..buffer import Buffer
from ..expr import multiple_of_vscale
from ..function import PrimFunc
from ..stmt import AttrStmt, For, ForKind, IfThenElse, Stmt
from ..stmt_functor import substitute
from .base import prim_func_pass
from .config import BUFFER_LEVEL_PREDICATION, DISABLE_VECTORIZE
from .scoped import lasting, negation
from .vector_lanes import ACTIVE, COMPARED, LOOPS, ByLane, Lanes, NoVector

VECTOR_REDUCE = "vector_reduce"
"""The annotation of a serial loop that adds up into one element and may do so as a vector. Its
value is how many lanes each of several vectors has that it adds up; else 1."""


class _Vectorize(Rewriter):
    """Finds vectorized loops, the innermost first."""

    def __init__(self, target: Target | None, masks: str | None) -> None:
        self.analyzer = Analyzer()
        self.target, self.masks = target, masks

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """What is inside may be for another target."""
        outer = self.target
        if node.attr_key == "target":
            self.target = Target(node.node)
        new: Stmt = node.replace(body=self.rewrite(node.body))
        self.target = outer
        return new

    def _masks(self) -> str:
        """What was asked for; else what the target can do."""
        if self.masks is not None:
            return self.masks
        return ACTIVE if self.target is not None and self.target.features.has_sve else LOOPS

    @on(PrimExpr, Buffer)
    def leaf(self, node: Node) -> Node:
        """No loops within expressions."""
        return node

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Stmt:
        """Within a branch, its condition holds (or does not)."""
        condition, otherwise = branch.condition, branch.else_case
        with self.analyzer.constraint_scope(lasting(condition, branch.then_case)):
            then_case = self.rewrite(branch.then_case)
        if otherwise is not None:
            with self.analyzer.constraint_scope(lasting(negation(condition), otherwise)):
                otherwise = self.rewrite(otherwise)
        return branch.replace(then_case=then_case, else_case=otherwise)

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """for i in vectorized(4): A[i] = 0   ->   A[ramp(0, 1, 4)] = 0"""
        self.analyzer.bind(loop.loop_var, Range(loop.min, loop.extent), override=True)
        body: Stmt = self.rewrite(loop.body)
        if loop.kind != ForKind.VECTORIZED and VECTOR_REDUCE not in loop.annotations:
            return loop.replace(body=body)
        multiple = multiple_of_vscale(loop.extent)
        if multiple is not None:
            self._require_scalable(loop)
            return self._vector(loop, body, ScalableLanes(multiple))
        if not isinstance(loop.extent, IntImm):
            return loop.replace(kind=ForKind.SERIAL, body=body)
        if is_left_early(loop.body):
            return loop.replace(kind=ForKind.SERIAL, body=body)
        lane = self._only_lane(loop, body)
        if lane is not None:
            made: Stmt = substitute(body, {loop.loop_var: lane})
            return self._without_choice(made) if isinstance(made, IfThenElse) else made
        return self._vector(loop, body, loop.extent.value)

    def _only_lane(self, loop: For, body: Stmt) -> PrimExpr | None:
        """The one lane that there is, or that a condition around the whole body leaves."""
        if O.is_const_int(loop.extent, 1):
            return loop.min
        if not isinstance(body, IfThenElse) or body.else_case is not None:
            return None
        with self.analyzer.constraint_scope(body.condition):
            bound = self.analyzer.const_int_bound(loop.loop_var)
        is_one = bound.min_value == bound.max_value
        return IntImm(loop.loop_var.dtype, bound.min_value) if is_one else None

    def _without_choice(self, branch: IfThenElse) -> Stmt:
        holds = O.is_const_int(self.analyzer.simplify(branch.condition), 1)
        return branch.then_case if holds and branch.else_case is None else branch

    def _require_scalable(self, loop: For) -> None:
        if self.target is None or not self.target.features.has_sve:
            raise CompileError(
                f"failed to vectorize the loop of extent {loop.extent} for target {self.target}",
                loop.span, hint="scalable vectors need a target with SVE, such as -mattr=+sve",
            )  # fmt: skip

    def _vector(self, loop: For, body: Stmt, lanes: int) -> Stmt:
        try:
            rewriter = Lanes(loop.loop_var, loop.min, lanes, self.analyzer, self._masks())
            made: Stmt = rewriter.run(body)
        except (NoVector, ByLane):
            self._refuse_scalable(loop, body, lanes)
            return loop.replace(kind=ForKind.SERIAL, body=body)
        return made

    def _refuse_scalable(self, loop: For, body: Stmt, lanes: int) -> None:
        """Scalable vectors do not run lane after lane, nor vectors in a scalable loop."""

        def look(node: Node) -> None:
            if not isinstance(node, PrimExpr):
                return
            info = dtype_of(node.dtype)
            if info.is_scalable or (info.lanes > 1 and isinstance(lanes, ScalableLanes)):
                raise CompileError(
                    f"failed to vectorize the loop of extent {loop.extent}: its body computes "
                    f"vectors already, such as {node} of {node.dtype}",
                    loop.span, hint=f"make the loop over `{loop.loop_var.name}` serial",
                )  # fmt: skip

        post_order_visit(body, look)


def VectorizeLoop(enable_vectorize: bool = True, masks: bool = False) -> Pass:
    """for i in vectorized(4): A[i] = B[i]   ->   A[ramp(0, 1, 4)] = B[ramp(0, 1, 4)]

    What stands under a condition by lane runs in a loop over the lanes; with `masks`, its loads
    and stores are predicated instead. The option `tir.enable_buffer_level_predication` goes before
    `masks`: predicates are `get_active_lane_mask` then, of conditions that count lanes around
    vectors alone; so they are where the target has SVE, if neither is given. A loop of
    `vscale() * 4` becomes a scalable vector where the target has them, always with such predicates.
    Without `enable_vectorize`, or with the option `tir.disable_vectorize`, the loops become serial.

    What has no vector form runs lane after lane, loops whose length is no constant among it. Raises
    `CompileError` where scalable vectors had to, and for scalable loops that the target has no
    vectors for.
    """

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        if not enable_vectorize or ctx.config.get(DISABLE_VECTORIZE):
            return func.replace(body=_Serialize().run(func.body))
        asked = ctx.config.get(BUFFER_LEVEL_PREDICATION)
        given = COMPARED if masks else None
        chosen = given if asked is None else ACTIVE if asked else LOOPS
        return func.replace(body=_Vectorize(target_of(func), chosen).run(func.body))

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.VectorizeLoop")
    return made


def target_of(func: PrimFunc) -> Target | None:
    """The target of a function, else the one in force."""
    given = func.attrs.get("target")
    return Target.current(allow_none=True) if given is None else Target(given)


class _Serialize(Rewriter):
    @on(For)
    def loop(self, loop: For) -> Stmt:
        """for i in vectorized(4)   ->   for i in range(4)"""
        new: For = self.rewrite_children(loop)
        return new.replace(kind=ForKind.SERIAL) if new.kind == ForKind.VECTORIZED else new
