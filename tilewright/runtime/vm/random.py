"""Packed functions that give random numbers; a seed makes them the same in every run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ndarray import Tensor, tensor
from .builtins import builtin


def _generator(seed: float, seeded: int) -> np.random.RandomState:
    return np.random.RandomState(int(seed) if seeded else None)


@builtin("vm.random.uniform")
def uniform(
    shape: Sequence[int], low: float, high: float, seed: float, seeded: int, dtype: str
) -> Tensor:
    """Numbers between `low` and `high`, all as likely."""
    made = _generator(seed, seeded).uniform(low, high, tuple(shape))
    return tensor(np.asarray(made).astype(dtype))


@builtin("vm.random.normal")
def normal(
    shape: Sequence[int], mean: float, scale: float, seed: float, seeded: int, dtype: str
) -> Tensor:
    """Numbers of a normal distribution."""
    made = _generator(seed, seeded).normal(mean, scale, tuple(shape))
    return tensor(np.asarray(made).astype(dtype))


@builtin("vm.random.multinomial")
def multinomial(logits: Tensor, count: int, seed: float, seeded: int, dtype: str) -> Tensor:
    """`count` classes drawn for each row, by unnormalized log probabilities."""
    values = logits.numpy().astype("float64")
    noise = _generator(seed, seeded).gumbel(size=(values.shape[0], count, values.shape[1]))
    return tensor((values[:, None, :] + noise).argmax(-1).astype(dtype))
