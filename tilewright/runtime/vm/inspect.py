"""Packed functions that read what a tensor's descriptor says."""

from __future__ import annotations

from ...support.dtypes import dtype_of
from ..ndarray import Tensor
from .builtins import builtin


@builtin("relax.run.tensor_shape_i")
def shape_i(value: Tensor, axis: int) -> int:
    """The extent of `axis`."""
    return int(value.shape[axis])


@builtin("relax.run.tensor_stride_i")
def stride_i(value: Tensor, axis: int) -> int:
    """The elements from one to the next along `axis`."""
    return int(value.strides[axis])


@builtin("relax.run.tensor_ndim")
def ndim(value: Tensor) -> int:
    """The number of dimensions."""
    return len(value.shape)


@builtin("relax.run.tensor_dtype_bits")
def dtype_bits(value: Tensor) -> int:
    """The bits of an element."""
    return dtype_of(str(value.dtype)).bits


@builtin("relax.run.tensor_dtype_lanes")
def dtype_lanes(value: Tensor) -> int:
    """The lanes of an element."""
    return dtype_of(str(value.dtype)).lanes


@builtin("relax.run.tensor_dtype_code")
def dtype_code(value: Tensor) -> int:
    """DLPack's number of the kind of the element type."""
    return int(value.dtype.type_code)


@builtin("relax.run.tensor_byte_offset")
def byte_offset(value: Tensor) -> int:
    """0: the address of a tensor is that of its first element."""
    return 0


@builtin("relax.run.tensor_elem_offset")
def elem_offset(value: Tensor) -> int:
    """0: the address of a tensor is that of its first element."""
    return 0
