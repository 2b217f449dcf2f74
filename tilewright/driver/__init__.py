"""From a module to something that runs: `compile`, `build`."""

from .compile import build, build_relax, build_tir, compile
from .executable import CompiledExecutable

__all__ = ["CompiledExecutable", "build", "build_relax", "build_tir", "compile"]
