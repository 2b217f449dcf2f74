"""Networks written as ONNX with `torch`, with seeded random weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import weights
from .networks import FIXED, NETWORKS, Network

CALIBRATION = {"batch": 4, "sequence": 32}
INTEGERS = ("_ids", "_mask")


def export(
    name: str,
    path: Path,
    *,
    dynamic: bool = False,
    sizes: Mapping[str, int] = FIXED,
    seed: int = 0,
    trained: Path | None = None,
) -> None:
    """Writes network `name` to `path`, at `sizes`, or with symbols where `dynamic`.

    `trained` is a folder of `transformers` with weights to use in place of random ones.
    """
    import torch

    network = NETWORKS[name]
    torch.manual_seed(seed)
    module = build(network, trained)
    if dynamic:  # 1 would be taken for a constant
        inputs = sample_inputs(network, {"batch": 2, "sequence": 16})
    else:
        inputs = sample_inputs(network, sizes)
    dims = {s: torch.export.Dim(s, min=1, max=512) for s in FIXED}
    shapes = {
        key: {axis: dims[d] for axis, d in enumerate(dimensions) if isinstance(d, str)}
        for key, dimensions in network.inputs.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            kwargs=inputs,
            f=str(path),
            input_names=list(network.inputs),
            output_names=list(network.outputs),
            dynamic_shapes=shapes if dynamic else None,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def build(network: Network, trained: Path | None = None) -> Any:
    """The network as a module of inputs by name to a tuple of tensors, in inference mode."""
    import torch

    model = _model(network, trained).eval()

    class Wrapper(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
        def __init__(self) -> None:
            super().__init__()
            self.model = model

    signature = ", ".join(network.inputs)
    arguments = ", ".join(f"{key}={key}" for key in network.inputs)
    results = ", ".join(f"result.{key}" for key in network.outputs)
    namespace: dict[str, Callable[..., Any]] = {}
    exec(
        f"def forward(self, {signature}):\n"
        f"    result = self.model({arguments})\n"
        f"    return ({results},)\n",
        namespace,
    )
    Wrapper.forward = namespace["forward"]
    return Wrapper().eval()


def _model(network: Network, trained: Path | None) -> Any:
    import transformers

    if not network.config:
        from . import modules

        model = getattr(modules, network.model)(**network.options)
    elif trained is not None:
        return getattr(transformers, network.model).from_pretrained(str(trained))
    else:
        config = getattr(transformers, network.config)(**network.options)
        model = getattr(transformers, network.model)(config)
    weights.draw(model)
    batch = sample_inputs(network, CALIBRATION)
    weights.calibrate(model.eval(), lambda: model(**batch), network.spreads)
    return model


def sample_inputs(network: Network, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Random numbers or tokens, with the symbols of the shapes replaced by `sizes`."""
    import torch

    result = {}
    for key, dimensions in network.inputs.items():
        shape = [sizes[d] if isinstance(d, str) else d for d in dimensions]
        if not key.endswith(INTEGERS):
            result[key] = torch.randn(shape)
        elif "mask" in key or "type" in key:
            result[key] = torch.full(shape, int("mask" in key))
        else:
            result[key] = torch.randint(0, 1000, shape)
    return result
