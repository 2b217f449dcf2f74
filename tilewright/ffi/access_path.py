"""Where a part of a structure lies: the steps from its root, such as `<root>.body.seq[1]`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class AccessKind(IntEnum):
    """The kinds of steps; the `MISSING` ones end where the structure has nothing."""

    ATTR = 0
    ARRAY_ITEM = 1
    MAP_ITEM = 2
    ATTR_MISSING = 3
    ARRAY_ITEM_MISSING = 4
    MAP_ITEM_MISSING = 5


MISSING = AccessKind.ATTR_MISSING - AccessKind.ATTR
"""What added to a kind of step makes it the one of what is missing."""


@dataclass(frozen=True, slots=True)
class AccessStep:
    """One step: an attribute by name, an item by index, or a value by key."""

    kind: AccessKind
    key: Any

    def __str__(self) -> str:
        if self.kind in (AccessKind.ATTR, AccessKind.ATTR_MISSING):
            shown = f".{self.key}"
        elif isinstance(self.key, str):
            shown = f'["{self.key}"]'
        else:
            shown = f"[{self.key}]"
        return shown if self.kind < AccessKind.ATTR_MISSING else f"{shown}<missing>"


@dataclass(frozen=True, slots=True, eq=False)
class AccessPath:
    """A path from the root: `AccessPath.root().attr("body").array_item(1)`.

    Paths of the same steps are equal, those that `tvm_ffi.access_path` made included.
    """

    steps: tuple[AccessStep, ...] = ()

    @staticmethod
    def root() -> AccessPath:
        """The path of no steps."""
        return AccessPath()

    def _then(self, kind: AccessKind, key: Any) -> AccessPath:
        return AccessPath((*self.steps, AccessStep(kind, key)))

    def attr(self, attr_key: str) -> AccessPath:
        """The path to an attribute."""
        return self._then(AccessKind.ATTR, attr_key)

    def array_item(self, index: int) -> AccessPath:
        """The path to an item of a sequence."""
        return self._then(AccessKind.ARRAY_ITEM, index)

    def map_item(self, key: Any) -> AccessPath:
        """The path to the value that a map has for `key`."""
        return self._then(AccessKind.MAP_ITEM, key)

    def attr_missing(self, attr_key: str) -> AccessPath:
        """The path to an attribute that is not there."""
        return self._then(AccessKind.ATTR_MISSING, attr_key)

    def array_item_missing(self, index: int) -> AccessPath:
        """The path to an item past the end of a sequence."""
        return self._then(AccessKind.ARRAY_ITEM_MISSING, index)

    def map_item_missing(self, key: Any) -> AccessPath:
        """The path to a key that a map does not have."""
        return self._then(AccessKind.MAP_ITEM_MISSING, key)

    @property
    def depth(self) -> int:
        """The number of steps."""
        return len(self.steps)

    @property
    def step(self) -> AccessStep | None:
        """The last step; None at the root."""
        return self.steps[-1] if self.steps else None

    @property
    def parent(self) -> AccessPath | None:
        """The path without its last step; None at the root."""
        return AccessPath(self.steps[:-1]) if self.steps else None

    def to_steps(self) -> tuple[AccessStep, ...]:
        """The steps from the root."""
        return self.steps

    def is_prefix_of(self, other: AccessPath) -> bool:
        """Whether `other` begins with all steps of this path."""
        return self.steps == other.steps[: len(self.steps)]

    def __eq__(self, other: object) -> bool:
        to_steps = getattr(other, "to_steps", None)
        if to_steps is None:
            return NotImplemented
        steps = [(step.kind, step.key) for step in to_steps()]
        return steps == [(step.kind, step.key) for step in self.steps]

    def __hash__(self) -> int:
        return hash(self.steps)

    def __str__(self) -> str:
        return "<root>" + "".join(str(step) for step in self.steps)

    __repr__ = __str__


__all__ = ["AccessKind", "AccessPath", "AccessStep"]
