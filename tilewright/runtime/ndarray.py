"""Tensors: memory on a device with a shape and a dtype, shared with other libraries by DLPack.

What copies and what does not: `tensor(x)` and `Tensor.numpy()` copy, as in TVM. `from_dlpack(x)`,
`np.from_dlpack(t)`, `t.view_numpy()`, `np.asarray(t)`, indexing and `_create_view` share memory:
writing to one writes to the other, and the memory lives as long as any of them. Of a tensor lent to
a Python callback `np.from_dlpack` gives a read-only copy; the others share its memory. NumPy has
bfloat16 and the float8 types from ml_dtypes; `np.from_dlpack` refuses them, `view_numpy` does not.
"""

from __future__ import annotations

import ctypes
from functools import cache
from math import prod
from typing import Any, TypeAlias, cast

import numpy as np

from tilewright.ffi import core
from tilewright.ffi import dtype as ffi_dtype
from tilewright.support.dtypes import DType, dtype_name, dtype_of
from tilewright.support.errors import ArgumentError

from .device import (
    Device,
    cpu,
    cpu_attribute,
    cuda,
    device,
    device_api,
    ext_dev,
    hexagon,
    metal,
    opencl,
    register_device_api,
    rocm,
    vpi,
    vulkan,
    webgpu,
)
from .memory import allocate_array, checked_shape, typestr

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
_CPU = 1  # DLPack's number of the host
_HOST_TYPES = (1, 3, 11, 13)  # memory that the host can read: cpu, cuda_host, rocm_host, managed


