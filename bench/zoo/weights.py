"""Random weights with which activations keep their scale through a network.

Scales are set layer by layer while a random batch passes (after Mishkin and Matas, "All you need is
a good init", 2016): what a convolution or dense layer gives has a standard deviation of one, and
what a batch normalization takes has its running mean and variance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

DENSE = ("Conv1d", "Conv2d", "Linear", "Conv1D")


def draw(model: Any) -> None:
    """Weights of variance 1/inputs (2/inputs before a ReLU), scales near one, small biases.

    Weights that an embedding shares stay as they are.
    """
    import torch

    shared = _embedded(model)
    with torch.no_grad():
        for module in model.modules():
            kind = type(module).__name__
            for key, parameter in module.named_parameters(recurse=False):
                if id(parameter) in shared:
                    continue
                if key == "weight" and _is_dense(module):
                    inputs = parameter[0].numel() if kind != "Conv1D" else parameter.shape[0]
                    gain = 2.0 if kind == "Conv2d" else 1.0
                    parameter.normal_(0.0, (gain / inputs) ** 0.5)
                elif key == "weight" and parameter.dim() == 1:
                    parameter.uniform_(0.8, 1.2)
                elif "layer_scale" in key or "lambda" in key:
                    parameter.uniform_(0.1, 0.3)
                elif key == "bias" or "token" in key or "position" in key:
                    parameter.normal_(0.0, 0.05)


def calibrate(model: Any, run: Callable[[], object], spreads: Mapping[str, float]) -> None:
    """Sets scales and statistics while `run` passes a batch through the model, in inference mode.

    `spreads`: ends of names of layers with another standard deviation than one. Weights that an
    embedding shares stay as they are; a layer that is used more than once counts at its first use.
    """
    import torch

    shared = _embedded(model)
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            hooks.append(module.register_forward_pre_hook(_measure))
        elif _is_dense(module) and id(module.weight) not in shared:
            spread = next((s for end, s in spreads.items() if name.endswith(end)), 1.0)
            hooks.append(module.register_forward_hook(_Scale(spread)))
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()


def _embedded(model: Any) -> set[int]:
    """The identities of the weights of embeddings."""
    import torch

    return {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}


def _is_dense(module: Any) -> bool:
    """Whether a module is a convolution or dense layer, or a subclass of one."""
    return any(base.__name__ in DENSE for base in type(module).__mro__)


def _measure(norm: Any, inputs: tuple[Any, ...]) -> None:
    """Before a batch normalization: its statistics are those of its input."""
    (x,) = inputs
    axes = [axis for axis in range(x.dim()) if axis != 1]
    norm.running_mean.copy_(x.mean(axes))
    norm.running_var.copy_(x.var(axes, unbiased=False) + 1e-3)


class _Scale:
    """After a layer's first use: weights and outputs are scaled to a standard deviation."""

    def __init__(self, spread: float) -> None:
        self.spread = spread
        self.done = False

    def __call__(self, layer: Any, inputs: object, output: Any) -> Any:
        if self.done:
            return output
        self.done = True
        factor = self.spread / float(output.std())
        for parameter in layer.parameters(recurse=False):
            parameter.mul_(factor)
        return output * factor
