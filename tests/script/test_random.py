"""Random programs, and lowered ones, print and parse to the same program."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.tir import programs
from tilewright import tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source

ARITHMETIC = (tir.Add, tir.Sub, tir.Mul, tir.FloorDiv, tir.FloorMod, tir.Div, tir.Mod, tir.Min,
              tir.Max)  # fmt: skip
COMPARISONS = (tir.EQ, tir.NE, tir.LT, tir.LE, tir.GT, tir.GE)
NAMED = ("bitwise_and", "bitwise_or", "bitwise_xor", "shift_left", "shift_right")


class Maker:
    """Makes nodes directly, so that nothing folds."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.dtype = self.random.choice(("int32", "int64", "uint8", "int16"))
        self.variables = [tir.Var(name, self.dtype) for name in "xyx"]
        self.buffer = tir.decl_buffer((7, 5), self.dtype, "A")

    def number(self, depth: int) -> Any:
        pick = self.random.randrange
        if depth == 0:
            if pick(2):
                return self.random.choice(self.variables)
            return tir.IntImm(self.dtype, pick(4))
        choice = pick(9)
        if choice < 4:
            kind = self.random.choice(ARITHMETIC)
            return kind(self.number(depth - 1), self.number(depth - 1))
        if choice == 4:
            args = (self.number(depth - 1), self.number(depth - 1))
            return tir.Call(self.dtype, f"tir.{self.random.choice(NAMED)}", args)
        if choice == 5:
            return tir.Select(self.truth(depth - 1), self.number(depth - 1), self.number(depth - 1))
        if choice == 6:
            return tir.Cast(self.dtype, tir.Cast("float32", self.number(depth - 1)))
        if choice == 7:
            var = tir.Var("z", self.dtype)
            value = self.number(depth - 1)
            return tir.Let(var, value, tir.Add(var, self.number(depth - 1)))
        return tir.BufferLoad(self.buffer, (self.number(depth - 1), self.number(0)))

    def truth(self, depth: int) -> Any:
        if depth == 0 or self.random.randrange(2):
            kind = self.random.choice(COMPARISONS)
            return kind(self.number(0), self.number(depth))
        made: list[Callable[[], Any]] = [
            lambda: tir.And(self.truth(depth - 1), self.truth(depth - 1)),
            lambda: tir.Or(self.truth(depth - 1), self.truth(depth - 1)),
            lambda: tir.Not(self.truth(depth - 1)),
            lambda: tir.IntImm("bool", self.random.randrange(2)),
        ]
        return self.random.choice(made)()

    def stmt(self, depth: int) -> tir.Stmt:
        choice = self.random.randrange(8) if depth else 0
        if choice < 2:
            indices = (self.number(1), self.number(1))
            return tir.BufferStore(self.buffer, self.number(3), indices)
        body = self.body(depth - 1)
        if choice == 2:
            var = tir.Var("i", self.dtype)
            kind = self.random.randrange(4)
            return tir.For(var, self.number(1), self.number(1), kind, body)
        if choice == 3:
            rest = self.body(depth - 1) if self.random.randrange(2) else None
            return tir.IfThenElse(self.truth(2), body, rest)
        if choice == 4:
            return tir.LetStmt(tir.Var("w", self.dtype), self.number(2), body)
        if choice == 5:
            return tir.While(self.truth(1), body)
        if choice == 6:
            return tir.AssertStmt(self.truth(1), tir.StringImm('a "quoted" message'), body)
        return tir.AttrStmt(tir.StringImm("node"), "key", self.number(1), body)

    def body(self, depth: int) -> tir.Stmt:
        stmts = tuple(self.stmt(depth) for _ in range(self.random.randrange(1, 4)))
        return stmts[0] if len(stmts) == 1 else tir.SeqStmt(stmts)


@pytest.mark.parametrize("seed", range(120))
def test_random_programs(seed: int) -> None:
    maker = Maker(seed)
    func = tir.PrimFunc((*maker.variables, maker.buffer), maker.body(3))  # type: ignore[arg-type]
    assert_structural_equal(from_source(func.script()), func)


PROGRAMS = [
    programs.tiled_matmul(7, 9, 5), programs.symbolic_matmul(4), programs.padded_convolution(),
    programs.softmax(), programs.elementwise_tail(37), programs.symbolic_elementwise(5),
    programs.gather(), programs.transpose_reshape(), programs.two_stages(),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(PROGRAMS)))
def test_programs_before_and_after_lowering(index: int) -> None:
    func = PROGRAMS[index].func.with_attr("global_symbol", "main")
    assert_structural_equal(from_source(func.script()), func)
    lowered = tir.pipeline.lower(func)
    assert_structural_equal(from_source(lowered.script(show_meta=True)), lowered, True)


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed: int) -> None:
    """Chains of operators with tuples, branches, shadowed names and symbolic shapes."""
    pick = random.Random(seed)
    lines = []
    names = ["x", "y"]
    for index in range(pick.randrange(2, 12)):
        name = pick.choice((f"v{index}", "x"))
        a, b = pick.choice(names), pick.choice(names)
        form = pick.choice((
            f"R.add({a}, {b})", f"R.nn.relu(R.multiply({a}, R.const(2.0, 'float32')))",
            f"({a}, {b})[1]", f"R.concat([{a}, {b}], axis=1)[:0] if False else R.exp({a})",
            f"R.reshape({a}, R.shape([n, 4]))", f"{a} / {b} - R.sum({a}, axis=[1], keepdims=True)",
        ))  # fmt: skip
        if pick.randrange(5) == 0:
            lines += ["if c:", f"    {name} = {form}", "else:", f"    {name} = {a}"]
        else:
            lines.append(f"{name} = {form}")
        names.append(name)
    body = "\n".join(f"    {line}" for line in lines)
    head = (
        '@R.function\ndef main(x: R.Tensor(("n", 4), "float32"), y: R.Tensor(("n", 4), "float32")'
    )
    text = f'{head}, c: R.Tensor((), "bool")):\n    n = T.int64()\n{body}\n'
    text += f"    return {names[-1]}\n"
    func = from_source(text)
    assert_structural_equal(from_source(func.script(show_meta=True)), func)
