"""Sample inputs, made the same in every run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...support.dtypes import dtype_of
from ._declare import Sample

FLOATS = ("float32", "float64", "float16")
INTS = ("int32", "int64", "uint8")
NUMBERS = (*FLOATS, *INTS)

Array = np.ndarray[Any, Any]


def array(
    shape: Sequence[int],
    dtype: str = "float32",
    seed: int = 0,
    low: float = -2.0,
    high: float = 2.0,
) -> Array:
    """Random values of any dtype; integers and bools cover what the dtype can hold of the range."""
    rng = np.random.default_rng(seed)
    info = dtype_of(dtype)
    if info.is_bool:
        return rng.integers(0, 2, tuple(shape)).astype(bool)
    if info.is_integral:
        lowest = 0 if info.is_uint else int(low * 5)
        return rng.integers(lowest, int(high * 5) + 1, tuple(shape)).astype(info.numpy)
    return (rng.random(tuple(shape)) * (high - low) + low).astype(info.numpy)


def unary(
    dtypes: Sequence[str] = FLOATS, low: float = -2.0, high: float = 2.0, **attrs: Any
) -> Callable[[], list[Sample]]:
    """One tensor of a few shapes (a scalar and an empty one too), each dtype."""

    def make() -> list[Sample]:
        shapes = [(2, 3, 5), (7,), (), (0, 4)]
        first = [Sample((array(s, dtypes[0], 1, low, high),), attrs) for s in shapes]
        return first + [Sample((array((3, 4), d, 2, low, high),), attrs) for d in dtypes[1:]]

    return make


def binary(
    dtypes: Sequence[str] = NUMBERS, low: float = -2.0, high: float = 2.0
) -> Callable[[], list[Sample]]:
    """Two tensors of the same and of broadcast shapes, each dtype."""

    def make() -> list[Sample]:
        pairs: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            ((2, 3), (2, 3)), ((2, 3), (3,)), ((4, 1, 3), (2, 1)), ((), (5,)), ((0, 3), (1, 3)),
        ]  # fmt: skip
        first = [
            Sample((array(a, dtypes[0], 1, low, high), array(b, dtypes[0], 2, low, high)))
            for a, b in pairs
        ]
        return first + [
            Sample((array((3, 4), d, 3, low, high), array((4,), d, 4, low, high)))
            for d in dtypes[1:]
        ]

    return make
