"""What arguments of operators may be, where they take more than one class: annotations that say so
in words and check it."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np

from ..runtime.container import Array
from ..script.parser.arguments import Kind
from ..te.tensor import Tensor
from ..tir.kinds import is_scalar


def _is_operand(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray)) or is_scalar(value)


def _are_scalars(value: Any) -> bool:
    if isinstance(value, (list, tuple, Array)):
        return all(map(_are_scalars, value))
    return is_scalar(value)


def _or_name(value: Any) -> bool:
    return isinstance(value, str) or _are_scalars(value)


Operand: TypeAlias = Annotated[Any, Kind("a tensor, an expression or a number", _is_operand)]
Axes: TypeAlias = Annotated[
    Any, Kind("an axis, or a list or a tuple of axes", lambda v: v is None or _are_scalars(v))
]
Sizes: TypeAlias = Annotated[
    Any, Kind("a number, or a list or a tuple of numbers", lambda v: v is None or _are_scalars(v))
]
Padding: TypeAlias = Annotated[
    Any, Kind("a number, a list or a tuple of numbers, or the name of a rule", _or_name)
]
