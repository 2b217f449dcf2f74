"""What is built is a runtime module."""

import numpy as np
import pytest

import tilewright as tw
from tilewright.runtime import FunctionModule, Module, load_module
from tilewright.script import tir as T
from tilewright.support.errors import ArgumentError


@T.prim_func
def double(A: T.Buffer((4,), "float32"), B: T.Buffer((4,), "float32")):
    T.func_attr({"global_symbol": "double"})
    for i in range(4):
        B[i] = A[i] * T.float32(2)


def doubled(function) -> np.ndarray:
    result = tw.nd.empty((4,), "float32")
    function(tw.nd.array(np.arange(4, dtype="float32")), result)
    return result.numpy()


@pytest.mark.parametrize("build", [tw.build, tw.compile, tw.tir.build])
def test_functions_are_found_as_in_any_module(build) -> None:
    made = build(double, target="llvm")
    assert isinstance(made, Module) and made.mod is made and made.jit() is made
    assert made.type_key == made.kind == "executable" and made.entry_name == "double"
    assert made.implements_function("double") and not made.implements_function("triple")
    for function in (made["double"], made.get_function("double"), made.entry_func, made):
        np.testing.assert_array_equal(doubled(function), [0, 2, 4, 6])
    with pytest.raises(AttributeError, match="no function 'triple'; it has double"):
        made.get_function("triple")
    assert made.is_runnable() and made.is_compilation_exportable()
    assert not made.is_binary_serializable()


def test_imported_modules_are_searched_and_stay() -> None:
    made = tw.build(double, target="llvm")
    other = FunctionModule({"triple": lambda x: 3 * x})
    made.import_module(other)
    assert made.imported_modules == made.imports == [other]
    assert made["triple"](2) == 6 and made.implements_function("triple", query_imports=True)


def test_code_is_not_loaded_to_show_what_was_built() -> None:
    made = tw.build(double, target="llvm -mtriple=aarch64-linux-gnu")
    assert repr(made) == "CompiledExecutable"
    assert "double" in made.inspect_source("ll") == made.get_source("ll")


def test_a_module_is_written_as_text_or_library(tmp_path) -> None:
    made = tw.build(double, target="llvm")
    made.save(tmp_path / "double.ll")
    assert (tmp_path / "double.ll").read_text() == made.inspect_source()
    loaded = load_module(made.export_library(tmp_path / "double.so"))
    again = load_module(loaded.export_library(tmp_path / "again.so"))
    np.testing.assert_array_equal(doubled(again["double"]), [0, 2, 4, 6])
    with pytest.raises(ArgumentError, match="is a library already"):
        loaded.export_library(tmp_path / "again.tar")
    with pytest.raises(ArgumentError, match="no source in format 'll'"):
        loaded.save(tmp_path / "again.ll")
    with pytest.raises(ArgumentError, match="kind 'python' has no code"):
        FunctionModule({}).export_library(tmp_path / "none.so")


def test_code_for_another_machine_is_written_as_one_object_or_as_bitcode(tmp_path) -> None:
    made = tw.build(double, target="llvm -mtriple=aarch64-linux-gnu -mattr=+neon")
    for name in ("double.o", "double.obj", "double"):
        made.write_to_file(tmp_path / name, fmt="" if "." in name else "o")
        code = (tmp_path / name).read_bytes()
        assert code[:4] == b"\x7fELF" and code[18:20] == b"\xb7\0", "the ELF machine is AArch64"
        assert b"__tvm_ffi_double\0" in code
    made.save(tmp_path / "double.bc")
    assert (tmp_path / "double.bc").read_bytes()[:4] == b"BC\xc0\xde"
    with pytest.raises(ArgumentError, match="no source in format 'txt'"):
        made.save(tmp_path / "double.txt")
    with pytest.raises(ArgumentError, match="no source in format 'o'"):
        tw.build(double, target="c").write_to_file(tmp_path / "c.o")


def test_a_module_of_c_source_has_its_kind() -> None:
    made = tw.build(double, target="c")
    assert made.kind == "c" and made.implements_function("double")
    assert made.imports[0].inspect_source("c") == made.inspect_source() == made.get_source()
