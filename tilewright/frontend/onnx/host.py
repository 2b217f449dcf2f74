"""Values between Python and the virtual machine: tensors, sequences, optional values."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from ...runtime import Tensor
from ...runtime.ndarray import tensor
from ...runtime.vm.text import decode, encode, is_text
from .narrow import STORAGE, restored, stored


def from_host(value: Any) -> Any:
    """What the virtual machine takes for a NumPy array, a list of values, or None."""
    if value is None or isinstance(value, Tensor):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(from_host(item) for item in value)
    if np.asarray(value).dtype.kind in "OSU":
        return encode(np.asarray(value))
    array, _ = stored(np.asarray(value))
    return tensor(np.ascontiguousarray(array).reshape(array.shape))


def to_host(value: Any) -> Any:
    """NumPy arrays for tensors, tuples for sequences."""
    if hasattr(value, "numpy"):
        return value.numpy()
    if is_text(value):
        return decode(value)
    if hasattr(value, "__len__") and not isinstance(value, (str, bytes)):
        return tuple(to_host(item) for item in value)
    return value


def declared(value: Any, code: int) -> Any:
    """An output in the data type that the model declares, if it was stored in a wider one."""
    if not isinstance(value, np.ndarray) or not code or code == onnx.TensorProto.STRING:
        return value
    wanted = onnx.helper.tensor_dtype_to_np_dtype(code)
    return restored(value, wanted) if wanted.name in STORAGE else value


def shapes_of(value: Any) -> Any:
    """The structure of a value: the shape of a tensor, a list of those of a sequence, None."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [shapes_of(item) for item in value]
    return list(np.shape(value))
