"""Objects of the ABI as JSON."""

from __future__ import annotations

from ._load import serialization

from_json_graph_str = serialization.from_json_graph_str
to_json_graph_str = serialization.to_json_graph_str

__all__ = ["from_json_graph_str", "to_json_graph_str"]
