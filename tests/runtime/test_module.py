"""Modules: lookup, imports, libraries in files, loaders by suffix."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

import tilewright.ffi as ffi
from tilewright.ir import load_json, save_json
from tilewright.runtime import (
    Executable,
    ExecutableModule,
    FunctionModule,
    Module,
    NativeModule,
    VirtualMachine,
    VMFunction,
    as_module,
    load_module,
    register_loader,
    serialize,
)
from tilewright.runtime._ffi_api import CSourceModuleCreate
from tilewright.runtime.executable import CallKernel, CheckTensor, Const, NewTensor, Reg, Ret
from tilewright.support.errors import ArgumentError


def test_lookup_in_the_module_and_its_imports() -> None:
    inner = FunctionModule({"two": lambda: 2})
    outer = FunctionModule({"main": lambda x: x + 1})
    outer.import_module(inner)
    assert outer(1) == 2 and outer["two"]() == 2 and outer.entry_func(4) == 5
    assert outer.implements_function("two", query_imports=True)
    assert not outer.implements_function("two")
    assert outer.get_function("two", query_imports=True)() == 2
    assert outer.imports == [inner]
    with pytest.raises(AttributeError, match="no function 'three'; it has main"):
        outer["three"]
    with pytest.raises(ArgumentError, match="a function's name is a string, found int"):
        outer[3]  # type: ignore[index]
    with pytest.raises(ArgumentError, match="cycle"):
        inner.import_module(outer)
    outer.clear_imports()
    assert not outer.implements_function("two", query_imports=True)


def test_the_only_function_is_the_entry() -> None:
    assert FunctionModule({"double": lambda x: 2 * x})(3) == 6
    two = FunctionModule({"double": lambda x: 2 * x, "half": lambda x: x / 2})
    with pytest.raises(ArgumentError, match="no function 'main'; it has double, half"):
        two(3)


def test_a_module_passes_through_functions_as_itself() -> None:
    module = FunctionModule({"main": lambda: 1})
    assert ffi.convert(lambda m: m)(module) is module


def test_native_modules_find_packed_and_bare_symbols(kernels: NativeModule) -> None:
    assert kernels["seven"]() == 7
    assert kernels.symbol_address("scale") and not kernels.symbol_address("nothing")
    assert not kernels.implements_function("scale")


def test_other_modules_are_adapted(kernels: NativeModule) -> None:
    class Engine:
        symbols = frozenset(("__tvm_ffi_seven", "scale"))

        def address(self, name: str) -> int:
            return kernels.symbol_address(name) or 0

    module = as_module(Engine())
    assert module["seven"]() == 7 and module.symbol_address("scale")
    assert module.symbol_address("add") is None and module.function_names() == ["seven"]
    assert as_module(kernels) is kernels
    with pytest.raises(ArgumentError, match="expected a module, found int"):
        as_module(3)


def test_loaders_by_suffix(tmp_path: Path) -> None:
    path = tmp_path / "m.testkind"
    path.write_text("hello")
    with pytest.raises(ArgumentError, match=r"(?s)no loader for files of type 'testkind'.*so"):
        load_module(path)
    register_loader(".testkind", lambda p: FunctionModule({"main": lambda: Path(p).read_text()}))
    assert load_module(path)() == "hello"
    with pytest.raises(ArgumentError, match="no such file"):
        load_module(tmp_path / "none.so")
    (tmp_path / "broken.so").write_bytes(b"\x7fELF but not really")
    with pytest.raises(ArgumentError, match="cannot load"):
        load_module(tmp_path / "broken.so")


def link(source: str, path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a linker")
    machine = llvm.Target.from_default_triple().create_target_machine(reloc="pic")
    path.with_suffix(".o").write_bytes(machine.emit_object(llvm.parse_assembly(source)))
    subprocess.run([compiler, "-shared", "-o", path, path.with_suffix(".o")], check=True)


def scale_by_three() -> Executable:
    main = VMFunction(
        "main",
        ("x",),
        2,
        0,
        (
            CheckTensor(0, "float32", 1, (2,), "x"),
            NewTensor(1, (2,), "float32"),
            CallKernel("add2", (Reg(0), Const(0), Reg(1))),
            Ret(1),
        ),
    )
    return Executable({"main": main}, [])


LIBRARY = r"""
define void @add2(<2 x float>* %a, <2 x float>* %b, <2 x float>* %c) {
  %x = load <2 x float>, ptr %a, align 4
  %y = load <2 x float>, ptr %b, align 4
  %z = fadd <2 x float> %x, %y
  store <2 x float> %z, ptr %c, align 4
  ret void
}
define i32 @__tvm_ffi_seven(ptr %self, ptr %args, i32 %n, ptr %ret) {
  store i32 1, ptr %ret
  %value = getelementptr i8, ptr %ret, i64 8
  store i64 7, ptr %value
  ret i32 0
}
declare i32 @TVMFFIStringFromByteArray(ptr, ptr)
declare i32 @TVMFFITensorFromDLPack(ptr, i32, i32, ptr)
@text = private constant [SIZE x i8] c"TEXT"
@bytes = private constant { ptr, i64 } { ptr @text, i64 SIZE }
define i32 @__tvm_ffi_tilewright_executable(ptr %self, ptr %args, i32 %n, ptr %ret) {
  %code = call i32 @TVMFFIStringFromByteArray(ptr @bytes, ptr %ret)
  ret i32 %code
}
@data = private constant [2 x float] [float 1.0, float 2.0], align 64
@shape = private constant [1 x i64] [i64 2]
@managed = private global { ptr, i32, i32, i32, i32, ptr, ptr, i64, ptr, ptr }
  { ptr @data, i32 1, i32 0, i32 1, i32 73730, ptr @shape, ptr null, i64 0, ptr null, ptr null }
