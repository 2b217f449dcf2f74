"""The pipelines of graph programs: each one function that lists its passes in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir.transform import Pass, Sequential
from ..support.errors import ArgumentError
from . import transform as T

PIPELINES: dict[str, Callable[..., Pass]] = {}
"""What makes each pipeline, by name."""


def register_pipeline(name: str) -> Callable[[Any], Any]:
    """Declares the function that makes the pipeline `name`."""

    def declare(function: Any) -> Any:
        PIPELINES[name] = function
        return function

    return declare


def get_pipeline(name: str = "zero", **options: Any) -> Pass:
    """The pipeline called `name`. Raises `ArgumentError` listing those there are."""
    if name not in PIPELINES:
        raise ArgumentError(f"unknown pipeline {name!r}", hint=f"there are {', '.join(PIPELINES)}")
    return PIPELINES[name](**options)


@register_pipeline("zero")
def zero_pipeline() -> Pass:
    """Operators become kernels, which are fused; nothing is lowered further."""
    return Sequential(
        [T.LegalizeOps(), T.AnnotateTIROpPattern(), T.FuseOps(), T.FuseTIR()],
        name="relax.pipeline.zero",
    )


@register_pipeline("default_build")
def default_build_pipeline() -> Pass:
    """From kernels and their calls to what the virtual machine's lowering takes."""
    return Sequential(
        [T.ToNonDataflow(), T.CallTIRRewrite(), T.StaticPlanBlockMemory()],
        name="relax.pipeline.default_build",
    )


@register_pipeline("default")
def default_pipeline() -> Pass:
    """From operators to what the virtual machine's lowering takes."""
    return Sequential(
        [
            T.LegalizeOps(),
            T.AnnotateTIROpPattern(),
            T.FuseOps(),
            T.FuseTIR(),
            T.ToNonDataflow(),
            T.CallTIRRewrite(),
            T.StaticPlanBlockMemory(),
        ],
        name="relax.pipeline.default",
    )
