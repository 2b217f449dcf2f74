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

__all__ = ["Array", "Bytes", "Dict", "List", "Map", "Shape", "String"]
