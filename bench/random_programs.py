"""Random lowered programs, for checking what runs them against each other.

Every index is inside its buffer, no integer is divided by zero, and no product of floats may fuse
with a sum, so all executions must agree to the last bit.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from tilewright import tir
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
        kinds = [self.arithmetic, self.choice, self.conversion, self.let]
        kinds += [self.condition] * 3 if dtype == "bool" else []
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
        return BufferLoad(buffer, [self.place(lanes)])

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
        kind = self.rng.choice([Add, Sub, Mul, Min, Max, "divide", "bits", "shift"])
        if kind == "divide":
            divisor = self.constant(dtype, lanes)
            zero = divisor.value if isinstance(divisor, Broadcast) else divisor
            if zero.value == 0:  # type: ignore[attr-defined]
                return a
            if lanes > 1:
                return self.rng.choice([FloorDiv, FloorMod])(a, divisor)
            return self.rng.choice([Div, Mod, FloorDiv, FloorMod])(a, divisor)
        if kind == "bits":
            return self.rng.choice([tir.bitwise_and, tir.bitwise_or, tir.bitwise_xor])(a, b)
        if kind == "shift":
            by = const(self.rng.randrange(7), dtype)
            amount = by if lanes == 1 else Broadcast(by, lanes)
            return self.rng.choice([tir.shift_left, tir.shift_right])(a, amount)
        return kind(a, b)

    def condition(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        kind = self.rng.choice(self.dtypes)
        a, b = self.expr(kind, lanes, depth), self.expr(kind, lanes, depth)
        return self.rng.choice([EQ, NE, LT, GE])(a, b)

    def choice(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        a, b = self.expr(dtype, lanes, depth), self.expr(dtype, lanes, depth)
        if self.rng.random() < 0.5:
            return Select(self.expr("bool", lanes, depth), a, b)
        return Call(a.dtype, "tir.if_then_else", (self.expr("bool", 1, depth), a, b))

    def conversion(self, dtype: str, lanes: int, depth: int) -> PrimExpr:
        source = self.rng.choice(self.dtypes)
        return Cast(_with_lanes(dtype, lanes), self.expr(source, lanes, depth))

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
        return Shuffle((a, b), picks)

    # -- statements

    def stmt(self, depth: int) -> Stmt:
        if depth <= 0:
            return self.store()
        kinds = [self.store, self.store, lambda: self.sequence(depth), lambda: self.loop(depth),
                 lambda: self.branch(depth), lambda: self.let_stmt(depth),
                 lambda: self.allocate(depth), lambda: self.repeat(depth)]  # fmt: skip
        return self.rng.choice(kinds)()

    def store(self) -> Stmt:
        dtype, lanes = self.rng.choice(self.dtypes), self.rng.choice([1, 1, 4, 8])
        buffer = self.rng.choice(self.buffers[dtype])
        mask = self.expr("bool", lanes, 1) if lanes > 1 and self.rng.random() < 0.2 else None
        return BufferStore(buffer, self.expr(dtype, lanes, 3), [self.place(lanes)], mask)

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
        return For(var, first, self.rng.randrange(0, 6), ForKind.SERIAL, body)

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
        fill = For(var, 0, SIZE, ForKind.SERIAL,
                   BufferStore(scratch, self.constant(dtype, 1), [var]))  # fmt: skip
        self.buffers[dtype].append(scratch)
        body = SeqStmt((fill, self.stmt(depth - 1), self.stmt(depth - 1)))
        self.buffers[dtype].pop()
        return Allocate(scratch.data, dtype, (SIZE,), True, body)

    def repeat(self, depth: int) -> Stmt:
        """A `while` that counts to at most three."""
        counter = decl_buffer((1,), "int32", self.name("counter"))
        count = BufferLoad(counter, [0])
        before, self.in_loop = self.in_loop, True
        step = SeqStmt((BufferStore(counter, count + 1, [0]), self.stmt(depth - 1)))
        self.in_loop = before
        loop = While(And(count < 3, self.expr("bool", 1, 1)), step)
        body = SeqStmt((BufferStore(counter, const(0, "int32"), [0]), loop))
        return Allocate(counter.data, "int32", (1,), True, body)


def program(seed: int) -> tuple[PrimFunc, list[Buffer]]:
    """Program number `seed`: its function and buffers."""
    made = Generator(random.Random(seed), DTYPES[seed % len(DTYPES)])
    buffers = [b for group in made.buffers.values() for b in group]
    body = SeqStmt(tuple(made.stmt(4) for _ in range(3)))
    return PrimFunc([b.data for b in buffers], body), buffers


def inputs(buffers: list[Buffer], seed: int) -> list[np.ndarray[Any, Any]]:
    """Arrays for the buffers."""
    rng = np.random.default_rng(seed)
    arrays = []
    for buffer in buffers:
        values = rng.integers(-60, 60, SIZE)
        kind = dtype_of(buffer.dtype).numpy
        arrays.append((values % 2 == 0) if buffer.dtype == "bool" else values.astype(kind))
    return arrays
