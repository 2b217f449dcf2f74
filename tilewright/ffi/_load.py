"""The one place through which `tvm_ffi` is imported."""

from __future__ import annotations

import tvm_ffi
from tvm_ffi import access_path, core, serialization

__all__ = ["access_path", "core", "serialization", "tvm_ffi"]
