"""Random choices of primitives, with the numbers behind them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...support.errors import ArgumentTypeError
from .refusal import refuse
from .sref import StmtSRef


def constant_extent(loop: StmtSRef) -> int | None:
    """The extent of a loop, if it is constant."""
    extent = loop.loop.extent
    return extent.value if isinstance(extent, IntImm) else None


def as_int(value: Any) -> int:
    """A decision's number, given plain or as a constant expression."""
    if isinstance(value, IntImm):
        return value.value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentTypeError(f"a decision is an integer, found {value!r}")
    return int(value)


@lru_cache(maxsize=4096)
def divisors(n: int) -> tuple[int, ...]:
    """The positive divisors of `n` in rising order."""
    low = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    high = [n // d for d in reversed(low) if d * d != n]
    return (*low, *high)


@lru_cache(maxsize=65536)
def count_tiles(extent: int, n: int, most: int) -> int:
    """How many ways there are to write `extent` as `n` factors, the last at most `most`."""
    if n == 1:
        return int(extent <= most)
    return sum(count_factors(extent // d, n - 1) for d in divisors(extent) if d <= most)


@lru_cache(maxsize=65536)
def count_factors(extent: int, n: int) -> int:
    """How many ways there are to write `extent` as `n` factors."""
    return 1 if n == 1 else sum(count_factors(extent // d, n - 1) for d in divisors(extent))


def perfect_tile(rand: random.Random, extent: int, n: int, most: int) -> list[int]:
    """`n` factors of `extent`, the last at most `most`, all such lists equally likely."""
    total = count_tiles(extent, n, most)
    if total == 0:
        return [extent] + [1] * (n - 1)
    pick = rand.randrange(total)
    last = [d for d in divisors(extent) if d <= most] if n > 1 else [extent]
    for d in last:
        ways = count_factors(extent // d, n - 1) if n > 1 else 1
        if pick < ways:
            head = _factors(pick, extent // d, n - 1) if n > 1 else []
            return [*head, d]
        pick -= ways
    raise AssertionError("the counts of tiles do not add up")


def _factors(pick: int, extent: int, n: int) -> list[int]:
    """The list of number `pick` among those of `n` factors of `extent`."""
    if n == 1:
        return [extent]
    for d in divisors(extent):
        ways = count_factors(extent // d, n - 1)
        if pick < ways:
            return [d, *_factors(pick, extent // d, n - 1)]
        pick -= ways
    raise AssertionError("the counts of factors do not add up")


def decided_tile(decision: Sequence[Any], n: int, loop: StmtSRef) -> list[int]:
    """A decision for a tile as factors of the extent: the outermost is what the others leave; one
    that does not divide what the inner ones leave takes all of it, and those outside are 1."""
    factors = _factors_of(decision, n, loop)
    rest = constant_extent(loop)
    if rest is None:
        return factors
    for k in range(n - 1, 0, -1):
        if rest % factors[k]:
            return [1] * k + [rest] + factors[k + 1 :]
        rest //= factors[k]
    return [rest, *factors[1:]]


def decided_partition(
    decision: Sequence[Any], n: int, loop: StmtSRef, place: int, inner: int
) -> list[int]:
    """A decision for a tile whose factors from `place` on multiply to a multiple of `inner`; where
    they do not, they are `inner` and 1, and the outermost is the rest."""
    factors = _factors_of(decision, n, loop)
    extent = constant_extent(loop)
    if extent is None or (extent % inner == 0 and math.prod(factors[place:]) % inner == 0):
        return decided_tile(decision, n, loop)
    made = [1] * n
    made[0] = extent
    if extent % inner == 0 and place:
        made[0], made[place] = extent // inner, inner
    return made


def _factors_of(decision: Any, n: int, loop: StmtSRef) -> list[int]:
    """The decision's numbers, of which the outermost does not count if the extent is known."""
    if isinstance(decision, str) or not isinstance(decision, Sequence):
        raise ArgumentTypeError(f"the decision is a list of {n} integers, found {decision!r}")
    factors = [as_int(f) for f in decision]
    if len(factors) != n or any(f <= 0 for f in factors[constant_extent(loop) is not None :]):
        refuse(f"the decision {factors} is not {n} positive factors", loop)
    return factors


def open_tile(loop: StmtSRef, n: int) -> list[Any]:
    """The tile of a loop whose extent is not constant: all of it outermost."""
    extent: PrimExpr = loop.loop.extent
    return [extent] + [1] * (n - 1)
