"""Random lowered programs, for checking what runs them against each other.

Every index is inside its buffer, no integer is divided by zero, and no product of floats may fuse
with a sum, so all executions must agree to the last bit.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright import tir
from tilewright.ir.expr import IntImm
from tilewright.support.dtypes import dtype_of
from tilewright.tir import (
    Allocate,
    And,
    Broadcast,
    Buffer,
    BufferLoad,
    BufferStore,
    Call,
    Cast,
    Div,
    Evaluate,
    FloorDiv,
    FloorMod,
    For,
    ForKind,
    IfThenElse,
    Let,
    LetStmt,
    Max,
    Min,
    Mod,
    Not,
    Or,
    PrimExpr,
    PrimFunc,
    Ramp,
    Select,
    SeqStmt,
    Shuffle,
    Stmt,
    Var,
    While,
    const,
    decl_buffer,
)
from tilewright.tir.expr import EQ, GE, LT, NE, Add, Mul, Sub

SIZE = 32
ZERO, ONE, TRUE = IntImm("int32", 0), IntImm("int32", 1), IntImm("bool", 1)
DTYPES = (
    ["int8", "uint8", "int32", "int64", "uint32", "float32", "float64", "bool"],
    ["int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "bool"],
    ["int8", "uint16", "int32", "uint64", "float8_e4m3fn", "float8_e5m2", "float32", "bool"],
)


def _with_lanes(dtype: str, lanes: int) -> str:
    return dtype if lanes == 1 else f"{dtype}x{lanes}"


class Generator:
    """Makes one program: expressions of a wanted type, statements over a few buffers."""

    def __init__(self, rng: random.Random, dtypes: list[str]) -> None:
        self.rng, self.dtypes = rng, dtypes
        self.buffers = {d: [decl_buffer((SIZE,), d, f"{d}_{n}") for n in range(2)] for d in dtypes}
        self.scalars: dict[str, list[Var]] = {d: [] for d in dtypes}
        self.loops: list[Var] = []  # in 0..7
        self.in_loop = False
        self.names = 0

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    # -- expressions

    def expr(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        if depth <= 0 or self.rng.random() < 0.15:
            return self.leaf(dtype, lanes)
        kinds = [self.arithmetic, self.choice, self.conversion, self.let, self.function]
        kinds += [self.condition] * 3 if dtype == "bool" else []
        kinds += [self.bits] if dtype[:3] in ("int", "uin") else []
        kinds += [self.shuffled] if lanes > 1 else []
        return self.rng.choice(kinds)(dtype, lanes, depth - 1)

    def leaf(self, dtype: str, lanes: int) -> PrimExpr:
        pick = self.rng.random()
        if pick < 0.3:
            return self.constant(dtype, lanes)
        if pick < 0.45 and self.scalars[dtype]:
            value: PrimExpr = self.rng.choice(self.scalars[dtype])
            return value if lanes == 1 else Broadcast(value, lanes)
        buffer = self.rng.choice(self.buffers[dtype])
        return BufferLoad(buffer, (self.place(lanes),))

    def constant(self, dtype: str, lanes: int) -> PrimExpr:
        values: list[Any] = [0, 1]
        if "float" in dtype:
            values = [0.0, 1.5, -2.0, 0.25]
        elif dtype != "bool":
            values += [2, 3, 7, 100] if dtype.startswith("u") else [2, -1, -3, 7, 100, -128]
        value = const(self.rng.choice(values), dtype)
        return value if lanes == 1 else Broadcast(value, lanes)

    def place(self, lanes: int) -> PrimExpr:
        """An index inside the buffers."""
        base: PrimExpr = const(self.rng.randrange(8), "int32")
        if self.loops and self.rng.random() < 0.8:
            base = self.rng.choice(self.loops)
        if lanes == 1:
            return base + self.rng.randrange(SIZE - 7)
        if "int32" in self.dtypes and self.rng.random() < 0.1:  # wherever another buffer says
            chosen = BufferLoad(self.buffers["int32"][0], (Ramp(base, ONE, lanes),))
            return tir.bitwise_and(chosen, Broadcast(const(15, "int32"), lanes))
        stride = self.rng.choice([1, 1, 1, 2, 3, -1, -2])
        if stride > 0:
            return Ramp(base, const(stride, "int32"), lanes)
        return Ramp(base + (lanes - 1) * -stride, const(stride, "int32"), lanes)

    def arithmetic(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        a, b = self.expr(dtype, lanes, depth), self.expr(dtype, lanes, depth)
        if dtype == "bool":
            kind = self.rng.choice([And, Or, Not])
            return Not(a) if kind is Not else kind(a, b)
        if "float" in dtype:  # no products: they may fuse with sums
            return self.rng.choice([Add, Sub, Min, Max, Div])(a, b)
        family = self.rng.choice(["plain"] * 5 + ["divide", "bits", "shift"])
        if family == "divide":
            return self.division(a, dtype, lanes)
        if family == "bits":
            bits = [tir.bitwise_and, tir.bitwise_or, tir.bitwise_xor]
            return self.rng.choice(bits)(a, b)
        if family == "shift":
            return self.rng.choice([tir.shift_left, tir.shift_right])(a, self.amount(b))
        return self.rng.choice([Add, Sub, Mul, Min, Max])(a, b)

    def division(self, a: PrimExpr, dtype: str, lanes: int) -> PrimExpr:
        divisor = self.constant(dtype, lanes)
        scalar = divisor.value if isinstance(divisor, Broadcast) else divisor
        if isinstance(scalar, IntImm) and scalar.value == 0:
            return a
        kinds: list[Any] = [FloorDiv, FloorMod] if lanes > 1 else [Div, Mod, FloorDiv, FloorMod]
        made: PrimExpr = self.rng.choice(kinds)(a, divisor)
        return made

    def amount(self, other: PrimExpr) -> PrimExpr:
        """How far to shift: mostly inside the width, sometimes by any number of bits."""
        if self.rng.random() < 0.3:
            return Max(other, self.number(0, other.dtype))
        return self.number(self.rng.randrange(7), other.dtype)

    @staticmethod
    def number(value: int, dtype: str) -> PrimExpr:
        info = dtype_of(dtype)
        one = const(value, info.element)
        return one if info.lanes == 1 else Broadcast(one, info.lanes)

    def condition(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        kind = self.rng.choice(self.dtypes)
        a, b = self.expr(kind, lanes, depth), self.expr(kind, lanes, depth)
        return self.rng.choice([EQ, NE, LT, GE])(a, b)

    def choice(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        a, b = self.expr(dtype, lanes, depth), self.expr(dtype, lanes, depth)
        if self.rng.random() < 0.5:
            return Select(self.expr("bool", lanes, depth), a, b)
        width = self.rng.choice([1, 1, lanes])
        return Call(a.dtype, "tir.if_then_else", (self.expr("bool", width, depth), a, b))

    def conversion(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        source = self.rng.choice(self.dtypes)
        return Cast(_with_lanes(dtype, lanes), self.expr(source, lanes, depth))

    def function(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        """A function whose result is exact."""
        if dtype == "bool":
            floats = [d for d in self.dtypes if "float" in d]
            tests = [tir.isnan, tir.isinf, tir.isfinite]
            return self.rng.choice(tests)(self.expr(self.rng.choice(floats), lanes, depth))
        a = self.expr(dtype, lanes, depth)
        if "float" not in dtype:
            return self.rng.choice([tir.abs, tir.popcount, tir.bitwise_not, self.leading])(a)
        kinds: list[Callable[[PrimExpr], PrimExpr]] = [
            tir.floor, tir.ceil, tir.trunc, tir.round, tir.abs, tir.sqrt, self.signed,
        ]  # fmt: skip
        return self.rng.choice(kinds)(a)

    def leading(self, a: PrimExpr) -> PrimExpr:
        count = Call(f"int32{a.dtype[len(dtype_of(a.dtype).element) :]}", "tir.clz", (a,))
        return Cast(a.dtype, count)

    def signed(self, a: PrimExpr) -> PrimExpr:
        made: PrimExpr = tir.copysign(
            a, self.expr(dtype_of(a.dtype).element, dtype_of(a.dtype).lanes, 0)
        )
        return made

    def bits(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        """The bits of a value of the same size, as an integer."""
        same = [d for d in self.dtypes if dtype_of(d).bits == dtype_of(dtype).bits and d != "bool"]
        source = self.rng.choice(same)
        value = self.expr(source, lanes, depth)
        if "float" in source:  # the bits of a NaN are anybody's
            value = Select(tir.isnan(value), self.number(0, value.dtype), value)
        return Call(_with_lanes(dtype, lanes), "tir.reinterpret", (value,))

    def let(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        kind = self.rng.choice(self.dtypes)
        var, value = Var(self.name("let"), kind), self.expr(kind, 1, depth)
        self.scalars[kind].append(var)
        body = self.expr(dtype, lanes, depth)
        self.scalars[kind].pop()
        return Let(var, value, body)

    def shuffled(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        a, b = self.expr(dtype, lanes, depth), self.expr(dtype, lanes, depth)
        picks = [const(self.rng.randrange(2 * lanes), "int32") for _ in range(lanes)]
        return Shuffle((a, b), tuple(picks))

    # -- statements

    def stmt(self, depth: int) -> Stmt:
        if depth <= 0:
            return self.store()
        kinds: list[Callable[[], Stmt]] = [
                 self.store, self.store, lambda: self.sequence(depth), lambda: self.loop(depth),
                 lambda: self.branch(depth), lambda: self.let_stmt(depth),
                 lambda: self.allocate(depth), lambda: self.repeat(depth)]  # fmt: skip
        return self.rng.choice(kinds)()

    def store(self) -> Stmt:
        dtype, lanes = self.rng.choice(self.dtypes), self.rng.choice([1, 1, 4, 8])
        buffer = self.rng.choice(self.buffers[dtype])
        mask = self.expr("bool", lanes, 1) if lanes > 1 and self.rng.random() < 0.2 else None
        return BufferStore(buffer, self.expr(dtype, lanes, 3), (self.place(lanes),), mask)

    def sequence(self, depth: int) -> Stmt:
        return SeqStmt(tuple(self.stmt(depth - 1) for _ in range(self.rng.randrange(2, 4))))

    def loop(self, depth: int) -> Stmt:
        var = Var(self.name("i"), "int32")
        first = self.rng.randrange(3)
        self.loops.append(var)
        before, self.in_loop = self.in_loop, True
        body = self.stmt(depth - 1)
        self.in_loop = before
        self.loops.pop()
        extent = const(self.rng.randrange(0, 6), "int32")
        return For(var, const(first, "int32"), extent, ForKind.SERIAL, body)

    def branch(self, depth: int) -> Stmt:
        other = self.stmt(depth - 1) if self.rng.random() < 0.5 else None
        if self.in_loop and self.rng.random() < 0.3:
            other = Evaluate(Call("void", self.rng.choice(["break_loop", "continue_loop"]), ()))
        return IfThenElse(self.expr("bool", 1, 2), self.stmt(depth - 1), other)

    def let_stmt(self, depth: int) -> Stmt:
        kind = self.rng.choice(self.dtypes)
        var, value = Var(self.name("v"), kind), self.expr(kind, 1, 2)
        self.scalars[kind].append(var)
        body = self.stmt(depth - 1)
        self.scalars[kind].pop()
        return LetStmt(var, value, body)

    def allocate(self, depth: int) -> Stmt:
        dtype = self.rng.choice(self.dtypes)
        scratch = decl_buffer((SIZE,), dtype, self.name("scratch"))
        var = Var(self.name("i"), "int32")
        size = IntImm("int32", SIZE)
        store = BufferStore(scratch, self.constant(dtype, 1), (var,))
        fill = For(var, ZERO, size, ForKind.SERIAL, store)
        self.buffers[dtype].append(scratch)
        body = SeqStmt((fill, self.stmt(depth - 1), self.stmt(depth - 1)))
        self.buffers[dtype].pop()
        return Allocate(scratch.data, dtype, (size,), TRUE, body)

    def repeat(self, depth: int) -> Stmt:
        """A `while` that counts to at most three."""
        counter = decl_buffer((1,), "int32", self.name("counter"))
        count = BufferLoad(counter, (ZERO,))
        before, self.in_loop = self.in_loop, True
        step = SeqStmt((BufferStore(counter, count + 1, (ZERO,)), self.stmt(depth - 1)))
        self.in_loop = before
        loop = While(And(LT(count, const(3, "int32")), self.expr("bool", 1, 1)), step)
        body = SeqStmt((BufferStore(counter, ZERO, (ZERO,)), loop))
        return Allocate(counter.data, "int32", (ONE,), TRUE, body)


def program(seed: int) -> tuple[PrimFunc, list[Buffer]]:
    """Program number `seed`: its function and buffers."""
    made = Generator(random.Random(seed), DTYPES[seed % len(DTYPES)])
    buffers = [b for group in made.buffers.values() for b in group]
    body = SeqStmt(tuple(made.stmt(4) for _ in range(3)))
    return PrimFunc(tuple(b.data for b in buffers), body), buffers


def inputs(buffers: list[Buffer], seed: int) -> list[np.ndarray[Any, Any]]:
    """Arrays for the buffers."""
    rng = np.random.default_rng(seed)
    arrays = []
    for buffer in buffers:
        values = rng.integers(-60, 60, SIZE)
        kind = dtype_of(buffer.dtype).numpy
        arrays.append((values % 2 == 0) if buffer.dtype == "bool" else values.astype(kind))
    return arrays
