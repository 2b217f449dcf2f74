"""The boundary to compiled code and to other libraries: the tvm-ffi ABI under TVM's names.

Functions, containers and errors cross it in both directions; see `registry` for named functions
and `errors` for exceptions.
"""

from __future__ import annotations

from . import access_path, container, serialization
from ._load import core, tvm_ffi
from .conversion import convert
from .device import Device
from .errors import register_error
from .registry import (
    _init_api,
    get_global_func,
    init_ffi_api,
    list_global_func_names,
    register_func,
    register_global_func,
    register_object,
    remove_global_func,
)

Array = tvm_ffi.Array
Bytes = core.Bytes
CObject = core.CObject
DLDeviceType = core.DLDeviceType
DataTypeCode = tvm_ffi._dtype.DataTypeCode
Dict = tvm_ffi.Dict
Error = core.Error
Function = core.Function
List = tvm_ffi.List
Map = tvm_ffi.Map
Module = tvm_ffi.Module
NDArray = core.Tensor
Object = core.Object
ObjectConvertible = core.ObjectConvertible
Shape = tvm_ffi.Shape
String = core.String
Tensor = core.Tensor
device = tvm_ffi.device
dtype = tvm_ffi.dtype
from_dlpack = core.from_dlpack
load_module = tvm_ffi.load_module
system_lib = tvm_ffi.system_lib

__all__ = [
    "Array",
    "Bytes",
    "CObject",
    "DLDeviceType",
    "DataTypeCode",
    "Device",
    "Dict",
    "Error",
    "Function",
    "List",
    "Map",
    "Module",
    "NDArray",
    "Object",
    "ObjectConvertible",
    "Shape",
    "String",
    "Tensor",
    "_init_api",
    "access_path",
    "container",
    "convert",
    "core",
    "device",
    "dtype",
    "from_dlpack",
    "get_global_func",
    "init_ffi_api",
    "list_global_func_names",
    "load_module",
    "register_error",
    "register_func",
    "register_global_func",
    "register_object",
    "remove_global_func",
    "serialization",
    "system_lib",
    "tvm_ffi",
]
