"""Calling kernels: by the address of the bare symbol, or through the packed function."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection
from typing import Any

from tilewright.ffi import core, tvm_ffi
from tilewright.support.errors import ArgumentError, RuntimeFailure

from ..executable import CallKernel, Imm
from ..module import Module

SCALAR_TYPES: dict[str, Any] = {
    "int8": ctypes.c_int8, "int16": ctypes.c_int16, "int32": ctypes.c_int32,
    "int64": ctypes.c_int64, "uint8": ctypes.c_uint8, "uint16": ctypes.c_uint16,
    "uint32": ctypes.c_uint32, "uint64": ctypes.c_uint64, "bool": ctypes.c_bool,
    "float32": ctypes.c_float, "float64": ctypes.c_double,
}  # fmt: skip
"""How scalars are passed to a bare kernel, by dtype; others only the packed function takes."""

Call = Callable[[tuple[Any, ...]], Any]


def scalar_dtypes(ins: CallKernel) -> tuple[str, ...]:
    """The C types of the kernel's scalars, the default ones where the instruction names none."""
    if ins.scalar_dtypes:
        if len(ins.scalar_dtypes) != len(ins.scalars):
            raise ArgumentError(
                f"kernel {ins.symbol!r} has {len(ins.scalars)} scalars "
                f"but {len(ins.scalar_dtypes)} types of scalars"
            )
        return ins.scalar_dtypes
    return tuple(
        "float64" if isinstance(s, Imm) and isinstance(s.value, float) else "int64"
        for s in ins.scalars
    )


def bind_kernel(
    kernels: Module | None, failing: Collection[str], ins: CallKernel
) -> tuple[Call, core.Function | None]:
    """A function of (tensors..., scalars...) that runs the kernel, and the packed function.

    The kernels `failing` return a status.
    """
    if kernels is None:
        raise RuntimeFailure(
            f"the executable has no kernels, but calls {ins.symbol!r}",
            hint="give it a module: Executable(functions, constants, kernels)",
        )
    packed = kernels._lookup(ins.symbol, True)
    types = scalar_dtypes(ins)
    address = kernels.symbol_address(ins.symbol)
    if address and all(t in SCALAR_TYPES for t in types):
        bare = _bare(address, len(ins.tensors), types, ins.symbol in failing)
        return bare, packed or tvm_ffi.convert(lambda *values: bare(values))
    if packed is None:
        raise RuntimeFailure(f"the module of kernels has no kernel {ins.symbol!r}")
    function = packed
    return (lambda values: function(*values)), packed


def _bare(address: int, num_tensors: int, types: tuple[str, ...], may_fail: bool) -> Call:
    signature = [ctypes.c_void_p] * num_tensors + [SCALAR_TYPES[t] for t in types]
    function = ctypes.CFUNCTYPE(ctypes.c_int32 if may_fail else None, *signature)(address)

    def call(values: tuple[Any, ...]) -> None:
        pointers = [_pointer(value) for value in values[:num_tensors]]
        if function(*pointers, *values[num_tensors:]):
            raise_pending()

    return call


def _pointer(value: Any) -> int:
    if not isinstance(value, core.Tensor):
        raise ArgumentError(f"a kernel needs a tensor, found {type(value).__name__} {value!r:.60}")
    return value.data_ptr()


_REPORT = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p
)(lambda *_: -1)
_pending = core.Function.__from_extern_c__(
    ctypes.cast(_REPORT, ctypes.c_void_p).value or 0, keep_alive_object=_REPORT
)


def raise_pending() -> None:
    """Raises the error that native code has set in this thread."""
    _pending()
