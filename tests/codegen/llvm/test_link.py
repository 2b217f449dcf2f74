"""Exported libraries and archives: what they hold, where they run, how they are linked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.llvm.kernels import executable, function, kernel_objects
from tilewright.codegen.llvm import linkers
from tilewright.codegen.llvm.compile import Machine, compile_module, host_machine
from tilewright.codegen.llvm.elf import read_symbols
from tilewright.codegen.llvm.link import LinkError, export_library
from tilewright.codegen.llvm.linkers import Linker, find_linker
from tilewright.codegen.llvm.native_module import compile_executable
from tilewright.runtime import load_module
from tilewright.runtime.executable import (
    AllocStorage,
    AllocTensor,
    BindDim,
    CallKernel,
    CheckTensor,
    Const,
    DimOp,
    Executable,
    Imm,
    Instruction,
    NewTensor,
    Reg,
    Ret,
    Slot,
)
from tilewright.runtime.ndarray import tensor
from tilewright.runtime.vm.machine import VirtualMachine
from tilewright.support.errors import ArgumentError

N = Slot(0)
ROOT = Path(__file__).parents[3]


def model(size: int = 400) -> Executable:
    """x * 10 + weights, for up to size / 4 rows."""
    elements = DimOp("mul", N, 4)
    code: list[Instruction] = [
        CheckTensor(Reg(0), "float32", 2, (BindDim(N), 4), "x"),
        AllocStorage(1, DimOp("mul", N, 16)), AllocTensor(2, 1, 0, (N, 4), "float32"),
        CallKernel("scale", (Reg(0), Reg(2)), (elements, Imm(10.0)), ("int32", "float32")),
        NewTensor(3, (N, 4), "float32"),
        CallKernel("add", (Reg(2), Const(0), Reg(3)), (elements,)), Ret(Reg(3)),
    ]  # fmt: skip
    weights = tensor(np.arange(size, dtype=np.float32))
    others = (tensor(np.zeros((0, 3), np.int8)), tensor(np.array(5, np.int64)))
    return executable(function("x", code, slots=("n",)), constants=(weights, *others))


EXPECTED = np.arange(8, dtype=np.float32).reshape(2, 4) * 11


def rows() -> np.ndarray:
    return np.arange(8, dtype=np.float32).reshape(2, 4)


def exported(path: Path) -> Path:
    return export_library(path, model(), kernel_objects())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return exported(tmp_path_factory.mktemp("library") / "model.so")
    except LinkError as error:
        pytest.skip(str(error))


def run(code: str, *args: object) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", code, *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, cwd="/", env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


PLAIN = """
import sys, numpy, tvm_ffi
module = tvm_ffi.load_module(sys.argv[1])
x = numpy.arange(8, dtype="float32").reshape(2, 4)
print(numpy.from_dlpack(module["main"](x)).tolist())
print(module["tilewright_constant"](-1), numpy.from_dlpack(module["tilewright_constant"](2)))
try: module["main"](x[0])
except RuntimeError as error: print(error)
assert not any(name.startswith("tilewright") for name in sys.modules)
"""


def test_a_library_runs_without_tilewright(library: Path) -> None:
    lines = run(PLAIN, library).splitlines()
    assert lines[0] == str(EXPECTED.tolist())
    assert lines[1] == "3 5"
    assert lines[2] == (
        "main: x: expected a float32 tensor of shape (n, 4), found a float32 tensor of shape (4,)"
    )


@pytest.mark.parametrize("executor", ["native", "interpreter"])
def test_a_library_gives_the_executable_back(library: Path, executor: str) -> None:
    machine = VirtualMachine(load_module(library), executor=executor)
    assert np.array_equal(machine["main"](rows()).numpy(), EXPECTED)
    with pytest.raises(ArgumentError, match=r"main: x: expected .* found a float32 tensor"):
        machine["main"](rows()[0])


def test_an_archive_needs_no_linker(tmp_path: Path) -> None:
    path = exported(tmp_path / "model.tw")
    for executor in ("native", "interpreter"):
        machine = VirtualMachine(load_module(path), executor=executor)
        assert np.array_equal(machine["main"](rows()).numpy(), EXPECTED)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ArgumentError, match="no archive of tilewright"):
        load_module(path)


def test_an_archive_for_another_machine_is_refused(tmp_path: Path) -> None:
    other = "aarch64" if sys.platform != "linux" or os.uname().machine == "x86_64" else "x86_64"
    machine = Machine(f"{other}-unknown-linux-gnu")
    kernels = [compile_module("define void @add() { ret void }", machine)]
    path = export_library(tmp_path / "other.tw", model(), kernels, machine)
    with pytest.raises(ArgumentError, match=f"compiled for {other}"):
        load_module(path)


LINKERS: dict[str, Callable[[], Linker | None]] = {
    "cc": lambda: _tool("cc", True),
    "gcc": lambda: _tool("gcc", True),
    "clang": lambda: _tool("clang", True),
    "ld": lambda: _tool("ld", False),
    "ld.lld": lambda: _tool("ld.lld", False),
}


def _tool(name: str, driver: bool) -> Linker | None:
    path = shutil.which(name)
    return None if path is None else Linker((path,), driver)


@pytest.mark.parametrize("name", LINKERS)
def test_every_linker_makes_a_library_that_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linker = LINKERS[name]()
    if linker is None:
        pytest.skip(f"no {name}")
    monkeypatch.setattr("tilewright.codegen.llvm.link.find_linker", lambda machine: linker)
    assert run(PLAIN, exported(tmp_path / "model.so")).startswith(str(EXPECTED.tolist()))


def test_cc_is_asked_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "my-cc"
    tool.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    tool.chmod(0o755)
    monkeypatch.setenv("CC", f"{tool} -m64")
    assert find_linker(host_machine()).command == (str(tool), "-m64")
    with pytest.raises(LinkError, match=r"my-cc could not make .*\n.*broken"):
        exported(tmp_path / "model.so")
    assert [path.name for path in tmp_path.iterdir()] == ["my-cc"]


def test_without_a_linker_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkers, "_CANDIDATES", ())
    with pytest.raises(LinkError, match=r"(?s)no linker for .*pip install ziglang.*`\.tw`"):
        find_linker(host_machine())


def test_a_kernel_that_is_missing_is_named(library: Path, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"(?s)could not make .*undefined.*add"):
        export_library(tmp_path / "model.so", model(), [])


SHARED = """
import sys, numpy, tvm_ffi, os
x = numpy.arange(8, dtype="float32").reshape(2, 4)
first = tvm_ffi.load_module(sys.argv[1])
tvm_ffi.get_global_func("tilewright.set_num_threads")(3)
second = tvm_ffi.load_module(sys.argv[2])
print(tvm_ffi.get_global_func("tilewright.num_threads")())
from tilewright.codegen.llvm import jit
print(jit.num_threads())
jit.set_num_threads(2)
print(tvm_ffi.get_global_func("tilewright.num_threads")())
assert (numpy.from_dlpack(second["main"](x)) == numpy.from_dlpack(first["main"](x))).all()
"""


def test_all_libraries_and_the_jit_share_one_pool(library: Path, tmp_path: Path) -> None:
    second = exported(tmp_path / "second.so")
    assert run(SHARED, library, second).split() == ["3", "3", "2"]


UNLOAD = """
import sys, gc, numpy, tvm_ffi
x = numpy.arange(8, dtype="float32").reshape(2, 4)
for _ in range(3):
    module = tvm_ffi.load_module(sys.argv[1], keep_module_alive=False)
    result, weight = module["main"](x), module["tilewright_constant"](0)
    del module
    gc.collect()
    print(numpy.from_dlpack(result).tolist(), numpy.from_dlpack(weight)[7])
    del result, weight
