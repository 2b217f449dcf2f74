"""A grid of devices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...ir.expr import IntImm, Range
from ...ir.global_info import GlobalInfo
from ...ir.node import ignored, node
from ...support.errors import ArgumentError


@node("relax.distributed.DeviceMesh")
class DeviceMesh(GlobalInfo):
    """Devices, by number, on a grid of `shape` in row-major order.

    `device_ids` may be a `Range` of numbers.
    """

    shape: tuple[int, ...]
    device_ids: tuple[int, ...]
    device_range: Range | None = ignored(default=None)

    def __post_init__(self) -> None:
        given: Any = self.device_ids
        if isinstance(given, Range):
            self.device_range = given  # type: ignore[misc]
            first = _integer(given.min)
            given = range(first, first + _integer(given.extent))
        self.shape = tuple(_integer(s) for s in self.shape)  # type: ignore[misc]
        self.device_ids = tuple(_integer(d) for d in given)  # type: ignore[misc]
        if math.prod(self.shape) != len(self.device_ids):
            raise ArgumentError(
                f"a mesh of shape {list(self.shape)} has {math.prod(self.shape)} devices, found "
                f"{len(self.device_ids)}"
            )


def _integer(value: Any) -> int:
    if isinstance(value, IntImm):
        return value.value
    if isinstance(value, int):
        return value
    raise ArgumentError(f"a mesh is made of integers, found {type(value).__name__}")


def device_mesh(shape: Sequence[int], device_ids: Sequence[int] | Range) -> DeviceMesh:
    """The mesh of `shape` of these devices, listed or as a `Range`."""
    return DeviceMesh(tuple(shape), device_ids)  # type: ignore[arg-type]
