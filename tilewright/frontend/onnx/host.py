"""Values between Python and the virtual machine: tensors, sequences, optional values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime import Tensor
from ...runtime.ndarray import tensor


def from_host(value: Any) -> Any:
    """What the virtual machine takes for a NumPy array, a list of values, or None."""
    if value is None or isinstance(value, Tensor):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(from_host(item) for item in value)
    return tensor(np.ascontiguousarray(value).reshape(np.shape(value)))


def to_host(value: Any) -> Any:
    """NumPy arrays for tensors, tuples for sequences."""
    if hasattr(value, "numpy"):
        return value.numpy()
    if hasattr(value, "__len__") and not isinstance(value, (str, bytes)):
        return tuple(to_host(item) for item in value)
    return value
