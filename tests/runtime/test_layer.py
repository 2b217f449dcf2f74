"""The runtime ships alone: it loads without the compiler and what the compiler needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPILER = ("llvmlite", "onnx", "torch", "tilewright.ir", "tilewright.tir", "tilewright.relax")


def test_importing_the_runtime_loads_no_compiler() -> None:
    code = f"import sys, tilewright.runtime; print([m for m in {COMPILER!r} if m in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
