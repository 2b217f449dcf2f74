"""`import tilewright` is quick and pulls in nothing heavy, torch least of all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "onnxruntime", "openvino", "ray", "xgboost", "transformers")
FAKE_TORCH = """
import sys
print("torch was imported")
class Tensor:
    {attribute}
class _Never:
    @staticmethod
    def is_available(): return False
cuda = _Never
class dtype: pass
int8 = short = int16 = int32 = int = int64 = long = uint8 = float16 = half = float32 = dtype()
float = float64 = double = bfloat16 = bool = dtype()
"""


def run(code: str, path: Path | None = None) -> str:
    """What a fresh process prints that runs `code` with `path` in front of its modules."""
    search = [str(path)] if path else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*search, str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def fake_torch(tmp_path: Path) -> Path:
    package = tmp_path / "torch"
    package.mkdir()
    attribute = "__dlpack_c_exchange_api__ = None"
    (package / "__init__.py").write_text(FAKE_TORCH.format(attribute=attribute))
    (package / "version.py").write_text("")
    return tmp_path


def test_import_pulls_in_nothing_heavy() -> None:
    code = f"""
import sys
import tilewright as tw
for name in ("ffi", "runtime", "target", "script", "ir", "tir", "te", "topi", "relax"):
    getattr(tw, name)
print([m for m in {HEAVY!r} if m in sys.modules])
"""
    assert run(code) == "[]"


def test_targets_load_llvm_only_when_asked_about_the_host() -> None:
    code = (
        "import sys, tilewright.target as t; t.Target('llvm -mcpu=znver4'); "
        "print('llvmlite' in sys.modules); t.Target('native'); print('llvmlite' in sys.modules)"
    )
    assert run(code).split() == ["False", "True"]


def test_import_takes_less_than_three_tenths_of_a_second() -> None:
    code = (
        "import time; start = time.process_time(); import tilewright, tilewright.ffi; "
        "print(time.process_time() - start)"
    )
    assert min(float(run(code)) for _ in range(3)) < 0.3


def test_ffi_leaves_an_installed_torch_alone(fake_torch: Path) -> None:
    code = "import tilewright.ffi, sys; print('torch' in sys.modules)"
    assert run(code, fake_torch) == "False"


def test_tvm_ffi_alone_would_import_torch(fake_torch: Path) -> None:
    """The reason for `tilewright.ffi._load`; once this fails, that module can go."""
    assert "torch was imported" in run("import tvm_ffi", fake_torch)


def test_torch_can_be_imported_afterwards(fake_torch: Path) -> None:
    code = "import tilewright.ffi, sys, torch; print(len(sys.meta_path))"
    before = "import tilewright, sys; print(len(sys.meta_path))"
    assert run(code, fake_torch).splitlines() == ["torch was imported", run(before)]


def test_torch_imported_before_stays(fake_torch: Path) -> None:
    code = "import torch, tilewright.ffi._load as f; print(f.core.torch is torch)"
    assert run(code, fake_torch).splitlines() == ["torch was imported", "True"]


def test_no_extension_is_compiled_for_an_old_torch(fake_torch: Path) -> None:
    (fake_torch / "torch" / "__init__.py").write_text(FAKE_TORCH.format(attribute="pass"))
    code = (
        "import torch, subprocess; subprocess.run = None; import tilewright.ffi, os; "
        "print('TVM_FFI_DISABLE_TORCH_C_DLPACK' in os.environ)"
    )
    assert run(code, fake_torch).splitlines() == ["torch was imported", "False"]