"""


def test_results_and_weights_outlive_the_module(library: Path) -> None:
    assert run(UNLOAD, library).splitlines() == [f"{EXPECTED.tolist()} 7.0"] * 3


def test_only_functions_and_kernels_are_visible(library: Path) -> None:
    if shutil.which("nm") is None:
        pytest.skip("no nm")
    listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True)
    assert {line.split()[-1] for line in listed.stdout.splitlines()} == {
        "__tvm_ffi_main", "__tvm_ffi_tilewright_executable", "__tvm_ffi_tilewright_constant",
        "add", "scale", "positive", "fail",
    }  # fmt: skip


def test_weights_cost_no_memory_until_they_are_read(tmp_path: Path) -> None:
    try:
        path = export_library(tmp_path / "big.so", model(16 << 20), kernel_objects())
    except LinkError as error:
        pytest.skip(str(error))
    code = PLAIN + (
        "\nkilobytes = int(open('/proc/self/statm').read().split()[1]) * 4\n"
        "print(kilobytes < 64 * 1024 + int(sys.argv[2]))"
    )
    base = run("import numpy, tvm_ffi\nprint(int(open('/proc/self/statm').read().split()[1]) * 4)")
    assert run(code, path, int(base)).splitlines()[-1] == "True"


def test_a_cpp_program_runs_the_library(library: Path, tmp_path: Path) -> None:
    if shutil.which("g++") is None or shutil.which("make") is None:
        pytest.skip("no C++ compiler")
    for name in ("main.cc", "Makefile"):
        shutil.copy(ROOT / "examples" / "cpp_deploy" / name, tmp_path)
    subprocess.run(
        ["make", f"PYTHON={sys.executable}", "CXX=g++ -O0"], cwd=tmp_path, check=True,
        capture_output=True,
    )  # fmt: skip
    good = subprocess.run(
        [tmp_path / "run", library, "2x4"], capture_output=True, text=True, check=True
    )
    assert good.stdout == "(2,4,) 0 11 22 33 44 55 66 77\n"
    bad = subprocess.run([tmp_path / "run", library, "2x5"], capture_output=True, text=True)
    assert bad.returncode == 1
    assert bad.stderr.startswith("ArgumentError: main: x: expected a float32 tensor of shape (n,")
    for shape, message in (
        ("abc", "a shape is written like 1x3x224x224, found `abc`"),
        ("2x-4", "a shape is written like 1x3x224x224, found `2x-4`"),
        ("999999999999x7", "the shape `999999999999x7` is too large"),
    ):
        wrong = subprocess.run([tmp_path / "run", library, shape], capture_output=True, text=True)
        assert (wrong.returncode, wrong.stderr) == (1, f"ValueError: {message}\n")


@pytest.mark.parametrize("architecture", ["aarch64", "riscv64", "x86_64"])
def test_objects_for_other_machines(architecture: str, tmp_path: Path) -> None:
    features = "+m,+a,+f,+d,+c" if architecture == "riscv64" else ""
    machine = Machine(f"{architecture}-unknown-linux-gnu", features=features)
    data = compile_executable(model(), [], machine)
    assert "__tvm_ffi_main" in read_symbols(data).defined


def test_only_paths_that_load_again_are_written(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"ends in '\.bin'\n  hint: known are \.so"):
        export_library(tmp_path / "m.bin", model())
    with pytest.raises(ArgumentError, match="there is no folder"):
        export_library(tmp_path / "none" / "a.so", model())
    with pytest.raises(ArgumentError, match="it is a folder"):
        export_library(tmp_path, model())
    assert not list(tmp_path.iterdir())
