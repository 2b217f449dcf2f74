"""Constants as runtime tensors, without copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from .ndarray import Tensor, from_numpy, tensor


class _Memory:
    """Read-only memory presented as writable: constants are shared with the runtime, uncopied."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        pointer = array.__array_interface__["data"][0]
        self.__array_interface__ = {
            "version": 3, "shape": array.shape, "typestr": f"|u{array.dtype.itemsize}"
            if array.dtype.kind not in "iufb" else array.dtype.str, "data": (pointer, False),
        }  # fmt: skip


def constant_tensor(array: np.ndarray[Any, Any]) -> Tensor:
    """A runtime tensor over the memory of a constant; copied only if it is not compact."""
    if not array.flags.c_contiguous or array.size == 0 or not array.dtype.isnative:
        return tensor(np.ascontiguousarray(array))
    if array.dtype.kind not in "iufb":
        return tensor(array)
    return from_numpy(np.asarray(_Memory(array)))
