"""Targets of device families by a function call: `cuda(arch="sm_90")`, `arm_cpu("rasp4b64")`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tilewright.support.errors import ArgumentError, ArgumentTypeError, listing

from .target import Target, TargetLike

Options: TypeAlias = "str | Sequence[str] | None"

_ARM = {
    "pixel": "-mtriple=arm64-linux-android -mattr=+neon",
    "pixel2": "-mtriple=arm64-linux-android -mattr=+neon",
    "mate10": "-mtriple=arm64-linux-android -mattr=+neon",
    "p20": "-mtriple=arm64-linux-android -mattr=+neon",
    "rasp3b": "-mtriple=armv7l-linux-gnueabihf -mattr=+neon",
    "rasp4b": "-mtriple=armv8l-linux-gnueabihf -mattr=+neon",
    "rasp4b64": "-mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -mattr=+neon",
    "rk3399": "-mtriple=aarch64-linux-gnu -mattr=+neon",
    "rock960": "-mtriple=aarch64-linux-gnu -mattr=+neon",
    "pynq": "-mtriple=armv7a-linux-eabi -mattr=+neon",
    "ultra96": "-mtriple=aarch64-linux-gnu -mattr=+neon",
    "beagleai": "-mtriple=armv7a-linux-gnueabihf -mattr=+neon,+vfp4,+thumb2",
    "jetson-nano": "-mtriple=aarch64-linux-gnu -mcpu=cortex-a57",
    "stm32mp1": "-mtriple=armv7a-linux-gnueabihf -mattr=+neon,+vfp4,+thumb2",
}
_RISCV = {
    "sifive-e31": "-mtriple=riscv32-unknown-linux-gnu -mcpu=sifive-e31 -mabi=ilp32",
    "sifive-e76": "-mtriple=riscv32-unknown-linux-gnu -mcpu=sifive-e76 -mabi=ilp32",
    "sifive-u54": "-mtriple=riscv64-unknown-linux-gnu -mcpu=sifive-u54 -mabi=lp64d",
    "sifive-u74": "-mtriple=riscv64-unknown-linux-gnu -mcpu=sifive-u74 -mabi=lp64d",
    "licheepi3a": "-mtriple=riscv64-unknown-linux-gnu -mattr=+m,+a,+f,+d,+c,+v,+zvl256b "
    "-mabi=lp64d",
}
_STM32 = {
    "stm32F7xx": "cortex-m7",
    "stm32H7xx": "cortex-m7",
    "stm32F4xx": "cortex-m4",
    "stm32L4xx": "cortex-m4",
    "stm32L5xx": "cortex-m33",
    "stm32U5xx": "cortex-m33",
}


def _make(kind: str, fixed: str, options: Options) -> Target:
    given = options.split() if isinstance(options, str) else _words(options)
    chosen = {word.partition("=")[0] for word in given}
    kept = [word for word in fixed.split() if word.partition("=")[0] not in chosen]
    return Target(" ".join([kind, *kept, *given]))


def _words(options: Any) -> list[str]:
    """The options in a list. Raises `ArgumentTypeError` for anything but strings in a list."""
    words = [] if options is None else options
    if isinstance(words, (list, tuple)) and all(isinstance(word, str) for word in words):
        return list(words)
    raise ArgumentTypeError(
        f"options of a target are a string or a list of strings, found {options!r}"
    )


def _row(table: Mapping[str, str], family: str, model: str) -> str:
    if not isinstance(model, str) or model not in table:
        raise ArgumentError(
            f"unknown {family} {model!r}", hint=f"known are {listing(sorted(table))}"
        )
    return table[model]


def create(target: TargetLike) -> Target:
    """`Target(target)`."""
    return Target(target)


def cuda(
    model: str = "unknown", arch: str | None = None, options: Options = None, **attrs: Any
) -> Target:
    """An NVIDIA GPU of architecture `arch`, such as `sm_90`."""
    fixed = f"-model={model}" + (f" -arch={arch}" if arch else "")
    return Target({**_make("cuda", fixed, options).export(), **attrs})


def rocm(model: str = "unknown", options: Options = None) -> Target:
    """An AMD GPU."""
    return _make("rocm", f"-model={model}", options)


def metal(model: str = "unknown", options: Options = None) -> Target:
    """An Apple GPU."""
    return _make("metal", f"-model={model}", options)


def mali(model: str = "unknown", options: Options = None) -> Target:
    """An Arm Mali GPU, through OpenCL."""
    return _make("opencl", f"-device=mali -model={model}", options)


def bifrost(model: str = "unknown", options: Options = None) -> Target:
    """An Arm Bifrost GPU, through OpenCL."""
    return _make("opencl", f"-device=bifrost -model={model}", options)


def intel_graphics(model: str = "unknown", options: Options = None) -> Target:
    """An Intel GPU, through OpenCL."""
    return _make("opencl", f"-device=intel_graphics -model={model} -thread_warp_size=16", options)


def adreno(
    model: str = "unknown", options: Options = None, cfg: str | None = None, backend: str = "opencl"
) -> Target:
    """A Qualcomm Adreno GPU, through OpenCL or Vulkan; `cfg="texture"` keeps tensors in images."""
    keys = "adreno,opencl,gpu" if backend == "opencl" else "adreno,vulkan,gpu"
    if cfg is not None:
        keys += f",{cfg}"
    return _make(backend, f"-keys={keys} -device=adreno -model={model}", options)


def arm_cpu(model: str = "unknown", options: Options = None) -> Target:
    """An Arm processor, by the name of a board; any other model is this architecture's generic."""
    fixed = _ARM.get(model, "-mattr=+neon")
    return _make("llvm", f"-keys=arm_cpu,cpu -device=arm_cpu -model={model} {fixed}", options)


def rasp(options: Options = None) -> Target:
    """A Raspberry Pi 3."""
    return arm_cpu("rasp3b", options)


def riscv_cpu(model: str = "sifive-u54", options: Options = None) -> Target:
    """A RISC-V processor, by its name. Raises `ArgumentError` if it is not in the table."""
    fixed = _row(_RISCV, "RISC-V processor", model)
    return _make("llvm", f"-keys=cpu,arm_cpu -device=arm_cpu -model={model} {fixed}", options)


def stm32(series: str = "unknown", options: Options = None) -> Target:
    """An STM32 microcontroller, as C source."""
    cpu = _row(_STM32, "STM32 series", series)
    return _make("c", f"-keys=arm_cpu,cpu -device=arm_cpu -model={series} -mcpu={cpu}", options)


def hexagon(cpu_ver: str = "v68", **attrs: Any) -> Target:
    """A Hexagon processor; `num_cores`, `vtcm_capacity`, `hvx` bytes, `llvm_options`."""
    hvx = int(attrs.pop("hvx", 128))
    config: dict[str, Any] = {
        "kind": "hexagon",
        "mtriple": "hexagon",
        "mcpu": f"hexagon{cpu_ver}",
        "mattr": [f"+hvx{cpu_ver}", f"+hvx-length{hvx}b"] if hvx else [],
        "num-cores": 4,
        "vtcm-capacity": 4 << 20,
    }
    return Target({**config, **{name.replace("_", "-"): value for name, value in attrs.items()}})
