"""Pipelines: each a function that lists its passes in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir.transform import Pass, Sequential
from ..support.errors import ArgumentError, listing
from . import transform as T

FEW_CHANNELS = 8
"""Fewer channels would leave most of each block empty."""


def zero_pipeline() -> Pass:
    """Operators become kernels, which are fused; nothing else."""
    return Sequential(
        [
            T.LegalizeOps(),
            T.AnnotateTIROpPattern(),
            T.FoldConstant(),
            T.FuseOps(),
            T.FuseTIR(),
        ],
        name="zero",
    )


def graph_passes() -> list[Pass]:
    """What is done while operators are still operators."""
    return [
        T.Normalize(),
        T.ConvertToDataflow(1),
        T.CanonicalizeBindings(),
        T.FoldConstant(),
        T.FoldBatchnormToConv2D(),
        T.DecomposeOpsForInference(),
        T.CanonicalizeBindings(),
        T.FoldConstant(),
        T.EliminateCommonSubexpr(),
        T.DeadCodeElimination(),
        T.DropBroadcasts(),
        T.RecognizeNorms(),
        T.SinkReshapes(),
        T.CanonicalizeBindings(),
        T.DeadCodeElimination(),
        T.TransposedConvPhases(below=FEW_CHANNELS),
        T.BlockChannels(),
        T.TransposedConvPhases(),
        T.PackWeights(),
        T.FuseTransposeMatmul(),
        T.DeadCodeElimination(),
    ]


def kernel_passes() -> list[Pass]:
    """From operators to fused kernels."""
    return [
        T.LegalizeOps(),
        T.FoldConstant(),
        T.RewriteDataflowReshape(),
        T.AnnotateTIROpPattern(),
        T.FuseOps(),
        T.FuseTIR(),
        T.NameExtents(),
        T.DeadCodeElimination(),
    ]


def machine_passes() -> list[Pass]:
    """From calls of kernels to what `vm_build` lowers to instructions."""
    return [
        T.LambdaLift(),
        T.ToNonDataflow(),
        T.RemovePurityChecking(),
        T.CallTIRRewrite(),
        T.StaticPlanBlockMemory(),
        T.AttachGlobalSymbol(),
    ]


def default_pipeline() -> Pass:
    """The optimizations of the graph and the fusion of kernels."""
    return Sequential([*graph_passes(), *kernel_passes()], name="default")


def default_build_pipeline() -> Pass:
    """All passes between a model and `vm_build.lower_to_executable`."""
    return Sequential([*graph_passes(), *kernel_passes(), *machine_passes()], name="default_build")


PIPELINE_MAP: dict[str, Callable[..., Pass]] = {
    "zero": zero_pipeline,
    "default": default_pipeline,
    "default_build": default_build_pipeline,
}


def get_pipeline(name: str = "zero", **kwargs: Any) -> Pass:
    """The pipeline called `name`. Raises `ArgumentError` listing those there are."""
    if name not in PIPELINE_MAP:
        raise ArgumentError(
            f"there is no pipeline {name!r}", note=f"there are {listing(list(PIPELINE_MAP))}"
        )
    return PIPELINE_MAP[name](**kwargs)


def get_default_pipeline(target: Any) -> Pass:
    """The pipeline with which `compile` builds for `target`."""
    return default_build_pipeline()


def register_pipeline(name: str) -> Callable[[Callable[..., Pass]], Callable[..., Pass]]:
    """Registers a function that makes a pipeline under `name`."""
    if name in PIPELINE_MAP:
        raise ArgumentError(f"there is a pipeline {name!r} already")

    def register(func: Callable[..., Pass]) -> Callable[..., Pass]:
        PIPELINE_MAP[name] = func
        return func

    return register
