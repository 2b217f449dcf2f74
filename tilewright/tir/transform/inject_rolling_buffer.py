"""Rolling buffers: what the iteration before has computed stays, and only the rest is computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import on
from ...support.errors import CompileError
from .. import op as O
from ..arith import detect_linear_equation
from ..buffer import Buffer
from ..expr import BufferLoad, FloorDiv, Var
from ..function import PrimFunc
from ..stmt import AttrStmt, BufferRealize, BufferStore, For, IfThenElse, Stmt
from .base import factory
from .scoped import ScopedRewriter

SCOPE = "rolling_buffer_scope"


@dataclass
class _Axis:
    """One dimension of a rolling buffer: its window, and how the window moves with a loop."""

    window: Range
    loop: For | None = None
    step: int = 0

    @property
    def overlap(self) -> int:
        """How many elements an iteration finds that the one before has computed."""
        extent = self.window.extent
        return extent.value - self.step if self.loop and isinstance(extent, IntImm) else 0


@dataclass
class _Rolling:
    """A rolling buffer: its axes, the one that rolls, and the statement that realizes it."""

    axes: list[_Axis]
    rolls: int
    realize: BufferRealize
    extent: PrimExpr = field(init=False)

    def __post_init__(self) -> None:
        self.extent = self.axes[self.rolls].window.extent

    def indices(self, indices: tuple[PrimExpr, ...]) -> tuple[PrimExpr, ...]:
        """Indices of the whole buffer as those of the part that is kept."""
        changed = list(indices)
        changed[self.rolls] = changed[self.rolls] % self.extent
        return tuple(changed)

    def bounds(self) -> tuple[Range, ...]:
        """The part that is kept: one window of the axis that rolls, all of the others."""
        zero = [IntImm(extent.dtype, 0) for extent in self.realize.buffer.shape]
        whole = list(self.realize.buffer.shape)
        whole[self.rolls] = self.extent
        return tuple(Range(low, extent) for low, extent in zip(zero, whole, strict=True))


@factory
def InjectRollingBuffer(func: PrimFunc) -> PrimFunc:
    """for i: realize(B[i*s : i*s+w]); attr(B, rolling_buffer_scope); B[i*s+x] = f(i*s+x)
    ->   realize(B[0:w]); for i: if i < 1 or x >= w-s: B[(i*s+x) % w] = f(i*s+x)

    The realize moves out of the outermost loop that moves its bounds. Raises `CompileError` where
    the attribute stands outside of the buffer's realize, where a bound is more than a loop's
    variable times or divided by a constant plus a constant, or where no loop moves any.
    """
    return func.replace(body=_Inject().run(func.body))


class _Inject(ScopedRewriter):
    def __init__(self) -> None:
        super().__init__()
        self.loops: list[For] = []
        self.realizes: dict[Buffer, BufferRealize] = {}
        self.rolling: dict[Buffer, _Rolling] = {}
        self.scopes: dict[Buffer, AttrStmt] = {}
        self.hoisted: dict[Var, list[Buffer]] = {}

    @on(For)
    def loop(self, loop: For) -> Any:
        """The loop, within the realizes that have moved out of it."""
        self.loops.append(loop)
        made: Stmt = super().loop(loop)
        self.loops.pop()
        for buffer in self.hoisted.pop(loop.loop_var, ()):
            rolled = self.rolling.pop(buffer)
            made = rolled.realize.replace(bounds=rolled.bounds(), body=made)
            if buffer in self.scopes:
                made = self.scopes.pop(buffer).replace(body=made)
        return made

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Any:
        """The mark that a buffer rolls; the memory of a realize goes where the realize goes."""
        if node.attr_key == SCOPE:
            self._roll(node)
            return self.rewrite(node.body)
        if node.attr_key == "realize_scope" and isinstance(node.node, Buffer):
            body = self.rewrite(node.body)
            if node.node not in self.rolling:
                return node.replace(body=body)
            self.scopes[node.node] = node
            return body
        return super().attribute(node)

    @on(BufferRealize)
    def realize(self, node: BufferRealize) -> Any:
        """Leaves its place if the buffer rolls."""
        self.realizes[node.buffer] = node
        body = self.rewrite(node.body)
        return body if node.buffer in self.rolling else node.replace(body=body)

    def _roll(self, mark: AttrStmt) -> None:
        buffer = mark.node
        realize = self.realizes.get(buffer)
        if realize is None:
            raise CompileError(
                f"`{SCOPE}` of `{getattr(buffer, 'name', buffer)}` stands outside of its realize",
                mark.span, hint="write it within T.realize(...)",
            )  # fmt: skip
        axes = [self._axis(buffer, window) for window in realize.bounds]
        for loop in self.loops:
            for index, axis in enumerate(axes):
                if axis.loop is loop:
                    self.rolling[buffer] = _Rolling(axes, index, realize)
                    self.hoisted.setdefault(loop.loop_var, []).append(buffer)
                    return
        raise CompileError(
            f"no loop moves a bound of the rolling buffer `{buffer.name}`", mark.span
        )

    def _axis(self, buffer: Buffer, window: Range) -> _Axis:
        """How a window moves: not at all, by a multiple of a loop's variable, or by a part."""
        if isinstance(window.min, IntImm):
            return _Axis(window)
        low = window.min
        slow = isinstance(low, FloorDiv) and isinstance(low.b, IntImm) and low.b.value > 0
        base = low.a if slow and isinstance(low, FloorDiv) else low
        for loop in self.loops:
            made = detect_linear_equation(base, [loop.loop_var])
            if len(made) == 2 and all(isinstance(part, IntImm) for part in made):
                step = made[0].value  # type: ignore[attr-defined]
                if step > 0 and (not slow or step == 1):
                    return _Axis(window, loop, step)
        raise CompileError(
            f"the rolling buffer `{buffer.name}` begins at {low}", window.min.span,
            note="a bound is a loop's variable, times or divided by a constant, plus a constant",
        )  # fmt: skip

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> Any:
        """B[i] -> B[i % w]"""
        indices = self.rewrite(load.indices)
        rolled = self.rolling.get(load.buffer)
        return load.replace(indices=rolled.indices(indices) if rolled else indices)

    @on(BufferStore)
    def store(self, store: BufferStore) -> Any:
        """B[i] = v -> if first iteration or i is new: B[i % w] = v"""
        value, indices = self.rewrite(store.value), self.rewrite(store.indices)
        rolled = self.rolling.get(store.buffer)
        if rolled is None:
            return store.replace(value=value, indices=indices)
        made: Stmt = store.replace(value=value, indices=rolled.indices(indices))
        for axis, index in zip(rolled.axes, indices, strict=True):
            if axis.loop is not None and axis.overlap > 0:
                made = IfThenElse(O.likely(self._is_new(axis, axis.loop, index)), made)
        return made

    def _is_new(self, axis: _Axis, loop: For, index: PrimExpr) -> PrimExpr:
        """Whether the iteration before has not computed the element."""
        first = loop.loop_var < self.analyzer.simplify(loop.min + 1)
        place = self.analyzer.simplify(index - axis.window.min)
        return O.logical_or(first, place >= axis.overlap)
