"""Where in a structure a difference lies."""

from __future__ import annotations

from ._load import access_path

AccessKind = access_path.AccessKind
AccessPath = access_path.AccessPath
AccessStep = access_path.AccessStep

__all__ = ["AccessKind", "AccessPath", "AccessStep"]
