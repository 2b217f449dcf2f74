"""The options of graph passes: `PassContext(config={"relax.FuseOps.max_depth": 8})`."""

from __future__ import annotations

from ...ir.transform import register_config

MAX_DEPTH = register_config(
    "relax.FuseOps.max_depth", int, "how many operations one fused kernel may hold at most"
)
APPLY_LEGALIZE_OPS = register_config(
    "relax.transform.apply_legalize_ops", bool,
    "whether LegalizeOps does anything, by default: what is offloaded whole needs no kernels",
)  # fmt: skip
WINOGRAD = register_config(
    "relax.BlockChannels.winograd",
    bool,
    "whether convolutions may use Winograd's algorithm, by default: its error is relative to "
    "the largest value of a tile, and an infinity in one makes NaN of its results",
)
register_config(
    "relax.backend.use_cuda_graph", bool,
    "no effect: launches of kernels are not recorded as graphs of the device",
)  # fmt: skip
register_config(
    "relax.fallback_device_type", int,
    "no effect: what no virtual device is named for runs on the target that is built for",
)  # fmt: skip
register_config(
    "relax.lift_transform_params.consume_params", bool,
    "no effect: the function that transforms weights leaves its arguments as they are",
)  # fmt: skip
