"""TVM's public paths: one table from where users look for a name to where it lives.

Packages whose public path differs from their layer are imported under both names as one module:
`tilewright.arith` is `tilewright.tir.arith`. Names of a package that another layer defines resolve
when they are first read. Nothing here imports; the tables are strings.

A program written for TVM runs with `sys.modules["tvm"] = tilewright`: every `tvm.x` is then the
module `tilewright.x`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

ROOT = "tilewright"

MODULES = {
    "arith": "tir.arith",
    **{f"arith.{name}": "tir.arith" for name in ("int_solver", "iter_affine_map", "pattern")},
    "base": "support.errors",
    "container": "runtime.container",
    "contrib.msc": "msc",
    "error": "support.errors",
    "instrument": "ir.instrument",
    "ir.container": "runtime.container",
    "nd": "runtime.ndarray",
    "relax.frontend": "frontend",
    "relax.vm": "runtime.vm",
    "runtime.script_printer": "script.printer.config",
    "script.ir": "ir.script",
    "script.ir_builder.ir": "ir.ir_builder",
    "script.ir_builder.relax": "relax.ir_builder",
    "script.ir_builder.tir": "tir.script_builder",
    "script.parser.core.diagnostics": "script.parser.source",
    "script.parser.core.doc_core": "script.parser.core.doc",
    "script.parser.core.entry": "script.parser.entry",
    "script.parser.ir": "ir.script",
    "script.parser.relax": "relax.script",
    "script.parser.relax.entry": "relax.script_entry",
    "script.parser.tir": "tir.script",
    "script.relax": "relax.script",
    "script.tir": "tir.script",
    "target.datatype": "tir.datatype",
    "tir.block_dependence_info": "tir.schedule.block_dependence_info",
    "tir.block_scope": "tir.schedule.scope",
    "tir.schedule.block_scope": "tir.schedule.scope",
    "tir.transform.function_pass": "tir.transform.base",
    "tir.transform.transform": "tir.transform",
    "transform": "ir.transform",
}
"""Public module -> the module it is, both below `tilewright`."""

_DEVICES = (
    "cpu",
    "cuda",
    "device",
    "ext_dev",
    "hexagon",
    "metal",
    "opencl",
    "rocm",
    "vpi",
    "vulkan",
    "webgpu",
)
_CONFIGS = (
    "HoistExpressionConfig",
    "HoistIfThenElseConfig",
    "InjectDoubleBufferConfig",
    "LoopPartitionConfig",
    "ReduceBranchingThroughOvercomputeConfig",
    "RemoveNoOpConfig",
    "SimplifyConfig",
    "UnrollLoopConfig",
)
NAMES = {
    "DataType": "runtime:DataType",
    "DataTypeCode": "runtime:DataTypeCode",
    "IRModule": "ir:IRModule",
    "Object": "runtime:Object",
    "TVMError": "support.errors:TVMError",
    "build": "driver:build",
    "compile": "driver:compile",
    "get_global_func": "ffi:get_global_func",
    "register_func": "ffi:register_func",
    "register_global_func": "ffi:register_global_func",
    "register_object": "ffi:register_object",
    "relax.ExecBuilder": "relax.exec_builder:ExecBuilder",
    "relax.VMInstrumentReturnKind": "runtime.vm:VMInstrumentReturnKind",
    "relax.VirtualMachine": "runtime.vm:VirtualMachine",
    "relax.build": "driver:build_relax",
    "runtime.const": "tir:const",
    "script.from_source": "script.parser:from_source",
    "script.ir_module": "ir.script:ir_module",
    "script.parser.ir_module": "ir.script:ir_module",
    "script.parser.parse": "script.parser:from_source",
    "tir.BijectiveLayout": "tir.data_layout:BijectiveLayout",
    "tir.BlockDependenceInfo": "tir.schedule:BlockDependenceInfo",
    "tir.BlockScope": "tir.schedule:BlockScope",
    "tir.DepKind": "tir.schedule:DepKind",
    "tir.Dependency": "tir.schedule:Dependency",
    "tir.IndexMap": "tir.index_map:IndexMap",
    "tir.Layout": "tir.data_layout:Layout",
    "tir.PyStmtExprMutator": "tir.functor:PyStmtExprMutator",
    "tir.PyStmtExprVisitor": "tir.functor:PyStmtExprVisitor",
    "tir.Schedule": "tir.schedule:Schedule",
    "tir.ScheduleDebugMask": "tir.schedule:ScheduleDebugMask",
    "tir.ScheduleError": "support.errors:ScheduleError",
    "tir.ScheduleState": "tir.schedule:ScheduleState",
    "tir.StmtSRef": "tir.schedule:StmtSRef",
    "tir.TensorIntrin": "tir.tensor_intrin:TensorIntrin",
    "tir.comm_reducer": "te:comm_reducer",
    "tir.max": "te.reducer:max",
    "tir.min": "te.reducer:min",
    "tir.sum": "te.reducer:sum",
    "tir.analysis.get_vtcm_compaction_passes": "tir.transform.vtcm:get_vtcm_compaction_passes",
    "tir.function.IndexMap": "tir.index_map:IndexMap",
    "tir.function.TensorIntrin": "tir.tensor_intrin:TensorIntrin",
    "tir.bijective_layout": "tir.data_layout:bijective_layout",
    "tir.build": "driver:build_tir",
    "tir.get_default_tir_pipeline": "tir.pipeline:get_default_tir_pipeline",
    "tir.get_tir_pipeline": "tir.pipeline:get_tir_pipeline",
    "tir.layout": "tir.data_layout:layout",
    "tir.transform.DefaultGPUSchedule": "tir.schedule.default_gpu:DefaultGPUSchedule",
    **{f"tir.transform.{name}": f"tir.transform.config:{name}" for name in _CONFIGS},
    **{name: f"runtime:{name}" for name in _DEVICES},
}
"""Public name -> `module:name` of its definition, both below `tilewright`."""

PACKAGES = (
    *("contrib", "dlight", "driver", "ffi", "ir", "meta_schedule", "msc", "relax", "rpc"),
    *("runtime", "script", "support", "target", "te", "testing", "tir", "topi"),
)
"""Packages whose public path is their own."""

LOADERS = {"tar": "codegen.llvm.link", "tw": "codegen.llvm.link"}
"""Suffix of a module's file -> the module below `tilewright` that registers its loader."""


