"""Which targets tests run on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tilewright.runtime import Device, device, enabled
from tilewright.support.c_compiler import find_c_compiler
from tilewright.support.knobs import read_environment
from tilewright.target import Target

DEFAULT_TEST_TARGETS = ["llvm", "cuda", "nvptx", "vulkan", "opencl", "metal", "rocm", "hexagon"]
"""What a test that asks for a target is run on, where it can be."""

IS_IN_CI = (read_environment("CI") or "").lower() in ("1", "true")
GROUP = "tilewright_parameter_group"
"""The attribute of a fixture that varies together with others."""
EXCLUDED, FAILING = "tvm_excluded_targets", "tvm_known_failing_targets"
"""Marks of tests that do not run, or are expected to fail, on some targets."""
COMPILED = ("llvm", "c")
"""The kinds of targets that there is a code generator for."""


def kind_of(target: Any) -> str:
    """The kind of a target: the first word of its text."""
    if isinstance(target, Target):
        return target.kind.name
    return str(target).split()[0] if not isinstance(target, dict) else str(target["kind"])


def chosen_targets(targets: Sequence[str] | None = None) -> list[str]:
    """The targets asked for; else those in TVM_TEST_TARGETS, which are separated by `;`; else the
    default ones."""
    if targets:
        return list(targets)
    text = read_environment("TVM_TEST_TARGETS") or ""
    named = [part.strip() for part in text.split(";") if part.strip()]
    return list(dict.fromkeys(named or DEFAULT_TEST_TARGETS))


def device_enabled(target: Any) -> bool:
    """Whether tests for that target run here: it was asked for, code is generated, and its device
    is there."""
    kind = kind_of(target)
    if kind not in [kind_of(t) for t in chosen_targets()] and kind != "c":
        return False
    return can_run(target)


def can_run(target: Any) -> bool:
    """Whether code for `target` can be made and run here."""
    kind = kind_of(target)
    if kind == "c":
        return find_c_compiler() is not None
    return kind in COMPILED and enabled(kind)


def enabled_targets() -> list[tuple[str, Device]]:
    """The targets on which tests run here, each with its device."""
    return [(t, device_of(t)) for t in chosen_targets() if device_enabled(t)]


def device_of(target: Any) -> Device:
    """The device of a target. Raises `ArgumentError` for kinds without one."""
    return device(kind_of(target))


def device_test(dev: Device) -> Device:
    """`dev`, given back."""
    return dev
