"""Where the parts of a tensor lie on a mesh."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from ...ir.node import Node, node
from ...support.errors import ArgumentError


class PlacementSpecKind(IntEnum):
    """How a tensor lies along one dimension of a mesh."""

    SHARDING = 0
    REPLICA = 1


@node("relax.distributed.PlacementSpec")
class PlacementSpec(Node):
    """Along one dimension of the mesh: parts along `axis` of the tensor, or copies (-1)."""

    axis: int = -1
    kind: PlacementSpecKind = PlacementSpecKind.REPLICA

    @staticmethod
    def sharding(axis: int) -> PlacementSpec:
        """Parts along `axis`."""
        if axis < 0:
            raise ArgumentError(f"a sharded axis is counted from the front, found {axis}")
        return PlacementSpec(int(axis), PlacementSpecKind.SHARDING)

    @staticmethod
    def replica() -> PlacementSpec:
        """A whole copy on each device."""
        return PlacementSpec()

    def __post_init__(self) -> None:
        self.kind = PlacementSpecKind(self.kind)  # type: ignore[misc]

    @property
    def is_sharding(self) -> bool:
        """True if the tensor is cut along an axis."""
        return self.kind is PlacementSpecKind.SHARDING

    @property
    def text(self) -> str:
        """`S[axis]` or `R`."""
        return f"S[{self.axis}]" if self.is_sharding else "R"


_SPEC = re.compile(r"S\[(\d+)\]|R")


@node("relax.distributed.Placement")
class Placement(Node):
    """A `PlacementSpec` for each dimension of the mesh."""

    dim_specs: tuple[PlacementSpec, ...]

    def __post_init__(self) -> None:
        self.dim_specs = tuple(self.dim_specs)  # type: ignore[misc]

    @staticmethod
    def from_text(text: str) -> Placement:
        """The placement of a text such as `"S[0], R"`."""
        specs: list[PlacementSpec] = []
        for part in text.split(","):
            found = _SPEC.fullmatch(part.strip())
            if found is None:
                raise ArgumentError(
                    f"{part.strip()!r} is no placement", hint="write S[axis] or R, as in `S[0], R`"
                )
            axis = found.group(1)
            specs.append(PlacementSpec() if axis is None else PlacementSpec.sharding(int(axis)))
        return Placement(tuple(specs))

    @property
    def text(self) -> str:
        """As `from_text` reads it."""
        return ", ".join(spec.text for spec in self.dim_specs)


def as_placement(value: Any) -> Placement:
    """A placement from itself, its text, or its specs."""
    if isinstance(value, Placement):
        return value
    if isinstance(value, str):
        return Placement.from_text(value)
    if isinstance(value, Sequence):
        return Placement(tuple(value))
    raise ArgumentError(f"expected a placement, found {type(value).__name__}")
