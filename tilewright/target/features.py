"""What a target's processor can do, asked by name."""

from __future__ import annotations

from collections.abc import Mapping

from .kind import Value
from .machine import model_of

_ARM = {
    "has_asimd": "neon",
    "has_sve": "sve",
    "has_sme": "sme",
    "has_dotprod": "dotprod",
    "has_matmul_i8": "i8mm",
    "has_fp16_simd": "fullfp16",
    "has_dsp": "dsp",
    "has_mve": "mve",
}


class TargetFeatures:
    """Questions about a processor: `is_aarch64`, `has_sve`, ..., or `has_<LLVM's feature>`.

    A question that does not apply, such as `has_sve` of x86-64, is answered with False.
    """

    def __init__(self, kind: str, attrs: Mapping[str, Value]) -> None:
        self._attrs = attrs
        self._is_cpu = kind in ("llvm", "c")
        self._known: frozenset[str] | None = None

    def _features(self) -> frozenset[str]:
        if self._known is None:
            self._known = model_of(self._attrs).features if self._is_cpu else frozenset()
        return self._known

    def __getattr__(self, name: str) -> bool | None:
        if name == "is_aarch64":
            return self._is_cpu and model_of(self._attrs).arch == "aarch64"
        if not name.startswith("has_"):
            return None
        feature = _ARM.get(name, name.removeprefix("has_"))
        return feature in self._features() or feature.replace("_", ".") in self._features()
