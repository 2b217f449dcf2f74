"""Index arithmetic in fewer bits where nothing can overflow."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import on
from ...ir.transform import Pass, PassContext
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from .. import op as O
from ..arith.rules import MAKERS
from ..buffer import Buffer
from ..expr import (
    Add,
    BufferLoad,
    Call,
    Cast,
    CmpExpr,
    Div,
    FloorDiv,
    FloorMod,
    IterVar,
    Let,
    Max,
    Min,
    Mod,
    Mul,
    Ramp,
    Select,
    Sub,
    Var,
)  # fmt: skip
from ..function import PrimFunc
from ..stmt import Allocate, AttrStmt, BlockRealize, BufferStore, DeclBuffer, For, LetStmt
from .base import prim_func_pass
from .scoped import ScopedRewriter

_ARITHMETIC = (Add, Sub, Mul, Div, Mod, FloorDiv, FloorMod, Min, Max)


class _Bits(ScopedRewriter):
    """How many bits each variable needs, by the expressions that it occurs in."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.least = self.bits = bits
        self.needed: dict[Var, int] = {}

    @on(Var)
    def variable(self, var: Var) -> PrimExpr:
        """A variable needs what the expressions around it do."""
        self.needed[var] = max(self.needed.get(var, 0), self.bits)
        return var

    @on(PrimExpr)
    def expression(self, expr: PrimExpr) -> PrimExpr:
        """An integer that may not fit needs all its bits, and so does what it is made of."""
        outer, width = self.bits, _width(expr)
        if width > self.least and not _fits(self, expr, self.least):
            self.bits = max(outer, width)
        self.rewrite_children(expr)
        self.bits = outer
        return expr

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """Indices are on their own: the value has the type of the elements anyway."""
        outer, self.bits = self.bits, self.least
        self.rewrite((load.indices, load.predicate))
        self.bits = outer
        return load

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers stay."""
        return buffer


class _Narrow(ScopedRewriter):
    """Loops, threads and axes whose values fit get variables of fewer bits; what is made of them
    follows."""

    def __init__(self, bits: int, needed: dict[Var, int]) -> None:
        super().__init__()
        self.bits, self.needed = bits, needed
        self.dtype = f"int{bits}"
        self.narrow: dict[Var, Var] = {}

    def _fits(self, expr: PrimExpr) -> bool:
        return _fits(self, expr, self.bits)

    def _is_wide(self, dtype: str) -> bool:
        info = dtype_of(dtype)
        return info.is_int and info.lanes == 1 and info.bits > self.bits

    def _define(self, var: Var, *ends: PrimExpr) -> bool:
        """True if `var`, whose values begin and end there, gets fewer bits from here on."""
        usable = self._is_wide(var.dtype) and all(self._fits(end) for end in ends)
        if not usable or self.needed.get(var, 0) > self.bits:
            return False
        self.narrow[var] = var.copy_with_dtype(self.dtype)
        return True

    def _typed(self, value: PrimExpr) -> PrimExpr:
        if isinstance(value, IntImm):
            return IntImm(self.dtype, value.value)
        return O.cast(value, self.dtype)

    def _can(self, value: PrimExpr) -> bool:
        return value.dtype == self.dtype or isinstance(value, IntImm)

    @on(For)
    def loop(self, loop: For) -> Any:
        """for i: int64   ->   for i: int32"""
        var = loop.loop_var
        self.analyzer.bind(var, Range(loop.min, loop.extent), override=True)
        low, extent = self.rewrite(loop.min), self.rewrite(loop.extent)
        binding = loop.thread_binding
        if self._define(var, loop.min, loop.min + loop.extent):
            low, extent = self._typed(low), self._typed(extent)
            if binding is not None:
                binding = binding.replace(var=binding.var.copy_with_dtype(self.dtype))
        elif low.dtype != var.dtype:
            low, extent = O.cast(low, var.dtype), O.cast(extent, var.dtype)
        return loop.replace(
            loop_var=self.narrow.get(var, var), min=low, extent=extent,
            body=self.rewrite(loop.body), thread_binding=binding,
        )  # fmt: skip

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Any:
        """launch_thread(i: int64)   ->   launch_thread(i: int32)"""
        axis, value = node.node, self.rewrite(node.value)
        if node.attr_key in ("thread_extent", "virtual_thread") and isinstance(axis, IterVar):
            self.analyzer.bind(
                axis.var, Range(IntImm(axis.var.dtype, 0), node.value), override=True
            )
            if axis.var in self.narrow or self._define(axis.var, node.value):
                value = self._typed(value)
                axis = self._axis(axis)
            elif value.dtype != axis.var.dtype:
                value, axis = self._of_one_type(value, axis)
        return node.replace(node=axis, value=value, body=self.rewrite(node.body))

    def _of_one_type(self, extent: PrimExpr, axis: IterVar) -> tuple[PrimExpr, IterVar]:
        """The extent in the type of a thread's variable, if all that is made of the variable fits
        there; else the variable in the type of its extent."""
        var = axis.var
        if self.needed.get(var, 0) <= dtype_of(var.dtype).bits and self._fits(extent):
            return O.cast(extent, var.dtype), axis
        self.narrow[var] = var.copy_with_dtype(extent.dtype)
        dom = axis.dom and Range(
            O.cast(axis.dom.min, extent.dtype), O.cast(axis.dom.extent, extent.dtype)
        )
        return extent, axis.replace(var=self.narrow[var], dom=dom)

    def _axis(self, axis: IterVar) -> IterVar:
        dom = axis.dom
        if dom is not None:
            dom = Range(self._typed(self.rewrite(dom.min)), self._typed(self.rewrite(dom.extent)))
        return axis.replace(var=self.narrow[axis.var], dom=dom)

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> Any:
        """The axes of a block, and their values."""
        axes, values = [], []
        for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
            made = self.rewrite(value)
            if axis.dom is not None:
                self.analyzer.bind(axis.var, axis.dom, override=True)
            if axis.dom is not None and self._define(axis.var, axis.dom.min + axis.dom.extent):
                axes.append(self._axis(axis))
                values.append(self._typed(made))
            else:
                axes.append(axis)
                values.append(_like(made, axis.var.dtype))
        block = self.rewrite_children(realize.block.replace(iter_vars=()))
        return realize.replace(
            iter_values=tuple(values), predicate=self.rewrite(realize.predicate),
            block=block.replace(iter_vars=tuple(axes)),
        )  # fmt: skip

    @on(LetStmt, Let)
    def named(self, let: Any) -> Any:
        """let j: int64 = i   ->   let j: int32 = i"""
        value = self.rewrite(let.value)
        self._learn(let.var, let.value)
        fits = self._define(let.var, let.value)
        return let.replace(
            var=self.narrow.get(let.var, let.var),
            value=self._typed(value) if fits else _like(value, let.var.dtype),
            body=self.rewrite(let.body),
        )

    @on(Range)
    def range(self, range_: Range) -> Range:
        """Both ends in one type."""
        low, extent = self.rewrite(range_.min), self.rewrite(range_.extent)
        if low.dtype != extent.dtype and self._can(low) and self._can(extent):
            low, extent = self._typed(low), self._typed(extent)
        return Range(low, O.cast(extent, low.dtype))

    @on(Var)
    def variable(self, var: Var) -> PrimExpr:
        """A loop's variable in its new type."""
        return self.narrow.get(var, var)

    @on(*_ARITHMETIC)
    def arithmetic(self, expr: Any) -> PrimExpr:
        """Narrow if the value and its operands fit."""
        a, b = self.rewrite(expr.a), self.rewrite(expr.b)
        narrow = self._is_wide(expr.dtype) and self._can(a) and self._can(b)
        if narrow and all(self._fits(e) for e in (expr, expr.a, expr.b)):
            return MAKERS[type(expr)](self._typed(a), self._typed(b))
        return MAKERS[type(expr)](_like(a, expr.a.dtype), _like(b, expr.b.dtype))

    @on(CmpExpr)
    def comparison(self, expr: Any) -> PrimExpr:
        """Both sides in one type."""
        a, b = self.rewrite(expr.a), self.rewrite(expr.b)
        if a.dtype != b.dtype:
            can = self._can(a) and self._can(b)
            if can and self._fits(expr.a) and self._fits(expr.b):
                return MAKERS[type(expr)](self._typed(a), self._typed(b))
            a, b = _like(a, expr.a.dtype), _like(b, expr.b.dtype)
        return MAKERS[type(expr)](a, b)

    @on(Cast)
    def cast(self, expr: Cast) -> PrimExpr:
        """A widening that is not needed goes where the value is used."""
        value: PrimExpr = self.rewrite(expr.value)
        if self._is_wide(expr.dtype) and value.dtype == self.dtype:
            return value
        return O.cast(value, expr.dtype)

    @on(Ramp)
    def ramp(self, expr: Ramp) -> PrimExpr:
        """Base and stride in one type."""
        base, stride = self.rewrite(expr.base), self.rewrite(expr.stride)
        if self.dtype in (base.dtype, stride.dtype) and self._can(base) and self._can(stride):
            base, stride = self._typed(base), self._typed(stride)
        return Ramp(base, stride, expr.lanes)

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """Indices may be narrow."""
        return load.replace(
            indices=self.rewrite(load.indices), predicate=self.rewrite(load.predicate)
        )

    @on(BufferStore)
    def store(self, store: BufferStore) -> Any:
        """The value keeps its type."""
        return store.replace(
            indices=self.rewrite(store.indices),
            value=_like(self.rewrite(store.value), store.value.dtype),
            predicate=self.rewrite(store.predicate),
        )

    @on(Select)
    def select(self, expr: Select) -> PrimExpr:
        """Both values in one type, narrow if they fit."""
        yes, no = self.rewrite(expr.true_value), self.rewrite(expr.false_value)
        narrow = self._is_wide(expr.dtype) and self._can(yes) and self._can(no)
        if narrow and self._fits(expr.true_value) and self._fits(expr.false_value):
            yes, no = self._typed(yes), self._typed(no)
        else:
            yes, no = _like(yes, expr.dtype), _like(no, expr.dtype)
        return O.select(self.rewrite(expr.condition), yes, no)

    @on(Call)
    def call(self, expr: Call) -> PrimExpr:
        """Arguments keep their types."""
        args = tuple(
            _like(self.rewrite(a), a.dtype) if isinstance(a, PrimExpr) else a for a in expr.args
        )
        return expr.replace(args=args)

    @on(Allocate, DeclBuffer)
    def memory(self, node: Any) -> Any:
        """Extents stay."""
        return node.replace(body=self.rewrite(node.body))

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers stay."""
        return buffer


def _width(expr: PrimExpr) -> int:
    info = dtype_of(expr.dtype)
    return info.bits if info.is_int else 0


def _fits(scope: ScopedRewriter, expr: PrimExpr, bits: int) -> bool:
    """True if all values of `expr` are integers of so many bits."""
    if dtype_of(expr.dtype).lanes > 1:
        return True  # its lanes are looked at by themselves
    lo, hi = scope.analyzer.engine.interval(expr)
    return bool(-(2 ** (bits - 1)) <= lo and hi < 2 ** (bits - 1))


def _like(value: PrimExpr, dtype: str) -> PrimExpr:
    if value.dtype == dtype or not dtype_of(dtype).is_integral:
        return value
    return O.cast(value, dtype)


def NarrowDataType(target_bits: int) -> Pass:
    """for i in range(int64(8)): A[i * 4]   ->   for i in range(8): A[i * 4], where it fits

    A variable of a loop, thread or block axis gets `target_bits` (16 or 32) if neither it nor any
    index that it is part of has values beyond them. Raises `ArgumentError` for other numbers.
    """
    if target_bits not in (16, 32):
        raise ArgumentError(f"NarrowDataType takes 16 or 32 bits, found {target_bits!r}")

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        bits = _Bits(target_bits)
        bits.run(func.body)
        return func.replace(body=_Narrow(target_bits, bits.needed).run(func.body))

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.NarrowDataType")
    return made
