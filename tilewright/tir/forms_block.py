"""Forms of the dialect `T` with a body: blocks and their axes, branches, `while`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from ..ir.expr import PrimExpr
from ..ir.functor import post_order_visit
from ..support.errors import ArgumentError
from . import stmt as S
from .expr import IterVar, IterVarType, Var
from .forms import ScopedForm, TirForm, as_range
from .writer import BlockParts, Writer


def require_outside(block: BlockParts, value: Any, what: str) -> None:
    """Raises `ArgumentError` if `value`, which belongs to the loops around, depends on axes."""
    axes = {v.var for v in block.iter_vars}
    found: list[Var] = []
    post_order_visit(value, lambda n: found.append(n) if isinstance(n, Var) else None)
    own = next((v for v in found if v in axes), None)
    if own is not None:
        raise ArgumentError(
            f"{what} `{value}`, which depends on the axis `{own.name}` of block `{block.name}`",
            hint="use the loops here; axes are for the body of the block",
        )


@dataclass
class AxisForm(TirForm):
    """`T.axis.spatial(dom, value)`."""

    dom: Any
    value: Any
    kind: IterVarType
    dtype: str = ""

    def title(self) -> str:
        """As written."""
        return "T.axis"

    def declare(self, w: Writer, name: str) -> Var:
        """Adds the axis to the block."""
        block = w.block("T.axis")
        if name and any(v.var.name == name for v in block.iter_vars):
            raise ArgumentError(
                f"block `{block.name}` has two axes `{name}`", hint="rename one of them"
            )
        if block.iter_vars:
            require_outside(block, self.value, f"axis `{name}` is bound to")
        dom = as_range(self.dom)
        var = Var(name, dom.extent.dtype)
        block.iter_vars.append(IterVar(dom, var, self.kind))
        block.iter_values.append(self.value)
        return var

    def act(self, w: Writer) -> Var:
        """Adds an axis without a name."""
        return self.declare(w, "")


@dataclass
class RemapForm(TirForm):
    """`T.axis.remap("SR", [i, k])`: axes over the domains of loops."""

    kinds: str
    values: Sequence[Any]

    def title(self) -> str:
        """As written."""
        return "T.axis.remap"

    def axes(self, w: Writer) -> list[AxisForm]:
        """One axis a letter."""
        if len(self.kinds) != len(self.values):
            raise ArgumentError(
                f"remap has {len(self.kinds)} letters for {len(self.values)} loop variables",
                hint='write one letter a loop, as in T.axis.remap("SR", [i, k])',
            )
        made = []
        for letter, value in zip(self.kinds, self.values, strict=True):
            if letter not in _LETTERS:
                raise ArgumentError(
                    f"remap knows S and R, found {letter!r}",
                    hint="S is spatial, R reduces; other axes are T.axis.scan and T.axis.opaque",
                )
            if id(value) not in w.loops:
                raise ArgumentError(
                    f"remap needs variables of loops, found `{value}`",
                    hint="bind other values as in T.axis.spatial(extent, value)",
                )
            made.append(AxisForm(w.loops[id(value)], value, _LETTERS[letter]))
        return made

    def declare(self, w: Writer, name: str) -> Any:
        """The only axis, or a list of them, numbered: `v` is `[v_0, v_1]`."""
        axes = self.axes(w)
        if len(axes) == 1:
            return axes[0].declare(w, name)
        return [axis.declare(w, f"{name}_{k}") for k, axis in enumerate(axes)]

    def act(self, w: Writer) -> Any:
        """The axes without names, or the only one."""
        made = [axis.act(w) for axis in self.axes(w)]
        return made[0] if len(made) == 1 else made


_LETTERS = {"S": IterVarType.DataPar, "R": IterVarType.CommReduce}


@dataclass
class BlockForm(ScopedForm):
    """`with T.block(name):`."""

    name: str = ""
    no_realize: bool = False

    def title(self) -> str:
        """As written."""
        return "T.block"

    def open(self, w: Writer, name: str = "") -> AbstractContextManager[None]:
        """The block, which is emitted at the end."""
        return w.in_block(self.name, self.no_realize)


@dataclass
class InitForm(ScopedForm):
    """`with T.init():`."""

    def title(self) -> str:
        """As written."""
        return "T.init"

    @contextmanager
    def open(self, w: Writer, name: str = "") -> Iterator[None]:
        """The initial value of a reduction."""
        block = w.block("T.init")
        if block.init is not None:
            raise ArgumentError(
                f"block `{block.name}` has two T.init", hint="write all of it in one"
            )
        with w.inner() as body:
            yield
            block.init = body.finish()


@dataclass
class WhileForm(ScopedForm):
    """`with T.While(condition):`."""

    condition: PrimExpr

    def title(self) -> str:
        """As written."""
        return "T.While"

    def open(self, w: Writer, name: str = "") -> AbstractContextManager[Any]:
        """The body of the loop."""
        return w.wrapped(w.loop(self.condition))


@dataclass
class IfForm(ScopedForm):
    """`with T.If(condition):`, around `with T.Then():` and perhaps `with T.Else():`."""

    condition: PrimExpr

    def title(self) -> str:
        """As written."""
        return "T.If"

    @contextmanager
    def open(self, w: Writer, name: str = "") -> Iterator[None]:
        """The branches, inside of which each is written."""
        branches: dict[str, S.Stmt] = {}
        w.branches.append(branches)
        try:
            yield
        finally:
            w.branches.pop()
        if "T.Then" not in branches:
            raise ArgumentError(
                "`T.If` has no `T.Then`", hint="write `with T.Then():` inside of it"
            )
        w.emit(S.IfThenElse(self.condition, branches["T.Then"], branches.get("T.Else")))


@dataclass
class BranchForm(ScopedForm):
    """`with T.Then():` or `with T.Else():`."""

    name: str

    def title(self) -> str:
        """As written."""
        return self.name

    @contextmanager
    def open(self, w: Writer, name: str = "") -> Iterator[None]:
        """The statements of the branch."""
        if not w.branches:
            raise ArgumentError(
                f"`{self.name}` stands outside of `T.If`",
                hint="write it inside of `with T.If(condition):`",
            )
        branches = w.branches[-1]
        if self.name in branches:
            raise ArgumentError(f"`T.If` has two `{self.name}`", hint="write all of it in one")
        with w.inner() as body:
            yield
            branches[self.name] = body.finish()
