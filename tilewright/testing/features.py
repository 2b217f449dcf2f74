"""What a test needs of the machine: `requires_cuda`, `requires_llvm`, ...

Each is a decorator, a source of marks for `pytest.param(..., marks=requires_cuda.marks())`, and a
mark that selects tests (`pytest -m cuda`). A feature may stand on others: what needs cuDNN needs
CUDA, and that a GPU.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import warnings
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from tilewright.ffi import get_global_func
from tilewright.runtime import cuda, device, enabled
from tilewright.support.errors import ArgumentError
from tilewright.target.codegen import llvm_cpu_has_features, llvm_version_major

from .targets import can_run, kind_of

F = TypeVar("F", bound=Callable[..., Any])
SUPPORT = ("compile-and-run", "compile-only", "optional")


class Feature:
    """Something that tests need: why it is missing, found out when a test asks for it."""

    all_features: ClassVar[dict[str, Feature]] = {}

    def __init__(
        self,
        name: str,
        long_name: str = "",
        *,
        runs: Callable[[], bool] = lambda: True,
        compiles: Callable[[], bool] = lambda: True,
        parents: str = "",
    ) -> None:
        self.name = name
        self.long_name = long_name or name
        self.parents = parents.split()
        self._runs, self._compiles = runs, compiles
        Feature.all_features[name] = self

    def missing(self, support_required: str = "compile-and-run") -> str:
        """Why tests that need this cannot run here; empty if they can."""
        for parent in self.parents:
            reason = Feature.all_features[parent].missing(support_required)
            if reason:
                return reason
        if support_required == "optional":
            return ""
        if not self._compiles():
            return f"{self.long_name} is not supported by this build"
        if support_required == "compile-and-run" and not self._runs():
            return f"{self.long_name} is not there on this machine"
        return ""

    def marks(self, support_required: str = "compile-and-run") -> list[Any]:
        """The pytest marks of a test that needs this."""
        import pytest

        if support_required not in SUPPORT:
            raise ArgumentError(
                f"unknown degree of support {support_required!r}", hint=f"one of {SUPPORT}"
            )
        names = dict.fromkeys([self.name, *self._ancestors()])
        with warnings.catch_warnings():  # unless the plugin is loaded, pytest does not know them
            warnings.simplefilter("ignore", pytest.PytestUnknownMarkWarning)
            marks = [getattr(pytest.mark, name) for name in names]
        reason = self.missing(support_required)
        return [*marks, pytest.mark.skipif(bool(reason), reason=reason or "-")]

    def _ancestors(self) -> list[str]:
        found = list(self.parents)
        for parent in self.parents:
            found += Feature.all_features[parent]._ancestors()
        return found

    def __call__(self, func: Any = None, *, support_required: str = "compile-and-run") -> Any:
        """`@requires_x`, or `@requires_x(support_required="compile-only")`."""

        def decorate(test: Any) -> Any:
            for mark in self.marks(support_required):
                test = mark(test)
            return test

        return decorate if func is None else decorate(func)

    @classmethod
    def require(cls, name: str, support_required: str = "compile-and-run") -> Any:
        """The decorator of the feature called `name`."""
        return cls.all_features[name](support_required=support_required)


def _exists(kind: str) -> Callable[[], bool]:
    return lambda: enabled(kind) and device(kind).exist


def _made(kind: str) -> Callable[[], bool]:
    return lambda: can_run(kind)


def _has_function(name: str) -> Callable[[], bool]:
    return lambda: get_global_func(name, allow_missing=True) is not None


def _never() -> bool:
    return False


def _any_gpu() -> bool:
    kinds = ("cuda", "rocm", "opencl", "metal", "vulkan")
    return any(_exists(kind)() for kind in kinds)


def _capability() -> tuple[int, int]:
    """The compute capability of the first CUDA device; (0, 0) without one."""
    if not _exists("cuda")():
        return 0, 0
    major, _, minor = str(getattr(cuda(), "compute_version", None) or "0.0").partition(".")
    return int(major), int(minor or 0)


def _is_machine(*names: str) -> Callable[[], bool]:
    return lambda: platform.machine().lower() in names


def _cpu_has(*names: str) -> Callable[[], bool]:
    return lambda: bool(llvm_cpu_has_features(list(names)))


_X86, _ARM = ("x86_64", "amd64", "i386", "i686"), ("aarch64", "arm64", "armv7l", "armv8l")

uses_gpu = Feature("uses_gpu", "a test that may use a GPU")
requires_gpu = Feature("gpu", "a GPU", runs=_any_gpu)
requires_cuda = Feature(
    "cuda", "CUDA", runs=_exists("cuda"), compiles=_made("cuda"), parents="gpu"
)  # fmt: skip
requires_nvptx = Feature(
    "nvptx", "NVPTX", runs=_exists("cuda"), compiles=_made("nvptx"), parents="llvm cuda"
)  # fmt: skip
requires_tensorcore = Feature(
    "tensorcore", "tensor cores", runs=lambda: _capability()[0] >= 7, parents="cuda"
)
requires_cudnn = Feature(
    "cudnn", "cuDNN", compiles=_has_function("tvm.contrib.cudnn.conv2d.forward"), parents="cuda"
)
requires_cublas = Feature(
    "cublas", "cuBLAS", compiles=_has_function("tvm.contrib.cublas.matmul"), parents="cuda"
)
requires_cudagraph = Feature("cudagraph", "CUDA graphs", compiles=_never, parents="cuda")
requires_nccl = Feature("nccl", "NCCL", compiles=_never, parents="cuda")
requires_cutlass = Feature(
    "cutlass", "CUTLASS", compiles=_has_function("relax.ext.cutlass"), parents="cuda"
)
requires_multi_gpu = Feature(
    "multi_gpu", "several GPUs", runs=lambda: enabled("cuda") and cuda(1).exist, parents="gpu"
)
requires_rocm = Feature(
    "rocm", "ROCm", runs=_exists("rocm"), compiles=_made("rocm"), parents="gpu"
)  # fmt: skip
requires_matrixcore = Feature("matrixcore", "AMD matrix cores", compiles=_never, parents="rocm")
requires_hipblas = Feature(
    "hipblas", "hipBLAS", compiles=_has_function("tvm.contrib.hipblas.matmul"), parents="rocm"
)
requires_metal = Feature(
    "metal", "Metal", runs=_exists("metal"), compiles=_made("metal"), parents="gpu"
)
requires_vulkan = Feature(
    "vulkan", "Vulkan", runs=_exists("vulkan"), compiles=_made("vulkan"), parents="gpu"
)
requires_opencl = Feature(
    "opencl", "OpenCL", runs=_exists("opencl"), compiles=_made("opencl"), parents="gpu"
)
requires_openclml = Feature(
    "openclml", "OpenCL ML", compiles=_has_function("relax.ext.openclml"), parents="opencl"
)
requires_webgpu = Feature("webgpu", "WebGPU", compiles=_made("webgpu"), parents="gpu")
requires_hexagon = Feature(
    "hexagon", "Hexagon", runs=_exists("hexagon"), compiles=_made("hexagon"), parents="llvm"
)
requires_nnapi = Feature("nnapi", "NNAPI", compiles=_has_function("relax.ext.nnapi"))
requires_coreml = Feature("coreml", "Core ML", compiles=_has_function("relax.ext.coreml"))
requires_llvm = Feature("llvm", "LLVM", compiles=_made("llvm"))
requires_c = Feature("c_compiler", "a C compiler", compiles=_made("c"))
requires_rpc = Feature(
    "rpc", "RPC", compiles=lambda: importlib.util.find_spec("tilewright.rpc") is not None
)
requires_x86 = Feature("x86", "an x86 processor", runs=_is_machine(*_X86), parents="llvm")
requires_x86_avx512 = Feature(
    "x86_avx512", "AVX-512", runs=_cpu_has("avx512f", "avx512bw", "avx512vl"), parents="x86"
)
requires_x86_vnni = Feature("x86_vnni", "VNNI", runs=_cpu_has("avx512vnni"), parents="x86_avx512")
requires_x86_amx = Feature("x86_amx", "AMX", runs=_cpu_has("amx-int8"), parents="x86")
requires_arm = Feature("arm", "an Arm processor", runs=_is_machine(*_ARM), parents="llvm")
requires_arm_dot = Feature("arm_dot", "dot products", runs=_cpu_has("dotprod"), parents="arm")
requires_arm_fp16 = Feature("arm_fp16", "Arm float16", runs=_cpu_has("fullfp16"), parents="arm")
requires_aarch64_sve = Feature("aarch64_sve", "SVE", runs=_cpu_has("sve"), parents="arm")
requires_aarch64_sme = Feature("aarch64_sme", "SME", runs=_cpu_has("sme"), parents="aarch64_sve")


# ---- with a version ----------------------------------------------------------------------------


def _skip_unless(holds: bool, reason: str, *before: Feature) -> Callable[[F], F]:
    import pytest

    def decorate(test: F) -> F:
        marked: Any = pytest.mark.skipif(not holds, reason=reason)(test)
        for feature in before:
            marked = feature(marked)
        return marked  # type: ignore[no-any-return]

    return decorate


def requires_llvm_minimum_version(major_version: int) -> Callable[[F], F]:
    """LLVM of at least that version."""
    found = llvm_version_major() or 0
    why = f"needs LLVM {major_version}, found {found}"
    return _skip_unless(found >= major_version, why, requires_llvm)


def requires_nvcc_version(
    major_version: int, minor_version: int = 0, release_version: int = 0
) -> Callable[[F], F]:
    """NVIDIA's compiler, of at least that version."""
    del major_version, minor_version, release_version
    return _skip_unless(shutil.which("nvcc") is not None, "needs nvcc", requires_cuda)


