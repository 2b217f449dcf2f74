"""Threefry, a generator that scrambles a counter under a key, and distributions made from it.

Threefry-4x64 with 20 rounds: J. Salmon, M. Moraes, R. Dror and D. Shaw, Parallel Random Numbers: As
Easy as 1, 2, 3 (SC 2011). A generator is 10 words of `uint64`: four of the key, four of the counter
and two that are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ... import te
from ...ir.expr import IntImm, PrimExpr, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ...te.tensor import Tensor, as_shape
from ...tir import op
from ...tir.buffer import Buffer
from ...tir.stmt import Stmt
from .. import tag
from ..kinds import Sizes
from ..loops import let, load, loop, seq, store, when
from ..scan import cumsum
from ..utils import as_list, compute, flat_index, product, reduce_over, require_rank

__all__ = [
    "multinomial", "normal", "threefry_generate", "threefry_split", "uniform",
]  # fmt: skip

WORD = "uint64"
ROTATIONS = ((14, 16), (52, 57), (23, 40), (5, 37), (25, 33), (46, 12), (58, 22), (32, 32))
PARITY = 0x1BD11BDAA9FC1A22
ROUNDS = 20

Words = Sequence[PrimExpr]


def _word(value: int) -> PrimExpr:
    return IntImm(WORD, value)


def _rotated(x: PrimExpr, by: int) -> PrimExpr:
    return op.bitwise_or(op.shift_left(x, _word(by)), op.shift_right(x, _word(64 - by)))


def _scrambled(key: Words, counter: Words, finish: Callable[[Words], Stmt]) -> Stmt:
    """`finish` of the four words that the counter becomes under the key."""
    parity: PrimExpr = _word(PARITY)
    for word in key:
        parity = op.bitwise_xor(parity, word)

    def with_keys(last: PrimExpr) -> Stmt:
        keys = [*key, last]

        def injected(x: Words, step: int) -> list[PrimExpr]:
            made = [op.add(x[i], keys[(step + i) % 5]) for i in range(4)]
            made[3] = op.add(made[3], _word(step))
            return made

        def rounds(x: Words, number: int) -> Stmt:
            if number == ROUNDS:
                return finish(injected(x, ROUNDS // 4))
            if number % 4 == 0:
                x = injected(x, number // 4)
            order = (1, 3) if number % 2 == 0 else (3, 1)

            def second(a: PrimExpr, b: PrimExpr, c: PrimExpr, d: PrimExpr) -> Stmt:
                mixed = list(x)
                mixed[0], mixed[order[0]], mixed[2], mixed[order[1]] = a, b, c, d
                return rounds(mixed, number + 1)

            r, s = ROTATIONS[number % 8]
            return let(op.add(x[0], x[order[0]]), lambda a: let(
                op.bitwise_xor(_rotated(x[order[0]], r), a), lambda b: let(
                    op.add(x[2], x[order[1]]), lambda c: let(
                        op.bitwise_xor(_rotated(x[order[1]], s), c),
                        lambda d: second(a, b, c, d), "x3"), "x2"), "x1"), "x0")  # fmt: skip

        return rounds(counter, 0)

    return let(parity, with_keys, "parity")


def _check(gen: Tensor, who: str) -> None:
    require_rank(gen, 1, who)
    if gen.dtype != WORD:
        raise ArgumentError(f"{who}: a generator is 10 words of uint64, found {gen.dtype}")


def threefry_generate(gen: Tensor, out_shape: Sizes) -> tuple[Tensor, Tensor]:
    """The generator moved on, and words of all bits random in `out_shape`."""
    _check(gen, "threefry_generate")
    shape = as_shape(out_shape)
    total = product(shape, "int64") if shape else IntImm("int64", 1)
    count = op.cast(total, "int64")
    blocks = op.floordiv(op.add(count, 3), 4)

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        state, moved, flat = ins[0], outs[0], outs[1]
        words = [load(state, (k,)) for k in range(8)]

        def block(b: PrimExpr) -> Stmt:
            counter = [op.add(words[4], op.cast(b, WORD)), *words[5:8]]
            first = op.multiply(b, 4)

            def finish(made: Words) -> Stmt:
                places = [op.add(first, k) for k in range(4)]
                return seq(*[
                    when(op.less(at, count), store(flat, (at,), word))
                    for at, word in zip(places, made, strict=True)
                ])  # fmt: skip

            return _scrambled(words[:4], counter, finish)

        kept = [store(moved, (k,), load(state, (k,))) for k in range(10)]
        kept[4] = store(moved, (4,), op.add(words[4], op.cast(blocks, WORD)))
        return seq(*kept, loop(blocks, block, "b"))

    moved, flat = te.extern([(10,), (total,)], [gen], program, "threefry", [WORD, WORD])
    made = compute(
        shape,
        lambda *i: flat(op.cast(flat_index(i, shape, "int64"), "int64")),
        "threefry_shaped",
        tag.INJECTIVE,
    )
    return moved, made


def threefry_split(gen: Tensor) -> tuple[Tensor, Tensor]:
    """Two generators with keys of their own, whose numbers have nothing to do with another."""
    _check(gen, "threefry_split")

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        words = [load(ins[0], (k,)) for k in range(8)]
        parts = []
        for out, mark in zip(outs, (1 << 63, 3 << 62), strict=True):
            counter = [*words[4:7], op.bitwise_xor(words[7], _word(mark))]

            def finish(made: Words, out: Buffer = out) -> Stmt:
                keys = [store(out, (k,), word) for k, word in enumerate(made)]
                return seq(*keys, *[store(out, (k,), _word(0)) for k in range(4, 10)])

            parts.append(_scrambled(words[:4], counter, finish))
        return seq(*parts)

    left, right = te.extern([(10,), (10,)], [gen], program, "threefry_split", [WORD, WORD])
    return left, right


def _fraction(word: PrimExpr, dtype: str) -> PrimExpr:
    """A number in `[0, 1)` from as many of the upper bits as `dtype` holds."""
    bits = {"float64": 53, "float32": 24, "float16": 11}.get(dtype)
    if bits is None:
        raise ArgumentError(f"random numbers are float16, float32 or float64, found {dtype}")
    kept = "float64" if dtype == "float64" else "float32"
    upper = op.cast(op.cast(op.shift_right(word, _word(64 - bits)), "int64"), kept)
    return op.cast(op.multiply(upper, op.const(2.0**-bits, kept)), dtype)


def _scalar(value: Any, dtype: str) -> PrimExpr:
    made = value() if isinstance(value, Tensor) else as_scalar(value, dtype)
    return op.cast(made, dtype)


def uniform(
    gen: Tensor, low: Any, high: Any, out_shape: Sizes, out_dtype: str
) -> tuple[Tensor, Tensor]:
    """The generator moved on, and numbers from `low` up to `high`, which is left out."""
    moved, words = threefry_generate(gen, out_shape)
    least, most = _scalar(low, out_dtype), _scalar(high, out_dtype)
    span = op.subtract(most, least)

    def element(*i: PrimExpr) -> PrimExpr:
        word = words(*i)
        if dtype_of(out_dtype).is_float:
            return op.add(least, op.multiply(_fraction(word, out_dtype), span))
        return op.add(least, op.cast(op.floormod(word, op.cast(span, WORD)), out_dtype))

    return moved, compute(words.shape, element, "uniform", tag.INJECTIVE)


def normal(
    gen: Tensor, mean: Any, scale: Any, out_shape: Sizes, out_dtype: str
) -> tuple[Tensor, Tensor]:
    """The generator moved on, and normally distributed numbers (Box and Muller 1958)."""
    shape = as_shape(out_shape)
    moved, words = threefry_generate(gen, (2, *shape))
    kept = "float64" if out_dtype == "float64" else "float32"
    center, spread = _scalar(mean, kept), _scalar(scale, kept)

    def element(*i: PrimExpr) -> PrimExpr:
        radius = op.subtract(op.const(1, kept), _fraction(words(0, *i), kept))
        angle = op.multiply(_fraction(words(1, *i), kept), op.const(2 * math.pi, kept))
        length = op.sqrt(op.multiply(op.const(-2, kept), op.log(radius)))
        made = op.multiply(length, op.cos(angle))
        return op.cast(op.add(center, op.multiply(made, spread)), out_dtype)

    return moved, compute(shape, element, "normal", tag.INJECTIVE)


def multinomial(gen: Tensor, probs: Tensor, num_samples: Any) -> tuple[Tensor, Tensor]:
    """The generator moved on, and `num_samples` indices for each row of `probs`, drawn as often as
    its numbers say (they need not add up to 1)."""
    if not probs.ndim:
        raise ArgumentError("multinomial: probs needs a dimension, found none")
    shape = (*probs.shape[:-1], as_shape(as_list(num_samples, 1, "num_samples"))[0])
    moved, drawn = uniform(gen, 0, 1, shape, probs.dtype)
    reach, last = cumsum(probs, axis=-1), probs.shape[-1] - 1
    k = reduce_over(probs.shape[-1], "k", probs.shape[-1].dtype)

    def element(*i: PrimExpr) -> PrimExpr:
        level = op.multiply(drawn(*i), reach(*i[:-1], last))
        passed = op.less_equal(reach(*i[:-1], k.var), level)
        before_last = op.logical_and(passed, op.less(k.var, last))
        made: PrimExpr = te.sum(op.cast(before_last, "int64"), k)
        return made

    return moved, compute(shape, element, "multinomial", tag.COMM_REDUCE)
