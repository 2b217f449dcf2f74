"""One variable for each axis of threads, bound around all that uses it."""

from __future__ import annotations

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on
from ...support.errors import ArgumentError
from .. import op as O
from ..arith import Analyzer
from ..expr import IterVar, IterVarType, Var
from ..function import PrimFunc
from ..stmt import AttrStmt, For, ForKind, Stmt
from ..stmt_functor import substitute
from .base import factory


class _Unify(Rewriter):
    def __init__(self) -> None:
        self.axes: dict[str, tuple[IterVar, PrimExpr]] = {}
        self.depth = 0

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """for i in threadIdx.x: f; for j in threadIdx.x: g   ->   for threadIdx_x: f; g"""
        axis = loop.thread_binding
        if axis is None:
            return self.rewrite_children(loop)
        made = self._bound(loop.loop_var, axis, loop.extent, loop.body)
        if not loop.annotations:
            return made
        if isinstance(made, For):
            return made.replace(annotations={**made.annotations, **loop.annotations})
        dtype = loop.loop_var.dtype
        zero, one = IntImm(dtype, 0), IntImm(dtype, 1)
        return For(Var("var", dtype), zero, one, ForKind.SERIAL, made, annotations=loop.annotations)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """The same for the extent of a thread."""
        keys = ("thread_extent", "virtual_thread")
        if node.attr_key not in keys or not isinstance(node.node, IterVar):
            return self.rewrite_children(node)
        return self._bound(node.node.var, node.node, node.value, node.body)

    def _bound(self, var: Var, axis: IterVar, extent: PrimExpr, body: Stmt) -> Stmt:
        shared = self._axis(axis, var, extent)
        self.depth += 1
        made: Stmt = self.rewrite(substitute(body, {var: O.cast(shared, var.dtype)}))
        self.depth -= 1
        if self.depth:
            return made
        for bound, size in reversed(list(self.axes.values())):
            made = _launch(bound, size, made)
        self.axes = {}
        return made

    def _axis(self, axis: IterVar, var: Var, extent: PrimExpr) -> Var:
        tag = axis.thread_tag
        known = self.axes.get(tag)
        if known is None:
            name = tag.replace(".", "_")
            made = Var(name, var.dtype)
            dom = Range(IntImm(var.dtype, 0), extent)
            bound = IterVar(dom, made, IterVarType.ThreadIndex, tag)
            self.axes[tag] = (bound, extent)
            return made
        if not Analyzer().can_prove_equal(known[1], O.cast(extent, known[1].dtype)):
            raise ArgumentError(
                f"{tag} has the extent {known[1]} in one place and {extent} in another",
                hint="bind loops of equal extents to the same threads",
            )
        return known[0].var


def _launch(axis: IterVar, extent: PrimExpr, body: Stmt) -> Stmt:
    zero = IntImm(axis.var.dtype, 0)
    bound = axis.replace(dom=None, var=Var("", axis.var.dtype))
    return For(axis.var, zero, extent, ForKind.THREAD_BINDING, body, bound)


@factory
def UnifyThreadBinding(func: PrimFunc) -> PrimFunc:
    """for bx: {for i in threadIdx.x: f(i); for j in threadIdx.x: g(j)}
    ->   for blockIdx_x: for threadIdx_x: {f(threadIdx_x); g(threadIdx_x)}

    Threads that are launched by attributes are bound by loops as well. Annotations of a loop stay
    on the loop that its statement begins with, or a loop of one run. Raises `ArgumentError` (a
    `ValueError`) if an axis has two extents in one launch.
    """
    return func.replace(body=_Unify().run(func.body))
