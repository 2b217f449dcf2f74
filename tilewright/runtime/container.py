"""Containers of the tvm-ffi ABI under the names of `tvm.runtime.container`."""

from __future__ import annotations

from tilewright.ffi import Array, Bytes, Map, Shape, String

ShapeTuple = Shape

__all__ = ["Array", "Bytes", "Map", "Shape", "ShapeTuple", "String"]
