"""Exported files: loaded by name alone, refused when cut off, changed or of another kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tilewright as tw
from tilewright import relax
from tilewright.codegen.llvm.link import LinkError
from tilewright.frontend.onnx import from_onnx
from tilewright.runtime.elf import cut_off
from tilewright.support.errors import ArgumentError

from .models import scaled_softplus

LOAD = """
import sys
import tilewright as tw
assert not any(name.startswith("tilewright.codegen") for name in sys.modules)
vm = tw.relax.VirtualMachine(tw.runtime.load_module(sys.argv[1]), tw.cpu())
import numpy as np
print(vm["main"](np.zeros((2, 12), "float32")).numpy().sum())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`m.so`, `m.tw` and `m.tar`: one model."""
    path = tmp_path_factory.mktemp("files")
    made = tw.compile(from_onnx(scaled_softplus("n")), "llvm")
    for suffix in ("so", "tw", "tar"):
        made.export_library(path / f"m.{suffix}")
    return path


@pytest.mark.parametrize("suffix", ["so", "tw", "tar"])
def test_a_file_loads_in_a_fresh_process_by_its_bare_name(folder: Path, suffix: str) -> None:
    root = str(Path(tw.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{LOAD}", f"m.{suffix}"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert abs(float(done.stdout) - 24 * np.log(2)) < 1e-4


@pytest.mark.parametrize("name", ["m.dll", "m.dylib"])
def test_an_elf_library_does_not_pretend_to_be_another_kind(tmp_path: Path, name: str) -> None:
    made = tw.compile(from_onnx(scaled_softplus("n")), "llvm -mtriple=x86_64-unknown-linux-gnu")
    with pytest.raises(LinkError, match=r"is an ELF file(.|\n)*ends in `\.so`"):
        made.export_library(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["so", "tw"])
@pytest.mark.parametrize("part", [0, 0.001, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_files_that_were_cut_off_are_refused(
    folder: Path, tmp_path: Path, suffix: str, part: float
) -> None:
    data = (folder / f"m.{suffix}").read_bytes()
    if suffix == "tw":
        data = data.rstrip(b"\0")  # an archive ends in padding, which says nothing
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ArgumentError, match=rf"cut\.{suffix}"):
        tw.runtime.load_module(cut)
    vm = relax.VirtualMachine(tw.runtime.load_module(folder / f"m.{suffix}"), tw.cpu())
    assert vm["main"](np.zeros((1, 12), "float32")).numpy().shape == (1, 12)


def test_a_whole_library_lacks_nothing(folder: Path, tmp_path: Path) -> None:
    assert cut_off(folder / "m.so") is None
    data = (folder / "m.so").read_bytes()
    for length in (3, 63, 64, 500, len(data) - 1):
        (tmp_path / "x").write_bytes(data[:length])
        assert (cut_off(tmp_path / "x") is None) == (length == 3)  # not even the kind is known


def test_an_archive_with_one_changed_bit_is_refused(folder: Path, tmp_path: Path) -> None:
    data = (folder / "m.tw").read_bytes()
    rng = np.random.default_rng(0)
    used = len(data.rstrip(b"\0"))
    for position in rng.integers(512, used, 40):
        changed = bytearray(data)
        changed[position] ^= 1 << int(rng.integers(8))
        (tmp_path / "m.tw").write_bytes(changed)
        try:
            loaded = tw.runtime.load_module(tmp_path / "m.tw")
        except ArgumentError:
            continue
        vm = relax.VirtualMachine(loaded, tw.cpu())  # the bit was padding of a header
        np.testing.assert_allclose(
            vm["main"](np.zeros((1, 12), "float32")).numpy(), np.full((1, 12), np.log(2)), rtol=1e-6
        )


@pytest.mark.parametrize("name", ["m.so", "m.tw", "m.twx", "m.onnx"])
def test_files_of_other_kinds_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something else\n" * 100)
    with pytest.raises(ArgumentError, match=name.replace(".", r"\.")):
        tw.runtime.load_module(tmp_path / name)
    with pytest.raises(ArgumentError, match="no such file"):
        tw.runtime.load_module(tmp_path / f"not-{name}")


def test_code_of_another_machine_is_refused(tmp_path: Path) -> None:
    other = "llvm -mtriple=aarch64-linux-gnu"
    if sys.platform != "linux":
        pytest.skip("made for Linux")
    made = tw.compile(from_onnx(scaled_softplus("n")), other)
    path = made.export_library(tmp_path / "m.tw")
    with pytest.raises(ArgumentError, match="was compiled for aarch64"):
        tw.runtime.load_module(path)
