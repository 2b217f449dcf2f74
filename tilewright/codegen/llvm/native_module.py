"""An executable's functions and kernels, linked and loaded into this process."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Sequence

from tilewright.ffi import core
from tilewright.runtime.executable import Executable
from tilewright.runtime.module import PACKED_PREFIX
from tilewright.support.errors import ArgumentError

from .compile import Machine, compile_module
from .elf import read_symbols
from .jit import JITModule
from .native_vm import vm_ir

_OBJECT_HEADER = 24


class _DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("dtype", ctypes.c_uint32),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


def compile_executable(
    executable: Executable,
    kernels: Sequence[bytes] = (),
    machine: Machine | None = None,
    *,
    failing: Collection[str] | None = None,
) -> bytes:
    """The object code of the executable's functions, to be linked with the objects `kernels`."""
    defined: set[str] = set()
    for data in kernels:
        defined |= read_symbols(data).defined
    size = len(PACKED_PREFIX)
    packed = {name[size:] for name in defined if name.startswith(PACKED_PREFIX)}
    return compile_module(vm_ir(executable, packed=packed, failing=failing), machine)


def load_executable(
    executable: Executable,
    kernels: Sequence[bytes] = (),
    *,
    failing: Collection[str] | None = None,
) -> JITModule:
    """A module with the executable's functions and its kernels, ready to be called.

    The module keeps the constants alive. The executable itself is not changed; the caller sets
    `executable.native` (and `kernels`) to the result.
    """
    data = compile_executable(executable, kernels, failing=failing)
    module = JITModule([*kernels, data])
    bind_constants(module, executable.constants)
    return module


def bind_constants(module: JITModule, constants: Sequence[core.Tensor]) -> None:
    """Fills the tables through which compiled functions reach their constants and their owner."""
    module.hold_owner("tilewright_module_owner")
    table = ctypes.c_void_p * len(constants)
    data = table.from_address(module.address("tilewright_constant_data"))
    objects = table.from_address(module.address("tilewright_constant_objects"))
    for i, constant in enumerate(constants):
        handle = constant.__chandle__()
        view = _DLTensor.from_address(handle + _OBJECT_HEADER)
        check_constant(constant, i)
        data[i] = (view.data or 0) + view.byte_offset
        objects[i] = handle
    module.keep(*constants)


def check_constant(constant: core.Tensor, index: int) -> None:
    """Raises `ArgumentError` unless the constant is a compact tensor in host memory."""
    if constant.__dlpack_device__()[0] != 1 or not constant.is_contiguous():
        raise ArgumentError(
            f"constant {index} must be a contiguous tensor on the CPU, found shape "
            f"{tuple(constant.shape)} with strides {tuple(constant.strides)} on {constant.device}"
        )
