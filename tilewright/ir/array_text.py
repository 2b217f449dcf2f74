"""Arrays as short strings, for script's metadata."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from ..runtime.ndarray import Tensor
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError


def encode_array(array: np.ndarray[Any, Any] | Tensor, dtype: str) -> str:
    """`dtype|shape|base64 of the bytes`."""
    if isinstance(array, Tensor):
        array = array.numpy()
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return f"{dtype}|{','.join(str(d) for d in array.shape)}|{data}"


def decode_array(text: str) -> np.ndarray[Any, Any]:
    """The array that `encode_array` wrote. Raises `ArgumentError` for another text."""
    try:
        dtype, shape, data = text.split("|")
        dims = [int(d) for d in shape.split(",") if d]
        return np.frombuffer(base64.b64decode(data), dtype_of(dtype).numpy).reshape(dims)
    except ValueError as error:
        raise ArgumentError(
            f"a text of metadata is no array: {text[:40]!r}",
            note=str(error), hint="print the program again with show_meta=True",
        ) from None  # fmt: skip
