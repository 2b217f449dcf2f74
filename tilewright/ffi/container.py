"""Containers of the ABI: immutable arrays and maps, mutable lists and dictionaries, shapes."""

from __future__ import annotations

from ._load import core, tvm_ffi

Array = tvm_ffi.Array
Bytes = core.Bytes
Dict = tvm_ffi.Dict
List = tvm_ffi.List
Map = tvm_ffi.Map
Shape = tvm_ffi.Shape
String = core.String

SEQUENCES = (tuple, list, Array, List, Shape)
MAPPINGS = (dict, Map, Dict)
"""What holds other values in order, and by key; Python's own among them."""

__all__ = ["MAPPINGS", "SEQUENCES", "Array", "Bytes", "Dict", "List", "Map", "Shape", "String"]