class Tensor(core.Tensor):
    """A dense array on a device. See the module for what shares memory."""

    __slots__ = ()

    @property
    def nbytes(self) -> int:
        """Size of the elements in bytes."""
        return self.numel() * dtype_of(str(self.dtype)).bytes

    @property
    def byte_alignment(self) -> int:
        """The largest power of two (up to 4096) that divides the address."""
        address = self.data_ptr() | 4096
        return address & -address

    def view_numpy(self) -> Array:
        """A NumPy array over the same memory (host memory only)."""
        if self.__dlpack_device__()[0] not in _HOST_TYPES:
            raise ArgumentError(
                f"the host cannot address memory of {self.device}", hint="copy it: tensor.numpy()"
            )
        dtype = dtype_of(str(self.dtype))
        if self.__chandle__() and dtype.lanes == 1 and dtype.code in _NUMPY_CODES:
            return cast(Array, np.from_dlpack(self))
        raw: Array = np.asarray(_Window(self, dtype))
        return raw.view(dtype.numpy)

    def numpy(self) -> Array:
        """A copy as a NumPy array."""
        if self.__dlpack_device__()[0] in _HOST_TYPES:
            return np.array(self.view_numpy())
        host = empty(self.shape, str(self.dtype))
        device_api(self.device).copy(self, host)
        return host.view_numpy()

    def item(self) -> Any:
        """The only element, as a Python scalar."""
        if self.numel() != 1:
            raise ArgumentError(f"item() needs exactly one element, the shape is {self.shape}")
        return self.numpy().reshape(()).item()

    def copyto(self, target: Tensor | Device, mem_scope: str | None = None) -> Tensor:
        """`target` (a tensor of the same shape, or a new one on that device) with this content."""
        if isinstance(target, core.Device):
            target = empty(self.shape, str(self.dtype), target, mem_scope)
        if not isinstance(target, Tensor):
            raise ArgumentError(
                f"copyto expects a Tensor or a Device, found {type(target).__name__}"
            )
        return target.copyfrom(self)

    def copyfrom(self, source: Any) -> Tensor:
        """This tensor, filled with `source`: a tensor or whatever NumPy takes for an array."""
        on_host = self.__dlpack_device__()[0] in _HOST_TYPES
        if isinstance(source, core.Tensor) and source.__dlpack_device__()[0] not in _HOST_TYPES:
            _check_copy(source.shape, str(source.dtype), self)
            device_api(source.device).copy(source, self)
        elif on_host:
            _fill(self.view_numpy(), source, self.shape)
        else:
            _copy_to_device(source, self)
        return self

    def to_dlpack(self) -> Any:
        """A DLPack capsule that shares this memory; it can be consumed once."""
        return self.__dlpack__()

    def _create_view(
        self, shape: Any, dtype: str | None = None, relative_byte_offset: int = 0
    ) -> Tensor:
        """A tensor of another shape or dtype over this memory, which must hold it."""
        if not self.is_contiguous():
            raise ArgumentError(
                f"a view needs a compact tensor, strides are {self.strides}",
                hint="make it compact first: tensor(x)",
            )
        dims = checked_shape(shape)
        kind = dtype_of(str(self.dtype) if dtype is None else dtype)
        end = relative_byte_offset + prod(dims) * kind.bytes
        if relative_byte_offset < 0 or end > self.nbytes:
            raise ArgumentError(
                f"a view of shape {dims}, dtype {kind.name} at byte {relative_byte_offset} does "
                f"not fit into the {self.nbytes} bytes of a tensor of shape {self.shape}"
            )
        window = _Window(self, kind, dims, self.data_ptr() + relative_byte_offset)
        return _wrap(np.asarray(window), kind, self.__dlpack_device__())

    def __getitem__(self, index: Any) -> Tensor:
        """The part of the tensor that integers and slices select, sharing memory."""
        items = index if isinstance(index, tuple) else (index,)
        if not all(isinstance(i, _BASIC_INDEX) or i is None or i is ... for i in items):
            raise ArgumentError(
                f"cannot index a Tensor by {index!r:.80}",
                hint="use integers and slices, or index t.numpy()",
            )
        keep_array = items if ... in items else (*items, ...)  # never a NumPy scalar
        return from_numpy(self.view_numpy()[keep_array], str(self.dtype))

    def __setitem__(self, index: Any, value: Any) -> None:
        """Writes `value` to the part that NumPy's indexing selects, converted and broadcast."""
        on_host = self.__dlpack_device__()[0] in _HOST_TYPES
        array = self.view_numpy() if on_host else self.numpy()
        try:
            array[index] = value.numpy() if isinstance(value, Tensor) else value
        except (ValueError, TypeError) as error:
            raise ArgumentError(
                f"cannot write to a tensor of shape {self.shape}: {error}"
            ) from None
        if not on_host:
            self.copyfrom(array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """A NumPy array, over the same memory unless a copy is asked for or needed."""
        on_host = self.__dlpack_device__()[0] in _HOST_TYPES
        array = self.view_numpy() if on_host else self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, *, copy: bool | None = None, **options: Any) -> Any:
        """A DLPack capsule, of a copy if `copy`. A tensor lent to a Python callback exports a copy,
        too, which DLPack 1.0 marks as read-only: what is written to it would be lost.

        Raises `BufferError` if `copy` is False and the tensor is lent.
        """
        is_lent = not self.__chandle__()
        if not (copy or is_lent):
            return super().__dlpack__(**options)
        if copy is False:
            raise BufferError("a tensor lent to a callback is exported as a copy only")
        capsule = core.Tensor.__dlpack__(tensor(self), **options)
        _set_flags(capsule, _IS_COPIED if copy else _IS_COPIED | _READ_ONLY)
        return capsule

    def __reduce__(self) -> Any:
        return (tensor, (self.numpy(), str(self.device)))

    def __repr__(self) -> str:
        text = np.array2string(self.numpy(), separator=", ", threshold=64, prefix="Tensor(")
        return f"Tensor({text}, shape={self.shape}, dtype={self.dtype}, device={self.device})"

    __str__ = __repr__


core._set_class_tensor(Tensor)
NDArray = Tensor
_NUMPY_CODES = frozenset(("int", "uint", "float", "bool"))
_BASIC_INDEX = (int, np.integer, slice)


