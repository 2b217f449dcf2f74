"""Loops over threads moved out to where one loop serves all of a launch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.functor import Rewriter, Visitor, on
from ...support.errors import CompileError
from ..arith import Analyzer
from ..expr import IterVar, Var
from ..function import PrimFunc
from ..stmt import For, ForKind, Stmt
from .base import factory

KINDS = ("threadIdx", "vthread", "blockIdx")


@dataclass(eq=False)
class _Axis:
    """All loops of one launch over one axis of threads; `path` leads to what is around them."""

    loop: For
    binding: IterVar
    path: list[For]
    annotations: dict[str, Any]

    def __post_init__(self) -> None:
        self.var = self.loop.loop_var.copy_with_name(self.binding.thread_tag.replace(".", "_"))

    def around(self, body: Stmt) -> Stmt:
        """The one loop over the axis."""
        loop = self.loop
        return For(
            self.var, loop.min, loop.extent, ForKind.THREAD_BINDING, body, self.binding,
            self.annotations,
        )  # fmt: skip

    def order(self) -> tuple[int, str]:
        """From the inside: threads before blocks of them, the first letter before the last."""
        kind, _, letter = self.binding.thread_tag.partition(".")
        return KINDS.index(kind) if kind in KINDS else len(KINDS), letter


class _Axes(Visitor):
    def __init__(self) -> None:
        self.stack: list[For] = []
        self.found: dict[str, _Axis] = {}

    @on(For)
    def loop(self, loop: For) -> None:
        """What is around all loops over an axis is what their paths have in common."""
        self.stack.append(loop)
        if loop.thread_binding is not None:
            self._add(loop, loop.thread_binding)
        self.visit(loop.body)
        self.stack.pop()

    def _add(self, loop: For, binding: IterVar) -> None:
        known = self.found.get(binding.thread_tag)
        if known is None:
            axis = _Axis(loop, binding, list(self.stack), dict(loop.annotations))
            self.found[binding.thread_tag] = axis
            return
        if not Analyzer().can_prove_equal(known.loop.extent, loop.extent):
            raise CompileError(
                f"{binding.thread_tag} has the extent {known.loop.extent} in loop "
                f"`{known.loop.loop_var.name}` and {loop.extent} in loop `{loop.loop_var.name}`",
                loop.span, hint="bind loops of equal extents to the same threads",
            )  # fmt: skip
        known.annotations.update(loop.annotations)
        pairs = zip(known.path, self.stack, strict=False)
        known.path = [a for a, b in pairs if a is b]


class _Moved(Rewriter):
    def __init__(self, axes: dict[str, _Axis]) -> None:
        self.axes = axes
        self.names: dict[Var, Var] = {}

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """A loop over threads goes; the one for all stands where they were all within."""
        if loop.thread_binding is not None:
            self.names[loop.loop_var] = self.axes[loop.thread_binding.thread_tag].var
        made: Stmt = self.rewrite(loop.body)
        here = [axis for axis in self.axes.values() if axis.path[-1] is loop]
        for axis in sorted(here, key=_Axis.order):
            made = axis.around(made)
        if loop.thread_binding is not None:
            return made
        return loop if made is loop.body else loop.replace(body=made)

    @on(Var)
    def variable(self, var: Var) -> Var:
        """The one variable of the axis."""
        return self.names.get(var, var)


class _Lift(Rewriter):
    @on(For)
    def loop(self, loop: For) -> Stmt:
        """The outermost loop over threads is a launch."""
        if loop.thread_binding is None:
            return self.rewrite_children(loop)
        axes = _Axes()
        axes.walk(loop)
        made: Stmt = _Moved(axes.found).run(loop)
        return made


@factory
def LiftThreadBinding(func: PrimFunc) -> PrimFunc:
    """for bx: {for i: for j in threadIdx.x: f(i, j); for k in threadIdx.x: g(k)}
    ->   for blockIdx_x: for threadIdx_x: {for i: f(i, threadIdx_x); g(threadIdx_x)}

    The loops of a launch over one axis become one, within the innermost loop around all of them,
    with the annotations of all. Raises `CompileError` if they differ in extent.
    """
    return func.replace(body=_Lift().run(func.body))
