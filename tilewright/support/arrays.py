"""Values of constants as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_constant(data: Any) -> np.ndarray[Any, Any]:
    """A read-only view of a tensor's, an array's or a list's values, copied only where it must."""
    if hasattr(data, "view_numpy"):
        data = data.view_numpy()
    elif hasattr(data, "numpy") and not isinstance(data, (np.ndarray, np.generic)):
        data = data.numpy()
    view: np.ndarray[Any, Any] = np.asarray(data)[...]
    view.flags.writeable = False
    return view
