"""`VirtualDevice`: a device, the target of its code and the memory that a value lives in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .target import Target


@dataclass(frozen=True, slots=True)
class VirtualDevice:
    """Where a value lives: `device` (None: any), `target` (None: any), `memory_scope`."""

    device: Any = None
    target: Target | None = None
    memory_scope: str = ""
