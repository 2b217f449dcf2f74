"""Symbolic dimensions of a function as slots of the virtual machine and operations on them."""

from __future__ import annotations

from ..ir.expr import IntImm, PrimExpr
from ..runtime.executable import Dim, DimOp, Slot
from ..support.errors import CompileError
from ..tir.expr import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    Add,
    And,
    Call,
    Cast,
    Div,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mod,
    Mul,
    Not,
    Or,
    Select,
    Sub,
)
from ..tir.expr import Var as TirVar
from .dims import symbolic_vars

OPERATIONS: dict[type[PrimExpr], str] = {
    Add: "add", Sub: "sub", Mul: "mul", FloorDiv: "floordiv", FloorMod: "floormod",
    Min: "min", Max: "max", EQ: "eq", NE: "ne", LT: "lt", LE: "le", GT: "gt", GE: "ge",
    And: "and", Or: "or",
}  # fmt: skip


class Slots:
    """The slots of one function: one for each symbolic dimension, in the order of binding."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.slots: dict[TirVar, Slot] = {}

    def names(self) -> tuple[str, ...]:
        """The dimensions' names, by slot."""
        return tuple(var.name for var in self.slots)

    def bind(self, var: TirVar) -> Slot:
        """A new slot for `var`."""
        slot = self.slots[var] = Slot(len(self.slots))
        return slot

    def knows(self, dim: PrimExpr) -> bool:
        """True if every variable of `dim` has a slot."""
        return all(var in self.slots for var in symbolic_vars(dim))

    def dim(self, dim: PrimExpr) -> Dim:
        """`dim` in terms of slots. Raises `CompileError` for what a slot machine cannot compute."""
        if isinstance(dim, IntImm):
            return dim.value
        if isinstance(dim, TirVar):
            if dim not in self.slots:
                raise CompileError(
                    f"the symbolic dimension `{dim}` of function `{self.function}` is not bound",
                    hint="a parameter's shape, or match_cast, binds a dimension that stands alone",
                )
            return self.slots[dim]
        operation = OPERATIONS.get(type(dim))
        if operation is not None:
            return DimOp(operation, self.dim(dim.a), self.dim(dim.b))  # type: ignore[attr-defined]
        if isinstance(dim, Cast):
            return self.dim(dim.value)
        if isinstance(dim, Not):
            return DimOp("eq", self.dim(dim.a), 0)
        if isinstance(dim, (Div, Mod)):
            return self._truncated(dim)
        if isinstance(dim, Select):
            return self._choice(dim.condition, dim.true_value, dim.false_value)
        if isinstance(dim, Call) and getattr(dim.op, "name", "") == "tir.if_then_else":
            return self._choice(*dim.args)  # type: ignore[arg-type]
        raise CompileError(f"the dimension `{dim}` cannot be computed by the virtual machine")

    def _truncated(self, dim: Div | Mod) -> Dim:
        """Division towards zero, by division towards minus infinity of the magnitudes."""
        a, b = self.dim(dim.a), self.dim(dim.b)
        magnitude_a = DimOp("max", a, DimOp("sub", 0, a))
        magnitude_b = DimOp("max", b, DimOp("sub", 0, b))
        quotient = DimOp("floordiv", magnitude_a, magnitude_b)
        negative = DimOp("ne", DimOp("lt", a, 0), DimOp("lt", b, 0))
        signed = DimOp("mul", quotient, DimOp("sub", 1, DimOp("mul", 2, negative)))
        return signed if isinstance(dim, Div) else DimOp("sub", a, DimOp("mul", signed, b))

    def _choice(self, condition: PrimExpr, yes: PrimExpr, no: PrimExpr) -> Dim:
        chosen = self.dim(condition)
        return DimOp(
            "add",
            DimOp("mul", chosen, self.dim(yes)),
            DimOp("mul", DimOp("eq", chosen, 0), self.dim(no)),
        )
