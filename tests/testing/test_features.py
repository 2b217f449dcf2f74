"""What tests need of a machine: marks, reasons, and which targets run here."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import tilewright as tw
from tilewright import testing
from tilewright.support.c_compiler import find_c_compiler
from tilewright.testing import Feature
from tilewright.testing.targets import chosen_targets

BUILD, MACHINE = "{} is not supported by this build", "{} is not there on this machine"
NO_GPU = "a GPU is not there on this machine"

FEATURES = {
    "uses_gpu": ("uses_gpu", ""),
    "requires_gpu": ("gpu", NO_GPU),
    "requires_cuda": ("cuda gpu", NO_GPU),
    "requires_nvptx": ("nvptx llvm cuda gpu", NO_GPU),
    "requires_tensorcore": ("tensorcore cuda gpu", NO_GPU),
    "requires_cudnn": ("cudnn cuda gpu", NO_GPU),
    "requires_cublas": ("cublas cuda gpu", NO_GPU),
    "requires_cudagraph": ("cudagraph cuda gpu", NO_GPU),
    "requires_nccl": ("nccl cuda gpu", NO_GPU),
    "requires_cutlass": ("cutlass cuda gpu", NO_GPU),
    "requires_multi_gpu": ("multi_gpu gpu", NO_GPU),
    "requires_rocm": ("rocm gpu", NO_GPU),
    "requires_matrixcore": ("matrixcore rocm gpu", NO_GPU),
    "requires_hipblas": ("hipblas rocm gpu", NO_GPU),
    "requires_metal": ("metal gpu", NO_GPU),
    "requires_vulkan": ("vulkan gpu", NO_GPU),
    "requires_opencl": ("opencl gpu", NO_GPU),
    "requires_openclml": ("openclml opencl gpu", NO_GPU),
    "requires_webgpu": ("webgpu gpu", NO_GPU),
    "requires_hexagon": ("hexagon llvm", BUILD.format("Hexagon")),
    "requires_nnapi": ("nnapi", BUILD.format("NNAPI")),
    "requires_coreml": ("coreml", BUILD.format("Core ML")),
    "requires_llvm": ("llvm", ""),
    "requires_c": ("c_compiler", "" if find_c_compiler() else BUILD.format("a C compiler")),
    "requires_rpc": ("rpc", "" if find_spec("tilewright.rpc") else BUILD.format("RPC")),
}  # fmt: skip
"""The marks of a test that needs the feature, and why it does not run without a GPU."""

X86, ARM = "an x86 processor", "an Arm processor"
PROCESSORS = {
    "requires_x86": ("x86 llvm", X86, ()),
    "requires_x86_avx512": ("x86_avx512 x86 llvm", "AVX-512", ("avx512f", "avx512bw", "avx512vl")),
    "requires_x86_vnni": ("x86_vnni x86_avx512 x86 llvm", "VNNI", ("avx512_vnni",)),
    "requires_x86_amx": ("x86_amx x86 llvm", "AMX", ("amx_int8",)),
    "requires_arm": ("arm llvm", ARM, ()),
    "requires_arm_dot": ("arm_dot arm llvm", "dot products", ()),
    "requires_arm_fp16": ("arm_fp16 arm llvm", "Arm float16", ()),
    "requires_aarch64_sve": ("aarch64_sve arm llvm", "SVE", ()),
    "requires_aarch64_sme": ("aarch64_sme aarch64_sve arm llvm", "SME", ()),
}
"""The marks, the name, and the words of /proc/cpuinfo that stand for it on x86."""


def marks_of(feature: Feature, support: str = "compile-and-run") -> tuple[str, str]:
    """The names of the marks, and the reason to skip; empty without one."""
    *named, skip = feature.marks(support)
    reason = skip.mark.kwargs["reason"]
    assert skip.mark.name == "skipif" and skip.mark.args == (reason != "-",)
    return " ".join(m.mark.name for m in named), "" if reason == "-" else reason


@pytest.mark.parametrize("name", FEATURES)
def test_marks_and_reasons(name: str) -> None:
    marks, reason = FEATURES[name]
    feature = getattr(testing, name)
    found, why = marks_of(feature)
    assert found == marks
    if not testing.requires_gpu.missing():
        pytest.skip("reasons are those of a machine without a GPU")
    assert why == reason == feature.missing()
    assert marks_of(feature, "optional") == (marks, "")


@pytest.mark.parametrize("name", PROCESSORS)
def test_processors(name: str) -> None:
    marks, long_name, words = PROCESSORS[name]
    feature = getattr(testing, name)
    found, why = marks_of(feature)
    assert found == marks
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    if not is_x86 or not Path("/proc/cpuinfo").exists():
        pytest.skip("what is expected is written down for x86 on Linux")
    if "arm" in marks:
        assert why == MACHINE.format(ARM)
        return
    flags = Path("/proc/cpuinfo").read_text().split()
    if "x86_avx512" in marks and "avx512f" not in flags:
        long_name = "AVX-512"
    assert why == ("" if set(words) <= set(flags) else MACHINE.format(long_name))


def test_the_tables_name_every_feature() -> None:
    public = {name for name in dir(testing) if isinstance(getattr(testing, name), Feature)}
    assert public == {*FEATURES, *PROCESSORS}
    assert set(Feature.all_features.values()) == {getattr(testing, name) for name in public}


def test_a_feature_decorates_a_test() -> None:
    @testing.requires_nnapi
    def plain() -> None: ...

    @testing.requires_nnapi(support_required="optional")
    def optional() -> None: ...

    @Feature.require("nnapi")
    def named() -> None: ...

    for test, skips in ((plain, True), (optional, False), (named, True)):
        marks: Any = test.pytestmark  # type: ignore[attr-defined]
        assert [m.name for m in marks] == ["nnapi", "skipif"]
        assert marks[1].args == (skips,)


def skipped(test: Any) -> list[str]:
    """The reasons for which the test is skipped."""
    return [m.kwargs["reason"] for m in test.pytestmark if m.name == "skipif" and m.args[0]]


def test_versions_and_packages() -> None:
    def test() -> None: ...

    newest = testing.requires_cuda_compute_version(99, 1)(test)
    major, minor = testing.features._capability()
    why = f"needs compute capability 99.1, found {major}.{minor}"
    assert why in skipped(newest)
    assert [m.name for m in newest.pytestmark[:1]] == ["skipif"]
    assert {"cuda", "gpu"} <= {m.name for m in newest.pytestmark}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("decorator", "reasons"),
    [
        (lambda: testing.requires_package("numpy", "tilewright.tir"), []),
        (lambda: testing.requires_package("numpy", "no_such", "nor.this"),
         ["needs the packages no_such, nor.this"]),
        (lambda: testing.skip_if_32bit(reason="too small"),
         [] if sys.maxsize > 1 << 32 else ["too small"]),
        (lambda: testing.requires_llvm_minimum_version(1), []),
    ],
    ids=["there", "lost", "64 bits", "llvm"],
)  # fmt: skip
def test_needs_that_are_told(decorator: Any, reasons: list[str]) -> None:
    def test() -> None: ...

    assert skipped(decorator()(test)) == reasons


def test_nothing_is_left_out_of_wheels() -> None:
    def test() -> None: ...

    assert testing.skip_if_wheel_test(test) is test and not hasattr(test, "pytestmark")


def test_the_compiler_of_nvidia_needs_cuda_too() -> None:
    @testing.requires_nvcc_version(11, 4)
    def test() -> None: ...

    assert {"cuda", "gpu"} <= {m.name for m in test.pytestmark}  # type: ignore[attr-defined]


def test_ampere_is_a_device_of_capability_8() -> None:
    version = tw.cuda().compute_version if tw.cuda().exist else "0.0"
    assert testing.is_ampere_or_newer() == (int(version.split(".")[0]) >= 8)


def test_which_targets_run_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TVM_TEST_TARGETS", raising=False)
    assert chosen_targets() == testing.DEFAULT_TEST_TARGETS
    assert testing.device_enabled("llvm") and testing.device_enabled("llvm -mcpu=generic")
    assert testing.device_enabled(tw.target.Target("llvm"))
    assert testing.device_enabled("c") == (find_c_compiler() is not None)
    assert not testing.device_enabled("hexagon")
    assert ("llvm", tw.cpu()) in testing.enabled_targets()
    assert all(testing.device_enabled(target) for target, _ in testing.enabled_targets())


def test_targets_are_asked_for_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TVM_TEST_TARGETS", "llvm -mcpu=generic; hexagon ;; llvm -mcpu=generic")
    assert chosen_targets() == ["llvm -mcpu=generic", "hexagon"]
    assert testing.enabled_targets() == [("llvm -mcpu=generic", tw.cpu())]
    monkeypatch.setenv("TVM_TEST_TARGETS", "hexagon")
    assert not testing.device_enabled("llvm") and testing.enabled_targets() == []


def test_a_device_is_given_back() -> None:
    assert testing.device_test(tw.cpu(0)) == tw.cpu(0)
