"""What runs compiled programs: devices, tensors, modules, the virtual machine. No compiler here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.ffi import DataTypeCode, Function, Object, Shape, String, convert
from tilewright.ffi import dtype as DataType
from tilewright.support import public as _public

from . import container, ndarray, profiling, vm
from .benchmark import BenchmarkResult
from .device import (
    Device,
    cpu,
    cuda,
    device,
    enabled,
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
from .executable import Executable, VMFunction
from .library import (
    ExecutableModule,
    LibraryModule,
    load_module,
    register_loader,
    system_lib,
)
from .module import FFIModule, FunctionModule, Module, NativeModule, as_module
from .ndarray import NDArray, Tensor, array, empty, from_dlpack, tensor
from .params import (
    load_param_dict,
    load_param_dict_from_file,
    save_param_dict,
    save_param_dict_to_file,
)
from .threads import num_threads, set_num_threads
from .verify import verify
from .vm import VirtualMachine, VMInstrumentReturnKind

PackedFunc = Function
ShapeTuple = Shape

__all__ = [
    "BenchmarkResult",
    "DataType",
    "DataTypeCode",
    "Device",
    "Executable",
    "ExecutableModule",
    "FFIModule",
    "Function",
    "FunctionModule",
    "LibraryModule",
    "Module",
    "NDArray",
    "NativeModule",
    "Object",
    "PackedFunc",
    "Shape",
    "ShapeTuple",
    "String",
    "Tensor",
    "VMFunction",
    "VMInstrumentReturnKind",
    "VirtualMachine",
    "array",
    "as_module",
    "container",
    "convert",
    "cpu",
    "cuda",
    "device",
    "empty",
    "enabled",
    "ext_dev",
    "from_dlpack",
    "hexagon",
    "load_module",
    "load_param_dict",
    "load_param_dict_from_file",
    "metal",
    "ndarray",
    "num_threads",
    "opencl",
    "profiling",
    "register_device_api",
    "register_loader",
    "rocm",
    "save_param_dict",
    "save_param_dict_to_file",
    "set_num_threads",
    "system_lib",
    "tensor",
    "verify",
    "vm",
    "vpi",
    "vulkan",
    "webgpu",
]

if not TYPE_CHECKING:  # public names that other layers define; a checker would take all for granted
    __getattr__, __dir__ = _public.lazy_attributes(__name__)
