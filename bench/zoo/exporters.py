"""Well-known networks exported from `transformers` with seeded random weights.

Weights are drawn so that activations keep their scale through the network: an output that has
vanished or saturated would hide a wrong result.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VISION = {"pixel_values": ("batch", 3, 224, 224)}
TOKENS = ("batch", "sequence")
FIXED = {"batch": 1, "sequence": 128}


@dataclass(frozen=True, slots=True)
class Network:
    """What to export: a configuration and a model class of `transformers`, inputs and outputs.

    A dimension of an input is a number or the name of a symbol of `FIXED`.
    """

    config: str
    model: str
    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


NETWORKS = {
    "resnet18": Network(
        "ResNetConfig",
        "ResNetForImageClassification",
        VISION,
        ("logits",),
        {
            "depths": [2, 2, 2, 2],
            "hidden_sizes": [64, 128, 256, 512],
            "layer_type": "basic",
            "num_labels": 1000,
        },
    ),
    "resnet50": Network(
        "ResNetConfig", "ResNetForImageClassification", VISION, ("logits",), {"num_labels": 1000}
    ),
    "mobilenetv2": Network(
        "MobileNetV2Config",
        "MobileNetV2ForImageClassification",
        VISION,
        ("logits",),
        {"num_labels": 1000, "tf_padding": False},
    ),
    "convnext_tiny": Network(
        "ConvNextConfig",
        "ConvNextForImageClassification",
        VISION,
        ("logits",),
        {"num_labels": 1000},
    ),
    "vit_b16": Network(
        "ViTConfig", "ViTForImageClassification", VISION, ("logits",), {"num_labels": 1000}
    ),
    "bert_base": Network(
        "BertConfig",
        "BertModel",
        {"input_ids": TOKENS, "attention_mask": TOKENS, "token_type_ids": TOKENS},
        ("last_hidden_state", "pooler_output"),
    ),
    "minilm": Network(
        "BertConfig",
        "BertModel",
        {"input_ids": TOKENS, "attention_mask": TOKENS, "token_type_ids": TOKENS},
        ("last_hidden_state", "pooler_output"),
        {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
    ),
    "gpt2": Network(
        "GPT2Config", "GPT2LMHeadModel", {"input_ids": TOKENS}, ("logits",), {"use_cache": False}
    ),
}


def export(
    name: str, path: Path, *, dynamic: bool = False, seed: int = 0, trained: Path | None = None
) -> None:
    """Writes network `name` to `path`: sizes of `FIXED`, or symbolic ones where `dynamic`.

    `trained` is a folder of `transformers` with weights to use in place of random ones.
    """
    import torch

    network = NETWORKS[name]
    torch.manual_seed(seed)
    module = build(network, trained)
    if dynamic:  # 1 would be taken for a constant
        inputs = sample_inputs(network, {"batch": 2, "sequence": 16})
    else:
        inputs = sample_inputs(network, FIXED)
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

    constructor = getattr(transformers, network.model)
    if trained is not None:
        return constructor.from_pretrained(str(trained))
    model = constructor(getattr(transformers, network.config)(**network.options))
    _draw_weights(model)
    _calibrate_batch_norms(model, network)
    return model


def sample_inputs(network: Network, sizes: dict[str, int]) -> dict[str, Any]:
    """Random pixels or tokens, with the symbols of the shapes replaced by `sizes`."""
    import torch

    result = {}
    for key, dimensions in network.inputs.items():
        shape = [sizes[d] if isinstance(d, str) else d for d in dimensions]
        if key == "pixel_values":
            result[key] = torch.randn(shape)
        elif key == "input_ids":
            result[key] = torch.randint(0, 1000, shape)
        else:
            result[key] = torch.full(shape, int(key == "attention_mask"))
    return result


def _draw_weights(model: Any) -> None:
    """Weights of variance 1/inputs (2/inputs before a ReLU), scales near one, small biases."""
    import torch

    with torch.no_grad():
        for module in model.modules():
            kind = type(module).__name__
            for key, parameter in module.named_parameters(recurse=False):
                if key == "weight" and kind in ("Conv2d", "Linear", "Conv1D"):
                    inputs = parameter[0].numel() if kind != "Conv1D" else parameter.shape[0]
                    gain = 2.0 if kind == "Conv2d" else 1.0
                    parameter.normal_(0.0, (gain / inputs) ** 0.5)
                elif key == "weight" and parameter.dim() == 1:
                    parameter.uniform_(0.8, 1.2)
                elif "layer_scale" in key or "lambda" in key:
                    parameter.uniform_(0.1, 0.3)
                elif key == "bias" or "token" in key or "position" in key:
                    parameter.normal_(0.0, 0.05)


def _calibrate_batch_norms(model: Any, network: Network) -> None:
    """Sets every running mean and variance to what a random batch has there."""
    import torch

    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    if not norms:
        return
    for norm in norms:
        norm.momentum = 1.0
    model.train()
    with torch.no_grad():
        model(**sample_inputs(network, {"batch": 4}))