def shown_package() -> str:
    """The package that texts name: `tvm` for a program that knows the compiler by that name."""
    return "tvm" if sys.modules.get("tvm") is sys.modules[ROOT] else ROOT


def real_name(fullname: str) -> str | None:
    """The module that `fullname` stands for, or None where the name is the module's own."""
    root, _, path = fullname.partition(".")
    if not path or (root != ROOT and sys.modules.get(root) is not sys.modules.get(ROOT)):
        return None
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        target = MODULES.get(".".join(parts[:count]))
        if target is not None:
            return ".".join([ROOT, target, *parts[count:]])
    return None if root == ROOT else f"{ROOT}.{path}"


class _SameModule(Loader):
    """Loads a public name as the module that it stands for."""

    def __init__(self, real: str) -> None:
        self.real = real
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The real module, imported."""
        module = importlib.import_module(self.real)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Gives the module its own spec back, which the import system has replaced."""
        module.__spec__ = self.spec


class PublicFinder(MetaPathFinder):
    """Finds the modules of `MODULES`, and those of a package name bound to tilewright."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec that loads the real module, or None for any other name."""
        real = real_name(fullname)
        return None if real is None else ModuleSpec(fullname, _SameModule(real))


def install() -> None:
    """Puts the finder in front of the others, once."""
    if not any(isinstance(finder, PublicFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, PublicFinder())


def lazy_attributes(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package: names of the tables, then its own modules."""
    prefix = package.removeprefix(ROOT).removeprefix(".")
    before = f"{prefix}." if prefix else ""

    def resolve(name: str) -> Any:
        place = NAMES.get(before + name)
        missing = AttributeError(f"module {package!r} has no attribute {name!r}")
        if place is not None:
            value = _import_name(place, missing)
        elif name.startswith("__"):
            raise missing
        else:
            value = _import_module(f"{package}.{name}", missing)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        public = [key[len(before) :] for key in (*NAMES, *MODULES) if key.startswith(before)]
        listed = [name for name in public if "." not in name]
        return sorted({*vars(sys.modules[package]), *listed, *(() if prefix else PACKAGES)})

    return resolve, names


def _import_name(place: str, missing: AttributeError) -> Any:
    module, _, attribute = place.partition(":")
    found = _import_module(f"{ROOT}.{module}", missing)
    try:
        return getattr(found, attribute)
    except AttributeError:
        raise missing from None


def _import_module(name: str, missing: AttributeError) -> ModuleType:
    """The module; `missing` if it is not there. Failures inside of it are passed on."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        wanted = (name, real_name(name) or name)
        if any(w == error.name or w.startswith(f"{error.name}.") for w in wanted):
            raise missing from None
        raise