define i32 @__tvm_ffi_tilewright_constant(ptr %self, ptr %args, i32 %n, ptr %ret) {
  %slot = getelementptr i8, ptr %args, i64 8
  %index = load i64, ptr %slot
  %count = icmp eq i64 %index, -1
  %value = getelementptr i8, ptr %ret, i64 8
  br i1 %count, label %number, label %tensor
number:
  store i32 1, ptr %ret
  store i64 1, ptr %value
  ret i32 0
tensor:
  store i32 70, ptr %ret
  %code = call i32 @TVMFFITensorFromDLPack(ptr @managed, i32 0, i32 0, ptr %value)
  ret i32 %code
}
"""


def test_a_library_with_an_executable_inside(tmp_path: Path) -> None:
    table = scale_by_three()
    table.constants.append(None)  # type: ignore[arg-type]  # the library holds it
    text = json.dumps(serialize.to_json(table))
    escaped = text.replace("\\", "\\5C").replace('"', "\\22")
    source = LIBRARY.replace("SIZE", str(len(text))).replace("TEXT", escaped)
    link(source.replace("<2 x float>* %", "ptr %"), tmp_path / "m.so")
    library = load_module(tmp_path / "m.so")
    assert isinstance(library, Module) and library["seven"]() == 7
    assert library.kind == "library" and library.function_names() == ["main"]
    vm = VirtualMachine(library, executor="interpreter")
    assert vm["main"](np.array([10, 20], "float32")).numpy().tolist() == [11, 22]
    assert vm.get_function_params("main") == ("x",)


def test_executables_in_files(tmp_path: Path) -> None:
    path = tmp_path / "m.twx"
    main = VMFunction("main", ("x",), 1, 0, (Ret(Reg(0)),))
    serialize.save(Executable({"main": main}), path)
    module = load_module(path)
    assert isinstance(module, ExecutableModule)
    assert "ret(%0)" in module.as_text() and "functions (#1): main" in module.stats()
    assert VirtualMachine(module)["main"](5) == 5


def test_what_can_be_done_with_a_module() -> None:
    plain = FunctionModule({"two": lambda: 2})
    assert plain.is_runnable() and not plain.is_binary_serializable()
    assert not plain.is_compilation_exportable()
    source = CSourceModuleCreate("int two(void) { return 2; }", "cc", ["two"], None)
    assert source.get_property_mask() == 7 and source.is_compilation_exportable()
    again = load_json(save_json([source]))[0]
    assert again.is_binary_serializable() and again.kind == "c"
    assert again.inspect_source() == source.inspect_source()
    assert again.function_names() == ["two"]
