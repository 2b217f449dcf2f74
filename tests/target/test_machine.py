"""Machine models: figures by processor, and those of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilewright.support.errors import ArgumentError
from tilewright.target import MachineModel, Target, codegen, host
from tilewright.target.cpus import ALIASES, CPUS, GENERIC, KIB, MIB


def model(text: str) -> MachineModel:
    return MachineModel.of(Target(text))


@pytest.mark.parametrize(
    ("text", "bits", "registers", "flops"),
    [
        ("llvm -mcpu=x86-64 -mtriple=x86_64-linux-gnu", 128, 16, 4),
        ("llvm -mcpu=x86-64-v3 -mtriple=x86_64-linux-gnu", 256, 16, 32),
        ("llvm -mcpu=x86-64-v4 -mtriple=x86_64-linux-gnu", 512, 32, 64),
        ("llvm -mcpu=znver4 -mtriple=x86_64-linux-gnu", 512, 32, 32),
        ("llvm -mcpu=sapphirerapids -mtriple=x86_64-linux-gnu", 512, 32, 64),
        ("llvm -mtriple=x86_64-linux-gnu", 128, 16, 4),
        ("llvm -mtriple=x86_64-linux-gnu -mattr=+avx512vnni", 512, 32, 32),
        ("llvm -mcpu=skylake-avx512 -mattr=-avx512f", 256, 16, 32),
        ("llvm -mcpu=haswell -mattr=-avx", 128, 16, 4),
        ("llvm -mcpu=haswell -mattr=-fma", 256, 16, 16),
        ("llvm -mtriple=aarch64-linux-gnu", 128, 32, 16),
        ("llvm -mcpu=cortex-a72 -mtriple=aarch64-linux-gnu", 128, 32, 8),
        ("llvm -mcpu=apple-m3 -mtriple=arm64-apple-macos", 128, 32, 32),
        ("llvm -mtriple=riscv64-linux-gnu", 64, 32, 4),
        ("llvm -mtriple=riscv64-linux-gnu -mattr=+v", 128, 32, 8),
        ("llvm -mtriple=riscv64-linux-gnu -mattr=+v,+zvl256b", 256, 32, 16),
        ("llvm -mtriple=wasm32-unknown-unknown -mattr=+simd128", 128, 16, 4),
        ("llvm -mcpu=znver3 -vector-width=128 -mtriple=x86_64-linux-gnu", 128, 16, 16),
        ("cuda -arch=sm_90", None, None, None),
    ],
)
def test_vector_units(text: str, bits: int | None, registers: int, flops: int) -> None:
    if bits is None:
        with pytest.raises(ArgumentError, match="has no processor"):
            model(text)
        return
    found = model(text)
    assert (found.vector_bits, found.vector_registers) == (bits, registers)
    assert found.flops_per_cycle() == flops


def test_lanes() -> None:
    found = model("llvm -mcpu=znver4")
    assert [found.lanes(d) for d in ("float64", "float32", "bfloat16", "int8", "bool")] == [
        8, 16, 32, 64, 64,
    ]  # fmt: skip
    assert found.flops_per_cycle("float64") == 16


def test_caches_and_cores_of_a_named_processor() -> None:
    found = model("llvm -mcpu=znver4 -num-cores=7 -mtriple=x86_64-linux-gnu")
    assert (found.l1d.size, found.l1d.ways, found.l1d.line) == (32 * KIB, 8, 64)
    assert (found.l2.size, found.l3.size) == (1 * MIB, 32 * MIB)
    assert found.cores == 7
    assert model("llvm -mcpu=apple-m1 -mtriple=arm64-apple-macos").l1d.line == 128


def test_features() -> None:
    assert model("llvm -mcpu=znver4").has("avx512bf16", "avx512vnni", "fma")
    assert not model("llvm -mcpu=skylake").has("avx512f")
    lacking = model("llvm -mcpu=znver4 -mattr=-avx512vnni")
    assert lacking.has("avx512f") and not lacking.has("avx512vnni")
    assert lacking.llvm_features.endswith("-avx512vnni")
    assert model("llvm -mcpu=skylake -mattr=avx512bw").has("avx512f")


def test_this_machine() -> None:
    found = model("llvm")
    assert found.cpu == host.host_cpu()
    assert found.cores == host.host_cores() >= 1
    assert found.vector_bits >= 64
    assert 4 * KIB <= found.l1d.size <= found.l2.size
    assert found.vector_bits == model("native").vector_bits
    has = host.host_features()
    if found.arch == "x86_64":
        assert (found.vector_bits == 512) == has["avx512f"]
        assert found.has("fma") == has["fma"]
        assert ("+" if has["avx2"] else "-") + "avx2" in found.llvm_features.split(",")


def test_a_gpu_uses_its_hosts_processor() -> None:
    assert MachineModel.of(Target("cuda", host="llvm -mcpu=znver3")).cpu == "znver3"


def test_an_unknown_architecture_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="no machine model for the architecture"):
        model("llvm -mtriple=pdp11-dec-unix")


def test_caches_are_read_from_the_system(tmp_path: Path) -> None:
    rows = [(1, "Data", "48K", 12), (1, "Instruction", "32K", 8), (2, "Unified", "2M", 16)]
    for number, (level, kind, size, ways) in enumerate(rows):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        for name, value in (
            ("level", level),
            ("type", kind),
            ("size", size),
            ("ways_of_associativity", ways),
            ("coherency_line_size", 64),
        ):
            (folder / name).write_text(f"{value}\n")
    (tmp_path / "index9").mkdir()
    assert host.host_caches(tmp_path) == {1: (48 * KIB, 12, 64), 2: (2 * MIB, 16, 64)}
    assert host.host_caches(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("text", "cores"), [("150000 100000", 2), ("10000 100000", 1), ("max 100000", None)]
)
def test_cores_are_cut_to_the_quota(tmp_path: Path, text: str, cores: int | None) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(text)
    all_cores = host.host_cores(tmp_path / "none")
    assert host.host_cores(quota) == (all_cores if cores is None else min(cores, all_cores))


def test_the_tables_refer_to_each_other() -> None:
    assert set(ALIASES.values()) | set(GENERIC.values()) <= set(CPUS)
    assert not set(ALIASES) & set(CPUS)
    assert all(arch == CPUS[name].arch for arch, name in GENERIC.items())


def test_questions_about_llvm() -> None:
    assert codegen.llvm_version_major() >= 15
    assert codegen.llvm_get_system_cpu() == host.host_cpu()
    assert "x86_64" in codegen.llvm_get_targets()
    assert "cortex-a72" in codegen.llvm_get_cpu_archlist("llvm -mcpu=cortex-a53")
    assert codegen.llvm_cpu_has_features(["avx2", "fma"], "llvm -mcpu=haswell")
    assert not codegen.target_has_features("avx512f", Target("llvm -mcpu=haswell"))
    with Target("llvm -mcpu=skylake-avx512"):
        assert codegen.llvm_get_vector_width() == 512
    number = codegen.llvm_lookup_intrinsic_id("llvm.fma")
    assert codegen.llvm_get_intrinsic_name(number) == "llvm.fma"
    assert codegen.llvm_lookup_intrinsic_id("sin") == 0


def test_half_vectors_of_a_split_unit() -> None:
    half = model("llvm -mcpu=znver4 -mtriple=x86_64-linux-gnu").halved()
    assert half is not None
    assert (half.vector_bits, half.fma_ports, half.lanes()) == (256, 2, 8)
    assert half.halved() is None


@pytest.mark.parametrize("cpu", ["icelake-server", "haswell", "znver5"])
def test_no_half_vectors_where_they_lose(cpu: str) -> None:
    assert model(f"llvm -mcpu={cpu} -mtriple=x86_64-linux-gnu").halved() is None
