"""Questions about LLVM: its version, its intrinsics, the processors that it generates code for."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache

from tilewright.support.errors import ArgumentError

from .cpus import ALIASES, CPUS, GENERIC
from .host import host_cpu, host_triple
from .machine import MachineModel
from .target import Target, TargetLike

_INTRINSICS: dict[int, str] = {}


def llvm_version_major(allow_none: bool = False) -> int | None:
    """The major version of the LLVM in use."""
    import llvmlite.binding as llvm

    return int(llvm.llvm_version_info[0])


def llvm_lookup_intrinsic_id(name: str) -> int:
    """A number that stands for LLVM's intrinsic `name` in TensorIR calls; 0 if it is none.

    Names of one processor family (`llvm.x86...`) and experimental ones come and go with releases of
    LLVM, which also knows some of the past: they are looked at when code is generated.
    """
    if not _is_intrinsic(name):
        return 0
    number = zlib.crc32(name.encode())
    _INTRINSICS[number] = name
    return number


_NAME = re.compile(r"llvm(\.\w+)+")
_FAMILIES = frozenset((
    "aarch64", "amdgcn", "arm", "bpf", "dbg", "dx", "experimental", "hexagon", "loongarch", "mips",
    "nvvm", "ppc", "r600", "riscv", "s390", "spv", "ve", "wasm", "x86", "xcore",
))  # fmt: skip
_CALL = """define void @f() {{
  call void @"{name}"(i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0)
  ret void
}}"""


@cache
def _is_intrinsic(name: str) -> bool:
    """LLVM's parser tells: its complaint of a call of no intrinsic is another than of a call with
    the wrong arguments."""
    if not _NAME.fullmatch(name):
        return False
    if name.split(".")[1] in _FAMILIES:
        return True
    import llvmlite.binding as llvm

    try:
        llvm.parse_assembly(_CALL.format(name=name), llvm.create_context())
    except RuntimeError as error:
        return "unknown intrinsic" not in str(error)
    return True


def known_intrinsics() -> Mapping[int, str]:
    """The names of the intrinsics that have been looked up, by their numbers."""
    return _INTRINSICS


def llvm_get_intrinsic_name(intrin_id: int) -> str:
    """The name of the intrinsic that `llvm_lookup_intrinsic_id` gave this number."""
    if intrin_id not in _INTRINSICS:
        raise ArgumentError(f"no LLVM intrinsic has number {intrin_id}")
    return _INTRINSICS[intrin_id]


def llvm_get_system_cpu() -> str:
    """LLVM's name of this machine's processor."""
    return host_cpu()


def llvm_get_system_triple() -> str:
    """LLVM's triple of this machine."""
    return host_triple()


def llvm_get_system_x86_vendor() -> str:
    """`intel`, `amd`, or `other`."""
    if host_cpu().startswith(("znver", "bdver", "btver", "athlon", "opteron")):
        return "amd"
    return "intel" if _model(None).arch == "x86_64" else "other"


def llvm_get_targets() -> list[str]:
    """The architectures that code can be generated for."""
    return sorted(GENERIC)


def llvm_get_cpu_archlist(target: TargetLike | None = None) -> list[str]:
    """The processors of the target's architecture of which there is a machine model."""
    arch = _model(target).arch
    names = [*CPUS, *(alias for alias, name in ALIASES.items() if CPUS[name].arch == arch)]
    return sorted(n for n in names if n not in CPUS or CPUS[n].arch == arch)


def llvm_get_cpu_features(target: TargetLike | None = None) -> list[str]:
    """LLVM's features of the target's processor."""
    return sorted(_model(target).features)


def llvm_cpu_has_features(features: str | Sequence[str], target: TargetLike | None = None) -> bool:
    """Whether the target's processor has all of `features`."""
    return _model(target).has(*([features] if isinstance(features, str) else features))


target_has_features = llvm_cpu_has_features


def llvm_get_vector_width(target: TargetLike | None = None) -> int:
    """The bits of a vector register of the target's processor."""
    return _model(target).vector_bits


def _model(target: TargetLike | None) -> MachineModel:
    found = Target.current() if target is None else Target(target)
    return MachineModel.of(Target("llvm") if found is None else found)