class _Window:
    """Offers the memory of a tensor to NumPy by the array interface, and keeps it alive."""

    __slots__ = ("__array_interface__", "_keep")

    def __init__(
        self,
        source: core.Tensor,
        dtype: DType,
        shape: tuple[int, ...] | None = None,
        address: int | None = None,
    ) -> None:
        self._keep = source
        strides = None
        if shape is None:
            shape = source.shape
            strides = tuple(s * dtype.bytes for s in source.strides)
        if dtype.lanes > 1:
            shape = (*shape, dtype.lanes)
            strides = None if strides is None else (*strides, dtype.bytes // dtype.lanes)
        self.__array_interface__ = {
            "version": 3,
            "data": (source.data_ptr() if address is None else address, False),
            "shape": shape,
            "strides": strides,
            "typestr": typestr(dtype),
        }


# ---- making tensors ----------------------------------------------------------------------------

_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
_DEVICE_OFFSET, _NDIM_OFFSET, _DTYPE_OFFSET, _STRIDES_OFFSET = 8, 16, 20, 32  # in a DLTensor
_is_capsule = ctypes.pythonapi.PyCapsule_IsValid
_is_capsule.argtypes = (ctypes.py_object, ctypes.c_char_p)
_VERSIONED, _FLAGS_OFFSET = b"dltensor_versioned", 24  # in a DLManagedTensorVersioned
_READ_ONLY, _IS_COPIED = 1, 2


def _set_flags(capsule: Any, flags: int) -> None:
    """Sets flags of a capsule that has any, as those of DLPack 1.0 have."""
    if _is_capsule(capsule, _VERSIONED):
        address = _capsule_pointer(capsule, _VERSIONED) + _FLAGS_OFFSET
        ctypes.c_uint64.from_address(address).value |= flags


@cache
def _dlpack_dtype(name: str) -> int:
    """The DLDataType called `name` as the 32-bit word that lies in memory (little-endian)."""
    packed = ffi_dtype(name)._tvm_ffi_dtype
    return int(packed.type_code | packed.bits << 8 | packed.lanes << 16)


def _wrap(array: Array, dtype: DType, where: tuple[int, int] = (_CPU, 0)) -> Tensor:
    """A tensor over a writable array whose elements are to be read as `dtype`."""
    plain = array.dtype.kind in "iufb" and dtype.code in _NUMPY_CODES and dtype.lanes == 1
    if plain and where == (_CPU, 0):
        return cast(Tensor, core.from_dlpack(array))
    capsule = array.__dlpack__()
    address = _capsule_pointer(capsule, b"dltensor")
    ctypes.c_uint32.from_address(address + _DTYPE_OFFSET).value = _dlpack_dtype(dtype.name)
    ctypes.c_uint32.from_address(address + _DEVICE_OFFSET).value = where[0]
    ctypes.c_uint32.from_address(address + _DEVICE_OFFSET + 4).value = where[1]
    if dtype.lanes > 1:
        ctypes.c_int32.from_address(address + _NDIM_OFFSET).value -= 1
        ctypes.c_uint64.from_address(address + _STRIDES_OFFSET).value = 0
    return cast(Tensor, core.from_dlpack(capsule))


@cache
def _element(dtype: Any) -> DType:
    """The dtype of a tensor. Raises `ArgumentError` for types that have no place in memory."""
    native = dtype.newbyteorder("=") if isinstance(dtype, np.dtype) else dtype
    kind = dtype_of(dtype_name(native))
    if kind.is_handle or kind.code == "void":
        raise ArgumentError(f"a tensor cannot hold elements of dtype {kind.name}")
    if kind.bits % 8:
        raise ArgumentError(
            f"tensors of {kind.name} are not supported: {kind.bits} bits are no whole byte",
            hint="pack the values into uint8",
        )
    return kind


def from_numpy(array: Array, dtype: str | None = None) -> Tensor:
    """A tensor over the memory of a writable NumPy array of native byte order."""
    kind = _element(array.dtype if dtype is None else dtype)
    if not array.flags.writeable:
        raise ArgumentError(
            "cannot share memory with a read-only NumPy array", hint="copy it: tensor(array)"
        )
    if not array.dtype.isnative:
        raise ArgumentError(
            "cannot share memory with an array of foreign byte order", hint="copy it: tensor(array)"
        )
    if array.dtype.kind not in "iufb":
        array = array.view(f"u{array.dtype.itemsize}")
    return _wrap(array, kind)


def empty(
    shape: Any, dtype: Any = "float32", device: Any = None, mem_scope: str | None = None
) -> Tensor:
    """An uninitialized, compact, 64-byte aligned tensor."""
    where = _device(device)
    kind = _element(dtype)
    scope = mem_scope or "global"
    if where is _DEFAULT and scope == "global":
        return _wrap(allocate_array(checked_shape(shape), kind), kind)
    allocate = device_api(where).allocate
    return cast(Tensor, allocate(checked_shape(shape), kind.name, where.index, scope))


def tensor(arr: Any, device: Any = None, mem_scope: str | None = None) -> Tensor:
    """A compact copy of `arr` (array, tensor, nested list or number) on `device` (the host)."""
    if not isinstance(arr, (np.ndarray, Tensor)):
        arr = _foreign(arr)
    if isinstance(arr, np.ndarray) and device is None and mem_scope is None:
        return _copied(arr)
    result = empty(arr.shape, arr.dtype, device, mem_scope)
    return result.copyfrom(arr)


def _copied(array: Array) -> Tensor:
    """A tensor on the host with the array's elements."""
    kind = _element(array.dtype)
    memory = allocate_array(array.shape, kind)
    np.copyto(memory if kind.code in _NUMPY_CODES else memory.view(kind.numpy), array)
    return _wrap(memory, kind)


array = tensor


def empty_unpooled(shape: Any, dtype: Any = "float32", device: Any = None) -> Tensor:
    """As `empty`, but host memory comes fresh from the system and goes back to it."""
    kind = _element(dtype)
    if _device(device) != _DEFAULT:
        return empty(shape, dtype, device)
    return _wrap(allocate_array(checked_shape(shape), kind, pooled=False), kind)


def _foreign(value: Any) -> Array | Tensor:
    if hasattr(value, "__dlpack__"):
        return from_dlpack(value)
    try:
        result = np.array(value)
    except ValueError as error:
        raise ArgumentError(f"cannot make a tensor of {type(value).__name__}: {error}") from None
    if result.dtype.kind == "O":
        raise ArgumentError(f"cannot make a tensor of {type(value).__name__} {value!r:.80}")
    return result


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor over the memory of an object with `__dlpack__`, or of a DLPack capsule."""
    if isinstance(ext_tensor, np.ndarray):
        return from_numpy(ext_tensor)
    try:
        return cast(Tensor, core.from_dlpack(ext_tensor))
    except (TypeError, ValueError, BufferError, RuntimeError) as error:
        raise ArgumentError(
            f"cannot share memory with {type(ext_tensor).__name__}: {error}",
            hint="copy it: tensor(x)",
        ) from None


def _device(where: Any) -> Device:
    if where is None:
        return _DEFAULT
    return where if type(where) is Device else device(where)


_DEFAULT = cpu(0)


# ---- copying -----------------------------------------------------------------------------------


def _check_copy(shape: tuple[int, ...], dtype: str, target: core.Tensor) -> None:
    if tuple(shape) != target.shape:
        raise ArgumentError(f"cannot copy shape {tuple(shape)} to a tensor of shape {target.shape}")
    if dtype != str(target.dtype):
        raise ArgumentError(f"cannot copy {dtype} to a tensor of {target.dtype}")


def _fill(target: Array, source: Any, shape: tuple[int, ...]) -> None:
    if isinstance(source, core.Tensor) and not isinstance(source, Tensor):
        source = from_dlpack(source)
    data = source.view_numpy() if isinstance(source, Tensor) else np.asarray(source)
    if data.shape != target.shape:
        raise ArgumentError(f"cannot copy shape {data.shape} to a tensor of shape {shape}")
    try:
        exotic = "V" in (data.dtype.kind, target.dtype.kind)  # ml_dtypes declare no casting rules
        np.copyto(target, data, casting="unsafe" if exotic else "same_kind")
    except TypeError:
        raise ArgumentError(
            f"cannot copy {data.dtype} to a tensor of {target.dtype} without losing values",
            hint=f"convert it: x.astype({str(target.dtype)!r})",
        ) from None


def _copy_to_device(source: Any, target: Tensor) -> None:
    host = empty(target.shape, str(target.dtype))
    _fill(host.view_numpy(), source, target.shape)
    device_api(target.device).copy(host, target)


class _CpuAPI:
    """The host: one device, memory from the block cache."""

    def exists(self, index: int) -> bool:
        return index == 0

    def attribute(self, index: int, name: str) -> Any:
        return cpu_attribute(name)

    def allocate(self, shape: tuple[int, ...], dtype: str, index: int, scope: str) -> core.Tensor:
        if scope != "global":
            raise ArgumentError(f"the host has no memory scope {scope!r}", hint="use 'global'")
        kind = dtype_of(dtype)
        return _wrap(allocate_array(shape, kind), kind, (_CPU, index))

    def copy(self, source: core.Tensor, target: core.Tensor) -> None:
        _fill(cast(Tensor, target).view_numpy(), source, target.shape)

    def synchronize(self, index: int, stream: int) -> None:
        """All work on the host is done when its call returns."""


register_device_api("cpu", _CpuAPI())

__all__ = [
    "Device",
    "NDArray",
    "Tensor",
    "array",
    "cpu",
    "cuda",
    "device",
    "empty",
    "ext_dev",
    "from_dlpack",
    "from_numpy",
    "hexagon",
    "metal",
    "opencl",
    "rocm",
    "tensor",
    "vpi",
    "vulkan",
    "webgpu",
]
