"""Running sums and products as GPU scripts call them."""

from __future__ import annotations

from ...te.tensor import Tensor
from .. import scan

__all__ = ["cumprod", "cumsum"]


def cumsum(
    data: Tensor,
    axis: int | None = None,
    dtype: str | None = None,
    exclusive: bool | None = None,
    workspace: Tensor | None = None,
) -> Tensor:
    """`topi.cumsum`; `workspace`, memory for other implementations, is not needed."""
    del workspace
    return scan.cumsum(data, axis, dtype, exclusive)


def cumprod(
    data: Tensor,
    axis: int | None = None,
    dtype: str | None = None,
    exclusive: bool | None = None,
    workspace: Tensor | None = None,
) -> Tensor:
    """`topi.cumprod`; `workspace`, memory for other implementations, is not needed."""
    del workspace
    return scan.cumprod(data, axis, dtype, exclusive)
