"""Targets: written, read back, combined; and what is said about mistakes in them."""

from __future__ import annotations

import copy
import json
import pickle
from types import SimpleNamespace

import pytest

from tilewright import target as tgt
from tilewright.support.errors import ArgumentError
from tilewright.target import Target

TEXTS = [
    "llvm",
    "llvm -mcpu=znver4 -num-cores 2",
    "llvm -mtriple=aarch64-linux-gnu -mattr=+neon,-sve",
    "llvm -opt-level -1 -fast-math",
    "llvm -keys=cpu,special -libs=cblas,mkl",
    "llvm -model='two words' -cl-opt=-a=1,-b=2",
    "c -march=armv8 -workspace-byte-alignment=16",
    "cuda -arch=sm_90a -max_num_threads=512",
    "vulkan -supports_float16 -supports_int32 0",
    "nvidia/nvidia-a100",
    "aws/cpu/c5.9xlarge",
    "hexagon -vtcm-capacity=0x400000",
    "native",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_and_pieces_round_trip(text: str) -> None:
    target = Target(text)
    assert str(Target(str(target))) == str(target)
    assert Target(target.export()) == target
    assert Target(json.dumps(target.export())) == target
    assert Target(target) == target
    assert pickle.loads(pickle.dumps(target)) == target
    assert copy.deepcopy(target) == target
    assert hash(Target(target.export())) == hash(target)


@pytest.mark.parametrize(
    ("text", "attrs"),
    [
        ("llvm -num-cores 2", {"num-cores": 2}),
        ("llvm -num-cores=2 -mcpu x", {"num-cores": 2, "mcpu": "x"}),
        ("llvm -fast-math -mcpu=x", {"fast-math": True, "mcpu": "x"}),
        ("llvm -fast-math 0", {"fast-math": False}),
        ("llvm -mattr=+a,-b", {"mattr": ["+a", "-b"]}),
        ("llvm -opt-level -1", {"opt-level": -1}),
        ("cuda", {"arch": "sm_80", "max_num_threads": 1024, "thread_warp_size": 32}),
    ],
)
def test_options_are_typed(text: str, attrs: dict[str, object]) -> None:
    assert Target(text).attrs == attrs


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("llvm", ["cpu"]),
        ("llvm -keys=mine", ["mine", "cpu"]),
        ("llvm -mtriple=aarch64-linux-gnu", ["arm_cpu", "cpu"]),
        ("opencl -device=adreno", ["adreno", "opencl", "gpu"]),
        ("cuda", ["cuda", "gpu"]),
    ],
)
def test_keys(text: str, keys: list[str]) -> None:
    assert Target(text).keys == keys


def test_attributes() -> None:
    target = Target("llvm -mcpu=cortex-a72 -mtriple=aarch64-linux-gnu -mattr=+crc")
    assert target.kind.name == "llvm"
    assert (target.mcpu, target.mtriple) == ("cortex-a72", "aarch64-linux-gnu")
    assert target.mattr == ["+crc"]
    assert target.features.is_aarch64
    assert target.features.has_asimd
    assert not target.features.has_sve
    assert Target("llvm -mcpu=neoverse-v1").features.has_sve
    assert Target("metal").thread_warp_size == 16
    assert Target("vulkan").get_target_device_type() == 7


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("lvm", "unknown target kind 'lvm'\n  hint: did you mean llvm?"),
        ("llvm -mcpuu=x", "no option 'mcpuu'\n  hint: did you mean mcpu?"),
        ("llvm -numcores 2", "did you mean num-cores?"),
        ("nvidia/nvidia-a1000", "unknown target tag.*did you mean nvidia/nvidia-a100"),
        ("llvm -num-cores=two", "must be int, found 'two'"),
        ("llvm -num-cores -3", "must be at least 0, found -3"),
        ("llvm -fast-math=maybe", "must be bool, found 'maybe'"),
        ("llvm -mcpu", "-mcpu of target kind 'llvm' needs a value"),
        ("llvm -mcpu=a -mcpu=b", "given twice"),
        ("llvm mcpu=x", "cannot read 'mcpu=x'"),
        ("-mcpu=x", "does not start with a kind"),
        ("", "cannot be empty"),
        ("{nonsense", "not valid JSON"),
        ({"mcpu": "x"}, "neither a kind nor a tag"),
        ({"kind": "llvm", "mcpu": 3}, "must be str, found 3"),
        ({"kind": "llvm", "num-cores": True}, "must be int, found True"),
        (3, "found int 3"),
    ],
)
def test_mistakes_are_explained(target: object, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"(?s){message}"):
        Target(target)  # type: ignore[arg-type]