def requires_cuda_compute_version(major_version: int, minor_version: int = 0) -> Callable[[F], F]:
    """A CUDA device of at least that compute capability."""
    wanted, found = (major_version, minor_version), _capability()
    why = f"needs compute capability {major_version}.{minor_version}, found {found[0]}.{found[1]}"
    return _skip_unless(found >= wanted, why, requires_cuda)


def is_ampere_or_newer() -> bool:
    """Whether the first CUDA device has compute capability 8.0 or more."""
    return _capability() >= (8, 0)


def requires_package(*packages: str) -> Callable[[F], F]:
    """Python packages that can be imported."""
    lost = [p for p in packages if importlib.util.find_spec(p.partition(".")[0]) is None]
    return _skip_unless(not lost, f"needs the packages {', '.join(lost)}")


def skip_if_32bit(reason: str) -> Callable[[F], F]:
    """Not on machines with 32 bits."""
    return _skip_unless(sys.maxsize > 1 << 32, reason)


def skip_if_wheel_test(func: F) -> F:
    """Nothing to skip: there are no wheels without parts of the package."""
    return func


# ---- of a target -------------------------------------------------------------------------------

REQUIREMENTS = {
    "llvm": "llvm", "c": "c_compiler", "cuda": "cuda", "nvptx": "nvptx", "rocm": "rocm",
    "metal": "metal", "vulkan": "vulkan", "opencl": "opencl", "webgpu": "webgpu",
    "hexagon": "hexagon",
}  # fmt: skip
"""Kind of target -> the feature that it stands for."""


def target_marks(target: Any) -> list[Any]:
    """The pytest marks of a test that runs on `target`."""
    import pytest

    feature = REQUIREMENTS.get(kind_of(target))
    if feature is not None:
        return Feature.all_features[feature].marks()
    reason = f"there is no code generator for {target}"
    return [pytest.mark.skipif(not can_run(target), reason=reason)]


def target_param(target: Any) -> Any:
    """`target` as a value of a parametrised test, skipped where it cannot run."""
    import pytest

    if hasattr(target, "values") and hasattr(target, "marks"):
        return target
    return pytest.param(target, marks=target_marks(target), id=str(target).replace(" ", "_"))
