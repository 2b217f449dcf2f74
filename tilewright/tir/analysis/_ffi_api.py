"""Functions that scripts reach as `tvm.tir.analysis._ffi_api.X`, under the names they use there."""

from __future__ import annotations

from .memcpy import identify_memcpys as _identify_memcpy

__all__ = ["_identify_memcpy"]