def test_hosts() -> None:
    target = Target("cuda", host="llvm -mcpu=znver4")
    assert target.host == Target("llvm -mcpu=znver4")
    assert target.export()["host"]["mcpu"] == "znver4"
    assert Target(target.export()) == target
    assert target.with_host("llvm").host == Target("llvm")
    assert target.without_host() == Target("cuda")
    assert target != Target("cuda")
    assert Target.canon_target_and_host("cuda", "llvm")[1] == Target("llvm")
    assert Target.canon_multi_target_and_host(["cuda", "llvm"], "c")[0].host == Target("c")
    with pytest.raises(ArgumentError, match="host is given without a target"):
        Target.canon_target_and_host(None, "llvm")


def test_tags() -> None:
    target = Target("raspberry-pi/4b-aarch64")
    assert (target.mcpu, target.attrs["num-cores"]) == ("cortex-a72", 4)
    assert target.tag == "raspberry-pi/4b-aarch64"
    assert target.host is not None and target.host.mcpu == "cortex-a72"
    assert Target({"tag": "nvidia/nvidia-h100", "max_num_threads": 64}).max_num_threads == 64
    for tag in Target.list_tags():
        assert Target(tag).tag == tag


def test_a_tag_can_be_registered_once() -> None:
    tgt.register_tag("mine/board", {"kind": "llvm", "mcpu": "cortex-a53"})
    assert Target("mine/board").mcpu == "cortex-a53"
    with pytest.raises(ArgumentError, match="'mine/board' is taken"):
        tgt.register_tag("mine/board", {"kind": "c"})
    tgt.register_tag("mine/board", {"kind": "c"}, override=True)
    assert Target("mine/board").kind.name == "c"


def test_the_target_in_force() -> None:
    assert Target.current() is None
    with pytest.raises(ArgumentError, match="no target is in force"):
        Target.current(allow_none=False)
    with Target("cuda") as outer, Target("llvm") as inner:
        assert Target.current() is inner
        with outer:
            assert Target.current(allow_none=False) is outer
        assert Target.target_or_current(None) is inner
    assert Target.current() is None


@pytest.mark.parametrize(
    ("made", "same"),
    [
        (tgt.cuda(arch="sm_90"), "cuda -model=unknown -arch=sm_90"),
        (tgt.cuda("a", options="-thread_warp_size=64"), "cuda -model=a -thread_warp_size=64"),
        (tgt.cuda(max_num_threads=3), "cuda -model=unknown -max_num_threads=3"),
        (tgt.mali("g52"), "opencl -device=mali -model=g52"),
        (tgt.rocm(options=["-mcpu=gfx900"]), "rocm -model=unknown -mcpu=gfx900"),
        (tgt.stm32("stm32F7xx"), "c -keys=arm_cpu,cpu -device=arm_cpu -model=stm32F7xx "
         "-mcpu=cortex-m7"),
        (tgt.create("llvm"), "llvm"),
    ],
)  # fmt: skip
def test_families(made: Target, same: str) -> None:
    assert made == Target(same)


def test_families_of_processors() -> None:
    assert tgt.arm_cpu("rasp4b64").mcpu == "cortex-a72"
    assert tgt.arm_cpu("rasp4b64", "-mcpu=cortex-a53").mcpu == "cortex-a53"
    assert tgt.riscv_cpu("sifive-u74").mtriple.startswith("riscv64")
    assert tgt.hexagon("v69", num_cores=2).attrs["num-cores"] == 2
    with pytest.raises(ArgumentError, match="unknown STM32 series 'stm99'"):
        tgt.stm32("stm99")


def test_kinds_are_listed() -> None:
    assert {"llvm", "c", "cuda", "webgpu", "hexagon"} <= set(Target.list_kinds())
    assert all(Target(kind).kind.name == kind for kind in Target.list_kinds())


def test_a_present_device_tells_its_limits() -> None:
    device = SimpleNamespace(
        device_type=2,
        exist=True,
        compute_version="9.0",
        max_threads_per_block=1024,
        max_shared_memory_per_block=49152,
        warp_size=32,
    )
    target = Target.from_device(device)
    assert (target.arch, target.max_shared_memory_per_block) == ("sm_90", 49152)
    assert Target.from_device(SimpleNamespace(device_type=1, exist=True)) == Target("native")
    device.exist = False
    with pytest.raises(ArgumentError, match="is not there"):
        Target.from_device(device)
