"""`target="c"`: source that is shown, exported, compiled and run."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tilewright as tw
from tilewright import relax, tir
from tilewright.ir import IRModule
from tilewright.runtime import _ffi_api
from tilewright.script import tir as T
from tilewright.support import c_compiler
from tilewright.support.c_compiler import CompilerError, find_c_compiler
from tilewright.support.errors import ArgumentError
from tilewright.support.knobs import CACHE

from .models import convolution_model, image, reference

needs_compiler = pytest.mark.skipif(find_c_compiler() is None, reason="no C compiler")


@T.prim_func
def shifted(A: T.Buffer((8,), "float32"), n: T.int32, B: T.Buffer((8,), "float32")) -> None:
    T.func_attr({"global_symbol": "shifted"})
    for i in T.parallel(8):
        B[i] = A[i] + T.Cast("float32", n)


@T.prim_func
def calling(A: T.Buffer((4,), "int32")) -> None:
    T.func_attr({"global_symbol": "calling"})
    for i in range(4):
        A[i] = T.call_packed("tests.c.twice", A[i])


def test_the_source_is_shown_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_compiler, "find_c_compiler", lambda: None)
    made = tw.compile(shifted, target="c")
    assert "__tvm_ffi_shifted(" in made.inspect_source()
    with pytest.raises(CompilerError, match="no C compiler was found") as error:
        made["shifted"]
    assert "ends in `.c`" in str(error.value)


@needs_compiler
def test_a_kernel_runs_and_checks_its_arguments() -> None:
    made = tir.build(IRModule.from_expr(shifted), target="c")
    a, b = tw.nd.array(np.arange(8, dtype="float32")), tw.nd.empty((8,), "float32")
    made["shifted"](a, 3, b)
    np.testing.assert_array_equal(b.numpy(), np.arange(8) + 3)
    with pytest.raises(TypeError, match="argument 2 `B` must be a tensor of float32"):
        made["shifted"](a, 3, 4)
    with pytest.raises(ValueError, match="dimension 0 of `A` must be 8"):
        made["shifted"](tw.nd.empty((7,), "float32"), 3, b)


@needs_compiler
def test_packed_functions_are_called_and_their_errors_arrive() -> None:
    made = tw.compile(calling, target="c")
    a = tw.nd.array(np.arange(4, dtype="int32"))
    with pytest.raises(ValueError, match=r"no global function is called 'tests\.c\.twice'"):
        made["calling"](a)
    tw.register_func("tests.c.twice", lambda x: 2 * x, override=True)
    made["calling"](a)
    assert a.numpy().tolist() == [0, 2, 4, 6]

    def fails(x: int) -> int:
        raise KeyError("not today")

    tw.register_func("tests.c.twice", fails, override=True)
    with pytest.raises(KeyError, match="not today"):
        made["calling"](a)


@needs_compiler
def test_a_library_and_a_source_file_are_exported(tmp_path: Path) -> None:
    made = tw.compile(shifted, target="c")
    library = made.export_library(tmp_path / "m.so")
    a, b = tw.nd.array(np.zeros(8, "float32")), tw.nd.empty((8,), "float32")
    tw.runtime.load_module(library)["shifted"](a, 5, b)
    assert b.numpy().tolist() == [5.0] * 8
    source = made.export_library(tmp_path / "m.c")
    assert Path(source).read_text() == made.inspect_source()
    with pytest.raises(ArgumentError, match=r"not exported as '\.tar'"):
        made.export_library(tmp_path / "m.tar")


@needs_compiler
@pytest.mark.skipif(shutil.which("cc") is None, reason="no cc")
def test_the_source_has_no_warnings(tmp_path: Path) -> None:
    made = tw.compile(shifted, target="c")
    made.export_library(tmp_path / "m.c")
    strict = ["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-unused"]
    command = ["cc", *strict, "-c", str(tmp_path / "m.c"), "-o", str(tmp_path / "m.o")]
    subprocess.run(command, check=True)


@needs_compiler
def test_fcompile_makes_the_library(tmp_path: Path) -> None:
    seen: list[tuple[str, list[str]]] = []
    made = tw.compile(shifted, target="c")
    made.export_library(tmp_path / "m.so", fcompile=lambda path, files: seen.append((path, files)))
    assert seen[0][0] == str(tmp_path / "m.so")
    assert [Path(f).suffix for f in seen[0][1]] == [".c"]


@needs_compiler
def test_a_model_runs_step_by_step() -> None:
    from tilewright.frontend.onnx import from_onnx

    model = convolution_model()
    made = tw.compile(from_onnx(model), target="c")
    found = relax.VirtualMachine(made, tw.cpu())["main"](image()).numpy()
    expected = reference(model, image())[0]
    assert float(np.abs(found - expected).max() / np.abs(expected).max()) < 1e-5
    assert made.mod.imports[0].inspect_source() == made.inspect_source()
    with pytest.raises(ArgumentError, match="graph functions are not exported"):
        made.export_library("model.so")


@needs_compiler
def test_source_that_somebody_wrote_becomes_a_module() -> None:
    code = "int plus_one(int x) { return x + 1; }\n"
    module = _ffi_api.CSourceModuleCreate(code, "c", ["plus_one"], [])
    assert module.inspect_source() == code
    address = module.symbol_address("plus_one")
    assert ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(address or 0)(41) == 42


@needs_compiler
def test_what_was_compiled_before_is_not_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"int answer(void) {{ return {os.getpid()}; }}\n"
    with CACHE.set(str(tmp_path)):
        first = _ffi_api.CSourceModuleCreate(code, "c", ["answer"]).symbol_address("answer")
        monkeypatch.setattr(c_compiler.CCompiler, "run", None)
        again = _ffi_api.CSourceModuleCreate(code, "c", ["answer"]).symbol_address("answer")
    for address in (first, again):
        assert ctypes.CFUNCTYPE(ctypes.c_int)(address or 0)() == os.getpid()


@needs_compiler
def test_the_compilers_words_are_in_the_error() -> None:
    module = _ffi_api.CSourceModuleCreate("int f(void) { return nonsense; }", "c", ["f"], [])
    with pytest.raises(CompilerError, match="could not make") as error:
        module.symbol_address("f")
    assert "nonsense" in str(error.value)
